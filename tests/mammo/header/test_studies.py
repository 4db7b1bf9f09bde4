"""The instances of a study, settled between them."""

from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from mammo.codes import NotScored, Reason, Verdict
from mammo.studies import Assembly, Member, assemble, is_mammography

RAW = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2.1", "PresentationIntentType": "FOR PROCESSING"}
SC = "1.2.840.10008.5.1.4.1.1.7"
CVIEW = {"ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"]}
NOON = {"AcquisitionTime": "120000"}


class Builder:
    """Members of one study, each with a UID of its own."""

    def __init__(self, make: Any, **policy: bool) -> None:
        self.make, self.policy, self.count = make, policy, 0

    def __call__(self, patient: str = "", **changes: Any) -> Member:
        self.count += 1
        changes = {"SOPInstanceUID": f"1.2.{self.count}", **changes}
        image = self.make.image(**changes)
        return Member(image.facts, image.judged(**self.policy), patient)

    def view(self, side: str, view: str, **changes: Any) -> Member:
        minute = f"10{self.count:02}00"
        orientation = ["P", "L"] if side == "R" else ["A", "R"]
        base = {"ViewCodeSequence": None, "ViewPosition": view, "AcquisitionTime": minute}
        base |= {"ImageLaterality": side, "PatientOrientation": orientation}
        return self(**{**base, **changes})


@pytest.fixture
def member(make: Any) -> Builder:
    return Builder(make)


def reasons(assembly: Assembly) -> list[Reason]:
    return [judgement.reason for judgement in assembly.judgements]


def refers_to(uid: str) -> Any:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = RAW["SOPClassUID"], uid
    return Sequence([item])


def test_four_standard_views_are_complete(member: Builder) -> None:
    study = [member.view(side, view) for side in "RL" for view in ("CC", "MLO")]
    assembly = assemble(study)
    assert reasons(assembly) == [Reason.OK] * 4
    assert (assembly.missing_views, assembly.repeated_views) == ((), ())
    assert not assembly.one_breast_only
    assert assembly.not_scored is None


def test_missing_views_are_named(member: Builder) -> None:
    assembly = assemble([member.view("R", "CC"), member.view("R", "MLO")])
    assert assembly.missing_views == (("L", "CC"), ("L", "MLO"))
    assert assembly.one_breast_only


def test_a_raw_image_yields_to_the_presentation_image_that_names_it(member: Builder) -> None:
    raw = member(**RAW, AcquisitionTime="080000")
    shown = member(SourceImageSequence=refers_to(raw.facts.sop_instance_uid))
    assert reasons(assemble([raw, shown])) == [Reason.INTENT_FOR_PROCESSING_PAIRED, Reason.OK]


def test_without_a_reference_the_exposure_pairs(member: Builder) -> None:
    pair = [member(**RAW, **NOON), member(**NOON)]
    assert reasons(assemble(pair)) == [Reason.INTENT_FOR_PROCESSING_PAIRED, Reason.OK]
    other = [member(**RAW, AcquisitionTime="120001"), member(**NOON)]
    assert reasons(assemble(other))[0] is Reason.INTENT_FOR_PROCESSING


def test_a_raw_image_alone_stays_what_the_policy_made_of_it(make: Any) -> None:
    assert reasons(assemble([Builder(make)(**RAW)])) == [Reason.INTENT_FOR_PROCESSING]
    admitting = Builder(make, accept_for_processing=True)
    assert reasons(assemble([admitting(**RAW)])) == [Reason.OK_FOR_PROCESSING]
    pair = [admitting(**RAW, **NOON), admitting(**NOON)]
    assert reasons(assemble(pair)) == [Reason.INTENT_FOR_PROCESSING_PAIRED, Reason.OK]


def test_a_raw_image_does_not_yield_to_a_partner_that_is_not_used(member: Builder) -> None:
    raw = member(**RAW, **NOON)
    partner = member(**NOON, Rows=500, Columns=500)
    assert reasons(assemble([raw, partner])) == [
        Reason.INTENT_FOR_PROCESSING,
        Reason.IMAGE_TOO_SMALL,
    ]


def test_the_real_stereo_pair_names_its_raw_image(make: Any, shared: Any) -> None:
    members = []
    for name in ("voilut", "forprocessing"):
        data = (shared / f"data/dicom-syntaxes/hdr-ge-senods-stereo-{name}-header.dcm").read_bytes()
        image = make.object(data, len(data))
        members.append(Member(image.facts, image.judged()))
    assert members[0].facts.source_images == (members[1].facts.sop_instance_uid,)
    assert reasons(assemble(members)) == [Reason.BIOPSY_STEREO] * 2


