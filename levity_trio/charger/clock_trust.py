"""Whether this machine's time may be sent to chargers: at the start, and when its clock leaps.

A Raspberry Pi has no clock battery, so handshakes wait at the start until the clock is set. Later,
`SteadyClock` decides whether a leap is followed; this module reports leaps and marks the sessions
whose times they affect.
"""

from __future__ import annotations

from typing import Final

import trio

from levity_trio.charger.central import Central
from levity_trio.clock import MOST_BACK_SECONDS, Clock, Leap, SteadyClock, is_synchronised
from levity_trio.events import ClockLeapt
from levity_trio.log.output import get_logger
from levity_trio.store.engine.writer import surviving
from levity_trio.store.reads.site.database import Newest
from levity_trio.store.writes.chargers import sessions
from levity_trio.wire.times import stamp

LOOK_SECONDS: Final = 1.0
VOUCH: Final = "if this machine's clock is right, start once with --trust-clock"

log = get_logger("system")


def is_set(machine: SteadyClock, clock: Clock, newest: Newest | None) -> bool:
    """Whether the clock is synchronised and not behind the newest row of the database.

    If the system says itself that it is synchronised, such a row was dated by a clock that was
    ahead.
    """
    if not is_synchronised():
        return False
    return newest is None or stamp(clock()) >= newest.at or machine.is_vouched_for


async def watch_clock(central: Central, machine: SteadyClock, newest: Newest | None) -> None:
    """Hold handshakes until the clock is set, at most `--clock-wait` seconds; report its leaps
    until cancelled."""
    async with trio.open_nursery() as tasks:
        tasks.start_soon(_wait_until_set, central, machine, newest)
        tasks.start_soon(_follow, central, machine)


async def _wait_until_set(central: Central, machine: SteadyClock, newest: Newest | None) -> None:
    if not is_set(machine, central.clock, newest):
        log.warning(
            "chargers wait for this machine's clock to be set", **_evidence(central, newest)
        )
    with trio.move_on_after(central.config.clock_wait_seconds):
        while not is_set(machine, central.clock, newest):  # noqa: ASYNC110 - the system sends no notification
            await trio.sleep(LOOK_SECONDS)
    machine.is_set = central.clock_trusted = is_set(machine, central.clock, newest)
    if not central.clock_trusted:
        evidence = _evidence(central, newest)
        log.error(
            "serving with an untrusted clock; sessions are marked (clock_trusted = 0)", **evidence
        )
    central.ready.set()
    while not machine.is_set:
        await trio.sleep(LOOK_SECONDS)
        machine.is_set = central.clock_trusted = is_set(machine, central.clock, newest)
    if ahead := _evidence(central, newest):
        log.warning(
            "rows dated ahead of this machine's clock are passed over: it is synchronised", **ahead
        )
    log.info("this machine's clock is trusted")


def _evidence(central: Central, newest: Newest | None) -> dict[str, str]:
    """Return the row of the database that is newer than the clock, as fields of a log line; empty
    if there is none."""
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
                log.warning("this machine's clock is plausible again")
        # One that could not be stored stays first in the queue.
        with surviving("a leap of the clock could not be stored"):
            while machine.leaps:
                await _report(central, machine.leaps[0])
                machine.leaps.popleft()


async def _report(central: Central, leap: Leap) -> None:
    seconds = round(leap.seconds)
    fact = ClockLeapt(
        charger=None, at=stamp(central.clock()), seconds=seconds, believed=leap.is_believed
    )
    await central.writer.run(sessions.note_leap, central.run, fact)
    if not leap.is_believed:
        log.error(
            "this machine's clock leapt to an implausible time; chargers get the time by a "
            "steady clock instead",
            seconds=seconds,
            advice=VOUCH,
        )
        return
    text = "this machine's clock leapt; open sessions are marked (clock_trusted = 0)"
    if leap.seconds < -MOST_BACK_SECONDS:
        text = (
            "this machine's clock was ahead and is set back; it is followed, and open sessions "
            "are marked (clock_trusted = 0)"
        )
    log.warning(text, seconds=seconds)
