"""What a driver reads of the own household: sessions with their curves, tags, statements; and
nothing of others."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from levity_trio.access import user_passwords
from levity_trio.access.tags import Status
from levity_trio.billing.ownership import BillBy, Thing, TimeSpan, What
from levity_trio.nouns import User
from levity_trio.store.writes.people import ownership, users
from levity_trio.store.writes.people.ownership import NamedThing, VehicleData
from levity_trio.store.writes.people.users import Manager
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.serving import caller_of
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.page import ApiRefused
from levity_trio.web.in_process import Question, ask
from levity_trio.web.logins.browsers import Logins, Tokens, Visit
from tests.documents import statements as forms
from tests.store.books import Station
from tests.store.owning import LONG_AGO, SPACE
from tests.store.papers import Papers
from tests.store.telling import charge as flow
from tests.web.api.driving import Driver, Yard

NOT_NUMBERS = ("-1", "1.0", "1e3", "99999999999999999999", "x", "0x1")
OWN = (
    "/tags",
    "/vehicles",
    "/money",
    "/transactions",
    "/transactions/1",
    "/transactions/1/curve",
    "/statements",
    "/statements/1",
)


@pytest.fixture
def plug(yard: Yard) -> Station:
    """A charger whose messages are in the books already."""
    return Station(yard.books)


def charge(station: Station, tag: str = "ANNA", wh: int = 4000, connector: int = 1) -> int:
    begin = station.books.connection.execute(
        "SELECT coalesce(max(meter_stop), 1000) FROM tx"
    ).fetchone()[0]
    number = station.start(begin, connector, tag)
    station.books.wait(60)
    station.stop(number, begin + wh)
    station.books.wait(30)
    return number


async def numbers(driver: Driver, query: str = "") -> list[int]:
    """Return the sessions of a list, page by page."""
    found, more = list[int](), ""
    while True:
        page = await driver.get(f"/transactions?{query}{more}")
        found += [one["id"] for one in page["data"]]
        if page["next"] is None:
            return found
        more = f"&before={page['next']}"


async def test_a_session_as_its_driver_sees_it(yard: Yard, plug: Station) -> None:
    yard.house.give(1, "ANNA")
    yard.books.connection.execute("UPDATE cp SET name = 'Garage'")
    ended = charge(plug)
    running = plug.start(9000, tag="ANNA")
    flow(plug, running, 9000, minutes=10)
    first, second = (await yard.anna.get("/transactions"))["data"]
    assert second == {
        "id": ended,
        "charger": "CP-1",
        "charger_name": "Garage",
        "connector_id": 1,
        "begun_at": "2026-03-01T12:00:00.000Z",
        "ended_at": "2026-03-01T13:00:00.000Z",
        "energy_wh": 4000,
        "energy_kwh": 4.0,
        "power_w": None,
        "last_reading_at": None,
        "state": "ended",
        "cost": None,
        "price": None,
        "refused": None,
        "is_corrected": False,
        "load": None,
    }
    assert (
        first["id"],
        first["state"],
        first["ended_at"],
        first["energy_wh"],
        first["power_w"],
    ) == (*(running, "open", None, 1200, 7200),)
    assert first["last_reading_at"] == "2026-03-01T13:40:00.000Z"
    assert (await yard.anna.get(f"/transactions/{running}")).items() >= first.items()
    known = await yard.anna.get(f"/transactions/{running}/curve")
    assert (known["transaction"], known["power"][-1][2]) == (running, 7200)


async def test_the_energy_of_a_doubtful_session_is_not_told(yard: Yard, plug: Station) -> None:
    yard.house.give(1, "ANNA")
    number = plug.start(1000, tag="ANNA")
    yard.books.wait(30)
    plug.stop(number, 900_000)
    shown = await yard.anna.get(f"/transactions/{number}")
    assert (shown["state"], shown["energy_wh"], shown["energy_kwh"]) == ("in_review", None, None)


async def test_the_pages_of_a_list(yard: Yard, plug: Station) -> None:
    yard.house.give(1, "ANNA")
    every = [charge(plug) for _ in range(5)]
    opened = [plug.start(90_000 + one, one, "ANNA") for one in (1, 2)]
    assert await numbers(yard.anna, "limit=2") == [*reversed(opened), *reversed(every)]
    assert await numbers(yard.anna, "limit=7") == [*reversed(opened), *reversed(every)]
    assert await numbers(yard.anna, "open=false&limit=1") == [*reversed(every)]
    assert await numbers(yard.anna, "open=true&limit=1") == [*reversed(opened)]
    assert await numbers(yard.anna, f"open=true&before={every[0]}") == []
    assert await numbers(yard.ben) == []


async def test_sessions_of_others_do_not_end_a_page(yard: Yard, plug: Station) -> None:
    """They were at Anna's space, but with their tags. Nothing in an answer leads to them."""
    yard.house.give(1, SPACE)
    yard.house.give(2, "BEN")
    first = charge(plug, "GUEST")
    for _ in range(5):
        charge(plug, "BEN")
    last = charge(plug, "GUEST")
    page = await yard.anna.get("/transactions?limit=2")
    assert [one["id"] for one in page["data"]] == [last, first]
    assert (await yard.anna.get("/transactions?limit=1"))["next"] == last
    assert await numbers(yard.anna, "limit=1") == [last, first]


