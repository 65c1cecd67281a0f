"""Tariffs, who bills, and meters in the dashboard: every form, with what is refused and hostile
texts."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.browsing import Browser, Form, Page
from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving

HOSTILE = '"><script>alert(1)</script>'
TOML = """\
# {about}
name = {name}
valid_from = {day}
currency = "EUR"
prices = "gross"
tax = 19

[[window]]
name = "night"
price = 0.22
times = "22:00-06:00"

[energy]
price = {price}"""
TARIFFS, PRICES = "/do/post/admin/tariffs", "/do/post/admin/tariff-prices"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db", "--time-zone", "Europe/Berlin") as running:
        yield running


def toml(name: str = "Night", day: str = "2026-03-01", price: str = "0.34") -> str:
    return TOML.format(about=HOSTILE, name=f"'{name}'", day=day, price=price)


def add(browser: Browser, text: str) -> Page:
    """Add a version as it is typed into a page: with the line ends of a browser."""
    return browser.send(form_of(browser.get("/tariffs")), toml=text.replace("\n", "\r\n"))


def form_of(page: Page) -> Form:
    """Return the form for a version as text."""
    (found,) = [one for one in page.forms if one.action == TARIFFS]
    return found


def scripts(page: Page) -> list[dict[str, str]]:
    return [given for tag, given in page.tags if tag == "script" and "src" not in given]


def test_a_price_is_tried_set_changed_and_withdrawn(server: Serving, browser: Browser) -> None:
    page = browser.get("/tariffs")
    assert "nobody knows what a kWh costs" in page.words
    given = {"name": HOSTILE, "price": "0,32", "since": "2026-03-01", "tax": "19", "whom": "site"}
    page = browser.get("/tariffs/new", **given, show="1")
    assert "nothing to compare" in page.words
    assert scripts(page) == []
    page = browser.send(page.form(PRICES))
    assert (page.path, page.status) == ("/tariffs/1", 200)
    assert "0.32 EUR per kWh" in page.words
    assert f"The whole site {HOSTILE} 1 March 2026" in page.words
    page = browser.get(
        "/tariffs/1/change", price="0,35", night_price="0,24", since="2026-05-01", whom="", show="1"
    )
    page = browser.send(page.form(PRICES))
    assert (page.path, page.status) == ("/tariffs/1", 200)
    assert "night: 0.24 EUR a kWh, 22:00-06:00." in page.words
    texts = server.query("SELECT toml FROM tariff_version ORDER BY id")
    assert all('tax = "19"' in text for (text,) in texts)
    page = browser.send(page.form("Withdraw the version of 1 May 2026"))
    assert server.query("SELECT since FROM tariff_version WHERE withdrawn_at IS NULL") == [
        ("2026-03-01",)
    ]


def test_a_day_that_is_taken_is_told_at_its_field(server: Serving, browser: Browser) -> None:
    """Of TOML. The form replaces what was set for the same day, and says so."""
    api_of(server).ask(
        "POST", "admin", "tariff-prices", given={"price": "0.32", "since": "2026-03-01"}
    )
    page = add(browser, toml("Flat", "2026-03-01"))
    (wrong,) = [given for _, given in page.tags if "aria-invalid" in given]
    assert (page.status, wrong["name"]) == (409, "toml")
    page = browser.get("/tariffs/1/change", price="0.35", since="2026-03-01", show="1")
    assert "It replaces the price already set for that day." in page.words
    assert browser.send(page.form(PRICES)).status == 200
    assert "0.35 EUR per kWh" in browser.get("/tariffs").words


def test_a_tariff_of_several_prices_is_text_and_nothing_of_it_is_lost(
    server: Serving, browser: Browser
) -> None:
    page = add(browser, toml(name=HOSTILE[:20], price="0,34"))
    assert page.status == 422
    assert "write a decimal point, not a comma" in page.words
    assert "[[window]]\r\nname = &#34;night&#34;" in page.html
    page = add(browser, toml(name=HOSTILE[:20]))
    assert page.status == 200
    assert "0.34 EUR per kWh; 22:00-06:00: 0.22 EUR" in page.words
    ((stored,),) = server.query("SELECT toml FROM tariff_version")
    assert stored == toml(name=HOSTILE[:20])
    for path in ("/tariffs", "/tariffs/1"):
        page = browser.get(path)
        assert HOSTILE[:20] in page.words
        assert scripts(page) == []


def test_examples_are_offered(browser: Browser) -> None:
    page = browser.get("/tariffs", example="day-night")
    assert "times = &#34;22:00-06:00&#34;" in page.html
    assert browser.get("/tariffs", example=HOSTILE).status == 200


def test_a_version_is_added_to_a_tariff_and_withdrawn(server: Serving, browser: Browser) -> None:
    add(browser, toml())
    page = browser.get("/tariffs/1")
    assert "night: 0.22 EUR a kWh, 22:00-06:00." in page.words
    page = browser.send(
        form_of(page), toml=toml(day="2026-06-01", price="0.40"), reason="new contract"
    )
    assert page.path == "/tariffs/1"
    assert "new contract" in page.words
    page = browser.send(page.form("Withdraw the version of 1 June 2026"))
    assert "Withdrawn" in page.words
    assert server.query("SELECT since FROM tariff_version WHERE withdrawn_at IS NULL") == [
        ("2026-03-01",)
    ]


def test_tariffs_are_assigned_to_site_charger_and_household(
    server: Serving, browser: Browser
) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
    api_of(server).ask("PUT", "admin", "chargers", "CP-1", given={"name": "Space 1"})
    add(browser, toml())
    path = "/do/post/admin/accounts"
    browser.send(browser.get(path).form(path), name=HOSTILE)
    for words, given in (
        ("To the whole site", {}),
        ("To a charger", {"charger": "CP-1"}),
        ("household", {"account": "1"}),
    ):
        page = browser.send(
            browser.get("/tariffs").form(words), tariff="1", since="2026-03-01", **given
        )
        assert page.path == "/tariffs", page.words
    page = browser.get("/tariffs")
    assert "The whole site Night" in page.words
    assert "Charger Space 1 Night" in page.words
    assert f"{HOSTILE} Night" in page.words
    assert scripts(page) == []


def test_a_meter_names_its_chargers_as_people_do(server: Serving, browser: Browser) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
    api = api_of(server)
    api.ask("PUT", "admin", "chargers", "CP-1", given={"name": "Space 1"})
    given = {"name": "Yard", "class_percent": 1, "since": "2026-03-01", "chargers": ["CP-1"]}
    made = api.ask("POST", "admin", "meters", given=given)
    for path in ("/meters", f"/meters/{made['id']}"):
        page = browser.get(path)
        assert "Measures Space 1" in page.words
        assert "CP-1" not in page.words


def png() -> bytes:
    """Return a picture of one dot."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0\0"))
        + chunk(b"IEND", b"")
    )


