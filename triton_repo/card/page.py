"""The model card of a release: one page of HTML, made from the release's own files alone.

What was measured comes from its `figures.json`, everything else from the manifest, the graphs and
`card.md`. No script, no address outside the page, nothing that is typed here but explanations.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from mammo.scoring import Calibration, Scale
from triton_repo.card import charts, markdown, parameters
from triton_repo.card.markup import chart, section, table
from triton_repo.card.measured import measured, tiles
from triton_repo.contract import AVERAGE, FUSION, OVERALL
from triton_repo.diagram import svg
from triton_repo.release import CARD, FIGURES, MANIFEST, Manifest, Release

STYLE = Path(__file__).with_name("style.css")
JOINTS = {
    FUSION: "joins the detectors' boxes",
    AVERAGE: "averages the classifiers",
    OVERALL: "averages the looks at whole views",
}
# Sections of card.md that the page places itself; for MEASURED it takes `figures.json`.
PURPOSE, MEASURED, SCORES = "What it is for", "How good it is", "How its scores are made"
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
        if heading not in (PURPOSE, MEASURED, SCORES)
    }
    main = (
        NOT_CLINICAL,
        tiles(figures) if figures else "",
        section(PURPOSE, _intended(manifest) + told.get(PURPOSE, "")),
        section("What it is made of", _members(release)),
        section(MEASURED, measured(figures) if figures else _unmeasured(told)),
        section(SCORES, told.get(SCORES, "") + _scores(manifest)),
        *(section(heading, text) for heading, text in rest.items()),
        section("Files", _files(release)),
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
        + table(
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


def _unmeasured(told: Mapping[str, str]) -> str:
    """What the card says of it, where there is nothing to draw charts from."""
    if MEASURED not in told:
        return f'<p class="none">Nothing is known: the release carries no {FIGURES}.</p>'
    said = f"The release carries no {FIGURES} to draw charts from. Its {CARD} says:"
    return f'<p class="none">{said}</p>{told[MEASURED]}'


def _scores(manifest: Manifest) -> str:
    scale, levels = manifest.scale, _levels(manifest.scale)
    rows = [
        (level, _scores_of(level, levels), _from(level, levels, scale))
        for level in reversed(charts.LEVELS)
        if level in levels
    ]
    operating = table(
        f"Operating points. A mark is reported from a detector's score of "
        f"{manifest.finding_threshold:g} on.",
        ("level", "#scores", "#probability from"),
        rows,
    )
    said = "Each score is meant for a tenth of the reference population."
    return f'<div class="formula">{_formulas(manifest.calibration)}</div>' + chart(
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
        + table("Files of the release.", ("file", "#size", "SHA-256"), rows)
    )
