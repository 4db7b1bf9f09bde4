"""The model card of a release: one page of HTML, made from the release's own files alone.

What was measured comes from its `figures.json`, everything else from the manifest, the graphs and
`card.md`. No script, no address outside the page, nothing that is typed here but explanations.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from mammo.scoring import Calibration, Scale
from triton_repo.card import charts, markdown, parameters
from triton_repo.card.charts import Figure
from triton_repo.contract import AVERAGE, FUSION, OVERALL
from triton_repo.diagram import svg
from triton_repo.release import CARD, FIGURES, MANIFEST, Manifest, Release

STYLE = Path(__file__).with_name("style.css")
Figures = Mapping[str, Any]
# What `figures.json` calls them, and what people do.
SETS = {
    "phantoms": "phantoms",
    "phantoms_full_size": "phantoms, full size",
    "cbis_ddsm_test": "films, CBIS-DDSM",
}
AREAS = (
    (("phantoms_breasts",), "phantoms, by breast", "malignant against all others"),
    (("phantoms_studies",), "phantoms, by study", "malignant against all others"),
    (("cbis_ddsm_test", "breasts"), "films, by breast", "malignant against benign"),
)
SYSTEMS = ("this release", "matched filters")
JOINTS = {
    FUSION: "joins the detectors' boxes",
    AVERAGE: "averages the classifiers",
    OVERALL: "averages the looks at whole views",
}
MEASURED = "How good it is"  # the section of card.md that `figures.json` takes the place of
NOT_CLINICAL = (
    '<div class="warning" role="note"><strong>Not for clinical use. It is not a medical device.'
    "</strong> No result may influence the care of a person.</div>"
)


def page(release: Release) -> str:
    """The whole document."""
    manifest = release.manifest
    told = markdown.sections((release.folder / CARD).read_text())
    path = release.folder / FIGURES
    figures = json.loads(path.read_text()) if path.is_file() else None
    rest = {
        heading: text
        for heading, text in told.items()
        if heading not in (MEASURED, "What it is for", "How its scores are made")
    }
    main = (
        NOT_CLINICAL,
        _tiles(figures) if figures else "",
        _section("What it is for", _intended(manifest) + told.get("What it is for", "")),
        _section("What it is made of", _members(release)),
        _section(MEASURED, _measured(figures) if figures else _unmeasured(told)),
        _section(
            "How its scores are made", told.get("How its scores are made", "") + _scores(manifest)
        ),
        *(_section(heading, text) for heading, text in rest.items()),
        _section("Files", _files(release)),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(manifest.name)}: model card</title>"
        f"<style>{STYLE.read_text()}</style></head>"
        f"<body>{_head(release)}<main>{''.join(main)}</main>"
        "<footer>Made by <code>nightread models show --out card.html</code> from the files of the "
        "release alone, whose digests were checked before. Everything on this page is in this one "
        "file.</footer></body></html>\n"
    )


def _head(release: Release) -> str:
    manifest = release.manifest
    facts = {
        "digest of the manifest (SHA-256)": f'<span title="{release.digest}">{release.digest[:16]}…</span>',
        "valid for": ", ".join(manifest.valid_for),
        "a prepared view": f"{manifest.sizes.height} × {manifest.sizes.width}, 8 bits",
        "marks a view, at most": str(manifest.sizes.boxes),
        "precision": _precision(release),
    }
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return (
        f'<header><span class="eyebrow">Model card</span><h1>{escape(manifest.name)}</h1>'
        f'<p>{escape(manifest.description)}.</p><dl class="facts">{listed}</dl></header>'
    )


def _precision(release: Release) -> str:
    on_gpus = f", {release.manifest.precision} on GPUs" if release.planned else ""
    return f"FP32 on the CPU{on_gpus}"


def _intended(manifest: Manifest) -> str:
    kinds = " and ".join(f"<code>{escape(kind)}</code>" for kind in manifest.valid_for)
    return (
        f'<p class="lead">{escape(manifest.intended_use)}</p><p>Valid for {kinds}: images of other '
        "kinds are listed in the worklist, and not scored.</p>"
    )


def _members(release: Release) -> str:
    planned = release.planned
    rows = []
    for step in release.steps:
        name = step.model.name
        path = release.graphs[name]
        on_gpu = _size(planned[name]) if name in planned else '<span class="none">none</span>'
        learned = f"{parameters.count(path):,}"
        rows.append((escape(name), _role(release, name), learned, _size(path), on_gpu))
    return (
        f'<div class="wide" tabindex="0" role="group" aria-label="The ensemble">{svg(release)}</div>'
        + _table(
            f"The {len(rows)} graphs that run for each view, in this order.",
            ("graph", "what it does", "#parameters", "#ONNX for the CPU", "#ONNX for TensorRT"),
            rows,
        )
    )


def _role(release: Release, name: str) -> str:
    members = release.manifest.members
    if name in members.detectors:
        return "finds places in a view"
    if name in members.classifiers:
        return "judges each place: a lesion? malignant?"
    return "judges a view as a whole" if name in members.views else JOINTS.get(name, "")


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size > 1e5 else f"{size / 1e3:.1f} kB"


def _tiles(figures: Figures) -> str:
    """The figures that a reader looks for first."""
    found = []
    for key, rate in (("phantoms", "0.5"), ("cbis_ddsm_test", "0.5")):
        if key in figures:
            part = figures[key]
            what = f"of lesions found at {rate} false marks an image, {SETS[key]}"
            counted = f"{part['lesions']} lesions on {part['images']} images"
            found.append((what, Figure(*part["sensitivity"][rate]), counted))
    for keys, name, against in (AREAS[0], AREAS[2]):
        part = _at(figures, keys)
        if part:
            counted = f"{part['cases']}, of them {part['malignant']} malignant"
            found.append((f"ROC area, {name}: {against}", Figure(*part["auc"]), counted))
    tiles = (
        f'<div class="tile"><div class="value">{one.value:.2f} {_interval(one)}</div>'
        f'<div class="what">{escape(what)}</div><div class="of">{escape(counted)}</div></div>'
        for what, one, counted in found
    )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _measured(figures: Figures) -> str:
    return (
        "<p>All on pictures that were not trained on, and nothing was chosen by. In grey: the 95% "
        "interval over patients, by 2,000 bootstrap draws; none where all draws agree.</p>"
        f"{_froc(figures)}{_strength(figures)}{_areas(figures)}{_reliability(figures)}"
    )


def _unmeasured(told: Mapping[str, str]) -> str:
    return (
        f'<p class="none">This release carries no {FIGURES}, from which charts are drawn; what was '
        "measured stands in its card, word for word:</p>" + told.get(MEASURED, "")
    )


def _froc(figures: Figures) -> str:
    series = {
        name: {float(rate): Figure(*one) for rate, one in figures[key]["sensitivity"].items()}
        for key, name in SETS.items()
        if key in figures
    }
    if not series:
        return ""
    rates = sorted({rate for found in series.values() for rate in found})
    counted = "; ".join(
        f"{name}: {figures[key]['lesions']} lesions on {figures[key]['images']} images"
        for key, name in SETS.items()
        if key in figures
    )
    rows = [
        (f"{rate:g}", *(_told(found[rate]) if rate in found else "" for found in series.values()))
        for rate in rates
    ]
    head = ("false marks an image", *(f"#{name}" for name in series))
    return (
        "<h3>Lesions found</h3>"
        + _chart(
            charts.froc(series),
            "Free-response ROC.",
            "A mark finds a lesion when its middle lies in the lesion's box, of whatever kind; "
            f"images without a lesion count too. {counted[0].upper()}{counted[1:]}.",
            _table("Share of lesions found.", head, rows),
        )
    )  # fmt: skip


def _strength(figures: Figures) -> str:
    rows = [row for row in figures.get("phantoms_by_detectability", ()) if row["lesions"]]
    if not rows:
        return ""
    ends = [0.0, *(row["to"] for row in rows)]  # of the bin before
    bins = [
        (
            # The last one covers several.
            f"{'all ' if row['from'] < before else ''}{row['from']:g}–{row['to']:g}",
            row["lesions"],
            [_figure(row.get("detector")), _figure(row.get("matched_filter"))],
        )
        for row, before in zip(rows, ends, strict=False)
    ]
    table = [
        (name, str(lesions), *("" if one is None else _told(one) for one in found))
        for name, lesions, found in bins
    ]
    head = ("d'", "#lesions", *(f"#{name}" for name in SYSTEMS))
    return (
        "<h3>How faint a lesion may be</h3>"
        + _chart(
            charts.by_strength(bins, SYSTEMS),
            "By detectability.",
            "Phantom lesions found at 0.5 false marks an image, by d', the detectability for an "
            "ideal linear observer in the lesion's own background. Beside it a bank of prewhitened "
            "matched filters that holds the phantoms' own shapes and the very lesions of the view.",
            _table("Share of lesions found.", head, table) + _kinds(figures),
        )
    )  # fmt: skip


def _kinds(figures: Figures) -> str:
    found = figures.get("phantoms_by_kind", {})
    rows = [
        (escape(name), str(row["lesions"]), f"<b>{row['sensitivity']:.2f}</b>")
        for name, row in found.items()
        if row["sensitivity"] is not None
    ]
    caption = "By kind, at the same rate of false marks."
    return _table(caption, ("kind", "#lesions", "#found"), rows) if rows else ""


def _areas(figures: Figures) -> str:
    rows = [
        (name, against, part, Figure(*part["auc"]))
        for keys, name, against in AREAS
        if (part := _at(figures, keys))
    ]
    if not rows:
        return ""
    drawn = [(name, f"{part['cases']}: {against}", one) for name, against, part, one in rows]
    table = [
        (
            name,
            f"{part['cases']} ({part['malignant']})",
            _told(one),
            f"{part['brier']:.3f}",
            f"{part['calibration_error']:.3f}",
        )
        for name, _, part, one in rows
    ]
    head = ("set", "#cases (malignant)", "#ROC area", "#Brier", "#calibration error")
    return (
        "<h3>Malignant or not</h3>"
        + _chart(
            charts.areas(drawn),
            "ROC areas.",
            "How often a malignant case has the higher probability of a pair. A breast is as "
            "suspicious as its worst finding, a study as its worst breast.",
            _table("With the Brier score and the expected calibration error.", head, table),
        )
    )  # fmt: skip


def _reliability(figures: Figures) -> str:
    drawn = [
        charts.reliability(name, [charts.Bin(*one) for one in part["reliability"]])
        for keys, name, _ in (AREAS[0], AREAS[2])
        if (part := _at(figures, keys))
    ]
    if not drawn:
        return ""
    said = (
        "Of those called 0.3, do three in ten come true? On the dotted line they do. Ten bins, with "
        "the number of breasts; bars are 95%."
    )
    shown = "".join(
        f"<figure>{one}<figcaption><b>{escape(name.capitalize())}.</b> {said}</figcaption></figure>"
        for one, (_, name, _) in zip(drawn, (AREAS[0], AREAS[2]), strict=False)
    )
    return f'<h3>Are probabilities what they say</h3><div class="twins">{shown}</div>'


def _scores(manifest: Manifest) -> str:
    scale, levels = manifest.scale, _levels(manifest.scale)
    rows = [
        (level, _scores_of(level, levels), _from(level, levels, scale))
        for level in reversed(charts.LEVELS)
        if level in levels
    ]
    operating = _table(
        f"Operating points. A mark is reported from a detector's score of "
        f"{manifest.finding_threshold:g} on.",
        ("level", "#scores", "#probability from"),
        rows,
    )
    said = "Each score is meant for a tenth of the reference population."
    return f'<div class="formula">{_formulas(manifest.calibration)}</div>' + _chart(
        charts.steps(scale.steps, levels), "Steps of the score.", said, operating
    )


def _formulas(c: Calibration) -> str:
    """How a probability is made, with this release's numbers; σ is the logistic function."""
    lines = [
        (
            "P(lesion)",
            c.lesion_intercept,
            ((c.detection, "detection"), (c.lesion, "lesion")),
        ),
        ("P(malignant | lesion)", c.malignancy_intercept, ((c.malignancy, "malignancy"),)),
    ]
    if c.view is not None:
        whole = ((c.view.findings, "worst finding"), (c.view.suspicion, "suspicion"))
        lines.append(("P(malignant view)", c.view.intercept, whole))
    return "".join(
        f"<p>{name} = σ({'−' if start < 0 else ''}{abs(start):.3f}"
        + "".join(f" {_signed(factor)} logit({what})" for factor, what in terms)
        + ")</p>"
        for name, start, terms in lines
    )


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'} {abs(value):.3f}"


