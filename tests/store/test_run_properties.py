"""Nothing that is judged, billed or shown depends on whether equal readings are stored each for
itself or as runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from levity_trio.billing.pricing import EnergyFlow, counted, divide
from levity_trio.charging.tolerances import LEAST_AC_W
from levity_trio.store.billing import evidence
from levity_trio.store.billing.evidence import Needs
from levity_trio.store.reads.load.load import load_present
from levity_trio.store.reads.now.present import OpenSessions
from levity_trio.store.reads.transactions.transactions import curve
from levity_trio.store.writes.transactions.runs import SAME_SHARE
from tests.billing.cases import BERLIN
from tests.sizes import size
from tests.store.billed import billed_of
from tests.store.books import Books, Station, in_memory, meter_value
from tests.store.reading import reading
from tests.store.telling import watts
from tests.store.test_explain import explained
from tests.store.test_runs import amperes, manage, volts
from tests.store.test_stays import UNTIL_AVAILABLE

SECONDS = 20
LEVELS = (0, 6, 7, 10, 13, 16, 20, 32)
MINUTE_WH = LEVELS[-1] * 3 * 230 // 60
"""What flows in a minute."""
QUARTER = timedelta(minutes=15)
EVENTS = ("", "", "", "gap", "lose", "boot", "repeat", "trigger")
by_seed = settings(
    max_examples=size(200, 8),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


class Charging:
    """A session at a charger that reports each 20 s, determined by a seed."""

    def __init__(self, books: Books, seed: int) -> None:
        self.books, self.random = books, Random(seed)
        self.station = Station(books)
        self.voice = self.random.choice(
            ("A", "A of one phase", "A and V", "W", "kW", "W of phases")
        )
        self.noise = self.random.choice((0.0, 0.1, 0.3, 0.7))
        self.tells_power = "W" in self.voice
        self.wh = float(self.random.randint(0, 50_000))
        self.lie = self.random.choice(("", "", "", "factor", "leap", "freeze", "stop"))
        self.factor, self.frozen = self.random.choice((0.1, 10)) if self.lie == "factor" else 1, 0.0
        self.transaction = self.station.start(self.meter)
        self.sent: list[dict[str, Any]] = []

    @property
    def meter(self) -> int:
        """The register that the charger tells."""
        return int((self.frozen or self.wh) * self.factor)

    def charge(self) -> None:
        """So many steps of current, and what may happen between them, such as a lie."""
        self.station.status("Charging")
        self._draw(self.random.choice(LEVELS[1:]), 50)
        self._meet(self.lie)
        for _ in range(self.random.randint(1, 6)):
            self._draw(self.random.choice(LEVELS), self.random.choice((1, 5, 50, 200)))
            self._meet(self.random.choice(EVENTS))
        self._draw(self.random.choice(LEVELS), 3)
        self.frozen = 0.0

    def stop(self) -> None:
        lie = self.random.choice((-500, 3000, 20_000)) if self.lie == "stop" else 0
        self.books.wait(self.random.choice((0.1, 1)))
        self.station.stop(self.transaction, max(0, self.meter + lie))
        self.station.status("Finishing")
        self.books.wait(30)
        self.station.status("Available")
        self.books.settle()

    def _draw(self, level: int, messages: int) -> None:
        for _ in range(messages):
            self._flow(level, SECONDS)
            self._tell(level)

    def _flow(self, level: int, seconds: float) -> None:
        self.books.wait(seconds / 60)
        self.wh += level * 3 * 230 * seconds / 3600

    def _tell(self, level: int, **more: str) -> None:
        value = meter_value(
            self.station.clock(), self.meter, *(one | more for one in self._samples(level))
        )
        self.sent.append(value)
        self.station.tell(value, transaction=self.transaction)

    def _samples(self, level: int) -> Iterator[dict[str, str]]:
        noise = [self.random.uniform(-self.noise, self.noise) if level else 0.0 for _ in range(3)]
        phases = [round(level + one, 1) for one in noise]
        match self.voice:
            case "A":
                yield from amperes(*phases)
            case "A of one phase":
                yield amperes(phases[0])[0]
            case "A and V":
                yield from (*amperes(*phases), volts(round(230 + noise[0], 1)))
            case "W of phases":
                yield from (
                    watts(round(one * 230)) | {"phase": f"L{n}"} for n, one in enumerate(phases, 1)
                )
            case unit:
                yield watts(round(sum(phases) * 230), unit)

    def _meet(self, event: str) -> None:
        match event:
            case "gap":
                self._flow(10, self.random.choice((60, 100, 400)))
            case "lose":
                self.station.lose()
                self._flow(10, 60)
                self.station.connect()
            case "boot":
                self._flow(0, 60)
                self.station.boot()
            case "repeat":
                self.station.tell(self.random.choice(self.sent[-20:]), transaction=self.transaction)
            case "leap":
                self.wh += 3000
            case "freeze":
                self.frozen = self.wh
            case "trigger":
                self._flow(10, 5)
                self._tell(10, context="Trigger")


def present(charging: Charging) -> list[Any]:
    """What load management and prices see of an open transaction, and the power if it was told."""
    with reading(charging.books) as db:
        (one,) = (session.known for session in OpenSessions().read(db))
        (car,) = load_present(db, charging.books.at).cars
    return [car, one.energy_wh, one.read_at, one.power_w if charging.tells_power else None]


def peaks_of_now(charging: Charging) -> dict[int, float]:
    """The highest power of each stretch of an open transaction."""
    with reading(charging.books) as db:
        (one,) = OpenSessions().read(db)
    return dict(one.curve.points()) if charging.tells_power else {}


def judged(charging: Charging) -> list[Any]:
    """The transaction as it is stored, and the codes of its reviews."""
    books = charging.books
    return [books.rows("SELECT * FROM tx"), books.rows("SELECT code FROM review ORDER BY id")]


def told(charging: Charging) -> list[Any]:
    """The Wh of each quarter of an hour as told, and the minutes of a fee for blocking."""
    return billed(charging, is_as_told=True)


def billed(charging: Charging, *, is_as_told: bool = False) -> list[Any]:
    """The same as they are billed: what can't have flowed when it was told is spread."""
    books, transaction = charging.books, charging.transaction
    billed = billed_of(books, transaction)._replace(is_as_told=is_as_told)
    needed = Needs(course=True, stay=True)
    found = books.run(lambda db: evidence.evidence_of(db.rows, billed, needed))
    seams = [*_quarters(billed.since, billed.until)]
    parts = divide(
        EnergyFlow(billed.since, billed.until, billed.wh, found.levels, found.powers), seams
    )
    return [parts, found.stay and counted(found.stay, UNTIL_AVAILABLE, BERLIN).minutes]


