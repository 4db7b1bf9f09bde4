"""Which release a command means: named, from the settings, or the newest."""

from pathlib import Path

from nightread.errors import Refused
from nightread.settings import Settings
from triton_repo.release import Release, ReleaseError, default_name, load


def newest(releases: Path) -> str:
    """The default release's name; raises `Refused` when there is none."""
    try:
        return default_name(releases)
    except ReleaseError as error:
        raise Refused(str(error)) from None


def open_release(releases: Path, name: str) -> Release:
    """A release whose files are what its manifest says; raises `Refused` otherwise."""
    try:
        return load(releases / name)
    except ReleaseError as error:
        raise Refused(str(error)) from None


def open_chosen(name: str | None, settings: Settings, releases: Path | None = None) -> Release:
    """The release called `name`, else the settings', else the newest."""
    where = releases or settings.releases_dir
    return open_release(where, name or settings.release or newest(where))