def test_who_bills_is_said_and_changed(server: Serving, browser: Browser) -> None:
    page = browser.get("/biller")
    assert "The bills have no sender yet" in page.words
    path = "/do/put/admin/biller"
    form = browser.get(path, next="/biller").form(path)
    page = browser.send(
        form, name=HOSTILE, address="Bauhof 12\r\n10115 Berlin", bank_account="DE99"
    )
    assert page.status == 422
    assert page.form(path).values["name"] == HOSTILE
    sender = {"name": HOSTILE, "address": "Bauhof 12\r\n10115 Berlin"}
    assert "Choose one of these" in browser.send(form, **sender).words
    assert "each statement must say it" in browser.send(form, **sender, tax_kind="exempt").words
    page = browser.send(form, **sender, tax_kind="no business")
    assert page.path == "/biller"
    assert HOSTILE in page.words
    assert scripts(page) == []
    assert "statements do not say how to pay" in page.words
    assert server.query("SELECT address FROM biller") == [("Bauhof 12\n10115 Berlin",)]


def test_tax_that_the_sender_does_not_charge_is_told_where_it_is_entered(browser: Browser) -> None:
    path = "/do/put/admin/biller"
    sender = {"name": "Bauhof 12", "tax_kind": "small business"}
    browser.send(browser.get(path).form(path), **sender)
    given = {"name": "House", "price": "0,32", "since": "2026-03-01", "whom": "site", "show": "1"}
    assert "so enter 0" in browser.get("/tariffs/new", **given).words
    assert "who shows tax owes it" not in browser.get("/tariffs/new", **given, tax="0").words
    page = browser.get("/tariffs/new", **given, tax="19")
    assert "who shows tax owes it" in page.words
    page = browser.send(page.form(PRICES))
    assert page.path == "/tariffs/1"
    assert "Set it to 0 there, or change how the sender is taxed: House" in page.words
    page = browser.get("/biller")
    assert "Set it to 0 there, or change how the sender is taxed: House" in page.words
    assert "/tariffs/1" in page.links
    given = {"price": "0,32", "since": "2026-03-01", "whom": "", "show": "1", "tax": "0"}
    browser.send(browser.get("/tariffs/1/change", **given).form(PRICES))
    assert "change how the sender is taxed" not in browser.get("/biller").words

    browser.send(browser.get(path).form(path), **sender | {"tax_kind": "taxed"})
    assert "no tariff has a tax rate" in browser.get("/biller").words
    assert "but this price has no tax" in browser.get("/tariffs/1/change", **given).words


