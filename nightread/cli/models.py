"""`nightread models`: what releases there are, and whether they can be trusted."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from nightread.cli.options import Config
from nightread.errors import Refused

app = typer.Typer(help="Releases: list, verify, serve.", no_args_is_help=True)

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


@app.command()
def verify(name: Name = None, releases: Dir = None, config: Config = None) -> None:
    """Check a release: every file's digest, configurations, graphs, and the canary's scores.

    The graphs run on this machine's CPU.

    Example: nightread models verify
    """
    from nightread.releases import open_chosen
    from nightread.settings import load_settings
    from triton_repo.verify import problems

    release = open_chosen(name, load_settings(config), releases)
    wrong = list(problems(release))
    if wrong:
        raise Refused(f"{release.manifest.name} is not sound. " + " ".join(wrong))
    typer.echo(
        f"{release.manifest.name} {release.digest[:12]}: {len(release.manifest.files)} files, "
        f"configurations, graphs and {release.manifest.canary.count} canary boxes are right"
    )


@app.command()
def serve(name: Name = None, releases: Dir = None, config: Config = None) -> None:
    """Serve a release with the local Triton until interrupted; prints the address.

    Example: nightread models serve
    """
    from nightread.releases import open_chosen
    from nightread.settings import load_settings
    from nightread.stack.foreground import serve_release

    settings = load_settings(config)
    serve_release(open_chosen(name, settings, releases), settings, typer.echo)
