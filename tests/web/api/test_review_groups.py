"""Transactions in doubt that get one decision, and habits that a person wants to be asked about."""

from __future__ import annotations

from typing import Any

import pytest

from levity_trio.store.writes.transactions import decisions
from levity_trio.web.api.engine.endpoints import Endpoint
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.transactions import transactions
from tests.store.books import Station
from tests.store.owning import House
from tests.web.api.conftest import Site

WHY = "the drivers agree"
CAUSE = "closed_by_system"


def endpoint(name: str) -> Endpoint:
    declared: list[Endpoint] = transactions.ENDPOINTS
    return next(one for one in declared if getattr(one.handle, "__name__", "") == name)


def doubtful(station: Station, times: int, tag: str = "TAG") -> list[int]:
    """Return transactions whose stops never came, one after the other."""
    found = []
    for number in range(times):
        found.append(station.start(1000 + 5000 * number, tag=tag))
        station.books.wait(60)
        station.orphan(found[-1], 5000 + 5000 * number)
        station.books.wait(60)
    station.books.settle()
    return found


async def group(site: Site, cause: str = CAUSE) -> Any:
    return await site.call(endpoint("get_group"), charger="CP-1", cause=cause)


async def decide(site: Site, seen: list[dict[str, Any]]) -> Any:
    return await site.call(
        endpoint("decide_group"),
        body={"reason": WHY, "sessions": seen},
        charger="CP-1",
        cause=CAUSE,
    )


def as_shown(shown: Any) -> list[dict[str, Any]]:
    """Return what a page sends for a group: each with the figure that it shows."""
    return [
        {"transaction": one["id"], "event": one["event"], "figure_wh": one["energy_wh"]}
        for one in shown["data"]
    ]


async def test_equal_doubts_are_one_group_with_its_households(site: Site, station: Station) -> None:
    House(site.books).give(1, "MINE")
    numbers = doubtful(station, 3, "MINE")
    other = station.start(50_000)
    station.books.wait(60)
    station.stop(other, 55_000)
    station.stop(other, 56_000)
    first, second = (await site.call(endpoint("list_groups")))["data"]
    assert (first["charger"], first["cause"], first["count"]) == ("CP-1", CAUSE, 3)
    assert (first["transactions"], first["households"]) == (numbers, ["Anna"])
    assert (second["cause"], second["transactions"]) == ("second_stop", [other])
    alone = await site.call(endpoint("list_queue"), query={"alone": "true"})
    assert [one["transaction"]["id"] for one in alone["data"]] == [other]


async def test_one_decision_gives_each_the_figure_that_was_shown(
    site: Site, station: Station
) -> None:
    numbers = doubtful(station, 20)
    shown = await group(site)
    assert [one["energy_wh"] for one in shown["data"]] == [4000] * 20
    found = await decide(site, as_shown(shown))
    assert (found["decided"], found["left_out"], found["warnings"]) == (20, 0, [])
    told = site.books.rows(
        "SELECT tx_id, who, reason FROM tx_event WHERE kind = 'confirm' ORDER BY tx_id"
    )
    assert told == [(number, "anna", WHY) for number in numbers]
    assert (await group(site))["data"] == []


async def test_a_second_click_decides_nothing_twice(site: Site, station: Station) -> None:
    doubtful(station, 3)
    seen = as_shown(await group(site))
    await decide(site, seen)
    events = site.books.count("tx_event")
    again = await decide(site, seen)
    assert (again["decided"], {one["result"] for one in again["results"]}) == (3, {"already"})
    assert site.books.count("tx_event") == events


async def test_one_that_changed_since_it_was_shown_is_left_out(
    site: Site, station: Station
) -> None:
    first, second = doubtful(station, 2)
    seen = as_shown(await group(site))
    station.books.wait(5)
    station.stop(second, 10_500)
    found = await decide(site, seen)
    assert [one["result"] for one in found["results"]] == ["decided", "changed"]
    assert found["warnings"] == [
        (
            f"session {second} has changed since it was shown and has 4.500 kWh now; nothing was "
            "decided about it"
        )
    ]
    settled = site.books.rows("SELECT tx_id FROM tx_event WHERE kind IN ('confirm', 'correct')")
    assert settled == [(first,)]


