"""Pixels for the study page: parts of previews, from the cache or made on demand."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from db.images import ImageFile, file_of
from mammo.decode import PixelError
from nightread.previews.service import Previews
from nightread.web.fields import SopUid, StudyUid
from nightread.web.pages.worklist import Readers
from nightread.web.problems import Refusal
from nightread.web.services import TAKE_ON, Services
from ray_jobs.faults import DecoderLost, ObjectUnreadable, StoreLost

router = APIRouter(include_in_schema=False)
PartName = Annotated[str, Path(pattern=r"^(overview|tile-\d{1,2}-\d{1,2})$")]
NO_IMAGE = "There is no such image to show."
ROLE = "nightread_previews"  # sees where an image lies, and nothing that was said of it


@router.get("/studies/{study_uid}/images/{sop_instance_uid}/{part}")
def part(
    request: Request, access: Readers, study_uid: StudyUid, sop_instance_uid: SopUid, part: PartName
) -> Response:
    """Samples as `nightread/previews/parts.py` packs them. Nothing of it stays in the browser."""
    previews: Previews | None = request.app.state.previews
    if previews is None:
        raise Refusal(404, "Images are not served here: NIGHTREAD_PREVIEWS_URL is not set.")
    image = _file(access.services, study_uid, sop_instance_uid)
    if image is None:
        raise Refusal(404, NO_IMAGE)
    try:
        body = previews.part(image, sop_instance_uid, part)
    except (PixelError, ObjectUnreadable) as error:
        return _said(422, f"{error.reason.line}.")
    except (StoreLost, DecoderLost):
        return _said(503, "The archive does not answer at the moment: load the page again.")
    # Who erases removes previews after the study: one that was kept later is removed here.
    if _file(access.services, study_uid, sop_instance_uid) is None:
        previews.cache.erase(image.study_pseudonym)
        raise Refusal(404, NO_IMAGE)
    if body is None:
        raise Refusal(404, "This image has no such part.")
    return Response(
        body, media_type="application/octet-stream", headers={"Content-Encoding": "gzip"}
    )


def _file(services: Services, study_uid: str, sop_instance_uid: str) -> ImageFile | None:
    with Session(services.database) as session, session.begin():
        session.execute(TAKE_ON, {"role": ROLE})
        return file_of(session, study_uid, sop_instance_uid)


def _said(status: int, words: str) -> Response:
    """For a viewer that shows it in the image's place."""
    return Response(words, status, media_type="text/plain")
