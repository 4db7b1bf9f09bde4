"""`nightread data`: counts, oddities, problems and pictures of a data set."""

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from mammo.prepare import Preparation
from nightread.cli.data import app
from tests.training.datasets.written import survives
from training.datasets import catalog, check, gallery, splits
from training.datasets.oddities import Oddity
from training.datasets.readers import mini_mias
from training.datasets.record import Split

INFO = """A preamble that mentions mdb001 and more

mdb001 G CIRC B 900 1000 20
mdb002 G NORM
mdb003 D CALC M *NOTE 3*
mdb004 D CIRC M 900 900 60
mdb005 D CIRC B 100 900 60
mdb006 X what
mdb002 G NORM
"""


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Five films of mini-MIAS, of which one is broken, one missing and one a copy."""
    folder = tmp_path / "<films>"
    folder.mkdir()
    (folder / "Info.txt").write_text(INFO)
    y, x = np.mgrid[:1024, :1024]
    breast = (x / 700) ** 2 + ((y - 512) / 480) ** 2 < 1
    for number in (1, 2, 3, 9):
        picture = np.where(breast, 100 + number % 9, 0).astype(np.uint8)
        cv2.imwrite(str(folder / f"mdb{number:03d}.pgm"), picture)
    (folder / "mdb004.pgm").write_bytes(b"P5\n1024 1024\n255\nshort")
    return folder


def call(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def document(*arguments: object) -> dict[str, Any]:
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_image_and_every_broken_entry_is_counted(films: Path) -> None:
    found = document("check", films)
    assert found["data_set"] == "mini-mias"
    assert found["counts"]["all"]["images"] == 5
    assert found["counts"]["all"]["files"] == 4
    assert found["counts"]["label"] == {"B": 2, "M": 2, "N": 1}
    assert [(p["code"], p["where"]) for p in found["problems"]] == [
        ("ROW_BROKEN", "Info.txt:8"),
        ("ROW_REPEATED", "Info.txt:9"),
        ("FILE_UNLISTED", "mdb009.pgm"),
    ]
    assert found["decoded"] is None
    published = {row["what"]: (row["here"], row["published"]) for row in found["published"]}
    assert published["films"] == (5, 322)


def test_reading_the_pixels_shows_what_headers_do_not(films: Path) -> None:
    found = document("check", films, "--pixels")
    codes = {row["code"]: row for row in found["oddities"]}
    assert found["decoded"] == 3
    assert codes["FILE_UNREADABLE"]["examples"] == ["mdb004"]
    assert "OFF_TISSUE" in codes  # mdb001's circle is in the corner above the breast
    (films / "mdb002.pgm").write_bytes((films / "mdb001.pgm").read_bytes())
    copied = document("check", films, "--pixels")
    repeated = [p for p in copied["problems"] if p["code"] == "PIXELS_REPEATED"]
    assert [(p["where"], p["detail"]) for p in repeated] == [("mdb002", "as mdb001")]


def test_the_page_needs_nothing_else_and_shows_broken_files(films: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = call("check", films, "--page", page)
    assert done.exit_code == 0, done.output
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 3
    assert "mdb004.pgm cannot be read" in text
    assert "&lt;films&gt;" in text
    assert "<films>" not in text  # names of files are escaped
    assert not re.findall(r"(?:src|href)=['\"]?(?!['\"]?data:)", text)
    assert "FILE_UNLISTED" in text


def test_the_table_names_each_oddity_with_its_meaning(films: Path) -> None:
    done = call("check", films)
    assert done.exit_code == 0
    assert Oddity.PLACE_UNKNOWN in done.stdout
    assert "a lesion without coordinates" in done.stdout


@pytest.mark.parametrize("arguments", [("check", "{here}"), ("check", "{here}/none")])
def test_a_folder_that_is_none_is_one_sentence(tmp_path: Path, arguments: tuple[str, str]) -> None:
    done = call(*(argument.format(here=tmp_path) for argument in arguments))
    assert type(done.exception).__name__ == "UsageError"
    assert "known are" in str(done.exception) or "is no folder" in str(done.exception)


def test_a_split_is_saved_and_says_what_it_is(films: Path, tmp_path: Path) -> None:
    out = tmp_path / "split.json"
    done = call("split", films, "--seed", 4, "--out", out)
    assert done.exit_code == 0, done.output
    loaded = splits.load(out)
    assert set(loaded.patients) == {"pair001", "pair002", "pair003"}
    assert set(loaded.patients.values()) <= set(Split)
    assert "no official split" in str(call("split", films, "--out", out).exception)


def test_an_outline_lies_where_it_was_drawn_on_the_prepared_picture(
    films: Path, tmp_path: Path
) -> None:
    """A ring around the brightest disc of a film that is mirrored on the way."""
    (films / "Info.txt").write_text("mdb001 G CIRC B 724 512 60\n")
    y, x = np.mgrid[:1024, :1024]
    breast = ((1023 - x) / 700) ** 2 + ((y - 512) / 480) ** 2 < 1  # a right breast
    disc = (x - 724) ** 2 + (y - 512) ** 2 < 50**2
    picture = np.where(disc, 250, np.where(breast, 90, 0)).astype(np.uint8)
    cv2.imwrite(str(films / "mdb001.pgm"), picture)
    _, collection = catalog.read(films)
    data = gallery.thumbnail(collection.records[0], Preparation())
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int)
    green = (shown[..., 1] - shown[..., 2]) > 60  # a benign ring, on grey
    ys, xs = np.nonzero(green)
    bright = np.nonzero(shown.min(axis=2) > 220)
    assert xs.mean() == pytest.approx(bright[1].mean(), abs=2)
    assert ys.mean() == pytest.approx(bright[0].mean(), abs=2)


def test_every_oddity_says_what_it_means() -> None:
    meanings = [code.meaning for code in Oddity]
    assert all(meanings)
    assert len(set(meanings)) == len(meanings)


def test_pictures_are_chosen_for_what_is_odd_and_for_every_label(shared: Path) -> None:
    _, collection = catalog.read(shared / "data/mini-mias")
    chosen = gallery.chosen(collection.records, 12)
    assert len(chosen) == 12
    assert {r.label for r in chosen} == {"N", "B", "M"}
    seen = {code for r in chosen for code in r.oddities}
    assert seen == set(
        check.check(catalog.recognise(collection.folder), collection).collection.oddities()
    )


def test_no_damage_makes_the_reader_fall(films: Path) -> None:
    assert survives(mini_mias.read, films) > 0
