"""A study's report, gathered from the database, the identity table and the images themselves."""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from db.exports import ExportedInstance, ExportedStudy
from mammo import part10, voi
from mammo.codes import Kind
from mammo.decode import PixelError, decode
from mammo.facts import Identity
from mammo.reports.capture import PANEL
from mammo.reports.contents import Algorithm, Failure, Image, Mark, Report, Score, StudyHeader
from mammo.reports.sources import image_of, study_header
from mammo.views import Laterality
from nightread.errors import Refused

Read = Callable[[ExportedInstance], bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """A report, and of its analysed images what else an object is made of."""

    report: Report
    headers: tuple[Dataset, ...]  # as `report.images`
    pictures: dict[str, NDArray[np.uint8]]  # by UID, at the overlay's size; empty: not asked for


def gather(
    study: ExportedStudy, patient: Identity, read: Read, *, pictures: bool = False
) -> Gathered:
    """All that goes out of one study. `read` gives the bytes of an instance's file.

    Raises `Refused`: its images contradict one another, are no longer those that were screened,
    or there is none to refer to.
    """
    if study.contradictory:
        raise Refused(
            f"The study {study.pseudonym} holds images that contradict one another: nothing is "
            "said of it in a patient's name. Look at it by hand."
        )
    images: list[Image] = []
    headers: list[Dataset] = []
    shown: dict[str, NDArray[np.uint8]] = {}
    for used in study.used:
        data = read(used)
        if hashlib.sha256(data).hexdigest() != used.sha256:
            raise Refused(_changed(study))
        header, gray = _looked_at(data, study, picture=pictures)
        image = image_of(used.facts, header) if used.facts else None
        if image is None:
            raise Refused(
                f"An image of the study {study.pseudonym} does not say its class and series: "
                "no report can refer to it."
            )
        images.append(image)
        headers.append(header)
        if gray is not None:
            shown[image.sop_instance_uid] = gray
    failures, unread = _failures(study)
    if not images and not failures:
        why = f" ({study.reason})" if study.reason else ""
        raise Refused(
            f"The study {study.pseudonym} has no image that a DICOM report could refer to{why}: "
            "--as csv holds what is known of it."
        )
    report = Report(
        patient=patient,
        study=_study(study, headers),
        algorithm=Algorithm(study.release_name, study.release, study.code_version),
        created=study.created_at,
        level=str(study.level),
        study_score=None
        if study.score is None or study.probability is None
        else Score(study.score, study.probability),
        breasts=tuple(
            (Laterality(side), Score(said.score, said.probability))
            for side, said in study.breasts.items()
        ),
        reason=study.reason and str(study.reason),
        images=tuple(images),
        failures=failures,
        unread=unread,
        marks=tuple(
            Mark(f.sop_instance_uid, f.box, Kind(f.kind), f.probability, f.score, f.location)
            for f in study.findings
        ),
        missing_views=study.missing_views,
        warnings=study.warnings,
    )
    return Gathered(report, tuple(headers), shown)


def _changed(study: ExportedStudy) -> str:
    return (
        f"An image of the study {study.pseudonym} is no longer the one that was screened: run "
        "`nightread screen`, then export again."
    )


def _looked_at(
    data: bytes, study: ExportedStudy, *, picture: bool
) -> tuple[Dataset, NDArray[np.uint8] | None]:
    """The header, and the image as it is meant to be seen, reduced for the overlay."""
    try:
        if not picture:
            return part10.read(data).header, None
        decoded = decode(data)
    except PixelError as error:  # it could be read when it was screened
        raise Refused(
            f"An image of the study {study.pseudonym} can't be read: {error.reason}."
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # their texts hold values of the header
        gray = voi.choose(decoded.header, decoded.pixels).apply(decoded.pixels)
    scale = min(PANEL[0] / gray.shape[0], PANEL[1] / gray.shape[1], 1.0)
    size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
    return decoded.header, np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA))


def _failures(study: ExportedStudy) -> tuple[tuple[Failure, ...], tuple[str, ...]]:
    """Those that a report can refer to, and the reasons of the others."""
    failures, unread = [], []
    for failed in study.failed:
        image = image_of(failed.facts) if failed.facts else None
        if image is None:
            unread.append(failed.reason)
        else:
            failures.append(Failure(image, failed.reason))
    return tuple(failures), tuple(sorted(unread))


def _study(study: ExportedStudy, headers: list[Dataset]) -> StudyHeader:
    if headers:
        return study_header(headers[0], study.study_uid)
    date = study.study_date
    return StudyHeader(uid=study.study_uid, date=date.strftime("%Y%m%d") if date else "")
