"""The HTTP API of the park. It has no authentication, so it is for the local machine.

    GET POST          /api/chargers, /api/locations, /api/vehicles
    GET PATCH DELETE  the same with /{name}
    POST              /api/chargers/{id}/{connect, disconnect, and the names in ACTIONS}
    POST              /api/chargers/{id}/send                  {"action": "…", "payload": {…}}
    GET               /api/chargers/{id}/configuration, …/configuration/{key}, …/log
    PUT               /api/chargers/{id}/configuration/{key}   {"value": "…"}
    POST              /api/import/{chargers, vehicles}         text/csv or application/json
    GET               /api/templates/{chargers, vehicles}

A change is saved to the file before the response. Errors are problem documents: 403 request from a
web page, 404 unknown name, 409 not possible in the current state, 422 invalid content (with
`problems` by field, or `faults` by line), 503 the file cannot be written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, HTTPExceptionHandler, Receive, Scope, Send

from levity_trio.config import EnvironmentProblem
from levity_trio.records import record
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.configuration import Configuration
from levity_trio.simulator.charger.operations import change_configuration
from levity_trio.simulator.charger.state import ChargerSpec, Connector, Impossible, meter_keys
from levity_trio.simulator.park.park import (
    CHARGER_KINDS,
    CHARGERS,
    CSV,
    JSON,
    KEPT_FRAMES,
    KINDS,
    Action,
    Faulty,
    Invalid,
    Location,
    NameInUse,
    Park,
    Problem,
    Registry,
    SendCall,
    StoredCharger,
    Unknown,
    import_chargers,
    import_vehicles,
    plain,
    read_all,
    read_form,
    template,
)
from levity_trio.simulator.physics import ERROR_CODES, IllegalMove, Status, Vehicle, shown_wh
from levity_trio.web.http.server import OwnHosts, application, problem
from levity_trio.wire.frames import CallError, CallResult
from levity_trio.wire.payloads import call

LONGEST_TAG: Final = 20  # IdToken, OCPP 1.6 §7.28
LONGEST_ACTION: Final = 50
ANY_VEHICLE: Final = Vehicle(name="any vehicle")


@record
class ConnectorForm:
    """A connector; optional if the charger has only one."""

    connector: int | None = None


@record
class Plug(ConnectorForm):
    """The name of a vehicle of the park; None for a default vehicle."""

    vehicle: str | None = None


@record
class WithTag(ConnectorForm):
    tag: str

    def __post_init__(self) -> None:
        if not 0 < len(self.tag) <= LONGEST_TAG:
            raise ValueError(f"tag: give 1 to {LONGEST_TAG} characters")


@record
class Failure(ConnectorForm):
    error_code: str = "OtherError"

    def __post_init__(self) -> None:
        if self.error_code not in ERROR_CODES:
            raise ValueError(f"error_code: give one of {', '.join(ERROR_CODES)}")


@record
class Bring(ConnectorForm):
    status: str

    def __post_init__(self) -> None:
        if self.status not in list(Status):
            raise ValueError(f"status: give one of {', '.join(Status)}")


@record
class Register(ConnectorForm):
    wh: int

    def __post_init__(self) -> None:
        if self.wh < 0:
            raise ValueError("wh: give 0 or more")


@record
class Forced:
    """The status with which to answer calls of an action from now on; None restores normal
    responses."""

    action: str
    status: str | None = None


@record
class Demand:
    """A call to send. Without a payload the charger composes one for this connector."""

    action: str
    payload: dict[str, Any] | None = None
    connector: int = 1

    def __post_init__(self) -> None:
        if not 0 < len(self.action) <= LONGEST_ACTION:
            raise ValueError(f"action: give 1 to {LONGEST_ACTION} characters")


@record
class ChargerForm:
    """The whole charger; no fields."""


class Kind(NamedTuple):
    """An action's form, its lowest connector, and the method of a charger: it gets the values of
    the form, in their order, and the moment."""

    form: type[Any]
    least: int
    deed: Callable[..., object]


ACTIONS: Final[Mapping[str, Kind]] = {
    "plug": Kind(Plug, 1, Charger.plug),
    "unplug": Kind(ConnectorForm, 1, Charger.unplug),
    "tag": Kind(WithTag, 1, Charger.present_tag),
    "start": Kind(WithTag, 1, Charger.start),
    "stop": Kind(ConnectorForm, 1, Charger.stop),
    "fault": Kind(Failure, 0, Charger.fault),
    "clear-fault": Kind(ConnectorForm, 0, Charger.clear_fault),
    "status": Kind(Bring, 0, Charger.set_status),
    "meter": Kind(Register, 1, Charger.set_register),
    "answer": Kind(Forced, 0, Charger.force_answer),
    "offline": Kind(ChargerForm, 0, Charger.go_offline),
    "online": Kind(ChargerForm, 0, Charger.go_online),
}


def action(
    name: str, registry: Registry, spec: ChargerSpec, content: Mapping[str, object]
) -> Action:
    """Return the action of that name. Raises Invalid, or KeyError for a name that is not in
    ACTIONS."""
    kind = ACTIONS[name]
    values = plain(read_form(kind.form, content))
    if "connector" in values:
        if values["connector"] is None and spec.connectors == 1:
            values["connector"] = 1
        number = values["connector"]
        if number is None or not kind.least <= number <= spec.connectors:
            raise Invalid([Problem("connector", f"give {kind.least} to {spec.connectors}")])
    if "vehicle" in values:
        values["vehicle"] = _vehicle(registry, values["vehicle"])
    return lambda charger, at: kind.deed(charger, *values.values(), at)


def _vehicle(registry: Registry, name: str | None) -> Vehicle:
    vehicle = ANY_VEHICLE if name is None else registry.vehicles.get(name)
    if vehicle is None:
        known = ", ".join(registry.vehicles) or "none, add one first"
        raise Invalid([Problem("vehicle", f"{name} is not known; known vehicles: {known}")])
    return vehicle


def demand(content: Mapping[str, object]) -> SendCall:
    """Return the request to send a message. Raises Invalid."""
    form = read_form(Demand, content)
    return lambda charger, then, at: charger.send(
        form.action, form.payload, form.connector, then, at
    )


ABSENT = "disconnected"
CHANGED: Final = ("Accepted", "RebootRequired")
KNOWN: Final = ("connect", "disconnect", "send", *ACTIONS)


def json_reply(value: object, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


async def body_of(request: Request) -> dict[str, Any]:
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


def summary(stored: StoredCharger, charger: Charger | None) -> dict[str, Any]:
    """Return a charger's entry in the list, without its password."""
    shown = stored.plain()
    del shown["password"]
    return {
        **shown,
        "firmware_version": stored.memory.firmware_version,
        "state": _state(charger),
        "statuses": [] if charger is None else [one.status.value for one in charger.connectors[1:]],
    }


