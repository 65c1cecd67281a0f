"""What came of commands, and what they leave at a charger, through the writes that a server
makes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from levity_trio.events import (
    DiagnosticsStatusChanged,
    FirmwareStatusChanged,
    LogStatusChanged,
    OutcomeKnown,
)
from levity_trio.operations import OPERATIONS, Operation
from levity_trio.operations import operation as outcomes_of
from levity_trio.operations.operation import example
from levity_trio.store.reads.chargers.configuration import reservations_in_force
from levity_trio.store.writes.chargers import commands, notices
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.tags import TagData
from levity_trio.told import of_stored
from tests.store.books import Books, Station, meter_value
from tests.store.reading import reading
from tests.store.test_commands import answer, queue

ACCEPTED = {"status": "Accepted"}
PERIOD = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}]}

LIMIT = {
    "chargingProfileId": 7,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": PERIOD,
}


def ampere(value: float) -> dict[str, str]:
    return {"value": str(value), "measurand": "Current.Import", "unit": "A"}


def ask(station: Station, action: str, payload: dict[str, Any], told: Any = ACCEPTED) -> int:
    """Send a command and let the charger answer it."""
    command = queue(station, action, payload=orjson.dumps(payload).decode())
    station.write(commands.take)
    station.books.wait(0.02)
    answer(station, command, action, told)
    return command


def outcome(books: Books, command: int) -> tuple[str | None, str | None]:
    row = books.row("SELECT outcome, outcome_words FROM command WHERE id = ?", command)
    return row[0], of_stored(row[1])


def follow(books: Books, minutes: float = 0.02) -> int:
    books.wait(minutes)
    return books.run(commands.follow_all, books.at)


def test_a_remote_start_is_fulfilled_by_the_transaction_with_its_tag(
    books: Books, station: Station
) -> None:
    command = ask(station, "RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1})
    assert outcome(books, command)[0] == "pending"
    assert follow(books) == 1
    transaction = station.start(tag="TAG")
    assert follow(books) == 0
    assert outcome(books, command) == ("fulfilled", f"session {transaction} began on connector 1")
    (fact,) = books.recorded(OutcomeKnown)
    assert (fact.command, fact.outcome, fact.transaction) == (command, "fulfilled", transaction)


@pytest.mark.parametrize("minutes_behind", [1.5, 7, 60, 60 * 24 * 400, -60])
def test_a_wrong_clock_hides_no_outcome(books: Books, minutes_behind: float) -> None:
    station = Station(books, "CP-2", behind=minutes_behind)
    station.connect()
    station.status("Available")
    start = ask(station, "RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1})
    station.status("Preparing")
    transaction = station.start(tag="TAG")
    trigger = ask(station, "TriggerMessage", {"requestedMessage": "MeterValues"})
    limit = ask(station, "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": LIMIT})
    books.wait(0.1)
    station.tell(meter_value(station.clock(), ampere(8)), transaction=transaction)
    assert follow(books) == 0
    assert [outcome(books, one)[0] for one in (start, trigger, limit)] == ["fulfilled"] * 3


@pytest.mark.parametrize("minutes_behind", [0, 7])
def test_what_comes_from_the_memory_of_a_charger_is_no_outcome(
    books: Books, minutes_behind: float
) -> None:
    station = Station(books, "CP-2", behind=minutes_behind)
    station.connect()
    station.status("Available")
    transaction = station.start(tag="OTHER")
    books.wait(5)
    start = ask(station, "RemoteStartTransaction", {"idTag": "TAG", "connectorId": 2})
    limit = ask(station, "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": LIMIT})
    station.start(connector=2, tag="TAG", at=station.clock(minutes_ago=2))
    station.tell(meter_value(station.clock(minutes_ago=3), ampere(5)), transaction=transaction)
    station.tell(meter_value(station.clock(), ampere(16)), transaction=transaction)
    follow(books, 3)
    assert outcome(books, start)[0] == "not seen"
    assert outcome(books, limit) == ("contradicted", "not obeyed: 16 A, the limit is 10 A")


def test_each_remote_start_of_a_tag_has_a_transaction_of_its_own(
    books: Books, station: Station
) -> None:
    first, second, third = (
        ask(station, "RemoteStartTransaction", {"idTag": "TAG"}) for _ in range(3)
    )
    transactions = [station.start(tag="TAG"), station.start(connector=2, tag="TAG")]
    assert follow(books) == 1
    words = [outcome(books, command)[1] or "" for command in (first, second)]
    assert words == [
        f"session {one} began on connector {n}" for n, one in enumerate(transactions, 1)
    ]
    assert follow(books, 3) == 0
    assert outcome(books, third)[0] == "not seen"


def test_what_is_not_seen_until_its_deadline_is_an_outcome_too(
    books: Books, station: Station
) -> None:
    command = ask(station, "RemoteStartTransaction", {"idTag": "TAG"})
    assert follow(books, 1) == 1
    assert follow(books, 3) == 0
    assert outcome(books, command)[0] == "not seen"


def test_a_rejected_command_has_no_outcome(books: Books, station: Station) -> None:
    command = ask(station, "Reset", {"type": "Soft"}, {"status": "Rejected"})
    assert outcome(books, command) == (None, None)


def test_a_late_refusal_ends_the_wait(books: Books, station: Station) -> None:
    command = queue(station, "Reset", payload='{"type":"Soft"}')
    station.write(commands.take)
    station.write(commands.settle, commands.CommandEnd(command, "Reset", "timed out"))
    assert outcome(books, command)[0] == "pending"
    answer(station, command, "Reset", {"status": "Rejected"}, is_late=True)
    assert outcome(books, command)[0] is None


def test_a_reset_whose_charger_left_at_once_is_followed_to_its_boot(
    books: Books, station: Station
) -> None:
    command = queue(station, "Reset", payload='{"type":"Hard"}')
    station.write(commands.take)
    books.wait(0.1)
    station.lose()
    assert outcome(books, command)[0] == "pending"
    books.wait(0.5)
    station.connect()
    station.boot()
    follow(books)
    assert outcome(books, command)[0] == "fulfilled"


def test_statuses_and_stops_are_seen(books: Books, station: Station) -> None:
    station.status("Available")
    off = ask(station, "ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
    transaction = station.start()
    stop = ask(station, "RemoteStopTransaction", {"transactionId": transaction})
    trigger = ask(station, "TriggerMessage", {"requestedMessage": "StatusNotification"})
    books.wait(0.1)
    station.stop(transaction, 2000)
    station.status("Unavailable")
    assert follow(books) == 0
    assert [outcome(books, one)[0] for one in (off, stop, trigger)] == ["fulfilled"] * 3


def test_a_raw_call_has_no_outcome(books: Books, station: Station) -> None:
    command = ask(station, "RemoteStartTransaction", {"nonsense": 1})
    assert outcome(books, command) == (None, None)
    assert outcome(books, ask(station, "Foo", {})) == (None, None)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_a_raw_call_without_a_field_of_its_declaration_harms_nothing(
    books: Books, station: Station, operation: Operation
) -> None:
    """Also the numbers that the server allots are missing in a raw call."""
    whole = example(operation)
    for missing in ([], *([name] for name in whole), [*whole]):
        ask(
            station,
            operation.action,
            {name: value for name, value in whole.items() if name not in missing},
        )
    station.boot()
    station.status("Available")
    station.start()
    follow(books)
    follow(books, 25 * 60)


@pytest.mark.logs_errors
def test_a_bug_in_judging_ends_the_following_of_one_command_only(
    books: Books, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = (
        ask(station, "Reset", {"type": "Soft"}),
        ask(station, "RemoteStartTransaction", {"idTag": "TAG"}),
    )
    monkeypatch.setattr(commands, "follow", _fails_for("Reset", outcomes_of.follow))
    assert follow(books) == 1
    assert outcome(books, broken)[0] == "not seen"
    assert outcome(books, sound)[0] == "pending"


@pytest.mark.logs_errors
def test_a_command_of_which_nothing_is_known_any_more_ends_the_following_of_no_other(
    books: Books, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a step back to an older version, which does not know its action."""
    odd, sound = (
        ask(station, "Reset", {"type": "Soft"}),
        ask(station, "RemoteStartTransaction", {"idTag": "TAG"}),
    )
    known = {action: one for action, one in OPERATIONS.items() if action != "Reset"}
    monkeypatch.setattr(commands, "OPERATIONS", known)
    assert follow(books) == 1
    assert (outcome(books, odd)[0], outcome(books, sound)[0]) == ("not seen", "pending")


