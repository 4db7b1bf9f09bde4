"""What was read elsewhere, told by another system: one study, or many as CSV."""

import csv
import io
import re
from typing import Annotated

from fastapi import APIRouter, Body

from db import read_states
from db.read_states import ReadState
from nightread.web.api import shapes
from nightread.web.api.guards import Marking, no_study
from nightread.web.deciding import NO_STUDY
from nightread.web.fields import UID, StudyUid
from nightread.web.problems import Refusal

HEADER = ["study_uid", "state"]
MOST_ROWS = 10_000

router = APIRouter(tags=["read states"])


@router.put(
    "/studies/{study_uid}/read-state",
    status_code=204,
    responses={404: {"description": NO_STUDY}},
)
def put(study_uid: StudyUid, asked: shapes.ReadStateShape, access: Marking) -> None:
    """A study was read elsewhere, or is to be read again. An image that comes later reopens it."""
    changed = read_states.put(access.session, access.principal.who, {study_uid: asked.state})
    if changed.unknown:
        raise no_study()


@router.post("/read-states", responses={400: {"description": "The CSV can't be read."}})
def put_many(
    body: Annotated[
        bytes,
        Body(
            media_type="text/csv",
            min_length=1,
            description="The header `study_uid,state`, then a study a line: `read` or `unread`.",
            examples=["study_uid,state\r\n1.2.840.1,read\r\n"],
        ),
    ],
    access: Marking,
) -> shapes.ReadStatesChanged:
    """Many at once; those that are not in the list are named, the others are set."""
    changed = read_states.put(access.session, access.principal.who, rows(body))
    return shapes.ReadStatesChanged(
        read=changed.read, unread=changed.unread, unknown=list(changed.unknown)
    )


def rows(body: bytes) -> dict[str, ReadState]:
    """What the lines say. Raises `Refusal` (400) with the number of the first that says nothing."""
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise Refusal(400, "The body is not CSV in UTF-8.") from None
    if not lines or lines[0] != HEADER:
        raise Refusal(400, f"The first line must be `{','.join(HEADER)}`.")
    if len(lines) - 1 > MOST_ROWS:
        raise Refusal(400, f"More than {MOST_ROWS} studies: send them in parts.")
    found: dict[str, ReadState] = {}
    for number, line in enumerate(lines[1:], 2):
        match line:
            case [uid, ReadState.READ | ReadState.UNREAD as state] if re.fullmatch(UID, uid):
                found[uid] = ReadState(state)
            case []:
                continue
            case _:
                raise Refusal(
                    400, f"Line {number} is no Study Instance UID and `read` or `unread`."
                )
    return found
