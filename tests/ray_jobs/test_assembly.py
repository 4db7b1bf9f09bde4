"""From a task's outcome to a result: the worst view counts, and nothing is left unsaid."""

from dataclasses import replace
from datetime import date

import pytest

from db.plan import PlannedInstance as Planned
from db.plan import PlannedStudy
from mammo.codes import Flag, Kind, Level, NotScored, Reason, SourceKind, Verdict
from mammo.facts import Facts
from mammo.findings import Finding
from mammo.prepare import Preparation
from mammo.scoring import Calibration, Scale
from mammo.views import Laterality, Projection
from ray_jobs.assembly import Arranged, arrange, not_scored, result_of, seen
from ray_jobs.looks import stored
from ray_jobs.records import InstanceOutcome, Seen, StudyOutcome, StudyPlan
from ray_jobs.study import screen
from triton_repo.contract import Sizes
from triton_repo.release import Canary, Manifest

MANIFEST = Manifest(
    name="small",
    description="",
    intended_use="",
    sizes=Sizes(64, 40, 4),
    preparation=Preparation(height=64, width=40),
    calibration=Calibration(0, 1, 1, 0, 1),
    scale=Scale(tuple(n / 10 for n in range(1, 10)), urgent=10, soon=8, routine=4),
    finding_threshold=0.1,
    valid_for=(SourceKind.FFDM,),
    canary=Canary(count=0, boxes=[], detection=[], lesion=[], malignancy=[]),
    files={},
)
FOUR = [(side, view) for side in Laterality for view in (Projection.CC, Projection.MLO)]


def planned(
    number: int,
    side: Laterality,
    view: Projection,
    look: dict[str, object] | None = None,
    **changed: object,
) -> Planned:
    uid = f"1.2.3.{number}"
    facts = Facts(
        sop_instance_uid=uid,
        sop_class="1.2.840.10008.5.1.4.1.1.1.2",
        modality="MG",
        laterality=side,
        view=view,
        source_kind=changed.pop("source_kind", SourceKind.FFDM),  # type: ignore[arg-type]
        **changed,  # type: ignore[arg-type]
    )
    return Planned(
        id=number,
        bucket="archive",
        key=f"{number}.dcm",
        etag="e",
        size=10,
        member=None,
        ordinal=0,
        sop_instance_uid=uid,
        transfer_syntax=None,
        laterality=str(side),
        view=str(view),
        reason="OK",
        flags=(),
        facts=facts.as_dict(),
        look=look,
    )


def study(*instances: Planned) -> PlannedStudy:
    day = date(2026, 11, 2)
    return PlannedStudy(1, "1.2.3", "s_x", "f", "unknown", day, instances)


def outcome(one: PlannedStudy, *probabilities: float | None) -> StudyOutcome:
    plan = arrange(one, MANIFEST).plan
    return StudyOutcome(
        tuple(
            InstanceOutcome(instance, sha256="0" * 64, probability=p)
            for instance, p in zip(plan.instances, probabilities, strict=True)
        ),
        None,
    )


ALONE = Arranged(StudyPlan("1.2.3", ()), (), 0)
WHOLE = study(*(planned(n, side, view) for n, (side, view) in enumerate(FOUR)))


def test_a_breast_is_its_worst_view_and_a_study_its_worst_breast() -> None:
    result = result_of(WHOLE, outcome(WHOLE, 0.05, 0.15, 0.85, 0.25), ALONE, MANIFEST)
    assert result.left is not None
    assert result.right is not None
    assert (result.left.probability, result.left.score) == (0.15, 2)
    assert (result.right.probability, result.right.score) == (0.85, 9)
    assert (result.probability, result.score, result.level) == (0.85, 9, Level.SOON)
    assert result.missing_views == ()
    assert result.warnings == ()


@pytest.mark.parametrize(
    ("probability", "level"),
    [(0.95, Level.URGENT), (0.75, Level.SOON), (0.35, Level.ROUTINE), (0.05, Level.LOW)],
)
def test_the_level_follows_the_score(probability: float, level: Level) -> None:
    result = result_of(WHOLE, outcome(WHOLE, probability, 0, 0, 0), ALONE, MANIFEST)
    assert result.level is level


