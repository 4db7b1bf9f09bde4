"""`nightread`: each command lives in a module of its own and is loaded when it is called."""

import os
import sys
import traceback
from typing import NoReturn

import typer

from nightread.cli import (
    audit,
    canary,
    data,
    db,
    demo,
    erase,
    evaluate,
    export,
    index,
    inspect,
    models,
    outcomes,
    phantoms,
    prepare,
    retention,
    screen,
    serve,
    stack,
    status,
    tokens,
    worklist,
)
from nightread.errors import NightreadError

app = typer.Typer(
    name="nightread",
    help="Screens mammogram archives overnight and keeps a ranked worklist in Postgres.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # local variables may hold PHI
    rich_markup_mode=None,
)
app.command("demo")(demo.command)
app.add_typer(stack.app, name="stack")
app.command("phantoms")(phantoms.command)
app.command("inspect")(inspect.command)
app.command("prepare")(prepare.command)
app.command("screen")(screen.command)
app.command("worklist")(worklist.command)
app.command("status")(status.command)
app.command("index")(index.command)
app.command("canary")(canary.command)
app.command("serve")(serve.command)
app.command("export")(export.command)
app.command("erase")(erase.command)
app.command("evaluate")(evaluate.command)
app.add_typer(models.app, name="models")
app.add_typer(db.app, name="db")
app.add_typer(data.app, name="data")
app.add_typer(audit.app, name="audit")
app.add_typer(tokens.app, name="tokens")
app.add_typer(outcomes.app, name="outcomes")
app.add_typer(retention.app, name="retention")


def main() -> NoReturn:
    """The console script: an error of ours is one line on standard error and its exit code."""
    try:
        code = app(standalone_mode=False)
    except NightreadError as error:
        print(f"nightread: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except BrokenPipeError:  # who reads us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 -- the last one: nothing may show a data value
        # click's own usage errors (a wrong option) print themselves and carry their exit code.
        show = getattr(error, "show", None)
        if show is None:
            # A fault of ours. No message: it could quote what a file or a row holds.
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} in {last.filename}:{last.lineno}"
            print(f"nightread: internal error, please report it: {place}", file=sys.stderr)  # noqa: T201
            sys.exit(1)
        show()
        sys.exit(getattr(error, "exit_code", 2))
    sys.exit(code if isinstance(code, int) else 0)
