"""Looking at images while their archive goes by: what is seen of one, and how it is kept."""

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from mammo.codes import Verdict
from ray_jobs.archive.fault import ArchiveFault
from ray_jobs.archive.walk import MemberRead, Opened
from ray_jobs.faults import InferenceFailed, InferenceLost
from ray_jobs.records import Seen
from ray_jobs.study import Infer, Stages, Waiting, begin, scored
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
    """

    def __init__(
        self, infer: Infer, manifest: Manifest, wanted: frozenset[int] | None = None
    ) -> None:
        self.stages = Stages()
        self._infer = infer
        self._manifest = manifest
        self._wanted = wanted
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
        shut, and the studies' own tasks find out whether it is back.
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
        began = begin(data, facts.laterality, self._infer, self._manifest, self.stages)
        if isinstance(began, Seen):
            return lambda: began
        return lambda view=str(facts.view): self._answer(began, view)  # type: ignore[misc]

    def _answer(self, waiting: Waiting, view: str) -> Seen | None:
        try:
            with self.stages("infer"):
                raw = waiting.answer.result()
        except (InferenceFailed, InferenceLost):
            self._shut = True
            return None
        return scored(waiting, raw, view, self._manifest)
