"""The OpenAPI document: FastAPI's, with every refusal described as what it is."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from nightread.web.problems import PROBLEM_JSON, Problem

COMMON = {
    "400": "The request can't be read.",
    "401": "Nobody is signed in.",
    "403": "Not for this role.",
    "413": "The body is too long.",
    "422": "A value is out of its bounds: which, and why.",
    "429": "Too many requests in a minute.",
    "503": "The database does not answer at the moment.",
}
TOO_LONG = "413"
REFUSAL = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def described(app: FastAPI) -> dict[str, Any]:
    """Made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _made(app)
    return app.openapi_schema


def _made(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = Problem.model_json_schema()
    for path in document["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            responses.pop("422", None)
            for status, why in COMMON.items():
                if status != TOO_LONG or "requestBody" in operation:
                    responses.setdefault(status, {"description": why})
            for status, response in responses.items():
                if status >= "400":
                    response["content"] = REFUSAL
    return document
