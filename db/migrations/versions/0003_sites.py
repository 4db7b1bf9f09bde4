"""Sites, the kind of an image, whose and which its bytes are, and when they came."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

GRANTS = """
GRANT SELECT ON sites TO nightread_app, nightread_reader;
GRANT SELECT (kind, sha256) ON instances TO nightread_reader;
"""

NO_ENTRIES = sa.text("'{}'::jsonb")


def upgrade() -> None:
    sites = op.create_table(
        "sites",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(collation="C"), nullable=False),
        sa.Column("policy", postgresql.JSONB(), server_default=NO_ENTRIES, nullable=False),
        sa.Column("release", sa.Text(collation="C"), nullable=True),
        sa.Column("settings", postgresql.JSONB(), server_default=NO_ENTRIES, nullable=False),
        sa.CheckConstraint("prefix = '' OR prefix ~ '^s3://[^/]+/'", name=op.f("ck_sites_prefix")),
        sa.CheckConstraint("(name = 'unknown') = (prefix = '')", name=op.f("ck_sites_default")),
        sa.CheckConstraint(
            "jsonb_typeof(policy) = 'object' AND jsonb_typeof(settings) = 'object'",
            name=op.f("ck_sites_objects"),
        ),
        sa.ForeignKeyConstraint(["release"], ["releases.digest"], name=op.f("fk_sites_release")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sites")),
        sa.UniqueConstraint("prefix", name=op.f("uq_sites_prefix")),
    )
    op.bulk_insert(sites, [{"name": "unknown", "prefix": ""}])
    for name in ("header_bytes_read", "header_bytes_needed"):
        op.add_column(
            "runs", sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        )
    op.add_column("objects", sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "objects",
        sa.Column(
            "site",
            sa.Text(),
            sa.ForeignKey("sites.name", name=op.f("fk_objects_site"), ondelete="SET DEFAULT"),
            server_default="unknown",
            nullable=False,
        ),
    )
    op.add_column("studies", sa.Column("newest_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("instances", sa.Column("birth_trait", sa.Text(), nullable=True))
    op.add_column("instances", sa.Column("sex_trait", sa.Text(), nullable=True))
    op.add_column("instances", sa.Column("kind", sa.Text(), nullable=True))
    op.add_column("instances", sa.Column("sha256", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_instances_accepted_by_header"),
        "instances",
        "verdict <> 'accepted' OR header_verdict = 'accepted'",
    )
    op.create_check_constraint(
        op.f("ck_instances_sha256"), "instances", "sha256 ~ '^[0-9a-f]{64}$'"
    )
    op.create_index("ix_instances_sop_instance_uid", "instances", ["sop_instance_uid"])
    op.execute(GRANTS)
