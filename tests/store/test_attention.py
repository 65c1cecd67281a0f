"""What wants a look: each kind, its words, and the order."""

from __future__ import annotations

from datetime import timedelta

import pytest

from levity_trio.events import EventsPruned, LimitIgnored
from levity_trio.locale import speaking
from levity_trio.locale.texts import said
from levity_trio.store.beside.backup_note import LastBackup
from levity_trio.store.cases.case import length
from levity_trio.store.engine.database import DatabaseSpace
from levity_trio.store.writes.chargers import commands
from levity_trio.store.writes.chargers.chargers import note_labels
from levity_trio.store.writes.load import load
from levity_trio.store.writes.site import receivers
from levity_trio.told import Told
from levity_trio.wire.times import stamp
from tests.store import copied, loads
from tests.store.books import Books, Station
from tests.store.nows import WELL, Page
from tests.store.telling import charge
from tests.store.test_outcomes import ask


@pytest.fixture
def page(books: Books) -> Page:
    return Page(books)


def name(books: Books, charger: str, text: str) -> None:
    books.connection.execute("UPDATE cp SET name = ? WHERE id = ?", (text, charger))


def test_where_all_is_well_it_is_empty(station: Station, page: Page) -> None:
    station.status("Charging")
    charge(station, station.start(1000), 1000, minutes=5, every=1)
    assert page.attention() == []


def test_what_the_machine_lacks(page: Page) -> None:
    page.machine = WELL._replace(
        can_store=False,
        is_damaged=True,
        is_clock_trusted=False,
        space=DatabaseSpace(0, 0, 0, 499_000_000),
    )
    found = page.attention()
    assert [(one.kind, one.level) for one in found] == [
        *(("storage", "broken"), ("storage", "broken"), ("disk", "broken"), ("clock", "broken")),
    ]
    assert "499 MB" in found[2].words


def test_a_circuit_above_its_limit_is_broken_and_a_silent_meter_wants_a_look(
    books: Books, page: Page
) -> None:
    over = [{"circuit": "Garage", "phase": phase, "since": books.at} for phase in ("L1", "L3")]
    meters = [loads.silent_meter("Main"), loads.silent_meter("Other") | {"is_stale": False}]
    loads.decide(books, over=over, meters=meters)
    assert [(one.kind, one.level, one.since, one.words) for one in page.attention()] == [
        ("exceeded", "broken", books.at, "Garage is above its limit on L1 and L3"),
        ("meter", "look", None, "The meter Main is silent, so cars may get less than there is"),
    ]


def test_a_charger_that_does_not_obey_its_limit(books: Books, page: Page) -> None:
    for charger in ("CP-1", "CP-2"):
        Station(books, charger)
    name(books, "CP-1", "Space 7")
    books.run(load.manage, ["CP-1", "CP-2"], books.at, "anna")
    assert page.attention() == []
    since = books.at
    books.run(
        load.note_ignored,
        LimitIgnored(charger="CP-1", at=since, connector=1, limit=10, drawn=15.8, way=1),
        2,
        None,
    )
    words = "Space 7 does not obey its limit, so others may get less current"
    (found,) = page.attention(sees_all=False)
    assert (found.kind, found.level, found.since, found.charger, found.words) == (
        "ignored",
        "look",
        since,
        "CP-1",
        words,
    )
    books.run(load.let_go, ["CP-1"], books.at, "anna")
    assert page.attention() == []


