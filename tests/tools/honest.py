"""Honest houses of another generator (tests.tools.honest_houses), told to the judge: nothing is a
lie, so nothing is to be for review.

Chargers have clocks of their own and coarse registers, report often or not at all, are offline and
tell all later, and reboot. What load management allowed is known as it stores it, by the quarter of
an hour. A session is flagged if it was ever for review, and a pair is asked about if a person was
asked whether it has one meter, or if it was taken for that. `wrong` are the figures that are not
those of the meter. `late` are the sessions of which something came late, and `asked` those of them
of which a price that changes each hour would be more than a cent off what the charger told; `(all)`
counts those in time, too.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import Any, Final, NamedTuple

from levity_trio.billing.pricing import EnergyFlow, divide
from levity_trio.store.billing.evidence import Billed, Needs, evidence_of
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.load.load import LoadCarQuarter
from levity_trio.store.writes.load import load
from levity_trio.wire.times import from_seconds
from tests.store.billed import billed_of
from tests.store.books import Books, Station, in_memory, meter_value
from tests.store.telling import kwh, settle, watts
from tests.store.test_runs import amperes
from tests.tools.honest_houses import CUT, HOUR, NIGHTS, VOLTS, Charger, House, Stay, built, flow

HOUSES: Final = 24
FEEDERS: Final = (16, 25, 32, None)
"""The A that houses share, in turn; None: without load management."""
QUARTER: Final = HOUR / 4
ZERO: Final = timedelta(hours=12)
"""The first day begins so long before the books do: they begin at noon."""
EMPTYING: Final = 10.0
"""After an outage, all that waited is sent within so many seconds, before anything new."""
LATE: Final = 60.0
DECIMALS: Final = {1: 3, 10: 2, 100: 1, 1000: 0}
"""Of a reading in kWh with a last digit of so many Wh."""
CENTS: Final = (10, 40)
"""Of a kWh, hour by hour in turn."""


class Message(NamedTuple):
    """What a charger tells, when it arrives and of when it is, in seconds; or the end of a quarter
    of an hour, for load management."""

    arrives: float
    at: float
    order: int
    kind: str
    charger: int = 0
    stay: int = 0

    @property
    def is_late(self) -> bool:
        return self.kind in ("start", "reading", "stop") and self.arrives - self.at > LATE


def messages(chargers: Sequence[Charger], stays: Sequence[Stay]) -> Iterator[Message]:
    """Yield what all chargers tell, in any order."""
    for number, stay in enumerate(stays):
        charger = chargers[stay.charger]
        for at, order, kind in _of_stay(charger, stay):
            arrives = _arrival(charger, at, kind)
            if arrives is not None:
                yield Message(arrives, at, order, kind, stay.charger, number)
    for number, charger in enumerate(chargers):
        for window in charger.windows:
            yield Message(window.since, window.since, 0, "lose", number)
            kind = "boot" if window.is_reboot else "connect"
            yield Message(window.until, window.until, 0, kind, number)


def _of_stay(charger: Charger, stay: Stay) -> Iterator[tuple[float, int, str]]:
    yield stay.come, 1, "start"
    yield stay.leave, 3, "stop"
    if charger.has_statuses:
        yield stay.come - 4, 0, "Preparing"
        yield stay.come + 2, 2, "Charging"
        yield stay.leave + 3, 4, "Available"
    every = charger.every * 60
    at = stay.come + every
    if every and charger.by_clock:
        at -= (stay.come - charger.behind) % every
    while every and at < stay.leave - 1:
        yield at, 2, "reading"
        at += every


def _arrival(charger: Charger, at: float, kind: str) -> float | None:
    """Return when a message arrives, in the order in which all were made; None: never."""
    window = charger.window(at, after=EMPTYING)
    if window is None:
        return at
    keeps = {"start": True, "stop": True, "reading": charger.keeps_readings}
    if window.is_reboot:
        keeps["reading"] = False  # it measured nothing
    if at < window.until and not keeps.get(kind, False):
        return None
    return max(at, window.until + EMPTYING / 2 + (at - window.since) / 1e4)


def _quarters(stays: Sequence[Stay]) -> Iterator[Message]:
    """Yield the end of each quarter of an hour in which a car is there."""
    spans = [(int(stay.come // QUARTER), int(stay.leave // QUARTER)) for stay in stays]
    for quarter in {one for first, last in spans for one in range(first, last + 1)}:
        end = (quarter + 1) * QUARTER
        yield Message(end + 0.5, end, 9, "quarter")


class Teller:
    """Tells the books of a house what happens there."""

    def __init__(self, books: Books, house: House) -> None:
        self.books, self.house, self.chance = books, house, Random(repr(house))
        self.chargers, self.stays = built(house, self.chance)
        self.courses = flow(house, self.chargers, self.stays)
        self.begin = books.now - ZERO
        self.stations = [
            Station(books, f"CP-{number}", charger.behind / 60)
            for number, charger in enumerate(self.chargers)
        ]
        self.running: dict[int, int] = {}
        """The transaction of each stay."""
        self.metered: dict[int, int] = {}
        self.late: set[int] = set()

    def tell_all(self) -> None:
        for station in self.stations:
            station.boot()
        told = list(messages(self.chargers, self.stays))
        if self.house.feeder is not None:
            names = [station.name for station in self.stations]
            self.books.run(load.manage, names, self.books.at, "anna")
            told += _quarters(self.stays)
        for message in sorted(told):
            self.books.now = max(self.books.now, self.begin + timedelta(seconds=message.arrives))
            self._tell(message)
            if message.is_late:
                self.late.add(message.stay)
            if message.kind != "reading":
                self.books.settle()
        for _ in range(3):
            settle(self.books)

    def _tell(self, message: Message) -> None:
        station, number = self.stations[message.charger], message.stay
        at = station.clock((message.arrives - message.at) / 60)
        match message.kind:
            case "lose":
                station.lose()
            case "connect":
                station.connect()
            case "boot":
                station.connect()
                station.boot()
            case "quarter":
                self._keep_quarter(message.at - QUARTER)
            case "start":
                register = self._register(message, self.chargers[message.charger].step)
                tag = self.stays[number].card
                self.running[number] = station.start(register, tag=tag, at=at)
                self.metered[number] = -register
            case "stop":
                register = self._register(message, self.chargers[message.charger].step)
                reason = "PowerLoss" if CUT in self.stays[number].story else "EVDisconnected"
                station.stop(self.running[number], register, at=at, reason=reason)
                self.metered[number] += register
            case "reading":
                value = meter_value(at, *self._samples(message))
                station.tell(value, transaction=self.running[number])
            case status:
                station.status(status)

    def _register(self, message: Message, step: int) -> int:
        age = self.chargers[message.charger].age
        wh = self.courses[message.charger].register(message.at - age)
        return int(wh) // step * step

    def _samples(self, message: Message) -> Iterator[Any]:
        charger, phases = self.chargers[message.charger], self.stays[message.stay].phases
        wh = self._register(message, charger.reading_step)
        yield kwh(wh, DECIMALS[charger.reading_step]) if charger.in_kwh else wh
        power = self.courses[message.charger].pace(message.at) * self.chance.uniform(0.99, 1.01)
        if charger.tells == "power":
            yield watts(round(power))
        elif charger.tells == "current":
            drawn_a = round(power / VOLTS / phases, 1)
            yield from amperes(*[drawn_a] * phases, *[0.0] * (3 - phases))

    def _keep_quarter(self, since: float) -> None:
        """Store what each car was allowed in a quarter of an hour, as load management does."""
        cars: dict[int, LoadCarQuarter] = {}
        for number, transaction in self.running.items():
            stay = self.stays[number]
            begun, ended = max(since, stay.come), min(since + QUARTER, stay.leave)
            if begun >= ended:
                continue
            turns = [begun, *(at for at, _ in stay.leases if begun < at < ended), ended]
            allowed = sum(stay.allowed(one) * (then - one) for one, then in pairwise(turns))
            course, hours = self.courses[stay.charger], (ended - begun) / HOUR
            drawn_w = (course.register(ended) - course.register(begun)) / hours
            cars[stay.charger] = LoadCarQuarter(
                quarter=int((self.begin + timedelta(seconds=since)).timestamp() // QUARTER),
                charger=self.stations[stay.charger].name,
                connector=1,
                transaction=transaction,
                limit_mean=allowed / (ended - begun),
                drawn_mean=drawn_w / VOLTS / stay.phases,
                bound="circuit",
                circuit="Feeder",
            )
        self.books.run(load.keep_quarter, [], [*cars.values()])

    def story(self, number: int) -> str:
        """Return a stay in a line."""
        stay, transaction = self.stays[number], self.running[number]
        charger = self.chargers[stay.charger]
        begun = self.begin + timedelta(seconds=stay.come)
        notes = [*stay.story, *(["late"] if number in self.late else [])]
        return (
            f"CP-{stay.charger}, transaction {transaction}, {begun:%d %b %H:%M} for "
            f"{(stay.leave - stay.come) / HOUR:.1f} h, {self.metered[number]} Wh; "
            f"{', '.join(notes) or 'plain'}; {_kind(charger)}, {stay.phases} phases"
        )


def _kind(charger: Charger) -> str:
    unit = "kWh" if charger.in_kwh else "Wh"
    return (
        f"each {charger.every} min, tells {charger.tells}, steps of {charger.step} Wh, readings of "
        f"{charger.reading_step} in {unit}, register at first {charger.begun_wh:.0f}, clock "
        f"{charger.behind:+.0f} s behind"
    )


class Found(NamedTuple):
    """What became of a house, or of all: counts by the words of the head, the causes of reviews,
    and a line for all that is counted."""

    counts: Counter[str]
    causes: Counter[str]
    stories: list[str]

    def __str__(self) -> str:
        share = 100 * self.counts["flagged"] / max(1, self.counts["sessions"])
        figures = " ".join(f"{self.counts[one]:>{len(one)}}" for one in COLUMNS)
        causes = ", ".join(f"{code} {count}" for code, count in self.causes.most_common())
        return f"{figures} {share:5.2f} %  {causes}"


COLUMNS: Final = ("sessions", "flagged", "wrong", "pairs", " late", "asked", "(all)")
HEAD: Final = f"house feeder {' '.join(COLUMNS)} flagged"


def found_in(house: House) -> Found:
    """Let the chargers of a house tell all their nights, and count what is asked about."""
    with closing(in_memory()) as connection:
        teller = Teller(Books(connection), house)
        teller.tell_all()
        return counted(teller)


def counted(teller: Teller) -> Found:
    books, stories = teller.books, list[str]()
    reviews = books.rows("SELECT tx_id, code, words, resolved_at FROM review ORDER BY id")
    flagged = {transaction for transaction, *_ in reviews}
    counts = Counter({"sessions": len(teller.running), "flagged": len(flagged)})
    counts[" late"] = len(teller.late)
    stays = {transaction: number for number, transaction in teller.running.items()}
    for transaction, code, words, resolved_at in reviews:
        state = "open" if resolved_at is None else "resolved"
        stories.append(f"{code}, {state}: {teller.story(stays[transaction])}: {words}")
    names = [station.name for station in teller.stations]
    for name, other, at, is_shown in books.rows(
        "SELECT cp_id, other_cp_id, at, is_shown FROM meter_pair ORDER BY id"
    ):
        counts["pairs"] += 1
        both = [_kind(teller.chargers[names.index(one)]) for one in (name, other)]
        what = "taken for one meter" if is_shown else "asked whether they have one meter"
        stories.append(f"{name} and {other}, {what} at {at}: {'; '.join(both)}")
    for transaction, wh, confidence in books.rows(
        "SELECT id, energy_delivered, confidence FROM tx"
    ):
        number = stays[transaction]
        if wh != teller.metered[number]:
            counts["wrong"] += 1
            stories.append(f"wrong: {teller.story(number)}: {wh} Wh, {confidence}")
        cents = _cents_off(books, transaction) if confidence == "certain" else 0.0
        if abs(cents) > 1:
            counts["(all)"] += 1
            counts["asked"] += number in teller.late
            stories.append(f"course: {teller.story(number)}: {cents:+.1f} cents")
    causes = Counter(code for _, code, *_ in reviews)
    return Found(counts, causes, [f"house {teller.house.seed}, {one}" for one in stories])


def _cents_off(books: Books, transaction: int) -> float:
    """Return by how much a price by the hour is off that of the course that was told."""
    billed = billed_of(books, transaction)
    as_told = billed._replace(is_as_told=True)
    return books.run(_cents, billed) - books.run(_cents, as_told)


def _cents(db: UnitOfWork, billed: Billed) -> float:
    hours = range(int(billed.since.timestamp() // HOUR), int(billed.until.timestamp() // HOUR))
    seams = tuple(from_seconds((hour + 1) * HOUR) for hour in hours)
    found = evidence_of(db.rows, billed, Needs(course=True, stay=False, seams=seams))
    flowed = EnergyFlow(billed.since, billed.until, billed.wh, found.levels, found.powers)
    parts = divide(flowed, seams).parts
    return sum(wh * CENTS[place % 2] / 1000 for place, wh in enumerate(parts))


def houses(number: int, nights: int) -> Iterator[House]:
    for seed in range(1, number + 1):
        yield House(seed, nights, FEEDERS[(seed - 1) % len(FEEDERS)])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.honest", description=__doc__)
    parser.add_argument("--houses", type=int, default=HOUSES, help="[%(default)s]")
    parser.add_argument("--nights", type=int, default=NIGHTS, help="of each [%(default)s]")
    chosen = parser.parse_args(arguments)
    print(HEAD, flush=True)
    total = Found(Counter(), Counter(), [])
    for house in houses(chosen.houses, chosen.nights):
        found = found_in(house)
        print(f"{house.seed:5} {house.feeder or '-':>6} {found}", flush=True)
        total.counts.update(found.counts)
        total.causes.update(found.causes)
        total.stories.extend(found.stories)
    print(f"  all        {total}", *total.stories, sep="\n")
    return 1 if total.stories else 0


if __name__ == "__main__":
    sys.exit(main())
