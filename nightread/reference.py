"""Writes what is said of the code from the code itself.

`python -m nightread.reference` rewrites docs/cli.md (every command's help and JSON shape),
ARCHITECTURE.md's table of modules and docs/web.md's table of routes; a test compares them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from typer.main import get_command

from nightread import errors, shapes
from nightread.cli.app import app
from nightread.cli.screen import TRY_AGAIN
from nightread.settings import Settings
from nightread.web.access_table import rows
from nightread.web.app import create_app

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "cli.md"
MAP = ROOT / "ARCHITECTURE.md"
WEB = ROOT / "docs" / "web.md"
ROUTES, END_OF_ROUTES = "<!-- routes:", "<!-- end of routes -->"
ROOMS = ("mammo", "triton_repo", "db", "ray_jobs", "training", "nightread", "benchmarks")
BEGIN, END = "<!-- modules:", "<!-- end of modules -->"
DOCUMENTS: dict[str, tuple[type[BaseModel], str]] = {
    "data check": (shapes.DataCheckDocument, "one document"),
    "demo": (shapes.DemoDocument, "one document"),
    "erase": (shapes.EraseDocument, "one document"),
    "evaluate": (shapes.EvaluateDocument, "one document"),
    "export": (shapes.ExportDocument, "one document"),
    "index": (shapes.RejudgeDocument, "one document"),
    "inspect": (shapes.InspectLine, "one document a line"),
    "models list": (shapes.ListDocument, "one document"),
    "models promote": (shapes.PromoteDocument, "one document"),
    "models show": (shapes.ShowDocument, "one document"),
    "models verify": (shapes.VerifyDocument, "one document"),
    "outcomes import": (shapes.OutcomesDocument, "one document"),
    "prepare": (shapes.PrepareDocument, "one document"),
    "retention run": (shapes.RetentionDocument, "one document"),
    "screen": (shapes.ScreenDocument, "one document"),
    "stack status": (shapes.ServiceStatus, "a list"),
    "status": (shapes.StatusDocument, "one document; with --watch one a line"),
    "tokens issue": (shapes.IssuedToken, "one document"),
    "tokens list": (shapes.TokenShape, "a list"),
    "worklist": (shapes.WorklistDocument, "one document"),
}
EXIT_CODES = (
    (0, "done; exclusions and quarantined files are results, not failures"),
    (errors.UsageError.exit_code, "wrong usage or configuration"),
    (errors.ServiceError.exit_code, "a service could not be reached or refused us; run again"),
    (TRY_AGAIN, "finished, but something could not be had this time and will be tried again"),
    (errors.Refused.exit_code, "a release, file or input that must not be trusted"),
    (errors.LockedError.exit_code, "another run holds this prefix and release"),
    (errors.Interrupted.exit_code, "interrupted: what is done stands, the next run goes on"),
)


def page() -> str:
    """The whole page, Markdown."""
    lines = [
        "# The command line",
        "",
        "Made from the code by `python -m nightread.reference`. Settings: README.",
        "",
        "| exit code | meaning |",
        "| --- | --- |",
        *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES),
        "",
    ]
    root = get_command(app)
    for name, command in _commands(root, ""):
        lines += [f"## nightread {name}", "", *_describe(command), ""]
        if name in DOCUMENTS:
            model, how = DOCUMENTS[name]
            lines += [f"`--json` prints {how}:", "", "```", *_shape(model), "```", ""]
        if name == "evaluate":
            shape = _shape(shapes.EvaluateWorklistDocument)
            lines += ["With `--from-worklist`:", "", "```", *shape, "```", ""]
    return "\n".join(lines)


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from _commands(child, f"{path} {name}".strip())
    else:
        yield path, command


def _describe(command: Any) -> list[str]:
    text = (command.help or "").replace("\n\n    ", "\n\n").strip()
    rows = [
        f"| `{_names(parameter)}` | {_help(parameter)} | {_default(parameter)} |"
        for parameter in command.params
        if parameter.name != "help"
    ]
    table = ["", "| | | default |", "| --- | --- | --- |", *rows] if rows else []
    return [text, *table]


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"[{parameter.name.upper()}]" if not parameter.required else parameter.name.upper()
    return ", ".join(parameter.opts)


def _help(parameter: Any) -> str:
    return str(getattr(parameter, "help", None) or "").replace("|", "\\|")


def _default(parameter: Any) -> str:
    value = parameter.default
    return "" if value is None or value is False or callable(value) else f"`{value}`"


def _shape(model: type[BaseModel], indent: str = "") -> list[str]:
    """Field names, nested ones indented, with their types."""
    lines = []
    for name, field in model.model_fields.items():
        nested = list(_models(field.annotation))
        kind = str(field.annotation) if not nested else ""
        label = kind.removeprefix("<class '").removesuffix("'>").replace("typing.", "")
        marks = "[]" if nested and "list[" in str(field.annotation) else ""
        lines.append(f"{indent}{name}{marks}{': ' + label if label else ''}")
        for inner in nested[:1]:
            lines += _shape(inner, indent + "  ")
    return lines


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)


def architecture() -> str:
    """ARCHITECTURE.md with a line for each module, its docstring's first sentence."""
    text = MAP.read_text()
    head, _, rest = text.partition(BEGIN)
    opening, _, _ = rest.partition("\n")
    tail = text.partition(END)[2]
    return f"{head}{BEGIN}{opening}\n{_modules()}\n{END}{tail}"


def _modules() -> str:
    lines = []
    for room in ROOMS:
        lines += ["", f"### {room}/", "", "| module | |", "| --- | --- |"]
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT / room)
            if path.name == "__init__.py" or {"releases", "versions"} & set(name.parts):
                continue
            said = ast.get_docstring(ast.parse(path.read_text())) or ""
            first = " ".join(said.split("\n\n")[0].split()).replace("|", "\\|")
            lines.append(f"| `{name}` | {first} |")
    return "\n".join(lines)


def web() -> str:
    """docs/web.md with a line for each route: for whom it is."""
    # None of these is asked: making the application connects to nothing.
    settings = Settings.model_construct(
        web_database_url="postgresql+psycopg2://server@db.example/nightread",
        web_public_url="https://worklist.example",
        oidc_issuer="https://login.example",
        oidc_client_id="nightread",
    )
    lines = ["", "| route | for |", "| --- | --- |"]
    lines += [f"| `{row.method} {row.path}` | {row.who} |" for row in rows(create_app(settings))]
    head, _, rest = WEB.read_text().partition(ROUTES)
    opening, _, _ = rest.partition("\n")
    tail = rest.partition(END_OF_ROUTES)[2]
    table = "\n".join(lines)
    return f"{head}{ROUTES}{opening}\n{table}\n\n{END_OF_ROUTES}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page())
    MAP.write_text(architecture())
    WEB.write_text(web())
