"""Who reads which study, what was decided, who saw what; kept counts; lists that follow a release."""

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = """
CREATE TABLE claims (
    study_id bigint NOT NULL,
    reader text NOT NULL,
    at timestamptz DEFAULT now() NOT NULL,
    until timestamptz NOT NULL,
    CONSTRAINT pk_claims PRIMARY KEY (study_id),
    CONSTRAINT fk_claims_study_id FOREIGN KEY (study_id) REFERENCES worklist (study_id)
        ON DELETE CASCADE,
    CONSTRAINT ck_claims_reader CHECK (reader <> ''),
    CONSTRAINT ck_claims_ends CHECK (until > at)
);
CREATE INDEX ix_claims_reader ON claims (reader);

CREATE TABLE decisions (
    id bigint GENERATED ALWAYS AS IDENTITY,
    study_id bigint NOT NULL,
    fingerprint text NOT NULL,
    round smallint NOT NULL,
    reader text NOT NULL,
    left_call text,
    right_call text,
    comment text DEFAULT '' NOT NULL,
    score_seen boolean NOT NULL,
    result_id bigint,
    corrects bigint,
    at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_decisions PRIMARY KEY (id),
    CONSTRAINT ck_decisions_reader CHECK (reader <> ''),
    CONSTRAINT ck_decisions_round CHECK (round > 0),
    CONSTRAINT ck_decisions_of_a_breast CHECK (num_nonnulls(left_call, right_call) > 0),
    CONSTRAINT ck_decisions_call CHECK (
        left_call IN ('recall', 'routine', 'technical_repeat')
        AND right_call IN ('recall', 'routine', 'technical_repeat')
    ),
    CONSTRAINT ck_decisions_comment_length CHECK (length(comment) <= 4000),
    CONSTRAINT ck_decisions_corrects_an_earlier_one CHECK (corrects < id),
    CONSTRAINT uq_decisions_corrects UNIQUE (corrects),
    CONSTRAINT uq_decisions_id_study_id_fingerprint_round_reader
        UNIQUE (id, study_id, fingerprint, round, reader),
    CONSTRAINT fk_decisions_corrects FOREIGN KEY (corrects, study_id, fingerprint, round, reader)
        REFERENCES decisions (id, study_id, fingerprint, round, reader),
    CONSTRAINT fk_decisions_study_id FOREIGN KEY (study_id) REFERENCES studies (id),
    CONSTRAINT fk_decisions_result_id FOREIGN KEY (result_id) REFERENCES results (id)
);
CREATE INDEX ix_decisions_study_id_reader ON decisions (study_id, reader);
CREATE UNIQUE INDEX uq_decisions_round ON decisions (study_id, fingerprint, round)
    WHERE corrects IS NULL;

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz DEFAULT clock_timestamp() NOT NULL,
    who text NOT NULL,
    action text NOT NULL,
    study_id bigint,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    before text DEFAULT '' NOT NULL,
    digest text DEFAULT '' NOT NULL,
    CONSTRAINT pk_audit PRIMARY KEY (id),
    CONSTRAINT ck_audit_who_did_what CHECK (who <> '' AND action <> ''),
    CONSTRAINT ck_audit_detail CHECK (jsonb_typeof(detail) = 'object'),
    CONSTRAINT ck_audit_digests CHECK (digest ~ '^[0-9a-f]{64}$' AND before ~ '^[0-9a-f]*$'),
    CONSTRAINT uq_audit_who_before UNIQUE (who, before)
);
CREATE INDEX ix_audit_who_id ON audit (who, id);
CREATE INDEX ix_audit_study_id_id ON audit (study_id, id);

CREATE TABLE rerankings (
    site text NOT NULL,
    after bigint DEFAULT 0 NOT NULL,
    since timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_rerankings PRIMARY KEY (site),
    CONSTRAINT fk_rerankings_site FOREIGN KEY (site) REFERENCES sites (name) ON DELETE CASCADE
);

CREATE TABLE worklist_counts (
    site text NOT NULL,
    level text NOT NULL,
    state text NOT NULL,
    number bigint NOT NULL,
    CONSTRAINT pk_worklist_counts PRIMARY KEY (site, level, state)
);
CREATE TABLE worklist_changes (
    id bigint GENERATED ALWAYS AS IDENTITY,
    site text NOT NULL,
    level text NOT NULL,
    state text NOT NULL,
    number bigint NOT NULL,
    CONSTRAINT pk_worklist_changes PRIMARY KEY (id)
);
CREATE TABLE score_counts (
    site text NOT NULL,
    release text COLLATE "C" NOT NULL,
    night date NOT NULL,
    score smallint NOT NULL,
    number bigint NOT NULL,
    probability double precision NOT NULL,
    CONSTRAINT pk_score_counts PRIMARY KEY (site, release, night, score)
);
CREATE TABLE score_changes (
    id bigint GENERATED ALWAYS AS IDENTITY,
    site text NOT NULL,
    release text COLLATE "C" NOT NULL,
    night date NOT NULL,
    score smallint NOT NULL,
    number bigint NOT NULL,
    probability double precision NOT NULL,
    CONSTRAINT pk_score_changes PRIMARY KEY (id)
);
"""

