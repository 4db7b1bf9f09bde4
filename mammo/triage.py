"""A study's level in the worklist."""

from mammo.codes import Level
from mammo.scoring import Scale


def level(score: int | None, scale: Scale) -> Level:
    """The level of a score of 1 to 10, or of a study that has none."""
    if score is None:
        return Level.NOT_SCORED
    if score >= scale.urgent:
        return Level.URGENT
    if score >= scale.soon:
        return Level.SOON
    return Level.ROUTINE if score >= scale.routine else Level.LOW
