"""The view, by code, text or private attribute; every row of CID 4014 and CID 4015."""

from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.sr import _snomed_dict
from pydicom.sr.codedict import codes

from mammo.codes import Flag, Reason
from mammo.views import (
    MODIFIER_CODES,
    VIEW_CODES,
    Modifier,
    Projection,
    from_position,
    from_sentence,
)

VIEWS = {  # PS3.16 CID 4014, by pydicom's names
    "CranioCaudal": "CC",
    "MedioLateralObliqueProjection": "MLO",
    "MedioLateralProjection": "ML",
    "LateroMedial": "LM",
    "LateroMedialOblique": "LMO",
    "CaudoCranial": "FB",
    "SuperolateralToInferomedialOblique": "SIO",
    "InferomedialToSuperolateralOblique": "ISO",
    "CranioCaudalExaggeratedLaterally": "XCCL",
    "CranioCaudalExaggeratedMedially": "XCCM",
    "TissueSpecimenFromBreast": "SPECIMEN",
}
MODIFIERS = {  # PS3.16 CID 4015
    "SpotCompression": ("SPOT", Reason.SPOT),
    "Magnification": ("MAGNIFICATION", Reason.MAGNIFICATION),
    "ImplantDisplaced": ("IMPLANT_DISPLACED", Reason.OK),
    "Cleavage": ("CLEAVAGE", Reason.VIEW_NOT_SCREENING),
    "AxillaryTail": ("AXILLARY_TAIL", Reason.VIEW_NOT_SCREENING),
    "AxillaryTissue": ("AXILLARY_TISSUE", Reason.VIEW_NOT_SCREENING),
    "Tangential": ("TANGENTIAL", Reason.VIEW_NOT_SCREENING),
    "RolledLateral": ("ROLLED_LATERAL", Reason.VIEW_NOT_SCREENING),
    "RolledMedial": ("ROLLED_MEDIAL", Reason.VIEW_NOT_SCREENING),
    "RolledInferior": ("ROLLED_INFERIOR", Reason.VIEW_NOT_SCREENING),
    "RolledSuperior": ("ROLLED_SUPERIOR", Reason.VIEW_NOT_SCREENING),
    "NippleInProfile": ("NIPPLE_IN_PROFILE", Reason.OK),
    "InfraMammaryFold": ("INFRA_MAMMARY_FOLD", Reason.OK),
    "AnteriorCompression": ("ANTERIOR_COMPRESSION", Reason.OK),
}


def srt_of(sct: str) -> str:
    """SNOMED-RT of a SNOMED CT code, as the standard maps them."""
    return str(_snomed_dict.mapping["SCT"][sct])


def sct_and_srt(context: Any, name: str) -> tuple[str, str]:
    value = str(getattr(context, name).value)
    return value, srt_of(value)


def sequence(*items: Dataset) -> Any:
    return Sequence(list(items))


# --- codes


def test_the_tables_have_every_row_of_the_standard() -> None:
    assert set(VIEWS) == set(codes.cid4014.dir())
    assert set(MODIFIERS) == set(codes.cid4015.dir())
    assert len(VIEW_CODES) == 2 * len(VIEWS)
    assert len(MODIFIER_CODES) == 2 * len(MODIFIERS)


@pytest.mark.parametrize("scheme", ["SCT", "SRT", "SNM3", "SNOMED-RT", "SNM", "SNOMED", "srt "])
@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_read_by_its_code(make: Any, name: str, scheme: str) -> None:
    sct, srt = sct_and_srt(codes.cid4014, name)
    item = make.code(sct if scheme == "SCT" else srt, scheme, "anything")
    image = make.image(ViewCodeSequence=sequence(item), ViewPosition=None)
    if VIEWS[name] == "SPECIMEN":
        assert image.reason is Reason.SPECIMEN
        return
    assert image.facts.view == VIEWS[name]
    screened = VIEWS[name] in ("CC", "MLO")
    assert image.reason is (Reason.OK if screened else Reason.VIEW_NOT_SCREENING)
    extra = image.judged(extra_views=frozenset({Projection(VIEWS[name])}))
    assert extra.reason is (Reason.OK if screened else Reason.OK_EXTRA_VIEW)


