"""Whatever happens in whatever order, and however far the energy by the quarter is kept: each
session costs what it costs when nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from random import Random

import pytest

from levity_trio.billing.statement import Line
from levity_trio.store.billing.pricing import Pricer
from levity_trio.store.engine.database import rows_of
from levity_trio.store.reads.money import months
from levity_trio.store.upkeep import derived
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Correction, Decision
from levity_trio.wire.times import stamp
from tests.sizes import size
from tests.store.bills import Biller, correct, house_of_two
from tests.store.books import Books, Station, meter_value
from tests.store.reading import reading
from tests.store.test_quarters import BEGIN, WITH_SUN, enter, measure

pytestmark = pytest.mark.sqlite  # test_sharing.py compares both stores
CHARGERS, STEPS = 4, 40
QUARTERS = range(-200, 800)


class Chance:
    """A house with a charger that is not below the panels, in which anything may be next."""

    def __init__(self, books: Books, seed: int) -> None:
        self.books, self.random = books, Random(seed)
        self.biller = Biller(house_of_two(books))
        books.now = BEGIN
        books.connection.execute(
            "INSERT INTO series (name, currency, prices, changed_at, changed_by) "
            "VALUES ('Market', 'EUR', 'net', '', 'cleo')"
        )
        enter(books, {place: f"0.{10 + place % 80}" for place in QUARTERS})
        self.biller.assign(self.biller.add(WITH_SUN), date(2026, 1, 1))
        self.stations = [Station(books, f"CP-{number}") for number in range(CHARGERS - 1)]
        for place in QUARTERS:
            if self.random.random() < 0.95:
                seconds = self.random.choice((900, 900, 600))
                generation, imported = self.random.randrange(4000), self.random.randrange(2000)
                measure(books, place, seconds=seconds, generation=generation, imported=imported)
        self.stations.append(Station(books, "CP-9"))
        self.registers = [1000] * CHARGERS
        self.open = dict[int, int]()
        self.ended = list[tuple[int, int, int]]()
        """Charger, transaction and register."""

    def step(self) -> None:
        self.books.wait(self.random.choice((1, 3, 7, 12, 26, 61)))
        steps: list[Callable[[], object]] = [self.start_or_stop] * 3
        steps += [self.tell] * 2
        steps += [self.tell_late, self.correct, self.correct_times, self.close_by_system]
        steps += [self.follow, self.follow_a_little]
        self.random.choice(steps)()
        self.books.settle()

    def start_or_stop(self) -> None:
        number = self.random.randrange(CHARGERS)
        station = self.stations[number]
        if number not in self.open:
            tag = self.random.choice(("Card", "Ben"))
            self.open[number] = station.start(self.registers[number], 1, tag)
            return
        self.registers[number] += self.random.randrange(50, 3000)
        station.stop(self.open[number], self.registers[number])
        self._end(number)

    def tell(self) -> None:
        for number, transaction in self.open.items():
            self.registers[number] += self.random.randrange(2500)
            station = self.stations[number]
            value = meter_value(station.clock(), self.registers[number])
            station.tell(value, transaction=transaction)

    def tell_late(self) -> None:
        if self.ended:
            number, transaction, register = self.random.choice(self.ended)
            station = self.stations[number]
            ago, less = self.random.randrange(1, 90), self.random.randrange(400)
            value = meter_value(station.clock(ago), register - less)
            station.tell(value, transaction=transaction)

    def correct(self) -> None:
        if self.ended:
            transaction = self.random.choice(self.ended)[1]
            correct(self.books, transaction, self.random.choice((0, 50, 500, 3000, 9000)))

    def correct_times(self) -> None:
        if self.ended:
            transaction = self.random.choice(self.ended)[1]
            columns = "SELECT start_time, stop_time, energy_delivered FROM tx WHERE id = ?"
            since, until, wh = self.books.row(columns, transaction)
            later = timedelta(minutes=self.random.choice((-1500, -95, -20)))
            longer = timedelta(minutes=self.random.choice((0, 30)))
            given = Correction(
                figure_wh=wh,
                start_time=stamp(datetime.fromisoformat(since) + later - longer),
                stop_time=stamp(datetime.fromisoformat(until) + later),
            )
            decision = Decision("cleo", "a camera shows it", self.books.at)
            self.books.run(decisions.correct, transaction, given, decision)

    def close_by_system(self) -> None:
        for number in [*self.open][:1]:
            self.registers[number] += 500
            self.stations[number].orphan(self.open[number], self.registers[number])
            self._end(number)

    def _end(self, number: int) -> None:
        self.ended.append((number, self.open.pop(number), self.registers[number]))

    def follow(self) -> None:
        while self.follow_a_little():
            pass

    def follow_a_little(self) -> bool:
        with reading(self.books) as db:
            revision = derived.divided_up_to(db)
            assert revision is not None
            changed = months.changed(db, revision, 2)
            found = derived.divided_sessions(db, [number for number, _ in changed])
        if changed:
            self.books.run(derived.keep_divided, found, dict(changed))
        return bool(changed)

    def costs(self) -> dict[int, tuple[str, tuple[Line, ...]]]:
        with reading(self.books) as db:
            numbers = [number for (number,) in db.execute("SELECT id FROM tx").fetchall()]
            found = Pricer(rows_of(db), self.biller.terms.rule).price(numbers)
        return {number: (str(one.words), one.position.lines) for number, one in found.items()}


@pytest.mark.parametrize("seed", range(size(40, 3)))
def test_what_is_kept_moves_no_price(books: Books, seed: int) -> None:
    chance, shared = Chance(books, seed), 0
    for _ in range(STEPS):
        chance.step()
        now = chance.costs()
        kept = books.rows("SELECT * FROM tx_quarter")
        books.connection.execute("DELETE FROM tx_quarter")
        assert chance.costs() == now
        for row in kept:
            marks = ", ".join("?" for _ in row)
            books.connection.execute(f"INSERT INTO tx_quarter VALUES ({marks})", row)
        every = [line for _, lines in now.values() for line in lines]
        shared += sum(line.quantity for line in every if line.window == "sun") * bool(kept)
    assert shared
