"""Our CALLs and their responses, messages set aside, repairs, notices; and the session of each row
and fact."""

import sqlite3
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
import pytest

from levity_trio.access.tags import Verdict
from levity_trio.events import CallFailed, DataTransferred, MessageSetAside, TagPresented
from levity_trio.store.writes.chargers import commands, notices, sessions
from levity_trio.store.writes.chargers.sessions import count_repairs, set_aside
from levity_trio.store.writes.people import tags
from tests.store.books import SERVER, Books, Station


def ask(station: Station, action: str = "GetConfiguration", **changes: Any) -> commands.NewCommand:
    """A command as the façade makes it."""
    books = station.books
    new = commands.NewCommand(
        charger=station.name,
        action=action,
        payload="{}",
        message_id="17",
        requested_at=books.at,
        asked_by="a test",
        run=books.server,
        timeout_seconds=None,
        deadline_at=None,
        is_masked=False,
    )
    return replace(new, **changes)


def queue(station: Station, action: str = "Reset", **changes: Any) -> int:
    queued = station.books.run(commands.queue, ask(station, action, **changes))
    assert queued is not None
    return queued.id


def send(station: Station, action: str = "GetConfiguration", **payload: object) -> int:
    command = queue(station, action, payload=orjson.dumps(payload).decode())
    station.books.wait(0.5)
    assert station.write(commands.take) is not None
    return command


def answer(
    station: Station, command: int, action: str, told: object, is_late: bool = False
) -> None:
    text, state = orjson.dumps(told).decode(), commands.state_for(action, told)
    station.write(commands.settle, commands.CommandEnd(command, action, state, is_late, text))


def test_a_command_is_kept_from_its_request_to_its_answer(books: Books, station: Station) -> None:
    command = send(station, "Reset", type="Soft")
    assert books.row(
        "SELECT state, action, payload, message_id, requested_at, sent_at FROM command"
    ) == (
        *(
            "sent",
            "Reset",
            '{"type":"Soft"}',
            "17",
            "2026-03-01T12:00:00.250Z",
            "2026-03-01T12:00:30.250Z",
        ),
    )
    books.wait(0.5)
    answer(station, command, "Reset", {"status": "Accepted"})
    assert books.row("SELECT state, answer, answered_at, is_late, session_id FROM command") == (
        *("accepted", '{"status":"Accepted"}', "2026-03-01T12:01:00.250Z", 0, station.session),
    )
    assert books.recorded(CallFailed) == []


def test_a_late_answer_is_written_to_its_command(books: Books, station: Station) -> None:
    command = send(station, "RemoteStartTransaction", idTag="TAG")
    station.write(
        commands.settle, commands.CommandEnd(command, "RemoteStartTransaction", "timed out")
    )
    books.wait(0.1)
    answer(station, command, "RemoteStartTransaction", {"status": "Accepted"}, is_late=True)
    assert books.row("SELECT state, is_late, answer FROM command") == (
        "accepted",
        1,
        '{"status":"Accepted"}',
    )
    assert [fact.state for fact in books.recorded(CallFailed)] == ["timed out"]


def test_a_refusal_is_told_apart(books: Books, station: Station) -> None:
    command = send(station, "Reset")
    refused = commands.CommandEnd(command, "Reset", "error", False, None, "NotSupported", "no")
    station.write(commands.settle, refused)
    assert books.row("SELECT state, error_code, error_description FROM command") == (
        "error",
        "NotSupported",
        "no",
    )
    assert [(fact.state, fact.error_code) for fact in books.recorded(CallFailed)] == [
        ("error", "NotSupported")
    ]


def states(books: Books) -> list[tuple[str, str]]:
    return [
        (action, state)
        for action, state in books.rows("SELECT action, state FROM command ORDER BY id")
    ]


def test_the_oldest_is_taken_and_marked_before_it_leaves(books: Books, station: Station) -> None:
    first, second = queue(station, "Reset"), queue(station, "ClearCache", timeout_seconds=5)
    assert station.write(commands.take) == (first, "Reset", "17", "{}", None)
    assert states(books) == [("Reset", "sent"), ("ClearCache", "queued")]
    assert station.write(commands.take) == (second, "ClearCache", "17", "{}", 5)
    assert station.write(commands.take) is None


def test_none_is_sent_over_a_session_that_was_replaced(books: Books, station: Station) -> None:
    before = station.origin
    station.connect()
    queue(station, "Reset")
    assert books.run(commands.take, before) is None
    assert states(books) == [("Reset", "queued")]
    assert station.write(commands.take) is not None


