"""Every transfer syntax decoded, against the pixels before encoding and a second decoder.

    python -m benchmarks.syntaxes [--write]

Prints the table of docs/results.md; `--write` puts it there. A test compares the two.
"""

import argparse
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders import RLELosslessEncoder

from mammo.decode import decode
from ray_jobs import second_decoder

PAGE = Path(__file__).parents[1] / "docs" / "results.md"
BEGIN = "<!-- syntaxes: written by `python -m benchmarks.syntaxes --write` -->"
END = "<!-- end of syntaxes -->"
PREFIX = "1.2.840.10008.1.2"
ROWS, COLUMNS = 160, 96

Pixels = NDArray[Any]
Encode = Callable[[Pixels, int], bytes]  # from values and Bits Stored to a stream


class Way(NamedTuple):
    """How a syntax is encoded here, and of which depths."""

    name: str
    syntax: str
    encoders: tuple[Encode, ...]  # none: native
    bits: tuple[int, ...]
    signed: bool = True  # also as signed values


class Line(NamedTuple):
    """What was found for a way: the largest differences in grey levels over all depths."""

    way: Way
    cases: int
    from_known: int
    from_second: int


def _texture(bits: int) -> Pixels:
    """(ROWS, COLUMNS) from 0 to 2^bits - 1: smooth enough to compress, no two rows alike."""
    steps = np.random.default_rng(bits).integers(-40, 41, (ROWS, COLUMNS))
    walk = np.cumsum(np.cumsum(steps, axis=1), axis=0).astype(np.float64)
    walk = (walk - walk.min()) / (walk.max() - walk.min())
    return np.round(walk * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)


def _unsigned(pixels: Pixels, bits: int) -> Pixels:
    """Two's complement in `bits`, for codecs that know no sign."""
    if pixels.dtype.kind == "u":
        return pixels
    word = np.uint8 if bits == 8 else np.uint16
    return (pixels.astype(np.int32) & ((1 << bits) - 1)).astype(word)


def _jpeg(**options: Any) -> Encode:
    def encode(pixels: Pixels, bits: int) -> bytes:
        depth = {"bitspersample": bits} if bits > 8 else {}
        return bytes(imagecodecs.jpeg8_encode(_unsigned(pixels, bits), **depth, **options))

    return encode


def _jpeg_ls(near: int) -> Encode:
    return lambda pixels, bits: bytes(
        imagecodecs.jpegls_encode(_unsigned(pixels, bits), level=near)
    )


def _jpeg_2000(**options: Any) -> Encode:
    return lambda pixels, bits: bytes(
        imagecodecs.jpeg2k_encode(pixels, bitspersample=bits, **options)
    )


def _htj2k(**options: Any) -> Encode:
    return lambda pixels, _: bytes(imagecodecs.htj2k_encode(pixels, **options))


def _rle(pixels: Pixels, bits: int) -> bytes:
    return RLELosslessEncoder.encode(
        pixels.tobytes(),
        encoding_plugin="pydicom",
        rows=ROWS, columns=COLUMNS, number_of_frames=1, samples_per_pixel=1,
        bits_allocated=8 * pixels.itemsize, bits_stored=bits,
        pixel_representation=int(pixels.dtype.kind == "i"),
        photometric_interpretation="MONOCHROME2",
    )  # fmt: skip


