"""What a client counts of its requests."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Metrics:
    """Counts over some time, of one client or of several."""

    requests: int = 0  # views
    answers: int = 0
    shared: int = 0  # of the answers: the view went through shared memory
    retries: int = 0
    ejections: int = 0  # of a server, until its canary was right again
    failures: dict[str, int] = field(default_factory=dict)  # attempts, by gRPC status
    seconds: float = 0.0  # of the answers, each from its last attempt on
    slowest_s: float = 0.0

    def __add__(self, other: "Metrics") -> "Metrics":
        return Metrics(
            self.requests + other.requests,
            self.answers + other.answers,
            self.shared + other.shared,
            self.retries + other.retries,
            self.ejections + other.ejections,
            dict(Counter(self.failures) + Counter(other.failures)),
            self.seconds + other.seconds,
            max(self.slowest_s, other.slowest_s),
        )
