"""Guarantee 7: who may read what. Postgres decides, not the code."""

from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from db import (
    counts,
    exports,
    index,
    outcomes,
    plan,
    ranking,
    reading,
    rejudge,
    results,
    runs,
    summary,
    worklist,
)
from db.history import history
from db.runs import Run
from mammo.codes import Call, NotScored, Reason
from mammo.pseudonym import Pseudonyms
from tests.db.archive import instance, judged, planned, put, put_studies, scored, unscored
from tests.db.conftest import PREFIX, RELEASE


def as_role(session: Session, role: str) -> None:
    session.execute(text(f"SET ROLE {role}"))


def refused(session: Session, statement: str) -> bool:
    with pytest.raises(ProgrammingError) as error, session.begin_nested():
        session.execute(text(statement))
    return getattr(error.value.orig, "pgcode", None) == "42501"  # insufficient_privilege


def test_the_job_does_all_of_its_work_under_its_own_role(session: Session) -> None:
    as_role(session, "nightread_app")
    runs.register_release(session, RELEASE, "first", {})
    run = runs.start(session, PREFIX, RELEASE, "0.1.0", "host:1")
    put_studies(session, run, [1, 2])
    put(session, run, {"film": [judged(1, 9, sop_class="1.2.840.10008.5.1.4.1.1.7")]})
    put(session, run, {"sr": [instance(3, 1, Reason.NON_IMAGE_CAD_SR)], "x": Reason.NOT_DICOM})
    put(session, run, {"x": Reason.READ_FAILED}, etag="e2")
    index.listing_done(session, run.id)
    plan.count_attempt(session, run.id, planned(session, run, 1))
    results.record(session, run.id, scored(planned(session, run, 1)))
    results.record(session, run.id, unscored(planned(session, run, 2), NotScored.TIMED_OUT))
    assert plan.close_unscorable(session, run.id) == {NotScored.NO_2D_IMAGE: 1}
    runs.heartbeat(session, run.id, {"list": 0.5})
    session.execute(
        text("UPDATE instances SET rule_version = '0' WHERE sop_instance_uid = '1.2.1.9'")
    )
    judged_again = rejudge.judge_page(session, 0)
    assert judged_again is not None
    assert judged_again[1].judged == 1
    runs.finish(session, run.id, "finished")
    assert summary.summary(session, run.id).known == 3
    assert len(worklist.page(session, 10).items) == 3
    assert sum(worklist.counts(session).values()) == 3
    assert counts.nights(session, "unknown")
    session.execute(text("RESET ROLE"))
    session.execute(text("UPDATE sites SET release = :release"), {"release": RELEASE})
    as_role(session, "nightread_app")
    assert ranking.rerank_page(session) == ("unknown", 3)
    assert ranking.rerank_page(session) == ("unknown", 0)
    assert ranking._age_page(session, 30) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM identity.patients",
        "SELECT pseudonym FROM identity.patients",
        "SELECT accession_number FROM identity.orders",
        "DELETE FROM identity.orders",
        "UPDATE identity.patients SET sex = 'M'",
        "DELETE FROM identity.patients",
        "INSERT INTO identity.patients (pseudonym) VALUES ('p_1') RETURNING patient_name",
        "DELETE FROM results",
        "DELETE FROM findings",
        "DELETE FROM studies",
        "INSERT INTO sites (name, prefix) VALUES ('x', 's3://x/')",
        "UPDATE sites SET policy = '{}'",
        "INSERT INTO claims (study_id, reader, until) SELECT study_id, 'x', 'infinity' FROM worklist",
        (
            "INSERT INTO decisions (study_id, fingerprint, round, reader, left_call, score_seen)"
            " SELECT study_id, '', 1, 'x', 'routine', false FROM worklist"
        ),
        "INSERT INTO audit (who, action) VALUES ('x', 'viewed')",
        "SELECT who FROM audit",
        "INSERT INTO erased (pseudonym) VALUES ('s_')",
        "DELETE FROM exports",
        "DELETE FROM outcomes",
        "INSERT INTO rerankings (site) VALUES ('unknown')",
        "INSERT INTO worklist_counts VALUES ('x', 'low', 'open', 1)",
        "DELETE FROM worklist_changes",
        "SELECT fold_worklist_changes()",
        "CREATE TABLE identity.copy ()",
        "CREATE TABLE copy ()",
    ],
)
def test_the_job_can_neither_read_identity_nor_delete_what_was_said(
    session: Session, run: Run, statement: str
) -> None:
    put_studies(session, run, [1])
    as_role(session, "nightread_app")
    assert refused(session, statement)


