"""A checker of TID 4000: what a Mammography CAD SR must hold, in which order, and nothing else.

Written from PS3.16 row by row, with codes of its own, so that the builder's tables are checked too.
Rows that nightread never uses are left out: a content item that no row names is a violation, as
the templates are non-extensible.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydicom import Dataset

Condition = Callable[[Dataset, Dataset], bool]  # of the parent and the root

KINDS = ("129793001", "129769006", "129770007", "129792006")  # of CID 6014, those with geometry
VIEWS = (
    *("399162004", "399368009", "399260004", "399352003", "399099002", "399196006"),
    *("399188001", "441555000", "399192008", "399101009"),
)  # CID 4014


def always(_parent: Dataset, _root: Dataset) -> bool:
    return True


def value(content: Dataset) -> str:
    return str(content.ConceptCodeSequence[0].CodeValue)


def name(content: Dataset) -> str | None:
    names = content.get("ConceptNameCodeSequence")
    return str(names[0].CodeValue) if names else None


def parent_is(*codes: str) -> Condition:
    return lambda parent, _root: value(parent) in codes


def parent_is_not(*codes: str) -> Condition:
    return lambda parent, _root: value(parent) not in codes


def has_findings(_parent: Dataset, root: Dataset) -> bool:
    return any(name(one) == "111059" for one in everything(root))


def everything(content: Dataset) -> Iterator[Dataset]:
    for child in content.get("ContentSequence", ()):
        yield child
        yield from everything(child)


@dataclass(frozen=True)
class Row:
    """A row of a template: `needed` and `allowed` say when it must and may be there."""

    relation: str
    kind: str  # value type; empty: by reference
    concept: str | None = None
    most: int | None = 1  # None: n
    values: tuple[str, ...] = ()  # of a code; empty: any
    unit: str | None = None
    shape: str | None = None  # of spatial coordinates
    needed: Condition | None = always  # None: by the user's choice
    allowed: Condition = always
    below: tuple["Row", ...] = ()


def algorithm(relation: str = "HAS PROPERTIES") -> tuple[Row, ...]:  # TID 4019
    return Row(relation, "TEXT", "111001"), Row(relation, "TEXT", "111003")


def entry() -> Row:  # TID 4020
    acquired = "HAS ACQ CONTEXT"
    optional = [
        Row(acquired, "CODE", "111027", values=("80248007", "73056007"), needed=None),
        Row(
            acquired,
            "CODE",
            "111031",
            values=VIEWS,
            needed=None,
            below=(Row("HAS CONCEPT MOD", "CODE", "111032", most=None, needed=None),),
        ),
        *(Row(acquired, "TEXT", code, needed=None) for code in ("111044", "111043")),
        Row(acquired, "DATE", "111060", needed=None),
        Row(acquired, "TIME", "111061", needed=None),
        Row(acquired, "DATE", "111018", needed=None),
        Row(acquired, "TIME", "111019", needed=None),
        *(Row(acquired, "NUM", code, unit="um", needed=None) for code in ("111026", "111066")),
    ]
    return Row("CONTAINS", "IMAGE", most=None, below=tuple(optional))


def place(concept: str, shape: str, *, needed: bool) -> Row:  # TID 4021
    image = Row("SELECTED FROM", "")
    return Row(
        "HAS PROPERTIES",
        "SCOORD",
        concept,
        shape=shape,
        needed=always if needed else None,
        below=(image,),
    )


INTENT = Row("HAS CONCEPT MOD", "CODE", "111056", values=("111150", "111151", "111152"))
FINDING = Row(  # TID 4006
    "CONTAINS",
    "CODE",
    "111059",
    most=None,
    values=KINDS,
    below=(
        INTENT,
        *algorithm(),
        Row("HAS PROPERTIES", "NUM", "111012", unit="%", needed=None),
        Row("HAS PROPERTIES", "NUM", "111047", unit="%", needed=None),
        place("111010", "POINT", needed=True),
        place("111041", "POLYLINE", needed=False),
    ),
)
INDIVIDUAL = Row(  # TID 4003, with TID 4002
    "INFERRED FROM",
    "CONTAINER",
    "111034",
    most=None,
    needed=has_findings,
    allowed=has_findings,
    below=(INTENT, Row("CONTAINS", "TEXT", "111033", needed=None), *algorithm("CONTAINS"), FINDING),
)
OVERALL = Row(  # TID 4001, with TID 4002
    "CONTAINS",
    "CODE",
    "111017",
    values=("111241", "111242", "111243", "111244", "111245"),
    below=(Row("HAS PROPERTIES", "TEXT", "111033"), *algorithm(), INDIVIDUAL),
)


def summary(
    concept: str, good: str, bad: str, performed: str, values: tuple[str, ...]
) -> Row:  # TID 4015 to 4018
    one = Row(
        "CONTAINS",
        "CODE",
        performed,
        most=None,
        values=values,
        below=(*algorithm(), Row("HAS PROPERTIES", "", most=None)),
    )
    ran, failed = parent_is("111222", "111223"), parent_is("111224", "111223")
    return Row(
        "CONTAINS",
        "CODE",
        concept,
        values=("111222", "111223", "111224", "111225"),
        below=(
            Row("INFERRED FROM", "CONTAINER", good, needed=ran, allowed=ran, below=(one,)),
            Row("INFERRED FROM", "CONTAINER", bad, needed=failed, allowed=failed, below=(one,)),
        ),
    )


ROOT = (
    Row("HAS CONCEPT MOD", "CODE", "121049", values=("en",)),  # TID 1204
    Row("CONTAINS", "CONTAINER", "111028", below=(entry(),)),
    OVERALL,
    summary("111064", "111063", "111025", "111022", KINDS),
    summary("111065", "111062", "111024", "111004", ("111233", "111234")),
)


def violations(report: Dataset) -> list[str]:
    """Where the report is not as the template says, in words; empty: it is."""
    found = list(_root(report))
    if not found:
        found += _walk(report, ROOT, report, "1")
    if not found:
        found += _agreement(report)
        found += _evidence(report)
    return found


def _root(report: Dataset) -> Iterator[str]:
    if report.ValueType != "CONTAINER" or name(report) != "111036":
        yield "the root is no Mammography CAD Report"
    template = report.ContentTemplateSequence[0]
    if (template.MappingResource, template.TemplateIdentifier) != ("DCMR", "4000"):
        yield "the root names another template"


def _walk(parent: Dataset, rows: tuple[Row, ...], root: Dataset, path: str) -> Iterator[str]:
    children = list(parent.get("ContentSequence", ()))
    at = 0
    for row in rows:
        held = 0
        while at < len(children) and _fits(children[at], row) and (not row.most or held < row.most):
            where = f"{path}.{at + 1}"
            yield from _right(children[at], row, root, where)
            yield from _walk(children[at], row.below, root, where)
            at, held = at + 1, held + 1
        if held and not row.allowed(parent, root):
            yield f"{path}: {row.concept} may not be here"
        if not held and row.needed is not None and row.needed(parent, root):
            yield f"{path}: {row.relation} {row.kind} {row.concept} is missing"
    if at < len(children):
        yield f"{path}.{at + 1}: no row has this here ({name(children[at])})"


def _fits(content: Dataset, row: Row) -> bool:
    if content.RelationshipType != row.relation:
        return False
    if not row.kind:
        return "ReferencedContentItemIdentifier" in content
    return bool(content.get("ValueType") == row.kind) and name(content) == row.concept


def _right(content: Dataset, row: Row, root: Dataset, where: str) -> Iterator[str]:
    if row.values and value(content) not in row.values:
        yield f"{where}: the code {value(content)} is not of the row's set"
    if row.unit:
        measured = content.MeasuredValueSequence[0]
        if measured.MeasurementUnitsCodeSequence[0].CodeValue != row.unit:
            yield f"{where}: another unit than {row.unit}"
        if row.unit == "%" and not 0 <= measured.NumericValue <= 100:
            yield f"{where}: {measured.NumericValue} is no percentage"
    if row.kind == "TEXT" and not str(content.TextValue).strip():
        yield f"{where}: an empty text"
    if row.shape:
        yield from _points(content, row.shape, where)
    if not row.kind:
        target = resolved(root, content)
        if target is None or target.get("ValueType") != "IMAGE":
            yield f"{where}: refers to no image of the library"


def _points(content: Dataset, shape: str, where: str) -> Iterator[str]:
    points = list(content.GraphicData)
    if content.GraphicType != shape:
        yield f"{where}: {content.GraphicType} where {shape} belongs"
    if shape == "POINT" and len(points) != 2:
        yield f"{where}: a point has two coordinates"
    if shape == "POLYLINE" and points[:2] != points[-2:]:
        yield f"{where}: the outline is not closed"
    if min(points) < 0:
        yield f"{where}: outside of the image"


def resolved(root: Dataset, content: Dataset) -> Dataset | None:
    """The content item that another one refers to by its path from the root."""
    path = content.ReferencedContentItemIdentifier
    first, *rest = [path] if isinstance(path, int) else list(path)
    found = root
    if first != 1:
        return None
    for nth in rest:
        children = found.get("ContentSequence", ())
        if not 1 <= nth <= len(children):
            return None
        found = children[nth - 1]
    return found


def _agreement(report: Dataset) -> Iterator[str]:
    """What the three summaries say of one another."""
    _, _, overall, detections, analyses = report.ContentSequence
    statuses = {value(detections), value(analyses)}
    without, with_findings = {"111241", "111243", "111245"}, {"111242", "111244"}
    said = value(overall)
    if said not in (with_findings if has_findings(report, report) else without):
        yield "the summary and the findings disagree"
    complete = statuses <= {"111222", "111225"}
    if complete != (said in ("111241", "111242")):
        yield "the summary and the lists of what failed disagree"
    if (said == "111245") != (statuses <= {"111224", "111225"} and not complete):
        yield "`No algorithms succeeded` where one did, or the other way round"


def _evidence(report: Dataset) -> Iterator[str]:
    """Each instance that is referred to stands in the evidence, once, and no other."""
    wanted = [
        str(one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for one in everything(report)
        if one.get("ValueType") == "IMAGE"
    ]
    listed = [
        str(instance.ReferencedSOPInstanceUID)
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    ]
    if sorted(wanted) != sorted(listed):
        yield "the evidence is not what the library refers to"
