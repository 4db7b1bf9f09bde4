"""The JSON that other programs rely on: one model a document, held by tests.

Fields may be added; none is renamed or dropped without a major version and a CHANGELOG entry.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """Refuses what is not written here."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InspectLine(Shape):
    """`nightread inspect --json`: one line an instance."""

    path: str
    member: str | None
    verdict: str
    reason: str
    detail: str
    warnings: list[str]
    sop_class: str | None
    transfer_syntax: str | None
    manufacturer: str | None
    presentation_intent: str | None
    laterality: str | None
    view: str | None
    modifiers: list[str]
    rows: int | None
    columns: int | None
    bits_stored: int | None
    voi: str | None  # lut, window or none, with the chosen explanation; None: not looked at
    source_kind: str


class GeometryShape(Shape):
    """The affine map of a prepared image; see `mammo.geometry`."""

    left: float
    top: float
    width: float
    scale: float
    mirrored: bool
    quarter_turns: int
    native_shape: tuple[int, int]


class PrepareMilliseconds(Shape):
    read: float
    decode: float
    voi: float
    breast: float
    resample: float


class PrepareDocument(Shape):
    """`nightread prepare --json`."""

    shape: list[int]
    dtype: str
    release: str
    geometry: GeometryShape
    breast_box: tuple[float, float, float, float]  # native pixels
    laterality: str | None
    view: str | None
    voi: str
    milliseconds: PrepareMilliseconds


class PublishedCount(Shape):
    """A number of the data set beside what somebody published for the complete one."""

    what: str
    here: int
    published: int
    source: str


class OddityCount(Shape):
    """A code of `training.datasets.oddities`, and where it stands first."""

    code: str
    count: int
    meaning: str
    examples: list[str]


class DataProblem(Shape):
    """An entry that is missing or broken, and so is no image of the data set."""

    code: str
    where: str
    detail: str


class DataCheckDocument(Shape):
    """`nightread data check --json`."""

    data_set: str
    title: str
    folder: str
    notes: list[str]
    counts: dict[str, dict[str, int]]  # by what is counted, then by value
    published: list[PublishedCount]
    oddities: list[OddityCount]
    problems: list[DataProblem]
    dropped_images: list[str]  # of the official training part: their patient is in test
    decoded: int | None  # files read whole; None: headers alone


class Objects(Shape):
    listed: int
    with_instances: int
    without_instance: int


class Instances(Shape):
    indexed: int
    accepted: int
    excluded: int
    quarantined: int


class Studies(Shape):
    known: int
    screened_now: int
    already_current: int
    scored: int
    not_scored: int
    pending: int
    not_mammography: int


class StageSeconds(Shape):
    """Summed over tasks."""

    list: float = 0.0
    fetch: float = 0.0
    decode: float = 0.0
    prepare: float = 0.0
    infer: float = 0.0
    write: float = 0.0


class Seconds(Shape):
    total: float
    by_stage: StageSeconds


class HeaderBytes(Shape):
    """What reading new and changed headers cost."""

    read: int
    needed: int  # up to Pixel Data


class FindingShape(Shape):
    laterality: str
    view: str
    sop_instance_uid: str
    box: tuple[float, float, float, float]  # native pixels, x1 and y1 exclusive
    kind: str
    probability: float
    score: int
    location: str


class BreastShape(Shape):
    score: int | None
    probability: float | None


class BreastsShape(Shape):
    L: BreastShape | None
    R: BreastShape | None


class ExclusionShape(Shape):
    sop_instance_uid: str | None
    reason: str


class WorklistItem(Shape):
    study_uid: str
    pseudonym: str
    rank: int
    level: str
    score: int | None
    probability: float | None
    breasts: BreastsShape
    findings: list[FindingShape]
    missing_views: list[str]
    warnings: list[str]
    exclusions: list[ExclusionShape]
    release: str | None
    study_date: str | None
    site: str
    status: str  # unread, claimed or read
    claimed_by: str | None
    aged: bool  # was not read for too long


class WorklistDocument(Shape):
    """`nightread worklist --json`."""

    items: list[WorklistItem]
    counts: dict[str, int]
    next: str | None


