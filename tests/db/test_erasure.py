"""Guarantee 29: of what was erased a keyed stub is left, and the archive cannot bring it back."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db import audit, erasure, index, plan, reading, results, runs, summary, worklist
from db.erased import hide, unhidden
from db.index import IndexedInstance, ListedObject, ObjectOutcome, ObjectRef
from db.lock import run_lock
from db.looks import Look, keep
from db.runs import Run
from db.session import in_transaction
from mammo.codes import Call, Reason
from mammo.facts import Identity
from mammo.pseudonym import Pseudonyms
from tests.db.archive import VIEWS, instance, planned, scored
from tests.db.conftest import PREFIX, RELEASE

KEYED = Pseudonyms(b"a key of this test alone")
ANNA = Identity("4711", "north", "Anna^Planted", accession_number="A-4711")
BERTA = Identity("4712", "north", "Berta^Other", accession_number="A-4712")


def of(who: Identity, study: int, number: int, day: date = date(2026, 11, 24)) -> IndexedInstance:
    """The instance 1.2.`study`.`number`, with the pseudonyms that the job gives."""
    uid = f"1.2.{study}"
    plain = instance(study, number, view=VIEWS[(number - 1) % 4])
    return replace(
        plain,
        study_pseudonym=KEYED.study(uid),
        patient_pseudonym=KEYED.patient(who.patient_id, who.issuer, uid),
        identity=who,
        study_date=day,
    )


def listing(
    session: Session, run: Run, keys: Sequence[str], etag: str = "e1"
) -> dict[str, ObjectRef]:
    """What a run would read of these keys, as the job asks."""
    names = [run.prefix.key + key for key in keys]
    left = unhidden(session, run.id, run.prefix.bucket, names, KEYED)
    rows = [ListedObject(key, etag, 1000) for key in names if key in left]
    refs = index.listed(session, run.id, run.prefix.bucket, rows)
    return {ref.key.removeprefix(run.prefix.key): ref for ref in refs}


def put(
    session: Session, run: Run, objects: dict[str, Sequence[IndexedInstance]], etag: str = "e1"
) -> list[str]:
    """List and index `objects`, as the job does; returns those that were read."""
    refs = listing(session, run, list(objects), etag)
    outcomes = [ObjectOutcome(ref.id, None, tuple(objects[key])) for key, ref in refs.items()]
    index.indexed(session, outcomes)
    hide(session, [outcome.object_id for outcome in outcomes], KEYED)
    return sorted(refs)


def put_study(session: Session, run: Run, who: Identity, study: int) -> None:
    put(session, run, {f"{who.name}/{study}/{n}.dcm": [of(who, study, n)] for n in range(1, 5)})


def erase(session: Session, study: int) -> erasure.Removed | None:
    name = erasure.study_named(session, f"1.2.{study}", KEYED)
    assert name is not None
    return erasure.erase(session, name, erasure.sent(session, name), "officer", KEYED)


def found(session: Session, *planted: str) -> set[str]:
    """The tables in which one of these texts stands."""
    tables = session.scalars(
        text("SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN"
             " ('public', 'identity')")
    ).all()  # fmt: skip
    return {
        table
        for table in tables
        for value in planted
        if session.execute(
            text(f"SELECT EXISTS (SELECT FROM {table} t WHERE strpos(t::text, :value) > 0)"),
            {"value": value},
        ).scalar_one()
    }


def everything_of(session: Session, run: Run, study: int) -> None:
    """A row in every table that can hold one of a study."""
    results.record(session, run.id, scored(planned(session, run, study), 0.2))
    session.execute(text("UPDATE studies SET fingerprint = 'changed'"))
    again = planned(session, run, study)
    plan.count_attempt(session, run.id, again)
    written = results.record(session, run.id, scored(again, 0.4))
    assert written is not None
    session.execute(
        text("INSERT INTO attempts SELECT id, :release, :run, 'f', 1 FROM studies"),
        {"release": RELEASE, "run": run.id},
    )
    claim = reading.claim_next(session, "reader")
    assert claim is not None
    decision = reading.Decision(
        claim.study_uid, claim.fingerprint, "reader", Call.RECALL, None, score_seen=True,
        comment="Anna^Planted was seen before",
    )  # fmt: skip
    first = reading.decide(session, decision, complete=False)
    reading.decide(session, replace(decision, corrects=first), complete=False)
    assert reading.claim_next(session, "another") is not None
    (object_id, *_) = session.scalars(text("SELECT object_id FROM instances ORDER BY id"))
    keep(session, run.id, object_id, [Look(0, "L", "CC", {"findings": []})])
    for statement in (
        (
            "INSERT INTO outcomes (study_id, laterality, kind, found_on, malignant)"
            " SELECT id, 'L', 'pathology', '2026-12-01', true FROM studies"
        ),
        (
            "INSERT INTO exports (study_id, kind, target, place, name, sop_instance_uid)"
            " SELECT id, 'cad-sr', 'dicom', 'PACS@pacs:104', 'Anna^Planted.dcm', '1.2.7.99'"
            " FROM studies"
        ),
    ):
        session.execute(text(statement))


def test_every_table_lets_go_of_the_study_and_a_keyed_stub_is_all_that_stays(
    session: Session, run: Run
) -> None:
    put_study(session, run, ANNA, 7)
    everything_of(session, run, 7)
    planted = ("Anna", "4711", "1.2.7", KEYED.patient("4711", "north", ""))
    before = found(session, *planted)
    assert {"identity.patients", "identity.orders", "public.objects", "public.decisions"} < before
    session.execute(text("SET ROLE nightread_erasure"))
    removed = erase(session, 7)
    session.execute(text("RESET ROLE"))
    assert removed is not None
    assert removed.rows == {
        "claims": 1, "decisions": 2, "worklist": 1, "findings": 2, "result_instances": 8,
        "results": 2, "attempts": 1, "outcomes": 1, "exports": 1, "looks": 1, "instances": 4,
        "studies": 1, "patients": 1,
    }  # fmt: skip
    assert (removed.objects, removed.shared) == (4, 0)
    assert found(session, *planted) == set()
    assert found(session, KEYED.study("1.2.7")) == {"public.erased", "public.audit"}
    assert audit.broken(session) == []


def test_its_objects_count_as_excluded_and_are_never_read_again(session: Session, run: Run) -> None:
    put_study(session, run, ANNA, 7)
    put_study(session, run, BERTA, 8)
    erase(session, 7)
    now = summary.summary(session, run.id)
    assert (now.listed, now.with_instances, now.indexed) == (8, 8, 8)
    assert now.reasons == {"ERASED": 4, "OK": 4}
    assert (now.excluded, now.known, now.quarantined) == (4, 1, 0)
    runs.finish(session, run.id, "finished")
    again = runs.start(session, PREFIX, RELEASE, "0", "host:2")
    keys = [f"{who.name}/{n}/{i}.dcm" for who, n in ((ANNA, 7), (BERTA, 8)) for i in range(1, 5)]
    assert listing(session, again, keys, "another etag").keys() == set(keys[4:])
    assert index.listing_done(session, again.id) == 0
    later = summary.summary(session, again.id)
    assert (later.listed, later.reasons["ERASED"]) == (8, 4)


def test_an_object_that_goes_and_comes_back_is_counted_as_what_it_was(
    session: Session, run: Run
) -> None:
    put_study(session, run, ANNA, 7)
    erase(session, 7)
    for keys, listed in (([], 0), ([f"{ANNA.name}/7/{n}.dcm" for n in range(1, 5)], 4)):
        runs.finish(session, run.id, "finished")
        run = runs.start(session, PREFIX, RELEASE, "0", "host:2")
        assert listing(session, run, keys) == {}
        index.listing_done(session, run.id)
        assert summary.summary(session, run.id).listed == listed


def test_a_run_over_a_part_of_the_prefix_counts_them_too(session: Session, run: Run) -> None:
    put_study(session, run, ANNA, 7)
    erase(session, 7)
    part = runs.start(
        session, runs.Prefix("archive", "night/Anna^Planted/7/"), RELEASE, "0", "host:2"
    )
    assert listing(session, part, [f"{n}.dcm" for n in range(1, 5)]) == {}
    assert summary.summary(session, part.id).reasons == {"ERASED": 4}


def test_what_comes_of_it_later_is_noted_without_whose_it_is(session: Session, run: Run) -> None:
    put_study(session, run, ANNA, 7)
    erase(session, 7)
    late = {"Anna^Planted/late.dcm": [of(ANNA, 7, 5)]}
    assert put(session, run, late) == ["Anna^Planted/late.dcm"]  # read once
    assert found(session, "Anna", "4711", "1.2.7") == set()
    assert put(session, run, late, "another etag") == []  # and never again
    assert summary.summary(session, run.id).reasons == {"ERASED": 5}
    assert worklist.page(session, 10).items == ()


def test_an_archive_that_holds_another_study_is_still_known_by_its_key(
    session: Session, run: Run
) -> None:
    members = {
        "both.zip": [
            replace(of(who, study, n), member=f"{who.name}/{n}.dcm")
            for who, study in ((ANNA, 7), (BERTA, 8))
            for n in range(1, 5)
        ]
    }
    put(session, run, members)
    removed = erase(session, 7)
    assert removed is not None
    assert (removed.objects, removed.shared) == (0, 1)
    assert found(session, "Anna", "4711", "1.2.7") == set()
    (item,) = worklist.page(session, 10).items
    assert item.study_uid == "1.2.8"
    put(session, run, members, "another etag")
    assert found(session, "Anna", "4711", "1.2.7") == set()
    assert summary.summary(session, run.id).reasons == {"ERASED": 4, "OK": 4}
    (item,) = worklist.page(session, 10).items


def test_what_could_not_be_read_beside_it_is_known_no_longer_by_its_key(
    session: Session, run: Run
) -> None:
    put_study(session, run, ANNA, 7)
    put_study(session, run, BERTA, 8)
    beside = {
        "Anna^Planted/7/report.txt": Reason.NOT_DICOM,
        "Anna^Planted/7/later": Reason.READ_FAILED,  # is asked for again
        "Berta^Other/8/report.txt": Reason.NOT_DICOM,
        "report.txt": Reason.NOT_DICOM,
    }
    refs = listing(session, run, list(beside))
    index.indexed(session, [ObjectOutcome(refs[key].id, why) for key, why in beside.items()])
    removed = erase(session, 7)
    assert removed is not None
    assert removed.objects == 5
    (left,) = session.scalars(text("SELECT key FROM objects WHERE key LIKE '%Anna%'"))
    assert left == "night/Anna^Planted/7/later"
    now = summary.summary(session, run.id)
    assert (now.listed, now.without_instance) == (12, 4)
    assert now.reasons == {"ERASED": 4, "NOT_DICOM": 3, "OK": 4, "READ_FAILED": 1}
    assert listing(session, run, list(beside), "another etag").keys() == beside.keys() - {
        "Anna^Planted/7/report.txt"
    }


def test_every_table_that_refers_to_a_study_is_one_that_an_erasure_knows(session: Session) -> None:
    """And goes by itself, where it is bound to: a new table is not forgotten."""
    refer = session.scalars(
        text("SELECT DISTINCT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f'"
             " AND confrelid IN ('studies'::regclass, 'results'::regclass, 'instances'::regclass)"
             " AND confdeltype <> 'c'")
    ).all()  # fmt: skip
    assert set(refer) - {"worklist"} <= erasure.ROWS.keys()
    identity = session.scalars(
        text("SELECT c.relname FROM pg_class c WHERE c.relkind = 'r'"
             " AND c.relnamespace = 'identity'::regnamespace AND NOT EXISTS ("
             " SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f'"
             " AND k.confrelid = 'studies'::regclass AND k.confdeltype = 'c')")
    ).all()  # fmt: skip
    assert identity == ["patients"]


def test_a_patients_other_studies_keep_who_she_is(session: Session, run: Run) -> None:
    put_study(session, run, ANNA, 7)
    put_study(session, run, ANNA, 9)
    erase(session, 7)
    assert found(session, "Planted") == {"identity.patients", "public.objects"}
    erase(session, 9)
    assert found(session, "Planted") == set()


def test_an_erased_patients_older_studies_are_stopped_and_a_later_exam_is_a_new_one(
    session: Session, run: Run
) -> None:
    put_study(session, run, ANNA, 7)
    patient = KEYED.patient("4711", "north", "1.2.7")
    assert erasure.of_patient(session, patient) == [(KEYED.study("1.2.7"), False)]
    assert erasure.erase_patient(session, patient, "officer")
    erase(session, 7)
    today = session.execute(text("SELECT CURRENT_DATE")).scalar_one()
    put(
        session, run, {"old": [of(ANNA, 20, 1, date(2011, 1, 1))], "same": [of(ANNA, 21, 1, today)]}
    )
    assert found(session, "Anna", "1.2.20", "1.2.21") == set()
    put(session, run, {"new": [of(ANNA, 22, 1, date(9999, 1, 1))]})
    assert [item.study_uid for item in worklist.page(session, 10).items] == ["1.2.22"]


def test_a_study_of_two_patients_is_told_before_one_of_them_is_erased(
    session: Session, run: Run
) -> None:
    put(session, run, {"a": [of(ANNA, 7, 1)], "b": [of(BERTA, 7, 2)]})
    for who in (ANNA, BERTA):
        patient = KEYED.patient(who.patient_id, who.issuer, "1.2.7")
        assert erasure.of_patient(session, patient) == [(KEYED.study("1.2.7"), True)]


def test_a_study_that_a_run_waits_for_is_not_erased_unless_the_run_is_dead(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        runs.register_release(session, RELEASE, "first", {})
    with run_lock(engine, PREFIX, RELEASE), Session(engine) as session:
        run = runs.start(session, PREFIX, RELEASE, "0", "host:7")
        put_study(session, run, ANNA, 7)
        waits = planned(session, run, 7)
        plan.count_attempt(session, run.id, waits)
        session.commit()
        with pytest.raises(erasure.StudyHeld) as held:
            erase(session, 7)
        assert held.value.who == "host:7"
        session.rollback()
    assert in_transaction(engine, lambda session: erase(session, 7)) is not None
    with Session(engine) as session:  # the run was not dead after all
        assert results.record(session, run.id, scored(waits)) is None
        assert plan.count_attempt(session, run.id, waits) == 0
        assert found(session, "1.2.7") == set()


def test_erasing_twice_changes_nothing_the_second_time(session: Session, run: Run) -> None:
    put_study(session, run, ANNA, 7)
    assert erase(session, 7) is not None
    assert erase(session, 7) is None
    assert erasure.study_named(session, "1.2.404", KEYED) is None


def test_what_went_out_meanwhile_must_be_looked_at_first(session: Session, run: Run) -> None:
    put_study(session, run, ANNA, 7)
    session.execute(
        text("INSERT INTO exports (study_id, kind, target, place, name)"
             " SELECT id, 'csv', 's3', 's3://out/', 'studies.csv' FROM studies")
    )  # fmt: skip
    with pytest.raises(erasure.MoreWentOut):
        erasure.erase(session, KEYED.study("1.2.7"), [], "officer", KEYED)


def test_a_conflict_with_an_erased_study_is_none_any_more(session: Session, run: Run) -> None:
    put_study(session, run, BERTA, 8)
    same = replace(of(ANNA, 7, 1), sop_instance_uid="1.2.8.1")
    put(session, run, {"a": [same]})
    unscorable = text("SELECT unscorable FROM studies WHERE study_uid = '1.2.8'")
    assert session.scalar(unscorable) == "CONFLICTING_INSTANCES"
    erase(session, 7)
    assert session.scalar(unscorable) is None


@pytest.mark.parametrize("statement", ["DELETE FROM decisions", "DELETE FROM erased"])
def test_what_was_not_erased_keeps_its_decisions_and_a_stub_is_for_good(
    session: Session, run: Run, statement: str
) -> None:
    put_study(session, run, ANNA, 7)
    put_study(session, run, BERTA, 8)
    claim = reading.claim_next(session, "reader")
    assert claim is not None
    reading.decide(
        session,
        reading.Decision(
            claim.study_uid, claim.fingerprint, "reader", Call.ROUTINE, None, score_seen=False
        ),
    )
    erase(session, 8 if claim.study_uid == "1.2.7" else 7)
    with pytest.raises(DBAPIError, match="is history"):
        session.execute(text(statement))


def test_counts_of_the_list_follow(session: Session, run: Run) -> None:
    put_study(session, run, ANNA, 7)
    put_study(session, run, BERTA, 8)
    erase(session, 7)
    assert sum(worklist.counts(session).values()) == 1
