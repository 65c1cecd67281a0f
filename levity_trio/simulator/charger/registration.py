"""Registration with the central system: BootNotification and Heartbeat (§4.2, §4.6)."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from levity_trio.simulator.charger import connectors
from levity_trio.simulator.charger.agenda import Timer
from levity_trio.simulator.charger.configuration import ACCEPTED
from levity_trio.simulator.charger.connectors import settle_reservations
from levity_trio.simulator.charger.files import after_boot
from levity_trio.simulator.charger.state import State
from levity_trio.wire.payloads import call
from levity_trio.wire.times import parse_time

_LONGEST_SERIAL: Final = 25
RETRY_SECONDS: Final = 30.0
"""Until the next BootNotification if no response gave an interval."""


def boot(charger: State) -> None:
    """Queue a BootNotification if connected and none is queued."""
    charger.agenda.stop_timer(Timer.BOOT)
    if charger.is_linked and not charger.outbox.waits("BootNotification"):
        charger.queue(introduction(charger), partial(_booted, charger), is_urgent=True)
        charger.on_change()


def plan_heartbeat(charger: State, at: float) -> None:
    """Schedule the next Heartbeat, HeartbeatInterval from now, in place of the previous one."""
    seconds = max(1, charger.configuration.integer("HeartbeatInterval"))

    def beat(at: float) -> None:
        ask_time(charger)
        plan_heartbeat(charger, at)
        charger.on_change()

    charger.agenda.set_timer(Timer.HEARTBEAT, at + seconds, beat)


def ask_time(charger: State, *, is_asked_for: bool = False) -> None:
    """Queue a Heartbeat if none is queued."""
    if not charger.outbox.waits("Heartbeat"):

        def then(answer: Any, at: float) -> None:
            if answer is not None:
                _set_clock(charger, answer.current_time, at)

        charger.send_if_allowed(call.Heartbeat(), then, is_asked_for=is_asked_for)


def introduction(charger: State) -> call.BootNotification:
    spec = charger.spec
    serial = f"{spec.serial_number or spec.id}-{charger.memory.meters}"
    return call.BootNotification(
        charge_point_model=spec.model,
        charge_point_vendor=spec.vendor,
        charge_point_serial_number=spec.serial_number or None,
        firmware_version=charger.memory.firmware_version,
        meter_type="simulated",
        meter_serial_number=serial[-_LONGEST_SERIAL:],
    )


def _booted(charger: State, answer: Any, at: float) -> None:
    if not charger.is_on:
        return
    if answer is None:
        # else it was a triggered one, and the registration stands
        if charger.registration != ACCEPTED:
            _plan_retry(charger, RETRY_SECONDS, at)
        return
    was_accepted, charger.registration = charger.registration == ACCEPTED, answer.status
    _set_clock(charger, answer.current_time, at)
    if answer.status != ACCEPTED:
        for request in charger.outbox.drop_unsent():  # nothing else may be sent now (§4.2)
            request.then(None, at)
        _plan_retry(charger, answer.interval if answer.interval > 0 else RETRY_SECONDS, at)
        return
    if answer.interval > 0:
        charger.configuration.set_interval(answer.interval)
    plan_heartbeat(charger, at)
    if not was_accepted:
        # the first accepted boot since power-on: it begins to report
        at = charger.agenda.present
        connectors.plan_aligned(charger, at)
        for quirk in charger.quirks:
            quirk.accepted(charger, at)
        connectors.report_changes(charger, at)
        after_boot(charger, at)


def _plan_retry(charger: State, seconds: float, at: float) -> None:
    """Schedule the next BootNotification after the given interval (§4.2)."""
    charger.agenda.set_timer(Timer.BOOT, at + seconds, lambda _: boot(charger))


def _set_clock(charger: State, received: str, at: float) -> None:
    """Set the clock, and reschedule what was scheduled by it."""
    if (moment := parse_time(received)) is not None and charger.clock.set(moment, at):
        connectors.plan_aligned(charger, charger.agenda.present)
        settle_reservations(charger, charger.agenda.present)
