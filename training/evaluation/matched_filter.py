"""What an ideal linear observer finds: a bank of prewhitened matched filters.

For a known signal s in stationary noise of power spectrum N the best linear statistic is
sum conj(S) F / N (Barrett and Myers, "Foundations of Image Science", 2004, section 13.2);
divided by its own deviation it has mean d' at a lesion. N is estimated around each place:
mammograms are not stationary. The bank holds the phantoms' own shapes and, because a random
cluster looks like no other, the very lesions of the picture: an observer who knows what to look
for, but not whether it is there, nor where. It is no bound for an observer who is not linear:
parenchyma is not Gaussian, and a network learns what glandular tissue looks like.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo.phantoms.shapes import Morphology, mask, stamp
from training.datasets.phantoms import Template

Field = NDArray[np.float32]
Spectrum = NDArray[np.complex64]
Gray = NDArray[np.uint8]
Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

TILE, RIM = 256, 64  # prepared pixels: a neighbourhood taken as stationary; its unused edge
STEP = TILE - 2 * RIM
AIR = 12  # grey level below which there is no breast
SKIN = 12  # prepared pixels inside the outline and the picture that are not scored: there is no
# texture at the skin's edge, and beyond the picture's it is only mirrored
RADII = (4.0, 7.0)  # mm, around the phantoms' median of 5 to 5.5
SPACING = 0.2  # mm a prepared pixel, of a middling breast
APART = 24  # prepared pixels between two marks: a small lesion's size
_RINGS = 24


def bank(seed: int) -> list[Template]:
    """The phantoms' shapes, each at two sizes, drawn once."""
    rng = np.random.default_rng(seed)
    drawn = [(stamp(rng, m, radius, SPACING), m) for m in Morphology for radius in RADII]
    return [_template(picture, morphology) for picture, morphology in drawn]


def _template(picture: Field, morphology: Morphology) -> Template:
    _, _, width, height = cv2.boundingRect(mask(picture, morphology).astype(np.uint8))
    return Template(picture, float(width), float(height))


