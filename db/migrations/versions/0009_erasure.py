"""What was erased, what went out, what became of patients, and who may erase."""

from alembic import op

revision = "0009"
down_revision = "0008"

# Roles are shared by all databases of a server: another one may create them at this moment.
ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'nightread_erasure') THEN
        CREATE ROLE nightread_erasure NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;
"""

TABLES = """
CREATE TABLE erased (
    pseudonym text COLLATE "C" NOT NULL,
    erased_on date DEFAULT CURRENT_DATE NOT NULL,
    CONSTRAINT pk_erased PRIMARY KEY (pseudonym, erased_on),
    CONSTRAINT ck_erased_keyed CHECK (pseudonym ~ '^[ps]_[a-z2-7]{26}$')
);
CREATE TRIGGER added_to_only BEFORE UPDATE OR DELETE OR TRUNCATE ON erased
    FOR EACH STATEMENT EXECUTE FUNCTION added_to_only();

CREATE TABLE exports (
    id bigint GENERATED ALWAYS AS IDENTITY,
    study_id bigint NOT NULL,
    kind text NOT NULL,
    place text NOT NULL,
    name text NOT NULL,
    target text NOT NULL,
    host text DEFAULT '' NOT NULL,
    sop_instance_uid text COLLATE "C",
    at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_exports PRIMARY KEY (id),
    CONSTRAINT fk_exports_study_id FOREIGN KEY (study_id) REFERENCES studies (id),
    CONSTRAINT ck_exports_target CHECK (target IN ('folder', 's3', 'dicomweb', 'dicom')),
    CONSTRAINT ck_exports_host CHECK ((target = 'folder') = (host <> '')),
    CONSTRAINT uq_exports_study_id_place_name_host UNIQUE (study_id, place, name, host)
);
CREATE INDEX ix_exports_at ON exports (at);

CREATE TABLE outcomes (
    id bigint GENERATED ALWAYS AS IDENTITY,
    study_id bigint NOT NULL,
    laterality text NOT NULL,
    kind text NOT NULL,
    found_on date NOT NULL,
    malignant boolean NOT NULL,
    imported_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_outcomes PRIMARY KEY (id),
    CONSTRAINT fk_outcomes_study_id FOREIGN KEY (study_id) REFERENCES studies (id),
    CONSTRAINT ck_outcomes_laterality CHECK (laterality IN ('L', 'R')),
    CONSTRAINT ck_outcomes_kind CHECK (kind IN ('pathology', 'interval_cancer', 'assessment')),
    CONSTRAINT ck_outcomes_interval_cancer CHECK (kind <> 'interval_cancer' OR malignant),
    CONSTRAINT uq_outcomes_study_id_laterality_kind_found_on
        UNIQUE (study_id, laterality, kind, found_on)
);
"""

# Of an erased study's object what stands for its key is kept, so that it is known when it is
# listed again.
COLUMN = """
ALTER TABLE objects ADD COLUMN erased text COLLATE "C";
ALTER TABLE objects ADD CONSTRAINT ck_objects_erased CHECK (
    erased IS NULL OR etag = '' AND size = 0 AND "right"(key, length(erased)) = erased
) NOT VALID;
"""

# A decision goes with its study, where that was erased, and in no other way.
DECISIONS = """
CREATE FUNCTION goes_with_its_study() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM studies s JOIN erased e ON e.pseudonym = s.pseudonym WHERE s.id = OLD.study_id
    ) THEN
        RAISE EXCEPTION '% is history: rows are added to it and nothing else', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END
$$;
DROP TRIGGER added_to_only ON decisions;
CREATE TRIGGER added_to_only BEFORE UPDATE OR TRUNCATE ON decisions
    FOR EACH STATEMENT EXECUTE FUNCTION added_to_only();
CREATE TRIGGER goes_with_its_study BEFORE DELETE ON decisions
    FOR EACH ROW EXECUTE FUNCTION goes_with_its_study();
"""

GRANTS = """
-- The job knows what was erased, notes what goes out and takes what became of patients.
GRANT SELECT ON erased TO nightread_app;
GRANT SELECT, INSERT, UPDATE ON exports, outcomes TO nightread_app;

-- Who erases, and keeps no longer than is said: nobody else may delete what was said of a study.
GRANT USAGE ON SCHEMA public, identity TO nightread_erasure;
GRANT SELECT ON alembic_version, releases, sites, runs, objects, studies, instances, looks,
    attempts, results, result_instances, findings, worklist, claims, decisions, exports, outcomes,
    score_counts, score_changes, erased, identity.patients
    TO nightread_erasure;
GRANT DELETE ON runs, studies, looks, attempts, results, result_instances, findings, worklist,
    claims, decisions, exports, outcomes, score_counts, score_changes, identity.patients
    TO nightread_erasure;
GRANT SELECT (digest, ends_at) ON web_sessions TO nightread_erasure;
GRANT SELECT (digest, expires_at, revoked_at) ON service_tokens TO nightread_erasure;
GRANT DELETE ON web_sessions, service_tokens TO nightread_erasure;
GRANT UPDATE ON objects, studies, instances, worklist TO nightread_erasure;
GRANT INSERT ON erased, audit, worklist TO nightread_erasure;
"""


def upgrade() -> None:
    op.execute(ROLE)
    op.execute(TABLES)
    op.execute(COLUMN)
    op.execute(DECISIONS)
    op.execute(GRANTS)