def _fails_for(action: str, judge: Any) -> Any:
    def judged(rule: Any, asked: Any, *others: Any) -> Any:
        assert asked.action != action, "a bug"
        return judge(rule, asked, *others)

    return judged


# What is left at a charger


def reserve(station: Station, reservation: int = 7, connector: int = 1, **payload: Any) -> int:
    asked = {"reservationId": reservation, "connectorId": connector, "idTag": "TAG"} | payload
    return ask(station, "ReserveNow", {"expiryDate": "2026-03-01T18:00:00Z"} | asked)


def ends(books: Books) -> list[tuple[int, str | None]]:
    return [
        (one, end)
        for one, end in books.rows("SELECT reservation_id, end_reason FROM reservation ORDER BY id")
    ]


def test_a_reservation_ends_as_the_specification_says(books: Books, station: Station) -> None:
    reserve(station, 7)
    reserve(station, 7, idTag="OTHER")
    assert ends(books) == [(7, "replaced"), (7, None)]
    ask(station, "CancelReservation", {"reservationId": 7})
    reserve(station, 8)
    station.start(tag="STRANGER")
    assert ends(books)[-1] == (8, None)
    transaction = station.start(tag="tag")
    assert ends(books) == [(7, "replaced"), (7, "cancelled"), (8, "used")]
    assert books.value("SELECT tx_id FROM reservation WHERE reservation_id = 8") == transaction
    reserve(station, 9, connector=2)
    station.status("Faulted", connector=1)
    assert ends(books)[-1] == (9, None)
    station.status("Unavailable", connector=0)
    assert ends(books)[-1] == (9, "unavailable")


