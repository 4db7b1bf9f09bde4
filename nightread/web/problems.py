"""What went wrong, in one sentence: problem+json (RFC 9457) from the API, a page to people."""

import traceback
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db.session import is_lost
from db.text import storable
from mammo.reports.contents import NOTICE
from nightread.web.html import page
from nightread.web.paths import API, SIGN_IN, with_next

log = structlog.get_logger(__name__)
ABOUT = (
    f"The ranked worklist of screened mammography studies. {NOTICE}. Sign in with a token as "
    "`Authorization: Bearer`, or with the pages' cookie; what changes something then needs the "
    "header `X-CSRF-Token`. Errors are problem+json (RFC 9457)."
)
PROBLEM_JSON = "application/problem+json"


class Problem(BaseModel):
    """Why a request was not answered (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Refusal(HTTPException):
    """Raise it anywhere in a request: `detail` is one sentence for who asked."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    said = Problem(title=HTTPStatus(status).phrase, status=status, detail=storable(detail))
    return JSONResponse(said.model_dump(), status, headers, media_type=PROBLEM_JSON)


def _answer(
    request: Request, status: int, detail: str, headers: dict[str, str] | None = None
) -> Response:
    if request.url.path.startswith(API):
        return problem(status, detail, headers)
    if status == HTTPStatus.UNAUTHORIZED and request.method == "GET":
        return RedirectResponse(with_next(SIGN_IN, request), HTTPStatus.SEE_OTHER)
    said = {"status": status, "title": HTTPStatus(status).phrase, "detail": detail}
    answer = page(request, "problem.html", said, status=status)
    answer.headers.update(headers or {})
    return answer


def _refused(request: Request, error: Any) -> Response:
    detail = str(error.detail)
    if detail == HTTPStatus(error.status_code).phrase:  # raised by the framework
        detail = _PLAIN.get(error.status_code, f"{detail}.")
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
    return _answer(request, error.status_code, detail, headers)


def _methods(request: Request) -> list[str]:
    """Of all routes at this path: the framework names those of the first."""
    path = request.url.path
    return sorted(
        {
            method
            for context in iter_route_contexts(request.app.routes)
            if context.methods and context.path_regex.match(path)
            for method in context.methods
        }
    )


_PLAIN = {
    400: "The request can't be read.",
    404: "There is nothing at this address.",
    405: "This address does not answer this method: see the header Allow.",
}


def _invalid(request: Request, error: Any) -> Response:
    """The first fault, without the value: it may be somebody's name."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"] if part not in ("query", "path", "body"))
    what = str(fault["msg"]).removeprefix("Value error, ").rstrip(".")
    named = f"`{where}`: " if where else "The body: "
    return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, f"{named}{what}.")


def _database(request: Request, error: Any) -> Response:
    if not isinstance(error, DBAPIError) or is_lost(error):
        log.warning("database away", reason=type(error).__name__)
        return _answer(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The database does not answer at the moment: nothing was changed, try again.",
            {"Retry-After": "5"},
        )
    code = getattr(error.orig, "pgcode", None)
    if code in ("57014", "55P03"):  # statement_timeout, lock_timeout
        return _answer(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The database took too long: nothing was changed, try again.",
            {"Retry-After": "5"},
        )
    return _failed(request, error)


def _failed(request: Request, error: Exception) -> Response:
    """A fault of ours: its place is logged, and no value, which may be a patient's."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    log.error("internal error", why=type(error).__name__, at=f"{last.filename}:{last.lineno}")
    return _answer(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Something is wrong with nightread itself: please report it with the time.",
    )


class Failures:
    """Answers what nobody expected. As the framework does it, its text would reach the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noticing(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, noticing)
        except Exception as error:
            if scope["type"] != "http" or begun:
                raise
            await _failed(Request(scope), error)(scope, receive, send)


def handle(app: FastAPI) -> None:
    """Answer every error of the application's in one sentence."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(SQLAlchemyError, _database)
