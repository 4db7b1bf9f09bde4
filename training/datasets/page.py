"""A check's report as one HTML page that needs nothing else: tables, bars and pictures."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

from training.datasets.check import NONE, Report
from training.datasets.gallery import Shown
from training.datasets.record import Record

MOST_PROBLEMS = 200  # rows; all of them are in the JSON
STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --dim: #66717d; --line: #dfe4e9; --bar: #a9c3da;
        --bad: #b3452c; --paper: #fff; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e7eb; --dim: #95a1ad; --line: #333c45;
        --bar: #3f6285; --bad: #ef8f76; --paper: #14181c; --card: #1c2228; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 76rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { margin: 0; font-size: 1.7rem; } h2 { margin: 2.4rem 0 .7rem; font-size: 1.15rem; }
p { margin: .3rem 0; } .dim { color: var(--dim); } code { font-size: .86em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; color: var(--dim); font-size: .85em; }
th, td { padding: .28rem .8rem .28rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.fewer { color: #b07a1e; }
.differs { color: var(--bad); font-weight: 600; }
.figures { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0; }
.figures div { background: var(--card); border-radius: .5rem; padding: .55rem 1rem; }
.figures b { display: block; font-size: 1.45rem; font-weight: 600; }
.groups { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1.6rem; }
.groups h3 { margin: 0 0 .3rem; font-size: .95rem; }
.row { display: grid; grid-template-columns: 8.5rem 1fr 3.4rem; gap: .5rem; align-items: center;
       font-size: .88em; }
.row i { display: block; height: .75rem; background: var(--bar); border-radius: 2px; min-width: 1px; }
.row b { text-align: right; font-weight: 400; font-variant-numeric: tabular-nums; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem; }
figure { margin: 0; background: var(--card); border-radius: .5rem; overflow: hidden; }
figure .frame { background: #000; height: 19rem; display: flex; justify-content: center; }
figure img { height: 100%; width: 100%; object-fit: contain; }
figure p.broken { color: #fff; padding: 1rem; font-size: .85em; }
figcaption { padding: .5rem .7rem .7rem; font-size: .82em; overflow-wrap: anywhere; }
.M { color: #f55a46; } .B { color: #3cae86; } .N { color: var(--dim); }
.key b { margin-right: 1rem; }
"""


def page(report: Report, shown: Sequence[Shown]) -> str:
    """The whole page."""
    collection = report.collection
    parts = [
        f"<h1>{escape(report.reader.title)}</h1>",
        f"<p class=dim>{escape(str(collection.folder))}, {_looked(report)}</p>",
        *(f"<p>{escape(note)}</p>" for note in report.reader.notes),
        _figures(report.counts["all"]),
        *_section("Against published counts", _published(report)),
        *_section("Odd entries", _odd(report)),
        *_section("Entry by entry", _problems(report)),
        *_section("What is in it", _groups(report)),
        *_section("Official split", _official(report)),
        *_section("Pictures", _gallery(shown)),
    ]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        "<meta http-equiv=Content-Security-Policy "
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{escape(report.reader.title)}: data check</title><style>{STYLE}</style>"
        + "\n".join(parts)
        + "</html>\n"
    )


def _section(title: str, body: str) -> list[str]:
    return [f"<h2>{title}</h2>", body] if body else []


def _looked(report: Report) -> str:
    if report.decoded is None:
        return "files looked at by their headers; --pixels reads them whole"
    return f"all pixels read, of {report.decoded} files"


def _figures(counts: dict[str, int]) -> str:
    cells = (f"<div><b>{number}</b>{escape(name)}</div>" for name, number in counts.items())
    return f"<div class=figures>{''.join(cells)}</div>"


