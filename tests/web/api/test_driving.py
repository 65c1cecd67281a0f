"""Drivers at the chargers: what they see, what they start and stop, and what they never learn of
others."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import trio

from levity_trio.access.wallets import OwnedTag
from levity_trio.billing.ownership import BillBy, Thing, What
from levity_trio.store.writes.chargers import hiding
from levity_trio.store.writes.chargers.replacing import Replaced
from levity_trio.store.writes.chargers.replacing import replace as replace_charger
from levity_trio.store.writes.people.households import MovingOut, move_out
from levity_trio.store.writes.people.ownership import Said
from levity_trio.web.api.drivers.driving import NO_TAG, NOT_YOURS, REFUSED, words_of
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.page import ApiRefused
from levity_trio.wire.times import stamp
from tests.store.owning import SPACE
from tests.web.api.driving import Driver, Yard

START, CONFLICT = "/chargers/CP-1/start", (409, "conflict")
IDS = ("-1", "1.0", "1e3", "99999999999999999999", "٣", "x")


async def reserve(yard: Yard, connector: int, tag: str, parent: str | None = None) -> None:
    """A reservation that its charger accepted."""
    until = stamp(yard.books.now + timedelta(hours=1))
    yard.books.connection.execute(
        "INSERT INTO command (cp_id, action, payload, state, requested_at) "
        "VALUES ('CP-1', 'ReserveNow', '{}', 'accepted', '')"
    )
    yard.books.connection.execute(
        "INSERT INTO reservation (cp_id, reservation_id, conn_id, id_tag, parent_id_tag, "
        "expires_at, command_id, created_at) "
        "SELECT 'CP-1', 1, ?, ?, ?, ?, max(id), '' FROM command",
        (connector, tag, parent, until),
    )


# What a driver sees


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Available", "free"),
        ("Preparing", "plugged_in"),
        ("Charging", "in_use"),
        ("SuspendedEV", "in_use"),
        ("SuspendedEVSE", "in_use"),
        ("Finishing", "in_use"),
        ("Reserved", "reserved"),
        ("Unavailable", "broken"),
        ("Faulted", "broken"),
    ],
)
async def test_the_state_of_a_connector(yard: Yard, status: str, state: str) -> None:
    async with yard.charger() as plug:
        await plug.status(status)
        for one in (yard.anna, yard.zoe):
            found = await one.get("/chargers/CP-1")
            assert (found["id"], found["name"], found["price"]) == ("CP-1", None, None)
            (connector,) = found["connectors"]
            assert connector == {"id": 1, "state": state, "transaction": None} | NOT_REFUSED
    assert await yard.anna.states() == {1: "away"}


NOT_REFUSED: dict[str, Any] = {"why_not": None, "reason": None, "elsewhere": []}


async def test_a_connector_is_what_its_charger_and_its_transactions_make_of_it(yard: Yard) -> None:
    async with yard.charger(connectors=3) as plug:
        await plug.begin("STRANGER")
        await plug.status("Charging", 2)
        assert await yard.anna.states() == {1: "in_use", 2: "in_use", 3: "free"}
        await plug.status("Faulted", 0)
        assert await yard.anna.states() == {1: "in_use", 2: "in_use", 3: "broken"}
        await plug.status("Faulted", 1)
        assert await yard.anna.states() == {1: "broken", 2: "in_use", 3: "broken"}


async def test_a_transaction_is_told_to_its_household_alone(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger() as plug:
        number = await plug.begin("ANNA")
        seen = [
            (await one.get("/chargers"))["data"][0]["connectors"][0]
            for one in (yard.anna, yard.ben, yard.zoe)
        ]
    assert [one["transaction"] for one in seen] == [number, None, None]
    assert {one["state"] for one in seen} == {"in_use"}


async def test_a_space_has_the_session_of_any_tag_on_it(yard: Yard) -> None:
    async with yard.charger() as plug:
        yard.house.give(1, SPACE)
        number = await plug.begin("STRANGER")
        assert (await yard.anna.get("/chargers/CP-1"))["connectors"][0]["transaction"] == number
        stopped = await plug.while_answering(yard.anna, f"/transactions/{number}/stop")
        assert (stopped["transaction"], stopped["state"]) == (number, "accepted")


@pytest.mark.parametrize(
    ("connector", "tag", "parent", "seen"),
    [
        (1, "anna", None, ("free", "reserved")),
        (1, "OTHER", "house", ("free", "reserved")),
        (0, "ANNA", None, ("free", "reserved")),
        (1, "OTHER", None, ("reserved", "reserved")),
        (2, "OTHER", None, ("free", "free")),
    ],
)
async def test_a_reservation_is_nobody_elses(
    yard: Yard, connector: int, tag: str, parent: str | None, seen: tuple[str, str]
) -> None:
    await yard.add_tag("ANNA", parent_id_tag="HOUSE")
    async with yard.charger() as plug:
        await reserve(yard, connector, tag, parent)
        assert [(await one.states())[1] for one in (yard.anna, yard.ben)] == list(seen)
        if connector < 2 and seen[0] == "free":
            await plug.status("Reserved")
            assert [(await one.states())[1] for one in (yard.anna, yard.ben)] == list(seen)
        yard.books.wait(61)
        assert (await yard.ben.states())[1] == (
            "reserved" if connector < 2 and seen[0] == "free" else "free"
        )


async def test_a_reserved_connector_is_for_the_reserved_tag(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    await yard.add_tag("SECOND")
    async with yard.charger() as plug:
        await reserve(yard, 1, "ANNA")
        refused = await yard.anna.refused("POST", START, {"id_tag": "SECOND"})
        assert refused == (*CONFLICT, REFUSED["reserved"])  # type: ignore[index]  # a StrEnum
        assert (await plug.while_answering(yard.anna, START, {"id_tag": "ANNA"}))[
            "state"
        ] == "accepted"


async def test_chargers_that_are_not_for_drivers(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger(), yard.charger("CP-2"), yard.charger("CP-3"), yard.charger("CP-4"):
        assert len((await yard.zoe.get("/chargers"))["data"]) == 4
        for sql in (
            "UPDATE cp SET hidden_at = '2026-03-01T12:00:00.000Z' WHERE id = 'CP-1'",
            "UPDATE cp SET waiting_since = '2026-03-01T12:00:00.000Z' WHERE id = 'CP-2'",
            "UPDATE cp SET registration = 'refused' WHERE id = 'CP-3'",
        ):
            yard.books.connection.execute(sql)
        assert [one["id"] for one in (await yard.anna.get("/chargers"))["data"]] == ["CP-4"]
        for name in ("CP-1", "CP-2", "CP-3", "NEVER"):
            expected = (404, "not_found", f"there is no charger {name}")
            assert await yard.anna.refused("GET", f"/chargers/{name}") == expected
            assert await yard.anna.refused("POST", f"/chargers/{name}/start", {}) == expected


async def test_whoever_has_no_household_only_sees_the_chargers(yard: Yard) -> None:
    async with yard.charger() as plug:
        number = await plug.begin("STRANGER")
        for caller in (yard.zoe, Driver(yard, 1, None, Role.ADMIN)):
            assert await caller.states() == {1: "in_use"}
            for method, path in (
                ("POST", START),
                ("POST", f"/transactions/{number}/stop"),
                ("GET", "/commands/1"),
            ):
                body: Any = {} if path == START else None
                assert await caller.refused(method, path, body) == (
                    *CONFLICT,
                    "you belong to no household",
                )


# Start


async def test_from_the_start_to_the_session_and_its_end(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger() as plug:
        begun = await plug.while_answering(yard.anna, START, {})
        assert plug.asked == [("RemoteStartTransaction", {"connectorId": 1, "idTag": "ANNA"})]
        told = {**begun, "id": 0}
        assert told == {
            "id": 0,
            "charger": "CP-1",
            "connector_id": 1,
            "transaction": None,
            "action": "start",
            "state": "accepted",
            "outcome": "pending",
            "words": words_of("RemoteStartTransaction", "accepted", "pending"),
            "submitted_at": yard.books.at,
            "ended_at": None,
        }
        number = await plug.begin("ANNA")
        await yard.follow()
        seen = await yard.anna.get(f"/commands/{begun['id']}")
        assert (seen["transaction"], seen["outcome"], seen["words"]) == (
            number,
            "fulfilled",
            "Your session has begun.",
        )
        assert seen["ended_at"]
        stopped = await plug.while_answering(yard.anna, f"/transactions/{number}/stop")
        assert (stopped["action"], stopped["transaction"], stopped["connector_id"]) == (
            "stop",
            number,
            1,
        )
        await plug.end(number)
        await yard.follow()
        assert (await yard.anna.get(f"/commands/{stopped['id']}"))[
            "words"
        ] == "Your session has ended."
    asked = yard.books.rows("SELECT DISTINCT asked_by FROM command")
    assert asked == [("driver 7",)]


async def test_one_who_does_not_wait_is_told_where_to_look(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger() as plug:
        reply = await yard.anna.ask("POST", START, {}, prefer="respond-async")
        number = reply.content["id"]
        assert (reply.status, reply.headers["location"]) == (202, f"/api/me/commands/{number}")
        assert reply.content["state"] in ("queued", "sent")
        await plug.answer("Rejected")
        await plug.status("Available")
        assert (await yard.anna.get(f"/commands/{number}"))[
            "words"
        ] == "The charger refused to start."


async def test_which_tag(yard: Yard) -> None:
    async with yard.charger() as plug:
        assert await yard.anna.refused("POST", START, {"id_tag": "BEN"}) == (*CONFLICT, NO_TAG)
        await yard.add_tag("BEN", 2)
        await yard.add_tag("FREE", None)
        await yard.add_tag("BLOCKED", status="Blocked")
        assert await yard.anna.refused("POST", START, {}) == (
            *CONFLICT,
            "the card BLOCKED cannot be used: it is blocked",
        )
        await yard.add_tag("ANNA")
        await yard.add_tag("OLD", expires_at="2026-01-01T00:00:00.000Z")
        for stolen in ("BEN", "ben", "FREE", "NEVER", "", " "):
            status, code, words = await yard.anna.refused("POST", START, {"id_tag": stolen})
            assert (status, code) == (422, "invalid")
            assert words == "id_tag: choose one of your household's cards: ANNA"
        refused = await yard.anna.refused("POST", START, {"id_tag": "OLD"})
        assert refused == (*CONFLICT, "the card OLD cannot be used: it has expired")
        await yard.add_tag("Second")
        assert (await yard.anna.refused("POST", START, {}))[2].endswith("cards: ANNA, Second")
        assert not plug.asked
        await plug.while_answering(yard.anna, START, {"id_tag": "  sECOND "})
        assert plug.asked[0][1]["idTag"] == "Second"


async def test_who_lost_the_only_card_starts_by_phone(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    await yard.anna.post("/tags/ANNA/lost")
    async with yard.charger() as plug:
        begun = await plug.while_answering(yard.anna, START, {})
        phone = plug.asked[0][1]["idTag"]
        assert len(phone) == 20
        assert phone != "ANNA"
        number = await plug.begin(phone)
        await yard.follow()
        assert (await yard.anna.get(f"/commands/{begun['id']}"))["transaction"] == number
        assert yard.house.whose(number) == 1
        session = await yard.anna.get(f"/transactions/{number}")
        assert session["card"] is None
        assert (await plug.while_answering(yard.anna, f"/transactions/{number}/stop"))[
            "state"
        ] == "accepted"
        await plug.end(number)

        # It is no card that could be lost, and each start by phone is the same household.
        assert [one["id_tag"] for one in (await yard.anna.get("/tags"))["data"]] == ["ANNA"]
        await plug.while_answering(yard.anna, START, {}, "Rejected")
        assert plug.asked[-1][1]["idTag"] == phone
        await yard.add_tag("NEW")
        await plug.while_answering(yard.anna, START, {})
        assert plug.asked[-1][1]["idTag"] == "NEW"


async def test_a_phone_may_what_its_household_may(yard: Yard) -> None:
    async with yard.charger() as plug:
        await plug.while_answering(yard.anna, START, {}, "Rejected")
        phone = plug.asked[0][1]["idTag"]
        assert yard.api.id_tags.judge(phone, yard.books.at).is_accepted
        await plug.while_answering(yard.ben, START, {}, "Rejected")
        assert plug.asked[1][1]["idTag"] != phone
        yard.books.wait(600)
        leaving = MovingOut(1, yard.books.at)
        said = Said(yard.books.at, "cleo")
        await yard.writer.run(move_out, leaving, yard.books.policy, said)
        assert not yard.api.id_tags.judge(phone, yard.books.at).is_accepted


async def test_which_connector(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger(connectors=2) as plug:
        for body in ({}, {"connector_id": 3}, {"connector_id": 2**31 - 1}):
            refused = await yard.anna.refused("POST", START, body)
            assert refused == (422, "invalid", "connector_id: choose one of 1, 2")
        for wrong in (0, -1, 2**31, "1", 1.5, True):
            assert (await yard.anna.refused("POST", START, {"connector_id": wrong}))[:2] == (
                422,
                "invalid",
            )
        await plug.while_answering(yard.anna, START, {"connector_id": 2})
        assert plug.asked[0][1]["connectorId"] == 2


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Charging", "in_use"),
        ("Reserved", "reserved"),
        ("Faulted", "broken"),
        ("Finishing", "in_use"),
    ],
)
async def test_where_nothing_can_be_started(yard: Yard, status: str, state: Any) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger() as plug:
        await plug.status(status)
        assert await yard.anna.refused("POST", START, {}) == (*CONFLICT, REFUSED[state])
    assert await yard.anna.refused("POST", START, {}) == (*CONFLICT, REFUSED["away"])  # type: ignore[index]
    assert not yard.books.count("command")


async def test_no_words_tell_of_others(yard: Yard) -> None:
    """What operators are warned of names tags, reservations and transactions."""
    await yard.add_tag("ANNA")
    await yard.add_tag("SECRET", 2)
    async with yard.charger(connectors=3) as plug:
        number = await plug.begin("SECRET")
        await reserve(yard, 2, "SECRET")
        texts = [
            str(await yard.anna.refused("POST", START, {"connector_id": connector}))
            for connector in (1, 2)
        ]
        texts.append(str(await yard.anna.get("/chargers")))
        texts.append(str(await plug.while_answering(yard.anna, START, {"connector_id": 3})))
    for text in texts:
        assert "SECRET" not in text
        assert "reservation 1" not in text
        assert f"transaction {number}" not in text
        assert "warnings" not in text


async def test_one_tag_and_one_connector_at_a_time(yard: Yard) -> None:
    await yard.add_tag("ANNA", max_transactions=1)
    async with yard.charger(connectors=2) as plug:
        number = await plug.begin("ANNA")
        refused = await yard.anna.refused("POST", START, {"connector_id": 1})
        assert refused == (*CONFLICT, f"your session {number} is open at this connector")
        refused = await yard.anna.refused("POST", START, {"connector_id": 2})
        assert refused == (*CONFLICT, "the card ANNA cannot be used: it is charging already")


async def test_a_household_that_has_spent_all(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger():
        (period,) = yard.books.rows("SELECT id, key, account_id, since, until FROM ownership")
        yard.central.tags.wallets.load([OwnedTag(*period)], [1])
        assert "paid in advance" in (await yard.anna.refused("POST", START, {}))[2]


async def test_nobody_charges_at_the_expense_of_others(yard: Yard) -> None:
    """Where the connector says who pays, a driver could start a session of others, and never stop
    it."""
    yard.central.config = yard.api.config = replace(yard.central.config, bill_by=BillBy.CONNECTOR)  # type: ignore[misc]
    await yard.add_tag("ANNA")
    async with yard.charger(connectors=2) as plug:
        yard.house.give(2, SPACE)
        refused = await yard.anna.refused("POST", START, {"connector_id": 1})
        assert refused == (*CONFLICT, NOT_YOURS)
        yard.house.give(1, Thing(What.SPACE, "CP-1", 2))
        assert (await plug.while_answering(yard.anna, START, {"connector_id": 2}))[
            "state"
        ] == "accepted"


# Repeated, and at once


async def test_a_repeated_start_is_one(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger() as plug:
        first, second = [await yard.anna.post(START, {}, prefer="respond-async") for _ in range(2)]
        assert first["id"] == second["id"]
        await plug.answer()
        await plug.status("Preparing")
        assert (await yard.anna.post(START, {}))["id"] == first["id"]  # it may still begin
        yard.books.wait(3)
        again = await plug.while_answering(yard.anna, START, {})
        assert again["id"] != first["id"]


async def test_a_start_with_a_key_is_one_also_when_its_session_is_open(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    await yard.add_tag("OTHER", 2)
    async with yard.charger() as plug:
        sent = await yard.anna.post(START, {}, prefer="respond-async", idempotency_key="k")
        await plug.answer()
        number = await plug.begin("ANNA")
        await yard.follow()
        again = await yard.anna.post(START, {}, idempotency_key="k")
        assert (again["id"], again["transaction"]) == (sent["id"], number)
        assert (await yard.ben.refused("POST", START, {}, idempotency_key="k"))[:2] == CONFLICT
        stop = f"/transactions/{number}/stop"
        assert (await yard.anna.refused("POST", stop, idempotency_key="k"))[:2] == (422, "invalid")
        stopped = await yard.anna.post(stop, prefer="respond-async", idempotency_key="s")
        await plug.answer()
        await plug.end(number)
        assert (await yard.anna.post(stop, idempotency_key="s"))["id"] == stopped["id"]
        assert (await yard.anna.refused("POST", stop))[:2] == (404, "not_found")


async def test_two_households_never_start_at_one_connector(yard: Yard) -> None:
    """A charger that takes the second start charges one household's car on the other's tag."""
    await yard.add_tag("ANNA")
    await yard.add_tag("BEN", 2)
    async with yard.charger(connectors=2) as plug:
        outcomes = list[Any]()

        async def start(driver: Driver) -> None:
            try:
                outcomes.append(
                    await driver.post(START, {"connector_id": 1}, prefer="respond-async")
                )
            except ApiRefused as refused:
                outcomes.append((refused.status, refused.code))

        async with trio.open_nursery() as nursery:
            for driver in (yard.anna, yard.ben):
                nursery.start_soon(start, driver)
        assert CONFLICT in outcomes
        assert yard.books.count("command") == 1
        winner = "ANNA" if "ANNA" in yard.books.value("SELECT payload FROM command") else "BEN"
        loser = yard.ben if winner == "ANNA" else yard.anna
        await plug.answer()
        await plug.status("Preparing")
        assert (await loser.refused("POST", START, {"connector_id": 1}))[:2] == CONFLICT
        assert (await plug.while_answering(loser, START, {"connector_id": 2}))[
            "state"
        ] == "accepted"


# Others'


async def test_another_households_session_is_none(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    await yard.add_tag("BEN", 2)
    async with yard.charger(connectors=2) as plug:
        bens, nobodys = await plug.begin("BEN"), await plug.begin("STRANGER", 2)
        for number in (bens, nobodys, 999):
            expected = (404, "not_found", f"there is no open session {number} of your household")
            assert await yard.anna.refused("POST", f"/transactions/{number}/stop") == expected
        for text in IDS:
            assert (await yard.anna.refused("POST", f"/transactions/{text}/stop"))[:2] == (
                422,
                "invalid",
            )
            assert (await yard.anna.refused("GET", f"/commands/{text}"))[:2] == (422, "invalid")
        assert (await yard.anna.refused("POST", f"/transactions/000{bens}/stop"))[:2] == (
            404,
            "not_found",
        )
        assert not yard.books.count("command")


async def test_another_drivers_command_is_none(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger() as plug:
        number = (await plug.while_answering(yard.anna, START, {}))["id"]
        mate, operator = Driver(yard, 10, 1), Driver(yard, 11, None, Role.ADMIN)
        expected = (404, "not_found", f"there is no command {number}")
        for other in (yard.ben, mate):
            assert await other.refused("GET", f"/commands/{number}") == expected
        assert (await operator.refused("GET", f"/commands/{number}"))[:2] == CONFLICT
        reset = await yard.api.chargers.submit(
            "CP-1", "Reset", {"type": "Soft"}, asked_by="driver 7"
        )
        for one in (reset, 999):
            assert (await yard.anna.refused("GET", f"/commands/{one}"))[:2] == (404, "not_found")


async def test_a_driver_who_moved_to_another_household_sees_nothing_of_the_former(
    yard: Yard,
) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger() as plug:
        begun = (await plug.while_answering(yard.anna, START, {}))["id"]
        number = await plug.begin("ANNA")
        stopped = (await plug.while_answering(yard.anna, f"/transactions/{number}/stop"))["id"]
        moved = Driver(yard, 7, 2)
        for one in (begun, stopped):
            assert (await moved.refused("GET", f"/commands/{one}"))[:2] == (404, "not_found")
        assert (await moved.refused("POST", f"/transactions/{number}/stop"))[:2] == (
            404,
            "not_found",
        )
        assert (await moved.get("/chargers/CP-1"))["connectors"][0]["transaction"] is None


async def test_a_tag_that_moved_to_another_household_meanwhile(yard: Yard) -> None:
    """A session stays whose it was at its start, and so does what was asked for it."""
    await yard.add_tag("CARD")
    async with yard.charger() as plug:
        begun = (await plug.while_answering(yard.anna, START, {}))["id"]
        number = await plug.begin("CARD")
        await yard.follow()
        yard.books.wait(5)
        yard.house.give(2, "CARD", since=yard.books.at)
        assert (await yard.anna.get(f"/commands/{begun}"))["transaction"] == number
        assert (await yard.ben.refused("POST", f"/transactions/{number}/stop"))[:2] == (
            404,
            "not_found",
        )
        assert (await plug.while_answering(yard.anna, f"/transactions/{number}/stop"))[
            "state"
        ] == "accepted"
        await plug.end(number)
        assert (await yard.anna.refused("POST", START, {"id_tag": "CARD"}))[2] == NO_TAG
        yard.books.wait(5)
        began_again = await plug.while_answering(yard.ben, START, {})
        assert began_again["state"] == "accepted"
        assert (await yard.anna.refused("GET", f"/commands/{began_again['id']}"))[:2] == (
            404,
            "not_found",
        )


async def test_a_label_of_a_replaced_charger_leads_to_the_new_one(yard: Yard) -> None:
    await yard.add_tag("ANNA")
    async with yard.charger("CP-1"):
        pass
    async with yard.charger("CP-9") as plug:
        today = yard.books.now.date()
        replaced = Replaced("CP-1", "CP-9", today, lambda day: f"{day}T00:00:00.000Z", ("", ""))
        await yard.writer.run(replace_charger, replaced, yard.books.at, "cleo")
        assert (await yard.anna.get("/chargers/CP-1"))["id"] == "CP-9"
        begun = await plug.while_answering(yard.anna, START, {})
        assert begun["charger"] == "CP-9"
        await yard.writer.run(hiding.show, "CP-1", yard.books.at)
        assert (await yard.anna.get("/chargers/CP-1"))["id"] == "CP-1"
