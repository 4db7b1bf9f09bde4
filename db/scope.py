"""What a run's queries are about: its prefix and its release."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.schema import Run

# Of objects `o`: those that this run, or a later one, saw under its prefix. The prefix is a
# value, not a join: only then is the search by key a range of the index.
SEEN = "o.bucket = :bucket AND starts_with(o.key, :prefix) AND o.last_seen_run >= :run"


def scope(session: Session, run: int) -> dict[str, Any]:
    """The parameters `run`, `bucket`, `prefix`, `release`; raises `LookupError` without the run."""
    found = session.execute(
        select(Run.bucket, Run.prefix, Run.release).where(Run.id == run)
    ).one_or_none()
    if found is None:
        raise LookupError(f"there is no run {run}")
    return {"run": run, "bucket": found.bucket, "prefix": found.prefix, "release": found.release}
