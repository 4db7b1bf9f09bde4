"""A presentation state shows its image as its header asks for, with the findings over it."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from mammo import part10, voi
from mammo.header import parse
from mammo.reports.contents import NOTICE, Report
from mammo.reports.gsps import gsps
from mammo.reports.modules import encoded
from mammo.verdict import Policy, judge
from tests.mammo.reports.cases import (
    CASES,
    COLUMNS,
    IMAGES,
    MANY,
    ONE,
    PLAIN,
    ROWS,
    errors,
    header,
    lut,
    reports,
    with_luts,
)

FIRST = IMAGES[0]
STORED = np.arange(4096, dtype=np.uint16).reshape(64, 64)
HEADERS = {
    "window": header(FIRST),
    "sigmoid": header(FIRST, VOILUTFunction="SIGMOID"),
    "exact": header(FIRST, VOILUTFunction="LINEAR_EXACT", WindowWidth=1000.5, WindowCenter=1900),
    "two windows": header(
        FIRST,
        WindowCenter=[500, 2047],
        WindowWidth=[100, 4096],
        WindowCenterWidthExplanation=["HARDER", "NORMAL"],
    ),
    "luts": with_luts(FIRST, "HARDER", "NORMAL"),
    "inverse": header(FIRST, PhotometricInterpretation="MONOCHROME1"),
    "rescaled": header(FIRST, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=1000),
    "bare": header(FIRST, WindowCenter=None, WindowWidth=None),
}


def full(one: Dataset) -> Dataset:
    """With what a rendering needs of the pixels."""
    made = Dataset()
    made.update(one)
    made.BitsAllocated, made.BitsStored, made.PixelRepresentation = 16, 12, 0
    return made


def read_back(report: Report, one: Dataset) -> Dataset:
    return dcmread(BytesIO(encoded(gsps(report, FIRST, full(one), 1))))


def shown(state: Dataset) -> NDArray[np.float64]:
    """STORED as a viewer shows it under a state: modality, VOI, presentation LUT (PS3.4 N.2)."""
    step = Dataset()
    step.PixelRepresentation, step.BitsStored, step.BitsAllocated = 0, 12, 16
    step.PhotometricInterpretation = "MONOCHROME2"
    step.file_meta = state.file_meta  # says the LUT's byte order
    for keyword in ("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"):
        if keyword in state:
            step[keyword] = state[keyword]
    values = apply_modality_lut(STORED, step)
    low, high = float(np.min(values)), float(np.max(values))
    if "SoftcopyVOILUTSequence" in state:
        (chosen,) = state.SoftcopyVOILUTSequence
        for keyword in ("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"):
            if keyword in chosen:
                step[keyword] = chosen[keyword]
        values = apply_voi_lut(values, step)
        if "VOILUTSequence" in chosen:
            low, high = 0.0, 65535.0
        elif "RescaleSlope" in step:
            low = float(step.RescaleIntercept)
            high = 4095 * float(step.RescaleSlope) + low
        else:
            low, high = 0.0, 4095.0
    share = (np.asarray(values, np.float64) - low) / (high - low)
    return 1 - share if state.PresentationLUTShape == "INVERSE" else share


@pytest.mark.parametrize("one", HEADERS.values(), ids=[*HEADERS])
def test_the_image_is_shown_as_its_own_header_asks_for(one: Dataset) -> None:
    """Pydicom applies the state, our own chain the header: the same grays."""
    ours = voi.choose(full(one), STORED).apply(STORED)
    assert np.abs(255 * shown(read_back(ONE, one)) - ours).max() < 1.01


@pytest.mark.parametrize("one", HEADERS.values(), ids=[*HEADERS])
def test_dciodvfy_finds_no_error(one: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "state.dcm"
    path.write_bytes(encoded(gsps(MANY, IMAGES[2], full(one), 3)))
    assert errors(path) == []


def test_a_lut_of_twelve_bits_goes_out_with_sixteen() -> None:
    """A presentation state's LUT has entries of 8 or 16 bits; those of images have any number."""
    (chosen,) = read_back(ONE, with_luts(FIRST, "NORMAL")).SoftcopyVOILUTSequence
    assert list(chosen.VOILUTSequence[0].LUTDescriptor) == [4096, 0, 16]
    entries = np.frombuffer(chosen.VOILUTSequence[0].LUTData, "<u2")
    assert (entries[0], entries[-1]) == (0, 65535)


