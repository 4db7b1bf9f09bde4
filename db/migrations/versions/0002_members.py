"""Members of archives: where each lies, and what was seen of it in passing."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("instances", sa.Column("member_method", sa.Text(), nullable=True))
    op.add_column("instances", sa.Column("member_offset", sa.BigInteger(), nullable=True))
    op.add_column("instances", sa.Column("member_length", sa.BigInteger(), nullable=True))
    op.add_column("instances", sa.Column("member_size", sa.BigInteger(), nullable=True))
    op.add_column("instances", sa.Column("member_crc32", sa.BigInteger(), nullable=True))
    op.create_check_constraint(
        op.f("ck_instances_member_place"),
        "instances",
        "num_nulls(member_method, member_offset, member_length, member_size) IN (0, 4)",
    )
    op.create_table(
        "looks",
        sa.Column("instance_id", sa.BigInteger(), nullable=False),
        sa.Column("release", sa.Text(collation="C"), nullable=False),
        sa.Column("laterality", sa.Text(), nullable=False),
        sa.Column("view", sa.Text(), nullable=False),
        sa.Column("seen", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["instances.id"],
            name=op.f("fk_looks_instance_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["release"], ["releases.digest"], name=op.f("fk_looks_release")),
        sa.PrimaryKeyConstraint("instance_id", "release", name=op.f("pk_looks")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON looks TO nightread_app")
