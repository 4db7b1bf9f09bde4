"""From a listing to the worklist, as the job does it."""

from sqlalchemy.orm import Session

from db import plan, results, runs, summary, worklist
from db.runs import Run
from mammo.codes import Level, NotScored, Reason
from tests.db.archive import instance, planned, put, put_studies, scored, unscored


def test_a_night_ends_with_every_study_in_the_list(session: Session, run: Run) -> None:
    put_studies(session, run, range(1, 5))
    put(
        session,
        run,
        {
            "notes.txt": Reason.NOT_DICOM,
            "ct": [instance(9, 1, Reason.SOP_OTHER, mammography=False)],
        },
    )
    assert plan.remaining(session, run.id) == 4
    results.record(session, run.id, scored(planned(session, run, 1), 0.9, Level.URGENT))
    results.record(session, run.id, unscored(planned(session, run, 2), NotScored.INFER_FAILED))
    results.record(session, run.id, scored(planned(session, run, 3), 0.1, Level.LOW, 1))
    print(summary.summary(session, run.id))
    shown = worklist.page(session, 10)
    print(shown)
    assert [item.study_uid for item in shown.items] == ["1.2.1", "1.2.2", "1.2.4", "1.2.3"]
    runs.finish(session, run.id, "finished")