def test_a_command_for_a_charger_of_another_server_that_has_left(
    books: Books, station: Station
) -> None:
    assert books.run(commands.queue_elsewhere, ask(station, "Reset")) is not None
    station.lose()
    with pytest.raises(commands.Away):
        books.run(commands.queue_elsewhere, ask(station, "ClearCache"))
    later = "2026-03-02T00:00:00.000Z"
    assert (
        books.run(commands.queue_elsewhere, ask(station, "TriggerMessage", deadline_at=later))
        is not None
    )
    assert states(books) == [("Reset", "gone"), ("TriggerMessage", "queued")]


def test_the_queue_of_one_charger_is_bounded(books: Books, station: Station) -> None:
    for _ in range(commands.QUEUED_COMMANDS):
        queue(station)
    assert books.run(commands.queue, ask(station)) is None
    queue(Station(books, "CP-2"))
    station.write(commands.take)
    queue(station)


def test_a_command_expires_at_its_deadline(books: Books, station: Station) -> None:
    queue(station, "Reset", deadline_at="2026-03-01T12:30:00.000Z")
    queue(station, "ClearCache", deadline_at="2026-03-01T13:30:00.000Z")
    books.run(commands.expire, "2026-03-01T12:29:59.999Z")
    assert states(books) == [("Reset", "queued"), ("ClearCache", "queued")]
    books.wait(30)
    taken = station.write(commands.take)
    assert taken is not None
    # the other's deadline has passed, whether it was told or not
    assert taken.action == "ClearCache"
    books.run(commands.expire, books.at)
    assert states(books) == [("Reset", "expired"), ("ClearCache", "sent")]
    assert [(fact.action, fact.state) for fact in books.recorded(CallFailed)] == [
        ("Reset", "expired")
    ]


def test_only_a_queued_command_can_be_cancelled(books: Books, station: Station) -> None:
    first, second = queue(station, "Reset"), queue(station, "ClearCache")
    station.write(commands.take)
    assert not books.run(commands.cancel, first, books.at)
    assert books.run(commands.cancel, second, books.at)
    assert not books.run(commands.cancel, second, books.at)
    assert states(books) == [("Reset", "sent"), ("ClearCache", "cancelled")]


def test_a_charger_that_leaves_keeps_what_may_wait(books: Books, station: Station) -> None:
    for action, deadline in (
        ("Reset", None),
        ("ClearCache", None),
        ("TriggerMessage", "2026-03-02T00:00:00.000Z"),
    ):
        queue(station, action, deadline_at=deadline)
    station.write(commands.take)
    station.lose()
    assert states(books) == [
        ("Reset", "gone"),
        ("ClearCache", "gone"),
        ("TriggerMessage", "queued"),
    ]
    assert [fact.action for fact in books.recorded(CallFailed)] == ["Reset", "ClearCache"]


def test_after_a_crash_nothing_is_sent_twice_and_no_secret_leaves_masked(
    books: Books, station: Station
) -> None:
    later = "2026-03-02T00:00:00.000Z"
    queue(station, "Reset", deadline_at=later)
    station.write(commands.take)
    queue(station, "ClearCache")
    queue(station, "ChangeConfiguration", deadline_at=later, is_masked=True)
    kept = queue(station, "TriggerMessage", deadline_at=later, message_id="18")
    books.run(sessions.start_run, SERVER, "1.0", books.at, True)
    assert books.rows("SELECT action, state, error_code FROM command ORDER BY id") == [
        ("Reset", "gone", None),
        ("ClearCache", "gone", None),
        ("ChangeConfiguration", "expired", "secret_not_kept"),
        ("TriggerMessage", "queued", None),
    ]
    assert books.run(commands.unfinished) == [(kept, "CP-1", "18", "2026-03-02T00:00:00.000Z")]


def test_a_repeated_request_is_one_command_for_a_day(books: Books, station: Station) -> None:
    same, other = commands.Repeatable("k", "digest"), commands.Repeatable("k", "another")
    first = queue(station, repeatable=same)
    assert queue(station, repeatable=same, payload='{"reservationId":2}') == first
    assert queue(station, repeatable=same, asked_by="another") != first
    with pytest.raises(commands.KeyReused):
        queue(station, repeatable=other)
    books.wait(24 * 60 + 1)
    assert queue(station, repeatable=other) != first