def test_a_logo_is_uploaded_shown_and_removed(browser: Browser) -> None:
    path = "/do/put/admin/biller"
    browser.send(browser.get(path).form(path), name="Bauhof 12", tax_kind="taxed")
    upload = browser.get(f"{path}/logo", next="/biller").form(f"{path}/logo")
    assert browser.upload(upload, png()).status == 200
    page = browser.get("/biller")
    (image,) = [given["src"] for tag, given in page.tags if tag == "img"]
    assert browser.ask("GET", image).headers["content-type"] == "image/png"
    assert "img" not in [tag for tag, _ in browser.send(page.form("Remove the logo")).tags]
    assert "PNG" in browser.upload(upload, b"<svg>").words


def test_a_meter_is_added_read_voided_and_imported(server: Serving, browser: Browser) -> None:
    path = "/do/post/admin/meters"
    page = browser.get("/meters")
    assert "There is none yet" in page.words
    page = browser.send(
        browser.get(path, next="/meters").form(path),
        name=HOSTILE,
        class_percent="1",
        since="2026-03-01",
    )
    assert HOSTILE in page.words
    assert "Measures the whole site. Since Sun 1 Mar" in page.words
    assert scripts(page) == []
    readings = f"{path}/1/readings"
    page = browser.send(
        browser.get(readings, next="/meters/1").form(readings),
        value="48211.3",
        at="2026-03-01T12:00",
    )
    assert "48211.3 kWh" in page.words
    void = f"{readings}/1/void"
    page = browser.send(browser.get(void, next="/meters/1").form(void), reason="two digits swapped")
    assert "Void two digits swapped" in page.words
    imports = "/do/post/admin/meter-reading-import"
    lines = f'meter,at,value\n"{HOSTILE.replace(chr(34), chr(34) * 2)}",2026-04-01,48300\n'
    page = browser.upload(browser.get(imports).form(imports), lines.encode())
    assert page.status == 200
    assert server.query("SELECT value FROM meter_reading ORDER BY id") == [("48211.3",), ("48300",)]
    page = browser.upload(
        browser.get(imports).form(imports), b"meter,at,value\nNobody,2026-04-01,1\n"
    )
    assert page.status == 422
