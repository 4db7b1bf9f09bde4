"""The child process that renders previews: it holds no secret, and bytes are all that it answers."""

import json

from mammo.decode import decode
from mammo.preview import preview
from mammo.views import Laterality
from nightread.previews.parts import parts
from ray_jobs.bounded_serving import refusal, serve


def main() -> None:
    """The child's whole life."""
    serve(_answer)


def _answer(data: memoryview, message: bytes) -> bytes:
    try:
        made = list(parts(preview(decode(data), Laterality(message.decode()))))
    except Exception as error:  # noqa: BLE001 -- a fault of ours costs this image
        refused = refusal(error)
        return json.dumps({"refused": refused.reason, "detail": refused.detail}).encode() + b"\n"
    index = {"parts": [[part.name, len(part.body)] for part in made]}
    return json.dumps(index).encode() + b"\n" + b"".join(part.body for part in made)