@pytest.mark.parametrize(
    ("one", "other", "kept", "why"),
    [
        ({}, {"ImageType": ["DERIVED", "PRIMARY"]}, 0, "the original"),
        ({"LossyImageCompression": "01"}, {}, 1, "a rendering without loss"),
        ({"ContentTime": "130000"}, {"ContentTime": "120500"}, 1, "an earlier rendering"),
        ({"ContentTime": "120500"}, {}, 0, "an earlier rendering"),
        ({}, {}, 0, "another copy"),
    ],
)
def test_of_two_renderings_of_an_exposure_one_is_kept_and_the_choice_explained(
    member: Builder, one: dict[str, Any], other: dict[str, Any], kept: int, why: str
) -> None:
    study = [member(**NOON, **one), member(**NOON, **other)]
    wanted = [Reason.DUPLICATE_EXPOSURE] * 2
    wanted[kept] = Reason.OK
    assert reasons(assemble(study)) == wanted
    assert reasons(assemble(study[::-1])) == wanted[::-1]
    assert assemble(study).judgements[1 - kept].detail == f"Of this exposure {why} is used."


def test_an_irradiation_event_ties_renderings_whatever_the_clock_says(member: Builder) -> None:
    event = {"IrradiationEventUID": "1.9.1"}
    study = [member(**event), member(**event, AcquisitionTime="235959")]
    assert sorted(reasons(assemble(study))) == [Reason.DUPLICATE_EXPOSURE, Reason.OK]
    other = [member(**event), member(IrradiationEventUID="1.9.2")]
    assert reasons(assemble(other)) == [Reason.OK] * 2


def test_views_of_one_second_are_no_duplicates(member: Builder) -> None:
    study = [member.view(side, "CC", **NOON) for side in "RL"]
    assert reasons(assemble(study)) == [Reason.OK] * 2


def test_a_repeated_view_is_kept_and_named(member: Builder) -> None:
    study = [member.view("R", "CC"), member.view("R", "CC")]
    assembly = assemble(study)
    assert reasons(assembly) == [Reason.OK] * 2
    assert assembly.repeated_views == (("R", "CC"),)


def test_without_a_time_nothing_is_called_a_duplicate(member: Builder) -> None:
    study = [member(AcquisitionTime=None), member(AcquisitionTime=None)]
    assert reasons(assemble(study)) == [Reason.OK] * 2


def test_a_real_view_wins_over_a_computed_one(make: Any) -> None:
    admitting = Builder(make, accept_synthetic_2d=True)
    event = {"IrradiationEventUID": "1.9.1"}
    study = [admitting(**CVIEW, **event), admitting(**event)]
    assert reasons(assemble(study)) == [Reason.SYNTHETIC_2D, Reason.OK]
    alone = [admitting(**CVIEW), admitting.view("L", "CC")]
    assert reasons(assemble(alone)) == [Reason.OK_SYNTHETIC_2D, Reason.OK]


def test_a_computed_view_is_no_partner_of_the_raw_image(make: Any) -> None:
    admitting = Builder(make, accept_synthetic_2d=True)
    event = {"IrradiationEventUID": "1.9.1"}
    study = [admitting(**RAW, **event), admitting(**CVIEW, **event)]
    assert reasons(assemble(study)) == [Reason.INTENT_FOR_PROCESSING, Reason.OK_SYNTHETIC_2D]


def test_a_study_of_two_patients_is_never_scored_as_one(member: Builder) -> None:
    assert assemble([member("p_a"), member("p_b")]).not_scored is NotScored.MIXED_PATIENTS
    assert assemble([member("p_a"), member("p_a")]).not_scored is None
    assert assemble([member("p_a"), member("")]).not_scored is None


def test_conflicting_instances_are_not_scored(member: Builder) -> None:
    one = member()
    conflict = Member(one.facts, one.judgement.but(Reason.UID_CONFLICT))
    assert assemble([conflict, member()]).not_scored is NotScored.CONFLICTING_INSTANCES


def test_a_study_without_an_image_to_score_says_why(member: Builder) -> None:
    broken = member(Columns=0)
    capture = member(SOPClassUID=SC)
    report = member(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67", Modality="SR")
    assert broken.judgement.verdict is Verdict.QUARANTINED
    assert assemble([capture]).not_scored is NotScored.NO_2D_IMAGE
    assert assemble([broken]).not_scored is NotScored.ALL_QUARANTINED
    assert assemble([broken, report]).not_scored is NotScored.ALL_QUARANTINED
    assert assemble([broken, capture]).not_scored is NotScored.NO_2D_IMAGE
    assert assemble([report]).not_scored is NotScored.NO_2D_IMAGE


def test_what_makes_a_study_one_of_mammography(member: Builder) -> None:
    def known(**changes: Any) -> bool:
        one = member(**changes)
        return is_mammography(one.facts, one.judgement)

    assert known()
    assert known(SOPClassUID=SC)  # Modality MG, excluded
    assert known(SOPClassUID="1.2.840.10008.5.1.4.1.1.13.1.3", Modality="OT")
    assert known(Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2", StudyInstanceUID=None)
    assert not known(Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")
    assert not known(Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67")


def test_settling_twice_changes_nothing(member: Builder) -> None:
    study = [member(**NOON), member(**NOON), member(**RAW, **NOON), member.view("L", "CC")]
    first = assemble(study)
    settled = [Member(m.facts, j) for m, j in zip(study, first.judgements, strict=True)]
    assert assemble(settled) == first
