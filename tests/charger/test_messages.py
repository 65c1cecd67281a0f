"""Each of the fourteen messages that a charger sends is answered and stored (OCPP 1.6 §4, A)."""

import re
from typing import Any

import pytest

from levity_trio.charger.central import Central
from levity_trio.events import (
    CertificateRequested,
    DataTransferred,
    DiagnosticsStatusChanged,
    Fact,
    FirmwareStatusChanged,
    LogStatusChanged,
    SecurityEventReported,
    TagPresented,
)
from tests.charger.parts import InlineWriter
from tests.charger.peers import open_charger

NOW, AT = "2026-03-01T12:00:00Z", "2026-03-01T12:00:00.000Z"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
BOOT = {
    "chargePointVendor": "United Chargers",
    "chargePointModel": "Grizzl-E",
    "firmwareVersion": "3.09",
}
START = {"connectorId": 1, "idTag": "TAG-1", "meterStart": 1000, "timestamp": NOW}


async def test_boot_notification(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger:
        answer = await charger.call("BootNotification", BOOT | {"meterSerialNumber": "M-7"})
        assert answer == {"currentTime": NOW, "interval": 60, "status": "Accepted"}
        # A blank field in a later message keeps the stored value.
        await charger.call(
            "BootNotification", {"chargePointVendor": "", "chargePointModel": "Grizzl-E"}
        )
    told = "SELECT vendor, model, firmware_version, meter_serial_number, heartbeat_interval FROM"
    assert writer.rows(f"{told} cp") == [("United Chargers", "Grizzl-E", "3.09", "M-7", 60)]
    assert writer.rows(f"{told} boot ORDER BY id") == [
        ("United Chargers", "Grizzl-E", "3.09", "M-7", 60),
        (None, "Grizzl-E", None, None, 60),
    ]
    assert writer.rows("SELECT DISTINCT answer, session_id FROM boot") == [("Accepted", 1)]


async def test_heartbeat(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger:
        assert await charger.call("Heartbeat") == {"currentTime": NOW}
    assert writer.row("SELECT last_heartbeat_at FROM cp") == ("2026-03-01T12:00:00.987Z",)


async def test_times_told_have_no_fraction_and_end_in_z(central: Central) -> None:
    async with open_charger(central) as charger:
        boot = await charger.call("BootNotification", BOOT)
        heartbeat = await charger.call("Heartbeat")
    assert TIME.fullmatch(boot["currentTime"])
    assert TIME.fullmatch(heartbeat["currentTime"])


async def test_authorize(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger:
        assert await charger.call("Authorize", {"idTag": "TAG-1"}) == {
            "idTagInfo": {"status": "Accepted"}
        }
    (shown,) = writer.recorded(TagPresented)
    assert (shown.charger, shown.id_tag, shown.verdict) == ("CP-1", "TAG-1", "Accepted")


async def test_status_notification(central: Central, writer: InlineWriter) -> None:
    status = {
        "connectorId": 1,
        "status": "Charging",
        "errorCode": "NoError",
        "timestamp": "2026-03-01T11:58:00Z",
    }
    async with open_charger(central) as charger:
        assert await charger.call("StatusNotification", status) == {}
        assert await charger.call("StatusNotification", status) == {}
        whole = {"connectorId": 0, "status": "Available", "errorCode": "NoError"}
        assert await charger.call("StatusNotification", whole) == {}
    assert writer.rows(
        "SELECT conn_id, status, timestamp, sent_timestamp, count FROM status ORDER BY conn_id"
    ) == [
        (0, "Available", "2026-03-01T12:00:00.987Z", None, 1),
        (1, "Charging", "2026-03-01T11:58:00.000Z", "2026-03-01T11:58:00Z", 2),
    ]
    assert writer.rows("SELECT conn_id, status FROM cp_conn") == [(1, "Charging")]
    assert writer.row("SELECT status FROM cp") == ("Available",)


async def test_a_fault_is_opened_and_resolved(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger:
        fault = {
            "connectorId": 2,
            "status": "Faulted",
            "errorCode": "GroundFailure",
            "vendorErrorCode": "E7",
        }
        await charger.call("StatusNotification", fault)
        assert writer.row(
            "SELECT conn_id, error_code, vendor_error_code, is_warning, resolved_at FROM cp_err"
        ) == ((2, "GroundFailure", "E7", 0, None))
        well = {"connectorId": 2, "status": "Available", "errorCode": "NoError"}
        await charger.call("StatusNotification", well)
    assert writer.row("SELECT resolved_at IS NOT NULL FROM cp_err") == (1,)


async def test_a_whole_transaction(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger:
        started = await charger.call("StartTransaction", START)
        transaction = started["transactionId"]
        assert started["idTagInfo"] == {"status": "Accepted"}
        samples = [
            {"value": "1.5", "unit": "kWh"},
            {"value": "16", "measurand": "Current.Import", "unit": "A"},
        ]
        value = {"timestamp": "2026-03-01T12:00:00Z", "sampledValue": samples}
        metered = {"connectorId": 1, "transactionId": transaction, "meterValue": [value]}
        assert await charger.call("MeterValues", metered) == {}
        data = [{"timestamp": "2026-03-01T12:00:00Z", "sampledValue": [{"value": "1600"}]}]
        stop = {"transactionId": transaction, "meterStop": 1700, "timestamp": NOW, "idTag": "TAG-1"}
        answer = await charger.call("StopTransaction", stop | {"transactionData": data})
        assert answer == {"idTagInfo": {"status": "Accepted"}}
    assert writer.row(
        "SELECT id, cp_id, conn_id, id_tag, status, meter_start, meter_stop, energy_delivered, "
        "stop_reason "
        "FROM tx"
    ) == (transaction, "CP-1", 1, "TAG-1", "Completed", 1000, 1700, 700, "Local")
    assert writer.rows(
        "SELECT tx_id, conn_id, measurand, value, unit, context, location, phase, format, source, "
        "wh "
        "FROM meter_val ORDER BY id"
    ) == [
        (transaction, 1, "Energy.Active.Import.Register", "1.5", "kWh")
        + ("Sample.Periodic", "Outlet", "", "Raw", "MeterValues", 1500),
        (transaction, 1, "Current.Import", "16", "A")
        + ("Sample.Periodic", "Outlet", "", "Raw", "MeterValues", None),
        (transaction, 1, "Energy.Active.Import.Register", "1600", "Wh")
        + ("Sample.Periodic", "Outlet", "", "Raw", "transactionData", 1600),
    ]
    assert writer.rows("SELECT kind, who FROM tx_event ORDER BY id") == [
        ("start", "charger"),
        ("stop", "charger"),
    ]


async def test_a_repeated_start_gets_the_same_id(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger:
        first = await charger.call("StartTransaction", START)
        assert await charger.call("StartTransaction", START) == first
    async with open_charger(central) as charger:
        assert await charger.call("StartTransaction", START) == first
    assert writer.row("SELECT count(*) FROM tx") == (1,)


async def test_a_stop_of_an_unknown_transaction_is_set_aside(
    central: Central, writer: InlineWriter
) -> None:
    stop = {"transactionId": 7, "meterStop": 1700, "timestamp": NOW}
    async with open_charger(central) as charger:
        assert await charger.call("StopTransaction", stop) == {}
    action, payload, transaction = writer.row("SELECT action, payload, tx_id FROM set_aside")
    assert (action, transaction) == ("StopTransaction", None)
    assert '"meterStop":1700' in payload


@pytest.mark.parametrize(
    ("action", "request_", "answer", "kind", "told"),
    [
        (
            "DataTransfer",
            {"vendorId": "V", "messageId": "M", "data": "D"},
            {"status": "UnknownVendorId"},
            DataTransferred,
            {"vendor_id": "V", "message_id": "M", "data": "D"},
        ),
        (
            "DiagnosticsStatusNotification",
            {"status": "Uploaded"},
            {},
            DiagnosticsStatusChanged,
            {"status": "Uploaded"},
        ),
        (
            "FirmwareStatusNotification",
            {"status": "Installed"},
            {},
            FirmwareStatusChanged,
            {"status": "Installed", "request_id": None},
        ),
        (
            "SecurityEventNotification",
            {"type": "TamperDetectionActivated", "timestamp": NOW, "techInfo": "lid"},
            {},
            SecurityEventReported,
            {"event_type": "TamperDetectionActivated", "timestamp": NOW, "tech_info": "lid"},
        ),
        (
            "SignCertificate",
            {"csr": "PEM"},
            {"status": "Rejected"},
            CertificateRequested,
            {"csr": "PEM"},
        ),
        (
            "LogStatusNotification",
            {"status": "Uploading", "requestId": 3},
            {},
            LogStatusChanged,
            {"status": "Uploading", "request_id": 3},
        ),
        (
            "SignedFirmwareStatusNotification",
            {"status": "Downloaded", "requestId": 4},
            {},
            FirmwareStatusChanged,
            {"status": "Downloaded", "request_id": 4},
        ),
    ],
)
async def test_a_notice(
    central: Central,
    writer: InlineWriter,
    action: str,
    request_: dict[str, Any],
    answer: dict[str, Any],
    kind: type[Fact],
    told: dict[str, Any],
) -> None:
    async with open_charger(central) as charger:
        assert await charger.call(action, request_) == answer
    (fact,) = writer.recorded(kind)
    assert {name: getattr(fact, name) for name in told} == told
    assert writer.rows("SELECT cp_id FROM event WHERE kind = ?", kind.__name__) == [("CP-1",)]


async def test_a_session_has_its_row_from_its_first_call_to_its_end(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central) as charger:
        assert writer.rows("SELECT id FROM cp") == []
        await charger.call("Heartbeat")
        assert writer.row("SELECT id, is_connected FROM cp") == ("CP-1", 1)
    assert writer.row(
        "SELECT cp_id, run_id, target, subprotocol, clock_trusted, close_code FROM session"
    ) == (("CP-1", central.run, "/ocpp/CP-1", "ocpp1.6", 1, 1000))
    assert writer.row("SELECT is_connected FROM cp") == (0,)


@pytest.mark.parametrize("value", ["NaN", "--", "1e5x", "1_000", "٣"])
async def test_a_register_that_is_no_number_is_counted(
    central: Central, writer: InlineWriter, value: str
) -> None:
    reading = {"timestamp": NOW, "sampledValue": [{"value": value}]}
    async with open_charger(central) as charger:
        transaction = (await charger.call("StartTransaction", START))["transactionId"]
        told = {"connectorId": 1, "transactionId": transaction, "meterValue": [reading]}
        assert await charger.call("MeterValues", told) == {}
        assert await charger.call("MeterValues", told) == {}
        stop = {
            "transactionId": transaction,
            "meterStop": value,
            "timestamp": NOW,
            "transactionData": [reading],
        }
        assert await charger.call("StopTransaction", stop) == {}
        assert "transactionId" in await charger.call(
            "StartTransaction", START | {"meterStart": value}
        )
    assert writer.rows("SELECT kind, count FROM repair ORDER BY kind") == [
        ("MeterValues.meterValue.sampledValue.value: not a number", 2),
        ("StartTransaction.meterStart: not an integer", 1),
        ("StopTransaction.meterStop: not an integer", 1),
        ("StopTransaction.transactionData.sampledValue.value: not a number", 1),
    ]


async def test_a_repaired_message_is_answered_and_its_repairs_are_counted(
    central: Central, writer: InlineWriter
) -> None:
    status = {"connectorId": "1", "status": "charging", "errorCode": "NoError", "colour": "green"}
    async with open_charger(central) as charger:
        assert await charger.call("StatusNotification", status) == {}
        assert await charger.call("Heartbeat", {"why": "not"}) == {"currentTime": NOW}
    assert writer.rows("SELECT conn_id, status FROM cp_conn") == [(1, "Charging")]
    kinds = {kind.partition(":")[0] for (kind,) in writer.rows("SELECT kind FROM repair")}
    assert kinds == {
        "StatusNotification",
        "StatusNotification.connectorId",
        "StatusNotification.status",
        "Heartbeat",
    }


async def test_evidence_names_a_frame_that_is_kept(central: Central, writer: InlineWriter) -> None:
    start = (
        '[2, "s-1", "StartTransaction", {"connectorId": 1, "idTag": "T", "meterStart": 5, '
        '"timestamp": ""}]'
    )
    stop = (
        '[2, "s-2", "StopTransaction", {"transactionId": 5, "meterStop": 1, "timestamp": '
        '"1970-01-01T00:00:00Z"}]'
    )
    async with open_charger(central) as charger:
        for text in (start, start, stop):
            await charger.send(text)
            await charger.receive()
    named = "SELECT frame FROM evidence JOIN {} AS named USING (session_id, message_id)"
    assert writer.rows(named.format("tx_event")) == [(start,)]
    assert writer.rows(named.format("set_aside")) == [(stop,)]


@pytest.mark.parametrize(
    "register", [{}, {"meterStop": None}, {"meterStop": "N/A"}, {"meterStop": "1,500"}]
)
async def test_the_readings_of_a_stop_without_a_readable_register_are_kept(
    central: Central, writer: InlineWriter, register: dict[str, Any]
) -> None:
    """The stop itself waits for an operator."""
    data = [{"timestamp": NOW, "sampledValue": [{"value": "8200"}]}]
    async with open_charger(central) as charger:
        transaction = (await charger.call("StartTransaction", START))["transactionId"]
        stop = {"transactionId": transaction, "timestamp": NOW, "transactionData": data} | register
        assert await charger.call("StopTransaction", stop) == {}
        assert await charger.call("StopTransaction", stop) == {}
        assert writer.rows("SELECT tx_id, source, wh FROM meter_val") == [
            (transaction, "transactionData", 8200)
        ]
    assert writer.row("SELECT status, last_reading_at, suspended_at IS NULL FROM tx") == (
        "Active",
        AT,
        False,
    )
    assert writer.rows("SELECT action, count FROM set_aside") == [("StopTransaction", 2)]


async def test_the_readings_of_a_stop_that_names_a_stranger_move_nothing(
    central: Central, writer: InlineWriter
) -> None:
    data = [{"timestamp": NOW, "sampledValue": [{"value": "8200"}]}]
    async with open_charger(central, "/ws/CP-2") as other:
        transaction = (await other.call("StartTransaction", START))["transactionId"]
        async with open_charger(central) as charger:
            stop = {"transactionId": transaction, "timestamp": NOW, "transactionData": data}
            assert await charger.call("StopTransaction", stop) == {}
    assert writer.rows("SELECT wh FROM meter_val") == []
