"""What the instances of a study say together: exposures, pairs, missing views, one patient.

Pure logic over facts and judgements; it needs no pixels and may be repeated at any time.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mammo.codes import NotScored, Reason, Verdict
from mammo.facts import Facts, Marker
from mammo.sop_classes import BREAST, FOR_PRESENTATION, FOR_PROCESSING, NON_IMAGE
from mammo.verdict import Judgement
from mammo.views import STANDARD, Laterality, Modifier, Projection

Side = tuple[Laterality, Projection]
Exposure = tuple[Laterality, Projection, frozenset[Modifier], str]


@dataclass(frozen=True, slots=True)
class Member:
    """One instance of a study."""

    facts: Facts
    judgement: Judgement
    patient: str = ""  # the same for the same person: a pseudonym, never an identity


@dataclass(frozen=True, slots=True)
class Assembly:
    """A study as its headers show it."""

    judgements: tuple[Judgement, ...]  # one a member, in order, settled between them
    missing_views: tuple[Side, ...]  # of the four standard ones
    repeated_views: tuple[Side, ...]  # several accepted images: all are scored, the worst counts
    one_breast_only: bool  # mastectomy or lost images: cannot be told apart
    not_scored: NotScored | None  # None: there is something to score


def is_mammography(facts: Facts, judgement: Judgement) -> bool:
    """Whether the instance makes its study one that the worklist must show.

    Modality MG or a mammography SOP class, excluded ones too; and whatever was quarantined,
    since nobody can tell what it was.
    """
    quarantined = judgement.verdict is Verdict.QUARANTINED
    return quarantined or facts.modality == "MG" or facts.sop_class in BREAST


def assemble(members: Sequence[Member]) -> Assembly:
    """Settle the instances of one study between them."""
    judgements = [member.judgement for member in members]
    _exclude_paired(members, judgements)
    _exclude_duplicates(members, judgements)
    _prefer_real(members, judgements)
    accepted = [
        member.facts
        for member, judgement in zip(members, judgements, strict=True)
        if judgement.verdict is Verdict.ACCEPTED
    ]
    sides = [(f.laterality, f.view) for f in accepted if f.laterality and f.view]
    return Assembly(
        judgements=tuple(judgements),
        missing_views=tuple(side for side in STANDARD if side not in sides),
        repeated_views=tuple(sorted({side for side in sides if sides.count(side) > 1})),
        one_breast_only=len({facts.laterality for facts in accepted}) == 1,
        not_scored=_not_scored(members, judgements),
    )


def exposure(facts: Facts) -> Exposure | None:
    """What renderings of one exposure share; None if the header does not tell.

    The irradiation event (PS3.3 C.8.7.2), else the second of the acquisition, each with view
    and side: some machines give one event to a whole sweep.
    """
    if facts.laterality is None or facts.view is None:
        return None
    event = facts.irradiation_event_uid
    if event is None and facts.acquisition_date and facts.acquisition_time:
        event = facts.acquisition_date + facts.acquisition_time[:6]
    if event is None:
        return None
    return facts.laterality, facts.view, frozenset(facts.modifiers), event


def _exclude_paired(members: Sequence[Member], judgements: list[Judgement]) -> None:
    """A raw image whose presentation partner is accepted (PS3.3 C.8.11.1.1.1)."""
    partners = [
        member.facts
        for member, judgement in zip(members, judgements, strict=True)
        if judgement.verdict is Verdict.ACCEPTED and member.facts.sop_class == FOR_PRESENTATION
    ]
    referred = {uid for partner in partners for uid in partner.source_images}
    exposures = {exposure(p) for p in partners if Marker.SYNTHETIC not in p.markers} - {None}
    for index, (member, judgement) in enumerate(zip(members, judgements, strict=True)):
        raw = (
            judgement.verdict is Verdict.ACCEPTED
            or judgement.reason is Reason.INTENT_FOR_PROCESSING
        )
        if member.facts.sop_class != FOR_PROCESSING or not raw:
            continue
        if member.facts.sop_instance_uid in referred or exposure(member.facts) in exposures:
            judgements[index] = judgement.but(Reason.INTENT_FOR_PROCESSING_PAIRED)


def _exclude_duplicates(members: Sequence[Member], judgements: list[Judgement]) -> None:
    """Of several renderings of one exposure the one nearest to the original is taken.

    A computed 2D view is no rendering of the exposure that it shares an event with.
    """
    groups: dict[tuple[Exposure, bool], list[int]] = defaultdict(list)
    for index, (member, judgement) in enumerate(zip(members, judgements, strict=True)):
        key = exposure(member.facts)
        if judgement.verdict is Verdict.ACCEPTED and key is not None:
            groups[key, Marker.SYNTHETIC in member.facts.markers].append(index)
    for indices in groups.values():
        taken, *others = sorted(indices, key=lambda i: _rank(members[i].facts))
        for index in others:
            why = _choice(_rank(members[taken].facts), _rank(members[index].facts))
            judgements[index] = judgements[index].but(
                Reason.DUPLICATE_EXPOSURE, f"Of this exposure {why} is used."
            )


class _Rank(NamedTuple):
    """Original before derived, full fidelity before lossy, then the earliest content."""

    derived: bool
    lossy: bool
    content_time: str
    sop_instance_uid: str


CHOICES = ("the original", "a rendering without loss", "an earlier rendering", "another copy")


def _rank(facts: Facts) -> _Rank:
    original = facts.image_type[:1] == ("ORIGINAL",)
    return _Rank(not original, facts.lossy, facts.content_time or "99", facts.sop_instance_uid)


def _choice(taken: _Rank, other: _Rank) -> str:
    """By what the one that is taken comes first."""
    return next(
        (why for why, one, two in zip(CHOICES, taken, other, strict=True) if one != two),
        CHOICES[-1],
    )


def _prefer_real(members: Sequence[Member], judgements: list[Judgement]) -> None:
    """A computed 2D view gives way to a real one of the same side and view."""
    accepted = [
        (index, member.facts)
        for index, (member, judgement) in enumerate(zip(members, judgements, strict=True))
        if judgement.verdict is Verdict.ACCEPTED
    ]
    real = {(f.laterality, f.view) for _, f in accepted if Marker.SYNTHETIC not in f.markers}
    for index, facts in accepted:
        if Marker.SYNTHETIC in facts.markers and (facts.laterality, facts.view) in real:
            judgements[index] = judgements[index].but(
                Reason.SYNTHETIC_2D, "A computed 2D view, of which the study has a real one."
            )


def _not_scored(members: Sequence[Member], judgements: Sequence[Judgement]) -> NotScored | None:
    if len({member.patient for member in members if member.patient}) > 1:
        return NotScored.MIXED_PATIENTS
    if any(judgement.reason is Reason.UID_CONFLICT for judgement in judgements):
        return NotScored.CONFLICTING_INSTANCES
    if any(judgement.verdict is Verdict.ACCEPTED for judgement in judgements):
        return None
    images = [
        judgement
        for member, judgement in zip(members, judgements, strict=True)
        if member.facts.sop_class not in NON_IMAGE
    ]
    quarantined = [one for one in images if one.verdict is Verdict.QUARANTINED]
    if images and len(quarantined) == len(images):
        return NotScored.ALL_QUARANTINED
    return NotScored.NO_2D_IMAGE
