"""The index of the archive: what was listed, and what reading it showed.

Bulk: a listing page or a few hundred objects a transaction. Rows are written in the order of
their keys, so that two runs wait for each other rather than deadlock.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db.erased import Whose, hidden, stopped
from db.schema import Instance, Order, Patient, StoredObject, Study
from db.scope import scope
from db.sites import SITE_OF_OBJECT
from db.studies import provisional, refresh
from db.text import storable, storable_json, storable_or_none
from mammo.codes import RETRIED_OBJECT_REASONS, Flag, Reason, Verdict
from mammo.facts import Identity
from mammo.members import Place


class ListedObject(NamedTuple):
    """A row of a bucket's listing."""

    key: str
    etag: str
    size: int  # bytes
    modified: datetime | None = None  # by the archive's clock


class ObjectRef(NamedTuple):
    """An object that must be read."""

    id: int
    bucket: str
    key: str
    etag: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class IndexedInstance:
    """What the header of one instance says, and what is to become of it.

    UIDs are at most 64 characters (PS3.5 6.2). Without `sop_instance_uid` it is a bad member
    of an archive object; without `study_uid` it belongs to no study.
    """

    sop_instance_uid: str | None
    study_uid: str | None
    series_uid: str | None
    study_pseudonym: str | None  # with study_uid
    patient_pseudonym: str | None
    modality: str | None
    sop_class: str | None
    transfer_syntax: str | None
    is_mammography: bool  # Modality MG or a mammography SOP class; quarantined ones count anyway
    laterality: str | None
    view: str | None
    study_date: date | None
    verdict: Verdict
    reason: Reason
    detail: str
    flags: tuple[Flag, ...]
    facts: dict[str, Any]  # JSON-able, without identity
    rule_version: str
    kind: Reason | None = None  # where nothing is admitted; None: the same as `reason`
    birth_trait: str | None = None  # of the patient; None: the header does not say
    sex_trait: str | None = None
    member: str | None = None
    place: Place | None = None  # of a member
    identity: Identity | None = field(default=None, repr=False)


def unknown(
    reason: Reason, detail: str, rule_version: str, flags: tuple[Flag, ...] = ()
) -> IndexedInstance:
    """What is kept where nothing is told of an instance but why."""
    return IndexedInstance(
        sop_instance_uid=None,
        study_uid=None,
        series_uid=None,
        study_pseudonym=None,
        patient_pseudonym=None,
        modality=None,
        sop_class=None,
        transfer_syntax=None,
        is_mammography=False,
        laterality=None,
        view=None,
        study_date=None,
        verdict=reason.verdict,
        reason=reason,
        detail=detail,
        flags=flags,
        facts={},
        rule_version=rule_version,
    )


@dataclass(frozen=True, slots=True)
class ObjectOutcome:
    """What reading an object showed: instances, or the reason why it holds none.

    An archive may hold more members than are kept in memory. It comes in parts then, one after
    the other, and counts as read with the last one.
    """

    object_id: int
    reason: Reason | None
    instances: tuple[IndexedInstance, ...] = ()
    first: int = 0  # ordinal of the first of `instances`
    last: bool = True  # nothing follows

    def __post_init__(self) -> None:
        whole = self.last and self.first == 0
        if (self.reason and self.instances) or (whole and not self.reason and not self.instances):
            raise ValueError("an object holds instances or has a reason why not")


LISTED = text(
    """
    INSERT INTO objects AS o (bucket, key, etag, size, modified_at, site, last_seen_run)
    SELECT o.bucket, o.key, o.etag, o.size, o.modified_at, {site_of_object}, :run
    FROM (
        SELECT :bucket AS bucket, new.*
        FROM unnest(
            cast(:keys AS text[]), cast(:etags AS text[]), cast(:sizes AS bigint[]),
            cast(:modified AS timestamptz[])
        ) AS new (key, etag, size, modified_at)
    ) AS o
    ON CONFLICT (bucket, key) DO UPDATE SET (
        etag, size, modified_at, site, last_seen_run, gone_at, indexed_at, reason, instance_count
    ) = (
        SELECT excluded.etag, excluded.size, excluded.modified_at,
            -- What is not read again keeps the site that it was judged for.
            CASE WHEN again THEN excluded.site ELSE o.site END,
            greatest(o.last_seen_run, excluded.last_seen_run),
            cast(NULL AS timestamptz),
            CASE WHEN NOT again THEN o.indexed_at END,
            CASE WHEN NOT again THEN o.reason END,
            CASE WHEN again THEN 0 ELSE o.instance_count END
        FROM (
            SELECT (o.etag, o.size) <> (excluded.etag, excluded.size)
                OR coalesce(o.reason = ANY(:retried), false) OR o.gone_at IS NOT NULL
                OR o.indexed_at IS NULL AS again
        ) AS decided
    )
    RETURNING id, key, etag, size, indexed_at IS NULL AS unread
    """.replace("{site_of_object}", SITE_OF_OBJECT)
)


