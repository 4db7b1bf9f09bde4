"""An archive in S3, piece by piece: read once, looked at in passing, failing as objects do."""

from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mammo import phantoms
from mammo.codes import Reason
from mammo.findings import RawView
from mammo.pixel_error import PixelError
from mammo.prepare import Prepared
from mammo.verdict import Policy
from mammo.views import Laterality
from nightread.stack.proofs import s3_client
from nightread.stack.seaweedfs import ADMIN, ARCHIVE, read_credentials
from ray_jobs.archive.store import StoreConfig, pages
from ray_jobs.faults import DecoderLost, InferenceLost, ObjectUnreadable
from ray_jobs.looks import Eyes, restored, stored
from ray_jobs.pieces import Piece, pieces, read_instance
from ray_jobs.records import ArchiveToRead, Listed, PlannedInstance
from ray_jobs.spot_check import InPassing, Spot, SpotChecks, Word
from tests.ray_jobs.packing import KINDS, dicom, packed
from tests.ray_jobs.test_assembly import MANIFEST

FORMAT = {"zip": "zip", "tar": "tar", "gzip": "tar.gz", "zstd": "tar.zst"}


@pytest.fixture(scope="module")
def config(s3) -> StoreConfig:
    return StoreConfig(s3.endpoint_url, s3.region, None, str(s3.credentials_file))


@pytest.fixture(scope="module")
def admin(s3):
    return s3_client(s3.endpoint_url, read_credentials(s3.credentials_file, ADMIN))


@pytest.fixture(scope="module")
def study() -> list[tuple[str, bytes]]:
    """Four views and what lies beside them."""
    (plan,) = phantoms.plan(1, 31)
    images = phantoms.render(plan, phantoms.Resolution.WORKING)
    views = [(f"{image.laterality}{image.projection}", phantoms.encode(image)) for image in images]
    return [("README", b"text"), *views, ("last", dicom())]


def target(admin, config, key: str, body: bytes, kind: str, **more) -> ArchiveToRead:
    admin.put_object(Bucket=ARCHIVE, Key=key, Body=body)
    ((item,),) = pages(config, ARCHIVE, key)
    return ArchiveToRead(7, ARCHIVE, item, kind, **more)


def one_box(_: NDArray[np.uint8]) -> "Future[RawView]":
    """The answer of an ensemble that always finds the same."""
    answer: Future[RawView] = Future()
    box = np.array([[5, 5, 20, 20]], np.float32)
    half = np.array([0.5], np.float32)
    answer.set_result(RawView(1, box, half, np.array([0], np.int32), half, half))
    return answer


def out_of_reach(_: NDArray[np.uint8]) -> "Future[RawView]":
    answer: Future[RawView] = Future()
    answer.set_exception(InferenceLost("gone"))
    return answer


def read(target: ArchiveToRead, config: StoreConfig, eyes: Eyes | None = None) -> list[Piece]:
    found = list(pieces(target, config, Policy(), eyes))
    assert [piece.last for piece in found] == [False] * (len(found) - 1) + [True]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_member_comes_once_and_in_order(admin, config, study, kind: str) -> None:
    found = read(target(admin, config, f"p/{kind}", packed(kind, study), kind), config)
    members = [member for piece in found for member in piece.members]
    assert [(m.ordinal, m.name) for m in members] == list(enumerate(n for n, _ in study))
    assert [m.judgement.reason for m in members[:5]] == [Reason.NOT_DICOM, *[Reason.OK] * 4]
    assert found[-1].reason is None
    assert all(not piece.seen for piece in found)


@pytest.mark.parametrize("kind", KINDS)
def test_a_studys_task_reads_a_member_by_its_place(admin, config, study, kind: str) -> None:
    archive = target(admin, config, f"r/{kind}", packed(kind, study), kind)
    members = [member for piece in read(archive, config) for member in piece.members]
    for (_, body), member in zip(study, members, strict=True):
        planned = PlannedInstance(
            1, ARCHIVE, archive.item, "1.2", Laterality.LEFT, "CC", Reason.OK, (), member.place
        )
        assert read_instance(config, planned) == body


