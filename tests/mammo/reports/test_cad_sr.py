"""A CAD SR is what TID 4000 says, and says of a study what the result does."""

import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from subprocess import run

import pytest
from hypothesis import given, settings
from pydicom import Dataset, dcmread
from pydicom.sr._concepts_dict import concepts as known

from mammo.codes import Verdict
from mammo.header import parse
from mammo.reports import concepts
from mammo.reports.cad_sr import cad_sr
from mammo.reports.contents import NOTICE, Report
from mammo.reports.modules import encoded
from mammo.verdict import Policy, judge
from tests.mammo.reports.cases import (
    BIN,
    CASES,
    COLUMNS,
    FAILED_VIEW,
    IMAGES,
    MANY,
    NOTHING_SCORED,
    ONE,
    PLAIN,
    ROWS,
    errors,
    reports,
)
from tests.mammo.reports.tid4000 import everything, name, resolved, value, violations

each = pytest.mark.parametrize("case", CASES.values(), ids=[*CASES])


def written(report: Report, folder: Path) -> Path:
    path = folder / "report.dcm"
    path.write_bytes(encoded(cad_sr(report)))
    return path


def read_back(report: Report) -> Dataset:
    return dcmread(BytesIO(encoded(cad_sr(report))))


def items(report: Dataset, code: str) -> list[Dataset]:
    return [one for one in everything(report) if name(one) == code]


@each
def test_a_report_is_what_the_template_says(case: Report) -> None:
    assert violations(read_back(case)) == []


@given(reports())
@settings(max_examples=60)
def test_any_findings_in_any_views_make_a_report_as_the_template_says(report: Report) -> None:
    assert violations(cad_sr(report)) == []


@each
def test_dciodvfy_finds_no_error(case: Report, tmp_path: Path) -> None:
    assert errors(written(case, tmp_path)) == []


@each
def test_dcsrdump_prints_the_whole_tree(case: Report, tmp_path: Path) -> None:
    said = run([BIN / "dcsrdump", written(case, tmp_path)], capture_output=True, check=False)
    printed = (said.stdout + said.stderr).decode()
    assert said.returncode == 0
    assert printed.count("Single Image Finding") == len(case.marks)


@each
def test_dsrdump_reads_every_report(case: Report, tmp_path: Path) -> None:
    dsrdump = shutil.which("dsrdump")
    if dsrdump is None:
        pytest.skip("environment: dsrdump is not installed (apt-get install dcmtk)")
    said = run([dsrdump, "+Pl", written(case, tmp_path)], capture_output=True, check=False)
    assert said.returncode == 0, said.stderr
    assert b"E:" not in said.stderr
    assert said.stdout.count(b"Single Image Finding") == len(case.marks)
    assert NOTICE.encode() in said.stdout


def test_the_checker_finds_what_is_broken() -> None:
    """An oracle that accepts everything would prove nothing."""
    broken = []
    for change in (
        lambda r: r.ContentSequence.pop(0),  # no language
        lambda r: r.ContentSequence.pop(1),  # no library
        lambda r: r.ContentSequence.insert(2, r.ContentSequence.pop(3)),  # another order
        lambda r: r.ContentSequence.append(r.ContentSequence[0]),  # something more
        lambda r: items(r, "111059")[0].ContentSequence.pop(0),  # no rendering intent
        lambda r: items(r, "111059")[0].ContentSequence.pop(1),  # no algorithm
        lambda r: items(r, "111010")[0].pop("ContentSequence"),  # a point on no image
        lambda r: setattr(items(r, "111041")[0], "GraphicData", [1, 1, 2, 1, 2, 2]),
        lambda r: setattr(
            items(r, "111010")[0].ContentSequence[0], "ReferencedContentItemIdentifier", [1, 2, 9]
        ),
        lambda r: setattr(r, "CurrentRequestedProcedureEvidenceSequence", []),
        lambda r: setattr(items(r, "111064")[0].ConceptCodeSequence[0], "CodeValue", "111222"),
        lambda r: setattr(items(r, "111017")[0].ConceptCodeSequence[0], "CodeValue", "111241"),
        lambda r: setattr(items(r, "111047")[0].MeasuredValueSequence[0], "NumericValue", "140"),
    ):
        report = cad_sr(FAILED_VIEW)
        change(report)
        broken.append(bool(violations(report)))
    assert broken == [True] * len(broken)


