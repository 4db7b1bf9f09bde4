"""Guarantee 3: the sum over the list is the mammography studies of the archive, less the erased.

Counted twice: by the list, page by page and level by level, and from the archive's own files with
pydicom, which knows nothing of ours.
"""

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

import pytest
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import generate_uid
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.session import connect
from db.worklist import WorklistItem, counts, page
from mammo.codes import Level
from nightread.stack import logins, postgres, seaweedfs
from nightread.stack.layout import Layout
from nightread.stack.proofs import s3_client
from tests.calls import BUCKET, Called, adds_up, phantom_files
from tests.conftest import Stack

# Slow: nights on the whole stack. That no case is hidden is shown by tests/db/test_worklist.py too.
pytestmark = [pytest.mark.timeout(170), pytest.mark.slow]

PREFIX = "sum"
CT_IMAGE, MG_RAW = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.1.2.1"
MAMMOGRAPHY = "1.2.840.10008.5.1.4.1.1.1.2"  # and what begins so: presentation and raw


def changed(data: bytes, study: str, **values: str) -> bytes:
    """A view as another one of a study."""
    header = dcmread(io.BytesIO(data))
    header.StudyInstanceUID = study
    header.SOPInstanceUID = generate_uid(entropy_srcs=[study, str(header.SOPInstanceUID)])
    for name, value in values.items():
        setattr(header, name, value)
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    written = io.BytesIO()
    header.save_as(written)
    return written.getvalue()


