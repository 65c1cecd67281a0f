"""JSON in and out of the API's routes."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from levity_trio.simulator.park.forms import Invalid, Problem


def json_reply(value: object, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


async def given(request: Request) -> dict[str, Any]:
    """The JSON object that was sent; an empty body is an empty one. Raises Invalid."""
    body = await request.body()
    try:
        value = orjson.loads(body) if body.strip() else {}
    except orjson.JSONDecodeError as error:
        raise Invalid([Problem("body", f"is no JSON: {error}")]) from None
    if not isinstance(value, dict):
        raise Invalid([Problem("body", "is no JSON object; give one, in braces")])
    return value


def keep_name(sent: dict[str, Any], field: str, name: str) -> None:
    """What it is called by cannot be changed. Raises Invalid."""
    if sent.get(field, name) != name:
        raise Invalid([Problem(field, "cannot be changed; add another, and remove this one")])