COLUMNS = """
ALTER TABLE worklist
    ADD COLUMN release text COLLATE "C",
    ADD COLUMN incomplete boolean DEFAULT false NOT NULL,
    ADD COLUMN study_date date,
    ADD COLUMN study_month date,
    ADD COLUMN listed_at timestamptz DEFAULT now() NOT NULL,
    ADD COLUMN aged_at timestamptz,
    ADD COLUMN read_at timestamptz,
    ADD COLUMN read_fingerprint text;
"""

# Who may change rows of the schema's owner could rewrite what happened: nobody does.
ADDED_TO_ONLY = """
CREATE FUNCTION added_to_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is history: rows are added to it and nothing else', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER added_to_only BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions
    FOR EACH STATEMENT EXECUTE FUNCTION added_to_only();
CREATE TRIGGER added_to_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION added_to_only();
"""

# One chain a person: two people who look at something never wait for each other.
CHAIN = """
CREATE FUNCTION audit_digest(entry audit) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT encode(sha256(convert_to(jsonb_build_array(
        entry.id, extract(epoch FROM entry.at), entry.who, entry.action, entry.study_id,
        entry.detail, entry.before
    )::text, 'UTF8')), 'hex')
$$;
CREATE FUNCTION audit_chained() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('audit ' || NEW.who, 0));
    -- Now: numbers that were drawn before the lock was had would not be in the chain's order.
    NEW.id := nextval(pg_get_serial_sequence('audit', 'id'));
    NEW.at := clock_timestamp();
    NEW.before := coalesce(
        (SELECT digest FROM audit WHERE who = NEW.who ORDER BY id DESC LIMIT 1), ''
    );
    NEW.digest := audit_digest(NEW);
    RETURN NEW;
END
$$;
CREATE TRIGGER chained BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_chained();
"""

RERANK = """
CREATE FUNCTION release_changed() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO rerankings (site) VALUES (NEW.name)
    ON CONFLICT (site) DO UPDATE SET after = 0, since = now();
    RETURN NULL;
END
$$;
CREATE TRIGGER release_changed AFTER UPDATE ON sites FOR EACH ROW
    WHEN (OLD.release IS DISTINCT FROM NEW.release) EXECUTE FUNCTION release_changed();
"""

