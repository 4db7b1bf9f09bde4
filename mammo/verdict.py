"""What becomes of an instance, by its header alone: one ordered table of rules.

The first rule that holds decides; the rest of what is odd stands as flags. Order: structure,
class and modality, kind of image, view, laterality. See docs/verdicts.md.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, Self

from mammo.codes import Flag, Reason, Verdict
from mammo.facts import Facts, Marker
from mammo.pixel_facts import GRAYSCALE, faults, missing
from mammo.sop_classes import (
    BREAST,
    CR_DX,
    CT,
    ENCAPSULATED,
    FOR_PROCESSING,
    MAMMOGRAPHY,
    NATIVE,
    NON_IMAGE,
    PROJECTIONS,
    SECONDARY_CAPTURE,
    TOMOSYNTHESIS,
)
from mammo.views import NOT_SCREENING, SCREENED, Modifier, Projection

RULE_VERSION = 2  # raised when a rule changes: `nightread index --rejudge` applies the new one

MAX_PIXELS = 120_000_000  # before anything is allocated; the largest real one has 28 million
SMALLEST = (1000, 700)  # pixels, longer and shorter side
SMALL_FIELD = 120.0  # mm, the shorter side; a full field has 180 and more
MAGNIFIED = 1.3  # contact images have 1.0 to 1.08, magnification stands 1.5 to 2.0

BIOPSY_TERMS = frozenset(
    ("STEREO", "SCOUT", "PREFIRE", "POSTFIRE", "POSTBIOPSY", "POSTMARKER", "BIOPSY")
)  # words of Image Type, split at "_" (PS3.3 C.8.11.7.1.4)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a site and its release admit beyond plain for-presentation CC and MLO views."""

    accept_for_processing: bool = False
    accept_film_sc: bool = False
    accept_synthetic_2d: bool = False
    accept_low_energy: bool = False
    extra_views: frozenset[Projection] = field(default_factory=frozenset)

    @classmethod
    def from_dict(cls, stated: Mapping[str, Any]) -> Self:
        """As JSON states it; what is not named is not admitted.

        Raises ValueError with half a sentence that says which name or value is wrong.
        """
        names = {one.name for one in fields(cls)}
        for name, value in stated.items():
            if name not in names:
                raise ValueError(f"`{name}` is none of {', '.join(sorted(names))}")
            if name == "extra_views":
                if not isinstance(value, list) or any(one not in list(Projection) for one in value):
                    raise ValueError(f"`{name}` is not a list of views such as ML or XCCL")
            elif not isinstance(value, bool):
                raise ValueError(f"`{name}` is neither true nor false")
        views = frozenset(map(Projection, stated.get("extra_views", ())))
        return cls(**{**stated, "extra_views": views})

    @property
    def rule_version(self) -> str:
        """Names the rules and what is admitted beyond them: a judgement under another is stale."""
        admitted = [
            one.name
            for one in fields(self)
            if one.name != "extra_views" and getattr(self, one.name)
        ]
        return "+".join([str(RULE_VERSION), *admitted, *sorted(self.extra_views)])


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reason; `detail` is one sentence without PHI."""

    verdict: Verdict
    reason: Reason
    detail: str
    flags: tuple[Flag, ...] = ()

    def reviewed(self, reviews: Iterable[Reason], flags: Iterable[Flag] = ()) -> "Judgement":
        """With what the pixels showed: an accepted image takes the first REVIEW_ reason."""
        reason = self.reason
        if self.verdict is Verdict.ACCEPTED:
            order = list(Reason)
            candidates = {one for one in (*reviews, reason) if one.name.startswith("REVIEW_")}
            reason = min(candidates, key=order.index, default=reason)
        detail = self.detail if reason is self.reason else _sentence(reason.line)
        return Judgement(self.verdict, reason, detail, tuple(sorted({*self.flags, *flags})))

    def but(self, reason: Reason, detail: str = "") -> "Judgement":
        """The same image, decided otherwise by what came later."""
        return Judgement(reason.verdict, reason, detail or _sentence(reason.line), self.flags)


class Rule(NamedTuple):
    """`detail`: the sentence; None: the reason's own line."""

    reason: Reason
    holds: Callable[[Facts, Policy], bool]
    detail: Callable[[Facts], str] | None = None


def kind(facts: Facts) -> Reason:
    """What kind of image it is, whoever admits it: its reason where nothing is admitted."""
    return judge(facts, Policy()).reason


def judge(facts: Facts, policy: Policy) -> Judgement:
    """The verdict on a header that could be read as far as its SOP Instance UID."""
    if facts.fault is not None and not _too_large(facts, policy):
        return Judgement(Verdict.QUARANTINED, facts.fault, facts.fault_detail, facts.flags)
    for rule in RULES:
        if rule.holds(facts, policy):
            detail = rule.detail(facts) if rule.detail else _sentence(rule.reason.line)
            return Judgement(rule.reason.verdict, rule.reason, detail, facts.flags)
    reason = next(reason for reason, holds in ACCEPTED if holds(facts))
    return Judgement(Verdict.ACCEPTED, reason, _sentence(reason.line), facts.flags)


