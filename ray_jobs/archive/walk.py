"""From an archive object to what each of its members is: one header parse for all formats.

Knows nothing of S3: an archive is a size and a function that fetches a range.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice

from mammo.codes import Reason
from mammo.facts import Facts
from mammo.header import FIRST_READ, Header, NeedMore, parse
from mammo.members import STREAMED, Method, Place, name_flags
from mammo.verdict import Judgement, Policy, judge
from ray_jobs.archive import tar
from ray_jobs.archive import zip as zips
from ray_jobs.archive.expand import (
    FREE_MEMBER,
    STEP,
    DeflatedPrefix,
    Fetch,
    bomb,
    inflate,
    ratio_exceeded,
    readers,
)
from ray_jobs.archive.fault import ArchiveFault
from ray_jobs.archive.tape import Expanded, Ranged, Tape

FORMATS = ("zip", "tar", "gzip", "zstd")  # as `mammo.sniff.archive` names them
MAX_IMAGE = 260_000_000  # bytes of a member whose pixels are read: 120 megapixels of 16 bit
RUN = 1 << 18  # bytes of small neighbours in a zip that are got in one read
AT_ONCE = 16  # reads of a zip whose headers wait in memory
LONGEST_KEPT = 1 << 16  # characters of a name that are kept

Grow = Callable[[int], bytes]  # the first bytes of a member, at least as many as asked for


@dataclass(frozen=True, slots=True)
class MemberRead:
    """What one member turned out to be: a header and what becomes of it, or why there is none."""

    ordinal: int  # place in its archive, from 0
    name: str | None  # None: not a member, but the rest of the archive
    place: Place | None  # None: it can't be read
    header: Header | None
    judgement: Judgement

    @property
    def facts(self) -> Facts | None:
        return self.header.facts if self.header else None


@dataclass(frozen=True, slots=True)
class Opened:
    """A member with its bytes within reach."""

    read: MemberRead
    whole: Callable[[], bytes]  # of a streamed one: only before the next member is taken


def opened(fetch: Fetch, size: int, kind: str, policy: Policy) -> Iterator[Opened]:
    """The members of an archive of one of `FORMATS`, in order; ordinals are always the same.

    Nothing about the archive escapes as an exception: what can't be read of it is the last
    member, without a name.
    """
    numbers = count()
    try:
        walk = _zip(fetch, size, policy) if kind == "zip" else _tar(fetch, size, kind, policy)
        for member in walk:
            yield Opened(replace(member.read, ordinal=next(numbers)), member.whole)
    except ArchiveFault as fault:
        yield _nothing(replace(_bad(None, fault), ordinal=next(numbers)))


def header_of(grow: Grow, size: int) -> Header:
    """The header of a member of `size` bytes.

    Raises ArchiveFault (ARCHIVE_CORRUPT) when it ends before.
    """
    wanted = min(size, FIRST_READ)
    while True:
        data = grow(wanted)
        if len(data) < wanted:
            raise ArchiveFault(
                Reason.ARCHIVE_CORRUPT, "A member ends before the size that it states."
            )
        try:
            return parse(data, size)
        except NeedMore as more:
            wanted = min(size, more.length)


def fetch_member(fetch: Fetch, size: int, place: Place) -> bytes:
    """A whole member of an object of `size` bytes: one ranged read.

    From an archive that is compressed as a whole it takes all that lies before the member.

    Raises ArchiveFault: TOO_LARGE beyond `MAX_IMAGE`, ARCHIVE_CORRUPT, ARCHIVE_BOMB.
    """
    if place.size > MAX_IMAGE or place.length > MAX_IMAGE:
        raise ArchiveFault(Reason.TOO_LARGE, "A member is larger than any image.")
    if place.method not in STREAMED:
        return inflate(fetch(place.offset, place.offset + place.length), place)
    tape = Expanded(fetch, size, place.method)
    tape.skip_to(place.offset)
    return _taken(tape, place.size)


def _zip(fetch: Fetch, size: int, policy: Policy) -> Iterator[Opened]:
    files, missing = zips.members(fetch, size)

    def read(run: list[zips.ZipMember]) -> list[Opened]:
        near = _near(fetch, run[0].header, run[-1].limit) if len(run) > 1 else fetch
        return [_zip_member(near, fetch, size, member, policy) for member in run]

    runs = _runs(files)
    while some := list(islice(runs, AT_ONCE)):
        for members in readers().map(read, some):
            yield from members
    if missing is not None:
        raise missing


def _runs(files: list[zips.ZipMember]) -> Iterator[list[zips.ZipMember]]:
    """Neighbours that lie in so few bytes that one read gets them all; a large one alone."""
    run: list[zips.ZipMember] = []
    for member in files:
        if run and member.limit - run[0].header > RUN:
            yield run
            run = []
        run.append(member)
    if run:
        yield run


def _near(fetch: Fetch, begin: int, end: int) -> Fetch:
    """`fetch`, with the bytes from `begin` to `end` read once."""
    have = fetch(begin, max(begin, end))

    def near(start: int, stop: int) -> bytes:
        inside = begin <= start <= stop <= begin + len(have)
        return have[start - begin : stop - begin] if inside else fetch(start, stop)

    return near


def _zip_member(
    near: Fetch, fetch: Fetch, size: int, member: zips.ZipMember, policy: Policy
) -> Opened:
    """One member by its header, which `near` reads; its bytes are read by `fetch`."""
    try:
        if member.fault is not None:
            raise member.fault
        place, first = zips.place(near, member)
        header = header_of(_grow(near, place, first), place.size)
    except ArchiveFault as fault:
        return _nothing(_bad(member.name, fault))
    return Opened(_read(member.name, place, header, policy), _reader(fetch, size, place))


def _reader(fetch: Fetch, size: int, place: Place) -> Callable[[], bytes]:
    return lambda: fetch_member(fetch, size, place)


def _grow(fetch: Fetch, place: Place, first: bytes) -> Grow:
    """The beginning of a member that lies open, of which `first` has come already."""
    have = bytearray(first)

    def there(start: int, end: int) -> bytes:
        if end > len(have):
            have.extend(fetch(place.offset + len(have), place.offset + end))
        return bytes(have[start:end])

    if place.method is Method.DEFLATE:
        return DeflatedPrefix(there, place)
    return lambda length: there(0, length)


def _tar(fetch: Fetch, size: int, kind: str, policy: Policy) -> Iterator[Opened]:
    method = {"gzip": Method.GZIP, "zstd": Method.ZSTD}.get(kind, Method.STORED)
    tape: Tape = Ranged(fetch, size) if method is Method.STORED else Expanded(fetch, size, method)
    for member in tar.members(tape):
        if not member.supported:
            yield _nothing(_bad(member.name, _unsupported()))
            continue
        # What an archive that was cut off holds of its last member is still a header.
        left = member.size if tape.end is None else min(member.size, tape.end - tape.at)
        place = Place(method, member.offset, left, left)
        prefix = bytearray()
        taken = tape.taken if isinstance(tape, Expanded) else 0
        try:
            header = header_of(_onwards(tape, prefix), left)
        except ArchiveFault as fault:
            yield _nothing(_bad(member.name, fault))
            raise  # the tape is at its end
        read = _read(member.name, place, header, policy)
        if isinstance(tape, Expanded) and read.facts is None:
            # What a bomb expands to has to be passed to get at what lies behind it.
            tape.skip_to(place.offset + place.size)
            if ratio_exceeded(tape.at - place.offset, tape.taken - taken + STEP, FREE_MEMBER):
                yield _nothing(_bad(member.name, bomb()))
                continue
        yield Opened(read, _rest(tape, prefix, place))


def _unsupported() -> ArchiveFault:
    return ArchiveFault(
        Reason.ARCHIVE_UNSUPPORTED, "A member is a link, a device or a sparse file."
    )


def _onwards(tape: Tape, prefix: bytearray) -> Grow:
    """The beginning of the member that a tape stands at; what was read stays in `prefix`."""

    def grow(length: int) -> bytes:
        if length > len(prefix):
            prefix.extend(tape.read(length - len(prefix)))
        return bytes(prefix[:length])

    return grow


def _rest(tape: Tape, prefix: bytearray, place: Place) -> Callable[[], bytes]:
    def whole() -> bytes:
        if place.size > MAX_IMAGE:
            raise ArchiveFault(Reason.TOO_LARGE, "A member is larger than any image.")
        return b"".join((prefix, _taken(tape, place.size - len(prefix))))

    return whole


def _taken(tape: Tape, length: int) -> bytes:
    data = tape.read(length)
    if len(data) < length:
        raise ArchiveFault(Reason.ARCHIVE_CORRUPT, "A member ends before the size that it states.")
    return data


def _read(name: str, place: Place, header: Header, policy: Policy) -> MemberRead:
    odd = name_flags(name)
    if header.facts is None:
        assert header.judgement is not None
        judgement = _inside(header.judgement)
        return MemberRead(0, name[:LONGEST_KEPT], place, None, replace(judgement, flags=odd))
    facts = replace(header.facts, flags=tuple(sorted({*header.facts.flags, *odd})))
    header = replace(header, facts=facts)
    return MemberRead(0, name[:LONGEST_KEPT], place, header, judge(facts, policy))


def _inside(judgement: Judgement) -> Judgement:
    """The word on an object without an instance, of a member.

    An archive is opened once: what lies in one and is one itself stays closed.
    """
    if judgement.reason is Reason.ARCHIVE_UNSUPPORTED:
        return judgement.but(Reason.ARCHIVE_NESTED)
    if judgement.reason is Reason.NOT_DICOM:
        return judgement.but(Reason.NOT_DICOM)
    return judgement


def _bad(name: str | None, fault: ArchiveFault) -> MemberRead:
    flags = () if name is None else name_flags(name)
    judgement = Judgement(fault.reason.verdict, fault.reason, fault.detail, flags)
    return MemberRead(0, name and name[:LONGEST_KEPT], None, None, judgement)


def _nothing(read: MemberRead) -> Opened:
    def refused() -> bytes:
        raise ArchiveFault(read.judgement.reason, read.judgement.detail)

    return Opened(read, refused)
