"""Guarantee 37: previews are made where no secret is, once, and kept under an identity of their own."""

import json
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from botocore.exceptions import ClientError

from db.images import ImageFile
from mammo.codes import Reason
from mammo.decode import PixelError, decode
from mammo.preview import preview
from mammo.views import Laterality
from nightread.previews import renderer as rendering
from nightread.previews.parts import OVERVIEW, opened, packed, parts, unpacked
from nightread.previews.renderer import Renderer
from nightread.previews.service import Previews
from nightread.settings import Settings
from nightread.stack import seaweedfs, throwaway
from nightread.stack.proofs import s3_client
from nightread.stack.wait import until
from ray_jobs.faults import ObjectUnreadable, StoreLost
from tests.mammo.pixels.conftest import make_dicom

BUCKET = seaweedfs.ARCHIVE


def mammogram(value: int = 900) -> bytes:
    y, x = np.mgrid[:1600, :1200]
    tissue = (x / 700) ** 2 + ((y - 800) / 600) ** 2 < 1
    pixels = np.where(tissue, value + (x + 2 * y) % 1500, 0).astype(np.uint16)
    return make_dicom(pixels, WindowCenter="2048", WindowWidth="4096")


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    made = Renderer(2048)
    yield made
    made.close()


def test_samples_come_back_as_they_were() -> None:
    rng = np.random.default_rng(7)
    for samples in (
        rng.integers(0, 1 << 16, (37, 53), np.uint16),
        np.array([[0, 65535, 0, 32768, 32767, 1]], np.uint16),
    ):
        assert np.array_equal(unpacked(packed(samples), *samples.shape), samples)


def test_the_child_renders_what_this_process_would(renderer: Renderer) -> None:
    data = mammogram()
    mine = list(parts(preview(decode(data), Laterality.LEFT)))
    assert renderer.render(data, Laterality.LEFT) == mine
    about, overview = opened(mine[0].body)
    assert (about.rows, about.columns, about.factor) == (1600, 1200, 2)
    assert overview.max() > 2000


def test_the_child_inherits_no_secret_whatever_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NIGHTREAD_WEB_KEY_FILE", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "COOKIE_KEY"):
        monkeypatch.setenv(name, "planted-secret")
    one = Renderer(2048)
    one.render(mammogram(), Laterality.LEFT)
    environment = Path(f"/proc/{one.child}/environ").read_bytes()
    assert b"planted-secret" not in environment
    names = {entry.split(b"=")[0].decode() for entry in environment.split(b"\0") if entry}
    assert names <= {*rendering.INHERITED, "PYTHONPATH"}
    held = [str(fd.readlink()) for fd in Path(f"/proc/{one.child}/fd").iterdir()]
    assert sorted({name.split(":")[0] for name in held}) == [
        "/dev/null", "/memfd", "socket",
    ]  # fmt: skip
    assert len([name for name in held if name.startswith("socket:")]) == 1
    one.close()


def test_a_file_that_cannot_be_read_is_refused_with_its_reason(renderer: Renderer) -> None:
    with pytest.raises(PixelError) as refused:
        renderer.render(mammogram()[:-100], Laterality.LEFT)
    assert refused.value.reason is Reason.TRUNCATED


def test_a_child_that_dies_costs_its_image_alone(renderer: Renderer) -> None:
    renderer.render(mammogram(), Laterality.LEFT)
    child = psutil.Process(renderer.child)
    child.suspend()
    dies = threading.Timer(0.3, lambda: child.send_signal(signal.SIGABRT) or child.resume())
    dies.start()
    with pytest.raises(PixelError) as refused:
        renderer.render(mammogram(), Laterality.LEFT)
    dies.join()
    assert refused.value.reason is Reason.DECODE_CRASHED
    assert renderer.render(mammogram(), Laterality.LEFT)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"no json\n",
        b'{"parts": [["../../etc/passwd", 1]]}\nx',
        b'{"parts": [["overview", 5]]}\nx',
        b'{"parts": [["overview", -1]]}\n',
        b"\x80\x04\x95",  # a pickle
        json.dumps({"parts": [["overview", 1]] * 5000}).encode() + b"\n",
    ],
)
def test_a_child_that_was_taken_over_is_not_believed(answer: bytes) -> None:
    with pytest.raises(PixelError, match="makes no sense"):
        rendering._taken_apart(answer)


# With a real S3.


