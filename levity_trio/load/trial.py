"""The trial of a charger: fifteen minutes with a car, after which it is known how its firmware
obeys.

Each step sends a limit whose lease ends after two minutes, and looks at what the car draws. Nothing
is believed that was not seen. What was found holds for all chargers with the same firmware.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from levity_trio.charging.sent.evidence import seconds
from levity_trio.load import measurements, profiles
from levity_trio.load.lease import Lease, with_tolerance
from levity_trio.load.profiles import Ability, LimitWay
from levity_trio.load.sender import Bench
from levity_trio.load.tree import Socket
from levity_trio.operations.limits import limit_reported
from levity_trio.records import record
from levity_trio.store.reads.load.load import PluggedIn
from levity_trio.told import N_, Figure, Quantity, Told, joined

LEASE_SECONDS: Final = 120.0
CUT_SECONDS: Final = 180.0
SEEN_SECONDS: Final = 15.0
"""A limit is seen within this time."""
SLOW_SECONDS: Final = 60.0
"""A car begins again, and a charger boots or returns, within some of these."""
BOOT_SECONDS: Final = 240.0
LOOK_SECONDS: Final = 2.0
HIGH_AMPERES: Final = 10
LOW_AMPERES: Final = 6
LEASTS: Final = (6, 7, 8, 10)
VOLTS: Final = 230
REFUSALS: Final = (
    *(
        N_("rejected"),
        N_("error"),
        N_("timed out"),
        N_("gone"),
        N_("expired"),
        N_("cancelled"),
        N_("not possible"),
    ),
)
"""How a CALL ends that is not accepted."""


class Failed(Exception):
    """A step did not show what it must. Its words say what was seen."""


@record
class TrialStep:
    """What a step found; `is_passed` is null while it runs."""

    step: str
    is_passed: bool | None
    words: str


@dataclass(slots=True)
class ChargerTrial:
    """One trial. `told` is called whenever `steps` has changed."""

    bench: Bench
    socket: Socket
    can: Ability
    told: Callable[[list[TrialStep]], Awaitable[None]]
    steps: list[TrialStep] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    async def run(self) -> bool:
        """Run all steps; return whether the charger has passed. `facts` is what was learned."""
        plan: tuple[tuple[str, Callable[[], Awaitable[str]]], ...] = (
            ("limit", self._limit),
            ("ends", self._ends),
            ("zero", self._zero),
            ("least", self._least),
            ("reset", self._reset),
            ("link", self._link),
            ("waits", self._waits),
        )
        for step, run in plan:
            self.steps.append(TrialStep(step=step, is_passed=None, words=""))
            await self.told(self.steps)
            try:
                words, is_passed = await run(), True
            except Failed as failed:
                words, is_passed = str(failed), False
            self.steps[-1] = TrialStep(step=step, is_passed=is_passed, words=words)
            await self.told(self.steps)
            if step == "limit" and not is_passed:
                break
        has_passed = all(one.is_passed for one in self.steps)
        self.facts["passed"] = has_passed
        return has_passed

    # What is sent and seen

    async def _send(
        self, amperes: int, then: int | None = None, can: Ability | None = None
    ) -> None:
        """Send a limit whose lease ends after two minutes. Raises Failed if it is refused."""
        lasts = None if then is None else LEASE_SECONDS
        state = await self._told_to(
            amperes, amperes if then is None else then, lasts, can or self.can
        )
        if state != "accepted":
            raise Failed(Told("a limit of {1} A: {2}", amperes, Told(state)))

    async def _told_to(self, amperes: int, then: int, lasts: float | None, can: Ability) -> str:
        """Send a limit, and another after so many seconds; return how that ended."""
        car, now = await self._car(), self.bench.now
        ends = None if lasts is None else now + lasts
        lease = Lease(amperes=amperes, ends=ends, safe=then, sent=now, transaction=car.transaction)
        call = profiles.limit(can, self.socket, lease, self.bench.when(seconds(car.since)), None)
        return Told("not possible") if call is None else await self.bench.ask(call)

    async def _until(self, fits: Callable[[PluggedIn], bool], words: str) -> PluggedIn:
        """Wait until the car at the connector is as it must be. Raises Failed with these words."""
        until = self.bench.now + BOOT_SECONDS
        while self.bench.now < until:
            car = await self.bench.look()
            if car is not None and fits(car):
                return car
            await self._trigger()
            await self.bench.sleep(LOOK_SECONDS)
        raise Failed(words)

    async def _car(self) -> PluggedIn:
        car = await self.bench.look()
        if car is None or car.transaction is None:
            raise Failed(Told("no car is charging: plug one in, and start it"))
        return car

    async def _drawn(self, since: float) -> float | None:
        """Return what the car draws on its highest line, by a report after a time; None if there
        was none."""
        car = await self.bench.look()
        if car is None or car.reading is None or seconds(car.reading.at) <= since:
            return None
        drawn = measurements.drawn(
            car, self.socket, measurements.lines_used(car.reading, self.socket.most)
        )
        return None if drawn is None else drawn.least

    async def _seen(self, fits: Callable[[float], bool], within: float) -> float:
        """Wait until a report shows a current that fits. Raises Failed."""
        since, last = self.bench.now, None
        while self.bench.now < since + within:
            await self._trigger()
            await self.bench.sleep(LOOK_SECONDS)
            drawn = await self._drawn(since)
            last = last if drawn is None else drawn
            if drawn is not None and fits(drawn):
                return drawn
        told = (
            Told("no report of its current came")
            if last is None
            else Told("it drew {1} A", Figure(last, 1))
        )
        raise Failed(Told("{1} within {2} s", told, Figure(within, 0)))

    async def _trigger(self) -> None:
        """Ask for a report, where the charger can be asked."""
        connector = self.socket.connector
        await self.bench.ask(
            ("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": connector})
        )

    async def _obeys(self, amperes: int, within: float = SEEN_SECONDS) -> float:
        return await self._seen(lambda drawn: drawn <= with_tolerance(amperes), within)

    async def _charges(self, amperes: int, within: float = SLOW_SECONDS) -> float:
        return await self._seen(lambda drawn: 1.0 < drawn <= with_tolerance(amperes), within)

    # Steps

    async def _limit(self) -> str:
        """A limit is seen on the current; else the lowest level, and then the next ways are
        tried."""
        tried = []
        for one in self._ways():
            can = one
            try:
                can = await self._counting(can)
                await self._send(HIGH_AMPERES, None, can)
                high = await self._seen(
                    lambda drawn: (
                        with_tolerance(LOW_AMPERES) < drawn <= with_tolerance(HIGH_AMPERES)
                    ),
                    SLOW_SECONDS,
                )
                low = max(LOW_AMPERES, can.floor)
                await self._send(low, None, can)
                drawn = await self._obeys(low)
            except Failed as failed:
                tried.append(joined(": ", (_named(one), str(failed))))
                continue
            self.can = can
            self.facts |= {"way": int(can.way), "level": can.level, "counts_from": can.counts_from}
            return Told(
                "from {1} to {2} A at a limit of {3} A, by {4}",
                Figure(high, 0),
                Figure(drawn, 1),
                low,
                _named(can),
            )
        await self._car()
        self.facts["way"] = int(LimitWay.NONE)
        raise Failed(joined("; ", tried))

    async def _counting(self, can: Ability) -> Ability:
        """Return the same, with from when the charger counts Relative profiles, if it takes no
        Absolute ones: it is set one, and says what results from it."""
        is_first = can.way is LimitWay.TRANSACTION
        if not is_first or await self._told_to(HIGH_AMPERES, HIGH_AMPERES, None, can) == "accepted":
            return can
        car = await self._car()
        age = self.bench.now - seconds(car.since)
        if age < 2 * SLOW_SECONDS:
            await self.bench.sleep(2 * SLOW_SECONDS - age)
        relative = replace(can, counts_from="start")
        if await self._told_to(HIGH_AMPERES, LOW_AMPERES, BOOT_SECONDS, relative) != "accepted":
            raise Failed(Told("it takes neither Absolute nor Relative profiles"))
        later = timedelta(seconds=BOOT_SECONDS + SLOW_SECONDS)
        asked = {
            "connectorId": self.socket.connector,
            "duration": 2 * later.seconds,
            "chargingRateUnit": "A",
        }
        answer = await self.bench.answer(("GetCompositeSchedule", asked))
        schedule = answer.get("chargingSchedule") if isinstance(answer, dict) else None
        when = self.bench.when(self.bench.now)
        told = limit_reported(schedule, when.now, when.now + later)
        if told is None:
            raise Failed(Told("it does not say from when it counts Relative profiles"))
        return relative if told < HIGH_AMPERES else replace(can, counts_from="receipt")

    def _ways(self) -> list[Ability]:
        ways = [
            way
            for way in (LimitWay.TRANSACTION, LimitWay.DEFAULT, LimitWay.CHARGER)
            if way >= self.can.way
        ]
        found = [replace(self.can, way=way) for way in ways]
        if self.can.level:
            found.insert(1, replace(self.can, level=0))
        return found + [replace(self.can, way=LimitWay.KEY)] * (self.can.key is not None)

    async def _ends(self) -> str:
        """The second period comes by itself; with one period only, the default comes back."""
        if not self.can.has_two_periods:
            await self._default(HIGH_AMPERES)
        await self._send(LOW_AMPERES, HIGH_AMPERES)
        sent = self.bench.now
        await self._obeys(LOW_AMPERES)
        await self._seen(
            lambda drawn: drawn > with_tolerance(LOW_AMPERES), LEASE_SECONDS + SLOW_SECONDS
        )
        late = self.bench.now - sent - LEASE_SECONDS
        if abs(late) > SLOW_SECONDS:
            raise Failed(Told("the second period came {1} s beside its time", format(late, "+.0f")))
        await self._obeys(HIGH_AMPERES)
        return Told("after {1} s", Figure(self.bench.now - sent, 0))

    async def _zero(self) -> str:
        """0 A pauses, and the next limit is obeyed."""
        try:
            await self._send(0)
            await self._seen(lambda drawn: drawn < 1.0, SEEN_SECONDS)
        except Failed as failed:
            self.facts["zero"] = False
            self.can = replace(self.can, takes_zero=False, waits=False)
            return Told("it cannot be paused: {1}", str(failed))
        self.facts["zero"] = True
        await self._send(HIGH_AMPERES)
        drawn = await self._charges(HIGH_AMPERES, 2 * SLOW_SECONDS)
        return Told("paused, then {1} A", Figure(drawn, 1))

    async def _least(self) -> str:
        """The least current at which the car still charges."""
        for amperes in LEASTS:
            await self._send(amperes)
            try:
                drawn = await self._charges(amperes, 2 * SEEN_SECONDS)
            except Failed:
                continue
            self.facts["least"] = amperes
            return Told("{1} A at a limit of {2} A", Figure(drawn, 1), amperes)
        raise Failed(Told("it did not charge at {1} A", LEASTS[-1]))

    async def _default(self, safe: int) -> None:
        """Set the default of a trial, which lets whoever starts wait for two minutes."""
        socket = replace(self.socket, safe=safe)
        for can in (self.can, replace(self.can, waits=False)):
            call = profiles.idle(can, socket, LEASE_SECONDS)
            if call is not None and await self.bench.ask(call) == "accepted":
                self.can, self.facts["waits"] = can, can.waits
                return
        raise Failed(Told("it takes no default profile"))

    async def _reset(self) -> str:
        """After a reset, the default holds before anything is sent."""
        await self._default(LOW_AMPERES)
        began = self.bench.now
        state = await self.bench.ask(("Reset", {"type": "Soft"}))
        if state != "accepted":
            raise Failed(Told("Reset: {1}", Told(state)))
        while not await self.bench.booted_since(began):
            if self.bench.now > began + BOOT_SECONDS:
                raise Failed(Told("it did not boot"))
            await self.bench.sleep(LOOK_SECONDS)
        await self._until(
            lambda car: car.transaction is not None and car.is_connected,
            Told("no car is charging any more: plug it in again, and start it"),
        )
        highest, until = 0.0, self.bench.now + SLOW_SECONDS
        while self.bench.now < until:
            await self._trigger()
            await self.bench.sleep(LOOK_SECONDS)
            highest = max(highest, await self._drawn(began) or 0.0)
        if highest > with_tolerance(LOW_AMPERES):
            raise Failed(
                Told("it drew {1} A, and its default is {2} A", Figure(highest, 1), LOW_AMPERES)
            )
        return Told("{1} A at most", Figure(highest, 1))

    async def _link(self) -> str:
        """The link is cut for three minutes; the limit holds until its second period."""
        await self._send(HIGH_AMPERES, LOW_AMPERES)
        await self._charges(HIGH_AMPERES)
        before = await self._car()
        began = self.bench.now
        self.bench.cut(CUT_SECONDS)
        await self.bench.sleep(CUT_SECONDS)
        after = await self._back(before.transaction)
        hours = (self.bench.now - began) / 3600
        if before.energy_wh is None or after.energy_wh is None:
            raise Failed(Told("its register is not known"))
        mean = (after.energy_wh - before.energy_wh) / hours / VOLTS / _lines(before, self.socket)
        allowed = with_tolerance(
            round((HIGH_AMPERES * LEASE_SECONDS + LOW_AMPERES * SLOW_SECONDS) / CUT_SECONDS)
        )
        if mean > allowed:
            raise Failed(
                Told(
                    "it drew {1} A meanwhile, and {2} A were allowed",
                    Figure(mean, 1),
                    Figure(allowed, 1),
                )
            )
        drawn = await self._obeys(LOW_AMPERES, SLOW_SECONDS)
        return Told("{1} A on average, then {2} A", Figure(mean, 1), Figure(drawn, 1))

    async def _back(self, transaction: int | None) -> PluggedIn:
        """Wait until the charger has returned, and told its present register, not one that it had
        kept."""

        def is_back(car: PluggedIn) -> bool:
            return car.is_connected and car.transaction == transaction

        await self._until(is_back, Told("it did not return"))
        fresh = self.bench.now + SEEN_SECONDS
        return await self._until(
            lambda car: (
                is_back(car) and car.reading is not None and seconds(car.reading.at) > fresh
            ),
            Told("it returned, and did not tell its register"),
        )

    async def _waits(self) -> str:
        """A car that is plugged in while the link is cut waits for two minutes."""
        await self._default(LOW_AMPERES)
        before = await self.bench.look()
        began = self.bench.now
        self.bench.cut(CUT_SECONDS)
        await self.bench.sleep(CUT_SECONDS)
        old = None if before is None else before.transaction
        car = await self._until(
            lambda car: car.transaction not in (None, old) and seconds(car.since) > began,
            Told("no car was plugged in and started while the link was cut"),
        )
        drawn = await self._obeys(LOW_AMPERES, SLOW_SECONDS)
        taken, charged = car.energy_wh or 0, self.bench.now - began  # its clock may be wrong
        allowed = max(0.0, charged - LEASE_SECONDS * self.can.waits + SLOW_SECONDS) / 3600
        allowed *= with_tolerance(LOW_AMPERES) * VOLTS * _lines(car, self.socket)
        energy, time = Quantity(taken, "Wh"), Quantity(round(charged), "s")
        if taken > allowed:
            raise Failed(
                Told(
                    "it took {1} in {2}, and {3} were allowed",
                    energy,
                    time,
                    Quantity(round(allowed), "Wh"),
                )
            )
        return Told("{1} in {2}, then {3} A", energy, time, Figure(drawn, 1))


def _lines(car: PluggedIn, socket: Socket) -> int:
    """On how many lines a car charges; 1 if that is not known, which makes a current higher."""
    return (None if car.reading is None else measurements.lines_used(car.reading, socket.most)) or 1


def _named(can: Ability) -> str:
    return Told("way {1}, level {2}", int(can.way), can.level)