def test_the_identity_role_reads_who_a_pseudonym_is_and_nothing_else(
    session: Session, run: Run
) -> None:
    put_studies(session, run, [1])
    as_role(session, "nightread_identity")
    assert session.execute(text("SELECT * FROM identity.patients")).mappings().one()[
        "patient_name"
    ] == ("Planted^Name")
    assert session.execute(
        text("SELECT accession_number FROM identity.orders")
    ).scalars().all() == ["Planted-1"]
    for table in ("worklist", "objects", "studies", "results"):
        assert refused(session, f"SELECT * FROM {table}")
    assert refused(session, "UPDATE identity.patients SET sex = 'M'")


def test_the_reader_sees_the_worklist(session: Session, run: Run) -> None:
    put_studies(session, run, [1, 2])
    put(session, run, {"z": [instance(1, 9, Reason.SPOT)]})
    results.record(session, run.id, scored(planned(session, run, 1)))
    as_role(session, "nightread_reader")
    items = worklist.page(session, 10).items
    assert [len(item.findings) for item in items] == [0, 1]
    assert [reason for _, reason in items[1].exclusions] == ["SPOT"]


def test_the_reader_claims_and_decides_and_adds_to_the_audit(session: Session, run: Run) -> None:
    put_studies(session, run, [1, 2])
    results.record(session, run.id, scored(planned(session, run, 1)))
    as_role(session, "nightread_reader")
    claim = reading.claim_next(session, "anna")
    assert claim is not None
    reading.release(session, "anna", claim.study_id)
    claim = reading.claim_next(session, "anna")
    assert claim is not None
    reading.decide(
        session,
        reading.Decision(
            claim.study_uid, claim.fingerprint, "anna", Call.RECALL, Call.ROUTINE, score_seen=True
        ),
    )
    found = history(session, claim.study_uid)
    assert found is not None
    assert (found.read_at is not None, len(found.decided)) == (True, 1)
    assert sum(state.read for state in counts.states(session).values()) == 1
    assert counts.nights(session, "unknown")
    session.execute(text("RESET ROLE"))
    actions = session.scalars(text("SELECT action FROM audit ORDER BY id")).all()
    assert actions == ["claimed", "released", "claimed", "decided"]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT who FROM audit",
        "UPDATE audit SET who = 'x'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "ALTER TABLE audit DISABLE TRIGGER added_to_only",
        "UPDATE decisions SET reader = 'x'",
        "DELETE FROM decisions",
        "UPDATE worklist SET result_id = NULL",
        "UPDATE worklist SET aged_at = NULL",
        "INSERT INTO worklist_changes (site, level, state, number) VALUES ('x', 'low', 'open', 1)",
        "UPDATE worklist_counts SET number = 0",
        "SELECT fold_worklist_changes()",
        "UPDATE score_counts SET number = 0",
        "DELETE FROM rerankings",
        "SELECT bucket FROM runs",
        "SELECT pseudonym FROM erased",
        "SELECT malignant FROM outcomes",
        "SELECT place FROM exports",
    ],
)
def test_the_reader_rewrites_nothing_of_what_happened(
    session: Session, run: Run, statement: str
) -> None:
    put_studies(session, run, [1])
    as_role(session, "nightread_reader")
    assert refused(session, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT key FROM objects",
        "SELECT * FROM objects",
        "SELECT member FROM instances",
        "SELECT facts FROM instances",
        "SELECT birth_trait FROM instances",
        "SELECT * FROM instances",
        "SELECT prefix FROM runs",
        "SELECT * FROM identity.patients",
        "UPDATE worklist SET level = 'low'",
        "DELETE FROM worklist",
    ],
)
def test_the_reader_sees_no_key_and_no_identity_and_changes_nothing(
    session: Session, run: Run, statement: str
) -> None:
    put_studies(session, run, [1])
    as_role(session, "nightread_reader")
    assert refused(session, statement)