def packed(files: Mapping[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as out:
        for name, data in files.items():
            out.writestr(name, data)
    return whole.getvalue()


@dataclass
class Archive:
    """Everything that was ever put into it."""

    files: dict[str, bytes]
    uids: dict[str, str]  # Study Instance UIDs by what becomes of them


@pytest.fixture(scope="module")
def archive() -> Archive:
    (cc, mlo) = (data for name, data in phantom_files(1, 173).items() if "LCC" in name or "LMLO" in name)  # fmt: skip
    kinds = ("scored", "zipped", "raw", "broken", "conflict", "mixed", "spot", "gone", "erased", "ct",
             "north", "half", "dose")  # fmt: skip
    uids = {kind: generate_uid(entropy_srcs=["sum", kind]) for kind in kinds}
    files: dict[str, bytes] = {}

    def put(kind: str, name: str, data: bytes, **values: str) -> bytes:
        files[f"{kind}/{name}"] = made = changed(data, uids[kind], **values)
        return made

    put("scored", "cc", cc), put("scored", "mlo", mlo)
    put("north", "cc", cc)
    files["zipped.zip"] = packed({"a/cc": changed(cc, uids["zipped"]), "notes.txt": b"no image"})
    put("raw", "cc", cc, SOPClassUID=MG_RAW, PresentationIntentType="FOR PROCESSING")
    whole = put("broken", "cc", cc)
    files["broken/cc"] = whole[: len(whole) // 2]
    one = put("conflict", "cc", cc)
    files["conflict/again"] = one + b"\0\0"
    put("mixed", "cc", cc, PatientID="one"), put("mixed", "mlo", mlo, PatientID="two")
    put("spot", "cc", cc, SeriesDescription="SPOT COMPRESSION", ProtocolName="SPOT")
    put("gone", "cc", cc)
    put("erased", "cc", cc), put("erased", "mlo", mlo)
    put("ct", "slice", cc, Modality="CT", SOPClassUID=CT_IMAGE)
    put("dose", "cc", cc, Modality="OT", SOPClassUID=CT_IMAGE)
    put("half", "cc", cc), put("half", "slice", mlo, Modality="CT", SOPClassUID=CT_IMAGE)
    files["readme.txt"] = b"nothing to see here" * 40
    return Archive(files, uids)


def headers(files: Mapping[str, bytes]) -> Iterator[Dataset]:
    """All that pydicom can read, in zips too."""
    for data in files.values():
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as members:
                yield from headers({name: members.read(name) for name in members.namelist()})
            continue
        try:
            yield dcmread(io.BytesIO(data), stop_before_pixels=True)
        except InvalidDicomError:
            continue


def counted(files: Mapping[str, bytes]) -> set[str]:
    """The mammography studies of the archive, by pydicom alone."""
    return {
        str(header.StudyInstanceUID)
        for header in headers(files)
        if header.Modality == "MG" or str(header.SOPClassUID).startswith(MAMMOGRAPHY)
    }


class Listing:
    """The whole list, page by page, and level by level."""

    def __init__(self, engine: Engine) -> None:
        with Session(engine) as session:
            self.items = list(self._pages(session, 7))
            levels = [{i.study_uid for i in self._pages(session, 1000, level)} for level in Level]
            numbers = counts(session)
        self.uids = {item.study_uid for item in self.items}
        assert len(self.uids) == len(self.items) == sum(map(len, levels)) == sum(numbers.values())
        assert set().union(*levels) == self.uids

    def _pages(
        self, session: Session, limit: int, level: Level | None = None
    ) -> Iterator[WorklistItem]:
        cursor = None
        while True:
            shown = page(session, limit, level, after=cursor)
            yield from shown.items
            if (cursor := shown.next) is None:
                return


@pytest.fixture
def engine(stack: Stack) -> Iterator[Engine]:
    """As the job sees the database."""
    engine = connect(str(stack.settings.database_url))
    yield engine
    engine.dispose()


@pytest.fixture
def north(stack: Stack) -> Iterator[None]:
    """A site of its own for a part of the prefix: all else has none that claims it."""
    url = "postgresql://" + str(stack.settings.migration_database_url).split("@", 1)[1]
    session = logins.connect(url, postgres.OWNER, Layout(stack.folder).passfile)
    with closing(session), session.cursor() as query:
        query.execute(
            "INSERT INTO sites (name, prefix) VALUES ('sum-north', %s)",
            (f"s3://{BUCKET}/{PREFIX}/north/",),
        )
        yield
        query.execute("UPDATE objects SET site = 'unknown' WHERE site = 'sum-north'")
        query.execute("DELETE FROM sites WHERE name = 'sum-north'")


@pytest.mark.usefixtures("north")
def test_the_sum_over_the_list_is_the_studies_of_the_archive_less_the_erased(
    archive: Archive,
    nightread: Callable[..., Called],
    put: Callable[..., str],
    stack: Stack,
    engine: Engine,
) -> None:
    before = Listing(engine).uids
    url = put(PREFIX, archive.files)
    called = nightread("screen", url, "--json", "--quiet")
    assert called.code == 0, called.err
    adds_up(called.json)
    expected = counted(archive.files)
    assert Listing(engine).uids - before == expected
    assert called.json["studies"]["known"] == len(expected)

    login = seaweedfs.read_credentials(Layout(stack.folder).credentials_file, seaweedfs.ADMIN)
    admin = s3_client(stack.settings.s3_endpoint_url, login)
    admin.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/gone/cc")
    erased = nightread("erase", "--study", archive.uids["erased"], "--yes")
    assert erased.code == 0, erased.err
    again = nightread("screen", url, "--json", "--quiet")
    assert again.code == 0, again.err
    adds_up(again.json)
    after = Listing(engine)
    assert after.uids - before == expected - {archive.uids["erased"]}

    # And each says what it is.
    mine = {item.study_uid: item for item in after.items}
    said = {kind: mine[uid] for kind, uid in archive.uids.items() if uid in mine}
    assert said.keys() == set(archive.uids) - {"erased", "ct", "dose"}
    assert {kind for kind, item in said.items() if item.level != "not_scored"} == {
        "scored", "zipped", "north", "half", "gone",
    }  # fmt: skip
    assert {kind: item.warnings[0] for kind, item in said.items() if item.score is None} == {
        "raw": "NO_2D_IMAGE",
        "spot": "NO_2D_IMAGE",
        "broken": "ALL_QUARANTINED",
        "conflict": "CONFLICTING_INSTANCES",
        "mixed": "MIXED_PATIENTS",
    }
    marked = {kind for kind, item in said.items() if "UNKNOWN_SITE" in item.warnings}
    assert marked == said.keys() - {"north"}