def details(stored: StoredCharger, charger: Charger | None, at: float) -> dict[str, Any]:
    """Return everything the API shows of a charger at this simulated moment."""
    shown = summary(stored, charger)
    if charger is None:
        return shown
    charger.advance(at)
    charger.on_change()
    return {
        **shown,
        "state": charger.phase,
        "registration": charger.registration,
        "waiting_messages": len(charger.memory.messages),
        "forced_answers": charger.forced_answers,
        "connector": [_connector(charger, one, at) for one in charger.connectors],
    }


def _state(charger: Charger | None) -> str:
    return ABSENT if charger is None else charger.phase


def _connector(charger: Charger, connector: Connector, at: float) -> dict[str, Any]:
    if not charger.agenda.is_held:  # else its time is stopped, and due actions have yet to happen
        connector.meter.advance(at)
    transaction, meter = connector.transaction, connector.meter
    return {
        "number": connector.number,
        "status": connector.status.value,
        "error_code": connector.error_code,
        "is_plugged": meter.is_plugged,
        "soc": None if meter.soc is None else round(meter.soc, 4),
        "power_w": round(meter.power_w, 1),
        "register_wh": shown_wh(meter.register_wh) + charger.memory.offsets[connector.number],
        "id_tag": transaction.id_tag if transaction else None,
        "transaction_id": charger.id_to_send(transaction.local_id) if transaction else None,
    }


def charger_routes(park: Park) -> list[Route]:
    chargers, charger = _Chargers(park), "/api/chargers/{id}"
    return [
        Route(path, endpoint, methods=[method])
        for method, path, endpoint in (
            ("GET", "/api/chargers", chargers.all),
            ("POST", "/api/chargers", chargers.add),
            ("GET", charger, chargers.show),
            ("PATCH", charger, chargers.change),
            ("DELETE", charger, chargers.remove),
            ("GET", f"{charger}/configuration", chargers.configuration),
            ("GET", f"{charger}/configuration/{{key}}", chargers.configuration),
            ("PUT", f"{charger}/configuration/{{key}}", chargers.configure),
            ("GET", f"{charger}/log", chargers.log),
            ("POST", f"{charger}/send", chargers.send),
            ("POST", f"{charger}/{{action}}", chargers.act),
        )
    ]


