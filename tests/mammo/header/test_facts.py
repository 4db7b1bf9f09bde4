"""Facts go to the database and come back; nothing in them says whose they are."""

import json
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from mammo.facts import Facts
from mammo.verdict import Policy, judge

PLANTED = "Zzyzx"  # a name that no word of ours contains


def test_facts_come_back_from_json_as_they_were(make: Any) -> None:
    odd = {
        "PatientOrientation": ["R", "P"],
        "Laterality": "L",
        "FieldOfViewDimensions": [79, 99],
        "SeriesDescription": "C-View biopsy",
        "PartialView": "YES",
    }
    for image in (make.image(), make.image(**odd), make.with_pixels(make.mammogram(), 100)):
        facts = image.facts
        again = Facts.from_dict(json.loads(json.dumps(facts.as_dict())))
        assert again == facts
        assert judge(again, Policy()) == image.judged()


def test_only_what_differs_from_nothing_is_stored() -> None:
    assert Facts(sop_instance_uid="1.2").as_dict() == {"sop_instance_uid": "1.2"}


def test_a_name_planted_anywhere_does_not_reach_the_facts(make: Any) -> None:
    inner = Dataset()
    inner.PatientID = f"{PLANTED}-2"
    inner.RequestedProcedureDescription = f"STEREO {PLANTED}"
    texts = [
        "SeriesDescription",
        "StudyDescription",
        "ProtocolName",
        "ImageComments",
        "PaddleDescription",
        "RequestedProcedureDescription",
        "PerformedProcedureStepDescription",
        "DetectorMode",
        "ContrastBolusAgent",
        "OperatorsName",
        "ReferringPhysicianName",
        "InstitutionName",
        "StationName",
        "OtherPatientIDs",
        "AccessionNumber",
        "ImageType",
        "ViewPosition",
        "PatientOrientation",
        "BodyPartExamined",
        "ImageLaterality",
        "Laterality",
        "PresentationIntentType",
        "BurnedInAnnotation",
        "PresentationLUTShape",
        "PatientName",
        "PatientID",
        "AcquisitionDeviceProcessingDescription",
        "MilitaryRank",
    ]
    ds = make.mammogram(
        **dict.fromkeys(texts, f"{PLANTED}^Anna"), OtherPatientIDsSequence=Sequence([inner])
    )
    ds.add_new(0x00290010, "LO", PLANTED)
    ds.add_new(0x00291010, "LO", PLANTED)
    image = make.with_pixels(ds)
    header = image.header
    assert header.identity.name == f"{PLANTED}^Anna"
    for text in (json.dumps(header.facts.as_dict()), image.judged().detail):
        assert PLANTED.upper() not in text.upper()


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 192", "Müller^Zoë"),
        ("ISO_IR 100", "Müller^Zoë"),
        ("ISO_IR 144", "Люкceмбypг"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        (["ISO 2022 IR 100", "ISO 2022 IR 144"], "Dionisios=Диониcиoc"),
    ],
)
def test_a_name_is_read_in_its_character_set(make: Any, charset: Any, name: str) -> None:
    # Examples of PS3.5 annexes H to K; pydicom encodes them.
    image = make.image(SpecificCharacterSet=charset, PatientName=name)
    assert image.header.identity.name == name


def test_identity_is_kept_as_written_without_control_characters(make: Any) -> None:
    identity = make.image(
        PatientName="Doe^Jane\x1b[31m",
        PatientID=" 00 12 ",
        IssuerOfPatientID="SITE",
        PatientBirthDate="19600102",
        PatientSex="F",
        AccessionNumber=" A\x07-17 ",
    ).header.identity
    assert "\x1b" not in identity.name
    assert identity.name.startswith("Doe^Jane")
    assert (identity.patient_id, identity.issuer) == ("00 12", "SITE")
    assert (identity.birth_date, identity.sex) == ("19600102", "F")
    assert identity.accession_number == "A -17"


def test_an_unknown_character_set_loses_no_image(make: Any) -> None:
    data = make.image(PatientName="Müller").prefix.replace(b"ISO_IR 192", b"ISO_IR XYZ")
    assert make.object(data, make.image(PatientName="Müller").size).facts.view == "CC"


def test_times_without_seconds_and_with_date_time_are_read(make: Any) -> None:
    assert make.image(AcquisitionTime="1015").facts.acquisition_time == "101500"
    joined = make.image(
        AcquisitionDate=None, AcquisitionTime=None, AcquisitionDateTime="20260102101500.5+0100"
    ).facts
    assert (joined.acquisition_date, joined.acquisition_time) == ("20260102", "101500.5")