def test_a_signed_luts_first_value_keeps_its_sign() -> None:
    signed = full(header(FIRST))
    signed.PixelRepresentation = 1
    table = lut("NORMAL")
    table.LUTDescriptor = [4096, 0x10000 - 2048, 12]
    signed.VOILUTSequence = [table]
    state = dcmread(BytesIO(encoded(gsps(ONE, FIRST, signed, 1))))
    (chosen,) = state.SoftcopyVOILUTSequence
    assert list(chosen.VOILUTSequence[0].LUTDescriptor) == [4096, -2048, 16]


@given(reports())
@settings(max_examples=25)
def test_every_finding_is_outlined_where_it_lies_and_labelled_inside_the_image(
    report: Report,
) -> None:
    for number, image in enumerate(report.images, 1):
        state = gsps(report, image, full(header(image)), number)
        (annotation,) = state.GraphicAnnotationSequence
        marks = report.marks_in(image)
        outlines = annotation.get("GraphicObjectSequence", [])
        assert len(outlines) == len(marks)
        labels = annotation.TextObjectSequence[1:]
        for mark, outline, label in zip(marks, outlines, labels, strict=True):
            xs, ys = outline.GraphicData[0::2], outline.GraphicData[1::2]
            found = (min(xs), min(ys), max(xs), max(ys))
            assert found == pytest.approx(mark.box, rel=1e-6)
            assert label.UnformattedTextValue == f"{mark.kind} {mark.score}/10"
            x0, y0 = label.BoundingBoxTopLeftHandCorner
            x1, y1 = label.BoundingBoxBottomRightHandCorner
            assert 0 <= x0 < x1 <= COLUMNS
            assert 0 <= y0 < y1 <= ROWS


def test_a_state_refers_to_its_image_alone_and_shows_all_of_it() -> None:
    state = read_back(ONE, header(FIRST))
    (series,) = state.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == FIRST.series_uid
    (image,) = series.ReferencedImageSequence
    assert image.ReferencedSOPInstanceUID == FIRST.sop_instance_uid
    (area,) = state.DisplayedAreaSelectionSequence
    assert list(area.DisplayedAreaTopLeftHandCorner) == [1, 1]
    assert list(area.DisplayedAreaBottomRightHandCorner) == [COLUMNS, ROWS]


@pytest.mark.parametrize(("case", "said"), [(PLAIN, "no finding"), (ONE, "1 finding")])
def test_the_notice_stands_on_the_display_with_release_and_view(case: Report, said: str) -> None:
    state = read_back(case, header(FIRST))
    (annotation,) = state.GraphicAnnotationSequence
    text = annotation.TextObjectSequence[0]
    assert text.BoundingBoxAnnotationUnits == "DISPLAY"
    assert text.UnformattedTextValue == f"nightread base-2026-11e: L CC, {said}. {NOTICE}."
    assert state.ContentDescription == NOTICE


def test_the_same_again_is_the_same_object_and_each_image_has_its_own() -> None:
    states = [gsps(MANY, image, full(header(image)), n) for n, image in enumerate(IMAGES, 1)]
    assert len({str(state.SOPInstanceUID) for state in states}) == 4
    assert len({str(state.SeriesInstanceUID) for state in states}) == 1
    again = gsps(MANY, IMAGES[0], full(header(IMAGES[0])), 1)
    assert encoded(again) == encoded(states[0])


def test_an_exported_state_in_the_archive_is_no_image_to_screen() -> None:
    data = encoded(gsps(replace(ONE), FIRST, full(header(FIRST)), 1))
    facts = parse(data, len(data)).facts
    assert facts is not None
    assert judge(facts, Policy()).reason == "NON_IMAGE_PRESENTATION_STATE"


def test_all_cases_are_covered_here_too() -> None:
    for case in CASES.values():
        for number, image in enumerate(case.images, 1):
            assert gsps(case, image, full(header(image)), number).Modality == "PR"


@pytest.mark.filterwarnings("ignore::UserWarning")  # of private values, after de-identification
def test_a_real_mammograms_state_shows_it_as_its_header_asks_for(
    shared: Path, tmp_path: Path
) -> None:
    """GE's NORMAL LUT is one of three, with entries of 12 bits (docs/verdicts.md)."""
    (file,) = (shared / "data" / "dicom-mg").glob("ge-essential*.dcm")
    real = part10.read(file.read_bytes()).header
    state = gsps(ONE, replace(FIRST, rows=real.Rows, columns=real.Columns), real, 1)
    path = tmp_path / "state.dcm"
    path.write_bytes(encoded(state))
    assert errors(path) == []
    plain = full(real)
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):  # a state has no padding
        plain.pop(keyword, None)
    plain.set_original_encoding(*real.original_encoding)
    ours = voi.choose(plain, STORED).apply(STORED)
    assert np.abs(255 * shown(dcmread(path)) - ours).max() < 1.01
