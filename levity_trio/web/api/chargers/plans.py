"""Reservations, charging profiles and local lists, as their chargers accepted them, and the limits
in force."""

from __future__ import annotations

from typing import Final

from levity_trio.store.reads.chargers import plans
from levity_trio.store.reads.chargers.plans import (
    ChargingProfile,
    ConnectorLimit,
    LocalList,
    Reservation,
)
from levity_trio.store.reads.pages import ListPage
from levity_trio.web.api.chargers.charger_facts import PagedWhose, both, known_charger, whose
from levity_trio.web.api.chargers.chargers import CHARGER, TAG
from levity_trio.web.api.engine.endpoints import Endpoints, Request, Role, TypedRequest
from levity_trio.web.api.engine.lists import page, wanted, whole

ENDPOINTS: Final = Endpoints(TAG)


@both(ENDPOINTS, "reservations", "the reservations")
async def list_reservations(request: TypedRequest[PagedWhose, None]) -> ListPage[Reservation]:
    charger = await whose(request)
    rows, now = wanted(request.query), request.api.now()
    return await page(request, plans.reservations, charger=charger, wanted=rows, now=now)


@both(ENDPOINTS, "profiles", "the charging profiles")
async def list_profiles(request: TypedRequest[PagedWhose, None]) -> ListPage[ChargingProfile]:
    charger = await whose(request)
    rows, now = wanted(request.query), request.api.now()
    return await page(request, plans.profiles, charger=charger, wanted=rows, now=now)


@ENDPOINTS.get(f"{CHARGER}/profiles/limits", Role.VIEWER, "not_found")
async def list_limits(request: Request) -> ListPage[ConnectorLimit]:
    """Show what each connector should obey now, beside the last composite schedule."""
    charger, now = await known_charger(request), request.api.now()
    return whole(await request.read(plans.limits, charger=charger, now=now))


@both(ENDPOINTS, "local-lists", "the versions of the local list")
async def list_local_lists(request: TypedRequest[PagedWhose, None]) -> ListPage[LocalList]:
    charger, rows = await whose(request), wanted(request.query)
    return await page(request, plans.local_lists, charger=charger, wanted=rows)