# A statement adds what it changed as rows, so that no writer waits for another. One in 256 of
# them folds all that it can see into the counts, unless somebody else is about it.
COUNTS = """
CREATE FUNCTION list_state(entry worklist) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN entry.read_at IS NOT NULL THEN 'read'
        WHEN entry.aged_at IS NOT NULL THEN 'aged' ELSE 'open' END
$$;
CREATE FUNCTION fold_worklist_changes() RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF pg_try_advisory_xact_lock(hashtextextended('worklist_counts', 0)) THEN
        WITH folded AS (DELETE FROM worklist_changes RETURNING site, level, state, number)
        INSERT INTO worklist_counts AS c (site, level, state, number)
        SELECT site, level, state, sum(number) FROM folded GROUP BY site, level, state
        ON CONFLICT (site, level, state) DO UPDATE SET number = c.number + excluded.number;
    END IF;
END
$$;
CREATE FUNCTION worklist_changed() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    fold boolean;
BEGIN
    IF TG_OP = 'INSERT' THEN
        WITH added AS (
            INSERT INTO worklist_changes (site, level, state, number)
            SELECT w.site, w.level, list_state(w), count(*) FROM after_it w GROUP BY 1, 2, 3
            RETURNING id
        ) SELECT bool_or(id % 256 = 0) INTO fold FROM added;
    ELSIF TG_OP = 'DELETE' THEN
        WITH added AS (
            INSERT INTO worklist_changes (site, level, state, number)
            SELECT w.site, w.level, list_state(w), -count(*) FROM before_it w GROUP BY 1, 2, 3
            RETURNING id
        ) SELECT bool_or(id % 256 = 0) INTO fold FROM added;
    ELSE
        WITH moved (site, level, state, number) AS (
            SELECT w.site, w.level, list_state(w), 1 FROM after_it w
            UNION ALL
            SELECT w.site, w.level, list_state(w), -1 FROM before_it w
        ), added AS (
            INSERT INTO worklist_changes (site, level, state, number)
            SELECT site, level, state, sum(number) FROM moved
            GROUP BY 1, 2, 3 HAVING sum(number) <> 0
            RETURNING id
        ) SELECT bool_or(id % 256 = 0) INTO fold FROM added;
    END IF;
    IF fold THEN
        PERFORM fold_worklist_changes();
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER counted_insert AFTER INSERT ON worklist REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION worklist_changed();
CREATE TRIGGER counted_update AFTER UPDATE ON worklist
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION worklist_changed();
CREATE TRIGGER counted_delete AFTER DELETE ON worklist REFERENCING OLD TABLE AS before_it
    FOR EACH STATEMENT EXECUTE FUNCTION worklist_changed();
INSERT INTO worklist_counts (site, level, state, number)
    SELECT w.site, w.level, list_state(w), count(*) FROM worklist w GROUP BY 1, 2, 3;
"""

SCORES = """
CREATE FUNCTION scores_said() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    fold boolean;
BEGIN
    WITH added AS (
        INSERT INTO score_changes (site, release, night, score, number, probability)
        SELECT s.site, r.release, (runs.started_at AT TIME ZONE 'UTC')::date,
            coalesce(r.score, 0), count(*), coalesce(sum(r.probability), 0)
        FROM after_it r
        JOIN studies s ON s.id = r.study_id
        JOIN runs ON runs.id = r.run_id
        GROUP BY 1, 2, 3, 4
        RETURNING id
    ) SELECT bool_or(id % 256 = 0) INTO fold FROM added;
    IF fold AND pg_try_advisory_xact_lock(hashtextextended('score_counts', 0)) THEN
        WITH folded AS (DELETE FROM score_changes RETURNING *)
        INSERT INTO score_counts AS c (site, release, night, score, number, probability)
        SELECT site, release, night, score, sum(number), sum(probability) FROM folded
        GROUP BY site, release, night, score
        ON CONFLICT (site, release, night, score) DO UPDATE SET
            number = c.number + excluded.number, probability = c.probability + excluded.probability;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER scores_said AFTER INSERT ON results REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION scores_said();
INSERT INTO score_counts (site, release, night, score, number, probability)
    SELECT s.site, r.release, (runs.started_at AT TIME ZONE 'UTC')::date, coalesce(r.score, 0),
        count(*), coalesce(sum(r.probability), 0)
    FROM results r JOIN studies s ON s.id = r.study_id JOIN runs ON runs.id = r.run_id
    GROUP BY 1, 2, 3, 4;
"""

GRANTS = """
-- What follows from other tables is written by their triggers, with the owner's rights.
REVOKE EXECUTE ON FUNCTION fold_worklist_changes() FROM PUBLIC;
GRANT SELECT ON worklist_counts, worklist_changes, score_counts, score_changes
    TO nightread_app, nightread_reader;

-- The job shows who reads what, lets lists follow a release, and decides nothing.
GRANT SELECT ON claims, decisions TO nightread_app;
GRANT SELECT, UPDATE, DELETE ON rerankings TO nightread_app;

-- Who reads: claims and decides. What was decided or seen is never changed.
GRANT SELECT, INSERT, UPDATE, DELETE ON claims TO nightread_reader;
GRANT SELECT, INSERT ON decisions TO nightread_reader;
GRANT INSERT ON audit TO nightread_reader;
GRANT UPDATE (read_at, read_fingerprint) ON worklist TO nightread_reader;
GRANT SELECT (id, release, state, started_at, finished_at) ON runs TO nightread_reader;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(COLUMNS)
    op.execute(ADDED_TO_ONLY)
    op.execute(CHAIN)
    op.execute(RERANK)
    # Counts what is there: some seconds of millions, in which readers go on and writers wait.
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute(COUNTS)
    op.execute(SCORES)
    op.execute(GRANTS)
