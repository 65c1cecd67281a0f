"""A year of a house with prices that move and sun of its own, closed month by month, against a
program beside the program."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from heapq import heappop, heappush
from itertools import count, pairwise
from random import Random
from typing import Any, Final, NamedTuple

import pytest

from levity_trio.billing.months import Month
from levity_trio.billing.statement import Position
from levity_trio.prices import reading as documents
from levity_trio.store.billing.statements import statement
from levity_trio.store.engine.database import rows_of
from levity_trio.store.keeping import checking
from levity_trio.store.reads.money import months
from levity_trio.store.upkeep import derived
from levity_trio.store.writes.money.tariffs import SeriesData, add_prices, set_series
from levity_trio.store.writes.people.ownership import Said
from levity_trio.wire.times import from_seconds
from tests.sizes import size
from tests.store.bills import BERLIN, Biller, correct
from tests.store.books import Books, Station, meter_value
from tests.store.owning import House
from tests.store.reading import reading
from tests.store.recomputed import (
    DAY,
    QUARTER,
    SUN,
    Cost,
    Lines,
    Measured,
    Moving,
    OwnSun,
    Prices,
    Taken,
    Version,
    Window,
    half_up,
    lines,
    parts,
)
from tests.store.telling import watts

pytestmark = pytest.mark.sqlite  # about money, which is the same on both stores

YEAR: Final = 2026
BEGIN: Final = int(datetime(YEAR, 1, 1, tzinfo=BERLIN).timestamp())
END: Final = int(datetime(YEAR + 1, 1, 1, tzinfo=BERLIN).timestamp())
LONG_AGO: Final = f"{YEAR - 1}-01-01T00:00:00.000Z"
HOUSEHOLDS: Final = 16
CHARGERS: Final = 20
BELOW: Final = 16
"""So many chargers are below the circuit of the panels."""
OWN: Final = (14, 15)
"""The chargers of the sessions that are strange."""
RANDOM: Final = [number for number in range(CHARGERS) if number not in OWN]
SESSIONS: Final = size(12, 1)
"""Of each household in a month."""
MISSING: Final = (date(YEAR, 2, 10), date(YEAR, 10, 23))
"""From these days on, three days have no prices: the second time with a change of the clocks."""
CHANGES: Final = (date(YEAR, 3, 29), date(YEAR, 10, 25))
"""When the clocks are changed."""
HOURLY: Final = (3, 10)
"""Months in which the market told hours, by the clock on the wall."""
BATTERY: Final = (6, 7, 8, 9)
"""Months with a battery."""
VERSION: Final = date(YEAR, 7, 1)
"""From when the moving tariff has its second version."""

HEAD: Final = 'name = "{}"\nvalid_from = {}\ncurrency = "EUR"\nprices = "{}"\ntax = 19\n'
MOVING: Final = """
[energy]
series = "Market"
factor = {factor}
markup = {markup}
floor = 0.04
cap = 0.33
fallback = 0.39
[sun]
price = 0.18
"""
TARIFFS: Final = {
    "Moving": (
        HEAD.format("Moving", "2026-01-01", "gross") + MOVING.format(factor="1.05", markup="0.12"),
        HEAD.format("Moving", VERSION, "gross") + MOVING.format(factor="1.17", markup="0.0999"),
    ),
    "Windows": (
        HEAD.format("Windows", "2026-01-01", "gross") + '[energy]\nname = "day"\nprice = 0.34\n'
        '[[window]]\nname = "night"\nprice = 0.22\ntimes = "22:00-06:00"\n',
    ),
    "Mean": (
        HEAD.format("Mean", "2026-01-01", "gross")
        + '[energy]\nseries = "Market"\nfactor = 1.03\nmarkup = 0.1234\naverage = true\n'
        "fallback = 0.31\n[sun]\nprice = 0.15\n",
    ),
    "Mixed": (
        "session_fee = 0.35\nminimum = 1.50\n"
        + HEAD.format("Mixed", "2026-01-01", "net")
        + '[energy]\nname = "day"\nseries = "Contract"\nfactor = 1.1\nmarkup = -0.01\n'
        '[[window]]\nname = "night"\nprice = 0.2150\ntimes = "22:10-06:00"\n',
    ),
    "Fixed": (
        HEAD.format("Fixed", "2026-01-01", "gross")
        + "[energy]\nprice = 0.33\n[sun]\nprice = 0.166667\n",
    ),
}
OF_HOUSEHOLD: Final = ["Moving"] * 8 + ["Windows"] * 3 + ["Mean"] * 2 + ["Mixed"] * 2 + ["Fixed"]

F = Fraction


def versions(market: Prices, contract: Prices) -> dict[str, tuple[Version, ...]]:
    """Return the tariffs as the program beside has them."""

    def moving(factor: str, markup: str) -> tuple[Window, ...]:
        return (
            Window(None, Moving(market, F(factor), F(markup), F("0.04"), F("0.33"), F("0.39"))),
        )

    since, night = date(YEAR, 1, 1), (22 * 60, 6 * 60)
    mean = Moving(market, F("1.03"), F("0.1234"), fallback=F("0.31"), is_average=True)
    day = Moving(contract, F("1.1"), F("-0.01"))
    return {
        "Moving": (
            Version(since, True, moving("1.05", "0.12"), F("0.18")),
            Version(VERSION, True, moving("1.17", "0.0999"), F("0.18")),
        ),
        "Windows": (
            Version(since, True, (Window("night", F("0.22"), night), Window("day", F("0.34")))),
        ),
        "Mean": (Version(since, True, (Window(None, mean),), F("0.15")),),
        "Mixed": (
            Version(
                since,
                False,
                (Window("night", F("0.2150"), (22 * 60 + 10, 6 * 60)), Window("day", day)),
                session_fee=35,
                minimum=150,
            ),
        ),
        "Fixed": (Version(since, True, (Window(None, F("0.33")),), F("0.166667")),),
    }


# What happened in the house


class Step(NamedTuple):
    """What a car took from one time to another."""

    until: int
    wh: int
    is_told: bool
    power: int | None


class Planned(NamedTuple):
    """A session as it will be: its steps follow each other."""

    household: int
    charger: int
    since: int
    steps: tuple[Step, ...]
    away_from: int = END * 2
    """From then on, its charger is away until `back_at`."""
    back_at: int = 0
    late_at: int = 0
    """When the readings come that were not told."""

    @property
    def until(self) -> int:
        return self.steps[-1].until

    @property
    def wh(self) -> int:
        return sum(step.wh for step in self.steps)


def seconds_of(day: date, hour: int = 0) -> int:
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=BERLIN).timestamp())


def quarters_of(day: date) -> range:
    """Return the quarters of a local day."""
    after = seconds_of(day + timedelta(days=1))
    return range(seconds_of(day) // QUARTER, after // QUARTER)


def wall_of(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).astimezone(BERLIN)


def wall(quarter: int) -> datetime:
    return wall_of(quarter * QUARTER)


def stamp_of(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def missing(first: date) -> list[date]:
    return [first + timedelta(days=number) for number in range(3)]


def course(random: Random, since: int) -> tuple[Step, ...]:
    """Return what a car takes, and what of it its charger tells: by the clock's quarters, each few
    minutes, now and then, each hour with power, or nothing."""
    style = random.choice(("clock", "clock", "often", "often", "seldom", "power", "nothing", "gap"))
    until = since + random.randrange(900, 9 * 3600)
    every = {
        "clock": 900,
        "often": random.choice((300, 420)),
        "seldom": random.randrange(1200, 3000),
        "power": 3300,
        "nothing": 3600,
        "gap": 840,
    }[style]
    seconds, at = [], since
    while at < until:
        at = (at // 900 + 1) * 900 if style == "clock" else at + every
        seconds.append(min(at, until))
    # A charger that tells slow power alone would teach that it can deliver no more.
    watts = 11000 if style == "power" else random.choice((1400, 3700, 7400, 11000))
    found, before = list[Step](), since
    gap = random.randrange(len(seconds))
    for number, after in enumerate(seconds):
        # It pauses now and then, and is at its end slower.
        share = random.choice((0, 0.3, 0.9, 1, 1, 1)) if style != "power" else 0.93
        wh = int(watts * share * (after - before) / 3600)
        is_told = style != "nothing" and not (style == "gap" and gap <= number < gap + 8)
        power = random.randrange(int(watts * 0.96), watts) if style == "power" else None
        found.append(Step(after, wh, is_told, power))
        before = after
    return tuple(found)


def sessions(random: Random) -> list[Planned]:
    """Plan the year. Each car is at one charger at a time, and each charger has one car."""
    found, free = list[Planned](), defaultdict[tuple[str, int], int](int)
    moments = list[tuple[int, int]]()
    for number in range(1, 13):
        month = Month(YEAR, number)
        first = int(month.since(BERLIN).timestamp())
        last = int(month.until(BERLIN).timestamp())
        for household in range(HOUSEHOLDS):
            for _ in range(SESSIONS):
                day = first + random.randrange((last - first) // DAY) * DAY
                hour = random.choice((7, 10, 11, 12, 13, 17, 18, 18, 19, 20, 22))
                moments.append((day + hour * 3600 + random.randrange(3600), household))
    # Nights with a change of the clocks, of a version, of a month and of the year; missing days.
    for eve in ("03-28", "06-30", "10-24", "05-31", "10-31", "12-31", "02-11", "10-25"):
        begin = int(datetime.fromisoformat(f"{YEAR}-{eve}T20:00+01:00").timestamp())
        moments += [(begin + random.randrange(3 * 3600), one) for one in range(0, HOUSEHOLDS, 2)]
    for since, household in sorted(moments):
        steps = course(random, since)
        chargers = random.sample(RANDOM, len(RANDOM))
        charger = next((one for one in chargers if free["charger", one] < since - 600), None)
        if charger is None or free["car", household] > since - 600:
            continue
        planned = Planned(household, charger, since, steps)
        free["charger", charger] = free["car", household] = planned.until
        found.append(planned)
    return [*found, *strange()]


def strange() -> Iterator[Planned]:
    """Yield what comes late: a charger that is away at the end of a month, readings that come after
    the closing, and a session that is open at the closing."""

    def even(since: int, every: int, number: int, wh: int, told: int = 1) -> tuple[Step, ...]:
        return tuple(
            Step(since + one * every, wh + one % 7, one % told == 0, None)
            for one in range(1, number + 1)
        )

    since = seconds_of(date(YEAR, 3, 30), 18)
    back = seconds_of(date(YEAR, 4, 5), 10)
    yield Planned(0, OWN[0], since + 33, even(since, 600, 30, 1100), since + 4000, back)
    since = seconds_of(date(YEAR, 3, 28), 22)
    late = seconds_of(date(YEAR, 4, 6), 10)
    yield Planned(1, OWN[1], since + 55, even(since, 420, 60, 900, 9), late_at=late)
    since = seconds_of(date(YEAR, 4, 29), 9)
    yield Planned(2, OWN[0], since + 1, even(since, 3000, 150, 1000))


def market(random: Random) -> dict[int, Decimal]:
    """Return prices of a year: dear evenings, noons below nothing in summer, and noise."""
    found, wave = dict[int, Decimal](), 0.0
    for quarter in range(BEGIN // QUARTER, END // QUARTER):
        at = wall(quarter)
        hour, summer = at.hour + at.minute / 60, 1 - abs(at.month - 6.5) / 6
        wave = 0.98 * wave + random.gauss(0, 4)
        evening = 90 * math.exp(-((hour - 19.5) ** 2) / 4) + 45 * math.exp(-((hour - 8) ** 2) / 3)
        noon = (60 + 130 * summer) * math.exp(-((hour - 13) ** 2) / 6)
        price = 95 + evening - noon + wave
        if at.month in HOURLY and at.minute:
            found[quarter] = found[quarter - 1]
        else:
            found[quarter] = Decimal(f"{price:.2f}").scaleb(-3)
    return found


def contract(random: Random) -> dict[int, Decimal]:
    """Return the prices of a contract by the hour of the day, with tax."""
    by_hour = [Decimal(random.randrange(180_000, 390_000)).scaleb(-6) for _ in range(24)]
    return {
        quarter: by_hour[quarter // 4 % 24] for quarter in range(BEGIN // QUARTER, END // QUARTER)
    }


def measured(random: Random, planned: list[Planned]) -> dict[int, Measured]:
    """Return what the meters of the house measured, as far as they were read."""
    cars = defaultdict[int, float](float)
    for one in planned:
        for before, step in pairwise((Step(one.since, 0, True, None), *one.steps)):
            for second in range(before.until, step.until, 60):
                if one.charger < BELOW:
                    cars[second // QUARTER] += step.wh * 60 / (step.until - before.until)
    found, clouds = dict[int, Measured](), 0.5
    for quarter in range(BEGIN // QUARTER, END // QUARTER):
        at = wall(quarter)
        hour, summer = at.hour + at.minute / 60, 1 - abs(at.month - 6.5) / 7
        clouds = min(1.0, max(0.05, clouds + random.gauss(0, 0.1)))
        generation = 9000 * summer * clouds * max(0, math.cos((hour - 13) / 6 * math.pi / 2))
        house = 500 + 700 * random.random() + 1500 * (18 <= hour < 22)
        left = generation - house - cars[quarter]
        battery = 0.0
        if at.month in BATTERY:
            battery = max(-800.0, min(1200.0, left * random.random()))
        left -= battery
        both = random.choice((0, 0, 0, 90))  # export and import in one quarter
        if random.random() < 0.03:
            continue
        seconds = random.choice((900,) * 20 + (899, 890, 889, 450, 60, 0))
        of_time = seconds / 900
        found[quarter] = Measured(
            seconds,
            int((max(0, -left) + both) * of_time),
            int((max(0, left) + both) * of_time),
            int(generation * of_time),
            int(max(0, battery) * of_time),
            int(max(0, -battery) * of_time),
        )
    return found


def amounts_of(cost: Lines) -> dict[Any, int]:
    return {key: amount for key, (_, amount) in cost.items()}


def flowed_of(cost: Lines) -> Counter[tuple[str | None, int]]:
    """Return the Wh by window and quarter."""
    found = Counter[tuple[str | None, int]]()
    for (_, _, window), (costs, _) in cost.items():
        found.update({(window, one.quarter): one.wh for one in costs})
    return found


# The house of the program


class Known:
    """A session at a charger of the program, and what the program beside knows of it."""

    def __init__(self, plan: Planned, transaction: int, begin: int) -> None:
        self.plan, self.transaction, self.begin = plan, transaction, begin
        self.levels = list[tuple[int, int]]()
        self.powers = list[tuple[int, int]]()
        self.register = begin
        self.until: int | None = None
        self.figure: int | None = None

    def taken(self) -> Taken | None:
        """Return what is known; an open session ends with its newest reading."""
        since, until = self.plan.since, self.until
        if until is None:
            within = [at for at, _ in self.levels]
            if not within:
                return None
            until = max(within)
        wh, levels = self.register - self.begin, self.levels
        if self.figure is not None:
            # A person set it: the readings show when the car took how large a share of it.
            levels = [(at, half_up(Fraction(own * self.figure, wh))) for at, own in levels]
            wh = self.figure
        return Taken(
            self.transaction,
            self.plan.charger < BELOW,
            since,
            until,
            wh,
            tuple(levels),
            tuple(self.powers),
        )


class Year:
    """Plays the year in the order of its moments, and closes its months."""

    def __init__(self, books: Books) -> None:
        self.books, self.random = books, Random(68)
        books.now = from_seconds(BEGIN - 40 * DAY)
        self.house = House(books)
        self.stations = [Station(books, f"CP-{number + 1}") for number in range(CHARGERS)]
        self.registers = [1000 * (number + 1) for number in range(CHARGERS)]
        self.accounts = [self.house.add(f"Flat {number}", LONG_AGO) for number in range(HOUSEHOLDS)]
        for number, account in enumerate(self.accounts):
            self.house.give(account, f"Card-{number}", LONG_AGO)
        self.biller = Biller(self.house, date(YEAR, 1, 1))
        self.market, self.contract = Prices(are_gross=False), Prices(are_gross=True)
        self.versions = versions(self.market, self.contract)
        for name, are_gross in (("Market", False), ("Contract", True)):
            kind = "gross" if are_gross else "net"
            data = SeriesData(name=name, currency="EUR", prices=kind)
            books.run(set_series, data, Said(books.at, "cleo"), None)
        tariffs = {}
        for name, files in TARIFFS.items():
            for toml in files:
                tariffs[name] = self.biller.add(toml)
        for account, name in zip(self.accounts, OF_HOUSEHOLD, strict=True):
            self.biller.assign(tariffs[name], date(YEAR, 1, 1), account)
        books.connection.execute(
            "INSERT INTO load_site (toml, set_at, set_by) SELECT '', '', 'cleo'"
        )
        for station in self.stations[:BELOW]:
            books.connection.execute(
                "INSERT INTO sun_charger (site_id, cp_id) VALUES (1, ?)", (station.name,)
            )
        self.plan = sessions(self.random)
        self.measured = measured(self.random, self.plan)
        self.of_market, self.of_contract = market(self.random), contract(self.random)
        self.sun = OwnSun()
        self.known = list[Known]()
        self.tariff_of = dict[int, str]()
        self.billed = defaultdict[int, dict[Any, int]](dict)
        """The amounts of lines that statements asked for, by session."""
        self.figures = dict[int, int]()
        """Their Wh."""
        self.closed_at = dict[int, int]()
        """When sessions were billed."""
        self.touched = set[int]()
        """Sessions that are corrected."""
        self.numbers, self.now = count(), 0
        self.events = list[tuple[int, int, Callable[[], None]]]()
        self.flowed = defaultdict[int, Counter[tuple[str | None, int]]](Counter)
        """The Wh of all positions by window and quarter, by session."""
        self.positions = self.corrections = 0
        self.seen = Counter[str]()
        """How many quarters of each kind were compared."""

    def at(self, seconds: int, event: Callable[[], None]) -> None:
        heappush(self.events, (seconds, next(self.numbers), event))

    # Moments

    def play(self) -> None:
        for one in self.plan:
            self.at(one.since, partial(self.start, one))
        day = date(YEAR - 1, 12, 31)
        while day.year <= YEAR:
            self.at(seconds_of(day, 13), partial(self.fetch, day + timedelta(days=1)))
            self.at(seconds_of(day, 3), partial(self.follow, day))
            day += timedelta(days=1)
        for quarter, row in self.measured.items():
            self.at((quarter + 1) * QUARTER, partial(self.measure, quarter, row))
        for number in range(1, 13):
            month = Month(YEAR, number)
            after = month.next.first_day
            self.at(seconds_of(after + timedelta(days=2), 9), partial(self.close, month))
            if number > 1:
                self.at(seconds_of(date(YEAR, number, 20), 9), partial(self.correct, number - 1))
        self.at(seconds_of(date(YEAR, 4, 20), 9), partial(self.price_anew, date(YEAR, 4, 15)))
        self.at(seconds_of(date(YEAR, 6, 20), 8), partial(self.price_anew, date(YEAR, 5, 15)))
        for day in missing(MISSING[0]):
            self.at(seconds_of(date(YEAR, 3, 20), 9), partial(self.enter, "Market", day))
        while self.events:
            seconds, _, event = heappop(self.events)
            self.now = seconds
            self.books.now = from_seconds(seconds) + timedelta(milliseconds=250)
            event()

    def start(self, plan: Planned) -> None:
        station = self.stations[plan.charger]
        register = self.registers[plan.charger]
        self.registers[plan.charger] += plan.wh
        transaction = station.start(register, 1, f"Card-{plan.household}")
        known = Known(plan, transaction, register)
        self.known.append(known)
        self.tariff_of[transaction] = OF_HOUSEHOLD[plan.household]
        for step in plan.steps:
            register += step.wh
            if plan.away_from <= step.until:
                continue
            if step.is_told and step.until < plan.until:
                self.at(step.until, partial(self.tell, known, step, register))
        if plan.away_from < plan.until:
            self.at(plan.away_from, station.lose)
            self.at(plan.back_at, partial(self.come_back, known))
        else:
            self.at(plan.until, partial(self.stop, known))
        if plan.late_at:
            self.at(plan.late_at, partial(self.tell_late, known))

    def tell(self, known: Known, step: Step, register: int) -> None:
        station = self.stations[known.plan.charger]
        sent = stamp_of(step.until)
        samples: list[Any] = [register]
        if step.power is not None:
            samples.append(watts(step.power))
            known.powers.append((step.until, step.power))
        station.tell(meter_value(sent, *samples), transaction=known.transaction)
        known.levels.append((step.until, register - known.begin))
        known.register = max(known.register, register)

    def stop(self, known: Known) -> None:
        plan = known.plan
        known.register = known.begin + plan.wh
        self.stations[plan.charger].stop(known.transaction, known.register, at=stamp_of(plan.until))
        known.until = plan.until

    def come_back(self, known: Known) -> None:
        """What the charger kept while it was away comes in order."""
        self.stations[known.plan.charger].connect()
        register = known.begin
        for step in known.plan.steps[:-1]:
            register += step.wh
            if step.until >= known.plan.away_from and step.is_told:
                self.tell(known, step, register)
        self.stop(known)

    def tell_late(self, known: Known) -> None:
        """Readings come that nobody knew when the session was billed."""
        register = known.begin
        for step in known.plan.steps[:-1]:
            register += step.wh
            if not step.is_told:
                self.tell(known, step, register)
        self.touched.add(known.transaction)

    def fetch(self, day: date) -> None:
        """The prices of tomorrow come; on some days not those of the market."""
        if day.year == YEAR:
            self.enter("Contract", day)
            if not any(day in missing(first) for first in MISSING):
                self.enter("Market", day)

    def enter(self, series: str, day: date) -> None:
        """Enter the prices of a day as a market and a contract tell them, by the clock on the
        wall."""
        own, values, are_hours = self.contract, self.of_contract, True
        if series == "Market":
            own, values, are_hours = self.market, self.of_market, day.month in HOURLY
        rows = ["when;what"]
        own.enter({one: Fraction(values[one]) for one in quarters_of(day)}, self.now)
        for quarter in quarters_of(day):
            at = wall(quarter)
            if not at.minute or not are_hours:
                rows.append(f"{at:%Y-%m-%d %H:%M};{values[quarter] * 1000}")
        source = documents.PriceSource(form="csv", time="when", price="what")
        terms = documents.ReadingTerms("EUR", BERLIN, self.books.now)
        found = documents.read("\n".join(rows).encode(), source, terms)
        said = Said(self.books.at, "https://prices.example")
        added = self.books.run(add_prices, series, found, said)
        assert (len(added.kept), added.same) == (0, 0)

    def price_anew(self, day: date) -> None:
        """A person corrects the prices of an evening."""
        values = {
            quarter: self.of_market[quarter] + Decimal("0.0503")
            for quarter in quarters_of(day)[64:88]
        }
        said = Said(self.books.at, "cleo", "the market told them wrongly")
        assert self.books.run(add_prices, "Market", values, said).added == len(values)
        self.market.enter({one: Fraction(price) for one, price in values.items()}, self.now)

    def measure(self, quarter: int, row: Measured) -> None:
        self.books.connection.execute(
            "INSERT INTO sun_quarter (quarter, site_id, seconds, import_wh, export_wh, "
            "generation_wh, charge_wh, discharge_wh) VALUES (?, 1, ?, ?, ?, ?, ?, ?)",
            (quarter, *row),
        )
        self.sun.measured[quarter] = row

    def follow(self, day: date) -> None:
        """The energy by the quarter is kept, in every other week: the others begin without it."""
        if day.isocalendar().week % 2:
            return
        while True:
            with reading(self.books) as db:
                revision = derived.divided_up_to(db)
                assert revision is not None
                changed = months.changed(db, revision, derived.SESSIONS_AT_ONCE)
                found = derived.divided_sessions(db, [number for number, _ in changed])
            if not changed:
                return
            self.books.run(derived.keep_divided, found, dict(changed))

    def correct(self, month: int) -> None:
        """A person corrects figures of a month that is closed."""
        ended = [
            one
            for one in self.known
            if one.until is not None and wall(one.until // QUARTER).month == month
        ]
        for known in self.random.sample(ended, min(len(ended), size(6, 3))):
            wh = known.plan.wh
            known.figure = self.random.choice((0, wh // 3, wh // 2, wh * 6 // 5))
            correct(self.books, known.transaction, known.figure)
            self.touched.add(known.transaction)

    # The closing

    def close(self, month: Month) -> None:
        self.books.settle()
        doubtful = self.books.rows("SELECT id, review FROM tx WHERE review IS NOT NULL")
        assert doubtful == []
        self.biller.close(str(month))
        found = self.found(month)
        expected = self.expected(month)
        assert found.keys() == expected.keys(), (month, found.keys() ^ expected.keys())
        for number, position in found.items():
            self.compare(number, position, expected[number])
            self.positions += 1

    def found(self, month: Month) -> dict[int, Position]:
        """Return what was closed, by the session."""
        rows = self.books.rows("SELECT id FROM statement WHERE month = ?", str(month))
        found = dict[int, Position]()
        for (number,) in rows:
            with reading(self.books) as db:
                one = statement(rows_of(db), number)
            net = sum(position.amount for position in one.positions)
            is_net = any(line.tariff == "Mixed" for row in one.positions for line in row.lines)
            asked = net + half_up(F(net * 19, 100)) if is_net else net
            assert one.total - one.carried_in == asked
            for position in one.positions:
                assert position.transaction is not None
                assert position.transaction not in found
                found[position.transaction] = position
        return found

    def expected(self, month: Month) -> dict[int, Lines]:
        """Return what sessions cost that are billed or corrected now."""
        taken = {one.transaction: one.taken() for one in self.known}
        suns = self.sun.suns([one for one in taken.values() if one is not None])
        measured = self.sun.measured
        found = dict[int, Lines]()
        for known in self.known:
            number, session = known.transaction, taken[known.transaction]
            is_billed = number in self.billed
            ended = known.until is not None and Month.of(wall_of(known.until).date()) <= month
            if not ended or (is_billed and number not in self.touched):
                continue
            assert session is not None
            unmeasured = {
                part.quarter
                for part in parts(session)
                if part.quarter not in measured or not measured[part.quarter].is_whole
            }
            tariff = self.versions[self.tariff_of[number]]
            cost = lines(session, tariff, suns[number], unmeasured, self.closed_at.get(number))
            by_quarter, before = flowed_of(cost), self.flowed[number].items()
            is_same = session.wh == self.figures.get(number)
            is_same = is_same and all(by_quarter[place] == wh for place, wh in before)
            if not (is_same and self.billed[number] == amounts_of(cost)):
                found[number] = cost
        return found

    def compare(self, number: int, position: Position, expected: Lines) -> None:
        """Compare each line; of a correction, all positions together."""
        before = self.billed[number]
        amounts = Counter(before)
        for line in position.lines:
            key = (line.kind.value, line.version, line.window)
            amounts[key] += line.amount
            for one in line.quarters:
                self.flowed[number][line.window, one.quarter] += one.wh
            if before or not line.quarters:
                continue
            costs = [
                Cost(
                    one.quarter,
                    one.wh,
                    one.price,
                    one.is_divided,
                    one.is_fallback,
                    one.is_unmeasured,
                )
                for one in line.quarters
                if one.wh
            ]
            assert costs == expected[key][0], (number, key)
            self.note(line.window, costs)
        wanted = amounts_of(expected)
        for key in amounts | wanted:
            assert amounts[key] == wanted.get(key, 0), (number, key)
        by_quarter = flowed_of(expected)
        for place, wh in self.flowed[number].items():
            assert wh == by_quarter[place], (number, place)
        self.corrections += number in self.figures
        self.figures[number] = self.figures.get(number, 0) + position.energy_wh
        self.touched.discard(number)
        self.billed[number] = wanted
        self.closed_at.setdefault(number, self.now)
        # What has a price for sun keeps its sun; the rest asks for a share of what is left.
        of_sun = self.versions[self.tariff_of[number]][0].sun is not None
        sealed = dict.fromkeys(self.sun.sealed.get(number, ()), 0)
        for (_, _, window), (costs, _) in expected.items():
            for cost in costs if of_sun else ():
                sealed[cost.quarter] = sealed.get(cost.quarter, 0) + cost.wh * (window == SUN)
        self.sun.sealed[number] = sealed

    def note(self, window: str | None, costs: list[Cost]) -> None:
        for cost in costs:
            at = wall(cost.quarter)
            self.seen.update(
                {
                    "quarters": 1,
                    "sun": window == SUN,
                    "fallback": cost.is_fallback,
                    "divided": cost.is_divided,
                    "unmeasured": cost.is_unmeasured,
                    "floor": cost.price == F("0.04"),
                    "cap": cost.price == F("0.33"),
                    "in a night with a change": at.hour < 4 and at.date() in CHANGES,
                }
            )

    def shared_sun(self) -> int:
        """Return the sun of the year, which is nowhere more than there was. Where figures were
        corrected, the others keep what they were given."""
        every = [taken for taken in (one.taken() for one in self.known) if taken is not None]
        cars, sun = Counter[int](), Counter[int]()
        corrected = set[int]()
        for taken in every:
            assert self.figures.get(taken.id, taken.wh) == taken.wh
            for part in parts(taken) if taken.is_below else ():
                cars[part.quarter] += part.wh
        for known in self.known:
            of_known = self.flowed[known.transaction]
            for (window, quarter), wh in of_known.items():
                assert wh >= 0
                sun[quarter] += wh * (window == SUN)
            if known.figure is not None:
                touched = range(known.plan.since // QUARTER, known.plan.until // QUARTER + 1)
                corrected.update(touched)
        for quarter, wh in sun.items():
            if wh and quarter not in corrected:
                assert wh <= self.measured[quarter].sun_of(cars[quarter])
        return sum(sun.values())


def test_each_cent_of_a_year_is_that_of_the_program_beside(books: Books) -> None:
    year = Year(books)
    year.play()
    assert year.corrections > size(60, 20)
    assert min(year.seen.values()) > size(100, 10), year.seen
    assert year.shared_sun() > size(500_000, 50_000)
    with reading(books) as db:
        assert [*checking.sealed(db), *checking.sums(db)] == []
    print(f"{year.positions} positions, {year.corrections} corrections, {dict(year.seen)}")
