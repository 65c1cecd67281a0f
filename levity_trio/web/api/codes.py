"""The codes at chargers: a sheet to be printed, whose labels lead drivers to the page of each place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Final, Literal
from urllib.parse import quote

from starlette.responses import Response

from levity_trio.documents.paper import CodeSheet, Form, Label
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.now.chargers import KnownCharger, connectors_of, served
from levity_trio.store.writes.chargers import note_labels
from levity_trio.web.api.chargers import TAG
from levity_trio.web.api.endpoints import Asked, Endpoints, Role, Sent
from levity_trio.web.api.papers import MEDIA_TYPES, document
from levity_trio.web.api.problems import Problem
from levity_trio.web.drivers_address import SAY_WHERE, drivers_address, is_local, own_address

ENDPOINTS: Final = Endpoints(TAG)

PLACE: Final = "/d/at"
"""The page of a place, below the address of the drivers' pages."""
_BILLER: Final = "SELECT name FROM biller ORDER BY id DESC LIMIT 1"
"""Whose name stands on the labels, where somebody said it: drivers know him from their statements."""


class CodesQuery(Sent):
    format: Literal["html", "pdf"] = "html"
    charger: str | None = None
    """The only one whose labels are wanted."""


@ENDPOINTS.get(
    "/api/admin/codes",
    Role.OPERATOR,
    "not_made",
    "busy",
    media_type=MEDIA_TYPES[Form.HTML],
    other_media_types=(MEDIA_TYPES[Form.PDF],),
)
async def get_codes(request: Asked[CodesQuery, None]) -> Response:
    """Download the sheet of codes for chargers, as HTML or PDF: one label for each connector."""
    api, config = request.api, request.api.config
    address = drivers_address(config)
    if address is None:
        words = "no page for drivers is served, to which codes could lead; start the server with the dashboard"
        raise Problem(HTTPStatus.CONFLICT, "not_made", words)
    if is_local(address, config.drivers_url, config.public_url):
        words = f"the codes would lead to {address}, which only programs on this machine reach; {SAY_WHERE}"
        raise Problem(HTTPStatus.CONFLICT, "not_made", words)

    def read_labels(db: Database) -> Mapping[str, Sequence[Label]]:
        db.execute("BEGIN")
        biller = db.execute(_BILLER).fetchone()
        connectors = connectors_of(db, None)
        found: dict[str, Sequence[Label]] = {}
        for one in served(db):
            if request.query.charger in (None, one.id):
                site = biller[0] if biller else one.station_name or config.server_name
                of = [connector.connector for connector in connectors.get(one.id, ())]
                found[one.id] = [*_labels(one, of, site, address)]
        return found

    async def read() -> CodeSheet:
        found = await api.reader.run(read_labels)
        counts = {charger: len(labels) for charger, labels in found.items()}
        await api.writer.run(note_labels, own_address(address), counts)
        return CodeSheet(tuple(label for labels in found.values() for label in labels))

    return document(api, read, Form(request.query.format), "codes")


def _labels(charger: KnownCharger, connectors: list[int], site: str, address: str) -> Iterator[Label]:
    """Yield the labels of a charger. Where it has one connector, its own code is enough."""
    url, name = f"{address}{PLACE}/{quote(charger.id, safe='')}", charger.name or charger.id
    if len(connectors) <= 1:
        yield Label(site=site, charger=name, connector="", url=url)
        return
    for one in connectors:
        yield Label(site=site, charger=name, connector=f"Connector {one}", url=f"{url}/{one}")
