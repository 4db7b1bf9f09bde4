"""Values that come from outside, with their bounds: what is beyond them is refused by name."""

import re
from datetime import date
from typing import Annotated

from fastapi import Path, Query
from pydantic import AfterValidator, BeforeValidator, Field

from db.text import storable

MOST = 200  # studies a page
MOST_IMAGES = 1000
MOST_ENTRIES = 1000
FURTHEST = 1_000_000
BIGINT = (1 << 63) - 1


def stored(value: str) -> str:
    """`value`; raises `ValueError` where no text column takes it."""
    if storable(value) != value:
        raise ValueError("it holds a character that is none")
    return value


def _day(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        raise ValueError("write a day as 2026-11-26")
    return value


UID = r"^[0-9.]{1,64}$"  # UI (PS3.5 6.2)
NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$"

Uid = Annotated[str, Field(pattern=UID, examples=["1.2.840.113619.2.1"])]
StudyUid = Annotated[Uid, Path(description="Study Instance UID.")]
SeriesUid = Annotated[Uid, Path(description="Series Instance UID.")]
SopUid = Annotated[Uid, Path(description="SOP Instance UID.")]
Text = Annotated[str, Field(max_length=4000, pattern=r"^[^\x00]*$"), AfterValidator(stored)]
SiteName = Annotated[
    str,
    Field(min_length=1, max_length=100, pattern=NO_CONTROLS, description="A site's name."),
    AfterValidator(stored),
]
Fingerprint = Annotated[
    str, Field(pattern=r"^[0-9a-f]{0,64}$", description="Of the study as it was shown.")
]

Limit = Annotated[int, Query(ge=1, le=MOST, description="How many studies.")]
Cursor = Annotated[
    str | None,
    Query(max_length=512, pattern=r"^[A-Za-z0-9_-]*$", description="`next` of the page before."),
]
Day = Annotated[date, BeforeValidator(_day)]
From = Annotated[Day | None, Query(alias="from", description="Of this day or later.")]
To = Annotated[Day | None, Query(alias="to", description="Of this day or earlier.")]
ReleaseName = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=100,
        pattern=NO_CONTROLS,
        description="That show what this release said: its name or digest.",
    ),
]
ImageLimit = Annotated[int, Query(ge=1, le=MOST_IMAGES, description="How many images.")]
Offset = Annotated[int, Query(ge=0, le=FURTHEST, description="Images before the first.")]
EntryLimit = Annotated[int, Query(ge=1, le=MOST_ENTRIES, description="How many entries.")]
AfterEntry = Annotated[int, Query(ge=0, le=BIGINT, description="The last entry's number.")]
