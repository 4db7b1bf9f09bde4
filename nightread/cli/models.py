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
    from triton_repo.cuda import Gpu
    from triton_repo.release import Release

app = typer.Typer(help="Releases: list, verify, build, show, serve.", no_args_is_help=True)

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


Plans = Annotated[
    Path | None,
    typer.Option(
        "--plans",
        metavar="DIR",
        help="Where `models build` left plans: check these, on the machine with the GPU.",
    ),
]


@app.command()
def verify(
    name: Name = None,
    target: Annotated[
        Target,
        typer.Option(
            help="cpu: on this machine's; tensorrt: compiled for GPUs, which are not needed."
        ),
    ] = Target.CPU,
    plans: Plans = None,
    releases: Dir = None,
    config: Config = None,
) -> None:
    """Check a release: every file's digest, configurations, graphs, and the canary's scores.

    For tensorrt its graphs are compiled by TensorRT-RTX for each generation of GPUs instead of
    run. With --plans the plans built for this machine's GPU are checked, and nothing is compiled.

    Example: nightread models verify --target tensorrt
    """
    from nightread.releases import open_chosen
    from nightread.settings import load_settings

    if plans is not None and target is not Target.TENSORRT:
        raise UsageError("--plans is for --target tensorrt: the CPU runs a release's own graphs.")
    release = open_chosen(name, load_settings(config), releases)
    if plans is not None:
        _planned(release, plans)
    elif target is Target.TENSORRT:
        _compiled(release)
    else:
        _sound(release)


def _planned(release: "Release", plans: Path) -> None:
    from triton_repo.plans import check
    from triton_repo.release import ReleaseError

    gpu, version = _here()
    try:
        found = check(plans / release.manifest.name, release, gpu, version)
    except ReleaseError as error:
        raise Refused(str(error)) from None
    typer.echo(
        f"{release.manifest.name} {release.digest[:12]}: {len(found.plans)} plans are right for "
        f"{gpu.name} and TensorRT {version}"
    )


def _here() -> "tuple[Gpu, str]":
    from triton_repo.plans import here
    from triton_repo.release import ReleaseError

    try:
        return here()
    except ReleaseError as error:
        raise UsageError(str(error)) from None


@app.command()
def build(
    name: Name = None,
    target: Annotated[
        Target,
        typer.Option(help="tensorrt: plans for this machine's GPU; the CPU needs nothing built."),
    ] = Target.TENSORRT,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where DIR/RELEASE is written.")
    ] = Path("plans"),
    releases: Dir = None,
    config: Config = None,
) -> None:
    """Build what a release needs where it runs: TensorRT's plans, on the machine with the GPU.

    DIR/RELEASE/models is then what Triton loads, with --model-config-name=tensorrt. Plans hold
    for one type of GPU and one version of TensorRT; those that are right already are kept.

    Example: nightread models build --target tensorrt --out /srv/plans
    """
    from nightread.releases import open_chosen
    from nightread.settings import load_settings
    from triton_repo import plans
    from triton_repo.release import ReleaseError

    if target is Target.CPU:
        raise UsageError("The CPU runs a release's own graphs: there is nothing to build for it.")
    release = open_chosen(name, load_settings(config), releases)
    gpu, version = _here()
    try:
        for model, built in plans.build(release, out, gpu, version):
            typer.echo(f"{model}: {built.bytes / 1e6:.1f} MB in {built.seconds:.0f} s")
        found = plans.check(out / release.manifest.name, release, gpu, version)
    except ReleaseError as error:
        raise Refused(str(error)) from None
    typer.echo(
        f"{release.manifest.name} {release.digest[:12]}: {len(found.plans)} plans for {gpu.name} "
        f"and TensorRT {version} in {out / release.manifest.name}"
    )


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
    table = Table("graph", "precision", "layers", *GENERATIONS, box=None)
    for graph in dict.fromkeys(one.graph for one in plans):
        row = [one for one in plans if one.graph == graph]
        table.add_row(graph, row[0].precision, str(row[0].layers), *map(cell, row))
    Console().print(table)
    typer.echo("; ".join(f"{name}: {cards}" for name, cards in GENERATIONS.items()))
    refused = {f"{one.graph} for {one.generation}: {one.refused}." for one in plans if one.refused}
    if refused:
        raise Refused(
            f"{release.manifest.name} does not compile by TensorRT-RTX. "
            + " ".join(sorted(refused))
        )
    typer.echo(
        f"{release.manifest.name} {release.digest[:12]}: TensorRT-RTX compiles it for all of them, "
        "with the contract's tensors; scores and speed show on a GPU alone"
    )


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
    config: Config = None,
) -> None:
    """Show what a release is: its models with their tensors, and what it may be used for.

    Example: nightread models show --out card.html
    """
    from nightread.releases import open_chosen
    from nightread.settings import load_settings
    from triton_repo.card.page import page
    from triton_repo.contract import Tensor
    from triton_repo.diagram import svg

    def told(tensors: tuple[Tensor, ...]) -> str:
        return ", ".join(f"{t.name} {t.dtype} {'x'.join(map(str, t.dims))}" for t in tensors)

    drawn = {".svg": svg, ".html": page}
    if out is not None and out.suffix not in drawn:
        raise UsageError(f"--out {out.name} ends in neither .svg (ensemble) nor .html (card).")
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
            out.write_text(drawn[out.suffix](release), encoding="utf-8")
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
