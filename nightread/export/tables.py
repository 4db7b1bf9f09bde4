"""Results as tables for analysts: pseudonyms alone, and dates to the month.

Two tables, since a study has any number of findings. Each row says which release, and that it is
for research.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from db.exports import ExportedStudy
from mammo.reports.contents import NOTICE
from nightread.errors import UsageError
from nightread.export.kinds import Kind
from nightread.export.objects import Exported

Row = dict[str, str | int | float | datetime | None]

STUDIES: dict[str, type] = {
    "study": str,
    "patient": str,
    "site": str,
    "study_month": str,  # YYYY-MM
    "level": str,
    "score": int,
    "probability": float,
    "reason": str,
    "left_score": int,
    "left_probability": float,
    "right_score": int,
    "right_probability": float,
    "findings": int,
    "analysed": int,
    "failed": int,
    "missing_views": str,
    "warnings": str,
    "release": str,
    "release_digest": str,
    "code_version": str,
    "created_at": datetime,
    "notice": str,
}
FINDINGS: dict[str, type] = {
    "study": str,
    "finding": int,  # from 1, the most suspicious first
    "image": int,  # of the study's analysed ones, from 1
    "laterality": str,
    "view": str,
    "rows": int,
    "columns": int,
    "x0": float,  # native pixels, x1 and y1 exclusive
    "y0": float,
    "x1": float,
    "y1": float,
    "kind": str,
    "probability": float,
    "score": int,
    "location": str,
    "release": str,
    "release_digest": str,
    "notice": str,
}
# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def tables(kind: Kind, studies: Iterable[ExportedStudy]) -> Iterator[Exported]:
    """`studies` and `findings`."""
    known = list(studies)
    for name, columns, rows in (
        ("studies", STUDIES, [_study(study) for study in known]),
        ("findings", FINDINGS, [row for study in known for row in _findings(study)]),
    ):
        data = _csv(columns, rows) if kind is Kind.CSV else _parquet(columns, rows)
        yield Exported(f"{name}.{kind}", data)


def _study(study: ExportedStudy) -> Row:
    left, right = study.breasts.get("L"), study.breasts.get("R")
    return {
        "study": study.pseudonym,
        "patient": study.patient_pseudonym,
        "site": study.site,
        "study_month": study.study_date.strftime("%Y-%m") if study.study_date else None,
        "level": str(study.level),
        "score": study.score,
        "probability": study.probability,
        "reason": study.reason and str(study.reason),
        "left_score": left.score if left else None,
        "left_probability": left.probability if left else None,
        "right_score": right.score if right else None,
        "right_probability": right.probability if right else None,
        "findings": len(study.findings),
        "analysed": len(study.used),
        "failed": len(study.failed),
        "missing_views": " ".join(study.missing_views),
        "warnings": " ".join(study.warnings),
        **_source(study),
        "code_version": study.code_version,
        "created_at": study.created_at,
    }


def _findings(study: ExportedStudy) -> Iterator[Row]:
    facts = {used.sop_instance_uid: used.facts for used in study.used}
    order = {uid: nth for nth, uid in enumerate(facts, 1)}
    for nth, finding in enumerate(study.findings, 1):
        image = facts.get(finding.sop_instance_uid)
        yield {
            "study": study.pseudonym,
            "finding": nth,
            "image": order.get(finding.sop_instance_uid),
            "laterality": finding.laterality,
            "view": finding.view,
            "rows": image.rows if image else None,
            "columns": image.columns if image else None,
            **dict(zip(("x0", "y0", "x1", "y1"), finding.box, strict=True)),
            "kind": finding.kind,
            "probability": finding.probability,
            "score": finding.score,
            "location": finding.location,
            **_source(study),
        }


def _source(study: ExportedStudy) -> Row:
    return {"release": study.release_name, "release_digest": study.release, "notice": NOTICE}


def _csv(columns: dict[str, type], rows: list[Row]) -> bytes:
    """UTF-8 with a header line and CRLF (RFC 4180)."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(columns))
    writer.writeheader()
    writer.writerows({name: _cell(row[name]) for name in columns} for row in rows)
    return out.getvalue().encode()


def _cell(value: str | float | datetime | None) -> str | int | float | None:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA):
        return f"'{value}"
    return value


def _parquet(columns: dict[str, type], rows: list[Row]) -> bytes:
    try:
        import pyarrow as pa  # noqa: PLC0415 -- an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise UsageError(
            "--as parquet needs pyarrow: run `pip install 'nightread[export]'`."
        ) from None
    types: dict[type, Any] = {
        str: pa.string(),
        int: pa.int64(),
        float: pa.float64(),
        datetime: pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema(
        [(name, types[kind]) for name, kind in columns.items()], metadata={"notice": NOTICE}
    )
    out = pa.BufferOutputStream()
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), out)
    return bytes(out.getvalue())
