"""docs/verdicts.md is what the code does."""

import re
from pathlib import Path

from mammo.codes import Flag, Reason
from mammo.verdict import ACCEPTED, RULES

ROOT = Path(__file__).parents[3]


def rows(heading: str) -> dict[str, list[str]]:
    """The table under a heading: cells by code."""
    page = (ROOT / "docs/verdicts.md").read_text()
    part = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = re.findall(r"^\| ([A-Z0-9_]+) \| (.*) \|$", part, re.MULTILINE)
    assert len(table) == len({code for code, _ in table})
    return {code: cells.split(" | ") for code, cells in table}


def test_every_reason_stands_in_the_page_with_its_verdict_and_meaning() -> None:
    said = {code: cells[:2] for code, cells in rows("Reasons").items()}
    assert said == {reason.name: [reason.verdict.value, reason.line] for reason in Reason}


def test_every_flag_stands_in_the_page() -> None:
    assert rows("Flags") == {flag.name: [flag.line] for flag in Flag}


def test_the_page_says_which_reasons_the_headers_rules_give() -> None:
    said = {code for code, cells in rows("Reasons").items() if "mammo/verdict.py" in cells[2]}
    assert said == {rule.reason.name for rule in RULES} | {reason.name for reason, _ in ACCEPTED}


def test_the_modules_that_the_page_names_give_the_reason() -> None:
    for code, cells in rows("Reasons").items():
        for name in re.findall(r"`(mammo/(?!verdict)\w+\.py)`", cells[2]):
            if name == "mammo/decode.py":  # together with what it is made of
                texts = [path.read_text() for path in (ROOT / "mammo").glob("*.py")]
                assert any("PixelError" in text and f"Reason.{code}" in text for text in texts), (
                    code
                )
            else:
                assert f"Reason.{code}" in (ROOT / name).read_text(), (code, name)
