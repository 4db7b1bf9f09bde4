"""PostgreSQL refuses root: the command prefix under which root starts it."""

import os
import pwd
import signal
from collections.abc import Iterable
from pathlib import Path

from nightread.errors import ServiceError

USER = "nobody"
# linux/capability.h: number and the name that setpriv knows. The first only lets a process read
# and pass; containers often keep the second alone.
CAPABILITIES = ((2, "dac_read_search"), (1, "dac_override"))


def user() -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as when that is not us: `nobody` for root, None for anybody else."""
    return pwd.getpwnam(USER) if os.geteuid() == 0 else None


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 1 for folder in path.resolve().parents)


def _held() -> int:
    """The capabilities that this process holds and may pass on, as a bit set."""
    status = Path("/proc/self/status").read_text().splitlines()
    words = dict(line.split(":", 1) for line in status if line.startswith("Cap"))
    return int(words["CapPrm"], 16) & int(words["CapBnd"], 16)


def prefix(stop: signal.Signals, paths: Iterable[Path]) -> tuple[str, ...]:
    """What stands before a PostgreSQL command: nothing, or for root a change of user.

    A checkout below /root is closed to `nobody`. Rather than open folders that are not ours, the
    process then keeps the one capability that lets it pass them. Raises ServiceError when root
    itself does not hold it (a container without capabilities).
    """
    who = user()
    if who is None:
        return ()
    keep = "-all"
    if not all(_open_to_all(path) for path in paths):
        name = next((name for bit, name in CAPABILITIES if _held() >> bit & 1), None)
        if name is None:
            raise ServiceError(
                "PostgreSQL cannot run: as root it must run as nobody, who cannot pass the folders "
                "above the stack's; use --dir with a folder under /var/tmp, or an ordinary user."
            )
        keep = f"-all,+{name}"
    return (
        "/usr/bin/setpriv",
        f"--reuid={who.pw_uid}",
        f"--regid={who.pw_gid}",
        "--clear-groups",
        f"--inh-caps={keep}",
        f"--ambient-caps={keep}",
        f"--pdeathsig={stop.name.removeprefix('SIG')}",  # after the change of user, which clears it
        "--",
    )
