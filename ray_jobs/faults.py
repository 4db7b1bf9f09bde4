"""What can go wrong outside a study's own data."""

from mammo.codes import Reason


class ServiceLost(Exception):  # noqa: N818 -- a state of affairs
    """A service could not be reached or refused us: which, where, what to check. One sentence."""


class StoreLost(ServiceLost):
    """S3."""


class InferenceLost(ServiceLost):
    """Triton, or none that serves this release."""


class InferenceFailed(Exception):  # noqa: N818
    """Triton answered, and the answer is a failure that a retry does not cure. One sentence."""


class ObjectUnreadable(Exception):  # noqa: N818
    """One object could not be read."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.line)
        self.reason = reason


class DecoderLost(Exception):  # noqa: N818
    """The decoder's child does not start, or is killed from outside. One sentence."""