@dataclass
class _Chargers:
    _park: Park

    async def all(self, _request: Request) -> Response:
        known = self._park.known().items()
        return json_reply([summary(stored, self._park.running(name)) for name, stored in known])

    async def add(self, request: Request) -> Response:
        stored = self._park.registry.add_charger(*read_all(CHARGER_KINDS, await body_of(request)))
        if stored.placement.auto_connect:
            self._park.connect(stored)
        await self._park.save()
        return self._shown(stored, 201)

    async def show(self, request: Request) -> Response:
        return self._shown(self._find(request))

    async def change(self, request: Request) -> Response:
        sent = await body_of(request)
        stored = self._park.own(request.path_params["id"])
        keep_name(sent, "id", stored.spec.id)
        spec, placement = read_all(CHARGER_KINDS, stored.plain() | sent)
        if spec != stored.spec and self._park.running(spec.id) is not None:
            raise Impossible(
                f"{spec.id} is connected; disconnect it before you change its specification"
            )
        self._park.registry.change_charger(stored, spec, placement)
        await self._park.save()
        return self._shown(stored)

    async def remove(self, request: Request) -> Response:
        self._park.forget(self._park.own(request.path_params["id"]))
        await self._park.save()
        return Response(status_code=204)

    async def act(self, request: Request) -> Response:
        name, park = request.path_params["action"], self._park
        if name == "connect":
            park.connect(park.own(request.path_params["id"]))
        elif name == "disconnect":
            park.disconnect(park.own(request.path_params["id"]))
            await park.save()
        elif name in ACTIONS:
            stored, sent = self._find(request), await body_of(request)
            await park.perform(stored, action(name, park.registry, stored.spec, sent))
        else:
            self._find(request)
            raise Unknown(f"there is no action {name}; give one of {', '.join(KNOWN)}")
        return self._shown(self._find(request))

    async def send(self, request: Request) -> Response:
        """Send a call on demand, and return the payload of the central system's response."""
        stored, send = self._find(request), demand(await body_of(request))
        answer = await self._park.send_call(stored, send)
        if not isinstance(answer, CallResult):
            raise Impossible(f"{stored.spec.id}: {_refusal(answer)}")
        return json_reply({"payload": answer.payload})

    async def configuration(self, request: Request) -> Response:
        stored, key = self._find(request), request.path_params.get("key")
        return json_reply(_key(stored, key) if key else _configuration(stored).read(None)[0])

    async def configure(self, request: Request) -> Response:
        """Change a key as the central system does."""
        key, sent = request.path_params["key"], await body_of(request)
        stored = self._find(request)
        _key(stored, key)
        value = sent.get("value")
        if not isinstance(value, str):
            raise Invalid([Problem("value", 'give a text, such as {"value": "60"}')])
        if self._park.running(stored.spec.id) is None:
            status: object = _configuration(stored).change(key, value)
        else:
            change = call.ChangeConfiguration(key=key, value=value)
            status = await self._park.perform(
                stored, lambda charger, at: change_configuration(charger, change, at)
            )
        if status not in CHANGED:
            text = f"the charger answered {status}: {key} cannot be {value or 'empty'}"
            raise Invalid([Problem("value", text)])
        await self._park.save()
        return json_reply(_key(stored, key) | {"status": status})

    async def log(self, request: Request) -> Response:
        """The newest `limit` frames, in order of time."""
        stored = self._find(request)
        text = request.query_params.get("limit", "50")
        if not text.isdecimal() or not 0 < int(text[:9]) <= KEPT_FRAMES:
            raise Invalid([Problem("limit", f"give 1 to {KEPT_FRAMES}")])
        charger = self._park.running(stored.spec.id)
        newest = list((charger and charger.frames) or ())[-int(text) :]
        names = "at", "direction", "text"
        return json_reply([dict(zip(names, frame, strict=True)) for frame in newest])

    def _find(self, request: Request) -> StoredCharger:
        return self._park.find(request.path_params["id"])

    def _shown(self, stored: StoredCharger, status: int = 200) -> Response:
        charger = self._park.running(stored.spec.id)
        return json_reply(details(stored, charger, self._park.now()), status)


def _configuration(stored: StoredCharger) -> Configuration:
    own = meter_keys(stored.spec)
    return Configuration(stored.memory.configuration, stored.spec.connectors, own=own)


def _key(stored: StoredCharger, key: str) -> dict[str, Any]:
    known, _ = _configuration(stored).read([key])
    if not known:
        raise Unknown(f"{stored.spec.id} has no configuration key {key}")
    return known[0]


def _refusal(error: CallError | None) -> str:
    if error is None:
        return "the central system did not respond in time; see the charger's log"
    details = orjson.dumps(error.details).decode() if error.details else ""
    parts = filter(None, (error.code, error.description, details))
    return f"the central system answered {': '.join(parts)}"


