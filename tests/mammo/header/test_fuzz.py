"""Whatever the bytes: a header, or more bytes are wanted; never an exception, never a hang."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mammo.codes import Reason, Verdict
from mammo.facts import Facts
from mammo.header import Header, NeedMore, parse
from mammo.verdict import Policy, judge

EVERYTHING = Policy(
    accept_film_sc=True,
    accept_for_processing=True,
    accept_low_energy=True,
    accept_synthetic_2d=True,
)


def outcome(data: bytes, size: int) -> None:
    """Parse and judge; the result must be complete."""
    try:
        header, wanted = parse(data, size), None
    except NeedMore as more:
        header, wanted = Header(), more.length
    if wanted is not None:
        assert len(data) < wanted <= size
        return
    if header.facts is None:
        assert header.judgement is not None
        judged = header.judgement
    else:
        judged = judge(header.facts, EVERYTHING)
        assert Facts.from_dict(header.facts.as_dict()) == header.facts
    assert judged.reason.verdict is judged.verdict
    assert judged.detail.endswith(".")


mutations = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=6)), max_size=8
)


@given(mutations=mutations, cut=st.floats(0, 1), implicit=st.booleans(), fragments=st.booleans())
def test_a_mutated_header_never_raises(
    make: Any, mutations: list[tuple[float, bytes]], cut: float, implicit: bool, fragments: bool
) -> None:
    ds = make.mammogram(NumberOfFrames=1)
    if fragments:
        data = bytearray(make.with_fragments(ds, "1.2.840.10008.1.2.4.90", 64).prefix)
    else:
        data = bytearray(
            make.encoded(ds, "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1")
        )
    for place, change in mutations:
        at = 132 + int(place * (len(data) - 132))
        data[at : at + len(change)] = change
    data = data[: int(cut * len(data))] if cut < 0.5 else data
    outcome(bytes(data), len(data))


@given(body=st.binary(max_size=300), preamble=st.booleans(), more=st.integers(0, 10**9))
def test_any_bytes_never_raise(body: bytes, preamble: bool, more: int) -> None:
    data = bytes(128) + b"DICM" + body if preamble else body
    outcome(data, len(data))
    outcome(data, len(data) + more)


elements = st.tuples(
    st.sampled_from([0x0008, 0x0010, 0x0018, 0x0020, 0x0028, 0x0054, 0x7FE0, 0xFFFE]),
    st.sampled_from([0x0005, 0x0010, 0x0016, 0x0018, 0x0220, 0xE000, 0xE00D, 0xE0DD]),
    st.sampled_from([b"CS", b"UI", b"SQ", b"UN", b"OB", b"US", b"DS", b"\0\0", b"zz"]),
    st.sampled_from([0, 2, 6, 64, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFE]),
    st.binary(max_size=12),
)


@given(parts=st.lists(elements, max_size=12))
def test_any_elements_never_raise(
    make: Any, parts: list[tuple[int, int, bytes, int, bytes]]
) -> None:
    body = b"".join(
        group.to_bytes(2, "little")
        + number.to_bytes(2, "little")
        + vr
        + bytes(2)
        + length.to_bytes(4, "little")
        + value
        for group, number, vr, length, value in parts
    )
    data = make.encoded(make.mammogram()) + body
    outcome(data, len(data))


@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_cut_mammogram_is_never_accepted(make: Any, cut: float) -> None:
    whole = make.with_fragments(make.mammogram(), "1.2.840.10008.1.2.4.90", 512)
    length = int(cut * (whole.size - 8))  # the last 8 bytes are the delimiter, which may be missing
    judged = make.object(whole.prefix[:length], length).judged()
    assert judged.verdict is Verdict.QUARANTINED
    assert judged.reason is not Reason.META_CONFLICT
