"""AutoRemoteStart over whole conversations: one start per plug-in, and the reasons for no start."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.access.registration import Mode
from levity_trio.config import ServerConfig
from levity_trio.events import AutoStart
from levity_trio.plugins.auto_remote_start import (
    ANSWER_SECONDS,
    RETRY_SECONDS,
    SETTLING_SECONDS,
    open_auto_remote_start,
)
from levity_trio.plugins.orphaned_transactions import open_orphaned_transactions
from levity_trio.store.writes.chargers.registration import DecidedBy, adopt
from tests.plugins.auto_starts import (
    DELAY,
    HOUR,
    LONG_ENOUGH,
    TIMEOUT,
    clock,
    outcomes,
    plugged,
    reasons,
    start,
    stop,
    switch_on,
    tell,
)
from tests.plugins.sites import Served, connected, served
from tests.sizes import size

VIRTUAL_TIME = True


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as server:
        switch_on(server)
        yield server


async def test_a_car_is_started_after_the_delay(server: Served, log_lines: list[EventDict]) -> None:
    async with plugged(server) as charger:
        plugged_at = trio.current_time()
        await trio.sleep(LONG_ENOUGH)
        assert charger.asked == [(plugged_at + DELAY, {"idTag": "anonymous", "connectorId": 1})]
    (event,) = server.witness.of(AutoStart)
    assert (event.charger, event.connector, event.outcome) == ("CP-1", 1, "started")
    (line,) = [line for line in log_lines if line["event"] == "auto start"]
    assert line == {
        "cp": "CP-1",
        "connector": 1,
        "outcome": "started",
        "reason": "a car was plugged in",
        "event": "auto start",
        "log_level": "info",
        "type": "system",
    }


async def test_with_its_own_tag_and_delay(server: Served) -> None:
    switch_on(server, auto_start_id_tag="HOUSE", auto_start_delay_seconds=7.5)
    async with plugged(server) as charger:
        plugged_at = trio.current_time()
        await trio.sleep(LONG_ENOUGH)
        assert charger.asked == [(plugged_at + 7.5, {"idTag": "HOUSE", "connectorId": 1})]


@pytest.mark.parametrize("answer_seconds", [0.0, ANSWER_SECONDS / 2])
async def test_even_without_a_delay_the_answer_leaves_first(
    server: Served, answer_seconds: float
) -> None:
    switch_on(server, auto_start_delay_seconds=0.0)
    async with plugged(server, "Finishing") as charger:
        server.writer.answer_seconds = answer_seconds
        charger.frames.clear()
        await tell(charger, "Preparing")
        await trio.sleep(LONG_ENOUGH)
        assert [frame[0] for frame in charger.frames] == [3, 2]


async def test_switched_off(server: Served) -> None:
    switch_on(server, auto_start=False)
    async with plugged(server) as charger:
        await trio.sleep(LONG_ENOUGH)
        assert charger.asked == []
    assert not ServerConfig().auto_start


@pytest.mark.parametrize(
    "status", ["Charging", "Unavailable", "Faulted", "Reserved", "SuspendedEV", "Finishing"]
)
async def test_only_preparing_is_started(server: Served, status: str) -> None:
    async with plugged(server, status) as charger:
        await tell(charger, "Preparing", connector=0)
        await trio.sleep(LONG_ENOUGH)
        assert charger.asked == []


async def test_two_connectors_are_two_cars(server: Served) -> None:
    async with plugged(server) as charger:
        await tell(charger, "Preparing", connector=2)
        await trio.sleep(LONG_ENOUGH)
        assert [payload["connectorId"] for _, payload in charger.asked] == [1, 2]


# One start per plug-in


async def test_it_is_told_again_and_again_and_started_once(server: Served) -> None:
    async with plugged(server) as charger:
        for _ in range(5):
            await tell(charger, "Preparing")
            await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == 1


async def test_a_session_stopped_on_purpose_is_not_started_again(
    server: Served, log_lines: list[EventDict]
) -> None:
    async with plugged(server) as charger:
        for tag in ("anonymous", "RFID"):
            await trio.sleep(5)
            transaction = await start(charger, tag=tag)
            await tell(charger, "Charging")
            await trio.sleep(HOUR)
            await stop(charger, transaction)
            await tell(charger, "Finishing")
            await tell(charger, "Preparing")
            await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == 1
        await tell(charger, "Available")
        await trio.sleep(5)
        await tell(charger, "Preparing")
        await trio.sleep(5)
        assert len(charger.asked) == 2
    assert outcomes(server) == ["started", "over", "over", "started"]
    assert reasons(log_lines)[1] == "a transaction has already run since the car was plugged in"


async def test_a_session_of_many_statuses_is_not_started_again(server: Served) -> None:
    """A full battery draws a little power from time to time, all night."""
    async with plugged(server) as charger:
        await trio.sleep(5)
        transaction = await start(charger)
        for _ in range(size(150, 20)):
            for status in ("Charging", "SuspendedEV"):
                await tell(charger, status)
                await trio.sleep(60)
        await stop(charger, transaction)
        await tell(charger, "Finishing")
        await tell(charger, "Preparing")
        await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == 1


async def test_one_that_was_accepted_and_did_not_begin_is_not_asked_again(server: Served) -> None:
    async with plugged(server) as charger:
        await trio.sleep(LONG_ENOUGH)
        await tell(charger, "Finishing")
        await tell(charger, "Preparing")
        await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == 1


async def test_an_old_available_from_the_chargers_memory_is_no_new_plug_in(server: Served) -> None:
    async with plugged(server) as charger:
        await trio.sleep(LONG_ENOUGH)
        await tell(charger, "Available", ago=2 * LONG_ENOUGH)
        await tell(charger, "Preparing")
        assert len(charger.asked) == 1
    async with server.having(open_auto_remote_start), connected(server.central) as charger:
        await trio.sleep(LONG_ENOUGH)
        assert charger.asked == []


async def test_a_clock_that_is_put_right_hides_no_plug_in(server: Served) -> None:
    async with plugged(server) as charger:
        await trio.sleep(5)
        await stop(charger, await start(charger))
        await tell(charger, "Available", ago=-240)
        await trio.sleep(5)
        await tell(charger, "Preparing")
        await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == 2


@pytest.mark.parametrize("behind", [20, 3600])
async def test_a_clock_that_is_behind(server: Served, behind: int) -> None:
    """A status without a timestamp has the time of its receipt; a transaction that follows may have
    an earlier time."""
    async with server.having(open_auto_remote_start), connected(server.central) as charger:
        told = {"connectorId": 1, "errorCode": "NoError", "status": "Preparing"}
        await charger.call("StatusNotification", **told)
        await stop(charger, await start(charger, tag="RFID", ago=behind))
        await trio.sleep(LONG_ENOUGH)
        assert charger.asked == []
    assert outcomes(server) == ["over"]


# The cable is unplugged


async def test_the_cable_leaves_within_the_delay(
    server: Served, log_lines: list[EventDict]
) -> None:
    switch_on(server, auto_start_delay_seconds=10.0)
    async with plugged(server) as charger:
        await trio.sleep(9)
        await tell(charger, "Available")
        await trio.sleep(LONG_ENOUGH)
        assert charger.asked == []
    assert outcomes(server) == ["withdrawn"]
    assert reasons(log_lines) == ["the connector is no longer in Preparing"]


async def test_the_cable_leaves_and_comes_back(server: Served) -> None:
    switch_on(server, auto_start_delay_seconds=10.0)
    async with plugged(server) as charger:
        await trio.sleep(9)
        await tell(charger, "Available")
        await tell(charger, "Preparing")
        plugged_at = trio.current_time()
        await trio.sleep(LONG_ENOUGH)
        assert [at for at, _ in charger.asked] == [plugged_at + 10]
    assert outcomes(server) == ["withdrawn", "started"]


async def test_it_begins_by_itself_within_the_delay(server: Served) -> None:
    async with plugged(server) as charger:
        await start(charger, tag="RFID")
        await trio.sleep(LONG_ENOUGH)
        assert charger.asked == []
    assert outcomes(server) == ["over"]


# What prevents a start


@pytest.mark.parametrize("is_stopped", [True, False])
async def test_an_orphan_stands_in_the_way_until_it_is_closed(
    server: Served, log_lines: list[EventDict], is_stopped: bool
) -> None:
    async with server.having(open_orphaned_transactions), server.having(open_auto_remote_start):
        async with connected(server.central) as charger:
            orphan = await start(charger)
        await trio.sleep(1)
        async with connected(server.central) as charger:
            # not newer than its start, so it is not closed
            await tell(charger, "Available", ago=5 * HOUR)
            await tell(charger, "Preparing")
            await trio.sleep(LONG_ENOUGH)
            assert charger.asked == []
            assert reasons(log_lines) == [f"transaction {orphan} is still open on the connector"]
            if is_stopped:
                await stop(charger, orphan)
            await trio.sleep(LONG_ENOUGH)  # with the time before, longer than --orphan-minutes
            assert len(charger.asked) == 1
    assert outcomes(server) == ["blocked", "started"]


async def test_the_charger_is_unavailable(server: Served, log_lines: list[EventDict]) -> None:
    async with plugged(server, "Finishing") as charger:
        await tell(charger, "Unavailable", connector=0)
        await tell(charger, "Preparing")
        await trio.sleep(LONG_ENOUGH)
        assert charger.asked == []
        assert reasons(log_lines) == ["the charger is unavailable"]
        await tell(charger, "Available", connector=0)
        await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == 1
    assert outcomes(server) == ["blocked", "started"]


# The charger rejects or ignores the start


async def test_rejected_is_counted_and_not_repeated(
    server: Served, log_lines: list[EventDict]
) -> None:
    async with plugged(server) as charger:
        charger.says = "Rejected"
        await trio.sleep(LONG_ENOUGH)
        await tell(charger, "Preparing")
        await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == 1
    assert outcomes(server) == ["rejected"]
    assert reasons(log_lines) == ["the charger answered Rejected"]


async def test_it_is_asked_again_more_and_more_rarely_and_then_no_more(
    server: Served, log_lines: list[EventDict]
) -> None:
    async with plugged(server) as charger:
        charger.says = None
        first = trio.current_time() + DELAY
        await trio.sleep(LONG_ENOUGH)
        await tell(charger, "Preparing")
        await trio.sleep(LONG_ENOUGH)
        expected = [first]
        for pause in RETRY_SECONDS:
            expected.append(expected[-1] + TIMEOUT + pause)
        assert [at for at, _ in charger.asked] == expected
        assert outcomes(server) == ["timed out", "timed out", "timed out", "timed out", "given up"]
        assert (
            reasons(log_lines)[0] == "RemoteStartTransaction: no answer within 30 s; retry in 5 s"
        )
        charger.says = "Accepted"
        await tell(charger, "Available")
        await trio.sleep(5)
        await tell(charger, "Preparing")
        await trio.sleep(5)
        assert outcomes(server)[-1] == "started"


async def test_a_retry_does_not_start_what_began_by_itself(server: Served) -> None:
    async with plugged(server) as charger:
        charger.says = None
        await trio.sleep(DELAY + TIMEOUT + 1)
        transaction = await start(charger, tag="RFID")
        await trio.sleep(LONG_ENOUGH)
        await stop(charger, transaction)
        await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == 1
    assert outcomes(server) == ["timed out", "over"]


async def test_a_retry_after_a_late_answer_is_none(server: Served) -> None:
    async with plugged(server) as charger:
        charger.says = None
        await trio.sleep(DELAY + TIMEOUT + 1)
        await charger.answer(charger.frames[-1][1], {"status": "Accepted"})
        await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == 1


async def test_the_cable_leaves_while_it_waits_to_ask_again(server: Served) -> None:
    async with plugged(server) as charger:
        charger.says = None
        await trio.sleep(DELAY + TIMEOUT + RETRY_SECONDS[0] + TIMEOUT + 1)
        await tell(charger, "Available")
        await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == 2
    assert outcomes(server) == ["timed out", "timed out", "withdrawn"]


async def test_while_one_is_silent_the_other_connector_can_leave(server: Served) -> None:
    async with plugged(server) as charger:
        charger.says = None
        await trio.sleep(DELAY + 1)
        await tell(charger, "Preparing", connector=2)
        await tell(charger, "Available", connector=2)
        await trio.sleep(LONG_ENOUGH)
        assert {payload["connectorId"] for _, payload in charger.asked} == {1}


async def test_while_one_is_silent_the_other_cable_leaves_and_comes_back(server: Served) -> None:
    async with plugged(server) as charger:
        charger.says = None
        await tell(charger, "Preparing", connector=2)
        await trio.sleep(DELAY + 1)
        await tell(charger, "Available", connector=2)
        await trio.sleep(TIMEOUT / 2)
        await tell(charger, "Preparing", connector=2)
        charger.says = "Accepted"
        await trio.sleep(LONG_ENOUGH)
        asked = [(at, payload["connectorId"]) for at, payload in charger.asked]
        first, _ = asked[0]
        assert asked == [
            (first, 1),
            (first + TIMEOUT + DELAY, 2),
            (first + TIMEOUT + RETRY_SECONDS[0], 1),
        ]
    assert outcomes(server) == ["timed out", "withdrawn", "started", "started"]


async def test_a_charger_that_waits_to_be_adopted_is_started_after_that(
    server: Served, log_lines: list[EventDict]
) -> None:
    server.central.registrations.mode = Mode.ASK
    async with plugged(server) as charger:
        await trio.sleep(LONG_ENOUGH)
        assert charger.asked == []
        assert outcomes(server) == ["blocked"]
        assert "it waits to be adopted" in reasons(log_lines)[0]
        adopted_at = trio.current_time()
        await server.writer.run(adopt, "CP-1", DecidedBy(clock(), "anna", ""))
        await trio.sleep(LONG_ENOUGH)
        assert [at for at, _ in charger.asked] == [adopted_at + SETTLING_SECONDS]
    assert outcomes(server) == ["blocked", "started"]
