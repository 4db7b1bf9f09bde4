"""A release's card says what the release holds, in one page that needs nothing else."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from nightread.cli.models import app
from nightread.errors import UsageError
from triton_repo.build import build
from triton_repo.card import charts, markdown, parameters
from triton_repo.card.charts import Bin, Figure
from triton_repo.card.page import page
from triton_repo.release import (
    DEFAULT_DIR,
    FIGURES,
    PLANNED,
    Release,
    ReleaseError,
    default_name,
    listed_files,
    load,
    names,
    sha256,
    write_manifest,
)

RECORDS = Path(__file__).parents[2] / "training/results"
VOID = {"meta", "link", "br", "img", "hr", "input", "col"}


class Page(HTMLParser):
    """A page's tags in order, closed as they were opened, and what it points to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def figures() -> dict[str, Any]:
    """A run's, as its record has them."""
    found: dict[str, Any] = json.loads(
        (RECORDS / default_name(DEFAULT_DIR) / "figures.json").read_text()
    )
    return found


def with_figures(release: Release, figures: Mapping[str, Any]) -> Release:
    (release.folder / FIGURES).write_text(json.dumps(figures))
    files = {name: sha256(release.folder / name) for name in listed_files(release.folder)}
    write_manifest(release.folder, release.manifest.model_copy(update={"files": files}))
    return load(release.folder)


@pytest.fixture
def measured(release: Release, figures: dict[str, Any]) -> Release:
    return with_figures(release, figures)


def test_figures_are_built_into_the_release(
    release: Release, figures: dict[str, Any], tmp_path: Path
) -> None:
    manifest = release.manifest
    built = build(
        tmp_path / "again",
        graphs=release.graphs,
        sizes=manifest.sizes,
        preparation=manifest.preparation,
        calibration=manifest.calibration,
        scale=manifest.scale,
        finding_threshold=manifest.finding_threshold,
        valid_for=manifest.valid_for,
        description=manifest.description,
        intended_use=manifest.intended_use,
        card="# again\n",
        figures=figures,
    )
    assert FIGURES in built.manifest.files
    assert json.loads((built.folder / FIGURES).read_text()) == figures


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.mark.parametrize("name", ["small", "several", *names(DEFAULT_DIR)])
def test_every_release_has_one(small_releases: Path, name: str) -> None:
    where = small_releases / name
    release = load(where if where.is_dir() else DEFAULT_DIR / name)
    text = page(release)
    assert Page(text).open == []
    said = text_of(text)
    assert "Not for clinical use" in said
    for file, digest in release.manifest.files.items():
        assert file in said
        assert digest in said
    for model in release.graphs:
        assert model in said


def test_it_stands_alone(measured: Release) -> None:
    found = Page(page(measured))
    assert not {"script", "link", "iframe", "img", "object"} & {tag for tag, _ in found.tags}
    pointing = [
        value
        for _, attributes in found.tags
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "srcset", "action")
    ]
    assert pointing == []
    assert not re.search(r"@import|url\((?!#)", page(measured))


def test_what_was_measured_is_said_as_it_was_measured(
    measured: Release, figures: dict[str, Any]
) -> None:
    said = text_of(page(measured))
    for key in ("phantoms", "phantoms_full_size", "cbis_ddsm_test"):
        for value, low, high in figures[key]["sensitivity"].values():
            assert f"{value:.2f} {low:.2f}–{high:.2f}" in said
    for row in figures["phantoms_by_detectability"]:
        assert f"{row['detector'][0]:.2f}" in said
    value, low, high = figures["phantoms_studies"]["auc"]
    assert f"{value:.2f} {low:.2f}–{high:.2f}" in said
    assert f"{figures['phantoms_breasts']['calibration_error']:.3f}" in said


def test_a_release_of_phantoms_alone_says_nothing_of_films(
    release: Release, figures: dict[str, Any]
) -> None:
    del figures["cbis_ddsm_test"]
    for row in figures["phantoms_by_detectability"]:
        del row["matched_filter"]
    text = page(with_figures(release, figures))
    assert "CBIS" not in text
    assert Page(text).open == []


