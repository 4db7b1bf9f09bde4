"""Each real file gets the verdict that its MANIFEST says."""

import re
import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_files

from mammo.codes import Flag, Reason, SourceKind, Verdict
from mammo.header import FIRST_READ, parse

HEADERS = {  # the sentence at the end of dicom-syntaxes/MANIFEST.md
    "hdr-ge-senods-stereo-voilut-header.dcm": Reason.BIOPSY_STEREO,
    "hdr-ge-senods-stereo-forprocessing-header.dcm": Reason.BIOPSY_STEREO,
    "hdr-hologic-dimensions-sc-flatfield-header.dcm": Reason.SOP_SECONDARY_CAPTURE,
    "hdr-ge-pristina-dose-sr.dcm": Reason.NON_IMAGE_DOSE_SR,
    "hdr-clunie-pixelspacing-testpattern-rcc.dcm": Reason.IMAGE_TOO_SMALL,
}


def read(make: Any, path: Path) -> Any:
    data = path.read_bytes()
    return make.object(data, len(data))


def test_every_file_gets_the_verdict_of_its_manifest(make: Any, shared: Path) -> None:
    folder = shared / "data/dicom-mg"
    table = re.findall(
        r"^\| (\S+\.dcm) \| (\w+) \| (\w+) \|$", (folder / "MANIFEST.md").read_text(), re.MULTILINE
    )
    assert len(table) == 6
    for name, verdict, reason in table:
        judged = read(make, folder / name).judged()
        assert (judged.verdict, judged.reason) == (verdict, reason), name


def test_the_first_64_kib_are_enough(shared: Path) -> None:
    for path in (shared / "data/dicom-mg").glob("*.dcm"):
        with path.open("rb") as file:
            parse(file.read(FIRST_READ), path.stat().st_size)  # raises NeedMore if not


def test_a_text_file_is_not_dicom(make: Any, shared: Path) -> None:
    header = read(make, shared / "data/dicom-mg/MANIFEST.md").header
    assert header.facts is None
    assert header.judgement.reason is Reason.NOT_DICOM


@pytest.mark.parametrize(("name", "reason"), HEADERS.items())
def test_a_real_header_gets_its_reason(make: Any, shared: Path, name: str, reason: Reason) -> None:
    assert read(make, shared / "data/dicom-syntaxes" / name).reason is reason


def test_every_encoding_of_one_crop_reads_alike(make: Any, shared: Path) -> None:
    folder = shared / "data/dicom-syntaxes"
    wanted = read(make, folder / "crop-expl-le.dcm").facts
    varying = {"transfer_syntax", "sop_instance_uid", "series_instance_uid", "lossy", "flags"}
    varying |= {"pixel_representation", "bits_stored", "image_type", "voi"}
    for path in folder.glob("crop-*.dcm"):
        facts = read(make, path).facts
        said = facts.as_dict()
        for name, value in wanted.as_dict().items():
            assert name in varying or said[name] == value, (path.name, name)
        assert facts.fault is None, path.name


def test_the_ge_header_is_read_past_its_icon_and_its_invalid_values(
    make: Any, shared: Path
) -> None:
    path = shared / "data/dicom-mg/ge-essential-rmlo-jpll.dcm"
    facts = read(make, path).facts
    assert facts.flags == (Flag.W_VR_INVALID,)
    assert (facts.rows, facts.columns, facts.bits_stored) == (3062, 2394, 12)
    assert (facts.laterality, facts.view, facts.modifiers) == ("R", "MLO", ())
    assert facts.patient_orientation == ("P", "FL")
    assert facts.voi == ("lut", "window")
    assert facts.spacing == pytest.approx((0.09409090909091, 0.09409090909091))
    assert facts.source_images == ("1.2.840.113619.2.227.10452020145105.2111150929121005.33",)
    assert facts.source_kind is SourceKind.FFDM


def test_facts_are_what_pydicom_reads(make: Any, shared: Path) -> None:
    keywords = {
        "sop_instance_uid": "SOPInstanceUID",
        "study_instance_uid": "StudyInstanceUID",
        "series_instance_uid": "SeriesInstanceUID",
        "sop_class": "SOPClassUID",
        "modality": "Modality",
        "rows": "Rows",
        "columns": "Columns",
        "bits_allocated": "BitsAllocated",
        "bits_stored": "BitsStored",
        "high_bit": "HighBit",
        "samples_per_pixel": "SamplesPerPixel",
        "photometric": "PhotometricInterpretation",
        "study_date": "StudyDate",
    }
    paths = [p for f in ("dicom-mg", "dicom-syntaxes") for p in (shared / "data" / f).glob("*.dcm")]
    assert len(paths) > 40
    for path in paths:
        facts = read(make, path).facts
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            oracle = pydicom.dcmread(path, stop_before_pixels=True)
            for name, keyword in keywords.items():
                assert getattr(facts, name) == oracle.get(keyword), (path.name, name)


def test_the_machine_is_told_from_film(make: Any, shared: Path) -> None:
    folder = shared / "data/dicom-mg"
    assert read(make, folder / "film-lcc-rewrapped-j2kr.dcm").facts.source_kind is SourceKind.FILM
    assert read(make, folder / "cbis-ddsm-film-sc-rcc-rle.dcm").facts.source_kind is SourceKind.FILM


@pytest.mark.parametrize("percent", range(0, 100, 5))
def test_a_mammogram_cut_anywhere_is_quarantined(make: Any, shared: Path, percent: int) -> None:
    data = (shared / "data/dicom-mg/ge-essential-rmlo-jpll.dcm").read_bytes()
    data = data[: len(data) * percent // 100]
    assert make.object(data, len(data)).judged().verdict is Verdict.QUARANTINED


def test_a_mammogram_cut_in_its_header_is_quarantined(make: Any, shared: Path) -> None:
    data = (shared / "data/dicom-mg/ge-essential-rmlo-jpll.dcm").read_bytes()[:33_000]
    for length in range(0, len(data), 331):
        cut = data[:length]
        assert make.object(cut, length).judged().verdict is Verdict.QUARANTINED, length


def test_none_of_pydicoms_own_files_is_accepted(make: Any) -> None:
    paths = [path for path in map(Path, get_testdata_files("**/*")) if path.is_file()]
    assert len(paths) > 100
    for path in paths:
        judged = read(make, path).judged()
        assert judged.verdict is not Verdict.ACCEPTED, path.name
        assert judged.detail.endswith("."), path.name


def test_film_in_secondary_capture_is_accepted_when_the_policy_says_so(
    make: Any, shared: Path
) -> None:
    folder = shared / "data/dicom-mg"
    for name in ("cbis-ddsm-film-sc-rcc-rle.dcm", "lumisys-film-sc-lmlo-j2ki.dcm"):
        judged = read(make, folder / name).judged(accept_film_sc=True)
        assert (judged.verdict, judged.reason) == (Verdict.ACCEPTED, Reason.OK_FILM_SC)
    flat = shared / "data/dicom-syntaxes/hdr-hologic-dimensions-sc-flatfield-header.dcm"
    assert read(make, flat).judged(accept_film_sc=True).reason is Reason.SOP_SECONDARY_CAPTURE
