"""Shapes of lesions after the BI-RADS lexicon (ACR BI-RADS Atlas, fifth edition, mammography).

Benign and malignant kinds differ in shape, margin, morphology and distribution, never in
strength. A stamp is a picture of one lesion with peak near 1, drawn on a square grid.
"""

from collections.abc import Callable
from enum import StrEnum
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo.phantoms import calcifications, masses
from mammo.phantoms.texture import Field


class Morphology(StrEnum):
    """What a lesion looks like; the first five are masses."""

    ROUND = "round"
    OVAL = "oval"
    LOBULATED = "lobulated"
    IRREGULAR = "irregular"
    SPICULATED = "spiculated"
    PUNCTATE = "punctate"
    SCATTERED = "scattered"
    COARSE = "coarse"
    RIM = "rim"
    PLEOMORPHIC = "pleomorphic"
    LINEAR_BRANCHING = "linear_branching"
    SEGMENTAL = "segmental"


MASSES = MappingProxyType(
    {
        False: (Morphology.ROUND, Morphology.OVAL, Morphology.LOBULATED),
        True: (Morphology.IRREGULAR, Morphology.SPICULATED),
    }
)
CLUSTERS = MappingProxyType(
    {
        False: (Morphology.PUNCTATE, Morphology.SCATTERED, Morphology.COARSE, Morphology.RIM),
        True: (Morphology.PLEOMORPHIC, Morphology.LINEAR_BRANCHING, Morphology.SEGMENTAL),
    }
)


_DRAWN: MappingProxyType[Morphology, Callable[[np.random.Generator, float, float], Field]] = (
    MappingProxyType(
        {
            Morphology.ROUND: masses.circumscribed_round,
            Morphology.OVAL: masses.oval,
            Morphology.LOBULATED: masses.lobulated,
            Morphology.IRREGULAR: masses.irregular,
            Morphology.SPICULATED: masses.spiculated,
            Morphology.PUNCTATE: calcifications.punctate,
            Morphology.SCATTERED: calcifications.scattered,
            Morphology.COARSE: calcifications.coarse,
            Morphology.RIM: calcifications.rim,
            Morphology.PLEOMORPHIC: calcifications.pleomorphic,
            Morphology.LINEAR_BRANCHING: calcifications.linear_branching,
            Morphology.SEGMENTAL: calcifications.segmental,
        }
    )
)


def is_mass(morphology: Morphology) -> bool:
    """Whether it is a mass (else a cluster of calcifications)."""
    return morphology in (*MASSES[False], *MASSES[True])


def stamp(rng: np.random.Generator, morphology: Morphology, radius: float, spacing: float) -> Field:
    """A lesion's picture, float32 (n, n), 0 to about 1.

    radius: mm, of the body of a mass or of a cluster's spread. spacing: mm a pixel of the stamp.
    """
    draw = _DRAWN[morphology]
    return (
        draw(rng, radius / spacing, spacing) if is_mass(morphology) else draw(rng, radius, spacing)
    )


def mask(picture: Field, morphology: Morphology) -> NDArray[np.bool_]:
    """Where a reader would draw the lesion: a mass's visible body, a cluster's convex hull."""
    visible = picture > 0.2 * float(picture.max())
    if is_mass(morphology):
        return visible
    points = cv2.findNonZero(visible.astype(np.uint8))
    out = np.zeros(picture.shape, np.uint8)
    cv2.fillConvexPoly(out, cv2.convexHull(points), 1)
    return np.asarray(out > 0)
