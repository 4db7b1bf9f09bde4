"""A server is healthy when it has just done what it is there for; nothing less counts.

Triton's health endpoints say "ready" over a dead model, PostgreSQL's over a recovering server,
and a port that somebody else holds answers too. Each proof raises an error of `NOT_PROVEN`.
"""

import configparser
import contextlib
import secrets
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import boto3
import psycopg2
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from nightread.stack import logins, postgres, seaweedfs, triton
from nightread.stack.layout import Layout
from nightread.stack.plan import Plan
from nightread.stack.state import ServiceState
from triton_repo import canary, contract, release

SECONDS = 10.0  # for one request; the canary takes 0.3 s on an idle machine
OBJECT_BYTES = 100_000


class NotProvenError(Exception):
    """The server answered, but not as it should. One sentence."""


NOT_PROVEN = (
    NotProvenError,
    BotoCoreError,
    ClientError,
    psycopg2.Error,
    InferenceServerException,
    release.ReleaseError,
    OSError,  # a credentials file that was removed
    configparser.Error,
)
Proof = Callable[[ServiceState, Layout], str]


def s3_client(url: str, credentials: seaweedfs.Credentials) -> Any:
    """An S3 client that tries once and goes to loopback whatever proxy is set."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=seaweedfs.REGION,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        config=Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            connect_timeout=2,
            read_timeout=SECONDS,
            proxies={},
        ),
    )


def make_buckets(told: ServiceState, layout: Layout) -> None:
    """Create the buckets, once."""
    keys = seaweedfs.read_credentials(layout.credentials_file, seaweedfs.ADMIN)
    with contextlib.closing(s3_client(told.url, keys)) as s3:
        there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
        for name in (seaweedfs.ARCHIVE, seaweedfs.PREVIEWS, seaweedfs.HEALTH):
            if name not in there:
                s3.create_bucket(Bucket=name)


def prove_s3(told: ServiceState, layout: Layout) -> str:
    """Put a random object, read a range of it, delete it; and list the archive as its reader."""
    admin, reader = (
        seaweedfs.read_credentials(layout.credentials_file, name)
        for name in (seaweedfs.ADMIN, seaweedfs.READER)
    )
    body, key = secrets.token_bytes(OBJECT_BYTES), f"probe/{secrets.token_hex(8)}"
    where = {"Bucket": seaweedfs.HEALTH, "Key": key}
    with contextlib.closing(s3_client(told.url, admin)) as s3:
        s3.put_object(**where, Body=body)
        part = s3.get_object(**where, Range=f"bytes=9-{OBJECT_BYTES - 2}")["Body"].read()
        s3.delete_object(**where)
    if part != body[9:-1]:
        raise NotProvenError("a ranged get gave other bytes than were put")
    with contextlib.closing(s3_client(told.url, reader)) as s3:
        s3.list_objects_v2(Bucket=seaweedfs.ARCHIVE, MaxKeys=1)
    return f"put, ranged get and delete of {OBJECT_BYTES // 1000} kB"


def prove_postgres(told: ServiceState, layout: Layout) -> str:
    """Write and read a temporary table as the owner; log in as the others."""
    token = secrets.randbelow(1 << 30)
    owner = logins.connect(told.url, postgres.OWNER, layout.passfile)
    with contextlib.closing(owner), owner.cursor() as query:
        query.execute("CREATE TEMPORARY TABLE probe (token bigint NOT NULL)")
        query.execute("INSERT INTO probe VALUES (%s)", (token,))
        query.execute(
            "SELECT token, pg_is_in_recovery(), current_setting('server_version') FROM probe"
        )
        row = query.fetchone()
    if row is None or row[:2] != (token, False):
        raise NotProvenError("a temporary table did not give back what was written")
    for login in logins.GROUPS:
        logins.connect(told.url, login, layout.passfile).close()
    return f"version {row[2]}, a table written and read, all logins"


def prove_triton(told: ServiceState, layout: Layout) -> str:
    """Send canaries through the whole ensemble and compare with the release's manifest."""
    pid = told.process.pid if told.process else 0
    return prove_release(release.load(Plan.read(layout.plan).release), told.url, told.identity, pid)


def prove_release(served: release.Release, url: str, identity: str, pid: int) -> str:
    """The same of any Triton on this machine, whose `--id` and process id are given.

    As many canaries at once as a model has instances: one alone may miss the dead one.
    """
    # Loopback needs no proxy, whatever the environment says.
    options = [("grpc.enable_http_proxy", 0)]
    with contextlib.closing(grpc.InferenceServerClient(url, channel_args=options)) as client:
        if client.get_server_metadata(client_timeout=SECONDS).name != identity:
            raise NotProvenError("another Triton answers on this port")
        instances = [_instances(client, model) for model in _loaded(client)]
        if not instances:
            raise NotProvenError("it has loaded no model yet")
        alive = triton.count_stubs(pid)
        if alive < sum(instances):
            raise NotProvenError(f"{alive} of its {sum(instances)} model instances are alive")
        picture = canary.image(served.manifest.sizes)[None]
        tensor = grpc.InferInput("image", list(picture.shape), "UINT8")
        tensor.set_data_from_numpy(picture)
        answers = _ask(client, tensor, max(instances))
    for answer in answers:
        names = (output.name for output in served.manifest.ensemble.outputs)
        raw = contract.answer({name: answer.as_numpy(name)[0] for name in names})
        wrong = canary.problem(served.manifest.canary, raw)
        if wrong is not None:
            raise NotProvenError(f"{wrong} (release {served.manifest.name})")
    return f"release {served.manifest.name}: the canary's answer is right"


def _ask(client: Any, tensor: Any, times: int) -> list[Any]:
    """The ensemble's answers to `times` equal requests at once; raises what a request raised."""
    came: SimpleQueue[tuple[Any, InferenceServerException | None]] = SimpleQueue()
    for _ in range(times):
        client.async_infer(
            contract.ENSEMBLE,
            [tensor],
            callback=lambda result, error: came.put((result, error)),
            client_timeout=SECONDS,
        )
    answers = []
    for _ in range(times):
        result, error = came.get()  # bounded by the requests' own limit
        if error is not None:
            raise error
        answers.append(result)
    return answers


def _loaded(client: Any) -> list[str]:
    """The models that the server holds: by its profile one, or one a step and the ensemble."""
    index = client.get_model_repository_index(client_timeout=SECONDS).models
    return [model.name for model in index if model.state == "READY"]


def _instances(client: Any, model: str) -> int:
    """How many processes a model should have."""
    config = client.get_model_config(model, client_timeout=SECONDS).config
    return sum(group.count for group in config.instance_group)


PROOFS: dict[str, Proof] = {
    seaweedfs.SERVICE: prove_s3,
    postgres.SERVICE: prove_postgres,
    triton.SERVICE: prove_triton,
}


def sentence(error: BaseException) -> str:
    """The first line of an error of `NOT_PROVEN`: these come from servers of our own."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