def test_an_address_that_the_machine_has_lost(books: Books, page: Page) -> None:
    for charger, dialled in (
        ("CP-1", "192.0.2.7"),
        ("CP-2", "192.0.2.7"),
        ("CP-3", "192.0.2.8"),
        ("CP-4", None),
    ):
        Station(books, charger)
        books.connection.execute("UPDATE cp SET dialled = ? WHERE id = ?", (dialled, charger))
    books.run(note_labels, "192.0.2.7", {"CP-1": 2, "CP-4": 1})
    assert page.attention() == []
    page.machine = WELL._replace(
        has_address=lambda one: one == "192.0.2.8", address=lambda: "192.0.2.8"
    )
    (lost,) = page.attention()
    assert (lost.kind, lost.level, lost.count) == ("address", "broken", 5)
    assert lost.words == (
        "This machine is no longer 192.0.2.7, it is 192.0.2.8 now. 2 chargers and 3 labels "
        "still have the old address"
    )
    books.connection.execute("UPDATE cp SET dialled = '192.0.2.8' WHERE id IN ('CP-1', 'CP-2')")
    books.run(note_labels, "192.0.2.8", {"CP-1": 2})
    page.machine = page.machine._replace(address=lambda: None)
    (lost,) = page.attention()
    assert lost.words == "This machine is no longer 192.0.2.7. 1 label still has the old address"
    books.run(note_labels, None, {"CP-4": 1})  # they bear a name now
    assert page.attention() == []


@pytest.mark.parametrize(("days", "kinds"), [(2.9, []), (3, ["backup"])])
def test_a_backup_that_is_old(books: Books, page: Page, days: float, kinds: list[str]) -> None:
    made = stamp(books.now - timedelta(days=days))
    page.machine = WELL._replace(
        backup=LastBackup(made, "/mnt/levity.db", 4096), is_saved_elsewhere=False
    )
    found = page.attention()
    assert [one.kind for one in found] == kinds
    assert all((one.level, one.since) == ("look", made) for one in found)
    page.machine = page.machine._replace(is_saved_elsewhere=True)
    assert page.attention() == []


def test_a_database_that_was_never_backed_up_has_a_week(books: Books, page: Page) -> None:
    page.machine = WELL._replace(is_saved_elsewhere=False)
    books.wait(6.9 * 24 * 60)
    assert page.told() == []
    books.wait(0.1 * 24 * 60)
    assert page.told() == [
        ("backup", "No backup is known; make one with: levity-trio backup FILE", None)
    ]


def test_a_faulted_connector(books: Books, station: Station, page: Page) -> None:
    name(books, "CP-1", "Space 9")
    station.status("Available", connector=0)
    station.status("Faulted", error="GroundFailure")
    (one,) = page.attention()
    assert (one.kind, one.level, one.charger, one.connector) == ("faulted", "broken", "CP-1", 1)
    assert (one.words, one.since) == (
        "Space 9 is faulted: GroundFailure",
        "2026-03-01T12:00:00.000Z",
    )
    station.lose()
    books.wait(30)
    station.connect()
    station.status("Faulted", error="GroundFailure")  # again, because it does not know who heard it
    assert page.attention() == [one]
    station.status("Available", connector=2)
    assert page.told() == [("faulted", "Space 9, connector 1, is faulted: GroundFailure", "CP-1")]
    station.status("Available")
    assert page.told() == []


def test_in_german_names_stay_as_they_are(books: Books, station: Station, page: Page) -> None:
    name(books, "CP-1", "Something")
    station.status("Available", connector=2)
    station.status("Faulted", error="GroundFailure")
    station.status("Faulted", error="is away", connector=2)
    with speaking("de"):
        assert [said(one.words) for one in page.attention()] == [
            "Something, Anschluss 1, ist gestört: Erdschluss",
            "Something, Anschluss 2, ist gestört: is away",
        ]


def test_a_faulted_charger(station: Station, page: Page) -> None:
    station.status("Faulted", connector=0, error="InternalError")
    assert page.told() == [("faulted", "CP-1 is faulted: InternalError", "CP-1")]


def test_a_connector_that_is_not_as_it_was_told_to_be(
    books: Books, station: Station, page: Page
) -> None:
    name(books, "CP-1", "Space 9")
    station.status("Unavailable")
    change = {"connectorId": 1, "type": "Operative"}
    ask(station, "ChangeAvailability", change)
    assert page.told() == []
    books.run(commands.follow_all, books.at)
    books.wait(2.1)
    books.run(commands.follow_all, books.at)
    words = "Space 9, connector 1, was told to be in service, and reports Unavailable"
    assert page.told() == [("availability", words, "CP-1")]
    station.status("Available")
    assert page.told() == []


