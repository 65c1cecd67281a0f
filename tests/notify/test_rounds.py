"""Who is told what of which fact, in which words, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from levity_trio.events import (
    Fact,
    HouseholdReported,
    MonthLimitNear,
    MonthLimitReached,
    OutcomeKnown,
)
from levity_trio.notify import reading
from levity_trio.notify.kinds import OF_DRIVER
from levity_trio.notify.rounds import PUSH, after_quiet
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.load import load
from levity_trio.store.writes.people import messages
from levity_trio.store.writes.people.messages import By
from tests.notify.site import WAYS, Site
from tests.store.bills import Biller
from tests.store.books import Books, Station
from tests.store.nows import BERLIN
from tests.store.owning import House

ANNA, BEN = 1, 2


class Home(Site):
    """A site with a charger and two households; a driver of Anna's wants to know all."""

    def __init__(self, **driver: Any) -> None:
        super().__init__()
        self.house = House(self.books)
        self.house.give(ANNA, "TAG")
        self.station = Station(self.books)
        self.stations.append(self.station)
        self.station.boot()
        chosen = {"mail": "anna@example.org", "kinds": [*OF_DRIVER], "account": ANNA, **driver}
        self.driver = self.add(who="driver", **chosen)

    def fact(self, fact: Fact) -> None:
        self.books.run(UnitOfWork.record, fact)
        self.look()

    def charge(self, minutes: float = 60, wh: int = 8000) -> int:
        self.station.status("Charging")
        transaction = self.station.start(1000)
        self.wait(minutes, every=15)
        self.station.tell(self.station.register(1000 + wh), transaction=transaction)
        return transaction


def test_a_driver_is_told_that_the_car_is_full_and_unplugged() -> None:
    home = Home()
    transaction = home.charge()
    home.station.status("SuspendedEV")
    home.wait(4)
    assert home.told(home.driver) == []
    home.wait(20)
    assert home.told(home.driver) == [("full", "note", "Your car is full")]
    home.station.stop(transaction, 9000, reason="EVDisconnected")
    home.wait(5)
    assert home.bodies(home.driver) == [
        "Your car has taken nothing since 14:00: 8.0 kWh.",
        "Your car was unplugged at 14:24: 8.0 kWh.",
    ]
    links = home.books.rows("SELECT DISTINCT link FROM message")
    assert links == [(f"https://charge.example.org/d/sessions/{transaction}",)]


def test_a_car_that_load_management_holds_back_is_not_full() -> None:
    """It may answer for two minutes, and then pause for five like any other."""
    home = Home()
    transaction = home.charge()
    home.books.run(load.begin_span, transaction, "paused", home.books.at)
    home.station.status("SuspendedEV")
    home.wait(60)
    home.books.run(load.end_span, transaction, home.books.at)
    home.wait(6.5)
    assert home.told(home.driver) == []
    home.wait(1)
    assert home.bodies(home.driver) == ["Your car has taken nothing since 15:02: 8.0 kWh."]


def test_a_car_that_was_full_before_it_is_held_back_is_told_once() -> None:
    home = Home()
    transaction = home.charge()
    home.station.status("SuspendedEV")
    home.wait(6)
    home.books.run(load.begin_span, transaction, "paused", home.books.at)
    home.wait(30)
    home.books.run(load.end_span, transaction, home.books.at)
    home.wait(30)
    assert home.bodies(home.driver) == ["Your car has taken nothing since 14:00: 8.0 kWh."]


def test_a_car_that_waits_for_the_night_is_not_full() -> None:
    home = Home()
    home.charge(wh=100)
    home.station.status("SuspendedEV")
    home.wait(30)
    assert home.told(home.driver) == []


@pytest.mark.parametrize(
    ("reason", "kinds"),
    [
        ("PowerLoss", ["stopped"]),
        ("DeAuthorized", ["stopped"]),
        ("EVDisconnected", ["unplugged"]),
        ("Local", []),
    ],
)
def test_why_a_session_ended_says_who_is_told(reason: str, kinds: list[str]) -> None:
    home = Home()
    home.station.stop(home.charge(), 9000, reason=reason)
    home.wait(1)
    assert [kind for kind, _, _ in home.told(home.driver)] == kinds