async def test_another_figure_corrects(site: Site, station: Station) -> None:
    number, _ = doubtful(station, 2)
    seen = [one | {"figure_wh": 3500} for one in as_shown(await group(site))]
    found = await decide(site, seen)
    assert [(one["result"], one["energy_wh"]) for one in found["results"]] == [
        ("decided", 3500)
    ] * 2
    assert station.bill(number)[0] == 3500
    again = await decide(site, seen)
    assert {one["result"] for one in again["results"]} == {"already"}


async def test_what_cannot_be_decided_is_left_out_with_its_reason(
    site: Site, station: Station
) -> None:
    doubtful(station, 2)
    first, second = as_shown(await group(site))
    found = await decide(site, [first | {"figure_wh": 10**9}, second])
    assert [one["result"] for one in found["results"]] == ["refused", "decided"]
    assert "no charger delivers" in found["warnings"][0]


async def test_a_transaction_given_twice_is_refused(site: Site, station: Station) -> None:
    doubtful(station, 1)
    (seen,) = as_shown(await group(site))
    with pytest.raises(Problem, match="give each session once"):
        await decide(site, [seen, seen])


@pytest.mark.parametrize(("charger", "cause"), [("CP-1", "nonsense"), ("CP-9", CAUSE)])
@pytest.mark.usefixtures("station")
async def test_what_is_no_group(site: Site, charger: str, cause: str) -> None:
    with pytest.raises(Problem) as caught:
        await site.call(endpoint("get_group"), charger=charger, cause=cause)
    assert caught.value.code == "not_found"


# All of them


async def decide_all(site: Site, event: int, figure: str = "") -> Any:
    body = {"reason": WHY, "event": event, "figure": figure}
    return await site.call(endpoint("decide_whole_group"), body=body, charger="CP-1", cause=CAUSE)


def settled(site: Site) -> list[int]:
    return [
        number
        for (number,) in site.books.rows(
            "SELECT tx_id FROM tx_event WHERE kind = 'confirm' ORDER BY tx_id"
        )
    ]


