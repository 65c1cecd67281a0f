"""AutoRemoteStart across connections, restarts and database failures: its state is in the
database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.plugins.auto_remote_start import (
    RETRY_SECONDS,
    SETTLING_SECONDS,
    open_auto_remote_start,
)
from tests.plugins.auto_starts import (
    DELAY,
    HOUR,
    LONG_ENOUGH,
    TIMEOUT,
    outcomes,
    plugged,
    reasons,
    start,
    stop,
    switch_on,
    tell,
)
from tests.plugins.sites import Served, connected, served

VIRTUAL_TIME = True


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as server:
        switch_on(server)
        yield server


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_car_that_was_plugged_in_before(server: Served, is_restarted: bool) -> None:
    """The connection is lost within the delay, and the charger does not repeat its status."""
    async with plugged(server):
        pass
    if is_restarted:
        server.restart()
        switch_on(server)
    async with server.having(open_auto_remote_start), connected(server.central) as charger:
        began = trio.current_time()
        await charger.call("Heartbeat")
        await trio.sleep(LONG_ENOUGH)
        assert [at for at, _ in charger.asked] == [began + SETTLING_SECONDS]


async def test_a_charger_that_says_nothing_for_an_hour(server: Served) -> None:
    async with plugged(server):
        pass
    async with server.having(open_auto_remote_start), connected(server.central) as charger:
        await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == 1


async def test_a_car_that_left_while_nobody_listened(server: Served) -> None:
    async with plugged(server):
        pass
    async with server.having(open_auto_remote_start), connected(server.central) as charger:
        await charger.call("BootNotification", chargePointVendor="V", chargePointModel="M")
        await trio.sleep(3)
        await tell(charger, "Available")
        await trio.sleep(LONG_ENOUGH)
        assert charger.asked == []
    assert outcomes(server) == ["withdrawn"]


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("has_begun", [False, True])
async def test_what_was_started_before_is_not_started_again(
    server: Served, is_restarted: bool, has_begun: bool
) -> None:
    async with plugged(server) as charger:
        await trio.sleep(5)
        if has_begun:
            transaction = await start(charger)
            await trio.sleep(HOUR)
            await stop(charger, transaction)
    if is_restarted:
        server.restart()
        switch_on(server)
    async with server.having(open_auto_remote_start), connected(server.central) as charger:
        await tell(charger, "Preparing")
        await trio.sleep(LONG_ENOUGH)
        assert charger.asked == []
    assert outcomes(server) == ["started", "over"]


async def test_tries_are_counted_across_connections(server: Served) -> None:
    async with plugged(server) as charger:
        charger.says = None
        await trio.sleep(DELAY + TIMEOUT + RETRY_SECONDS[0] + TIMEOUT + 1)
    async with server.having(open_auto_remote_start), connected(server.central) as charger:
        charger.says = None
        first = trio.current_time() + SETTLING_SECONDS
        await charger.call("Heartbeat")
        await trio.sleep(LONG_ENOUGH)
        assert [at for at, _ in charger.asked] == [first, first + TIMEOUT + RETRY_SECONDS[2]]


async def test_what_was_given_up_stays_so(server: Served, log_lines: list[EventDict]) -> None:
    async with plugged(server) as charger:
        charger.says = None
        await trio.sleep(LONG_ENOUGH)
    async with server.having(open_auto_remote_start), connected(server.central) as charger:
        await trio.sleep(LONG_ENOUGH)
        assert charger.asked == []
    assert outcomes(server)[-2:] == ["given up", "given up"]
    assert len(set(reasons(log_lines)[-2:])) == 1


async def test_what_an_offline_charger_tells_late_is_another_plug_in(server: Served) -> None:
    """A car charged and left while the charger was offline; then the present car arrived."""
    async with plugged(server) as charger:
        await stop(charger, await start(charger, ago=3 * HOUR))
        await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == 1


# A response that comes late and is stored seconds later


@pytest.mark.parametrize("tries", [1, 2, 3])
async def test_a_late_answer_counts_before_it_is_stored(server: Served, tries: int) -> None:
    async with plugged(server) as charger:
        charger.says = None
        await trio.sleep(DELAY + tries * TIMEOUT + sum(RETRY_SECONDS[:tries]) - 4)
        server.writer.hold()
        await charger.answer(charger.frames[-1][1], {"status": "Accepted"})
        # each triggers an evaluation
        for status in (
            "Faulted",
            "Available",
            "Faulted",
            "Available",
            "Faulted",
        ):
            await trio.sleep(1)
            await tell(charger, status, connector=2)
        assert len(charger.asked) == tries
        server.writer.flush()
        await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == tries
    assert outcomes(server) == [*["timed out"] * tries, "over"]


async def test_a_late_answer_to_an_earlier_try_counts_too(server: Served) -> None:
    async with plugged(server) as charger:
        charger.says = None
        await trio.sleep(DELAY + TIMEOUT + RETRY_SECONDS[0] + TIMEOUT + RETRY_SECONDS[1] - 1)
        server.writer.hold()
        first, _ = [frame for frame in charger.frames if frame[0] == 2]
        await charger.answer(first[1], {"status": "Accepted"})
        await trio.sleep(4)
        server.writer.flush()
        await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == 2


async def test_one_that_comes_while_the_time_out_is_being_stored(server: Served) -> None:
    async with plugged(server) as charger:
        charger.says = None
        await trio.sleep(DELAY + TIMEOUT - 1)
        server.writer.answer_seconds = 9
        server.writer.hold()
        await trio.sleep(5)
        await charger.answer(charger.frames[-1][1], {"status": "Accepted"})
        await trio.sleep(LONG_ENOUGH)
        server.writer.answer_seconds = 0
        assert len(charger.asked) == 1


# The database


async def test_nothing_can_be_stored(server: Served, log_lines: list[EventDict]) -> None:
    async with plugged(server) as charger:
        server.writer.is_unavailable = True
        await trio.sleep(DELAY + 11)
        assert outcomes(server) == ["not sent"]
        assert reasons(log_lines) == ["StoreUnavailable; retry in 5 s"]
        server.writer.is_unavailable = False
        await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == 1
    assert outcomes(server) == ["not sent", "started"]


async def test_what_could_not_be_stored_is_given_up_in_the_end(server: Served) -> None:
    async with plugged(server) as charger:
        server.writer.is_unavailable = True
        await trio.sleep(LONG_ENOUGH)
        server.writer.is_unavailable = False
        await tell(charger, "Preparing", connector=2)
        await trio.sleep(LONG_ENOUGH)
        assert [payload["connectorId"] for _, payload in charger.asked] == [2]
    assert outcomes(server) == [*["not sent"] * 4, "given up", "started"]


async def test_what_is_due_cannot_be_looked_at(server: Served) -> None:
    async with plugged(server) as charger:
        server.reader.is_broken = True
        await trio.sleep(LONG_ENOUGH)
        assert charger.asked == []


async def test_nothing_can_be_read(server: Served) -> None:
    async with plugged(server, "Finishing") as charger:
        server.reader.is_broken = True
        await tell(charger, "Preparing")
        await trio.sleep(LONG_ENOUGH)
        assert charger.asked == []
        server.reader.is_broken = False
        await trio.sleep(LONG_ENOUGH)
        assert len(charger.asked) == 1
