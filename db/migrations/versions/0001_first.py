"""The index of the archive, results, the worklist, and identity behind its own role."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

# Roles are shared by all databases of a server: another one may create them at this moment.
GROUP_ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$
"""

GRANTS = """
GRANT USAGE ON SCHEMA public TO nightread_app, nightread_reader, nightread_identity;
GRANT SELECT ON alembic_version TO nightread_app, nightread_reader, nightread_identity;

-- The job. Nothing that was said of a study is ever deleted by it.
GRANT SELECT, INSERT, UPDATE ON
    releases, runs, objects, studies, instances, attempts, results, result_instances, findings,
    worklist
    TO nightread_app;
GRANT DELETE ON instances, attempts, worklist TO nightread_app;
GRANT USAGE ON SCHEMA identity TO nightread_app, nightread_identity;
GRANT INSERT ON identity.patients TO nightread_app;

-- Who reads the worklist: no keys of objects or names of members, which are often names of
-- patients, and no identity.
GRANT SELECT ON releases, studies, results, result_instances, findings, worklist
    TO nightread_reader;
GRANT SELECT (
    id, object_id, ordinal, study_id, sop_instance_uid, series_uid, patient_pseudonym, modality,
    sop_class, transfer_syntax, is_mammography, laterality, view, study_date, header_verdict,
    header_reason, rule_version, verdict, reason, detail, flags
) ON instances TO nightread_reader;

GRANT SELECT ON identity.patients TO nightread_identity;
"""