def test_one_that_is_away_once_it_had_time_to_come_back(
    books: Books, station: Station, page: Page
) -> None:
    page.machine = WELL._replace(begun_at=books.at)
    station.lose()
    lost = books.at
    books.wait(1.9)
    assert page.told() == []
    books.wait(0.1)
    (one,) = page.attention()
    assert (one.kind, one.words, one.since) == ("offline", "CP-1 is away", lost)


def test_one_that_never_came_is_not_missed(books: Books, page: Page) -> None:
    books.connection.execute("INSERT INTO cp (id, created_at, updated_at) VALUES ('CP-7', '', '')")
    assert page.told() == []


def test_a_silent_session(books: Books, station: Station, page: Page) -> None:
    transaction = station.start(1000)
    charge(station, transaction, 1000, minutes=10, every=2)
    since = page.session().last_reading_at
    books.wait(7)
    (one,) = page.attention()
    assert (one.kind, one.level, one.charger, one.connector, one.transaction, one.since) == (
        *("silent", "look", "CP-1", 1, transaction, since),
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *(
            (299, "5 minutes"),
            (290, "nearly 5 minutes"),
            (331, "nearly 6 minutes"),
            (5400, "90 minutes"),
        ),
        *(
            (17_999, "5 hours"),
            (17_880, "nearly 5 hours"),
            (16_300, "nearly 5 hours"),
            (16_100, "4 hours"),
        ),
        *(
            (7190, "nearly 2 hours"),
            (86_000, "nearly 24 hours"),
            (172_790, "nearly 2 days"),
            (77 * 86_400, "77 days"),
        ),
    ],
)
def test_a_length_of_time_is_told_to_the_nearest_unit(seconds: float, words: str) -> None:
    assert length(seconds) == words


def test_the_clock_of_a_charger(books: Books, page: Page) -> None:
    for number, behind in (("CP-1", 6), ("CP-2", -90), ("CP-3", 4)):
        Station(books, number, behind=behind).status("Available")
    assert page.told() == [
        ("charger_clock", "The clock of CP-1 is 6 minutes behind", "CP-1"),
        ("charger_clock", "The clock of CP-2 is 90 minutes ahead", "CP-2"),
    ]


def test_what_waits_for_a_person(books: Books, station: Station, page: Page) -> None:
    transaction = station.start(5000)
    books.wait(60)
    station.stop(transaction, 1000)  # the register ran backwards
    opened = books.at
    books.connection.execute(
        "INSERT INTO set_aside (cp_id, session_id, received_at, action, message_id, payload, "
        "digest, reason, last_received_at) "
        "VALUES ('CP-1', ?, ?, 'StopTransaction', '', '', '', '', '')",
        (station.session, opened),
    )
    newcomer = Station(books, "CP-2")
    books.connection.execute(
        "UPDATE cp SET waiting_since = ? WHERE id = ?", (books.at, newcomer.name)
    )
    found = page.attention()
    assert [(one.kind, one.count, one.since, one.words) for one in found] == [
        ("review", 1, opened, "1 session is doubtful"),
        ("set_aside", 1, opened, "1 message could not be linked to a session"),
        ("newcomer", 1, opened, "1 new charger waits to be adopted or refused"),
    ]


def test_refused_tags_that_wait(books: Books, page: Page) -> None:
    for tag, at in (("a", "2026-02-02"), ("b", "2026-02-01")):
        books.connection.execute(
            "INSERT INTO asked_tag VALUES (?, ?, 'CP-1', ?, '', 1)", (tag, tag, at)
        )
    (one,) = page.attention()
    assert (one.kind, one.count, one.since, one.words) == (
        "tags",
        2,
        "2026-02-01",
        "2 unknown cards were refused",
    )