def _quarters(since: datetime, until: datetime) -> Iterator[datetime]:
    at = since.replace(minute=0, second=0, microsecond=0)
    while at < until:
        if since < at:
            yield at
        at += QUARTER


def summed(charging: Charging) -> Any:
    """The kinds of its readings, how many there were, and their extremes."""
    return explained(charging.books, charging.transaction).readings


def peaks(charging: Charging) -> list[tuple[float, float]]:
    """The lowest and the highest power of its curve."""
    with reading(charging.books) as db:
        found = curve(db, charging.transaction)
    assert found is not None
    told = found.power if charging.tells_power else ()
    return [(min(low for _, low, _ in told), max(high for _, _, high in told))] if told else []


def both(seed: int, see: Sequence[Any], *, is_open: bool = False) -> list[list[Any]]:
    """What is seen of a session of a charger without load management, and of the same one with
    it."""
    every = []
    for is_managed in (False, True):
        with closing(in_memory()) as connection:
            books = Books(connection)
            charging = Charging(books, seed)
            if is_managed:
                manage(books)
            charging.charge()
            if not is_open:
                charging.stop()
            every.append([view(charging) for view in see])
    return every


seeds = st.integers(0, 2**32)


@given(seeds)
@by_seed
def test_a_figure_is_the_same(seed: int) -> None:
    plain, runs = both(seed, [judged, told, summed])
    assert runs == plain


@given(seeds)
@example(78)  # 2,451 Wh differ if powers that were told during the spread divide it
@by_seed
def test_what_is_billed_of_a_quarter_is_the_same(seed: int) -> None:
    """What is spread begins and ends with a reading, and a run has one each minute."""
    plain, runs = both(seed, [told, billed])
    if all(as_told == as_billed for as_told, as_billed in (plain, runs)):
        assert runs == plain
    (_, (division, minutes)), (_, (of_runs, minutes_of_runs)) = plain, runs
    assert (of_runs.by, minutes_of_runs) == (division.by, minutes)
    assert sum(of_runs.parts) == sum(division.parts)
    assert list(of_runs.parts) == [pytest.approx(wh, abs=MINUTE_WH) for wh in division.parts]


@given(seeds)
@by_seed
def test_what_is_shown_of_now_is_the_same(seed: int) -> None:
    plain, runs = both(seed, [present], is_open=True)
    assert runs == plain


@given(seeds)
@example(110)  # its register lacks a factor, so that it shows another power
@by_seed
def test_no_peak_is_lost(seed: int) -> None:
    """It may last longer, and be higher by what equal powers differ: phases are highest at
    different times."""
    ((plain,), (runs,)) = both(seed, [peaks_of_now], is_open=True)
    assert plain.keys() <= runs.keys()
    assert all(
        watts <= runs[at] <= watts + SAME_SHARE * max(watts, LEAST_AC_W)
        for at, watts in plain.items()
    )
    ((plain,), (runs,)) = both(seed, [peaks])
    assert [
        (pytest.approx(low, rel=SAME_SHARE), pytest.approx(high, rel=SAME_SHARE))
        for low, high in plain
    ] == runs
