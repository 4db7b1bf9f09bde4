"""What a study is, derived from its instances whenever these change."""

from collections.abc import Collection

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from db.schema import Study
from mammo.codes import NotScored, Reason, Verdict

# An instance that several objects hold is taken from one that is still there, and of these
# from the first by key: the choice does not depend on the order of reading.
RANKED = """
    SELECT i.id, row_number() OVER (
            PARTITION BY i.study_id, i.sop_instance_uid
            ORDER BY o.gone_at IS NOT NULL, o.bucket, o.key, i.ordinal
        ) AS place
    FROM instances i JOIN objects o ON o.id = i.object_id
    WHERE i.study_id = ANY(:studies) AND i.header_verdict = 'accepted'
"""

# First the ones that give way, then the one that is taken: the unique index holds throughout.
GIVE_WAY = text(
    f"""
    UPDATE instances SET verdict = :excluded, reason = :duplicate, detail = :detail
    FROM ({RANKED}) ranked
    WHERE ranked.id = instances.id AND ranked.place > 1 AND instances.reason <> :duplicate
    """  # noqa: S608 -- a constant of this module
)
TAKE = text(
    f"""
    UPDATE instances SET verdict = header_verdict, reason = header_reason, detail = header_detail
    FROM ({RANKED}) ranked
    WHERE ranked.id = instances.id AND ranked.place = 1 AND instances.reason = :duplicate
    """  # noqa: S608
)

DERIVE = text(
    """
    WITH live AS (
        SELECT i.*, o.etag, i.header_verdict = 'accepted' AND i.reason <> :duplicate AS taken
        FROM instances i JOIN objects o ON o.id = i.object_id
        WHERE i.study_id = ANY(:studies) AND o.gone_at IS NULL AND o.indexed_at IS NOT NULL
    ),
    derived AS (
        SELECT study_id,
            min(patient_pseudonym) AS patient_pseudonym,
            min(study_date) AS study_date,
            bool_or(is_mammography) AS is_mammography,
            CASE WHEN count(DISTINCT patient_pseudonym) > 1 THEN :mixed
                WHEN bool_or(taken) THEN NULL
                WHEN bool_or(header_verdict = 'excluded') THEN :no_image
                ELSE :all_quarantined END AS unscorable,
            coalesce(
                string_agg(
                    concat_ws(' ', sop_instance_uid, etag, header_reason, laterality, view), ';'
                    ORDER BY sop_instance_uid
                ) FILTER (WHERE taken),
                ''
            ) AS instances
        FROM live GROUP BY study_id
    )
    UPDATE studies SET
        patient_pseudonym = derived.patient_pseudonym,
        study_date = derived.study_date,
        is_mammography = derived.is_mammography,
        unscorable = derived.unscorable,
        fingerprint = md5(concat_ws('|', derived.unscorable, derived.instances))
    FROM derived WHERE studies.id = derived.study_id
    """
)

# Of an archive that is still being read: its studies are no secret until it is done.
SHOW = text(
    """
    UPDATE studies SET is_mammography = true
    WHERE id = ANY(:studies) AND NOT is_mammography AND EXISTS (
        SELECT FROM instances i JOIN objects o ON o.id = i.object_id
        WHERE i.study_id = studies.id AND i.is_mammography AND o.indexed_at IS NULL
    )
    """
)

LIST = text(
    """
    INSERT INTO worklist (study_id, study_uid, site, level)
    SELECT id, study_uid, site, 'not_scored' FROM studies
    WHERE id = ANY(:studies) AND is_mammography
    ON CONFLICT DO NOTHING
    """
)

# Its objects were replaced by other studies' before anything was said of it.
UNLIST = text(
    """
    DELETE FROM worklist w USING studies s
    WHERE s.id = ANY(:studies) AND w.study_id = s.id AND w.result_id IS NULL
        AND NOT (s.is_mammography AND EXISTS (SELECT FROM instances i WHERE i.study_id = s.id))
    """
)


def refresh(session: Session, studies: Collection[int]) -> None:
    """Derive anew what depends on the instances of `studies` (ids), worklist rows included.

    Duplicates first, then patient, date, whether it can be scored, and the fingerprint. A study
    none of whose objects is left keeps what it was, and its place in the list.
    """
    ids = {"studies": sorted(studies)}
    duplicate = {
        "duplicate": Reason.DUPLICATE_INSTANCE.value,
        "excluded": Verdict.EXCLUDED.value,
        "detail": "another object holds the same SOP Instance UID",
    }
    session.execute(  # one at a time writes what is derived of a study
        select(Study.id)
        .where(Study.id.in_(ids["studies"]))
        .order_by(Study.id)
        .with_for_update(key_share=True)
    ).all()
    session.execute(GIVE_WAY, ids | duplicate)
    session.execute(TAKE, ids | duplicate)
    session.execute(
        DERIVE,
        ids
        | {
            "duplicate": duplicate["duplicate"],
            "mixed": NotScored.MIXED_PATIENTS.value,
            "no_image": NotScored.NO_2D_IMAGE.value,
            "all_quarantined": NotScored.ALL_QUARANTINED.value,
        },
    )
    session.execute(SHOW, ids)
    session.execute(LIST, ids)
    session.execute(UNLIST, ids)
