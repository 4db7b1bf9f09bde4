"""Pieces of the card's HTML: sections, charts with their tables, figures with their intervals."""

from collections.abc import Iterable, Sequence
from html import escape

from triton_repo.card.charts import Figure


def section(heading: str, text: str) -> str:
    return f"<section><h2>{escape(heading)}</h2>{text}</section>" if text else ""


def chart(drawn: str, title: str, said: str, table: str) -> str:
    """A chart with its table beside it: what the one shows, the other says."""
    caption = f"<figcaption><b>{escape(title)}</b> {escape(said)}</figcaption>"
    return f'<div class="pair"><figure>{drawn}{caption}</figure><div>{table}</div></div>'


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already; a heading that begins with # is over numbers."""
    kinds = [' class="number"' if name.startswith("#") else "" for name in head]
    top = "".join(
        f'<th scope="col"{kind}>{escape(name.removeprefix("#"))}</th>'
        for name, kind in zip(head, kinds, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{cell}</th>' if not column else f"<td{kinds[column]}>{cell}</td>"
            for column, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def told(one: Figure) -> str:
    return f"<b>{one.value:.2f}</b> {interval(one)}"


def interval(one: Figure) -> str:
    """None where all draws agree, which says little."""
    if one.low == one.high:
        return ""
    return f'<span class="ci">{one.low:.2f}–{one.high:.2f}</span>'
