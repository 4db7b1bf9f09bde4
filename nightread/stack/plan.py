"""What `up` tells the supervisor to start."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from nightread.stack.files import write_private


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is decided before the first server starts."""

    release: Path  # the release's folder
    triton_env: Path
    backends: Path  # Triton's backend folder, assembled
    libpython: str  # the folder that the stub's library is found in

    def write(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self), default=str))

    @classmethod
    def read(cls, path: Path) -> "Plan":
        found = json.loads(path.read_text())
        release, env, backends = (
            Path(found[name]) for name in ("release", "triton_env", "backends")
        )
        return cls(release, env, backends, found["libpython"])
