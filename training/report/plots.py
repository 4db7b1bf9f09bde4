"""The report's plots, as SVG texts whose letters are the page's own."""

from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import Any

import matplotlib as mpl
import matplotlib.colors
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.evaluation import bootstrap, froc, measure, precision_recall, reliability, resampled
from training.evaluation import roc as roc_curve
from training.evaluation.aggregate import Scored, Unit
from training.evaluation.counts import Confusion
from training.evaluation.predictions import Case

Array = NDArray[np.float64]
INK, FAINT, GRID = "#1c2733", "#66727f", "#e4e8ec"
COLOURS = {Unit.IMAGE: "#8a97a5", Unit.BREAST: "#0b6e8a", Unit.PATIENT: "#d1742a"}
MAIN, SECOND = COLOURS[Unit.BREAST], COLOURS[Unit.PATIENT]
BAND_DRAWS = 500  # of a curve's band: it is looked at, not quoted
RATE_TICKS = (0.125, 0.25, 0.5, 1, 2, 4, 8)
STYLE: dict[Any, Any] = {  # names of matplotlib's own
    "svg.fonttype": "none",
    "svg.hashsalt": "nightread",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.solid_capstyle": "round",
}


def roc(items: Mapping[Unit, Sequence[Scored]]) -> str:
    """ROC by image, breast and patient; the band is the breasts'."""

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=FAINT, lw=0.8, ls=(0, (2, 3)))
        for unit, scored in items.items():
            labels, p = _arrays(scored)
            fpr, tpr, _ = roc_curve.curve(labels, p)
            if unit is Unit.BREAST:
                _roc_band(axes, scored)
            area = roc_curve.auc(labels, p)
            label = f"{unit}, AUC {area:.2f}"
            axes.plot(fpr, tpr, color=COLOURS[unit], lw=_weight(unit), label=label)
        _square(axes, "false positive rate", "sensitivity")
        axes.legend(loc="lower right")

    return _drawn(paint)


def precision(items: Mapping[Unit, Sequence[Scored]]) -> str:
    """Precision over recall by image, breast and patient; dotted: the share of positives."""

    def paint(axes: Axes) -> None:
        for unit, scored in items.items():
            labels, p = _arrays(scored)
            recall, found, _ = precision_recall.curve(labels, p)
            area = precision_recall.average_precision(labels, p)
            label = f"{unit}, AP {area:.2f}"
            axes.step(
                np.append(0, recall),
                np.append(found[:1], found),
                where="pre",
                color=COLOURS[unit],
                lw=_weight(unit),
                label=label,
            )
            axes.axhline(float(labels.mean()), color=COLOURS[unit], lw=0.8, ls=(0, (2, 3)))
        _square(axes, "recall (sensitivity)", "precision")
        axes.legend(loc="best")

    return _drawn(paint)


def free_response(cases: Sequence[Case]) -> str:
    """Lesion sensitivity over false marks an image, with its 95% band."""

    def paint(axes: Axes) -> None:
        outcomes = [measure.outcome(case) for case in cases]
        draws = bootstrap.draw([case.view.patient for case in cases], measure.SEED, BAND_DRAWS)
        marks = resampled.Marks(outcomes, draws)
        rates = np.geomspace(0.05, 8, 45)
        bands = np.array([marks.sensitivity(float(rate)) for rate in rates])
        axes.fill_between(rates, bands[:, 1], bands[:, 2], color=MAIN, alpha=0.16, lw=0)
        rate, hit, _ = froc.curve(outcomes)
        axes.step(np.maximum(rate, 1e-3), hit, where="post", color=MAIN, lw=1.9)
        at = marks.sensitivity(measure.AT)
        axes.plot([measure.AT], [at.value], "o", color=MAIN, ms=6, mec="white", mew=1.2)
        axes.annotate(
            f"{at.value:.2f} at {measure.AT:g}",
            (measure.AT, at.value),
            xytext=(7, -13),
            textcoords="offset points",
            color=INK,
        )
        axes.set_xscale("log")
        axes.set_xticks(RATE_TICKS, ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
        axes.minorticks_off()
        axes.set_xlim(0.05, 8.5)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("false marks an image")
        axes.set_ylabel("lesions found")

    return _drawn(paint)


def calibration(items: Mapping[Unit, Sequence[Scored]]) -> str:
    """Said against came in ten equal-width bins; a dot's area is its number of breasts."""

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=FAINT, lw=0.8, ls=(0, (2, 3)))
        scored = items[Unit.BREAST]
        labels, p = _arrays(scored)
        found = reliability.bins(labels, p)
        said = np.array([b.said for b in found])
        came = np.array([b.came for b in found])
        cases = np.array([b.cases for b in found])
        low, high = _wilson(came, cases)
        axes.vlines(said, low, high, color=MAIN, lw=1.2, alpha=0.55)
        axes.plot(said, came, color=MAIN, lw=0.8, alpha=0.35)
        sizes = 18 + 260 * cases / cases.sum()
        axes.scatter(said, came, s=sizes, color=MAIN, ec="white", lw=1, zorder=3)
        for x, y, n in zip(said, came, cases, strict=True):
            axes.annotate(
                str(n), (x, y), xytext=(7, 5), textcoords="offset points", color=FAINT, fontsize=8
            )
        _square(axes, "probability said", "share malignant")

    return _drawn(paint)


