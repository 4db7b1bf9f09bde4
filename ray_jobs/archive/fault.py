"""What is wrong with an archive or one of its members."""

from mammo.codes import Reason


class ArchiveFault(Exception):  # noqa: N818 -- a state of affairs
    """`reason` is an ARCHIVE code; the text is one sentence without a name in it."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
