"""Results out to the hospital: found, made and sent, a study at a time."""

import logging
from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy import Engine

from db.exports import ExportedInstance, ExportedStudy, NothingToExport, export, note, who
from db.session import connect, in_transaction
from mammo.codes import Reason
from mammo.facts import Identity
from mammo.reports.contents import NOTICE
from mammo.views import Laterality
from nightread.errors import Refused, ServiceError, UsageError
from nightread.export.gather import gather
from nightread.export.kinds import TABLES, Kind
from nightread.export.objects import Exported, objects
from nightread.export.tables import tables
from nightread.export.targets import Target, address, opened, parse
from nightread.jobs import said_plainly, store_config
from nightread.settings import Settings
from nightread.shapes import ExportDocument, ExportedObject
from ray_jobs.archive.store import StoreConfig
from ray_jobs.faults import ObjectUnreadable
from ray_jobs.pieces import read_instance
from ray_jobs.records import Listed, PlannedInstance


def send(names: Sequence[str], kind: Kind, to: str, settings: Settings) -> ExportDocument:
    """Export studies, by their UIDs or pseudonyms. Nothing is sent unless all of them are known.

    Raises UsageError, ServiceError, Refused.
    """
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # its warnings quote values
    target = parse(to)
    if kind in TABLES and target.is_pacs:
        raise UsageError(f"--as {kind} is a table: name a folder or s3://BUCKET/PREFIX.")
    engine = connect(settings.need("database_url"))
    registrar = None if kind in TABLES else connect(settings.need("identity_database_url"))
    try:
        with said_plainly(settings):
            wanted = list(dict.fromkeys(_found(engine, name).study_uid for name in names))
            with opened(target, settings) as out:
                sent = []
                for item in _made(wanted, kind, engine, registrar, settings):
                    _note(engine, wanted, kind, target, item)
                    out(item)
                    sent.append(_told(item))
    finally:
        engine.dispose()
        if registrar is not None:
            registrar.dispose()
    return ExportDocument(kind=str(kind), to=to, objects=sent, notice=NOTICE)


def _found(engine: Engine, name: str) -> ExportedStudy:
    try:
        return in_transaction(engine, lambda session: export(session, name))
    except NothingToExport as error:
        raise Refused(str(error)) from None


def _made(
    wanted: Sequence[str],
    kind: Kind,
    engine: Engine,
    registrar: Engine | None,
    settings: Settings,
) -> Iterator[Exported]:
    if registrar is None:
        yield from tables(kind, (_found(engine, uid) for uid in wanted))
        return
    store = store_config(settings)
    for uid in wanted:
        study = _found(engine, uid)
        patient = _patient(registrar, study, settings)
        gathered = gather(
            study,
            patient,
            partial(_read, store, study),
            pictures=kind is Kind.SC,
        )
        yield from objects(kind, gathered, study.pseudonym)


def _patient(registrar: Engine, study: ExportedStudy, settings: Settings) -> Identity:
    pseudonym = study.patient_pseudonym
    if pseudonym is None:
        return Identity()
    with said_plainly(settings, "identity_database_url"):
        found = in_transaction(registrar, lambda session: who(session, pseudonym))
    if found is None:
        raise Refused(
            f"Nobody knows whose the study {study.pseudonym} is: its identity was erased, or "
            "never stored. Nothing goes out without a name."
        )
    return found


def _read(store: StoreConfig, study: ExportedStudy, instance: ExportedInstance) -> bytes:
    """The file of an instance, wherever it lies."""
    planned = PlannedInstance(
        instance.id,
        instance.bucket,
        Listed(instance.key, instance.etag, instance.size),
        instance.sop_instance_uid or "",
        Laterality.LEFT,  # of no matter here
        "",
        Reason.OK,
        (),
        instance.place,
    )
    try:
        return read_instance(store, planned)
    except ObjectUnreadable as error:
        if error.reason is Reason.READ_FAILED:
            raise ServiceError(
                f"An image of the study {study.pseudonym} could not be read from S3: try again."
            ) from None
        raise Refused(
            f"An image of the study {study.pseudonym} is gone or changed since it was screened: "
            "run `nightread screen`, then export again."
        ) from None


def _note(
    engine: Engine, wanted: Sequence[str], kind: Kind, target: Target, item: Exported
) -> None:
    """Before it goes out: whatever happens then, an erasure knows where to look."""
    if item.dataset is None:
        studies, uid = wanted, None
    else:
        studies = [str(item.dataset.StudyInstanceUID)]
        uid = str(item.dataset.SOPInstanceUID)
    try:
        in_transaction(
            engine, lambda s: note(s, studies, str(kind), address(target), item.name, uid)
        )
    except NothingToExport as error:
        raise Refused(str(error)) from None


def _told(item: Exported) -> ExportedObject:
    return ExportedObject(
        name=item.name,
        pseudonym=item.pseudonym,
        sop_instance_uid=str(item.dataset.SOPInstanceUID) if item.dataset is not None else None,
        release=item.release,
    )
