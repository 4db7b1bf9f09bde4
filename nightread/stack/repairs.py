"""How often a server that served is started again before a person has to look."""

from dataclasses import dataclass

PAUSES = (0.0, 1.0, 2.0, 4.0, 8.0)  # seconds before each start in a row
SOUND = 600.0  # seconds without a fault, after which the row begins anew


@dataclass(slots=True)
class Repairs:
    """Of one server."""

    row: int = 0
    last: float = 0.0  # when the last fault was seen

    def pause(self, now: float) -> float | None:
        """Seconds until the next start; None when there have been enough."""
        if now - self.last > SOUND:
            self.row = 0
        self.last = now
        if self.row == len(PAUSES):
            return None
        self.row += 1
        return PAUSES[self.row - 1]
