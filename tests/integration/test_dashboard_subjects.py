"""What forms are about, and the units in which they are filled in and refused: sessions,
households, tags, money."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.browsing import Browser, Page
from tests.integration.charger import Charger
from tests.integration.serving import Serving, serving
from tests.store.books import Books, Station
from tests.store.owning import House
from tests.store.template import new_database

ANNA, PAYMENT = "/do/post/admin/accounts/1", "/do/post/admin/wallets/1/payment"
IN_UTC = re.compile(r"\d\d:\d\d:\d\dZ")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    """A site with the household of Anna, an ended session of her tag, and one that goes on."""
    database = tmp_path / "site.db"
    with new_database(database) as connection:
        books = Books(connection)
        House(books)
        station = Station(books)
        number = station.start(1000, tag="=1+1")
        books.wait(120)
        station.stop(number, 14_275)
        station.start(20_000, tag="=1+1")
        station.lose()
    with serving(database, "--time-zone", "Europe/Berlin") as running:
        yield running


def wrong(page: Page) -> dict[str, Any]:
    """Return the field at which the problem of a form stands."""
    (found,) = [given for _, given in page.tags if "aria-invalid" in given]
    return found


def numbers(server: Serving) -> list[int]:
    return [number for (number,) in server.query("SELECT id FROM tx ORDER BY start_time, id")]


def test_who_corrects_a_session_sees_which_and_is_refused_what_is_impossible(
    server: Serving, browser: Browser
) -> None:
    number, _ = numbers(server)
    path = f"/do/post/admin/transactions/{number}/correct"
    page = browser.get(path)
    for words in (
        "=1+1",
        "CP-1",
        "13.275 kWh",
        "Sun 1 Mar 2026, 13:00:00 CET",
        "In the time of Europe/Berlin.",
    ):
        assert words in page.words, words
    assert IN_UTC.search(page.words) is None
    page = browser.send(page.form(path), figure_wh="99999.999", reason="a slip")
    assert (page.status, wrong(page)["name"], wrong(page)["value"]) == (
        422,
        "figure_wh",
        "99999.999",
    )
    assert "Energy (kWh) : No charger delivers 99 999.999 kWh" in page.words
    page = browser.send(page.form(path), figure_wh="-5")
    assert "Energy (kWh) : Give 0 kWh or more" in page.words
    page = browser.press(page.form(path), "Show what changes", figure_wh="2,001")
    assert "The session then has 2.001 kWh" in page.words
    assert page.form(path).values["figure_wh"] == "2,001"
    assert server.query("SELECT energy_delivered FROM tx WHERE id = ?", number) == [(13275,)]
    before = server.query("SELECT start_time, stop_time FROM tx WHERE id = ?", number)
    page = browser.send(page.form(path))
    assert page.status == 200
    assert server.query("SELECT start_time, stop_time FROM tx WHERE id = ?", number) == before
    assert server.query("SELECT energy_delivered FROM tx WHERE id = ?", number) == [(2001,)]


def test_who_closes_one_sees_which(server: Serving, browser: Browser) -> None:
    _, number = numbers(server)
    page = browser.get(f"/do/post/admin/transactions/{number}/close")
    assert "=1+1" in page.words
    assert "Meter at the end (kWh)" in page.words


def test_a_payment_says_whose_and_is_refused_in_money(server: Serving, browser: Browser) -> None:
    page = browser.get(PAYMENT)
    form = page.form(PAYMENT)
    assert "Anna" in page.words
    assert "no bill and no payment yet" in page.words
    assert (form.values["currency"], form.values["reason"]) == ("EUR", "paid")
    for amount in ("0", "-5"):
        page = browser.send(form, amount=amount)
        assert (page.status, wrong(page)["name"]) == (422, "amount")
        assert "Amount : Give 0.01 EUR or more" in page.words
        assert "expected" not in page.words
    browser.send(page.form(PAYMENT), amount="12,50")
    assert server.query("SELECT amount, currency, reason FROM ledger") == [(1250, "EUR", "paid")]
    assert "has 12.50 EUR to its credit" in browser.get(PAYMENT).words
    assert "Anna" in browser.get(f"{ANNA}/give").words


def test_a_limit_of_money_says_its_currency(browser: Browser) -> None:
    assert "In EUR." in browser.get("/do/post/admin/wallets/1/terms").words


def test_a_tag_that_is_changed_is_named(server: Serving, browser: Browser) -> None:
    path = "/do/patch/admin/id-tags/04AA"
    with Charger(server.port, "CP-2") as charger:
        charger.boot()
    browser.send(
        browser.get("/do/post/admin/id-tags").form("/do/post"), id_tag="04AA", name="The white car"
    )
    browser.send(browser.get(f"{ANNA}/give").form("/give"), tag="04AA", since="2026-03-01")
    page = browser.get(path)
    for words in ("The white car", "04AA", "Accepted", "Anna"):
        assert words in page.words, words


def test_the_subject_of_what_is_not_there_is_left_out(browser: Browser) -> None:
    for path, status in (("transactions/4711/correct", 404), ("wallets/4711/payment", 200)):
        page = browser.get(f"/do/post/admin/{path}")
        assert page.status == status
        assert not [tag for tag, given in page.tags if tag == "dl"]
