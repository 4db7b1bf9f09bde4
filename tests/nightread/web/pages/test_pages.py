"""What stands in the pages, and for whom, without a browser."""

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from mammo.reports.contents import NOTICE
from nightread.web.pages import images
from nightread.web.principal import Role
from tests.nightread.web.pages.conftest import Screened
from tests.nightread.web.pages.night import uid_of

Person = Callable[..., TestClient]
READER, SUPERVISOR, IDENTITY = Role.READER, Role.SUPERVISOR, Role.IDENTITY


def address(study: str, rest: str = "") -> str:
    return f"/studies/{uid_of(study)}{rest}"


@pytest.fixture
def two_readers(screened: Screened) -> Iterator[None]:
    """The site asks for two decisions."""
    change = text("UPDATE sites SET settings = CAST(:s AS jsonb)")
    with Session(screened.owner) as session, session.begin():
        session.execute(change, {"s": '{"readers": 2}'})
    yield
    with Session(screened.owner) as session, session.begin():
        session.execute(change, {"s": "{}"})


def decide(reader: TestClient, study: str, left: str, fingerprint: str) -> int:
    form = {"left": left, "right": "routine", "fingerprint": fingerprint, "score_seen": "true"}
    status: int = reader.post(address(study, "/decision"), data=form).status_code
    return status


def fingerprint_of(screened: Screened, study: str) -> str:
    with Session(screened.owner) as session:
        said = text("SELECT fingerprint FROM studies WHERE study_uid = :uid")
        found: str = session.execute(said, {"uid": uid_of(study)}).scalar_one()
        return found


def test_every_study_stands_in_the_list_with_a_mark_where_something_is_odd(person: Person) -> None:
    page = person("anna", READER).get("/?status=all").text
    for study in ("urgent", "prior", "incomplete", "double", "pending", "mixed", "old"):
        assert f"/studies/{uid_of(study)}?" in page
    for mark in ("not screened yet", "images of more than one patient", "without LMLO"):
        assert mark in page
    assert "waiting long" in page


def test_what_waits_long_has_a_view_of_its_own_and_stays_in_the_list(person: Person) -> None:
    anna = person("anna", READER)
    aged = anna.get("/?status=aged").text
    assert f"/studies/{uid_of('old')}?" in aged
    assert f"/studies/{uid_of('urgent')}?" not in aged
    assert f"/studies/{uid_of('old')}?" in anna.get("/").text


@pytest.mark.parametrize("query", ["level=none", "status=gone", "from=yesterday", "after=x"])
def test_an_address_that_holds_no_filter_is_refused_in_words(person: Person, query: str) -> None:
    answer = person("anna", READER).get(f"/?{query}")
    assert answer.status_code == 422
    assert NOTICE in answer.text


def test_nobody_is_told_a_score_on_the_study_page_before_asking(person: Person) -> None:
    anna = person("anna", READER)
    page = anna.get(address("urgent")).text
    assert "data-box" not in page
    assert 'name="score_seen" value="false"' in page
    asked = anna.get(address("urgent", "/findings")).text
    assert asked.count("data-box") == 2
    assert "posterior third, upper half" in asked
    assert 'name="score_seen" value="true"' in anna.get(address("urgent", "?seen=list")).text


def test_a_name_is_for_who_may_know_it_and_is_written_down(
    person: Person, screened: Screened
) -> None:
    page = person("anna", READER).get(address("urgent")).text
    assert "PLANTED" not in page
    assert "A-urgent" not in page
    page = person("ida", READER, IDENTITY).get(address("urgent")).text
    assert "PLANTED, Öra M" in page
    assert "1960-02-29" in page
    assert f"https://pacs.example/?study={uid_of('urgent')}&amp;an=A-urgent" in page
    with Session(screened.owner) as session:
        noted = text("SELECT action FROM audit WHERE who = :who ORDER BY id")
        assert list(session.scalars(noted, {"who": "ida"})) == ["viewed", "saw_identity"]


def test_images_of_two_patients_are_shown_under_no_name(person: Person) -> None:
    page = person("irma", READER, IDENTITY).get(address("mixed")).text
    assert "PLANTED" not in page
    assert "no name is shown" in page


def test_a_study_shows_what_was_said_of_the_patient_before(person: Person) -> None:
    page = person("anna", READER).get(address("urgent")).text
    assert f'/studies/{uid_of("prior")}"' in page
    assert "2024-11-18" in page