DEPTHS = (8, 10, 12, 14, 16)
LOSSLESS = {"reversible": True, "level": 0}
WAYS = (
    Way("Implicit LE", "", (), DEPTHS),
    Way("Explicit LE", ".1", (), DEPTHS),
    Way("Explicit BE", ".2", (), DEPTHS),
    Way("Deflated", ".1.99", (), DEPTHS),
    Way("RLE", ".5", (_rle,), DEPTHS),
    Way("JPEG baseline", ".4.50", (_jpeg(level=95),), (8,), signed=False),
    Way("JPEG extended", ".4.51", (_jpeg(level=95),), (8, 12), signed=False),
    Way(
        "JPEG lossless, predictors 1 to 7",
        ".4.57",
        tuple(_jpeg(lossless=True, predictor=n) for n in range(1, 8)),
        DEPTHS,
    ),
    Way("JPEG lossless SV1", ".4.70", (_jpeg(lossless=True, predictor=1),), DEPTHS),
    Way("JPEG-LS lossless", ".4.80", (_jpeg_ls(0),), DEPTHS),
    Way("JPEG-LS, near 2", ".4.81", (_jpeg_ls(2),), DEPTHS, signed=False),
    Way(
        "JPEG 2000 lossless, bare and in a JP2 box",
        ".4.90",
        (_jpeg_2000(codecformat="j2k", **LOSSLESS), _jpeg_2000(codecformat="jp2", **LOSSLESS)),
        DEPTHS,
    ),
    Way("JPEG 2000, 9/7", ".4.91", (_jpeg_2000(codecformat="j2k", level=60),), DEPTHS),
    Way("HTJ2K lossless", ".4.201", (_htj2k(reversible=True),), DEPTHS),
    Way("HTJ2K lossless RPCL", ".4.202", (_htj2k(reversible=True),), DEPTHS),
    Way("HTJ2K, 9/7", ".4.203", (_htj2k(reversible=False, level=0.001),), DEPTHS),
)


def file(pixels: Pixels, bits: int, syntax: str, stream: bytes | None) -> bytes:
    """A mammogram's file with native `pixels`, or with the stream that they became."""
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.2", "1.2.3.4"
    header.Rows, header.Columns = pixels.shape
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit = 8 * pixels.itemsize, bits, bits - 1
    header.PixelRepresentation = int(pixels.dtype.kind == "i")
    order = ">" if syntax == ".2" else "<"
    native = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    header.PixelData = native if stream is None else encapsulate([stream])
    header["PixelData"].is_undefined_length = stream is not None
    narrow = pixels.itemsize == 1 and syntax  # implicit VR: always OW (PS3.5 A.1)
    header["PixelData"].VR = "OB" if stream is not None or narrow else "OW"
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = PREFIX + syntax
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    out = io.BytesIO()
    dcmwrite(out, header, enforce_file_format=True)
    return out.getvalue()


def cases(way: Way) -> Iterator[tuple[Pixels, bytes]]:
    """Pixels, and a file of them, of each case of `way`."""
    for bits in way.bits:
        unsigned = _texture(bits)
        signed = (unsigned.astype(np.int32) - (1 << bits - 1)).astype(f"i{unsigned.itemsize}")
        for pixels in (unsigned, signed) if way.signed else (unsigned,):
            streams = [encode(pixels, bits) for encode in way.encoders] or [None]
            for stream in streams:
                yield pixels, file(pixels, bits, way.syntax, stream)


def measured(way: Way) -> Line:
    """All cases of `way`, decoded by both decoders."""
    from_known = from_second = count = 0
    for pixels, data in cases(way):
        first = decode(data)
        second = second_decoder.decode(data, first)
        ours = first.pixels.astype(np.int32)
        from_known = max(from_known, int(np.abs(ours - pixels).max()))
        from_second = max(from_second, int(np.abs(ours - second).max()))
        count += 1
    return Line(way, count, from_known, from_second)


def table(lines: list[Line]) -> str:
    """The lines in Markdown."""
    titles = (
        "transfer syntax", "bits stored", "cases", "decoded by", "and by",
        "from the known pixels", "between the two",
    )  # fmt: skip
    rows = [f"| {' | '.join(titles)} |", "|---|---|---:|---|---|---:|---:|"]
    for line in lines:
        way = line.way
        tree = second_decoder.pedigree(PREFIX + way.syntax)
        bits = ", ".join(map(str, way.bits)) + ("; signed too" if way.signed else "")
        rows.append(
            f"| {way.name} `{way.syntax or 'none'}` | {bits} | {line.cases} | {tree.first} | "
            f"{tree.second} | {line.from_known or 'exact'} | {line.from_second or 'exact'} |"
        )
    return "\n".join(rows)


def block() -> str:
    """The table as it stands on the page."""
    page = PAGE.read_text()
    return page.partition(BEGIN)[2].partition(END)[0].strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="into docs/results.md")
    made = table([measured(way) for way in WAYS])
    if parser.parse_args().write:
        head, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n\n{made}\n\n{END}{rest.partition(END)[2]}")
    print(made)
