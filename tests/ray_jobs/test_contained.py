"""A codec's death, hang or flood of memory costs one image; the child's answer is our own."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import psutil
import pytest

from mammo.codes import Reason
from mammo.decode import PixelError, decode
from mammo.prepare import Preparation, Prepared, prepare
from ray_jobs.contained import Decoder
from ray_jobs.faults import DecoderLost
from ray_jobs.stages import Stages
from tests.mammo.pixels.conftest import make_dicom

J2K, JPEG_LS = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80"
PARAMS = Preparation()


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    made = Decoder(2048)
    yield made
    made.close()


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A ramp under much noise, 16 bit, in JPEG 2000: two seconds to decode."""
    noise = np.random.default_rng(3).integers(0, 1 << 14, (3000, 2400), np.uint16)
    noise += np.linspace(0, 48_000, 2400).astype(np.uint16)
    stream = bytes(imagecodecs.jpeg2k_encode(noise, codecformat="j2k", reversible=True, level=0))
    return make_dicom(
        stream, J2K, Rows=3000, Columns=2400, BitsStored=16, HighBit=15, WindowCenter="30000",
        WindowWidth="60000",
    )  # fmt: skip


def small() -> bytes:
    ramp = np.arange(64 * 80, dtype=np.uint16).reshape(64, 80) % 4096
    return make_dicom(ramp)


def prepared(decoder: Decoder, data: bytes) -> Prepared:
    return decoder.prepare(data, None, PARAMS, Stages())


def fails(decoder: Decoder, data: bytes) -> PixelError:
    with pytest.raises(PixelError) as caught:
        prepared(decoder, data)
    return caught.value


def while_it_decodes(decoder: Decoder, act: Callable[[psutil.Process], None]) -> threading.Thread:
    """Do something to the child once it has been at work for a while."""

    def watch() -> None:
        child = psutil.Process(decoder.child)
        begun = sum(child.cpu_times()[:2])
        while sum(child.cpu_times()[:2]) < begun + 0.2:
            time.sleep(0.005)
        act(child)

    prepared(decoder, small())  # there is a child
    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_the_child_answers_what_this_process_would(decoder: Decoder, shared: Path) -> None:
    for path in sorted((shared / "data" / "dicom-syntaxes").glob("crop-*.dcm")):
        data = path.read_bytes()
        mine = decode(data)
        expected = prepare(mine, None, PARAMS)
        answer = prepared(decoder, data)
        assert np.array_equal(answer.tensor, expected.tensor)
        assert answer.geometry == expected.geometry
        assert answer.flags == mine.flags + expected.flags


def test_a_refusal_comes_back_with_its_reason(decoder: Decoder) -> None:
    assert fails(decoder, b"no file").reason is Reason.PIXEL_DATA_MISSING
    assert fails(decoder, small()[:-100]).reason is Reason.TRUNCATED


def test_the_stages_are_timed_in_the_child(decoder: Decoder) -> None:
    stages = Stages()
    decoder.prepare(small(), None, PARAMS, stages)
    assert set(stages.seconds) == {"decode", "voi", "breast", "resample"}


@pytest.mark.parametrize("by", [signal.SIGSEGV, signal.SIGABRT])
def test_a_crash_costs_its_image_and_no_other(decoder: Decoder, slow: bytes, by: int) -> None:
    thread = while_it_decodes(decoder, lambda child: child.send_signal(by))
    error = fails(decoder, slow)
    thread.join()
    assert error.reason is Reason.DECODE_CRASHED
    for word in (signal.Signals(by).name, "stage decode", "MB", "NIGHTREAD_STUDY_MEMORY_MB"):
        assert word in error.detail
    assert prepared(decoder, small()).tensor.shape == (1, 1024, 640)


def test_a_child_killed_from_outside_is_not_the_images_fault(decoder: Decoder, slow: bytes) -> None:
    thread = while_it_decodes(decoder, psutil.Process.kill)
    assert prepared(decoder, slow).tensor.any()
    thread.join()


