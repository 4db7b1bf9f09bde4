"""A transaction is done whole: once, again after a lost connection, or not at all."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from db import session as db_session
from db.session import connect, driver_url, in_transaction
from tests.db.conftest import RELEASE

ADD = text("INSERT INTO releases (digest, name, manifest) VALUES (:digest, 'x', '{}')")
END_MYSELF = text("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db_session, "WAITS", (0.01, 0.01))


def releases(engine: Engine) -> int:
    with engine.connect() as connection:
        count: int = connection.execute(text("SELECT count(*) FROM releases")).scalar_one()
        return count


def test_work_that_lost_its_connection_is_done_again_from_its_start(engine: Engine) -> None:
    tries = []

    def work(session: Session) -> str:
        tries.append(1)
        session.execute(ADD, {"digest": RELEASE})
        if len(tries) == 1:
            session.execute(END_MYSELF)
        return "done"

    assert in_transaction(engine, work) == "done"
    assert (len(tries), releases(engine)) == (2, 1)


def test_work_is_given_up_after_a_bounded_number_of_tries(engine: Engine) -> None:
    tries = []

    def work(session: Session) -> None:
        tries.append(1)
        session.execute(ADD, {"digest": RELEASE})
        session.execute(END_MYSELF)

    with pytest.raises(OperationalError):
        in_transaction(engine, work)
    assert (len(tries), releases(engine)) == (3, 0)


def test_a_fault_of_the_statement_is_not_tried_again(engine: Engine) -> None:
    tries = []

    def work(session: Session) -> None:
        tries.append(1)
        session.execute(ADD, {"digest": RELEASE})
        session.execute(ADD, {"digest": RELEASE})

    with pytest.raises(IntegrityError):
        in_transaction(engine, work)
    assert (len(tries), releases(engine)) == (1, 0)


def test_work_that_raises_leaves_nothing(engine: Engine) -> None:
    def work(session: Session) -> None:
        session.execute(ADD, {"digest": RELEASE})
        raise KeyError

    with pytest.raises(KeyError):
        in_transaction(engine, work)
    assert releases(engine) == 0


def test_a_pooled_connection_that_died_is_not_handed_out(engine: Engine, url: str) -> None:
    assert releases(engine) == 0
    other = connect(url)
    with other.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    other.dispose()
    assert releases(engine) == 0


def test_a_server_that_is_not_there_is_an_operational_error() -> None:
    engine = connect("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(OperationalError):
        in_transaction(engine, lambda session: session.execute(text("SELECT 1")))
    engine.dispose()


def test_no_value_reaches_the_text_of_an_error(engine: Engine) -> None:
    with pytest.raises(OperationalError) as error:
        in_transaction(
            engine,
            lambda session: session.execute(
                text("SELECT pg_terminate_backend(pg_backend_pid()), :name"), {"name": "Planted"}
            ),
        )
    assert "Planted" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://me@db/x?passfile=/p",
        "postgresql://me@db/x?passfile=/p",
        "postgresql+psycopg2://me@db/x?passfile=/p",
    ],
)
def test_a_plain_url_is_read_as_psycopg2s(url: str) -> None:
    assert driver_url(url).render_as_string() == "postgresql+psycopg2://me@db/x?passfile=%2Fp"
