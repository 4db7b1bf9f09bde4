"""Fragments are followed by their lengths, never by what their bytes look like."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mammo.codes import Reason
from mammo.encapsulation import DELIMITER, ITEM, join
from mammo.pixel_error import PixelError

END = DELIMITER + bytes(4)


def item(value: bytes) -> bytes:
    return ITEM + struct.pack("<I", len(value)) + value


def reason(value: bytes) -> Reason:
    with pytest.raises(PixelError) as caught:
        join(memoryview(value))
    return caught.value.reason


even = st.binary(min_size=2, max_size=40).map(lambda b: b + bytes(len(b) % 2))


@given(table=st.binary(max_size=16).map(lambda b: b * 2), fragments=st.lists(even, min_size=1))
def test_all_fragments_are_joined_whatever_the_table_says(
    table: bytes, fragments: list[bytes]
) -> None:
    value = item(table) + b"".join(item(f) for f in fragments) + END
    frame = join(memoryview(value))
    assert bytes(frame.data) == b"".join(fragments)
    assert (frame.fragments, frame.delimited) == (len(fragments), True)


def test_a_delimiter_inside_a_stream_is_only_bytes() -> None:
    inside = b"ab" + END + ITEM + b"cd"
    assert bytes(join(memoryview(item(b"") + item(inside) + END)).data) == inside


@pytest.mark.parametrize("filler", [b"", b"\0"])
def test_an_odd_item_is_resynchronised(filler: bytes) -> None:
    value = item(b"") + item(b"abc") + filler + item(b"de") + END
    assert bytes(join(memoryview(value)).data) == b"abcde"


def test_the_end_of_the_file_may_stand_for_the_delimiter() -> None:
    frame = join(memoryview(item(b"") + item(b"abcd")))
    assert (bytes(frame.data), frame.delimited) == (b"abcd", False)


def test_what_cannot_be_followed_has_a_reason() -> None:
    assert reason(item(b"") + ITEM + struct.pack("<I", 100) + b"abc") is Reason.TRUNCATED
    assert reason(item(b"") + item(b"ab") + b"nonsense") is Reason.DECODE_FAILED
    assert reason(item(b"") + ITEM + b"\xff" * 4 + b"ab" + END) is Reason.DECODE_FAILED
    assert reason(item(b"") + END) is Reason.PIXEL_DATA_MISSING
    assert reason(b"") is Reason.PIXEL_DATA_MISSING


@given(st.binary(max_size=200))
def test_any_bytes_give_a_frame_or_a_reason(value: bytes) -> None:
    with contextlib.suppress(PixelError):
        assert len(join(memoryview(ITEM + bytes(4) + value)).data) <= len(value)
