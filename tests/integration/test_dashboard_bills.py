"""Bills in the dashboard: from an empty database to a closed month by forms alone; who sees them;
hostile names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.browsing import PASSWORD, Browser, Page
from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving
from tests.store.bills import BERLIN

TODAY = datetime.now(BERLIN)
LAST = (TODAY.replace(day=1) - timedelta(days=10)).replace(
    hour=12, minute=0, second=0, microsecond=0, tzinfo=UTC
)
MONTH, THIS = f"{LAST:%Y-%m}", f"{TODAY:%Y-%m}"
IN_WORDS = f"{LAST:%B %Y}"
BEGUN = f"{MONTH}-01"
HOSTILE = '"><script>alert(1)</script>'
CLOSE = f"/do/post/admin/closings/{MONTH}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db", "--time-zone", "Europe/Berlin") as running:
        yield running


def charge(charger: Charger, tag: str, begin: int, end: int, day: int = 0) -> int:
    """Return a transaction of last month, of which the charger tells only now."""
    start = LAST + timedelta(days=day)
    told = charger.call(
        "StartTransaction", connectorId=1, idTag=tag, meterStart=begin, timestamp=start.isoformat()
    )
    stop = (start + timedelta(hours=2)).isoformat()
    transaction = int(told["transactionId"])
    charger.call("StopTransaction", transactionId=transaction, meterStop=end, timestamp=stop)
    return transaction


def fill_in(browser: Browser, path: str, **values: str) -> Page:
    """Fill in the derived form of an endpoint."""
    page = browser.send(browser.get(f"/do/{path}", next="/bills").form(f"/do/{path}"), **values)
    assert page.path == "/bills", page.words
    return page


def set_up(browser: Browser, *names: str) -> None:
    """Do what the checklist asks for; a household has the tag of its number."""
    sender = {"name": "Bauhof 12", "bank_account": "DE02120300000000202051", "tax_kind": "taxed"}
    fill_in(browser, "put/admin/biller", **sender)
    for number, name in enumerate(names, 1):
        fill_in(browser, "post/admin/accounts", name=name, since=BEGUN)
        fill_in(browser, f"post/admin/accounts/{number}/give", tag=f"TAG-{number}", since=BEGUN)
    set_price(browser, "0,32")
    browser.send(browser.get("/bills").form("/do/put/admin/billing"), begun_on=BEGUN)


def set_price(browser: Browser, price: str) -> None:
    """Enter what a kWh costs, by the form to which the checklist leads."""
    (link,) = [link for link in browser.get("/bills").links if link.startswith("/tariffs/new")]
    page = browser.get(
        link.partition("?")[0], next="/bills", price=price, since=BEGUN, whom="site", show="1"
    )
    page = browser.send(page.form("tariff-prices"))
    assert page.path == "/bills", page.words


def test_from_an_empty_database_to_closed_statements_by_forms_alone(
    server: Serving, browser: Browser
) -> None:
    page = browser.get("/bills")
    assert page.words.count("To do:") == 6
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        set_up(browser, "Anna", HOSTILE)
        charge(charger, "TAG-1", 0, 4000)
        charge(charger, "TAG-2", 4000, 10_000, 1)
    page = browser.get("/bills")
    assert "To do:" not in page.words
    assert f"/bills/{MONTH}" in page.links, page.words

    page = browser.get(f"/bills/{MONTH}")
    assert "3.20 EUR" in page.words
    assert f"Close {IN_WORDS}: 2 statements, 3.20 EUR. This cannot be undone." in page.words
    page = browser.send(page.form(CLOSE))
    assert (page.status, page.path) == (200, f"/bills/{MONTH}")
    assert "Closed" in page.words
    by_name = server.query("SELECT number, total FROM statement ORDER BY number")
    assert by_name == [(1, 192), (2, 128)]
    pdf = browser.ask("GET", "/get/admin/statements/1/document?format=pdf")
    assert (pdf.status, pdf.headers["content-type"]) == (200, "application/pdf")


@pytest.fixture
def charger(server: Serving) -> Iterator[Charger]:
    """A charger of a site where Anna and somebody with a hostile name are billed."""
    api = api_of(server)
    with Charger(server.port, "CP-1") as connected:
        connected.boot()
        api.ask("PUT", "admin", "chargers", "CP-1", given={"name": "Space 1"})
        api.ask(
            "PUT",
            "admin",
            "biller",
            given={"name": HOSTILE, "bank_account": "DE02120300000000202051"},
        )
        for number, name in enumerate(("Anna", HOSTILE), 1):
            api.ask("POST", "admin", "accounts", given={"name": name, "since": BEGUN})
            api.ask(
                "POST",
                "admin",
                "accounts",
                str(number),
                "give",
                given={"tag": f"TAG-{number}", "since": BEGUN},
            )
        api.ask(
            "POST", "admin", "tariff-prices", given={"price": "0.32", "since": BEGUN, "site": True}
        )
        api.ask("PUT", "admin", "billing", given={"begun_on": BEGUN})
        yield connected


def preview(browser: Browser, month: str = MONTH) -> Page:
    page = browser.get(f"/bills/{month}")
    assert page.status == 200, page.words
    return page


def can_be_closed(page: Page) -> bool:
    return any("/do/post/admin/closings/" in form.action for form in page.forms)


def test_a_session_that_is_held_back_says_why_and_leads_to_itself(
    browser: Browser, charger: Charger
) -> None:
    doubtful = charge(charger, "TAG-2", 0, 990_000)
    page = preview(browser)
    assert "Held back: 1" in page.words
    assert "Space 1, connector 1" in page.words
    assert "waits for review" in page.words, page.words[-900:]
    assert f"/sessions/{doubtful}" in page.links
    (link,) = [link for link in page.links if f"/bills/{MONTH}/draft/" in link]
    drafted = browser.get(link)
    assert f"/sessions/{doubtful}" in drafted.links
    assert "waits for review" in drafted.words
    for one in (page, drafted):
        assert HOSTILE in one.words
        assert "CP-1" not in one.words
        assert all("src" in given for tag, given in one.tags if tag == "script")


def test_a_session_of_nobody_and_one_without_a_tariff_are_told(
    browser: Browser, charger: Charger
) -> None:
    charge(charger, "STRANGER", 0, 4000)
    page = preview(browser)
    assert "1 session belongs to no household (4.0 kWh)" in page.words
    assert can_be_closed(page)
    form = browser.get("/tariffs").form("To a household")
    # the tariff of the site still holds
    browser.send(form, account="1", tariff="null", since=BEGUN)
    form = browser.get("/tariffs").form("To the whole site")
    browser.post(form.action, {**form.values, "site": "true", "tariff": "null", "since": BEGUN})
    charge(charger, "TAG-1", 4000, 8000, 1)
    page = preview(browser)
    assert "1 session has no price" in page.words
    assert "No price:" in page.words
    assert not can_be_closed(page)


@pytest.mark.usefixtures("charger")
def test_a_month_that_is_not_over_says_from_when_it_can_be_closed(browser: Browser) -> None:
    browser.send(preview(browser).form(CLOSE))
    page = preview(browser, THIS)
    assert "The month is not over. You can close it from" in page.words
    assert not can_be_closed(page)
    path = CLOSE.replace(MONTH, THIS)
    assert f"{THIS} is not over" in browser.send(browser.get(path).form(path)).words


@pytest.mark.usefixtures("charger")
def test_months_are_closed_in_their_order(browser: Browser) -> None:
    page = preview(browser, THIS)
    assert f"{IN_WORDS} comes first" in page.words
    assert not can_be_closed(page)


def test_what_changed_since_it_was_shown_is_not_closed(
    server: Serving, browser: Browser, charger: Charger
) -> None:
    charge(charger, "TAG-1", 0, 4000)
    form = preview(browser).form(CLOSE)
    charge(charger, "TAG-1", 4000, 10_000, 1)
    page = browser.send(form)
    assert page.status == 409
    assert " now, and the preview showed " in page.words
    assert server.query("SELECT 1 FROM closing") == []
    assert "3.20 EUR" in preview(browser).words


def test_small_amounts_are_carried_as_it_was_typed(
    server: Serving, browser: Browser, charger: Charger
) -> None:
    charge(charger, "TAG-1", 0, 4000)
    page = browser.get(f"/bills/{MONTH}", carry_below="five")
    assert "Give an amount such as 5.00" in page.words
    assert not can_be_closed(page)
    assert not can_be_closed(browser.get(f"/bills/{MONTH}", carry_below="-1"))
    page = browser.get(f"/bills/{MONTH}", carry_below="5,00")
    assert "Carried to the next statement" in page.words
    browser.send(page.form(CLOSE))
    assert server.query("SELECT total, is_carried FROM statement") == [(128, 1)]


def test_an_amount_below_nothing_is_refused_in_money(browser: Browser) -> None:
    set_up(browser, "Anna")
    page = browser.get(f"/bills/{MONTH}", carry_below="-5")
    assert "Give 0.00 EUR or more" in page.words
    assert "expected" not in page.words


def test_nobody_bills_yet(server: Serving, browser: Browser) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        set_price(browser, "0.32")
        browser.send(browser.get("/bills").form("/do/put/admin/billing"), begun_on=BEGUN)
        page = preview(browser)
    assert "The bills have no sender" in page.words
    assert not can_be_closed(page)


def test_what_papers_lack_is_one_list_that_leads_to_what_mends_it(
    browser: Browser, charger: Charger
) -> None:
    charge(charger, "TAG-1", 0, 4000)
    of_month, of_papers = (browser.get(f"/bills/{MONTH}{page}") for page in ("", "/papers"))
    for page in (of_month, of_papers):
        assert "Missing on the papers:" in page.words
        assert "Nobody said yet how the sender is taxed. Change the sender" in page.words
        assert "The sender has no address, which stands on each bill." in page.words
        assert any(link.startswith("/do/put/admin/biller?next=") for link in page.links)
    assert can_be_closed(of_month)
    sender = {"name": "House", "address": "Weg 1", "bank_account": "DE02", "tax_kind": "exempt"}
    path = "/do/put/admin/biller"
    form = browser.get(path, next=f"/bills/{MONTH}/papers").form(path)
    page = browser.send(form, **sender | {"bank_account": "GB1"}, tax_note="Free by law.")
    assert page.path == f"/bills/{MONTH}/papers"
    assert "Yes: sender, bank account, words and all characters are there." in page.words


def test_without_a_tariff_there_is_no_preview(browser: Browser) -> None:
    browser.send(browser.get("/bills").form("/do/put/admin/billing"), begun_on=BEGUN)
    page = preview(browser)
    assert "nobody knows what a kWh costs" in page.words
    assert "/tariffs" in page.links


def test_a_month_that_this_system_does_not_know(browser: Browser) -> None:
    assert browser.get(f"/bills/{MONTH}").status == 404
    assert browser.get("/bills/nonsense").status == 422


def test_a_closed_month_is_paid_and_proved(
    server: Serving, browser: Browser, charger: Charger
) -> None:
    transaction = charge(charger, "TAG-1", 0, 4000)
    page = browser.send(preview(browser).form(CLOSE))
    assert "1.28 PDF ○ open · to pay by" in page.words
    assert "Number Household kWh Total, EUR Paper State" in page.words
    statement = browser.get("/statements/1")
    assert "1.28 EUR ○ open · to pay by" in statement.words
    assert "Space 1 4.000 Meter from 0.000 to 4.000 kWh. Energy: 4.000 kWh × 0.32 = 1.28" in (
        statement.words
    )
    assert "All with TAG-1." in statement.words
    assert f"/sessions/{transaction}" in statement.links
    for path in (
        f"closings/{MONTH}/document?format=pdf",
        f"closings/{MONTH}/archive?format=csv&after=0",
    ):
        assert f"/get/admin/{path}".replace("csv", "pdf") in page.links
        assert browser.ask("GET", f"/get/admin/{path}").status == 200
    (link,) = [link for link in page.links if "/do/post/admin/wallets/1/payment" in link]
    form = browser.get(link).form("/do/post/admin/wallets/1/payment")
    assert (form.values["amount"], form.values["reason"]) == ("1.28", "paid")
    assert form.values["statement"] == "1"
    page = browser.send(form)
    assert "1.28 PDF ● paid" in page.words
    assert "1.28 EUR ● paid" in browser.get("/statements/1").words
    ledger = browser.get("/accounts/1").words.split("The newest entries")[1].split("Statements")[0]
    assert ledger.lower().count("statement 1") == 2  # its entry, and the payment that names it
    assert server.query("SELECT sum(amount) FROM ledger") == [(0,)]


def test_a_payment_in_full_is_one_button(
    server: Serving, browser: Browser, charger: Charger
) -> None:
    charge(charger, "TAG-2", 0, 4000)
    browser.send(preview(browser).form(CLOSE))
    page = browser.get("/payments")
    assert f"1.28 EUR from {HOSTILE} has arrived" in page.words
    page = browser.send(page.form("has arrived"))
    assert "Owes" not in page.words
    assert server.query("SELECT kind, amount FROM ledger ORDER BY id") == [
        ("statement", -128),
        ("payment", 128),
    ]


def test_a_month_adds_up_or_says_which_session_does_not(browser: Browser, charger: Charger) -> None:
    charge(charger, "TAG-1", 0, 4000)
    page = browser.get(f"/bills/{MONTH}/reconciliation")
    assert "Yes. Every kWh" in page.words
    corrected = charge(charger, "TAG-1", 4000, 8000, 1)
    path = f"/do/post/admin/transactions/{corrected}/correct"
    browser.send(browser.get(path).form(path), figure_wh="3.000", reason="read from its display")
    page = browser.get(f"/bills/{MONTH}/reconciliation")
    assert f"/sessions/{corrected}" in page.links
    assert "Space 1 1.000 3.000 corrected by hand" in page.words
    assert "Not quite. 1.000 kWh differ between registers and sessions" in page.words
    assert "Yes." not in page.words
    assert "CP-1" not in page.words
    # on a phone each row is a card
    for told in (
        "State",
        "Accounted for, kWh",
        "Last register",
        "Why",
    ):
        assert f'data-head="{told}"' in page.html


@pytest.mark.usefixtures("charger")
def test_each_role_sees_what_the_api_lets_it_do(server: Serving) -> None:
    paths = (
        "/bills",
        "/bills/year",
        f"/bills/{MONTH}",
        f"/bills/{MONTH}/reconciliation",
        "/tariffs",
        "/payments",
        "/meters",
        "/biller",
    )
    shown = {}
    for role in ("viewer", "operator", "admin"):
        given = {"name": role, "role": role, "password": PASSWORD}
        api_of(server).ask("POST", "admin", "users", given=given)
        browser = Browser(server)
        page = browser.send(browser.get("/bills").form("/login"), name=role, password=PASSWORD)
        if role == "viewer":
            assert not {"/bills", "/tariffs"} & set(page.links)
            assert [
                browser.get(path).status for path in (*paths, "/statements/1", "/tariffs/1")
            ] == [403] * 10
            continue
        pages = [browser.get(path) for path in paths]
        assert [page.status for page in pages] == [200] * len(paths)
        targets = [
            *(form.action for page in pages for form in page.forms),
            *(link for page in pages for link in page.links),
        ]
        shown[role] = {one.partition("?")[0] for one in targets if one.startswith("/do/")}
    of_admins = {CLOSE, "/do/post/admin/tariffs", "/do/put/admin/biller"}
    assert shown["admin"] >= of_admins
    assert not shown["operator"] & of_admins
