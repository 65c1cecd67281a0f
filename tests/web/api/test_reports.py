"""What drivers report: lost cards, which are blocked at once, and what is wrong; the answers; and
what is deleted."""

from __future__ import annotations

from datetime import date
from typing import Any

import orjson
import pytest
import trio

from levity_trio.access.tags import Status
from levity_trio.store.writes.people import households
from levity_trio.store.writes.people.households import Deletion
from levity_trio.store.writes.people.messages import MOST_OF_DAY
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.page import ApiRefused, answered
from levity_trio.web.dashboard.pages.driver import PAGES
from levity_trio.web.in_process import Question, ask
from tests.store.bills import FLAT, Biller, month_is_over
from tests.store.books import Station
from tests.web.api.driving import Driver, Yard
from tests.web.dashboard.opening import Opening

WRONG = "The cable does not come out."
WITH_BASE_FEE = FLAT.replace("Flat", "Base").replace("tax = 19", "tax = 19\nbase_fee = 5.00")
(STATEMENTS,) = [one for one in PAGES if one.path == "/d/statements"]


@pytest.fixture
def plug(yard: Yard) -> Station:
    """A charger whose messages are in the books already."""
    return Station(yard.books)


def charge(station: Station, tag: str = "ANNA") -> int:
    number = station.start(1000, tag=tag)
    station.books.wait(60)
    station.stop(number, 5000)
    return number


async def asked(yard: Yard, method: str, path: str, body: Any = None, **query: str) -> Any:
    """Return what the API answers the owner."""
    caller = Driver(yard, 1, None, Role.OPERATOR).caller
    sent = b"" if body is None else orjson.dumps(body)
    question = Question(method=method, path=f"/api/admin{path}", query=query, body=sent)
    return answered(await ask(yard.app, caller, question))


async def waiting(yard: Yard) -> list[Any]:
    found: list[Any] = (await asked(yard, "GET", "/reports", waiting="true"))["data"]
    return found


async def answer(yard: Yard, number: int, words: str = "Thank you.") -> Any:
    return await asked(yard, "POST", f"/reports/{number}/answer", {"answer": words})


class TestWhatIsWrong:
    async def test_a_sentence_reaches_the_owner_and_its_answer_the_driver(
        self, yard: Yard, plug: Station
    ) -> None:
        await yard.add_tag("ANNA")
        number = charge(plug)
        told = await yard.anna.post("/reports", {"words": f" {WRONG} ", "transaction": number})
        assert (told["about"], told["words"], told["answer"]) == ("session", WRONG, None)
        (one,) = await waiting(yard)
        assert (one["household"], one["transaction"], one["charger"], one["words"]) == (
            "Anna",
            number,
            "CP-1",
            WRONG,
        )
        await answer(yard, one["id"], "Pull harder.")
        assert await waiting(yard) == []
        (told,) = (await yard.anna.get(f"/reports?transaction={number}"))["data"]
        assert told["answer"] == "Pull harder."
        assert (await yard.ben.get("/reports"))["data"] == []

    async def test_a_second_click_reports_nothing_twice(self, yard: Yard, plug: Station) -> None:
        first = await yard.anna.post("/reports", {"words": WRONG, "charger": plug.name})
        assert await yard.anna.post("/reports", {"words": WRONG, "charger": plug.name}) == first
        assert len(await waiting(yard)) == 1
        await answer(yard, first["id"])
        again = await answer(yard, first["id"])
        assert again["answer"] == "Thank you."
        with pytest.raises(ApiRefused, match="answered otherwise"):
            await answer(yard, first["id"], "No.")

    async def test_what_belongs_to_others_does_not_exist(self, yard: Yard, plug: Station) -> None:
        await yard.add_tag("ANNA")
        number = charge(plug)
        for subject in ({"transaction": number}, {"statement": 7}, {"charger": "CP-9"}):
            assert (await yard.ben.refused("POST", "/reports", {"words": WRONG} | subject))[:2] == (
                404,
                "not_found",
            )
        assert (await yard.ben.refused("POST", "/reports", {"words": WRONG}))[:2] == (
            422,
            "invalid",
        )

    async def test_a_line_that_is_no_session_can_be_named(self, yard: Yard, plug: Station) -> None:
        await yard.add_tag("ANNA")
        biller = Biller(yard.house)
        biller.assign(biller.add(WITH_BASE_FEE), date(2026, 1, 1), 1)
        charge(plug)
        month_is_over(yard.books, 3)
        await trio.to_thread.run_sync(biller.close, "2026-03")
        (statement,) = (await yard.anna.get("/statements"))["data"]
        (fee,) = statement["fees"]
        assert (fee["kind"], fee["amount"]) == ("base fee", 500)
        about = {"statement": statement["number"], "line": fee["line"]}
        told = await yard.anna.post("/reports", {"words": "I moved in later", **about})
        assert (told["about"], told["statement"], told["line"]) == (
            "statement",
            statement["number"],
            fee["line"],
        )
        (one,) = await waiting(yard)
        assert (one["line"], one["words"]) == (fee["line"], "I moved in later")
        shown = await Opening(yard, yard.anna.caller).open(STATEMENTS)
        assert f"Line {fee['line']}: base fee, 5.00 EUR" in shown.words
        for wrong in (
            {"statement": statement["number"], "line": 99},
            {"charger": plug.name, "line": 1},
        ):
            assert (await yard.anna.refused("POST", "/reports", {"words": WRONG, **wrong}))[:2] == (
                422,
                "invalid",
            )

    async def test_a_household_cannot_fill_the_disk(self, yard: Yard, plug: Station) -> None:
        for number in range(MOST_OF_DAY):
            await yard.anna.post("/reports", {"words": f"{number}", "charger": plug.name})
        sent = ("POST", "/reports", {"words": "one more", "charger": plug.name})
        assert (await yard.anna.refused(*sent))[:2] == (429, "too_many_reports")
        await yard.ben.post("/reports", {"words": WRONG, "charger": plug.name})
        yard.books.wait(24 * 60)
        await yard.anna.post("/reports", {"words": "one more", "charger": plug.name})
        too_long = await yard.anna.refused(
            "POST", "/reports", {"words": "x" * 301, "charger": plug.name}
        )
        assert too_long[:2] == (422, "invalid")

    async def test_it_is_counted_for_the_owner(self, yard: Yard, plug: Station) -> None:
        await yard.anna.post("/reports", {"words": WRONG, "charger": plug.name})
        assert (await asked(yard, "GET", "/review/counts"))["reports"]["count"] == 1


