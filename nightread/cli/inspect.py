"""`nightread inspect`: one line an instance, what would be done with it and why."""

from pathlib import Path
from typing import Annotated

import typer

from nightread.cli.options import Config, Json

_STYLES = {"accepted": "green", "excluded": "yellow", "quarantined": "red"}


def command(
    path: Annotated[str, typer.Argument(help="A file, a folder, or s3://BUCKET/PREFIX.")],
    header_only: Annotated[
        bool, typer.Option("--header-only", help="Do not decode pixels.")
    ] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Say of each file whether it would be screened, and why. Archives are opened.

    With --json one document a line.

    Example: nightread inspect /data/mammograms
    """
    from collections import Counter

    from rich.console import Console
    from rich.text import Text

    from mammo.prepare import Preparation
    from mammo.verdict import Policy
    from nightread import log
    from nightread.errors import UsageError
    from nightread.inspection import inspect, local_sources, s3_sources
    from nightread.jobs import said_plainly
    from nightread.settings import load_settings

    settings = load_settings(config)
    log.configure(settings.log_format)
    remote = path.startswith("s3://")
    if not remote and not Path(path).exists():
        raise UsageError(f"There is no file or folder {path!r}.")
    counts: Counter[str] = Counter()
    console = Console()
    with said_plainly(settings):
        sources = s3_sources(settings, path) if remote else local_sources(Path(path))
        for line in (
            line
            for source in sources
            for line in inspect(source, Preparation(), Policy(), header_only=header_only)
        ):
            counts[line.verdict] += 1
            if as_json:
                typer.echo(line.model_dump_json())
                continue
            view = f"{line.laterality or ''} {line.view or ''}".strip()
            place = line.path if line.member is None else f"{line.path} > {_shown(line.member)}"
            text = Text(f"{line.verdict:<12}", style=_STYLES[line.verdict])
            text.append(f"{line.reason:<26}", style="bold")
            text.append(f"{view:<6} {place}\n", style="default")
            text.append(" ".join([" " * 11, line.detail, *line.warnings]), style="dim")
            console.print(text, soft_wrap=True)
    if not as_json:
        total = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _STYLES)
        console.print(f"{counts.total()} files: {total}")


def _shown(name: str) -> str:
    """A member's name on one line of a terminal: what would steer it is spelled out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name[:200])
