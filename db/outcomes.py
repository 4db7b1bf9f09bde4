"""What became of patients, and the studies that figures are computed from.

An outcome is of a breast, of one kind and day: the same again changes nothing, another result on
the same day corrects it. Nothing is kept of a study that the index does not have: it could be one
that was erased.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, NamedTuple, Self

from sqlalchemy import text
from sqlalchemy.orm import Session

from db.erased import SHARE
from mammo.pseudonym import Pseudonyms

KINDS = ("pathology", "interval_cancer", "assessment")


class Outcome(NamedTuple):
    """A line of a file of outcomes."""

    line: int
    study: str  # Study Instance UID or pseudonym
    laterality: Literal["L", "R"]
    kind: str  # of KINDS
    found_on: date
    malignant: bool


@dataclass(slots=True)
class Kept:
    """What became of lines."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    unknown: list[int] = field(default_factory=list)  # lines of studies that are not in the index
    erased: list[int] = field(default_factory=list)  # of studies that were erased
    early: list[int] = field(default_factory=list)  # found before the study was taken
    twice: list[int] = field(default_factory=list)  # of a study that was named otherwise before

    def __iadd__(self, more: "Kept") -> Self:
        self.new += more.new
        self.changed += more.changed
        self.unchanged += more.unchanged
        self.unknown += more.unknown
        self.erased += more.erased
        self.early += more.early
        self.twice += more.twice
        return self


# Nobody erases one of them until the transaction ends.
STUDIES = text(
    """
    SELECT id, study_uid, pseudonym, study_date FROM studies
    WHERE study_uid = ANY(:names) OR pseudonym = ANY(:names)
    """
)
STUBS = text("SELECT pseudonym FROM erased WHERE pseudonym = ANY(:names)")
KEEP = text(
    """
    INSERT INTO outcomes AS o (study_id, laterality, kind, found_on, malignant)
    SELECT * FROM unnest(
        cast(:studies AS bigint[]), cast(:sides AS text[]), cast(:kinds AS text[]),
        cast(:days AS date[]), cast(:malignant AS boolean[])
    )
    ON CONFLICT (study_id, laterality, kind, found_on) DO UPDATE SET
        malignant = excluded.malignant, imported_at = now()
        WHERE o.malignant <> excluded.malignant
    RETURNING xmax = 0 AS new
    """
)


def keep(session: Session, outcomes: Sequence[Outcome], pseudonyms: Pseudonyms) -> Kept:
    """Write down outcomes, no two of the same breast, kind and day."""
    session.execute(SHARE)
    names = sorted({outcome.study for outcome in outcomes})
    keyed = {name: pseudonyms.study(name) for name in names}
    studies = {}
    for row in session.execute(STUDIES, {"names": names}):
        studies[row.study_uid] = studies[row.pseudonym] = (row.id, row.study_date)
    stubs = set(session.scalars(STUBS, {"names": [*names, *keyed.values()]}))
    kept, written = Kept(), {}
    for outcome in outcomes:
        if (found := studies.get(outcome.study)) is None:
            gone = {outcome.study, keyed[outcome.study]} & stubs
            (kept.erased if gone else kept.unknown).append(outcome.line)
        elif found[1] is not None and outcome.found_on < found[1]:
            kept.early.append(outcome.line)
        elif (key := (found[0], *outcome[2:5])) in written:
            kept.twice.append(outcome.line)
        else:
            written[key] = outcome
    if written:
        rows = session.scalars(
            KEEP,
            {
                "studies": [study for study, *_ in written],
                "sides": [outcome.laterality for outcome in written.values()],
                "kinds": [outcome.kind for outcome in written.values()],
                "days": [outcome.found_on for outcome in written.values()],
                "malignant": [outcome.malignant for outcome in written.values()],
            },
        ).all()
        kept.new, kept.changed = rows.count(True), rows.count(False)
        kept.unchanged = len(written) - len(rows)
    return kept


class Counted(NamedTuple):
    """What a release's current results say of a site's studies at one level."""

    release: str  # digest
    release_name: str
    site: str
    level: str
    studies: int
    without_outcome: int


class Found(NamedTuple):
    """An outcome of a breast beside what a release said of its study."""

    release: str
    site: str
    study: str  # pseudonym
    patient: str | None  # pseudonym
    study_date: date | None
    level: str
    probability: float | None
    left_probability: float | None
    right_probability: float | None
    score_seen: bool | None  # by somebody before they decided; None: nobody has decided
    recalled: bool | None  # by the last decision
    laterality: str
    kind: str
    found_on: date
    malignant: bool


ASKED = """
    r.superseded_at IS NULL AND r.release = coalesce(CAST(:release AS text), r.release)
    AND s.site = coalesce(CAST(:site AS text), s.site)
"""
COUNTED = text(
    """
    SELECT r.release, releases.name AS release_name, s.site, r.level,
        count(*) AS studies, count(*) FILTER (WHERE o.study_id IS NULL) AS without_outcome
    FROM results r
    JOIN studies s ON s.id = r.study_id
    JOIN releases ON releases.digest = r.release
    LEFT JOIN (SELECT DISTINCT study_id FROM outcomes) o ON o.study_id = s.id
    WHERE {asked}
    GROUP BY 1, 2, 3, 4
    ORDER BY 1, 2, 3, 4
    """.replace("{asked}", ASKED)
)
FOUND = text(
    """
    SELECT r.release, s.site, s.pseudonym AS study, s.patient_pseudonym AS patient, s.study_date,
        r.level, r.probability, r.left_probability, r.right_probability,
        (SELECT bool_or(score_seen) FROM decisions d WHERE d.study_id = s.id) AS score_seen,
        (
            SELECT 'recall' IN (coalesce(d.left_call, ''), coalesce(d.right_call, ''))
            FROM decisions d WHERE d.study_id = s.id ORDER BY d.round DESC, d.id DESC LIMIT 1
        ) AS recalled,
        o.laterality, o.kind, o.found_on, o.malignant
    FROM outcomes o
    JOIN studies s ON s.id = o.study_id
    JOIN results r ON r.study_id = s.id
    WHERE {asked}
    ORDER BY r.release, s.site, s.id, o.laterality, o.found_on
    """.replace("{asked}", ASKED)
)
# Those first for whom an outcome is most likely to exist.
UNVERIFIED = text(
    """
    SELECT s.pseudonym FROM results r JOIN studies s ON s.id = r.study_id
    JOIN worklist w ON w.study_id = s.id
    WHERE {asked} AND NOT EXISTS (SELECT FROM outcomes o WHERE o.study_id = s.id)
    ORDER BY NOT EXISTS (
        SELECT FROM decisions d
        WHERE d.study_id = s.id AND 'recall' IN (d.left_call, d.right_call)
    ), w.priority, w.descent, w.study_uid
    LIMIT :most
    """.replace("{asked}", ASKED)
)


def counted(session: Session, release: str | None, site: str | None) -> list[Counted]:
    """All that current results say, with and without outcome."""
    asked = {"release": release, "site": site}
    return [Counted(*row) for row in session.execute(COUNTED, asked)]


def found(session: Session, release: str | None, site: str | None) -> Iterator[Found]:
    """Every outcome of a study of which there is a current result: those of a study together."""
    for row in session.execute(FOUND, {"release": release, "site": site}):
        yield Found(*row)


def unverified(session: Session, release: str, site: str, most: int) -> list[str]:
    """The pseudonyms of studies without an outcome: recalled ones first, then as they are listed."""
    asked = {"release": release, "site": site, "most": most}
    return list(session.scalars(UNVERIFIED, asked))
