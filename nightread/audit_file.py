"""The audit as a file: JSON lines, each signed (Ed25519) and bound to the one before it.

A line is JSON with sorted keys and no spaces: `line` (from 0), `before` (SHA-256 of the line
before, hex; empty in the first), one of `begin`, `entry` and `end`, and `signature` (base64) of all the rest.
A changed, missing, added or moved line is found by its number, a file that was cut by its missing end.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from db.audit import Entry
from nightread.errors import ConfigurationError, Refused

FORMAT = "nightread audit 1"
LONGEST_LINE = 1 << 20  # bytes; an entry has some hundreds


def new_key() -> bytes:
    """A private key, PEM."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def private_key(path: Path) -> Ed25519PrivateKey:
    """Raises `ConfigurationError`."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            f"{path} holds no private Ed25519 key as PEM: openssl genpkey -algorithm ed25519"
        )
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """Raises `ConfigurationError`."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(
            f"{path} holds no public Ed25519 key as PEM: openssl pkey -in PRIVATE -pubout"
        )
    return key


def signed(
    entries: Iterable[Entry], key: Ed25519PrivateKey, at: datetime, after: int
) -> Iterator[str]:
    """The lines of a file that holds `entries`, which begin behind the number `after`."""
    before, number, last = "", 0, after

    def line(what: str, held: dict[str, Any]) -> str:
        nonlocal before, number
        said = {"line": number, "before": before, what: held}
        signature = base64.b64encode(key.sign(_canonical(said).encode())).decode()
        text = _canonical({**said, "signature": signature})
        before, number = hashlib.sha256(text.encode()).hexdigest(), number + 1
        return text

    yield line("begin", {"format": FORMAT, "at": at.isoformat(), "after": after})
    for entry in entries:
        last = entry.id
        yield line("entry", {**entry._asdict(), "at": entry.at.isoformat()})
    yield line("end", {"entries": number - 1, "last": last})


def verify(lines: Iterable[bytes], key: Ed25519PublicKey) -> int:
    """How many entries the lines hold; raises `Refused`, which names the first that is wrong."""
    before, kind, number = "", "", -1
    for number, raw in enumerate(lines):
        expected = "begin" if number == 0 else "entry or end"
        if kind == "end":
            raise Refused(f"Line {number + 1} was added: the export ended before it.")
        text = raw.removesuffix(b"\n")
        said = _read(text, number)
        try:
            key.verify(
                base64.b64decode(said.pop("signature"), validate=True), _canonical(said).encode()
            )
        except (InvalidSignature, KeyError, TypeError, ValueError):
            raise Refused(
                f"Line {number + 1} was changed, or signed with another key than this one."
            ) from None
        if said.get("line") != number or said.get("before") != before:
            raise Refused(f"Before line {number + 1} something is missing, or was moved.")
        kind = next((kind for kind in expected.split(" or ") if kind in said), "")
        if not kind:
            raise Refused(f"Line {number + 1} is none of an audit's export.")
        before = hashlib.sha256(text).hexdigest()
    if kind != "end":
        raise Refused(f"The file was cut after line {number + 1}: its end is missing.")
    return number - 1


def _read(text: bytes, number: int) -> dict[str, Any]:
    """A line, which must be in the one way that it can be written."""
    try:
        said = json.loads(text) if len(text) <= LONGEST_LINE else None
        if isinstance(said, dict) and _canonical(said).encode() == text:
            return said
    except (ValueError, RecursionError):
        pass
    raise Refused(f"Line {number + 1} was changed: it is not as nightread writes it.")


def _canonical(said: dict[str, Any]) -> str:
    return json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)
