"""`nightread evaluate --from-worklist`: what releases said, against what became of the patients."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from db import outcomes, runs
from db.outcomes import Counted, Found
from db.session import connect, in_transaction
from mammo.codes import Level
from nightread.errors import Refused, UsageError
from nightread.evaluating import figure, known
from nightread.jobs import said_plainly
from nightread.settings import Settings
from nightread.shapes import (
    EvaluatedFigure,
    EvaluateWorklistDocument,
    LevelVerified,
    WorklistGroup,
    WorklistSet,
)

if TYPE_CHECKING:
    from training.evaluation.worklist import Study

NAMED = 100  # studies without outcome that are named
REMARKS = (
    (
        "Studies without an outcome are left out. Where patients are recalled for their score, malignant"
        " ones of low score are found less often: sensitivity is then too high, and specificity too"
        " low; compare how many of each level have an outcome."
    ),
    (
        "A decision made after the score was seen is biased by it, and so is the outcome that follows"
        " from it: score_not_seen leaves these studies out."
    ),
    (
        "A study counts as not malignant when pathology was benign, or nothing malignant was known at"
        " the end of the follow-up; others wait as short_follow_up."
    ),
    "Figures of fewer than some tens of malignant studies say little: look at the intervals.",
)


def measured(
    settings: Settings, site: str | None, release: str | None, follow_up_days: int
) -> EvaluateWorklistDocument:
    """All figures by release, of each site and of all. Raises UsageError, Refused, ServiceError."""

    def asked(session: Session) -> list[WorklistGroup]:
        digest = runs.release_named(session, release) if release else None
        if release and digest is None:
            raise UsageError(f"No release {release!r} has said anything in this database.")
        counted = outcomes.counted(session, digest, site)
        found = list(outcomes.found(session, digest, site))
        if not found:
            raise Refused("No study in the list has an outcome: `nightread outcomes import` first.")
        return list(_groups(session, counted, found, timedelta(days=follow_up_days)))

    engine = connect(settings.need("database_url"))
    try:
        with said_plainly(settings):
            groups = in_transaction(engine, asked)
    finally:
        engine.dispose()
    return EvaluateWorklistDocument(
        follow_up_days=follow_up_days, groups=groups, remarks=list(REMARKS)
    )


def _groups(
    session: Session, counted: Sequence[Counted], found: Sequence[Found], follow_up: timedelta
) -> Iterator[WorklistGroup]:
    """Of each release: all sites together where there are several, then each."""
    said: dict[tuple[str, str], list[Study]] = defaultdict(list)
    for (release, site, _), rows in groupby(found, lambda row: (row.release, row.site, row.study)):
        said[release, site].append(_study(list(rows), follow_up))
    for release, of_release in groupby(counted, lambda row: row.release):
        levels = list(of_release)
        sites = list(dict.fromkeys(row.site for row in levels))
        if len(sites) > 1:
            every = [study for site in sites for study in said[release, site]]
            yield _group(levels, every, None, [])
        for site in sites:
            named = outcomes.unverified(session, release, site, NAMED)
            of_site = [row for row in levels if row.site == site]
            yield _group(of_site, said[release, site], site, named)


def _study(rows: Sequence[Found], follow_up: timedelta) -> "Study":
    from training.evaluation.worklist import Breast, Outcome, Study, truth  # noqa: PLC0415 -- lazily

    first = rows[0]
    scores = {"L": first.left_probability, "R": first.right_probability}
    breasts = {}
    for side, of_side in groupby(rows, lambda row: row.laterality):
        told = [Outcome(row.kind, row.found_on, row.malignant) for row in of_side]
        malignant = truth(told, first.study_date, follow_up)
        if malignant is not None:
            breasts[side] = Breast(scores[side], malignant)
    return Study(
        patient=first.patient or first.study,
        level=Level(first.level),
        probability=first.probability,
        breasts=tuple(breasts.values()),
        complete=bool(breasts)
        and {s for s, p in scores.items() if p is not None} <= breasts.keys(),
        score_seen=bool(first.score_seen),
        recalled=first.recalled,
    )


def _group(
    counted: Sequence[Counted], studies: "Sequence[Study]", site: str | None, named: list[str]
) -> WorklistGroup:
    levels = {str(level): _level(counted, level) for level in Level}
    scored = sum(row.studies for name, row in levels.items() if name != Level.NOT_SCORED)
    return WorklistGroup(
        release=counted[0].release,
        release_name=counted[0].release_name,
        site=site,
        studies=sum(row.studies for row in levels.values()),
        not_scored=levels[Level.NOT_SCORED].studies,
        levels=levels,
        at_or_above=_at_or_above(levels, scored),
        without_outcome=sum(row.without_outcome for row in levels.values()),
        short_follow_up=sum(study.malignant is None for study in studies),
        malignant_not_scored=sum(bool(s.malignant) for s in studies if s.probability is None),
        score_seen=sum(study.score_seen for study in studies),
        decided=sum(study.recalled is not None for study in studies),
        unverified=named,
        sets=[
            _set("all", studies),
            _set("score_not_seen", [study for study in studies if not study.score_seen]),
        ],
    )


def _level(counted: Iterable[Counted], level: Level) -> LevelVerified:
    rows = [row for row in counted if row.level == level]
    return LevelVerified(
        studies=sum(row.studies for row in rows),
        without_outcome=sum(row.without_outcome for row in rows),
    )


def _at_or_above(levels: dict[str, LevelVerified], scored: int) -> dict[str, float]:
    from training.evaluation.worklist import RANKS  # noqa: PLC0415 -- lazily

    called, shares = 0, {}
    for level in RANKS:
        called += levels[level].studies
        if scored:
            shares[str(level)] = called / scored
    return shares


def _set(name: str, studies: "Sequence[Study]") -> WorklistSet:
    from training.evaluation.worklist import figures  # noqa: PLC0415 -- lazily

    verified = [study for study in studies if study.malignant is not None]
    return WorklistSet(
        name=name,
        studies=len(verified),
        malignant=sum(bool(study.malignant) for study in verified),
        figures=[
            EvaluatedFigure(
                unit=f.unit,
                name=f.name,
                value=known(f.interval.value),
                low=known(f.interval.low),
                high=known(f.interval.high),
                definition=f.definition,
            )
            for f in figures(studies)
        ],
    )


def lines(document: EvaluateWorklistDocument) -> Iterator[str]:
    """For a person: each group, what is known of it, its figures, and what they do not say."""
    for group in document.groups:
        yield (
            f"{group.release_name} at {group.site or 'all sites'}: {group.studies} studies, "
            f"{group.not_scored} not scored; {group.without_outcome} without an outcome, "
            f"{group.short_follow_up} not followed up for {document.follow_up_days} days"
        )
        yield "  without an outcome by level: " + ", ".join(
            f"{name} {row.without_outcome} of {row.studies}" for name, row in group.levels.items()
        )
        yield "  share of the scored at or above: " + ", ".join(
            f"{name} {share:.1%}" for name, share in group.at_or_above.items()
        )
        yield f"  decided after the score was seen: {group.score_seen} of {group.decided}"
        if group.malignant_not_scored:
            yield f"  malignant and not scored: {group.malignant_not_scored}"
        for one in group.sets:
            yield f"  {one.name}: {one.studies} studies, {one.malignant} malignant"
            yield from (f"    {f.name} by {f.unit} {figure(f)}" for f in one.figures)
        if group.unverified:
            yield f"  without an outcome, first: {' '.join(group.unverified[:5])}"
    yield from (f"- {remark}" for remark in document.remarks)