def test_a_command_never_moves_back(books: Books, station: Station) -> None:
    command = send(station, "Reset")
    answer(station, command, "Reset", {"status": "Rejected"})
    # a second response changes nothing
    answer(station, command, "Reset", {"status": "Accepted"}, is_late=True)
    assert books.row("SELECT state, is_late FROM command") == ("rejected", 0)
    with pytest.raises(sqlite3.IntegrityError, match="moves on"):
        books.run(lambda db: db.execute("UPDATE command SET state = 'queued'"))


# Configuration


def test_what_a_charger_reports_of_its_configuration(books: Books, station: Station) -> None:
    entries = [
        {"key": "HeartbeatInterval", "readonly": False, "value": "3600"},
        {"key": "NumberOfConnectors", "readonly": True, "value": "1"},
        {"key": "Blank", "readonly": True},
    ]
    answer(station, send(station), "GetConfiguration", {"configurationKey": entries})
    assert books.rows("SELECT key, value, readonly FROM configuration ORDER BY id") == [
        *(("HeartbeatInterval", "3600", 0), ("NumberOfConnectors", "1", 1), ("Blank", None, 1)),
    ]
    assert books.value("SELECT heartbeat_interval FROM cp") == 3600
    begun = station.connect()
    assert begun is not None
    assert begun.intervals == (3600, None)


def test_a_configuration_adds_a_row_only_where_it_changed(books: Books, station: Station) -> None:
    def report(value: str | None, readonly: bool = False) -> None:
        books.wait(1)
        entry = {"key": "Key", "readonly": readonly, "value": value}
        other = {"key": "Other", "readonly": True, "value": "1"}
        answer(station, send(station), "GetConfiguration", {"configurationKey": [entry, other]})

    for value in ("1", "1", None, None, "1", "2", "2"):
        report(value)
    report("2", readonly=True)
    report("2", readonly=True)
    other = Station(books, "CP-2")
    answer(
        other, send(other), "GetConfiguration", {"configurationKey": [{"key": "Key", "value": "2"}]}
    )
    rows = books.rows(
        "SELECT cp_id, value, readonly FROM configuration WHERE key = 'Key' ORDER BY id"
    )
    assert rows == [
        *(
            ("CP-1", "1", 0),
            ("CP-1", None, 0),
            ("CP-1", "1", 0),
            ("CP-1", "2", 0),
            ("CP-1", "2", 1),
        ),
        ("CP-2", "2", 0),
    ]
    assert books.value("SELECT count(*) FROM configuration WHERE key = 'Other'") == 1


ODD_INTERVALS: list[object] = [
    "",
    "²",
    "٣",
    "-5",
    "9" * 30,
    "9" * 5000,
    None,
    {},
    [1],
    1.5,
    True,
    0,
]


@pytest.mark.parametrize(
    "told",
    [
        *(
            {},
            {"configurationKey": None},
            {"configurationKey": {}},
            {"configurationKey": [None, 5, [], {}]},
        ),
        {"configurationKey": [{"key": None, "value": "x"}, {"key": {"a": 1}}]},
        *(
            {"configurationKey": [{"key": "HeartbeatInterval", "value": value}]}
            for value in ODD_INTERVALS
        ),
    ],
)
def test_an_answer_of_any_kind_is_kept(
    books: Books, station: Station, told: dict[str, Any]
) -> None:
    answer(station, send(station), "GetConfiguration", told)
    assert books.value("SELECT answer FROM command") == orjson.dumps(told).decode()
    assert books.value("SELECT heartbeat_interval FROM cp") is None


@pytest.mark.parametrize(
    ("key", "value", "status", "interval"),
    [
        ("HeartbeatInterval", "300", "Accepted", 300),
        ("HeartbeatInterval", "300", "RebootRequired", 300),
        ("heartbeatinterval", "300", " rebootrequired", 300),
        ("HeartbeatInterval", "٣", "Accepted", 60),
        ("HeartbeatInterval", "300", "Rejected", 60),
        ("HeartbeatInterval", "300", "NotSupported", 60),
        ("MeterValueSampleInterval", "300", "Accepted", 60),
    ],
)
def test_the_interval_that_a_charger_was_told(
    books: Books, station: Station, key: str, value: str, status: str, interval: int
) -> None:
    station.boot()
    command = send(station, "ChangeConfiguration", key=key, value=value)
    answer(station, command, "ChangeConfiguration", {"status": status})
    assert books.value("SELECT heartbeat_interval FROM cp") == interval