def test_a_reservation_is_used_by_its_group(books: Books, station: Station) -> None:
    for tag in ("TAGA", "TAGB", "OTHER"):
        data = TagData(id_tag=tag, parent_id_tag="others" if tag == "OTHER" else "grp")
        books.run(tags.add, books.policy, data, books.at, "admin")
    reserve(station, 7, idTag="TAGA", parentIdTag="GRP")
    reserve(station, 8, connector=2, idTag="TAGA")
    station.start(tag="OTHER")
    station.start(tag="TAGB", connector=2)
    assert ends(books) == [(7, None), (8, None)]
    with reading(books) as db:
        members = {
            one.id: sorted(one.members)
            for one in reservations_in_force(db, station.name, books.now)
        }
    assert members == {7: ["TAGA", "TAGB"], 8: []}
    station.start(tag="TAGB")
    assert ends(books) == [(7, "used"), (8, None)]


@pytest.mark.parametrize("behind", [0, 90])
def test_a_start_from_memory_uses_no_newer_reservation(books: Books, behind: float) -> None:
    station = Station(books, "CP-2", behind=behind)
    station.status("Available")
    reserve(station)
    station.start(tag="TAG", at=station.clock(minutes_ago=60))
    assert ends(books) == [(7, None)]
    books.wait(10)
    station.start(tag="TAG")
    assert ends(books) == [(7, "used")]


def test_one_that_has_expired_is_used_by_nobody(books: Books, station: Station) -> None:
    reserve(station)
    books.wait(7 * 60)
    station.start(tag="TAG")
    assert ends(books) == [(7, None)]


def test_a_rejected_reservation_is_none(books: Books, station: Station) -> None:
    payload = {
        "reservationId": 1,
        "connectorId": 1,
        "idTag": "T",
        "expiryDate": "2026-03-02T00:00:00Z",
    }
    ask(station, "ReserveNow", payload, {"status": "Occupied"})
    assert ends(books) == []


def profile(number: int, purpose: str = "TxDefaultProfile", level: int = 0) -> dict[str, Any]:
    return {
        "chargingProfileId": number,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": PERIOD,
    }


def set_profile(station: Station, connector: int, content: dict[str, Any]) -> None:
    ask(station, "SetChargingProfile", {"connectorId": connector, "csChargingProfiles": content})


def profiles(books: Books) -> list[tuple[int, int, str | None]]:
    found = books.rows("SELECT profile_id, conn_id, end_reason FROM charging_profile ORDER BY id")
    return [(number, connector, end) for number, connector, end in found]


def test_a_profile_replaces_that_of_its_id_or_of_its_place(books: Books, station: Station) -> None:
    set_profile(station, 0, profile(1))
    set_profile(station, 1, profile(2))
    set_profile(station, 1, profile(3, level=1))
    set_profile(station, 1, profile(4))
    set_profile(station, 2, profile(1))
    assert profiles(books) == [
        (1, 0, "replaced"),
        (2, 1, "replaced"),
        (3, 1, None),
        (4, 1, None),
        (1, 2, None),
    ]


