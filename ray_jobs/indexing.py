"""The index: what lies under the prefix, read once and written down."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from itertools import chain
from time import perf_counter
from typing import NamedTuple

import structlog
from sqlalchemy.orm import Session

from db import index
from db.erased import hide, unhidden
from db.index import IndexedInstance, ListedObject, ObjectOutcome, ObjectRef
from db.session import in_transaction
from mammo.codes import Reason
from mammo.facts import Facts, Identity
from mammo.pseudonym import Pseudonyms
from mammo.studies import is_mammography
from mammo.verdict import Judgement, Policy, kind
from ray_jobs.archive import store
from ray_jobs.archive.headers import HeadersRead, ObjectRead, ObjectToRead, unread
from ray_jobs.faults import StoreLost
from ray_jobs.job import Job, Running
from ray_jobs.records import ArchiveToRead, Listed
from ray_jobs.window import finished

log = structlog.get_logger()


class Batch(NamedTuple):
    """Objects that one policy judges."""

    policy: Policy
    objects: tuple[ObjectToRead, ...]


BATCH = 32  # headers a task: some tens of milliseconds each over a network, 2 to 5 of CPU


def index_prefix(job: Job, run: Running) -> list[ArchiveToRead]:
    """List the prefix and read the headers of what is new or changed.

    Returns the objects among them that are archives: those are not read yet. An unchanged
    archive costs one listing, and Ray is not even started.
    """
    listing = _to_read(job, run)
    first = next(listing, None)
    archives = [] if first is None else _read_all(job, run, first, listing)
    log.info("headers_read", bytes_read=run.header_bytes_read, bytes_needed=run.header_bytes_needed)
    in_transaction(job.engine, lambda session: index.listing_done(session, run.id))
    return archives


def _to_read(job: Job, run: Running) -> Iterator[Batch]:
    """Batches of objects whose headers are wanted, as the listing goes on."""
    waiting: dict[Policy, list[ObjectRef]] = defaultdict(list)
    pages = store.pages(job.store, job.prefix.bucket, job.prefix.key)
    while True:
        began = perf_counter()
        page = next(pages, None)
        run.spent("list", perf_counter() - began)
        if page is None:
            break
        run.progress.listed(len(page))
        for ref in in_transaction(job.engine, _note(job, run, page)):
            policy = run.sites.of(ref.bucket, ref.key).policy
            waiting[policy].append(ref)
            if len(waiting[policy]) == BATCH:
                yield _batch(policy, waiting.pop(policy))
    for policy, refs in waiting.items():
        yield _batch(policy, refs)


def _note(job: Job, run: Running, page: list[Listed]) -> Callable[..., list[ObjectRef]]:
    bucket = job.prefix.bucket
    rows = [ListedObject(item.key, item.etag, item.size, item.modified) for item in page]
    keys = [row.key for row in rows]

    def note(session: Session) -> list[ObjectRef]:
        left = unhidden(session, run.id, bucket, keys, job.pseudonyms)
        return index.listed(session, run.id, bucket, [row for row in rows if row.key in left])

    return note


def _batch(policy: Policy, refs: list[ObjectRef]) -> Batch:
    objects = (ObjectToRead(r.id, r.bucket, Listed(r.key, r.etag, r.size)) for r in refs)
    return Batch(policy, tuple(objects))


def _read_all(
    job: Job,
    run: Running,
    first: Batch,
    rest: Iterator[Batch],
) -> list[ArchiveToRead]:
    run.start_ray()
    from ray_jobs.tasks import read_headers  # noqa: PLC0415 -- Ray only where there is work

    def submit(batch: Batch) -> object:
        return read_headers.remote(batch.objects, job.store, batch.policy)

    archives: list[ArchiveToRead] = []
    suspects: list[Batch] = []
    for ended in finished(chain([first], rest), submit, run.window, run.patience_s, run.alive):
        if isinstance(ended.value, HeadersRead):
            archives += _write(job, run, ended.item.policy, ended.value)
        else:  # the worker died, or the batch took too long
            suspects += [Batch(ended.item.policy, (target,)) for target in ended.item.objects]
    # Only the one that does it alone is given up: it must not hide its neighbours.
    for ended in finished(suspects, submit, run.window, run.patience_s, run.alive):
        policy, objects = ended.item
        if isinstance(ended.value, HeadersRead):
            archives += _write(job, run, policy, ended.value)
        else:
            given_up = tuple(unread(target, Reason.HEADER_UNREADABLE) for target in objects)
            _write(job, run, policy, HeadersRead(given_up, 0.0, None))
    return archives


def _write(
    job: Job, run: Running, policy: Policy, headers: HeadersRead
) -> tuple[ArchiveToRead, ...]:
    """Write down what objects hold; returns the archives among them, which wait."""
    if headers.lost:
        raise StoreLost(headers.lost)
    run.spent("list", headers.seconds)
    run.header_bytes_read += sum(read.bytes_read for read in headers.objects)
    run.header_bytes_needed += sum(read.header.length for read in headers.objects if read.header)
    version = policy.rule_version
    outcomes = [outcome_of(read, job.pseudonyms, version) for read in headers.objects]
    began = perf_counter()
    in_transaction(job.engine, lambda session: write(session, outcomes, job.pseudonyms))
    run.spent("write", perf_counter() - began)
    run.progress.indexed(len(headers.objects))
    run.alive()
    return headers.archives


def write(session: Session, outcomes: list[ObjectOutcome], pseudonyms: Pseudonyms) -> None:
    """Write down what objects hold; of those that hold erased studies alone, not even the key."""
    index.indexed(session, outcomes)
    hide(session, [outcome.object_id for outcome in outcomes], pseudonyms)


def outcome_of(read: ObjectRead, pseudonyms: Pseudonyms, rule_version: str) -> ObjectOutcome:
    """What the database keeps of an object that was read."""
    if read.header is None or read.header.facts is None:
        return ObjectOutcome(read.object_id, read.judgement.reason)
    facts, who = read.header.facts, read.header.identity
    instance = instance_of(facts, who or Identity(), read.judgement, pseudonyms, rule_version)
    return ObjectOutcome(read.object_id, None, (instance,))


def instance_of(
    facts: Facts,
    who: Identity,
    judgement: Judgement,
    pseudonyms: Pseudonyms,
    rule_version: str,
) -> IndexedInstance:
    """What the database keeps of an instance."""
    study = facts.study_instance_uid
    return IndexedInstance(
        sop_instance_uid=facts.sop_instance_uid,
        study_uid=study,
        series_uid=facts.series_instance_uid,
        study_pseudonym=pseudonyms.study(study) if study else None,
        patient_pseudonym=(
            pseudonyms.patient(who.patient_id, who.issuer, study) if study else None
        ),
        birth_trait=pseudonyms.trait(study, "birth", _day(who.birth_date)) if study else None,
        sex_trait=pseudonyms.trait(study, "sex", who.sex) if study else None,
        modality=facts.modality,
        sop_class=facts.sop_class,
        transfer_syntax=facts.transfer_syntax,
        is_mammography=is_mammography(facts, judgement),
        laterality=facts.laterality,
        view=facts.view,
        study_date=_date(facts.study_date),
        verdict=judgement.verdict,
        reason=judgement.reason,
        detail=judgement.detail,
        flags=judgement.flags,
        facts=facts.as_dict(),
        rule_version=rule_version,
        kind=kind(facts),
        identity=who,
    )


def _day(text: str) -> str:
    """A birth date that is one; what was put in its place when a file was cleaned tells nothing."""
    return text if _date(text) else ""


def _date(text: str | None) -> date | None:
    """A DICOM DA (PS3.5 6.2) that is a day of the calendar."""
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
