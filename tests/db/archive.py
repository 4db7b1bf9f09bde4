"""Small archives for tests of the index: studies of a few views, one object a view."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from db.index import IndexedInstance, ListedObject, ObjectOutcome, indexed, listed
from db.plan import PlannedStudy, pending
from db.results import BreastScore, FoundBox, PixelVerdict, StudyResult, UsedInstance
from db.runs import Run
from mammo.codes import Flag, Kind, Level, NotScored, Reason, Verdict
from mammo.facts import Facts, Identity
from mammo.verdict import Policy, judge, kind
from mammo.views import Laterality, Projection

PLAIN = Policy()
VIEWS = (("L", "CC"), ("R", "CC"), ("L", "MLO"), ("R", "MLO"))


def instance(
    study: int,
    number: int,
    reason: Reason = Reason.OK,
    *,
    patient: str | None = None,
    mammography: bool = True,
    view: tuple[str, str] = ("L", "CC"),
) -> IndexedInstance:
    """The instance 1.2.`study`.`number`."""
    who = patient or f"p_{study}"
    return IndexedInstance(
        sop_instance_uid=f"1.2.{study}.{number}",
        study_uid=f"1.2.{study}",
        series_uid=f"1.2.{study}.0",
        study_pseudonym=f"s_{study}",
        patient_pseudonym=who,
        modality="MG" if mammography else "CT",
        sop_class="1.2.840.10008.5.1.4.1.1.1.2",
        transfer_syntax="1.2.840.10008.1.2.1",
        is_mammography=mammography,
        laterality=view[0],
        view=view[1],
        study_date=date(2026, 11, 24),
        verdict=reason.verdict,
        reason=reason,
        detail=reason.line,
        flags=(Flag.W_8BIT,),
        facts={"rows": 3328, "columns": 2560},
        rule_version=PLAIN.rule_version,
        identity=Identity(
            f"id-{who}", "hospital", "Planted^Name", "19600229", "F", f"Planted-{study}"
        ),
    )


def facts_of(study: int, number: int, **changes: Any) -> Facts:
    """Of a plain for-presentation view, L CC."""
    plain = Facts(
        sop_instance_uid=f"1.2.{study}.{number}",
        study_instance_uid=f"1.2.{study}",
        sop_class="1.2.840.10008.5.1.4.1.1.1.2",
        transfer_syntax="1.2.840.10008.1.2.1",
        modality="MG",
        rows=3328,
        columns=2560,
        bits_allocated=16,
        bits_stored=12,
        high_bit=11,
        pixel_representation=0,
        samples_per_pixel=1,
        photometric="MONOCHROME2",
        laterality=Laterality.LEFT,
        view=Projection.CC,
        has_pixel_data=True,
    )
    return replace(plain, **changes)


def judged(
    study: int,
    number: int,
    policy: Policy = PLAIN,
    **changes: Any,
) -> IndexedInstance:
    """The instance of `facts_of`, judged by its facts."""
    facts = facts_of(study, number, **changes)
    said = judge(facts, policy)
    return replace(
        instance(study, number, said.reason),
        detail=said.detail,
        flags=said.flags,
        facts=facts.as_dict(),
        kind=kind(facts),
        rule_version=policy.rule_version,
    )


def put(
    session: Session,
    run: Run,
    objects: dict[str, Sequence[IndexedInstance] | Reason],
    etag: str = "e1",
    size: int = 1000,
    modified: datetime | None = None,
) -> None:
    """List `objects` (by the end of their keys) and index those that ask for it."""
    rows = [ListedObject(run.prefix.key + name, etag, size, modified) for name in objects]
    outcomes = []
    for ref in listed(session, run.id, run.prefix.bucket, rows):
        held = objects[ref.key.removeprefix(run.prefix.key)]
        outcomes.append(
            ObjectOutcome(ref.id, held)
            if isinstance(held, Reason)
            else ObjectOutcome(ref.id, None, tuple(held))
        )
    indexed(session, outcomes)


def put_studies(session: Session, run: Run, studies: Iterable[int]) -> None:
    """Studies of four accepted views each."""
    put(
        session,
        run,
        {
            f"{study}/{number}": [instance(study, number, view=view)]
            for study in studies
            for number, view in enumerate(VIEWS, 1)
        },
    )


def planned(session: Session, run: Run, study: int) -> PlannedStudy:
    """The plan of the study 1.2.`study`, which must be pending."""
    (found,) = (plan for plan in pending(session, run.id, 1000) if plan.study_uid == f"1.2.{study}")
    return found


def scored(
    plan: PlannedStudy, probability: float = 0.5, level: Level = Level.SOON, score: int = 7
) -> StudyResult:
    """A result with one finding in the first instance."""
    first = plan.instances[0]
    return StudyResult(
        study_id=plan.id,
        fingerprint=plan.fingerprint,
        level=level,
        score=score,
        probability=probability,
        left=BreastScore(score, probability),
        right=BreastScore(1, 0.01),
        missing_views=(),
        warnings=("W_X",),
        findings=(
            FoundBox(
                sop_instance_uid=first.sop_instance_uid,
                laterality=Laterality.LEFT,
                view="CC",
                box=(10.0, 20.0, 30.5, 40.0),
                kind=Kind.MASS,
                probability=probability,
                score=score,
                location="middle third, upper half",
            ),
        ),
        used=tuple(UsedInstance(used.sop_instance_uid, "f" * 64) for used in plan.instances),
        verdicts=tuple(
            PixelVerdict(used.id, Verdict.ACCEPTED, Reason.OK, Reason.OK.line, used.flags, "f" * 64)
            for used in plan.instances
        ),
        preparation={"height": 1024, "width": 640},
    )


def unscored(plan: PlannedStudy, reason: NotScored) -> StudyResult:
    return StudyResult(
        study_id=plan.id, fingerprint=plan.fingerprint, level=Level.NOT_SCORED, reason=reason
    )
