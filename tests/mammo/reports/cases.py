"""Studies to report on: findings, views that failed, and none of both."""

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from subprocess import run

import numpy as np
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.sequence import Sequence

from mammo.codes import Kind
from mammo.facts import Identity
from mammo.reports.contents import (
    Algorithm,
    Failure,
    Image,
    Mark,
    Report,
    Score,
    StudyHeader,
)
from mammo.views import STANDARD, Laterality, Modifier, Projection

BIN = Path(sys.executable).parent
ROWS, COLUMNS = 2294, 1914
FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
ORIENTATIONS = {
    (Laterality.LEFT, Projection.CC): ("A", "R"),
    (Laterality.RIGHT, Projection.CC): ("P", "L"),
    (Laterality.LEFT, Projection.MLO): ("A", "FR"),
    (Laterality.RIGHT, Projection.MLO): ("P", "FL"),
}


def image(number: int, side: Laterality, view: Projection) -> Image:
    return Image(
        sop_class=FOR_PRESENTATION,
        sop_instance_uid=f"1.2.3.{number}",
        series_uid=f"1.2.3.0.{number}",
        laterality=side,
        view=view,
        modifiers=(Modifier.IMPLANT_DISPLACED,) if number == 1 else (),
        orientation=ORIENTATIONS.get((side, view)),
        study_date="20261124",
        study_time="091500",
        content_date="20261124",
        content_time="091733.5",
        spacing=(0.1, 0.1),
        rows=ROWS,
        columns=COLUMNS,
    )


IMAGES = tuple(image(number, side, view) for number, (side, view) in enumerate(STANDARD, 1))


def mark(number: int, *box: float, kind: Kind = Kind.MASS, score: int = 8) -> Mark:
    x0, y0, x1, y1 = box
    return Mark(
        f"1.2.3.{number}", (x0, y0, x1, y1), kind, score / 20, score, "middle third, upper half"
    )


PLAIN = Report(
    patient=Identity("4711", "hospital", "Müller^Eva", "19600229", "F"),
    study=StudyHeader(
        uid="1.2.3",
        date="20261124",
        time="091500",
        accession="A17",
        id="17",
        referring="Roe^Richard",
    ),
    algorithm=Algorithm("base-2026-11e", "ab" * 32, "0.1.0+0123456789ab"),
    created=datetime(2026, 11, 25, 2, 3, 4, tzinfo=UTC),
    level="low",
    study_score=Score(2, 0.004),
    breasts=((Laterality.LEFT, Score(2, 0.004)), (Laterality.RIGHT, Score(1, 0.001))),
    images=IMAGES,
)
ONE = replace(
    PLAIN,
    level="soon",
    study_score=Score(8, 0.4),
    marks=(mark(1, 700.25, 800.5, 900.75, 1000.0),),
)
MANY = replace(
    ONE,
    marks=(
        mark(1, 700, 800, 900, 1000, score=9),
        mark(2, 0, 0, COLUMNS, ROWS, kind=Kind.CALCIFICATION, score=8),
        mark(3, 100, 10, 180, 60, kind=Kind.CALCIFICATION, score=5),
        mark(3, 300, 1200, 520, 1390, score=4),
        mark(4, 1500, 2100, 1914, 2294, score=3),
    ),
)
FAILED_VIEW = replace(
    ONE,
    images=IMAGES[:3],
    failures=(Failure(replace(IMAGES[3], spacing=None), "DECODE_FAILED"),),
    unread=("TRUNCATED",),
    missing_views=("RMLO",),
    warnings=("MISSING_VIEWS",),
)
NOTHING_SCORED = replace(
    PLAIN,
    level="not_scored",
    study_score=None,
    breasts=(),
    reason="ALL_QUARANTINED",
    images=(),
    failures=tuple(Failure(one, "TRUNCATED") for one in IMAGES),
)
CASES = {
    "no finding": PLAIN,
    "one finding": ONE,
    "many findings": MANY,
    "a failed view": FAILED_VIEW,
    "nothing scored": NOTHING_SCORED,
}


def header(one: Image, **changes: object) -> Dataset:
    """What a source file says of its grays."""
    made = Dataset()
    made.Rows, made.Columns = one.rows, one.columns
    made.PhotometricInterpretation = "MONOCHROME2"
    made.WindowCenter, made.WindowWidth = 2047, 4096
    made.RescaleIntercept, made.RescaleSlope = 0, 1
    for keyword, value in changes.items():
        setattr(made, keyword, value)
    return made


def lut(explanation: str, bits: int = 12) -> Dataset:
    made = Dataset()
    made.LUTDescriptor = [4096, 0, bits]
    made.LUTExplanation = explanation
    made.add_new(0x00283006, "OW", np.arange(4096, dtype="<u2").tobytes())
    return made


def with_luts(one: Image, *explanations: str) -> Dataset:
    made = header(one)
    made.VOILUTSequence = Sequence([lut(words) for words in explanations])
    return made


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """Any number of findings in any of the views, any of which may have failed."""
    failed = draw(st.sets(st.sampled_from(range(len(IMAGES)))))
    analysed = tuple(one for nth, one in enumerate(IMAGES) if nth not in failed)
    marks: list[Mark] = []
    if analysed:
        for _ in range(draw(st.integers(0, 6))):
            within = draw(st.sampled_from(analysed))
            x0 = draw(st.floats(0, COLUMNS - 1))
            y0 = draw(st.floats(0, ROWS - 1))
            x1 = draw(st.floats(x0, COLUMNS, exclude_min=True))
            y1 = draw(st.floats(y0, ROWS, exclude_min=True))
            marks.append(
                Mark(
                    within.sop_instance_uid,
                    (x0, y0, x1, y1),
                    draw(st.sampled_from(Kind)),
                    draw(st.floats(0, 1)),
                    draw(st.integers(1, 10)),
                    "middle third, upper half",
                )
            )
    return replace(
        PLAIN if analysed else NOTHING_SCORED,
        images=analysed,
        failures=tuple(Failure(IMAGES[nth], "DECODE_FAILED") for nth in sorted(failed)),
        marks=tuple(marks),
    )


def errors(path: Path, program: str = "dciodvfy") -> list[str]:
    """The lines of dciodvfy that begin with Error; all that it says goes to standard error."""
    said = run([BIN / program, path], capture_output=True, check=False).stderr
    return [
        line for line in said.decode("utf-8", "replace").splitlines() if line.startswith("Error")
    ]
