"""A whole archive object, read piece by piece: what a task hands back while it goes on."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter

from mammo.codes import Reason
from mammo.verdict import Policy
from ray_jobs.archive.expand import Fetch
from ray_jobs.archive.fault import ArchiveFault
from ray_jobs.archive.store import StoreConfig, read
from ray_jobs.archive.walk import MemberRead, fetch_member, opened
from ray_jobs.faults import ObjectUnreadable, StoreLost
from ray_jobs.looks import Answer, Eyes
from ray_jobs.records import ArchiveToRead, PlannedInstance, Seen
from ray_jobs.study import account

HEADERS, IMAGES = 64, 8  # members of a piece: headers alone, or with a look at the images
SMALL = 1 << 20  # bytes of an archive that is got in one read
AT_LEAST_EVERY_S = 5.0  # a piece, however few members came


@dataclass(frozen=True, slots=True)
class Piece:
    """The next members of an archive."""

    members: tuple[MemberRead, ...]
    seen: dict[int, Seen] = field(default_factory=dict)  # by ordinal
    seconds: dict[str, float] = field(default_factory=dict)  # by stage
    last: bool = False
    reason: Reason | None = None  # with `last`: why the object holds no instance
    lost: str | None = None  # S3 could not be reached: one sentence for the operator


@dataclass(slots=True)
class _Batch:
    members: list[MemberRead] = field(default_factory=list)
    answers: dict[int, Answer] = field(default_factory=dict)
    began: float = field(default_factory=perf_counter)

    def full(self, eyes: Eyes | None) -> bool:
        return (
            len(self.members) >= (IMAGES if eyes else HEADERS)
            or perf_counter() - self.began > AT_LEAST_EVERY_S
        )


def pieces(
    target: ArchiveToRead, store: StoreConfig, policy: Policy, eyes: Eyes | None
) -> Iterator[Piece]:
    """Read an archive; nothing but a `Piece` comes out of it, the last one marked.

    One piece is inferred while the next is read. S3 failing gives the object its reason, as it
    does for an object that is no archive.
    """
    clock = _Clock(eyes)
    final = max(target.wanted, default=0) if target.wanted is not None else None
    bad: Counter[Reason] = Counter()
    instances = 0
    before, batch = _Batch(), _Batch()
    try:
        fetch = _fetch(target, store)
        for member in opened(fetch, target.item.size, target.kind, policy):
            if member.read.facts is None:
                bad[member.read.judgement.reason] += 1
            else:
                instances += 1
            if eyes and eyes.want(member.read):
                batch.answers[member.read.ordinal] = eyes.look(member)
            batch.members.append(member.read)
            if batch.full(eyes):
                yield _piece(before, clock)
                before, batch = batch, _Batch()
            if member.read.ordinal == final:
                break
    except ObjectUnreadable as error:
        yield Piece((), seconds=clock.spent(), last=True, reason=error.reason)
        return
    except StoreLost as error:
        yield Piece((), seconds=clock.spent(), last=True, lost=str(error))
        return
    yield _piece(before, clock)
    yield _piece(batch, clock)
    reason = None if instances else _reason(bad)
    yield Piece((), seconds=clock.spent(), last=True, reason=reason)


def _fetch(target: ArchiveToRead, store: StoreConfig) -> Fetch:
    """Ranged reads of an archive; of a small one, slices of a single read."""

    def fetch(start: int, end: int) -> bytes:
        return read(store, target.bucket, target.item, start, end)

    if target.item.size > SMALL:
        return fetch
    whole = fetch(0, target.item.size)
    return lambda start, end: whole[start:end]


def read_instance(store: StoreConfig, planned: PlannedInstance) -> bytes:
    """The file of an instance: an object, or a member of one.

    Raises `ObjectUnreadable`, `StoreLost`.
    """
    bucket, item = planned.bucket, planned.item
    if planned.place is None:
        return read(store, bucket, item)
    try:
        return fetch_member(
            lambda start, end: read(store, bucket, item, start, end), item.size, planned.place
        )
    except ArchiveFault as fault:
        raise ObjectUnreadable(fault.reason) from None


class _Clock:
    """Seconds since it was last asked: what the eyes did not take is reading headers."""

    def __init__(self, eyes: Eyes | None) -> None:
        self._eyes = eyes
        self._began = perf_counter()
        self._told: dict[str, float] = {}

    def spent(self) -> dict[str, float]:
        so_far = account(self._eyes.stages) if self._eyes else {}
        now = perf_counter()
        so_far["list"] = now - self._began - sum(so_far.values())
        spent = {stage: s - self._told.get(stage, 0.0) for stage, s in so_far.items()}
        self._told = so_far
        return spent


def _piece(batch: _Batch, clock: _Clock) -> Piece:
    answers = {ordinal: answer() for ordinal, answer in batch.answers.items()}
    seen = {ordinal: found for ordinal, found in answers.items() if found is not None}
    return Piece(tuple(batch.members), seen, clock.spent())


def _reason(bad: Counter[Reason]) -> Reason:
    """Why an archive holds no instance: what most members are that are not simply others'."""
    telling = bad.copy()
    del telling[Reason.NOT_DICOM]
    return max(telling, key=lambda reason: telling[reason], default=Reason.NOT_DICOM)
