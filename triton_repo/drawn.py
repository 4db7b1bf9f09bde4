"""The reference views of a release, drawn when it is built.

Phantoms of a seed that neither training nor any measurement uses. What is drawn is stored in the
release: another machine's arithmetic may round a pixel otherwise.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mammo import phantoms
from mammo.phantoms import Resolution
from mammo.prepare import Preparation, prepare_gray
from mammo.views import Laterality, Projection

_SEED = 1_400_000_002
# Of three studies one view each: a dense breast without a lesion, a film with a benign one, and
# a malignant one.
_CHOSEN = (
    (Laterality.LEFT, Projection.CC),
    (Laterality.LEFT, Projection.MLO),
    (Laterality.LEFT, Projection.CC),
)


def views(preparation: Preparation) -> Iterator[NDArray[np.uint8]]:
    """Air without a breast, then the phantoms: (1, height, width) each, prepared."""
    yield np.zeros((1, preparation.height, preparation.width), np.uint8)
    for plan, wanted in zip(phantoms.plan(len(_CHOSEN), _SEED), _CHOSEN, strict=True):
        for image in phantoms.render(plan, Resolution.WORKING):
            if (image.laterality, image.projection) == wanted:
                yield prepare_gray(image.gray(), preparation, image.laterality).tensor
