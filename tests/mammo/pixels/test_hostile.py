"""Whatever bytes come: pixels that can be prepared, or a PixelError."""

import random
from pathlib import Path

import pytest

from mammo.decode import PixelError, decode
from mammo.prepare import Preparation, prepare

LENGTHS = (b"\xff\xff\xff\xff", b"\xfe\xff\xff\xff", b"\0\0\0\0", b"\xff\x7f\0\0")


def harmed(data: bytes, rng: random.Random) -> bytes:
    """Bytes changed, lengths overwritten, pieces cut out, the end cut off."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(out))
        match rng.choice("bbbblllcd"):
            case "b":
                out[at] = rng.randrange(256)
            case "l":
                out[at : at + 4] = rng.choice(LENGTHS)
            case "c":
                del out[at : at + rng.randrange(1, 40)]
            case _:
                del out[at + 1 :]
    return bytes(out)


@pytest.mark.parametrize("seed", range(8))
def test_harmed_files_never_escape(syntaxes: Path, seed: int) -> None:
    rng = random.Random(seed)
    files = [p.read_bytes() for p in sorted(syntaxes.glob("*.dcm")) if p.stat().st_size < 150_000]
    outcomes = []
    for _ in range(60):
        try:
            prepared = prepare(decode(harmed(rng.choice(files), rng)), None, Preparation())
            outcomes.append(prepared.tensor.shape)
        except PixelError as error:
            outcomes.append(error.reason)
    assert (1, 1024, 640) in outcomes
    assert len(set(outcomes)) > 3


@pytest.mark.parametrize("data", [b"", b"\0", b"DICM", bytes(132) + b"DICM", bytes(5000)])
def test_hardly_a_file_has_a_reason(data: bytes) -> None:
    with pytest.raises(PixelError):
        decode(data)


def test_deep_nesting_is_bounded(make, texture) -> None:
    """2,000 sequences, one in the other, before the pixels."""
    whole = make(texture)
    at = whole.index(b"\x28\x00\x02\x00")  # Samples per Pixel
    sequence = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with pytest.raises(PixelError):
        decode(whole[:at] + sequence * 2000 + whole[at:])
