"""What was measured of a release, from its `figures.json`: charts, each beside its table.

A figure that is not there, or not a number, is left out: a small run measures less.
"""

from collections.abc import Mapping, Sequence
from html import escape
from math import isnan
from typing import Any, NamedTuple

from triton_repo.card import charts
from triton_repo.card.charts import Bin, Figure
from triton_repo.card.markup import chart, interval, table, told

Figures = Mapping[str, Any]
AT = 0.5  # false marks an image, of the figures that are shown first
# What `figures.json` calls what was marked, and what people do.
MARKED = {
    "phantoms": "phantoms",
    "phantoms_full_size": "phantoms, full size",
    "cbis_ddsm_test": "films, CBIS-DDSM",
}
# The same of what was told apart, and from what.
BREASTS, FILMS = "phantoms, by breast", "films, by breast"
APART = (
    (("phantoms_breasts",), BREASTS, "malignant against all others"),
    (("phantoms_studies",), "phantoms, by study", "malignant against all others"),
    (("cbis_ddsm_test", "breasts"), FILMS, "malignant against benign"),
)
SYSTEMS = ("this release", "matched filters")


class Marked(NamedTuple):
    """Lesions found in one set of images."""

    name: str
    images: int
    lesions: int
    found: dict[float, Figure]  # by false marks an image

    @property
    def counted(self) -> str:
        return f"{self.lesions} lesions on {self.images} images"


class Apart(NamedTuple):
    """Malignant cases told from others."""

    name: str
    others: str
    cases: int
    malignant: int
    auc: Figure
    brier: float
    error: float  # of calibration
    bins: tuple[Bin, ...]


def tiles(figures: Figures) -> str:
    """The figures that a reader looks for first."""
    found = [
        (f"of lesions found at {AT:g} false marks an image, {one.name}", one.found[AT], one.counted)
        for one in _marked(figures)
        if AT in one.found and one.name != MARKED["phantoms_full_size"]
    ]
    found += [
        (
            f"ROC area, {one.name}: {one.others}",
            one.auc,
            f"{one.cases} breasts, {one.malignant} malignant",
        )
        for one in _apart(figures)
        if one.name in (BREASTS, FILMS)
    ]
    drawn = (
        f'<div class="tile"><div class="value">{one.value:.2f} {interval(one)}</div>'
        f'<div class="what">{escape(what)}</div><div class="of">{escape(counted)}</div></div>'
        for what, one, counted in found
    )
    return f'<div class="tiles">{"".join(drawn)}</div>'


def measured(figures: Figures) -> str:
    """All of it."""
    return (
        "<p>All on pictures that were not trained on, and nothing was chosen by. In grey: the 95% "
        "interval over patients, by 2,000 bootstrap draws; none where all draws agree.</p>"
        f"{_froc(_marked(figures))}{_strength(figures)}{_areas(_apart(figures))}"
        f"{_reliability(_apart(figures))}"
    )


def _marked(figures: Figures) -> list[Marked]:
    found = []
    for key, name in MARKED.items():
        part = figures.get(key, {})
        rates = {rate: _figure(one) for rate, one in part.get("sensitivity", {}).items()}
        known = {float(rate): one for rate, one in rates.items() if one}
        if known:
            found.append(Marked(name, part["images"], part["lesions"], known))
    return found


def _apart(figures: Figures) -> list[Apart]:
    found = []
    for keys, name, others in APART:
        part = figures
        for key in keys:
            part = part.get(key, {})
        auc = _figure(part.get("auc"))
        if auc:
            bins = tuple(Bin(*one) for one in part["reliability"])
            counts = (part["cases"], part["malignant"])
            off = (part["brier"], part["calibration_error"])
            found.append(Apart(name, others, *counts, auc, *off, bins))
    return found


def _figure(value: Sequence[float] | None) -> Figure | None:
    return None if value is None or any(map(isnan, value)) else Figure(*value)


