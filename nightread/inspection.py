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
from mammo.verdict import Judgement, Policy, judge
from nightread.settings import Settings
from nightread.shapes import InspectLine
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
) -> InspectLine:
    """One line. Pixels are read only where the header is accepted."""
    try:
        header = _header(source)
    except ObjectUnreadable as error:
        return _line(source, None, _quarantined(error.reason), None)
    except OSError:
        return _line(source, None, _quarantined(Reason.READ_FAILED), None)
    if header.facts is None:
        assert header.judgement is not None
        return _line(source, None, header.judgement, None)
    judgement = judge(header.facts, policy)
    if header_only or judgement.verdict is not Verdict.ACCEPTED:
        return _line(source, header.facts, judgement, None)
    try:
        decoded = decode(source.read(0, source.size))
        plausible.check(decoded.pixels)
    except ObjectUnreadable as error:
        return _line(source, header.facts, _quarantined(error.reason), None)
    except OSError:
        return _line(source, header.facts, _quarantined(Reason.READ_FAILED), None)
    except PixelError as error:
        return _line(source, header.facts, _quarantined(error.reason, error.detail), None)
    prepared = prepare(decoded, header.facts.laterality, params)
    judgement = judgement.reviewed(prepared.reviews, (*decoded.flags, *prepared.flags))
    voi = " ".join(part for part in (prepared.voi, prepared.voi_explanation) if part)
    return _line(source, header.facts, judgement, voi)


def _header(source: Source) -> Header:
    data, wanted = b"", FIRST_READ
    while True:
        data += source.read(len(data), min(wanted, source.size))
        try:
            return parse(data, source.size)
        except NeedMore as more:
            wanted = more.length


def _quarantined(reason: Reason, detail: str | None = None) -> Judgement:
    return Judgement(reason.verdict, reason, detail or reason.line)


def _line(
    source: Source, facts: Facts | None, judgement: Judgement, voi: str | None
) -> InspectLine:
    flags = dict.fromkeys((*(facts.flags if facts else ()), *judgement.flags))
    return InspectLine(
        path=source.path,
        member=None,
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