def _levels(scale: Scale) -> list[str]:
    """The triage level of each score from 1 to 10."""
    lowest = {"urgent": scale.urgent, "soon": scale.soon, "routine": scale.routine, "low": 1}
    return [
        next(level for level, least in lowest.items() if score >= least) for score in range(1, 11)
    ]


def _scores_of(level: str, levels: Sequence[str]) -> str:
    held = [score for score, one in enumerate(levels, 1) if one == level]
    return str(held[0]) if len(held) == 1 else f"{held[0]} to {held[-1]}"


def _from(level: str, levels: Sequence[str], scale: Scale) -> str:
    first = levels.index(level)
    return "0" if first == 0 else f"{scale.steps[first - 1]:.3f}"


def _files(release: Release) -> str:
    manifest = release.manifest
    rows = [
        (
            f"<code>{escape(name)}</code>",
            _size(release.folder / name),
            f'<span class="digest">{digest}</span>',
        )
        for name, digest in {MANIFEST: release.digest, **manifest.files}.items()
    ]
    canary = manifest.canary
    return (
        f"<p>A server is asked for the canary before each run, and must give its {canary.count} "
        f"boxes within {canary.box_tolerance:g} pixels and its scores within "
        f"{canary.score_tolerance:g}. Pictures are prepared as "
        f"<code>{escape(manifest.preparation.version)}</code>.</p>"
        + _table("Files of the release.", ("file", "#size", "SHA-256"), rows)
    )


