"""One transaction against one booking: connector, tag, times, energy and reviews."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from levity_trio.simulator.ledger import METER_VALUES, START, STOP, Entry, Ledger, Moment, Sent
from levity_trio.simulator.provable import prove
from levity_trio.simulator.verification import (
    Case,
    Fault,
    Kind,
    differences,
    is_on_time,
    tolerance,
)
from levity_trio.store.reads.books import BookedTransaction
from levity_trio.wire.times import wire_time
from tests.simulator.charger.central import NOON

HOUR = 3600.0
BEGAN, ENDED = 1000.0, 1000.0 + HOUR
SLACK = 3.0  # seconds: twice the ledger's slack plus one


def time(at: float, off: float = 0.0) -> str:
    """Return the time of a clock that is `off` seconds ahead."""
    return wire_time(NOON + timedelta(seconds=at + off))


def message(action: str, at: float, wh: int, *, off: float = 0.0, late: float = 0.0) -> Sent:
    moment = Moment(at=at, delivered_wh=wh, time=time(at, off), register=str(1000 + wh))
    left = at + late
    sent = Sent(action=action, moments=[moment], left=left, answered=left, connector=1, id_tag="TAG")
    sent.transaction_id = None if action == START else 7
    return sent


def charged(**how: float) -> Case:
    """An hour at 4 kW; `off` and `late` apply to start and stop."""
    entry = Entry(charger="CP-1", connector=1, id_tag="TAG", began_at="", meter_start=1000, began=BEGAN, ended=ENDED)
    entry.transaction_id, entry.energy_wh = 7, 4000
    entry.sent += [message(START, BEGAN, 0, **how), message(STOP, ENDED, 4000, **how)]
    return judged(entry)


def judged(entry: Entry, is_honest: bool = True) -> Case:
    return Case(entry, prove(entry), is_honest, Ledger(chargers=[], entries=[entry], zero=NOON))


BOOKED = BookedTransaction(
    id=7,
    charger="CP-1",
    connector=1,
    id_tag="TAG",
    start_time=time(BEGAN),
    stop_time=time(ENDED),
    meter_start=1000,
    meter_stop=5000,
    energy_wh=4000,
)


def kinds(found: Iterator[Fault]) -> list[Kind]:
    return [fault.kind for fault in found]


def test_what_agrees() -> None:
    assert not list(differences(charged(), BOOKED))


@pytest.mark.parametrize(
    ("what", "wrong"), [("connector", 2), ("id_tag", "OTHER"), ("meter_start", 999), ("meter_stop", 5001)]
)
def test_the_right_energy_under_a_wrong_name(what: str, wrong: object) -> None:
    (fault,) = differences(charged(), replace(BOOKED, **{what: wrong}))  # type: ignore[arg-type]
    assert fault.kind is Kind.IDENTITY
    assert f"found {wrong!r}" in fault.line


def test_what_was_not_told_is_not_compared() -> None:
    case = charged()
    case.entry.sent[0].is_thrown_away = True
    booking = replace(BOOKED, connector=None, id_tag=None, meter_start=None, start_time="2020-01-01T00:00:00Z")
    assert Kind.IDENTITY not in kinds(differences(case, booking))
    assert Kind.TIME not in kinds(differences(case, booking))


# Times: `off` is how far the clock is ahead, `late` how long the message waited; `first` to `last` are accepted


@pytest.mark.parametrize(
    ("off", "late", "first", "last"),
    [
        pytest.param(0, 0, 0, 0, id="right, at once"),
        pytest.param(0, HOUR, 0, 0, id="right, later"),
        pytest.param(7200, 0, 0, 0, id="ahead, at once: everybody can see by how much"),
        pytest.param(7200, HOUR, 0, 7200, id="ahead, later: by how much is lost"),
        pytest.param(-7200, 0, -7200, 0, id="behind, at once: as if it had waited"),
        pytest.param(-7200, HOUR, -7200, HOUR, id="behind, later"),
        pytest.param(-1e9, HOUR, -BEGAN, HOUR, id="never set"),
    ],
)
def test_a_time_may_be_off_as_far_as_nobody_can_know(off: float, late: float, first: float, last: float) -> None:
    case = charged(off=off, late=late)
    for name, at in (("start_time", BEGAN), ("stop_time", ENDED)):
        earliest = -at if off == -1e9 else first
        for wrong, is_fault in (
            (earliest - SLACK - 1, True),
            (earliest - SLACK, False),
            (last + SLACK, False),
            (last + SLACK + 1, True),
        ):
            right = {"start_time": time(BEGAN, first), "stop_time": time(ENDED, first)}
            booking = replace(BOOKED, **{**right, name: time(at, wrong)})  # type: ignore[arg-type]
            assert (Kind.TIME in kinds(differences(case, booking))) is is_fault, (name, wrong)


@pytest.mark.parametrize(("off", "late", "is_fault"), [(0, 30, True), (0, 720, False), (-50, 30, False)])
def test_a_late_message_may_have_been_queued_however_large_the_tolerance_is(
    off: float, late: float, is_fault: bool
) -> None:
    """The clock was two hours ahead before, and the server cannot know whether the queued start still is. It compares
    the receipt with the time that was sent, and a clock that was set is behind by the age of that answer."""
    case = replace(charged(off=off, late=late), ahead=timedelta(hours=2))
    case.ledger.slack_seconds = 750  # a tolerance of 25 minutes
    booking = replace(BOOKED, start_time=time(BEGAN, -7200))
    assert (Kind.TIME in kinds(differences(case, booking))) is is_fault


def test_a_time_that_is_none_is_wrong() -> None:
    assert kinds(differences(charged(), replace(BOOKED, stop_time=None))) == [Kind.TIME]


def test_without_the_central_system_s_time_none_is_compared() -> None:
    case = charged()
    case.ledger.zero = None
    assert not list(differences(case, replace(BOOKED, start_time=None)))
    assert is_on_time(case.entry, case.ledger)


def test_the_tolerance_grows_with_the_slack() -> None:
    assert tolerance(Ledger(chargers=[], entries=[], slack_seconds=15)) == timedelta(seconds=31)


def test_one_wrong_time_makes_a_liar() -> None:
    case = charged()
    assert is_on_time(case.entry, case.ledger)
    case.entry.sent.append(message(METER_VALUES, BEGAN + 60, 60, off=600))
    assert not is_on_time(case.entry, case.ledger)


# Energy and reviews


def lossy() -> Case:
    """The stop never arrived; the last reading was at 3000 Wh."""
    case = charged()
    case.entry.sent[1] = message(METER_VALUES, BEGAN + 2000, 3000)
    return judged(case.entry, is_honest=False)


@pytest.mark.parametrize(
    ("told", "stopped_by", "is_fault"),
    [(0, "system", False), (-1, "system", False), (0, "joined", True), (7, "system", True)],
)
def test_a_stop_without_its_id_may_be_set_aside(told: int, stopped_by: str, *, is_fault: bool) -> None:
    case = charged()
    case.entry.sent[1].transaction_id = told
    case.entry.sent[1].moments[-1].register = "4500"
    found = kinds(differences(judged(case.entry), replace(BOOKED, stopped_by=stopped_by)))
    assert (Kind.IDENTITY in found) is is_fault


CLOSED = replace(BOOKED, meter_stop=4000, stop_time=time(BEGAN + 2000))


@pytest.mark.parametrize(
    ("energy_wh", "reviews", "expected"),
    [
        (3000, ("closed",), []),
        (3500, ("closed",), []),
        (4000, ("closed",), []),
        (3000, (), [Kind.SILENT]),
        (4000, (), [Kind.UNREVIEWED]),
        (2999, ("closed",), [Kind.BEYOND]),
        (4001, ("closed",), [Kind.BEYOND]),
        (4001, (), [Kind.SILENT]),
        (None, (), [Kind.SILENT]),
    ],
)
def test_what_is_lost_for_everybody_is_between_the_proved_and_the_true(
    energy_wh: int | None, reviews: tuple[str, ...], expected: list[Kind]
) -> None:
    assert kinds(differences(lossy(), replace(CLOSED, energy_wh=energy_wh, reviews=reviews))) == expected


def test_wrong_energy_that_its_own_messages_do_not_show_says_so() -> None:
    def line(case: Case) -> str:
        (line,) = [one.line for one in differences(case, replace(CLOSED, energy_wh=9000)) if one.kind is Kind.SILENT]
        return line

    assert line(lossy()).endswith("found 9000 Wh (none of its own messages refutes another)")
    seen = lossy()
    seen.entry.sent[0].moments[-1].register = "500000"  # as if the register had fallen since
    assert line(judged(seen.entry, is_honest=False)).endswith("found 9000 Wh")
    assert line(judged(charged().entry, is_honest=False)).endswith("found 9000 Wh")


def test_what_the_messages_show_is_exact_under_review_too() -> None:
    case = judged(charged().entry, is_honest=False)
    assert kinds(differences(case, replace(BOOKED, energy_wh=3999, reviews=("leap",)))) == [Kind.FLAGGED]
    assert not list(differences(case, replace(BOOKED, reviews=("leap",))))


def test_one_without_a_stop_may_be_open_or_closed() -> None:
    assert not list(differences(lossy(), replace(CLOSED, is_open=True, energy_wh=None)))
    assert kinds(differences(charged(), replace(BOOKED, is_open=True))) == [Kind.OPEN]


@pytest.mark.parametrize("is_honest", [True, False])
def test_a_review_of_the_honest_is_needless(is_honest: bool) -> None:
    case = judged(charged().entry, is_honest)
    found = list(differences(case, replace(BOOKED, reviews=("leap", "stray"))))
    assert kinds(iter(found)) == ([Kind.NEEDLESS] if is_honest else [])
    assert all(fault.line.endswith("found leap; stray") for fault in found)


def test_registers_that_contradict_each_other_need_a_review() -> None:
    entry = charged().entry
    slip = message(METER_VALUES, BEGAN + 60, 60)
    slip.moments[0].register = "90000"
    entry.sent.insert(1, slip)
    case = judged(entry, is_honest=False)
    (fault,) = differences(case, BOOKED)
    assert fault.kind is Kind.UNREVIEWED
    assert "expected a review, since its registers contradict each other, found none" in fault.line
    assert not list(differences(case, replace(BOOKED, reviews=("stray",))))
