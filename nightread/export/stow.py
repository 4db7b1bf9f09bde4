"""Storing objects by DICOMweb (STOW-RS, PS3.18 10.5): one request an object."""

import base64
import http.client
import json
import re
import secrets
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from nightread.errors import ConfigurationError, Refused, ServiceError
from nightread.export.objects import Exported
from nightread.settings import Settings

TIMEOUT_S = 60.0  # of one answer: an archive may index before it answers
MAX_ANSWER = 1 << 20  # bytes that are read of it
_LOOPBACK = re.compile(r"127\.|localhost$|::1$")
_FAILED = "00081198"  # Failed SOP Sequence
_DENIED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@contextmanager
def opened(url: str, settings: Settings) -> Iterator[Any]:
    """What stores one object after the other over one connection."""
    parts = urlsplit(url)
    headers = _login(parts.scheme, parts.hostname or "", settings)
    connection = _connection(parts.scheme, parts.netloc, settings)

    def send(item: Exported) -> None:
        boundary = secrets.token_hex(16)
        body = (
            f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
            + item.data
            + f"\r\n--{boundary}--\r\n".encode()
        )
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        said = {**headers, "Content-Type": kind, "Accept": "application/dicom+json"}
        try:
            connection.request("POST", f"{parts.path}/studies", body, said)
            answer = connection.getresponse()
            text = answer.read(MAX_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise ServiceError(
                f"The DICOMweb server at {url} could not be reached ({type(error).__name__}): "
                "check the URL, NIGHTREAD_DICOMWEB_CA and the network."
            ) from None
        _judge(url, item, answer.status, text)

    try:
        yield send
    finally:
        connection.close()


def _connection(scheme: str, netloc: str, settings: Settings) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(netloc, timeout=TIMEOUT_S)
    ca = settings.dicomweb_ca
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
    except (OSError, ssl.SSLError):
        raise ConfigurationError(
            f"NIGHTREAD_DICOMWEB_CA is wrong: {ca} holds no certificate."
        ) from None
    return http.client.HTTPSConnection(netloc, timeout=TIMEOUT_S, context=context)


def _login(scheme: str, host: str, settings: Settings) -> dict[str, str]:
    """The header of the login, which travels encrypted or not at all."""
    file = settings.dicomweb_credentials_file
    if file is None:
        return {}
    if scheme == "http" and not _LOOPBACK.match(host):
        raise ConfigurationError(
            "NIGHTREAD_DICOMWEB_CREDENTIALS_FILE is set and --to begins with http://: a login is "
            "sent by https:// alone."
        )
    try:
        said = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        said = ""
    if re.fullmatch(r"Bearer [!-~]+", said):
        return {"Authorization": said}
    if re.fullmatch(r"[^:\s]+:[^\r\n]+", said):
        return {"Authorization": "Basic " + base64.b64encode(said.encode()).decode()}
    raise ConfigurationError(
        f"NIGHTREAD_DICOMWEB_CREDENTIALS_FILE is wrong: {file} must hold one line, user:password "
        "or Bearer TOKEN."
    )


def _judge(url: str, item: Exported, status: int, text: bytes) -> None:
    """Stored is what the answer says is stored: 202 may mean that it was not."""
    if status in _DENIED:
        raise ServiceError(
            f"The DICOMweb server at {url} refused the login ({status}): check "
            "NIGHTREAD_DICOMWEB_CREDENTIALS_FILE."
        )
    if status in (HTTPStatus.OK, HTTPStatus.ACCEPTED) and not _failed(text):
        return
    if status in (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT):
        raise Refused(
            f"The DICOMweb server at {url} did not take {item.name} ({status}): see its log."
        )
    raise ServiceError(
        f"The DICOMweb server at {url} answered {status}: check that the URL is its DICOMweb root."
    )


def _failed(text: bytes) -> bool:
    try:
        answer = json.loads(text or b"{}")
    except ValueError:  # an answer as XML, or none
        return False
    found = answer.get(_FAILED, {}) if isinstance(answer, dict) else {}
    return bool(found.get("Value") if isinstance(found, dict) else found)
