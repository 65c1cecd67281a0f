"""The year of an owner with sixteen households, in the browser alone: once in English on a wide
screen, once in German on a phone.

owner.py says what a tap is. Each kind of page is looked at in both widths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.chromium import seen
from tests.browser.owner import PHONE_WIDTH, Effort, Owner
from tests.browser.site import Site
from tests.browser.year import (
    BANK_LINES,
    FAMILIES,
    UNPAID,
    YEAR,
    House,
    household,
    opened_house,
    tag_of,
)

PHONE: Final[ViewportSize] = {"width": PHONE_WIDTH, "height": 740}
MONTH: Final = f"{YEAR}-02"
"""The month that is measured: its bank file, closing, papers and mails."""
OF_A_MONTH: Final = ("enter a bank's file", f"close {MONTH}", "print the papers", "mail them")
MOST_OF_A_MONTH: Final = 17
"""Taps."""
MOVES_OUT, REPLACED, CORRECTED = 2, 5, 7
"""Numbers of households and of their spaces."""
MAILED: Final = UNPAID[0]
"""Who has a mail address: each mail of a statement is a paper that takes time."""
UNSETTLED: Final = "SELECT count(*) FROM settlement WHERE paid < asked"
BOOKINGS: Final = (
    "SELECT (SELECT count(*) FROM ledger WHERE kind IN ('statement', 'payment') AND amount <> 0) "
    "+ (SELECT count(DISTINCT position.statement_id) FROM position "
    "JOIN statement ON statement.id = statement_id WHERE corrects > 0 AND number > 0)"
)
"""Statements, payments, and the statement that corrects an earlier one."""
LAST_BILL: Final = "SELECT statements FROM closing WHERE account_id IS NOT NULL"


@contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    """No server: each walk has a house of its own in this folder."""
    yield Site(folder)


def in_english_on_a_wide_screen(page: Page, site: Site) -> dict[str, Any]:
    """The whole year, with the papers of a whole month."""
    papers = (f"/closings/{MONTH}/document", f"/closings/{MONTH}/archive")
    return _walk(page, site.folder / "wide", "en", papers=papers, months=12)


@seen(locale="de-DE", viewport=PHONE, is_mobile=True, has_touch=True)
def in_german_on_a_phone(page: Page, site: Site) -> dict[str, Any]:
    """The first months, with one paper: to begin to print takes seconds."""
    papers = ("/statements/20/document",)
    return _walk(page, site.folder / "phone", "de", papers=papers, months=5)


def _walk(
    page: Page, folder: Path, language: str, *, papers: Sequence[str], months: int
) -> dict[str, Any]:
    """Live through the year; return what each task takes, and what a month does."""
    folder.mkdir()
    with opened_house(folder) as house:
        owner = Owner(page, house.url, language)
        with _visit(owner, house, date(YEAR, 2, 3), 1):
            _begin(owner, house)
            _close(owner, f"{YEAR}-01")
        with _visit(owner, house, date(YEAR, 3, 4), 2):
            _set_the_mail_server(owner, house)
            _remind(owner, house)
            _enter_a_bank_file(owner, house)
            _close(owner, MONTH)
            _print(owner, papers)
            _mail(owner, house)
            _pay_by_hand(owner, house)
            _correct(owner)
        with _visit(owner, house, date(YEAR, 4, 22), 3, 4):
            _close(owner, f"{YEAR}-03")
            _show_the_correction(owner)
            _replace_a_charger(owner, house)
            _move_out(owner, house)
        with _visit(owner, house, date(YEAR + months // 12, months % 12 + 1, 8), 5, months):
            for number in range(4, months + 1):
                _close(owner, f"{YEAR}-{number:02}")
            _give_the_year_to_the_tax_adviser(owner, house)
    return _told(owner.efforts)


def _told(efforts: dict[str, Effort]) -> dict[str, Any]:
    of_month = [efforts[name] for name in OF_A_MONTH]
    taps = sum(effort.taps for effort in of_month)
    assert taps <= MOST_OF_A_MONTH
    told: dict[str, Any] = {}
    for name, effort in efforts.items():
        told[name] = asdict(effort) | {"seconds": round(effort.seconds, 1)}
    seconds = sum(effort.seconds for effort in of_month)
    told["a month in all"] = {"taps": taps, "seconds": round(seconds, 1)}
    return told


@contextmanager
def _visit(owner: Owner, house: House, day: date, *months: int) -> Iterator[None]:
    """Let the house charge in these months; then the owner comes on a day."""
    house.charge_in(*dict.fromkeys(months))
    house.leap(day)
    house.start()
    yield
    owner.leave()
    house.stop()


# February: the first bills


def _begin(owner: Owner, house: House) -> None:
    with owner.task("enter sixteen households"):
        owner.section("Households")
        owner.link("Enter a list…")
        owner.type("since", f"{YEAR}-01-01")
        for number, name in enumerate(FAMILIES, 1):
            row = f"rows[{number - 1}]"
            owner.type(f"{row}.name", household(number))
            owner.type(f"{row}.card", tag_of(number))
            owner.type(f"{row}.space", str(number))
            owner.type(f"{row}.address", f"Bauhof 12, Wohnung {number}, 10115 Berlin")
            owner.type(f"{row}.mail", f"wohnung{number}@example.org" if name == MAILED else "")
        owner.send()
        expect(owner.main.locator("tbody th")).to_have_count(len(FAMILIES))
    with owner.task("say who bills, and how he is taxed"):
        owner.section("Bills")
        owner.link("Sender of the bills")
        owner.link("Enter the sender of the bills")
        owner.type("name", "Hausverein Bauhof 12")
        owner.type("address", "Bauhof 12\n10115 Berlin")
        owner.type("bank_account", "DE75512108001245126199")
        owner.choose("tax_kind", "taxed")
        owner.type("tax_number", "27/123/45678")
        owner.type("number_prefix", f"{YEAR}-")
        owner.send()
        owner.sees("To be paid within")
    with owner.task("say what a kWh costs"):
        owner.section("Bills")
        owner.link("Enter what a kWh costs")
        owner.type("price", "0.32")
        owner.type("tax", "19")
        owner.type("since", f"{YEAR}-01-01")
        owner.button("What would last month have cost?")
        owner.send()
        owner.sees("A tariff is assigned.")
    with owner.task("begin to bill"):
        owner.section("Bills")
        owner.type("begun_on", f"{YEAR}-01-01")
        owner.button("Begin to bill")
    assert house.server.query("SELECT begun_on FROM billing") == [(f"{YEAR}-01-01",)]


def _close(owner: Owner, month: str) -> None:
    with owner.task(f"close {month}"):
        owner.section("Bills")
        owner.follow(f"/bills/{month}")
        owner.reads(len(FAMILIES))
        owner.agree(owner.main)
        owner.sees("Closed")


# March: the money of the first month, and the bills of the second


def _set_the_mail_server(owner: Owner, house: House) -> None:
    with owner.task("set the mail server"):
        owner.section("System")
        owner.link("Messages and backup")
        owner.link("Set the mail server…")
        owner.type("server", f"127.0.0.1:{house.mail_port}")
        owner.choose("encryption", "smtp")
        owner.type("sender", "Bauhof 12 <haus@example.org>")
        owner.send()
        owner.sees("Try it")
    with owner.task("try the mail server"):
        owner.section("System")
        owner.link("Messages and backup")
        owner.type("to", "cleo@example.org")
        owner.button("Try it")
    assert house.taken_mail()["to"] == ["cleo@example.org"]


def _remind(owner: Owner, house: House) -> None:
    number = FAMILIES.index(MAILED) + 1
    with owner.task("remind a household that is overdue"):
        owner.follow("/bills")
        row = owner.row(household(number))
        owner.agree(row, 1)
        expect(row).to_contain_text(owner.say("Remind again"))
    assert house.taken_mail()["to"] == [f"wohnung{number}@example.org"]


def _enter_a_bank_file(owner: Owner, house: House) -> None:
    with owner.task("enter a bank's file"):
        owner.section("Bills")
        owner.link("Read a file of the bank")
        owner.give_file("umsaetze.csv", house.bank_file(f"02.03.{YEAR}"))
        owner.send()
        owner.reads(BANK_LINES)
        owner.tap(owner.main.locator("[name=rest]"))
        owner.send()
    assert house.server.query(UNSETTLED) == [(len(UNPAID),)]


def _print(owner: Owner, papers: Sequence[str]) -> None:
    with owner.task("print the papers"):
        owner.section("Bills")
        owner.follow(f"/bills/{MONTH}")
        for paper in papers:
            assert owner.download(paper).startswith((b"%PDF-", b"PK"))


def _mail(owner: Owner, house: House) -> None:
    with owner.task("mail them"):
        owner.section("Bills")
        owner.follow(f"/bills/{MONTH}")
        owner.tap(owner.main.locator("form[action$='/mail'] button"))
    assert house.taken_mail()["attachments"][0][1] == "application/pdf"


def _pay_by_hand(owner: Owner, house: House) -> None:
    first, second = (household(FAMILIES.index(name) + 1) for name in UNPAID[:2])
    with owner.task("enter a payment by hand"):
        owner.section("Bills")
        owner.link("Payments")
        owner.tap(owner.row(first).locator("a[href*='/payment?']").first)
        owner.type("amount", "2")
        owner.send()
        owner.sees("Remind again")
    with owner.task("say that a statement is paid"):
        owner.section("Bills")
        owner.link("Payments")
        owner.agree(owner.row(second))
        expect(owner.row(second)).not_to_contain_text(owner.say("Remind"))
    partly = "SELECT paid FROM settlement WHERE paid BETWEEN 1 AND asked - 1"
    assert house.server.query(partly) == [(200,)]


def _correct(owner: Owner) -> None:
    with owner.task("correct a session of a closed month"):
        owner.section("Bills")
        owner.follow(f"/bills/{MONTH}")
        owner.tap(owner.row(household(CORRECTED)).locator("a[href*='/statements/']").first)
        owner.tap(owner.main.locator("a[href*='/sessions/']").first)
        owner.link("Correct")
        owner.type("figure_wh", "10")
        owner.type("reason", "The meter was read again.")
        owner.send()


# April: a correction, another charger, and a household that moves out


def _show_the_correction(owner: Owner) -> None:
    with owner.task("show the correction on the next statement"):
        owner.section("Bills")
        owner.follow(f"/bills/{YEAR}-03")
        owner.tap(owner.row(household(CORRECTED)).locator("a[href*='/statements/']").first)
        owner.sees("Corrects line %(corrects)s of", corrects=1)


def _replace_a_charger(owner: Owner, house: House) -> None:
    old = house.chargers[REPLACED]
    new = house.chargers[REPLACED] = f"{old}-B"
    with owner.task("replace a charger"):
        owner.section("Chargers")
        owner.follow(f"/chargers/{old}")
        owner.link("Settings")
        owner.link("Replace by another charger")
        owner.type("charger", new)
        owner.send()
    assert house.server.query("SELECT account_id FROM ownership WHERE key = ?", new) == [
        (REPLACED,)
    ]


def _move_out(owner: Owner, house: House) -> None:
    del house.chargers[MOVES_OUT]
    name = household(MOVES_OUT)
    with owner.task("let a household move out"):
        owner.section("Households")
        owner.link(name)
        owner.link("Moves out…")
        owner.type("until", f"{YEAR}-04-21")
        owner.send()
    with owner.task("close its last bill"):
        owner.section("Households")
        owner.link("Last bill of %(name)s", name=name)
        owner.agree(owner.main)
    assert house.server.query(LAST_BILL) == [(1,)]


# After the year


def _give_the_year_to_the_tax_adviser(owner: Owner, house: House) -> None:
    with owner.task("give the year to the tax adviser"):
        owner.section("Bills")
        owner.link("Year")
        owner.link(owner.say("By month of energy"))
        if not owner.main.locator("tbody").first.is_visible():
            owner.link(str(YEAR))
        lines = owner.download("/get/admin/years/").decode().splitlines()
    assert house.server.query(BOOKINGS) == [(len(lines) - 1,)]
