"""Values of tables as they are really written: blanks, compounds, blanks instead of values."""

import re

from mammo.views import Laterality
from training.datasets.oddities import Oddity
from training.datasets.record import BiRads, Density, DensityScale

SIDES = {
    **dict.fromkeys(("L", "LEFT"), Laterality.LEFT),
    **dict.fromkeys(("R", "RIGHT"), Laterality.RIGHT),
}
CATEGORY = re.compile(r"([0-6])[abc]?", re.IGNORECASE)


def laterality(written: str) -> Laterality:
    """A side by its letter or word; raises ValueError for anything else."""
    side = SIDES.get(written.strip().upper())
    if side is None:
        raise ValueError(f"{written!r} is no side")
    return side


def whole(written: str) -> int | None:
    """A whole number, also as a spreadsheet's float; None where there is none."""
    try:
        return int(float(written))
    except (ValueError, OverflowError):  # no number, NaN, infinite
        return None


def birads(written: str, oddities: list[Oddity]) -> BiRads | None:
    """An assessment; of several in one field (`3$2`) the highest counts."""
    text = written.strip()
    if not text:
        oddities.append(Oddity.BIRADS_MISSING)
        return None
    parts = [part.strip().removesuffix(".0") for part in text.split("$") if part.strip()]
    matches = [CATEGORY.fullmatch(part) for part in parts]
    numbers = [int(match[1]) for match in matches if match]
    if len(numbers) < len(parts):
        oddities.append(Oddity.VALUE_OUT_OF_SCALE)
    if len(parts) > 1:
        oddities.append(Oddity.BIRADS_COMPOUND)
    if 0 in numbers:
        oddities.append(Oddity.BIRADS_ZERO)
    return BiRads(text, max(numbers, default=None))


def density(written: str, scale: DensityScale, oddities: list[Oddity]) -> Density | None:
    """A density on its scale; `_`, `NaN` and blanks are none, other values out of scale."""
    text = written.strip().upper().removesuffix(".0")
    if text in ("", "_", "NAN"):
        oddities.append(Oddity.DENSITY_MISSING)
        return None
    if text not in {"acr-1-4": "1234", "acr-a-d": "ABCD", "mias-f-g-d": "FGD"}[scale]:
        oddities.append(Oddity.VALUE_OUT_OF_SCALE)
        return None
    return Density(text, scale)
