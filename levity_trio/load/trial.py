"""The trial of a charger: fifteen minutes with a car, after which it is known how its firmware
obeys.

Each step sends a limit whose lease ends after two minutes, and looks at what the car draws. Nothing
is believed that was not seen. What was found holds for all chargers with the same firmware.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

import trio

from levity_trio.access.offline import may_start
from levity_trio.charging.sent.evidence import seconds, timestamp_of
from levity_trio.load import measurements, profiles
from levity_trio.load.lease import lasting, with_tolerance
from levity_trio.load.profiles import Ability, Call, LimitWay
from levity_trio.load.rule import VOLTS
from levity_trio.load.sender import ACCEPTED, LimitSender
from levity_trio.load.tree import Socket
from levity_trio.operations.limits import limit_reported
from levity_trio.records import record
from levity_trio.store.reads.load.leases import managed_chargers
from levity_trio.store.reads.load.load import PluggedIn, load_present
from levity_trio.store.reads.reader import Reader
from levity_trio.told import N_, Figure, Quantity, Told, joined, stored_in

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
REFUSALS: Final = (
    N_("rejected"),
    N_("error"),
    N_("timed out"),
    N_("gone"),
    N_("expired"),
    N_("cancelled"),
    N_("not possible"),
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
    """One trial. Times are those of the site's clock, in seconds since 1970."""

    sender: LimitSender
    reader: Reader
    socket: Socket
    can: Ability
    store: Callable[[str], Awaitable[None]]
    """It is called with `stored` whenever that has changed."""
    speed: int
    steps: list[TrialStep] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def stored(self) -> str:
        """The steps so far, as they are stored."""
        return stored_in([asdict(step) for step in self.steps])

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
            await self.store(self.stored)
            try:
                words, is_passed = await run(), True
            except Failed as failed:
                words, is_passed = str(failed), False
            self.steps[-1] = TrialStep(step=step, is_passed=is_passed, words=words)
            await self.store(self.stored)
            # Each later step is shown by limits that are obeyed.
            if step == "limit" and not is_passed:
                break
        has_passed = all(step.is_passed for step in self.steps)
        self.facts["passed"] = has_passed
        return has_passed

    # What is sent and seen

    async def _ask(self, call: Call) -> str:
        """Send a CALL and return how it ended."""
        return await self.sender.tell(self.socket.place, call, "trial")

    async def _set_limit(
        self, amperes: int, then: int | None = None, can: Ability | None = None
    ) -> None:
        """Send a limit, which becomes another one after two minutes if `then` is given. Raises
        Failed if it is refused."""
        state = await self._set_lease(can or self.can, amperes, then)
        if state != ACCEPTED:
            raise Failed(Told("a limit of {1} A: {2}", amperes, Told(state)))

    async def _set_lease(
        self, can: Ability, amperes: int, then: int | None = None, lasts: float = LEASE_SECONDS
    ) -> str:
        """Send a limit, and another after so many seconds if `then` is given; return how that
        ended."""
        car = await self._charging_car()
        lease = lasting(amperes, self.sender.now, car.transaction)
        if then is not None:
            lease = replace(lease, ends=lease.sent + lasts, safe=then)
        call = profiles.limit(can, self.socket, lease, self.sender.when(car), None)
        return Told("not possible") if call is None else await self._ask(call)

    async def _sleep(self, seconds: float) -> None:
        await trio.sleep(seconds / self.speed)

    async def _cut_link(self) -> None:
        self.sender.chargers.cut(self.socket.charger, CUT_SECONDS / self.speed)
        await self._sleep(CUT_SECONDS)

    async def _plugged_in(self) -> PluggedIn | None:
        at = timestamp_of(self.sender.now)
        present = await self.reader.run(partial(load_present, now=at))
        for car in present.cars:
            if car.place == self.socket.place:
                return car
        return None

    async def _charging_car(self) -> PluggedIn:
        car = await self._plugged_in()
        if car is None or car.transaction is None:
            raise Failed(Told("no car is charging: plug one in, and start it"))
        return car

    async def _until(self, fits: Callable[[PluggedIn], bool], words: str) -> PluggedIn:
        """Wait until the car at the connector is as it must be. Raises Failed with these words."""
        until = self.sender.now + BOOT_SECONDS
        while self.sender.now < until:
            car = await self._plugged_in()
            if car is not None and fits(car):
                return car
            await self._wait_for_report()
        raise Failed(words)

    async def _wait_for_report(self) -> None:
        """Ask for a report, where the charger can be asked, and wait a little."""
        await self.sender.ask_for_report(self.socket)
        await self._sleep(LOOK_SECONDS)

    async def _drawn(self, since: float) -> float | None:
        """Return what the car draws on its highest line, by a report after a time; None if there
        was none."""
        car = await self._plugged_in()
        if car is None or car.reading is None or seconds(car.reading.at) <= since:
            return None
        lines = measurements.lines_used(car.reading, self.socket.most)
        drawn = measurements.drawn(car, self.socket, lines)
        return None if drawn is None else drawn.least

    async def _seen(self, fits: Callable[[float], bool], within: float) -> float:
        """Wait until a report shows a current that fits. Raises Failed."""
        since, last = self.sender.now, None
        while self.sender.now < since + within:
            await self._wait_for_report()
            drawn = await self._drawn(since)
            if drawn is not None:
                last = drawn
                if fits(drawn):
                    return drawn
        if last is None:
            seen = Told("no report of its current came")
        else:
            seen = Told("it drew {1} A", Figure(last, 1))
        raise Failed(Told("{1} within {2} s", seen, Figure(within, 0)))

    async def _obeys(self, amperes: int, within: float = SEEN_SECONDS) -> float:
        return await self._seen(lambda drawn: drawn <= with_tolerance(amperes), within)

    async def _charges(self, amperes: int, within: float = SLOW_SECONDS) -> float:
        return await self._seen(lambda drawn: 1.0 < drawn <= with_tolerance(amperes), within)

    # Steps

    async def _limit(self) -> str:
        """Show that a limit is seen on the current; else at the lowest level, and then in the next
        ways."""
        ways = [LimitWay.TRANSACTION, LimitWay.DEFAULT, LimitWay.CHARGER]
        abilities = [replace(self.can, way=way) for way in ways if way >= self.can.way]
        if self.can.level:
            abilities.insert(1, replace(self.can, level=0))
        if self.can.key is not None:
            abilities.append(replace(self.can, way=LimitWay.KEY))

        tried: list[str] = []
        above_low = with_tolerance(LOW_AMPERES)
        for ability in abilities:
            try:
                can = await self._counting(ability)
                await self._set_limit(HIGH_AMPERES, None, can)
                high = await self._seen(
                    lambda drawn: above_low < drawn <= with_tolerance(HIGH_AMPERES), SLOW_SECONDS
                )
                low = max(LOW_AMPERES, can.floor)
                await self._set_limit(low, None, can)
                drawn = await self._obeys(low)
            except Failed as failed:
                tried.append(joined(": ", (_named(ability), str(failed))))
                continue
            self.can = can
            self.facts |= {"way": int(can.way), "level": can.level, "counts_from": can.counts_from}
            shown = Figure(high, 0), Figure(drawn, 1), low, _named(can)
            return Told("from {1} to {2} A at a limit of {3} A, by {4}", *shown)
        await self._charging_car()
        self.facts["way"] = int(LimitWay.NONE)
        raise Failed(joined("; ", tried))

    async def _counting(self, can: Ability) -> Ability:
        """Return an ability with from when the charger counts Relative profiles, if it takes no
        Absolute ones: it is set one, and says what results from it."""
        if can.way is not LimitWay.TRANSACTION:
            return can
        if await self._set_lease(can, HIGH_AMPERES) == ACCEPTED:
            return can

        # The transaction must be so old that its start and now lead to different answers.
        car = await self._charging_car()
        age = self.sender.now - seconds(car.since)
        if age < 2 * SLOW_SECONDS:
            await self._sleep(2 * SLOW_SECONDS - age)
        relative = replace(can, counts_from="start")
        state = await self._set_lease(relative, HIGH_AMPERES, LOW_AMPERES, BOOT_SECONDS)
        if state != ACCEPTED:
            raise Failed(Told("it takes neither Absolute nor Relative profiles"))

        later = timedelta(seconds=BOOT_SECONDS + SLOW_SECONDS)
        payload = {
            "connectorId": self.socket.connector,
            "duration": 2 * later.seconds,
            "chargingRateUnit": "A",
        }
        call = "GetCompositeSchedule", payload
        result = await self.sender.result(self.socket.charger, call)
        answer = None if result is None else result.answer
        schedule = answer.get("chargingSchedule") if isinstance(answer, dict) else None
        now = self.sender.when(car).now
        limit = limit_reported(schedule, now, now + later)
        if limit is None:
            raise Failed(Told("it does not say from when it counts Relative profiles"))
        return relative if limit < HIGH_AMPERES else replace(can, counts_from="receipt")

    async def _ends(self) -> str:
        """Show that the second period comes by itself; with one period only, the default comes
        back."""
        if not self.can.has_two_periods:
            await self._set_default(HIGH_AMPERES)
        await self._set_limit(LOW_AMPERES, HIGH_AMPERES)
        sent = self.sender.now
        await self._obeys(LOW_AMPERES)
        within = LEASE_SECONDS + SLOW_SECONDS
        await self._seen(lambda drawn: drawn > with_tolerance(LOW_AMPERES), within)
        late = self.sender.now - sent - LEASE_SECONDS
        if abs(late) > SLOW_SECONDS:
            beside = format(late, "+.0f")
            raise Failed(Told("the second period came {1} s beside its time", beside))
        await self._obeys(HIGH_AMPERES)
        return Told("after {1} s", Figure(self.sender.now - sent, 0))

    async def _zero(self) -> str:
        """Show that 0 A pauses, and that the next limit is obeyed."""
        try:
            await self._set_limit(0)
            await self._seen(lambda drawn: drawn < 1.0, SEEN_SECONDS)
        except Failed as failed:
            self.facts["zero"] = False
            self.can = replace(self.can, takes_zero=False, waits=False)
            return Told("it cannot be paused: {1}", str(failed))
        self.facts["zero"] = True
        await self._set_limit(HIGH_AMPERES)
        drawn = await self._charges(HIGH_AMPERES, 2 * SLOW_SECONDS)
        return Told("paused, then {1} A", Figure(drawn, 1))

    async def _least(self) -> str:
        """Find the least current at which the car still charges."""
        for amperes in LEASTS:
            await self._set_limit(amperes)
            try:
                drawn = await self._charges(amperes, 2 * SEEN_SECONDS)
            except Failed:
                continue
            self.facts["least"] = amperes
            return Told("{1} A at a limit of {2} A", Figure(drawn, 1), amperes)
        raise Failed(Told("it did not charge at {1} A", LEASTS[-1]))

    async def _set_default(self, safe: int) -> None:
        """Set the default of a trial, which lets whoever starts wait for two minutes."""
        socket = replace(self.socket, safe=safe)
        for can in (self.can, replace(self.can, waits=False)):
            call = profiles.idle(can, socket, LEASE_SECONDS)
            if call is not None and await self._ask(call) == ACCEPTED:
                self.can = can
                self.facts["waits"] = can.waits
                return
        raise Failed(Told("it takes no default profile"))

    async def _reset(self) -> str:
        """Show that after a reset the default holds before anything is sent."""
        await self._set_default(LOW_AMPERES)
        charger, began = self.socket.charger, self.sender.now
        boot = (await self.reader.run(managed_chargers))[charger].boot
        state = await self.sender.ask(charger, ("Reset", {"type": "Soft"}))
        if state != ACCEPTED:
            raise Failed(Told("Reset: {1}", Told(state)))
        while True:
            managed = await self.reader.run(managed_chargers)
            if managed[charger].boot != boot:
                break
            if self.sender.now > began + BOOT_SECONDS:
                raise Failed(Told("it did not boot"))
            await self._sleep(LOOK_SECONDS)
        words = Told("no car is charging any more: plug it in again, and start it")
        await self._until(lambda car: car.transaction is not None and car.is_connected, words)

        highest, until = 0.0, self.sender.now + SLOW_SECONDS
        while self.sender.now < until:
            highest = max(highest, await self._seen(lambda _: True, SLOW_SECONDS))
        figure = Figure(highest, 1)
        if highest > with_tolerance(LOW_AMPERES):
            raise Failed(Told("it drew {1} A, and its default is {2} A", figure, LOW_AMPERES))
        return Told("{1} A at most", figure)

    async def _link(self) -> str:
        """Show that a limit holds until its second period while the link is cut for three
        minutes."""
        await self._set_limit(HIGH_AMPERES, LOW_AMPERES)
        await self._charges(HIGH_AMPERES)
        before = await self._charging_car()
        began = self.sender.now
        await self._cut_link()

        def is_back(car: PluggedIn) -> bool:
            return car.is_connected and car.transaction == before.transaction

        def has_told(car: PluggedIn) -> bool:
            return is_back(car) and car.reading is not None and seconds(car.reading.at) > fresh

        # It must have told its present register, not one that it had kept.
        await self._until(is_back, Told("it did not return"))
        fresh = self.sender.now + SEEN_SECONDS
        after = await self._until(has_told, Told("it returned, and did not tell its register"))
        hours = (self.sender.now - began) / 3600
        if before.energy_wh is None or after.energy_wh is None:
            raise Failed(Told("its register is not known"))

        watts = (after.energy_wh - before.energy_wh) / hours
        mean = watts / VOLTS / _lines(before, self.socket)
        ampere_seconds = HIGH_AMPERES * LEASE_SECONDS + LOW_AMPERES * SLOW_SECONDS
        allowed = with_tolerance(round(ampere_seconds / CUT_SECONDS))
        figure = Figure(mean, 1)
        if mean > allowed:
            most = Figure(allowed, 1)
            raise Failed(Told("it drew {1} A meanwhile, and {2} A were allowed", figure, most))
        drawn = await self._obeys(LOW_AMPERES, SLOW_SECONDS)
        return Told("{1} A on average, then {2} A", figure, Figure(drawn, 1))

    async def _waits(self) -> str:
        """Show that a car that is plugged in while the link is cut waits for two minutes."""
        await self._set_default(LOW_AMPERES)
        before = await self._plugged_in()
        old = None if before is None else before.transaction
        began = self.sender.now
        await self._cut_link()
        managed = await self.reader.run(managed_chargers)
        words = Told("no car was plugged in and started while the link was cut")
        try:
            car = await self._until(
                lambda car: car.transaction not in (None, old) and seconds(car.since) > began, words
            )
        except Failed:
            if may_start(managed[self.socket.charger].keys):
                raise
            return Told("it cannot charge without us")
        drawn = await self._obeys(LOW_AMPERES, SLOW_SECONDS)

        # What it had taken when its start came says nothing. Its clock may be wrong, so the time is
        # ours.
        taken, charged = (await self._charging_car()).energy_wh, self.sender.now - began
        if taken is None:
            raise Failed(Told("its register is not known"))
        waits = LEASE_SECONDS if self.can.waits else 0.0
        hours = max(0.0, charged - waits + SLOW_SECONDS) / 3600
        allowed = hours * (with_tolerance(LOW_AMPERES) * VOLTS * _lines(car, self.socket))
        energy, time = Quantity(taken, "Wh"), Quantity(round(charged), "s")
        if taken > allowed:
            most = Quantity(round(allowed), "Wh")
            raise Failed(Told("it took {1} in {2}, and {3} were allowed", energy, time, most))
        return Told("{1} in {2}, then {3} A", energy, time, Figure(drawn, 1))


def _lines(car: PluggedIn, socket: Socket) -> int:
    """Return on how many lines a car charges; 1 if that is not known, which makes a current
    higher."""
    if car.reading is None:
        return 1
    return measurements.lines_used(car.reading, socket.most) or 1


def _named(can: Ability) -> str:
    return Told("way {1}, level {2}", int(can.way), can.level)
