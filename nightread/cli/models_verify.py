"""`nightread models verify` and `build`: releases checked, and made ready for where they run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from nightread.cli.model_options import Dir, Name, Plans, Target
from nightread.cli.options import Config, Json
from nightread.errors import Refused, UsageError

if TYPE_CHECKING:
    from nightread.shapes import VerifyDocument
    from triton_repo.cuda import Gpu
    from triton_repo.release import Release


class _Checked(NamedTuple):
    document: "VerifyDocument"
    right: str  # what to say where there is no problem
    wrong: str  # what the release does where there is one


def verify(
    name: Name = None,
    target: Annotated[
        Target,
        typer.Option(
            help="cpu: on this machine's; tensorrt: compiled for GPUs, which are not needed."
        ),
    ] = Target.CPU,
    plans: Plans = None,
    digest: Annotated[
        str, typer.Option(help="What the manifest's SHA-256 must begin with.", metavar="HEX")
    ] = "",
    releases: Dir = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Check a release: every file's digest, configurations, graphs, and the scores that it states.

    Those are the canary's and the reference views', which lie in the release. For tensorrt its
    graphs are compiled by TensorRT-RTX for each generation of GPUs instead of run; with --plans
    the plans built for this machine's GPU are checked, and nothing is compiled. With --json the
    document is printed for a release that is not sound too; one whose files are refused has none.

    Example: nightread models verify --target tensorrt
    """
    from nightread.releases import open_chosen, require_digest
    from nightread.settings import load_settings

    if plans is not None and target is not Target.TENSORRT:
        raise UsageError("--plans is for --target tensorrt: the CPU runs a release's own graphs.")
    release = open_chosen(name, load_settings(config), releases)
    require_digest(release, digest)
    if plans is not None:
        checked = _plans_checked(release, plans)
    else:
        checked = _compiled(release) if target is Target.TENSORRT else _run(release)
    document = checked.document
    if as_json:
        typer.echo(document.model_dump_json(indent=1))
    elif document.compiled:
        _table(document)
    head = f"{document.name} {document.digest[:12]}"
    if document.problems:
        raise Refused(f"{document.name} {checked.wrong}. " + " ".join(document.problems))
    if not as_json:
        typer.echo(f"{head}: {checked.right}")


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


def _run(release: "Release") -> _Checked:
    from nightread.release_documents import verified
    from nightread.releases import faults

    document = verified(release, Target.CPU, faults(release))
    right = (
        f"{document.files} files, configurations, graphs, {document.canary_boxes} "
        f"canary boxes and {document.reference_views} reference views are right"
    )
    return _Checked(document, right, "is not sound")


def _compiled(release: "Release") -> _Checked:
    from nightread.release_documents import verified
    from triton_repo.ahead import compiled
    from triton_repo.release import ReleaseError

    try:
        plans = list(compiled(release))
    except ReleaseError as error:
        raise UsageError(str(error)) from None
    wrong = sorted({f"{p.graph} for {p.generation}: {p.refused}." for p in plans if p.refused})
    right = (
        "TensorRT-RTX compiles it for all of them, with the contract's tensors; scores and speed "
        "show on a GPU alone"
    )
    document = verified(release, Target.TENSORRT, wrong, plans)
    return _Checked(document, right, "does not compile by TensorRT-RTX")


def _plans_checked(release: "Release", plans: Path) -> _Checked:
    from nightread.release_documents import verified
    from triton_repo.plans import check
    from triton_repo.release import ReleaseError

    gpu, version = _here()
    wrong, count = [], 0
    try:
        count = len(check(plans / release.manifest.name, release, gpu, version).plans)
    except ReleaseError as error:
        wrong = [str(error)]
    right = f"{count} plans are right for {gpu.name} and TensorRT {version}"
    return _Checked(verified(release, Target.TENSORRT, wrong), right, "has other plans")


def _here() -> "tuple[Gpu, str]":
    from triton_repo.plans import here
    from triton_repo.release import ReleaseError

    try:
        return here()
    except ReleaseError as error:
        raise UsageError(str(error)) from None


def _table(document: "VerifyDocument") -> None:
    from triton_repo.ahead import GENERATIONS

    table = Table("graph", "precision", "layers", *GENERATIONS, box=None)
    for graph in dict.fromkeys(one.graph for one in document.compiled):
        row = [one for one in document.compiled if one.graph == graph]
        cells = ("refused" if one.refused else f"{one.plan_bytes / 1e6:.1f} MB" for one in row)
        table.add_row(graph, row[0].precision, str(row[0].layers), *cells)
    Console().print(table)
    typer.echo("; ".join(f"{name}: {cards}" for name, cards in GENERATIONS.items()))
