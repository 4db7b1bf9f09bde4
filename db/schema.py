"""The tables, and the rules that Postgres itself keeps.

Levels, verdicts and states are closed sets and checked; reason codes are an open enum
(`mammo.codes`) and are stored as text. Times are `timestamptz`, set by the database's clock.
"""

from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Computed,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# A migration can only drop what has a name.
NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}
C = Text(collation="C")  # keys and UIDs sort by code point, whatever the database's locale
EMPTY_ARRAY = text("'{}'::text[]")
EMPTY_OBJECT = text("'{}'::jsonb")
# In the words of pg_get_expr, so that a comparison with the database finds no difference.
PRIORITY = (
    "CASE level WHEN 'urgent'::text THEN 0 WHEN 'not_scored'::text THEN 1 WHEN 'soon'::text THEN 2"
    " WHEN 'routine'::text THEN 3 ELSE 4 END"
)
LEVELS = "level IN ('urgent', 'not_scored', 'soon', 'routine', 'low')"
RANK = ("priority", "descent", "study_uid")
VERDICTS = "verdict IN ('accepted', 'excluded', 'quarantined')"


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        int: BigInteger,
        float: Double,
        datetime: DateTime(timezone=True),
        list[str]: ARRAY(Text),
        dict[str, Any]: JSONB,
    }


class Release(Base):
    """A set of model files and parameters, named by its manifest's digest."""

    __tablename__ = "releases"
    __table_args__ = (CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="digest_is_sha256"),)

    digest: Mapped[str] = mapped_column(C, primary_key=True)  # SHA-256 of the manifest, hex
    name: Mapped[str]
    manifest: Mapped[dict[str, Any]]
    registered_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Site(Base):
    """A part of the archive with rules of its own: of the prefixes that fit, the longest decides."""

    __tablename__ = "sites"
    __table_args__ = (
        CheckConstraint("prefix = '' OR prefix ~ '^s3://[^/]+/'", name="prefix"),
        CheckConstraint("(name = 'unknown') = (prefix = '')", name="default"),
        CheckConstraint(
            "jsonb_typeof(policy) = 'object' AND jsonb_typeof(settings) = 'object'", name="objects"
        ),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    prefix: Mapped[str] = mapped_column(C, unique=True)  # of s3://bucket/key; empty: the default
    policy: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    release: Mapped[str | None] = mapped_column(C, ForeignKey("releases.digest"))  # the active one
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)


