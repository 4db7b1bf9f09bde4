"""Which release was made active at which site, by what, and what was gone back on."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# Who may change rows of the schema's owner could rewrite what happened: nobody does.
ADDED_TO_ONLY = """
CREATE FUNCTION promotions_are_added_to_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'promotions are history: add one that goes back'
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER added_to_only BEFORE UPDATE OR DELETE OR TRUNCATE ON promotions
    FOR EACH STATEMENT EXECUTE FUNCTION promotions_are_added_to_only();
GRANT SELECT ON promotions TO nightread_app, nightread_reader;
"""


def upgrade() -> None:
    op.create_table(
        "promotions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(collation="C"), nullable=False),
        sa.Column("before", sa.Text(collation="C"), nullable=True),
        sa.Column("undoes", sa.BigInteger(), nullable=True),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.CheckConstraint("release IS DISTINCT FROM before", name=op.f("ck_promotions_changes")),
        sa.CheckConstraint("undoes < id", name=op.f("ck_promotions_undoes_an_earlier_one")),
        sa.CheckConstraint(
            "undoes IS NULL OR before IS NOT NULL", name=op.f("ck_promotions_undoes_something")
        ),
        sa.ForeignKeyConstraint(
            ["release"], ["releases.digest"], name=op.f("fk_promotions_release")
        ),
        sa.ForeignKeyConstraint(["before"], ["releases.digest"], name=op.f("fk_promotions_before")),
        sa.ForeignKeyConstraint(["undoes"], ["promotions.id"], name=op.f("fk_promotions_undoes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotions")),
        sa.UniqueConstraint("undoes", name=op.f("uq_promotions_undoes")),
    )
    op.create_index("ix_promotions_site_id", "promotions", ["site", "id"])
    op.execute(ADDED_TO_ONLY)
