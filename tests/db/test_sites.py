"""The longest prefix that fits decides; what is no row to act on is refused in one sentence."""

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db import sites, worklist
from db.index import ListedObject, listed
from db.runs import Run
from db.schema import StoredObject
from db.sites import Site, SiteError
from mammo.verdict import Policy
from tests.db.archive import instance, put

ADD = text(
    "INSERT INTO sites (name, prefix, policy, settings)"
    " VALUES (:name, :prefix, cast(:policy AS jsonb), cast(:settings AS jsonb))"
)


def add(session: Session, name: str, prefix: str, policy: str = "{}", settings: str = "{}") -> None:
    session.execute(ADD, {"name": name, "prefix": prefix, "policy": policy, "settings": settings})


def test_there_is_one_site_from_the_beginning_and_it_admits_nothing(session: Session) -> None:
    assert sites.load(session).all == (Site("unknown", "", Policy(), None, None, None),)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("north/1.dcm", "north"),
        ("north/old/1.dcm", "north_old"),
        ("north/old", "north"),
        ("northern/1.dcm", "unknown"),
        ("n%/1.dcm", "unknown"),
    ],
)
def test_the_longest_prefix_that_fits_decides_in_the_code_and_in_the_database(
    session: Session, run: Run, key: str, name: str
) -> None:
    add(session, "north", "s3://archive/north/")
    add(session, "north_old", "s3://archive/north/old/")
    add(session, "percent", "s3://archive/%/")
    assert sites.load(session).of("archive", key).name == name
    assert sites.load(session).of("other", key).name == "unknown"
    listed(session, run.id, "archive", [ListedObject(key, "e", 1)])
    assert session.scalars(select(StoredObject.site)).one() == name


def test_a_study_is_of_the_site_of_its_first_object(session: Session, run: Run) -> None:
    add(session, "north", "s3://archive/night/n/")
    put(session, run, {"n/1": [instance(1, 1)], "z/1": [instance(1, 2)], "z/2": [instance(2, 1)]})
    found = {item.study_uid: item.site for item in worklist.page(session, 10).items}
    assert found == {"1.2.1": "north", "1.2.2": "unknown"}
    (item,) = worklist.page(session, 10, site="north").items
    assert item.study_uid == "1.2.1"


@pytest.mark.parametrize(
    ("name", "prefix", "constraint"),
    [
        ("north", "", "ck_sites_default"),
        ("north", "archive/north/", "ck_sites_prefix"),
        ("north", "s3://archive", "ck_sites_prefix"),
        ("unknown", "s3://archive/x/", "sites"),
    ],
)
def test_postgres_keeps_one_default_site_and_prefixes_that_can_be_meant(
    session: Session, name: str, prefix: str, constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        add(session, name, prefix)


@pytest.mark.parametrize(
    ("policy", "settings", "said"),
    [
        ('{"accept_film": true}', "{}", "policy of the site 'north' can't be used: `accept_film`"),
        ("{}", '{"minutes": 5}', "site 'north' has a setting 'minutes'"),
        ("{}", '{"settle_minutes": -1}', "no whole number of 0 to"),
        ("{}", '{"settle_minutes": "60"}', "no whole number of 0 to"),
        ("{}", '{"settle_minutes": true}', "no whole number of 0 to"),
    ],
)
def test_a_row_that_nobody_can_act_on_is_refused_by_name(
    session: Session, policy: str, settings: str, said: str
) -> None:
    add(session, "north", "s3://archive/n/", policy, settings)
    with pytest.raises(SiteError, match=said):
        sites.load(session)


def test_a_site_that_is_removed_leaves_its_objects_to_the_default_one(
    engine: Engine, session: Session, run: Run
) -> None:
    add(session, "north", "s3://archive/night/n/")
    put(session, run, {"n/1": [instance(1, 1)]})
    session.execute(text("DELETE FROM sites WHERE name = 'north'"))
    session.expire_all()
    assert session.scalars(select(StoredObject.site)).one() == "unknown"
