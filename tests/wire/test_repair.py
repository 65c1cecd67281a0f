from typing import Any

import pytest

from levity_trio.wire.errors import ErrorCode, Refused
from levity_trio.wire.payloads import read_request, read_result

NOON = "2026-03-01T12:00:00Z"
START = {"connectorId": 1, "idTag": "A", "meterStart": 5, "timestamp": NOON}
STOP = {"transactionId": 7, "timestamp": NOON, "meterStop": 100}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}


def request(action: str, payload: dict[str, Any]) -> tuple[Any, list[str]]:
    """Return the message as read, and the kinds of its repairs without the action."""
    understood = read_request(action, payload, strict=False)
    return understood.message, [
        repair.kind.removeprefix(action).lstrip(".: ") for repair in understood.repairs
    ]


def samples(*values: Any) -> tuple[list[Any], list[str]]:
    """Return these sampled values as read, and the kinds of their repairs."""
    meter_value = [{"timestamp": NOON, "sampledValue": list(values)}]
    message, kinds = request("MeterValues", {"connectorId": 1, "meterValue": meter_value})
    return message.meter_value[0]["sampledValue"], [
        kind.removeprefix("meterValue.sampledValue").lstrip(".: ") for kind in kinds
    ]


@pytest.mark.parametrize(
    ("action", "base", "change", "field", "understood", "kinds"),
    [
        # numbers as text, text as numbers
        (
            "StartTransaction",
            START,
            {"meterStart": "5"},
            "meter_start",
            5,
            ["meterStart: text for number"],
        ),
        (
            "StartTransaction",
            START,
            {"meterStart": "8200,0"},
            "meter_start",
            8200,
            ["meterStart: decimal comma"],
        ),
        (
            "StartTransaction",
            START,
            {"meterStart": " +12 "},
            "meter_start",
            12,
            ["meterStart: text for number"],
        ),
        (
            "StartTransaction",
            START,
            {"meterStart": "1e3"},
            "meter_start",
            1000,
            ["meterStart: text for number"],
        ),
        (
            "StartTransaction",
            START,
            {"meterStart": 5.0},
            "meter_start",
            5,
            ["meterStart: decimal for integer"],
        ),
        (
            "StartTransaction",
            START,
            {"meterStart": 4.5},
            "meter_start",
            5,
            ["meterStart: decimal for integer"],
        ),
        (
            "StartTransaction",
            START,
            {"meterStart": 2.4999},
            "meter_start",
            2,
            ["meterStart: decimal for integer"],
        ),
        (
            "StartTransaction",
            START,
            {"meterStart": "1234567.5"},
            "meter_start",
            1234568,
            ["meterStart: text for number", "meterStart: decimal for integer"],
        ),
        ("StartTransaction", START, {"idTag": 1234}, "id_tag", "1234", ["idTag: number for text"]),
        ("StartTransaction", START, {"idTag": 0.5}, "id_tag", "0.5", ["idTag: number for text"]),
        # over-long texts are kept whole
        ("StartTransaction", START, {"idTag": "x" * 50}, "id_tag", "x" * 50, ["idTag: too long"]),
        ("StatusNotification", STATUS, {"info": "x" * 99}, "info", "x" * 99, ["info: too long"]),
        ("BootNotification", BOOT, {"iccid": "1" * 22}, "iccid", "1" * 22, ["iccid: too long"]),
        # null and blanks
        ("StatusNotification", STATUS, {"info": None}, "info", None, ["info: null"]),
        ("StatusNotification", STATUS, {"info": ""}, "info", "", []),
        ("StatusNotification", STATUS, {"timestamp": ""}, "timestamp", None, ["timestamp: blank"]),
        ("StopTransaction", STOP, {"reason": ""}, "reason", None, ["reason: blank"]),
        (
            "StartTransaction",
            START,
            {"reservationId": ""},
            "reservation_id",
            None,
            ["reservationId: blank"],
        ),
        (
            "StartTransaction",
            START,
            {"reservationId": []},
            "reservation_id",
            None,
            ["reservationId: not an integer"],
        ),
        ("BootNotification", BOOT, {"meterType": {}}, "meter_type", None, ["meterType: not text"]),
        (
            "BootNotification",
            BOOT,
            {"meterType": False},
            "meter_type",
            None,
            ["meterType: not text"],
        ),
        # ids of transactions
        (
            "StopTransaction",
            STOP,
            {"transactionId": None},
            "transaction_id",
            -1,
            ["transactionId: null"],
        ),
        (
            "StopTransaction",
            STOP,
            {"transactionId": ""},
            "transaction_id",
            -1,
            ["transactionId: blank"],
        ),
        (
            "StopTransaction",
            STOP,
            {"transactionId": "x"},
            "transaction_id",
            -1,
            ["transactionId: not an integer"],
        ),
        (
            "StopTransaction",
            STOP,
            {"transactionId": 2**63 - 1},
            "transaction_id",
            -1,
            ["transactionId: out of range"],
        ),
        (
            "StopTransaction",
            STOP,
            {"transactionId": 1e30},
            "transaction_id",
            -1,
            ["transactionId: out of range"],
        ),
        ("StopTransaction", STOP, {"transactionId": "9" * 30}, "transaction_id", -1, None),
        (
            "StopTransaction",
            STOP,
            {"transactionId": "7"},
            "transaction_id",
            7,
            ["transactionId: text for number"],
        ),
        ("StopTransaction", STOP, {"transactionId": 0}, "transaction_id", 0, []),
        ("MeterValues", {"connectorId": 1}, {"transactionId": None}, "transaction_id", None, None),
        ("MeterValues", {"connectorId": 1}, {"transactionId": ""}, "transaction_id", None, None),
        ("MeterValues", {"connectorId": 1}, {"transactionId": "8"}, "transaction_id", 8, None),
        # enumeration values
        (
            "StatusNotification",
            STATUS,
            {"status": "charging"},
            "status",
            "Charging",
            ["status: word respelt"],
        ),
        (
            "StatusNotification",
            STATUS,
            {"status": "Suspended_EV"},
            "status",
            "SuspendedEV",
            ["status: word respelt"],
        ),
        (
            "StatusNotification",
            STATUS,
            {"status": "Occupied"},
            "status",
            "Preparing",
            ["status: word respelt"],
        ),
        (
            "StatusNotification",
            STATUS,
            {"status": "Error"},
            "status",
            "Faulted",
            ["status: word respelt"],
        ),
        (
            "StatusNotification",
            STATUS,
            {"errorCode": "Error"},
            "error_code",
            "OtherError",
            ["errorCode: word respelt"],
        ),
        (
            "StatusNotification",
            STATUS,
            {"errorCode": "E17"},
            "error_code",
            "E17",
            ["errorCode: unknown word"],
        ),
        ("StatusNotification", STATUS, {"errorCode": 0}, "error_code", "0", None),
        (
            "StatusNotification",
            STATUS,
            {"status": "Parked"},
            "status",
            "Parked",
            ["status: unknown word"],
        ),
        ("StopTransaction", STOP, {"reason": "Whim"}, "reason", "Whim", ["reason: unknown word"]),
        # times: kept as sent; the handler uses the time of receipt
        (
            "StartTransaction",
            START,
            {"timestamp": "noon"},
            "timestamp",
            "noon",
            ["timestamp: unreadable time"],
        ),
        ("StartTransaction", START, {"timestamp": " "}, "timestamp", "", ["timestamp: blank"]),
        ("StartTransaction", START, {"timestamp": None}, "timestamp", "", ["timestamp: null"]),
        ("StartTransaction", START, {"timestamp": []}, "timestamp", "", ["timestamp: not text"]),
        (
            "StartTransaction",
            START,
            {"timestamp": 1700000000},
            "timestamp",
            "1700000000",
            ["timestamp: number for text", "timestamp: unreadable time"],
        ),
        # extra elements
        ("StartTransaction", START, {"x": 1, "y": 2}, "meter_start", 5, ["extra property"]),
        (
            "StopTransaction",
            STOP,
            {"transactionData": 7},
            "transaction_data",
            None,
            ["transactionData: not a list"],
        ),
        # free data
        (
            "DataTransfer",
            {"vendorId": "V"},
            {"data": {"a": [1]}},
            "data",
            '{"a":[1]}',
            ["data: other type for text"],
        ),
        (
            "DataTransfer",
            {"vendorId": "V"},
            {"data": True},
            "data",
            "true",
            ["data: other type for text"],
        ),
        ("DataTransfer", {"vendorId": "V"}, {"data": 5}, "data", "5", ["data: number for text"]),
        # values that no frame can contain, which must not raise either
        ("StopTransaction", STOP, {"transactionId": float("nan")}, "transaction_id", -1, None),
        ("StopTransaction", STOP, {"transactionId": float("inf")}, "transaction_id", -1, None),
        ("StatusNotification", STATUS, {"info": 10**400}, "info", None, ["info: not text"]),
    ],
)
def test_one_field(
    action: str,
    base: dict[str, Any],
    change: dict[str, Any],
    field: str,
    understood: Any,
    kinds: list[str] | None,
) -> None:
    message, found = request(action, base | change)
    value = getattr(message, field)
    assert (value, type(value)) == (understood, type(understood))
    assert kinds is None or found == kinds