def _sentence(line: str) -> str:
    return line[0].upper() + line[1:] + "."


def _candidate(facts: Facts, policy: Policy) -> bool:
    """Of a class that could be screened: its pixels matter."""
    return facts.sop_class in MAMMOGRAPHY or _admitted_film(facts, policy)


def _too_large(facts: Facts, policy: Policy) -> bool:
    pixels = (facts.rows or 0) * (facts.columns or 0) * (facts.frames or 1)
    return _candidate(facts, policy) and pixels > MAX_PIXELS


def _terms(facts: Facts) -> frozenset[str]:
    """Image Type from value 3 on, whole terms and their words: real files move them about."""
    terms = [term.replace(" ", "_") for term in facts.image_type[2:]]
    return frozenset(terms) | {word for term in terms for word in term.split("_")}


def _turned(facts: Facts) -> bool:
    return Flag.W_TURNED in facts.flags


def _small_field(facts: Facts) -> bool:
    return bool(facts.field_of_view) and min(facts.field_of_view) < SMALL_FIELD


def _synthetic(facts: Facts) -> bool:
    return Marker.SYNTHETIC in facts.markers


def _low_energy(facts: Facts) -> bool:
    return "LOW_ENERGY" in _terms(facts)


def _contrast(facts: Facts) -> bool:
    return Marker.CONTRAST in facts.markers or "CONTRAST" in _terms(facts)


def _admitted_film(facts: Facts, policy: Policy) -> bool:
    """A digitised film in a Secondary Capture: a whole view, and nothing burned in."""
    return (
        policy.accept_film_sc
        and facts.sop_class in SECONDARY_CAPTURE
        and facts.modality in ("MG", "RG")
        and facts.has_pixel_data
        and facts.frames == 1
        and facts.photometric in GRAYSCALE
        and facts.burned_in != "YES"
        and not {Marker.FILM_PART, Marker.QUALITY_CONTROL} & set(facts.markers)
        and not _too_small(facts)
        and facts.laterality is not None
        and facts.view is not None
    )


def _too_small(facts: Facts) -> bool:
    sides = sorted((facts.rows or 0, facts.columns or 0), reverse=True)
    return sides[0] < SMALLEST[0] or sides[1] < SMALLEST[1]


STRUCTURE = (
    Rule(
        Reason.TOO_LARGE,
        _too_large,
        lambda f: (
            f"{f.rows} x {f.columns} pixels are more than {MAX_PIXELS // 1_000_000} megapixels."
        ),
    ),
    Rule(Reason.META_CONFLICT, lambda f, _: f.meta_conflict),
    Rule(
        Reason.MISSING_ATTRIBUTE,
        lambda f, _: f.study_instance_uid is None,
        lambda _: "Study Instance UID is missing.",
    ),
    Rule(
        Reason.MISSING_ATTRIBUTE,
        lambda f, _: f.sop_class is None,
        lambda _: "SOP Class UID is missing.",
    ),
    Rule(Reason.PIXEL_DATA_MISSING, lambda f, p: _candidate(f, p) and not f.has_pixel_data),
    Rule(
        Reason.TRANSFER_SYNTAX_UNSUPPORTED,
        lambda f, p: _candidate(f, p) and f.transfer_syntax not in NATIVE | ENCAPSULATED,
    ),
    Rule(
        Reason.MISSING_ATTRIBUTE,
        lambda f, p: _candidate(f, p) and bool(missing(f)),
        lambda f: f"{' and '.join(missing(f))} missing.",
    ),
    Rule(
        Reason.PIXEL_FORMAT,
        lambda f, p: _candidate(f, p) and bool(faults(f)),
        lambda f: _sentence("; ".join(faults(f))),
    ),
)

CLASS_AND_MODALITY = (
    *(
        Rule(reason, lambda f, _, one=reason: NON_IMAGE.get(f.sop_class or "") is one)  # type: ignore[misc]
        for reason in dict.fromkeys(NON_IMAGE.values())
    ),
    Rule(Reason.TOMO_VOLUME, lambda f, _: f.sop_class == TOMOSYNTHESIS),
    Rule(Reason.TOMO_PROJECTION, lambda f, _: f.sop_class in PROJECTIONS),
    Rule(
        Reason.TOMO_SLICE,
        lambda f, _: f.sop_class in CT and (Marker.BREAST in f.markers or "TOMO" in _terms(f)),
    ),
    Rule(
        Reason.SOP_SECONDARY_CAPTURE,
        lambda f, p: f.sop_class in SECONDARY_CAPTURE and not _admitted_film(f, p),
    ),
    Rule(Reason.SOP_CR_DX, lambda f, _: f.sop_class in CR_DX),
    Rule(Reason.SOP_OTHER, lambda f, _: f.sop_class not in BREAST | SECONDARY_CAPTURE),
    Rule(Reason.MODALITY_OTHER, lambda f, _: f.sop_class in MAMMOGRAPHY and f.modality != "MG"),
)

