"""Records for each kind of row: Levity's shapes and tags, and the additional keys."""

from __future__ import annotations

from typing import Any

import pytest
from fluent.sender import EventTime

from levity_trio.plugins.fluentd.forward import event_time
from levity_trio.plugins.fluentd.records import entry
from levity_trio.store.reads.site.frames import LoggedFrame

AT = "2026-03-01T12:00:00.250Z"


def row(**changes: Any) -> LoggedFrame:
    whole = LoggedFrame(
        id=7,
        charger="CP-1",
        session=3,
        at=AT,
        direction="recv",
        message_id='"id"',
        action="BootNotification",
        frame='[2,"id","BootNotification",{"chargePointVendor":"V"}]',
        remote_address="10.0.0.1",
    )
    return whole._replace(**changes)


def test_a_frame_is_told_as_levity_told_it_and_more() -> None:
    told = entry(row())
    assert told.tag == "boot"
    assert told.at == AT
    assert told.record == {
        "type": "ocpp",
        "cp": "CP-1",
        "dir": "recv",
        "msg": [2, "id", "BootNotification", {"chargePointVendor": "V"}],
        "remote_addr": "10.0.0.1",
        "action": "BootNotification",
        "message_id": "id",
        "id": 7,
        "session": 3,
    }


@pytest.mark.parametrize(
    ("direction", "frame", "told"),
    [
        (
            "connect",
            '{"remote_address":"10.0.0.2","target":"/ws/CP-1","subprotocol":null}',
            {"remote_addr": "10.0.0.2", "target": "/ws/CP-1", "subprotocol": None},
        ),
        (
            "disconnect",
            '{"code":1006,"reason":"gone"}',
            {"remote_addr": "10.0.0.1", "code": 1006, "reason": "gone"},
        ),
        (
            "refuse",
            '{"status":404,"reason":"who?","remote_address":"10.0.0.3","request":"GET /"}',
            {"remote_addr": "10.0.0.3", "status": 404, "reason": "who?", "request": "GET /"},
        ),
        ("disconnect", "gone", {"remote_addr": "10.0.0.1", "reason": "gone"}),
    ],
)
def test_connections_are_told_as_levity_told_them_and_more(
    direction: str, frame: str, told: dict[str, Any]
) -> None:
    found = entry(row(direction=direction, frame=frame, action=None, message_id=None))
    assert found.tag == "websocket"
    assert (
        found.record
        == {"type": "ws", "cp": "CP-1", "event": direction, "id": 7, "session": 3} | told
    )


@pytest.mark.parametrize(
    ("action", "frame", "tag"),
    [
        ("Heartbeat", '[2,"1","Heartbeat",{}]', "heartbeat"),
        ("Heartbeat", '[3,"1",{}]', "heartbeat.response"),
        ("StatusNotification", '[3,"1",{}]', "status.response"),
        ("StartTransaction", '[2,"1","StartTransaction",{}]', "transaction.start"),
        ("StopTransaction", '["3","1",{}]', "transaction.stop.response"),
        ("MeterValues", '[2,"1","MeterValues",{}]', "meter"),
        ("Authorize", '[4,"1","InternalError","",{}]', "authorize.error"),
        (
            "RemoteStartTransaction",
            '[2,"1","RemoteStartTransaction",{}]',
            "remote_start_transaction",
        ),
        ("GetConfiguration", '[3,"1",{}]', "get_configuration.response"),
        ("DataTransfer", '[2,"1","DataTransfer",{}]', "data_transfer"),
        ("FlyToTheMoon", '[2,"1","FlyToTheMoon",{}]', "unknown"),
        (None, '[4,"1","NotImplemented","",{}]', "unknown.error"),
        (None, "[]", "unknown"),
        (None, "[[3]]", "unknown"),
    ],
)
def test_tags(action: str | None, frame: str, tag: str) -> None:
    assert entry(row(action=action, frame=frame)).tag == tag


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ("\ufeff[2,1]\n", [2, 1]),
        ("no JSON", "no JSON"),
        ('{"a":1}', '{"a":1}'),
        ("[NaN]", "[NaN]"),
        ("[" * 64 + "]" * 64, eval("[" * 64 + "]" * 64)),  # noqa: S307
        ("[" * 65 + "]" * 65, "[" * 65 + "]" * 65),
        ("[" + ",".join(["[]"] * 100) + "]", [[]] * 100),
    ],
)
def test_what_is_no_message_is_told_as_its_text(frame: str, message: object) -> None:
    assert entry(row(frame=frame)).record["msg"] == message


@pytest.mark.parametrize(
    ("message_id", "frame", "told"),
    [
        ("17", '[2,17,"Heartbeat",{}]', "17"),
        ("ours", '[2,"ours","Reset",{}]', "ours"),
        (None, '[2,[1],"Reset",{}]', None),
        ('"cut', "no JSON", '"cut'),
        (None, "no JSON", None),
    ],
)
def test_message_ids_are_text(message_id: str | None, frame: str, told: str | None) -> None:
    assert entry(row(message_id=message_id, frame=frame)).record["message_id"] == told


@pytest.mark.parametrize(
    ("at", "nanoseconds"),
    [
        ("2026-03-01T12:00:00Z", 0),
        ("2026-03-01T12:00:00.250Z", 250_000_000),
        ("2026-03-01T12:00:00.000001Z", 1_000),
        ("2026-03-01T12:00:00.123456789Z", 123_456_789),
    ],
)
def test_times_keep_what_digits_they_have(at: str, nanoseconds: int) -> None:
    assert event_time(at) == EventTime(1772366400, nanoseconds)


def test_a_simulated_clock_beyond_the_year_2106_gives_seconds() -> None:
    assert event_time("2106-02-07T06:28:15.500Z") == EventTime(2**32 - 1, 500_000_000)
    assert event_time("2106-02-07T06:28:16.500Z") == 2**32