def test_missing_views_are_said() -> None:
    three = study(*WHOLE.instances[:3])
    result = result_of(three, outcome(three, 0.1, 0.1, 0.1), ALONE, MANIFEST)
    assert result.missing_views == ("RMLO",)
    assert result.warnings == ("MISSING_VIEWS",)


def test_a_view_twice_or_another_one_is_said_and_the_worst_counts() -> None:
    again = study(*WHOLE.instances, planned(9, Laterality.LEFT, Projection.CC))
    result = result_of(again, outcome(again, 0.1, 0.1, 0.1, 0.1, 0.9), ALONE, MANIFEST)
    assert (result.probability, result.warnings) == (0.9, ("EXTRA_VIEWS",))
    other = study(*WHOLE.instances, planned(9, Laterality.LEFT, Projection.ML))
    result = result_of(other, outcome(other, 0.1, 0.1, 0.1, 0.1, 0.1), ALONE, MANIFEST)
    assert result.warnings == ("EXTRA_VIEWS",)


def test_a_copy_is_read_beside_the_image_that_it_may_be_one_of() -> None:
    copy = replace(WHOLE.instances[0], id=9, key="copy.dcm", etag="f")
    lonely = replace(copy, id=10, sop_instance_uid="1.2.3.99")
    whole = replace(WHOLE, copies=(copy, lonely))
    arranged = arrange(whole, MANIFEST)
    assert [(c.instance_id, c.item.key) for c in arranged.plan.copies] == [(9, "copy.dcm")]
    read = InstanceOutcome(arranged.plan.copies[0], sha256="1" * 64)
    said = replace(outcome(whole, 0.1, 0.1, 0.1, 0.1), copies=(read,))
    verdict = result_of(whole, said, arranged, MANIFEST).verdicts[-1]
    assert (verdict.instance_id, verdict.reason) == (9, Reason.DUPLICATE_INSTANCE)
    assert verdict.sha256 == "1" * 64


def test_one_breast_alone_is_scored_and_said() -> None:
    left = study(*WHOLE.instances[:2])
    result = result_of(left, outcome(left, 0.5, 0.1), ALONE, MANIFEST)
    assert result.right is None
    assert result.missing_views == ("RCC", "RMLO")
    assert result.warnings == ("ONE_BREAST_ONLY",)


def test_a_view_that_could_not_be_decoded_is_quarantined_and_missing() -> None:
    good = outcome(WHOLE, 0.1, 0.1, 0.1, None)
    last = good.instances[-1]
    bad = InstanceOutcome(last.planned, Reason.CONSTANT_IMAGE, sha256="0" * 64)
    result = result_of(WHOLE, StudyOutcome((*good.instances[:3], bad), None), ALONE, MANIFEST)
    verdict = result.verdicts[-1]
    assert (verdict.verdict, verdict.reason) == (Verdict.QUARANTINED, Reason.CONSTANT_IMAGE)
    assert result.missing_views == ("RMLO",)
    assert len(result.used) == 3


def test_a_review_found_in_the_pixels_is_the_images_reason_and_a_warning() -> None:
    first, *others = outcome(WHOLE, 0.1, 0.1, 0.1, 0.1).instances
    odd = InstanceOutcome(
        first.planned,
        Reason.REVIEW_SIDE_MISMATCH,
        (Flag.W_8BIT,),
        "0" * 64,
        probability=0.1,
    )
    result = result_of(WHOLE, StudyOutcome((odd, *others), None), ALONE, MANIFEST)
    assert result.verdicts[0].reason is Reason.REVIEW_SIDE_MISMATCH
    assert result.verdicts[0].verdict is Verdict.ACCEPTED
    assert result.warnings == ("REVIEW_SIDE_MISMATCH", "W_8BIT")


