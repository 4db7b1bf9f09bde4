"""A database filled with a made-up archive of any size: studies, instances, results, findings.

Ten years of twenty sites, in proportions that a hospital group's archive has: most is read, one
study in 25 lacks a view, some were scored by an older release alone, some not at all. Rows are made
by Postgres itself, with triggers off; indexes are built afterwards, two at a time.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, text

ACTIVE, OLDER = "a" * 64, "b" * 64  # releases
SITES = 20
VIEWS = 4  # instances and findings of a study
BIG = ("studies", "objects", "instances", "results", "result_instances", "findings", "worklist")

FEW = """
INSERT INTO releases (digest, name, manifest) VALUES ('{older}', 'older', '{}'), ('{active}', 'active', '{}');
INSERT INTO sites (name, prefix, release)
    SELECT 'site' || lpad(n::text, 2, '0'), 's3://archive/site' || lpad(n::text, 2, '0') || '/',
        '{active}' FROM generate_series(0, 19) n;
INSERT INTO runs (bucket, prefix, release, state, who, code_version, finished_at, summary)
    VALUES ('archive', '', '{older}', 'finished', 'benchmark', '0', now(), '{}'),
        ('archive', '', '{active}', 'finished', 'benchmark', '0', now(), '{}');
""".replace("{older}", OLDER).replace("{active}", ACTIVE)  # fmt: skip

# Of study n: numbers that look drawn, and are the same each time.
DRAWN = """
    SELECT n,
        '1.2.826.0.1.' || (n * 2654435761 % 10000000019) AS uid,
        'site' || lpad((n * 7919 % 20)::text, 2, '0') AS site,
        date '2016-01-01' + (n * 48271 % 3650)::int AS day,
        power((n * 69621 % 1000003) / 1000003.0, 6) AS p,
        n * 16807 % 10007 % 100 AS fate, n * 39373 % 10009 % 100 AS views,
        n * 48611 % 10037 % 100 AS reading
    FROM generate_series(CAST(:first AS bigint), :last) n