@pytest.mark.parametrize(
    ("action", "payload", "field", "default"),
    [
        ("BootNotification", {}, "charge_point_vendor", ""),
        ("BootNotification", {"chargePointModel": None}, "charge_point_model", ""),
        ("StatusNotification", {"connectorId": 1, "status": "Available"}, "error_code", "NoError"),
        ("StatusNotification", STATUS | {"errorCode": ""}, "error_code", "NoError"),
        ("StartTransaction", {"connectorId": 1, "idTag": "A", "meterStart": 5}, "timestamp", ""),
        ("StopTransaction", {"meterStop": 5}, "transaction_id", -1),
        ("StopTransaction", {"meterStop": 5}, "timestamp", ""),
        ("MeterValues", {"connectorId": 1}, "meter_value", []),
        ("MeterValues", {"connectorId": 1, "meterValue": None}, "meter_value", []),
        ("MeterValues", {"connectorId": 1, "meterValue": ""}, "meter_value", []),
        ("MeterValues", {"connectorId": 1, "meterValue": "x"}, "meter_value", []),
        ("SecurityEventNotification", {}, "type", ""),
        ("SecurityEventNotification", {}, "timestamp", ""),
        ("DataTransfer", {"data": "x"}, "vendor_id", ""),
    ],
)
def test_what_is_missing_is_made_up_for_where_nothing_is_invented(
    action: str, payload: dict[str, Any], field: str, default: object
) -> None:
    message, kinds = request(action, payload)
    assert getattr(message, field) == default
    assert kinds


