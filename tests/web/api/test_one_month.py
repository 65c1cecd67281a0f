"""One month has one figure: whoever looks at one, anywhere, finds the same energy, or beside it by
how much it differs."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pytest

from levity_trio.locale import speaking
from levity_trio.store.lookups.places import UsageLimit
from levity_trio.store.writes.people import tags
from levity_trio.web.api.drivers.mine import read_limits, read_money
from levity_trio.web.api.engine.endpoints import Caller, Role
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.pages import bills, driver, history, households, now
from tests.store.bills import charge, correct
from tests.store.reading import reading
from tests.store.telling import charge as flow
from tests.store.test_imported import import_one
from tests.store.test_power import Kept
from tests.store.wallets import ANNA, BEN
from tests.web.api.conftest import Site
from tests.web.api.test_years import Owner
from tests.web.dashboard.opening import Opening

GET: Final = {one.path: one for one in ENDPOINTS if one.method == "GET"}
PAGES: Final = {
    one.path: one
    for pages in (bills.PAGES, driver.PAGES, history.PAGES, households.PAGES, now.PAGES)
    for one in pages
}
MARCH, APRIL = "2026-03", "2026-04"


class Places:
    """The places that tell of March and April."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.books = site.books
        self.owner = Owner(site)

    async def get(self, path: str, query: Any = None, **given: str) -> Any:
        return await self.site.call(GET[path], query=query or {}, role=Role.OPERATOR, **given)

    async def month(self, month: str) -> Any:
        return await self.get("/api/admin/months/{month}", month=month)

    async def words(self, path: str, link: str = "", account: int | None = None, **of: str) -> str:
        who = Caller("ben", Role.DRIVER, "192.0.2.1", None, None, account)
        opening = Opening(self.site, Role.OPERATOR if account is None else who)
        return (await opening.open(PAGES[path], link, **of)).words


@pytest.fixture
async def places(site: Site) -> Places:
    """A house at half past one on the first of April.

    March has sessions of a wallet, to be billed, too small for a price, of nobody, and in doubt.
    April has one that flowed in March too, and one that runs.
    """
    found = Places(site)
    owner, books = found.owner, site.books
    charge(owner.station, 4000, "Card")
    owner.charging.look()
    charge(owner.station, 6000, "Other")
    charge(owner.station, 50, "Other")
    charge(owner.station, 3000, "Stranger")
    doubtful_one = owner.station.start(20_000, 1, "Other")
    books.wait(60)
    owner.station.stop(doubtful_one, 1_500_000)
    books.now = datetime(2026, 3, 31, 20, 0, tzinfo=UTC)
    over_midnight = owner.station.start(30_000, 1, "Other")
    register = flow(owner.station, over_midnight, 30_000, minutes=300)
    owner.station.stop(over_midnight, register)
    running = owner.station.start(register, 1, "Other")
    flow(owner.station, running, register, minutes=30)
    books.settle()
    await Kept(books).look()
    return found


async def test_each_place_says_the_same_of_a_month(places: Places) -> None:
    march, april = await places.month(MARCH), await places.month(APRIL)
    for one in (march, april):
        assert one["energy_wh"] == sum(part["energy_wh"] for part in one["parts"])
        assert comes_to(one) == sum(map(comes_to, one["parts"])) > 0
    assert {part["state"] for part in march["parts"]} == {
        *("charged", "to be billed", "nobody's", "held back"),
    }
    (running,) = (part["energy_wh"] for part in april["parts"] if part["state"] == "open")
    assert running > 0
    assert march["later_wh"] == april["before_wh"] > 0

    energy = (await places.get("/api/now"))["site"]["energy"]
    assert (energy["last_month_wh"], energy["month_wh"]) == (march["energy_wh"], april["energy_wh"])
    assert (energy["open_wh"], energy["month_before_wh"]) == (running, april["before_wh"])

    listed = (await places.get("/api/admin/months"))["data"]
    assert [one["energy_wh"] for one in listed] == [april["energy_wh"], march["energy_wh"]]
    draft = await places.get("/api/admin/drafts/{month}", month=MARCH)
    assert draft["figures"]["parts"] == march["parts"]
    assert draft["sums"]["charged"] == comes_to(march)
    to_bill = sum(
        part["energy_wh"] for part in march["parts"] if part["state"] in ("charged", "to be billed")
    )
    assert draft["sums"]["energy_wh"] == sum(one["energy_wh"] for one in draft["data"]) == to_bill

    for of in ("site", "charger", "account"):
        told = await places.get("/api/history", query={"by": "month", "of": of})
        both = [
            sum(one["figures"][place]["energy_wh"] for one in told["series"]) for place in (-2, -1)
        ]
        assert both == [march["energy_wh"], april["energy_wh"] - running]
        assert (told["open_wh"], told["left_out_wh"]) == (running, 0)

    ended = {"ended_since": "2026-03-01", "ended_before": "2026-04-01"}
    sums = await places.get("/api/admin/transaction-sums", query=ended)
    assert sums["energy_wh"] == march["energy_wh"]


async def test_what_was_imported_and_is_nobodys_is_told_beside_households(places: Places) -> None:
    books, by_household = places.books, {"by": "month", "of": "account"}
    begun, ended = "2026-03-02T10:00:00.000Z", "2026-03-02T11:00:00.000Z"
    import_one(books, energy_wh=2500, id_tag="Unknown", start_time=begun, stop_time=ended)
    march = await places.month(MARCH)
    elsewhere = [one["energy_wh"] for one in march["parts"] if one["state"] == "billed elsewhere"]
    assert elsewhere == [2500]
    told = await places.get("/api/history", query=by_household)
    shares = sum(one["figures"][-2]["energy_wh"] for one in told["series"])
    assert (told["left_out_wh"], shares) == (2500, march["energy_wh"] - 2500)
    words = await places.words("/history", "?by=month&of=account")
    assert "Not in it: 2.5 kWh of imported sessions of no household." in words


