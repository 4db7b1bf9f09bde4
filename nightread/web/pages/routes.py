"""All pages."""

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from nightread.web.html import page
from nightread.web.principal import Role
from nightread.web.security.guard import Access, requires

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

Anyone = Annotated[Access, requires(Role.SUPERVISOR, Role.READER, Role.SERVICE, Role.AUDITOR)]


@router.get("/")
def home(request: Request, access: Anyone) -> HTMLResponse:
    """The first page."""
    return page(request, "home.html", {}, access.principal)