# Messages that could not be matched or handled


def test_a_message_is_set_aside_once_and_counted(books: Books, station: Station) -> None:
    for _ in range(3):
        station.write(set_aside, station.message("MeterValues", what=1), "a bug")
        books.wait(1)
    station.write(set_aside, station.message("MeterValues", what=2), "a bug")
    assert books.rows(
        "SELECT action, message_id, payload, reason, tx_id, count, received_at "
        "FROM set_aside ORDER BY id"
    ) == [
        ("MeterValues", '"1"', '{"what":1}', "a bug", None, 3, "2026-03-01T12:00:00.250Z"),
        ("MeterValues", '"4"', '{"what":2}', "a bug", None, 1, "2026-03-01T12:03:00.250Z"),
    ]
    assert len(books.recorded(MessageSetAside)) == 2


def test_repairs_are_counted_by_charger_firmware_and_kind(books: Books, station: Station) -> None:
    station.write(count_repairs, [("A: too long", '"first"'), ("B: null", "null")])
    books.wait(1)
    station.write(count_repairs, [("A: too long", '"second"')])
    station.boot(firmware_version="3.10")
    station.write(count_repairs, [("A: too long", '"third"')])
    assert books.rows(
        "SELECT cp_id, firmware, kind, count, first_at, last_at, sample "
        "FROM repair ORDER BY firmware, kind"
    ) == [
        (
            "CP-1",
            "",
            "A: too long",
            2,
            "2026-03-01T12:00:00.250Z",
            "2026-03-01T12:01:00.250Z",
            '"first"',
        ),
        ("CP-1", "", "B: null", 1, "2026-03-01T12:00:00.250Z", "2026-03-01T12:00:00.250Z", "null"),
        (
            "CP-1",
            "3.10",
            "A: too long",
            1,
            "2026-03-01T12:01:00.250Z",
            "2026-03-01T12:01:00.250Z",
            '"third"',
        ),
    ]


def test_a_tag_that_is_shown_is_a_fact(books: Books, station: Station) -> None:
    station.write(partial(tags.present_tag, is_asked=False), "tag", "TAG", Verdict("Accepted"))
    (fact,) = books.recorded(TagPresented)
    assert (fact.id_tag, fact.verdict) == ("TAG", "Accepted")


def test_a_fact_is_stored_whole_with_the_session_it_came_from(
    books: Books, station: Station
) -> None:
    books.wait(1)
    station.connect()
    fact = DataTransferred(charger="CP-1", at=books.at, vendor_id="V", message_id=None, data="x")
    station.write(notices.record, fact)
    assert books.rows("SELECT at, kind, cp_id, session_id FROM event ORDER BY id DESC LIMIT 1") == [
        (books.at, "DataTransferred", "CP-1", station.session)
    ]
    stored = books.value("SELECT data FROM event ORDER BY id DESC LIMIT 1")
    assert orjson.loads(stored) == orjson.loads(orjson.dumps(fact))


def test_whatever_a_charger_causes_names_its_session(books: Books, station: Station) -> None:
    """It distinguishes two chargers with one identity, which would mix two
    bills."""
    station.boot(serial_number="S")
    station.status("Faulted", error="OtherError")
    station.status("Available")
    transaction = station.start(1000)
    station.tell(station.register(1100), transaction=transaction)
    books.wait(1)
    station.tell(station.register(99_000), transaction=transaction)
    station.boot()
    station.status("Charging")
    station.stop(transaction, 2000)
    station.stop(transaction, 2001)
    station.stop(-1, 1)
    answer(
        station,
        send(station),
        "GetConfiguration",
        {"configurationKey": [{"key": "a", "readonly": True}]},
    )
    station.write(commands.settle, commands.CommandEnd(1, "Reset", "timed out"))
    station.write(partial(tags.present_tag, is_asked=False), "tag", "TAG", Verdict("Accepted"))
    station.start(2500)
    station.lose()
    assert books.rows("SELECT kind FROM event WHERE session_id IS NULL") == [("ServerStarted",)]
    for table in (
        "boot",
        "status",
        "cp_err",
        "tx",
        "tx_event",
        "meter_val",
        "set_aside",
        "configuration",
        "command",
    ):
        sessions = books.rows(f"SELECT DISTINCT session_id FROM {table}")
        assert sessions == [(station.session,)], table
