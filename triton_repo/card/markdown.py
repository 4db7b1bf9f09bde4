"""The Markdown of a release's `card.md` as HTML: what such cards hold, and no more.

Paragraphs, lists, tables, **bold** and `code`. All text is escaped first.
"""

import re
from collections.abc import Iterator
from html import escape

_BOLD, _CODE = re.compile(r"\*\*(.+?)\*\*"), re.compile(r"`(.+?)`")


def sections(text: str) -> dict[str, str]:
    """The HTML below each heading of the second level, by that heading."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {
        heading.strip(): "".join(_blocks(body))
        for heading, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def _blocks(text: str) -> Iterator[str]:
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        if not lines:
            continue
        if lines[0].startswith("|"):
            yield _table(lines)
        elif lines[0].startswith("- "):
            items = re.split(r"^- ", block, flags=re.MULTILINE)[1:]
            yield f"<ul>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</ul>"
        else:
            yield f"<p>{_inline(block)}</p>"


def _table(lines: list[str]) -> str:
    head, _, *rows = ([cell.strip() for cell in line.strip("| ").split("|")] for line in lines)
    top = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _inline(text: str) -> str:
    plain = escape(" ".join(text.split()))
    return _CODE.sub(r"<code>\1</code>", _BOLD.sub(r"<strong>\1</strong>", plain))
