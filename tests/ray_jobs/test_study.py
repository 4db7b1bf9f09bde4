"""One study's task: which bytes it compares, and what it makes of those that it cannot have."""

import hashlib
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mammo.codes import NotScored, Reason
from mammo.findings import RawView
from mammo.views import Laterality
from ray_jobs.faults import ObjectUnreadable
from ray_jobs.records import Listed, PlannedInstance, Seen, StudyOutcome, StudyPlan
from ray_jobs.study import screen
from tests.calls import phantom_files
from triton_repo.release import DEFAULT_DIR, default_name, load

BUCKET = "archive"


@pytest.fixture(scope="module")
def image() -> bytes:
    """The file of an L CC view."""
    return phantom_files(1, seed=71)["000/LCC.dcm"]


def nothing_found(_tensor: NDArray[np.uint8]) -> "Future[RawView]":
    """What Triton answers of a view without a box."""
    empty = np.zeros(0, np.float32)
    answer: Future[RawView] = Future()
    kinds = np.zeros(0, np.int32)
    answer.set_result(RawView(0, np.zeros((0, 4), np.float32), empty, kinds, empty, empty))
    return answer


def screened(files: dict[str, bytes | Reason]) -> StudyOutcome:
    """The study of one view, in the first of `files`; the others are its copies."""

    def planned(number: int, key: str) -> PlannedInstance:
        item = Listed(key, "e", 1)
        return PlannedInstance(number, BUCKET, item, "1.2", Laterality.LEFT, "CC", Reason.OK, ())

    def read(wanted: PlannedInstance) -> bytes:
        held = files[wanted.item.key]
        if isinstance(held, Reason):
            raise ObjectUnreadable(held)
        return held

    one, *copies = (planned(number, key) for number, key in enumerate(files))
    manifest = load(DEFAULT_DIR / default_name()).manifest
    return screen(StudyPlan("1", (one,), tuple(copies)), read, nothing_found, manifest)


def test_copies_of_the_same_bytes_change_nothing(image: bytes) -> None:
    outcome = screened({"a": image, "b": image})
    assert outcome.not_scored is None
    assert [copy.sha256 for copy in outcome.copies] == [outcome.instances[0].sha256]


def test_one_copy_of_other_bytes_is_a_conflict(image: bytes) -> None:
    outcome = screened({"a": image, "b": image, "c": image[:-2] + b"\1\1"})
    assert outcome.not_scored is NotScored.CONFLICTING_INSTANCES
    assert len({item.sha256 for item in (*outcome.instances, *outcome.copies)}) == 2


def test_a_copy_that_cannot_be_had_this_time_has_the_study_tried_again(image: bytes) -> None:
    outcome = screened({"a": image, "b": Reason.READ_FAILED})
    assert (outcome.not_scored, outcome.copies) == (NotScored.READ_FAILED, ())


def test_a_copy_that_can_never_be_read_hides_no_image(image: bytes) -> None:
    outcome = screened({"a": image, "b": Reason.TOO_LARGE})
    assert (outcome.not_scored, outcome.copies) == (None, ())


def test_a_copy_that_was_looked_at_with_its_archive_is_not_read_again(image: bytes) -> None:
    def outcome(digest: str) -> StudyOutcome:
        one, copy = (
            PlannedInstance(
                n, BUCKET, Listed(str(n), "e", 1), "1.2", Laterality.LEFT, "CC", Reason.OK, ()
            )
            for n in range(2)
        )
        plan = StudyPlan("1", (one,), (replace(copy, seen=Seen(sha256=digest)),))
        manifest = load(DEFAULT_DIR / default_name()).manifest
        return screen(plan, {one: image}.__getitem__, nothing_found, manifest)

    same = hashlib.sha256(image).hexdigest()
    assert [copy.sha256 for copy in outcome(same).copies] == [same]
    assert outcome(same).not_scored is None
    assert outcome("0" * 64).not_scored is NotScored.CONFLICTING_INSTANCES
