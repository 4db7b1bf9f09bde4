"""Who asks, and what they may do."""

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What somebody may do. Each but `IDENTITY` has a role of the database, `nightread_…`."""

    READER = "reader"  # reads: claims studies and decides
    SUPERVISOR = "supervisor"  # reads, sees how the night went and who decided what
    SERVICE = "service"  # another system: sees the list, says what was read elsewhere
    AUDITOR = "auditor"  # sees who did what, and nothing of a study
    IDENTITY = "identity"  # beside another: sees whose a study is


@dataclass(frozen=True, slots=True)
class Principal:
    """A person with a session, or a program with a token."""

    who: str  # in claims, decisions and the audit; a program: `service:` and its token's name
    name: str  # to be shown
    roles: frozenset[Role]
    csrf: str | None = field(default=None, repr=False)  # for forms; None: a program

    def __contains__(self, role: Role) -> bool:
        return role in self.roles
