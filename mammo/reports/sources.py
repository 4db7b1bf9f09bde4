"""What a report takes from the header of an image, with values that no reader stumbles over."""

import re

from pydicom import Dataset

from mammo.facts import Facts
from mammo.lenient import numbers, read
from mammo.reports.contents import Image, StudyHeader

_DATE = re.compile(r"\d{8}")
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
_OFFSET = re.compile(r"[+-]\d{4}")
_SHORT, _NAME = 16, 64  # characters that SH and a part of PN may have (PS3.5 6.2)


def study_header(header: Dataset, uid: str) -> StudyHeader:
    """The study, as one of its images names it."""
    return StudyHeader(
        uid=uid,
        date=_that_fits(header, "StudyDate", _DATE),
        time=_that_fits(header, "StudyTime", _TIME),
        offset=_that_fits(header, "TimezoneOffsetFromUTC", _OFFSET),
        accession=_text(header, "AccessionNumber")[:_SHORT],
        id=_text(header, "StudyID")[:_SHORT],
        referring=_text(header, "ReferringPhysicianName")[:_NAME],
    )


def image_of(facts: Facts, header: Dataset | None = None) -> Image | None:
    """An image to refer to; None where its facts do not say what it is and where it belongs.

    Without `header`, what only a whole file says is left out.
    """
    if facts.sop_class is None or facts.series_instance_uid is None:
        return None
    spacing = None
    if header is not None:
        pair = numbers(header, "ImagerPixelSpacing") or numbers(header, "PixelSpacing")
        spacing = (pair[0], pair[1]) if len(pair) == 2 and min(pair) > 0 else None
    return Image(
        sop_class=facts.sop_class,
        sop_instance_uid=facts.sop_instance_uid,
        series_uid=facts.series_instance_uid,
        laterality=facts.laterality,
        view=facts.view,
        modifiers=facts.modifiers,
        orientation=facts.patient_orientation,
        study_date=facts.study_date or "",
        study_time=_that_fits(header, "StudyTime", _TIME),
        content_date=_that_fits(header, "ContentDate", _DATE),
        content_time=_that_fits(header, "ContentTime", _TIME),
        spacing=spacing,
        rows=facts.rows,
        columns=facts.columns,
    )


def _text(header: Dataset | None, keyword: str) -> str:
    value = None if header is None else read(header, keyword)
    if value is None:
        return ""
    said = str(value)
    return "".join(c for c in said if c.isprintable() and c != "\\").strip()


def _that_fits(header: Dataset | None, keyword: str, form: re.Pattern[str]) -> str:
    """A value of this form, or nothing."""
    said = _text(header, keyword)
    return said if form.fullmatch(said) else ""