def decisions(found: Confusion, unit: Unit) -> str:
    """The confusion matrix of one unit."""

    def paint(axes: Axes) -> None:
        cells = np.array([[found.tp, found.fn], [found.fp, found.tn]], np.float64)
        with np.errstate(invalid="ignore"):
            share = cells / cells.sum(axis=1, keepdims=True)
        axes.imshow(np.nan_to_num(share), cmap=_ramp(), vmin=0, vmax=1, aspect="equal")
        for (row, column), count in np.ndenumerate(cells):
            colour = "white" if share[row, column] > 0.55 else INK
            axes.text(column, row - 0.06, f"{int(count)}", ha="center", color=colour, fontsize=17)
            axes.text(column, row + 0.22, f"{share[row, column]:.0%}", ha="center", color=colour)
        axes.set_xticks([0, 1], ["called", "not called"])
        axes.set_yticks([0, 1], ["malignant", "other"], rotation=90, va="center")
        axes.tick_params(length=0, labelcolor=INK)
        axes.xaxis.tick_top()
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set_xlabel(f"{unit}s")

    return _drawn(paint)


def spread(items: Mapping[Unit, Sequence[Scored]], raised: float) -> str:
    """How probabilities of malignant and other breasts lie; dashed: from where one is called."""

    def paint(axes: Axes) -> None:
        labels, p = _arrays(items[Unit.BREAST])
        edges = np.linspace(0, 1, 21).tolist()
        for chosen, colour, name in ((~labels, FAINT, "other"), (labels, SECOND, "malignant")):
            if chosen.any():
                share = np.full(int(chosen.sum()), 1 / chosen.sum())
                axes.hist(p[chosen], edges, weights=share, color=colour, alpha=0.55, label=name)
        axes.axvline(raised, color=INK, lw=0.9, ls=(0, (4, 3)))
        axes.set_xlim(0, 1)
        axes.set_xlabel("probability said")
        axes.set_ylabel("share of the breasts of a class")
        axes.legend(loc="upper right")

    return _drawn(paint)


def _drawn(paint: Callable[[Axes], None]) -> str:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.1, 3.9), layout="constrained")
        paint(figure.subplots())
        text = StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def _square(axes: Axes, x: str, y: str) -> None:
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _weight(unit: Unit) -> float:
    return 1.9 if unit is Unit.BREAST else 1.3


def _arrays(scored: Sequence[Scored]) -> tuple[NDArray[np.bool_], Array]:
    return (
        np.array([one.malignant for one in scored], bool),
        np.array([one.probability for one in scored], np.float64),
    )


def _roc_band(axes: Axes, scored: Sequence[Scored]) -> None:
    labels, p = _arrays(scored)
    draws = bootstrap.draw([one.patient for one in scored], measure.SEED, BAND_DRAWS)
    grid, numbers = np.linspace(0, 1, 101), np.arange(len(p))
    curves = []
    for row in draws.weights:
        chosen = np.repeat(numbers, row)
        fpr, tpr, _ = roc_curve.curve(labels[chosen], p[chosen])
        if not (np.isnan(fpr).any() or np.isnan(tpr).any()):
            curves.append(np.interp(grid, fpr, tpr))
    if curves:
        low, high = np.percentile(curves, [bootstrap.LOWER, bootstrap.UPPER], axis=0)
        axes.fill_between(grid, low, high, color=MAIN, alpha=0.16, lw=0)


def _wilson(share: Array, cases: NDArray[np.int_]) -> tuple[Array, Array]:
    """95% interval of a share of so many cases (Wilson 1927)."""
    z = 1.959964
    middle = (share + z**2 / (2 * cases)) / (1 + z**2 / cases)
    half = z / (1 + z**2 / cases) * np.sqrt(share * (1 - share) / cases + (z / (2 * cases)) ** 2)
    return middle - half, middle + half


def _ramp() -> mpl.colors.Colormap:
    return mpl.colors.LinearSegmentedColormap.from_list("calls", ["#f4f7f9", MAIN])
