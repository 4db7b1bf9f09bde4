"""`nightread models`: what releases there are, and whether they can be trusted."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from nightread.cli import models_verify
from nightread.cli.model_options import Dir, Name
from nightread.cli.options import Config, Json
from nightread.errors import UsageError

if TYPE_CHECKING:
    from nightread.shapes import ShowDocument, TensorShape

app = typer.Typer(help="Releases: list, verify, build, show, promote, serve.", no_args_is_help=True)


@app.command("list")
def list_(releases: Dir = None, as_json: Json = False, config: Config = None) -> None:
    """Show the releases, the default one marked, and the sites at which each is active.

    Example: nightread models list
    """
    from nightread.release_documents import listed, sites_by_release
    from nightread.settings import load_settings

    settings = load_settings(config)
    sites = sites_by_release(settings)
    if sites is None:
        typer.echo("nightread: the database can't be asked which are active at sites", err=True)
    document = listed(releases or settings.releases_dir, sites or {})
    if as_json:
        typer.echo(document.model_dump_json(indent=1))
        return
    table = Table("release", "digest", "active at", "valid for", "description", box=None)
    for one in document.releases:
        name = one.name + (" (default)" if one.newest else "")
        kinds, sites_of = ", ".join(one.valid_for), ", ".join(one.active_at)
        said = one.refused or one.description
        table.add_row(name, (one.digest or "refused")[:12], sites_of, kinds, said)
    Console().print(table)


app.command()(models_verify.verify)
app.command()(models_verify.build)


@app.command()
def show(
    name: Name = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="FILE.svg: the ensemble as a picture; FILE.html: the model card, one page.",
        ),
    ] = None,
    releases: Dir = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show what a release is: its models with their tensors, and what it may be used for.

    And every number that makes a finding, a probability and a level of what the models say.

    Example: nightread models show --out card.html
    """
    from nightread.release_documents import shown
    from nightread.releases import open_chosen
    from nightread.settings import load_settings
    from triton_repo.card.page import page
    from triton_repo.diagram import svg

    drawn = {".svg": svg, ".html": page}
    if out is not None and out.suffix not in drawn:
        raise UsageError(f"--out {out.name} ends in neither .svg (ensemble) nor .html (card).")
    release = open_chosen(name, load_settings(config), releases)
    document = shown(release)
    if as_json:
        typer.echo(document.model_dump_json(indent=1))
    else:
        _shown(document)
    if out is not None:
        try:
            out.write_text(drawn[out.suffix](release), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{out} can't be written: {error.strerror}.") from None


def _shown(document: "ShowDocument") -> None:
    def told(tensors: "list[TensorShape]") -> str:
        return ", ".join(f"{t.name} {t.dtype} {'x'.join(map(str, t.dims))}" for t in tensors)

    def numbers(values: dict[str, object]) -> str:
        return ", ".join(f"{name} {value}" for name, value in values.items())

    console = Console(soft_wrap=True)
    typer.echo(f"{document.name} {document.digest}: {document.description}")
    table = Table("model", "reads", "answers", box=None)
    for model in document.models:
        table.add_row(model.name, told(model.reads), told(model.answers))
    Console().print(table)
    scale = document.operating_points
    reference = document.reference
    allowed = (
        f"{target}: {numbers(tolerance.model_dump())}"
        for target, tolerance in reference.tolerances.items()
    )
    rows = {
        "intended use": document.intended_use,
        "valid for": ", ".join(document.valid_for),
        "preparation": numbers(document.preparation.model_dump()),
        "precision": f"{document.precision} on GPUs",
        "calibration": numbers(document.calibration.model_dump(exclude={"view"})),
        "of the view": numbers(document.calibration.view.model_dump())
        if document.calibration.view
        else "its worst finding's",
        "finding from": f"a detection of {scale.finding_threshold}",
        "score 2 to 10": "from " + ", ".join(f"{step:.4f}" for step in scale.steps),
        "levels": f"urgent from {scale.urgent}, soon {scale.soon}, routine {scale.routine}",
        "reference": numbers({f"{name}:": f"{n} boxes" for name, n in reference.boxes.items()}),
        "may be off by": "; ".join(allowed),
    }
    for label, value in rows.items():
        console.print(f"{label:<14}{value}", highlight=False)


@app.command()
def promote(
    name: Annotated[
        str | None, typer.Argument(metavar="[RELEASE]", help="Needed unless --rollback.")
    ] = None,
    site: Annotated[
        str, typer.Option(help="Whose active release it becomes; `unknown`: of all without a site.")
    ] = "unknown",
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Back to the one that was active before.")
    ] = False,
    releases: Dir = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Make a release the one that a site's runs use, once it is verified wholly.

    As the schema's owner. Runs that go on keep the release that they began with. The site's list
    follows at once: it shows what this release said, and marks what only another one has.

    Example: nightread models promote base-2026-11e --site north
    """
    from nightread import promoting
    from nightread.settings import load_settings

    if (name is None) is not rollback:
        raise UsageError("Name the release to promote, or say --rollback: one of both.")
    settings = load_settings(config)
    if name is None:
        document = promoting.go_back(site, settings, releases)
    else:
        document = promoting.promote(name, site, settings, releases)
    if as_json:
        typer.echo(document.model_dump_json(indent=1))
        return
    now, before = document.now, document.before
    said = f"{now.name} {now.digest[:12]}"
    if before == now:
        typer.echo(f"{site}: {said} is the active one already")
    else:
        was = f"{before.name} {before.digest[:12]}" if before else "the settings' release"
        typer.echo(f"{site}: from {was} to {said}")
    if document.reranked:
        typer.echo(f"studies of its list looked at again: {document.reranked}")


class Shape(StrEnum):
    """How the local Triton runs a release: the CPU profiles of its configurations."""

    CPU = "cpu"
    ENSEMBLE = "ensemble"


@app.command()
def serve(
    name: Name = None,
    profile: Annotated[
        Shape,
        typer.Option(help="cpu: all graphs in one model; ensemble: a model each, as on a GPU."),
    ] = Shape.CPU,
    releases: Dir = None,
    config: Config = None,
) -> None:
    """Serve a release with the local Triton until interrupted; prints the address.

    Example: nightread models serve
    """
    from nightread.releases import open_chosen
    from nightread.settings import load_settings
    from nightread.stack.foreground import serve_release
    from triton_repo.configs import Profile

    settings = load_settings(config)
    chosen: Profile = "ensemble" if profile is Shape.ENSEMBLE else "cpu"
    serve_release(open_chosen(name, settings, releases), settings, typer.echo, chosen)