KIND = (
    Rule(Reason.TOMO_PROJECTION, lambda f, _: "TOMO_PROJ" in _terms(f)),
    Rule(
        Reason.BIOPSY_STEREO,
        lambda f, _: (
            bool(BIOPSY_TERMS & _terms(f))
            or Marker.BIOPSY in f.markers
            or (_small_field(f) and _turned(f))
        ),
    ),
    Rule(
        Reason.TOMO_SLICE,
        lambda f, _: bool({"TOMO", "TOMOSYNTHESIS"} & _terms(f)) and not _synthetic(f),
    ),
    Rule(
        Reason.CONTRAST_RECOMBINED,
        lambda f, _: (
            bool({"ADDITION", "SUBTRACTION"} & _terms(f)) or Marker.RECOMBINED in f.markers
        ),
    ),
    Rule(Reason.CONTRAST_HIGH_ENERGY, lambda f, _: "HIGH_ENERGY" in _terms(f)),
    Rule(Reason.CONTRAST_LOW_ENERGY, lambda f, p: _low_energy(f) and not p.accept_low_energy),
    Rule(
        Reason.CONTRAST_RECOMBINED,
        lambda f, _: _contrast(f) and not _low_energy(f),
        lambda _: "An image of a contrast study that does not say its energy.",
    ),
    Rule(Reason.SYNTHETIC_2D, lambda f, p: _synthetic(f) and not p.accept_synthetic_2d),
    Rule(Reason.SPECIMEN, lambda f, _: Marker.SPECIMEN in f.markers),
    Rule(Reason.QUALITY_CONTROL, lambda f, _: Marker.QUALITY_CONTROL in f.markers),
    Rule(
        Reason.INTENT_FOR_PROCESSING,
        lambda f, p: f.sop_class == FOR_PROCESSING and not p.accept_for_processing,
    ),
)

VIEW = (
    Rule(
        Reason.IMAGE_TOO_SMALL,
        lambda f, _: _too_small(f),
        lambda f: f"{f.rows} x {f.columns} pixels are fewer than {SMALLEST[0]} x {SMALLEST[1]}.",
    ),
    Rule(Reason.SPOT, lambda f, _: Modifier.SPOT in f.modifiers or Marker.SPOT in f.markers),
    Rule(
        Reason.MAGNIFICATION,
        lambda f, _: (
            Modifier.MAGNIFICATION in f.modifiers
            or Marker.MAGNIFICATION in f.markers
            or (f.magnification or 1.0) > MAGNIFIED
        ),
    ),
    Rule(
        Reason.FIELD_TOO_SMALL,
        lambda f, _: _small_field(f),
        lambda f: f"The field of view's shorter side has {min(f.field_of_view):g} mm.",
    ),
    Rule(
        Reason.VIEW_NOT_SCREENING,
        lambda f, _: f.both_breasts or bool(NOT_SCREENING.intersection(f.modifiers)),
    ),
    Rule(Reason.VIEW_UNKNOWN, lambda f, _: f.view is None),
    Rule(
        Reason.VIEW_NOT_SCREENING,
        lambda f, p: f.view not in SCREENED | p.extra_views,
        lambda f: f"The view {f.view} is not one that the release screens.",
    ),
)

LATERALITY = (Rule(Reason.LATERALITY_UNKNOWN, lambda f, _: f.laterality is None),)

RULES = (*STRUCTURE, *CLASS_AND_MODALITY, *KIND, *VIEW, *LATERALITY)

ACCEPTED: tuple[tuple[Reason, Callable[[Facts], bool]], ...] = (
    (Reason.REVIEW_LATERALITY_CONFLICT, lambda f: f.laterality_conflict),
    (Reason.REVIEW_VIEW_CONFLICT, lambda f: f.view_conflict),
    (Reason.OK_FOR_PROCESSING, lambda f: f.sop_class == FOR_PROCESSING),
    (Reason.OK_FILM_SC, lambda f: f.sop_class in SECONDARY_CAPTURE),
    (Reason.OK_SYNTHETIC_2D, _synthetic),
    (Reason.OK_LOW_ENERGY, _low_energy),
    (Reason.OK_EXTRA_VIEW, lambda f: f.view not in SCREENED),
    (Reason.OK, lambda _: True),
)
