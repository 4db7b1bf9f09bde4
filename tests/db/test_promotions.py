"""One release is active at a site; how it came to be is written down, and the way back is known."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from db import promotions, results, schema
from db.promotions import PromotionError, UnknownSite
from db.runs import Run, get, register_release
from db.session import in_transaction
from nightread.stack.wait import until
from tests.db.archive import planned, put_studies, scored
from tests.db.conftest import RELEASE

BLOCKED = text(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
)
FIRST, SECOND, THIRD = RELEASE, "b" * 64, "c" * 64
ADD = text("INSERT INTO promotions (site, release, before, undoes, code_version)"
           " VALUES ('unknown', :release, :before, :undoes, '0')")  # fmt: skip


@pytest.fixture
def known(session: Session) -> Session:
    """Three releases are registered."""
    for digest, name in ((FIRST, "first"), (SECOND, "second"), (THIRD, "third")):
        register_release(session, digest, name, {})
    return session


def rows(session: Session) -> list[tuple[str, str | None, bool]]:
    found = session.scalars(select(schema.Promotion).order_by(schema.Promotion.id))
    return [(row.release, row.before, row.undoes is not None) for row in found]


def test_a_promotion_is_written_down_once(known: Session) -> None:
    assert promotions.promote(known, "unknown", FIRST, "0.1.0") is None
    assert promotions.promote(known, "unknown", SECOND, "0.1.0") == FIRST
    assert promotions.promote(known, "unknown", SECOND, "0.1.0") == SECOND
    assert promotions.active(known, "unknown") == SECOND
    assert promotions.active_at(known) == {SECOND: ["unknown"]}
    assert rows(known) == [(FIRST, None, False), (SECOND, FIRST, False)]


def test_going_back_leads_step_by_step_to_the_first(known: Session) -> None:
    for digest in (FIRST, SECOND, THIRD):
        promotions.promote(known, "unknown", digest, "0.1.0")
    for before in (SECOND, FIRST):
        last = promotions.standing(known, "unknown")
        promotions.go_back(known, last, "0.1.0")
        promotions.go_back(known, last, "0.1.0")  # as after a commit whose answer was lost
        assert promotions.active(known, "unknown") == before
    with pytest.raises(PromotionError, match="had no release of its own before"):
        promotions.standing(known, "unknown")
    assert rows(known)[3:] == [(SECOND, THIRD, True), (FIRST, SECOND, True)]


def test_after_going_back_a_promotion_counts_from_there(known: Session) -> None:
    for digest in (FIRST, SECOND):
        promotions.promote(known, "unknown", digest, "0.1.0")
    promotions.go_back(known, promotions.standing(known, "unknown"), "0.1.0")
    promotions.promote(known, "unknown", THIRD, "0.1.0")
    assert promotions.standing(known, "unknown").before == FIRST


def test_a_release_that_was_set_by_hand_is_not_gone_back_on(known: Session) -> None:
    with pytest.raises(PromotionError, match="Nothing that was promoted is active"):
        promotions.standing(known, "unknown")
    for digest in (FIRST, SECOND):
        promotions.promote(known, "unknown", digest, "0.1.0")
    known.execute(text("UPDATE sites SET release = :third"), {"third": THIRD})
    known.expire_all()
    with pytest.raises(PromotionError, match="Nothing that was promoted is active"):
        promotions.standing(known, "unknown")


def test_a_promotion_that_comes_between_is_not_gone_back_on(known: Session) -> None:
    for digest in (FIRST, SECOND):
        promotions.promote(known, "unknown", digest, "0.1.0")
    last = promotions.standing(known, "unknown")
    promotions.promote(known, "unknown", THIRD, "0.1.0")
    with pytest.raises(PromotionError, match="another release meanwhile"):
        promotions.go_back(known, last, "0.1.0")
    assert promotions.active(known, "unknown") == THIRD


def test_sites_have_releases_of_their_own(known: Session) -> None:
    known.execute(text("INSERT INTO sites (name, prefix) VALUES ('north', 's3://archive/n/')"))
    promotions.promote(known, "unknown", FIRST, "0.1.0")
    promotions.promote(known, "north", SECOND, "0.1.0")
    promotions.promote(known, "north", FIRST, "0.1.0")
    assert promotions.active_at(known) == {FIRST: ["north", "unknown"]}
    assert promotions.standing(known, "north").before == SECOND


def test_a_site_that_is_not_there_is_named_with_those_that_are(known: Session) -> None:
    with pytest.raises(UnknownSite, match="no site 'south'; there are: unknown"):
        promotions.promote(known, "south", FIRST, "0.1.0")


@pytest.mark.parametrize(
    ("release", "before", "undoes", "constraint"),
    [
        ("d" * 64, None, None, "fk_promotions_release"),
        (FIRST, FIRST, None, "ck_promotions_changes"),
        (FIRST, None, 1, "ck_promotions_undoes"),
        (FIRST, SECOND, 10**9, "ck_promotions_undoes_an_earlier_one"),
    ],
)
def test_postgres_refuses_a_promotion_that_can_not_have_been(
    known: Session, release: str, before: str | None, undoes: int | None, constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        known.execute(ADD, {"release": release, "before": before, "undoes": undoes})


def test_a_promotion_is_gone_back_on_once(known: Session) -> None:
    for digest in (FIRST, SECOND):
        promotions.promote(known, "unknown", digest, "0.1.0")
    undone = {
        "release": FIRST,
        "before": SECOND,
        "undoes": promotions.standing(known, "unknown").id,
    }
    known.execute(ADD, undone)
    with pytest.raises(IntegrityError, match="uq_promotions_undoes"):
        known.execute(ADD, undone)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE promotions SET code_version = '9'", "DELETE FROM promotions", "TRUNCATE promotions"],
)
def test_nobody_rewrites_what_was_promoted(known: Session, statement: str) -> None:
    promotions.promote(known, "unknown", FIRST, "0.1.0")
    known.flush()
    with pytest.raises(DBAPIError, match="promotions are history"):
        known.execute(text(statement))


def test_a_run_keeps_the_release_that_it_began_with(
    engine: Engine, session: Session, run: Run
) -> None:
    """Promoted while the run goes: what it then says is still said by its own release."""
    register_release(session, SECOND, "second", {})
    promotions.promote(session, "unknown", RELEASE, "0.1.0")
    put_studies(session, run, [1])
    session.commit()
    with Session(engine) as elsewhere, elsewhere.begin():
        promotions.promote(elsewhere, "unknown", SECOND, "0.1.0")
    results.record(session, run.id, scored(planned(session, run, 1)))
    session.commit()
    assert session.scalars(select(schema.Result.release)).all() == [RELEASE]
    going = get(session, run.id)
    assert going is not None
    assert (going.release, promotions.active(session, "unknown")) == (RELEASE, SECOND)


def test_of_two_promotions_at_once_the_second_follows_the_first(
    engine: Engine, session: Session
) -> None:
    for digest, name in ((FIRST, "first"), (SECOND, "second")):
        register_release(session, digest, name, {})
    session.commit()
    promotions.promote(session, "unknown", FIRST, "0.1.0")
    session.flush()

    def second() -> str | None:
        return in_transaction(
            engine, lambda other: promotions.promote(other, "unknown", SECOND, "0.1.0")
        )

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second)
        assert until(lambda: session.execute(BLOCKED).scalar_one() == 1, 20)
        session.commit()
        assert waiting.result() == FIRST
    session.expire_all()
    assert rows(session) == [(FIRST, None, False), (SECOND, FIRST, False)]
