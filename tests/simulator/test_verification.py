"""The ledger against the database: agreement is clean, and each difference is one line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.simulator.ledger import (
    METER_VALUES,
    SHARED_METER,
    START,
    STOP,
    Entry,
    Ledger,
    Moment,
    Sent,
)
from levity_trio.simulator.provable import prove
from levity_trio.simulator.verification import (
    Case,
    Fault,
    Kind,
    Mark,
    Unprovable,
    Verdict,
    _take,
    baseline,
    differences,
    is_on_time,
    tolerance,
    verify,
)
from levity_trio.store.reads.transactions.books import BookedTransaction
from levity_trio.wire.times import stamp, wire_time
from tests.simulator.charger.central import NOON
from tests.simulator.site import Site
from tests.store.files import make, make_ours

HOUR = 3600.0
BEGAN, ENDED = 1000.0, 1000.0 + HOUR
SLACK = 3.0  # seconds: twice the ledger's slack plus one


def time(at: float, off: float = 0.0) -> str:
    """Return the time of a clock that is `off` seconds ahead."""
    return wire_time(NOON + timedelta(seconds=at + off))


def message(action: str, at: float, wh: int, *, off: float = 0.0, late: float = 0.0) -> Sent:
    moment = Moment(at=at, delivered_wh=wh, time=time(at, off), register=str(1000 + wh))
    left = at + late
    sent = Sent(
        action=action, moments=[moment], left=left, answered=left, connector=1, id_tag="TAG"
    )
    sent.transaction_id = None if action == START else 7
    return sent


def charged(**how: float) -> Case:
    """An hour at 4 kW; `off` and `late` apply to start and stop."""
    entry = Entry(
        charger="CP-1",
        connector=1,
        id_tag="TAG",
        began_at="",
        meter_start=1000,
        began=BEGAN,
        ended=ENDED,
    )
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
    ("what", "wrong"),
    [("connector", 2), ("id_tag", "OTHER"), ("meter_start", 999), ("meter_stop", 5001)],
)
def test_the_right_energy_under_a_wrong_name(what: str, wrong: object) -> None:
    (fault,) = differences(charged(), replace(BOOKED, **{what: wrong}))  # type: ignore[arg-type]
    assert fault.kind is Kind.IDENTITY
    assert f"found {wrong!r}" in fault.line


def test_what_was_not_told_is_not_compared() -> None:
    case = charged()
    case.entry.sent[0].is_thrown_away = True
    booking = replace(
        BOOKED, connector=None, id_tag=None, meter_start=None, start_time="2020-01-01T00:00:00Z"
    )
    assert Kind.IDENTITY not in kinds(differences(case, booking))
    assert Kind.TIME not in kinds(differences(case, booking))


# Times: `off` is how far the clock is ahead, `late` how long the message waited; `first` to `last`
# are accepted


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
def test_a_time_may_be_off_as_far_as_nobody_can_know(
    off: float, late: float, first: float, last: float
) -> None:
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


@pytest.mark.parametrize(
    ("off", "late", "is_fault"), [(0, 30, True), (0, 720, False), (-50, 30, False)]
)
def test_a_late_message_may_have_been_queued_however_large_the_tolerance_is(
    off: float, late: float, is_fault: bool
) -> None:
    """The clock was two hours ahead before, and the server cannot know whether the queued start
    still is. It compares the receipt with the time that was sent, and a clock that was set is
    behind by the age of that answer."""
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
def test_a_stop_without_its_id_may_be_set_aside(
    told: int, stopped_by: str, *, is_fault: bool
) -> None:
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
    assert (
        kinds(differences(lossy(), replace(CLOSED, energy_wh=energy_wh, reviews=reviews)))
        == expected
    )


def test_wrong_energy_that_its_own_messages_do_not_show_says_so() -> None:
    def line(case: Case) -> str:
        (line,) = [
            one.line
            for one in differences(case, replace(CLOSED, energy_wh=9000))
            if one.kind is Kind.SILENT
        ]
        return line

    assert line(lossy()).endswith("found 9000 Wh (none of its own messages refutes another)")
    seen = lossy()
    seen.entry.sent[0].moments[-1].register = "500000"  # as if the register had fallen since
    assert line(judged(seen.entry, is_honest=False)).endswith("found 9000 Wh")
    assert line(judged(charged().entry, is_honest=False)).endswith("found 9000 Wh")


def test_what_the_messages_show_is_exact_under_review_too() -> None:
    case = judged(charged().entry, is_honest=False)
    assert kinds(differences(case, replace(BOOKED, energy_wh=3999, reviews=("leap",)))) == [
        Kind.FLAGGED
    ]
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


# Agreement


def test_what_was_found_is_counted(site: Site) -> None:
    site.charge(wh=4000)
    site.charge("CP-2", 123, meter=77_000)
    site.charge(wh=0, meter=5000)
    assert site.found() == Verdict(transactions=3, energy_wh=4123)
    assert site.verify().is_clean


def test_nothing_happened(site: Site) -> None:
    assert site.found() == Verdict()


def test_a_running_transaction_is_no_fault(site: Site) -> None:
    site.start()
    assert site.found() == Verdict(transactions=1)


def test_one_whose_start_is_still_on_its_way_is_no_fault(site: Site) -> None:
    entry = site.unsent()
    assert site.found() == Verdict()
    site.end(entry, 4000)
    assert site.found() == Verdict(unprovable=(Unprovable("not sent by the end", 1, 4000),))


def test_a_charger_that_never_learned_the_id_is_found_by_its_start(site: Site) -> None:
    site.charge(wh=4000, learned=False)
    # its stop carried no transactionId
    assert site.found() == Verdict(transactions=1, energy_wh=4000, reviews=1)


def test_equal_starts_are_told_apart_by_their_ids_and_their_order(site: Site) -> None:
    """The register starts at 0 each time: same connector, tag and meterStart."""
    for wh in (100, 200, 300, 400):
        site.charge(wh=wh, meter=0, learned=wh == 200)
    assert site.verify().energy_wh == 1000
    assert site.verify().is_clean


def test_other_chargers_are_not_ours(site: Site) -> None:
    site.charge(wh=4000)
    site.station("STRANGER").stop(17, 5000)  # set aside
    site.station("STRANGER").start(5)
    assert site.found() == Verdict(transactions=1, energy_wh=4000)


def test_what_is_set_aside_is_counted(site: Site) -> None:
    site.charge(wh=4000)
    site.station("CP-1").stop(17, 5_000_000)
    assert site.found() == Verdict(transactions=1, energy_wh=4000, set_aside=1)


def test_the_same_message_set_aside_again_is_counted(site: Site) -> None:
    at = site.station("CP-1").clock()
    site.station("CP-1").stop(17, 5_000_000, at=at)
    site.books.wait(1)
    site.mark()
    assert site.verify().set_aside == 0
    site.unsent()
    site.books.wait(1)
    site.station("CP-1").stop(17, 5_000_000, at=at)
    assert site.verify().set_aside == 1


def test_destroyed_evidence_needs_a_review(site: Site) -> None:
    entry = site.start()
    site.stop(entry, 4000, told_wh=-500)  # the meter was swapped, and no reading was sent
    assert site.found() == Verdict(
        transactions=1, reviews=1, unprovable=(Unprovable("start told wrong", 1, 4000),)
    )


def test_what_is_lost_is_summed_by_class(site: Site) -> None:
    for charger, wh in (("CP-1", 1000), ("CP-2", 500)):
        entry = site.start(charger)
        site.end(entry, wh)
    site.stop(site.start(), 300, told_wh=-900)
    assert site.verify().unprovable == (
        Unprovable("no stop and no reading after", 2, 1500),
        Unprovable("start told wrong", 1, 300),
    )
    assert site.verify().unprovable_wh == 1800


def test_only_a_stop_that_proves_nothing_may_be_set_aside(site: Site) -> None:
    entry = site.lost_start(4000)
    site.books.wait(1)
    site.send_stop(entry, 4000)
    assert site.found() == Verdict(set_aside=1, unprovable=(Unprovable("start lost", 1, 4000),))


# Honest transactions


def reviewed(site: Site, entry: Entry) -> list[Kind]:
    """Put this entry's transaction under review and return the kinds of faults found."""
    tables = {
        name for (name,) in site.books.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    doubt = "UPDATE tx SET review = 'leap' WHERE id = ?"
    if "review" in tables:
        columns = "tx_id, code, words, figures, evidence, opened_at"
        doubt = f"INSERT INTO review ({columns}) VALUES (?, 'leap', 'a leap', '{{}}', '[]', '')"
    site.books.connection.execute(doubt, [entry.transaction_id])
    return site.kinds()


def test_a_review_of_an_honest_transaction_is_needless(site: Site) -> None:
    site.charge(wh=4000)
    entry = site.charge(wh=1000, meter=5000)
    site.charge(wh=2000, meter=6000)
    assert reviewed(site, entry) == [Kind.NEEDLESS]


@pytest.mark.parametrize("place", [0, 2])
def test_the_neighbour_of_a_liar_may_be_under_review(site: Site, place: int) -> None:
    entries = [site.charge(wh=1000, meter=1000 * number) for number in range(1, 4)]
    entries[place].sent[-1].transaction_id = 0
    assert reviewed(site, entries[1]) == []


def test_the_neighbour_on_another_charger_is_none(site: Site) -> None:
    entry, liar = site.charge(wh=1000), site.charge("CP-2", wh=1000)
    liar.sent[-1].transaction_id = 0
    assert reviewed(site, entry) == [Kind.NEEDLESS]


@pytest.mark.parametrize("lie", ["time", "id", "status"])
def test_who_lies_about_anything_is_not_honest(site: Site, lie: str) -> None:
    entry = site.charge(wh=1000)
    stop = entry.sent[-1]
    if lie == "id":
        stop.transaction_id = 0
    elif lie == "status":
        entry.lies.append("Available while it charged")
    else:
        stop.moments[-1].time = "1970-01-01T00:00:00Z"
    assert reviewed(site, entry) == []


# Disagreement


def test_wrong_energy(site: Site) -> None:
    entry = site.charge(wh=4000)
    site.books.connection.execute(
        "UPDATE tx SET energy_delivered = 3999 WHERE id = ?", [entry.transaction_id]
    )
    assert site.fault(Kind.SILENT) == (
        f"CP-1: transaction {entry.transaction_id} (connector 1, 'TAG', begun {entry.began_at} at "
        "1000 Wh): expected 4000 Wh, found 3999 Wh"
    )
    assert not site.verify().is_clean


def test_wrong_energy_where_something_is_lost(site: Site) -> None:
    """The server believed the stop."""
    site.stop(site.start(), 4000, told_wh=4500)
    line = site.fault(Kind.SILENT)
    assert line.endswith(
        "expected 0 to 4000 Wh, for review, found 4500 Wh (none of its own messages refutes "
        "another)"
    )


def test_wrong_energy_under_review(site: Site) -> None:
    """The falling reading causes a review; the correct stop is not believed."""
    entry = site.start()
    site.read(entry, 2000)
    site.read(entry, 3000, told_wh=100)
    site.stop(entry, 4000)
    site.books.connection.execute(
        "UPDATE tx SET energy_delivered = 2000 WHERE id = ?", [entry.transaction_id]
    )
    assert Kind.FLAGGED in reviewed(site, entry)


def test_a_lost_start(site: Site) -> None:
    entry = site.charge("CP-2", 500)
    entry.charger = "CP-9"
    lines = {fault.kind: fault.line for fault in site.verify().faults}
    assert lines[Kind.MISSING] == (
        f"CP-9: transaction {entry.transaction_id} (connector 1, 'TAG', begun {entry.began_at} at "
        "1000 Wh): expected 500 Wh, found no transaction of its own"
    )


def test_a_stop_that_is_nowhere(site: Site) -> None:
    site.note_stop(site.lost_start(4000), 4000)
    assert site.fault(Kind.MISSING).endswith("expected a message set aside, found none")


def test_readings_alone_open_no_transaction(site: Site) -> None:
    entry = site.lost_start(4000)
    for wh in (1000, 3000):
        site.read(entry, wh)
    assert [one.wh for one in site.verify().unprovable] == [1000, 1000]
    assert site.verify().is_clean


@pytest.mark.parametrize(("told_id", "fits"), [(None, True), (-5, True), (-6, False)])
def test_a_lone_stop_is_found_by_its_id_and_register(told_id: int | None, fits: bool) -> None:
    entry = Entry(charger="CP-1", connector=1, id_tag="TAG", began_at="", meter_start=1000)
    stop = Sent(
        action=STOP,
        moments=[Moment(at=9, delivered_wh=4000, register="5000")],
        left=9,
        transaction_id=-5,
    )
    entry.sent.append(stop)
    booked = {7: BookedTransaction(id=7, charger="CP-1", meter_stop=5000, told_id=told_id)}
    assert (_take(entry, booked) is not None) is fits
    assert (_take(entry, {8: BookedTransaction(id=8, charger="CP-1", meter_stop=5001)})) is None
    assert (_take(entry, {9: BookedTransaction(id=9, charger="CP-2", meter_stop=5000)})) is None


def test_a_lost_start_takes_nobody_s_place(site: Site) -> None:
    """The stop of a lost start has the same register as another stop."""
    site.note_stop(site.lost_start(4000), 4000)
    site.charge(wh=4000)
    assert site.kinds() == [Kind.MISSING]
    assert site.verify().transactions == 1


def test_a_lost_stop(site: Site) -> None:
    entry = site.start()
    site.end(entry, 4000)
    assert site.verify().is_clean  # nothing was sent to the server
    site.note_stop(entry, 4000)
    assert "expected 4000 Wh, found it still open" in site.fault(Kind.OPEN)


def test_one_that_died_is_closed_at_the_latest_by_the_next_start(site: Site) -> None:
    entry = site.start()
    site.end(entry, 4000)
    assert site.verify().is_clean
    other = site.charge("CP-2", 100)
    assert site.verify().is_clean
    other.charger = entry.charger  # as if its start had not closed the other
    assert Kind.OPEN in site.kinds()


def test_a_message_that_was_thrown_away_is_a_fault_of_the_server(site: Site) -> None:
    entry = site.charge(wh=4000)
    entry.sent[-1].is_thrown_away = True
    faults = site.verify().faults
    assert faults[0].kind is Kind.THROWN_AWAY
    assert faults[0].line.endswith(
        "expected a response to its StopTransaction, found none; the charger threw it away"
    )
    assert site.verify().unprovable == (Unprovable("message thrown away", 1, 4000),)


@pytest.mark.parametrize("learned", [True, False])
def test_an_invented_one(site: Site, learned: bool) -> None:
    """The server took a repeated start for a new one."""
    entry = site.charge(wh=4000, learned=learned)
    site.books.wait(1)
    invented = site.station("CP-1").start(entry.meter_start)
    line = site.fault(Kind.INVENTED)
    assert (
        line
        == f"CP-1: transaction {invented}: expected none, found None Wh on connector 1 for 'TAG'"
    )


def test_an_invented_one_of_a_charger_without_any(site: Site) -> None:
    invented = site.station("CP-2").start(99)
    assert site.verify().is_clean
    site.ledger.chargers.append("CP-2")
    assert f"CP-2: transaction {invented}: expected none" in site.fault(Kind.INVENTED)


def test_one_id_for_two(site: Site) -> None:
    first = site.charge(wh=4000)
    site.ledger.entries.append(replace(first, began_at="2027"))
    assert (
        "begun 2027 at 1000 Wh): expected 4000 Wh, found no transaction of its own"
        in site.fault(Kind.MISSING)
    )


def test_the_id_of_one_that_was_there_before(site: Site) -> None:
    entry = site.charge(wh=4000)
    site.mark()
    assert "found no transaction of its own" in site.fault(Kind.MISSING)
    assert site.ledger.transaction == entry.transaction_id


def test_the_same_start_twice_is_found_once(site: Site) -> None:
    """Neither received its transactionId, and the server has only one of them."""
    entry = site.charge(wh=4000, learned=False)
    site.ledger.entries.append(entry)
    assert "found no transaction of its own" in site.fault(Kind.MISSING)


# The file


def test_a_database_without_a_row_begins_at_nothing(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    words = r"there is no database .*site\.db; choose the database of the server with --verify"
    with pytest.raises(EnvironmentProblem, match=words):
        baseline(path)
    assert not path.exists()
    path.touch()
    assert baseline(path) == Mark()
    make_ours(path)
    assert baseline(path) == Mark()


def test_looking_takes_no_lock_from_the_writer(site: Site) -> None:
    entry = site.charge(wh=4000)
    site.books.connection.execute("BEGIN IMMEDIATE")
    assert baseline(site.path).transaction == entry.transaction_id
    assert site.verify().is_clean
    site.books.connection.execute("ROLLBACK")


NOTHING = Ledger(chargers=[], entries=list[Entry]())


def test_a_foreign_file_is_told_in_one_plain_line(tmp_path: Path) -> None:
    make(tmp_path / "levity.db")
    for look, flag in ((baseline, "--verify"), (lambda path: verify(path, NOTHING), "--db")):
        told = rf"levity\.db belongs to another program; choose another file with {flag}"
        with pytest.raises(EnvironmentProblem, match=told):
            look(tmp_path / "levity.db")


def test_a_file_that_is_not_there_is_told_in_one_plain_line(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"there is no database .*levity\.db; choose"):
        verify(tmp_path / "levity.db", NOTHING)
    assert not list(tmp_path.iterdir())


# Accepted without a fault


@pytest.mark.parametrize(("transactions", "missing"), [(5, 5), (6, 0)])
def test_a_review_that_a_habit_spares_is_not_missing(
    site: Site, transactions: int, missing: int
) -> None:
    """The same connector contradicted itself in five others: what came before is judged again."""
    for number in range(transactions):
        entry = site.charge(wh=1000, meter=1000 + 1000 * number)
        entry.sent[-1].is_contradicted = True
    assert site.kinds() == [Kind.UNREVIEWED] * missing


def test_a_stop_without_a_number_has_no_time_to_compare(site: Site) -> None:
    entry = site.charge(wh=1000)
    stop = entry.sent[-1].moments[-1]
    stop.register = "n/a"
    site.books.connection.execute(
        "UPDATE tx SET stop_time = '2026-03-01T12:10:01.000Z' WHERE id = ?", [entry.transaction_id]
    )
    assert Kind.TIME not in site.kinds()
    stop.register = "2000"
    assert Kind.TIME in site.kinds()


def test_a_clock_that_was_ahead_days_ago_may_be_ahead_in_a_queued_message(site: Site) -> None:
    """The last difference that the server could measure is the one that it knows."""
    ahead = site.start(behind=-60)
    site.stop(ahead, 1000)
    site.books.wait(3 * 24 * 60)
    entry = site.start(meter=2000)
    site.stop(entry, 1000)
    entry.sent[0].answered = entry.began + 600
    site.books.connection.execute(
        "UPDATE tx SET start_time = ? WHERE id = ?",
        [stamp(site.books.now - timedelta(minutes=120)), entry.transaction_id],
    )
    assert Kind.TIME not in site.kinds()
    entry.sent[0].answered = entry.began
    assert Kind.TIME in site.kinds()


@pytest.mark.parametrize("overlaps", [True, False])
def test_a_start_that_may_lie_within_one_without_a_stop_makes_less_certain(
    site: Site, overlaps: bool
) -> None:
    """If its connector has overlapped before, the 7,000 Wh of the last one may also be the previous
    one's."""
    site.charge(wh=4000, meter=1000)
    second = site.start(meter=4000 if overlaps else 5000)
    second.meter_start = 5000
    site.stop(second, 4000)
    site.end(site.start(meter=9000), 1000)
    entry = site.charge(wh=7000, meter=10_000)
    site.books.connection.execute(
        "UPDATE tx SET energy_delivered = 0 WHERE id = ?", [entry.transaction_id]
    )
    assert (Kind.FLAGGED in reviewed(site, entry)) is not overlaps


def test_what_two_cars_on_one_meter_have_beyond_what_flowed_is_counted(site: Site) -> None:
    """The meter rose by 600 Wh, of which the other car drew 200 Wh: too little to show."""
    entry = site.start()
    entry.lies.append(SHARED_METER)
    site.stop(entry, 400, 600)
    assert (site.verify().energy_wh, site.verify().beyond_wh) == (600, 200)
