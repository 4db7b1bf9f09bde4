"""`nightread erase`: what is known of a study, or of all studies of a patient, goes.

What lies outside the database goes first, then the rest in one transaction a study: whatever stops
it, the same command again takes up where it was.
"""

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db import erasure
from db.erasure import MoreWentOut, Removed, Sent, StudyHeld
from db.session import connect, in_transaction
from mammo.pseudonym import Pseudonyms, is_shared
from nightread.erasure.places import Exports, Previews, previews
from nightread.errors import LockedError, Refused, ServiceError
from nightread.jobs import pseudonyms_of, said_plainly
from nightread.settings import Settings
from nightread.shapes import EraseDocument, ErasedStudyShape, LeftShape

TRIES = 3  # each lost one to an export that went out meanwhile


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be erased, in pseudonyms."""

    studies: tuple[str, ...]
    patient: str | None = None
    others: int = 0  # patients of another issuer who have the same number


@dataclass(frozen=True, slots=True)
class Eraser:
    """With what a study is erased."""

    engine: Engine
    pseudonyms: Pseudonyms
    exports: Exports
    previews: Previews | None
    backup_days: int | None


@contextmanager
def opened(settings: Settings) -> Iterator[Eraser]:
    """Raises ConfigurationError, and says plainly what a service does to us."""
    engine = connect(settings.need("erasure_database_url"))
    try:
        with said_plainly(settings, "erasure_database_url"):
            yield Eraser(
                engine,
                pseudonyms_of(settings),
                Exports(settings),
                previews(settings),
                settings.backup_days,
            )
    finally:
        engine.dispose()


def of_study(eraser: Eraser, name: str) -> Wanted:
    """A study by its UID or pseudonym. Raises `Refused` for one that nobody knows."""
    found = in_transaction(eraser.engine, lambda s: erasure.study_named(s, name, eraser.pseudonyms))
    if found is None:
        raise Refused("There is no such study in the index, and none was erased: check its UID.")
    return Wanted((found,))


def of_patient(eraser: Eraser, number: str, issuer: str) -> Wanted:
    """All studies of a patient, by ID and issuer. Raises `Refused`."""
    if is_shared(number):
        raise Refused("Many patients have this Patient ID: name their studies, one by one.")
    patient = eraser.pseudonyms.patient(number, issuer, "")

    def asked(session: Session) -> tuple[list[erasure.OfPatient], bool, int]:
        return (
            erasure.of_patient(session, patient),
            erasure.is_known(session, patient),
            erasure.same_number(session, number, patient),
        )

    studies, known, others = in_transaction(eraser.engine, asked)
    if not known and not studies:
        hint = f" {others} of another issuer have it: name theirs with --issuer." if others else ""
        raise Refused(f"There is no patient with this ID and issuer in the index.{hint}")
    for study in studies:
        if study.mixed:
            raise Refused(
                f"The study {study.pseudonym} holds images of somebody else too: correct the "
                "archive, or erase it whole with --study."
            )
    return Wanted(tuple(study.pseudonym for study in studies), patient, others)


def look(eraser: Eraser, wanted: Wanted) -> EraseDocument:
    """What would be removed: done, counted and taken back."""
    return _document(eraser, wanted, lambda study: _tried(eraser, study), dry_run=True)


def _tried(eraser: Eraser, study: str) -> tuple[Removed | None, list[Sent]]:
    with Session(eraser.engine) as session:
        went_out = erasure.sent(session, study)
        removed = _erase(session, eraser, study, went_out)
        session.rollback()
    return removed, went_out


def act(eraser: Eraser, wanted: Wanted) -> EraseDocument:
    """Erase; raises `LockedError` where a run holds a study. What was erased before it stays so."""

    def done(study: str) -> tuple[Removed | None, list[Sent]]:
        _tried(eraser, study)  # who refuses it refuses before anything is removed
        for _ in range(TRIES):
            went_out = in_transaction(eraser.engine, lambda s: erasure.sent(s, study))
            for one in went_out:
                if eraser.exports.reaches(one):
                    eraser.exports.remove(one)
            if eraser.previews is not None:
                eraser.previews.remove(study)
            try:
                removed = in_transaction(
                    eraser.engine,
                    lambda s, dealt=went_out: _erase(s, eraser, study, dealt),  # type: ignore[misc]
                )
            except MoreWentOut:
                continue
            if eraser.previews is not None:  # what somebody looked at meanwhile
                eraser.previews.remove(study)
            return removed, went_out
        raise ServiceError(f"The study {study} is being exported all the time: run again after it.")

    patient = wanted.patient
    if patient is not None:  # first: nothing of hers comes in while her studies go
        in_transaction(eraser.engine, lambda s: erasure.erase_patient(s, patient, who()))
    return _document(eraser, wanted, done, dry_run=False)


def _erase(session: Session, eraser: Eraser, study: str, dealt_with: list[Sent]) -> Removed | None:
    try:
        return erasure.erase(session, study, dealt_with, who(), eraser.pseudonyms)
    except StudyHeld as held:
        raise LockedError(
            f"A run waits for the result of the study {study}: {held.who} since "
            f"{held.since:%Y-%m-%d %H:%M} UTC. Run again when it has ended."
        ) from None


def who() -> str:
    """Who does it, for the audit."""
    return f"{getpass.getuser()}@{os.uname().nodename}"


def _document(
    eraser: Eraser,
    wanted: Wanted,
    remove: Callable[[str], tuple[Removed | None, list[Sent]]],
    *,
    dry_run: bool,
) -> EraseDocument:
    studies: list[ErasedStudyShape] = []
    left: list[LeftShape] = []
    for study in wanted.studies:
        pictures = len(eraser.previews.of(study)) if eraser.previews is not None else 0
        removed, went_out = remove(study)
        reached = [one for one in went_out if eraser.exports.reaches(one)]
        studies.append(
            ErasedStudyShape(
                pseudonym=study,
                known=removed is not None,
                rows=removed.rows if removed else {},
                objects=removed.objects if removed else 0,
                previews=pictures,
                exports=len(reached),
            )
        )
        left += _left(eraser, study, removed, went_out)
    if wanted.others:
        left.append(
            LeftShape(
                study=None,
                what=f"{wanted.others} patients of another issuer with the same ID",
                where="the identity table: name them with --issuer, if they are the same person",
            )
        )
    until = _backups_until(eraser.backup_days)
    return EraseDocument(
        dry_run=dry_run,
        patient=wanted.patient,
        studies=studies,
        left=left,
        backups_until=until.isoformat() if until else None,
    )


def _left(
    eraser: Eraser, study: str, removed: Removed | None, went_out: list[Sent]
) -> Iterator[LeftShape]:
    """What a person has to see to."""
    for one in went_out:
        if not eraser.exports.reaches(one):
            what = f"{one.kind} {one.sop_instance_uid or one.name}"
            where = f"{one.place} on {one.host}" if one.host else one.place
            yield LeftShape(study=study, what=what, where=where)
        elif eraser.exports.keeps_versions(one):
            yield LeftShape(study=study, what=f"older versions of {one.name}", where=one.place)
    if eraser.previews is None:
        where = "NIGHTREAD_PREVIEWS_URL is not set here: set it as for `serve`, and run again"
        yield LeftShape(study=study, what="previews, if any are kept", where=where)
    elif eraser.previews.keeps_versions():
        yield LeftShape(study=study, what="older versions of previews", where="their bucket")
    if removed is not None and removed.shared:
        yield LeftShape(
            study=study,
            what=f"the keys of {removed.shared} archive objects that hold other studies too",
            where="the table objects: they are needed to read the others",
        )


def _backups_until(days: int | None) -> date | None:
    return None if days is None else datetime.now(UTC).date() + timedelta(days=days)