def transform(template: Template) -> Spectrum:
    """The template's conjugate spectrum on a tile, its middle at the origin."""
    signal = np.zeros((TILE, TILE), np.float32)
    rows, columns = (min(n, TILE) for n in template.picture.shape)
    signal[:rows, :columns] = template.picture[:rows, :columns]
    signal = np.roll(signal, (-(rows // 2), -(columns // 2)), (0, 1))
    return np.conj(np.fft.rfft2(signal)).astype(np.complex64)


def marks(
    picture: Gray, templates: Sequence[tuple[Template, Spectrum]], most: int = 32
) -> tuple[Array, Array]:
    """Boxes (n, 4) and scores (n,), the best first, at most `most`; picture is (h, w) uint8."""
    height, width = picture.shape
    frame = [(RIM, RIM + -height % STEP), (RIM, RIM + -width % STEP)]
    breast = _breast(picture)
    core = cv2.copyMakeBorder(breast, *(SKIN,) * 4, cv2.BORDER_CONSTANT, value=0)
    core = cv2.erode(core, np.ones((2 * SKIN + 1,) * 2, np.uint8))
    scored = np.pad(core[SKIN:-SKIN, SKIN:-SKIN] > 0, frame)
    tissue = np.pad(breast, frame, mode="symmetric")
    grey = np.pad(picture, frame, mode="symmetric").astype(np.float32)
    flat = _flat(grey, tissue)
    best = np.full(grey.shape, -np.inf, np.float32)
    which = np.zeros(grey.shape, np.int32)
    inner = slice(RIM, RIM + STEP)
    for top in range(0, grey.shape[0] - TILE + 1, STEP):
        for left in range(0, grey.shape[1] - TILE + 1, STEP):
            here = slice(top, top + TILE), slice(left, left + TILE)
            inside = scored[here]
            if not inside[inner, inner].any():
                continue
            score, index = _tile(flat[here], inside, tissue[here], templates)
            there = (slice(top + RIM, top + RIM + STEP), slice(left + RIM, left + RIM + STEP))
            best[there], which[there] = score[inner, inner], index[inner, inner]
    best[~scored] = -np.inf
    uncut = slice(RIM, RIM + height), slice(RIM, RIM + width)
    return _peaks(best[uncut], which[uncut], [template for template, _ in templates], most)


def _breast(picture: Gray) -> NDArray[np.uint8]:
    """1 where the largest piece of tissue is."""
    tissue = (cv2.blur(picture, (9, 9)) > AIR).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(tissue)
    if count > 1:
        tissue = (parts == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])).astype(np.uint8)
    return tissue


def _flat(grey: Field, tissue: NDArray[np.uint8]) -> Field:
    """Grey without its slow course, falling softly to zero at the skin."""
    weight = tissue.astype(np.float32)
    mean = cv2.GaussianBlur(grey * weight, (0, 0), 24) / (
        cv2.GaussianBlur(weight, (0, 0), 24) + 1e-3
    )
    soft = cv2.GaussianBlur(cv2.erode(weight, np.ones((9, 9), np.uint8)), (0, 0), 3)
    return np.asarray((grey - mean) * soft, np.float32)


_TAPER = np.minimum(1.0, np.minimum(np.arange(TILE) + 0.5, TILE - np.arange(TILE) - 0.5) / 32)
_WINDOW = np.outer(_TAPER, _TAPER).astype(np.float32)


def _tile(
    cut: Field,
    inside: Mask,
    tissue: NDArray[np.uint8],
    templates: Sequence[tuple[Template, Spectrum]],
) -> tuple[Field, NDArray[np.int32]]:
    """The bank's best response at each pixel, in standard deviations, and whose it is."""
    spectrum = np.fft.rfft2(cut * _WINDOW)
    whitened = spectrum / _density(np.abs(spectrum) ** 2, float(tissue.mean()))
    best = np.full(cut.shape, -np.inf, np.float32)
    which = np.zeros(cut.shape, np.int32)
    for number, (_, signal) in enumerate(templates):
        response = np.fft.irfft2(whitened * signal, s=cut.shape).astype(np.float32)
        # The spectrum is a fit, so the unit is measured: robustly, for lesions are outliers.
        values = response[::2, ::2][inside[::2, ::2]]
        low, middle, high = np.percentile(values, [16, 50, 84])
        response = (response - middle) * np.float32(2 / (high - low + 1e-12))
        better = response > best
        best[better] = response[better]
        which[better] = number
    return best, which


def _radial() -> tuple[NDArray[np.intp], Array, Array]:
    f = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None])
    edges = np.geomspace(1.5 / TILE, 0.71, _RINGS + 1)
    ring = np.clip(np.digitize(f, edges) - 1, 0, _RINGS - 1)
    return ring, np.log(np.sqrt(edges[1:] * edges[:-1])), np.log(np.maximum(f, edges[0]))


_RING, _LOG_MIDDLES, _LOG_F = _radial()
_COUNTS = np.bincount(_RING.ravel(), minlength=_RINGS)


def _density(power: Array, share: float) -> Field:
    """The mean power at each radial frequency, smooth: what is noise in this neighbourhood."""
    filled = _COUNTS > 0
    mean = np.bincount(_RING.ravel(), power.ravel(), minlength=_RINGS)[filled] / _COUNTS[filled]
    curve = np.interp(_LOG_F, _LOG_MIDDLES[filled], np.log(mean / share + 1e-9))
    return np.exp(curve).astype(np.float32)


def _peaks(
    score: Field, which: NDArray[np.int32], templates: Sequence[Template], most: int
) -> tuple[Array, Array]:
    """Local maxima, none nearer to a better one than APART."""
    window = np.ones((APART + 1, APART + 1), np.uint8)
    top = np.isfinite(score) & (score >= cv2.dilate(score, window))
    rows, columns = np.nonzero(top)
    order = np.argsort(-score[rows, columns], kind="stable")
    boxes: list[list[float]] = []
    scores: list[float] = []
    for y, x in zip(rows[order], columns[order], strict=True):
        middles = [((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in boxes]
        if any(abs(x - mx) < APART and abs(y - my) < APART for mx, my in middles):
            continue
        template = templates[which[y, x]]
        w, h = template.width / 2, template.height / 2
        boxes.append([x + 0.5 - w, y + 0.5 - h, x + 0.5 + w, y + 0.5 + h])
        scores.append(float(score[y, x]))
        if len(boxes) == most:
            break
    return np.array(boxes, np.float64).reshape(-1, 4), np.array(scores, np.float64)
