"""Guarantee 1 for objects and instances: what was listed is read, or says why not."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db import runs, worklist
from db.index import IndexedInstance, ListedObject, ObjectOutcome, indexed, listed, listing_done
from db.plan import pending
from db.runs import Run
from db.schema import Instance, Patient, StoredObject, Study
from db.session import in_transaction
from mammo.codes import NotScored, Reason, Verdict
from mammo.facts import Identity
from tests.db.archive import instance, planned, put, put_studies
from tests.db.conftest import PREFIX, RELEASE

FIRST = ListedObject("night/a", "e1", 10)
SECOND = ListedObject("night/b", "e1", 10)


def keys(session: Session, run: Run, objects: Sequence[ListedObject]) -> list[str]:
    """The keys that must be read after listing `objects`."""
    return [ref.key for ref in listed(session, run.id, PREFIX.bucket, objects)]


def next_run(session: Session, run: Run) -> Run:
    runs.finish(session, run.id, "finished")
    return runs.start(session, PREFIX, RELEASE, "0.1.0", "host:2")


def verdicts(session: Session) -> dict[str, tuple[str, str]]:
    """Verdict and reason by key."""
    rows = session.execute(
        select(StoredObject.key, Instance.verdict, Instance.reason).join_from(
            Instance, StoredObject, Instance.object_id == StoredObject.id
        )
    )
    return {row.key.removeprefix("night/"): (row.verdict, row.reason) for row in rows}


def test_new_objects_are_read_and_unchanged_ones_are_not(session: Session, run: Run) -> None:
    assert keys(session, run, [SECOND, FIRST]) == ["night/a", "night/b"]
    put(session, run, {"a": [instance(1, 1)], "b": Reason.NOT_DICOM})
    assert keys(session, next_run(session, run), [FIRST._replace(size=1000)] * 2) == []


def test_a_listing_that_was_cut_before_reading_asks_again(session: Session, run: Run) -> None:
    assert keys(session, run, [FIRST]) == ["night/a"]
    assert keys(session, run, [FIRST]) == ["night/a"]


@pytest.mark.parametrize("change", [{"etag": "e2"}, {"size": 11}])
def test_a_changed_object_is_read_again(
    session: Session, run: Run, change: dict[str, str | int]
) -> None:
    (ref,) = listed(session, run.id, PREFIX.bucket, [FIRST])
    indexed(session, [ObjectOutcome(ref.id, None, (instance(1, 1),))])
    assert keys(session, run, [FIRST._replace(**change)]) == ["night/a"]


@pytest.mark.parametrize(
    ("reason", "again"),
    [
        (Reason.READ_FAILED, True),
        (Reason.OBJECT_CHANGED, True),
        (Reason.OBJECT_GONE, True),
        (Reason.NOT_DICOM, False),
        (Reason.ARCHIVE_CORRUPT, False),
    ],
)
def test_only_a_failure_that_may_pass_is_read_again(
    session: Session, run: Run, reason: Reason, again: bool
) -> None:
    put(session, run, {"a": reason})
    refs = keys(session, next_run(session, run), [ListedObject("night/a", "e1", 1000)])
    assert refs == (["night/a"] if again else [])


def test_reading_a_changed_object_replaces_what_was_known_of_it(session: Session, run: Run) -> None:
    put(session, run, {"a": [instance(1, 1), instance(1, 2)]})
    put(session, run, {"a": [instance(2, 1)]}, etag="e2")
    assert session.scalars(select(Instance.sop_instance_uid)).all() == ["1.2.2.1"]
    assert [item.study_uid for item in worklist.page(session, 10).items] == ["1.2.2"]


def test_indexing_the_same_twice_changes_nothing(session: Session, run: Run) -> None:
    (ref,) = listed(session, run.id, PREFIX.bucket, [FIRST])
    outcome = ObjectOutcome(ref.id, None, (instance(1, 1),))
    indexed(session, [outcome])
    before = planned(session, run, 1)
    indexed(session, [outcome])
    after = planned(session, run, 1)
    assert after.fingerprint == before.fingerprint
    assert session.scalar(select(func.count()).select_from(Instance)) == 1


def test_an_outcome_has_instances_or_a_reason(session: Session) -> None:
    with pytest.raises(ValueError, match="instances or has a reason"):
        ObjectOutcome(1, Reason.NOT_DICOM, (instance(1, 1),))
    with pytest.raises(ValueError, match="instances or has a reason"):
        ObjectOutcome(1, None)


def test_postgres_refuses_an_object_that_was_read_and_says_nothing(
    session: Session, run: Run
) -> None:
    listed(session, run.id, PREFIX.bucket, [FIRST])
    stored = session.scalars(select(StoredObject)).one()
    stored.indexed_at = run.started_at
    with pytest.raises(IntegrityError, match="ck_objects_instances_or_reason"):
        session.flush()


def test_postgres_refuses_to_accept_one_instance_twice(session: Session, run: Run) -> None:
    put(session, run, {"a": [instance(1, 1)], "b": [instance(1, 1)]})
    for row in session.scalars(select(Instance)):
        row.verdict = "accepted"
    with pytest.raises(IntegrityError, match="uq_instances_accepted"):
        session.flush()


@pytest.mark.parametrize("order", [["a", "b"], ["b", "a"]])
def test_of_one_instance_in_two_objects_the_first_key_is_taken_whatever_came_first(
    session: Session, run: Run, order: list[str]
) -> None:
    for key in order:
        put(session, run, {key: [instance(1, 1)]})
    assert verdicts(session) == {
        "a": ("accepted", "OK"),
        "b": ("excluded", "DUPLICATE_INSTANCE"),
    }
    assert [used.key for used in planned(session, run, 1).instances] == ["night/a"]


def test_when_the_object_that_was_taken_is_gone_the_other_one_is(
    session: Session, run: Run
) -> None:
    put(session, run, {"a": [instance(1, 1)], "b": [instance(1, 1)]})
    later = next_run(session, run)
    listed(session, later.id, PREFIX.bucket, [ListedObject("night/b", "e1", 1000)])
    assert listing_done(session, later.id) == 1
    assert verdicts(session)["b"] == ("accepted", "OK")
    assert [used.key for used in planned(session, later, 1).instances] == ["night/b"]


def test_an_object_that_comes_back_is_read_again(session: Session, run: Run) -> None:
    put(session, run, {"a": [instance(1, 1)]})
    later = next_run(session, run)
    assert listing_done(session, later.id) == 1
    assert keys(session, later, [ListedObject("night/a", "e1", 1000)]) == ["night/a"]


def test_objects_outside_the_prefix_are_never_called_gone(session: Session, run: Run) -> None:
    listed(session, run.id, "archive", [ListedObject("night_/a", "e1", 1)])
    listed(session, run.id, "other", [FIRST])
    assert listing_done(session, next_run(session, run).id) == 0


def test_a_study_whose_objects_are_all_gone_stays_in_the_list(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    listing_done(session, next_run(session, run).id)
    assert [item.study_uid for item in worklist.page(session, 10).items] == ["1.2.1"]


@pytest.mark.parametrize(
    ("instances", "unscorable"),
    [
        ([instance(1, 1)], None),
        ([instance(1, 1), instance(1, 2, Reason.TOMO_VOLUME)], None),
        ([instance(1, 1, Reason.TOMO_VOLUME)], NotScored.NO_2D_IMAGE),
        (
            [instance(1, 1, Reason.TOMO_VOLUME), instance(1, 2, Reason.TRUNCATED)],
            NotScored.NO_2D_IMAGE,
        ),
        ([instance(1, 1, Reason.TRUNCATED)], NotScored.ALL_QUARANTINED),
        ([instance(1, 1), instance(1, 2, patient="p_other")], NotScored.MIXED_PATIENTS),
        ([replace(instance(1, n), birth_trait=f"t_{n}") for n in (1, 2)], NotScored.MIXED_PATIENTS),
        ([replace(instance(1, n), sex_trait=f"t_{n}") for n in (1, 2)], NotScored.MIXED_PATIENTS),
        ([replace(instance(1, 1), birth_trait="t_1"), instance(1, 2)], None),
    ],
)
def test_a_study_says_from_its_headers_why_it_cannot_be_scored(
    session: Session, run: Run, instances: list[IndexedInstance], unscorable: NotScored | None
) -> None:
    put(session, run, {str(number): [held] for number, held in enumerate(instances)})
    assert session.scalars(select(Study.unscorable)).one() == unscorable


def test_a_study_is_mammography_if_one_instance_is_or_is_quarantined(
    session: Session, run: Run
) -> None:
    put(
        session,
        run,
        {
            "ct": [instance(1, 1, Reason.SOP_OTHER, mammography=False)],
            "broken": [instance(2, 1, Reason.TRUNCATED, mammography=False)],
            "dose": [instance(3, 1, Reason.NON_IMAGE_DOSE_SR, mammography=False)],
            "spot": [instance(3, 2, Reason.SPOT)],
        },
    )
    assert {item.study_uid for item in worklist.page(session, 10).items} == {"1.2.2", "1.2.3"}


def test_a_bad_member_beside_good_ones_is_one_quarantined_entry(session: Session, run: Run) -> None:
    bad = IndexedInstance(
        **dict.fromkeys(
            (
                "sop_instance_uid", "study_uid", "series_uid", "study_pseudonym",
                "patient_pseudonym", "modality", "sop_class", "transfer_syntax", "laterality",
                "view", "study_date",
            )
        ),
        is_mammography=False,
        verdict=Verdict.QUARANTINED,
        reason=Reason.HEADER_UNREADABLE,
        detail="",
        flags=(),
        facts={},
        rule_version="1",
        member="scan/2",
    )  # fmt: skip
    put(session, run, {"a.zip": [instance(1, 1), bad]})
    found = session.execute(
        select(Instance.ordinal, Instance.reason, Instance.study_id.is_(None)).order_by(
            Instance.ordinal
        )
    ).all()
    assert [tuple(row) for row in found] == [
        (0, "OK", False),
        (1, "HEADER_UNREADABLE", True),
    ]


def test_hostile_strings_are_stored_without_what_no_column_takes(
    session: Session, run: Run
) -> None:
    held = instance(1, 1)
    hostile = IndexedInstance(
        **{name: getattr(held, name) for name in held.__slots__}
        | {
            "modality": "M\0G",
            "facts": {"a\0": "b\0", "nan": float("nan"), "odd": "\ud800"},
            "identity": Identity(patient_id="1\0", name="x\ud800"),
        }
    )
    put(session, run, {"a": [hostile]})
    row = session.scalars(select(Instance)).one()
    assert row.modality == "M�G"
    assert row.facts == {"a�": "b�", "nan": None, "odd": "?"}
    assert session.scalars(select(Patient.patient_id)).one() == "1�"


def test_the_first_identity_of_a_pseudonym_stays(session: Session, run: Run) -> None:
    put(session, run, {"a": [instance(1, 1, patient="p_1")]})
    put(session, run, {"b": [instance(2, 1, patient="p_1")]})
    assert session.scalar(select(func.count()).select_from(Patient)) == 1


def test_two_runs_that_index_the_same_studies_at_once_agree(
    engine: Engine, session: Session, run: Run
) -> None:
    """Each holds half of every study, and all of it a second time."""

    def half(part: int) -> None:
        for start in range(1, 21, 5):
            in_transaction(
                engine,
                lambda s, start=start: put(
                    s,
                    run,
                    {
                        f"{part}/{study}/{number}": [instance(study, number)]
                        for study in range(start, start + 5)
                        for number in (1, 2 + part)
                    },
                ),
            )

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(half, [0, 1]))
    plans = pending(session, run.id, 100)
    assert len(plans) == 20
    for study in plans:
        assert [used.key.split("/")[1] for used in study.instances] == ["0", "0", "1"]
    assert {reason for _, reason in verdicts(session).values()} == {"OK", "DUPLICATE_INSTANCE"}