def test_only_its_household_is_told_and_nobody_of_what_was_before() -> None:
    home = Home()
    ben = home.add(who="driver", account=BEN, mail="ben@example.org", kinds=[*OF_DRIVER])
    home.station.stop(home.charge(), 9000, reason="PowerLoss")
    home.books.wait(1)
    late = home.add(who="driver", account=ANNA, mail="late@example.org", kinds=[*OF_DRIVER])
    home.wait(5)
    assert [len(home.told(one)) for one in (home.driver, ben, late)] == [1, 0, 0]


def test_a_late_stop_of_a_session_that_was_closed_tells_nothing_new() -> None:
    home = Home()
    transaction = home.charge()
    home.station.orphan(transaction, 9000)
    home.wait(5)
    home.station.stop(transaction, 9000, reason="PowerLoss")
    home.wait(5)
    assert [kind for kind, _, _ in home.told(home.driver)] == ["stopped"]


def test_limits_of_the_month() -> None:
    home = Home(quiet_from="00:00", quiet_until="23:59")
    values = {
        "what": "account",
        "key": str(ANNA),
        "month": "2026-03",
        "until": "2026-03-31T22:00:00.000Z",
    }
    home.fact(MonthLimitNear(charger=None, at=home.books.at, **values))
    home.fact(
        MonthLimitReached(charger=None, at=home.books.at, **{**values, "what": "tag", "key": "tag"})
    )
    assert home.told(home.driver) == [
        ("limit", "note", "You have used four fifths of what you may in this month"),
        ("limit", "note", "You have used what you may in this month"),
    ]
    near, reached = (
        due for (due,) in home.books.rows("SELECT not_before FROM message ORDER BY id")
    )
    assert (near > home.books.at, reached) == (True, home.books.at)


def reported(books: Books, number: int, about: str, id_tag: str | None = None) -> HouseholdReported:
    return HouseholdReported(
        charger=None,
        at=books.at,
        report=number,
        account=ANNA,
        about=about,
        transaction=None,
        id_tag=id_tag,
    )


def test_names_of_households_only_for_owners_who_want_them() -> None:
    home = Home()
    named = home.add(who="caretaker", mail="c@example.org", kinds=["report"], with_names=True)
    home.fact(reported(home.books, 1, "card", "ANNA"))
    assert home.told() == [("report", "note", "A household lost a card, which is blocked now")]
    assert home.told(named) == [("report", "note", "Anna lost a card, which is blocked now")]
    home.fact(reported(home.books, 2, "card"))
    assert home.told(named)[-1] == ("report", "note", "Anna asks for a new card")
    assert home.told(home.driver) == []


def test_a_command_that_fails_each_hour_is_told_once_a_day() -> None:
    home = Home()
    caretaker = home.add(who="caretaker", mail="c@example.org", kinds=["report"])

    def fail(outcome: str, action: str = "Reset", words: str = "no boot followed") -> None:
        home.fact(
            OutcomeKnown(
                charger="CP-1",
                at=home.books.at,
                command=1,
                action=action,
                outcome=outcome,
                words=words,
                transaction=None,
            )
        )
        home.wait(60, every=30)

    for outcome in ("fulfilled", "not seen", "contradicted"):
        fail(outcome)
    fail("not seen", "RemoteStopTransaction", "command 2 replaced it")
    fail("not seen", "RemoteStartTransaction")  # nobody plugged in
    fail("not seen", "SetChargingProfile")  # nothing charges
    fail("contradicted", "SetChargingProfile")
    assert home.bodies() == [
        "CP-1 does not do what it was asked: start again (14:00).",
        "CP-1 does not do what it was asked: limit its power (19:00).",
    ]
    assert home.bodies(caretaker) == [], "who did not choose this"


@pytest.mark.logs_errors
def test_a_fact_that_nobody_foresaw_keeps_no_other_from_being_told() -> None:
    home = Home()
    odd = MonthLimitNear(
        charger=None, at=home.books.at, what="account", key="Anna", month="2026-03", until=""
    )
    home.books.run(UnitOfWork.record, odd)
    home.fact(reported(home.books, 2, "session"))
    assert home.told() == [("report", "note", "A household asks about a session")]