"""
STUDIES = text(
    """
    INSERT INTO studies (id, study_uid, pseudonym, patient_pseudonym, site, study_date,
        is_mammography, fingerprint)
    OVERRIDING SYSTEM VALUE
    SELECT n, uid, 's_' || md5(uid), 'p_' || md5((n / 3)::text), site, day, true, md5(uid)
    FROM ({drawn}) d
    """.replace("{drawn}", DRAWN)
)
OBJECTS = text(
    """
    INSERT INTO objects (id, bucket, key, etag, size, site, last_seen_run, indexed_at,
        instance_count)
    OVERRIDING SYSTEM VALUE
    SELECT n, 'archive', site || '/' || uid || '.zip', md5(uid), 40000000, site, 2, now(), 4
    FROM ({drawn}) d
    """.replace("{drawn}", DRAWN)
)
INSTANCES = text(
    """
    INSERT INTO instances (id, object_id, ordinal, study_id, sop_instance_uid, series_uid,
        modality, sop_class, transfer_syntax, is_mammography, laterality, view, study_date,
        header_verdict, header_reason, rule_version, verdict, reason)
    OVERRIDING SYSTEM VALUE
    SELECT n * 4 + v, n, v, n, uid || '.' || v, uid || '.0', 'MG',
        '1.2.840.10008.5.1.4.1.1.1.2', '1.2.840.10008.1.2.4.70', true,
        CASE WHEN v % 2 = 0 THEN 'L' ELSE 'R' END, CASE WHEN v < 2 THEN 'CC' ELSE 'MLO' END, day,
        verdict, reason, '1', verdict, reason
    FROM ({drawn}) d, generate_series(0, 3) v,
        LATERAL (SELECT CASE WHEN v = 3 AND views < 4 THEN 'excluded' ELSE 'accepted' END AS verdict,
            CASE WHEN v = 3 AND views < 4 THEN 'SPOT' ELSE 'OK' END AS reason) said
    """.replace("{drawn}", DRAWN)
)
# By the active release 95 in 100; by the older one the next 2 alone, and the 10 before them too.
RESULTS = text(
    """
    INSERT INTO results (id, study_id, release, run_id, fingerprint, content_digest, level, score,
        probability, reason, left_score, left_probability, missing_views, code_version)
    OVERRIDING SYSTEM VALUE
    SELECT CASE WHEN active THEN n ELSE :studies + n END, n,
        CASE WHEN active THEN :active ELSE :older END, CASE WHEN active THEN 2 ELSE 1 END,
        md5(uid), md5(uid), CASE WHEN fate < 92 OR fate >= 95 THEN level ELSE 'not_scored' END,
        CASE WHEN scored THEN 5 END, CASE WHEN scored THEN p END,
        CASE WHEN NOT scored THEN 'POISON' END, CASE WHEN scored THEN 5 END,
        CASE WHEN scored THEN p END,
        CASE WHEN scored AND views < 4 THEN ARRAY['RMLO'] ELSE '{}' END, '0'
    FROM ({drawn}) d,
        LATERAL (SELECT fate < 92 OR fate >= 95 AS scored, CASE WHEN p > 0.6 THEN 'urgent'
            WHEN p > 0.3 THEN 'soon' WHEN p > 0.1 THEN 'routine' ELSE 'low' END AS level) l,
        (VALUES (true), (false)) said (active)
    WHERE CASE WHEN active THEN fate < 95 ELSE fate BETWEEN 85 AND 96 END
    """.replace("{drawn}", DRAWN)
)
USED = text(
    """
    INSERT INTO result_instances (result_id, sop_instance_uid, sha256)
    SELECT n, uid || '.' || v, repeat(md5(uid), 2)
    FROM ({drawn}) d, generate_series(0, 3) v WHERE fate < 95
    """.replace("{drawn}", DRAWN)
)
FINDINGS = text(
    """
    INSERT INTO findings (result_id, ordinal, sop_instance_uid, laterality, view, x0, y0, x1, y1,
        kind, probability, score, location)
    SELECT n, v, uid || '.' || v, CASE WHEN v % 2 = 0 THEN 'L' ELSE 'R' END,
        CASE WHEN v < 2 THEN 'CC' ELSE 'MLO' END, 100, 100, 300 + v, 300, 'mass', p, 5,
        'middle third, upper half'
    FROM ({drawn}) d, generate_series(0, 3) v WHERE fate < 95
    """.replace("{drawn}", DRAWN)
)
LISTED = text(
    """
    INSERT INTO worklist (study_id, study_uid, site, level, probability, result_id, release,
        incomplete, study_date, study_month, listed_at, aged_at, read_at, read_fingerprint)
    SELECT n, uid, site, coalesce(r.level, 'not_scored'), r.probability, r.id, r.release,
        coalesce(cardinality(r.missing_views) > 0, false), day,
        day - (EXTRACT(day FROM day)::integer - 1), now() - interval '10 days',
        CASE WHEN reading >= 98 THEN now() END, CASE WHEN reading < 70 THEN now() END,
        CASE WHEN reading < 70 THEN md5(uid) END
    FROM ({drawn}) d
    LEFT JOIN results r ON r.id = CASE WHEN fate < 95 THEN n
        WHEN fate < 97 THEN :studies + n END
    """.replace("{drawn}", DRAWN)
)
COUNTED = text(
    """
    INSERT INTO worklist_counts (site, level, state, number)
    SELECT w.site, w.level, list_state(w), count(*) FROM worklist w GROUP BY 1, 2, 3
    """
)
SECONDARY = text(
    """
    SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE relname = ANY(:tables) AND relnamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    """
)
NUMBERED = text(
    """
    SELECT setval(pg_get_serial_sequence('studies', 'id'), (SELECT max(id) FROM studies)),
        setval(pg_get_serial_sequence('objects', 'id'), (SELECT max(id) FROM objects)),
        setval(pg_get_serial_sequence('instances', 'id'), (SELECT max(id) FROM instances)),
        setval(pg_get_serial_sequence('results', 'id'), (SELECT max(id) FROM results))
    """
)
STEP = 250_000  # studies a statement


def fill(engine: Engine, studies: int) -> None:
    """Fill an empty, migrated database with `studies` studies."""
    with engine.begin() as connection:
        for statement in FEW.strip().split(";\n"):
            connection.exec_driver_sql(statement)
        indexes = connection.execute(SECONDARY, {"tables": list(BIG)}).all()
        for index in indexes:
            connection.exec_driver_sql(f"DROP INDEX {index.name}")
    with ThreadPoolExecutor(2) as two:
        everything = {"studies": studies, "active": ACTIVE, "older": OLDER}
        parts = ((RESULTS, LISTED, STUDIES, FINDINGS), (OBJECTS, INSTANCES, USED))
        list(two.map(lambda part: _insert(engine, part, everything), parts))
        by_work = sorted(indexes, key=lambda index: "instances" not in index.definition)
        list(two.map(lambda index: _built(engine, index.definition), by_work))
    with engine.begin() as connection:
        connection.execute(COUNTED)
        connection.execute(NUMBERED)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in BIG:
            connection.exec_driver_sql(f"VACUUM (ANALYZE) {table}")


def _insert(engine: Engine, statements: Iterable[object], values: dict[str, object]) -> None:
    with engine.connect() as connection:
        studies = int(str(values["studies"]))
        for statement in statements:
            for first in range(1, studies + 1, STEP):
                span = {"first": first, "last": min(first + STEP - 1, studies)}
                # Neither triggers nor foreign keys: what is written here refers to what is there.
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
                known = {name for name in values if f":{name}" in str(statement)}
                connection.execute(statement, span | {name: values[name] for name in known})  # type: ignore[call-overload]
                connection.commit()


def _built(engine: Engine, definition: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("SET maintenance_work_mem = '512MB'")
        connection.exec_driver_sql(definition)