def _section(heading: str, text: str) -> str:
    return f"<section><h2>{escape(heading)}</h2>{text}</section>" if text else ""


def _chart(drawn: str, title: str, said: str, table: str) -> str:
    """A chart with its table beside it: what the one shows, the other says."""
    caption = f"<figcaption><b>{escape(title)}</b> {escape(said)}</figcaption>"
    return f'<div class="pair"><figure>{drawn}{caption}</figure><div>{table}</div></div>'


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already; a heading that begins with # is over numbers."""
    kinds = [' class="number"' if name.startswith("#") else "" for name in head]
    top = "".join(
        f'<th scope="col"{kind}>{escape(name.removeprefix("#"))}</th>'
        for name, kind in zip(head, kinds, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{cell}</th>' if not column else f"<td{kinds[column]}>{cell}</td>"
            for column, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _told(one: Figure) -> str:
    return f"<b>{one.value:.2f}</b> {_interval(one)}"


def _interval(one: Figure) -> str:
    """None where all draws agree, which says little."""
    if one.low == one.high:
        return ""
    return f'<span class="ci">{one.low:.2f}–{one.high:.2f}</span>'


def _figure(value: Sequence[float] | None) -> Figure | None:
    return None if value is None else Figure(*value)


def _at(figures: Figures, keys: Sequence[str]) -> Figures:
    """What lies there, empty where nothing does."""
    found: Figures = figures
    for key in keys:
        found = found.get(key, {})
    return found