async def test_another_households_session_does_not_exist(yard: Yard, plug: Station) -> None:
    yard.house.give(1, "ANNA")
    yard.house.give(2, "BEN")
    own, bens, nobodys = charge(plug), charge(plug, "BEN"), charge(plug, "STRANGER")
    assert await numbers(yard.anna) == [own]
    for number in (bens, nobodys, 999, 2**62):
        expected = (404, "not_found", f"there is no session {number}")
        for end in ("", "/curve"):
            assert await yard.anna.refused("GET", f"/transactions/{number}{end}") == expected
        assert await yard.anna.refused("GET", f"/transactions?before={number}") == expected
    for text in NOT_NUMBERS:
        for path in (f"/transactions/{text}", f"/transactions/{text}/curve"):
            assert (await yard.anna.refused("GET", path))[:2] == (422, "invalid")
        assert (await yard.anna.refused("GET", f"/statements/{text}"))[0] == 404
        assert (await yard.anna.refused("GET", f"/transactions?before={text}"))[0] in (404, 422)
    assert (await yard.anna.get(f"/transactions/000{own}"))["id"] == own
    assert (await yard.anna.refused("GET", f"/transactions/000{bens}"))[:2] == (404, "not_found")
    for query in (
        "account=2",
        "charger=CP-1",
        "cursor=x",
        "limit=0",
        "limit=100000",
        "open=perhaps",
    ):
        assert (await yard.anna.refused("GET", f"/transactions?{query}"))[:2] == (422, "invalid")


async def test_what_was_a_households_stays_its_own(yard: Yard, plug: Station) -> None:
    yard.house.give(1, "CARD")
    before = charge(plug, "CARD")
    yard.house.give(2, "CARD", since=yard.books.at)
    yard.books.wait(1)
    after = charge(plug, "CARD")
    assert (await numbers(yard.anna), await numbers(yard.ben)) == ([before], [after])
    yard.house.give_by_hand(before, 2)
    assert (await numbers(yard.anna), await numbers(yard.ben)) == ([], [after, before])
    assert (await yard.anna.refused("GET", f"/transactions/{before}/curve"))[0] == 404


async def test_where_the_connector_counts_first(yard: Yard, plug: Station) -> None:
    config: Any = yard.api
    config.config = yard.central.config = type(yard.central.config)(
        database=yard.address, bill_by=BillBy.CONNECTOR
    )
    yard.house.bill_by = BillBy.CONNECTOR
    yard.house.give(1, SPACE)
    yard.house.give(2, "BEN")
    number = charge(plug, "BEN")
    assert (await numbers(yard.anna), await numbers(yard.ben)) == ([number], [])
    # Whose card it was is not told.
    assert (await yard.anna.get(f"/transactions/{number}"))["card"] is None
    yard.house.give_by_hand(number, 2)
    assert (await yard.ben.get(f"/transactions/{number}"))["card"] == "BEN"


async def test_the_own_tags(yard: Yard) -> None:
    await yard.add_tag("ANNA", name="Anna's card")
    await yard.add_tag("LOST", status=Status.BLOCKED, notes="she lost it again")
    await yard.add_tag("BEN", 2)
    assert (await yard.anna.get("/tags"))["data"] == [
        {"id_tag": "ANNA", "name": None, "note": "Anna's card", "is_valid": True, "why_not": None},
        {
            "id_tag": "LOST",
            "name": None,
            "note": None,
            "is_valid": False,
            "why_not": "it is blocked",
        },
    ]


async def test_a_household_names_its_own_cards_and_cars(yard: Yard) -> None:
    """The owner's names stay, and neither others nor who has the card next learn of theirs."""
    await yard.add_tag("A/1", name="Card 7")
    car = await yard.writer.run(
        ownership.add_vehicle, VehicleData(name="Zoe, red"), yard.books.at, "cleo"
    )
    thing = NamedThing(Thing(What.VEHICLE, str(car)), vehicle=car)
    yard.books.run(ownership.give, 1, thing, TimeSpan(LONG_AGO), yard.house.said())
    for name, expected in (("Key ring", "Key ring"), (" Mum ", "Mum"), ("", None), ("Mum", "Mum")):
        named = await yard.anna.put("/tags/A/1", {"name": name})
        assert (named["id_tag"], named["name"], named["note"]) == ("A/1", expected, "Card 7")
        assert (await yard.anna.get("/tags"))["data"] == [named]
    red = await yard.anna.put(f"/vehicles/{car}", {"name": "The red one"})
    assert red == {"id": car, "name": "The red one", "note": "Zoe, red"}
    assert (await yard.anna.get("/vehicles"))["data"] == [red]
    for path in ("/tags/A/1", f"/vehicles/{car}", "/tags/NOBODYS", "/vehicles/999"):
        assert (await yard.ben.refused("PUT", path, {"name": "mine"}))[:2] == (404, "not_found")
    assert (await yard.anna.refused("PUT", "/tags/A/1", {"name": "x" * 61}))[:2] == (422, "invalid")
    assert (await yard.anna.refused("PUT", "/tags/A/1", {}))[:2] == (422, "invalid")
    yard.house.give(2, "A/1", since=yard.books.at)
    yard.books.wait(1)
    assert [one["name"] for one in (await yard.ben.get("/tags"))["data"]] == [None]
    assert (await yard.anna.refused("PUT", "/tags/A/1", {"name": "mine"}))[:2] == (404, "not_found")


