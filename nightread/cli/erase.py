"""`nightread erase`: a patient's right, or a hospital's duty, to be forgotten."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from nightread.cli.options import Config, Json

if TYPE_CHECKING:
    from nightread.shapes import EraseDocument


def command(
    patient: Annotated[
        str | None, typer.Option(help="A Patient ID, as in the headers: all of their studies.")
    ] = None,
    issuer: Annotated[str, typer.Option(help="Issuer of the Patient ID, as in the headers.")] = "",
    study: Annotated[
        str | None, typer.Option(help="A Study Instance UID or a study's pseudonym.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Remove all that is known of a study, or of a patient's studies, but for a keyed stub.

    Identity, results, findings, decisions, outcomes, previews and exports go. What the archive
    still holds counts as excluded, ERASED, and is never read again. What cannot be reached from
    here is listed, and until when backups hold it.

    Example: nightread erase --patient 4711 --issuer north --dry-run
    """
    from nightread.erasing import act, look, of_patient, of_study, opened
    from nightread.errors import Interrupted, UsageError
    from nightread.settings import load_settings

    if (patient is None) == (study is None):
        raise UsageError("Name either --patient or --study.")
    if issuer and patient is None:
        raise UsageError("--issuer goes with --patient.")
    if not (yes or dry_run or sys.stdin.isatty()):
        raise UsageError("Say --yes, or --dry-run to see what would be removed.")
    with opened(load_settings(config)) as eraser:
        wanted = (
            of_study(eraser, study)
            if study is not None
            else of_patient(eraser, patient or "", issuer)
        )
        if not (yes or dry_run):
            for line in _lines(look(eraser, wanted)):
                typer.echo(line, err=True)
            if not _confirmed():
                raise Interrupted("nothing was removed")
        document = look(eraser, wanted) if dry_run else act(eraser, wanted)
    if as_json:
        typer.echo(document.model_dump_json(indent=1))
    else:
        for line in _lines(document):
            typer.echo(line)


def _confirmed() -> bool:
    try:
        return typer.confirm("Remove it for good?", err=True)
    except typer.Abort:
        return False


def _lines(document: "EraseDocument") -> Iterator[str]:
    for one in document.studies:
        if not one.known:
            yield f"{one.pseudonym}: was erased before."
            continue
        rows = ", ".join(f"{n} {table}" for table, n in one.rows.items() if n)
        yield f"{one.pseudonym}: {rows}; {one.previews} previews, {one.exports} exports."
        yield f"  {one.objects} objects of the archive are never read again."
    if document.patient:
        yield f"{document.patient}: the patient's older studies stay out, a later exam does not."
    for left in document.left:
        yield f"To be seen to by a person: {left.what}, at {left.where}."
    until = document.backups_until
    yield (
        f"Backups made until now hold it up to {until}."
        if until
        else "Backups hold it for as long as they are kept: NIGHTREAD_BACKUP_DAYS is not set."
    )
    if document.dry_run:
        yield "Nothing was removed."
