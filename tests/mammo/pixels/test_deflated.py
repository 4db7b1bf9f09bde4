"""A deflated data set is inflated whole, or not beyond its bound."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest

from mammo.codes import Reason
from mammo.decode import PixelError, decode

DEFLATED = "1.2.840.10008.1.2.1.99"


def squeeze(data: bytes) -> bytes:
    squeezed = zlib.compressobj(9, zlib.DEFLATED, -15)
    return squeezed.compress(data) + squeezed.flush()


@pytest.fixture
def parts(make, texture: np.ndarray) -> tuple[bytes, bytes]:
    """Preamble and meta information; the plain data set behind them."""
    plain = make(texture)
    begin = plain.index(b"\x08\x00\x16\x00")
    old, new = b"1.2.840.10008.1.2.1\0", DEFLATED.encode()
    meta = plain[:begin].replace(
        struct.pack("<H", len(old)) + old, struct.pack("<H", len(new)) + new
    )
    return meta, plain[begin:]


def fails(data: bytes) -> Reason:
    with pytest.raises(PixelError) as caught:
        decode(data)
    return caught.value.reason


def test_pixels_at_the_end_and_before_the_end_are_the_same(parts, texture: np.ndarray) -> None:
    meta, dataset = parts
    padding = struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 700_000) + bytes(700_000)
    for plain in (dataset, dataset + padding):
        assert np.array_equal(decode(meta + squeeze(plain)).pixels, texture)


def test_a_cut_or_damaged_stream_has_a_reason(parts) -> None:
    meta, dataset = parts
    stream = squeeze(dataset)
    assert fails(meta + stream[:-100]) is Reason.TRUNCATED
    assert fails(meta + b"\xff" * 50 + stream) is Reason.HEADER_UNREADABLE


@pytest.mark.parametrize("claim", [400_000_000, 100])
def test_a_bomb_is_not_inflated(parts, claim: int) -> None:
    """1000:1, behind a header that tells the truth or does not."""
    meta, dataset = parts
    at = dataset.index(b"\xe0\x7f\x10\x00OW")
    head = dataset[: at + 8] + struct.pack("<I", claim)
    bomb = squeeze(head + bytes(400_000_000))
    assert len(bomb) < 500_000
    tracemalloc.start()
    try:
        assert fails(meta + bomb) is Reason.TOO_LARGE
        assert tracemalloc.get_traced_memory()[1] < 300_000_000
    finally:
        tracemalloc.stop()
