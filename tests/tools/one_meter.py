"""Two chargers that have one meter, told to the judge, and what becomes of it: both errors in one
table.

Each story is a house of two chargers at which two cars meet on some nights. `found`: each session
in which both counted what one of them took is for review because of its meter. `by power`: it is
for review for another reason. `asked`: the owner is asked about the pair. `silent`: a certain
figure counts what the other car took, and nobody is asked. `by meter`: of the silent ones, those
that the month's reconciliation shows where a meter of the house stands above both.

`own` is the same house with two meters, whose registers begin alike: honest, so nothing is to be
found. `visible` is in how many stories at least four seams are visible.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import product, repeat
from random import Random
from typing import Final, NamedTuple

from levity_trio.billing.ownership import TimeSpan
from levity_trio.store.reads.money.meters import reconciliation
from levity_trio.store.writes.money import meters
from levity_trio.store.writes.money.meters import HAND, GivenReading, MeterData
from levity_trio.wire.times import stamp
from tests.store.books import Books, Station, in_memory, meter_value
from tests.store.reading import reading
from tests.store.telling import settle, watts

EVERY: Final = (1, 15, 60, 0)
"""Minutes between two readings; 0: none."""
WATTS: Final = (7400, 11_000, 18_400)
MEETINGS: Final = (1, 2, 3, 4)
SEEDS: Final = 50
BEGIN: Final = datetime(2026, 4, 1, tzinfo=UTC)
EVENING: Final = 18 * 60.0
DAY: Final = 24 * 60.0
VISIBLE: Final = 4
APART: Final = 12.0
"""So many minutes lie between two starts or stops of a night, at least."""
SHORT: Final = 6.0
"""In a shorter time, in minutes, no pace is seen."""
HOURS: Final = 5
"""In which no car is full, if nothing is read."""


class House(NamedTuple):
    """Two chargers of a story: whether they tell the power of their car, how often a reading comes,
    and what a car draws. `is_one`: they have one meter."""

    seed: int
    every: int
    watts: int
    meetings: int
    tells_power: bool = False
    is_one: bool = True


class Stay(NamedTuple):
    """A car at a charger, in minutes from the beginning: it draws until it is full."""

    charger: int
    begun: float
    full: float
    ended: float
    watts: float

    def drawn(self, at: float) -> float:
        """Return what it has drawn until then, in Wh."""
        return self.watts * max(0.0, min(at, self.full) - self.begun) / 60


class Outcome(NamedTuple):
    """What became of a story: how many seams can be seen, and its kind, as the head names it."""

    sessions: int
    visible: int
    kind: str
    flagged: int


def stays(house: House, chance: Random) -> list[Stay]:
    """Return the cars of all nights: two of each night meet."""
    found: list[Stay] = []
    for night in range(house.meetings):
        first = chance.randrange(2)
        come = night * DAY + EVENING + chance.uniform(-90, 90)
        later = come + chance.uniform(APART, 120)
        gone = later + chance.uniform(60, 240)
        after = gone + chance.uniform(APART, 180)
        # Either may be the last to leave.
        ends = (gone, after) if chance.random() < 0.5 else (after, gone)
        for charger, begun, ended in ((first, come, ends[0]), (1 - first, later, ends[1])):
            power = house.watts if charger == 0 else chance.choice(WATTS)
            is_full = chance.random() < 0.15
            full = chance.uniform(later + APART, ended) if is_full else ended
            found.append(Stay(charger, begun, full, ended, power * chance.uniform(0.97, 1)))
    return found


def seams(house: House, found: Sequence[Stay]) -> int:
    """Return how many starts and stops within the other's session can be seen: both cars draw at
    it, and on each side there is a reading, or another start or stop, before a car is full."""
    ends = [at for one in found for at in (one.begun, one.ended)]
    full = [one.full for one in found if one.full < one.ended]
    count = 0
    for stay, other in product(found, found):
        for at, is_drawing in ((stay.begun, True), (stay.ended, stay.full == stay.ended)):
            is_within = stay.charger != other.charger and other.begun < at < other.full
            nearest_end = min(abs(at - one) for one in ends if one != at)
            nearest_full = min((abs(at - one) for one in full), default=DAY)
            # Without readings, the pace until the next start or stop is of both.
            unread = house.every * 2 if house.every else HOURS * 60
            is_shown = nearest_end >= SHORT and nearest_full >= SHORT + unread
            count += is_within and is_drawing and is_shown
    return count


class Message(NamedTuple):
    at: float
    stay: int
    kind: str


def messages(house: House, found: Sequence[Stay], chance: Random) -> Iterator[Message]:
    """Yield what the chargers tell, in order of time. Readings come with the clock, or as long
    after the start."""
    by_clock = chance.random() < 0.5
    for number, stay in enumerate(found):
        yield Message(stay.begun, number, "start")
        at = stay.begun
        if house.every:
            at += house.every - (stay.begun % house.every if by_clock else 0)
            while at < stay.ended - 0.05:
                yield Message(at, number, "reading")
                at += house.every
        yield Message(stay.ended, number, "stop")


def told(house: House) -> Outcome:
    """Tell a story to the judge."""
    chance = Random(repr(house))
    found = stays(house, chance)
    step = chance.choice((1, 1, 10, 100))
    old = chance.choice((130.0, 2000.0, 100_000.0, 4_000_000.0))
    aged = [chance.uniform(0, 5) / 60 for _ in range(2)]  # how old a register is when it is sent
    begun = [old, old + chance.random() * chance.choice((0.0, 20.0, 2000.0))]

    def register(charger: int, at: float) -> int:
        counted = [one for one in found if house.is_one or one.charger == charger]
        wh = begun[0 if house.is_one else charger]
        wh += sum(stay.drawn(at - aged[charger]) for stay in counted)
        return int(wh) // step * step

    with closing(in_memory()) as connection:
        books = Books(connection)
        books.now = BEGIN
        clocks = [chance.uniform(-2, 2) / 60 for _ in range(2)]
        stations = [Station(books, f"CP-{number}", clocks[number]) for number in range(2)]
        running: dict[int, int] = {}
        for message in sorted(messages(house, found, chance)):
            books.now = BEGIN + timedelta(minutes=message.at)
            books.settle()
            stay = found[message.stay]
            station, wh = stations[stay.charger], register(stay.charger, message.at)
            if message.kind == "start":
                running[message.stay] = station.start(wh)
            elif message.kind == "stop":
                station.stop(running[message.stay], wh)
            else:
                power = stay.watts if message.at <= stay.full else 0
                samples = [watts(round(power))] if house.tells_power else []
                station.tell(
                    meter_value(station.clock(), wh, *samples), transaction=running[message.stay]
                )
        for _ in range(3):
            settle(books)
        return outcome(books, house, found, running, step)


def outcome(
    books: Books, house: House, found: Sequence[Stay], running: dict[int, int], step: int
) -> Outcome:
    """Compare what is billed with what each car took, and a meter of the house with both."""
    wrong = 0
    for number, transaction in running.items():
        stay = found[number]
        wh, confidence = books.row(
            "SELECT energy_delivered, confidence FROM tx WHERE id = ?", transaction
        )
        is_right = abs(wh - stay.drawn(stay.ended)) <= 2 * step + 0.2 * stay.watts / 60
        wrong += confidence == "certain" and not is_right
    flagged = {code for (code,) in books.rows("SELECT code FROM review")}
    count = books.value("SELECT count(DISTINCT tx_id) FROM review")
    kind = "right"
    if wrong:
        kind = "asked" if books.count("meter_pair") else "silent"
        if kind == "silent" and _is_metered(books, found):
            kind = "by meter"
    elif flagged:
        kind = "found" if "shared_register" in flagged else "by power"
    elif books.count("meter_pair"):
        kind = "asked"
    return Outcome(len(found), seams(house, found), kind, count)


def _is_metered(books: Books, found: Sequence[Stay]) -> bool:
    """Whether a meter of the house above both chargers shows that they billed too much."""
    data = MeterData("House", 1.0, 2.0, None, stamp(BEGIN))
    meter = books.run(meters.add, data, books.at, "anna")
    taken = sum(stay.drawn(stay.ended) for stay in found)
    for at, wh in ((stamp(BEGIN), 0.0), (books.at, taken)):
        shown = GivenReading(str(meter), at, f"{wh / 1000:.1f}", "kWh")
        books.run(meters.read, shown, HAND, books.at, "anna")
    span = TimeSpan(stamp(BEGIN), "2026-05-01T00:00:00.000Z")
    with reading(books) as db:
        (compared,) = reconciliation(db, "2026-04", span, books.at).meters
    return compared.differs


KINDS: Final = ("found", "by power", "asked", "by meter", "silent", "right")
HEAD: Final = "meter power every     kW meet visible  seen " + " ".join(
    f"{one:>8}" for one in KINDS
)


class Row(NamedTuple):
    """The stories of one kind of house."""

    house: House
    outcomes: Sequence[Outcome]

    def __str__(self) -> str:
        house, kinds = self.house, Counter(one.kind for one in self.outcomes)
        seen = [one for one in self.outcomes if one.visible >= VISIBLE]
        found = sum(one.kind == "found" for one in seen)
        return (
            f"{'one' if house.is_one else 'own':5} {'told' if house.tells_power else 'none':5} "
            f"{house.every or 'none':>5} {house.watts / 1000:6} {house.meetings:4} {len(seen):7} "
            f"{found:5} " + " ".join(f"{kinds[kind]:8}" for kind in KINDS)
        )


def houses(*, is_one: bool) -> Iterator[House]:
    for power, every, kw, meetings in product((False, True), EVERY, WATTS, MEETINGS):
        yield House(0, every, kw, meetings, power, is_one)


def told_row(house: House, seeds: int) -> Row:
    return Row(house, [told(house._replace(seed=seed)) for seed in range(1, seeds + 1)])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.one_meter", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each kind [%(default)s]")
    parser.add_argument("--own", action="store_true", help="two meters, in place of one")
    parser.add_argument("--jobs", type=int, default=1, help="at a time [%(default)s]")
    chosen = parser.parse_args(arguments)
    print(HEAD, flush=True)
    kinds, sessions, flagged, seen, found = Counter[str](), 0, 0, 0, 0
    with ProcessPoolExecutor(chosen.jobs) as pool:
        rows = pool.map(told_row, houses(is_one=not chosen.own), repeat(chosen.seeds))
        for row in rows:
            print(row, flush=True)
            for one in row.outcomes:
                kinds[one.kind] += 1
                sessions, flagged = sessions + one.sessions, flagged + one.flagged
                if one.visible >= VISIBLE and not row.house.tells_power:
                    seen, found = seen + 1, found + (one.kind == "found")
    print(
        f"{kinds.total()} stories, {sessions} sessions, {flagged} of them for review:",
        *kinds.items(),
    )
    print(f"with four visible seams and no power told: {found} of {seen} are found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
