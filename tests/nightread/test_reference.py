"""What other programs rely on: names in JSON and the page that lists them."""

import pytest

from nightread import reference, shapes

# Written down here once more on purpose: a renamed field must fail a test that knows the old one.
PROMISED = {
    "InspectLine": "path member verdict reason detail warnings sop_class transfer_syntax manufacturer "
    "presentation_intent laterality view modifiers rows columns bits_stored voi source_kind",
    "ScreenDocument": "run release objects instances reasons studies not_scored_reasons seconds "
    "studies_per_minute header_bytes",
    "HeaderBytes": "read needed",
    "RejudgeDocument": "judged changed changes moved",
    "ChangedVerdicts": "before after instances",
    "DemoDocument": "worklist",
    "StatusDocument": "state studies_per_minute seconds_left",
    "Objects": "listed with_instances without_instance",
    "Instances": "indexed accepted excluded quarantined",
    "Studies": "known screened_now already_current scored not_scored pending not_mammography",
    "Seconds": "total by_stage",
    "StageSeconds": "list fetch decode prepare infer write",
    "WorklistDocument": "items counts next",
    "WorklistItem": "study_uid pseudonym rank level score probability breasts findings "
    "missing_views warnings exclusions release study_date site",
    "BreastShape": "score probability",
    "FindingShape": "laterality view sop_instance_uid box kind probability score location",
    "ExclusionShape": "sop_instance_uid reason",
    "PrepareDocument": "shape dtype release geometry breast_box laterality view voi milliseconds",
    "GeometryShape": "left top width scale mirrored quarter_turns native_shape",
    "PrepareMilliseconds": "read decode voi breast resample",
    "DataCheckDocument": "data_set title folder notes counts published oddities problems "
    "dropped_images decoded",
    "PublishedCount": "what here published source",
    "OddityCount": "code count meaning examples",
    "DataProblem": "code where detail",
    "ServiceStatus": "service state url pid proof",
}


@pytest.mark.parametrize("name", PROMISED)
def test_a_promised_field_is_there(name: str) -> None:
    fields = getattr(shapes, name).model_fields
    assert set(PROMISED[name].split()) <= set(fields)


def test_a_shape_refuses_what_is_not_written_in_it() -> None:
    with pytest.raises(ValueError, match="Extra inputs"):
        shapes.Objects.model_validate(
            {"listed": 1, "with_instances": 1, "without_instance": 0, "surprise": 1}
        )


def test_the_page_is_what_the_code_says() -> None:
    assert reference.PAGE.read_text() == reference.page(), (
        "run `.venv/bin/python -m nightread.reference`"
    )


def test_the_table_of_routes_is_what_the_application_says() -> None:
    assert reference.WEB.read_text() == reference.web(), (
        "run `.venv/bin/python -m nightread.reference`"
    )


def test_every_module_has_its_line_in_the_architecture() -> None:
    assert reference.MAP.read_text() == reference.architecture(), (
        "run `.venv/bin/python -m nightread.reference`"
    )
    for line in reference.MAP.read_text().splitlines():
        if line.startswith("| `") and line.endswith("|"):
            assert not line.endswith("|  |"), f"a module without a docstring: {line}"
