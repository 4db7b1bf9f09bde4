"""From a file's bytes to the tensor: against the naive way, and against the decoder alone.

    python -m benchmarks.pixels [--quick] [--json]

The image is 3328 x 2560 of 12 bit: 45% black, power-law texture with noise. Real files are taken
too where the folder `shared` lies beside the checkout. All times are CPU time of one process.
"""

import hashlib
import io
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import apply_voi_lut, get_decoder
from pydicom.pixels.encoders import RLELosslessEncoder

from benchmarks.paired import Row, as_a_worker, paired, parser, show
from mammo import codestream, part10, plausible
from mammo.codecs import COMPRESSED, RLE
from mammo.codestream import Family
from mammo.decode import decode
from mammo.prepare import Preparation, prepare

REAL = Path(__file__).parents[2] / "shared" / "data" / "dicom-mg"
PREFIX = "1.2.840.10008.1.2"
PARAMS = Preparation()
J2K = f"{PREFIX}.4.90"
SPARE = 12.0  # milliseconds that preparing 8.5 megapixels may take over the decoder alone
SPARE_NATIVE, SPARE_DEFLATED = 14.0, 15.0  # with nothing to decode; over a fast inflate
MEGAPIXELS = 8.52
TWICE = 1.95  # how far two threads of pure hashing must scale before a verdict on ours


class Case(NamedTuple):
    name: str
    data: bytes  # a whole file
    codec: Callable[[], Any]  # the fastest decoder alone, on the bare stream
    spare: float  # milliseconds
    judged: bool = True  # against the naive way too: the goals are for images of 8.5 megapixels
    half: bool = False  # decoded at half resolution, which a release may ask for


def mammogram(rows: int = 3328, columns: int = 2560) -> NDArray[np.uint16]:
    """Texture with a spectrum of 1/f^3 in a half ellipse, photon noise, 12 bit."""
    rng = np.random.default_rng(7)
    f = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None])
    f[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal((rows, columns))) * f**-1.5
    texture = np.fft.irfft2(spectrum, (rows, columns))
    texture = 1700 + 350 * (texture - texture.mean()) / texture.std()
    y, x = np.mgrid[:rows, :columns]
    inside = (x / (0.83 * columns)) ** 2 + ((y - rows / 2) / (0.42 * rows)) ** 2 < 1
    noisy = texture + rng.standard_normal((rows, columns)) * 22
    return np.where(inside, np.clip(noisy, 60, 4095), 0).astype(np.uint16)


def file(pixels: NDArray[np.uint16], syntax: str, stream: bytes | None) -> bytes:
    """A mammogram's file around native pixels or a compressed stream."""
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.2", "1.2.3.4"
    header.Modality, header.PatientOrientation = "MG", ["A", "R"]
    header.Rows, header.Columns = pixels.shape
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 12, 11
    header.PixelRepresentation = 0
    header.WindowCenter, header.WindowWidth = "1800", "2400"
    header.PixelData = pixels.tobytes() if stream is None else encapsulate([stream])
    header["PixelData"].VR = "OW" if stream is None else "OB"
    header["PixelData"].is_undefined_length = stream is not None
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = PREFIX + syntax
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    out = io.BytesIO()
    dcmwrite(out, header, enforce_file_format=True)
    return out.getvalue()


def _rle(pixels: NDArray[np.uint16]) -> bytes:
    return RLELosslessEncoder.encode(
        pixels.tobytes(),
        encoding_plugin="pydicom",
        rows=pixels.shape[0], columns=pixels.shape[1], number_of_frames=1, samples_per_pixel=1,
        bits_allocated=16, bits_stored=12, pixel_representation=0,
        photometric_interpretation="MONOCHROME2",
    )  # fmt: skip


