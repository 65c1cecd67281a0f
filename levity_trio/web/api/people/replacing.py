"""A charger takes the place of another one."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

from msgspec import Meta

from levity_trio.load.document import with_other_charger
from levity_trio.store.reads.chargers import chargers as stored
from levity_trio.store.reads.chargers.chargers import Charger, Replacement, replacement
from levity_trio.store.reads.load.load import newest_site
from levity_trio.store.writes.chargers.hiding import UnknownIdentity
from levity_trio.store.writes.chargers.registration import DecidedBy
from levity_trio.store.writes.chargers.replacing import (
    Replaced,
    answer_meter,
    answer_serial,
    replace,
)
from levity_trio.told import Told
from levity_trio.web.api.chargers.chargers import CHARGER, TAG, Identity
from levity_trio.web.api.engine.endpoints import (
    ClientInput,
    Endpoints,
    Request,
    Role,
    TypedRequest,
    local_today,
)
from levity_trio.web.api.engine.lists import begins_at
from levity_trio.web.api.engine.problems import not_found

ENDPOINTS: Final = Endpoints(TAG)
REPLACEMENT: Final = f"{CHARGER}/replacement"


class ReplacementBody(ClientInput):
    """The charger that takes the place. It need not have connected."""

    charger: Identity


class SerialBody(ClientInput):
    """The new serial number, whether it is that of another charger, and why.

    - serial_number: The serial number that it tells now.
    - replaced (--replaced/--same): What it is since then.
    """

    serial_number: Annotated[str, Meta(max_length=50)]
    replaced: bool
    reason: Annotated[str, Meta(max_length=500)] = ""


class SharedMeterBody(ClientInput):
    """The other charger, and whether the two share a meter.

    - shared (--shared/--own): Whether they do.
    """

    charger: Identity
    shared: bool


@ENDPOINTS.get(REPLACEMENT, Role.OPERATOR, "not_found")
async def get_replacement(request: Request) -> Replacement:
    """Show what follows a charger to the one that takes its place."""
    charger = request.path["id"]
    what = Told("charger {1}", charger)
    return await request.find(replacement, what, charger, request.api.stamp())


@ENDPOINTS.post(REPLACEMENT, Role.ADMIN, "not_found", "conflict")
async def replace_by(request: TypedRequest[None, ReplacementBody]) -> Charger:
    """Let another charger take the place of one, which is retired. What belongs to the place
    follows from now on; sessions stay with the old one."""
    old, new = request.path["id"], request.body.charger
    site = await request.read(newest_site)
    toml = "" if site is None else site.toml
    replaced = Replaced(
        old=old,
        new=new,
        today=local_today(request.api),
        begins_at=partial(begins_at, zone=request.zone),
        site=(toml, with_other_charger(toml, old, new) if toml else toml),
    )
    try:
        await request.write(replace, replaced)
    except UnknownIdentity:
        raise not_found(Told("charger {1}", old)) from None
    return await request.find(stored.charger, Told("charger {1}", new), new)


@ENDPOINTS.post(f"{CHARGER}/serial", Role.OPERATOR, "not_found", "conflict")
async def answer(request: TypedRequest[None, SerialBody]) -> Charger:
    """Say whether a charger with a new serial number is another one. Then its register begins anew,
    and what is known of the old one does not count; all else stays."""
    charger, body = request.path["id"], request.body
    decided = DecidedBy(request.api.stamp(), request.caller.name, body.reason)
    write = partial(answer_serial, is_other=body.replaced)
    await request.commit(write, charger, body.serial_number, decided)
    return await request.find(stored.charger, Told("charger {1}", charger), charger)


@ENDPOINTS.post(f"{CHARGER}/meter", Role.OPERATOR, "not_found", "conflict")
async def answer_of_meter(request: TypedRequest[None, SharedMeterBody]) -> Charger:
    """Say whether a charger shares a meter with another one. If so, the energy of sessions at once
    is divided, and a person confirms it."""
    charger, body = request.path["id"], request.body
    write = partial(answer_meter, is_one=body.shared)
    await request.write(write, charger, body.charger)
    return await request.find(stored.charger, Told("charger {1}", charger), charger)