def test_findings_of_all_views_stand_the_most_suspicious_first() -> None:
    def finding(p: float) -> Finding:
        return Finding((1, 2, 3, 4), Kind.MASS, 0.5, p, MANIFEST.scale.score(p), "middle third")

    items = [
        InstanceOutcome(i.planned, sha256="0" * 64, findings=(finding(p),), probability=p)
        for i, p in zip(outcome(WHOLE, 0, 0, 0, 0).instances, (0.2, 0.9, 0.4, 0.1), strict=True)
    ]
    result = result_of(WHOLE, StudyOutcome(tuple(items), None), ALONE, MANIFEST)
    assert [box.probability for box in result.findings] == [0.9, 0.4, 0.2, 0.1]
    assert {box.sop_instance_uid for box in result.findings} == {
        used.sop_instance_uid for used in result.used
    }


def test_a_kind_of_image_that_the_release_was_not_made_for_is_not_read() -> None:
    film = study(planned(1, Laterality.LEFT, Projection.CC, source_kind=SourceKind.FILM))
    arranged = arrange(film, MANIFEST)
    assert arranged.plan.instances == ()
    result = not_scored(film, NotScored.NOT_VALID_FOR_RELEASE, MANIFEST, arranged.settled)
    assert (result.level, result.score) == (Level.NOT_SCORED, None)


def test_of_two_renderings_of_one_exposure_one_is_read_and_the_other_says_why() -> None:
    same = {"acquisition_date": "20261102", "acquisition_time": "101500.0"}
    two = study(
        planned(1, Laterality.LEFT, Projection.CC, image_type=("ORIGINAL", "PRIMARY"), **same),
        planned(2, Laterality.LEFT, Projection.CC, image_type=("DERIVED", "PRIMARY"), **same),
    )
    arranged = arrange(two, MANIFEST)
    assert [i.sop_instance_uid for i in arranged.plan.instances] == ["1.2.3.1"]
    (other,) = arranged.settled
    assert (other.instance_id, other.reason) == (2, Reason.DUPLICATE_EXPOSURE)


def test_an_image_that_the_release_was_not_made_for_is_said_beside_those_that_count() -> None:
    mixed = study(
        WHOLE.instances[0], planned(9, Laterality.RIGHT, Projection.CC, source_kind=SourceKind.FILM)
    )
    arranged = arrange(mixed, MANIFEST)
    assert len(arranged.plan.instances) == 1
    result = result_of(mixed, outcome(mixed, 0.2), arranged, MANIFEST)
    assert "SOME_NOT_VALID_FOR_RELEASE" in result.warnings


def test_a_study_that_was_looked_at_in_its_archive_gets_the_result_of_any_other() -> None:
    looks = [Seen(sha256="0" * 64, probability=p) for p in (0.1, 0.9, 0.2, 0.3)]
    here = study(*(planned(n, *where) for n, where in enumerate(FOUR)))
    there = study(*(planned(n, *where, stored(looks[n])) for n, where in enumerate(FOUR)))
    arranged = arrange(there, MANIFEST)
    assert [instance.seen for instance in arranged.plan.instances] == looks
    expected = result_of(here, outcome(here, 0.1, 0.9, 0.2, 0.3), arrange(here, MANIFEST), MANIFEST)
    assert result_of(there, seen(arranged.plan), arranged, MANIFEST) == expected


def test_what_was_looked_at_is_not_read_again_where_a_part_of_the_study_is() -> None:
    broken = Seen(Reason.DECODE_FAILED, sha256="1" * 64)
    mixed = study(planned(1, *FOUR[0], stored(broken)), planned(2, *FOUR[1]))
    read: list[str] = []

    def reading(instance) -> bytes:
        read.append(instance.sop_instance_uid)
        return b"no DICOM"

    ended = screen(arrange(mixed, MANIFEST).plan, reading, lambda _: None, MANIFEST)
    assert read == ["1.2.3.2"]
    assert ended.instances[0].reason is Reason.DECODE_FAILED
    assert ended.not_scored is NotScored.ALL_QUARANTINED


def test_a_study_all_of_whose_looks_failed_is_not_scored() -> None:
    broken = stored(Seen(Reason.ARCHIVE_CORRUPT))
    one = study(planned(1, *FOUR[0], broken))
    assert seen(arrange(one, MANIFEST).plan).not_scored is NotScored.ALL_QUARANTINED