@pytest.mark.parametrize("scheme", ["SCT", "SRT", "SNM3"])
@pytest.mark.parametrize("name", MODIFIERS)
def test_a_modifier_is_read_by_its_code(make: Any, name: str, scheme: str) -> None:
    sct, srt = sct_and_srt(codes.cid4015, name)
    modifier, reason = MODIFIERS[name]
    view = make.code("399162004", "SCT")
    view.ViewModifierCodeSequence = sequence(make.code(sct if scheme == "SCT" else srt, scheme))
    image = make.image(ViewCodeSequence=sequence(view))
    assert image.facts.modifiers == (modifier,)
    assert image.reason is reason


def test_two_modifiers_both_count(make: Any) -> None:
    view = make.code("399162004", "SCT")
    view.ViewModifierCodeSequence = sequence(
        make.code("399209000", "SCT"), make.code("R-102D6", "SRT")
    )
    image = make.image(ViewCodeSequence=sequence(view))
    assert image.facts.modifiers == (Modifier.IMPLANT_DISPLACED, Modifier.MAGNIFICATION)
    assert image.judged().reason is Reason.MAGNIFICATION
    assert Flag.W_IMPLANT_DISPLACED in image.flags


def test_modifiers_may_be_absent_empty_or_misplaced(make: Any) -> None:
    absent = sequence(make.code("R-10242", "SRT"))
    assert make.image(ViewCodeSequence=absent).facts.modifiers == ()
    assert make.image().facts.modifiers == ()  # empty
    misplaced = make.image(ViewModifierCodeSequence=sequence(make.code("R-102D7", "SRT")))
    assert misplaced.reason is Reason.SPOT


def test_an_unknown_modifier_is_accepted_and_counted(make: Any) -> None:
    view = make.code("R-10242", "SRT")
    view.ViewModifierCodeSequence = sequence(make.code("X-1", "99VENDOR"))
    judged = make.image(ViewCodeSequence=sequence(view)).judged()
    assert (judged.reason, judged.flags) == (Reason.OK, (Flag.W_UNKNOWN_MODIFIER,))


# --- other sources, conflicts


def test_an_unknown_scheme_leaves_the_view_to_the_text(make: Any) -> None:
    private = sequence(make.code("R-10226", "99SDM"))
    assert make.image(ViewCodeSequence=private, ViewPosition="CC").facts.view == "CC"
    nothing = make.image(ViewCodeSequence=private, ViewPosition=None)
    assert nothing.reason is Reason.VIEW_UNKNOWN


def ge_only(make: Any, creator: str, block: int = 0x10) -> Any:
    ds = make.mammogram(ViewCodeSequence=None, ViewPosition=None, ImageLaterality=None)
    ds.add_new(0x00450000 | block, "LO", creator)
    ds.add_new(0x0045001B | block << 8, "CS", "LMLO")
    return make.with_pixels(ds)


def test_ges_clinical_view_is_read_under_its_creator_only(make: Any) -> None:
    for block in (0x10, 0x11):
        facts = ge_only(make, "GEMS_SENO_02", block).facts
        assert (facts.laterality, facts.view) == ("L", "MLO")
    assert ge_only(make, "SOMEBODY ELSE").reason is Reason.VIEW_UNKNOWN


@pytest.mark.parametrize("keyword", ["ProtocolName", "SeriesDescription"])
def test_a_view_in_free_text_is_the_last_resort(make: Any, keyword: str) -> None:
    changes = {"ViewCodeSequence": None, "ViewPosition": None, "ImageLaterality": None}
    judged = make.image(**changes, **{keyword: "Screening R MLO"}).judged()
    assert (judged.reason, judged.flags) == (Reason.OK, (Flag.W_VIEW_FROM_TEXT,))
    assert Flag.W_VIEW_FROM_TEXT not in make.image(**{keyword: "R MLO"}).flags


def test_the_code_wins_over_the_text_and_the_conflict_shows(make: Any) -> None:
    image = make.image(ViewPosition="MLO")
    judged = image.judged()
    assert image.facts.view == "CC"
    assert judged.reason is Reason.REVIEW_VIEW_CONFLICT
    assert judged.flags == (Flag.W_VIEW_CONFLICT,)
    ml = sequence(make.code("R-10224", "SRT"))
    other = make.image(ViewCodeSequence=ml, ViewPosition="MLO")
    assert other.judged(extra_views=frozenset({Projection.ML})).reason is Reason.OK_EXTRA_VIEW
    assert other.flags == (Flag.W_VIEW_CONFLICT,)


