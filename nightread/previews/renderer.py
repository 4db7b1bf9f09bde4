"""Previews, made in a child process that holds neither database, session nor S3 secrets.

Bytes of a stranger's file are read there and nowhere else. What the child answers is not trusted
either: it is taken apart by its lengths, and never unpickled.
"""

import os
import threading
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mammo.codes import Reason
from mammo.pixel_error import PixelError
from mammo.views import Laterality
from nightread.previews.parts import Part
from ray_jobs.bounded_child import CPU_SECONDS, BoundedChild, Died, way_to_modules
from ray_jobs.faults import DecoderLost

STARTS = 2  # being killed from outside is not the image's fault
INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "TZ")  # and nothing else
MOST_PARTS = 4096  # 120 megapixels, the most that is decoded, are 115 tiles and an overview
HEAD = 1 << 20  # bytes of the index

Name = Annotated[str, Field(pattern=r"^(overview|tile-\d{1,2}-\d{1,2})$")]


class _Index(BaseModel):
    """What stands before the parts: their names and lengths, or why there are none."""

    model_config = ConfigDict(extra="forbid")

    parts: list[tuple[Name, Annotated[int, Field(ge=0)]]] = Field(max_length=MOST_PARTS, default=[])
    refused: Reason | None = None
    detail: str = Field(max_length=500, default="")


class Renderer:
    """One child, asked by one thread at a time."""

    def __init__(self, memory_mb: int, cpu_seconds: float = CPU_SECONDS) -> None:
        self._child = BoundedChild("nightread.previews.child", memory_mb, cpu_seconds, environment)
        self._alone = threading.Lock()

    def render(self, data: bytes, laterality: Laterality) -> list[Part]:
        """The parts of a DICOM file's preview.

        Raises PixelError, and DecoderLost for what says nothing against the file.
        """
        with self._alone:
            self._child.put(data)
            how = ""
            for _ in range(STARTS):
                try:
                    return _taken_apart(self._child.ask(laterality.value.encode()))
                except Died as died:
                    if not died.killed:
                        raise PixelError(died.reason, f"{died.reason.line} {died.how}") from None
                    how = died.how
            raise DecoderLost(f"the renderer's child was killed {STARTS} times {how}")

    @property
    def child(self) -> int | None:
        """The child's process number, while there is one."""
        return self._child.pid

    def close(self) -> None:
        """End the child."""
        with self._alone:
            self._child.close()


def environment() -> Mapping[str, str]:
    """What a child needs to run, by name: secrets stand under names that nobody foresees."""
    return {n: os.environ[n] for n in INHERITED if n in os.environ} | way_to_modules()


def _taken_apart(answer: bytes) -> list[Part]:
    end = answer.find(b"\n", 0, HEAD)
    try:
        index = _Index.model_validate_json(answer[: max(end, 0)])
    except ValidationError:
        raise PixelError(Reason.DECODE_CRASHED, "the renderer's answer makes no sense") from None
    if index.refused:
        raise PixelError(index.refused, index.detail)
    if sum(length for _, length in index.parts) != len(answer) - end - 1:
        raise PixelError(Reason.DECODE_CRASHED, "the renderer's answer makes no sense")
    found, at = [], end + 1
    for name, length in index.parts:
        found.append(Part(name, answer[at : at + length]))
        at += length
    return found