class TestLostCards:
    async def test_it_is_blocked_at_once_and_only_once(self, yard: Yard) -> None:
        await yard.add_tag("ANNA", name="Anna's card")
        async with yard.charger() as plug:
            told = await yard.anna.post("/tags/anna/lost")
            assert (told["id_tag"], told["is_valid"], told["why_not"]) == (
                "ANNA",
                False,
                "it is blocked",
            )
            assert (await plug.charger.receive())[2] == "ClearCache"
        await yard.anna.post("/tags/ANNA/lost")
        assert yard.books.rows("SELECT status, created_by FROM tag WHERE ended_at IS NULL") == [
            (Status.BLOCKED, "household 1")
        ]
        (one,) = await waiting(yard)
        assert (one["about"], one["household"], one["id_tag"]) == ("card", "Anna", "ANNA")

    async def test_only_the_own_card(self, yard: Yard) -> None:
        await yard.add_tag("ANNA")
        assert (await yard.ben.refused("POST", "/tags/ANNA/lost"))[:2] == (404, "not_found")
        assert (await yard.zoe.refused("POST", "/tags/ANNA/lost"))[:2] == (409, "conflict")
        assert yard.books.rows("SELECT status FROM tag WHERE ended_at IS NULL") == [
            (Status.ACCEPTED,)
        ]

    async def test_who_is_away_and_still_lists_it_is_named(self, yard: Yard, plug: Station) -> None:
        await yard.add_tag("ANNA")
        books, info = yard.books, '{"anna":{"idTag":"ANNA","idTagInfo":{"status":"%s"}}}'
        has_it = "INSERT INTO local_list_kept (cp_id, version, content) VALUES ('CP-1', 1, ?)"
        books.connection.execute(has_it, (info % "Accepted",))
        plug.lose()
        await yard.anna.post("/tags/ANNA/lost")
        (one,) = await waiting(yard)
        assert one["still_listed"] == ["CP-1"]
        books.connection.execute("UPDATE local_list_kept SET content = ?", (info % "Blocked",))
        (one,) = await waiting(yard)
        assert one["still_listed"] == []


async def test_what_was_written_goes_with_what_is_personal(yard: Yard, plug: Station) -> None:
    await yard.anna.post("/reports", {"words": WRONG, "charger": plug.name})
    first = await yard.anna.post("/reports", {"words": "It stinks.", "charger": plug.name})
    await answer(yard, first["id"], "Anna, look at the bin.")
    yard.books.connection.execute("UPDATE account SET until = ? WHERE id = 1", (yard.books.at,))
    told = Deletion(10, "moved out", yard.books.at, "cleo")
    yard.books.run(households.delete_personal, 1, told)
    found = yard.books.rows("SELECT words, written_by, answer, answered_at IS NULL FROM report")
    assert found == [(None, None, None, 0)] * 2
    assert await waiting(yard) == []