@pytest.mark.parametrize(
    ("action", "base", "name"),
    [
        ("StartTransaction", START, "meterStart"),
        ("StartTransaction", START, "idTag"),
        ("StartTransaction", START, "connectorId"),
        ("StopTransaction", STOP, "meterStop"),
        ("StatusNotification", STATUS, "status"),
        ("StatusNotification", STATUS, "connectorId"),
        ("Authorize", {"idTag": "A"}, "idTag"),
        ("MeterValues", {"connectorId": 1, "meterValue": []}, "connectorId"),
        ("SignCertificate", {"csr": "x"}, "csr"),
        ("FirmwareStatusNotification", {"status": "Idle"}, "status"),
    ],
)
def test_what_moves_a_bill_or_has_no_harmless_value_is_never_made_up(
    action: str, base: dict[str, Any], name: str
) -> None:
    without = {other: value for other, value in base.items() if other != name}
    for payload, code in (
        (without, ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION),
        (base | {name: None}, ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION),
        (base | {name: {}}, ErrorCode.TYPE_CONSTRAINT_VIOLATION),
        (base | {name: []}, ErrorCode.TYPE_CONSTRAINT_VIOLATION),
        (base | {name: True}, ErrorCode.TYPE_CONSTRAINT_VIOLATION),
    ):
        with pytest.raises(Refused) as caught:
            read_request(action, payload, strict=False)
        assert caught.value.code is code
        assert caught.value.description.startswith(f"{action}.{name}: ")


