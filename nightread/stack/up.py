"""`up`: the whole stack, every service proven by real work, or nothing of it."""

import contextlib
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event

from sqlalchemy.exc import SQLAlchemyError

from db import migrate
from nightread.audit_file import new_key
from nightread.errors import Refused, ServiceError
from nightread.settings import Settings
from nightread.shapes import ServiceStatus
from nightread.stack import logins, postgres, seaweedfs, state, triton, triton_env
from nightread.stack.down import alone, clean_up, reaped, running, take_down
from nightread.stack.files import PRIVATE, last_line, write_private
from nightread.stack.layout import Layout
from nightread.stack.plan import Plan
from nightread.stack.process import base_env
from nightread.stack.proofs import NOT_PROVEN, PROOFS, make_buckets, sentence
from nightread.stack.state import SERVICES, ServiceState
from nightread.stack.status import status
from nightread.stack.wait import until
from triton_repo import release

PATIENCE = 120.0  # seconds for one service to be proven; a busy machine takes 15
FIRST_WORD = 30.0  # seconds for the supervisor to start
KEY_BYTES = 32

Tell = Callable[[str], None]  # is told, in a sentence, what has come up


def _plan(layout: Layout, settings: Settings) -> Plan:
    """Check all that can be checked before anything starts."""
    try:
        name = settings.release or release.default_name(settings.releases_dir)
        chosen = release.load(settings.releases_dir / name)
    except release.ReleaseError as error:
        raise Refused(str(error)) from None
    triton_env.check_shared_memory()
    env = triton_env.find(settings.triton_env)
    layout.triton.mkdir(exist_ok=True)
    backends = triton_env.assemble(env, layout.triton)
    library = triton_env.libpython(env, backends, layout.triton)
    return Plan(chosen.folder.absolute(), env.root, backends, library)


def _make_secrets(layout: Layout) -> None:
    """Generate every credential, once."""
    postgres.make_logins(layout.passfile)
    seaweedfs.make_credentials(
        layout.credentials_file, layout.reader_credentials_file, layout.previews_credentials_file
    )
    if not layout.pseudonym_key_file.exists():
        write_private(layout.pseudonym_key_file, secrets.token_bytes(KEY_BYTES))
    if not layout.audit_key_file.exists():
        write_private(layout.audit_key_file, new_key())
    if not layout.web_key_file.exists():
        write_private(layout.web_key_file, secrets.token_hex(KEY_BYTES))


def _spawn_supervisor(layout: Layout) -> None:
    """Start the supervisor in a session of its own and wait for its first word."""
    log = str(layout.supervisor_log)
    argv = [sys.executable, "-P", "-m", "nightread.stack.supervisor", str(layout.root)]
    pid = os.posix_spawn(
        sys.executable,
        argv,
        base_env(),
        setsid=True,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )

    def named() -> bool:
        found = state.read(layout.state)
        return found is not None and found.supervisor.pid == pid

    try:
        until(lambda: named() or reaped(pid), FIRST_WORD)
    finally:
        if not named():  # nobody else knows of it, so nobody else could end it
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    if not named():
        raise ServiceError(
            f"The stack's supervisor did not start: {last_line(layout.supervisor_log)} (log: {log})."
        )


def set_up_postgres(told: ServiceState, layout: Layout) -> None:
    """The database, its schema and the logins. Each is made once."""
    postgres_url = logins.login_url(told.url, postgres.OWNER, layout.passfile)
    logins.make_database(told.url, layout.passfile)
    try:
        migrate.upgrade(postgres_url)
    except (SQLAlchemyError, migrate.MigrationLocked, migrate.NewerDatabase) as error:
        raise ServiceError(
            f"The database in {layout.root} could not be brought to this version's schema "
            f"({type(error).__name__}): if a newer nightread made it, use that one or another "
            f"--dir (log: {told.log})."
        ) from error
    logins.make_members(told.url, layout.passfile)


def _nothing(told: ServiceState, layout: Layout) -> None:
    """Triton needs nothing more than its release."""


SET_UP: dict[str, Callable[[ServiceState, Layout], None]] = {
    seaweedfs.SERVICE: make_buckets,
    postgres.SERVICE: set_up_postgres,
    triton.SERVICE: _nothing,
}