def made(*, quick: bool) -> list[Case]:
    """The phantom in each syntax that imagecodecs can write."""
    pixels = mammogram()
    jpeg = bytes(imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=12))
    j2k = partial(imagecodecs.jpeg2k_encode, codecformat="j2k", reversible=True, level=0)
    streams: list[tuple[str, str, bytes, Callable[[bytes], Any]]] = [
        ("JPEG lossless .70", ".4.70", jpeg, imagecodecs.jpeg8_decode),
        ("HTJ2K .201", ".4.201", bytes(imagecodecs.htj2k_encode(pixels)), imagecodecs.htj2k_decode),
        (
            "JPEG-LS .80",
            ".4.80",
            bytes(imagecodecs.jpegls_encode(pixels)),
            imagecodecs.jpegls_decode,
        ),
    ]
    if not quick:
        decoder = partial(imagecodecs.jpeg2k_decode, numthreads=1)
        streams.append(("JPEG 2000 .90", ".4.90", bytes(j2k(pixels)), decoder))
    native = pixels.tobytes()
    squeezed = zlib.compressobj(6, zlib.DEFLATED, -15)
    deflated = squeezed.compress(native) + squeezed.flush()
    rle = _rle(pixels)
    return [
        Case("uncompressed", file(pixels, ".1", None), lambda: None, SPARE_NATIVE),
        Case(
            "deflated",
            file(pixels, ".1.99", None),
            lambda: imagecodecs.deflate_decode(deflated, raw=True, out=len(native)),
            SPARE_DEFLATED,
        ),
        Case(
            "RLE .5",
            file(pixels, ".5", rle),
            partial(imagecodecs.dicomrle_decode, rle, dtype="<u2"),
            SPARE,
        ),
        *(
            Case(name, file(pixels, syntax, stream), partial(codec, stream), SPARE)
            for name, syntax, stream, codec in streams
        ),
        *(
            Case(
                f"{name} at half", file(pixels, syntax, stream), low_pass(stream), SPARE, half=True
            )
            for name, syntax, stream, _ in streams
            if syntax == ".4.90"
        ),
    ]


def low_pass(stream: bytes) -> Callable[[], Any]:
    """The decoder of JPEG 2000 at half resolution, alone."""
    look, half = codestream.look(memoryview(stream), Family.JPEG_2000), COMPRESSED[J2K].half
    assert half is not None
    return partial(half, look)


def real(*, quick: bool) -> list[Case]:
    """Real mammograms, if they may be used here."""
    cases = []
    for name, title, codec in (
        ("ge-essential-rmlo-jpll", "GE .70, 7.3 Mpx", imagecodecs.jpeg8_decode),
        (
            "cbis-ddsm-film-sc-rcc-rle",
            "film RLE, 12 Mpx",
            partial(imagecodecs.dicomrle_decode, dtype="<u2"),
        ),
        (
            "film-lcc-rewrapped-j2kr",
            "film .90, 3.2 Mpx",
            partial(imagecodecs.jpeg2k_decode, numthreads=1),
        ),
    )[: 2 if quick else 3]:
        path = REAL / f"{name}.dcm"
        if path.is_file():
            data = path.read_bytes()
            header = pydicom.dcmread(io.BytesIO(data))
            stream = next(generate_frames(header.PixelData, number_of_frames=1))
            larger = max(1.0, int(header.Rows) * int(header.Columns) / 1e6 / MEGAPIXELS)
            spare = round(SPARE * larger, 1)
            cases.append(Case(title, data, partial(codec, stream), spare, judged=False))
    return cases


def ours(data: bytes, *, half: bool = False) -> NDArray[np.uint8]:
    """Bytes to tensor."""
    decoded = decode(data, half=half)
    plausible.check(decoded.pixels)
    return prepare(decoded, None, PARAMS).tensor


# The decoder that pydicom takes first where its usual plugins are installed, and how many
# times faster than all of the naive way ours is to be.
NAIVE = {
    "": ("pydicom", 18.0),
    RLE: ("pylibjpeg", 11.0),
    f"{PREFIX}.4.70": ("gdcm", 5.5),
    f"{PREFIX}.4.80": ("gdcm", 4.5),
    J2K: ("gdcm", 1.7),
    f"{PREFIX}.4.201": ("pylibjpeg", 7.5),
}
HALF_90 = 5.5  # the same for JPEG 2000 .90 at half resolution