@pytest.mark.parametrize(
    ("case", "summary", "detections"),
    [
        (PLAIN, "111241", "111222"),
        (ONE, "111242", "111222"),
        (replace(FAILED_VIEW, marks=()), "111243", "111223"),
        (FAILED_VIEW, "111244", "111223"),
        (NOTHING_SCORED, "111245", "111224"),
    ],
    ids=["all, without", "all, with", "some, without", "some, with", "none"],
)
def test_the_summaries_say_what_succeeded(case: Report, summary: str, detections: str) -> None:
    report = cad_sr(case)
    assert value(items(report, "111017")[0]) == summary
    assert value(items(report, "111064")[0]) == detections
    assert value(items(report, "111065")[0]) == detections


def test_a_failed_view_is_named_as_failed_and_never_as_analysed() -> None:
    report = cad_sr(FAILED_VIEW)

    def images_below(code: str) -> set[str]:
        (held,) = items(report, code)
        return {
            resolved(report, one).ReferencedSOPSequence[0].ReferencedSOPInstanceUID  # type: ignore[union-attr]
            for one in everything(held)
            if "ReferencedContentItemIdentifier" in one
        }

    analysed = {image.sop_instance_uid for image in FAILED_VIEW.images}
    failed = {failure.image.sop_instance_uid for failure in FAILED_VIEW.failures}
    for good, bad in (("111063", "111025"), ("111062", "111024")):
        assert images_below(good) == analysed
        assert images_below(bad) == failed


@given(reports())
@settings(max_examples=40)
def test_a_finding_lies_in_native_pixels_of_its_own_image(report: Report) -> None:
    """SCOORD and our boxes begin at the same corner (PS3.3 C.18.6.1.2): the numbers are the same."""
    made = cad_sr(report)
    outlines = items(made, "111041")
    assert len(outlines) == len(report.marks)
    for mark, outline, center in zip(report.marks, outlines, items(made, "111010"), strict=True):
        xs, ys = outline.GraphicData[0::2], outline.GraphicData[1::2]
        assert (min(xs), min(ys), max(xs), max(ys)) == pytest.approx(mark.box, rel=1e-6)
        assert min(xs) >= 0
        assert max(xs) <= COLUMNS
        assert max(ys) <= ROWS
        x0, y0, x1, y1 = mark.box
        assert list(center.GraphicData) == pytest.approx([(x0 + x1) / 2, (y0 + y1) / 2], rel=1e-6)
        image = resolved(made, outline.ContentSequence[0])
        assert image is not None
        instance = image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        assert instance == mark.sop_instance_uid


def test_the_finding_with_its_numbers_and_words() -> None:
    report = read_back(ONE)
    (finding,) = items(report, "111059")
    assert value(finding) == "129793001"  # a mass in one view
    (probability,) = items(report, "111047")
    assert probability.MeasuredValueSequence[0].NumericValue == 40
    words = [one.TextValue for one in items(report, "111033")]
    assert words[1] == "Mass, L CC, middle third, upper half: score 8 of 10."


def test_every_algorithm_is_named_with_its_release() -> None:
    report = cad_sr(MANY)
    assert {one.TextValue for one in items(report, "111001")} == {"nightread"}
    assert {one.TextValue for one in items(report, "111003")} == {
        "base-2026-11e sha256:" + "ab" * 32
    }
    assert list(report.SoftwareVersions) == ["0.1.0+0123456789ab", "base-2026-11e"]


