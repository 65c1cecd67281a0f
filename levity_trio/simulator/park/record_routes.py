"""The routes of the API for locations, vehicles, imports and their templates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from levity_trio.simulator.model.vehicle import Vehicle
from levity_trio.simulator.park import forms, imports
from levity_trio.simulator.park.park import Park, Unknown
from levity_trio.simulator.park.registry import Location, NameInUse
from levity_trio.simulator.park.replies import given, json_reply, keep_name
from levity_trio.web.http import problem


def record_routes(park: Park) -> list[Route]:
    """See api.py."""
    registry = park.registry
    locations = _Records(park, "location", Location, registry.locations, registry.remove_location)
    vehicles = _Records(park, "vehicle", Vehicle, registry.vehicles, registry.vehicles.__delitem__)
    files = _Files(park)
    return [
        *locations.routes("/api/locations"),
        *vehicles.routes("/api/vehicles"),
        Route("/api/import/{kind}", files.take, methods=["POST"]),
        Route("/api/templates/{kind}", files.template, methods=["GET"]),
    ]


class _Records:
    """The routes of named records without behaviour."""

    def __init__(
        self, park: Park, what: str, kind: Any, table: dict[str, Any], remove: Callable[[str], object]
    ) -> None:
        self._park = park
        self._what = what
        self._kind = kind
        self._table = table
        self._remove = remove

    def routes(self, path: str) -> list[Route]:
        one = f"{path}/{{name:path}}"  # a vehicle may be called A/B
        return [
            Route(path, self.all, methods=["GET"]),
            Route(path, self.add, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.change, methods=["PATCH"]),
            Route(one, self.remove, methods=["DELETE"]),
        ]

    async def all(self, _request: Request) -> Response:
        return json_reply([forms.plain(record) for record in self._table.values()])

    async def add(self, request: Request) -> Response:
        record = forms.read(self._kind, await given(request))
        if record.name in self._table:
            raise NameInUse(f"{self._what} {record.name} exists already; give another name, or change that one")
        return await self._kept(record, 201)

    async def show(self, request: Request) -> Response:
        return json_reply(forms.plain(self._find(request)))

    async def change(self, request: Request) -> Response:
        sent = await given(request)
        present = self._find(request)
        keep_name(sent, "name", present.name)
        return await self._kept(forms.read(self._kind, forms.plain(present) | sent))

    async def remove(self, request: Request) -> Response:
        self._remove(self._find(request).name)
        await self._park.save()
        return Response(status_code=204)

    async def _kept(self, record: Any, status: int = 200) -> Response:
        self._table[record.name] = record
        await self._park.save()
        return json_reply(forms.plain(record), status)

    def _find(self, request: Request) -> Any:
        name = request.path_params["name"]
        if name not in self._table:
            raise Unknown(f"there is no {self._what} {name}")
        return self._table[name]


class _Files:
    def __init__(self, park: Park) -> None:
        self._park = park

    async def take(self, request: Request) -> Response:
        kind = _kind(request)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in (imports.CSV, imports.JSON):
            return problem(415, f"give Content-Type: {imports.CSV} or {imports.JSON}")
        body = await request.body()
        if kind == imports.CHARGERS:
            names = imports.import_chargers(self._park.registry, body, media_type)
            self._park.connect_all(names)
        else:
            names = imports.import_vehicles(self._park.registry, body, media_type)
        await self._park.save()
        return json_reply({"imported": names}, 201)

    async def template(self, request: Request) -> Response:
        return Response(imports.template(_kind(request)), media_type=imports.CSV)


def _kind(request: Request) -> str:
    kind = request.path_params["kind"].removesuffix(".csv")
    if kind not in imports.KINDS:
        raise Unknown(f"there is no import of {kind}; give one of {', '.join(imports.KINDS)}")
    return str(kind)
