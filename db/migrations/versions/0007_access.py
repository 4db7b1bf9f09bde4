"""Who is signed in, services' tokens, a database role for each role of a person, and accession numbers."""

from alembic import op

revision = "0007"
down_revision = "0006"

# As in the first migration: roles are the server's, and another database may make them just now.
# None is a member of another: such grants would be the server's too, and migrations would meet.
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
ROLES = ("nightread_web", "nightread_supervisor", "nightread_service", "nightread_auditor")

TABLES = """
CREATE TABLE web_sessions (
    digest text COLLATE "C" NOT NULL,
    who text NOT NULL,
    name text NOT NULL,
    roles text[] NOT NULL,
    begun_at timestamptz DEFAULT now() NOT NULL,
    seen_at timestamptz DEFAULT now() NOT NULL,
    ends_at timestamptz NOT NULL,
    CONSTRAINT pk_web_sessions PRIMARY KEY (digest),
    CONSTRAINT ck_web_sessions_digest CHECK (digest ~ '^[0-9a-f]{64}$'),
    CONSTRAINT ck_web_sessions_who CHECK (who <> ''),
    CONSTRAINT ck_web_sessions_ends CHECK (ends_at > begun_at)
);
CREATE INDEX ix_web_sessions_ends_at ON web_sessions (ends_at);

CREATE TABLE service_tokens (
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    role text NOT NULL,
    digest text COLLATE "C" NOT NULL,
    made_at timestamptz DEFAULT now() NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    used_at timestamptz,
    CONSTRAINT pk_service_tokens PRIMARY KEY (id),
    CONSTRAINT uq_service_tokens_digest UNIQUE (digest),
    CONSTRAINT ck_service_tokens_name CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    CONSTRAINT ck_service_tokens_role
        CHECK (role IN ('reader', 'supervisor', 'service', 'auditor')),
    CONSTRAINT ck_service_tokens_digest CHECK (digest ~ '^[0-9a-f]{64}$'),
    CONSTRAINT ck_service_tokens_expires CHECK (expires_at > made_at)
);
CREATE UNIQUE INDEX uq_service_tokens_name ON service_tokens (name) WHERE revoked_at IS NULL;

CREATE TABLE identity.orders (
    study_pseudonym text COLLATE "C" NOT NULL,
    accession_number text NOT NULL,
    CONSTRAINT pk_orders PRIMARY KEY (study_pseudonym),
    CONSTRAINT fk_orders_study_pseudonym FOREIGN KEY (study_pseudonym)
        REFERENCES studies (pseudonym) ON DELETE CASCADE
);
"""

GRANTS = """
GRANT USAGE ON SCHEMA public
    TO nightread_web, nightread_supervisor, nightread_service, nightread_auditor;
GRANT SELECT ON alembic_version
    TO nightread_web, nightread_supervisor, nightread_service, nightread_auditor;

-- The server itself: who is signed in, and that somebody signed in or out. Nothing of a study.
GRANT SELECT, INSERT, UPDATE, DELETE ON web_sessions TO nightread_web;
GRANT SELECT, UPDATE (used_at) ON service_tokens TO nightread_web;
GRANT INSERT ON audit TO nightread_web;

-- What is in the list, as nightread_reader sees it: no keys of objects and no identity.
GRANT SELECT ON releases, studies, results, result_instances, findings, worklist, sites,
    promotions, claims, decisions, worklist_counts, worklist_changes, score_counts, score_changes
    TO nightread_supervisor, nightread_service;
GRANT SELECT (
    id, object_id, ordinal, study_id, sop_instance_uid, series_uid, patient_pseudonym, modality,
    sop_class, transfer_syntax, is_mammography, laterality, view, study_date, header_verdict,
    header_reason, rule_version, verdict, reason, detail, flags, kind, sha256
) ON instances TO nightread_supervisor, nightread_service;
GRANT SELECT (id, release, state, started_at, finished_at) ON runs
    TO nightread_supervisor, nightread_service;
GRANT INSERT ON audit TO nightread_supervisor, nightread_service, nightread_auditor;

-- A supervisor reads too, and sees how the night went.
GRANT INSERT, UPDATE, DELETE ON claims TO nightread_supervisor;
GRANT INSERT ON decisions TO nightread_supervisor;
GRANT SELECT (heartbeat_at, seconds, summary) ON runs TO nightread_supervisor;

-- Another system may say that a study was read there, or is to be read again.
GRANT UPDATE (read_at, read_fingerprint) ON worklist TO nightread_supervisor, nightread_service;

-- Whose a study is: as the table beside it.
GRANT INSERT ON identity.orders TO nightread_app;
GRANT SELECT ON identity.orders TO nightread_identity;

-- Who sees what others saw, sees nothing of a study but its pseudonym.
GRANT SELECT ON audit TO nightread_auditor;
GRANT SELECT (id, pseudonym) ON studies TO nightread_auditor;
"""


def upgrade() -> None:
    for role in ROLES:
        op.execute(GROUP_ROLE.format(role=role))
    op.execute(TABLES)
    op.execute(GRANTS)
