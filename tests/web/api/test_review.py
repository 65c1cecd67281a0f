"""The queue of what waits for a person, and the decisions about it, as a client sends them."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from levity_trio.charging.lifecycle import State, about_message, about_transaction
from levity_trio.store.writes.chargers.hiding import hide
from levity_trio.store.writes.transactions.decisions import DecisionProblem as Refusal
from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.api.engine.openapi import document
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.transactions import transactions
from tests.store.books import Station
from tests.web.api.conftest import Site

WHY = {"reason": "she read the meter"}


def endpoint(path: str) -> Endpoint:
    (found,) = [one for one in transactions.ENDPOINTS if one.path == f"/api/admin/{path}"]
    return found


async def queue(site: Site, **query: str) -> Any:
    return await site.call(endpoint("review"), query=query)


async def decide(site: Site, path: str, number: int, **body: object) -> Any:
    return await site.call(endpoint(path), body=WHY | body, id=str(number))


async def refused(site: Site, path: str, number: object, **body: object) -> Problem:
    with pytest.raises(Problem) as caught:
        await site.call(endpoint(path), body=WHY | body, id=str(number))
    return caught.value


def doubtful(station: Station) -> int:
    number = station.start(1000)
    station.books.wait(60)
    station.orphan(number, 5000)
    return number


def unlinked(station: Station) -> tuple[int, int]:
    """Return a transaction that is open, and the message of a stop that fits two."""
    station.status("Available", 1)
    station.books.wait(10)
    number = station.start(1000)
    station.start(1000, connector=2)
    station.books.wait(60)
    station.stop(17, 5000)
    return number, int(station.books.value("SELECT max(id) FROM set_aside"))


# The queue


async def test_an_item_says_what_is_known_and_what_can_be_done(
    site: Site, station: Station
) -> None:
    number = doubtful(station)
    (item,) = (await queue(site))["data"]
    assert (item["kind"], item["transaction"]["id"], item["transaction"]["energy_kwh"]) == (
        "transaction",
        number,
        4.0,
    )
    assert [one["code"] for one in item["reviews"]] == ["closed_by_system"]
    assert item["answers"] == [
        {"answer": "confirm", "subject": "transactions", "id": number},
        {"answer": "correct", "subject": "transactions", "id": number},
    ]
    assert item["event"] == site.books.value("SELECT max(id) FROM tx_event")
    assert item["fitting"] == []


async def test_a_message_names_the_transactions_that_it_fits(site: Site, station: Station) -> None:
    number, message = unlinked(station)
    found = await queue(site, kind="message", charger="CP-1")
    (item,) = found["data"]
    assert found["total"] == 1
    assert (item["message"]["action"], item["transaction"]) == ("StopTransaction", None)
    assert number in [one["id"] for one in item["fitting"]]
    assert [one["answer"] for one in item["answers"]] == ["attach", "make-transaction", "dismiss"]
    assert {(one["subject"], one["id"]) for one in item["answers"]} == {("set-aside", message)}
    assert (await queue(site, charger="CP-2"))["data"] == []


async def test_a_doubt_that_leaves_the_figure_can_be_dismissed(
    site: Site, station: Station
) -> None:
    number = station.start(1000)
    site.books.wait(60)
    station.stop(number, 5000)
    station.stop(number, 5100)
    (item,) = (await queue(site))["data"]
    (answer,) = [one for one in item["answers"] if one["answer"] == "dismiss"]
    assert (answer["subject"], answer["id"]) == ("reviews", item["reviews"][0]["id"])
    shown = await decide(site, "reviews/{id}/dismiss", answer["id"])
    assert (shown["energy_wh"], shown["review"]) == (4000, None)


async def test_a_page_that_does_not_exist_is_a_problem(site: Site) -> None:
    with pytest.raises(Problem):
        await queue(site, cursor="nonsense")


ANSWER = r"/api/admin/(?!habits)[a-z-]+/\{id\}/[a-z-]+"


def test_each_answer_has_an_endpoint() -> None:
    paths = {
        one.path
        for one in transactions.ENDPOINTS
        if one.method == "POST" and re.fullmatch(ANSWER, one.path)
    }
    offered = {
        *(("transactions", answer) for state in State for answer in about_transaction(state, ())),
        *(
            ("set-aside", answer)
            for answer in about_message("StopTransaction", has_transaction=False)
        ),
        ("reviews", "dismiss"),
    }
    assert paths == {f"/api/admin/{subject}/{{id}}/{answer}" for subject, answer in offered}


def test_each_refusal_is_documented() -> None:
    paths = document(transactions.ENDPOINTS)["paths"]
    found = paths["/api/admin/set-aside/{id}/attach"]["post"]["responses"]
    told = " ".join(one["description"] for one in found.values())
    assert all(refusal in told for refusal in (*Refusal, "unreadable"))


def test_who_may() -> None:
    answers = [one for one in transactions.ENDPOINTS if one.method == "POST"]
    assert {one.role for one in answers} == {Role.OPERATOR}
    assert endpoint("review").role is Role.OPERATOR


# Decisions


async def test_a_figure_is_confirmed_in_the_name_of_the_caller(
    site: Site, station: Station
) -> None:
    number = doubtful(station)
    (item,) = (await queue(site))["data"]
    shown = await decide(site, "transactions/{id}/confirm", number, event=item["event"])
    assert (shown["id"], shown["energy_wh"], shown["confidence"], shown["review"]) == (
        number,
        4000,
        "certain",
        None,
    )
    assert site.books.rows("SELECT who, reason FROM tx_event WHERE kind = 'confirm'") == [
        ("anna", WHY["reason"])
    ]
    assert (await queue(site))["data"] == []


def far_too_fast(station: Station, register: int = 900_000_000) -> int:
    """Return a session whose figure is far below what its charger reported."""
    number = station.start(0)
    station.books.wait(1)
    station.stop(number, register)
    return number


async def test_less_than_was_reported_is_confirmed_with_its_figure_only(
    site: Site, station: Station
) -> None:
    number = far_too_fast(station)
    (item,) = (await queue(site))["data"]
    problem = await refused(site, "transactions/{id}/confirm", number, event=item["event"])
    assert (problem.status, problem.code, problem.members) == (
        422,
        "invalid",
        {"field": "figure_wh"},
    )
    assert "it is 0 kWh, though the charger reported 900000 kWh" in problem.detail
    problem = await refused(site, "transactions/{id}/confirm", number, figure_wh=900_000_000)
    assert (problem.status, problem.code) == (409, "changed")
    shown = await decide(
        site, "transactions/{id}/confirm", number, event=item["event"], figure_wh=0
    )
    assert (shown["energy_wh"], shown["confidence"]) == (0, "certain")


async def test_a_figure_is_corrected(site: Site, station: Station) -> None:
    number = doubtful(station)
    shown = await decide(
        site,
        "transactions/{id}/correct",
        number,
        meter_stop_wh=4500,
        stop_time="2026-03-01T12:30:00Z",
    )
    assert (shown["energy_wh"], shown["energy_method"]) == (3500, "corrected")
    assert shown["stop_time"] == "2026-03-01T12:30:00.000Z"


async def test_an_open_transaction_is_closed(site: Site, station: Station) -> None:
    number = station.start(1000)
    site.books.wait(60)
    shown = await decide(
        site,
        "transactions/{id}/close",
        number,
        stop_time="2026-03-01T12:30:00Z",
        meter_stop_wh=3000,
    )
    assert (shown["status"], shown["energy_wh"]) == ("Completed", 2000)


async def test_a_time_without_an_offset_is_that_of_the_site(site: Site, station: Station) -> None:
    config: Any = site.api.config
    config.time_zone = ZoneInfo("Europe/Berlin")
    shown = await decide(
        site,
        "transactions/{id}/correct",
        doubtful(station),
        figure_wh=1,
        start_time="2026-03-01T10:30",
    )
    assert shown["start_time"] == "2026-03-01T09:30:00.000Z"


async def test_a_day_alone_is_no_time_of_a_bill(site: Site, station: Station) -> None:
    asked = decide(
        site, "transactions/{id}/correct", doubtful(station), figure_wh=1, start_time="2026-03-01"
    )
    with pytest.raises(Problem, match="give a date and a time such as 2026-03-15T12:00"):
        await asked


async def test_a_message_is_attached_and_one_is_dismissed(site: Site, station: Station) -> None:
    number, message = unlinked(station)
    shown = await decide(site, "set-aside/{id}/attach", message, transaction=number)
    assert (shown["id"], shown["energy_wh"], shown["state"]) == (number, 4000, "joined")
    station.stop(18, "many")
    other = site.books.value("SELECT max(id) FROM set_aside")
    assert (
        await refused(site, "set-aside/{id}/attach", other, transaction=number)
    ).code == "unreadable"
    assert await decide(site, "set-aside/{id}/dismiss", other) is None
    assert await decide(site, "set-aside/{id}/dismiss", other) is None


async def test_a_transaction_is_made(site: Site, station: Station) -> None:
    site.books.wait(60)
    station.stop(17, 5000)
    known = {
        "connector": 1,
        "start_time": "2026-03-01T12:10:00Z",
        "id_tag": "ME",
        "meter_start_wh": 1000,
    }
    shown = await decide(site, "set-aside/{id}/make-transaction", 1, **known)
    assert (shown["id_tag"], shown["energy_wh"], shown["connector"]) == ("ME", 4000, 1)


@pytest.mark.parametrize(
    ("path", "number", "body", "expected"),
    [
        ("transactions/{id}/confirm", 17, {}, (404, "not_found")),
        ("transactions/{id}/confirm", 0, {"event": 10**6}, (409, "changed")),
        ("transactions/{id}/close", 0, {}, (409, "wrong_state")),
        ("transactions/{id}/correct", 0, {}, (422, "invalid")),
        ("transactions/{id}/correct", 0, {"figure_wh": 1, "stop_time": "noon"}, (422, "invalid")),
        ("transactions/{id}/correct", "x", {"figure_wh": 1}, (422, "invalid")),
        ("transactions/{id}/confirm", 9_999_999_999_999_999_999, {}, (422, "invalid")),
        ("transactions/{id}/correct", 0, {"figure_wh": -1}, (422, "invalid")),
        ("transactions/{id}/confirm", 0, {"reason": " "}, (422, "invalid")),
        ("reviews/{id}/dismiss", 1, {}, (409, "wrong_state")),
        ("set-aside/{id}/dismiss", 17, {}, (404, "not_found")),
        ("set-aside/{id}/attach", 17, {"transaction": 1}, (404, "not_found")),
    ],
)
async def test_what_is_refused(
    site: Site,
    station: Station,
    path: str,
    number: object,
    body: dict[str, object],
    expected: tuple[int, str],
) -> None:
    transaction = doubtful(station)
    problem = await refused(site, path, number if number != 0 else transaction, **body)
    assert (problem.status, problem.code) == expected
    assert (await queue(site))["data"]


# For a page


async def test_the_queue_can_begin_with_the_oldest(site: Site, station: Station) -> None:
    first = doubtful(station)
    station.books.wait(60)
    second = doubtful(station)
    assert [one["transaction"]["id"] for one in (await queue(site))["data"]] == [second, first]
    assert [one["transaction"]["id"] for one in (await queue(site, sort="oldest"))["data"]] == [
        first,
        second,
    ]


async def test_what_waits_is_counted_with_its_times(site: Site, station: Station) -> None:
    one = doubtful(station)
    unlinked(station)
    found = await site.call(endpoint("review/counts"), role=Role.VIEWER)
    assert {name: kind["count"] for name, kind in found.items()} == {
        "transactions": 1,
        "messages": 1,
        "reports": 0,
        "newcomers": 0,
        "asked_tags": 0,
    }
    assert found["messages"]["newest"] == [site.books.at]
    await decide(site, "transactions/{id}/confirm", one)
    assert (await site.call(endpoint("review/counts")))["transactions"] == {
        "count": 0,
        "newest": [],
    }


async def test_what_a_hidden_charger_left_is_not_counted(site: Site, station: Station) -> None:
    doubtful(station)
    site.books.run(hide, station.name, site.books.at, None)
    assert (await site.call(endpoint("review/counts")))["transactions"]["count"] == 0


async def test_a_confirmation_after_a_correction_that_was_not_seen(
    site: Site, station: Station
) -> None:
    number = doubtful(station)
    (item,) = (await queue(site))["data"]
    await decide(site, "transactions/{id}/correct", number, figure_wh=3000)
    problem = await refused(site, "transactions/{id}/confirm", number, event=item["event"])
    assert (problem.status, problem.code) == (409, "already_decided")
    problem = await refused(site, "transactions/{id}/confirm", number, figure_wh=4000)
    assert (problem.status, problem.code) == (409, "already_decided")
    assert (await decide(site, "transactions/{id}/confirm", number))["energy_wh"] == 3000


# What a correction changes


async def test_a_preview_of_a_correction_keeps_nothing(site: Site, station: Station) -> None:
    number = doubtful(station)
    before = (
        site.books.rows("SELECT * FROM tx"),
        site.books.count("tx_event"),
        site.books.count("event"),
    )
    shown = await decide(site, "transactions/{id}/correct/preview", number, figure_wh=3000)
    assert (shown["energy_wh"], shown["energy_kwh"], shown["amount"], shown["billed_amount"]) == (
        3000,
        3.0,
        None,
        None,
    )
    assert (
        site.books.rows("SELECT * FROM tx"),
        site.books.count("tx_event"),
        site.books.count("event"),
    ) == before
    problem = await refused(site, "transactions/{id}/correct/preview", number, figure_wh=10**9)
    assert problem.code == "invalid"
