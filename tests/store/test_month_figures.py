"""What a month has, against a model of ten lines: its parts add up to it, of all and of each
household, and its statements say the same with what of them is of earlier months."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Final

import pytest
from hypothesis import given, settings

from levity_trio.billing.examples import BASE_FEE
from levity_trio.billing.ledger import WalletTerms
from levity_trio.billing.months import Month
from levity_trio.billing.states import BillState
from levity_trio.store.engine.database import rows_of
from levity_trio.store.reads.money.months import (
    BillMonth,
    MonthFigures,
    WantedMonth,
    month,
    month_figures,
    months,
)
from levity_trio.store.reads.now import energy_now
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.store.writes.money.ledger import NewTerms, set_terms
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision
from tests.sizes import size
from tests.store.bills import (
    ANNA,
    BEN,
    BERLIN,
    Biller,
    charge,
    correct,
    house_of_two,
    month_is_over,
)
from tests.store.books import Books, Station
from tests.store.reading import reading
from tests.store.telling import charge as flow
from tests.store.test_bill_months import doubtful
from tests.store.test_power import Kept
from tests.store.test_statement_stories import EVENTS, Event, Year

START: Final = date(2026, 3, 1)
SAID: Final = (BillState.BILLED, BillState.CHARGED, BillState.FREE)
"""The states of what a closed statement says."""
_POSITIONS: Final = (
    "SELECT booked.month, position.energy_wh FROM position "
    "JOIN statement ON statement.id = statement_id "
    "JOIN booked ON booked.tx_id = position.tx_id "
    "WHERE number IS NOT NULL AND kind IN ('session', 'free', 'correction')"
)


def of(books: Books, number: int, filters: TransactionFilters | None = None) -> MonthFigures:
    """Return what a month of 2026 has."""
    wanted = WantedMonth(Month(2026, number), books.rule, books.now)
    if filters is not None:
        wanted = wanted._replace(filters=filters)
    with reading(books) as db:
        return month_figures(rows_of(db), wanted)


def by_state(figures: MonthFigures) -> Counter[str]:
    assert figures.energy_wh == sum(part.energy_wh for part in figures.parts)
    costs = [cost for part in figures.parts for cost in part.costs or ()]
    for whole in figures.costs or ():
        every = [cost for cost in costs if cost.currency == whole.currency]
        assert whole.billed == sum(cost.billed for cost in every)
        assert whole.to_bill == sum(cost.to_bill or 0 for cost in every)
    assert figures.sessions == sum(part.sessions for part in figures.parts)
    return Counter({part.state: part.energy_wh for part in figures.parts})


def bill_month(books: Books, number: int) -> BillMonth:
    with reading(books) as db:
        found = month(db, WantedMonth(Month(2026, number), books.rule, books.now))
    assert found is not None
    return found


@settings(max_examples=size(200, 15), deadline=None)
@given(EVENTS)
def test_the_figures_of_months_add_up_by_their_parts(events: list[Event]) -> None:
    year = Year()
    for event in events:
        if year.month < 11:
            year.live(event)
    year.close()
    books = year.books
    ended: Counter[str] = Counter()
    for at, wh in books.rows("SELECT stop_time, energy_delivered FROM tx"):
        local = datetime.fromisoformat(at).astimezone(BERLIN)
        ended[f"{local:%Y-%m}"] += wh
    said: Counter[str] = Counter()
    for at, wh in books.rows(_POSITIONS):
        said[at] += wh

    billed: Counter[str] = Counter()
    for number in range(3, books.now.month + 1):
        figures = of(books, number)
        states = by_state(figures)
        assert figures.energy_wh == ended[f"2026-{number:02}"]
        for state in SAID:
            billed[f"2026-{number:02}"] += states[state]
        # Those of the households and of nobody are all of it.
        owned = [of(books, number, TransactionFilters(account=one)) for one in (ANNA, BEN)]
        nobodys = of(books, number, TransactionFilters(is_unowned=True))
        shares = sum(map(by_state, (*owned, nobodys)), Counter())
        assert shares == +states
        assert bill_month(books, number).parts == figures.parts
    # All that was ever asked for is in the sums of the months.
    whole = [of(books, number).costs or () for number in range(3, books.now.month + 1)]
    asked = books.value("SELECT coalesce(sum(charged), 0) FROM statement WHERE number > 0")
    assert sum(cost.billed for costs in whole for cost in costs) == asked
    # What waits for a person may have been said before; all else was said to the Wh.
    if not books.count("review WHERE resolved_at IS NULL"):
        assert +billed == +said


def test_what_a_statement_says_of_earlier_months_is_named(books: Books, station: Station) -> None:
    """A session of March was held back and comes with April, as does a correction of another."""
    biller = Biller(house_of_two(books))
    billed, held_back = charge(station, 4000), doubtful(station)
    month_is_over(books, 3)
    biller.close("2026-03")
    confirmed = decisions.Correction(figure_wh=7000)
    said = Decision("cleo", "looked at the car", books.at)
    books.run(decisions.correct, held_back, confirmed, said)
    correct(books, billed, 5000)
    charge(station, 2000)
    books.settle()

    march = bill_month(books, 3)
    assert by_state(march) == {"billed": 5000, "to be billed": 7000}
    assert (march.billed_wh, march.earlier_wh, march.held_back) == (4000, 0, 1)
    sums = biller.preview("2026-04").sums
    assert (sums.energy_wh, sums.earlier_wh) == (2000 + 8000, 8000)
    assert sums.energy_wh == sum(one.energy_wh for one in biller.preview("2026-04").data)
    month_is_over(books, 4)
    biller.close("2026-04")
    assert by_state(bill_month(books, 3)) == {"billed": 12_000}
    april = bill_month(books, 4)
    assert (april.energy_wh, april.billed_wh, april.earlier_wh) == (2000, 10_000, 8000)


@pytest.mark.parametrize("prices", ["gross", "net"])
def test_the_sum_of_a_month_is_that_of_its_papers(
    books: Books, station: Station, prices: str
) -> None:
    """With base fees, tax and what a wallet paid; the parts add up to it."""
    biller = Biller(house_of_two(books))
    toml = BASE_FEE.replace("2026-10-01", "2026-01-01").replace("0.29", "0.2933")
    tariff = biller.add(toml.replace('prices = "gross"', f'prices = "{prices}"'))
    for account in (ANNA, BEN):
        biller.assign(tariff, START, account)
    terms = NewTerms(WalletTerms.PREPAID, 0, "why", books.at, "cleo")
    books.run(set_terms, BEN, terms)
    for wh, tag in ((4001, "Card"), (3265, "Card"), (50, "Card"), (777, "Ben"), (1111, "Ben")):
        charge(station, wh, tag)
    running = station.start(10_204, 1, "Card")
    books.wait(30)
    station.tell(station.register(15_204), transaction=running)

    march = of(books, 3)
    by_state(march)
    assert march.costs is not None
    sums = {part.state: one.to_bill for part in march.parts for one in part.costs or ()}
    assert {"base fee", "open"} <= sums.keys()
    (whole,) = march.costs
    station.stop(running, 15_204)
    month_is_over(books, 3)
    ended = of(books, 3).costs or ()
    assert [(one.billed, one.to_bill) for one in ended] == [(0, whole.to_bill)]
    assert biller.preview("2026-03").sums.charged == whole.to_bill
    biller.close("2026-03")
    closed = bill_month(books, 3)
    assert [(one.billed, one.to_bill) for one in closed.costs or ()] == [(closed.amount, 0)]
    by_state(closed)
    assert closed.amount == whole.to_bill


@pytest.mark.parametrize("is_running", [True, False])
async def test_what_flowed_in_another_month_is_named(
    books: Books, station: Station, is_running: bool
) -> None:
    house = house_of_two(books)
    Biller(house)
    charge(station, 4000)
    books.now = datetime(2026, 3, 31, 21, 0, tzinfo=UTC)  # an hour before midnight
    number = station.start(5000, 1, "Card")
    register = flow(station, number, 5000, minutes=180)
    if not is_running:
        station.stop(number, register)
    await Kept(books).look()
    march, april = of(books, 3), of(books, 4)
    assert (march.energy_wh, march.before_wh, april.energy_wh) == (4000, 0, register - 5000)
    assert march.later_wh == april.before_wh
    assert 0 < (april.before_wh or 0) < april.energy_wh
    assert by_state(april) == {"open" if is_running else "to be billed": register - 5000}
    with reading(books) as db:
        so_far = [register - 5000] if is_running else []
        now = energy_now(db, books.now, BERLIN, so_far)
    assert (now.month_wh, now.month_before_wh) == (april.energy_wh, april.before_wh)
    assert (now.last_month_wh, now.open_wh) == (march.energy_wh, sum(so_far))


def test_a_list_of_months_has_the_same_without_costs(books: Books, station: Station) -> None:
    biller = Biller(house_of_two(books))
    charge(station, 4000)
    charge(station, 50)
    charge(station, 3000, "Stranger")
    month_is_over(books, 3)
    biller.close("2026-03")
    with reading(books) as db:
        listed = months(db, books.rule, books.now, None, 5)[1]
    whole = bill_month(books, 3)
    assert [(one.state, one.energy_wh, one.costs) for one in listed.parts] == [
        (one.state, one.energy_wh, None) for one in whole.parts
    ]
    assert by_state(whole) == {"billed": 4000, "free": 50, "nobody's": 3000}
    assert (whole.energy_wh, whole.billed_wh, whole.earlier_wh) == (7050, 4050, 0)
    assert whole.parts[0].costs is not None
    assert [(one.billed, one.to_bill) for one in whole.parts[0].costs] == [(120, 0)]
