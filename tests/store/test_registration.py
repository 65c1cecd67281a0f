"""Newcomers and decisions about chargers, as the books have them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio import nouns
from levity_trio.access.registration import NEW_A_DAY, Mode, Registrations
from levity_trio.events import (
    ChargerConnected,
    ChargerHidden,
    ChargerShown,
    NewcomerWaiting,
    TransactionStarted,
)
from levity_trio.store.reads.chargers.chargers import of_model
from levity_trio.store.reads.chargers.security import Newcomer, decisions, newcomers
from levity_trio.store.reads.now.present import present, waiting
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.site.database import beginning
from levity_trio.store.writes.chargers.hiding import UnknownIdentity, hide
from levity_trio.store.writes.chargers.registration import (
    AlreadyKnown,
    ChargerData,
    DecidedBy,
    Otherwise,
    add_charger,
    add_station,
    adopt,
    adopt_all,
    begin_waiting,
    change_charger,
    locked_out,
    refuse,
)
from levity_trio.store.writes.load import load
from levity_trio.wire.times import stamp
from tests.store.books import Books, Station, in_memory
from tests.store.reading import reading

ANNA = DecidedBy("2026-03-01T12:00:00.000Z", "anna", "ours")
PAGE = WantedPage()
DAY = 24 * 60


def listed(books: Books, *, is_waiting: bool = False) -> list[Newcomer]:
    with reading(books) as db:
        return newcomers(db, PAGE, is_waiting=is_waiting).data


def wait_for_a_person(station: Station) -> None:
    station.books.run(begin_waiting, station.name, "10.0.0.1", station.books.at)


def test_newcomers_as_a_person_sees_them(books: Books) -> None:
    one, other = Station(books, "CP-1"), Station(books, "cp-1")
    one.boot(serial_number="S-1")
    one.start()
    wait_for_a_person(other)
    found = {newcomer.id: newcomer for newcomer in listed(books)}
    assert (found["CP-1"].serial_number, found["CP-1"].has_charged, found["CP-1"].resembles) == (
        "S-1",
        True,
        "cp-1",
    )
    assert (found["CP-1"].waiting_since, found["CP-1"].remote_address) == (None, "10.0.0.1")
    assert (found["cp-1"].has_charged, found["cp-1"].resembles, found["cp-1"].is_connected) == (
        False,
        "CP-1",
        True,
    )
    assert [newcomer.id for newcomer in listed(books, is_waiting=True)] == ["cp-1"]


def test_a_decision_after_that_of_somebody_else_is_refused(books: Books) -> None:
    Station(books, "CP-1")
    books.run(refuse, "CP-1", ANNA, "newcomer")
    assert not books.run(refuse, "CP-1", ANNA, "newcomer")  # repeated
    with pytest.raises(Otherwise, match="refused"):
        books.run(adopt, "CP-1", ANNA, "newcomer")
    assert books.run(adopt, "CP-1", ANNA, "refused")


def test_one_that_is_decided_about_is_no_newcomer(books: Books) -> None:
    for name, decide in (("A", adopt), ("B", refuse)):
        wait_for_a_person(Station(books, name))
        assert books.run(decide, name, ANNA)
        assert not books.run(decide, name, ANNA._replace(by="ben"))
    assert listed(books) == []
    with reading(books) as db:
        found = decisions(db, None, PAGE).data
        assert [(one.charger, one.decision, one.decided_by, one.reason) for one in found] == [
            ("B", "refused", "anna", "ours"),
            ("A", "adopted", "anna", "ours"),
        ]
        assert [one.charger for one in decisions(db, "A", PAGE).data] == ["A"]


def test_a_hidden_newcomer_is_listed_while_it_is_connected(books: Books) -> None:
    station = Station(books)
    books.run(hide, "CP-1", books.at, None)
    assert [newcomer.id for newcomer in listed(books)] == ["CP-1"]
    station.lose()
    assert listed(books) == []
    books.run(adopt, "CP-1", ANNA)
    assert len(books.recorded(ChargerShown)) == 1


def test_a_newcomer_waits_once_and_one_that_was_decided_about_not_at_all(books: Books) -> None:
    station = Station(books)
    wait_for_a_person(station)
    wait_for_a_person(station)
    assert len(books.recorded(NewcomerWaiting)) == 1
    books.run(refuse, "CP-1", ANNA)
    wait_for_a_person(station)
    assert len(books.recorded(NewcomerWaiting)) == 1


def test_strangers_are_no_series_and_raise_no_alert(books: Books) -> None:
    stations = {name: Station(books, name) for name in ("KNOWN", "WAITS", "REFUSED", "CHARGES")}
    for name in ("WAITS", "CHARGES"):
        wait_for_a_person(stations[name])
    books.run(refuse, "REFUSED", ANNA)
    stations["CHARGES"].start()
    with reading(books) as db:
        assert present(db).hidden == {"WAITS", "REFUSED"}
        assert waiting(db).newcomers == 2


def test_what_is_sent_to_a_model_is_not_for_strangers(books: Books) -> None:
    """Anybody can claim to be of a model."""
    for name in ("ADOPTED", "WAITS", "REFUSED", "OTHER"):
        Station(books, name).boot(model="Smart" if name != "OTHER" else "Duo")
    books.run(adopt, "ADOPTED", ANNA)
    books.run(refuse, "REFUSED", ANNA)
    books.run(begin_waiting, "WAITS", "10.0.0.1", books.at)
    with reading(books) as db:
        assert of_model(db, "smart") == ["ADOPTED"]


# In memory

STEPS: dict[str, Callable[[Books, str], object]] = {
    "add": lambda books, name: books.run(
        add_charger, name, ChargerData(None, None), books.at, "anna"
    ),
    "adopt": lambda books, name: books.run(adopt, name, ANNA),
    "refuse": lambda books, name: books.run(refuse, name, ANNA),
    "hide": lambda books, name: books.run(hide, name, books.at, None),
    "charge": lambda books, name: (station := Station(books, name)).stop(station.start()),
    "connect": Station,
}
IMPOSSIBLE = (AlreadyKnown, UnknownIdentity)


@settings(max_examples=60)
@given(
    st.sampled_from(Mode),
    st.lists(st.tuples(st.sampled_from(list(STEPS)), st.sampled_from("AB")), max_size=12),
)
def test_memory_is_what_a_restart_would_read(mode: Mode, steps: list[tuple[str, str]]) -> None:
    with closing(in_memory()) as connection:
        books = Books(connection)
        memory = Registrations(mode, set(), {})
        for step, name in steps:
            books.facts.clear()
            with suppress(*IMPOSSIBLE):
                STEPS[step](books, name)
            for fact in books.facts:
                memory.observe(fact)
            with reading(books) as db:
                read = beginning(db)
            again = Registrations(mode, set(read.chargers), dict(read.decided))
            for charger in "AB":
                assert memory.status(charger) == again.status(charger)
                assert memory.is_registered(charger) == again.is_registered(charger)
            assert memory.count_newcomers() == again.count_newcomers()


# A switch


@pytest.mark.parametrize(
    ("ended_days_ago", "is_open", "is_locked_out"),
    [(None, True, True), (40, True, True), (40, False, False), (20, False, True), (0, False, True)],
)
def test_who_would_be_locked_out(
    books: Books, ended_days_ago: int | None, is_open: bool, is_locked_out: bool
) -> None:
    """Whose transaction is open, or began or ended lately, whatever its charger's clock says."""
    station = Station(books, behind=365 * DAY)
    if ended_days_ago is not None:
        transaction = station.start()
        books.wait(35 * DAY)
        station.stop(transaction)
        books.wait(ended_days_ago * DAY)
    if is_open:
        station.start(5000)
    books.wait(40 * DAY if ended_days_ago is None else 0)
    since = stamp(books.now - timedelta(days=30))
    assert books.run(locked_out, since) == (["CP-1"] if is_locked_out else [])
    books.run(adopt_all, ANNA)
    assert books.run(locked_out, since) == []


