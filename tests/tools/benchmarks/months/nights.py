"""Honest nights of one house: twenty new chargers, whose registers rise side by side, and which
tell no power.

Nothing that they tell is wrong. So whatever was ever for review was so for no reason, and each
figure is that of the meter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final, NamedTuple

from tests.store.books import Books, Station, in_memory
from tests.store.telling import settle

CHARGERS: Final = 20
REGISTERS: Final = {"new": (1000.0, 1000.0), "100 kWh": (100_000.0, 10_000.0)}
"""About where the registers lie at first, and up to how far from there, in Wh."""
WATTS: Final = (3680.0, 7200.0, 7360.0, 11_040.0, 22_080.0)
STEPS_WH: Final = (1, 1, 1, 10, 100, 1000)
IDLE_W: Final = (0.0, 0.0, 1.5, 6.0)
"""What a charger takes for itself, if its own meter counts it."""
QUARTER_SECONDS: Final = 900.0
DAY_SECONDS: Final = 86_400.0
EVENING: Final = 18 * 3600.0
"""When people come home."""
NIGHT: Final = 22 * 3600.0
"""When the cheap tariff begins."""


@dataclass(frozen=True)
class House:
    """Its chargers, the sockets of each, and where their registers lie at first (REGISTERS)."""

    seed: int
    nights: int
    registers: str
    sockets: int = 1


class Message(NamedTuple):
    """What a charger tells, so many seconds after the beginning, and its register in Wh then."""

    at: float
    socket: int
    kind: str
    register: float


class Habit(NamedTuple):
    """How a household charges: each figure varies by this share, in the house and from night to
    night."""

    usual_wh: float
    share: float
    waits_for_the_night: bool


class Found(NamedTuple):
    """What came of a house: its sessions, the reviews that were ever opened by cause, and the wrong
    figures."""

    sessions: int
    causes: Counter[str]
    wrong: int

    def __str__(self) -> str:
        share = 100 * self.causes.total() / max(1, self.sessions)
        causes = ", ".join(f"{code} {count}" for code, count in self.causes.most_common())
        return f"{self.sessions:8}  {share:6.2f} %  {self.wrong:5}  {causes}"


HEAD: Final = "registers  seed  sessions  reviewed  wrong  causes"


def told(seeds: Sequence[int], nights: int) -> bool:
    """Print a line for each house and a total for each kind of registers; return whether nothing
    was for review."""
    print(HEAD)
    is_clean = True
    for registers in REGISTERS:
        houses = [found_in(House(seed, nights, registers)) for seed in seeds]
        causes = sum((one.causes for one in houses), Counter[str]())
        total = Found(sum(one.sessions for one in houses), causes, sum(one.wrong for one in houses))
        for name, one in (*zip(seeds, houses, strict=True), ("all", total)):
            print(f"{registers:9}  {name:>4}  {one}")
        is_clean = is_clean and not causes and not total.wrong
    return is_clean


def found_in(house: House) -> Found:
    """Let the chargers of a house tell all their nights, and count what is for review."""
    chance = Random(house.seed)
    step = chance.choice(STEPS_WH)
    habit = Habit(
        chance.uniform(5000, 15_000), chance.choice((0.05, 0.3, 0.8)), chance.random() < 0.5
    )
    messages = [
        one for socket in range(CHARGERS) for one in _of_socket(house, socket, habit, chance)
    ]
    with closing(in_memory()) as connection:
        books = Books(connection)
        begin = books.now
        names = [f"CP-{number // house.sockets:02}" for number in range(CHARGERS)]
        stations = {name: Station(books, name) for name in names}
        running = dict[int, tuple[int, int]]()
        metered = dict[int, int]()
        for message in sorted(messages):
            books.now = begin + timedelta(seconds=message.at)
            books.settle()
            station, connector = stations[names[message.socket]], 1 + message.socket % house.sockets
            register = int(message.register) // step * step
            if message.kind == "start":
                running[message.socket] = station.start(register, connector), register
                continue
            transaction, started = running[message.socket]
            if message.kind == "reading":
                station.tell(
                    station.register(register), transaction=transaction, connector=connector
                )
            else:
                station.stop(transaction, register)
                metered[transaction] = register - started
        settle(books)
        return _counted(books, metered)


def _of_socket(house: House, socket: int, habit: Habit, chance: Random) -> Iterator[Message]:
    """Yield what one socket tells in its nights: half of them send a reading each quarter of an
    hour."""
    middle, spread = REGISTERS[house.registers]
    register = max(1.0, middle + chance.uniform(-1, 1) * spread)
    watts, idle_w, has_readings = chance.choice(WATTS), chance.choice(IDLE_W), chance.random() < 0.5
    least, most = 1 - habit.share, 1 + habit.share
    usual_wh = habit.usual_wh * chance.uniform(least, most)
    home = NIGHT if habit.waits_for_the_night else EVENING + habit.share * chance.gauss(0, 5400)
    free = 0.0
    for night in range(house.nights):
        come = (
            night * DAY_SECONDS + home + (0 if habit.waits_for_the_night else chance.gauss(0, 2400))
        )
        begun = max(free + 60, come + chance.uniform(0, 30))
        if chance.random() < 0.2:
            continue
        register += idle_w * (begun - free) / 3600
        wanted, rate = usual_wh * chance.uniform(least, most), watts * chance.uniform(0.95, 1)
        ended = begun + wanted / rate * 3600 + chance.choice((30.0, chance.uniform(600, 36_000)))
        yield Message(begun, socket, "start", register)
        at = begun + QUARTER_SECONDS
        while has_readings and at < ended:
            drawn = min(wanted, rate * (at - begun) / 3600) + idle_w * (at - begun) / 3600
            yield Message(at, socket, "reading", register + drawn)
            at += QUARTER_SECONDS
        register += wanted + idle_w * (ended - begun) / 3600
        yield Message(ended, socket, "stop", register)
        free = ended


def _counted(books: Books, metered: dict[int, int]) -> Found:
    causes = Counter(code for (code,) in books.rows("SELECT min(code) FROM review GROUP BY tx_id"))
    billed = dict(books.rows("SELECT id, energy_delivered FROM tx"))
    return Found(
        len(metered), causes, sum(billed[transaction] != wh for transaction, wh in metered.items())
    )
