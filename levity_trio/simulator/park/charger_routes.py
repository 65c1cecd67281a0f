"""The routes of the API below /api/chargers."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.charging import Impossible
from levity_trio.simulator.charger.configuration import Configuration
from levity_trio.simulator.charger.operations.settings import change_configuration
from levity_trio.simulator.park import forms, shown
from levity_trio.simulator.park.actions import ACTIONS, action, demand
from levity_trio.simulator.park.forms import Invalid, Problem
from levity_trio.simulator.park.park import KEPT_FRAMES, Park, Unknown
from levity_trio.simulator.park.registry import CHARGER_KINDS, StoredCharger
from levity_trio.simulator.park.replies import given, json_reply, keep_name
from levity_trio.wire.frames import CallError, CallResult
from levity_trio.wire.payloads import call

CHANGED: Final = ("Accepted", "RebootRequired")
KNOWN: Final = ("connect", "disconnect", "send", *ACTIONS)


def charger_routes(park: Park) -> list[Route]:
    """See api.py."""
    chargers = _Chargers(park)
    one = "/api/chargers/{id}"
    return [
        Route("/api/chargers", chargers.all, methods=["GET"]),
        Route("/api/chargers", chargers.add, methods=["POST"]),
        Route(one, chargers.show, methods=["GET"]),
        Route(one, chargers.change, methods=["PATCH"]),
        Route(one, chargers.remove, methods=["DELETE"]),
        Route(f"{one}/connect", chargers.connect, methods=["POST"]),
        Route(f"{one}/disconnect", chargers.disconnect, methods=["POST"]),
        Route(f"{one}/configuration", chargers.configuration, methods=["GET"]),
        Route(f"{one}/configuration/{{key}}", chargers.configuration_key, methods=["GET"]),
        Route(f"{one}/configuration/{{key}}", chargers.configure, methods=["PUT"]),
        Route(f"{one}/log", chargers.log, methods=["GET"]),
        Route(f"{one}/send", chargers.send, methods=["POST"]),
        Route(f"{one}/{{action}}", chargers.act, methods=["POST"]),
    ]


class _Chargers:
    def __init__(self, park: Park) -> None:
        self._park = park

    async def all(self, _request: Request) -> Response:
        return json_reply(
            [shown.summary(stored, self._park.running(name)) for name, stored in self._park.known().items()]
        )

    async def add(self, request: Request) -> Response:
        stored = self._park.registry.add_charger(*forms.read_all(CHARGER_KINDS, await given(request)))
        if stored.placement.auto_connect:
            self._park.connect(stored)
        await self._park.save()
        return self._shown(stored, 201)

    async def show(self, request: Request) -> Response:
        return self._shown(self._find(request))

    async def change(self, request: Request) -> Response:
        sent = await given(request)
        stored = self._park.own(request.path_params["id"])
        keep_name(sent, "id", stored.spec.id)
        spec, placement = forms.read_all(CHARGER_KINDS, forms.plain(stored.spec) | forms.plain(stored.placement) | sent)
        if spec != stored.spec and self._park.running(spec.id) is not None:
            raise Impossible(f"{spec.id} is connected; disconnect it before you change its specification")
        self._park.registry.change_charger(stored, spec, placement)
        await self._park.save()
        return self._shown(stored)

    async def remove(self, request: Request) -> Response:
        self._park.forget(self._park.own(request.path_params["id"]))
        await self._park.save()
        return Response(status_code=204)

    async def connect(self, request: Request) -> Response:
        stored = self._park.own(request.path_params["id"])
        self._park.connect(stored)
        return self._shown(stored)

    async def disconnect(self, request: Request) -> Response:
        stored = self._park.own(request.path_params["id"])
        self._park.disconnect(stored)
        await self._park.save()
        return self._shown(stored)

    async def act(self, request: Request) -> Response:
        name, sent = request.path_params["action"], await given(request)
        stored = self._find(request)
        if name not in ACTIONS:
            raise Unknown(
                f"there is no action {name}; give one of {', '.join(('connect', 'disconnect', 'send', *ACTIONS))}"
            )
        await self._park.perform(stored, action(name, self._park.registry, stored.spec, sent))
        return self._shown(stored)

    async def send(self, request: Request) -> Response:
        """Send a call on demand, and return the payload of the central system's response."""
        stored, send = self._find(request), demand(await given(request))
        answer = await self._park.send_call(stored, send)
        if not isinstance(answer, CallResult):
            raise Impossible(f"{stored.spec.id}: {_refusal(answer)}")
        return json_reply({"payload": answer.payload})

    async def configuration(self, request: Request) -> Response:
        keys, _ = _configuration(self._find(request)).read(None)
        return json_reply(keys)

    async def configuration_key(self, request: Request) -> Response:
        return json_reply(_key(self._find(request), request.path_params["key"]))

    async def configure(self, request: Request) -> Response:
        """As if the central system had changed it."""
        key, sent = request.path_params["key"], await given(request)
        stored = self._find(request)
        _key(stored, key)
        value = sent.get("value")
        if not isinstance(value, str):
            raise Invalid([Problem("value", 'give a text, such as {"value": "60"}')])
        status = await self._configured(stored, key, value)
        if status not in CHANGED:
            raise Invalid([Problem("value", f"the charger answered {status}: {key} cannot be {value or 'empty'}")])
        await self._park.save()
        return json_reply(_key(stored, key) | {"status": status})

    async def log(self, request: Request) -> Response:
        """The newest `limit` frames, in order of time."""
        stored = self._find(request)
        limit = _limit(request.query_params.get("limit", "50"))
        charger = self._park.running(stored.spec.id)
        frames = (charger.frames if charger else None) or ()
        newest = islice(frames, max(0, len(frames) - limit), None)
        return json_reply([{"at": at, "direction": direction, "text": text} for at, direction, text in newest])

    async def _configured(self, stored: StoredCharger, key: str, value: str) -> str:
        if self._park.running(stored.spec.id) is None:
            return _configuration(stored).change(key, value)
        statuses: list[str] = []

        def change(charger: Charger, at: float) -> None:
            request = call.ChangeConfiguration(key=key, value=value)
            statuses.append(str(change_configuration(charger, request, at).status))

        await self._park.perform(stored, change)
        return statuses[0]

    def _find(self, request: Request) -> StoredCharger:
        return self._park.find(request.path_params["id"])

    def _shown(self, stored: StoredCharger, status: int = 200) -> Response:
        return json_reply(shown.details(stored, self._park.running(stored.spec.id), self._park.now()), status)


def _configuration(stored: StoredCharger) -> Configuration:
    return Configuration(stored.memory.configuration, stored.spec.connectors)


def _key(stored: StoredCharger, key: str) -> dict[str, Any]:
    known, _ = _configuration(stored).read([key])
    if not known:
        raise Unknown(f"{stored.spec.id} has no configuration key {key}")
    return known[0]


def _refusal(error: CallError | None) -> str:
    if error is None:
        return "the central system did not respond in time; see the charger's log"
    parts = [error.code, error.description, orjson.dumps(error.details).decode() if error.details else ""]
    return f"the central system answered {': '.join(filter(None, parts))}"


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= KEPT_FRAMES:
        raise Invalid([Problem("limit", f"give 1 to {KEPT_FRAMES}")])
    return int(text)
