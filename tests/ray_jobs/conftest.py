"""One local Ray for the room's tests, started as the job starts it."""

import os
from collections.abc import Iterator

import pytest

from ray_jobs.cluster import cluster


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    os.environ["NIGHTREAD_DATABASE_URL"] = "postgresql://planted-secret@nowhere/none"
    os.environ["PGPASSWORD"] = "planted-secret"
    try:
        with cluster(None, cpus=2):
            yield
    finally:
        del os.environ["NIGHTREAD_DATABASE_URL"], os.environ["PGPASSWORD"]
