"""Each transfer syntax is checked with a second decoder before a run trusts it."""

from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
from structlog.testing import capture_logs

from mammo.codes import NotScored, Reason, Verdict
from mammo.views import Laterality
from ray_jobs.assembly import Arranged, stopped
from ray_jobs.records import Listed, PlannedInstance, StudyPlan
from ray_jobs.spot_check import Spot, SpotChecks, Word, decoded_twice
from tests.mammo.pixels.conftest import make_dicom
from tests.ray_jobs.test_assembly import MANIFEST, WHOLE

J2K, LS = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80"
BASELINE = "1.2.840.10008.1.2.4.50"


def instance(number: int, syntax: str = J2K) -> PlannedInstance:
    item = Listed(f"{number}.dcm", "e", 10)
    return PlannedInstance(
        number,
        "archive",
        item,
        f"1.2.3.{number}",
        Laterality.LEFT,
        "CC",
        Reason.OK,
        (),
        transfer_syntax=syntax,
    )


def saying(words: dict[int, Word], asked: list[int]) -> Callable[[PlannedInstance], Spot]:
    def check(one: PlannedInstance) -> Spot:
        asked.append(one.instance_id)
        return Spot(words.get(one.instance_id, Word.AGREED), 7, 0)

    return check


def test_a_syntax_is_asked_about_once_a_run() -> None:
    asked: list[int] = []
    checks = SpotChecks(saying({}, asked))
    for n in range(10):
        assert checks.stopped([instance(n), instance(100 + n), instance(50 + n, LS)]) == []
    assert asked == [0, 50]


def test_disagreements_in_two_studies_stop_the_syntax_and_no_other() -> None:
    asked: list[int] = []
    checks = SpotChecks(saying({1: Word.DIFFERS, 2: Word.DIFFERS}, asked))
    with capture_logs() as logs:
        assert checks.stopped([instance(1), instance(10), instance(11, LS)]) == [
            instance(1),
            instance(10),
        ]
        for n in (2, 3, 4):
            assert checks.stopped([instance(n)]) == [instance(n)]
    assert checks.stopped([instance(12, LS)]) == []
    assert asked == [1, 11, 2]
    said = [line["event"] for line in logs if line["log_level"] == "error"]
    assert said == ["decoders_disagree", "decoders_disagree", "syntax_stopped"]


def test_one_odd_image_stops_its_own_study_and_not_an_archive() -> None:
    checks = SpotChecks(saying({1: Word.DIFFERS}, []))
    assert checks.stopped([instance(1)])
    assert checks.stopped([instance(2)]) == []
    assert checks.stopped([instance(3)]) == []


@pytest.mark.parametrize("word", [Word.REFUSED, Word.UNREADABLE])
def test_a_syntax_without_a_second_word_is_screened_and_logged(word: Word) -> None:
    asked: list[int] = []
    checks = SpotChecks(saying(dict.fromkeys(range(9), word), asked))
    with capture_logs() as logs:
        for n in range(9):
            assert checks.stopped([instance(n)]) == []
    assert asked == [0, 1, 2]
    assert [(x["event"], x["why"]) for x in logs] == [("syntax_not_checked", word.value)]


def test_a_stopped_study_waits_in_the_list_and_is_tried_again() -> None:
    planned = instance(1)
    result = stopped(WHOLE, Arranged(StudyPlan("1.2.3", (planned,)), (), 0), [planned], MANIFEST)
    assert result.reason is NotScored.SYNTAX_STOPPED
    assert not result.reason.final
    (verdict,) = result.verdicts
    assert (verdict.verdict, verdict.reason) == (Verdict.QUARANTINED, Reason.SYNTAX_STOPPED)


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    steps = np.random.default_rng(9).integers(-40, 41, (64, 80))
    return np.clip(2000 + np.cumsum(steps, axis=1), 0, 4095).astype(np.uint16)


def test_two_sound_decoders_agree(texture: np.ndarray) -> None:
    stream = bytes(imagecodecs.jpegls_encode(texture))
    assert decoded_twice(make_dicom(stream, LS, Rows=64, Columns=80)) == Spot(Word.AGREED, 0, 0)


def test_a_stream_that_two_decoders_read_differently_is_noticed(texture: np.ndarray) -> None:
    """A damaged Huffman table: neither decoder complains, and each shows another picture."""
    stream = bytearray(imagecodecs.jpeg8_encode((texture >> 4).astype(np.uint8), level=90))
    stream[len(stream) * 3 // 10] ^= 0x55
    file = make_dicom(
        bytes(stream), BASELINE, Rows=64, Columns=80, BitsAllocated=8, BitsStored=8, HighBit=7
    )
    spot = decoded_twice(file)
    assert spot.word is Word.DIFFERS
    assert spot.apart > 100


def test_what_is_no_image_is_unreadable() -> None:
    assert decoded_twice(b"no file") == Spot(Word.UNREADABLE)