@pytest.mark.parametrize("mode", Mode)
def test_room_for_a_new_charger(books: Books, mode: Mode) -> None:
    """Newcomers that wait do not count as known chargers, and a closed server takes none."""
    station = Station(books, "A")
    station.stop(station.start(1000), meter=5000)
    station.name = "B"
    assert (station.connect(max_chargers=1, mode=mode) is not None) == (mode is Mode.ASK)


# Who makes room for a new one

ROOM = 5
OF_STILL = "SELECT id FROM tx WHERE cp_id = 'STILL'"
ATTACKER = "10.0.0.66"


def knock(station: Station, name: str, address: str = ATTACKER, *, stays: bool = False) -> bool:
    """Connect one more identity; return whether there was room."""
    station.name = name
    station.books.wait(1)
    has_room = station.connect(address, ROOM) is not None
    if has_room and not stays:
        station.lose()
    return has_room


def visible(books: Books) -> set[str]:
    return {name for (name,) in books.rows("SELECT id FROM cp WHERE hidden_at IS NULL")}


def test_false_identities_displace_one_another(books: Books) -> None:
    """Whoever invents them keeps out neither a new charger that waits nor one that is away, nor the
    next."""
    invented = Station(books, "WAITS")
    assert knock(invented, "X-0")
    assert knock(invented, "AWAY", "10.0.0.8")
    assert all(knock(invented, f"X-{number}") for number in range(1, 10))
    assert visible(books) == {"WAITS", "AWAY", "X-7", "X-8", "X-9"}
    assert knock(invented, "NEXT", "10.0.0.9")
    assert visible(books) == {"WAITS", "AWAY", "NEXT", "X-8", "X-9"}
    hidden = books.recorded(ChargerHidden)
    assert [(one.charger, one.made_room_for) for one in hidden[-2:]] == [
        ("X-6", "X-9"),
        ("X-7", "NEXT"),
    ]
    assert knock(invented, "X-7", stays=True)  # its row is there, so it needs no room
    assert visible(books) == {"WAITS", "AWAY", "NEXT", "X-8", "X-9"}