async def test_a_large_group_is_shown_in_pages_and_decided_at_once(
    site: Site, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = doubtful(station, 7)
    monkeypatch.setattr(transactions, "MOST_SHOWN", 3)
    shown = await site.call(
        endpoint("get_group"), charger="CP-1", cause=CAUSE, query={"limit": "3", "page": "3"}
    )
    assert ([one["id"] for one in shown["data"]], shown["count"], shown["totals"][""]) == (
        numbers[6:],
        7,
        28_000,
    )
    found = await decide_all(site, shown["event"])
    assert (found["decided"], found["left_out"], settled(site)) == (7, 0, numbers)


async def test_a_power_cut_in_the_middle_leaves_the_rest_for_the_same_request(
    site: Site, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part is one commit: what was committed is decided, and the rest is as it was shown."""
    numbers = doubtful(station, 7)
    monkeypatch.setattr(transactions, "MOST_SHOWN", 3)
    event = (await group(site))["event"]
    parts, decide_part = [3, 3], decisions.decide

    def cut_off(*given: Any) -> Any:
        if not parts:
            raise Killed
        parts.pop()
        return decide_part(*given)

    with monkeypatch.context() as cut:
        cut.setattr(decisions, "decide", cut_off)
        with pytest.raises(Killed):
            await decide_all(site, event)
    assert settled(site) == numbers[:6]
    assert (await group(site))["count"] == 1
    found = await decide_all(site, event)  # the same form again
    assert (found["decided"], found["left_out"], settled(site)) == (1, 0, numbers)
    assert (await decide_all(site, event))["decided"] == 0


async def test_less_than_was_reported_is_settled_with_its_total_only(
    site: Site, station: Station
) -> None:
    for register in (500_000_000, 900_000_000):
        number = station.start(0)
        station.books.wait(1)
        station.stop(number, register)
        station.books.wait(60)
    (cause,) = {one["cause"] for one in (await site.call(endpoint("list_groups")))["data"]}
    shown = await group(site, cause)
    body = {"reason": WHY, "event": shown["event"]}
    with pytest.raises(
        Problem, match=r"they come to 0\.000 kWh, though the charger reported 1400000\.000 kWh"
    ):
        await site.call(endpoint("decide_whole_group"), body=body, charger="CP-1", cause=cause)
    reported = body | {"figure": "as reported", "total_wh": 0}
    with pytest.raises(Problem, match=r"come to 1400000\.000 kWh now"):
        await site.call(endpoint("decide_whole_group"), body=reported, charger="CP-1", cause=cause)
    found = await site.call(
        endpoint("decide_whole_group"), body=body | {"total_wh": 0}, charger="CP-1", cause=cause
    )
    assert (found["decided"], found["left_out"]) == (2, 0)


class Killed(Exception):
    """The process ends."""


async def test_what_changed_or_came_after_the_look_is_left_out(
    site: Site, station: Station
) -> None:
    first, second = doubtful(station, 2)
    event = (await group(site))["event"]
    station.books.wait(5)
    station.stop(second, 10_500)
    found = await decide_all(site, event)
    assert settled(site) == [first]
    assert found["left_out"] in (0, 1)  # it has another cause now, or waits for another look
    (third,) = doubtful(station, 1)
    await decide_all(site, event)
    assert third not in settled(site)


# The next one


TIMES_TEN = "wrong_factor"


def lacking_a_factor(station: Station, number: int) -> int:
    """Charge 7.2 kW for an hour at a charger whose registers are a tenth of what they should be;
    its power is right."""
    begin = 10_000 + 800 * number
    transaction = station.start(begin)
    for minute in range(1, 60):
        station.books.wait(1)
        power = {"value": "7200", "measurand": "Power.Active.Import", "unit": "W"}
        told = station.register(begin + 12 * minute)
        station.tell(
            told | {"sampledValue": [*told["sampledValue"], power]}, transaction=transaction
        )
    station.books.wait(1)
    station.stop(transaction, begin + 720)
    station.books.wait(60)
    station.books.settle()
    return transaction


async def upcoming(site: Site) -> Any:
    (found,) = (await group(site, TIMES_TEN))["next"]
    return found


async def test_what_is_said_of_the_next_session_is_what_the_judge_does(
    site: Site, station: Station
) -> None:
    """A person who wants to be asked is asked; the figure that the factor gives stays the one that
    is proposed."""
    assert station.bill(lacking_a_factor(station, 0)) == (7200, "scaled", "doubtful")
    for number in range(1, 5):
        said = await upcoming(site)
        assert (said["outcome"], said["shown"], said["needed"]) == ("learns", number, 5)
        lacking_a_factor(station, number)
    said = await upcoming(site)
    assert said["outcome"] == "certain"
    assert station.bill(lacking_a_factor(station, 6))[::2] == (7200, "certain")
    habit = await site.call(endpoint("ask_about_habit"), id=str(said["habit"]))
    assert habit["asks_by"] == "anna"
    assert (await site.call(endpoint("ask_about_habit"), id=str(said["habit"])))[
        "asks_since"
    ] == habit["asks_since"]
    assert (await upcoming(site))["outcome"] == "asks"
    assert station.bill(lacking_a_factor(station, 7))[::2] == (7200, "doubtful")
    await site.call(endpoint("stop_asking_about_habit"), id=str(said["habit"]))
    assert (await upcoming(site))["outcome"] == "certain"
    assert station.bill(lacking_a_factor(station, 8))[::2] == (7200, "certain")


async def test_a_habit_of_a_sister_is_known_at_once_until_a_person_wants_to_be_asked(
    site: Site, station: Station
) -> None:
    sister = Station(site.books, "CP-2")
    for one in (station, sister):
        one.boot(firmware_version="7")
    assert station.bill(lacking_a_factor(station, 0))[::2] == (7200, "doubtful")
    for number in range(5):
        lacking_a_factor(sister, number)
    said = await upcoming(site)
    assert (said["outcome"], said["shown"]) == ("certain", 5)
    assert station.bill(lacking_a_factor(station, 1))[::2] == (7200, "certain")
    await site.call(endpoint("ask_about_habit"), id=str(said["habit"]))
    assert station.bill(lacking_a_factor(station, 2))[::2] == (7200, "doubtful")


async def test_a_highest_power_is_no_habit_to_be_asked_about(site: Site, station: Station) -> None:
    station.books.connection.execute(
        "INSERT INTO habit (cp_id, conn_id, firmware, meter_serial, kind, value, transactions, "
        "since, last_at) "
        "VALUES ('CP-1', 1, '', '', 'ceiling', 7200, 5, '', '')"
    )
    with pytest.raises(Problem, match="there is no habit 1 that makes figures certain"):
        await site.call(endpoint("ask_about_habit"), id="1")
    doubtful(station, 1)
    (upcoming_one,) = (await group(site, "too_fast"))["next"]
    assert (upcoming_one["outcome"], upcoming_one["ceiling_w"]) == ("waits", 7200)
