"""Objects of erased studies are found by what stands for their keys, and old rows by their age.

Nothing here holds up who reads or writes. It may be interrupted anywhere and run again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

PATIENCE = "SET statement_timeout = '2h'"  # an index over tens of millions of rows takes minutes

INDEXES = {
    "uq_objects_erased": "UNIQUE INDEX {} ON objects (bucket, erased) WHERE erased IS NOT NULL",
    # What is kept no longer is found, and what refers to it.
    "ix_results_superseded_at": "INDEX {} ON results (superseded_at)"
    " WHERE superseded_at IS NOT NULL",
    "ix_decisions_result_id": "INDEX {} ON decisions (result_id)",
    # A night changes it in every row: an index of ranges lets that go on without touching others.
    "ix_objects_last_seen_run": "INDEX {} ON objects USING brin (last_seen_run)",
}


def upgrade() -> None:
    bound = op.get_bind().scalar(sa.text("SHOW statement_timeout"))
    with op.get_context().autocommit_block():
        op.execute(PATIENCE)
        for name, of in INDEXES.items():
            # One that an interrupted build left is there, and of no use.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute("CREATE " + of.format(f"CONCURRENTLY {name}"))
        op.execute("ALTER TABLE objects VALIDATE CONSTRAINT ck_objects_erased")
        op.execute(f"SET statement_timeout = '{bound}'")
