"""Why an image could not be decoded, in words that are safe to log."""

from mammo.codes import Reason


class PixelError(Exception):
    """An image that must not be scored.

    `reason` is a quarantine code; `detail` is a sentence of ours, never a value out of the
    header and never a codec's own message: both can hold what identifies a patient.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