@pytest.mark.logs_errors
def test_what_lasts_and_cannot_be_told_keeps_nothing_else_from_being_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cause of a kind that there is not, as after a step back to an older version; and a car that
    nobody foresaw."""
    home = Home()
    insert = (
        "INSERT INTO cause (kind, subject, parts, began_at, found_at) "
        "VALUES ('flood', '', '[]', ?, ?)"
    )
    home.books.connection.execute(insert, (home.books.at, home.books.at))
    other = Station(home.books, "CP-2")
    odd = other.start(0, tag="TAG")
    monkeypatch.setattr(
        reading, "answered_at", lambda _, number: "" if 1 // (number != odd) else None
    )
    other.tell(other.register(9000), transaction=odd)
    other.status("SuspendedEV")
    home.charge()
    home.station.status("SuspendedEV")
    home.wait(20, every=10)
    assert home.told(home.driver) == [("full", "note", "Your car is full")]
    home.fact(reported(home.books, 2, "session"))
    assert home.told()[-1] == ("report", "note", "A household asks about a session")


@pytest.mark.logs_errors
def test_quiet_hours_that_cannot_be_read_keep_no_one_else_from_being_told() -> None:
    """Older versions took a time with a line feed at its end."""
    home = Home()
    home.books.run(messages.end_recipient, home.owner, By(home.books.at, "anna"))
    kinds = ["report", "fault"]
    odd = home.add(
        who="owner", mail="odd@example.org", kinds=kinds, quiet_from="22:00\n", quiet_until="06:00"
    )
    other = home.add(who="owner", mail="other@example.org", kinds=kinds)
    home.fact(reported(home.books, 3, "session"))
    home.station.status("Faulted", error="GroundFailure")
    home.wait(2)
    # which quiet hours do not hold back
    assert home.told(odd) == [("fault", "begin", "CP-1 is faulted")]
    assert [kind for kind, *_ in home.told(other)] == ["report", "fault"]


def test_a_closed_month_is_told_or_mailed() -> None:
    home = Home()
    pdf = home.add(who="driver", account=ANNA, mail="pdf@example.org", gets_statements=True)
    biller = Biller(home.house)
    home.station.stop(home.charge(), 9000)
    home.books.now = datetime(2026, 4, 2, 8, 0, tzinfo=UTC)
    biller.close("2026-03")
    home.wait(1)
    assert home.told(home.driver) == [("statement", "note", "Your statement for March 2026")]
    assert home.told(pdf) == [("statement", "statement", "Your statement for March 2026")]
    assert home.bodies(pdf) == ["Your statement for March 2026 is attached."]


def test_texts_are_in_the_language_of_the_recipient_and_push_is_another_message() -> None:
    home = Home()
    home.books.connection.execute("UPDATE account SET language = 'de' WHERE id = 1")
    both = home.add("0123", who="owner", mail="o@example.org", kinds=["fault"], language="xx")
    home.ways = WAYS.__class__(channels=["mail", PUSH], zone=BERLIN)
    home.station.status("Faulted", error="GroundFailure")
    home.wait(3)
    home.station.status("Available")
    home.wait(10)
    found = home.books.rows(
        "SELECT channel, part, link FROM message WHERE recipient_id = ? ORDER BY id", both
    )
    assert found == [
        (channel, part, None) for part in ("begin", "end") for channel in ("mail", "push")
    ]
    assert len({one for (one,) in home.books.rows("SELECT message_id FROM message")}) == 6


@pytest.mark.parametrize(
    ("quiet", "local", "until"),
    [
        (("22:00", "06:30"), (3, 1, 23, 15), (3, 2, 6, 30)),
        (("22:00", "06:30"), (3, 2, 6, 29), (3, 2, 6, 30)),
        (("22:00", "06:30"), (3, 2, 6, 30), (3, 2, 6, 30)),
        (("22:00", "06:30"), (3, 2, 12, 0), (3, 2, 12, 0)),
        (("13:00", "15:00"), (3, 2, 14, 0), (3, 2, 15, 0)),
        # the night in which summer time begins
        (
            ("22:00", "06:30"),
            (3, 28, 23, 0),
            (3, 29, 6, 30),
        ),
        (("08:00", "08:00"), (3, 2, 12, 0), (3, 2, 12, 0)),
    ],
)
def test_quiet_hours(
    quiet: tuple[str, str], local: tuple[int, int, int, int], until: tuple[int, int, int, int]
) -> None:
    now, then = (datetime(2026, *one, tzinfo=BERLIN) for one in (local, until))
    assert after_quiet(quiet, now.astimezone(UTC), BERLIN) == then