@pytest.mark.usefixtures("two_readers")
def test_two_readers_do_not_see_one_another_until_both_have_decided(
    person: Person, screened: Screened
) -> None:
    dora, emil, fritz = (person(who, READER) for who in ("dora", "emil", "fritz"))
    shown = fingerprint_of(screened, "double")
    assert decide(dora, "double", "recall", shown) == 303
    assert "<b>dora</b>" in dora.get(address("double")).text
    blind = emil.get(address("double")).text
    assert "dora" not in blind
    assert "1 of 2 decisions" in blind
    assert decide(emil, "double", "routine", shown) == 303
    assert "somebody else arbitrates" in emil.get(address("double")).text
    settling = fritz.get(address("double")).text
    assert "Arbitration" in settling
    assert "<b>dora</b>" in settling
    assert decide(dora, "double", "routine", shown) == 409
    assert decide(fritz, "double", "recall", shown) == 303
    assert "This case is read" in dora.get(address("double")).text


def test_a_decision_of_other_images_than_those_shown_is_refused(person: Person) -> None:
    assert decide(person("anna", READER), "old", "recall", "0" * 64) == 409


def test_the_next_case_is_ones_own_until_it_is_given_back(person: Person) -> None:
    greta, hugo = person("greta", READER), person("hugo", READER)
    mine = greta.post("/claim").headers["location"]
    assert mine.startswith("/studies/")
    assert greta.post("/claim").headers["location"] == mine
    other = hugo.post("/claim").headers["location"]
    assert other != mine
    assert "greta is reading this case" in hugo.get(mine).text
    assert greta.post(f"{mine}/release").status_code == 303
    assert "greta" not in hugo.get(mine).text.partition("<main")[2]
    assert hugo.post(f"{other}/release").status_code == 303


def test_the_night_is_for_supervisors(person: Person) -> None:
    assert person("anna", READER).get("/overview").status_code == 403
    page = person("sven", SUPERVISOR).get("/overview").text
    assert "images of more than one patient" in page  # why not scored
    assert "no baseline yet" in page
    assert NOTICE in page


def test_no_picture_stays_of_a_study_that_was_erased_while_it_was_made(
    screened: Screened, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Session(screened.owner) as session:
        said = text(
            "SELECT i.sop_instance_uid, s.pseudonym FROM instances i JOIN studies s"
            " ON s.id = i.study_id WHERE s.study_uid = :uid AND i.verdict = 'accepted' LIMIT 1"
        )
        sop, pseudonym = session.execute(said, {"uid": uid_of("old")}).one()
    asked = address("old", f"/images/{sop}/overview")
    cache = screened.app.state.previews.cache
    assert person("anna", READER).get(asked).status_code == 200
    assert cache.erase(pseudonym) > 0
    there = iter([True, False])  # before it is made, and afterwards
    look = images._file
    monkeypatch.setattr(images, "_file", lambda *of: look(*of) if next(there) else None)
    assert person("anna", READER).get(asked).status_code == 404
    assert cache.erase(pseudonym) == 0


@pytest.mark.parametrize("value", ["%00", "%ff", "%ED%A0%80", "9" * 400, "'; --", "☃"])
@pytest.mark.parametrize(
    "asked",
    ["/?site={}", "/?release={}", "/?after={}", "/?from={}", "/?level={}", "/?status={}",
     "/?said={}", "/worklist/counts?site={}", "/overview?site={}", "/studies/{}"],
)  # fmt: skip
def test_no_address_breaks_a_page(person: Person, asked: str, value: str) -> None:
    anna = person("anna", READER, SUPERVISOR)
    assert anna.get(asked.format(value)).status_code < 500


@pytest.mark.parametrize("value", ["\x00", "\x00" * 300, "9" * 5000])
def test_no_form_breaks_a_page(person: Person, screened: Screened, value: str) -> None:
    anna = person("anna", READER)
    assert anna.post("/claim", data={"site": value}).status_code == 422
    form = {
        "left": "routine", "score_seen": "true", "comment": "",
        "fingerprint": fingerprint_of(screened, "urgent"),
    }  # fmt: skip
    for name in ("fingerprint", "comment", "left"):
        told = {**form, name: value}
        assert anna.post(address("urgent", "/decision"), data=told).status_code == 422, name
