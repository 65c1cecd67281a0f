"""What a household owes now is the same on each page, list, paper, reminder and mail, from the
minute in which a correction or a payment is entered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import pytest
import trio

from levity_trio.documents.statement_sheet import statement_sheet
from levity_trio.documents.template import ENGLISH, of_program
from levity_trio.notify.delivery import mail_reminder
from levity_trio.notify.overdue import NotReminded, ReminderOrder
from levity_trio.notify.rounds import MAIL, Ways
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.people import accounts, messages
from levity_trio.store.writes.people.messages import By, RecipientData
from levity_trio.store.writes.transactions.judging import judge_due
from levity_trio.web.api.drivers.mine import DriversMoney, read_money
from levity_trio.web.api.engine.endpoints import Server
from levity_trio.web.api.engine.problems import Problem
from tests.store.bills import (
    ANNA,
    BERLIN,
    Biller,
    InlineReader,
    charge,
    correct,
    house_of_two,
    month_is_over,
)
from tests.store.books import Station
from tests.store.reading import reading
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening
from tests.web.dashboard.test_settled import CHARGEBACK, DRIVER, endpoint, enter, page, states

CLOSE = endpoint("POST", "/api/admin/closings/{month}")
WH = 15_433
"""4.63 EUR."""


@pytest.fixture
def biller(site: Site) -> Biller:
    biller = Biller(house_of_two(site.books))
    site.books.now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    return biller


async def close(biller: Biller, month: int, account: int | None = None) -> None:
    month_is_over(biller.books, month)
    await trio.to_thread.run_sync(biller.close, f"2026-{month:02}", account)


async def remind(site: Site, biller: Biller, number: int) -> int:
    reader, order = cast("Reader", InlineReader(site.books)), ReminderOrder(number, "cleo", True)
    ways = Ways(channels=(MAIL,), zone=BERLIN)
    return await mail_reminder(reader, biller._writer, lambda: site.books.now, ways, order)


def money(site: Site) -> DriversMoney:
    """Return what the API tells the household."""
    with reading(site.books) as db:
        return read_money(db, cast("Server", site.api), ANNA)


async def texts_of(biller: Biller, number: int) -> list[str]:
    """Return the texts on the paper of a statement."""
    statement = await trio.to_thread.run_sync(biller.statement, number)
    sheet = statement_sheet(statement, ENGLISH)
    return [text.replace("\xa0", " ") for text in sheet.texts()]


async def test_what_is_corrected_is_not_owed_from_that_minute_on(
    site: Site, biller: Biller, station: Station
) -> None:
    number = charge(station, WH)
    await close(biller, 3)
    site.books.now = datetime(2026, 4, 28, 9, tzinfo=UTC)
    assert await states(site) == [(1, "overdue", 463)]
    recipient = RecipientData(who="driver", account=ANNA, mail="anna@example.org")
    site.books.run(messages.add_recipient, recipient, None, site.api.key, By(site.books.at, "cleo"))
    assert await remind(site, biller, 1) == 1
    correct(site.books, number, 10_000)
    assert await remind(site, biller, 1) == 1
    mails = site.books.rows("SELECT body FROM message WHERE kind = 'reminder' ORDER BY id")
    other_sum = "The code on the statement asks for another sum: do not use it."
    assert [other_sum in body for (body,) in mails] == [False, True]

    correct(site.books, number, 0)
    assert await states(site) == [(1, "nothing to pay", 0)]
    with pytest.raises(NotReminded):
        await remind(site, biller, 1)
    assert "Overdue" not in (await Opening(site).open(page("/bills"))).words
    household = (await Opening(site).open(page("/accounts/{id}"), id=ANNA)).words
    assert "0.00 EUR to pay now" in household
    assert "Open statements" not in (await Opening(site).open(page("/payments"))).words
    assert "Nothing to pay" in (await Opening(site, DRIVER).open(page("/d/statements"))).words
    assert (money(site).owed, money(site).unpaid) == (0, [])

    # The next paper declares the set-off, and asks for nothing.
    await close(biller, 4)
    texts = await texts_of(biller, 2)
    assert "Nothing to pay" in texts
    assert "Your credit: it is taken off the next statement" not in texts
    declared = "Set off against statement 1 of March 2026"
    assert texts[texts.index(declared) + 1] == "4.63 EUR"
    said = "With this statement we set off your credit against what you owe us. "
    assert f"{said}{declared}: 4.63 EUR." in texts
    assert texts[texts.index("To be paid after the last statement") + 1] == "4.63 EUR"
    assert texts[texts.index("Still open from before") + 1] == "0.00 EUR"
    assert await states(site) == [(1, "paid", 0), (2, "nothing to pay", 0)]
    assert money(site).owed == 0
    german = statement_sheet(biller.statement(2), of_program("de")).texts()
    assert "Mit dieser Abrechnung rechnen wir Ihr Guthaben gegen unsere" in " ".join(german)


async def test_what_was_paid_of_it_is_a_credit(
    site: Site, biller: Biller, station: Station
) -> None:
    number = charge(station, WH)
    await close(biller, 3)
    await enter(site, 463)
    correct(site.books, number, 0)
    words = "a credit of 4.63 EUR comes with the statement for April 2026"
    assert words in (await Opening(site).open(page("/statements/{number}"), number=1)).words
    assert words in (await Opening(site).open(page("/bills/{month}"), month="2026-03")).words
    shown = (await Opening(site, DRIVER).open(page("/d/statements"))).words
    assert "A credit of 4.63 EUR comes with the next statement" in shown
    assert (money(site).owed, money(site).to_come) == (0, 463)

    # What is open is set off first, what is due longest before the rest.
    charge(station, 10_000)
    await close(biller, 4)
    assert money(site).owed == 0
    assert money(site).to_come == 163


async def test_money_goes_to_what_was_overdue_first(
    site: Site, biller: Biller, station: Station
) -> None:
    charge(station, 10_000)
    await close(biller, 3)
    await enter(site, 300)
    charge(station, 20_000)
    await close(biller, 4)
    site.books.now = datetime(2026, 5, 10, 9, tzinfo=UTC)
    await enter(site, 300, CHARGEBACK)
    assert await states(site) == [(1, "overdue", 300), (2, "open", 600)]
    await enter(site, 400)
    assert await states(site) == [(1, "paid", 0), (2, "partly paid", 500)]
    # To close a month opens nothing again.
    charge(station, 1000)
    await close(biller, 5)
    assert (await states(site))[0] == (1, "paid", 0)


async def test_who_moved_out_gets_a_last_bill_and_what_is_left(
    site: Site, biller: Biller, station: Station
) -> None:
    number = charge(station, 10_000)
    site.books.now = datetime(2026, 3, 20, 9, tzinfo=UTC)
    site.books.run(accounts.change, ANNA, {"until": site.books.at}, site.books.at, "cleo")
    site.books.wait(1)
    await trio.to_thread.run_sync(biller.close, "2026-03", ANNA)
    await enter(site, 300)
    shown = (await Opening(site).open(page("/accounts/{id}"), id=ANNA)).words
    assert "moved out on Fri 20 Mar" in shown
    assert "last bill 1" in shown
    await close(biller, 3)

    correct(site.books, number, 1_333)
    leavers = (await Opening(site).open(page("/accounts"))).words
    assert "Last bill" in leavers
    assert "To be paid out" not in (await Opening(site).open(page("/bills"))).words
    site.books.wait(24 * 60)
    await trio.to_thread.run_sync(biller.close, "2026-04", ANNA)
    assert "Your credit: we pay it to you" in await texts_of(biller, 2)
    shown = (await Opening(site).open(page("/bills"))).words
    assert "To be paid out" in shown
    assert "2.60 EUR" in shown
    await close(biller, 4)
    await close(biller, 5)
    assert len(await states(site)) == 2
    await enter(site, 260, endpoint("POST", "/api/admin/wallets/{id}/refund"))
    assert "To be paid out" not in (await Opening(site).open(page("/bills"))).words


async def test_a_month_is_closed_as_the_judge_sees_it_and_as_it_was_shown(
    site: Site, biller: Biller, station: Station
) -> None:
    number = charge(station, 10_000)
    site.books.now = datetime(2026, 4, 2, 9, tzinfo=UTC)
    site.books.settle()
    again = "UPDATE tx SET judge_after = '2026-04-02T09:00:30.000Z' WHERE id = ?"
    site.books.connection.execute(again, (number,))
    preview = await trio.to_thread.run_sync(biller.preview, "2026-03")
    assert [(one.total, one.held_back) for one in preview.data] == [(300, 0)]
    assert site.books.value("SELECT judge_after FROM tx WHERE id = ?", number) is not None

    with pytest.raises(Problem, match=r"Anna comes to 3\.00 EUR now, .* showed 2\.00 EUR"):
        await site.call(CLOSE, body={"shown": f"{ANNA}:200"}, month="2026-03")
    assert site.books.value("SELECT judge_after FROM tx WHERE id = ?", number) is None
    closed = await site.call(CLOSE, body={"shown": f"{ANNA}:300 "}, month="2026-03")
    assert closed["statements"] == 1
    assert await states(site) == [(1, "open", 300)]


async def test_what_was_held_back_is_told_in_the_time_of_its_reader(
    site: Site, biller: Biller, station: Station
) -> None:
    charge(station, 4_000)
    number = charge(station, 900_000)
    await close(biller, 3)
    words = "not asked for on statement 1; comes with the statement for April 2026"
    assert words in (await Opening(site).open(page("/bills/{month}"), month="2026-03")).words
    shown = (await Opening(site, DRIVER).open(page("/d/statements"))).words
    assert "it comes with the statement for April 2026" in shown
    correct(site.books, number, 6_000)
    await close(biller, 4)
    words = "not asked for on statement 1, but on statement 2"
    assert words in (await Opening(site).open(page("/bills/{month}"), month="2026-03")).words
    site.books.run(judge_due, site.books.at, biller.terms.rule)
