"""What a study is, derived from its instances whenever these change."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from db.ranking import hold, show
from db.schema import Study
from mammo.codes import NotScored, Reason, Verdict

# By the names that the statements below give them.
WORDS = {
    "excluded": Verdict.EXCLUDED.value,
    "quarantined": Verdict.QUARANTINED.value,
    "duplicate": Reason.DUPLICATE_INSTANCE.value,
    "conflict": Reason.UID_CONFLICT.value,
    "is_duplicate": "another object holds the same SOP Instance UID",
    "is_conflict": "another object holds other bytes under the same SOP Instance UID",
    "mixed": NotScored.MIXED_PATIENTS.value,
    "conflicting": NotScored.CONFLICTING_INSTANCES.value,
    "no_image": NotScored.NO_2D_IMAGE.value,
    "all_quarantined": NotScored.ALL_QUARANTINED.value,
}

# Studies that hold a UID of these: a conflict begins, or ends, in all of them.
SHARING = text(
    """
    SELECT other.study_id FROM instances i
    JOIN instances other ON other.sop_instance_uid = i.sop_instance_uid
    WHERE i.study_id = ANY(:studies) AND other.study_id <> i.study_id
    UNION
    SELECT study_id FROM instances
    WHERE sop_instance_uid = ANY(cast(:uids AS text[])) AND study_id IS NOT NULL
    """
)

# Of the images that are admitted by their headers: which one is taken where several objects hold
# the same instance, and whether these hold other bytes. An instance is taken from an object that
# is still there and was read to its end, and of these from the first by key: the choice does not
# depend on the order of reading. Bytes are other ones if the sizes of plain files differ, or what was read of them, or
# if the instance is in another study too, since its bytes name the study.
STANDING = """
    SELECT i.id,
        row_number() OVER (
            same ORDER BY o.gone_at IS NOT NULL, o.indexed_at IS NULL, o.bucket, o.key, i.ordinal
        ) AS place,
        o.gone_at IS NULL AND o.indexed_at IS NOT NULL AND (
            coalesce(min(live.size) OVER same <> max(live.size) OVER same, false)
            OR coalesce(min(live.sha256) OVER same <> max(live.sha256) OVER same, false)
            OR EXISTS (
                SELECT FROM instances e JOIN objects eo ON eo.id = e.object_id
                WHERE e.sop_instance_uid = i.sop_instance_uid AND e.study_id <> i.study_id
                    AND e.header_verdict = 'accepted'
                    AND eo.gone_at IS NULL AND eo.indexed_at IS NOT NULL
            )
        ) AS conflict
    FROM instances i
    JOIN objects o ON o.id = i.object_id
    LEFT JOIN LATERAL (
        SELECT i.sha256, CASE WHEN i.member IS NULL THEN o.size END AS size
        WHERE o.gone_at IS NULL AND o.indexed_at IS NOT NULL
    ) live ON true
    WHERE i.study_id = ANY(:studies) AND i.header_verdict = 'accepted'
    WINDOW same AS (PARTITION BY i.study_id, i.sop_instance_uid)
