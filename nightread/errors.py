"""What can go wrong in ways that a person must read about, and the exit code of each.

    NightreadError
    ├── UsageError           2  wrong usage
    │   └── ConfigurationError  a wrong setting: which, why, an example
    ├── ServiceError         3  S3, Postgres or Triton: which, where, what to check
    ├── Refused              5  a release, file or input that must not be trusted
    ├── LockedError          6  another run holds this prefix and release
    └── Interrupted        130  Ctrl-C or SIGTERM

The text is one sentence that says what happened to which thing and what to do now. It never
holds patient data, nor the text of an exception that could.
"""

from typing import ClassVar


class NightreadError(Exception):
    """Shown to the person as one sentence, without a traceback."""

    exit_code: ClassVar[int] = 1


class UsageError(NightreadError):
    """The command was called wrongly."""

    exit_code = 2


class ConfigurationError(UsageError):
    """A setting is missing or wrong."""


class ServiceError(NightreadError):
    """A service could not be reached or refused us; nothing is lost, run again."""

    exit_code = 3


class Refused(NightreadError):  # noqa: N818 - the contract's word: it is a decision, not a fault
    """A release, file or input that must not be trusted, or too little data to act on."""

    exit_code = 5


class LockedError(NightreadError):
    """Another run holds what this one needs."""

    exit_code = 6


class Interrupted(NightreadError):  # noqa: N818 - a wish, not a fault
    """Somebody stopped us; what is done stands."""

    exit_code = 130
