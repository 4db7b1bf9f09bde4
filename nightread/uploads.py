"""Puts a folder into the archive, for demonstrations."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

THREADS = 4


def upload(client: Any, folder: Path, bucket: str, prefix: str) -> int:
    """Upload every file below `folder` under `prefix`, names as they are; returns how many."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())

    def put(path: Path) -> None:
        key = prefix + path.relative_to(folder).as_posix()
        client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(put, files))
    return len(files)
