"""Whether the decoder of a transfer syntax gives what a second one gives, before a run trusts it.

One instance of each syntax, before the first study that holds it is handed out. An image on
which the two disagree is not scored; when an image of another study disagrees too, the syntax is
stopped, not the run. What is stopped waits in the worklist, and the next run asks again.
"""

import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Generic, NamedTuple, Protocol, TypeVar

import structlog

from ray_jobs.contained import bounded_environment

log = structlog.get_logger()

TRIES = 3  # instances of a syntax that may turn out to be unreadable before it goes unchecked
DISAGREEMENTS = 2  # in as many studies stop a syntax: one odd file must not stop an archive
TIME_S = 120  # for both decoders; FFmpeg takes 5 s for the largest real image in JPEG 2000
NOT_SAID = "none"  # a file without a transfer syntax
CHILD = "from ray_jobs.second_decoder import main; main()"


class Word(StrEnum):
    """What a spot check says."""

    AGREED = "agreed"
    DIFFERS = "differs"
    REFUSED = "refused"  # the second decoder does not read this one
    UNREADABLE = "unreadable"  # the first does not, or S3: another instance may do


class Spot(NamedTuple):
    """One instance, decoded twice."""

    word: Word
    apart: int = 0  # grey levels
    tolerable: int = 0


class Image(Protocol):
    """What can be decoded twice."""

    @property
    def instance_id(self) -> int: ...
    @property
    def transfer_syntax(self) -> str | None: ...


class InPassing(NamedTuple):
    """An image of an archive that is being read: its bytes are here now, and later no more."""

    instance_id: int  # its ordinal there
    transfer_syntax: str | None  # UID
    data: bytes


Checked = TypeVar("Checked", bound=Image)


class SpotChecks(Generic[Checked]):
    """The transfer syntaxes of a run: checked when first met."""

    def __init__(self, check: Callable[[Checked], Spot]) -> None:
        """`check` decodes one instance twice, somewhere else."""
        self._check = check
        self._settled: dict[str, Word] = {}
        self._heard: dict[str, Counter[Word]] = defaultdict(Counter)

    def stopped(self, instances: Iterable[Checked]) -> list[Checked]:
        """Those of a study whose syntax must not be trusted for it."""
        words: dict[str, Word] = {}
        found = []
        for one in instances:
            syntax = one.transfer_syntax or NOT_SAID
            if syntax not in words:
                words[syntax] = self._settled.get(syntax) or self._ask(syntax, one)
            if words[syntax] is Word.DIFFERS:
                found.append(one)
        return found

    def _ask(self, syntax: str, instance: Checked) -> Word:
        spot = self._check(instance)
        heard = self._heard[syntax]
        heard[spot.word] += 1
        match spot.word:
            case Word.DIFFERS:
                settled = heard[spot.word] >= DISAGREEMENTS
                log.error(
                    "decoders_disagree",
                    syntax=syntax,
                    instance=instance.instance_id,
                    apart=spot.apart,
                    tolerable=spot.tolerable,
                )
                if settled:
                    log.error("syntax_stopped", syntax=syntax)
            case Word.AGREED:
                settled = True
                log.info("syntax_checked", syntax=syntax, apart=spot.apart)
            case Word.REFUSED | Word.UNREADABLE:
                settled = heard[Word.REFUSED] + heard[Word.UNREADABLE] >= TRIES
                if settled:
                    log.warning("syntax_not_checked", syntax=syntax, why=spot.word.value)
        if settled:
            self._settled[syntax] = spot.word
        return spot.word


def decoded_twice(data: bytes) -> Spot:
    """Both decoders on a file, in a child process with bounds; a child that dies has no word."""
    try:
        answer = subprocess.run(  # noqa: S603 -- this interpreter, our own module
            [sys.executable, "-P", "-c", CHILD],
            input=data,
            capture_output=True,
            timeout=TIME_S,
            check=False,
            env=bounded_environment(),
        )
    except subprocess.TimeoutExpired:
        return Spot(Word.REFUSED)
    said = answer.stdout.decode("ascii", "replace").split()
    if answer.returncode != 0 or len(said) != 3:
        return Spot(Word.REFUSED)
    return Spot(Word(said[0]), int(said[1]), int(said[2]))
