"""`nightread inspect` says something of every file, and accepts nothing but mammograms."""

from collections import Counter
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from mammo.prepare import Preparation
from mammo.verdict import Policy
from nightread.inspection import inspect, local_sources
from nightread.shapes import InspectLine


def inspected(folder: Path) -> list[tuple[str, InspectLine]]:
    policy = Policy(accept_film_sc=True)
    return [
        (str(Path(source.path).relative_to(folder)), line)
        for source in local_sources(folder)
        for line in inspect(source, Preparation(), policy, header_only=False)
    ]


def test_every_real_file_has_a_verdict_and_only_mammograms_are_accepted(shared: Path) -> None:
    mammograms = {
        "ge-essential-rmlo-jpll.dcm",
        "film-lcc-rewrapped-j2kr.dcm",
        "cbis-ddsm-film-sc-rcc-rle.dcm",
        "lumisys-film-sc-lmlo-j2ki.dcm",
    }
    lines = inspected(shared / "data" / "dicom-mg") + inspected(shared / "data" / "dicom-syntaxes")
    assert {name for name, line in lines if line.verdict == "accepted"} == mammograms
    assert len(lines) > 40


@pytest.mark.timeout(60)
def test_every_file_that_pydicom_brings_has_a_verdict_and_none_is_accepted() -> None:
    folder = Path(str(get_testdata_file("CT_small.dcm", download=False))).parent
    verdicts = Counter(line.verdict for _, line in inspected(folder))
    assert verdicts["accepted"] == 0
    assert verdicts["excluded"] > 30
    assert verdicts["quarantined"] > 10