def test_what_is_not_a_number_is_left_out(release: Release, figures: dict[str, Any]) -> None:
    nothing = float("nan")
    figures["phantoms_breasts"]["auc"] = [nothing, nothing, nothing]
    figures["phantoms_full_size"]["sensitivity"] = {"0.5": [nothing, nothing, nothing]}
    text = page(with_figures(release, figures))
    assert not re.search(r"\bnan\b", text)
    assert "full size" not in text
    assert "Films, by breast" in text_of(text)
    assert "Phantoms, by breast" not in text_of(text)


def test_without_figures_the_card_speaks(small_releases: Path, tmp_path: Path) -> None:
    release = load(small_releases / "small")
    assert "Nothing is known" in page(release)
    shutil.copytree(release.folder, tmp_path / "told")
    table = "| d' | found |\n| --- | --- |\n| 6 to 8 | 0.57 [0.47, 0.67] |\n"
    told = replace(release, folder=tmp_path / "told")
    (told.folder / "card.md").write_text(f"# told\n\n## How good it is\n\n{table}")
    said = text_of(page(told))
    assert "carries no figures.json" in said
    assert "0.57 [0.47, 0.67]" in said


def test_changed_figures_are_refused(measured: Release, figures: dict[str, Any]) -> None:
    figures["phantoms"]["sensitivity"]["0.5"] = [0.99, 0.98, 1.0]
    (measured.folder / FIGURES).write_text(json.dumps(figures))
    with pytest.raises(ReleaseError, match=r"figures\.json is not the file that was released"):
        load(measured.folder)


def test_each_picture_has_a_name_and_each_table_a_caption(measured: Release) -> None:
    text = page(measured)
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(pictures) == 7  # ensemble, FROC, d', areas, twice reliability, steps
    for picture in pictures:
        root = ET.fromstring(
            picture.replace("<svg ", '<svg xmlns="s" ', 1) if "xmlns" not in picture else picture
        )
        assert root.get("role") == "img"
        assert next(child.text for child in root if child.tag.endswith("title"))
    tables = re.findall(r"<table>.*?</table>", text, re.DOTALL)
    assert len(tables) >= 7
    assert all("<caption>" in table and 'scope="col"' in table for table in tables)


