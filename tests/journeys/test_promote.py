"""A release is made active by the schema's owner, on the stack as `up` made it, and runs use it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from db.session import connect
from tests.calls import Called
from triton_repo.release import DEFAULT_DIR, default_name, load

pytestmark = pytest.mark.timeout(170)


@pytest.fixture
def owner(stack: Any) -> Iterator[Engine]:
    """The schema's owner; afterwards no site has a release of its own."""
    engine = connect(stack.settings.need("migration_database_url"))
    yield engine
    with engine.begin() as connection:
        connection.execute(text("UPDATE sites SET release = NULL"))
    engine.dispose()


def test_what_was_promoted_is_shown_and_used(
    nightread: Callable[..., Called], owner: Engine
) -> None:
    release = load(DEFAULT_DIR / default_name(DEFAULT_DIR))
    promoted = nightread("models", "promote", release.manifest.name, "--json")
    assert promoted.code == 0, promoted.err
    assert promoted.json["now"]["digest"] == release.digest
    listed = nightread("models", "list", "--json").json["releases"]
    assert [one["active_at"] for one in listed if one["digest"] == release.digest] == [["unknown"]]
    screened = nightread("screen", "s3://archive/nothing-here/", "--json")
    assert (screened.code, screened.json["release"]) == (0, release.digest)

    back = nightread("models", "promote", "--rollback")
    assert (back.code, back.out) == (5, "")
    assert "had no release of its own before" in back.err
    nowhere = nightread("models", "promote", release.manifest.name, "--site", "south")
    assert nowhere.code == 2
    assert "there are: unknown" in nowhere.err
