"""The public keys of the meters of chargers, with which what these signed is checked."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from levity_trio.records import Personal
from levity_trio.signed.keys import LONGEST, NoMeterKey, parse_key
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.reads.transactions import meter_keys as stored
from levity_trio.store.reads.transactions.meter_keys import KnownMeterKey
from levity_trio.store.writes.chargers import meter_keys as writes
from levity_trio.told import Told
from levity_trio.web.api.chargers.chargers import CHARGER, HIGHEST_CONNECTOR, TAG, known_charger
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    NOT_BLANK,
    ClientInput,
    Endpoints,
    Request,
    Role,
    TypedRequest,
)
from levity_trio.web.api.engine.lists import whole
from levity_trio.web.api.engine.problems import invalid, not_found

ENDPOINTS: Final = Endpoints(TAG)
KEYS: Final = f"{CHARGER}/meter-keys"
PRIVATE: Final = "PRIVATE KEY"
OF_CONNECTOR: Final = "Left out or 0: the meter of each connector has it."
OF_KEY: Final = "What the label of the meter shows: its QR code, PEM, base64 or hex of DER."


class MeterKeyBody(ClientInput):
    """The public key of a meter, as its label or a file gives it."""

    key: Annotated[
        Personal[str],
        Meta(
            min_length=1,
            max_length=LONGEST,
            pattern=r"\S",
            extra=NOT_BLANK,
            description=OF_KEY,
        ),
    ]
    connector: Annotated[int, Meta(ge=0, le=HIGHEST_CONNECTOR, description=OF_CONNECTOR)] = 0


@ENDPOINTS.get(KEYS, Role.VIEWER, "not_found")
async def list_meter_keys(request: Request) -> ListPage[KnownMeterKey]:
    """List the public keys of the meters of a charger, and those that it tells itself."""
    charger = await known_charger(request)
    return whole(await request.read(stored.meter_keys, charger=charger))


@ENDPOINTS.post(KEYS, Role.OPERATOR, "not_found", "invalid", status=CREATED)
async def add_meter_key(request: TypedRequest[None, MeterKeyBody]) -> KnownMeterKey:
    """Enter the public key of a meter: its sessions are checked again with it."""
    charger, body = await known_charger(request), request.body
    if PRIVATE in body.key:
        words = Told("this is a private key, which only its meter may have: give the public one")
        raise invalid("key", words)
    try:
        key = parse_key(body.key)
    except NoMeterKey as problem:
        raise invalid("key", str(problem)) from None
    number = await request.write(writes.add, charger, body.connector, key)
    known = await request.read(stored.meter_keys, charger=charger)
    return next(one for one in known if one.id == number)


@ENDPOINTS.delete(f"{KEYS}/{{key}}", Role.OPERATOR, "not_found", "invalid")
async def end_meter_key(request: Request) -> None:
    """Remove the public key of a meter: sessions that begin later are not checked with it."""
    charger, number = await known_charger(request), request.number("key")
    if not await request.write(writes.end, charger, number):
        raise not_found(Told("key {1} of the meters of {2}", number, charger))
