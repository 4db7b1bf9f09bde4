"""What the demonstration screens: phantoms, or a folder of the user's."""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from nightread.phantom_files import DICOM, write
from nightread.settings import Settings
from nightread.stack import seaweedfs
from nightread.stack.layout import Layout
from nightread.stack.proofs import s3_client
from nightread.uploads import upload

Truth = dict[str, str]  # study UID: what is known of it, in a few words
Bar = Callable[[str, int], AbstractContextManager[Callable[[], None]]]


def fill_with_phantoms(
    settings: Settings, layout: Layout, studies: int, seed: int, bar: Bar
) -> tuple[str, Truth]:
    """Make phantoms and upload them; returns their prefix and what is known of them.

    The prefix depends on number and seed alone: the same demonstration again finds its studies
    screened.
    """
    folder = Path(tempfile.mkdtemp(prefix="phantoms-", dir=layout.root))
    try:
        with bar("phantoms", studies) as done:
            truth = write(folder, studies, seed, done)
        prefix = f"demo/phantoms-{studies}-{seed}/"
        fill(settings, layout, folder / DICOM, prefix)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return f"s3://{seaweedfs.ARCHIVE}/{prefix}", {s["study_uid"]: _words(s) for s in truth}


def fill_with_folder(settings: Settings, layout: Layout, folder: Path) -> str:
    """Upload a folder; returns its prefix."""
    prefix = f"demo/{folder.resolve().name}/"
    fill(settings, layout, folder, prefix)
    return f"s3://{seaweedfs.ARCHIVE}/{prefix}"


def fill(settings: Settings, layout: Layout, folder: Path, prefix: str) -> None:
    assert settings.s3_endpoint_url is not None
    admin = seaweedfs.read_credentials(layout.credentials_file, seaweedfs.ADMIN)
    upload(s3_client(settings.s3_endpoint_url, admin), folder, seaweedfs.ARCHIVE, prefix)


def _words(study: dict[str, Any]) -> str:
    lesions = {lesion["id"]: lesion for image in study["images"] for lesion in image["lesions"]}
    strongest = max(
        (le["detectability"] for le in lesions.values() if le["malignant"]), default=None
    )
    return str(study["label"]) + (f", d' {strongest:.1f}" if strongest is not None else "")