def test_the_words_say_score_and_failures_and_that_it_is_no_medical_device() -> None:
    words = items(cad_sr(FAILED_VIEW), "111033")[0].TextValue
    assert "Study score 8 of 10 (soon), probability of malignancy 0.400." in words
    assert "Not analysed: R MLO (DECODE_FAILED)." in words
    assert "Files that could not be read at all: TRUNCATED." in words
    assert words.endswith("Research use only, not a medical device.")
    assert NOTICE in cad_sr(FAILED_VIEW).SeriesDescription


def test_the_report_joins_its_study_and_says_when_the_result_was_made() -> None:
    report = read_back(replace(ONE, study=replace(ONE.study, offset="+0100")))
    assert (report.StudyInstanceUID, report.AccessionNumber) == ("1.2.3", "A17")
    assert (report.PatientName, report.PatientID) == ("Müller^Eva", "4711")
    assert (report.ContentDate, report.ContentTime) == ("20261125", "030304")
    assert report.SeriesInstanceUID not in {image.series_uid for image in IMAGES}
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")


def test_the_same_again_is_the_same_object_and_anything_else_another() -> None:
    assert encoded(cad_sr(ONE)) == encoded(cad_sr(ONE))
    reports_ = [
        *CASES.values(),
        replace(ONE, algorithm=replace(ONE.algorithm, digest="cd" * 32)),
        replace(ONE, created=ONE.created.replace(second=5)),
        replace(ONE, patient=replace(ONE.patient, name="Mueller^Eva")),
    ]
    uids = {str(cad_sr(report).SOPInstanceUID) for report in reports_}
    assert len(uids) == len(reports_)
    assert len({str(cad_sr(case).SeriesInstanceUID) for case in CASES.values()}) == 1


def test_an_uid_is_one_that_dicom_allows() -> None:
    report = cad_sr(ONE)
    for uid in (report.SOPInstanceUID, report.SeriesInstanceUID):
        assert uid.is_valid
        assert len(uid) <= 64


def test_what_the_header_does_not_say_is_left_out() -> None:
    bare = replace(
        IMAGES[0], orientation=None, modifiers=(), spacing=None, study_time="", content_time=""
    )
    report = cad_sr(replace(PLAIN, images=(bare, *IMAGES[1:])))
    assert violations(report) == []
    first = report.ContentSequence[1].ContentSequence[0]
    assert [name(one) for one in first.ContentSequence] == ["111027", "111031", "111060", "111018"]


@pytest.mark.parametrize("name_", ["", "Müller^Eva=山田^花子", "A" * 200])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_names_of_all_kinds_come_through(name_: str) -> None:
    report = replace(ONE, patient=replace(ONE.patient, name=name_))
    assert str(read_back(report).PatientName) == name_


def test_without_an_image_there_is_no_report() -> None:
    with pytest.raises(ValueError, match="one image at least"):
        cad_sr(replace(NOTHING_SCORED, failures=()))


def test_an_exported_report_in_the_archive_is_no_image_to_screen() -> None:
    data = encoded(cad_sr(ONE))
    facts = parse(data, len(data)).facts
    assert facts is not None
    said = judge(facts, Policy())
    assert (said.verdict, said.reason) == (Verdict.EXCLUDED, "NON_IMAGE_CAD_SR")


def test_every_concept_is_in_the_standards_tables() -> None:
    """Pydicom carries PS3.16's codes; a typing error in one of ours would be no concept at all."""
    codes = {
        scheme: {code for held in names.values() for code in held}
        for scheme, names in known.items()
    }
    ours = [one for one in vars(concepts).values() if isinstance(one, concepts.Concept)]
    ours += [
        one
        for table in (concepts.SIDES, concepts.KINDS, concepts.VIEWS, concepts.MODIFIERS)
        for one in table.values()
    ]
    assert len(ours) > 60
    lacking = [one for one in ours if one.value not in codes.get(one.scheme, set())]
    # Not in pydicom's copy: a language (RFC 5646), and two that it carries under another version.
    assert {one.value for one in lacking} <= {"en", "111233"}