@pytest.mark.parametrize(
    "register", ["", "x", "1,500", "1_000", "0x10", "٥", "NaN", "1e9999", "1" * 99, 2**53 + 1, 1e16]
)
def test_a_register_that_cannot_be_read_is_refused(register: object) -> None:
    with pytest.raises(Refused):
        read_request("StopTransaction", STOP | {"meterStop": register}, strict=False)


@pytest.mark.parametrize(
    ("value", "understood", "kinds"),
    [
        ({"value": 1234}, {"value": "1234"}, ["value: number for text"]),
        ({"value": 0}, {"value": "0"}, ["value: number for text"]),
        ({"value": 12345.678}, {"value": "12345.678"}, ["value: number for text"]),
        ({"value": "1", "unit": "Hz"}, {"value": "1", "unit": "Hertz"}, ["unit: word respelt"]),
        (
            {"value": "1", "unit": "Celcius"},
            {"value": "1", "unit": "Celsius"},
            ["unit: word respelt"],
        ),
        ({"value": "1", "unit": "KWH"}, {"value": "1", "unit": "kWh"}, ["unit: word respelt"]),
        ({"value": "1", "unit": "%"}, {"value": "1", "unit": "Percent"}, ["unit: word respelt"]),
        (
            {"value": "1", "unit": "furlong"},
            {"value": "1", "unit": "furlong"},
            ["unit: unknown word"],
        ),
        ({"value": "1", "phase": "N"}, {"value": "1", "phase": "N"}, []),
        ({"value": "1", "phase": "l1n"}, {"value": "1", "phase": "L1-N"}, ["phase: word respelt"]),
        (
            {"value": "1", "measurand": "Current.import"},
            {"value": "1", "measurand": "Current.Import"},
            ["measurand: word respelt"],
        ),
        *[
            (
                {"value": "1", "measurand": sent},
                {"value": "1", "measurand": measurand, "phase": phase},
                kinds,
            )
            for kinds in [["measurand: word respelt"]]
            for sent, measurand, phase in [
                ("Current.Import.L1", "Current.Import", "L1"),
                ("current.import.l2", "Current.Import", "L2"),
                ("Voltage.L3-N", "Voltage", "L3-N"),
                ("VOLTAGE_L1_L2", "Voltage", "L1-L2"),
                ("Power.Active.Import-L2", "Power.Active.Import", "L2"),
                ("Energy.Active.Import.Register.L1", "Energy.Active.Import.Register", "L1"),
                ("EnergyActiveImportRegisterL3", "Energy.Active.Import.Register", "L3"),
                ("Current.Import.N", "Current.Import", "N"),
            ]
        ],
        (
            {"value": "1", "measurand": "Current.Import.L1", "phase": "L1"},
            {"value": "1", "measurand": "Current.Import", "phase": "L1"},
            ["measurand: word respelt"],
        ),
        (
            {"value": "1", "measurand": "Current.Import.L1", "phase": "L2"},
            {"value": "1", "measurand": "Current.Import.L1", "phase": "L2"},
            ["measurand: unknown word"],
        ),
        (
            {"value": "1", "measurand": "Vendor.L1"},
            {"value": "1", "measurand": "Vendor.L1"},
            ["measurand: unknown word"],
        ),
        (
            {"value": "1", "measurand": "Vendor.X"},
            {"value": "1", "measurand": "Vendor.X"},
            ["measurand: unknown word"],
        ),
        ({"value": "1", "unit": None}, {"value": "1"}, ["unit: null"]),
        ({"value": "1", "context": ""}, {"value": "1"}, ["context: blank"]),
        ({"value": "1", "x": 2}, {"value": "1"}, ["extra property"]),
        (  # a meter signs what it shows
            {"value": "OCMF|{}", "format": "SignedData", "unit": None},
            {"value": "OCMF|{}", "format": "SignedData"},
            ["unit: null"],
        ),
    ],
)
def test_a_sampled_value(
    value: dict[str, Any], understood: dict[str, Any], kinds: list[str]
) -> None:
    assert samples(value) == ([understood], kinds)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"value": ""}, "value: blank"),
        ({"value": "  "}, "value: blank"),
        ({"value": None}, "value: null"),
        ({"value": True}, "value: not text"),
        ({"value": [1]}, "value: not text"),
        ({}, "value: missing"),
        (None, "null"),
        (17, "not an object"),
        # without these fields the value would mean watt-hours of the energy register
        ({"value": "230", "measurand": ["Voltage"]}, "measurand: not text"),
        ({"value": "230", "unit": {}}, "unit: not text"),
        ({"value": "230", "phase": True}, "phase: not text"),
    ],
)
def test_a_sample_that_cannot_be_read_is_never_a_reading_and_the_rest_is_kept(
    value: object, kind: str
) -> None:
    kept, kinds = samples({"value": "1"}, value, {"value": "2"})
    assert kept == [{"value": "1"}, {"value": "2"}]
    assert kinds == [kind]


