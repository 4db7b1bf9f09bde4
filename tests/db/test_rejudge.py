"""Changed rules and policies reach what is indexed, and what was said of it, without reading."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from db import plan, rejudge, results
from db.rejudge import Change
from db.runs import Run
from db.schema import Instance, Study
from mammo.codes import NotScored
from tests.db.archive import VIEWS, judged, planned, put, scored

FILM: dict[str, Any] = {"sop_class": "1.2.840.10008.5.1.4.1.1.7"}
RAW: dict[str, Any] = {"sop_class": "1.2.840.10008.5.1.4.1.1.1.2.1"}


@pytest.fixture
def committed(session: Session, run: Run) -> Iterator[Session]:
    """A film, a raw image and a plain study of four views, the latter scored."""
    put(session, run, {"film": [judged(1, 1, **FILM)], "raw": [judged(2, 1, **RAW)]})
    put(
        session,
        run,
        {f"3/{n}": [judged(3, n, laterality=s, view=v)] for n, (s, v) in enumerate(VIEWS, 1)},
    )
    results.record(session, run.id, scored(planned(session, run, 3)))
    plan.close_unscorable(session, run.id)
    session.commit()
    yield session
    session.rollback()


def admit(session: Session, policy: str, prefix: str = "") -> None:
    session.execute(
        text("UPDATE sites SET policy = cast(:policy AS jsonb) WHERE prefix = :prefix"),
        {"policy": policy, "prefix": prefix},
    )
    session.commit()


def said(session: Session, study: int) -> list[tuple[str, str, str]]:
    """Verdict, reason and kind of a study's instances."""
    session.expire_all()
    rows = session.execute(
        select(Instance.verdict, Instance.reason, Instance.kind)
        .where(Instance.sop_instance_uid.startswith(f"1.2.{study}."))
        .order_by(Instance.sop_instance_uid)
    ).all()
    session.rollback()
    return [(row.verdict, row.reason, row.kind or "") for row in rows]


def test_nothing_is_judged_again_that_is_judged_by_these_rules(
    engine: Engine, committed: Session
) -> None:
    found = rejudge.rejudge(engine)
    assert (found.judged, found.changes, found.moved) == (0, {}, 0)


def test_a_policy_that_admits_films_has_them_screened_and_nothing_else(
    engine: Engine, committed: Session, run: Run
) -> None:
    admit(committed, '{"accept_film_sc": true}')
    found = rejudge.rejudge(engine)
    assert found.judged == 6
    assert found.changes == {Change("SOP_SECONDARY_CAPTURE", "OK_FILM_SC"): 1}
    assert said(committed, 1) == [("accepted", "OK_FILM_SC", "SOP_SECONDARY_CAPTURE")]
    assert [s.study_uid for s in plan.pending(committed, run.id, 10)] == ["1.2.1"]
    committed.rollback()
    assert rejudge.rejudge(engine).judged == 0


def test_what_is_not_admitted_any_more_is_withdrawn_from_the_next_run(
    engine: Engine, committed: Session, run: Run
) -> None:
    admit(committed, '{"accept_film_sc": true}')
    rejudge.rejudge(engine)
    results.record(committed, run.id, scored(planned(committed, run, 1)))
    committed.commit()
    admit(committed, "{}")
    found = rejudge.rejudge(engine)
    assert found.changes == {Change("OK_FILM_SC", "SOP_SECONDARY_CAPTURE"): 1}
    assert said(committed, 1) == [("excluded", "SOP_SECONDARY_CAPTURE", "SOP_SECONDARY_CAPTURE")]
    assert plan.close_unscorable(committed, run.id) == {NotScored.NO_2D_IMAGE: 1}


def test_what_the_pixels_showed_stands_while_the_header_says_the_same(
    engine: Engine, committed: Session
) -> None:
    committed.execute(
        text(
            "UPDATE instances SET verdict = 'quarantined', reason = 'CONSTANT_IMAGE'"
            " WHERE sop_instance_uid = '1.2.3.1'"
        )
    )
    admit(committed, '{"accept_for_processing": true}')
    assert rejudge.rejudge(engine).changes == {
        Change("INTENT_FOR_PROCESSING", "OK_FOR_PROCESSING"): 1
    }
    assert said(committed, 3)[0] == ("quarantined", "CONSTANT_IMAGE", "OK")


def test_another_rule_version_is_applied(
    engine: Engine, committed: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mammo.verdict.RULE_VERSION", 1000)
    found = rejudge.rejudge(engine)
    assert (found.judged, found.changes) == (6, {})
    versions = set(committed.scalars(select(Instance.rule_version)))
    assert versions == {"1000"}


def test_only_the_objects_of_the_site_are_judged_by_its_policy(
    engine: Engine, committed: Session
) -> None:
    committed.execute(
        text(
            "INSERT INTO sites (name, prefix, policy) VALUES"
            " ('north', 's3://archive/night/fi', '{\"accept_film_sc\": true}')"
        )
    )
    committed.commit()
    found = rejudge.rejudge(engine)
    assert (found.judged, found.moved) == (1, 1)
    assert found.changes == {Change("SOP_SECONDARY_CAPTURE", "OK_FILM_SC"): 1}
    sites = dict(map(tuple, committed.execute(select(Study.study_uid, Study.site))))
    assert sites == {"1.2.1": "north", "1.2.2": "unknown", "1.2.3": "unknown"}


def test_an_archive_of_many_pages_is_judged_whole(
    engine: Engine, session: Session, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(session, run, {str(n): [judged(n, 1, **FILM)] for n in range(25)})
    session.commit()
    monkeypatch.setattr(rejudge, "PAGE", 7)
    admit(session, '{"accept_film_sc": true}')
    assert rejudge.rejudge(engine).changes.total() == 25


def test_a_result_that_comes_after_the_rules_changed_accepts_nothing_that_they_exclude(
    engine: Engine, committed: Session, run: Run
) -> None:
    admit(committed, '{"accept_film_sc": true}')
    rejudge.rejudge(engine)
    in_flight = scored(planned(committed, run, 1))
    committed.commit()
    admit(committed, "{}")
    rejudge.rejudge(engine)
    results.record(committed, run.id, in_flight)
    committed.commit()
    assert said(committed, 1)[0][:2] == ("excluded", "SOP_SECONDARY_CAPTURE")
