"""Pages from templates: values are escaped, and every page says what nightread is not."""

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from mammo.reports.contents import NOTICE
from nightread.web.principal import Principal

STATIC_FOLDER = Path(__file__).parent / "static"
ENVIRONMENT = Environment(
    loader=PackageLoader("nightread.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.globals["notice"] = NOTICE


def page(
    request: Request,
    template: str,
    values: dict[str, Any],
    principal: Principal | None = None,
    status: int = 200,
) -> HTMLResponse:
    """A page. Templates see `values`, `principal` (None: nobody is signed in) and `path`.

    A form that changes something holds
    `<input type="hidden" name="csrf_token" value="{{ principal.csrf }}">`.
    """
    said = {"principal": principal, "path": request.url.path, **values}
    return HTMLResponse(ENVIRONMENT.get_template(template).render(said), status)
