"""Which release a command means: named, from the settings, or the newest."""

from pathlib import Path

from nightread.errors import Refused
from nightread.settings import load_settings
from triton_repo.release import Release, ReleaseError, default_name, load


def folder(given: Path | None, config: Path | None) -> Path:
    """Where releases lie."""
    return given or load_settings(config).releases_dir


def newest(releases: Path) -> str:
    """The default release's name; raises `Refused` when there is none."""
    try:
        return default_name(releases)
    except ReleaseError as error:
        raise Refused(str(error)) from None


def open_release(
    name: str | None, releases: Path | None = None, config: Path | None = None
) -> Release:
    """A release whose files are what its manifest says; raises `Refused` otherwise."""
    where = folder(releases, config)
    chosen = name or load_settings(config).release or newest(where)
    try:
        return load(where / chosen)
    except ReleaseError as error:
        raise Refused(str(error)) from None
