"""Any conversation, in any order: an immediate repetition of every message changes no bill and no
id.

A charger without a response sends again, and the server may have stored a message that it did not
answer.
"""

from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.charging.sent.power import JUMP_WH
from levity_trio.charging.tolerances import FASTEST_W
from levity_trio.events import TransactionStarted, TransactionStopped
from tests.sizes import size
from tests.store.books import UNSET_CLOCK, Books, Station, in_memory, meter_value

CLOCKS = ("right", "an hour ahead", "an hour behind", "unset")
BEHIND = {"right": 0.0, "an hour ahead": -60.0, "an hour behind": 60.0, "unset": 0.0}
MESSAGES = (
    "start",
    "stop",
    "stop without id",
    "stop again",
    "readings",
    "loose readings",
    "status",
    "boot",
    "lose",
)

connectors = st.integers(0, 2)
steps = st.tuples(st.sampled_from(MESSAGES), connectors, st.integers(0, 9000), st.integers(0, 30))
conversations = st.lists(steps, min_size=1, max_size=14)


@dataclass
class Conversation:
    """One charger that sends each message of a conversation `times` times in a row."""

    station: Station
    clock: str
    times: int
    registers: dict[int, int] = field(default_factory=lambda: {0: 100_000, 1: 0, 2: 700_000})
    open: dict[int, int] = field(default_factory=dict)
    ids: list[int] = field(default_factory=list)

    def say(self, step: tuple[str, int, int, int]) -> None:
        message, connector, wh, minutes = step
        self.station.books.wait(minutes)
        self.registers[connector] += wh
        sent = UNSET_CLOCK if self.clock == "unset" else self.station.clock()
        answers = []
        for _ in range(self.times):
            answers.append(self._send(message, connector, sent))
            self.station.books.now += timedelta(seconds=1) / self.times
        if message == "start":
            assert set(answers) == {answers[0]}
            self.open[connector] = answers[0]
            self.ids.append(answers[0])
        elif message.startswith("stop") and message != "stop again":
            self.open.pop(connector, None)

    def _send(self, message: str, connector: int, sent: str) -> Any:
        station, register = self.station, self.registers[connector]
        match message:
            case "start":
                return station.start(register, connector, at=sent)
            case "stop":
                return station.stop(
                    self.open.get(connector, 3),
                    register,
                    at=sent,
                    data=[meter_value(sent, register)],
                )
            case "stop without id":
                return station.stop(-1, register, at=sent, tag="TAG")
            case "stop again":
                return station.stop(self.ids[-1] if self.ids else 0, register, at=sent)
            case "readings" | "loose readings":
                named = self.open.get(connector) if message == "readings" else None
                return station.tell(
                    meter_value(sent, register), transaction=named, connector=connector
                )
            case "status":
                return station.status(
                    "Charging" if register % 2 else "Available", connector, at=sent
                )
            case "boot":
                return station.boot()
        station.lose()
        return station.connect()


def books_after(steps: list[tuple[str, int, int, int]], clock: str, times: int) -> tuple[Any, ...]:
    with closing(in_memory()) as connection:
        books = Books(connection)
        connection.execute("UPDATE sqlite_sequence SET seq = 1000000 WHERE name = 'tx'")
        conversation = Conversation(Station(books, behind=BEHIND[clock]), clock, times)
        for step in steps:
            conversation.say(step)
        bills = books.rows(
            "SELECT id, conn_id, status, meter_start, meter_stop, energy_delivered, "
            "energy_method, confidence, review "
            "FROM tx ORDER BY id"
        )
        told = [len(books.recorded(kind)) for kind in (TransactionStarted, TransactionStopped)]
        readings = books.rows("SELECT tx_id, conn_id, value, source FROM meter_val ORDER BY id")
        aside = books.count("set_aside")
    return conversation.ids, bills, told, readings, aside


@settings(max_examples=size(60, 12), deadline=None)
@given(conversations, st.sampled_from(CLOCKS[:3]))
def test_a_repeat_of_every_message_changes_nothing(
    steps: list[tuple[str, int, int, int]], clock: str
) -> None:
    assert books_after(steps, clock, times=1) == books_after(steps, clock, times=2)


@settings(max_examples=size(60, 12), deadline=None)
@given(conversations)
def test_nor_does_it_without_a_clock(steps: list[tuple[str, int, int, int]]) -> None:
    """Readings are not compared: without a time two equal ones may be one
    (store/writes/transactions/readings.py)."""
    ids, bills, told, _, aside = books_after(steps, "unset", times=1)
    again = books_after(steps, "unset", times=2)
    assert (ids, bills, told, aside) == (again[0], again[1], again[2], again[4])


@settings(max_examples=size(60, 12), deadline=None)
@given(conversations, st.sampled_from(CLOCKS))
def test_no_bill_is_negative_or_absurd(steps: list[tuple[str, int, int, int]], clock: str) -> None:
    ids, bills, _, _, _ = books_after(steps, clock, times=1)
    hours = sum(minutes + 1 for _, _, _, minutes in steps) / 60
    assert {row[0] for row in bills} >= set(ids)
    for _, _, status, start, stop, energy, method, confidence, review in bills:
        assert (energy is None) == (status == "Active")
        if energy is not None:
            assert 0 <= energy <= max(JUMP_WH, FASTEST_W * (hours + 1))
            assert (review is None) or confidence == "doubtful" or "second stop" in review
            assert method != "register" or confidence == "doubtful" or energy == stop - start
