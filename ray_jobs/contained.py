"""Decoding and preparing in a child process: a codec's death costs one image, never its study.

A worker keeps one child (`ray_jobs/bounded_child.py`), which has bounds on its CPU time and its
address space, and none of the worker's S3 credentials in its environment. This contains
accidents: crashes, hangs, floods of memory. docs/decisions/0005-decoding.md has the figures and
what it does not contain.
"""

import os
import pickle

from mammo.pixel_error import PixelError
from mammo.prepare import Preparation, Prepared
from mammo.views import Laterality
from ray_jobs.bounded_child import CPU_SECONDS, BoundedChild, Died, way_to_modules
from ray_jobs.decoding_child import Answer, Request
from ray_jobs.faults import DecoderLost
from ray_jobs.stages import Stages

OUTSIDE_MB = 512  # of a study's memory: the worker itself, and the file twice
LEAST_MB = 256  # for decoding, whatever is left
STARTS = 2  # of a child for one image: being killed from outside is not the image's fault


class Decoder:
    """Prepares images in a child process of its own, which is started when it is needed."""

    def __init__(self, memory_mb: int, cpu_seconds: float = CPU_SECONDS) -> None:
        """`memory_mb`: what a study may use, NIGHTREAD_STUDY_MEMORY_MB."""
        self.peak_mb = 0  # of any child so far
        memory = max(LEAST_MB, memory_mb - OUTSIDE_MB)
        self._child = BoundedChild(
            "ray_jobs.decoding_child", memory, cpu_seconds, bounded_environment
        )

    def prepare(
        self, data: bytes, laterality: Laterality | None, params: Preparation, stages: Stages
    ) -> Prepared:
        """`prepare(decode(data), ...)`, its flags those of both.

        Raises PixelError, as `decode` does, and besides: DECODE_CRASHED when the child died,
        DECODE_TIMEOUT when it took longer than its time, TOO_LARGE when it wanted more memory.
        Raises DecoderLost for what says nothing against the file.
        """
        self._child.put(data)
        request = pickle.dumps(Request(laterality, params))
        how = ""
        for _ in range(STARTS):
            try:
                answer: Answer = pickle.loads(self._child.ask(request))  # noqa: S301 -- our child's
            except Died as died:
                if died.killed:
                    how = died.how
                    continue
                raise PixelError(died.reason, f"{died.reason.line} {died.how}") from None
            finally:
                self.peak_mb = max(self.peak_mb, self._child.peak_mb)
            fresh, self._child.fresh = self._child.fresh, False
            if answer.short and not fresh:  # what a heap of many images keeps is not this one's
                self._child.end()
                continue
            for stage, seconds in answer.seconds.items():
                stages.seconds[stage] += seconds
            self.peak_mb = max(self.peak_mb, answer.peak_mb)
            if isinstance(answer.result, PixelError):
                raise answer.result
            return answer.result
        raise DecoderLost(f"the decoder's child was killed {STARTS} times {how}")

    @property
    def child(self) -> int | None:
        """The child's process number, while there is one."""
        return self._child.pid

    def close(self) -> None:
        """End the child and give the memory back."""
        self._child.close()


def bounded_environment() -> dict[str, str]:
    """The worker's, without S3 credentials, and with the way to our own modules."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | way_to_modules()
