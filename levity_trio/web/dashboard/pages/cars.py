"""A company car: what its household tells the employer, for operators and for drivers."""

from __future__ import annotations

from typing import Final

from levity_trio.billing.months import Month
from levity_trio.locale import N_
from levity_trio.store.reads.money.car_sheets import OfCar
from levity_trio.web.api.drivers.car_sheets import read_sheet
from levity_trio.web.api.engine.endpoints import Role, whole_number
from levity_trio.web.api.engine.local_times import today
from levity_trio.web.api.money.billing import month_named
from levity_trio.web.dashboard.page import DashboardPage, PageView, Values
from levity_trio.web.dashboard.snapshots import Look


async def _read(view: PageView) -> Values:
    account = view.number
    here = f"/accounts/{account}/cars/{view.path['vehicle']}"
    path = f"/admin/accounts/{account}/vehicles/{view.path['vehicle']}"
    return await _shown(view, account, here, path)


async def _read_own(view: PageView) -> Values:
    account = view.caller.account
    if account is None:
        return {"sheet": None}
    here = f"/d/cars/{view.path['vehicle']}"
    return await _shown(view, account, here, f"/me/vehicles/{view.path['vehicle']}")


async def _shown(view: PageView, account: int, here: str, path: str) -> Values:
    """Return the sheet of the month before, or of the one that was chosen."""
    server = view.api.server
    present = Month.of(today(server.now(), server.config.time_zone))

    def read(look: Look) -> Values:
        wanted = view.query.get("month")
        month = present.before if wanted is None else month_named(wanted)
        of = OfCar(account, whole_number(view.path, "vehicle"), month)
        sheet = look(read_sheet, server, of)
        return {
            "sheet": sheet,
            "month": str(month),
            "before": str(month.before),
            "next": None if month >= present else str(month.next),
        }

    return {"here": here, "path": path, "account": account, **await view.look(read)}


_help: Final = "tasks/company-car"
PAGES: Final = N_(
    (
        DashboardPage(
            "/accounts/{id}/cars/{vehicle}",
            "Company car",
            "car.html",
            _read,
            role=Role.OPERATOR,
            section="Households",
            help=_help,
        ),
        DashboardPage(
            "/d/cars/{vehicle}",
            "Company car",
            "car.html",
            _read_own,
            role=Role.DRIVER,
            section="Me",
            help="drivers/what-i-pay",
        ),
    )
)
