"""Who may ask the API for what."""

from typing import Annotated

from nightread.web.deciding import NO_STUDY
from nightread.web.principal import Role
from nightread.web.problems import Refusal
from nightread.web.security.guard import Access, requires

# A route takes on the first of its roles that somebody has: the one with fewer rights stands first.
Seeing = Annotated[Access, requires(Role.SERVICE, Role.READER, Role.SUPERVISOR)]
Reading = Annotated[Access, requires(Role.READER, Role.SUPERVISOR)]
Identifying = Annotated[Access, requires(Role.READER, Role.SUPERVISOR, also=Role.IDENTITY)]
Marking = Annotated[Access, requires(Role.SERVICE, Role.SUPERVISOR)]
Auditing = Annotated[Access, requires(Role.AUDITOR)]


def no_study() -> Refusal:
    return Refusal(404, NO_STUDY)
