"""Reservations, charging profiles and local lists, as their chargers accepted them."""

from __future__ import annotations

from functools import partial
from typing import Final

from levity_trio.store.reads import plans
from levity_trio.store.reads.plans import ChargingProfile, LocalList, Reservation
from levity_trio.web.api.charger_facts import PagedWhose, both, whose
from levity_trio.web.api.endpoints import Asked
from levity_trio.web.api.lists import page, wanted


async def list_reservations(asked: Asked) -> object:
    charger, now = await whose(asked), asked.api.now()
    return await page(asked.api, partial(plans.reservations, charger=charger, wanted=wanted(asked.query), now=now))


async def list_profiles(asked: Asked) -> object:
    charger = await whose(asked)
    return await page(asked.api, partial(plans.profiles, charger=charger, wanted=wanted(asked.query)))


async def list_local_lists(asked: Asked) -> object:
    charger = await whose(asked)
    return await page(asked.api, partial(plans.local_lists, charger=charger, wanted=wanted(asked.query)))


ENDPOINTS: Final = (
    *both("reservations", list_reservations, PagedWhose, Reservation, "the reservations"),
    *both("profiles", list_profiles, PagedWhose, ChargingProfile, "the charging profiles"),
    *both("local-lists", list_local_lists, PagedWhose, LocalList, "the versions of the local list"),
)