def test_money_and_webhooks_are_for_operators(books: Books, page: Page) -> None:
    books.connection.execute(
        "INSERT INTO account (name, since, created_at, created_by, updated_at) "
        "VALUES ('Anna', '', '', '', '')"
    )
    books.connection.execute("INSERT INTO wallet VALUES (1, 0, '', '2026-02-01')")
    books.connection.execute(
        "INSERT INTO webhook (name, url, secret, created_at, created_by, position) "
        "VALUES ('house', '', '', '', '', 0)"
    )
    given_up = (
        "INSERT INTO webhook_given_up (webhook_id, at, failing_since, first_event, last_event, "
        "facts, problem) "
        "VALUES (1, ?, '', 1, 1, 3, '')"
    )
    for days in (1, 2, 8):
        books.connection.execute(given_up, (stamp(books.now - timedelta(days=days)),))
    assert [(kind, words) for kind, words, _ in page.told()] == [
        ("wallet", "1 prepaid household has nothing left"),
        ("webhook", "6 facts were never delivered to the webhook house"),
    ]
    assert page.attention(sees_all=False) == []


def test_a_broker_of_mqtt_that_is_away_or_takes_no_facts(books: Books) -> None:
    page = Page(books, WELL._replace(has_mqtt=True))
    assert page.attention() == []
    books.run(receivers.note_broker_link, True, books.at, "house:1883", None)
    position = int(books.value("SELECT position FROM mqtt"))
    books.wait(11)
    assert page.attention() == []
    away = books.at
    books.run(receivers.note_broker_link, False, away, "house:1883", "refused")
    books.wait(9)
    assert page.attention() == []
    books.wait(1)
    assert [(one.kind, one.words, one.since) for one in page.attention()] == [
        ("mqtt", "the MQTT broker house:1883 cannot be reached; 0 facts wait for it", away)
    ]
    books.run(receivers.note_broker_link, True, books.at, "house:1883", None)
    books.run(lambda db: db.record(EventsPruned(charger=None, at=books.at, count=1, before="")))
    assert page.attention() == []
    books.wait(10)
    (stuck,) = page.attention()
    assert stuck.words == "the MQTT broker house:1883 takes no facts; 1 fact waits for it"
    books.run(receivers.move_mqtt, position, position + 1, books.at)
    assert page.attention() == []
    books.wait(60)
    books.run(lambda db: db.record(EventsPruned(charger=None, at=books.at, count=1, before="")))
    assert page.attention() == []  # it waits only since now
    assert Page(books).attention() == []  # not in use any more


def test_a_backend_that_lacks_something(books: Books, page: Page) -> None:
    """One line for each backend, however many chargers are told to it."""
    for charger in ("CP-1", "CP-2", "CP-3"):
        Station(books, charger)
    name(books, "CP-1", "Space 7")
    employer = copied.add(books, "Employer", "CP-1", "CP-2", "CP-3")
    assert page.attention() == []  # nothing has been tried yet

    away, refusal = books.at, Told("the backend refused the log-in ({1})", 401)
    copied.link(books, employer, "CP-1", refusal, is_connected=False)
    books.wait(10)
    copied.link(books, employer, "CP-2", None, books.at)
    copied.link(books, employer, "CP-3")
    books.wait(19)
    assert page.attention() == []
    books.wait(1)
    (found,) = page.attention()
    assert (found.kind, found.level, found.since, found.charger, found.count, found.words) == (
        *("backend", "look", away, None, 1),
        "The backend Employer is behind with Space 7: the backend refused the log-in (401)",
    )
    books.wait(10)
    (found,) = page.attention()
    assert (found.count, found.since) == (2, away)
    assert found.words.startswith("The backend Employer is behind with CP-2, Space 7: ")
    assert page.attention(sees_all=False) == []

    page.machine = WELL._replace(begun_at=stamp(books.now - timedelta(seconds=119)))
    assert page.attention() == []  # it has just been started, and catches up
    page.machine = WELL
    books.connection.execute("UPDATE backend SET paused_at = ?", (books.at,))
    assert page.attention() == []
    books.connection.execute("UPDATE backend SET paused_at = NULL")
    books.connection.execute("UPDATE backend_cp SET ended_at = ? WHERE cp_id = 'CP-1'", (books.at,))
    (found,) = page.attention()
    assert found.words == "The backend Employer is behind with CP-2"