class Promotion(Base):
    """A release that was made a site's active one. Rows are added, and nothing else."""

    __tablename__ = "promotions"
    __table_args__ = (
        CheckConstraint("release IS DISTINCT FROM before", name="changes"),
        CheckConstraint("undoes < id", name="undoes_an_earlier_one"),
        CheckConstraint("undoes IS NULL OR before IS NOT NULL", name="undoes_something"),
        UniqueConstraint("undoes"),  # one is gone back on once
        Index("ix_promotions_site_id", "site", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    site: Mapped[str]  # a name that was; history outlives the site
    release: Mapped[str] = mapped_column(C, ForeignKey("releases.digest"))
    before: Mapped[str | None] = mapped_column(C, ForeignKey("releases.digest"))
    undoes: Mapped[int | None] = mapped_column(ForeignKey("promotions.id"))
    code_version: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Run(Base):
    """One execution of the job over one prefix."""

    __tablename__ = "runs"
    __table_args__ = (
        CheckConstraint("state IN ('running', 'interrupted', 'failed', 'finished')", name="state"),
        CheckConstraint(
            "(state = 'running') = (finished_at IS NULL)", name="finished_unless_running"
        ),
        CheckConstraint("(state = 'running') = (summary IS NULL)", name="ended_with_its_summary"),
        # Two runs of one release over one prefix never run at a time.
        Index(
            "uq_runs_running",
            "bucket",
            "prefix",
            "release",
            unique=True,
            postgresql_where=text("state = 'running'"),
        ),
        Index("ix_runs_bucket_prefix_release_id", "bucket", "prefix", "release", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    bucket: Mapped[str]
    prefix: Mapped[str] = mapped_column(C)  # of the keys; empty: the whole bucket
    release: Mapped[str] = mapped_column(C, ForeignKey("releases.digest"))
    state: Mapped[str] = mapped_column(server_default="running")
    who: Mapped[str]  # host and process
    code_version: Mapped[str]
    seconds: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)  # by stage
    header_bytes_read: Mapped[int] = mapped_column(server_default=text("0"))
    header_bytes_needed: Mapped[int] = mapped_column(server_default=text("0"))
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    heartbeat_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    summary: Mapped[dict[str, Any] | None]  # as computed when the run ended


class StoredObject(Base):
    """A key that was listed. Unread: `indexed_at` is null."""

    __tablename__ = "objects"
    __table_args__ = (
        UniqueConstraint("bucket", "key"),
        # Guarantee 1: an object that was read holds instances or says why it holds none.
        CheckConstraint(
            "CASE WHEN indexed_at IS NULL THEN reason IS NULL AND instance_count = 0"
            " ELSE (reason IS NULL) = (instance_count > 0) END",
            name="instances_or_reason",
        ),
        CheckConstraint("instance_count >= 0 AND size >= 0", name="counts"),
        CheckConstraint(
            "erased IS NULL OR etag = '' AND size = 0 AND \"right\"(key, length(erased)) = erased",
            name="erased",
        ),
        Index(
            "uq_objects_erased",
            "bucket",
            "erased",
            unique=True,
            postgresql_where=text("erased IS NOT NULL"),
        ),
        Index("ix_objects_last_seen_run", "last_seen_run", postgresql_using="brin"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    bucket: Mapped[str] = mapped_column(C)
    key: Mapped[str] = mapped_column(C)
    etag: Mapped[str]
    size: Mapped[int]  # bytes
    modified_at: Mapped[datetime | None]  # by the archive's clock; unknown before it was kept
    site: Mapped[str] = mapped_column(
        ForeignKey("sites.name", ondelete="SET DEFAULT"), server_default="unknown"
    )
    last_seen_run: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    gone_at: Mapped[datetime | None]  # a listing no longer held it
    indexed_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    instance_count: Mapped[int] = mapped_column(server_default=text("0"))
    # Of an erased study: the pseudonym of the key, which ends with it. Never read again.
    erased: Mapped[str | None] = mapped_column(C)


class Study(Base):
    """A DICOM study. What is derived from its instances is kept by `db.studies.refresh`."""

    __tablename__ = "studies"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    study_uid: Mapped[str] = mapped_column(C, unique=True)
    pseudonym: Mapped[str] = mapped_column(C, unique=True)
    patient_pseudonym: Mapped[str | None] = mapped_column(C, index=True)
    site: Mapped[str] = mapped_column(server_default="unknown")  # of its first object by key
    newest_at: Mapped[datetime | None]  # when its newest object was put into the archive
    study_date: Mapped[date | None]
    is_mammography: Mapped[bool] = mapped_column(server_default=text("false"))
    # Why no instance can be screened (a code of NotScored), from headers alone.
    unscorable: Mapped[str | None]
    # Of what is to be screened: a result with another one was made from other instances.
    fingerprint: Mapped[str] = mapped_column(server_default="")
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Instance(Base):
    """A DICOM SOP instance in an object; or, without UID, a bad member beside good ones."""

    __tablename__ = "instances"
    __table_args__ = (
        UniqueConstraint("object_id", "ordinal"),
        CheckConstraint(VERDICTS, name="verdict"),
        CheckConstraint(f"header_{VERDICTS}", name="header_verdict"),
        CheckConstraint("verdict <> 'accepted' OR study_id IS NOT NULL", name="accepted_in_study"),
        CheckConstraint("verdict <> 'accepted' OR sop_instance_uid IS NOT NULL", name="has_uid"),
        CheckConstraint(
            "num_nulls(member_method, member_offset, member_length, member_size) IN (0, 4)",
            name="member_place",
        ),
        CheckConstraint(
            "verdict <> 'accepted' OR header_verdict = 'accepted'", name="accepted_by_header"
        ),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
        Index("ix_instances_sop_instance_uid", "sop_instance_uid"),
        # However many objects hold an instance, it is screened once.
        Index(
            "uq_instances_accepted",
            "sop_instance_uid",
            "study_id",
            unique=True,
            postgresql_where=text("verdict = 'accepted'"),
        ),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    object_id: Mapped[int] = mapped_column(ForeignKey("objects.id"))
    ordinal: Mapped[int]  # place in its object, from 0
    member: Mapped[str | None]  # name inside an archive object
    # Where the member lies; see `mammo.members.Place`.
    member_method: Mapped[str | None]
    member_offset: Mapped[int | None]
    member_length: Mapped[int | None]
    member_size: Mapped[int | None]
    member_crc32: Mapped[int | None]
    study_id: Mapped[int | None] = mapped_column(ForeignKey("studies.id"), index=True)
    sop_instance_uid: Mapped[str | None] = mapped_column(C)
    series_uid: Mapped[str | None] = mapped_column(C)
    patient_pseudonym: Mapped[str | None] = mapped_column(C)
    birth_trait: Mapped[str | None]  # keyed: whether the images of a study agree, and no more
    sex_trait: Mapped[str | None]
    modality: Mapped[str | None]
    sop_class: Mapped[str | None]
    transfer_syntax: Mapped[str | None]
    is_mammography: Mapped[bool]
    laterality: Mapped[str | None]
    view: Mapped[str | None]
    study_date: Mapped[date | None]
    # A code of Reason: what it is where nothing is admitted, whatever site and release say.
    kind: Mapped[str | None]  # None: judged before kinds were kept
    # Whether it is admitted, by the header alone, under `rule_version`.
    header_verdict: Mapped[str]
    header_reason: Mapped[str]
    header_detail: Mapped[str] = mapped_column(server_default="")
    rule_version: Mapped[str]
    # After duplicates are found and pixels were read.
    verdict: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[str] = mapped_column(server_default="")
    flags: Mapped[list[str]] = mapped_column(server_default=EMPTY_ARRAY)
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    sha256: Mapped[str | None]  # hex, of the whole file; None until a study's task has read it


class Look(Base):
    """What the pixels of a member of a compressed archive showed when it was read.

    Such an archive is read once from end to end: its images are looked at in passing, before
    their studies are complete.
    """

    __tablename__ = "looks"

    instance_id: Mapped[int] = mapped_column(
        ForeignKey("instances.id", ondelete="CASCADE"), primary_key=True
    )
    release: Mapped[str] = mapped_column(C, ForeignKey("releases.digest"), primary_key=True)
    laterality: Mapped[str]  # as it was looked at
    view: Mapped[str]
    seen: Mapped[dict[str, Any]]


class Attempt(Base):
    """How often a study was handed out; counted before it is (guarantee 2)."""

    __tablename__ = "attempts"
    __table_args__ = (CheckConstraint("count > 0", name="count"),)

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"), primary_key=True)
    release: Mapped[str] = mapped_column(C, ForeignKey("releases.digest"), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)  # the last one
    fingerprint: Mapped[str]  # of the study when it was handed out
    count: Mapped[int] = mapped_column(SmallInteger)
    last_started_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Result(Base):
    """What one release says of one study. Superseded results stay."""

    __tablename__ = "results"
    __table_args__ = (
        CheckConstraint(LEVELS, name="level"),
        CheckConstraint("score BETWEEN 1 AND 10", name="score_range"),
        CheckConstraint("probability BETWEEN 0 AND 1", name="probability_range"),
        CheckConstraint("(score IS NULL) = (reason IS NOT NULL)", name="scored_or_says_why"),
        CheckConstraint("(score IS NULL) = (probability IS NULL)", name="score_with_probability"),
        CheckConstraint("(score IS NULL) = (level = 'not_scored')", name="level_of_score"),
        CheckConstraint(
            "(left_score IS NULL) = (left_probability IS NULL)"
            " AND (right_score IS NULL) = (right_probability IS NULL)",
            name="breast_score_with_probability",
        ),
        CheckConstraint(
            "left_score BETWEEN 1 AND 10 AND left_probability BETWEEN 0 AND 1",
            name="left_range",
        ),
        CheckConstraint(
            "right_score BETWEEN 1 AND 10 AND right_probability BETWEEN 0 AND 1",
            name="right_range",
        ),
        CheckConstraint(
            "(score IS NULL) = (left_score IS NULL AND right_score IS NULL)",
            name="scored_by_a_breast",
        ),
        # Guarantee 2: exactly one current result per study and release.
        Index(
            "uq_results_current",
            "study_id",
            "release",
            unique=True,
            postgresql_where=text("superseded_at IS NULL"),
        ),
        Index("ix_results_run_id", "run_id"),
        Index("ix_results_study_id_id", "study_id", "id"),
        Index(
            "ix_results_superseded_at",
            "superseded_at",
            postgresql_where=text("superseded_at IS NOT NULL"),
        ),
        UniqueConstraint("id", "study_id", "level", "release"),  # what a worklist row refers to
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    release: Mapped[str] = mapped_column(C, ForeignKey("releases.digest"))
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    fingerprint: Mapped[str]  # of the study as it was screened
    content_digest: Mapped[str]  # SHA-256 of everything that was said
    level: Mapped[str]
    score: Mapped[int | None] = mapped_column(SmallInteger)  # 1 to 10, reference population
    probability: Mapped[float | None]  # of malignancy, calibrated
    reason: Mapped[str | None]  # a code of NotScored
    left_score: Mapped[int | None] = mapped_column(SmallInteger)
    left_probability: Mapped[float | None]
    right_score: Mapped[int | None] = mapped_column(SmallInteger)
    right_probability: Mapped[float | None]
    missing_views: Mapped[list[str]] = mapped_column(server_default=EMPTY_ARRAY)
    warnings: Mapped[list[str]] = mapped_column(server_default=EMPTY_ARRAY)
    preparation: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    code_version: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    superseded_at: Mapped[datetime | None]


class ResultInstance(Base):
    """An instance that a result was made from, with its bytes' digest (guarantee 4)."""

    __tablename__ = "result_instances"
    __table_args__ = (CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),)

    result_id: Mapped[int] = mapped_column(ForeignKey("results.id"), primary_key=True)
    sop_instance_uid: Mapped[str] = mapped_column(C, primary_key=True)
    sha256: Mapped[str]  # hex, of the whole file


class Finding(Base):
    """A box in native pixels; (0, 0) is the outer corner of the top left pixel."""

    __tablename__ = "findings"
    __table_args__ = (
        ForeignKeyConstraint(
            ["result_id", "sop_instance_uid"],
            ["result_instances.result_id", "result_instances.sop_instance_uid"],
        ),
        CheckConstraint("x0 >= 0 AND y0 >= 0 AND x1 > x0 AND y1 > y0", name="box"),
        CheckConstraint("probability BETWEEN 0 AND 1", name="probability_range"),
        CheckConstraint("score BETWEEN 1 AND 10", name="score_range"),
        CheckConstraint("laterality IN ('L', 'R')", name="laterality"),
    )

    result_id: Mapped[int] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(SmallInteger, primary_key=True)  # from 0
    sop_instance_uid: Mapped[str] = mapped_column(C)
    laterality: Mapped[str]
    view: Mapped[str]
    x0: Mapped[float]
    y0: Mapped[float]
    x1: Mapped[float]  # exclusive
    y1: Mapped[float]
    kind: Mapped[str]
    probability: Mapped[float]
    score: Mapped[int] = mapped_column(SmallInteger)
    location: Mapped[str]  # quadrant or depth in words


class WorklistRow(Base):
    """A mammography study's place in the list; its order is an index.

    Written in the transaction that indexes the study, records a result or changes its site
    (`db.ranking`). Until there is a result it stands as `not_scored`: no case is hidden
    (guarantee 3). Whether it was read is written by who reads (`db.reading`).
    """

    __tablename__ = "worklist"
    __table_args__ = (
        CheckConstraint(LEVELS, name="level"),
        CheckConstraint(
            "(level = 'not_scored') = (probability IS NULL)", name="ranked_by_probability"
        ),
        CheckConstraint("result_id IS NOT NULL OR level = 'not_scored'", name="pending"),
        CheckConstraint("(result_id IS NULL) = (release IS NULL)", name="released"),
        CheckConstraint("result_id IS NOT NULL OR NOT incomplete", name="incomplete"),
        CheckConstraint(
            "num_nulls(study_date, study_month) <> 1 AND"
            " study_month = study_date - (EXTRACT(day FROM study_date)::integer - 1)",
            name="month",
        ),
        CheckConstraint("(read_at IS NULL) = (read_fingerprint IS NULL)", name="read"),
        # A row can't say another level or release than the result that it shows.
        ForeignKeyConstraint(
            ["result_id", "study_id", "level", "release"],
            ["results.id", "results.study_id", "results.level", "results.release"],
        ),
        Index("ix_worklist_rank", *RANK),
        Index("ix_worklist_site_rank", "site", *RANK),
        Index("ix_worklist_open", *RANK, postgresql_where=text("read_at IS NULL")),
        Index("ix_worklist_site_open", "site", *RANK, postgresql_where=text("read_at IS NULL")),
        Index("ix_worklist_read", *RANK, postgresql_where=text("read_at IS NOT NULL")),
        Index(
            "ix_worklist_aged",
            *RANK,
            postgresql_where=text("aged_at IS NOT NULL AND read_at IS NULL"),
        ),
        Index("ix_worklist_incomplete", *RANK, postgresql_where=text("incomplete")),
        Index("ix_worklist_release_rank", "release", *RANK),
        # With its key: the first rows of many days are merged from the index alone.
        Index("ix_worklist_date_rank", "study_date", *RANK, postgresql_include=["study_id"]),
        Index("ix_worklist_month_rank", "study_month", *RANK, postgresql_include=["study_id"]),
        Index(
            "ix_worklist_young",
            "listed_at",
            postgresql_where=text("aged_at IS NULL AND read_at IS NULL"),
        ),
        Index("ix_worklist_site_study_id", "site", "study_id"),
    )

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"), primary_key=True)
    study_uid: Mapped[str] = mapped_column(C)  # the last tie-break
    site: Mapped[str]
    level: Mapped[str]
    probability: Mapped[float | None]
    result_id: Mapped[int | None]
    priority: Mapped[int] = mapped_column(SmallInteger, Computed(PRIORITY, persisted=True))
    descent: Mapped[float] = mapped_column(  # ascending where probability descends
        Double, Computed("- COALESCE(probability, 0::double precision)", persisted=True)
    )
    release: Mapped[str | None] = mapped_column(C)  # of the result that is shown
    incomplete: Mapped[bool] = mapped_column(server_default=text("false"))  # views are missing
    study_date: Mapped[date | None]
    study_month: Mapped[date | None]  # its first day: months of a long period are looked up whole
    listed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    aged_at: Mapped[datetime | None]  # since when it is marked as unread for too long
    read_at: Mapped[datetime | None]
    read_fingerprint: Mapped[str | None]  # of the study as it was read: another one is unread


class Claim(Base):
    """A study that somebody reads at this moment; after `until` it is anybody's again."""

    __tablename__ = "claims"
    __table_args__ = (
        CheckConstraint("reader <> ''", name="reader"),
        CheckConstraint("until > at", name="ends"),
        Index("ix_claims_reader", "reader"),
    )

    study_id: Mapped[int] = mapped_column(
        ForeignKey("worklist.study_id", ondelete="CASCADE"), primary_key=True
    )
    reader: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    until: Mapped[datetime]


class Decision(Base):
    """What a reader decided of a study.

    Rows are added, and nothing else; a mistake is corrected by another row.
    """

    __tablename__ = "decisions"
    __table_args__ = (
        CheckConstraint("reader <> ''", name="reader"),
        CheckConstraint("round > 0", name="round"),
        CheckConstraint("num_nonnulls(left_call, right_call) > 0", name="of_a_breast"),
        CheckConstraint(
            "left_call IN ('recall', 'routine', 'technical_repeat')"
            " AND right_call IN ('recall', 'routine', 'technical_repeat')",
            name="call",
        ),
        CheckConstraint("length(comment) <= 4000", name="comment_length"),
        CheckConstraint("corrects < id", name="corrects_an_earlier_one"),
        UniqueConstraint("corrects"),  # the correction is what is corrected next
        UniqueConstraint("id", "study_id", "fingerprint", "round", "reader"),
        # Only of one's own, of the same study and round.
        ForeignKeyConstraint(
            ["corrects", "study_id", "fingerprint", "round", "reader"],
            [
                "decisions.id",
                "decisions.study_id",
                "decisions.fingerprint",
                "decisions.round",
                "decisions.reader",
            ],
        ),
        # One decision in each round of double reading.
        Index(
            "uq_decisions_round",
            "study_id",
            "fingerprint",
            "round",
            unique=True,
            postgresql_where=text("corrects IS NULL"),
        ),
        Index("ix_decisions_study_id_reader", "study_id", "reader"),
        Index("ix_decisions_result_id", "result_id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    fingerprint: Mapped[str]  # of the study as it was read
    round: Mapped[int] = mapped_column(SmallInteger)  # of double reading, from 1
    reader: Mapped[str]
    left_call: Mapped[str | None]  # None: there is no image of this breast
    right_call: Mapped[str | None]
    comment: Mapped[str] = mapped_column(server_default="")
    score_seen: Mapped[bool]  # before it was decided: what is decided then is biased by it
    result_id: Mapped[int | None] = mapped_column(ForeignKey("results.id"))  # shown at that time
    corrects: Mapped[int | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class AuditEntry(Base):
    """Who saw or did what. Rows are added, and nothing else.

    Each holds the digest of the one before it of the same person (`db.audit`): whoever gets past
    the trigger and rewrites or takes away one in between is noticed.
    """

    __tablename__ = "audit"
    __table_args__ = (
        CheckConstraint("who <> '' AND action <> ''", name="who_did_what"),
        CheckConstraint("jsonb_typeof(detail) = 'object'", name="detail"),
        CheckConstraint("digest ~ '^[0-9a-f]{64}$' AND before ~ '^[0-9a-f]*$'", name="digests"),
        UniqueConstraint("who", "before"),  # a chain does not fork
        Index("ix_audit_who_id", "who", "id"),
        Index("ix_audit_study_id_id", "study_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    who: Mapped[str]
    action: Mapped[str]
    study_id: Mapped[int | None]  # a number that was: the entry outlives the study
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=EMPTY_OBJECT)
    before: Mapped[str] = mapped_column(server_default="")  # set by the trigger, as is `digest`
    digest: Mapped[str] = mapped_column(server_default="")


class WebSession(Base):
    """Somebody who is signed in at the web application (`db.credentials`)."""

    __tablename__ = "web_sessions"
    __table_args__ = (
        CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="digest"),
        CheckConstraint("who <> ''", name="who"),
        CheckConstraint("ends_at > begun_at", name="ends"),
        Index("ix_web_sessions_ends_at", "ends_at"),
    )

    digest: Mapped[str] = mapped_column(C, primary_key=True)  # SHA-256 of what the cookie holds
    who: Mapped[str]  # as in the audit
    name: Mapped[str]  # to be shown
    roles: Mapped[list[str]]
    begun_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ends_at: Mapped[datetime]  # whatever they do


class ServiceToken(Base):
    """What a program signs in with; only the digest is kept (`db.credentials`)."""

    __tablename__ = "service_tokens"
    __table_args__ = (
        UniqueConstraint("digest"),
        CheckConstraint("name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'", name="name"),
        CheckConstraint("role IN ('reader', 'supervisor', 'service', 'auditor')", name="role"),
        CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="digest"),
        CheckConstraint("expires_at > made_at", name="expires"),
        Index(
            "uq_service_tokens_name",
            "name",
            unique=True,
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    role: Mapped[str]
    digest: Mapped[str] = mapped_column(C)  # SHA-256
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]


class Erased(Base):
    """A study that was erased, or a patient whose studies up to that day were: a keyed stub.

    Rows are added, and nothing else. What the archive still holds of it is never read again.
    """

    __tablename__ = "erased"
    __table_args__ = (CheckConstraint("pseudonym ~ '^[ps]_[a-z2-7]{26}$'", name="keyed"),)

    pseudonym: Mapped[str] = mapped_column(C, primary_key=True)
    erased_on: Mapped[date] = mapped_column(primary_key=True, server_default=text("CURRENT_DATE"))


class Export(Base):
    """An object, or a table with a row, that went out of a study: what an erasure has to follow."""

    __tablename__ = "exports"
    __table_args__ = (
        CheckConstraint("target IN ('folder', 's3', 'dicomweb', 'dicom')", name="target"),
        CheckConstraint("(target = 'folder') = (host <> '')", name="host"),
        UniqueConstraint("study_id", "place", "name", "host"),
        Index("ix_exports_at", "at"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    kind: Mapped[str]
    place: Mapped[str]  # a folder, s3://bucket/prefix/, a DICOMweb root or AET@host:port
    name: Mapped[str]  # below the place
    target: Mapped[str]
    host: Mapped[str] = mapped_column(server_default="")  # on which the folder lies
    sop_instance_uid: Mapped[str | None] = mapped_column(C)  # of the object; None: a table
    at: Mapped[datetime] = mapped_column(server_default=func.now())  # the last time


class Outcome(Base):
    """What became of a breast after it was screened: what the figures are held against."""

    __tablename__ = "outcomes"
    __table_args__ = (
        CheckConstraint("laterality IN ('L', 'R')", name="laterality"),
        CheckConstraint("kind IN ('pathology', 'interval_cancer', 'assessment')", name="kind"),
        CheckConstraint("kind <> 'interval_cancer' OR malignant", name="interval_cancer"),
        # What makes importing the same again change nothing.
        UniqueConstraint("study_id", "laterality", "kind", "found_on"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id"))
    laterality: Mapped[str]
    kind: Mapped[str]
    found_on: Mapped[date]
    malignant: Mapped[bool]
    imported_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Reranking(Base):
    """A site whose active release changed and whose list does not follow yet; see `db.ranking`."""

    __tablename__ = "rerankings"

    site: Mapped[str] = mapped_column(
        ForeignKey("sites.name", ondelete="CASCADE"), primary_key=True
    )
    after: Mapped[int] = mapped_column(server_default=text("0"))  # studies up to this one are done
    since: Mapped[datetime] = mapped_column(server_default=func.now())


class WorklistCount(Base):
    """How many studies stand in the list, less what `worklist_changes` adds; see `db.counts`."""

    __tablename__ = "worklist_counts"

    site: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)  # open, aged or read
    number: Mapped[int]


class WorklistChange(Base):
    """What a statement changed of the counts: writers add rows here and never wait."""

    __tablename__ = "worklist_changes"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    site: Mapped[str]
    level: Mapped[str]
    state: Mapped[str]
    number: Mapped[int]


class ScoreCount(Base):
    """What a release said in a night of a site's studies, less what `score_changes` adds."""

    __tablename__ = "score_counts"

    site: Mapped[str] = mapped_column(primary_key=True)
    release: Mapped[str] = mapped_column(C, primary_key=True)
    night: Mapped[date] = mapped_column(primary_key=True)  # on which the run began, UTC
    score: Mapped[int] = mapped_column(SmallInteger, primary_key=True)  # 0: not scored
    number: Mapped[int]
    probability: Mapped[float]  # sum


class ScoreChange(Base):
    __tablename__ = "score_changes"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    site: Mapped[str]
    release: Mapped[str] = mapped_column(C)
    night: Mapped[date]
    score: Mapped[int] = mapped_column(SmallInteger)
    number: Mapped[int]
    probability: Mapped[float]


class Patient(Base):
    """Who a patient pseudonym is. The job may add rows and never reads one (guarantee 7)."""

    __tablename__ = "patients"
    __table_args__ = {"schema": "identity"}  # noqa: RUF012 -- as SQLAlchemy declares it

    pseudonym: Mapped[str] = mapped_column(C, primary_key=True)
    patient_name: Mapped[str | None]
    patient_id: Mapped[str | None]
    issuer: Mapped[str | None]
    birth_date: Mapped[str | None]  # as in the header: it may be no date
    sex: Mapped[str | None]
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Order(Base):
    """What the hospital calls a study; goes with it. Added and read as `Patient` is."""

    __tablename__ = "orders"
    __table_args__ = {"schema": "identity"}  # noqa: RUF012 -- as SQLAlchemy declares it

    study_pseudonym: Mapped[str] = mapped_column(
        C, ForeignKey("studies.pseudonym", ondelete="CASCADE"), primary_key=True
    )
    accession_number: Mapped[str]
