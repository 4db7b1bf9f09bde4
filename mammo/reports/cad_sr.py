"""A study's result as Mammography CAD SR (PS3.16 TID 4000 and the templates that it includes).

The template lets nothing in that it does not name, and its order is significant. Items refer to
the images of the library by their path from the root, counted from 1 (PS3.3 C.17.3.2.5).
"""

from collections.abc import Iterable, Sequence

from pydicom import Dataset

from mammo.reports import concepts as c
from mammo.reports.concepts import Concept
from mammo.reports.contents import PRODUCT, Image, Mark, Report
from mammo.reports.modules import begun, by_series, coded, item, local, reference, sealed, sequence

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.88.50"
SERIES_NUMBER = 9401
IN_LIBRARY = (1, 2)  # the root's second child
MAX_TEXT = 4000  # of UT's 2^32: what a person reads


def cad_sr(report: Report) -> Dataset:
    """The report as an object, named by its content. It needs an image or a failure."""
    library = (*report.images, *(failure.image for failure in report.failures))
    if not library:
        raise ValueError("a CAD report refers to one image at least")
    made = begun(report, "CAD SR", SOP_CLASS, "SR", SERIES_NUMBER)
    made.ContentDate, made.ContentTime = local(report)
    made.ReferencedPerformedProcedureStepSequence = sequence([])
    made.PerformedProcedureCodeSequence = sequence([])
    made.CompletionFlag, made.VerificationFlag = "COMPLETE", "UNVERIFIED"
    made.CurrentRequestedProcedureEvidenceSequence = sequence(
        [
            item(
                StudyInstanceUID=report.study.uid,
                ReferencedSeriesSequence=by_series(library, "ReferencedSOPSequence"),
            )
        ]
    )
    made.ValueType = "CONTAINER"
    made.ConceptNameCodeSequence = sequence([coded(c.REPORT)])
    made.ContinuityOfContent = "SEPARATE"
    made.ContentTemplateSequence = sequence(
        [item(MappingResource="DCMR", TemplateIdentifier="4000")]
    )
    made.ContentSequence = sequence(
        [
            _code("HAS CONCEPT MOD", c.LANGUAGE, c.ENGLISH),
            _container("CONTAINS", c.LIBRARY, map(_entry, library)),
            _overall(report, library),
            _detections(report, library),
            _analyses(report, library),
        ]
    )
    return sealed(made)


def _overall(report: Report, library: Sequence[Image]) -> Dataset:
    """TID 4001: what became of the study, in a code and in words, and what it was inferred from."""
    found = bool(report.marks)
    if not report.failures:
        said = c.ALL_WITH if found else c.ALL_WITHOUT
    elif report.images:
        said = c.SOME_WITH if found else c.SOME_WITHOUT
    else:
        said = c.NONE_WITHOUT
    words = " ".join(report.remarks())[:MAX_TEXT]
    children = [_text("HAS PROPERTIES", c.IMPRESSION, words), *_algorithm(report)]
    children += [_individual(report, mark, library) for mark in report.marks]
    return _code("CONTAINS", c.SUMMARY, said, children)


def _individual(report: Report, mark: Mark, library: Sequence[Image]) -> Dataset:
    """TID 4003: one place to look at."""
    image = _position(mark, library)
    where = library[image[-1] - 1].name
    words = f"{mark.kind.capitalize()}, {where}, {mark.location}: score {mark.score} of 10."
    return _container(
        "INFERRED FROM",
        c.INDIVIDUAL,
        [
            _code("HAS CONCEPT MOD", c.RENDERING, c.REQUIRED),
            _text("CONTAINS", c.IMPRESSION, words),
            *_algorithm(report, "CONTAINS"),
            _finding(report, mark, image),
        ],
    )


def _finding(report: Report, mark: Mark, image: tuple[int, ...]) -> Dataset:
    """TID 4006 with the geometry of TID 4021.

    Both conventions begin at the outer corner of the top left pixel (PS3.3 C.18.6.1): no shift.
    """
    x0, y0, x1, y1 = mark.box
    corners = [x0, y0, x1, y0, x1, y1, x0, y1, x0, y0]
    return _code(
        "CONTAINS",
        c.FINDING,
        c.KINDS[mark.kind],
        [
            _code("HAS CONCEPT MOD", c.RENDERING, c.REQUIRED),
            *_algorithm(report),
            _number("HAS PROPERTIES", c.PROBABILITY, 100 * mark.probability, c.PERCENT),
            _place(c.CENTER, "POINT", [(x0 + x1) / 2, (y0 + y1) / 2], image),
            _place(c.OUTLINE, "POLYLINE", corners, image),
        ],
    )


def _detections(report: Report, library: Sequence[Image]) -> Dataset:
    """TID 4015: which detections ran on which images, and on which they failed."""
    return _summary(
        report,
        library,
        (c.DETECTIONS, c.GOOD_DETECTIONS, c.BAD_DETECTIONS),
        c.DETECTION,
        c.KINDS.values(),
    )


def _analyses(report: Report, library: Sequence[Image]) -> Dataset:
    """TID 4016: scoring the findings and the study."""
    return _summary(
        report,
        library,
        (c.ANALYSES, c.GOOD_ANALYSES, c.BAD_ANALYSES),
        c.ANALYSIS,
        (c.INDIVIDUAL_ANALYSIS, c.OVERALL_ANALYSIS),
    )