class ScreenDocument(Shape):
    """`nightread screen --json`; `demo` adds the worklist."""

    run: str
    release: str
    objects: Objects
    instances: Instances
    reasons: dict[str, int]
    studies: Studies
    not_scored_reasons: dict[str, int]
    seconds: Seconds
    studies_per_minute: float
    header_bytes: HeaderBytes


class DemoDocument(ScreenDocument):
    """`nightread demo --json`."""

    worklist: WorklistDocument


class StatusDocument(ScreenDocument):
    """`nightread status --json`."""

    state: Literal["running", "paused", "interrupted", "finished"]
    seconds_left: float | None


class ExportedObject(Shape):
    """Something that went out."""

    name: str  # below the folder or prefix; to a PACS: as it would be called there
    pseudonym: str | None  # of its study; null: a table of several
    sop_instance_uid: str | None  # of what was made, not of an image; null: no DICOM object
    release: str | None  # digest; null: a table, whose rows say it


class ExportDocument(Shape):
    """`nightread export --json`."""

    kind: str
    to: str
    objects: list[ExportedObject]
    notice: str


class ChangedVerdicts(Shape):
    """Instances whose reason is another one now."""

    before: str
    after: str
    instances: int


class RejudgeDocument(Shape):
    """`nightread index --rejudge --json`."""

    judged: int  # instances whose rules or policy were other ones
    changed: int
    changes: list[ChangedVerdicts]
    moved: int  # objects that belong to another site now


class IssuedToken(Shape):
    """`nightread tokens issue --json`. The token is shown this once."""

    name: str
    role: str
    token: str
    expires_at: datetime


class TokenShape(Shape):
    """`nightread tokens list --json`: a list of these."""

    name: str
    role: str
    made_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None


class ServiceStatus(Shape):
    """`nightread stack status --json`: a list of these."""

    service: str
    state: Literal["running", "failed", "stopped"]
    url: str | None
    pid: int | None
    proof: str


class NamedRelease(Shape):
    name: str
    digest: str  # SHA-256 of the manifest, hex


class ListedRelease(Shape):
    name: str
    digest: str | None  # null: refused
    refused: str | None  # why
    newest: bool  # what a command means that is told no other
    valid_for: list[str]
    description: str | None
    active_at: list[str]  # sites; none without a database


class ListDocument(Shape):
    """`nightread models list --json`."""

    releases: list[ListedRelease]


class CompiledGraph(Shape):
    graph: str
    precision: str  # of its convolutions
    generation: str  # of GPUs, by compute capability
    layers: int
    plan_bytes: int
    refused: str | None


class VerifyDocument(Shape):
    """`nightread models verify --json`."""

    name: str
    digest: str
    target: str
    files: int  # whose digests are right
    canary_boxes: int
    reference_views: int
    problems: list[str]  # none: the release is sound
    compiled: list[CompiledGraph]  # for tensorrt alone


class TensorShape(Shape):
    name: str
    dtype: str
    dims: list[int]  # without the batch


class ModelShape(Shape):
    name: str
    reads: list[TensorShape]
    answers: list[TensorShape]


class PreparationShape(Shape):
    """See `mammo.prepare.Preparation`."""

    height: int
    width: int
    margin: float
    version: str
    half_jpeg_2000: bool


class WholeShape(Shape):
    intercept: float
    findings: float
    suspicion: float


class CalibrationShape(Shape):
    """See `mammo.scoring.Calibration`."""

    lesion_intercept: float
    detection: float
    lesion: float
    malignancy_intercept: float
    malignancy: float
    view: WholeShape | None


class OperatingPoints(Shape):
    finding_threshold: float  # the detector's confidence from which a box is reported
    steps: list[float]  # probabilities from which a score is 2 to 10
    urgent: int  # the lowest score of the level
    soon: int
    routine: int


class ToleranceShape(Shape):
    score: float
    box: float  # prepared pixels
    least: float  # the detector's confidence from which a box is compared


class ReferenceShape(Shape):
    """Views whose scores the release has to repeat."""

    tolerances: dict[str, ToleranceShape]  # by target
    boxes: dict[str, int]  # by the view's file


class ShowDocument(Shape):
    """`nightread models show --json`."""

    name: str
    digest: str
    description: str
    intended_use: str
    valid_for: list[str]
    models: list[ModelShape]
    precision: str
    preparation: PreparationShape
    calibration: CalibrationShape
    operating_points: OperatingPoints
    reference: ReferenceShape


