"""Removing what servers leave outside the stack's folder."""

import contextlib
import glob
import os
from collections.abc import Iterable
from pathlib import Path


def sweep(patterns: Iterable[str]) -> None:
    """Remove the files, sockets and *empty* folders of this user that the patterns name.

    A folder that holds something belongs to somebody who uses it, and stays.
    """
    for pattern in patterns:
        for name in glob.glob(pattern):  # noqa: PTH207 - an absolute pattern
            path = Path(name)
            with contextlib.suppress(FileNotFoundError, OSError):
                if path.lstat().st_uid != os.geteuid():
                    continue
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                else:
                    path.unlink()