def listed(
    session: Session, run: int, bucket: str, objects: Sequence[ListedObject]
) -> list[ObjectRef]:
    """Note a page of a listing; returns those that must be read, in the order of their keys.

    These are new ones, changed ones (etag or size), those that were away, and those whose
    reading failed last time.
    """
    if not objects:
        return []
    rows = sorted({row.key: row for row in objects}.values())
    found = session.execute(
        LISTED,
        {
            "run": run,
            "bucket": bucket,
            "keys": [row.key for row in rows],
            "etags": [row.etag for row in rows],
            "sizes": [row.size for row in rows],
            "modified": [row.modified for row in rows],
            "retried": sorted(reason.value for reason in RETRIED_OBJECT_REASONS),
        },
    )
    refs = [ObjectRef(row.id, bucket, row.key, row.etag, row.size) for row in found if row.unread]
    return sorted(refs, key=lambda ref: ref.key)


GONE = text(
    """
    WITH gone AS (
        UPDATE objects SET gone_at = now()
        WHERE bucket = :bucket AND starts_with(key, :prefix)
            AND last_seen_run < :run AND gone_at IS NULL
        RETURNING id
    )
    SELECT gone.id, i.study_id FROM gone LEFT JOIN instances i ON i.object_id = gone.id
    """
)


def listing_done(session: Session, run: int) -> int:
    """Mark the objects that a complete listing no longer held; returns how many."""
    rows = session.execute(GONE, scope(session, run)).all()
    refresh(session, {study for _, study in rows if study is not None})
    return len({object_id for object_id, _ in rows})


OBJECTS_READ = text(
    """
    UPDATE objects SET indexed_at = now(), reason = outcome.reason,
        instance_count = (SELECT count(*) FROM instances i WHERE i.object_id = objects.id)
    FROM unnest(cast(:objects AS bigint[]), cast(:reasons AS text[])) AS outcome (id, reason)
    WHERE objects.id = outcome.id
    """
)


def indexed(session: Session, outcomes: Sequence[ObjectOutcome]) -> None:
    """Write down what reading objects showed, in place of what was known of them.

    Studies, identities and worklist rows (pending ones) are part of it. Writing the same again
    changes nothing that anyone reads. The studies of an object that comes in parts are listed
    with each, and planned with the last one. Of erased studies nothing is kept but that something
    is there (`db.erased`).
    """
    outcomes = sorted(_withheld(session, outcomes), key=lambda outcome: outcome.object_id)
    ids = [outcome.object_id for outcome in outcomes]
    # Whoever writes the same objects at this moment waits here.
    session.execute(
        select(StoredObject.id)
        .where(StoredObject.id.in_(ids))
        .order_by(StoredObject.id)
        .with_for_update(key_share=True)
    ).all()
    anew = [outcome.object_id for outcome in outcomes if not outcome.first or outcome.reason]
    before = session.execute(
        delete(Instance)
        .where(Instance.object_id.in_(anew))
        .returning(Instance.study_id, Instance.sop_instance_uid)
        .execution_options(synchronize_session=False)
    ).all()
    touched = {row.study_id for row in before if row.study_id is not None}
    instances = [instance for outcome in outcomes for instance in outcome.instances]
    studies = _studies(session, instances)
    touched |= set(studies.values())
    rows = [
        _row(outcome.object_id, ordinal, instance, studies)
        for outcome in outcomes
        for ordinal, instance in enumerate(outcome.instances, outcome.first)
    ]
    if rows:
        session.execute(insert(Instance), rows)
    _identities(session, instances)
    ended = [outcome for outcome in outcomes if outcome.last]
    session.execute(
        OBJECTS_READ,
        {
            "objects": [outcome.object_id for outcome in ended],
            "reasons": [outcome.reason and outcome.reason.value for outcome in ended],
        },
    )
    touched |= _studies_of(session, [o.object_id for o in ended if o.first and not o.reason])
    refresh(session, touched, {row.sop_instance_uid for row in before if row.sop_instance_uid})


