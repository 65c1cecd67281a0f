"""The addresses where chargers and drivers reach us: the addresses to enter in chargers, and the
codes to stick on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from itertools import chain
from typing import Final, Literal
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from levity_trio.config import ServerConfig
from levity_trio.documents.paper import CodeSheet, DocumentForm, Label
from levity_trio.listening.addresses import is_loopback, reachable
from levity_trio.locale import _, language
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.chargers.chargers import KnownCharger, connectors_of, served
from levity_trio.store.writes.chargers.chargers import note_labels
from levity_trio.told import Told
from levity_trio.web.api.chargers.chargers import TAG
from levity_trio.web.api.engine.endpoints import ClientInput, Endpoints, Request, Role, TypedRequest
from levity_trio.web.api.engine.papers import MEDIA_TYPES, document
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.drivers_address import SAY_WHERE, drivers_address, is_local, own_address

ENDPOINTS: Final = Endpoints(TAG)


class ChargerAddress(msgspec.Struct):
    """Where chargers connect. Most append their identity to `url` by themselves; others are given
    both.

    `is_local` is whether only programs of this machine reach it.
    """

    url: str
    is_tls: bool
    is_local: bool


class Addresses(msgspec.Struct):
    """Where chargers connect, TLS first."""

    chargers: list[ChargerAddress]


@ENDPOINTS.get("/api/admin/addresses", Role.OPERATOR)
async def get_addresses(request: Request) -> Addresses:
    """Show the addresses to enter in chargers."""
    return Addresses(chargers=addresses_of(request.api.config))


def addresses_of(config: ServerConfig) -> list[ChargerAddress]:
    """Return where chargers connect, TLS first."""
    ports = {"ws": config.port}
    if config.tls_port is not None:
        ports = {"wss": config.tls_port, **ports}
    is_here = is_loopback(config.host)
    addresses: list[ChargerAddress] = []
    for scheme, port in ports.items():
        url = f"{scheme}://{reachable(config.host, port)}/ws/"
        addresses.append(ChargerAddress(url=url, is_tls=scheme == "wss", is_local=is_here))
    return addresses


# The codes at chargers: a sheet to be printed, whose labels lead drivers to the page of each place


PLACE: Final = "/d/at"
"""The page of a place, below the address of the drivers' pages."""
_BILLER: Final = "SELECT name FROM biller ORDER BY id DESC LIMIT 1"
"""Reads whose name stands on the labels, where somebody said it: drivers know him from their
statements."""


class CodesQuery(ClientInput):
    format: Literal["html", "pdf"] = "html"
    charger: str | None = None
    """The only one whose labels are wanted."""


@ENDPOINTS.get(
    "/api/admin/codes",
    Role.OPERATOR,
    "not_made",
    "busy",
    media_type=MEDIA_TYPES[DocumentForm.HTML],
    other_media_types=(MEDIA_TYPES[DocumentForm.PDF],),
)
async def get_codes(request: TypedRequest[CodesQuery, None]) -> Response:
    """Download the sheet of codes for chargers, as HTML or PDF: one label for each connector."""
    api, config = request.api, request.api.config
    address = drivers_address(config)
    if address is None:
        words = Told(
            "no page for drivers is served, to which codes could lead; start the server with the "
            "dashboard"
        )
        raise Problem(HTTPStatus.CONFLICT, "not_made", words)
    if is_local(address, config.drivers_url, config.public_url):
        words = Told(
            "the codes would lead to {1}, which only programs on this machine reach; {2}",
            *(address, SAY_WHERE),
        )
        raise Problem(HTTPStatus.CONFLICT, "not_made", words)

    def read_labels(db: Database) -> Mapping[str, Sequence[Label]]:
        biller = db.execute(_BILLER).fetchone()
        connectors = connectors_of(db, None)
        labels: dict[str, Sequence[Label]] = {}
        for charger in served(db):
            if request.query.charger in (None, charger.id):
                site = biller[0] if biller else charger.station_name or config.server_name
                numbers = [connector.connector for connector in connectors.get(charger.id, ())]
                labels[charger.id] = _labels(charger, numbers, site, address)
        return labels

    async def read() -> CodeSheet:
        by_charger = await api.reader.run(read_labels)
        counts = {charger: len(labels) for charger, labels in by_charger.items()}
        # When the address of this machine changes, it is known which labels are wrong.
        await api.writer.run(note_labels, own_address(address), counts)
        return CodeSheet(tuple(chain.from_iterable(by_charger.values())), language())

    return document(api, read, DocumentForm(request.query.format), "codes")


def _labels(
    charger: KnownCharger, connectors: list[int], site: str, address: str
) -> Sequence[Label]:
    """Return the labels of a charger. Where it has one connector, its own code is enough."""
    url = f"{address}{PLACE}/{quote(charger.id, safe='')}"
    name = charger.name or charger.id
    if len(connectors) <= 1:
        return [Label(site=site, charger=name, connector="", url=url)]
    labels: list[Label] = []
    for number in connectors:
        words = _("Connector %(number)s", number=number)
        labels.append(Label(site=site, charger=name, connector=words, url=f"{url}/{number}"))
    return labels
