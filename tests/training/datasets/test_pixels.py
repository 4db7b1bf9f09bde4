"""Pictures of 8 bit and DICOM files are prepared alike."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mammo import phantoms, voi
from mammo.decode import decode
from mammo.phantoms import Resolution
from mammo.prepare import Preparation
from training.datasets import pixels
from training.datasets.collection import DatasetError
from training.datasets.outlines import Mask
from training.datasets.record import Modality, Record

PREPARATION = Preparation(height=256, width=160)


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """A left and a right view as DICOM."""
    folder = tmp_path_factory.mktemp("views")
    (plan,) = phantoms.plan(1, 11)
    records = []
    for image in phantoms.render(plan, Resolution.WORKING):
        path = folder / f"{image.laterality}{image.projection}.dcm"
        path.write_bytes(phantoms.encode(image))
        records.append(
            Record(
                image=path.stem,
                file=path,
                data_set="made",
                modality=Modality.DIGITAL,
                patient="p",
                laterality=image.laterality,
                view=str(image.projection),
            )
        )
    return [records[0], next(r for r in records if r.laterality != records[0].laterality)]


def _as_picture(record: Record, path: Path) -> Record:
    assert record.file is not None
    decoded = decode(record.file.read_bytes())
    gray = voi.choose(decoded.header, decoded.pixels).apply(decoded.pixels)
    options = {".webp": {"lossless": True}, ".jpg": {"quality": 95}}
    Image.fromarray(gray).save(path, **options.get(path.suffix, {}))
    return replace(record, file=path)


@pytest.mark.parametrize("suffix", [".png", ".pgm", ".webp", ".tif"])
def test_a_lossless_picture_is_prepared_as_its_dicom(
    views: list[Record], tmp_path: Path, suffix: str
) -> None:
    for record in views:
        wanted = pixels.prepared(record, PREPARATION)
        found = pixels.prepared(_as_picture(record, tmp_path / f"x{suffix}"), PREPARATION)
        assert found.geometry == wanted.geometry
        assert np.array_equal(found.tensor, wanted.tensor)


def test_a_jpeg_is_prepared_nearly_as_its_dicom(views: list[Record], tmp_path: Path) -> None:
    record = views[0]
    wanted = pixels.prepared(record, PREPARATION)
    found = pixels.prepared(_as_picture(record, tmp_path / "x.jpg"), PREPARATION)
    # JPEG blurs the skin line by a pixel or two.
    box = np.array([[0.0, 0.0, 100.0, 100.0]])
    apart = found.geometry.to_native(box) - wanted.geometry.to_native(box)
    assert np.abs(apart).max() < 8
    assert found.side == wanted.side


def test_a_turned_picture_stays_as_it_is_stored(tmp_path: Path) -> None:
    stored = np.arange(60, dtype=np.uint8).reshape(6, 10)
    exif = Image.Exif()
    exif[274] = 6  # Orientation: to be turned by 90 degrees
    Image.fromarray(stored).save(tmp_path / "x.png", exif=exif)
    record = Record("x", tmp_path / "x.png", "made", Modality.FILM, "p", None, None)
    assert np.array_equal(pixels.gray(record), stored)


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    stored = np.array([[0, 255, 256], [32_768, 65_279, 65_535]], np.uint16)
    for name in ("x.png", "x.tif", "x.pgm"):
        cv2.imwrite(str(tmp_path / name), stored)
        assert pixels.picture(tmp_path / name).tolist() == [[0, 0, 1], [128, 254, 255]]


def test_a_jpeg_that_ends_too_early_is_no_picture(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    _, data = cv2.imencode(".jpg", rng.integers(0, 255, (200, 200), np.uint8))
    (tmp_path / "x.jpg").write_bytes(bytes(data)[: len(data) // 2])
    with pytest.raises(DatasetError, match="cannot be read as a picture"):
        pixels.picture(tmp_path / "x.jpg")


@pytest.mark.parametrize("name", ["x.png", "x.dcm", "x.LJPEG.1", "x.LJPEG", "x.tif"])
@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"\0" * 132 + b"DICM"])
def test_a_broken_file_is_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    record = Record(
        "x", tmp_path / name, "made", Modality.FILM, "p", None, None, size=(4, 4), device="DBA/A"
    )
    for read in (pixels.gray, lambda one: pixels.prepared(one, PREPARATION)):
        with pytest.raises(DatasetError, match=name):
            read(record)


def test_a_record_without_a_file_is_one_sentence() -> None:
    with pytest.raises(DatasetError, match="x has no file"):
        pixels.gray(Record("x", None, "made", Modality.FILM, "p", None, None))


def test_a_masks_contours_enclose_it(tmp_path: Path) -> None:
    drawn = np.zeros((50, 40), np.uint8)
    drawn[10:20, 5:9] = 255
    drawn[30:35, 20:30] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), drawn)
    found = sorted(pixels.corners(Mask(tmp_path / "mask.png")), key=lambda c: c[0, 0])
    assert [c.min(axis=0).tolist() for c in found] == [[5.5, 10.5], [20.5, 30.5]]
    assert [c.max(axis=0).tolist() for c in found] == [[8.5, 19.5], [29.5, 34.5]]
