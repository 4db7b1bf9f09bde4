"""Whatever bytes come, the worker lives, in bounded time and memory, and each file has a verdict.

Files of every transfer syntax and depth, and real ones where they lie beside the checkout, are
damaged at random, most of all where lengths, sizes and markers stand.
"""

import contextlib
import random
import time
from collections import Counter

import pytest

from benchmarks.syntaxes import WAYS, cases
from mammo.decode import PixelError
from mammo.header import NeedMore, parse
from mammo.prepare import Preparation
from mammo.verdict import Policy, judge
from ray_jobs.contained import Decoder
from ray_jobs.stages import Stages
from tests.calls import phantom_files
from tests.conftest import SHARED

SECONDS = 20.0  # a case; the bound on CPU time is 10
MEMORY_MB = 1024
LENGTHS = (
    *(b"\xff\xff\xff\xff", b"\xfe\xff\xff\xff", b"\0\0\0\0", b"\xff\x7f\0\0", b"\0\0\0\x80"),
    *(b"\xff\xd8\xff\xff", b"\xff\x4f\xff\x51", b"\xff\x90\0\x0a", b"\xff\xc3\0\x0b", b"\xff\xda"),
)
TAGS = (
    b"\x28\0\x10\0", b"\x28\0\x11\0", b"\x28\0\0\x01", b"\x28\0\x01\x01", b"\x28\0\x02\x01",
    b"\x28\0\x03\x01", b"\x28\0\x02\0", b"\x28\0\x50\x10", b"\x28\0\x51\x10", b"\x28\0\x08\0",
    b"\x02\0\x10\0", b"\xe0\x7f\x10\0", b"\xfe\xff\x00\xe0", b"\x28\0\x10\x30",
)  # fmt: skip
MARKERS = (b"\xff\x51", b"\xff\x52", b"\xff\x5c", b"\xff\x90", b"\xff\xc0", b"\xff\xc1", b"\xff\xc3",
           b"\xff\xc4", b"\xff\xdb", b"\xff\xda", b"\xff\xf7", b"\xff\x50", b"\xff\x93")  # fmt: skip


def harmed(data: bytes, rng: random.Random) -> bytes:
    """A file with one to six wounds."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        if not out:
            break
        at = rng.randrange(len(out))
        match rng.choice("btttmmmmlcdrs"):
            case "b":
                out[at] = rng.randrange(256)
            case "t":  # near an element that counts
                found = out.find(rng.choice(TAGS))
                at = min(len(out) - 1, max(0, found) + rng.randrange(4, 14))
                out[at] = rng.choice((0, 1, 8, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case "m":  # inside a marker segment of the codestream
                found = out.find(rng.choice(MARKERS), len(out) // 8)
                at = min(len(out) - 1, max(0, found) + rng.randrange(2, 40))
                out[at] = rng.choice((0, 1, 33, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case "l":
                out[at : at + 4] = rng.choice(LENGTHS)
            case "c":
                del out[at : at + rng.randrange(1, 64)]
            case "d":
                del out[at + 1 :]
            case "r":  # a piece of itself, once more
                out[at:at] = out[rng.randrange(len(out)) :][: rng.randrange(1, 2000)]
            case _:  # two pieces change places
                there = rng.randrange(len(out))
                out[at : at + 16], out[there : there + 16] = (
                    out[there : there + 16],
                    out[at : at + 16],
                )
    return bytes(out)


def sound_files(*, large: bool) -> list[bytes]:
    """The matrix' own files and small real ones; `large`: whole mammograms and phantoms too."""
    made = [data for way in WAYS for _, data in cases(way)]
    real = [p.read_bytes() for p in sorted((SHARED / "data" / "dicom-syntaxes").glob("*.dcm"))]
    small = made + [data for data in real if len(data) < 150_000]
    if not large:
        return small
    whole = [p.read_bytes() for p in sorted((SHARED / "data" / "dicom-mg").glob("*.dcm"))]
    return small + whole + list(phantom_files(2, seed=5).values())


def verdict(data: bytes, decoder: Decoder) -> str:
    """What would become of the file: by its header, and by its pixels whatever the header said."""
    with contextlib.suppress(NeedMore):
        header = parse(data, len(data))
        by_header = judge(header.facts, Policy()) if header.facts else header.judgement
        assert by_header is not None
    try:
        prepared = decoder.prepare(data, None, Preparation(), Stages())
    except PixelError as error:
        return error.reason.value
    assert prepared.tensor.shape == (1, 1024, 640)
    return "prepared"


def survive(seed: int, count: int, *, large: bool = False) -> Counter[str]:
    """Verdicts of `count` harmed files; the bounds hold for each."""
    rng = random.Random(seed)
    files = sound_files(large=large)
    decoder = Decoder(MEMORY_MB, cpu_seconds=SECONDS / 2)
    verdicts: Counter[str] = Counter()
    try:
        for _ in range(count):
            began = time.monotonic()
            verdicts[verdict(harmed(rng.choice(files), rng), decoder)] += 1
            assert time.monotonic() - began < 4 * SECONDS
        assert decoder.peak_mb < MEMORY_MB
    finally:
        decoder.close()
    return verdicts


def test_500_harmed_files_have_a_verdict_each() -> None:
    verdicts = survive(seed=1, count=500)
    assert verdicts.total() == 500
    assert len(verdicts) > 8
    assert verdicts["prepared"] > 50


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 108))
def test_20_000_harmed_files_have_a_verdict_each(seed: int) -> None:
    verdicts = survive(seed, count=2500, large=True)
    assert verdicts.total() == 2500
    assert verdicts["prepared"] > 250