def comes_to(one: Any) -> int:
    """Return what a month, or a part of it, comes to before anything is billed."""
    assert not any(cost["billed"] for cost in one["costs"])
    return sum(cost["to_bill"] for cost in one["costs"])


async def test_a_household_finds_one_figure_on_its_pages(places: Places) -> None:
    books, site = places.books, places.site
    books.run(tags.limit_account, BEN, UsageLimit(month_wh=100_000), books.at, "cleo")
    card = (site.api.id_tags.policy, "Other", UsageLimit(month_wh=100_000), books.at, "cleo")
    books.run(tags.limit_tag, *card)
    with reading(books) as db:
        money, (limit, of_card) = read_money(db, site.api, BEN), read_limits(db, site.api, BEN)
    april, march = money.months
    assert of_card.card == "Other"
    assert of_card.whole_wh == limit.whole_wh
    use = (await places.get("/api/admin/accounts/{id}/limits/use", id=str(BEN)))["data"]
    assert [one["wh"] for one in use] == [april.energy_wh, march.energy_wh]
    assert limit.whole_wh == april.energy_wh
    anna = (await places.get("/api/admin/accounts/{id}/limits/use", id=str(ANNA)))["data"]
    whole = await places.month(MARCH)
    (nobodys,) = (one["energy_wh"] for one in whole["parts"] if one["state"] == "nobody's")
    assert march.energy_wh + anna[1]["wh"] + nobodys == whole["energy_wh"]

    words = await places.words("/d/statements", account=BEN)
    for one in (april, march):
        sums = sum(cost.billed + (cost.to_bill or 0) for cost in one.costs or ())
        assert f"{one.energy_wh / 1000:.1f} kWh, {sums / 100:.2f} EUR" in words
    assert f"open {april.parts[0].energy_wh / 1000:.1f} kWh" in words
    assert f"{(april.before_wh or 0) / 1000:.1f} kWh of it flowed before this month" in words
    # What is counted for the limit is told beside what the month has.
    assert limit.used_wh != limit.whole_wh
    mine = await places.words("/d/me", account=BEN)
    assert f"({april.energy_wh / 1000:.1f} kWh with what is not certain yet)" in mine
    household = await places.words("/accounts/{id}", id=str(BEN))
    assert f"({april.energy_wh / 1000:.1f} kWh with what is not certain yet)" in household
    assert "kWh of sessions in progress. They count when they end." in household


async def test_pages_show_the_figure_or_what_they_leave_out(places: Places) -> None:
    march, april = await places.month(MARCH), await places.month(APRIL)
    one, other = (f"{month['energy_wh'] / 1000:.1f}" for month in (march, april))
    (running,) = (part["energy_wh"] for part in april["parts"] if part["state"] == "open")
    shown = await places.words("/")
    assert f"{one}" in shown
    assert f"{other} kWh {running / 1000:.1f} of it in progress" in shown
    assert f"{april['before_wh'] / 1000:.1f} of it flowed before" in shown
    listed = await places.words("/bills")
    assert one in listed
    assert other in listed
    for month, figure, of in ((march, one, MARCH), (april, other, APRIL)):
        words = await places.words("/bills/{month}", month=of)
        assert f"{figure} kWh, {comes_to(month) / 100:.2f} EUR" in words
    told = await places.words("/history", "?by=month")
    assert one in told
    assert f"Not in it: {running / 1000:.1f} kWh of sessions in progress" in told
    with speaking("de"):
        words = await places.words("/bills/{month}", month=MARCH)
    assert "Der Monat hat" in words
    assert f"ohne Haushalt {3:.1f}".replace(".", ",") in words
    assert "flossen bis zu seinem Ende und zählen in einem späteren Monat" in words


async def test_a_closed_month_and_its_year_say_what_is_not_on_statements(places: Places) -> None:
    """April's statements have a correction of March."""
    books, owner = places.books, places.owner
    owner.close(3)
    closed = await places.month(MARCH)
    assert closed["billed_wh"] < closed["energy_wh"]
    words = await places.words("/bills/{month}", month=MARCH)
    assert f"On statements of this month: {closed['billed_wh'] / 1000:.1f} kWh." in words
    assert f"{closed['energy_wh'] / 1000:.1f} kWh" in words
    (of_march,) = [
        one for one in (await owner.year(by="energy"))["periods"] if one["period"] == MARCH
    ]
    assert of_march["energy_wh"] == closed["billed_wh"]
    assert of_march["months_wh"] == closed["energy_wh"]
    billed = sum(Decimal(line["kWh billed"] or "0") for line in await owner.bookings())
    assert billed * 1000 == closed["billed_wh"]
    year = await places.words("/bills/year/{year}", "?by=energy", year="2026")
    assert (
        f"March 2026 {closed['billed_wh'] / 1000:.1f} of {closed['energy_wh'] / 1000:.1f}" in year
    )

    (number,) = (row[0] for row in books.rows("SELECT tx_id FROM booked WHERE energy_wh = 6000"))
    correct(books, number, 7000)
    books.wait(5)
    books.settle()
    draft = await places.get("/api/admin/drafts/{month}", month=APRIL)
    assert draft["sums"]["earlier_wh"] == 1000
    april = await places.words("/bills/{month}", month=APRIL)
    assert "1.0 kWh of these are of earlier months." in april