"""

# First the ones that give way, then the one that is taken: the unique index holds throughout.
GIVE_WAY = text(
    """
    UPDATE instances SET
        verdict = CASE WHEN conflict THEN :quarantined ELSE :excluded END,
        reason = CASE WHEN conflict THEN :conflict ELSE :duplicate END,
        detail = CASE WHEN conflict THEN :is_conflict ELSE :is_duplicate END
    FROM ({standing}) standing
    WHERE standing.id = instances.id AND (conflict OR place > 1)
        AND instances.reason <> CASE WHEN conflict THEN :conflict ELSE :duplicate END
    """.replace("{standing}", STANDING)
)
TAKE = text(
    """
    UPDATE instances SET verdict = header_verdict, reason = header_reason, detail = header_detail
    FROM ({standing}) standing
    WHERE standing.id = instances.id AND place = 1 AND NOT conflict
        AND instances.reason IN (:duplicate, :conflict)
    """.replace("{standing}", STANDING)
)

# The fingerprint is of what is to be screened: every copy's etag is in it, since a copy that
# came later must be read once; whether its bytes turned out to be other ones is not, since that
# is a result of reading them.
DERIVE = text(
    """
    WITH live AS (
        SELECT i.*, o.bucket, o.key, o.etag, o.site, o.modified_at,
            i.header_verdict = 'accepted' AND i.reason NOT IN (:duplicate, :conflict) AS taken
        FROM instances i JOIN objects o ON o.id = i.object_id
        WHERE i.study_id = ANY(:studies) AND o.gone_at IS NULL AND o.indexed_at IS NOT NULL
    ),
    image AS (
        SELECT study_id,
            concat_ws(
                ' ',
                sop_instance_uid,
                string_agg(DISTINCT etag, ' ' ORDER BY etag),
                (array_agg(
                    concat_ws(' ', header_reason, laterality, view) ORDER BY bucket, key, ordinal
                ))[1],
                CASE WHEN EXISTS (
                    SELECT FROM instances e JOIN objects eo ON eo.id = e.object_id
                    WHERE e.sop_instance_uid = live.sop_instance_uid
                        AND e.study_id <> live.study_id AND e.header_verdict = 'accepted'
                        AND eo.gone_at IS NULL AND eo.indexed_at IS NOT NULL
                ) THEN 'elsewhere' END
            ) AS said,
            sop_instance_uid
        FROM live WHERE header_verdict = 'accepted'
        GROUP BY study_id, sop_instance_uid
    ),
    images AS (
        SELECT study_id, string_agg(said, ';' ORDER BY sop_instance_uid) AS said
        FROM image GROUP BY study_id
    ),
    derived AS (
        SELECT study_id,
            min(patient_pseudonym) AS patient_pseudonym,
            min(study_date) AS study_date,
            bool_or(is_mammography) AS is_mammography,
            (array_agg(site ORDER BY bucket, key, ordinal))[1] AS site,
            max(modified_at) AS newest_at,
            CASE WHEN greatest(
                    count(DISTINCT patient_pseudonym), count(DISTINCT birth_trait),
                    count(DISTINCT sex_trait)
                ) > 1 THEN :mixed
                WHEN bool_or(reason = :conflict) THEN :conflicting
                WHEN bool_or(taken) THEN NULL
                WHEN bool_or(header_verdict = 'excluded') THEN :no_image
                ELSE :all_quarantined END AS unscorable
        FROM live GROUP BY study_id
    )
    UPDATE studies SET
        patient_pseudonym = derived.patient_pseudonym,
        study_date = derived.study_date,
        is_mammography = derived.is_mammography,
        site = derived.site,
        newest_at = derived.newest_at,
        unscorable = derived.unscorable,
        fingerprint = md5(
            concat_ws('|', nullif(derived.unscorable, :conflicting), coalesce(images.said, ''))
        )
    FROM derived LEFT JOIN images USING (study_id)
    WHERE studies.id = derived.study_id
    """
)

# Of an archive that is still being read: its studies are no secret until it is done.
REVEAL = text(
    """
    UPDATE studies SET is_mammography = true
    WHERE id = ANY(:studies) AND NOT is_mammography AND EXISTS (
        SELECT FROM instances i JOIN objects o ON o.id = i.object_id
        WHERE i.study_id = studies.id AND i.is_mammography AND o.indexed_at IS NULL
    )
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


def provisional(verdict: Verdict, reason: Reason) -> tuple[Verdict, Reason]:
    """What an instance stands as until `refresh` has seen all of its study.

    An image that is admitted stands as a duplicate: another object may hold the same instance.
    """
    if verdict is Verdict.ACCEPTED:
        return Verdict.EXCLUDED, Reason.DUPLICATE_INSTANCE
    return verdict, reason


def refresh(session: Session, studies: Collection[int], uids: Collection[str] = ()) -> None:
    """Derive anew what depends on the instances of `studies` (ids), worklist rows included.

    Duplicates and conflicts first, then patient, site, date, whether it can be scored, and the
    fingerprint; of other studies too that hold the same instances, or one of `uids`. A study none
    of whose objects is left keeps what it was, and its place in the list.
    """
    sharing = session.scalars(SHARING, {"studies": sorted(studies), "uids": sorted(uids)}).all()
    values: dict[str, Any] = WORDS | {"studies": sorted({*studies, *sharing})}
    session.execute(  # one at a time writes what is derived of a study
        select(Study.id)
        .where(Study.id.in_(values["studies"]))
        .order_by(Study.id)
        .with_for_update(key_share=True)
    ).all()
    hold(session, values["studies"])
    for statement in (GIVE_WAY, TAKE, DERIVE, REVEAL):
        session.execute(statement, values)
    show(session, values["studies"])
    session.execute(UNLIST, values)
