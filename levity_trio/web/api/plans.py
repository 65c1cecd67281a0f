"""Reservations, charging profiles and local lists, as their chargers accepted them, and the limits in force."""

from __future__ import annotations

from functools import partial
from typing import Final

from levity_trio.store.reads import limits, plans
from levity_trio.store.reads.limits import ConnectorLimit
from levity_trio.store.reads.plans import ChargingProfile, LocalList, Reservation
from levity_trio.web.api.charger_facts import PagedWhose, both, whose
from levity_trio.web.api.chargers import CHARGER, TAG
from levity_trio.web.api.endpoints import Asked, Endpoint, Role
from levity_trio.web.api.lists import page, page_of, wanted, whole


async def list_reservations(asked: Asked) -> object:
    charger, now = await whose(asked), asked.api.now()
    return await page(asked.api, partial(plans.reservations, charger=charger, wanted=wanted(asked.query), now=now))


async def list_profiles(asked: Asked) -> object:
    charger, now = await whose(asked), asked.api.now()
    return await page(asked.api, partial(plans.profiles, charger=charger, wanted=wanted(asked.query), now=now))


async def list_limits(asked: Asked) -> object:
    charger, now = asked.path["id"], asked.api.now()
    await whose(asked)
    return whole(await asked.api.reader.run(partial(limits.limits, charger=charger, now=now)))


async def list_local_lists(asked: Asked) -> object:
    charger = await whose(asked)
    return await page(asked.api, partial(plans.local_lists, charger=charger, wanted=wanted(asked.query)))


ENDPOINTS: Final = (
    *both("reservations", list_reservations, PagedWhose, Reservation, "the reservations"),
    *both("profiles", list_profiles, PagedWhose, ChargingProfile, "the charging profiles"),
    Endpoint(
        method="GET",
        path=f"{CHARGER}/profiles/limits",
        role=Role.VIEWER,
        tag=TAG,
        summary="Show what each connector should obey now, beside the last composite schedule.",
        handle=list_limits,
        answer=page_of(ConnectorLimit),
        problems=("not_found",),
    ),
    *both("local-lists", list_local_lists, PagedWhose, LocalList, "the versions of the local list"),
)
