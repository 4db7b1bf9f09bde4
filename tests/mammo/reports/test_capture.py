"""The overlay shows every view of a study, what was found, and what was not analysed."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from mammo.header import parse
from mammo.reports.capture import (
    AMBER,
    BOTTOM,
    CAPTION,
    CORAL,
    GAP,
    PANEL,
    TOP,
    capture,
    sheet,
)
from mammo.reports.contents import NOTICE, Failure, Report
from mammo.reports.modules import encoded
from mammo.verdict import Policy, judge
from tests.mammo.reports.cases import (
    CASES,
    COLUMNS,
    FAILED_VIEW,
    IMAGES,
    MANY,
    ONE,
    PLAIN,
    ROWS,
    errors,
    header,
)

GRAY = 80


def pictures(report: Report) -> dict[str, NDArray[np.uint8]]:
    return {
        image.sop_instance_uid: np.full((ROWS // 2, COLUMNS // 2), GRAY, np.uint8)
        for image in report.images
    }


def panel(drawn: NDArray[np.uint8], line: int, place: int) -> NDArray[np.uint8]:
    rows, columns = PANEL
    top = TOP + CAPTION + line * (CAPTION + rows + GAP)
    left = GAP + place * (columns + GAP)
    return drawn[top : top + rows, left : left + columns]


def of_colour(drawn: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    return np.asarray((drawn == colour).all(axis=2))


@pytest.mark.parametrize("case", CASES.values(), ids=[*CASES])
def test_dciodvfy_finds_no_error(case: Report, tmp_path: Path) -> None:
    path = tmp_path / "overlay.dcm"
    path.write_bytes(encoded(capture(case, pictures(case), [])))
    assert errors(path) == []


def test_what_is_read_back_is_what_was_drawn() -> None:
    read = dcmread(BytesIO(encoded(capture(MANY, pictures(MANY), []))))
    assert np.array_equal(read.pixel_array, sheet(MANY, pictures(MANY)))
    assert (read.BurnedInAnnotation, read.ConversionType) == ("YES", "WSD")
    assert read.ImageComments == NOTICE
    assert NOTICE in read.SeriesDescription
    assert len(read.SourceImageSequence) == len(MANY.images)


def test_a_box_lies_around_its_finding_and_hides_none_of_it() -> None:
    """The left CC is the first line's right panel; half the size fits the height of a panel."""
    drawn = panel(sheet(ONE, pictures(ONE)), 0, 1)
    line = of_colour(drawn, CORAL)
    ys, xs = np.nonzero(line)
    ratio = min(PANEL[0] / ROWS, PANEL[1] / COLUMNS)
    top = (PANEL[0] - round(ROWS * ratio)) // 2
    x0, y0, x1, y1 = (v * ratio for v in ONE.marks[0].box)
    inside = drawn[round(y0) + top : round(y1) + top, round(x0) : round(x1)]
    assert (inside == GRAY).all()
    below = ys > y0 + top - 12  # above it stands the label
    assert xs[below].min() == pytest.approx(x0, abs=10)
    assert xs[below].max() == pytest.approx(x1, abs=10)
    assert ys.max() == pytest.approx(y1 + top, abs=10)


def test_a_view_that_failed_says_so_and_one_without_findings_has_no_box() -> None:
    drawn = sheet(FAILED_VIEW, pictures(FAILED_VIEW))
    assert of_colour(panel(drawn, 1, 0), AMBER).any()  # the right MLO
    for line, place in ((0, 0), (1, 1)):
        assert not of_colour(panel(drawn, line, place), CORAL).any()
        assert not of_colour(panel(drawn, line, place), AMBER).any()


@pytest.mark.parametrize("case", CASES.values(), ids=[*CASES])
def test_the_notice_stands_below_every_sheet(case: Report) -> None:
    drawn = sheet(case, pictures(case))
    assert of_colour(drawn[-BOTTOM:], AMBER).sum() > 300


def test_more_images_than_four_have_lines_of_their_own() -> None:
    """Two of one view, and one that is neither CC nor MLO."""
    second = replace(IMAGES[0], sop_instance_uid="1.2.3.9")
    spare = replace(IMAGES[1], sop_instance_uid="1.2.3.10", view=None)
    report = replace(PLAIN, images=(*IMAGES, second, spare))
    drawn = sheet(report, pictures(report))
    assert drawn.shape[0] == TOP + 4 * (CAPTION + PANEL[0] + GAP) + BOTTOM


def test_a_failure_without_a_side_is_counted_in_the_title() -> None:
    lost = Failure(replace(IMAGES[3], laterality=None, view=None), "TRUNCATED")
    with_it = sheet(replace(PLAIN, failures=(lost,)), pictures(PLAIN))
    without = sheet(PLAIN, pictures(PLAIN))
    assert not np.array_equal(with_it[:TOP], without[:TOP])
    assert np.array_equal(with_it[TOP:], without[TOP:])


def test_a_lossy_source_is_told() -> None:
    lossy = Dataset()
    lossy.LossyImageCompression = "01"
    assert capture(ONE, pictures(ONE), [lossy]).LossyImageCompression == "01"
    assert "LossyImageCompression" not in capture(ONE, pictures(ONE), [header(IMAGES[0])])


def test_the_same_again_is_the_same_object() -> None:
    assert encoded(capture(ONE, pictures(ONE), [])) == encoded(capture(ONE, pictures(ONE), []))


def test_an_exported_overlay_in_the_archive_is_not_screened() -> None:
    data = encoded(capture(ONE, pictures(ONE), []))
    facts = parse(data, len(data)).facts
    assert facts is not None
    for policy in (Policy(), Policy(accept_film_sc=True)):
        assert judge(facts, policy).verdict != "accepted"
