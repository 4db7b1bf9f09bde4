"""`nightread models`: what releases there are, and whether they can be trusted."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from nightread.cli.options import Config
from nightread.errors import Refused, UsageError

if TYPE_CHECKING:
    from triton_repo.release import Release

app = typer.Typer(help="Releases: list, verify, show, serve.", no_args_is_help=True)

Name = Annotated[
    str | None, typer.Argument(metavar="[RELEASE]", help="The newest one unless named.")
]
Dir = Annotated[
    Path | None, typer.Option("--releases", help="Where releases lie, instead of the settings'.")
]


@app.command("list")
def list_(releases: Dir = None, config: Config = None) -> None:
    """Show the releases, the default one marked.

    Example: nightread models list
    """
    from nightread.releases import newest
    from nightread.settings import load_settings
    from triton_repo.release import ReleaseError, load, names

    where = releases or load_settings(config).releases_dir
    table = Table("release", "digest", "valid for", "description", box=None)
    for name in names(where):
        try:
            release = load(where / name)
        except ReleaseError as error:
            table.add_row(name, "refused", "", str(error))
            continue
        mark = " (default)" if name == newest(where) else ""
        kinds = ", ".join(release.manifest.valid_for)
        table.add_row(name + mark, release.digest[:12], kinds, release.manifest.description)
    Console().print(table)


class Target(StrEnum):
    """Where a release's graphs are meant to run."""

    CPU = "cpu"
    TENSORRT = "tensorrt"


@app.command()
def verify(
    name: Name = None,
    target: Annotated[
        Target,
        typer.Option(
            help="cpu: on this machine's; tensorrt: compiled for GPUs, which are not needed."
        ),
    ] = Target.CPU,
    releases: Dir = None,
    config: Config = None,
) -> None:
    """Check a release: every file's digest, configurations, graphs, and the canary's scores.

    For tensorrt its graphs are compiled for each generation of GPUs instead of run.

    Example: nightread models verify --target tensorrt
    """
    from nightread.releases import open_chosen
    from nightread.settings import load_settings

    release = open_chosen(name, load_settings(config), releases)
    check = _compiled if target is Target.TENSORRT else _sound
    check(release)


def _sound(release: "Release") -> None:
    from triton_repo.verify import problems

    wrong = list(problems(release))
    if wrong:
        raise Refused(f"{release.manifest.name} is not sound. " + " ".join(wrong))
    typer.echo(
        f"{release.manifest.name} {release.digest[:12]}: {len(release.manifest.files)} files, "
        f"configurations, graphs and {release.manifest.canary.count} canary boxes are right"
    )


def _compiled(release: "Release") -> None:
    from triton_repo.ahead import GENERATIONS, Compiled, compiled
    from triton_repo.release import ReleaseError

    def cell(one: Compiled) -> str:
        return "refused" if one.refused else f"{one.plan_bytes / 1e6:.1f} MB"

    try:
        plans = list(compiled(release))
    except ReleaseError as error:
        raise UsageError(str(error)) from None
    table = Table("graph", "layers", *GENERATIONS, box=None)
    for graph in dict.fromkeys(one.graph for one in plans):
        row = [one for one in plans if one.graph == graph]
        table.add_row(graph, str(row[0].layers), *map(cell, row))
    Console().print(table)
    typer.echo("; ".join(f"{name}: {cards}" for name, cards in GENERATIONS.items()))
    refused = {f"{one.graph} for {one.generation}: {one.refused}." for one in plans if one.refused}
    if refused:
        raise Refused(f"{release.manifest.name} does not compile. " + " ".join(sorted(refused)))
    typer.echo(
        f"{release.manifest.name} {release.digest[:12]}: compiles for all of them, with the "
        "contract's tensors; scores and speed show on a GPU alone"
    )


@app.command()
def show(
    name: Name = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="FILE.svg: the ensemble as a picture.")
    ] = None,
    releases: Dir = None,
    config: Config = None,
) -> None:
    """Show what a release is: its models with their tensors, and what it may be used for.

    Example: nightread models show --out ensemble.svg
    """
    from nightread.releases import open_chosen
    from nightread.settings import load_settings
    from triton_repo.contract import Tensor
    from triton_repo.diagram import svg

    def told(tensors: tuple[Tensor, ...]) -> str:
        return ", ".join(f"{t.name} {t.dtype} {'x'.join(map(str, t.dims))}" for t in tensors)

    release = open_chosen(name, load_settings(config), releases)
    table = Table("model", "reads", "answers", box=None)
    for model in (step.model for step in release.steps):
        table.add_row(model.name, told(model.inputs), told(model.outputs))
    manifest = release.manifest
    typer.echo(f"{manifest.name} {release.digest[:12]}: {manifest.description}")
    Console().print(table)
    typer.echo(f"Valid for {', '.join(manifest.valid_for)}. {manifest.intended_use}")
    if out is not None:
        try:
            out.write_text(svg(release))
        except OSError as error:
            raise UsageError(f"{out} can't be written: {error.strerror}.") from None


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