def _summary(
    report: Report,
    library: Sequence[Image],
    names: tuple[Concept, Concept, Concept],
    performed: Concept,
    what: Iterable[Concept],
) -> Dataset:
    summary, good, bad = names
    paths = [(*IN_LIBRARY, nth) for nth in range(1, len(library) + 1)]
    ran, failed = paths[: len(report.images)], paths[len(report.images) :]
    status = c.SUCCEEDED if not failed else c.PARTIALLY if ran else c.FAILED
    named = tuple(what)
    lists = [
        _container(
            "INFERRED FROM",
            name,
            [_performed(report, performed, one, images) for one in named],
        )
        for name, images in ((good, ran), (bad, failed))
        if images
    ]
    return _code("CONTAINS", summary, status, lists)


def _performed(
    report: Report, performed: Concept, what: Concept, images: Iterable[tuple[int, ...]]
) -> Dataset:
    """TID 4017 and 4018."""
    children = [*_algorithm(report), *(_by_reference("HAS PROPERTIES", path) for path in images)]
    return _code("CONTAINS", performed, what, children)


def _algorithm(report: Report, relation: str = "HAS PROPERTIES") -> list[Dataset]:
    """TID 4019."""
    return [
        _text(relation, c.ALGORITHM_NAME, PRODUCT),
        _text(relation, c.ALGORITHM_VERSION, report.algorithm.version),
    ]


def _entry(image: Image) -> Dataset:
    """TID 4020: an image of the library, with what its header says of the view."""
    entry = _content("CONTAINS", "IMAGE")
    entry.ReferencedSOPSequence = sequence([reference(image)])
    relation = "HAS ACQ CONTEXT"
    said = []
    if image.laterality:
        said.append(_code(relation, c.LATERALITY, c.SIDES[image.laterality]))
    if image.view in c.VIEWS:
        modifiers = [
            _code("HAS CONCEPT MOD", c.VIEW_MODIFIER, c.MODIFIERS[modifier])
            for modifier in image.modifiers
        ]
        said.append(_code(relation, c.VIEW, c.VIEWS[image.view], modifiers))
    if image.orientation:
        row, column = image.orientation
        said += [_text(relation, c.ALONG_ROW, row), _text(relation, c.ALONG_COLUMN, column)]
    for name, kind, value in (
        (c.STUDY_DATE, "DATE", image.study_date),
        (c.STUDY_TIME, "TIME", image.study_time),
        (c.CONTENT_DATE, "DATE", image.content_date),
        (c.CONTENT_TIME, "TIME", image.content_time),
    ):
        if value:
            stated = _content(relation, kind, name)
            setattr(stated, kind.capitalize(), value)
            said.append(stated)
    if image.spacing:
        row_spacing, column_spacing = image.spacing
        said += [
            _number(relation, c.HORIZONTAL_SPACING, 1000 * column_spacing, c.MICROMETER),
            _number(relation, c.VERTICAL_SPACING, 1000 * row_spacing, c.MICROMETER),
        ]
    return _with(entry, said)


def _position(mark: Mark, library: Sequence[Image]) -> tuple[int, ...]:
    """The path of the image that a finding lies in."""
    uids = [image.sop_instance_uid for image in library]
    return (*IN_LIBRARY, uids.index(mark.sop_instance_uid) + 1)


def _content(relation: str, kind: str, name: Concept | None = None) -> Dataset:
    made = item(RelationshipType=relation, ValueType=kind)
    if name is not None:
        made.ConceptNameCodeSequence = sequence([coded(name)])
    return made


def _with(made: Dataset, children: Iterable[Dataset]) -> Dataset:
    if held := list(children):
        made.ContentSequence = sequence(held)
    return made


def _container(relation: str, name: Concept, children: Iterable[Dataset]) -> Dataset:
    made = _content(relation, "CONTAINER", name)
    made.ContinuityOfContent = "SEPARATE"
    return _with(made, children)


def _code(
    relation: str, name: Concept, value: Concept, children: Iterable[Dataset] = ()
) -> Dataset:
    made = _content(relation, "CODE", name)
    made.ConceptCodeSequence = sequence([coded(value)])
    return _with(made, children)


def _text(relation: str, name: Concept, value: str) -> Dataset:
    made = _content(relation, "TEXT", name)
    made.TextValue = value
    return made


def _number(relation: str, name: Concept, value: float, unit: Concept) -> Dataset:
    made = _content(relation, "NUM", name)
    made.MeasuredValueSequence = sequence(
        [
            item(
                NumericValue=f"{value:.3f}".rstrip("0").rstrip("."),
                MeasurementUnitsCodeSequence=sequence([coded(unit)]),
            )
        ]
    )
    return made


def _place(name: Concept, shape: str, points: list[float], image: tuple[int, ...]) -> Dataset:
    made = _content("HAS PROPERTIES", "SCOORD", name)
    made.GraphicType, made.GraphicData = shape, points
    return _with(made, [_by_reference("SELECTED FROM", image)])


def _by_reference(relation: str, path: tuple[int, ...]) -> Dataset:
    return item(RelationshipType=relation, ReferencedContentItemIdentifier=list(path))
