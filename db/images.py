"""The images that a reader is shown of a study, and where their files lie.

The two are asked for under different roles: who reads the list sees no key of an object.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from db.plan import place_of
from mammo.members import Place

SHOWN = text(
    """
    SELECT i.sop_instance_uid, i.laterality, i.view, i.flags,
        coalesce(i.sop_instance_uid = ANY(:used), false) AS used
    FROM instances i JOIN studies s ON s.id = i.study_id
    WHERE s.study_uid = :uid AND i.verdict = 'accepted' AND i.is_mammography
        AND i.laterality IS NOT NULL AND i.view IS NOT NULL
    ORDER BY i.laterality DESC, i.view, used DESC, i.sop_instance_uid
    """
)
USED = text(
    """
    SELECT u.sop_instance_uid FROM result_instances u
    JOIN worklist w ON w.result_id = u.result_id WHERE w.study_uid = :uid
    """
)
LEFT_OUT = text(
    """
    SELECT i.sop_instance_uid, i.laterality, i.view, i.verdict, i.reason
    FROM instances i JOIN studies s ON s.id = i.study_id
    WHERE s.study_uid = :uid AND i.verdict <> 'accepted'
    ORDER BY i.verdict DESC, i.reason, i.sop_instance_uid, i.id
    """
)
FILE = text(
    """
    SELECT i.laterality, s.pseudonym, o.bucket, o.key, o.etag, o.size,
        i.member_method, i.member_offset, i.member_length, i.member_size, i.member_crc32
    FROM instances i JOIN studies s ON s.id = i.study_id JOIN objects o ON o.id = i.object_id
    WHERE s.study_uid = :uid AND i.sop_instance_uid = :sop AND i.verdict = 'accepted'
        AND o.gone_at IS NULL
    ORDER BY i.id LIMIT 1
    """
)


@dataclass(frozen=True, slots=True)
class ShownImage:
    """An image that can be looked at."""

    sop_instance_uid: str
    laterality: str
    view: str
    flags: tuple[str, ...]
    used: bool  # the result that is shown was made from it


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An image that was not used, and why."""

    sop_instance_uid: str | None
    laterality: str | None
    view: str | None
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImageFile:
    """Where an image lies."""

    laterality: str | None
    study_pseudonym: str
    bucket: str
    key: str
    etag: str
    size: int  # bytes of the object
    place: Place | None  # of a member


def shown(session: Session, study_uid: str) -> list[ShownImage]:
    """R before L, CC before MLO; of a view's images the one that was used first."""
    used = list(session.scalars(USED, {"uid": study_uid}))
    rows = session.execute(SHOWN, {"uid": study_uid, "used": used})
    return [
        ShownImage(row.sop_instance_uid, row.laterality, row.view, tuple(row.flags), row.used)
        for row in rows
    ]


def left_out(session: Session, study_uid: str) -> list[LeftOut]:
    """What can't be trusted before what is not ours to screen."""
    return [LeftOut(*row) for row in session.execute(LEFT_OUT, {"uid": study_uid})]


def file_of(session: Session, study_uid: str, sop_instance_uid: str) -> ImageFile | None:
    """Where an image lies that may be shown; None: there is none. Under `nightread_previews`."""
    row = session.execute(FILE, {"uid": study_uid, "sop": sop_instance_uid}).mappings().first()
    if row is None:
        return None
    return ImageFile(
        laterality=row["laterality"],
        study_pseudonym=row["pseudonym"],
        bucket=row["bucket"],
        key=row["key"],
        etag=row["etag"],
        size=row["size"],
        place=place_of(row),
    )
