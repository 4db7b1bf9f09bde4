"""Outcomes: each line by itself, the same again changes nothing, figures that say what they leave out."""

import json
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from db import reading, results, runs
from db.outcomes import Kept
from mammo.codes import Call, Level, NotScored
from mammo.pseudonym import Pseudonyms
from nightread.cli.app import app
from nightread.errors import Refused, UsageError
from nightread.outcomes import Wrong, take
from nightread.settings import Settings
from nightread.shapes import EvaluateWorklistDocument, OutcomesDocument
from nightread.worklist_figures import lines, measured
from tests.db.archive import planned, put_studies, scored, unscored
from tests.db.conftest import PREFIX, RELEASE

KEYED = Pseudonyms(b"a key of this test alone")
TODAY = date(2028, 6, 1)
HEADER = "study,laterality,kind,date,result\r\n"


@pytest.fixture
def screened(engine: Engine) -> Engine:
    """Six scored studies of 24 November 2026, 1.2.1 the most suspicious, and one without a score."""
    levels = [Level.URGENT, Level.SOON, Level.SOON, Level.ROUTINE, Level.LOW, Level.LOW]
    with Session(engine, expire_on_commit=False) as session, session.begin():
        runs.register_release(session, RELEASE, "first", {})
        run = runs.start(session, PREFIX, RELEASE, "0", "host:1")
        put_studies(session, run, range(1, 8))
        for study, level in enumerate(levels, 1):
            results.record(
                session, run.id, scored(planned(session, run, study), 1 - study / 10, level)
            )
        results.record(session, run.id, unscored(planned(session, run, 7), NotScored.POISON))
    return engine


def imported(
    engine: Engine, tmp_path: Path, *rows: str, header: str = HEADER
) -> tuple[Kept, list[Wrong]]:
    path = tmp_path / "outcomes.csv"
    path.write_text(header + "".join(f"{row}\r\n" for row in rows))
    return take(engine, path, KEYED, TODAY)


def kept(engine: Engine) -> list[tuple[str, str, str, bool]]:
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT study_uid, laterality, kind, malignant FROM outcomes"
                 " JOIN studies ON studies.id = study_id ORDER BY 1, 2, 3")
        )  # fmt: skip
        return [(row[0], row[1], row[2], row[3]) for row in rows]


def test_the_same_file_again_changes_nothing_and_a_correction_corrects(
    screened: Engine, tmp_path: Path
) -> None:
    rows = ("1.2.1,L,pathology,2026-12-10,malignant", "s_2,R,assessment,2027-12-10,normal")
    first, wrong = imported(screened, tmp_path, *rows)
    assert (first.new, first.changed, first.unchanged, wrong) == (2, 0, 0, [])
    again, _ = imported(screened, tmp_path, *rows)
    assert (again.new, again.changed, again.unchanged) == (0, 0, 2)
    corrected, _ = imported(screened, tmp_path, "1.2.1,L,pathology,2026-12-10,benign")
    assert (corrected.new, corrected.changed, corrected.unchanged) == (0, 1, 0)
    assert kept(screened) == [
        ("1.2.1", "L", "pathology", False),
        ("1.2.2", "R", "assessment", False),
    ]


def test_a_wrong_line_is_named_and_costs_that_line_alone(screened: Engine, tmp_path: Path) -> None:
    done, wrong = imported(
        screened,
        tmp_path,
        "1.2.1,L,pathology,2026-12-10,malignant",
        "1.2.1,left,pathology,2026-12-10,malignant",
        "1.2.1,L,biopsy,2026-12-10,malignant",
        "1.2.1,L,pathology,10.12.2026,malignant",
        "1.2.1,L,pathology,2026-12-10,positive",
        "1.2.1,L,interval_cancer,2026-12-10,benign",
        "1.2.1,R,pathology,2030-01-01,malignant",
        "1.2.1,R,pathology,2026-11-23,malignant",
        ",R,pathology,2026-12-10,malignant",
        "1.2.1,L,pathology,2026-12-10,benign",
        "s_1,L,pathology,2026-12-10,benign",
        "1.2.2,L,pathology,2026-12-10,malignant,more",
        "1.2.2,L",
        "1.2.404,L,pathology,2026-12-10,malignant",
        "1.2.3,L,pathology,2026-12-10,benign",
    )
    assert (done.new, done.unknown, done.erased) == (2, [15], [])
    assert [(one.line, one.what.split()[0]) for one in wrong] == [
        (3, "laterality"), (4, "kind"), (5, "date"), (6, "result"), (7, "an"), (8, "date"),
        (9, "date"), (10, "study"), (11, "line"), (12, "the"), (13, "it"), (14, "kind"),
    ]  # fmt: skip
    assert [row[0] for row in kept(screened)] == ["1.2.1", "1.2.3"]


def test_a_file_of_another_kind_is_refused(screened: Engine, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="study, laterality, kind, date or result"):
        imported(screened, tmp_path, header="uid;side\r\n")
    with pytest.raises(Refused, match="first line must name"):
        imported(screened, tmp_path, header="")


