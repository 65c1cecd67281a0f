"""Anna owes two statements and pays a part: each place says the same of each statement."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest
import trio

from levity_trio.documents.csv_file import csv_text
from levity_trio.documents.statement_sheet import payment_code, statement_sheet
from levity_trio.documents.template import ENGLISH
from levity_trio.notify.delivery import MailingOrder, mail_reminder, mail_statements
from levity_trio.notify.overdue import NotReminded, ReminderOrder
from levity_trio.notify.rounds import MAIL, Ways
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.people import messages
from levity_trio.store.writes.people.messages import By, RecipientData, ReportSubject
from levity_trio.web.api.engine.endpoints import Caller, Endpoint, Role
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.page import DashboardPage
from levity_trio.web.dashboard.pages import bills, driver, households
from levity_trio.web.dashboard.suggestions import subject_of
from tests.documents.statements import IBAN
from tests.store.bills import (
    ANNA,
    BERLIN,
    Biller,
    InlineReader,
    charge,
    house_of_two,
    month_is_over,
)
from tests.store.books import Station
from tests.store.owning import House
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening

DEAR = """
name = "Dear"
valid_from = 2026-01-01
currency = "EUR"
prices = "gross"
tax = 19

[energy]
price = 40.52
"""
DRIVER = Caller("Anna", Role.DRIVER, "127.0.0.1", account=ANNA)


def page(path: str) -> DashboardPage:
    every = (*bills.PAGES, *households.PAGES, *driver.PAGES)
    return next(one for one in every if one.path == path)


def endpoint(method: str, path: str) -> Endpoint:
    return next(one for one in ENDPOINTS if (one.method, one.path) == (method, path))


STATEMENTS, PAYMENT = (
    endpoint("GET", "/api/admin/statements"),
    endpoint("POST", "/api/admin/wallets/{id}/payment"),
)
CHARGEBACK = endpoint("POST", "/api/admin/wallets/{id}/chargeback")


async def two_months(site: Site, station: Station, prefix: str | None = None) -> Biller:
    """March and April are closed; Anna owes 162.08 for the first, and 76.06 for the second."""
    biller = Biller(house_of_two(site.books))
    site.books.connection.execute(
        "INSERT INTO biller (name, number_prefix, payment_days, set_at, set_by) "
        "VALUES ('Owner', ?, 14, '', 'cleo')",
        (prefix,),
    )
    biller.assign(biller.add(DEAR), date(2026, 1, 1), ANNA)
    for month, wh in ((3, 4000), (4, 1877)):
        charge(station, wh)
        month_is_over(site.books, month)
        await trio.to_thread.run_sync(biller.close, f"2026-{month:02}")
    return biller


async def enter(site: Site, amount: int, to: Endpoint = PAYMENT, **more: Any) -> Any:
    body = {"amount": amount, "reason": "transfer"} | more
    return await site.call(to, body=body, role=Role.OPERATOR, id=str(ANNA))


async def everywhere(site: Site, *words: str) -> None:
    """Check what each page, list and file says of the statements of March and April."""
    of_owner, of_anna = Opening(site), Opening(site, DRIVER)
    household = (await of_owner.open(page("/accounts/{id}"), id=ANNA)).words
    statements = (await of_anna.open(page("/d/statements"))).words
    for number, said in enumerate(words, 1):
        month = ("2026-03", "2026-04")[number - 1]
        assert said in (await of_owner.open(page("/bills/{month}"), month=month)).words
        assert said in (await of_owner.open(page("/statements/{number}"), number=number)).words
    of_months = household.split("Statements")[-1]
    for text in (of_months, statements.split("Statements")[-1]):
        assert text.index(words[1]) < text.index(words[0]) or words[0] == words[1]


async def states(site: Site, **query: str) -> list[tuple[int, str, int]]:
    found = (await site.call(STATEMENTS, query=query))["data"]
    return [(one["number"], one["state"], one["open"]) for one in found][::-1]


async def test_each_place_says_the_same(site: Site, station: Station) -> None:
    await two_months(site, station)
    site.books.now = datetime(2026, 5, 10, 9, tzinfo=UTC)
    late, due = "▲ overdue since 17 April 2026", "○ open · to pay by 16 May 2026"
    await everywhere(site, late, due)
    assert await states(site) == [(1, "overdue", 16208), (2, "open", 7606)]

    await enter(site, 15000, paid_on="2026-05-04")
    await everywhere(site, f"{late} · 12.08 EUR open", due)
    assert await states(site, state="overdue") == [(1, "overdue", 1208)]
    assert await states(site, state="unpaid", sort="-paid")  # it narrows, and sorts
    rows = (await site.ask(STATEMENTS, query={"format": "csv"}, role=Role.OPERATOR)).body.decode()
    assert ",overdue,12.08,2026-04-16" in rows

    await enter(site, 7606, statement=2)
    await everywhere(site, f"{late} · 12.08 EUR open", "● paid")
    await enter(site, 7606, CHARGEBACK)  # which opens the one that it had named
    await enter(site, 2208)
    await everywhere(site, "● paid", "◐ partly paid · 66.06 EUR open · to pay by 16 May 2026")
    await enter(site, 7000)
    await everywhere(site, "● paid", "● paid")
    assert (
        "To be paid" not in (await Opening(site).open(page("/statements/{number}"), number=1)).words
    )


async def test_what_is_overdue_stands_on_bills_and_is_paid_by_name(
    site: Site, station: Station
) -> None:
    await two_months(site, station)
    site.books.now = datetime(2026, 6, 1, 9, tzinfo=UTC)
    shown = await Opening(site).open(page("/bills"))
    assert "Overdue: 238.14 EUR" in shown.words
    assert "162.08 EUR for statement 1 has arrived" in shown.words
    values = shown.form("for statement 1 has arrived").values
    assert (values["amount"], values["statement"]) == ("162.08", "1")
    await enter(site, 16208, statement=1)
    await enter(site, 7606)
    assert "Overdue" not in (await Opening(site).open(page("/bills"))).words


async def test_the_next_statement_says_what_is_open_and_what_came(
    site: Site, station: Station
) -> None:
    biller = await two_months(site, station)
    await enter(site, 15000, paid_on="2026-04-30")
    charge(station, 1000)
    month_is_over(site.books, 5)
    # Statements that are open keep the numbers that are printed on them.
    site.books.connection.execute(
        "INSERT INTO biller (name, number_prefix, payment_days, set_at, set_by) "
        "VALUES ('Owner', 'B-', 14, '', 'cleo')"
    )
    await trio.to_thread.run_sync(biller.close, "2026-05")
    (first, second, third) = await trio.to_thread.run_sync(
        lambda: [biller.statement(number) for number in (1, 2, 3)]
    )
    assert first.before is not None
    assert (first.before.open, first.before.moved, first.to_pay_in_all) == ((), (), 16208)
    assert second.to_pay_in_all == 16208 + 7606
    assert third.printed_number == "B-3"
    assert (third.total, third.to_pay_in_all) == (4052, 1208 + 7606 + 4052)

    sheet = statement_sheet(third, ENGLISH)
    texts = [text.replace("\xa0", " ") for text in sheet.texts()]
    assert (sheet.label, sheet.figure) == ("To pay in all", "128.66\xa0EUR")
    payee = replace(third.owner, bank_account="DE75 5121 0800 1245 1261 99")
    code = payment_code(replace(third, owner=payee), sheet.reference)
    assert "\nEUR128.66\n" in code
    assert texts[texts.index("To be paid after the last statement") + 1] == "238.14 EUR"
    assert texts[texts.index("Paid on 30 April 2026") + 1] == "−150.00 EUR"
    assert texts[texts.index("Still open from before") + 1] == "88.14 EUR"
    opened = "Still open: statement 1 of March 2026, due on 16 April 2026"
    assert texts[texts.index(opened) + 1] == "12.08 EUR"
    assert texts[texts.index("To pay in all") + 1] == "128.66 EUR"
    rows = csv_text(third, ",", ".").splitlines()
    assert [row.split(",")[0] for row in rows[-4:]] == ["moved", "open", "open", "to pay in all"]
    assert rows[-1].rstrip(",").endswith(",128.66")

    # What comes later changes nothing of it.
    await enter(site, 20000)
    again = await trio.to_thread.run_sync(biller.statement, 3)
    assert again.before == third.before


async def test_a_reminder_is_mailed_once_in_the_language_of_the_household(
    site: Site, station: Station
) -> None:
    biller = await two_months(site, station)
    sender = {"name": "Bauhof 12 eG", "address": "Bauhof 12\n10115 Berlin", "bank_account": IBAN}
    await site.call(endpoint("PUT", "/api/admin/biller"), body=sender, role=Role.ADMIN)
    books, reader = site.books, cast("Reader", InlineReader(site.books))
    recipient = RecipientData(who="driver", account=ANNA, mail="anna@example.org", language="de")
    books.run(messages.add_recipient, recipient, None, site.api.key, By(books.at, "cleo"))
    ways = Ways(channels=(MAIL,), zone=BERLIN)

    async def remind(number: int, *, again: bool = False) -> int:
        order = ReminderOrder(number, "cleo", again)
        return await mail_reminder(reader, biller._writer, lambda: books.now, ways, order)

    with pytest.raises(NotReminded, match="statement 2 is not overdue"):
        await remind(2)
    assert await remind(1) == 1
    with pytest.raises(NotReminded, match="a reminder of statement 1 was mailed already"):
        await remind(1)
    assert await remind(1, again=True) == 1
    mails = books.rows("SELECT subject, body, created_by FROM message WHERE kind = 'reminder'")
    subject, body, by = mails[0]
    assert (subject, by) == ("Zahlungserinnerung: Abrechnung 1 für März 2026", "cleo")
    assert "bis zum 16. April 2026 zu zahlen" in body
    # Who asks, whom, and where to pay by which words: as on the paper.
    assert body.startswith("Guten Tag, Anna,\n\n")
    assert (
        "\n\nEmpfänger: Bauhof 12 eG\nKonto: DE02 1203 0000 0000 2020 51\n"
        "Verwendungszweck: Abrechnung 1, Anna\n\nBauhof 12 eG\nBauhof 12\n10115 Berlin"
    ) in body
    assert len(mails) == 2
    assert "reminded" in (await Opening(site).open(page("/bills"))).words

    # The second paper, and its code, ask for the first one, too.
    books.now += timedelta(days=40)
    assert await remind(2) == 1
    bodies = books.rows("SELECT body FROM message WHERE kind = 'reminder' ORDER BY id")
    assert ["nennt einen anderen Betrag" in body for (body,) in bodies] == [False, False, True]

    await enter(site, 16208)
    with pytest.raises(NotReminded, match="statement 1 is not overdue"):
        await remind(1, again=True)


async def test_now_tells_of_what_is_overdue_for_some_days(site: Site, station: Station) -> None:
    await two_months(site, station)
    site.books.now = datetime(2026, 4, 23, 9, tzinfo=UTC)  # the seventh day

    async def overdue() -> list[str]:
        now = await site.call(endpoint("GET", "/api/now"))
        return [one["words"] for one in now["attention"] if one["kind"] == "overdue"]

    assert await overdue() == []
    site.books.now = datetime(2026, 4, 24, 9, tzinfo=UTC)
    assert await overdue() == ["1 statement is overdue: 162.08 EUR"]


async def test_who_owes_and_is_made_prepaid_is_told_before(site: Site, station: Station) -> None:
    await two_months(site, station)
    view = Opening(site).view("", {"id": ANNA})
    subject = await subject_of(view, endpoint("POST", "/api/admin/wallets/{id}/terms"))
    assert subject is not None
    assert subject.wallet is not None
    assert subject.wallet["balance"] == -23814


async def test_a_german_paper_comes_in_a_german_mail_to_whom_nobody_gave_a_language(
    site: Site, station: Station
) -> None:
    biller = await two_months(site, station)
    books, reader = site.books, cast("Reader", InlineReader(site.books))
    # The owner who closed it reads German, so its papers are German.
    books.connection.execute("DROP TRIGGER statement_stays")
    books.connection.execute("UPDATE statement SET language = 'de'")
    recipient = RecipientData(who="driver", account=ANNA, mail="anna@example.org")
    books.run(messages.add_recipient, recipient, None, site.api.key, By(books.at, "cleo"))
    ways = Ways(channels=(MAIL,), zone=BERLIN)
    order = MailingOrder("2026-03", "cleo")
    await mail_statements(reader, biller._writer, lambda: books.now, ways, order)
    reminder = ReminderOrder(1, "cleo", again=False)
    await mail_reminder(reader, biller._writer, lambda: books.now, ways, reminder)
    assert books.rows("SELECT subject FROM message ORDER BY id") == [
        ("Ihre Abrechnung für März 2026",),
        ("Zahlungserinnerung: Abrechnung 1 für März 2026",),
    ]


async def test_new_households_get_the_language_of_the_house(site: Site) -> None:
    House(site.books)
    set_biller = endpoint("PUT", "/api/admin/biller")
    body = {"name": "Bauhof 12 eG", "language": "de"}
    await site.call(set_biller, body=body, role=Role.ADMIN)
    add = endpoint("POST", "/api/admin/accounts")
    made = [
        await site.call(add, body={"name": name, **more}, role=Role.OPERATOR)
        for name, more in (("Emil", {}), ("Fay", {"language": "en"}))
    ]
    assert [one["language"] for one in made] == ["de", "en"]


async def test_a_number_is_everywhere_as_it_is_printed(site: Site, station: Station) -> None:
    biller = await two_months(site, station, "2026-")
    of_anna = (await Opening(site).open(page("/accounts/{id}"), id=ANNA)).words
    assert "Statement 2026-1" in of_anna
    assert "tatement 1 " not in of_anna
    entries = endpoint("GET", "/api/admin/wallets/{id}/entries")
    told = (await site.call(entries, role=Role.OPERATOR, id=str(ANNA)))["data"]
    assert [(one["statement"], one["printed_number"], one["reason"]) for one in told] == [
        (2, "2026-2", "statement 2026-2"),
        (1, "2026-1", "statement 2026-1"),
    ]
    rows = csv_text(await trio.to_thread.run_sync(biller.statement, 2), ",", ".").splitlines()
    assert {row.split(",")[1] for row in rows[1:]} == {"2026-2"}
    assert any(",2026-1," in row for row in rows if row.startswith("open"))

    subject, at = ReportSubject(statement=1), site.books.at
    site.books.run(messages.write_report, ANNA, subject, "Why?", at, at, "driver 1")
    (report,) = (await site.call(endpoint("GET", "/api/admin/reports"), role=Role.OPERATOR))["data"]
    assert report["printed_number"] == "2026-1"
    reader, ways = cast("Reader", InlineReader(site.books)), Ways(channels=(MAIL,), zone=BERLIN)
    order = ReminderOrder(2, "cleo", again=False)
    with pytest.raises(NotReminded, match="statement 2026-2 is not overdue"):
        await mail_reminder(reader, biller._writer, lambda: site.books.now, ways, order)


async def test_what_lacks_is_repeated_at_the_closing_and_said_after_it(
    site: Site, station: Station
) -> None:
    biller = Biller(house_of_two(site.books))
    biller.assign(biller.add(DEAR), date(2026, 1, 1), ANNA)
    charge(station)
    month_is_over(site.books, 3)
    lack = "The sender has no address, which stands on each bill"
    preview = (await Opening(site).open(page("/bills/{month}"), month="2026-03")).words
    assert preview.count(lack) == 2  # among what is missing, and at the button
    await trio.to_thread.run_sync(biller.close, "2026-03")
    closed = (await Opening(site).open(page("/bills/{month}"), month="2026-03")).words
    assert f"{lack}: Anna" in closed