async def test_who_has_no_household_has_nothing(yard: Yard, plug: Station) -> None:
    """Not everything either: without an account, the operators' lists have that of all."""
    charge(plug)
    for caller in (yard.zoe, Driver(yard, 1, None, Role.ADMIN)):
        for path in OWN:
            assert await caller.refused("GET", path) == (
                409,
                "conflict",
                "you belong to no household",
            )


async def test_a_driver_may_nothing_else(yard: Yard) -> None:
    for one in ENDPOINTS:
        if not one.path.startswith("/api/me"):
            path = re.sub(r"\{\w+\}", "1", one.path)
            reply = await ask(yard.app, yard.anna.caller, Question(method=one.method, path=path))
            assert reply.status == 403, one.path


# Statements


@pytest.fixture
def papers(yard: Yard) -> Papers:
    """Statement 1 is Anna's, 2 is Ben's; Anna's next one is a draft."""
    made = Papers(yard.books.connection)
    biller = made.biller(forms.OWNER)
    made.close(made.draft((1, forms.with_windows(4)), (2, forms.one_line())), biller)
    made.draft((1, forms.one_line()))
    return made


@pytest.mark.usefixtures("papers")
async def test_the_own_statements(yard: Yard) -> None:
    for driver, number in ((yard.anna, 1), (yard.ben, 2)):
        (shown,) = (await driver.get("/statements"))["data"]
        assert (shown["number"], shown["month"], shown["currency"], shown["is_carried"]) == (
            *(number, str(forms.MONTH)[:7], "EUR", False),
        )
        assert len(shown["date"]) == len("2026-11-01")
        assert shown["account"] == number
        document = json.loads((await driver.ask("GET", f"/statements/{number}?format=json")).body)
        assert (document["number"], document["total"]) == (str(number), shown["total"])


@pytest.mark.usefixtures("papers")
async def test_the_forms_of_a_statement(yard: Yard) -> None:
    for form, begin in (("html", b"<!"), ("pdf", b"%PDF"), ("csv", b""), ("json", b"{")):
        reply = await yard.anna.ask("GET", f"/statements/1?format={form}")
        assert (reply.status, reply.headers["cache-control"]) == (200, "no-store")
        assert reply.body.lower().startswith(begin.lower())
        assert form in reply.headers["content-type"]
    assert (
        (await yard.anna.ask("GET", "/statements/1"))
        .headers["content-type"]
        .startswith("text/html")
    )


@pytest.mark.usefixtures("papers")
async def test_another_households_statement_does_not_exist(yard: Yard) -> None:
    for number in (2, 3, 999):
        for form in ("html", "json", "pdf"):
            refused = await yard.anna.refused("GET", f"/statements/{number}?format={form}")
            assert refused == (404, "not_found", f"there is no statement {number}")
    for query in ("account=2", "format=exe"):
        assert (await yard.anna.refused("GET", f"/statements?{query}"))[:2] == (422, "invalid")


# Who is a driver no more


async def test_a_driver_who_was_moved_or_removed_is_nobody_of_the_household(
    yard: Yard, plug: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_passwords, "SCRYPT_N", 2)
    yard.house.give(1, "ANNA")
    number, root = charge(plug), Manager("root", True, yard.books.at)
    logins = Logins(Tokens(), yard.writer, yard.central.clock)  # type: ignore[arg-type]  # its interface
    password = await logins.stretch("correct horse")
    user, _ = await logins.change(
        users.add, User(name="Ann", role="driver", account=1), password, None, root
    )
    entered = await logins.enter("Ann", "correct horse", Visit("a", None, "b"))
    driver = Driver(yard, 0, None)

    async def seen() -> list[int]:
        """What the pages show this browser now."""
        login = logins.get(entered.login.id)
        assert login is not None
        driver.caller = caller_of(login, "a")
        return await numbers(driver)

    assert await seen() == [number]
    await logins.change(users.change, user, {"account": 2}, root)
    assert logins.get(entered.login.id) is None
    entered = await logins.enter("Ann", "correct horse", Visit("a", None, "b"))
    assert await seen() == []
    assert (await driver.refused("GET", f"/transactions/{number}"))[:2] == (404, "not_found")
    await logins.change(users.change, user, {"role": "viewer"}, root)
    entered = await logins.enter("Ann", "correct horse", Visit("a", None, "b"))
    with pytest.raises(ApiRefused, match="no household"):
        await seen()
    await logins.change(users.remove, user, root)
    assert logins.get(entered.login.id) is None