def test_identities_that_stay_connected_keep_out_nobody(books: Books) -> None:
    """They are of one network, of which each has as many addresses as it likes."""
    invented = Station(books, "WAITS")
    assert all(
        knock(invented, f"X-{number}", f"2001:db8::{number}", stays=True) for number in range(1, 5)
    )
    assert knock(invented, "NEXT", "10.0.0.9", stays=True)
    assert knock(invented, "X-5", "2001:db8::5", stays=True)
    assert visible(books) == {"WAITS", "NEXT", "X-3", "X-4", "X-5"}


def test_whom_a_person_knows_or_who_charged_makes_no_room(books: Books) -> None:
    charged = Station(books, "CHARGED")
    charged.stop(charged.start(1000), meter=5000)
    for name in ("ADOPTED", "NAMED", "PLACED"):
        Station(books, name).lose()
    books.run(adopt, "ADOPTED", ANNA)
    books.run(change_charger, "NAMED", ChargerData("Space 7", None), ANNA.at)
    yard = books.run(add_station, nouns.Station(name="Yard"), ANNA.at)
    books.run(change_charger, "PLACED", ChargerData(None, yard), ANNA.at)
    stranger = Station(books, "X-0")
    stranger.lose()
    assert knock(stranger, "X-1")
    assert knock(stranger, "X-2")
    assert visible(books) == {"CHARGED", "ADOPTED", "NAMED", "PLACED", "X-2"}
    books.run(load.manage, ["X-2"], ANNA.at, "anna")  # load management limits it
    assert not knock(stranger, "X-3")
    books.run(load.let_go, ["X-2"], ANNA.at, "anna")
    books.run(load.note_gone, "X-2", ANNA.at)
    assert knock(stranger, "X-3")
    books.run(adopt, "X-3", ANNA)
    assert not knock(stranger, "X-4")


def test_one_start_without_energy_keeps_no_place(books: Books) -> None:
    """Anybody in the network can send one. A register that moved, or a second session, shows a
    charger."""
    stations = {
        name: Station(books, name) for name in ("STILL", "ENDED", "RISES", "PER-SESSION", "TWICE")
    }
    for name, meters in {
        "STILL": [7000],
        "ENDED": [7000],
        "RISES": [7000, 7400],
        "PER-SESSION": [300],
    }.items():
        transaction = stations[name].start(7000)
        for meter in meters:
            books.wait(60)
            stations[name].tell(stations[name].register(meter), transaction=transaction)
        if name == "ENDED":
            stations[name].stop(transaction, meter=7000)
    twice = stations["TWICE"]
    twice.stop(twice.start(7000), meter=7000)
    twice.start(7001)
    with reading(books) as db:
        # their readings may wait, in messages that are large
        assert beginning(db).has_charged == stations.keys()
        assert beginning(db).bare == {"STILL", "ENDED"}
    stranger = Station(books, "NEXT")
    assert knock(stranger, "NEXT-2", "10.0.0.9", stays=True)
    assert knock(stranger, "NEXT-3", "10.0.0.9", stays=True)
    assert visible(books) >= {"RISES", "PER-SESSION", "TWICE"}
    assert not visible(books) & {"STILL", "ENDED"}
    with reading(books) as db:
        assert {"STILL", "ENDED"} <= present(db).hidden
        assert beginning(db).has_charged == {"RISES", "PER-SESSION", "TWICE"}
    books.wait(60)
    stations["STILL"].tell(stations["STILL"].register(7900), transaction=books.value(OF_STILL))
    with reading(books) as db:
        assert "STILL" not in present(db).hidden  # it charges, so it is reported again


def test_one_network_brings_a_bounded_number_a_day() -> None:
    """Each identity leaves rows that stay."""
    has_charged: set[str] = set()
    registrations = Registrations(Mode.OPEN, {"X"}, {}, has_charged)

    def come(day: str, address: str) -> None:
        at = f"{day}T12:00:00.000Z"
        registrations.observe(
            ChargerConnected(charger="X", at=at, session=1, remote_address=address, is_new=True)
        )

    for number in range(NEW_A_DAY):
        come("2026-03-01", f"2001:db8::{number:x}")
    assert "5000 new identities" in (registrations.why_no_room(1, "2001:db8::ffff:1") or "")
    assert registrations.why_no_room(1, "2001:db9::1") is None
    assert registrations.why_no_room(2, "2001:db8::1") is None  # there is room
    has_charged.add("X")
    assert registrations.why_no_room(1, "2001:db9::1") == registrations.no_room
    started = TransactionStarted(
        charger="X", at="", transaction=1, connector=1, id_tag="A", meter_start_wh=0
    )
    has_charged.clear()
    registrations.observe(started)
    has_charged.add("X")
    # of its only session nothing is known
    assert registrations.why_no_room(1, "2001:db9::1") is None
    again = Registrations(Mode.OPEN, {"X"}, {}, has_charged, {"X"})
    assert again.why_no_room(1, "2001:db9::1") is None  # nor after a restart
    registrations.observe(started)
    assert registrations.why_no_room(1, "2001:db9::1") == registrations.no_room
    has_charged.clear()
    come("2026-03-02", "2001:db8::1")
    assert registrations.why_no_room(1, "2001:db8::1") is None