@pytest.mark.parametrize("keyword", ["ProtocolName", "SeriesDescription"])
def test_a_free_text_that_names_another_view_is_a_conflict_too(make: Any, keyword: str) -> None:
    image = make.image(**{keyword: "Screening R MLO"})
    assert image.facts.view == "CC"
    assert image.judged().reason is Reason.REVIEW_VIEW_CONFLICT
    assert make.image(**{keyword: "R CC, R MLO"}).reason is Reason.OK  # it names none


def test_an_item_that_overruns_its_sequence_is_not_read(make: Any) -> None:
    image = make.image(ViewPosition="MLO")
    code = b"\x08\x00\x00\x01SH"
    at = image.prefix.index(code) + len(code)
    data = image.prefix[:at] + b"\x00\x7f" + image.prefix[at + 2 :]
    broken = make.object(data, image.size)
    assert broken.facts.view == "MLO"
    assert Flag.W_VR_INVALID in broken.flags


def test_no_view_anywhere_is_unknown(make: Any) -> None:
    assert make.image(ViewCodeSequence=None, ViewPosition=None).reason is Reason.VIEW_UNKNOWN
    assert make.image(ViewCodeSequence=None, ViewPosition="").reason is Reason.VIEW_UNKNOWN


@pytest.mark.parametrize(
    ("text", "projection", "side", "modifiers"),
    [
        ("CC", "CC", None, set()),
        ("cc", "CC", None, set()),
        ("CC_", "CC", None, set()),
        ("MLO ", "MLO", None, set()),
        ("ML0", "MLO", None, set()),
        ("RML0", "MLO", "R", set()),
        ("RMLO", "MLO", "R", set()),
        ("L-CC", "CC", "L", set()),
        ("LCC", "CC", "L", set()),
        ("LML", "ML", "L", set()),
        ("RLM", "LM", "R", set()),
        ("LM", "LM", None, set()),
        ("ML", "ML", None, set()),
        ("LMO", "LMO", None, set()),
        ("LLMO", "LMO", "L", set()),
        ("LMLO", "MLO", "L", set()),
        ("FB", "FB", None, set()),
        ("XCC", "XCC", None, set()),
        ("RXCCL", "XCCL", "R", set()),
        ("CCID", "CC", None, {"IMPLANT_DISPLACED"}),
        ("MLOID", "MLO", None, {"IMPLANT_DISPLACED"}),
        ("LCCRM", "CC", "L", {"ROLLED_MEDIAL"}),
        ("CC RL", "CC", None, {"ROLLED_LATERAL"}),
        ("RIGHT CC", "CC", "R", set()),
        ("MLO G", "MLO", "L", set()),
        ("MLO D", "MLO", "R", set()),
        ("CC MAG", "CC", None, {"MAGNIFICATION"}),
        ("RCCSPOT", "CC", "R", {"SPOT"}),
        ("AT", None, None, {"AXILLARY_TAIL"}),
        ("LCV", None, "L", {"CLEAVAGE"}),
        ("TAN", None, None, {"TANGENTIAL"}),
        ("FLATFIELD", None, None, set()),
        ("AP", None, None, set()),
        ("", None, None, set()),
    ],
)
def test_a_view_position_says(
    text: str, projection: str | None, side: str | None, modifiers: set[str]
) -> None:
    assert from_position(text) == (projection, side, modifiers)


@pytest.mark.parametrize(
    ("text", "projection", "side"),
    [
        ("R MLO", "MLO", "R"),
        ("LCC", "CC", "L"),
        ("MLO G", "MLO", "L"),
        ("Mammo bilat, LCC 2D", "CC", "L"),
        ("Left breast CC", "CC", "L"),
        ("mammographie MLO droite", "MLO", "R"),
        ("R CC, R MLO", None, "R"),
        ("RCC LCC", "CC", None),
        ("LML lateral", "ML", "L"),
        ("contrast 20 ML", None, None),
        ("ACCESS CCU MLOX", None, None),
        ("MAMMOSCREENING 1E LEZING", None, None),
        ("PUNCTIE BORST LINKS", None, "L"),
        ("", None, None),
    ],
)
def test_a_sentence_says(text: str, projection: str | None, side: str | None) -> None:
    found = from_sentence(text)
    assert (found.projection, found.laterality) == (projection, side)


def test_partial_views_and_implants_are_accepted_with_a_flag(make: Any) -> None:
    judged = make.image(PartialView="YES", BreastImplantPresent="YES").judged()
    assert judged.reason is Reason.OK
    assert set(judged.flags) == {Flag.W_PARTIAL_VIEW, Flag.W_IMPLANT}
    assert make.image(PartialView="NO", BreastImplantPresent="NO").flags == ()
