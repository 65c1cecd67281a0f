"""Many readings in one message are stored as if each time came alone, with few statements
(§4.7)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.transactions import readings
from tests.store.books import NOON, Books, Station, in_memory, meter_value

POWER = {"measurand": "Power.Active.Import", "unit": "W", "value": "7000"}
INLET = {"location": "Inlet", "value": "1500"}
OTHERS_ID = 77
TX = (
    "SELECT conn_id, status, suspended_at, own_start_time, start_time, last_reading_at, "
    "last_register_wh, previous_register_wh, free_at, updated_at, ahead_reading_at, "
    "early_reading_at, judge_after, judge_steps "
    "FROM tx ORDER BY id"
)
READINGS = (
    "SELECT coalesce(tx_id - (SELECT min(id) "
    "FROM tx), -1), told_id IS NULL, conn_id, sent_conn_id, received_at, source, timestamp, "
    "sent_timestamp, measurand, value, unit, context, location, phase, format, wh "
    "FROM meter_val ORDER BY id"
)
FACTS = "SELECT kind, data FROM event ORDER BY id"
Ready = Callable[[Station], int | None]


def nothing(_: Station) -> None:
    """No transaction: the charger never charged."""


def running(station: Station) -> int:
    return station.start(1000, at=station.clock(5))


def free(station: Station) -> int:
    """A running one beside Available."""
    transaction = running(station)
    station.status("Available")
    return transaction


def suspended(station: Station) -> int:
    transaction = running(station)
    station.lose()
    station.connect()
    return transaction


def stopped(station: Station) -> int:
    transaction = running(station)
    station.stop(transaction, meter=1200, at=station.clock(2))
    return transaction


def elsewhere(station: Station) -> int:
    return station.start(1000, connector=2, at=station.clock(5))


MOMENT = st.one_of(st.just(1), st.just(1), st.just(5), st.integers(2, 400))
"""Seconds after the time before: the readings of a message are sorted by their time."""
SAMPLES = st.lists(
    st.one_of(
        st.integers(1000, 1300),
        st.just(POWER),
        st.just(INLET),
        st.sampled_from([900, 90_000_000, 0]),
    ),
    min_size=1,
    max_size=2,
)
NAMED = st.sampled_from(["own", None, OTHERS_ID])


def samples_of(told: list[list[Any]], *, is_rising: bool) -> list[list[Any]]:
    """Let the registers rise, as those of an honest charger do."""
    if not is_rising:
        return told
    return [
        [1000 + number if isinstance(one, int) else one for one in some]
        for number, some in enumerate(told)
    ]


ONWARD: dict[str, Any] = {"named": "own", "steps": [1, 5, 1, 60, 1, 1], "is_repeated": False}


@settings(max_examples=25)
@example(ready=running, told=[[1000, POWER]] * 12, is_rising=True, **ONWARD)
@example(ready=free, told=[[1000], [POWER]] * 6, is_rising=True, **ONWARD)
@example(
    ready=running,
    told=[[1000], [1100], [1000], [90_000_000], [90_000_001]] * 3,
    is_rising=False,
    **ONWARD,
)
@example(
    ready=running,
    told=[[1000], [INLET], [POWER], [1002], [1002], [1003]] * 2,
    is_rising=False,
    **ONWARD,
)
@given(
    ready=st.sampled_from([nothing, running, free, suspended, stopped, elsewhere]),
    named=NAMED,
    steps=st.lists(MOMENT, min_size=2, max_size=12),
    told=st.lists(SAMPLES, min_size=12, max_size=12),
    is_rising=st.booleans(),
    is_repeated=st.booleans(),
)
def test_one_message_is_stored_like_many(
    ready: Ready,
    named: Any,
    steps: list[int],
    told: list[list[Any]],
    is_rising: bool,
    is_repeated: bool,
) -> None:
    begin = NOON - timedelta(seconds=200)
    times = [
        (begin + timedelta(seconds=at)).strftime("%Y-%m-%dT%H:%M:%SZ") for at in accumulate(steps)
    ]
    values = [
        meter_value(at, *some)
        for at, some in zip(times, samples_of(told, is_rising=is_rising), strict=False)
    ]
    stored = []
    for messages in ([values], [[value] for value in values]):
        with closing(in_memory()) as connection:
            station = Station(Books(connection))
            transaction = ready(station)
            for _ in range(1 + is_repeated):
                station.books.wait(1)
                for message in messages:
                    station.tell(*message, transaction=transaction if named == "own" else named)
            stored.append([station.books.rows(sql) for sql in (TX, READINGS, FACTS)])
    assert stored[0] == stored[1]


@pytest.mark.parametrize(
    ("ready", "is_named"),
    [(running, True), (nothing, False), (nothing, True), (elsewhere, False), (stopped, None)],
)
def test_a_thousand_times_need_few_answers_of_the_database(
    books: Books, monkeypatch: pytest.MonkeyPatch, ready: Ready, is_named: bool | None
) -> None:
    """On PostgreSQL each answer is awaited. None: as the data of a stop that is told again."""
    station = Station(books)
    transaction = ready(station)
    begin = books.now - timedelta(seconds=250)
    values = [
        meter_value((begin + timedelta(milliseconds=200 * number)).isoformat(), 1001 + number)
        for number in range(1000)
    ]
    asked = []
    for name in ("row", "rows"):
        ask = getattr(UnitOfWork, name)

        def count(self: UnitOfWork, sql: str, parameters: Any = (), ask: Any = ask) -> Any:
            asked.append(sql)
            return ask(self, sql, parameters)

        monkeypatch.setattr(UnitOfWork, name, count)
    if transaction is not None and is_named is None:
        station.stop(transaction, meter=1200, at=station.clock(2), data=values)
    else:
        station.tell(*values, transaction=transaction if is_named else None)
    stored = books.value("SELECT count(*) FROM meter_val")
    assert (stored, len(asked) < 1000 / readings.ROWS_AT_ONCE) == (1000, True)
