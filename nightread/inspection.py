"""What would be done with a file and why: the job's own rules, one file at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mammo import plausible
from mammo.codes import Reason, Verdict
from mammo.decode import PixelError, decode
from mammo.facts import Facts
from mammo.header import FIRST_READ, Header, NeedMore, parse
from mammo.prepare import Preparation, prepare
from mammo.sniff import archive
from mammo.verdict import Judgement, Policy, judge
from nightread.settings import Settings
from nightread.shapes import InspectLine
from ray_jobs.archive.fault import ArchiveFault
from ray_jobs.archive.walk import FORMATS, opened
from ray_jobs.faults import ObjectUnreadable


@dataclass(frozen=True, slots=True)
class Source:
    """A file or an S3 object."""

    path: str  # as shown
    size: int  # bytes
    read: Callable[[int, int], bytes]  # from, to (exclusive)


def local_sources(path: Path) -> Iterator[Source]:
    """A file, or every file below a folder, by name."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        yield Source(str(file), file.stat().st_size, _reader(file))


def _reader(file: Path) -> Callable[[int, int], bytes]:
    def read(start: int, end: int) -> bytes:
        with file.open("rb") as opened:
            opened.seek(start)
            return opened.read(end - start)

    return read


def s3_sources(settings: Settings, url: str) -> Iterator[Source]:
    """The objects under an S3 prefix, or the one of that key."""
    from nightread.jobs import parse_prefix, store_config  # noqa: PLC0415 -- S3 only where asked
    from ray_jobs.archive import store  # noqa: PLC0415
    from ray_jobs.records import Listed  # noqa: PLC0415

    prefix, config = parse_prefix(url), store_config(settings)

    def reader(item: Listed) -> Callable[[int, int], bytes]:
        return lambda start, end: store.read(config, prefix.bucket, item, start, end)

    for page in store.pages(config, prefix.bucket, prefix.key):
        for item in page:
            yield Source(f"s3://{prefix.bucket}/{item.key}", item.size, reader(item))


def inspect(
    source: Source, params: Preparation, policy: Policy, *, header_only: bool
) -> Iterator[InspectLine]:
    """One line an instance: one of an object, one of each member of an archive.

    Pixels are read only where the header is accepted.
    """
    look = None if header_only else params
    try:
        prefix, header = _header(source)
    except (ObjectUnreadable, OSError) as error:
        yield _line(source, None, None, _quarantined(_unread(error)), None)
        return
    if header.facts is not None:
        judgement = judge(header.facts, policy)
        yield _looked_at(
            source, None, header.facts, judgement, lambda: source.read(0, source.size), look
        )
        return
    assert header.judgement is not None
    kind = archive(prefix)
    if header.judgement.reason is Reason.ARCHIVE_UNSUPPORTED and kind in FORMATS:
        yield from _members(source, kind, policy, look)
    else:
        yield _line(source, None, None, header.judgement, None)


def _members(
    source: Source, kind: str, policy: Policy, look: Preparation | None
) -> Iterator[InspectLine]:
    """The lines of an archive's members; one without a member where it holds none."""
    empty = True
    try:
        for member in opened(source.read, source.size, kind, policy):
            empty = False
            found = member.read
            yield _looked_at(source, found.name, found.facts, found.judgement, member.whole, look)
    except (ObjectUnreadable, OSError) as error:
        yield _line(source, None, None, _quarantined(_unread(error)), None)
        return
    if empty:
        nothing = _quarantined(Reason.NOT_DICOM, "The archive holds no file.")
        yield _line(source, None, None, nothing, None)


def _looked_at(
    source: Source,
    member: str | None,
    facts: Facts | None,
    judgement: Judgement,
    whole: Callable[[], bytes],
    look: Preparation | None,
) -> InspectLine:
    if look is None or facts is None or judgement.verdict is not Verdict.ACCEPTED:
        return _line(source, member, facts, judgement, None)
    try:
        decoded = decode(whole(), half=look.half_jpeg_2000)
        plausible.check(decoded.pixels)
    except (ObjectUnreadable, OSError) as error:
        return _line(source, member, facts, _quarantined(_unread(error)), None)
    except (ArchiveFault, PixelError) as error:
        return _line(source, member, facts, _quarantined(error.reason, error.detail), None)
    prepared = prepare(decoded, facts.laterality, look)
    judgement = judgement.reviewed(prepared.reviews, (*decoded.flags, *prepared.flags))
    voi = " ".join(part for part in (prepared.voi, prepared.voi_explanation) if part)
    return _line(source, member, facts, judgement, voi)


def _header(source: Source) -> tuple[bytes, Header]:
    """The first bytes and what they say."""
    data, wanted = b"", FIRST_READ
    while True:
        data += source.read(len(data), min(wanted, source.size))
        try:
            return data, parse(data, source.size)
        except NeedMore as more:
            wanted = more.length


def _unread(error: ObjectUnreadable | OSError) -> Reason:
    return error.reason if isinstance(error, ObjectUnreadable) else Reason.READ_FAILED


def _quarantined(reason: Reason, detail: str | None = None) -> Judgement:
    return Judgement(reason.verdict, reason, detail or reason.line)


def _line(
    source: Source,
    member: str | None,
    facts: Facts | None,
    judgement: Judgement,
    voi: str | None,
) -> InspectLine:
    flags = dict.fromkeys((*(facts.flags if facts else ()), *judgement.flags))
    return InspectLine(
        path=source.path,
        member=member,
        verdict=str(judgement.verdict),
        reason=str(judgement.reason),
        detail=judgement.detail,
        warnings=sorted(map(str, flags)),
        sop_class=facts and facts.sop_class,
        transfer_syntax=facts and facts.transfer_syntax,
        manufacturer=facts and facts.manufacturer,
        presentation_intent=facts and facts.presentation_intent,
        laterality=facts and facts.laterality,
        view=facts and facts.view,
        modifiers=[str(modifier) for modifier in facts.modifiers] if facts else [],
        rows=facts and facts.rows,
        columns=facts and facts.columns,
        bits_stored=facts and facts.bits_stored,
        voi=voi,
        source_kind=str(facts.source_kind) if facts else "unknown",
    )
