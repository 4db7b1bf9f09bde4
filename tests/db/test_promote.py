"""`nightread models promote`: only what is sound becomes active, and the way back is one command."""

import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from typer.testing import CliRunner, Result

from db.results import record
from db.runs import Prefix, get, register_release, start
from db.session import in_transaction
from db.worklist import page
from nightread.cli.models import app
from nightread.errors import NightreadError, Refused, ServiceError, UsageError
from nightread.releases import open_active
from nightread.settings import Settings
from nightread.shapes import ListDocument, PromoteDocument
from tests.db.archive import planned, put_studies, scored
from triton_repo.release import load

PREFIX = Prefix("archive", "north/1/")


@pytest.fixture
def releases(small_releases: Path, tmp_path: Path) -> Path:
    """The small ones, for a test to damage."""
    return shutil.copytree(small_releases, tmp_path / "releases")


@pytest.fixture
def settings(
    url: str, engine: Engine, releases: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Settings:
    """Those of a job over a database that has a site of its own for `PREFIX`."""
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO sites (name, prefix) VALUES ('north', 's3://archive/north/')")
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIGHTREAD_DATABASE_URL", url)
    monkeypatch.setenv("NIGHTREAD_RELEASES_DIR", str(releases))
    return Settings()


def promote(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["promote", *arguments])


def said(*arguments: str) -> PromoteDocument:
    ended = promote(*arguments, "--json")
    assert ended.exit_code == 0, ended.exception
    return PromoteDocument.model_validate_json(ended.stdout)


def refused(kind: type[NightreadError], *arguments: str) -> str:
    error = promote(*arguments).exception
    assert isinstance(error, kind)
    return str(error)


def test_runs_use_what_was_promoted_and_what_was_before(settings: Settings, releases: Path) -> None:
    first, second = load(releases / "small"), load(releases / "several")
    assert said("small", "--site", "north").before is None
    document = said("several", "--site", "north")
    assert document.before is not None
    assert (document.before.digest, document.now.digest) == (first.digest, second.digest)
    assert open_active(None, PREFIX, settings).digest == second.digest
    assert open_active("small", PREFIX, settings).digest == first.digest

    document = said("--rollback", "--site", "north")
    assert document.now.model_dump() == {"name": "small", "digest": first.digest}
    assert open_active(None, PREFIX, settings).digest == first.digest
    assert "had no release of its own" in refused(Refused, "--rollback", "--site", "north")


def test_it_says_from_which_release_to_which(settings: Settings, releases: Path) -> None:
    first, second = (load(releases / name).digest[:12] for name in ("small", "several"))
    assert promote("small").stdout == f"unknown: from the settings' release to small {first}\n"
    assert promote("several").stdout == f"unknown: from small {first} to several {second}\n"
    assert promote("several").stdout == f"unknown: several {second} is the active one already\n"
    assert promote("--rollback").stdout == f"unknown: from several {second} to small {first}\n"


def test_a_run_that_goes_on_keeps_its_release(
    settings: Settings, engine: Engine, releases: Path
) -> None:
    said("small", "--site", "north")
    begun = open_active(None, PREFIX, settings)
    run = in_transaction(engine, lambda s: start(s, PREFIX, begun.digest, "0.1.0", "host:1"))
    said("several", "--site", "north")
    going = in_transaction(engine, lambda s: get(s, run.id))
    assert going is not None
    assert going.release == begun.digest == load(releases / "small").digest
    assert open_active(None, PREFIX, settings).digest == load(releases / "several").digest


def test_what_is_not_sound_does_not_become_active(
    settings: Settings, engine: Engine, releases: Path
) -> None:
    said("small")
    manifest = releases / "several/manifest.json"
    stated = json.loads(manifest.read_text())
    stated["reference"]["views"]["reference/01.png"]["malignancy"][0] += 0.1
    manifest.write_text(json.dumps(stated))
    sentence = refused(Refused, "several")
    assert sentence.startswith("several is not sound. Of reference/01.png malignancy of box 0")
    (releases / "several/card.md").write_text("better")
    assert "card.md is not the file" in refused(Refused, "several")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM releases")).scalars().all() == ["small"]


def test_going_back_to_what_is_not_the_same_any_more_is_refused(
    settings: Settings, releases: Path
) -> None:
    said("small")
    said("several")
    manifest = releases / "small/manifest.json"
    manifest.write_text(manifest.read_text().replace('"tests"', '"other"'))
    assert "its manifest is another one" in refused(Refused, "--rollback")
    shutil.rmtree(releases / "small")
    assert "There is no release in" in refused(Refused, "--rollback")
    assert open_active(None, PREFIX, settings).manifest.name == "several"


def test_a_changed_manifest_is_refused_where_the_release_is_active(
    settings: Settings, releases: Path
) -> None:
    said("small", "--site", "north")
    manifest = releases / "small/manifest.json"
    manifest.write_text(manifest.read_text().replace('"tests"', '"other"'))
    with pytest.raises(Refused, match="not the one that is active at the site 'north'"):
        open_active(None, PREFIX, settings)


def test_a_site_that_is_not_there_is_wrong_usage(settings: Settings) -> None:
    sentence = refused(UsageError, "small", "--site", "south")
    assert sentence == "There is no site 'south'; there are: north, unknown."


@pytest.mark.parametrize("arguments", [(), ("small", "--rollback")])
def test_a_release_or_the_way_back_but_not_both(arguments: tuple[str, ...]) -> None:
    assert "one of both" in refused(UsageError, *arguments)


def test_the_list_follows_what_was_promoted_and_what_was_gone_back_to(
    settings: Settings, engine: Engine, releases: Path
) -> None:
    first, second = (load(releases / name) for name in ("small", "several"))
    said("small")
    for release, probability in ((first, 0.2), (second, 0.9)):
        with Session(engine, expire_on_commit=False) as session, session.begin():
            register_release(session, release.digest, release.manifest.name, {})
            run = start(session, Prefix("archive", "night/"), release.digest, "0", "host:1")
            put_studies(session, run, [1])
            record(session, run.id, scored(planned(session, run, 1), probability))

    def shown() -> float | None:
        with Session(engine) as session:
            return page(session, 1).items[0].probability

    assert shown() == 0.2
    assert said("several").reranked == 1
    assert shown() == 0.9
    ended = promote("--rollback")
    assert ended.stdout.splitlines()[1] == "studies of its list looked at again: 1"
    assert shown() == 0.2


def test_the_job_itself_can_not_promote(settings: Settings, engine: Engine, url: str) -> None:
    with engine.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f"ALTER DATABASE {name} SET role = nightread_app"))
    engine.dispose()
    sentence = refused(ServiceError, "small")
    assert "schema's owner in NIGHTREAD_MIGRATION_DATABASE_URL" in sentence


def test_the_list_shows_where_a_release_is_active(
    settings: Settings, engine: Engine, releases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said("small")
    said("small", "--site", "north")
    ended = CliRunner().invoke(app, ["list", "--json"])
    document = ListDocument.model_validate_json(ended.stdout)
    assert {one.name: one.active_at for one in document.releases} == {
        "several": [],
        "small": ["north", "unknown"],
    }
    monkeypatch.setenv("NIGHTREAD_DATABASE_URL", "postgresql://job@127.0.0.1:1/none")
    ended = CliRunner().invoke(app, ["list", "--json"])
    assert ended.exit_code == 0
    assert "can't be asked" in ended.stderr
    assert len(ListDocument.model_validate_json(ended.stdout).releases) == 2
