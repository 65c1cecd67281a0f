"""A week of a site like the demo's, for an owner who wants to know all: few messages, and each
cause among them.

    pytest -s tests/notify/test_week.py

prints them.
"""

from __future__ import annotations

from tests.notify.site import Site
from tests.store import copied
from tests.store.books import Station

DAY = 24 * 60


class Week(Site):
    """Twenty chargers, at which cars charge each day. One flickers, and the server restarts, each
    day."""

    def __init__(self) -> None:
        super().__init__(20)
        self.register = 1000

    def day(self) -> None:
        for one in self.stations[:6]:
            self.charge(one)
        lonely = self.stations[8]
        lonely.lose(reason="flickered")
        self.wait(6, every=1)
        lonely.connect()
        self.restart(away_minutes=1)
        self.wait(DAY - 6 - 6 * 45, every=30)

    def charge(self, station: Station, *, is_doubtful: bool = False) -> None:
        station.status("Charging")
        transaction = station.start(self.register)
        self.wait(45, every=15)
        self.register += 8000
        station.stop(
            transaction,
            self.register - 8500 if is_doubtful else self.register,
            reason="EVDisconnected",
        )
        station.status("Available")
        self.books.settle()

    def outage(self, minutes: float) -> None:
        for one in self.stations:
            one.lose()
        self.wait(minutes, every=1)
        for one in self.stations:
            one.connect()
            self.wait(0.1, every=0.1)


def test_a_week_of_the_demo() -> None:
    week = Week()
    week.day()
    week.stations[16].status("Faulted", error="GroundFailure")
    week.day()
    week.charge(week.stations[3], is_doubtful=True)
    week.day()
    week.outage(40)
    week.day()
    week.charge(week.stations[11], is_doubtful=True)
    for _ in range(3):
        week.day()
    told = week.told()
    print(*(f"{kind} {part}: {subject}" for kind, part, subject in told), sep="\n")
    assert len(told) <= 5
    assert [(kind, part) for kind, part, _ in told] == [
        *(
            ("fault", "begin"),
            ("doubt", "digest"),
            ("away", "begin"),
            ("away", "end"),
            ("doubt", "digest"),
        ),
    ]
    assert "All" not in week.bodies()[2]
    assert week.bodies()[2].startswith("20 chargers have been away since ")


def test_a_backend_that_is_away_is_told_once_and_that_it_is_back() -> None:
    """Two backends that are away at the same time are two causes."""
    site = Site(chargers=2)
    books = site.books
    employer = copied.add(books, "Employer", "CP-01", "CP-02")
    insurer = copied.add(books, "Insurer", "CP-01")
    copied.link(books, employer, "CP-01", is_connected=False)
    copied.link(books, insurer, "CP-01", is_connected=False)
    site.wait(5)
    copied.link(books, employer, "CP-02", is_connected=False)
    site.wait(24)
    assert site.told() == []
    site.wait(60)
    assert site.told() == [
        ("backend", "begin", "The backend Employer is behind with CP-01"),
        ("backend", "begin", "The backend Insurer is behind with CP-01"),
    ]
    site.restart()
    site.wait(5)
    assert len(site.told()) == 2
    for charger in ("CP-01", "CP-02"):
        copied.link(books, employer, charger)
    site.wait(10)
    assert site.told()[2:] == [("backend", "end", "The backend Employer gets everything again")]
    links = books.rows("SELECT DISTINCT link FROM message WHERE kind = 'backend'")
    assert links == [("https://home.example.org/backends",)]


def test_what_a_backend_refuses_each_day_is_told_once() -> None:
    site = Site(chargers=1)
    employer = copied.add(site.books, "Employer", "CP-01")
    for _ in range(20):
        copied.refuse(site.books, employer, "CP-01")
        site.wait(1440, every=60)
    assert site.told() == [
        ("backend", "begin", "1 message was refused by the backend Employer"),
    ]
    site.wait(8 * 1440, every=60)
    assert site.told()[1:] == [("backend", "end", "The backend Employer gets everything again")]
