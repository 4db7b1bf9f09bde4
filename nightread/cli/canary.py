"""`nightread canary`: whether Triton is the right one, alive and right. For probes."""

import time

import typer

from nightread.cli.model_options import Dir, Name
from nightread.cli.options import Config
from nightread.errors import ServiceError


def command(name: Name = None, releases: Dir = None, config: Config = None) -> None:
    """Send a picture through the whole ensemble and compare the answer with the release's.

    As many at once as a model has instances: a dead one leaves Triton's own health checks ready.
    Exit code 3 when no server answers, or one answers wrongly.

    Example: nightread canary
    """
    from nightread.jobs import triton_config
    from nightread.releases import open_chosen
    from nightread.settings import load_settings
    from ray_jobs.faults import InferenceLost
    from ray_jobs.inference.client import TritonClient
    from triton_repo.configs import CPU_INSTANCES

    settings = load_settings(config)
    release = open_chosen(name, settings, releases)
    began = time.perf_counter()
    client = TritonClient(triton_config(settings), release.manifest)
    try:
        client.prove(CPU_INSTANCES)
    except InferenceLost as error:
        raise ServiceError(str(error)) from None
    finally:
        client.close()
    seconds = time.perf_counter() - began
    typer.echo(f"release {release.manifest.name}: the canary's answer is right, {seconds:.1f} s")
