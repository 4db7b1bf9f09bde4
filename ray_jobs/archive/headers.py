"""What an object holds, from its header: ranged reads that grow only when they must."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

from mammo import sniff
from mammo.codes import Reason
from mammo.header import FIRST_READ, Header, NeedMore, parse
from mammo.verdict import Judgement, Policy, judge
from ray_jobs.archive.store import StoreConfig, read
from ray_jobs.archive.walk import FORMATS
from ray_jobs.faults import ObjectUnreadable, StoreLost
from ray_jobs.records import ArchiveToRead, Listed

THREADS = 8  # a read is a wait, and boto3 about 3 ms of CPU


@dataclass(frozen=True, slots=True)
class ObjectToRead:
    """A listed object whose header is wanted."""

    object_id: int
    bucket: str
    item: Listed


@dataclass(frozen=True, slots=True)
class ObjectRead:
    """What one object turned out to be: a header and what becomes of it, or why there is none."""

    object_id: int
    header: Header | None
    judgement: Judgement
    bytes_read: int = 0


@dataclass(frozen=True, slots=True)
class HeadersRead:
    """What a batch's task returns."""

    objects: tuple[ObjectRead, ...]
    seconds: float
    lost: str | None  # S3 could not be reached: one sentence for the operator
    archives: tuple[ArchiveToRead, ...] = ()  # to be opened


def read_batch(batch: tuple[ObjectToRead, ...], store: StoreConfig, policy: Policy) -> HeadersRead:
    """Read and judge the headers of a batch of objects, several at a time."""
    began = perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            results = tuple(pool.map(lambda target: _read(target, store, policy), batch))
        except StoreLost as error:
            return HeadersRead((), perf_counter() - began, str(error))
    return HeadersRead(
        tuple(found for found in results if isinstance(found, ObjectRead)),
        perf_counter() - began,
        None,
        tuple(found for found in results if isinstance(found, ArchiveToRead)),
    )


def _read(target: ObjectToRead, store: StoreConfig, policy: Policy) -> ObjectRead | ArchiveToRead:
    data = b""
    wanted = FIRST_READ
    try:
        while True:
            data += read(store, target.bucket, target.item, len(data), wanted)
            try:
                header = parse(data, target.item.size)
            except NeedMore as more:
                wanted = more.length
                continue
            judged = _judged(header, policy)
            kind = sniff.archive(data)
            if judged.reason is Reason.ARCHIVE_UNSUPPORTED and kind in FORMATS:
                return ArchiveToRead(target.object_id, target.bucket, target.item, kind)
            return ObjectRead(target.object_id, header, judged, len(data))
    except ObjectUnreadable as error:
        return unread(target, error.reason)


def _judged(header: Header, policy: Policy) -> Judgement:
    if header.facts is not None:
        return judge(header.facts, policy)
    assert header.judgement is not None
    return header.judgement


def unread(target: ObjectToRead, reason: Reason) -> ObjectRead:
    """An object that could not be had, for a reason at storage level."""
    return ObjectRead(target.object_id, None, Judgement(reason.verdict, reason, reason.line))
