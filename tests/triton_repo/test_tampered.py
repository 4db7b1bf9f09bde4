"""Guarantee 10: of every file of a release one byte is changed, and that file is named.

Through `nightread models verify`, which ends with 5.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nightread.cli.models import app
from nightread.errors import Refused
from tests.calls import call
from tests.small_release import MEMBERS, SIZES
from triton_repo import configs, contract
from triton_repo.release import Release, ReleaseError, load, planned_file, sha256, write_manifest


def files(members: contract.Members) -> Iterator[str]:
    """What a release of these members holds, by the contract alone."""
    yield "card.md"
    for step in contract.steps(SIZES, members):
        yield f"models/{step.model.name}/1/model.onnx"
        yield f"models/{step.model.name}/1/model.py"
        yield f"tensorrt/{step.model.name}.onnx"
    yield f"models/{contract.ENSEMBLE}/1/model.py"
    yield from (f"models/{name}" for name, _ in configs.all_files(SIZES, members, ""))
    yield from (f"reference/{number:02}.png" for number in range(4))


EVERY = [(name, file) for name, members in MEMBERS.items() for file in files(members)]


@pytest.fixture(scope="module")
def whole(small_releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small releases, with graphs for TensorRT too."""
    folder = tmp_path_factory.mktemp("whole")
    for name in MEMBERS:
        release = load(shutil.copytree(small_releases / name, folder / name))
        (release.folder / "tensorrt").mkdir()
        named = dict(release.manifest.files)
        for model, graph in release.graphs.items():
            shutil.copy(graph, planned_file(release.folder, model))
            named[f"tensorrt/{model}.onnx"] = sha256(graph)
        write_manifest(release.folder, release.manifest.model_copy(update={"files": named}))
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """`small` with those graphs, for a test to damage."""
    return shutil.copytree(whole / "small", tmp_path / "small")


def verified(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(
        app, ["verify", folder.name, "--releases", str(folder.parent), *options]
    )


def refused(folder: Path, *options: str) -> str:
    """The sentence with which a release is refused, exit code 5."""
    error = verified(folder, *options).exception
    assert isinstance(error, Refused)
    assert error.exit_code == 5
    return str(error)


@pytest.mark.parametrize("name", list(MEMBERS))
def test_these_are_all_files_of_the_release(whole: Path, name: str) -> None:
    assert load(whole / name).manifest.files.keys() == {file for n, file in EVERY if n == name}
    assert verified(whole / name).exit_code == 0


@pytest.mark.parametrize(("name", "file"), EVERY)
def test_a_file_with_one_byte_changed_is_named(
    whole: Path, tmp_path: Path, name: str, file: str
) -> None:
    folder = shutil.copytree(whole / name, tmp_path / name)
    path = folder / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert refused(folder) == f"Refused {name}: {file} is not the file that was released."


@pytest.mark.parametrize("file", list(files(MEMBERS["small"])))
def test_a_file_that_is_missing_is_named(copy: Path, file: str) -> None:
    (copy / file).unlink()
    assert refused(copy) == f"Refused small: {file} is missing."


@pytest.mark.parametrize(
    "file", ["models/detector/2/model.onnx", "models/extra/config.pbtxt", "reference/04.png", "x"]
)
def test_a_file_that_was_added_is_named(copy: Path, file: str) -> None:
    (copy / file).parent.mkdir(exist_ok=True)
    (copy / file).write_bytes(b"later")
    assert refused(copy) == f"Refused small: {file} is not in its manifest."


@pytest.mark.parametrize("file", ["models/detector/1/model.onnx", "card.md", "manifest.json"])
def test_a_file_that_is_a_link_is_refused_though_it_holds_the_same(
    copy: Path, tmp_path: Path, file: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.move(copy / file, elsewhere)
    (copy / file).symlink_to(elsewhere)
    assert refused(copy) == f"Refused small: {file} is a link, not a file."


def test_a_folder_that_is_a_link_is_refused(copy: Path, tmp_path: Path) -> None:
    (copy / "models/detector/2").symlink_to(tmp_path)
    assert refused(copy) == "Refused small: models/detector/2 is a link, not a file."


def test_a_view_outside_the_release_is_not_read(copy: Path, tmp_path: Path) -> None:
    shutil.copy(copy / "reference/01.png", tmp_path / "01.png")
    path = copy / "manifest.json"
    path.write_text(path.read_text().replace("reference/01.png", "../01.png"))
    with pytest.raises(ReleaseError, match="views are not the files in reference/"):
        load(copy)


def test_another_manifest_is_another_release_and_its_digest_says_so(copy: Path) -> None:
    before = load(copy).digest
    path = copy / "manifest.json"
    path.write_text(
        path.read_text().replace('"finding_threshold": 0.1', '"finding_threshold": 0.9')
    )
    assert verified(copy).exit_code == 0
    assert "its manifest is another one" in refused(copy, "--digest", before[:12])
    assert verified(copy, "--digest", load(copy).digest[:12]).exit_code == 0


def test_the_command_line_says_it_in_one_line(release: Release, tmp_path: Path) -> None:
    path = release.models / "detector/1/model.py"
    path.write_bytes(path.read_bytes().replace(b"import", b"Import", 1))
    called = call(
        "models", "verify", "small", "--releases", str(release.folder.parent), cwd=tmp_path
    )
    assert (called.code, called.out) == (5, "")
    assert called.err == (
        "nightread: Refused small: models/detector/1/model.py is not the file that was released.\n"
    )
