"""What goes out of a study is what the worklist shows of it, with what was not analysed."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from db import results
from db.exports import ExportedStudy, NothingToExport, export, who
from db.results import PixelVerdict
from db.runs import Run, register_release, start
from mammo.codes import NotScored, Reason, Verdict
from tests.db.archive import (
    VIEWS,
    instance,
    judged,
    planned,
    put,
    put_studies,
    scored,
    unscored,
)
from tests.db.conftest import PREFIX, RELEASE
from tests.db.test_roles import as_role


def of_scored(session: Session, run: Run, study: int = 1) -> ExportedStudy:
    put_studies(session, run, [study])
    results.record(session, run.id, scored(planned(session, run, study)))
    return export(session, f"1.2.{study}")


def test_the_result_with_its_findings_and_where_its_files_lie(session: Session, run: Run) -> None:
    found = of_scored(session, run)
    assert (found.score, found.level, found.release, found.release_name) == (
        7,
        "soon",
        RELEASE,
        "first",
    )
    assert [f.sop_instance_uid for f in found.findings] == ["1.2.1.1"]
    assert [(u.sop_instance_uid, u.key, u.sha256) for u in found.used] == [
        (f"1.2.1.{n}", f"night/1/{n}", "f" * 64) for n in range(1, 5)
    ]
    assert found.failed == ()
    assert found == export(session, "s_1")  # by its pseudonym


def test_an_unknown_study_and_one_without_a_result_are_told_apart(
    session: Session, run: Run
) -> None:
    put_studies(session, run, [1])
    with pytest.raises(NothingToExport, match=r"no study '1\.2\.99' in the index"):
        export(session, "1.2.99")
    with pytest.raises(NothingToExport, match="No release has spoken of the study s_1 yet"):
        export(session, "1.2.1")


def test_an_image_whose_pixels_failed_is_named_with_its_reason(session: Session, run: Run) -> None:
    put_studies(session, run, [1])
    plan = planned(session, run, 1)
    whole = scored(plan)
    last = whole.verdicts[-1]
    failed = PixelVerdict(
        last.instance_id, Verdict.QUARANTINED, Reason.DECODE_FAILED, "", (), "e" * 64
    )
    results.record(
        session,
        run.id,
        replace(whole, used=whole.used[:-1], verdicts=(*whole.verdicts[:-1], failed)),
    )
    found = export(session, "1.2.1")
    assert [(f.sop_instance_uid, f.reason) for f in found.failed] == [("1.2.1.4", "DECODE_FAILED")]
    assert len(found.used) == 3


def test_what_was_excluded_was_not_attempted(session: Session, run: Run) -> None:
    put(session, run, {"spot": [judged(1, 9, modality="CT")]})
    assert of_scored(session, run).failed == ()


def test_an_image_that_no_header_names_is_still_a_failure(session: Session, run: Run) -> None:
    put(session, run, {"bad": [replace(instance(1, 8, Reason.TRUNCATED), facts={})]})
    (failed,) = of_scored(session, run).failed
    assert (failed.reason, failed.facts) == ("TRUNCATED", None)


@pytest.mark.parametrize(
    ("why", "failed"),
    [(NotScored.TIMED_OUT, 4), (NotScored.NOT_VALID_FOR_RELEASE, 0)],
)
def test_of_a_study_without_a_score_all_that_was_tried_failed(
    session: Session, run: Run, why: NotScored, failed: int
) -> None:
    put_studies(session, run, [1])
    results.record(session, run.id, unscored(planned(session, run, 1), why))
    found = export(session, "1.2.1")
    assert [f.reason for f in found.failed] == [why] * failed
    assert (found.score, found.reason, found.used) == (None, why, ())


def test_an_instance_in_several_objects_is_read_from_the_one_that_is_there(
    session: Session, run: Run
) -> None:
    put_studies(session, run, [1])
    put(session, run, {"copy": [instance(1, 1, view=VIEWS[0])]})
    results.record(session, run.id, scored(planned(session, run, 1)))
    found = export(session, "1.2.1")
    assert [u.sop_instance_uid for u in found.used] == [f"1.2.1.{n}" for n in range(1, 5)]
    assert found.failed == ()


def test_an_image_that_came_later_is_told(session: Session, run: Run) -> None:
    of_scored(session, run)
    put(session, run, {"1/5": [instance(1, 5)]})
    assert "LATE_IMAGE" in export(session, "1.2.1").warnings


def test_images_of_two_patients_are_marked(session: Session, run: Run) -> None:
    of_scored(session, run)
    assert not export(session, "1.2.1").contradictory
    put(session, run, {"1/5": [instance(1, 5, patient="p_other")]})
    assert export(session, "1.2.1").contradictory


def test_a_second_releases_result_goes_out_under_its_own_name(session: Session, run: Run) -> None:
    of_scored(session, run)
    register_release(session, "b" * 64, "second", {"name": "second"})
    other = start(session, PREFIX, "b" * 64, "0.2.0", "host:2")
    put_studies(session, other, [1])
    results.record(session, other.id, scored(planned(session, other, 1), score=3))
    found = export(session, "1.2.1")
    assert (found.release_name, found.code_version, found.score) == ("second", "0.2.0", 3)


def test_the_job_exports_and_the_identity_role_alone_says_whose_it_is(
    session: Session, run: Run
) -> None:
    of_scored(session, run)
    as_role(session, "nightread_app")
    assert export(session, "1.2.1").patient_pseudonym == "p_1"
    with pytest.raises(ProgrammingError), session.begin_nested():
        who(session, "p_1")
    as_role(session, "nightread_identity")
    found = who(session, "p_1")
    assert found is not None
    assert (found.name, found.patient_id) == ("Planted^Name", "id-p_1")
    assert who(session, "p_99") is None