def _bring(name: str, layout: Layout, give_up: Event) -> str:
    """Wait until a service is set up and proven; returns the proof. Raises ServiceError."""
    end, last, log = time.monotonic() + PATIENCE, "it has not answered", ""
    while time.monotonic() < end and not give_up.is_set():
        found = running(layout)
        if found is None:
            raise ServiceError(f"The stack's supervisor was killed (log: {layout.supervisor_log}).")
        told = found.services[name]
        if told.condition == "failed":
            where = f" (log: {told.log})" if told.log else ""
            raise ServiceError(f"{name} did not start: {told.ended}{where}")
        log = told.log
        if told.condition == "running":
            try:
                SET_UP[name](told, layout)
                return PROOFS[name](told, layout)
            except NOT_PROVEN as error:
                last = sentence(error)
        time.sleep(0.1)
    raise ServiceError(f"{name} was not proven within {PATIENCE:.0f} s: {last} (log: {log})")


def _bring_all(layout: Layout, tell: Tell) -> None:
    begun, give_up = time.monotonic(), Event()
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        jobs = {pool.submit(_bring, name, layout, give_up): name for name in SERVICES}
        try:
            for job in as_completed(jobs):
                proof = job.result()
                tell(f"{jobs[job]}: {proof} ({time.monotonic() - begun:.1f} s)")
        finally:
            give_up.set()


def _write_settings(layout: Layout) -> None:
    """Write what the other commands need, as TOML; JSON's strings are TOML's."""
    found, plan = running(layout), Plan.read(layout.plan)
    if found is None:
        raise ServiceError(f"The stack's supervisor was killed (log: {layout.supervisor_log}).")
    url = {name: told.url for name, told in found.services.items()}
    values = {
        "database_url": logins.login_url(url[postgres.SERVICE], postgres.JOB, layout.passfile),
        "migration_database_url": logins.login_url(
            url[postgres.SERVICE], postgres.OWNER, layout.passfile
        ),
        "identity_database_url": logins.login_url(
            url[postgres.SERVICE], postgres.IDENTITY, layout.passfile
        ),
        "erasure_database_url": logins.login_url(
            url[postgres.SERVICE], postgres.ERASURE, layout.passfile
        ),
        "web_database_url": logins.login_url(
            url[postgres.SERVICE], postgres.SERVER, layout.passfile
        ),
        "audit_database_url": logins.login_url(
            url[postgres.SERVICE], postgres.AUDIT, layout.passfile
        ),
        "web_key_file": str(layout.web_key_file),
        "audit_key_file": str(layout.audit_key_file),
        "web_local_sign_in": True,
        "s3_endpoint_url": url[seaweedfs.SERVICE],
        "s3_region": seaweedfs.REGION,
        "s3_credentials_file": str(layout.reader_credentials_file),
        "previews_url": f"s3://{seaweedfs.PREVIEWS}/",
        "previews_s3_credentials_file": str(layout.previews_credentials_file),
        "triton_url": url[triton.SERVICE],
        "releases_dir": str(plan.release.parent),
        "release": plan.release.name,
        "pseudonym_key_file": str(layout.pseudonym_key_file),
    }
    lines = [
        f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items()
    ]
    write_private(layout.settings_file, "# Written by `nightread stack up`.\n" + "".join(lines))


def up(layout: Layout, settings: Settings, tell: Tell) -> list[ServiceStatus]:
    """Start the stack and prove every service; a stack that runs is only proven.

    Raises ServiceError, after everything was taken down, when one service can't be proven;
    Refused for a release that is not whole; LockedError while another command is at work.
    """
    with alone(layout):
        if running(layout) is not None:
            rows = status(layout)
            if broken := [row for row in rows if row.state != "running"]:
                raise ServiceError(
                    f"The stack in {layout.root} runs without {broken[0].service} "
                    f"({broken[0].proof}): run `nightread stack down`, then `up` again."
                )
            tell(f"The stack in {layout.root} is already running.")
            return rows
        clean_up(layout)  # after a supervisor that was killed
        _plan(layout, settings).write(layout.plan)
        _make_secrets(layout)
        try:
            _spawn_supervisor(layout)
            _bring_all(layout, tell)
            _write_settings(layout)
        except BaseException:  # an interrupt too: never half a stack
            take_down(layout)
            raise
        return status(layout)
