"""What pages say of meters that sign: the keys of a charger, what was proven of a session to its
owner and its driver, and the file for the transparency software."""

from __future__ import annotations

import pytest

from levity_trio.locale import speaking
from levity_trio.signed.keys import parse_key
from levity_trio.store.writes.chargers import configuration, meter_keys
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.pages import charger, driver, sessions
from levity_trio.web.dashboard.shapes import fingerprint
from tests.store.books import Books, Station
from tests.store.signing_meters import SigningMeter, charge, look
from tests.web.api.conftest import Site
from tests.web.api.driving import Yard
from tests.web.dashboard.opening import Opening

SESSION, STATE = sessions.PAGES[1], charger.PAGES[0]
SETTINGS = next(one for one in charger.PAGES if one.path.endswith("/settings"))
OWN = next(one for one in driver.PAGES if one.path == "/d/sessions/{id}")
HINT = "Its meter signs what it measures."
FILE = "File for the transparency software"
CONTRADICTED = "signed values contradict the figure : its meter signed 3 kWh"


@pytest.fixture
def meter() -> SigningMeter:
    return SigningMeter()


def enter(books: Books, meter: SigningMeter) -> str:
    """Enter the key of a meter; return its fingerprint as pages show it."""
    key = parse_key(meter.public())
    books.run(meter_keys.add, "CP-1", 0, key, books.at, "anna")
    look(books)
    return fingerprint(key.fingerprint)


def test_a_fingerprint_is_shown_in_groups() -> None:
    assert fingerprint("0123456789abcdef" * 4) == "0123 4567 89ab cdef"


async def test_the_page_of_a_session_that_is_proven(
    site: Site, station: Station, meter: SigningMeter
) -> None:
    shown = enter(site.books, meter)
    number = charge(station, meter)
    page = await Opening(site).open(SESSION, id=number)
    assert "signed, checked" in page.words
    assert "nobody has changed it since. Its times are proven, too." in page.words
    assert f"Key, entered by the owner: {shown}" in page.words
    assert f"/get/admin/transactions/{number}/signed" in page.html
    seen = await Opening(site, Role.VIEWER).open(SESSION, id=number)
    assert "signed, checked" in seen.words
    assert FILE not in seen.words, "its values name a card"


async def test_what_contradicts_and_what_is_not_proven(
    site: Site, station: Station, meter: SigningMeter
) -> None:
    unknown, unread = charge(station, meter), charge(station, "nobody reads this")
    page = await Opening(site).open(SESSION, id=unknown)
    assert "signed, not proven : the public key of its meter is not known" in page.words
    assert FILE in page.words
    page = await Opening(site).open(SESSION, id=unread)
    assert "signed, not proven : the values are of a format" in page.words
    assert FILE not in page.words
    enter(site.books, meter)
    page = await Opening(site).open(SESSION, id=charge(station, meter, signed_wh=3000))
    assert CONTRADICTED in page.words
    assert "checked" not in page.words.split("What its meter signed")[1].split("Key,")[0]


async def test_a_session_whose_meter_signs_nothing(site: Site, station: Station) -> None:
    number = station.start()
    site.books.wait(60)
    station.stop(number)
    look(site.books)
    page = await Opening(site).open(SESSION, id=number)
    assert "What its meter signed" not in page.words
    assert FILE not in page.words


async def test_the_page_of_a_driver(yard: Yard, meter: SigningMeter) -> None:
    plug = Station(yard.books)
    yard.house.give(1, "ANNA")
    number = charge(plug, meter, "ANNA")
    opening = Opening(yard, yard.anna.caller)
    page = await opening.open(OWN, id=number)
    assert "signed, not proven : the public key of its meter is not known" in page.words
    assert f"/get/me/transactions/{number}/signed" in page.html

    keys = [{"key": "MeterPublicKey", "readonly": True, "value": meter.public().hex()}]
    plug.write(configuration.keep, 0, {"configurationKey": keys})
    told = charge(plug, meter, "ANNA")
    page = await opening.open(OWN, id=told)
    assert "signed; its charger told the key . The signature fits, but nobody has" in page.words
    assert "Key, told by the charger: " in page.words

    enter(yard.books, meter)
    page = await opening.open(OWN, id=number)
    assert "signed, checked The meter signed this energy" in page.words
    with speaking("de"):
        page = await opening.open(OWN, id=number)
    assert "signiert, geprüft" in page.words
    assert "Datei für die Transparenzsoftware" in page.words


async def test_the_owner_is_asked_for_the_key_until_he_enters_it(
    site: Site, station: Station, meter: SigningMeter
) -> None:
    assert HINT not in (await Opening(site).open(STATE, id="CP-1")).words
    charge(station, meter)
    page = await Opening(site).open(STATE, id="CP-1")
    assert HINT in page.words
    assert "/do/post/admin/chargers/CP-1/meter-keys" in page.html
    seen = await Opening(site, Role.VIEWER).open(STATE, id="CP-1")
    assert "/meter-keys" not in seen.html
    enter(site.books, meter)
    assert HINT not in (await Opening(site).open(STATE, id="CP-1")).words


async def test_the_keys_of_a_charger(site: Site, station: Station, meter: SigningMeter) -> None:
    page = await Opening(site).open(SETTINGS, id="CP-1")
    assert "Public key of its meter No key is known. Enter a key" in page.words
    shown, other = enter(site.books, meter), SigningMeter()
    keys = [{"key": "MeterPublicKey2", "readonly": True, "value": other.public().hex()}]
    station.write(configuration.keep, 0, {"configurationKey": keys})
    page = await Opening(site).open(SETTINGS, id="CP-1")
    assert f"{shown} entered by anna, " in page.words
    told = fingerprint(parse_key(other.public()).fingerprint)
    assert f"{told} Connector 2 told by the charger" in page.words
    assert page.html.count("/do/delete/admin/chargers/CP-1/meter-keys/1") == 1
    assert page.words.count("Remove this key") == 1
    seen = await Opening(site, Role.VIEWER).open(SETTINGS, id="CP-1")
    assert f"{shown} entered " in seen.words
    assert "anna" not in seen.words.split("Public key of its meter")[1]
    assert "Remove this key" not in seen.words
