"""A view without lesions, ready to have lesions put in."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from mammo.phantoms import anatomy, outline
from mammo.phantoms.anatomy import Density, Tissue
from mammo.phantoms.detectability import WINDOW, Spectrum, fit_spectrum, resample, white_variance
from mammo.phantoms.machines import MACHINES, SHARES, Machine
from mammo.phantoms.outline import Breast, Outline
from mammo.phantoms.random import Stream, generator
from mammo.phantoms.texture import Field
from mammo.views import Laterality, Projection

PREPARED = (1024, 640)  # rows, columns of the prepared view, for which d' is stated
_MARGIN = 0.02  # around the breast there, share of its longer side
_ROUNDING = 2e-6  # variance, tissue grey, that rounding a prepared pixel to 8 bits adds


class Resolution(IntEnum):
    """Native pixels along one side of a rendered pixel."""

    FULL = 1
    WORKING = 2


@dataclass(frozen=True, slots=True)
class Background:
    """One view of one breast, without lesions and without noise.

    `anatomy` lies on the working grid whatever the resolution: tissue grey, float32
    (rows / 2, columns / 2), in the image's orientation (right breasts have the chest wall at the
    right edge). `resolution` is that of the pictures made from it.
    """

    seed: int  # of noise, markers and dust
    laterality: Laterality
    projection: Projection
    density: Density
    machine: Machine
    outline: Outline
    anatomy: Field
    resolution: Resolution

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the pictures."""
        return self.machine.shape[0] // self.resolution, self.machine.shape[1] // self.resolution

    @property
    def prepared_scale(self) -> float:
        """Prepared pixels a working pixel: the breast's box fills the prepared view."""
        x0, y0, x1, y1 = self.outline.box()
        margin = _MARGIN * max(x1 - x0, y1 - y0)
        height = min(y1 + margin, self.outline.height) - max(y0 - margin, 0)
        width = min(x1 + margin, self.outline.width)
        mm = self.machine.spacing * Resolution.WORKING
        return min(PREPARED[0] / height, PREPARED[1] / width) * mm

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """A point of the canonical frame (mm) as x, y on the native grid."""
        column = x / self.machine.spacing
        if self.laterality is Laterality.RIGHT:
            column = self.machine.shape[1] - column
        return column, y / self.machine.spacing

    def spectrum(self, x: float, y: float) -> Spectrum:
        """Texture and noise around a point (mm, canonical), at prepared resolution."""
        rows, columns = self.anatomy.shape
        side = min(round(WINDOW / self.prepared_scale), rows, columns)
        column, row = self.pixel(x, y)
        left = int(np.clip(column / Resolution.WORKING - side / 2, 0, columns - side))
        top = int(np.clip(row / Resolution.WORKING - side / 2, 0, rows - side))
        cut = self.anatomy[top : top + side, left : left + side]
        window = resample(cut, WINDOW / side)
        middle = window[WINDOW // 4 : -WINDOW // 4, WINDOW // 4 : -WINDOW // 4]
        working = noise_level(self.machine, float(middle.mean())) / Resolution.WORKING
        white = white_variance(working, self.prepared_scale)
        return fit_spectrum(window, white + _ROUNDING)


def noise_level(machine: Machine, grey: float) -> float:
    """Standard deviation of a native pixel's noise: fewer quanta come through dense tissue."""
    return machine.noise * (0.8 + 0.6 * grey)


def compose(
    seed: int,
    index: int,
    laterality: Laterality,
    projection: Projection,
    *,
    machine: Machine,
    density: Density,
    breast: Breast,
    tissue: Tissue,
    resolution: Resolution,
) -> Background:
    """The background of one view of a study; the same for the same arguments."""
    view = 2 * (laterality is Laterality.RIGHT) + (projection is Projection.MLO)
    field = (machine.shape[0] * machine.spacing, machine.shape[1] * machine.spacing)
    draw = outline.craniocaudal if projection is Projection.CC else outline.oblique
    shape = draw(breast, field, generator(seed, Stream.VIEW, index, view))
    texture = generator(seed, Stream.TEXTURE, index, view)
    picture = anatomy.render(texture, shape, tissue, machine.spacing * Resolution.WORKING)
    if laterality is Laterality.RIGHT:
        picture = np.ascontiguousarray(picture[:, ::-1])
    noise = int(generator(seed, Stream.NOISE, index, view).integers(2**31))
    return Background(noise, laterality, projection, density, machine, shape, picture, resolution)


def draw_machine(rng: np.random.Generator) -> Machine:
    """A machine, as often as its share says."""
    return MACHINES[str(rng.choice(list(SHARES), p=list(SHARES.values())))]


def draw_density(rng: np.random.Generator) -> Density:
    """A density class, as often as in screening (a 10%, b 40%, c 40%, d 10%), the ends lifted."""
    return Density(rng.choice(list(Density), p=[0.15, 0.35, 0.35, 0.15]))


def background(seed: int, *, resolution: Resolution = Resolution.WORKING) -> Background:
    """One view drawn at random, everything about it too: for training on many backgrounds."""
    rng = generator(seed, Stream.BACKGROUND)
    machine, density = draw_machine(rng), draw_density(rng)
    return compose(
        seed,
        0,
        Laterality(rng.choice(list(Laterality))),
        Projection(rng.choice([Projection.CC, Projection.MLO])),
        machine=machine,
        density=density,
        breast=outline.draw_breast(rng),
        tissue=anatomy.draw_tissue(rng, density),
        resolution=resolution,
    )