@pytest.fixture(scope="module")
def settings(s3: throwaway.S3, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("identities")
    seaweedfs.make_credentials(s3.credentials_file, folder / "reader", folder / "previews")
    return Settings(
        s3_endpoint_url=s3.endpoint_url,
        s3_credentials_file=folder / "reader",
        previews_url=f"s3://{seaweedfs.PREVIEWS}/shown/",
        previews_s3_credentials_file=folder / "previews",
    )


@pytest.fixture(scope="module")
def previews(settings: Settings) -> Iterator[Previews]:
    made = Previews(settings, renderers=1)
    yield made
    made.close()


def put(s3: throwaway.S3, key: str, body: bytes, study: str) -> ImageFile:
    admin = seaweedfs.read_credentials(s3.credentials_file, seaweedfs.ADMIN)
    stored = s3_client(s3.endpoint_url, admin).put_object(Bucket=BUCKET, Key=key, Body=body)
    return ImageFile("L", study, BUCKET, key, stored["ETag"], len(body), None)


def kept(s3: throwaway.S3, study: str) -> list[str]:
    admin = seaweedfs.read_credentials(s3.credentials_file, seaweedfs.ADMIN)
    found = s3_client(s3.endpoint_url, admin).list_objects_v2(
        Bucket=seaweedfs.PREVIEWS, Prefix=f"shown/{study}/"
    )
    return [item["Key"] for item in found.get("Contents", [])]


def test_a_preview_is_rendered_once_however_many_ask(
    s3: throwaway.S3, previews: Previews, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = []
    render = Previews._rendered
    monkeypatch.setattr(
        Previews, "_rendered", lambda *asked: rendered.append(asked) or render(*asked)
    )
    image = put(s3, "previews/1.dcm", mammogram(), "s_once")
    answers: list[bytes | None] = []
    asking = [
        threading.Thread(target=lambda: answers.append(previews.part(image, "1.1", OVERVIEW)))
        for _ in range(4)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert previews.part(image, "1.1", "tile-0-0")
    assert previews.part(image, "1.1", "tile-9-9") is None  # black, or not there
    assert len(rendered) == 1


def test_other_bytes_under_one_key_are_another_preview(
    s3: throwaway.S3, previews: Previews
) -> None:
    image = put(s3, "previews/2.dcm", mammogram(900), "s_bytes")
    first = previews.part(image, "1.2", OVERVIEW)
    again = put(s3, "previews/2.dcm", mammogram(1200), "s_bytes")
    assert previews.part(again, "1.2", OVERVIEW) != first
    with pytest.raises(ObjectUnreadable):  # what the index says is no longer there
        previews.part(replace(image, study_pseudonym="s_other"), "1.2", OVERVIEW)


def test_keys_hold_pseudonyms_and_digests_alone(s3: throwaway.S3, previews: Previews) -> None:
    image = put(s3, "previews/Planted^Name/3.dcm", mammogram(), "s_keys")
    previews.part(image, "1.3.9.9.9", OVERVIEW)
    for key in kept(s3, "s_keys"):
        assert "Planted" not in key
        assert "1.3.9.9.9" not in key


def test_a_study_that_is_erased_leaves_no_preview(s3: throwaway.S3, previews: Previews) -> None:
    mine = put(s3, "previews/4.dcm", mammogram(), "s_erased")
    other = put(s3, "previews/5.dcm", mammogram(), "s_erased_not")
    previews.part(mine, "1.4", OVERVIEW)
    previews.part(other, "1.5", OVERVIEW)
    number = len(kept(s3, "s_erased"))
    assert previews.cache.erase("s_erased") == number > 0
    assert kept(s3, "s_erased") == []
    assert kept(s3, "s_erased_not")


def test_the_identity_of_previews_reaches_no_archive(s3: throwaway.S3, settings: Settings) -> None:
    assert settings.previews_s3_credentials_file is not None
    own = seaweedfs.read_credentials(settings.previews_s3_credentials_file, "default")
    client = s3_client(s3.endpoint_url, own)
    put(s3, "previews/6.dcm", b"x", "s_6")
    for refused in (
        lambda: client.get_object(Bucket=BUCKET, Key="previews/6.dcm"),
        lambda: client.put_object(Bucket=BUCKET, Key="previews/6.dcm", Body=b"y"),
        lambda: client.list_objects_v2(Bucket=BUCKET),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()


def test_who_reads_the_archive_cannot_write_previews(s3: throwaway.S3, settings: Settings) -> None:
    changed = settings.model_copy(
        update={"previews_s3_credentials_file": settings.s3_credentials_file}
    )
    image = put(s3, "previews/7.dcm", mammogram(), "s_7")
    mine = Previews(changed, renderers=1)
    with pytest.raises(StoreLost, match="AccessDenied"):
        mine.part(image, "1.7", OVERVIEW)
    mine.close()
    assert until(lambda: kept(s3, "s_7") == [], 1)