def test_a_member_that_is_not_what_was_indexed_has_its_own_reason(admin, config, study) -> None:
    archive = target(admin, config, "d/zip", packed("zip", study), "zip")
    place = read(archive, config)[1].members[1].place
    assert place is not None
    spoilt = replace(place, crc32=1)
    planned = PlannedInstance(
        1, ARCHIVE, archive.item, "1.2", Laterality.LEFT, "CC", Reason.OK, (), spoilt
    )
    with pytest.raises(ObjectUnreadable) as caught:
        read_instance(config, planned)
    assert caught.value.reason is Reason.ARCHIVE_CORRUPT


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_the_images_of_a_compressed_tar_are_looked_at_in_passing(
    admin, config, study, kind: str
) -> None:
    eyes = Eyes(one_box, MANIFEST)
    found = read(target(admin, config, f"l/{kind}", packed(kind, study), kind), config, eyes)
    seen = {ordinal: one for piece in found for ordinal, one in piece.seen.items()}
    assert sorted(seen) == [1, 2, 3, 4]
    assert all(one.probability is not None and one.sha256 for one in seen.values())
    assert all(restored(stored(one)) == one for one in seen.values())


def test_only_what_is_wanted_is_looked_at_and_nothing_behind_it_is_read(
    admin, config, study
) -> None:
    wanted = frozenset({2})
    eyes = Eyes(one_box, MANIFEST, wanted)
    body = packed("gzip", study)
    found = read(target(admin, config, "w/gzip", body, "gzip", wanted=wanted), config, eyes)
    assert [sorted(piece.seen) for piece in found if piece.seen] == [[2]]
    assert sum(len(piece.members) for piece in found) == 3


def test_an_ensemble_that_is_gone_leaves_the_headers(admin, config, study) -> None:
    eyes = Eyes(out_of_reach, MANIFEST)
    found = read(target(admin, config, "g/gzip", packed("gzip", study), "gzip"), config, eyes)
    assert sum(len(piece.members) for piece in found) == len(study)
    assert all(not piece.seen for piece in found)


def test_nothing_is_kept_of_a_syntax_on_which_two_decoders_disagree(admin, config, study) -> None:
    """It would be taken for true when the decoder is mended."""
    asked: list[int] = []

    def differs(image: InPassing) -> Spot:
        asked.append(image.instance_id)
        return Spot(Word.DIFFERS, 7, 0)

    eyes = Eyes(one_box, MANIFEST, checks=SpotChecks(differs))
    found = read(target(admin, config, "d/gzip", packed("gzip", study), "gzip"), config, eyes)
    assert sum(len(piece.members) for piece in found) == len(study)
    assert all(not piece.seen for piece in found)
    assert asked == [1]  # one odd study is asked about once, and stops no archive


@pytest.mark.parametrize(
    ("error", "reasons"),
    [
        (PixelError(Reason.DECODE_CRASHED, "(SIGSEGV at stage decode)"), [Reason.DECODE_CRASHED]),
        (DecoderLost("killed from outside"), []),
    ],
)
def test_a_codec_that_dies_costs_its_image_and_a_child_that_is_lost_says_nothing(
    admin, config, study, error: Exception, reasons: list[Reason]
) -> None:
    def dies(*_: object) -> Prepared:
        raise error

    eyes = Eyes(one_box, MANIFEST, frozenset({2}), prepare=dies)
    found = read(target(admin, config, "x/gzip", packed("gzip", study), "gzip"), config, eyes)
    seen = [one for piece in found for one in piece.seen.values()]
    assert [one.reason for one in seen] == reasons
    assert all(one.died for one in seen)
    assert all(restored(stored(one)) == one for one in seen)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], Reason.NOT_DICOM),
        ([("a", b"text"), ("b", b"text")], Reason.NOT_DICOM),
        ([("a", b"text"), ("b", packed("zip", [])), ("c", b"text")], Reason.ARCHIVE_NESTED),
    ],
)
def test_an_archive_without_an_instance_says_why(admin, config, files, reason: Reason) -> None:
    found = read(target(admin, config, "n/zip", packed("zip", files), "zip"), config)
    assert found[-1].reason is reason


def test_an_archive_that_changed_since_it_was_listed_is_not_read(admin, config) -> None:
    old = target(admin, config, "c/zip", packed("zip", [("a", dicom())]), "zip")
    admin.put_object(Bucket=ARCHIVE, Key="c/zip", Body=packed("zip", [("b", dicom("1.2"))]))
    assert read(old, config)[-1].reason is Reason.OBJECT_CHANGED
    gone = ArchiveToRead(7, ARCHIVE, Listed("c/none", '"0"', 100), "tar")
    assert read(gone, config)[-1].reason is Reason.OBJECT_GONE
