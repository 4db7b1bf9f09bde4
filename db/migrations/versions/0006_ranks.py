"""What a worklist row says of its result and study, and an index for each way to ask for a page.

Nothing here holds up who reads or writes. It may be interrupted anywhere and run again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

PAGE = 5000  # rows a transaction: some tens of milliseconds
PATIENCE = "SET statement_timeout = '2h'"  # an index over tens of millions of rows takes minutes

NEXT = sa.text(
    "SELECT max(study_id) FROM"
    " (SELECT study_id FROM worklist WHERE study_id > :after ORDER BY study_id LIMIT :page) page"
)
FILL = sa.text(
    """
    UPDATE worklist w SET
        release = r.release,
        incomplete = coalesce(cardinality(r.missing_views) > 0, false),
        study_date = s.study_date,
        study_month = s.study_date - (EXTRACT(day FROM s.study_date)::integer - 1)
    FROM studies s
    LEFT JOIN results r ON r.id = (SELECT result_id FROM worklist o WHERE o.study_id = s.id)
    WHERE w.study_id = s.id AND w.study_id > :after AND w.study_id <= :last
        AND w.study_month IS NULL AND w.release IS NULL
    """
)

KEY = "uq_results_id_study_id_level_release"
CHECKS = {
    "ck_worklist_released": "(result_id IS NULL) = (release IS NULL)",
    "ck_worklist_incomplete": "result_id IS NOT NULL OR NOT incomplete",
    "ck_worklist_month": "num_nulls(study_date, study_month) <> 1 AND"
    " study_month = study_date - (EXTRACT(day FROM study_date)::integer - 1)",
    "ck_worklist_read": "(read_at IS NULL) = (read_fingerprint IS NULL)",
    "fk_worklist_result_id": "",
}
RANK = "priority, descent, study_uid"
INDEXES = {
    "ix_results_study_id_id": "results (study_id, id)",
    "ix_worklist_open": f"worklist ({RANK}) WHERE read_at IS NULL",
    "ix_worklist_site_open": f"worklist (site, {RANK}) WHERE read_at IS NULL",
    "ix_worklist_read": f"worklist ({RANK}) WHERE read_at IS NOT NULL",
    "ix_worklist_aged": f"worklist ({RANK}) WHERE aged_at IS NOT NULL AND read_at IS NULL",
    "ix_worklist_incomplete": f"worklist ({RANK}) WHERE incomplete",
    "ix_worklist_release_rank": f"worklist (release, {RANK})",
    "ix_worklist_date_rank": f"worklist (study_date, {RANK}) INCLUDE (study_id)",
    "ix_worklist_month_rank": f"worklist (study_month, {RANK}) INCLUDE (study_id)",
    "ix_worklist_young": "worklist (listed_at) WHERE aged_at IS NULL AND read_at IS NULL",
    "ix_worklist_site_study_id": "worklist (site, study_id)",
}


def upgrade() -> None:
    connection = op.get_bind()
    bound = connection.scalar(sa.text("SHOW statement_timeout"))
    with op.get_context().autocommit_block():
        op.execute(PATIENCE)
        _fill(connection)
        for name, of in INDEXES.items():
            # One that an interrupted build left is there, and of no use.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {of}")
        _refer_to_release()
        for name, condition in CHECKS.items():
            if condition:
                op.execute(f"ALTER TABLE worklist DROP CONSTRAINT IF EXISTS {name}")
                op.execute(
                    f"ALTER TABLE worklist ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID"
                )
            op.execute(f"ALTER TABLE worklist VALIDATE CONSTRAINT {name}")
        op.execute(f"SET statement_timeout = '{bound}'")


def _fill(connection: sa.Connection) -> None:
    after = 0
    while last := connection.scalar(NEXT, {"after": after, "page": PAGE}):
        connection.execute(FILL, {"after": after, "last": last})
        after = last


def _refer_to_release() -> None:
    """A row's result has the row's release too: another key of results, and another reference."""
    op.execute("ALTER TABLE worklist DROP CONSTRAINT IF EXISTS fk_worklist_result_id")
    op.execute(f"ALTER TABLE results DROP CONSTRAINT IF EXISTS {KEY}")
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {KEY}")
    op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {KEY} ON results (id, study_id, level, release)")
    op.execute(f"ALTER TABLE results ADD CONSTRAINT {KEY} UNIQUE USING INDEX {KEY}")
    op.execute(
        "ALTER TABLE worklist ADD CONSTRAINT fk_worklist_result_id"
        " FOREIGN KEY (result_id, study_id, level, release)"
        " REFERENCES results (id, study_id, level, release) NOT VALID"
    )
    op.execute("ALTER TABLE results DROP CONSTRAINT IF EXISTS uq_results_id_study_id_level")