class PromoteDocument(Shape):
    """`nightread models promote --json`."""

    site: str
    before: NamedRelease | None  # null: the site had no release of its own
    now: NamedRelease
    reranked: int  # studies of the site whose place in the list was decided anew


class EvaluatedFigure(Shape):
    """One figure; `null` where it is not defined, or too little was drawn for an interval."""

    unit: str  # lesion, image, breast or patient
    name: str
    value: float | None
    low: float | None  # 95% over patients
    high: float | None
    definition: str


class EvaluatedSet(Shape):
    name: str
    images: int
    breasts: int
    patients: int
    lesions: int
    malignant_images: int
    malignant_breasts: int
    malignant_patients: int
    figures: list[EvaluatedFigure]


class EvaluatedPair(Shape):
    """Two sets of the same images: two systems, and whether they differ in ROC AUC."""

    unit: str
    first: str
    second: str
    cases: int
    malignant: int
    aucs: tuple[float | None, float | None]
    difference: float | None  # first less second
    low: float | None  # 95% over patients, paired
    high: float | None
    z: float | None  # DeLong's
    p: float | None  # two-sided


class RecomputedFigures(Shape):
    """The run's own figures against the same computed again."""

    equal: int
    different: list[str]
    missing: list[str]  # the record does not hold what they are computed from


class EvaluateDocument(Shape):
    run: str
    report: str | None
    sets: list[EvaluatedSet]
    pairs: list[EvaluatedPair]
    recomputed: RecomputedFigures | None  # null: the run has no figures of its own


class ErasedStudyShape(Shape):
    pseudonym: str  # the stub that stays
    known: bool  # false: it had been erased before
    rows: dict[str, int]  # by table; of `instances` nothing is left but that they are there
    objects: int  # of the archive, known no longer by their keys
    previews: int
    exports: int  # removed from folders of this machine and from buckets


class LeftShape(Shape):
    """What a person has to see to."""

    study: str | None  # pseudonym
    what: str
    where: str


class EraseDocument(Shape):
    """`nightread erase --json`."""

    dry_run: bool  # nothing was removed: what would be
    patient: str | None  # pseudonym: the stub that stays
    studies: list[ErasedStudyShape]
    left: list[LeftShape]
    backups_until: str | None  # the day on which the last backup is gone; null: nobody has said


class RetentionDocument(Shape):
    """`nightread retention run --json`."""

    dry_run: bool  # nothing was removed: what would be
    removed: dict[str, int]  # superseded (results), runs, counts (nights), exports
    kept_for_good: list[str]  # of these, for which no setting says how long


class WrongLine(Shape):
    line: int
    what: str


class OutcomesDocument(Shape):
    """`nightread outcomes import --json`."""

    new: int
    changed: int  # the same breast, kind and day, with another result
    unchanged: int
    unknown: list[int]  # lines of studies that are not in the index
    erased: list[int]  # lines of studies that were erased
    wrong: list[WrongLine]  # the first thousand
    wrong_lines: int


class LevelVerified(Shape):
    studies: int
    without_outcome: int


class WorklistSet(Shape):
    """Figures over studies with outcomes."""

    name: str  # all, or score_not_seen: none whose reader had seen the score before deciding
    studies: int  # whose truth is known
    malignant: int
    figures: list[EvaluatedFigure]


class WorklistGroup(Shape):
    """What one release said of the studies of one site, or of all."""

    release: str
    release_name: str
    site: str | None  # null: all
    studies: int  # of which the release's word is current
    not_scored: int
    levels: dict[str, LevelVerified]
    at_or_above: dict[str, float]  # by level, the share of all scored: known without outcomes
    without_outcome: int
    short_follow_up: int  # with outcomes that do not tell yet
    malignant_not_scored: int  # a person looked for themselves
    score_seen: int  # with an outcome, decided on after the score was seen
    decided: int  # with an outcome and a decision
    unverified: list[str]  # pseudonyms, recalled ones first: the first hundred; of a site alone
    sets: list[WorklistSet]


class EvaluateWorklistDocument(Shape):
    """`nightread evaluate --from-worklist --json`."""

    follow_up_days: int
    groups: list[WorklistGroup]
    remarks: list[str]  # what these figures do not say