@pytest.mark.parametrize(
    ("cleared", "left"),
    [
        ({}, []),
        ({"id": 2, "connectorId": 9}, [1, 3]),
        ({"connectorId": 1}, [1]),
        ({"chargingProfilePurpose": "ChargePointMaxProfile"}, [2, 3]),
        ({"connectorId": 1, "stackLevel": 1}, [1, 2]),
    ],
)
def test_profiles_are_cleared_by_their_id_or_by_all_that_is_given(
    books: Books, station: Station, cleared: dict[str, Any], left: list[int]
) -> None:
    set_profile(station, 0, profile(1, "ChargePointMaxProfile"))
    set_profile(station, 1, profile(2))
    set_profile(station, 1, profile(3, level=1))
    ask(station, "ClearChargingProfile", cleared)
    assert [number for number, _, end in profiles(books) if end is None] == left


def entry(tag: str, status: str | None = "Accepted") -> dict[str, Any]:
    return {"idTag": tag} | ({} if status is None else {"idTagInfo": {"status": status}})


def send_list(station: Station, version: int, kind: str, *entries: dict[str, Any]) -> None:
    payload = {"listVersion": version, "updateType": kind, "localAuthorizationList": list(entries)}
    ask(station, "SendLocalList", payload)


def newest_list(books: Books) -> tuple[int, Any]:
    version, text = books.row("SELECT version, entries FROM local_list ORDER BY id DESC LIMIT 1")
    return version, None if text is None else orjson.loads(text)


def test_the_local_list_as_it_must_be_at_the_charger(books: Books, station: Station) -> None:
    send_list(station, 1, "Full", entry("A"), entry("B"))
    send_list(station, 2, "Differential", entry("B", None), entry("C"), entry("A", "Blocked"))
    assert newest_list(books) == (2, [entry("A", "Blocked"), entry("C")])
    ask(station, "GetLocalListVersion", {}, {"listVersion": 2})
    assert books.count("local_list") == 2
    ask(station, "GetLocalListVersion", {}, {"listVersion": 9})
    assert newest_list(books) == (9, None)
    send_list(station, 10, "Differential", entry("D"))
    assert newest_list(books) == (10, None)  # a difference to something unknown
    ask(station, "GetLocalListVersion", {}, {"listVersion": 0})
    assert newest_list(books) == (0, [])


# Which status is newer


@pytest.mark.parametrize("is_first", [False, True])
def test_only_a_status_that_is_newer_decides(
    books: Books, station: Station, is_first: bool
) -> None:
    """One with an older time is newer only as the first one after a reconnect."""
    station.status("Available")
    off = ask(
        station,
        "ChangeAvailability",
        {"connectorId": 1, "type": "Inoperative"},
        {"status": "Scheduled"},
    )
    reserve(station, 7)
    if is_first:
        station.lose()
        station.connect()
    station.status("Unavailable", at=station.clock(minutes_ago=60))
    follow(books)
    assert outcome(books, off)[0] == ("fulfilled" if is_first else "pending")
    assert ends(books) == [(7, "unavailable" if is_first else None)]


def test_a_late_status_is_a_message_all_the_same(books: Books, station: Station) -> None:
    station.status("Available")
    trigger = ask(station, "TriggerMessage", {"requestedMessage": "StatusNotification"})
    station.status("Faulted", at=station.clock(minutes_ago=60))
    follow(books)
    assert outcome(books, trigger)[0] == "fulfilled"


def test_a_status_of_an_old_event_is_no_clock_by_which_a_start_uses_a_newer_reservation(
    books: Books, station: Station
) -> None:
    station.status("Available")
    station.lose()
    station.connect()
    station.status("Available", at=station.clock(minutes_ago=90))
    reserve(station)
    station.start(tag="TAG", at=station.clock(minutes_ago=60))
    assert ends(books) == [(7, None)]


# One message decides one command

UPDATE = {"location": "http://x/y", "retrieveDate": "2026-03-01T12:00:00Z"}
SIGNED = {
    "requestId": 71,
    "firmware": {
        "location": "http://x/y",
        "retrieveDateTime": "2026-03-01T12:00:00Z",
        "signingCertificate": "c",
        "signature": "s",
    },
}
DIAGNOSTICS = {"location": "ftp://x/y"}
LOG = {"logType": "SecurityLog", "log": {"remoteLocation": "ftp://x/y"}}


