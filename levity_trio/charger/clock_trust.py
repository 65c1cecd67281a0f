"""Whether chargers may be told the time of this machine: at the start, and when its clock leaps.

A Pi has no battery for its clock, so at the start handshakes wait until it is set. What it shows later is followed by
`SteadyClock`, or not; here that is told, and sessions whose times it spoils are marked.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import trio

from levity_trio.charger.central import Central
from levity_trio.clock import Clock, Leap, SteadyClock, is_synchronised
from levity_trio.events import ClockLeapt
from levity_trio.log_output import get_logger
from levity_trio.store.faults import StoreUnavailable
from levity_trio.store.reads.newest import Newest
from levity_trio.store.writes import sessions
from levity_trio.wire.times import stamp

LOOK_SECONDS: Final = 1.0
VOUCH: Final = "if it is right, start once with --trust-clock"

log = get_logger("system")


def is_set(clock: Clock, newest: Newest | None) -> bool:
    """Whether a clock may be told to chargers, as far as the system and the newest row of the database know."""
    return is_synchronised() and (newest is None or stamp(clock()) >= newest.at)


async def watch_clock(central: Central, machine: SteadyClock, newest: Newest | None) -> None:
    """Let handshakes wait until the clock is set, for `--clock-wait` at most; tell its leaps, for ever."""
    async with trio.open_nursery() as tasks:
        tasks.start_soon(_wait_until_set, central, machine, newest)
        tasks.start_soon(_follow, central, machine)


async def _wait_until_set(central: Central, machine: SteadyClock, newest: Newest | None) -> None:
    if not is_set(central.clock, newest):
        log.warning("chargers wait for this machine's clock to be set", **_told(central, newest))
    with trio.move_on_after(central.config.clock_wait_seconds):
        while not is_set(central.clock, newest):  # noqa: ASYNC110 - nothing announces it
            await trio.sleep(LOOK_SECONDS)
    machine.is_set = central.clock_trusted = is_set(central.clock, newest)
    if not central.clock_trusted:
        told = _told(central, newest)
        log.error("serving with a clock that cannot be trusted; sessions are marked (clock_trusted = 0)", **told)
    central.ready.set()
    while not machine.is_set:
        await trio.sleep(LOOK_SECONDS)
        machine.is_set = central.clock_trusted = is_set(central.clock, newest)
    log.info("this machine's clock is trusted")


def _told(central: Central, newest: Newest | None) -> dict[str, str]:
    """Why, as far as it is the database that knows better."""
    now = stamp(central.clock())
    if newest is None or now >= newest.at:
        return {}
    return {"clock": now, "newest_row": newest.row, "newest_at": newest.at, "advice": VOUCH}


async def _follow(central: Central, machine: SteadyClock) -> None:
    while True:
        await trio.sleep(LOOK_SECONDS)
        machine()
        if machine.is_set and central.clock_trusted == machine.is_astray:
            central.clock_trusted = not machine.is_astray
            if central.clock_trusted:
                log.warning("this machine's clock shows a time that can be believed again")
        with suppress(StoreUnavailable):  # told again at the next look
            while machine.leaps:
                await _tell(central, machine.leaps[0])
                machine.leaps.popleft()


async def _tell(central: Central, leap: Leap) -> None:
    seconds = round(leap.seconds)
    fact = ClockLeapt(charger=None, at=stamp(central.clock()), seconds=seconds, believed=leap.is_believed)
    await central.writer.run(sessions.note_leap, central.run, fact)
    if leap.is_believed:
        log.warning("this machine's clock leapt; open sessions are marked (clock_trusted = 0)", seconds=seconds)
    else:
        log.error(
            "this machine's clock leapt to a time that cannot be believed; chargers are told the time as it elapsed",
            seconds=seconds,
            advice=VOUCH,
        )