def test_of_an_erased_study_nothing_is_kept(screened: Engine, tmp_path: Path) -> None:
    with screened.begin() as connection:
        connection.execute(
            text("INSERT INTO erased (pseudonym) VALUES (:stub)"), {"stub": KEYED.study("1.2.99")}
        )
    rows = ("1.2.99,L,pathology,2026-12-10,malignant", f"{KEYED.study('1.2.99')},L,pathology,2026-12-10,malignant")  # fmt: skip
    done, _ = imported(screened, tmp_path, *rows)
    assert (done.erased, done.unknown, kept(screened)) == ([2, 3], [], [])


def test_the_command_reports_and_ends_with_5_where_a_line_was_wrong(
    screened: Engine, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTREAD_DATABASE_URL", url)
    (tmp_path / "key").write_bytes(b"a key of this test alone")
    monkeypatch.setenv("NIGHTREAD_PSEUDONYM_KEY_FILE", str(tmp_path / "key"))
    file = tmp_path / "outcomes.csv"
    file.write_text(HEADER + "1.2.1,L,pathology,2026-11-25,malignant\n1.2.1,Planted,x,y,z\n")
    ended = CliRunner().invoke(app, ["outcomes", "import", str(file), "--json"])
    assert isinstance(ended.exception, Refused)
    said = OutcomesDocument.model_validate_json(ended.stdout)
    assert (said.new, [one.line for one in said.wrong]) == (1, [3])
    assert "Planted" not in ended.output


EVERYBODY = (
    "1.2.1,L,pathology,2026-12-10,malignant",  # urgent
    "1.2.2,L,pathology,2026-12-10,benign",  # soon
    "1.2.2,R,assessment,2027-12-10,normal",
    "1.2.3,L,assessment,2026-12-10,normal",  # soon: a work-up alone
    "1.2.5,R,interval_cancer,2027-10-01,malignant",  # low
    "1.2.6,L,assessment,2027-12-10,normal",  # low
    "1.2.6,R,assessment,2027-12-10,normal",
    "1.2.7,L,pathology,2026-12-10,malignant",  # not scored
)


def decide(engine: Engine, study: int, call: Call, *, score_seen: bool) -> None:
    with Session(engine) as session, session.begin():
        uid = f"1.2.{study}"
        fingerprint = session.scalars(
            text("SELECT fingerprint FROM studies WHERE study_uid = :uid"), {"uid": uid}
        ).one()
        reading.decide(
            session,
            reading.Decision(uid, fingerprint, "anna", call, Call.ROUTINE, score_seen=score_seen),
        )


def test_figures_from_the_list_say_what_they_leave_out(
    screened: Engine, url: str, tmp_path: Path
) -> None:
    imported(screened, tmp_path, *EVERYBODY)
    decide(screened, 1, Call.RECALL, score_seen=True)
    decide(screened, 4, Call.RECALL, score_seen=False)
    decide(screened, 6, Call.ROUTINE, score_seen=False)
    document = measured(Settings(database_url=url), None, None, 365)
    EvaluateWorklistDocument.model_validate_json(document.model_dump_json())
    (group,) = document.groups
    assert (group.release_name, group.site, group.studies, group.not_scored) == (
        "first", "unknown", 7, 1,
    )  # fmt: skip
    assert group.without_outcome == 1
    assert group.unverified == ["s_4"]
    assert (group.short_follow_up, group.malignant_not_scored) == (1, 1)
    assert (group.score_seen, group.decided) == (1, 2)
    assert group.levels["routine"].model_dump() == {"studies": 1, "without_outcome": 1}
    assert group.at_or_above == pytest.approx({"urgent": 1 / 6, "soon": 3 / 6, "routine": 4 / 6})
    whole, unseen = group.sets
    assert (whole.name, whole.studies, whole.malignant) == ("all", 5, 3)
    assert (unseen.name, unseen.studies, unseen.malignant) == ("score_not_seen", 4, 2)
    values = {(f.unit, f.name): f.value for f in whole.figures}
    # 0.9 and 0.5 malignant, 0.8 and 0.4 not.
    assert values["study", "ROC AUC"] == pytest.approx(3 / 4)
    assert values["study", "sensitivity of urgent"] == pytest.approx(1 / 2)
    assert values["study", "specificity of soon or higher"] == pytest.approx(1 / 2)
    assert values["study", "sensitivity of the readers' recall"] == 1
    without = {(f.unit, f.name): f.value for f in unseen.figures}
    assert without["study", "sensitivity of urgent"] == 0
    text_of = "\n".join(lines(document))
    assert "decided after the score was seen: 1 of 2" in text_of
    assert "routine 1 of 1" in text_of


def test_sites_stand_alone_and_together(screened: Engine, url: str, tmp_path: Path) -> None:
    imported(screened, tmp_path, *EVERYBODY)
    with screened.begin() as connection:
        connection.execute(text("UPDATE studies SET site = 'north' WHERE study_uid <= '1.2.3'"))
    settings = Settings(database_url=url)
    document = measured(settings, None, "first", 365)
    assert [(g.site, g.studies) for g in document.groups] == [
        (None, 7),
        ("north", 3),
        ("unknown", 4),
    ]
    (north,) = measured(settings, "north", None, 365).groups
    assert json.loads(north.model_dump_json()) == json.loads(document.groups[1].model_dump_json())
    with pytest.raises(UsageError, match="No release 'second'"):
        measured(settings, None, "second", 365)
    with pytest.raises(Refused, match="outcomes import"):
        measured(settings, "nowhere", None, 365)
