"""From a task's outcome to what the database keeps of a study. Pure."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import NamedTuple

from db import plan
from db.plan import PlannedStudy
from db.results import BreastScore, FoundBox, PixelVerdict, StudyResult, UsedInstance
from mammo.codes import Flag, NotScored, Reason, Verdict
from mammo.facts import Facts
from mammo.scoring import highest
from mammo.studies import Member, assemble
from mammo.triage import level
from mammo.verdict import Judgement
from mammo.views import STANDARD, Laterality
from ray_jobs.looks import restored
from ray_jobs.records import InstanceOutcome, Listed, PlannedInstance, StudyOutcome, StudyPlan
from triton_repo.release import Manifest

MISSING_VIEWS, ONE_BREAST_ONLY = "MISSING_VIEWS", "ONE_BREAST_ONLY"
EXTRA_VIEWS = (
    "EXTRA_VIEWS"  # several images of one view, or others than CC and MLO: the worst counts
)
SOME_NOT_VALID = "SOME_NOT_VALID_FOR_RELEASE"  # and were not looked at


class Arranged(NamedTuple):
    """A study's instances, settled between them."""

    plan: StudyPlan  # what is to be read: accepted, and of a kind that the release is valid for
    settled: tuple[PixelVerdict, ...]  # what others became
    not_valid: int  # accepted images of a kind that the release was not made for


def arrange(study: PlannedStudy, manifest: Manifest) -> Arranged:
    """What of a study this release screens: one rendering of each exposure."""
    members = [_member(instance) for instance in study.instances]
    judgements = assemble(members).judgements
    wanted: list[PlannedInstance] = []
    not_valid = 0
    settled: list[PixelVerdict] = []
    for instance, member, judgement in zip(study.instances, members, judgements, strict=True):
        facts = member.facts
        if judgement.verdict is not Verdict.ACCEPTED:
            settled.append(_settled(instance, judgement))
        elif facts.source_kind not in manifest.valid_for:
            not_valid += 1
        elif facts.laterality and facts.view:
            wanted.append(_planned(instance, facts.laterality, facts.view, judgement))
    by_uid = {one.sop_instance_uid: one for one in wanted}
    copies = tuple(
        _planned(copy, one.laterality, one.view, _member(copy).judgement)
        for copy in study.copies
        if (one := by_uid.get(copy.sop_instance_uid)) is not None
    )
    return Arranged(StudyPlan(study.study_uid, tuple(wanted), copies), tuple(settled), not_valid)


def _planned(
    instance: plan.PlannedInstance, laterality: Laterality, view: str, judgement: Judgement
) -> PlannedInstance:
    return PlannedInstance(
        instance.id,
        instance.bucket,
        Listed(instance.key, instance.etag, instance.size),
        instance.sop_instance_uid,
        laterality,
        view,
        judgement.reason,
        judgement.flags,
        instance.place,
        restored(instance.look),
        instance.transfer_syntax,
    )


def _member(instance: plan.PlannedInstance) -> Member:
    reason = Reason[instance.reason]
    flags = tuple(Flag[flag] for flag in instance.flags if flag in Flag.__members__)
    judgement = Judgement(reason.verdict, reason, reason.line, flags)
    return Member(Facts.from_dict(instance.facts), judgement)


def _settled(instance: plan.PlannedInstance, judgement: Judgement) -> PixelVerdict:
    return PixelVerdict(
        instance.id,
        judgement.verdict,
        judgement.reason,
        judgement.detail,
        tuple(map(str, judgement.flags)),
    )


def seen(plan: StudyPlan) -> StudyOutcome | None:
    """The outcome of a study all of whose images were looked at when their archive was read."""
    done, copies = (
        tuple(InstanceOutcome.of(one, one.seen) for one in group if one.seen)
        for group in (plan.instances, plan.copies)
    )
    whole = len(done) == len(plan.instances) and len(copies) == len(plan.copies)
    return StudyOutcome.looked_at(done, copies) if whole else None


def stopped(
    study: PlannedStudy,
    arranged: Arranged,
    instances: Iterable[PlannedInstance],
    manifest: Manifest,
) -> StudyResult:
    """A study that waits, because no decoder of some of its `instances` can be trusted now."""
    verdicts = [_verdict(InstanceOutcome(one, Reason.SYNTAX_STOPPED)) for one in instances]
    return not_scored(study, NotScored.SYNTAX_STOPPED, manifest, (*arranged.settled, *verdicts))