def upgrade() -> None:
    for role in ("nightread_app", "nightread_reader", "nightread_identity"):
        op.execute(GROUP_ROLE.format(role=role))
    op.execute("CREATE SCHEMA identity")
    op.create_table(
        "patients",
        sa.Column("pseudonym", sa.Text(collation="C"), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=True),
        sa.Column("patient_id", sa.Text(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("birth_date", sa.Text(), nullable=True),
        sa.Column("sex", sa.Text(), nullable=True),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("pseudonym", name=op.f("pk_patients")),
        schema="identity",
    )
    op.create_table(
        "releases",
        sa.Column("digest", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("manifest", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "registered_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name=op.f("ck_releases_digest_is_sha256")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_releases")),
    )
    op.create_table(
        "studies",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("study_uid", sa.Text(collation="C"), nullable=False),
        sa.Column("pseudonym", sa.Text(collation="C"), nullable=False),
        sa.Column("patient_pseudonym", sa.Text(collation="C"), nullable=True),
        sa.Column("site", sa.Text(), server_default="unknown", nullable=False),
        sa.Column("study_date", sa.Date(), nullable=True),
        sa.Column("is_mammography", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("unscorable", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studies")),
        sa.UniqueConstraint("pseudonym", name=op.f("uq_studies_pseudonym")),
        sa.UniqueConstraint("study_uid", name=op.f("uq_studies_study_uid")),
    )
    op.create_index(
        op.f("ix_studies_patient_pseudonym"), "studies", ["patient_pseudonym"], unique=False
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(collation="C"), nullable=False),
        sa.Column("release", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(), server_default="running", nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column(
            "seconds",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "heartbeat_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("summary", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (finished_at IS NULL)",
            name=op.f("ck_runs_finished_unless_running"),
        ),
        sa.CheckConstraint(
            "(state = 'running') = (summary IS NULL)", name=op.f("ck_runs_ended_with_its_summary")
        ),
        sa.CheckConstraint(
            "state IN ('running', 'interrupted', 'failed', 'finished')", name=op.f("ck_runs_state")
        ),
        sa.ForeignKeyConstraint(["release"], ["releases.digest"], name=op.f("fk_runs_release")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index(
        "ix_runs_bucket_prefix_release_id",
        "runs",
        ["bucket", "prefix", "release", "id"],
        unique=False,
    )
    op.create_index(
        "uq_runs_running",
        "runs",
        ["bucket", "prefix", "release"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "attempts",
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("release", sa.Text(collation="C"), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("count", sa.SmallInteger(), nullable=False),
        sa.Column(
            "last_started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("count > 0", name=op.f("ck_attempts_count")),
        sa.ForeignKeyConstraint(["release"], ["releases.digest"], name=op.f("fk_attempts_release")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_attempts_run_id")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_attempts_study_id")),
        sa.PrimaryKeyConstraint("study_id", "release", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_run_id"), "attempts", ["run_id"], unique=False)
    op.create_table(
        "objects",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("bucket", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_run", sa.BigInteger(), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("indexed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("instance_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "CASE WHEN indexed_at IS NULL THEN reason IS NULL AND instance_count = 0 ELSE (reason IS NULL) = (instance_count > 0) END",
            name=op.f("ck_objects_instances_or_reason"),
        ),
        sa.CheckConstraint("instance_count >= 0 AND size >= 0", name=op.f("ck_objects_counts")),
        sa.ForeignKeyConstraint(
            ["last_seen_run"], ["runs.id"], name=op.f("fk_objects_last_seen_run")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_objects")),
        sa.UniqueConstraint("bucket", "key", name=op.f("uq_objects_bucket_key")),
    )
    op.create_table(
        "results",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("release", sa.Text(collation="C"), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=True),
        sa.Column("probability", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("left_score", sa.SmallInteger(), nullable=True),
        sa.Column("left_probability", sa.Double(), nullable=True),
        sa.Column("right_score", sa.SmallInteger(), nullable=True),
        sa.Column("right_probability", sa.Double(), nullable=True),
        sa.Column(
            "missing_views",
            sa.ARRAY(sa.Text()),
            server_default=sa.text("'{}'::text[]"),
            nullable=False,
        ),
        sa.Column(
            "warnings", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False
        ),
        sa.Column(
            "preparation",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(score IS NULL) = (level = 'not_scored')", name=op.f("ck_results_level_of_score")
        ),
        sa.CheckConstraint(
            "level IN ('urgent', 'not_scored', 'soon', 'routine', 'low')",
            name=op.f("ck_results_level"),
        ),
        sa.CheckConstraint(
            "(left_score IS NULL) = (left_probability IS NULL) AND (right_score IS NULL) = (right_probability IS NULL)",
            name=op.f("ck_results_breast_score_with_probability"),
        ),
        sa.CheckConstraint(
            "(score IS NULL) = (left_score IS NULL AND right_score IS NULL)",
            name=op.f("ck_results_scored_by_a_breast"),
        ),
        sa.CheckConstraint(
            "(score IS NULL) = (probability IS NULL)",
            name=op.f("ck_results_score_with_probability"),
        ),
        sa.CheckConstraint(
            "(score IS NULL) = (reason IS NOT NULL)", name=op.f("ck_results_scored_or_says_why")
        ),
        sa.CheckConstraint(
            "left_score BETWEEN 1 AND 10 AND left_probability BETWEEN 0 AND 1",
            name=op.f("ck_results_left_range"),
        ),
        sa.CheckConstraint(
            "probability BETWEEN 0 AND 1", name=op.f("ck_results_probability_range")
        ),
        sa.CheckConstraint(
            "right_score BETWEEN 1 AND 10 AND right_probability BETWEEN 0 AND 1",
            name=op.f("ck_results_right_range"),
        ),
        sa.CheckConstraint("score BETWEEN 1 AND 10", name=op.f("ck_results_score_range")),
        sa.ForeignKeyConstraint(["release"], ["releases.digest"], name=op.f("fk_results_release")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_results_run_id")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_results_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_results")),
        sa.UniqueConstraint("id", "study_id", "level", name=op.f("uq_results_id_study_id_level")),
    )
    op.create_index("ix_results_run_id", "results", ["run_id"], unique=False)
    op.create_index(
        "uq_results_current",
        "results",
        ["study_id", "release"],
        unique=True,
        postgresql_where=sa.text("superseded_at IS NULL"),
    )
    op.create_table(
        "instances",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("member", sa.Text(), nullable=True),
        sa.Column("study_id", sa.BigInteger(), nullable=True),
        sa.Column("sop_instance_uid", sa.Text(collation="C"), nullable=True),
        sa.Column("series_uid", sa.Text(collation="C"), nullable=True),
        sa.Column("patient_pseudonym", sa.Text(collation="C"), nullable=True),
        sa.Column("modality", sa.Text(), nullable=True),
        sa.Column("sop_class", sa.Text(), nullable=True),
        sa.Column("transfer_syntax", sa.Text(), nullable=True),
        sa.Column("is_mammography", sa.Boolean(), nullable=False),
        sa.Column("laterality", sa.Text(), nullable=True),
        sa.Column("view", sa.Text(), nullable=True),
        sa.Column("study_date", sa.Date(), nullable=True),
        sa.Column("header_verdict", sa.Text(), nullable=False),
        sa.Column("header_reason", sa.Text(), nullable=False),
        sa.Column("header_detail", sa.Text(), server_default="", nullable=False),
        sa.Column("rule_version", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "flags", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False
        ),
        sa.Column(
            "facts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "header_verdict IN ('accepted', 'excluded', 'quarantined')",
            name=op.f("ck_instances_header_verdict"),
        ),
        sa.CheckConstraint(
            "verdict <> 'accepted' OR sop_instance_uid IS NOT NULL",
            name=op.f("ck_instances_has_uid"),
        ),
        sa.CheckConstraint(
            "verdict <> 'accepted' OR study_id IS NOT NULL",
            name=op.f("ck_instances_accepted_in_study"),
        ),
        sa.CheckConstraint(
            "verdict IN ('accepted', 'excluded', 'quarantined')", name=op.f("ck_instances_verdict")
        ),
        sa.ForeignKeyConstraint(["object_id"], ["objects.id"], name=op.f("fk_instances_object_id")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_instances_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instances")),
        sa.UniqueConstraint("object_id", "ordinal", name=op.f("uq_instances_object_id_ordinal")),
    )
    op.create_index(op.f("ix_instances_study_id"), "instances", ["study_id"], unique=False)
    op.create_index(
        "uq_instances_accepted",
        "instances",
        ["sop_instance_uid", "study_id"],
        unique=True,
        postgresql_where=sa.text("verdict = 'accepted'"),
    )
    op.create_table(
        "result_instances",
        sa.Column("result_id", sa.BigInteger(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(collation="C"), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_result_instances_sha256")),
        sa.ForeignKeyConstraint(
            ["result_id"], ["results.id"], name=op.f("fk_result_instances_result_id")
        ),
        sa.PrimaryKeyConstraint("result_id", "sop_instance_uid", name=op.f("pk_result_instances")),
    )
    op.create_table(
        "worklist",
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("study_uid", sa.Text(collation="C"), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=True),
        sa.Column("result_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "priority",
            sa.SmallInteger(),
            sa.Computed(
                "CASE level WHEN 'urgent'::text THEN 0 WHEN 'not_scored'::text THEN 1 WHEN 'soon'::text THEN 2 WHEN 'routine'::text THEN 3 ELSE 4 END",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column(
            "descent",
            sa.Double(),
            sa.Computed("- COALESCE(probability, 0::double precision)", persisted=True),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(level = 'not_scored') = (probability IS NULL)",
            name=op.f("ck_worklist_ranked_by_probability"),
        ),
        sa.CheckConstraint(
            "level IN ('urgent', 'not_scored', 'soon', 'routine', 'low')",
            name=op.f("ck_worklist_level"),
        ),
        sa.CheckConstraint(
            "result_id IS NOT NULL OR level = 'not_scored'", name=op.f("ck_worklist_pending")
        ),
        sa.ForeignKeyConstraint(
            ["result_id", "study_id", "level"],
            ["results.id", "results.study_id", "results.level"],
            name=op.f("fk_worklist_result_id"),
        ),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_worklist_study_id")),
        sa.PrimaryKeyConstraint("study_id", name=op.f("pk_worklist")),
    )
    op.create_index(
        "ix_worklist_rank", "worklist", ["priority", "descent", "study_uid"], unique=False
    )
    op.create_index(
        "ix_worklist_site_rank",
        "worklist",
        ["site", "priority", "descent", "study_uid"],
        unique=False,
    )
    op.create_table(
        "findings",
        sa.Column("result_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.SmallInteger(), nullable=False),
        sa.Column("sop_instance_uid", sa.Text(collation="C"), nullable=False),
        sa.Column("laterality", sa.Text(), nullable=False),
        sa.Column("view", sa.Text(), nullable=False),
        sa.Column("x0", sa.Double(), nullable=False),
        sa.Column("y0", sa.Double(), nullable=False),
        sa.Column("x1", sa.Double(), nullable=False),
        sa.Column("y1", sa.Double(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.CheckConstraint("laterality IN ('L', 'R')", name=op.f("ck_findings_laterality")),
        sa.CheckConstraint(
            "probability BETWEEN 0 AND 1", name=op.f("ck_findings_probability_range")
        ),
        sa.CheckConstraint("score BETWEEN 1 AND 10", name=op.f("ck_findings_score_range")),
        sa.CheckConstraint(
            "x0 >= 0 AND y0 >= 0 AND x1 > x0 AND y1 > y0", name=op.f("ck_findings_box")
        ),
        sa.ForeignKeyConstraint(
            ["result_id", "sop_instance_uid"],
            ["result_instances.result_id", "result_instances.sop_instance_uid"],
            name=op.f("fk_findings_result_id"),
        ),
        sa.PrimaryKeyConstraint("result_id", "ordinal", name=op.f("pk_findings")),
    )
    op.execute(GRANTS)
