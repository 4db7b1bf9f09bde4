"""Night after night: what is unchanged is not read, what changed is screened again."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pydicom
import pytest
from sqlalchemy import Engine, text

from benchmarks.proxy import watching
from db.session import connect
from mammo import phantoms
from nightread.shapes import RejudgeDocument
from tests.calls import BUCKET, Called, adds_up, phantom_files
from tests.ray_jobs.packing import packed

pytestmark = pytest.mark.timeout(170)

RESULTS = text(
    "SELECT r.missing_views, r.superseded_at IS NULL AS current FROM results r"
    " JOIN studies s ON s.id = r.study_id WHERE s.study_uid = :uid ORDER BY r.id"
)


@pytest.fixture
def owner(stack: Any) -> Iterator[Engine]:
    """The schema's owner, who keeps the table of sites."""
    engine = connect(stack.settings.need("migration_database_url"))
    yield engine
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM sites WHERE prefix <> ''"))
    engine.dispose()


def as_raw(file: bytes) -> bytes:
    """The same image as its machine says that it is not for presentation."""
    header = pydicom.dcmread(BytesIO(file))
    raw = "1.2.840.10008.5.1.4.1.1.1.2.1"
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = raw
    header.PresentationIntentType = "FOR PROCESSING"
    written = BytesIO()
    header.save_as(written)
    return written.getvalue()


def listed(called: Called, uid: str) -> Any:
    return next(item for item in called.json["items"] if item["study_uid"] == uid)


def test_a_late_image_and_a_changed_policy_have_their_studies_screened_again(
    nightread: Callable[..., Called], put: Any, stack: Any, owner: Engine
) -> None:
    whole, other, packed_up = phantoms.plan(3, 61)
    files = phantom_files(3, seed=61)
    late = {name: data for name, data in files.items() if name == "000/RMLO.dcm"}
    first = {name: data for name, data in files.items() if name.startswith("000/")}
    raw = {"001.zip": packed("zip", [("raw.dcm", as_raw(files["001/LCC.dcm"]))])}
    new = {"002.tar.gz": packed("gzip", [("raw.dcm", as_raw(files["002/RCC.dcm"]))])}
    prefix = put("nights", {name: first[name] for name in first.keys() - late.keys()} | raw)

    one = nightread("screen", prefix, "--json")
    assert one.code == 0, one.err
    assert one.json["not_scored_reasons"] == {"NO_2D_IMAGE": 1}
    assert one.json["header_bytes"]["read"] >= one.json["header_bytes"]["needed"] > 0
    page = nightread("worklist", "--limit", "1000", "--json")
    assert listed(page, whole.study_uid)["missing_views"] == ["RMLO"]
    assert listed(page, whole.study_uid)["warnings"][0] == "MISSING_VIEWS"
    assert 1 <= listed(page, whole.study_uid)["score"] <= 10

    with watching(stack.settings.s3_endpoint_url) as (endpoint, traffic):
        same = nightread("screen", prefix, "--json", NIGHTREAD_S3_ENDPOINT_URL=endpoint)
        assert same.json["studies"]["screened_now"] == 0
        assert same.json["header_bytes"] == {"read": 0, "needed": 0}
        (listing,) = traffic.requests
        assert listing.startswith(f"GET /{BUCKET}?list-type=2")
        del traffic.requests[:]
        with owner.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO sites (name, prefix, policy, release) VALUES"
                    " ('raw', :prefix, '{\"accept_for_processing\": true}', :release)"
                ),
                {"prefix": prefix, "release": one.json["release"]},
            )
        judged = nightread("index", "--rejudge", "--json", NIGHTREAD_S3_ENDPOINT_URL=endpoint)
        assert judged.code == 0, judged.err
        assert traffic.requests == []
    document = RejudgeDocument.model_validate(judged.json)
    assert [(c.before, c.after, c.instances) for c in document.changes] == [
        ("INTENT_FOR_PROCESSING", "OK_FOR_PROCESSING", 1)
    ]

    put("nights", late | new)
    again = nightread("screen", prefix, "--json")
    assert again.code == 0, again.err
    adds_up(again.json)
    assert again.json["studies"]["screened_now"] == 3
    page = nightread("worklist", "--limit", "1000", "--json")
    assert listed(page, whole.study_uid)["missing_views"] == []
    for admitted in (other, packed_up):  # judged again, and under the site's policy at once
        assert listed(page, admitted.study_uid)["site"] == "raw"
        assert listed(page, admitted.study_uid)["score"] is not None
    with owner.connect() as connection:
        rows = connection.execute(RESULTS, {"uid": whole.study_uid}).all()
    assert [tuple(row) for row in rows] == [(["RMLO"], False), ([], True)]


@pytest.mark.parametrize(
    ("row", "code", "said"),
    [
        ({"policy": '{"accept_film": true}'}, 2, "policy of the site 'odd'"),
        ({"release": "b" * 64}, 5, "not the one that is active at the site 'odd'"),
    ],
)
def test_a_site_that_nobody_can_act_on_stops_a_run_before_anything_is_done(
    nightread: Callable[..., Called],
    stack: Any,
    owner: Engine,
    row: dict[str, str],
    code: int,
    said: str,
) -> None:
    whole = {"policy": "{}", "settings": "{}", "release": None, "name": stack.settings.release}
    with owner.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO releases (digest, name, manifest) VALUES (:digest, :name, '{}')"
                " ON CONFLICT DO NOTHING"
            ),
            {"digest": "b" * 64, "name": stack.settings.release},
        )
        connection.execute(
            text(
                "INSERT INTO sites (name, prefix, policy, settings, release) VALUES"
                " ('odd', 's3://archive/odd/', cast(:policy AS jsonb), cast(:settings AS jsonb),"
                " :release)"
            ),
            whole | row,
        )
    called = nightread("screen", f"s3://{BUCKET}/odd/")
    assert called.code == code, called.err
    assert len(called.err.strip().splitlines()) == 1
    assert said in called.err


def test_index_says_what_it_is_for(nightread: Callable[..., Called]) -> None:
    called = nightread("index")
    assert called.code == 2
    assert "--rejudge" in called.err


def test_other_bytes_under_one_uid_are_found_when_they_are_read_and_shown(
    nightread: Callable[..., Called], put: Any
) -> None:
    (plan,) = phantoms.plan(1, 62)
    files = phantom_files(1, seed=62)
    data = next(iter(files.values()))
    changed = data[:-8] + bytes(byte ^ 1 for byte in data[-8:])
    prefix = put("twins", files | {"copy/same.dcm": data, "copy/other.dcm": changed})
    called = nightread("screen", prefix, "--json")
    assert called.code == 0, called.err
    adds_up(called.json)
    assert called.json["not_scored_reasons"] == {"CONFLICTING_INSTANCES": 1}
    assert called.json["reasons"] == {"OK": 3, "UID_CONFLICT": 3}
    item = listed(nightread("worklist", "--limit", "1000", "--json"), plan.study_uid)
    assert (item["level"], item["warnings"]) == ("not_scored", ["CONFLICTING_INSTANCES"])
    assert {exclusion["reason"] for exclusion in item["exclusions"]} == {"UID_CONFLICT"}
