"""What each row of the worklist shows: the result of its site's active release, if there is one.

A study of which the active release has said nothing shows what another said last; the list marks
it (`db.worklist.OTHER_RELEASE`). So it does with every row that a change of release has not
reached yet: the rows of a site follow in bounded batches, resumed by whoever comes next.
"""

from typing import NamedTuple

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from db.session import in_transaction

PAGE = 1000  # studies a transaction: some tens of milliseconds
AGED_DAYS = 30  # after which a study that nobody has read is marked

# Whoever runs this holds the rows of the studies: a release that becomes active meanwhile finds
# them afterwards (`rerank_page`). A study that is not the one that was read is to be read again.
SHOW = text(
    """
    INSERT INTO worklist AS w (
        study_id, study_uid, site, study_date, study_month,
        level, probability, result_id, release, incomplete
    )
    SELECT s.id, s.study_uid, s.site, s.study_date,
        s.study_date - (EXTRACT(day FROM s.study_date)::integer - 1),
        coalesce(r.level, 'not_scored'), r.probability, r.id, r.release,
        coalesce(cardinality(r.missing_views) > 0, false)
    FROM studies s
    LEFT JOIN sites ON sites.name = s.site
    LEFT JOIN LATERAL (
        SELECT * FROM results
        WHERE results.study_id = s.id AND results.superseded_at IS NULL
        ORDER BY (results.release = sites.release) DESC NULLS LAST, results.id DESC
        LIMIT 1
    ) r ON true
    WHERE s.id = ANY(:studies) AND s.is_mammography
    ORDER BY s.id
    ON CONFLICT (study_id) DO UPDATE SET (
        site, study_date, study_month, level, probability, result_id, release, incomplete,
        read_at, read_fingerprint
    ) = (
        SELECT excluded.site, excluded.study_date, excluded.study_month, excluded.level,
            excluded.probability, excluded.result_id, excluded.release, excluded.incomplete,
            CASE WHEN w.read_fingerprint = s.fingerprint THEN w.read_at END,
            CASE WHEN w.read_fingerprint = s.fingerprint THEN w.read_fingerprint END
        FROM studies s WHERE s.id = w.study_id
    )
    WHERE (w.site, w.study_date, w.result_id)
            IS DISTINCT FROM (excluded.site, excluded.study_date, excluded.result_id)
        OR w.read_fingerprint <> (SELECT fingerprint FROM studies s WHERE s.id = w.study_id)
    """
)

# Whoever reads sets `read_at` under the row's lock, after looking at the fingerprint.
HOLD = text(
    """
    SELECT FROM worklist WHERE study_id = ANY(:studies) ORDER BY study_id FOR NO KEY UPDATE
    """
)

NEXT = text(
    """
    SELECT site, after FROM rerankings
    WHERE site = coalesce(:site, site) ORDER BY site LIMIT 1 FOR UPDATE
    """
)
OF_SITE = text(
    """
    SELECT study_id FROM worklist WHERE site = :site AND study_id > :after
    ORDER BY study_id LIMIT :page
    """
)
LOCK = text("SELECT FROM studies WHERE id = ANY(:studies) ORDER BY id FOR NO KEY UPDATE")
GO_ON = text("UPDATE rerankings SET after = :after WHERE site = :site")
DONE = text("DELETE FROM rerankings WHERE site = :site")

AGE = text(
    """
    UPDATE worklist SET aged_at = now() WHERE study_id IN (
        SELECT study_id FROM worklist
        WHERE aged_at IS NULL AND read_at IS NULL
            AND listed_at < now() - make_interval(days => :days)
        ORDER BY listed_at LIMIT :page FOR NO KEY UPDATE SKIP LOCKED
    )
    """
)


class Reranked(NamedTuple):
    """A batch of a site's list that follows its active release."""

    site: str
    studies: int


def show(session: Session, studies: list[int]) -> None:
    """Decide anew what the rows of `studies` (ids, sorted) show; the studies' rows are held."""
    session.execute(SHOW, {"studies": studies})


def hold(session: Session, studies: list[int]) -> None:
    """Keep readers from ending with `studies` (ids, sorted) until the transaction ends."""
    session.execute(HOLD, {"studies": studies})


def rerank(engine: Engine, site: str | None = None) -> int:
    """Let the lists of all sites, or of one, follow their active releases.

    Returns how many studies were looked at. Two at once share the work.
    """
    studies = 0
    while found := in_transaction(engine, lambda session: rerank_page(session, site)):
        studies += found.studies
    return studies


def rerank_page(session: Session, site: str | None = None) -> Reranked | None:
    """One batch; None: all lists follow."""
    found = session.execute(NEXT, {"site": site}).one_or_none()
    if found is None:
        return None
    place = {"site": found.site, "after": found.after, "page": PAGE}
    studies = list(session.scalars(OF_SITE, place))
    if not studies:
        session.execute(DONE, {"site": found.site})
        return Reranked(found.site, 0)
    session.execute(LOCK, {"studies": studies})
    show(session, studies)
    session.execute(GO_ON, {"site": found.site, "after": studies[-1]})
    return Reranked(found.site, len(studies))


def age(engine: Engine, days: int = AGED_DAYS) -> int:
    """Mark what stands in the list for `days` and was not read; returns how many.

    They stay where they are: the mark makes a view of them, and nothing vanishes.
    """
    marked = 0
    while found := in_transaction(engine, lambda session: _age_page(session, days)):
        marked += found
    return marked


def _age_page(session: Session, days: int) -> int:
    done = session.execute(AGE, {"days": days, "page": PAGE})
    return int(getattr(done, "rowcount", 0))
