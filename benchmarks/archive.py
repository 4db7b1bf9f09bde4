"""Archives in S3: what an unchanged one costs, bytes read over bytes needed, memory, objects a second.

    python -m benchmarks.archive [--quick] [--json]

Phantom studies lie as loose files, in a zip, a tar, a tar.gz and a tar.zst; a proxy in front of S3
counts what `nightread screen` reads of each. What is needed is what is there, once. Small objects
without pixels, 100,000 of them, are indexed once and then met unchanged. Memory is that of a process
of its own that reads the headers of an archive of 4 GiB on disk and then prepares one study of it.
"""

import gzip
import io
import multiprocessing
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

from benchmarks.night import stack
from benchmarks.paired import Row, parser, show
from benchmarks.proxy import Traffic, watching
from mammo.decode import decode
from mammo.prepare import Preparation, prepare
from mammo.verdict import Policy
from nightread.phantom_files import DICOM, write
from nightread.settings import Settings
from nightread.shapes import ScreenDocument
from nightread.stack import seaweedfs
from nightread.stack.layout import Layout
from nightread.stack.proofs import s3_client
from ray_jobs.archive.expand import zstd
from ray_jobs.archive.walk import opened

BOUND_MIB = 1024  # a worker's memory, for an archive of any size
BYTES_BOUND = 1.2  # of a compressed tar, read over its size
QUICK, FULL = 1, 4  # studies of each kind
FEW, MANY, MEMBERS = 300, 100_000, 2000  # small objects; members of one archive at most
GIB = (1, 4)  # of the large archive, quick and full
STUDY = 4  # images
SEED = 78
PUTTERS = 8  # threads
KINDS = ("loose", "zip", "tar", "tar.gz", "tar.zst")

Named = tuple[str, bytes]


def packed(kind: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """The objects that hold `files`."""
    if kind == "loose":
        return files
    written = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    else:
        with tarfile.open(fileobj=written, mode="w") as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    body = written.getvalue()
    if kind == "tar.gz":
        body = gzip.compress(body, 1)
    elif kind == "tar.zst":
        body = zstd.compress(body, 1)
    return {f"night.{kind}": body}


def measure(*, quick: bool) -> list[Row]:
    root = Path(tempfile.mkdtemp(prefix="nr-archive-"))
    try:
        studies = (QUICK if quick else FULL) * len(KINDS)
        write(root / "phantoms", studies, SEED, lambda: None)
        folder = root / "phantoms" / DICOM
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*.dcm"))
        }
        with stack(root / "stack") as settings:
            rows = [
                *_screened(settings, Layout(root / "stack"), files),
                *_indexed(settings, Layout(root / "stack"), FEW if quick else MANY),
            ]
        return [*rows, *_memory(root, max(files.values(), key=len), GIB[0 if quick else 1])]
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _put(settings: Settings, layout: Layout, prefix: str, objects: Iterable[Named]) -> str:
    assert settings.s3_endpoint_url is not None
    admin = seaweedfs.read_credentials(layout.credentials_file, seaweedfs.ADMIN)
    client = s3_client(settings.s3_endpoint_url, admin)

    def put(named: Named) -> None:
        name, body = named
        client.put_object(Bucket=seaweedfs.ARCHIVE, Key=f"{prefix}/{name}", Body=body)

    with ThreadPoolExecutor(PUTTERS) as pool:
        for _ in pool.map(put, objects):
            pass
    return f"s3://{seaweedfs.ARCHIVE}/{prefix}/"


def _run(layout: Layout, prefix: str, endpoint: str | None = None) -> ScreenDocument:
    """`nightread screen`, in a process of its own: Ray keeps a token for as long as one lives."""
    nightread = Path(sys.executable).parent / "nightread"
    ended = subprocess.run(  # noqa: S603
        [nightread, "screen", prefix, "--json", "--config", layout.settings_file],
        env=os.environ | ({"NIGHTREAD_S3_ENDPOINT_URL": endpoint} if endpoint else {}),
        stdout=subprocess.PIPE,
        check=True,
    )
    return ScreenDocument.model_validate_json(ended.stdout)


def _watched(settings: Settings, layout: Layout, prefix: str) -> tuple[ScreenDocument, Traffic]:
    """A run, and what it read."""
    assert settings.s3_endpoint_url is not None
    with watching(settings.s3_endpoint_url) as (endpoint, traffic):
        return _run(layout, prefix, endpoint), traffic


def _screened(settings: Settings, layout: Layout, files: dict[str, bytes]) -> list[Row]:
    """Every kind screened once."""
    rows = []
    for kind in KINDS:
        objects = packed(kind, _share(files, KINDS.index(kind)))
        prefix = _put(settings, layout, f"bytes-{kind}", objects.items())
        document, traffic = _watched(settings, layout, prefix)
        size = sum(map(len, objects.values()))
        assert document.studies.scored == document.studies.known > 0
        compressed = kind in ("tar.gz", "tar.zst")
        share = traffic.bytes / size
        rows.append(
            Row(
                f"{kind}: bytes read",
                traffic.bytes / 1e6,
                size / 1e6,
                "MB",
                (BYTES_BOUND if compressed else 1.0) / share,
                1.0 if compressed else None,
                f"what is there, {document.studies.scored} studies screened"
                + (f"; at most {BYTES_BOUND} times" if compressed else ""),
            )
        )
    return rows


