"""Where the stack keeps what it makes: all below one folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """The stack's folder. Everything in it survives `down`; the files named here are 0600."""

    root: Path

    @property
    def state(self) -> Path:
        """What runs; written by the supervisor alone."""
        return self.root / "state.json"

    @property
    def plan(self) -> Path:
        """What the supervisor is to start; written by `up`."""
        return self.root / "plan.json"

    @property
    def lock(self) -> Path:
        """Held while an `up` or a `down` is at work."""
        return self.root / "lock"

    @property
    def supervisor_log(self) -> Path:
        return self.root / "supervisor.log"

    @property
    def settings_file(self) -> Path:
        """What the other commands read."""
        return self.root / "nightread.toml"

    @property
    def passfile(self) -> Path:
        """Libpq's password file, all logins."""
        return self.root / "pgpass"

    @property
    def credentials_file(self) -> Path:
        """AWS shared credentials: `default` reads the archive, `admin` may do everything."""
        return self.root / "aws-admin-credentials"

    @property
    def reader_credentials_file(self) -> Path:
        """The profile `default` alone: all that the job and its workers are told of."""
        return self.root / "aws-credentials"

    @property
    def previews_credentials_file(self) -> Path:
        """As its `default`: the web application's own, which reads and writes previews."""
        return self.root / "aws-previews-credentials"

    @property
    def pseudonym_key_file(self) -> Path:
        return self.root / "pseudonym.key"

    @property
    def web_key_file(self) -> Path:
        """Signs what a browser holds while somebody signs in."""
        return self.root / "web.key"

    @property
    def audit_key_file(self) -> Path:
        """Ed25519, PEM: signs what `audit export` writes."""
        return self.root / "audit.pem"

    @property
    def seaweedfs(self) -> Path:
        return self.root / "seaweedfs"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def triton(self) -> Path:
        return self.root / "triton"
