"""Drivers' pages: where one may start, what becomes of it, and what a driver sees of the own household alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.inside import Refused
from levity_trio.web.dashboard.pages import driver
from tests.integration.browsing import Page as Shown
from tests.web.api.driving import Driver, Yard
from tests.web.dashboard.opening import Opening, attributes

CHARGE, CHARGER, CONNECTOR, SESSIONS, SESSION, STATEMENTS, ME = driver.PAGES
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


async def test_without_a_tag_it_says_whom_to_ask(yard: Yard) -> None:
    async with yard.charger():
        for shown in (await at(yard, yard.anna), await Opening(yard, yard.anna.caller).open(CHARGE)):
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


@pytest.mark.parametrize("link", ["?command=x", "?command=99999999999999999999", "?command=-1", "?command=4711"])
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
        assert [*await opening.parts(CHARGE)] == ["running", "places"]
        for changed, expected in ((None, ["place"]), ({"CP-1"}, ["place"]), ({""}, ["place"]), ({"CP-2"}, [])):
            assert [*await opening.parts(CHARGER, changed, charger="CP-1")] == expected


async def test_without_chargers_it_says_so(yard: Yard) -> None:
    assert "There is no charger here yet" in (await Opening(yard, yard.anna.caller).open(CHARGE)).words


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
        with pytest.raises(Refused, match=f"{other}"):
            await anna.open(SESSION, id=other)


async def test_what_is_known_of_a_driver(yard: Yard) -> None:
    await yard.add_tag("ANNA", name="Key ring")
    await yard.add_tag("OLD", status="Blocked")
    shown = await Opening(yard, yard.anna.caller).open(ME)
    assert "You charge for Anna." in shown.words
    assert "Key ring ANNA ✓ May charge" in shown.words
    assert "OLD ▲ it is blocked" in shown.words


async def test_without_a_statement_it_says_when_one_comes(yard: Yard) -> None:
    assert "One comes when a month is closed" in (await Opening(yard, yard.anna.caller).open(STATEMENTS)).words


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
        for shown in (await at(yard, yard.anna), await Opening(yard, yard.anna.caller).open(CHARGE)):
            assert HOSTILE in shown.words
            assert all("src" in given for tag, given in shown.tags if tag == "script")