def _table(head: Iterable[str], rows: Iterable[Sequence[str]], numbers: frozenset[int]) -> str:
    """Cells are HTML; columns in `numbers` stand at the right."""

    def line(cells: Iterable[str], tag: str) -> str:
        marks = (" class=n" if i in numbers else "" for i in range(99))
        return "".join(
            f"<{tag}{mark}>{cell}</{tag}>" for cell, mark in zip(cells, marks, strict=False)
        )

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f"<div class=wide><table><tr>{line(head, 'th')}</tr>{body}</table></div>" if body else ""


def _published(report: Report) -> str:
    rows = []
    for one in report.published:
        here = str(one.here)
        if one.here != one.published:
            kind = "fewer" if one.here < one.published else "differs"
            here = f"<span class={kind}>{here}</span>"
        rows.append((escape(one.what), here, str(one.published), escape(one.source)))
    return _table(("", "here", "published", "by whom"), rows, frozenset({1, 2}))


def _odd(report: Report) -> str:
    rows = [
        (
            f"<code>{odd.code}</code>",
            str(odd.count),
            escape(odd.code.meaning),
            f"<span class=dim>{escape(', '.join(odd.examples))}</span>",
        )
        for odd in report.odd
    ]
    return _table(("code", "times", "meaning", "for example"), rows, frozenset({1}))


def _problems(report: Report) -> str:
    rows = [
        (f"<code>{one.code}</code>", escape(one.where), escape(one.detail))
        for one in report.problems[:MOST_PROBLEMS]
    ]
    more = len(report.problems) - MOST_PROBLEMS
    rest = f"<p class=dim>and {more} more; --json names all</p>" if more > 0 else ""
    return _table(("code", "where", ""), rows, frozenset()) + rest


def _groups(report: Report) -> str:
    groups = []
    for name, values in report.counts.items():
        if name == "all":
            continue
        most = max(values.values())
        rows = "".join(
            f"<div class=row><span class={'dim' if value == NONE else 'named'}>{escape(value)}</span>"
            f"<i style='width:{100 * number / most:.1f}%'></i><b>{number}</b></div>"
            for value, number in values.items()
        )
        groups.append(f"<div><h3>{escape(name)}</h3>{rows}</div>")
    return f"<div class=groups>{''.join(groups)}</div>"


def _official(report: Report) -> str:
    if report.official is None:
        return ""
    parts = list(report.official.patients.values())
    named = ", ".join(
        f"{parts.count(split)} patients in {split}" for split in dict.fromkeys(sorted(parts))
    )
    dropped = len(report.official.dropped)
    leak = f" {dropped} training images of patients who are in test are dropped." if dropped else ""
    return f"<p>{named}.{leak}</p>"


def _gallery(shown: Sequence[Shown]) -> str:
    figures = []
    for one in shown:
        frame = f"<p class=broken>{escape(one.reason)}</p>"
        if one.jpeg is not None:
            data = base64.b64encode(one.jpeg).decode()
            frame = f"<img alt='{escape(one.record.image)}' src='data:image/jpeg;base64,{data}'>"
        figures.append(
            f"<figure><div class=frame>{frame}</div>"
            f"<figcaption>{_caption(one.record)}</figcaption></figure>"
        )
    if not figures:
        return ""
    key = (
        "<p class='key dim'>Prepared as a model sees them: cut to the breast, chest wall at the left. "
        "Outlines: <b class=M>malignant</b><b class=B>benign</b>amber: not known.</p>"
    )
    return f"{key}<div class=gallery>{''.join(figures)}</div>"


def _caption(record: Record) -> str:
    label = f"<b class={record.label}>{record.label}</b>" if record.label else "no label"
    facts = [
        f"{record.laterality or '?'} {record.view or '?'}, {record.modality}",
        f"{record.size[0]} x {record.size[1]}" if record.size else "",
        f"BI-RADS {record.birads.written}" if record.birads else "",
        f"density {record.density.value}" if record.density else "",
    ]
    codes = " ".join(dict.fromkeys(record.oddities))
    return (
        f"<b>{escape(record.image)}</b> {label}<br>{escape(', '.join(f for f in facts if f))}"
        f"<br><span class=dim>{escape(codes)}</span>"
    )