def _froc(sets: Sequence[Marked]) -> str:
    if not sets:
        return ""
    rates = sorted({rate for one in sets for rate in one.found})
    rows = [
        (f"{rate:g}", *(told(one.found[rate]) if rate in one.found else "" for one in sets))
        for rate in rates
    ]
    counted = "; ".join(f"{one.name}: {one.counted}" for one in sets)
    said = (
        "A mark finds a lesion when its middle lies in the lesion's box, of whatever kind; images "
        f"without a lesion count too. {counted[0].upper()}{counted[1:]}."
    )
    head = ("false marks an image", *(f"#{one.name}" for one in sets))
    drawn = charts.froc({one.name: one.found for one in sets})
    beside = table("Share of lesions found.", head, rows)
    return "<h3>Lesions found</h3>" + chart(drawn, "Free-response ROC.", said, beside)


def _strength(figures: Figures) -> str:
    rows = [row for row in figures.get("phantoms_by_detectability", ()) if row["lesions"]]
    if not rows:
        return ""
    before = [0.0, *(row["to"] for row in rows)]  # where the bin before ends
    bins = [
        (
            # The last one covers several.
            f"{'all ' if row['from'] < end else ''}{row['from']:g}–{row['to']:g}",
            row["lesions"],
            [_figure(row.get("detector")), _figure(row.get("matched_filter"))],
        )
        for row, end in zip(rows, before, strict=False)
    ]
    cells = [
        (name, str(lesions), *(told(one) if one else "" for one in found))
        for name, lesions, found in bins
    ]
    said = (
        f"Phantom lesions found at {AT:g} false marks an image, by d', the detectability for an "
        "ideal linear observer in the lesion's own background. Beside it a bank of prewhitened "
        "matched filters that holds the phantoms' own shapes and the very lesions of the view."
    )
    head = ("d'", "#lesions", *(f"#{name}" for name in SYSTEMS))
    beside = table("Share of lesions found.", head, cells) + _kinds(figures)
    drawn = charts.by_strength(bins, SYSTEMS)
    return "<h3>How faint a lesion may be</h3>" + chart(drawn, "By detectability.", said, beside)


def _kinds(figures: Figures) -> str:
    rows = [
        (escape(name), str(row["lesions"]), f"<b>{row['sensitivity']:.2f}</b>")
        for name, row in figures.get("phantoms_by_kind", {}).items()
        if row["sensitivity"] is not None
    ]
    caption = "By kind, at the same rate of false marks."
    return table(caption, ("kind", "#lesions", "#found"), rows) if rows else ""


def _areas(sets: Sequence[Apart]) -> str:
    if not sets:
        return ""
    rows = [
        (
            one.name,
            f"{one.cases} ({one.malignant})",
            told(one.auc),
            f"{one.brier:.3f}",
            f"{one.error:.3f}",
        )
        for one in sets
    ]
    said = (
        "How often a malignant case has the higher probability of a pair. A breast is as suspicious "
        "as its worst finding, a study as its worst breast."
    )
    head = ("set", "#cases (malignant)", "#ROC area", "#Brier", "#calibration error")
    beside = table("With the Brier score and the expected calibration error.", head, rows)
    drawn = charts.areas([(one.name, f"{one.cases}: {one.others}", one.auc) for one in sets])
    return "<h3>Malignant or not</h3>" + chart(drawn, "ROC areas.", said, beside)


def _reliability(sets: Sequence[Apart]) -> str:
    shown = "".join(
        f"<figure>{charts.reliability(one.name, one.bins)}<figcaption>"
        f"<b>{one.name.capitalize()}.</b> Of those called 0.3, do three in ten come true? On the "
        "dotted line they do. Ten bins, with the number of breasts; bars are 95%."
        "</figcaption></figure>"
        for one in sets
        if one.name in (BREASTS, FILMS)
    )
    return (
        f'<h3>Are probabilities what they say</h3><div class="twins">{shown}</div>' if shown else ""
    )
