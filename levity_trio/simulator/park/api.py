"""The HTTP API of the park. It has no authentication, so it is for the local machine.

    GET POST          /api/chargers, /api/locations, /api/vehicles
    GET PATCH DELETE  the same with /{name}
    POST              /api/chargers/{id}/{connect, disconnect, and the names in actions.py}
    POST              /api/chargers/{id}/send                  {"action": "…", "payload": {…}}
    GET               /api/chargers/{id}/configuration, …/configuration/{key}, …/log
    PUT               /api/chargers/{id}/configuration/{key}   {"value": "…"}
    POST              /api/import/{chargers, vehicles}         text/csv or application/json
    GET               /api/templates/{chargers, vehicles}

A change is saved to the file before the response. Errors are problem documents: 403 request from a web page, 404
unknown name, 409 not possible in the current state, 422 invalid content (with `problems` by field, or `faults` by
line), 503 the file cannot be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, HTTPExceptionHandler, Receive, Scope, Send

from levity_trio.config import EnvironmentProblem
from levity_trio.simulator.charger.charging import Impossible
from levity_trio.simulator.model.states import IllegalMove
from levity_trio.simulator.park.charger_routes import charger_routes
from levity_trio.simulator.park.forms import Invalid
from levity_trio.simulator.park.imports import Faulty
from levity_trio.simulator.park.park import Park, Unknown
from levity_trio.simulator.park.record_routes import record_routes
from levity_trio.simulator.park.registry import NameInUse
from levity_trio.web.http import OwnHosts, application, problem


def park_application(park: Park, host: str = "localhost") -> ASGIApp:
    """Return the ASGI application over a park; `host` is the name at which it listens."""
    inside = NoBrowsers(application([*charger_routes(park), *record_routes(park)], HANDLERS))
    return OwnHosts(inside, (host,), "use an address of this machine, or the host that --control names")


class NoBrowsers:
    """Refuse requests from web pages. Otherwise any page open on this machine could command the chargers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if any(name == b"origin" for name, _ in scope.get("headers", ())):
            await problem(403, "this API refuses requests from web pages")(scope, receive, send)
        else:
            await self._app(scope, receive, send)


async def _unknown(_request: Request, error: Exception) -> Response:
    return problem(404, str(error))


async def _not_now(_request: Request, error: Exception) -> Response:
    return problem(409, str(error))


async def _wrong(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Invalid)  # noqa: S101 - registered for this type only
    return problem(422, str(error), extra={"problems": [one._asdict() for one in error.problems]})


async def _faulty(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Faulty)  # noqa: S101 - registered for this type only
    text = f"nothing was imported; {len(error.faults)} to correct"
    return problem(422, text, extra={"faults": [one._asdict() for one in error.faults]})


async def _not_saved(_request: Request, error: Exception) -> Response:
    return problem(503, f"done, but not saved: {error}")


HANDLERS: Final[Mapping[type[Exception], HTTPExceptionHandler]] = {
    Unknown: _unknown,
    Impossible: _not_now,
    IllegalMove: _not_now,
    NameInUse: _not_now,
    Invalid: _wrong,
    Faulty: _faulty,
    EnvironmentProblem: _not_saved,
}