def test_a_child_killed_again_and_again_says_nothing_against_the_image(slow: bytes) -> None:
    """The kernel ends the largest process when a node is short of memory."""
    decoder = Decoder(2048)
    prepared(decoder, small())
    stop = threading.Event()

    def kill() -> None:
        while not stop.wait(0.3):
            if decoder.child:
                psutil.Process(decoder.child).kill()

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(DecoderLost, match="NIGHTREAD_STUDY_MEMORY_MB"):
        prepared(decoder, slow)
    stop.set()
    thread.join()
    assert prepared(decoder, small()).tensor.any()
    decoder.close()


def test_a_child_that_does_not_start_says_nothing_against_the_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An installation that is broken must not quarantine an archive."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    decoder = Decoder(2048)
    with pytest.raises(DecoderLost, match="does not start"):
        prepared(decoder, small())
    decoder.close()


def test_an_image_has_a_bound_on_its_cpu_time(slow: bytes) -> None:
    decoder = Decoder(2048, cpu_seconds=0.1)
    assert fails(decoder, slow).reason is Reason.DECODE_TIMEOUT
    assert prepared(decoder, small()).tensor.any()
    decoder.close()


def test_a_child_that_stands_still_is_ended_by_the_clock(slow: bytes) -> None:
    decoder = Decoder(2048, cpu_seconds=0.3)
    thread = while_it_decodes(decoder, psutil.Process.suspend)
    began = time.monotonic()
    assert fails(decoder, slow).reason is Reason.DECODE_TIMEOUT
    assert time.monotonic() - began < 20
    thread.join()
    decoder.close()


def test_an_image_has_a_bound_on_its_memory() -> None:
    """100 megapixels of four values: a few kilobytes that want 300 MB."""
    decoder = Decoder(memory_mb=300)  # 256 for the child
    pixels = np.zeros((10_000, 10_000), np.uint16)
    pixels[5000:, 5000:], pixels[5000:, :5000], pixels[:5000, 5000:] = 700, 900, 1000
    stream = bytes(imagecodecs.jpegls_encode(pixels))
    data = make_dicom(stream, JPEG_LS, Rows=10_000, Columns=10_000)
    assert len(data) < 1_000_000
    prepared(decoder, small())
    before = decoder.child
    error = fails(decoder, data)
    assert decoder.child != before  # a fresh child was asked, too
    assert error.reason is Reason.TOO_LARGE
    assert "NIGHTREAD_STUDY_MEMORY_MB" in error.detail
    assert prepared(decoder, small()).tensor.any()
    decoder.close()


def test_a_larger_file_after_a_small_one_is_whole(decoder: Decoder) -> None:
    prepared(decoder, small())
    tall = np.arange(4000 * 5000, dtype=np.uint32).reshape(4000, 5000) % 4096
    data = make_dicom(tall.astype(np.uint16))
    assert len(data) > 32 << 20
    expected = prepare(decode(data), None, PARAMS).tensor
    assert np.array_equal(prepared(decoder, data).tensor, expected)


def test_the_child_has_no_s3_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-secret")
    decoder = Decoder(2048)
    prepared(decoder, small())
    assert "planted-secret" not in Path(f"/proc/{decoder.child}/environ").read_text()
    decoder.close()


def test_the_child_goes_when_its_worker_is_killed(tmp_path: Path) -> None:
    code = (
        "import time; from ray_jobs.contained import Decoder; from ray_jobs.stages import Stages;"
        "from mammo.prepare import Preparation; from mammo.decode import PixelError\n"
        "d = Decoder(2048)\n"
        "try: d.prepare(b'no file', None, Preparation(), Stages())\n"
        "except PixelError: print(d.child, flush=True)\n"
        "time.sleep(60)"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert worker.stdout
    child = psutil.Process(int(worker.stdout.readline()))
    worker.kill()
    worker.wait()
    gone, _ = psutil.wait_procs([child], timeout=10)
    assert gone == [child]
    worker.stdout.close()
