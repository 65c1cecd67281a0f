"""What stands beside the bills: who bills, what households have paid, and the meters of the house."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.inside import Refused
from levity_trio.web.dashboard.page import Page, View
from levity_trio.web.dashboard.whose import names_of_chargers

SECTION: Final = "Bills"
MOST: Final = 200

Values = Mapping[str, Any]


async def _biller(view: View) -> Values:
    try:
        return {"biller": await view.get("/api/admin/biller")}
    except Refused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return {"biller": None}


async def _payments(view: View) -> Values:
    return {"wallets": await view.get("/api/admin/wallets", limit=MOST, cursor=view.query.get("cursor"))}


async def _meters(view: View) -> Values:
    meters = (await view.get("/api/admin/meters", limit=MOST))["data"]
    return {"meters": meters, "names": await names_of_chargers(view)}


async def _meter(view: View) -> Values:
    path = f"/api/admin/meters/{view.path['id']}"
    readings = await view.get(f"{path}/readings", cursor=view.query.get("cursor"))
    return {"meter": await view.get(path), "readings": readings, "names": await names_of_chargers(view)}


PAGES: Final = (
    Page(
        path="/biller",
        help="tasks/close-a-month#what-stands-on-a-statement",
        title="Who bills",
        template="biller.html",
        read=_biller,
        role=Role.OPERATOR,
        section=SECTION,
    ),
    Page(
        path="/payments",
        help="tasks/close-a-month#6-enter-payments",
        title="Payments",
        template="payments.html",
        read=_payments,
        role=Role.OPERATOR,
        section=SECTION,
    ),
    Page(
        path="/meters",
        help="tasks/does-it-add-up",
        title="Meters",
        template="meters.html",
        read=_meters,
        role=Role.OPERATOR,
        section=SECTION,
    ),
    Page(
        path="/meters/{id}",
        help="tasks/does-it-add-up",
        title="Meter",
        template="meters/meter.html",
        read=_meter,
        role=Role.OPERATOR,
        section=SECTION,
    ),
)