def record_routes(park: Park) -> list[Route]:
    registry = park.registry
    locations = _Records(park, "location", Location, registry.locations, registry.remove_location)
    vehicles = _Records(park, "vehicle", Vehicle, registry.vehicles, registry.vehicles.__delitem__)

    async def take(request: Request) -> Response:
        kind = _kind(request)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in (CSV, JSON):
            return problem(415, f"give Content-Type: {CSV} or {JSON}")
        body = await request.body()
        if kind == CHARGERS:
            names = import_chargers(registry, body, media_type)
            park.connect_all(names)
        else:
            names = import_vehicles(registry, body, media_type)
        await park.save()
        return json_reply({"imported": names}, 201)

    async def empty_table(request: Request) -> Response:
        return Response(template(_kind(request)), media_type=CSV)

    return [
        *locations.routes("/api/locations"),
        *vehicles.routes("/api/vehicles"),
        Route("/api/import/{kind}", take, methods=["POST"]),
        Route("/api/templates/{kind}", empty_table, methods=["GET"]),
    ]


@dataclass
class _Records:
    """The routes of named records without behaviour."""

    _park: Park
    _what: str
    _kind: Any
    _table: dict[str, Any]
    _remove: Callable[[str], object]

    def routes(self, path: str) -> list[Route]:
        record = f"{path}/{{name:path}}"  # a vehicle may be called A/B
        return [
            Route(path, self.all, methods=["GET"]),
            Route(path, self.add, methods=["POST"]),
            Route(record, self.show, methods=["GET"]),
            Route(record, self.change, methods=["PATCH"]),
            Route(record, self.remove, methods=["DELETE"]),
        ]

    async def all(self, _request: Request) -> Response:
        return json_reply([plain(record) for record in self._table.values()])

    async def add(self, request: Request) -> Response:
        record = read_form(self._kind, await body_of(request))
        if record.name in self._table:
            raise NameInUse(
                f"{self._what} {record.name} exists already; give another name, or change that one"
            )
        return await self._kept(record, 201)

    async def show(self, request: Request) -> Response:
        return json_reply(plain(self._find(request)))

    async def change(self, request: Request) -> Response:
        sent = await body_of(request)
        present = self._find(request)
        keep_name(sent, "name", present.name)
        return await self._kept(read_form(self._kind, plain(present) | sent))

    async def remove(self, request: Request) -> Response:
        self._remove(self._find(request).name)
        await self._park.save()
        return Response(status_code=204)

    async def _kept(self, record: Any, status: int = 200) -> Response:
        self._table[record.name] = record
        await self._park.save()
        return json_reply(plain(record), status)

    def _find(self, request: Request) -> Any:
        name = request.path_params["name"]
        if name not in self._table:
            raise Unknown(f"there is no {self._what} {name}")
        return self._table[name]


def _kind(request: Request) -> str:
    kind = request.path_params["kind"].removesuffix(".csv")
    if kind not in KINDS:
        raise Unknown(f"there is no import of {kind}; give one of {', '.join(KINDS)}")
    return str(kind)


def park_application(park: Park, host: str = "localhost") -> ASGIApp:
    """Return the ASGI application over a park; `host` is the name at which it listens."""
    answer = application([*charger_routes(park), *record_routes(park)], HANDLERS)

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        # Any web page that is open on this machine could command the chargers.
        app: ASGIApp = answer
        if any(name == b"origin" for name, _ in scope.get("headers", ())):
            app = problem(403, "this API refuses requests from web pages")
        await app(scope, receive, send)

    return OwnHosts(
        inside, (host,), "use an address of this machine, or the host that --control names"
    )


def _answering(status: int, says: str = "{}", listing: str = "") -> HTTPExceptionHandler:
    """Return a handler that answers with the error's text, and with the list of its attribute
    `listing`."""

    async def answer(_request: Request, error: Exception) -> Response:
        extra = {listing: [fault._asdict() for fault in getattr(error, listing)]} if listing else {}
        return problem(status, says.format(error, len(extra.get(listing, ()))), extra=extra)

    return answer


_NOT_NOW: Final = _answering(409)
HANDLERS: Final[Mapping[type[Exception], HTTPExceptionHandler]] = {
    Unknown: _answering(404),
    Impossible: _NOT_NOW,
    IllegalMove: _NOT_NOW,
    NameInUse: _NOT_NOW,
    Invalid: _answering(422, listing="problems"),
    Faulty: _answering(422, "nothing was imported; {1} to correct", "faults"),
    EnvironmentProblem: _answering(503, "done, but not saved: {}"),
}
