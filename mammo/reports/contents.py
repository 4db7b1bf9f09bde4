"""What a report says: a study's result, the images that it is about, and whose they are."""

from dataclasses import dataclass, field
from datetime import datetime

from mammo.codes import Kind, Reason
from mammo.facts import Identity
from mammo.views import Laterality, Modifier, Projection

NOTICE = "Research use only, not a medical device"
PRODUCT = "nightread"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyHeader:
    """The study as its images name it, so that a report joins it; empty: not said."""

    uid: str
    date: str = ""  # YYYYMMDD
    time: str = ""  # HHMMSS
    offset: str = ""  # of local time from UTC, such as +0100
    accession: str = field(default="", repr=False)
    id: str = field(default="", repr=False)
    referring: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An instance that a report refers to; None and empty: not said by its header."""

    sop_class: str
    sop_instance_uid: str
    series_uid: str
    laterality: Laterality | None = None
    view: Projection | None = None
    modifiers: tuple[Modifier, ...] = ()
    orientation: tuple[str, str] | None = None  # along a row, along a column
    study_date: str = ""
    study_time: str = ""
    content_date: str = ""
    content_time: str = ""
    spacing: tuple[float, float] | None = None  # mm at the detector: row, column
    rows: int | None = None
    columns: int | None = None

    @property
    def name(self) -> str:
        """Side and view, such as L CC."""
        return f"{self.laterality or '?'} {self.view or '?'}"


@dataclass(frozen=True, slots=True)
class Failure:
    """A view that should have been analysed and could not be."""

    image: Image
    reason: str  # a code of Reason or NotScored


@dataclass(frozen=True, slots=True)
class Mark:
    """A finding. The box is in native pixels: (0, 0) is the outer corner of the top left one."""

    sop_instance_uid: str
    box: tuple[float, float, float, float]  # x0, y0, x1, y1
    kind: Kind
    probability: float
    score: int  # 1 to 10
    location: str


@dataclass(frozen=True, slots=True)
class Score:
    """What is said of a study or of a breast."""

    score: int  # 1 to 10
    probability: float


@dataclass(frozen=True, slots=True)
class Algorithm:
    """What said it: a release, and the code that ran it."""

    release: str
    digest: str  # SHA-256 of the manifest, hex
    code_version: str

    @property
    def version(self) -> str:
        """Unambiguous: the digest names every number that the release holds."""
        return f"{self.release} sha256:{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is written into a study's objects, whatever their kind."""

    patient: Identity
    study: StudyHeader
    algorithm: Algorithm
    created: datetime  # of the result, with its time zone
    level: str
    study_score: Score | None  # None: not scored
    breasts: tuple[tuple[Laterality, Score], ...] = ()
    reason: str | None = None  # why there is no score
    images: tuple[Image, ...] = ()  # those that were analysed
    failures: tuple[Failure, ...] = ()
    unread: tuple[str, ...] = ()  # reasons of files that cannot even be referred to
    marks: tuple[Mark, ...] = ()  # in `images`
    missing_views: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def marks_in(self, image: Image) -> tuple[Mark, ...]:
        """The findings of one image, the most suspicious first."""
        return tuple(m for m in self.marks if m.sop_instance_uid == image.sop_instance_uid)

    def remarks(self) -> tuple[str, ...]:
        """What a reader must know beside the score, in sentences."""
        found = []
        if self.study_score is None:
            found.append(f"Not scored: {self.reason}.")
        else:
            said = self.study_score
            found.append(
                f"Study score {said.score} of 10 ({self.level}), "
                f"probability of malignancy {said.probability:.3f}."
            )
        found += [
            f"{_SIDES[side]} breast: score {said.score} of 10, probability {said.probability:.3f}."
            for side, said in self.breasts
        ]
        found += [f"Not analysed: {f.image.name} ({f.reason})." for f in self.failures]
        if self.unread:
            found.append(f"Files that could not be read at all: {', '.join(self.unread)}.")
        if self.missing_views:
            found.append(f"No image of: {', '.join(self.missing_views)}.")
        if self.warnings:
            found.append(f"Remarks: {', '.join(self.warnings)}.")
        return (*found, f"{PRODUCT} release {self.algorithm.version}.", f"{NOTICE}.")


_SIDES = {Laterality.LEFT: "Left", Laterality.RIGHT: "Right"}
LINES = {str(reason): reason.line for reason in Reason}  # a code in words
