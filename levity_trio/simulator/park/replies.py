"""JSON requests and responses of the API's routes."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from levity_trio.simulator.park.forms import Invalid, Problem


def json_reply(value: object, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


async def given(request: Request) -> dict[str, Any]:
    """Read the JSON object of a request; an empty body means an empty object. Raises Invalid."""
    body = await request.body()
    try:
        value = orjson.loads(body) if body.strip() else {}
    except orjson.JSONDecodeError as error:
        raise Invalid([Problem("body", f"is not JSON: {error}")]) from None
    if not isinstance(value, dict):
        raise Invalid([Problem("body", "is not a JSON object; give one in braces")])
    return value


def keep_name(sent: dict[str, Any], field: str, name: str) -> None:
    """Refuse to change the name of a record. Raises Invalid."""
    if sent.get(field, name) != name:
        raise Invalid([Problem(field, "cannot be changed; add another and remove this one")])
