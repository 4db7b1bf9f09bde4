"""Looking at images while their archive goes by: what is seen of one, and how it is kept."""

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from mammo.codes import Verdict
from mammo.facts import Facts
from ray_jobs.archive.fault import ArchiveFault
from ray_jobs.archive.walk import MemberRead, Opened
from ray_jobs.decoding_child import prepared
from ray_jobs.faults import DecoderLost, InferenceFailed, InferenceLost
from ray_jobs.records import Seen
from ray_jobs.spot_check import InPassing, SpotChecks
from ray_jobs.stages import Stages
from ray_jobs.study import Infer, Prepare, Waiting, begin, scored
from triton_repo.release import Manifest

_SEEN: TypeAdapter[Seen] = TypeAdapter(Seen)

Answer = Callable[[], Seen | None]


def stored(seen: Seen) -> dict[str, Any]:
    """As JSON-able values."""
    kept: dict[str, Any] = _SEEN.dump_python(seen, mode="json")
    return kept


def restored(look: dict[str, Any] | None) -> Seen | None:
    """Undoes `stored`."""
    return None if look is None else _SEEN.validate_python(look)


class Eyes:
    """A release's look at the images of one archive.

    wanted: ordinals of the members to look at; None: all that the release is valid for.
    prepare: the job's tasks do it in a child process.
    checks: of the transfer syntaxes, before anything in one is kept; None: they are trusted.
    entered: is told each stage.
    """

    def __init__(
        self,
        infer: Infer,
        manifest: Manifest,
        wanted: frozenset[int] | None = None,
        prepare: Prepare = prepared,
        checks: SpotChecks[InPassing] | None = None,
        entered: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.stages = Stages(entered)
        self._infer = infer
        self._manifest = manifest
        self._wanted = wanted
        self._prepare = prepare
        self._checks = checks
        self._doubted: set[tuple[str | None, str | None]] = set()  # studies and transfer syntaxes
        self._shut = False

    def want(self, member: MemberRead) -> bool:
        """Whether an image is one that a study's task would look at."""
        facts = member.facts
        if self._shut or facts is None or facts.laterality is None or facts.view is None:
            return False
        if self._wanted is not None:  # the index has judged it, by the rules of its time
            return member.ordinal in self._wanted
        accepted = member.judgement.verdict is Verdict.ACCEPTED
        return accepted and facts.source_kind in self._manifest.valid_for

    def look(self, opened: Opened) -> Answer:
        """Read, decode and prepare an image that is wanted, and send it to be inferred.

        The answer waits for the ensemble; it is None when that can't be had. Then the eyes stay
        shut, and the studies' own tasks find out whether it is back. It is None too where two
        decoders disagree, or the child that decodes can't be had: then nothing is kept, and the
        study's turn comes with the checks and the attempts of all others.
        """
        facts = opened.read.facts
        assert facts is not None
        assert facts.laterality is not None
        assert facts.view is not None
        try:
            with self.stages("fetch"):
                data = opened.whole()
        except ArchiveFault as fault:
            broken = Seen(fault.reason)
            return lambda: broken
        if self._doubts(facts, opened.read.ordinal, data):
            return lambda: None
        try:
            began = begin(
                data, facts.laterality, self._prepare, self._infer, self._manifest, self.stages
            )
        except DecoderLost:
            return lambda: None
        if isinstance(began, Seen):
            return lambda: began
        return lambda view=str(facts.view): self._answer(began, view)  # type: ignore[misc]

    def _doubts(self, facts: Facts, ordinal: int, data: bytes) -> bool:
        """Whether a second decoder shows another picture; one study is asked about once."""
        key = facts.study_instance_uid, facts.transfer_syntax
        if self._checks is not None and key not in self._doubted:
            with self.stages("decode"):
                image = InPassing(ordinal, facts.transfer_syntax, data)
                if self._checks.stopped([image]):
                    self._doubted.add(key)
        return key in self._doubted

    def _answer(self, waiting: Waiting, view: str) -> Seen | None:
        try:
            with self.stages("infer"):
                raw = waiting.answer.result()
        except (InferenceFailed, InferenceLost):
            self._shut = True
            return None
        return scored(waiting, raw, view, self._manifest)
