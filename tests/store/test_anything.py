"""Whatever a charger sends, in whatever order: no write fails, and no figure is negative."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from ocpp.v16.enums import Measurand, Phase, ReadingContext, UnitOfMeasure

from tests.sizes import size
from tests.store.books import Books, Station, meter_value

MEASURANDS = [*Measurand, "", "X-Humidity"]
PHASES = [*Phase, ""]
UNITS = [*UnitOfMeasure, "", "kwh"]
ODD_VALUES = [
    "",
    "NaN",
    "inf",
    "1e400",
    "0x10",
    " 5 ",
    "5,3",
    "abc",
    "1_000",
    "٣",
    "1e5",
    "-0",
    "-1",
    "9" * 400,
]
ODD_TIMES = ["", "x", "1970-01-01T00:00:07Z", "2036-01-01T00:00:00Z", "2000-01-01T00:00:00Z"]
REGISTERS = [0, 1000, 65_000, 999_000, 5_000_000, 2**31 - 5000]


class AnyCharger:
    """Sends something at random: half of it makes sense."""

    def __init__(self, books: Books, seed: int) -> None:
        self._books, self._random = books, random.Random(seed)
        self._station = Station(books)
        self._station.connect()
        self._wh, self._ids = self._random.choice(REGISTERS), [0, -1, 77_777]

    def act(self) -> None:
        self._books.wait(self._random.choice([0, 0, 1, 5, 15, 60, 600]))
        self._wh += self._random.choice([0, 0, 100, 1800, 12_000, 60_000])
        readings: list[Callable[[], object]] = [self._readings] * 8
        station = self._station
        others: list[Callable[[], object]] = [
            station.boot,
            station.lose,
            station.connect,
            self._books.settle,
        ]
        transactions: list[Callable[[], object]] = [self._start, self._stop] * 3
        self._random.choice([*readings, *transactions, self._status, *others])()

    def _start(self) -> None:
        registers: list[float | str] = [
            self._wh,
            self._wh,
            0,
            -5,
            self._wh + 5000,
            self._wh / 1000,
            "x",
        ]
        register = self._random.choice(registers)
        connector, tag = self._random.choice([0, 1, 1, 2]), self._random.choice(["A", "", "B"])
        self._ids.append(self._station.start(register, connector, tag, self._time()))

    def _stop(self) -> None:
        register = self._random.choice(
            [self._wh, self._wh, 0, -1, self._wh - 3000, self._wh + 90_000]
        )
        self._station.stop(self._random.choice(self._ids[-4:]), register, self._time())

    def _status(self) -> None:
        self._station.status(
            self._random.choice(["Available", "Charging", "Faulted"]), at=self._time()
        )

    def _readings(self) -> None:
        values = [
            meter_value(self._time(), *self._samples()) for _ in range(self._random.randrange(1, 4))
        ]
        transaction, connector = (
            self._random.choice([*self._ids[-3:], None]),
            self._random.choice([0, 1, 1, 2]),
        )
        self._station.tell(*values, transaction=transaction, connector=connector)

    def _samples(self) -> list[dict[str, Any]]:
        pools = {
            "measurand": MEASURANDS,
            "phase": PHASES,
            "unit": UNITS,
            "context": list(ReadingContext),
        }
        return [
            {"value": self._value()}
            | {
                key: self._random.choice(pool)
                for key, pool in pools.items()
                if self._random.random() < 0.4
            }
            for _ in range(self._random.randrange(5))
        ]

    def _value(self) -> str:
        likely = [str(self._wh)] * 3 + [
            f"{self._wh / 1000:.3f}",
            str(self._wh + 50_000),
            "0",
            "230.4",
        ]
        return self._random.choice(likely if self._random.random() < 0.7 else ODD_VALUES)

    def _time(self) -> str:
        likely = [self._station.clock()] * 3 + [
            self._station.clock(self._random.uniform(-200, 500))
        ]
        return self._random.choice(likely if self._random.random() < 0.8 else ODD_TIMES)


@pytest.mark.parametrize("seed", range(size(60, 6)))
def test_no_message_makes_a_write_fail(books: Books, seed: int) -> None:
    charger = AnyCharger(books, seed)
    for _ in range(40):
        charger.act()
    assert books.value("SELECT count(*) FROM tx WHERE energy_delivered < 0") == 0


def test_phases_of_an_absurd_register(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    for number in range(1, 4):
        books.wait(5)
        phases = [
            {"value": str(10**400 + number), "phase": phase, "unit": "kWh"}
            for phase in ("L1", "L2", "L3")
        ]
        station.tell(meter_value(station.clock(), *phases), transaction=transaction)
    station.stop(transaction, 900)
    assert books.value("SELECT confidence FROM tx WHERE id = ?", transaction) == "doubtful"