def notify(station: Station, fact: type[Any], status: str, **fields: Any) -> None:
    station.books.wait(0.1)
    told = fact(charger="CP-1", at=station.books.at, status=status, **fields)
    station.write(notices.record, told)
    station.books.wait(0.1)


def test_a_plain_notification_does_not_decide_a_signed_update(
    books: Books, station: Station
) -> None:
    command = ask(station, "SignedUpdateFirmware", SIGNED)
    notify(station, FirmwareStatusChanged, "Downloading", request_id=71)
    for word in ("DownloadFailed", "InstallationFailed", "Installed"):
        notify(station, FirmwareStatusChanged, word, request_id=None)
        assert follow(books) == 1
    notify(station, FirmwareStatusChanged, "InvalidSignature", request_id=71)
    assert follow(books) == 0
    assert outcome(books, command) == ("contradicted", "the charger reports InvalidSignature")


def test_a_plain_one_decides_the_plain_update_beside_it(books: Books, station: Station) -> None:
    plain = ask(station, "UpdateFirmware", UPDATE, {})
    signed = ask(station, "SignedUpdateFirmware", SIGNED)
    notify(station, FirmwareStatusChanged, "DownloadFailed", request_id=None)
    assert follow(books) == 1
    assert (outcome(books, plain)[0], outcome(books, signed)[0]) == ("contradicted", "pending")


@pytest.mark.parametrize(
    ("action", "payload", "fact", "fields"),
    [
        ("UpdateFirmware", UPDATE, FirmwareStatusChanged, {"request_id": None}),
        ("GetDiagnostics", DIAGNOSTICS, DiagnosticsStatusChanged, {}),
        ("GetLog", LOG, LogStatusChanged, {"request_id": None}),
    ],
)
@pytest.mark.parametrize("is_first_followed", [True, False])
def test_one_without_an_id_decides_the_newest_command(
    books: Books,
    station: Station,
    action: str,
    payload: Any,
    fact: type[Any],
    fields: Any,
    is_first_followed: bool,
) -> None:
    ids = ({"requestId": 1}, {"requestId": 2}) if action == "GetLog" else ({}, {})
    first = ask(station, action, payload | ids[0])
    second = ask(station, action, payload | ids[1])
    failure = {"UpdateFirmware": "DownloadFailed", "GetDiagnostics": "UploadFailed"}.get(
        action, "PermissionDenied"
    )
    notify(station, fact, failure, **fields)
    if is_first_followed:
        books.connection.execute("UPDATE command SET outcome = 'fulfilled' WHERE id = ?", (second,))
    assert follow(books) == 1
    assert outcome(books, first)[0] == "pending"
    assert is_first_followed or outcome(books, second)[0] == "contradicted"


def test_one_that_came_before_the_second_command_decides_the_first(
    books: Books, station: Station
) -> None:
    first = ask(station, "GetDiagnostics", DIAGNOSTICS)
    notify(station, DiagnosticsStatusChanged, "UploadFailed")
    second = ask(station, "GetDiagnostics", DIAGNOSTICS)
    follow(books)
    assert (outcome(books, first)[0], outcome(books, second)[0]) == ("contradicted", "pending")


def test_a_command_that_was_refused_takes_no_notification(books: Books, station: Station) -> None:
    first = ask(station, "SignedUpdateFirmware", SIGNED)
    ask(station, "SignedUpdateFirmware", SIGNED | {"requestId": 72}, {"status": "Rejected"})
    notify(station, FirmwareStatusChanged, "Installed", request_id=71)
    station.boot(firmware_version="2.0")
    follow(books)
    assert outcome(books, first)[0] == "fulfilled"


def test_a_boot_decides_the_newest_of_two_updates(books: Books, station: Station) -> None:
    station.boot(firmware_version="1.0")
    books.wait(1)
    first = ask(station, "UpdateFirmware", UPDATE, {})
    second = ask(station, "SignedUpdateFirmware", SIGNED)
    notify(station, FirmwareStatusChanged, "Installed", request_id=71)
    station.boot(firmware_version="2.0")
    assert follow(books) == 1
    assert (outcome(books, first)[0], outcome(books, second)[0]) == ("pending", "fulfilled")