def naive(case: Case) -> tuple[Callable[[], Any], str, float | None] | None:
    """The way most notebooks go, with its decoder pinned; None where that is not installed."""
    header = pydicom.dcmread(io.BytesIO(case.data), stop_before_pixels=True)
    syntax = header.file_meta.TransferSyntaxUID
    plugin, goal = NAIVE[syntax if syntax.is_encapsulated else ""]
    if syntax.is_encapsulated and plugin not in get_decoder(syntax).available_plugins:
        return None
    if find_spec("skimage") is None:
        return None
    from skimage.transform import resize  # noqa: PLC0415 -- of the extra `dev`

    def run() -> Any:
        dataset = pydicom.dcmread(io.BytesIO(case.data))
        if syntax.is_encapsulated:
            dataset.pixel_array_options(decoding_plugin=plugin)
        shown = np.asarray(apply_voi_lut(dataset.pixel_array, dataset), np.float64)
        shown = (shown - shown.min()) / (shown.max() - shown.min())
        return resize(shown, (PARAMS.height, PARAMS.width), anti_aliasing=True)

    what = f"naive: {plugin}, apply_voi_lut, min-max in float64, skimage's resize"
    if case.half:
        goal = HALF_90
    return run, what, None if syntax == part10.DEFLATED else goal


def threads(case: Case, images: int) -> list[Row]:
    """Wall time of two threads against one, judged only if the machine lets two threads run."""

    def scaling(work: Callable[[int], Any]) -> tuple[float, float]:
        seconds = []
        for workers in (1, 2):
            with ThreadPoolExecutor(workers) as pool:
                begin = time.perf_counter()
                list(pool.map(work, range(images)))
                seconds.append(time.perf_counter() - begin)
        return images / seconds[1], images / seconds[0]

    block = bytes(8_000_000)
    two, one = scaling(lambda _: hashlib.sha256(block).digest())
    free = two / one
    rows = [Row("control: sha256 on two threads", two, one, "a second", free, None, "one thread")]
    two, one = scaling(lambda _: ours(case.data))
    goal = 1.85 if free >= TWICE else None
    rows.append(Row(f"{case.name} on two threads", two, one, "a second", two / one, goal, "one"))
    return rows


def measure(*, quick: bool) -> list[Row]:
    """All rows; milliseconds of CPU an image."""
    cv2.setNumThreads(1)
    rounds = 3 if quick else 7
    cases = made(quick=quick) + real(quick=quick)
    rows: list[Row] = []
    for case in cases:
        way = naive(case)
        if way is None:
            continue
        run, peer_is, goal = way
        seconds = paired(partial(ours, case.data, half=case.half), run, rounds)
        ratio = seconds.peer / seconds.ours
        rows.append(
            Row(
                f"{case.name} to tensor", seconds.ours * 1e3, seconds.peer * 1e3, "ms CPU",
                ratio, goal if case.judged else None, peer_is,
            )
        )  # fmt: skip
    for case in cases:
        seconds = paired(partial(ours, case.data, half=case.half), case.codec, rounds)
        bound = seconds.peer * 1e3 + case.spare
        rows.append(
            Row(
                f"{case.name} within its decoder + {case.spare:g} ms", seconds.ours * 1e3, bound,
                "ms CPU", bound / (seconds.ours * 1e3), 1.0, "the fastest decoder alone, + the rest",
            )
        )  # fmt: skip
    return rows + threads(cases[3], 6 if quick else 24)


if __name__ == "__main__":
    given = parser(__doc__ or "").parse_args()
    as_a_worker()
    show("Preparing pixels", measure(quick=given.quick), as_json=given.json)
