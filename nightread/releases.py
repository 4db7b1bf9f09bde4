"""Which release a command means: named, from the settings, or the newest."""

from pathlib import Path

from db.runs import Prefix
from db.session import connect, in_transaction
from db.sites import load as load_sites
from nightread.errors import Refused, UsageError
from nightread.settings import Settings
from triton_repo.release import Release, ReleaseError, default_name, load
from triton_repo.verify import problems


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


def open_active(name: str | None, prefix: Prefix, settings: Settings) -> Release:
    """The release that a run over `prefix` uses.

    The one called `name`, else the active one of the site that the prefix lies in, else the
    settings', else the newest. Raises `Refused` when the site's is not the one of this name that
    was made active.
    """
    if name is not None:
        return open_chosen(name, settings)
    engine = connect(settings.need("database_url"))
    try:
        site = in_transaction(engine, load_sites).of(prefix.bucket, prefix.key)
    finally:
        engine.dispose()
    release = open_chosen(site.release_name, settings)
    if site.release not in (None, release.digest):
        raise Refused(
            f"Refused {release.manifest.name}: it is not the one that is active at the site "
            f"{site.name!r}, whose digest is {(site.release or '')[:12]}."
        )
    return release


def open_chosen(name: str | None, settings: Settings, releases: Path | None = None) -> Release:
    """The release called `name`, else the settings', else the newest."""
    where = releases or settings.releases_dir
    return open_release(where, name or settings.release or newest(where))


def require_digest(release: Release, digest: str) -> None:
    """Raises `Refused` unless the manifest's SHA-256 begins with `digest`."""
    if not release.digest.startswith(digest):
        raise Refused(
            f"Refused {release.manifest.name}: its manifest is another one, {release.digest[:12]} "
            f"and not {digest[:12]}."
        )


def faults(release: Release) -> list[str]:
    """A sentence for each thing that keeps a release from being sound."""
    try:
        return list(problems(release))
    except ModuleNotFoundError:
        raise UsageError(
            "A release's graphs are run by onnxruntime, which is not installed: "
            "pip install 'nightread[local]' -c constraints.txt, then try again."
        ) from None


def require_sound(release: Release) -> None:
    """Raises `Refused` with everything that is wrong."""
    wrong = faults(release)
    if wrong:
        raise Refused(f"{release.manifest.name} is not sound. " + " ".join(wrong))
