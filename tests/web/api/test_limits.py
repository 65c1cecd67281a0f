"""Whose the spaces are, and what cards and households may use, as the API shows and takes it; and
who is told."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from levity_trio.access.tags import Policy
from levity_trio.billing.ownership import BillBy
from levity_trio.charger.wallets import WalletKeeper
from levity_trio.store.billing.pricing import Priced, Rule
from levity_trio.store.lookups.places import UsageLimit
from levity_trio.store.reads.chargers.chargers import served
from levity_trio.store.reads.money import months
from levity_trio.store.reads.money.wallets import owned_tags
from levity_trio.store.reads.now.attention import ServedChargers, attention
from levity_trio.store.reads.people.driving import load_places
from levity_trio.store.reads.transactions import costs
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.tags import TagData, TheMonth
from levity_trio.web.api.engine.endpoints import Caller, Endpoint, Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.people import accounts, limits
from levity_trio.web.dashboard.pages import households
from levity_trio.web.in_process import Question, ask
from tests.store.bills import Biller
from tests.store.books import Station
from tests.store.nows import WELL
from tests.store.owning import SPACE, House
from tests.store.reading import reading
from tests.web.api.conftest import Site
from tests.web.api.driving import Driver, Yard
from tests.web.dashboard.opening import Opening

START = "/chargers/CP-1/start"
CLEO = Caller("cleo", Role.OPERATOR, "192.0.2.1")


def endpoint(method: str, path: str) -> Endpoint:
    every: tuple[Endpoint, ...] = (*limits.ENDPOINTS, *accounts.ENDPOINTS)
    (found,) = [one for one in every if (one.method, one.path) == (method, path)]
    return found


SPACES, GIVE = endpoint("GET", limits.SPACES), endpoint("POST", f"{accounts.ACCOUNT}/give")
LIMIT, LIMITS = endpoint("PUT", limits.OF_ACCOUNT), endpoint("GET", limits.OF_ACCOUNT)
LIMIT_TAG, LIMITS_OF_TAG = endpoint("PUT", limits.OF_TAG), endpoint("GET", limits.OF_TAG)
USE, USE_OF_TAG = (
    endpoint("GET", f"{limits.OF_ACCOUNT}/use"),
    endpoint("GET", "/api/admin/id-tag-use/{tag}"),
)
REFUSED = endpoint("GET", f"{limits.SPACES}/refused-cards")
(HOUSEHOLD,) = [one for one in households.PAGES if one.path == "/accounts/{id}"]


@pytest.fixture
def flats(site: Site) -> Site:
    """Flat 1 and Flat 2, with a card each, and one charger."""
    Station(site.books).boot()
    house = House(site.books)
    for account, card in ((1, "04AA"), (2, "04BB")):
        site.books.run(tags.add, site.books.policy, TagData(id_tag=card), site.books.at, "cleo")
        house.give(account, card)
    return site


def wants_look(site: Site, *, sees_all: bool = True) -> list[str]:
    with reading(site.books) as db:
        chargers = ServedChargers(served(db), {}, {}, [])
        found = attention(
            db,
            site.books.now,
            site.api.config.time_zone,
            WELL,
            chargers,
            sees_all=sees_all,
            policy=Policy(),
        )
    return [one.words for one in found if one.kind in ("refused", "limit")]


async def test_a_space_is_for_its_household_only_and_for_everybody_again(flats: Site) -> None:
    given = {"charger": "CP-1", "name": "Space 4", "exclusive": True}
    await flats.call(GIVE, body=given, id="1")
    ((one),) = (await flats.call(SPACES))["data"]
    assert (one["charger"], one["name"], one["account_name"], one["exclusive"]) == (
        "CP-1",
        "Space 4",
        "Anna",
        True,
    )
    flats.books.wait(1)
    shown = await flats.call(GIVE, body={"charger": "CP-1", "exclusive": False}, id="1")
    assert [one["exclusive"] for one in shown["belongings"] if one["what"] == "space"] == [
        False,
        True,
    ]
    assert [
        one["exclusive"] for one in (await flats.call(SPACES, query={"charger": "CP-1"}))["data"]
    ] == [False]
    with pytest.raises(Problem) as problem:
        await flats.call(GIVE, body={"tag": "04AA", "exclusive": True}, id="1")
    assert problem.value.members["field"] == "exclusive"


async def test_who_was_refused_is_told_once_with_both_names_until_it_is_over(flats: Site) -> None:
    station = Station(flats.books)
    await flats.call(GIVE, body={"charger": "CP-1", "name": "Space 4", "exclusive": True}, id="1")
    for card in ("04BB", "04BB", "STRANGER"):
        started = station.start_with_verdict(1000, 1, card, None)
        assert started.verdict.status == "Invalid"
        flats.books.wait(1)
    assert wants_look(flats) == ["Space 4 is for Anna only: Ben, STRANGER were refused"]
    assert wants_look(flats, sees_all=False) == [
        "Space 4 is for its household only: 2 cards were refused"
    ]
    await flats.call(GIVE, body={"charger": "CP-1", "exclusive": False}, id="1")
    assert wants_look(flats) == []
    await flats.call(GIVE, body={"charger": "CP-1", "exclusive": True}, id="1")
    flats.books.wait(25 * 60)
    assert wants_look(flats) == []


async def test_a_limit_of_the_month_is_told_until_the_month_is_over(flats: Site) -> None:
    station, books = Station(flats.books), flats.books
    await flats.call(LIMIT, body={"month_wh": 5000}, id="1")
    transaction = station.start(1000, 1, "04AA")
    books.wait(60)
    for used, words in (
        (4000, "Anna has used four fifths of what it may in this month"),
        (5000, "Anna has used what it may in this month, and starts nothing more"),
    ):
        station.tell(station.register(1000 + used), transaction=transaction)
        with reading(books) as db:
            found = months.counted(
                db, [transaction], Rule(ZoneInfo("UTC"), books.policy, BillBy.TAG)
            )
        books.run(tags.count_use, found, TheMonth.at(books.now, UTC), books.at)
        assert wants_look(flats) == [words]
        books.wait(1)
    assert wants_look(flats, sees_all=False) == []
    books.now = datetime.fromisoformat(TheMonth.at(books.now, UTC).until)
    assert wants_look(flats) == []


async def test_a_card_and_a_household_are_limited_and_it_is_undone(flats: Site) -> None:
    nothing = {"chargers": None, "everywhere": False, "month_wh": None, "month_amount": None}
    before = await flats.call(LIMITS, id="1")
    assert {name: before[name] for name in nothing} == nothing
    after = await flats.call(LIMIT, body={"chargers": ["CP-1"], "month_wh": 100_000}, id="1")
    assert (after["chargers"], after["month_wh"], after["month_kwh"], after["set_by"]) == (
        ["CP-1"],
        100_000,
        100.0,
        "anna",
    )
    undone = await flats.call(LIMIT, body={}, id="1")
    assert [one["month_wh"] for one in undone["history"]] == [None, 100_000]
    card = await flats.call(LIMIT_TAG, body={"everywhere": True}, tag="04bb")
    assert card["everywhere"]
    assert (await flats.call(LIMITS_OF_TAG, tag="04BB"))["everywhere"]
    for body, field in (
        ({"chargers": ["CP-9"]}, "chargers"),
        ({"chargers": ["CP-1"], "everywhere": True}, "everywhere"),
    ):
        with pytest.raises(Problem) as problem:
            await flats.call(LIMIT_TAG, body=body, tag="04BB")
        assert problem.value.members["field"] == field
    with pytest.raises(Problem):
        await flats.call(LIMIT, body={}, id="9")


async def test_a_refused_driver_reads_where_he_may_charge(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    await yard.add_tag("BEN", 2)
    async with yard.charger() as plug, yard.charger("CP-2"):
        await plug.status("Available")
        given = Question(
            method="POST",
            path="/api/admin/accounts/2/give",
            body=orjson.dumps({"charger": "CP-1", "exclusive": True}),
        )
        assert (await ask(yard.app, CLEO, given)).status == HTTPStatus.OK
        # It would let cards charge that it remembers, without asking.
        asked = yard.writer.rows("SELECT cp_id, action FROM command")
        assert asked == [("CP-1", "ClearCache")]
        assert (await plug.charger.receive())[2] == "ClearCache"
        _load(yard)
        words = "this space is for another household only; you may charge at CP-2"
        (place,) = (await yard.anna.get("/chargers/CP-1"))["connectors"]
        assert (place["why_not"], place["reason"], place["elsewhere"]) == (words, "space", ["CP-2"])
        assert (await yard.anna.refused("POST", START, {}))[2] == words
        (place,) = (await yard.ben.get("/chargers/CP-1"))["connectors"]
        assert place["why_not"] is None


async def test_who_starts_for_a_card_is_told_that_it_will_be_refused_here(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    await yard.add_tag("BEN", 2)

    async def warned(id_tag: str) -> list[str]:
        path, body = "/api/admin/chargers/CP-1/remote-start", {"connectorId": 1, "idTag": id_tag}
        question = Question(
            method="POST", path=path, body=orjson.dumps(body), headers={"prefer": "respond-async"}
        )
        return [*(await ask(yard.app, CLEO, question)).content["warnings"]]

    async with yard.charger() as plug:
        await plug.status("Available")
        yard.house.give(2, SPACE, exclusive=True)
        _load(yard)
        assert await warned("BEN") == []
        assert await warned("ANNA") == [
            "the card ANNA will be refused here: the space is for another household only"
        ]


async def test_whose_cards_stop_working_is_said_before(flats: Site) -> None:
    station = Station(flats.books)
    for tag, connector in (("04AA", 1), ("04BB", 1), ("04bb", 1), ("Guest", 1), ("04BB", 2)):
        number = station.start(1000, connector, tag)
        flats.books.wait(60)
        station.stop(number, 5000)
    found = (
        await flats.call(REFUSED, query={"charger": "CP-1", "account": "1", "connector": "1"})
    )["data"]
    assert [(one["who"], one["id_tag"], one["transactions"]) for one in found] == [
        (None, "Guest", 1),
        ("Ben", "04bb", 2),
    ]
    House(flats.books).give(1, SPACE)
    shown = await Opening(flats, Role.OPERATOR).open(HOUSEHOLD, id="1")
    assert "will be refused: Ben (04BB), Guest." in shown.words
    flats.books.wait(91 * 24 * 60)
    assert (await flats.call(REFUSED, query={"charger": "CP-1", "account": "1"}))["data"] == []


async def test_what_a_month_has_come_to_is_said_before_a_limit(
    flats: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = Station(flats.books)
    Biller(House(flats.books))
    for wh in (4000, 2000):
        number = station.start(1000, 1, "04AA")
        flats.books.wait(60)
        station.stop(number, 1000 + wh)
    for used in (await flats.call(USE, id="1"), await flats.call(USE_OF_TAG, tag="04aa")):
        this, before = used["data"]
        assert (this["month"], this["wh"], this["amount"], this["currency"]) == (
            "2026-03",
            6000,
            180,
            "EUR",
        )
        assert (before["month"], before["wh"], before["amount"]) == ("2026-02", 0, None)
    shown = await Opening(flats, Role.OPERATOR).open(HOUSEHOLD, id="1")
    assert "March 2026 so far: 6.0 kWh, 1.80 EUR; February 2026: 0.0 kWh." in shown.words
    monkeypatch.setattr(costs, "MOST_PRICED", 1)
    this, _ = (await flats.call(USE, id="1"))["data"]
    assert (this["wh"], this["amount"], this["currency"]) == (6000, None, None), (
        "a part is not the whole"
    )


def _load(yard: Yard) -> None:
    index: Any = yard.central.tags
    with reading(yard.books) as db:
        index.wallets.load(owned_tags(db), [])
    with reading(yard.books) as db:
        index.places.load(*load_places(db))


async def test_a_driver_reads_what_is_used_of_the_month(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    assert (await yard.anna.get("/limits"))["data"] == []
    books = yard.books
    books.run(tags.limit_account, 1, UsageLimit(month_wh=100_000), books.at, "cleo")
    books.run(tags.assess_month, TheMonth.at(books.now, UTC), books.at)
    books.connection.execute("UPDATE month_standing SET wh = 85000, warned_at = ?", (books.at,))
    (found,) = (await yard.anna.get("/limits"))["data"]
    assert (found["card"], found["used_kwh"], found["month_kwh"], found["state"]) == (
        None,
        85,
        100,
        "near",
    )
    assert (await yard.ben.get("/limits"))["data"] == []


async def test_the_month_is_counted_by_the_task_of_wallets(yard: Yard) -> None:
    """From its beginning, what comes later, and after a start of the server."""
    await yard.add_tag("ANNA")
    station = Station(yard.books, "CP-3")
    yard.books.run(tags.limit_account, 1, UsageLimit(month_wh=100_000), yard.books.at, "cleo")
    wallets = WalletKeeper(yard.central, yard.api.reader)
    for expected in (4000, 8000):
        transaction = station.start(expected, 1, "ANNA")
        yard.books.wait(60)
        station.stop(transaction, expected + 4000)
        yard.books.wait(1)
        await wallets.look()
        await WalletKeeper(yard.central, yard.api.reader).look()
        assert yard.books.rows("SELECT wh FROM month_standing") == [(expected,)]


@pytest.mark.logs_errors
async def test_a_session_without_a_price_keeps_no_other_from_being_counted(
    yard: Yard, log_lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw: here, one session has no price."""
    await yard.add_tag("ANNA")
    station = Station(yard.books, "CP-3")
    yard.books.run(tags.limit_account, 1, UsageLimit(month_wh=100_000), yard.books.at, "cleo")
    sessions = []
    for register in (0, 4000, 8000):
        sessions.append(station.start(register, 1, "ANNA"))
        yard.books.wait(60)
        station.stop(sessions[-1], register + 4000)
        yard.books.wait(1)

    def priced(one: Priced) -> int | None:
        if one.position.transaction == sessions[0]:
            raise ZeroDivisionError
        return costs.gross_of(one)

    monkeypatch.setattr(months, "gross_of", priced)
    wallets = WalletKeeper(yard.central, yard.api.reader)
    for _ in range(2):
        await wallets.look()
        assert yard.books.rows("SELECT wh FROM month_standing") == [(8000,)]
    assert [line["transactions"] for line in log_lines if "transactions" in line] == [[sessions[0]]]


async def test_the_paths_of_limits_are_no_tags(yard: Yard) -> None:
    """A tag may contain a slash, so that its path takes all that follows."""
    await yard.add_tag("A/limits")
    admin = Driver(yard, 1, None, Role.ADMIN)
    question = Question(
        method="GET", path="/api/admin/id-tag-limits/A/limits", query={}, body=b"", headers={}
    )
    found: Any = (await ask(yard.app, admin.caller, question)).content
    assert found["everywhere"] is False
