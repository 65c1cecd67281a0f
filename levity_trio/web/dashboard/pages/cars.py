"""A company car: what its household tells the employer, for operators and for drivers."""

from __future__ import annotations

from typing import Final

from levity_trio.billing.months import Month
from levity_trio.locale import N_
from levity_trio.store.reads.money.statements import OfCar
from levity_trio.web.api.drivers.mine import read_sheet
from levity_trio.web.api.engine.endpoints import Role, local_today, whole_number
from levity_trio.web.api.money.billing import month_named
from levity_trio.web.dashboard.page import DashboardPage, PageView, Values


async def _read(view: PageView) -> Values:
    """Return the sheet of the month before, or of the one that was chosen; the own one where the
    path names no household."""
    vehicle = whole_number(view.path, "vehicle")
    account = view.caller.account
    here, path = f"/d/cars/{vehicle}", f"/me/vehicles/{vehicle}"
    if "id" in view.path:
        account = view.number
        here = f"/accounts/{account}/cars/{vehicle}"
        path = f"/admin/accounts/{account}/vehicles/{vehicle}"
    if account is None:
        return {"sheet": None}

    server = view.api.server
    present = Month.of(local_today(server))
    wanted = view.query.get("month")
    month = present.before if wanted is None else month_named(wanted)
    of = OfCar(account, vehicle, month)
    return {
        "here": here,
        "path": path,
        "account": account,
        "sheet": await view.look(lambda look: look(read_sheet, server, of)),
        "month": str(month),
        "before": str(month.before),
        "next": None if month >= present else str(month.next),
    }


PAGES: Final = N_(
    (
        DashboardPage(
            "/accounts/{id}/cars/{vehicle}",
            "Company car",
            "car.html",
            _read,
            role=Role.OPERATOR,
            section="Households",
            help="tasks/company-car",
        ),
        DashboardPage(
            "/d/cars/{vehicle}",
            "Company car",
            "car.html",
            _read,
            role=Role.DRIVER,
            section="Me",
            help="drivers/what-i-pay",
        ),
    )
)
