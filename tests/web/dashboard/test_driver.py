"""Drivers' pages: where one may start, what becomes of it, and what a driver sees of the own
household alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from levity_trio.bank import BankLine
from levity_trio.bank.matching import Books, Matching, Proposal
from levity_trio.billing.examples import BLOCKING, NET
from levity_trio.billing.ledger import LedgerKind
from levity_trio.billing.ownership import Thing, What
from levity_trio.events import WalletCovered
from levity_trio.locale import speaking
from levity_trio.store.reads.money.wallets import owned_tags
from levity_trio.store.reads.people.driving import load_places
from levity_trio.store.writes.load import load
from levity_trio.store.writes.people import messages
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.page import ApiRefused
from levity_trio.web.dashboard.pages import driver
from levity_trio.web.dashboard.pages.bills import PAGES as OF_BILLS
from levity_trio.web.dashboard.pages.review import PAGES as OF_REVIEW
from levity_trio.web.dashboard.pages.sessions import PAGES as OF_SESSIONS
from tests.documents import statements as forms
from tests.documents.test_qr import matrix
from tests.integration.browsing import Page as Shown
from tests.store import copied
from tests.store.bills import FLAT, Biller, charge, correct, month_is_over
from tests.store.books import Station, meter_value
from tests.store.owning import SPACE
from tests.store.papers import Papers
from tests.store.reading import reading
from tests.store.telling import charge as flow
from tests.store.telling import watts
from tests.store.wallets import Purses
from tests.web.api.driving import Driver, Yard
from tests.web.dashboard.opening import Opening, attributes

CHARGE, CHARGER, CONNECTOR, SESSIONS, SESSION, STATEMENTS, ME = driver.PAGES
NAMING = r"Give it a name Name Save |I lost this card… Block .*? now "
REVIEW = OF_REVIEW[0]
OF_SESSION = OF_SESSIONS[1]
MONTH, STATEMENT = (
    next(page for page in OF_BILLS if page.path == path)
    for path in ("/bills/{month}", "/statements/{number}")
)
PREPAID = {"en": "Prepaid 1, Anna", "de": "Guthaben 1, Anna"}
HOSTILE = '"><script>alert(1)</script>'


async def at(yard: Yard, who: Driver, link: str = "", connector: int | None = None) -> Shown:
    """Return the page of a place."""
    page, path = (CHARGER, {}) if connector is None else (CONNECTOR, {"connector": connector})
    return await Opening(yard, who.caller).open(page, link, charger="CP-1", **path)


def starts(shown: Shown) -> list[Mapping[str, str]]:
    return [one.values for one in shown.forms if one.action.endswith("/start")]


def values(shown: Shown) -> Mapping[str, str]:
    (found,) = starts(shown)
    return found


# A place


@pytest.mark.parametrize(
    ("status", "words", "may_start"),
    [
        ("Available", "✓ Free", True),
        ("Preparing", "◐ Plugged in", True),
        ("Charging", "■ In use", False),
        ("Faulted", "✕ Out of order", False),
        ("Reserved", "▲ Reserved", False),
    ],
)
async def test_a_place_says_its_state_and_offers_what_can_be_done(
    yard: Yard, status: str, words: str, may_start: bool
) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger() as plug:
        await plug.status(status)
        shown = await at(yard, yard.anna)
        assert words in shown.words
        assert bool(starts(shown)) == may_start
    assert "○ Away" in (await at(yard, yard.anna)).words
    assert not starts(await at(yard, yard.anna))


async def test_the_code_of_a_connector_leads_to_that_one_only(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger(connectors=2) as plug:
        await plug.status("Preparing", 2)
        assert values(await at(yard, yard.anna, connector=2))["connector_id"] == "2"
        assert [one["connector_id"] for one in starts(await at(yard, yard.anna))] == ["1", "2"]
        assert "no such connector" in (await at(yard, yard.anna, connector=7)).words


async def test_a_tag_is_chosen_only_where_there_are_several(yard: Yard) -> None:
    await yard.add_tag("ANNA", name="Key ring")
    await yard.add_tag("BEN", 2)
    async with yard.charger():
        assert "id_tag" not in (await at(yard, yard.anna)).html
        await yard.add_tag("CARD")
        await yard.add_tag("OLD", status="Blocked")
        shown = await at(yard, yard.anna)
        assert attributes(shown, "option", "value") == ["ANNA", "CARD"]
        assert "Key ring" in shown.words
        assert "BEN" not in shown.html


async def test_who_has_no_card_or_lost_it_starts_by_phone(yard: Yard) -> None:
    async with yard.charger():
        assert "You start by phone" in (await at(yard, yard.anna)).words
        me = await Opening(yard, yard.anna.caller).open(ME)
        assert "Your household has no card. Ask the owner for one." in me.words
        await yard.add_tag("ANNA")
        assert "by phone" not in (await at(yard, yard.anna)).words
        await yard.anna.post("/tags/ANNA/lost")
        assert values(await at(yard, yard.anna))["connector_id"] == "1"
        assert "Start…" in (await Opening(yard, yard.anna.caller).open(CHARGE)).words
        me = await Opening(yard, yard.anna.caller).open(ME)
        assert "is blocked, and the owner knows it. Until then, start by phone" in me.words


async def test_whose_card_was_blocked_reads_whom_to_ask(yard: Yard) -> None:
    await yard.add_tag("ANNA", status="Blocked")
    async with yard.charger():
        for shown in (
            await at(yard, yard.anna),
            await Opening(yard, yard.anna.caller).open(CHARGE),
        ):
            assert "No card of your household may" in shown.words
            assert not starts(shown)


async def test_what_was_asked_for_is_told_step_by_step(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger() as plug:
        asked = await plug.while_answering(yard.anna, "/chargers/CP-1/start")
        link = f"?command={asked['id']}"
        shown = await at(yard, yard.anna, link)
        assert "✓ sent ✓ accepted ◐ …" in shown.words
        assert not starts(shown), "while a start is under way there is no second one"
        number = await plug.begin("ANNA")
        await yard.follow()
        shown = await at(yard, yard.anna, link)
        assert "✓ sent ✓ accepted ✓ charging" in shown.words
        assert [one.action for one in shown.forms if "/stop" in one.action] == [
            f"/do/post/me/transactions/{number}/stop"
        ]
        await plug.end(number)
        assert "✓ charging" not in (await at(yard, yard.anna, link)).words, "that is over"


async def test_why_it_did_not_start_stays_until_something_else_is_asked_for(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger() as plug:
        asked = await plug.while_answering(yard.anna, "/chargers/CP-1/start", status="Rejected")
        shown = await at(yard, yard.anna, f"?command={asked['id']}")
        assert "✕ not accepted" in shown.words
        assert "The charger refused to start." in shown.words
        assert starts(shown)


@pytest.mark.parametrize(
    "link", ["?command=x", "?command=99999999999999999999", "?command=-1", "?command=4711"]
)
async def test_a_command_that_does_not_exist_is_none(yard: Yard, link: str) -> None:
    async with yard.charger():
        assert "sent" not in (await at(yard, yard.anna, link)).words


async def test_a_command_of_another_place_is_not_told_here(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger(), yard.charger("CP-2") as plug:
        asked = await plug.while_answering(yard.anna, "/chargers/CP-2/start")
        assert "accepted" not in (await at(yard, yard.anna, f"?command={asked['id']}")).words


async def test_the_command_of_somebody_else_is_none(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger() as plug:
        asked = await plug.while_answering(yard.anna, "/chargers/CP-1/start")
        sister = Driver(yard, 17, 1)
        for other in (yard.ben, sister):
            assert "accepted" not in (await at(yard, other, f"?command={asked['id']}")).words


# All places


async def test_the_own_session_stands_on_top_and_others_show_nothing(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    await yard.add_tag("BEN", 2)
    async with yard.charger(connectors=2) as plug:
        own = await plug.begin("ANNA")
        other = await plug.begin("BEN", 2)
        shown = await Opening(yard, yard.anna.caller).open(CHARGE)
        assert shown.words.index("Your session") < shown.words.index("CP-1")
        assert f"/d/sessions/{own}" in shown.links
        assert "■ In use" in shown.words
        for secret in ("BEN", str(other)):
            assert secret not in shown.html


async def test_the_own_space_stands_before_the_others(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger() as plug, yard.charger("CP-2") as other:
        await plug.status("Available")
        await other.status("Preparing")
        assert "Your space" not in (await Opening(yard, yard.anna.caller).open(CHARGE)).words
        yard.house.give(1, Thing(What.SPACE, "CP-2", 1))
        words = (await Opening(yard, yard.anna.caller).open(CHARGE)).words
        own, others = words.index("Your space CP-2 ◐ Plugged in"), words.index("Other chargers")
        assert own < others < words.index("CP-1 ✓ Free")
        assert words.count("CP-2") == 1
        assert "Your space" not in (await Opening(yard, yard.ben.caller).open(CHARGE)).words


async def test_it_says_where_the_car_is_and_whether_it_charges(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    opening = Opening(yard, yard.anna.caller)
    assert "None of your cars is in a session." in (await opening.open(CHARGE)).words
    async with yard.charger() as plug:
        await plug.begin("ANNA")
        assert "Your car is at CP-1 ◐ Not charging now" in (await opening.open(CHARGE)).words


@pytest.mark.usefixtures("day_and_night")
async def test_money_and_the_last_sessions_stand_before_other_chargers(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    station = Station(yard.books)
    number = station.start(1000, tag="ANNA")
    yard.books.wait(60)
    station.stop(number, 5000)
    shown = await Opening(yard, yard.anna.caller).open(CHARGE)
    assert f"/d/sessions/{number}" in shown.links
    assert shown.words.index("Nothing to pay.") < shown.words.index("Your last sessions")
    assert shown.words.index("4.00 kWh") < shown.words.index("All chargers")


async def test_an_answer_of_the_owner_stands_first_for_two_weeks(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    Station(yard.books)
    opening = Opening(yard, yard.anna.caller)
    await yard.anna.post("/reports", {"words": "It smells.", "charger": "CP-1"})
    assert "It smells." not in (await opening.open(CHARGE)).words
    await yard.writer.run(messages.answer_report, 1, "It is mended", yard.books.at, "cleo")
    words = (await opening.open(CHARGE)).words
    assert words.index("The owner answers: It is mended") < words.index("You wrote: It smells.")
    assert words.index("You wrote") < words.index("None of your cars")
    assert "It is mended" not in (await Opening(yard, yard.ben.caller).open(CHARGE)).words
    yard.books.wait(15 * 24 * 60)
    assert "It is mended" not in (await Opening(yard, yard.anna.caller).open(CHARGE)).words


async def test_a_start_is_one_page_further_where_the_place_is_named(yard: Yard) -> None:
    """On the wrong row it would charge the car of somebody else."""
    await yard.add_tag("ANNA")
    async with yard.charger() as plug:
        await plug.status("Preparing")
        shown = await Opening(yard, yard.anna.caller).open(CHARGE)
        assert not starts(shown)
        assert "Start…" in shown.words
        assert "/d/at/CP-1" in shown.links
        assert values(await at(yard, yard.anna))["next"] == "/d/at/CP-1?command={id}"


async def test_live_parts_are_those_of_the_page(yard: Yard) -> None:
    async with yard.charger():
        opening = Opening(yard, yard.anna.caller)
        assert [*await opening.parts(CHARGE)] == ["answers", "running", "own", "prices", "places"]
        for changed, expected in (
            (None, ["place", "prices"]),
            ({"CP-1"}, ["place", "prices"]),
            ({""}, ["place", "prices"]),
            ({"CP-2"}, []),
        ):
            assert [*await opening.parts(CHARGER, changed, charger="CP-1")] == expected


async def test_the_page_of_a_session_follows_its_charger_alone(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    number = Station(yard.books).start(1000, tag="ANNA")
    opening = Opening(yard, yard.anna.caller)
    for changed, count in ((None, 3), ({"CP-1"}, 3), ({""}, 3), ({"CP-2"}, 0)):
        assert (
            len(
                [
                    name
                    for name in await opening.parts(SESSION, changed, id=number)
                    if name != "reports"
                ]
            )
            == count
        )
    without = await yard.anna.get(f"/transactions/{number}?bill=false")
    assert (without["bill"], without["cost"], without["state"]) == (None, None, "open")


async def test_without_chargers_it_says_so(yard: Yard) -> None:
    assert (
        "There is no charger here yet" in (await Opening(yard, yard.anna.caller).open(CHARGE)).words
    )


# Prices and costs


@pytest.fixture
def day_and_night(yard: Yard) -> None:
    """It is noon in London, where the clocks of the tests are."""
    biller = Biller(yard.house)
    toml = BLOCKING.replace("2026-10-01", "2026-01-01").replace(
        "session_fee", "minimum = 1.00\nsession_fee"
    )
    night = (
        '[[window]]\nname = "night"\nprice = 0.24\ntimes = "22:00-06:00"\n\n[energy]\nname = "day"'
    )
    biller.assign(biller.add(toml.replace("[energy]", night)), date(2026, 1, 1), 1)


@pytest.mark.usefixtures("day_and_night")
async def test_before_a_start_the_price_of_the_household_is_told(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger():
        shown = await at(yard, yard.anna)
        assert re.search(
            r"0.32 EUR per kWh until \d\d:00 , then 0.24 EUR tax included", shown.words
        )
        for fee in ("0.50 EUR for each session", "A session costs at least 1.00 EUR"):
            assert fee in shown.words
        staying = (
            "Staying when charging has ended: 0.05 EUR a minute, the first 30 minutes free, at "
            "most 6.00 EUR"
        )
        assert staying in shown.words
        assert (
            "0.32 EUR per kWh until" in (await Opening(yard, yard.anna.caller).open(CHARGE)).words
        )
        ben = (await at(yard, yard.ben)).words
        assert "0.30 EUR per kWh tax included" in ben
        assert "until" not in ben
        assert (
            "0.30 EUR per kWh"
            in (await Opening(yard, Role.OPERATOR).open(CHARGER, charger="CP-1")).words
        )


async def test_without_tax_no_page_speaks_of_it(yard: Yard) -> None:
    biller = Biller(yard.house)
    untaxed = FLAT.replace("Flat", "Untaxed").replace("tax = 19", "tax = 0")
    biller.assign(biller.add(untaxed), date(2026, 1, 1))
    await yard.add_tag("ANNA")
    async with yard.charger():
        shown = (await at(yard, yard.anna)).words
        assert "0.30 EUR per kWh" in shown
        assert "tax included" not in shown
    station = Station(yard.books)
    number = station.start(1000, tag="ANNA")
    station.stop(number, 8200)
    yard.books.wait(1)
    words = (await Opening(yard, yard.anna.caller).open(SESSION, id=number)).words
    assert "Total 2.16 EUR" in words
    assert " % tax" not in words


@pytest.mark.usefixtures("day_and_night")
async def test_the_cost_so_far_and_its_proof(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    station, opening = Station(yard.books), Opening(yard, yard.anna.caller)
    number = station.start(1000, tag="ANNA")
    flow(station, number, 1000, minutes=60)
    for page, given in ((CHARGE, {}), (CHARGER, {"charger": "CP-1"}), (SESSION, {"id": number})):
        words = (await opening.open(page, **given)).words
        assert "kW 2.80 EUR" in words
        assert "The cost so far, if you stop now. 0.32 EUR per kWh until" in words
    station.stop(number, 8200)
    yard.books.wait(1)
    await yard.anna.put("/tags/ANNA", {"name": "Key ring"})
    words = (await opening.open(SESSION, id=number)).words
    assert "· Key ring" in words
    for part in (
        "How the cost comes about day: 7.200 kWh × 0.32 = 2.30 Fee for the session: 0.50",
        "Total 2.80 EUR Includes 19 % tax: 0.45 EUR",
        "Meter from 1.000 to 8.200 kWh. The tariff is With blocking fee.",
        "These lines will be on the statement of the month",
    ):
        assert part in words
    assert "7.20 kWh 2.80 EUR Ended" in (await opening.open(SESSIONS)).words


@pytest.mark.usefixtures("day_and_night")
@pytest.mark.parametrize("more", [0, 60])
async def test_what_load_management_took_costs_nothing(yard: Yard, more: int) -> None:
    """The car waits until long after the grace; after that, it may stay for an hour more."""
    await yard.add_tag("ANNA")
    station, books = Station(yard.books), yard.books
    number = station.start(1000, tag="ANNA")
    wh = flow(station, number, 1000, minutes=60)
    books.run(load.begin_span, number, "paused", books.at)
    books.wait(60)
    station.tell(meter_value(station.clock(), wh, watts(0)), transaction=number)
    books.run(load.end_span, number, books.at)
    books.wait(more)
    station.stop(number, wh)
    books.wait(1)
    held = (
        "Time in which load management held the car back does not count; after it, the free "
        "minutes begin anew."
    )
    words = (await Opening(yard, yard.anna.caller).open(SESSION, id=number)).words
    told = "28 minutes until" if more else "Staying after that costs nothing."
    assert told in words
    assert held in words
    assert "left within the free time" not in words
    ours = (await Opening(yard, Role.OPERATOR).open(OF_SESSION, id=number)).words
    assert held in ours
    assert "paused by load management until" in ours


async def test_a_price_that_was_entered_later_is_told_once(yard: Yard) -> None:
    """A tariff, and for whom it is, are two entries."""
    await yard.add_tag("ANNA")
    station = Station(yard.books)
    number = station.start(1000, tag="ANNA")
    flow(station, number, 1000, minutes=60)
    station.stop(number, 8200)
    yard.books.wait(1)
    biller = Biller(yard.house)
    biller.assign(biller.add(BLOCKING.replace("2026-10-01", "2026-01-01")), date(2026, 1, 1), 1)
    words = (await Opening(yard, yard.anna.caller).open(SESSION, id=number)).words
    assert words.count("entered the price after the session had ended") == 1


async def test_net_lines_are_shown_as_printed_and_with_tax_beside(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    biller = Biller(yard.house)
    biller.assign(biller.add(NET.replace("2026-10-01", "2026-01-01")), date(2026, 1, 1), 1)
    station, opening = Station(yard.books), Opening(yard, yard.anna.caller)
    number = station.start(1000, tag="ANNA")
    flow(station, number, 1000, minutes=60)
    station.stop(number, 8200)
    words = (await opening.open(SESSION, id=number)).words
    assert (
        "Energy: 7.200 kWh × 0.268908 = 1.94 Fee for the session: 0.42 Total 2.36 EUR without tax"
        in words
    )
    assert "7 % tax: 0.03 EUR 19 % tax: 0.37 EUR With tax 2.76 EUR" in words
    assert "adds tax once to the sum of all its lines" in words
    assert "2.76 EUR" in (await opening.open(SESSIONS)).words
    async with yard.charger():
        assert (
            "0.32 EUR per kWh tax included 0.4494 EUR for each session"
            in (await at(yard, yard.anna)).words
        )


@pytest.mark.usefixtures("day_and_night")
async def test_a_session_in_doubt_says_so_and_then_who_decided(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    station, opening = Station(yard.books), Opening(yard, yard.anna.caller)
    number = station.start(1000, tag="ANNA")
    yard.books.wait(30)
    station.stop(number, 900_000)
    doubt = (
        "This session is being checked. It is not on any statement until the owner has confirmed "
        "it."
    )
    shown = await opening.open(SESSION, id=number)
    assert doubt in shown.words
    assert "EUR" not in shown.words
    correct(yard.books, number, 9000)
    words = (await opening.open(SESSION, id=number)).words
    assert doubt not in words
    assert "cleo has corrected this session to 9.000 kWh, 13:30" in words.replace(" ,", ",")
    assert "Reason: read from its display" in words


@pytest.mark.usefixtures("day_and_night")
async def test_what_this_system_does_not_bill_says_so(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    station, opening = Station(yard.books), Opening(yard, yard.anna.caller)
    yard.books.now -= timedelta(days=3)
    number = station.start(1000, tag="ANNA")
    yard.books.wait(60)
    station.stop(number, 5000)
    words = (await opening.open(SESSION, id=number)).words
    assert "This session is not billed here" in words
    assert "EUR" not in words + (await opening.open(SESSIONS)).words


# What is owed


@pytest.fixture
def owed(yard: Yard) -> None:
    """A statement asked Anna to pay; she owes a little less by now."""
    papers = Papers(yard.books.connection)
    papers.close(papers.draft((1, forms.with_windows(4))), papers.biller(forms.OWNER))
    Purses(yard.books).enter(LedgerKind.CORRECTION, -1234)


@pytest.mark.usefixtures("owed")
async def test_what_is_owed_can_be_paid_by_a_code(yard: Yard) -> None:
    shown = await Opening(yard, yard.anna.caller).open(STATEMENTS)
    assert "12.34 EUR to pay" in shown.words
    assert "Scan this code with your banking app. Payee Bauhof 12 eG Account" in shown.words
    assert len(shown.html) < 25_000
    money = await yard.anna.get("/money")
    owed, payment, reference = money["owed"], money["payment"], "Statement 1, Anna"
    assert (owed, payment["amount"], payment["reference"]) == (1234, 1234, reference)
    said = ("BCD", "002", "1", "SCT", "", "Bauhof 12 eG", forms.IBAN, "EUR12.34", "", "", reference)
    assert tuple(payment["code"]) == matrix("\n".join(said))
    ben = (await Opening(yard, yard.ben.caller).open(STATEMENTS)).words
    assert "Nothing to pay." in ben
    assert "banking app" not in ben


@pytest.mark.usefixtures("day_and_night")
async def test_what_is_left_in_a_wallet(yard: Yard) -> None:
    purses = Purses(yard.books)
    purses.prepay()
    purses.enter(LedgerKind.TOP_UP, 5000)
    words = (await Opening(yard, yard.anna.caller).open(STATEMENTS)).words
    assert "50.00 EUR left in your wallet" in words
    assert "March 2026 so far 0 sessions, 0.0 kWh" in words


@pytest.mark.usefixtures("day_and_night")
@pytest.mark.parametrize("language", ["en", "de"])
async def test_who_has_spent_all_pays_where_he_stands(yard: Yard, language: str) -> None:
    await yard.add_tag("ANNA")
    purses, papers = Purses(yard.books), Papers(yard.books.connection)
    papers.biller(forms.OWNER)
    purses.prepay()
    purses.enter(LedgerKind.CORRECTION, -1234)
    with reading(yard.books) as db:
        yard.central.tags.wallets.load(owned_tags(db), [1])
    async with yard.charger() as plug:
        await plug.status("Available")
        with speaking(language):
            shown = await at(yard, yard.anna)
            first = await at(yard, yard.anna, connector=1)
            every = await Opening(yard, yard.anna.caller).open(CHARGE)
        money = await yard.anna.get("/money")
        payment, reference = money["payment"], PREPAID[language]
        assert payment["reference"] == PREPAID["en"]
        # What is lacking, and a usual month.
        assert payment["amount"] == 4000
        said = "BCD", "002", "1", "SCT", "", "Bauhof 12 eG", forms.IBAN, "EUR40"
        assert tuple(payment["code"]) == matrix("\n".join((*said, "", "", PREPAID["en"])))
        for page in (shown, first):
            assert {"en": "Nothing is left", "de": "Das Guthaben"}[language] in page.words
            assert forms.IBAN in page.words.replace(" ", "")
            assert reference in page.words
            assert "40" in page.words
            assert not starts(page)
            assert "Ask the owner" not in page.words
        assert {"en": "Nothing is left", "de": "Das Guthaben"}[language] in every.words
        assert "sk the owner" not in every.words
        assert "Fragen Sie" not in every.words
        # The bank's file knows the household by it, whatever the amount.
        line = BankLine(date(2026, 3, 2), Decimal(7), "EUR", "", "", reference)
        found = Matching(Books(names={1: "Anna", 2: "Ben"})).propose(line, 700)
        assert found == Proposal(1, "account:1", True)

        # Nobody said to which account.
        papers.biller(replace(forms.OWNER, bank_account=None))
        assert "Ask the owner how to pay." in (await at(yard, yard.anna)).words

        purses.enter(LedgerKind.TOP_UP, payment["amount"])
        (covered,) = yard.books.recorded(WalletCovered)
        yard.central.tags.wallets.observe(covered)
        assert starts(await at(yard, yard.anna))


# What a statement has is corrected later


async def test_energy_and_cost_are_both_as_billed_until_the_next_statement_corrects_both(
    yard: Yard,
) -> None:
    await yard.add_tag("ANNA")
    biller, opening = Biller(yard.house), Opening(yard, yard.anna.caller)
    number = charge(Station(yard.books), 4000, "ANNA")
    month_is_over(yard.books, 3)
    biller.close("2026-03")
    correct(yard.books, number, 3000)
    for page, kwh in ((SESSIONS, "4.00 kWh 1.20 EUR"), (SESSION, "4.00 kWh 1.20 EUR")):
        words = (await opening.open(page, id=number)).words
        assert kwh in words
        assert "Correction follows" in words
    told = await yard.anna.get(f"/transactions/{number}")
    assert (told["energy_wh"], told["cost"]["gross"], told["is_corrected"]) == (4000, 120, True)
    month_is_over(yard.books, 4)
    biller.close("2026-04")
    words = (await opening.open(SESSIONS)).words
    assert "3.00 kWh 0.90 EUR" in words
    assert "Correction follows" not in words
    words = (await opening.open(SESSION, id=number)).words
    assert "Meter from 1.000 to 5.000 kWh; the energy was set by the owner." in words


async def test_a_month_that_only_corrects_has_no_sessions(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    biller, opening = Biller(yard.house), Opening(yard, yard.anna.caller)
    number = charge(Station(yard.books), 4000, "ANNA")
    month_is_over(yard.books, 3)
    biller.close("2026-03")
    correct(yard.books, number, 3000)
    month_is_over(yard.books, 4)
    biller.close("2026-04")
    words = (await opening.open(STATEMENTS)).words
    assert words.count("1 correction, −1.0 kWh") == 1
    corrected = "On statements of this month: −1.0 kWh. −1.0 kWh of these are of earlier months."
    assert f"1 correction, 0.0 kWh {corrected}" in words
    assert words.count("0 sessions") == 1
    owner = Opening(yard)
    for page, given in ((OF_BILLS[0], {}), (MONTH, {"month": "2026-04"})):
        words = (await owner.open(page, **given)).words
        assert "0 sessions" not in words.partition("April")[2].partition("March")[0]
    assert f"1 statement, 1 correction From earlier statements: 0.30 EUR {corrected}" in words
    words = (await owner.open(STATEMENT, number=2)).words
    assert "Only corrections of earlier statements." in words
    assert "kWh in April" not in words


# Later


async def test_sessions_are_the_own_ones(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    await yard.add_tag("BEN", 2)
    anna, ben = Opening(yard, yard.anna.caller), Opening(yard, yard.ben.caller)
    assert "You have not charged yet" in (await anna.open(SESSIONS)).words
    async with yard.charger(connectors=2) as plug:
        own, other = await plug.begin("ANNA"), await plug.begin("BEN", 2)
        await plug.end(own)
        links = (await anna.open(SESSIONS)).links
        assert f"/d/sessions/{own}" in links
        assert f"/d/sessions/{other}" not in links
        assert "4.00 kWh" in (await anna.open(SESSION, id=own)).words
        assert "/stop" in (await ben.open(SESSION, id=other)).html
        with pytest.raises(ApiRefused, match=f"{other}"):
            await anna.open(SESSION, id=other)


async def test_what_is_known_of_a_driver(yard: Yard) -> None:
    await yard.add_tag("ANNA", name="Key ring")
    await yard.add_tag("OLD", status="Blocked")
    shown = await Opening(yard, yard.anna.caller).open(ME)
    assert "You charge for the household Anna." in shown.words
    assert "Key ring ANNA ✓ May charge" in re.sub(NAMING, "", shown.words)
    assert {one.action for one in shown.forms} >= {"/do/put/me/tags/ANNA", "/do/put/me/tags/OLD"}
    await yard.anna.put("/tags/ANNA", {"name": "Mum's"})
    assert "Mum's ANNA" in (await Opening(yard, yard.anna.caller).open(ME)).words
    assert "OLD ▲ it is blocked" in re.sub(NAMING, "", shown.words)


async def test_without_a_statement_it_says_when_one_comes(yard: Yard) -> None:
    assert (
        "One comes when a month is closed"
        in (await Opening(yard, yard.anna.caller).open(STATEMENTS)).words
    )


@pytest.mark.parametrize("page", [CHARGE, SESSIONS, SESSION, STATEMENTS, ME])
async def test_who_belongs_to_no_household_is_told_so(yard: Yard, page: Any) -> None:
    shown = await Opening(yard, Role.OPERATOR).open(page, id=1)
    assert "You belong to no household" in shown.words
    assert not starts(shown)


async def test_an_operator_who_scans_a_code_sees_the_place_without_a_button(yard: Yard) -> None:
    async with yard.charger():
        shown = await Opening(yard, Role.OPERATOR).open(CHARGER, charger="CP-1")
        assert "✓ Free" in shown.words
        assert not starts(shown)


async def test_hostile_names_stay_words(yard: Yard) -> None:
    await yard.add_tag(HOSTILE[:20], name=HOSTILE)
    await yard.add_tag("ANNA")
    async with yard.charger():
        yard.books.connection.execute("UPDATE cp SET name = ?", (HOSTILE,))
        for shown in (
            await at(yard, yard.anna),
            await Opening(yard, yard.anna.caller).open(CHARGE),
        ):
            assert HOSTILE in shown.words
            assert all("src" in given for tag, given in shown.tags if tag == "script")


async def test_a_household_sees_where_its_sessions_are_told(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    assert "also told" not in (await Opening(yard, yard.anna.caller).open(ME)).words
    async with yard.charger():
        employer = copied.add(yard.books, "Employer & Sons", "CP-1")
        copied.add(yard.books, "Insurer", "CP-1")
        copied.call(yard.books, employer, "ANNA", "E-4711")
    shown = await Opening(yard, yard.anna.caller).open(ME)
    words = "Your sessions are also told to: Employer & Sons (as E-4711), Insurer (as OTHER)"
    assert words in shown.words


# What drivers report


async def test_a_lost_card_is_blocked_by_one_button(yard: Yard) -> None:
    await yard.add_tag("ANNA", name="Anna's card")
    opening = Opening(yard, yard.anna.caller)
    form = (await opening.open(ME)).form("/lost")
    assert form.action == "/do/post/me/tags/ANNA/lost"
    assert "Block Anna's card now" in form.words
    await yard.anna.post("/tags/ANNA/lost")
    shown = await opening.open(ME)
    assert not [one for one in shown.forms if one.action.endswith("/lost")]
    assert "Card ANNA is lost" in shown.words


async def test_who_asks_for_a_new_card_sees_the_answer(yard: Yard) -> None:
    """The report of a lost card is none: whoever has two cards may not need another one."""
    await yard.add_tag("ANNA")
    await yard.anna.post("/tags/ANNA/lost")
    opening = Opening(yard, yard.anna.caller)
    form = (await opening.open(ME)).form("/me/reports")
    assert "Ask for a card" in form.words
    assert form.values["next"] == "/d/me"
    told = await yard.anna.post("/reports", {"words": form.values["words"], "card": True})
    shown = await opening.open(ME)
    assert "The owner has your message" in shown.words.partition("I need a new card.")[2]
    assert not [one for one in shown.forms if one.action.endswith("/me/reports")]
    review = await Opening(yard, Role.OPERATOR).open(REVIEW)
    assert "Anna reports I need a new card." in review.words
    answer = "Come by on Friday."
    await yard.writer.run(messages.answer_report, told["id"], answer, yard.books.at, "cleo")
    assert f"Answer: {answer}" in (await opening.open(ME)).words
    assert "You wrote: I need a new card." in (await opening.open(CHARGE)).words


async def test_an_answer_stands_where_it_was_asked(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    station, opening = Station(yard.books), Opening(yard, yard.anna.caller)
    number = station.start(1000, tag="ANNA")
    yard.books.wait(60)
    station.stop(number, 5000)
    form = (await opening.open(SESSION, id=number)).form("/me/reports")
    assert (form.values["transaction"], form.values["next"]) == (
        str(number),
        f"/d/sessions/{number}",
    )
    for words, subject in ((HOSTILE, {"transaction": number}), ("It smells.", {"charger": "CP-1"})):
        await yard.anna.post("/reports", {"words": words, **subject})
    review = await Opening(yard, Role.OPERATOR).open(REVIEW)
    assert "Anna reports" in review.words
    assert "<script>alert" not in review.html
    assert f"/sessions/{number}" in review.links
    for place in (1, 2):
        await yard.writer.run(
            messages.answer_report, place, f"Answer {place}", yard.books.at, "cleo"
        )
    assert "Answer: Answer 1" in (await opening.open(SESSION, id=number)).words
    assert "Answer: Answer 2" in (await at(yard, yard.anna)).words
    assert "Answer" not in (await at(yard, yard.ben)).words


async def test_a_space_of_others_says_where_one_may_charge(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger() as plug, yard.charger("CP-2") as other:
        for one in (plug, other):
            await one.status("Preparing")
        yard.house.give(2, SPACE, exclusive=True)
        with reading(yard.books) as db:
            yard.central.tags.wallets.load(owned_tags(db), [])
        with reading(yard.books) as db:
            yard.central.tags.places.load(*load_places(db))
        shown = await at(yard, yard.anna)
        assert "This space belongs to another household. You can charge at: CP-2." in shown.words
        assert not starts(shown)
        shown = await Opening(yard, yard.anna.caller).open(CHARGE)
        assert "Not for your cards" in shown.words
        number = Station(yard.books).start(1000, tag="ANNA")
        words = "Your card was refused. The space was for another household only."
        assert words in (await Opening(yard, yard.anna.caller).open(SESSION, id=number)).words
        assert f"You can charge at: CP-2. ▲ {words}" in (await at(yard, yard.anna)).words
        assert (await yard.anna.get(f"/transactions/{number}"))["refused"] == "space"
        assert "/d/at/CP-2" in shown.links


async def test_nobody_sees_the_state_of_a_space_that_is_for_another_household_only(
    yard: Yard,
) -> None:
    """Whether a car is there says who is at home: to a neighbour, with a card or without, and to a
    stranger who reads the code at the charger, everything looks the same at all times."""
    await yard.add_tag("ANNA")
    await yard.add_tag("BEN", 2)
    yard.house.add("Carla")
    watching = [yard.anna, Driver(yard, 10, 3), yard.zoe]

    async def seen() -> list[object]:
        found: list[object] = []
        for one in watching:
            found += [
                (await one.ask("GET", path)).content for path in ("/chargers", "/chargers/CP-1")
            ]
            found.append(await one.refused("POST", "/chargers/CP-1/start", {"connector_id": 1}))
            opening = Opening(yard, one.caller)
            for page in (CHARGE, CHARGER, CONNECTOR):
                path = (
                    {"charger": "CP-1", "connector": "1"}
                    if page is CONNECTOR
                    else {"charger": "CP-1"}
                )
                parts = await opening.parts(page, **path)
                found += [
                    await opening.html(page, **path),
                    {name: part.html for name, part in parts.items()},
                ]
        return found

    async with yard.charger("CP-2"):
        async with yard.charger() as plug:
            yard.house.give(2, SPACE, exclusive=True)
            with reading(yard.books) as db:
                yard.central.tags.wallets.load(owned_tags(db), [])
            with reading(yard.books) as db:
                yard.central.tags.places.load(*load_places(db))
            free = await seen()
            assert "○ For its household" in (await at(yard, yard.anna)).words
            for status in ("Preparing", "Charging", "Faulted", "Reserved", "Unavailable"):
                await plug.status(status)
                assert await seen() == free
            await plug.status("Available")
            started = await yard.ben.ask(
                "POST", "/chargers/CP-1/start", {"connector_id": 1}, prefer="respond-async"
            )
            assert started.status == 202
            assert await seen() == free
            await plug.answer()
            number = await plug.begin("BEN")
            assert await seen() == free
            assert (await yard.ben.get("/chargers/CP-1"))["connectors"][0]["transaction"] == number
        assert await seen() == free, "its charger is away"
