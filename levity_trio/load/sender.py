"""Carries out at chargers what was decided: sends limits, prepares chargers for them, and lets
chargers go.

A limit that lowers is sent first and recorded afterwards; one that raises, or renews a lease, is
recorded first. So the database never has less than what holds. Everything else is an ordinary
command, which is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

import trio

from levity_trio.charger.commands import Chargers
from levity_trio.charging.sent.evidence import CURRENT, POWER, seconds
from levity_trio.charging.sent.readings import REGISTER
from levity_trio.clock import Clock
from levity_trio.load import profiles
from levity_trio.load.lease import (
    DEFAULT,
    FOLLOW_SECONDS,
    LEASE,
    NONE,
    OTHER_WORDS,
    RETRY_SECONDS,
    LimitStep,
    leased,
)
from levity_trio.load.managed_chargers import INTERVAL, ManagedChargers
from levity_trio.load.profiles import Ability, Call, ChargerTime, LimitWay
from levity_trio.load.tree import Place, Socket
from levity_trio.plugins.base import CommandResult
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.load.leases import ManagedCharger
from levity_trio.store.reads.load.load import PluggedIn
from levity_trio.store.writes.load import load
from levity_trio.wire.configuration import number, words
from levity_trio.wire.errors import CallFailed, NotConnected
from levity_trio.wire.times import from_seconds, shifted, stamp

ANSWER_SECONDS: Final = 60.0
"""Some chargers answer after 45 s."""
ACCEPTED: Final = "accepted"
REFUSED: Final = ("rejected", "error")
GONE: Final = "gone"
REPORT_SECONDS: Final = 20
REPORT_AFTER_SECONDS: Final = FOLLOW_SECONDS + 1
"""After a car was lowered, its charger is asked what it draws."""
REFUSED_SECONDS: Final = 300.0
"""Before a charger that did not open a connector, or refused its default after a car has left, is
asked again."""
SAMPLED: Final = "MeterValuesSampledData"
DRAWN: Final = (CURRENT, POWER)


class LimitSender:
    """Sends what chargers need to know. `wanted` says what a connector may have by the present
    decision."""

    def __init__(
        self,
        writer: Writer,
        chargers: Chargers,
        clock: Clock,
        managed: ManagedChargers,
        wanted: Callable[[Place], int],
        speed: int,
    ) -> None:
        self.chargers = chargers
        self._writer = writer
        self._clock = clock
        self._managed = managed
        self._wanted = wanted
        self._speed = speed
        self._asked: set[str] = set()
        """The chargers whose configuration was asked for."""

    @property
    def now(self) -> float:
        return self._clock().timestamp()

    async def ask(self, charger: str, call: Call, *, is_stored: bool = False) -> str:
        """Send a CALL and return its end, as that of a command. Raises nothing."""
        result = await self.result(charger, call, is_stored=is_stored)
        return GONE if result is None else result.state

    async def result(
        self, charger: str, call: Call, *, is_stored: bool = False
    ) -> CommandResult | None:
        """Send a CALL, as a command if it is to be stored, or if its charger is at another server.
        Return what came of it; None if its connection ended, or could not be used."""
        action, payload = call
        try:
            if not is_stored:
                return await self.chargers.ask(charger, action, payload, seconds=ANSWER_SECONDS)
        except NotConnected:
            pass
        except CallFailed:
            return None
        try:
            command = await self.chargers.submit(charger, action, payload, asked_by=load.BY)
            return await self.chargers.wait(command)
        except (CallFailed, StoreUnavailable):
            return None

    async def ask_for_report(self, socket: Socket) -> None:
        """Ask a charger what a connector draws."""
        payload = {"requestedMessage": "MeterValues", "connectorId": socket.connector}
        await self.ask(socket.charger, ("TriggerMessage", payload))

    async def tell(self, place: Place, call: Call, why: str) -> str:
        """Send a connector a profile, which counts, and return its end."""
        self._managed.leases.count(place, why, self.now)
        return await self.ask(place[0], call)

    # Limits

    async def send(self, step: LimitStep, socket: Socket, lines: int | None) -> None:
        """Send a limit, and note what came of it."""
        managed, place, lease = self._managed, step.place, step.lease
        held = managed.leases
        if not step.is_lower:
            may_go = await self._record_raise(step)
            if not may_go:
                return
        charger = socket.charger
        can = managed.can[charger]
        when = self.when(managed.witnesses[place].car)
        call = profiles.limit(can, socket, lease, when, lines)
        if call is None:
            return
        held.sending(step, self.now)
        managed.sent(place, lines)
        state = GONE
        try:
            state = await self.ask(charger, call)
        finally:
            if state == ACCEPTED and place in held.held:
                held.accepted(step, self.now)
                managed.accepted(place, lease.transaction, self.now)
                self.keep(place)
            else:
                is_refused = state in REFUSED
                held.failed(step, self.now, is_refused=is_refused)
                if is_refused:
                    managed.refused(socket, step, self.now)
        if state != ACCEPTED:
            return
        if managed.is_overruled(charger, lease.transaction):
            await self.ask(charger, profiles.clearing_own(LimitWay.TRANSACTION, socket.connector))
        if step.is_lower:
            await trio.sleep(REPORT_AFTER_SECONDS / self._speed)
            await self.ask_for_report(socket)

    async def _record_raise(self, step: LimitStep) -> bool:
        """Record a raise; return whether it may still be sent. Raises StoreUnavailable."""
        managed, place = self._managed, step.place
        both = managed.leases.recording(step, self.now)
        try:
            await self._writer.run(load.keep_lease, managed.stored(place, both))
        except BaseException:
            # Also if it is cancelled: one that stays pending would keep all later ones back.
            managed.leases.failed(step, self.now)
            raise
        if managed.leases.end_recording(step, self._wanted(place)) and managed.is_told(place):
            return True
        self.keep(place)
        return False

    def keep(self, place: Place) -> None:
        """Record what a connector may draw, as it is known now."""
        held = self._managed.leases.held.get(place)
        if held is None:
            return
        try:
            self._writer.note(load.keep_lease, self._managed.stored(place, held.lease))
            self._managed.unrecorded.discard(place)
        except StoreUnavailable:
            self._managed.unrecorded.add(place)

    def when(self, car: PluggedIn) -> ChargerTime:
        """Return now and the start of a transaction by the charger's own clock."""
        ahead = timedelta(seconds=self._managed.skew(car.charger))
        began = from_seconds(seconds(car.since))
        return ChargerTime(now=shifted(self._clock(), ahead), began=shifted(began, ahead))

    async def settle(self, socket: Socket) -> None:
        """Give a connector without a car its default, in place of what was sent for a
        transaction."""
        charger, place = socket.charger, socket.place
        can, held = self._managed.can[charger], self._managed.leases
        held.busy.add(place)
        try:
            call = profiles.idle(can, socket)
            state = ACCEPTED if call is None else await self.tell(place, call, DEFAULT)
            if state == ACCEPTED and self._managed.way(place) is LimitWay.CHARGER > can.way:
                await self.ask(charger, profiles.clearing_own(LimitWay.CHARGER, 0))
        finally:
            held.busy.discard(place)
        if place not in held.held:
            return
        if state == ACCEPTED:
            held.hold(place, self._managed.default_of(socket, self.now))
            self.keep(place)
        else:
            pause = REFUSED_SECONDS if state in REFUSED else RETRY_SECONDS
            held.held[place].retry = self.now + pause

    # Preparing

    async def prepare(
        self, charger: ManagedCharger, sockets: Sequence[Socket], cars: Iterable[PluggedIn]
    ) -> None:
        """Give a charger our defaults, remove what others set, and have it report as often as we
        need. A session that is open goes on meanwhile."""
        name, at = charger.charger, stamp(self._clock())
        if charger.prepared_at is not None and charger.prepared_firmware != charger.firmware:
            # With other firmware, all is open again.
            await self._writer.run(load.forgive_charger, name, 1)
            return
        if not charger.keys and name not in self._asked:
            self._asked.add(name)
            await self.ask(name, ("GetConfiguration", {}), is_stored=True)
            return
        is_new = charger.prepared_at is None and charger.restarts_since is None
        if is_new:
            await self._take_over(charger, sockets, cars)
        prepared = await self._set_defaults(charger, sockets)
        if prepared is None and charger.restarts_since is None:
            return
        can, way = prepared or (self._managed.can[name], charger.way)
        if is_new:
            for call in profiles.clearing(can):
                await self.ask(name, call, is_stored=True)
            await self._report_often(charger)
        # What it loses by a boot since this preparation began is sent again.
        as_of = charger.boot, charger.firmware
        stored_as = way, charger.prepared_at
        await self._writer.run(load.note_prepared, name, at, as_of, stored_as)

    async def _take_over(
        self, charger: ManagedCharger, sockets: Sequence[Socket], cars: Iterable[PluggedIn]
    ) -> None:
        """Give open sessions profiles of their own, since by the default their cars would pause,
        and remove what would hold in place of ours."""
        managed, can = self._managed, self._managed.can[charger.charger]
        for socket in sockets:
            for car in cars:
                if car.place != socket.place or car.transaction is None:
                    continue
                least = max(socket.least, can.floor)
                lease = leased(least, can.safe(socket), self.now, car.transaction)
                lines = managed.lines_told(car.place)
                own = profiles.limit(can, socket, lease, self.when(car), lines)
                if own is not None and await self.tell(car.place, own, LEASE) == ACCEPTED:
                    held = managed.leases.hold(car.place, lease)
                    held.doubt(socket.most, self.now)
                    managed.sent(car.place, lines)
                    self.keep(car.place)
        for socket in sockets:
            for call in profiles.clearing_above(can, charger.keys, socket):
                await self.ask(charger.charger, call, is_stored=True)

    async def _set_defaults(
        self, charger: ManagedCharger, sockets: Iterable[Socket]
    ) -> tuple[Ability, int] | None:
        """Set defaults in the first words that the charger accepts.

        What these show is stored, because they say what stands in it. Return what it can do, and
        the way that is stored; None if it did not answer.
        """
        name, way = charger.charger, charger.way
        facts, can = self._managed.facts(name), self._managed.can[name]
        for socket in sockets:
            held = self._managed.leases.held.get(socket.place)
            is_own = held is not None and held.lease.transaction not in (None, NONE)
            if is_own and can.way is not LimitWay.TRANSACTION:
                # A session has its limit where the default would be.
                continue
            refused: list[Call] = []
            tried = profiles.sentences(facts, charger.keys, can.way, is_first=True)
            for shown, weaker in tried:
                call = profiles.idle(weaker, socket)
                if call in refused:
                    continue
                if self._managed.asks_at(name) > self.now:
                    return None
                why = OTHER_WORDS if refused else DEFAULT
                state = ACCEPTED if call is None else await self.tell(socket.place, call, why)
                if call is not None and state in REFUSED:
                    self._managed.attempts[name].append(self.now)
                    refused.append(call)
                    continue
                if state != ACCEPTED:
                    return None
                if refused:
                    before = way
                    if weaker.way is not can.way:
                        way = int(weaker.way)
                    at = stamp(self._clock())
                    await self._writer.run(load.note_default, name, shown, (before, way), at)
                facts, can = {**facts, **shown}, weaker
                break
        return can, way

    async def _report_often(self, charger: ManagedCharger) -> None:
        """Have a charger report the current and the register each 20 s, and remember how it was."""
        name = charger.charger
        interval = number(charger.keys, INTERVAL) or 0
        sampled = words(charger.keys, SAMPLED)
        register = [] if REGISTER in sampled else [REGISTER]
        # Not every charger knows the current; those that refuse it may know the power.
        additions = [[*register, measurand] for measurand in DRAWN]
        if not set(sampled).isdisjoint(DRAWN):
            additions = [register] if register else []

        is_often = 0 < interval <= REPORT_SECONDS
        changed = [] if is_often else [INTERVAL]
        if additions:
            changed.append(SAMPLED)
        before = {key: charger.keys.get(key) for key in changed}
        await self._writer.run(load.put_back_later, name, before)
        if not is_often:
            await self.change(name, INTERVAL, REPORT_SECONDS)
        for more in additions:
            if await self.change(name, SAMPLED, ",".join([*sampled, *more])):
                break

    async def change(self, charger: str, key: str, value: str | int) -> bool:
        """Change a key of a charger's configuration; return whether it accepted that."""
        call = "ChangeConfiguration", {"key": key, "value": str(value)}
        return await self.ask(charger, call, is_stored=True) == ACCEPTED

    async def let_go(self, charger: ManagedCharger, sockets: Sequence[Socket]) -> None:
        """Remove our profiles, put back keys and availability, and note that nothing of ours is
        left."""
        calls: list[Call] = []
        for socket in sockets:
            calls += [profiles.clearing_own(way, socket.connector) for way in profiles.PURPOSES]
        for key, value in charger.put_back.items():
            if key.startswith(load.CLOSED):
                connector = int(key.removeprefix(load.CLOSED))
                calls.append(_availability(connector, is_open=True))
            elif value is not None:
                calls.append(("ChangeConfiguration", {"key": key, "value": value}))
        for call in calls:
            state = await self.ask(charger.charger, call, is_stored=True)
            if state not in (ACCEPTED, *REFUSED):
                return
        await self._writer.run(load.note_gone, charger.charger, stamp(self._clock()))

    async def open_or_close(self, place: Place, *, is_open: bool) -> None:
        """Close a free connector that cannot be limited and whose maximum does not fit, or open it
        again."""
        charger, connector = place
        key = f"{load.CLOSED}{connector}"
        if not is_open:
            await self._writer.run(load.put_back_later, charger, {key: "Operative"})
        state = await self.ask(charger, _availability(connector, is_open=is_open), is_stored=True)
        if state != ACCEPTED:
            self._managed.not_moved[place] = self.now + REFUSED_SECONDS
        elif is_open:
            await self._writer.run(load.put_back_later, charger, {}, key)


def _availability(connector: int, *, is_open: bool) -> tuple[str, dict[str, Any]]:
    kind = "Operative" if is_open else "Inoperative"
    return "ChangeAvailability", {"connectorId": connector, "type": kind}