def test_one_object_for_a_list() -> None:
    payload = {"connectorId": 1, "meterValue": {"timestamp": NOON, "sampledValue": {"value": "1"}}}
    message, kinds = request("MeterValues", payload)
    assert message.meter_value == [{"timestamp": NOON, "sampledValue": [{"value": "1"}]}]
    assert kinds == ["meterValue: single for list", "meterValue.sampledValue: single for list"]


def test_the_rest_of_a_batch_is_kept() -> None:
    good = {"timestamp": NOON, "sampledValue": [{"value": "1"}]}
    batch: list[Any] = [good, None, 7, {"sampledValue": [{"value": "2"}]}, {"timestamp": NOON}, []]
    message, kinds = request(
        "MeterValues", {"connectorId": "1", "transactionId": "x", "meterValue": batch}
    )
    assert (message.connector_id, message.transaction_id) == (1, None)
    assert message.meter_value == [
        good,
        {"timestamp": "", "sampledValue": [{"value": "2"}]},
        {"timestamp": NOON, "sampledValue": []},
    ]
    assert set(kinds) == {
        "connectorId: text for number",
        "transactionId: not an integer",
        "meterValue: null",
        "meterValue: not an object",
        "meterValue.timestamp: missing",
        "meterValue.sampledValue: missing",
    }


def test_an_empty_list_of_samples_is_counted_and_kept() -> None:
    assert samples() == ([], ["empty list"])


def test_a_stop_keeps_its_register_whatever_its_data_is() -> None:
    unreadable: list[Any] = [None, "", "x", 7, {}, [[]], [{"sampledValue": 7}]]
    for data in unreadable:
        message, kinds = request("StopTransaction", STOP | {"transactionData": data})
        assert message.meter_stop == 100
        assert kinds


def test_what_configurations_hold() -> None:
    keys = [
        {"key": "A", "readonly": "false", "value": 5},
        {"key": "B", "readonly": 1, "value": True},
        {"key": "C", "value": None},
        {"readonly": True},
    ]
    understood = read_result(
        "GetConfiguration", {"configurationKey": keys, "unknownKey": "D"}, strict=False
    )
    assert understood.message.configuration_key == [
        {"key": "A", "readonly": False, "value": "5"},
        {"key": "B", "readonly": True, "value": "true"},
        {"key": "C", "readonly": False},
    ]
    assert understood.message.unknown_key == ["D"]
    assert {repair.kind for repair in understood.repairs} == {
        "GetConfiguration.conf.configurationKey.readonly: other type for boolean",
        "GetConfiguration.conf.configurationKey.readonly: missing",
        "GetConfiguration.conf.configurationKey.value: number for text",
        "GetConfiguration.conf.configurationKey.value: other type for text",
        "GetConfiguration.conf.configurationKey.value: null",
        "GetConfiguration.conf.configurationKey.key: missing",
        "GetConfiguration.conf.unknownKey: single for list",
    }


@pytest.mark.parametrize(
    ("limit", "understood", "kinds"),
    [("16.1", 16.1, ["text for number"]), (16.15, 16.15, []), (16, 16, [])],
)
def test_limits(limit: object, understood: float, kinds: list[str]) -> None:
    schedule = {
        "chargingRateUnit": "a",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    read = read_result(
        "GetCompositeSchedule", {"status": "Accepted", "chargingSchedule": schedule}, strict=False
    )
    assert read.message.charging_schedule["chargingSchedulePeriod"][0]["limit"] == understood
    assert [r.kind.partition("limit: ")[2] for r in read.repairs if ".limit: " in r.kind] == kinds