def test_headings_skip_no_level(measured: Release) -> None:
    levels = [int(tag[1]) for tag, _ in Page(page(measured)).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    wide = colour if len(colour) == 7 else "#" + "".join(2 * c for c in colour[1:])
    parts = [int(wide[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_text_and_lines_have_contrast() -> None:
    style = Path(charts.__file__).with_name("style.css").read_text()
    colours = dict(re.findall(r"--(\w+): (#\w+);", style))
    for ink in ("ink", "soft", "main", "alert"):
        assert contrast(colours[ink], colours["paper"]) >= 4.5
    assert contrast(colours["soft"], colours["wash"]) >= 4.5
    assert all(contrast(colour, "#ffffff") >= 4.5 for colour in charts.COLOURS)
    assert all(contrast(ink, fill) >= 4.5 for fill, ink in charts.LEVELS.values())


def test_the_command_writes_what_the_suffix_says(small_releases: Path, tmp_path: Path) -> None:
    where = ["show", "several", "--releases", str(small_releases), "--out"]
    out = tmp_path / "card.html"
    ended = CliRunner().invoke(app, [*where, str(out)])
    assert ended.exit_code == 0, ended.output
    assert out.read_text(encoding="utf-8") == page(load(small_releases / "several"))
    with pytest.raises(UsageError, match=r"card\.pdf ends in neither"):
        CliRunner().invoke(app, [*where, "card.pdf"], catch_exceptions=False)


def test_graphs_for_tensorrt_are_told_with_their_precision(release: Release) -> None:
    (release.folder / PLANNED).mkdir()
    for name, path in release.graphs.items():
        shutil.copy(path, release.folder / PLANNED / f"{name}.onnx")
    half = release.manifest.model_copy(update={"precision": "FP16"})
    said = text_of(page(Release(release.folder, half, release.digest)))
    assert "FP32 on the CPU, FP16 on GPUs" in said


def heights(svg: str) -> list[float]:
    return [
        float(rect.get("height", 0))
        for rect in ET.fromstring(svg)
        if rect.tag == "rect" and rect.get("rx")
    ]


def test_a_bar_is_as_high_as_its_figure() -> None:
    full, half = Figure(1.0, 0.9, 1.0), Figure(0.5, 0.4, 0.6)
    drawn = charts.by_strength([("3–6", 9, [full, half]), ("6–9", 2, [None, half])], ("a", "b"))
    tall, *others = heights(drawn)
    assert others == pytest.approx([tall / 2, tall / 2], abs=0.1)


def test_a_dot_on_the_diagonal_lies_on_it() -> None:
    drawn = ET.fromstring(charts.reliability("x", [Bin(5, 0.25, 0.25), Bin(20, 0.75, 0.5)]))
    line = next(e for e in drawn.iter("line") if e.get("class") == "chance")
    x0, y0, x1, y1 = (float(line.attrib[name]) for name in ("x1", "y1", "x2", "y2"))
    first, second = list(drawn.iter("circle"))
    assert float(first.attrib["cx"]) == pytest.approx(x0 + (x1 - x0) / 4, abs=0.1)
    assert float(first.attrib["cy"]) == pytest.approx(y0 + (y1 - y0) / 4, abs=0.1)
    assert float(second.attrib["cy"]) == pytest.approx((y0 + y1) / 2, abs=0.1)
    assert float(second.attrib["r"]) > float(first.attrib["r"])


def test_wilson_is_what_the_books_say() -> None:
    # 3 of 10: 0.1078 to 0.6032 (E. B. Wilson, JASA 22, 1927; R's prop.test without correction)
    assert charts._wilson(Bin(10, 0.3, 0.3)) == pytest.approx((0.1078, 0.6032), abs=1e-4)


def test_each_score_is_coloured_by_its_level() -> None:
    levels = ["low"] * 3 + ["routine"] * 4 + ["soon"] * 2 + ["urgent"]
    drawn = ET.fromstring(charts.steps([n / 10 for n in range(1, 10)], levels))
    assert [r.get("fill") for r in drawn.iter("rect")] == [charts.LEVELS[one][0] for one in levels]
    said = [text.text for text in drawn.iter("text")]
    assert [one for one in said if one in charts.LEVELS] == ["low", "routine", "soon", "urgent"]


def test_markdown_of_cards_becomes_html() -> None:
    text = "# x\n\n## One\n\nA **bold** `code` & <b>.\n\n- a\n  b\n- c\n\n## Two\n\n| h | i |\n| --- | --- |\n| 1 | 2 |\n"
    assert markdown.sections(text) == {
        "One": "<p>A <strong>bold</strong> <code>code</code> &amp; &lt;b&gt;.</p>"
        "<ul><li>a b</li><li>c</li></ul>",
        "Two": '<table><thead><tr><th scope="col">h</th><th scope="col">i</th></tr></thead>'
        "<tbody><tr><td>1</td><td>2</td></tr></tbody></table>",
    }


def test_learned_numbers_are_counted_as_onnx_counts_them(tmp_path: Path) -> None:
    kinds = (np.float32, np.float16, np.int64)
    held = [
        numpy_helper.from_array(np.zeros((3, 4, n + 1), k), str(n)) for n, k in enumerate(kinds)
    ]
    held.append(numpy_helper.from_array(np.float32(1), "scalar"))
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [], held)
    path = tmp_path / "g.onnx"
    onnx.save(helper.make_model(graph), path)
    assert parameters.count(path) == 12 + 24 + 1


def test_of_the_shipped_release_too() -> None:
    for path in load(DEFAULT_DIR / default_name(DEFAULT_DIR)).graphs.values():
        held = onnx.load(path).graph.initializer
        floating = [tensor for tensor in held if tensor.data_type == TensorProto.FLOAT]
        assert parameters.count(path) == sum(int(np.prod(tensor.dims)) for tensor in floating)


@pytest.mark.parametrize("damage", [b"\x0a\xff", b"\x0a", b"\x0b\x00", b"\xff\xff"])
def test_a_file_that_is_no_protobuf_is_refused(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "g.onnx"
    path.write_bytes(damage)
    with pytest.raises(ValueError, match="protobuf"):
        parameters.count(path)