def test_the_job_notes_what_goes_out_and_takes_outcomes(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    results.record(session, run.id, scored(planned(session, run, 1)))
    as_role(session, "nightread_app")
    where = exports.Address("s3", "s3://out/")
    for _ in range(2):
        exports.note(session, ["1.2.1"], "cad-sr", where, "s_1/cad-sr.dcm", "1.2.1.99")
    outcome = outcomes.Outcome(2, "1.2.1", "L", "pathology", date(2026, 12, 1), malignant=True)
    pseudonyms = Pseudonyms(b"a key of this test alone")
    assert [outcomes.keep(session, [outcome], pseudonyms).new for _ in range(2)] == [1, 0]
    assert len(list(outcomes.found(session, None, None))) == 1
    (counted,) = outcomes.counted(session, RELEASE, "unknown")
    assert outcomes.unverified(session, RELEASE, "unknown", 10) == []
    assert (counted.studies, counted.without_outcome) == (1, 0)
    assert session.scalar(text("SELECT count(*) FROM exports")) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT who FROM audit",
        "UPDATE audit SET who = 'x'",
        "DELETE FROM audit",
        "DELETE FROM erased",
        "UPDATE results SET score = 1",
        "UPDATE decisions SET reader = 'x'",
        "DELETE FROM objects",
        "DELETE FROM releases",
        "UPDATE sites SET policy = '{}'",
        "UPDATE identity.patients SET sex = 'M'",
        "INSERT INTO results (level) VALUES ('low')",
        "SELECT who FROM web_sessions",
        "SELECT name FROM service_tokens",
        "UPDATE service_tokens SET revoked_at = NULL",
        "CREATE TABLE copy ()",
    ],
)
def test_who_erases_rewrites_nothing(session: Session, run: Run, statement: str) -> None:
    put_studies(session, run, [1])
    as_role(session, "nightread_erasure")
    assert refused(session, statement)


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("nightread_web", "SELECT pseudonym FROM studies"),
        ("nightread_web", "SELECT study_uid FROM worklist"),
        ("nightread_web", "SELECT who FROM audit"),
        ("nightread_web", "UPDATE service_tokens SET revoked_at = NULL"),
        ("nightread_supervisor", "SELECT key FROM objects"),
        ("nightread_supervisor", "SELECT facts FROM instances"),
        ("nightread_supervisor", "SELECT who FROM audit"),
        ("nightread_supervisor", "DELETE FROM decisions"),
        ("nightread_supervisor", "UPDATE worklist SET level = 'low'"),
        ("nightread_service", "SELECT key FROM objects"),
        ("nightread_service", "SELECT member FROM instances"),
        ("nightread_service", "INSERT INTO decisions (reader) VALUES ('x')"),
        ("nightread_auditor", "SELECT study_uid FROM studies"),
        ("nightread_auditor", "SELECT study_uid FROM worklist"),
        ("nightread_auditor", "UPDATE audit SET who = 'x'"),
        ("nightread_auditor", "DELETE FROM audit"),
        ("nightread_previews", "SELECT level FROM worklist"),
        ("nightread_previews", "SELECT score FROM results"),
        ("nightread_previews", "SELECT member FROM instances"),
        ("nightread_previews", "SELECT facts FROM instances"),
        ("nightread_previews", "SELECT patient_pseudonym FROM studies"),
        ("nightread_previews", "UPDATE objects SET gone_at = now()"),
        *(
            (f"nightread_{role}", f"SELECT * FROM {table}")
            for role in ("web", "supervisor", "service", "auditor", "previews")
            for table in ("identity.patients", "identity.orders", "erased", "outcomes", "exports")
        ),
    ],
)
def test_what_the_server_takes_on_lets_it_do_no_more_than_the_role_says(
    session: Session, run: Run, role: str, statement: str
) -> None:
    put_studies(session, run, [1])
    as_role(session, role)
    assert refused(session, statement)


def test_no_table_but_the_identity_one_holds_a_planted_name(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    results.record(session, run.id, scored(planned(session, run, 1)))
    tables = session.execute(
        text("SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN"
             " ('public', 'identity')")
    ).scalars()  # fmt: skip
    holding = [
        table
        for table in tables.all()
        if session.execute(
            text(f"SELECT EXISTS (SELECT FROM {table} t WHERE t::text LIKE '%Planted%')")
        ).scalar_one()
    ]
    assert sorted(holding) == ["identity.orders", "identity.patients"]