def _withheld(session: Session, outcomes: Sequence[ObjectOutcome]) -> list[ObjectOutcome]:
    """What may be written down of `outcomes`."""
    gone = stopped(session, {_whose(one) for outcome in outcomes for one in outcome.instances})
    dropped = hidden(session, [outcome.object_id for outcome in outcomes])
    return [
        replace(
            outcome,
            instances=tuple(
                unknown(Reason.ERASED, Reason.ERASED.line, one.rule_version)
                if _whose(one) in gone
                else one
                for one in outcome.instances
            ),
        )
        for outcome in outcomes
        if outcome.object_id not in dropped
    ]


def _whose(instance: IndexedInstance) -> Whose:
    return Whose(instance.study_pseudonym, instance.patient_pseudonym, instance.study_date)


def _studies_of(session: Session, objects: Collection[int]) -> set[int]:
    """The studies of objects that came in parts."""
    if not objects:
        return set()
    found = session.scalars(
        select(Instance.study_id)
        .where(Instance.object_id.in_(objects), Instance.study_id.is_not(None))
        .distinct()
    )
    return {study for study in found if study is not None}


def _studies(session: Session, instances: Iterable[IndexedInstance]) -> dict[str, int]:
    """The ids of the instances' studies by UID; unknown ones are made."""
    pseudonyms = {
        instance.study_uid: instance.study_pseudonym
        for instance in instances
        if instance.study_uid is not None
    }
    if not pseudonyms:
        return {}
    session.execute(
        insert(Study).on_conflict_do_nothing(),
        [{"study_uid": uid, "pseudonym": pseudonyms[uid]} for uid in sorted(pseudonyms)],
    )
    found = session.execute(
        select(Study.study_uid, Study.id).where(Study.study_uid.in_(pseudonyms))
    )
    return {study.study_uid: study.id for study in found}


def _identities(session: Session, instances: Collection[IndexedInstance]) -> None:
    people = {
        instance.patient_pseudonym: instance.identity
        for instance in instances
        if instance.patient_pseudonym is not None and instance.identity is not None
    }
    if people:
        # Without a conflict target this needs the right to INSERT and no other.
        session.execute(
            insert(Patient).on_conflict_do_nothing(),
            [
                {
                    "pseudonym": pseudonym,
                    "patient_name": storable(person.name) or None,
                    "patient_id": storable(person.patient_id) or None,
                    "issuer": storable(person.issuer) or None,
                    "birth_date": storable(person.birth_date) or None,
                    "sex": storable(person.sex) or None,
                }
                for pseudonym, person in sorted(people.items())
            ],
        )
    orders = {
        instance.study_pseudonym: number
        for instance in instances
        if instance.study_uid is not None
        and instance.study_pseudonym is not None
        and instance.identity is not None
        and (number := storable(instance.identity.accession_number))
    }
    if orders:
        session.execute(
            insert(Order).on_conflict_do_nothing(),
            [
                {"study_pseudonym": pseudonym, "accession_number": number}
                for pseudonym, number in sorted(orders.items())
            ],
        )


def _row(
    object_id: int, ordinal: int, instance: IndexedInstance, studies: dict[str, int]
) -> dict[str, Any]:
    detail = storable(instance.detail)
    verdict, reason = provisional(instance.verdict, instance.reason)
    return {
        "object_id": object_id,
        "ordinal": ordinal,
        "member": storable_or_none(instance.member),
        **_place(instance.place),
        "study_id": None if instance.study_uid is None else studies[instance.study_uid],
        "sop_instance_uid": instance.sop_instance_uid,
        "series_uid": instance.series_uid,
        "patient_pseudonym": instance.patient_pseudonym,
        "birth_trait": instance.birth_trait,
        "sex_trait": instance.sex_trait,
        "modality": storable_or_none(instance.modality),
        "sop_class": storable_or_none(instance.sop_class),
        "transfer_syntax": storable_or_none(instance.transfer_syntax),
        "is_mammography": instance.is_mammography or instance.verdict is Verdict.QUARANTINED,
        "laterality": instance.laterality,
        "view": instance.view,
        "study_date": instance.study_date,
        "kind": (instance.kind or instance.reason).value,
        "header_verdict": instance.verdict.value,
        "header_reason": instance.reason.value,
        "header_detail": detail,
        "rule_version": instance.rule_version,
        "verdict": verdict.value,
        "reason": reason.value,
        "detail": detail,
        "flags": [flag.value for flag in instance.flags],
        "facts": storable_json(instance.facts),
    }


def _place(place: Place | None) -> dict[str, Any]:
    return {
        "member_method": place and place.method.value,
        "member_offset": place and place.offset,
        "member_length": place and place.length,
        "member_size": place and place.size,
        "member_crc32": place and place.crc32,
    }