def test_a_charger_that_is_away_from_its_backend_again_and_again_is_behind(
    books: Books, page: Page
) -> None:
    Station(books, "CP-1")
    employer, behind_since = copied.add(books, "Employer", "CP-1"), books.at
    for _ in range(4):
        for is_connected in (True, False):
            copied.link(books, employer, "CP-1", None, behind_since, is_connected=is_connected)
            books.wait(4)
    (found,) = page.attention()
    assert found.since == behind_since


def test_what_a_backend_refused_in_the_last_week(books: Books, page: Page) -> None:
    Station(books, "CP-1")
    employer = copied.add(books, "Employer", "CP-1")
    copied.add(books, "Insurer", "CP-1")
    for days in (9, 3, 2):
        copied.refuse(books, employer, "CP-1", at=books.now - timedelta(days=days))
    copied.refuse(books, employer, "CP-1", "late")
    copied.refuse(books, employer, "CP-1", "number")
    assert [(one.kind, one.words, one.count) for one in page.attention()] == [
        ("backend", "2 messages were refused by the backend Employer", 2),
        ("backend", "1 message came after its session had ended at the backend Employer", 1),
        ("backend", "1 session got a wrong number from the backend Employer", 1),
    ]
    books.wait(8 * 1440)
    assert page.attention() == []


def test_how_many_sessions_wait_for_a_backend(books: Books, page: Page) -> None:
    station = Station(books, "CP-1")
    employer = copied.add(books, "Employer", "CP-1")
    for next_at in (books.at, books.at, None):
        number = station.start(1000)
        books.connection.execute(
            "INSERT INTO backend_waiting (backend_id, tx_id, log_id, log_at, since, next_at) "
            "VALUES (?, ?, 0, '', ?, ?)",
            (employer, number, books.at, next_at),
        )
        books.wait(1)
        station.stop(number, 2000)
    words = "2 sessions wait, because the backend Employer does not take them now"
    assert words not in [one.words for one in page.attention()]
    books.wait(30)
    assert words in [one.words for one in page.attention()]


def test_our_certificates_at_backends_that_end(books: Books, page: Page) -> None:
    Station(books, "CP-1")
    for days in (-1, 29, 31):
        copied.add(
            *(books, f"in {days} days", "CP-1"),
            certificate_ends_at=stamp(books.now + timedelta(days=days)),
        )
    assert [words for _, words, _ in page.told()] == [
        f"Our certificate at the backend in -1 days expired on {_day(books, -1)}",
        f"Our certificate at the backend in 29 days expires on {_day(books, 29)}",
    ]


def _day(books: Books, days: int) -> str:
    return (books.now + timedelta(days=days)).date().isoformat()


def test_certificates_that_end(books: Books, page: Page) -> None:
    for number, days in enumerate((-1, 29, 31)):
        charger = Station(books, f"CP-{number}").name
        books.connection.execute("INSERT INTO security (cp_id, profile) VALUES (?, 3)", (charger,))
        books.connection.execute(
            "INSERT INTO certificate (cp_id, serial, fingerprint, subject, pem, not_before, "
            "not_after, issued_at, issued_by) "
            "VALUES (?, '', ?, '', '', '', ?, '', '')",
            (charger, charger, stamp(books.now + timedelta(days=days))),
        )
    assert page.told() == [
        ("certificate", "The certificate of CP-0 expired on 2026-02-28", "CP-0"),
        ("certificate", "The certificate of CP-1 expires on 2026-03-30", "CP-1"),
    ]


def test_the_worst_comes_first_and_of_one_kind_in_the_order_of_the_chargers(
    books: Books, page: Page
) -> None:
    first, second = Station(books, "CP-2"), Station(books, "CP-1")
    books.connection.execute("INSERT INTO asked_tag VALUES ('a', 'A', 'CP-1', '2026-01-01', '', 1)")
    first.lose()
    books.wait(1)
    second.lose()
    Station(books, "CP-3").status("Faulted", error="GroundFailure")
    assert [(kind, charger) for kind, _, charger in page.told()] == [
        *(("faulted", "CP-3"), ("offline", "CP-1"), ("offline", "CP-2"), ("tags", None)),
    ]
    assert [one.needs_attention for one in page.read().chargers] == [True, True, True]
