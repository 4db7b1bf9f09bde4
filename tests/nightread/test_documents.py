"""What a run is said to be, from what it wrote down."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from db.runs import Prefix, Run
from db.summary import Summary
from nightread.documents import SILENT_S, screened, status, to_be_tried_again
from nightread.printing import headline

NOW = datetime.now(UTC)
RUN = Run(1, Prefix("a", ""), "f" * 64, "running", "me", "0", {}, NOW, NOW, None)
COUNTED = Summary(
    listed=5, with_instances=4, without_instance=1, unread=0, indexed=4, accepted=4, excluded=0,
    quarantined=0, reasons={"OK": 4, "NOT_DICOM": 1}, known=4, screened_now=2, already_current=0,
    scored=2, not_scored=0, pending=2, not_mammography=0, not_scored_reasons={},
    seconds_total=60.0, seconds_by_stage={},
)  # fmt: skip


def test_a_run_that_lives_says_how_long_it_still_needs() -> None:
    document = status(replace(RUN, heartbeat_at=datetime.now(UTC)), COUNTED)
    assert document.state == "running"
    assert document.seconds_left == pytest.approx(60)


def test_a_run_that_fell_silent_is_interrupted() -> None:
    silent = replace(RUN, heartbeat_at=NOW - timedelta(seconds=SILENT_S + 1))
    document = status(silent, COUNTED)
    assert (document.state, document.seconds_left) == ("interrupted", None)


def test_what_may_pass_is_tried_again_and_what_is_final_is_not() -> None:
    counted = replace(
        COUNTED,
        reasons={"OK": 1, "READ_FAILED": 2, "NOT_DICOM": 3},
        not_scored_reasons={"INFER_FAILED": 4, "POISON": 5},
    )
    assert to_be_tried_again(counted) == {"READ_FAILED": 2, "INFER_FAILED": 4}


def test_an_empty_prefix_is_not_called_current() -> None:
    nothing = replace(COUNTED, listed=0, screened_now=0, pending=0, known=0)
    assert "no object" in headline(screened(RUN, nothing))