def _share(files: dict[str, bytes], number: int) -> dict[str, bytes]:
    """One part of the studies: each kind has studies of its own, so that each is screened."""
    folders = sorted({name.split("/")[0] for name in files})[number :: len(KINDS)]
    return {name: data for name, data in files.items() if name.split("/")[0] in folders}


def _indexed(settings: Settings, layout: Layout, number: int) -> list[Row]:
    """Small objects, loose and as members: headers a second of a task; loose ones unchanged."""
    rates = {}
    for kind in ("loose", "zip", "tar", "tar.gz"):
        count = number if kind == "loose" else min(number, MEMBERS)
        small = ((f"{n:06d}.dcm", _small(n)) for n in range(count))
        objects = small if kind == "loose" else packed(kind, dict(small)).items()
        document = _run(layout, _put(settings, layout, f"many-{kind}", objects))
        assert document.instances.indexed == count
        rates[kind] = count / document.seconds.by_stage.list, count, document.seconds.total
    unchanged, traffic = _watched(settings, layout, f"s3://{seaweedfs.ARCHIVE}/many-loose/")
    assert unchanged.objects.listed == number
    return [
        *(
            Row(
                f"{kind}: headers read",
                rate,
                rates["loose"][0],
                "objects/task-s",
                rate / rates["loose"][0],
                None,
                f"loose; {count} reports of 5 kB in {seconds:.0f} s, Ray's start included",
            )
            for kind, (rate, count, seconds) in rates.items()
        ),
        Row(
            "unchanged archive: GETs of objects",
            traffic.gets(),
            0,
            "GET",
            float(traffic.gets() == 0),
            1.0,
            f"none; {number} objects in {len(traffic.requests)} requests, "
            f"{unchanged.seconds.total:.1f} s",
        ),
    ]


def _small(number: int) -> bytes:
    """A structured report: a whole header, and no pixels."""
    from pydicom import Dataset, dcmwrite  # noqa: PLC0415
    from pydicom.dataset import FileMetaDataset  # noqa: PLC0415

    header = Dataset()
    header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.67"
    header.SOPInstanceUID = f"1.2.3.{number}"
    header.StudyInstanceUID = f"1.2.4.{number // 8}"
    header.Modality = "SR"
    header.PatientID = f"P{number // 8}"
    header.TextValue = "x" * 4000
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    written = io.BytesIO()
    dcmwrite(written, header, enforce_file_format=True)
    return written.getvalue()


def _memory(root: Path, image: bytes, gib: int) -> list[Row]:
    """The peak memory of a process that reads a large archive on disk."""
    copies = (gib << 30) // len(image) + 1
    zipped = root / "large.zip"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_STORED) as archive:
        for number in range(copies):
            archive.writestr(f"{number}.dcm", image)
    tarred = root / "large.tar.zst"
    with zstd.open(tarred, "wb", level=1) as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
        for number in range(copies):
            info = tarfile.TarInfo(f"{number}.dcm")
            info.size = len(image)
            tar.addfile(info, io.BytesIO(image))
    rows = []
    for kind, path in (("zip", zipped), ("zstd", tarred)):
        peak, members, seconds = _alone(kind, path)
        assert members == copies
        rows.append(
            Row(
                f"{path.name} of {copies * len(image) / (1 << 30):.1f} GiB: peak memory",
                peak,
                BOUND_MIB,
                "MiB",
                BOUND_MIB / peak,
                1.0,
                f"the bound; {members} members in {seconds:.0f} s, and one study prepared",
            )
        )
    return rows


def _alone(kind: str, path: Path) -> tuple[float, int, float]:
    """`_read_large` in a process of its own: MiB, members, seconds."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        result: tuple[float, int, float] = pool.apply(_read_large, (kind, path))
    return result


def _read_large(kind: str, path: Path) -> tuple[float, int, float]:
    began = perf_counter()
    size = path.stat().st_size
    with path.open("rb") as file:

        def fetch(start: int, end: int) -> bytes:
            return os.pread(file.fileno(), end - start, start)

        members = 0
        for member in opened(fetch, size, kind, Policy()):
            members += 1
            if members <= STUDY:
                prepare(decode(member.whole()), None, Preparation())
    # Not ru_maxrss: that begins with what the parent had when it forked.
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    return peak, members, perf_counter() - began


if __name__ == "__main__":
    given = parser(__doc__ or "").parse_args()
    show("archive", measure(quick=given.quick), as_json=given.json)