def result_of(
    study: PlannedStudy,
    outcome: StudyOutcome,
    arranged: Arranged,
    manifest: Manifest,
) -> StudyResult:
    """A study's result: a breast's score is the highest of its views, the study's of its breasts."""
    verdicts = (
        *arranged.settled,
        *(_verdict(item) for item in outcome.instances),
        *(_copy(item) for item in outcome.copies),
    )
    if outcome.not_scored is not None:
        return not_scored(study, outcome.not_scored, manifest, verdicts)
    scored = [item for item in outcome.instances if item.probability is not None]
    breasts = {side: _breast(scored, side, manifest) for side in Laterality}
    probability = highest(breast.probability for breast in breasts.values() if breast)
    score = manifest.scale.score(probability)
    missing = _missing(scored)
    return StudyResult(
        study_id=study.id,
        fingerprint=study.fingerprint,
        level=level(score, manifest.scale),
        score=score,
        probability=probability,
        left=breasts[Laterality.LEFT],
        right=breasts[Laterality.RIGHT],
        missing_views=missing,
        warnings=_warnings(scored, missing, breasts.values(), arranged),
        findings=tuple(_findings(scored)),
        used=tuple(
            UsedInstance(item.planned.sop_instance_uid, item.sha256)
            for item in scored
            if item.sha256
        ),
        verdicts=verdicts,
        preparation=asdict(manifest.preparation),
    )


def not_scored(
    study: PlannedStudy,
    why: NotScored,
    manifest: Manifest,
    verdicts: tuple[PixelVerdict, ...] = (),
) -> StudyResult:
    """A study without a score: it stands in the list with its reason."""
    return StudyResult(
        study_id=study.id,
        fingerprint=study.fingerprint,
        level=level(None, manifest.scale),
        reason=why,
        verdicts=verdicts,
        preparation=asdict(manifest.preparation),
    )


def _verdict(item: InstanceOutcome) -> PixelVerdict:
    """The pixels' word where they have one; an accepted image's reason may become a REVIEW."""
    reason = item.reason or item.planned.reason
    flags = dict.fromkeys((*item.planned.flags, *item.flags))
    return PixelVerdict(
        item.planned.instance_id,
        reason.verdict,
        reason,
        reason.line,
        tuple(map(str, flags)),
        item.sha256,
    )


def _copy(item: InstanceOutcome) -> PixelVerdict:
    """A copy stays one; whether it is one of the same bytes its digest says."""
    reason = Reason.DUPLICATE_INSTANCE
    flags = tuple(map(str, item.planned.flags))
    return PixelVerdict(
        item.planned.instance_id, reason.verdict, reason, reason.line, flags, item.sha256
    )


def _breast(
    scored: list[InstanceOutcome], side: Laterality, manifest: Manifest
) -> BreastScore | None:
    views = [
        item.probability
        for item in scored
        if item.planned.laterality is side and item.probability is not None
    ]
    if not views:
        return None
    probability = highest(views)
    return BreastScore(manifest.scale.score(probability), probability)


def _missing(scored: list[InstanceOutcome]) -> tuple[str, ...]:
    have = {(item.planned.laterality, item.planned.view) for item in scored}
    return tuple(f"{side}{view}" for side, view in STANDARD if (side, view) not in have)


def _warnings(
    scored: list[InstanceOutcome],
    missing: tuple[str, ...],
    breasts: Iterable[BreastScore | None],
    arranged: Arranged,
) -> tuple[str, ...]:
    found: set[str] = set()
    for item in scored:
        found |= {*map(str, item.planned.flags), *map(str, item.flags)}
        found |= {str(r) for r in (item.reason, item.planned.reason) if r and "REVIEW" in r}
    if None in breasts:
        found.add(ONE_BREAST_ONLY)
    elif missing:
        found.add(MISSING_VIEWS)
    sides = [(item.planned.laterality, item.planned.view) for item in scored]
    if len(set(sides)) < len(sides) or not set(sides) <= {*STANDARD}:
        found.add(EXTRA_VIEWS)
    if arranged.not_valid:
        found.add(SOME_NOT_VALID)
    return tuple(sorted(found))


def _findings(scored: list[InstanceOutcome]) -> list[FoundBox]:
    """All views' findings, the most suspicious first."""
    boxes = [
        FoundBox(
            item.planned.sop_instance_uid,
            item.planned.laterality,
            item.planned.view,
            finding.box,
            finding.kind,
            finding.probability,
            finding.score,
            finding.location,
        )
        for item in scored
        for finding in item.findings
    ]
    return sorted(boxes, key=lambda box: -box.probability)
