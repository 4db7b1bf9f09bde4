"""Archive objects: their members indexed, and looked at where they can only be read once.

A zip or a tar lies open: its headers are read here, and each study's task reads its own members
by ranged reads. A compressed tar is read from end to end, so that its images are looked at in
the same pass; see docs/decisions/0003-archives.md.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

import structlog
from sqlalchemy.orm import Session

from db import looks as kept
from db.index import IndexedInstance, ObjectOutcome, unknown
from db.looks import Look, Unseen
from db.session import in_transaction
from mammo.codes import Reason
from mammo.facts import Identity
from mammo.pseudonym import Pseudonyms
from mammo.verdict import Policy
from ray_jobs import breadcrumbs
from ray_jobs.archive.walk import MemberRead
from ray_jobs.faults import InferenceLost, StoreLost
from ray_jobs.indexing import instance_of, write
from ray_jobs.job import Job, Running
from ray_jobs.looks import stored
from ray_jobs.pieces import IMAGES, Piece
from ray_jobs.records import ArchiveToRead, Listed
from ray_jobs.screening import prove_triton
from ray_jobs.window import streamed

log = structlog.get_logger()

PASSES = 4  # over one archive for its images in one run, each after the first ended by a worker
WAITING = 4  # pieces of one archive that wait for the driver
# Members that may have ended it: a piece is on its way while the next is made.
SUSPECTS = 2 * IMAGES

Take = Callable[[Job, Running, ArchiveToRead, Piece, int], None]
Archives = Iterable[ArchiveToRead]


def read_archives(job: Job, run: Running, found: Archives) -> None:
    """Index the members of archives that are new or changed.

    One that ends its worker is read once more, headers alone; one that does it again holds
    nothing that can be read.

    Raises `StoreLost` when S3 is gone; archives that were read stand.
    """
    targets = list(found)
    if not targets:
        return
    run.start_ray()
    # With a limit on studies it is not known yet which images they will need.
    look = job.limit is None and any(target.streamed for target in targets) and _can_look(job)
    again = list(_pass(job, run, (replace(target, look=look) for target in targets), _index))
    alone = (replace(target, look=False) for target in again)
    for target in _pass(job, run, alone, _index):
        _index(job, run, target, Piece((), last=True, reason=Reason.ARCHIVE_CORRUPT), 0)


def look_again(job: Job, run: Running) -> None:
    """Look at the images of compressed archives that this release has not seen, in one pass each.

    Where a pass ends its worker, the members that it was at are left out of the next one: what
    is still not seen after the last, each study's task reads for itself.
    """
    kinds = [kind.value for kind in job.release.manifest.valid_for]

    def unseen() -> list[Unseen]:
        return in_transaction(
            job.engine,
            lambda session: kept.unseen(
                session, run.id, kinds, job.limit, settle_minutes=job.settle_minutes
            ),
        )

    targets = [_target(archive, archive.ordinals) for archive in unseen()]
    suspects: dict[int, set[int]] = defaultdict(set)
    for _ in range(PASSES):
        if not targets or not _can_look(job):
            return
        run.start_ray()
        dead = {target.object_id for target in _pass(job, run, targets, _keep)}
        targets = []
        for archive in unseen() if dead else []:
            number = archive.object.id
            left = sorted(archive.ordinals - suspects[number])
            suspects[number].update(left[:SUSPECTS])
            if number in dead and left[SUSPECTS:]:
                targets.append(_target(archive, frozenset(left[SUSPECTS:])))


def _target(archive: Unseen, wanted: frozenset[int]) -> ArchiveToRead:
    ref = archive.object
    item = Listed(ref.key, ref.etag, ref.size)
    return ArchiveToRead(ref.id, ref.bucket, item, archive.kind, wanted)


def _can_look(job: Job) -> bool:
    """Whether the right ensemble answers; if not, `screen_pending` says so after the index."""
    try:
        prove_triton(job, patience_s=10.0)
    except InferenceLost:
        return False
    return True


def _pass(job: Job, run: Running, targets: Archives, take: Take) -> Iterator[ArchiveToRead]:
    """Read archives, several at a time; yields those that ended their worker or their time."""
    from ray_jobs.tasks import read_archive  # noqa: PLC0415 -- Ray only where there is work

    task = read_archive.options(
        memory=job.study_memory_mb << 20,
        _generator_backpressure_num_objects=WAITING,
    )
    manifest = job.release.manifest
    ordinals: dict[int, int] = {}  # of the next member of each archive in flight
    ended: set[int] = set()

    def submit(target: ArchiveToRead) -> Any:
        ordinals[target.object_id] = 0
        return task.remote(
            target,
            job.store,
            _policy(run, target),
            job.triton,
            manifest,
            job.study_memory_mb,
            run.id,
        )

    for one in streamed(targets, submit, run.slots, run.patience_s, run.alive):
        target, piece = one.item, one.value
        if isinstance(piece, Piece):
            if piece.lost:
                raise StoreLost(piece.lost)
            for stage, seconds in piece.seconds.items():
                run.spent(stage, seconds)
            first = ordinals[target.object_id]
            take(job, run, target, piece, first)
            ordinals[target.object_id] = first + len(piece.members)
            if piece.last:
                ended.add(target.object_id)
        elif target.object_id not in ended:
            crumb = breadcrumbs.found(target.crumb)
            log.warning(
                "archive_task_died",
                object=target.object_id,
                stage=crumb.stage if crumb else "list",
                peak_mb=crumb.peak_mb if crumb else None,
                hint="if memory was short, raise NIGHTREAD_STUDY_MEMORY_MB",
            )
            yield target


def _policy(run: Running, target: ArchiveToRead) -> Policy:
    """That of the site which the archive belongs to; members have no site of their own."""
    return run.sites.of(target.bucket, target.item.key).policy


def _index(job: Job, run: Running, target: ArchiveToRead, piece: Piece, first: int) -> None:
    """Write down what members are, and what was seen of them."""
    if not piece.members and not piece.last:
        return
    version = _policy(run, target).rule_version
    instances = tuple(_entry(member, job.pseudonyms, version) for member in piece.members)
    outcome = ObjectOutcome(target.object_id, piece.reason, instances, first, piece.last)
    looks = _looks(piece)

    def write_down(session: Session) -> None:
        write(session, [outcome], job.pseudonyms)
        kept.keep(session, run.id, target.object_id, looks)

    began = perf_counter()
    in_transaction(job.engine, write_down)
    run.spent("write", perf_counter() - began)
    if piece.last:
        run.progress.indexed(1)


def _keep(job: Job, run: Running, target: ArchiveToRead, piece: Piece, _first: int) -> None:
    """Write down what was seen of members that are in the index already."""
    looks = _looks(piece)
    in_transaction(job.engine, lambda s: kept.keep(s, run.id, target.object_id, looks))


def _looks(piece: Piece) -> list[Look]:
    return [
        Look(member.ordinal, facts.laterality, facts.view, stored(seen))
        for member in piece.members
        if (seen := piece.seen.get(member.ordinal)) is not None
        and (facts := member.facts) is not None
        and facts.laterality is not None
        and facts.view is not None
    ]


def _entry(member: MemberRead, pseudonyms: Pseudonyms, rule_version: str) -> IndexedInstance:
    """A member as the index has it: an instance; or, without UID, what is wrong with it."""
    if member.header is None or member.facts is None:
        said = member.judgement
        entry = unknown(said.reason, said.detail, rule_version, said.flags)
    else:
        who = member.header.identity or Identity()
        entry = instance_of(member.facts, who, member.judgement, pseudonyms, rule_version)
    return replace(entry, member=member.name, place=member.place)
