import dataclasses
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator, FormatChecker
from ocpp.v16 import call, call_result, datatypes, enums

from levity_trio.wire.errors import ErrorCode, Refused
from levity_trio.wire.payloads import (
    CHARGER_ACTIONS,
    CONNECTOR,
    LOWEST_CONNECTORS,
    SERVER_ACTIONS,
    Read,
    prepare,
    read_request,
    read_result,
    write_payload,
)
from levity_trio.wire.repair import Repair, Wrong
from levity_trio.wire.times import parse_time
from tests.sizes import size
from tests.wire.examples import (
    ALL_ACTIONS,
    ANY_JSON,
    MESSAGES,
    full,
    minimal,
    nearly,
    place_of,
    places,
    schema_of,
)

KEYWORDS = {
    "additionalProperties",
    "enum",
    "format",
    "maxLength",
    "maximum",
    "minItems",
    "minimum",
    "payload is no object",
    "not to be read as JSON",
    "required",
    "type",
}
HERTZ = {"value": "50.0", "measurand": "Frequency", "unit": "Hertz"}
STOP = {"transactionId": 7, "timestamp": "2026-03-01T12:00:00Z", "meterStop": 100}


def read(action: str, is_answer: bool, payload: object, strict: bool = False) -> Read:
    reader = read_result if is_answer else read_request
    return reader(action, payload, strict=strict, accepted=frozenset(ALL_ACTIONS))


def test_the_actions_are_those_of_1_6_and_its_security_extension() -> None:
    assert len(CHARGER_ACTIONS) == 14
    assert len(SERVER_ACTIONS) == 26
    assert {"DataTransfer"} == CHARGER_ACTIONS & SERVER_ACTIONS
    assert {action.value for action in enums.Action} == CHARGER_ACTIONS | SERVER_ACTIONS


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("example", [full, minimal])
@pytest.mark.parametrize(("action", "is_answer"), MESSAGES)
def test_every_message_is_read_and_written(
    action: str, is_answer: bool, example: Any, strict: bool
) -> None:
    payload = example(schema_of(action, is_answer))
    understood = read(action, is_answer, payload, strict)
    assert understood.repairs == ()
    assert type(understood.message) is getattr(call_result if is_answer else call, action)
    # SendLocalList adds an empty list
    assert write_payload(understood.message).items() >= payload.items()


def test_nested_values_stay_as_on_the_wire() -> None:
    sample = {"value": "1", "measurand": "Energy.Active.Import.Register"}
    payload = {
        "connectorId": 1,
        "meterValue": [{"timestamp": "2026-03-01T12:00:00Z", "sampledValue": [sample]}],
    }
    message = read_request("MeterValues", payload, strict=False).message
    assert message == call.MeterValues(
        connector_id=1, meter_value=payload["meterValue"], transaction_id=None
    )


def test_fields_that_the_package_demands_and_the_schema_does_not() -> None:
    event = {"type": "Reset", "timestamp": "2026-03-01T12:00:00Z"}
    assert read_request("SecurityEventNotification", event, strict=True).message.tech_info is None
    assert (
        read_request("LogStatusNotification", {"status": "Idle"}, strict=True).message.request_id
        is None
    )
    status = read_request("SignedFirmwareStatusNotification", {"status": "Idle"}, strict=True)
    assert status.message.request_id is None


@pytest.mark.parametrize(
    ("reader", "action", "code"),
    [
        (read_request, "Frobnicate", ErrorCode.NOT_IMPLEMENTED),
        (read_request, "heartbeat", ErrorCode.NOT_IMPLEMENTED),
        (read_request, "", ErrorCode.NOT_IMPLEMENTED),
        (read_request, "__init__", ErrorCode.NOT_IMPLEMENTED),
        (read_request, "Reset", ErrorCode.NOT_SUPPORTED),
        (read_result, "Frobnicate", ErrorCode.NOT_IMPLEMENTED),
        (read_result, "Heartbeat", ErrorCode.NOT_SUPPORTED),
    ],
)
def test_actions_that_are_not_accepted(reader: Any, action: str, code: ErrorCode) -> None:
    with pytest.raises(Refused) as caught:
        reader(action, {}, strict=False)
    assert caught.value.code is code
    assert not action or action not in caught.value.description


def test_a_charger_reads_what_we_send() -> None:
    reset = read_request("Reset", {"type": "Soft"}, strict=True, accepted=SERVER_ACTIONS).message
    assert reset == call.Reset(type=enums.ResetType.soft)
    answer = read_result("Heartbeat", {"currentTime": "x"}, strict=False, accepted=CHARGER_ACTIONS)
    assert answer.message.current_time == "x"


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("Heartbeat", "{}"),
        ("Heartbeat", 7),
        ("Heartbeat", True),
        ("Heartbeat", [{}]),
        ("Authorize", None),
    ]
    + [("Authorize", []), ("BootNotification", None)],
)
def test_a_payload_that_is_no_object(action: str, payload: object, strict: bool) -> None:
    with pytest.raises(Refused) as caught:
        read_request(action, payload, strict=strict)
    assert caught.value.code is ErrorCode.FORMATION_VIOLATION


@pytest.mark.parametrize(("payload", "sample"), [(None, "null"), ([], "[]"), ("", '""')])
def test_where_nothing_is_required_nothing_is_an_empty_object(payload: object, sample: str) -> None:
    read = read_request("Heartbeat", payload, strict=False)
    assert (read.message, read.repairs) == (
        call.Heartbeat(),
        (Repair("Heartbeat: not an object", sample),),
    )
    with pytest.raises(Refused):
        read_request("Heartbeat", payload, strict=True)


@pytest.mark.parametrize(
    ("change", "code", "what"),
    [
        ({"extra": 1}, ErrorCode.FORMATION_VIOLATION, "additionalProperties"),
        ({"meterStop": None}, ErrorCode.TYPE_CONSTRAINT_VIOLATION, "meterStop: type"),
        ({"meterStop": "100"}, ErrorCode.TYPE_CONSTRAINT_VIOLATION, "meterStop: type"),
        ({"meterStop": 100.0}, ErrorCode.TYPE_CONSTRAINT_VIOLATION, "meterStop: type"),
        ({"meterStop": 2**53 + 1}, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "meterStop: maximum"),
        ({"meterStop": -(2**60)}, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "meterStop: minimum"),
        ({"idTag": "x" * 21}, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "idTag: maxLength"),
        ({"reason": "Whim"}, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "reason: enum"),
        ({"timestamp": "noon"}, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "timestamp: format"),
        (
            {"timestamp": "2026-02-29T12:00:00Z"},
            ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
            "timestamp: format",
        ),
        (
            {"transactionData": [{}]},
            ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
            "transactionData: required",
        ),
    ],
)
def test_strict_names_the_first_fault(change: dict[str, Any], code: ErrorCode, what: str) -> None:
    with pytest.raises(Refused) as caught:
        read_request("StopTransaction", STOP | change, strict=True)
    assert caught.value.code is code
    assert caught.value.description.endswith(what)


def test_strict_wants_what_is_required_and_no_empty_list() -> None:
    for payload in ({"connectorId": 1}, {"connectorId": 1, "meterValue": []}):
        with pytest.raises(Refused) as caught:
            read_request("MeterValues", payload, strict=True)
        assert caught.value.code is ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "timestamp",
    [
        "2024-02-29T12:00:00Z",
        "2026-03-01 12:00:00",
        "2026-03-01T12:00:00+02",
        "2026-03-01t12:00:00.1234567z",
        "2026-03-01T12:00",
    ],
)
def test_times_that_can_be_read_are_no_fault(timestamp: str, strict: bool) -> None:
    understood = read_request("StopTransaction", STOP | {"timestamp": timestamp}, strict=strict)
    assert (understood.message.timestamp, understood.repairs) == (timestamp, ())


@pytest.mark.parametrize("strict", [True, False])
def test_hertz_is_a_unit_wherever_a_value_is_sampled(strict: bool) -> None:
    values = [{"timestamp": "2026-03-01T12:00:00Z", "sampledValue": [HERTZ]}]
    stop = read_request("StopTransaction", STOP | {"transactionData": values}, strict=strict)
    meter = read_request("MeterValues", {"connectorId": 1, "meterValue": values}, strict=strict)
    assert stop.repairs == meter.repairs == ()
    assert stop.message.transaction_data == meter.message.meter_value == values


def test_strict_takes_the_misspelling_that_its_schema_allows() -> None:
    values = [
        {"timestamp": "2026-03-01T12:00:00Z", "sampledValue": [{"value": "1", "unit": "Celcius"}]}
    ]
    meter = read_request("MeterValues", {"connectorId": 1, "meterValue": values}, strict=True)
    assert meter.message.meter_value == values


@pytest.mark.parametrize("limit", [0.1, 0.3, 16.1, 31.9, 11040.7, 6])
@pytest.mark.parametrize("strict", [True, False])
def test_tenths_are_tenths(limit: float, strict: bool) -> None:
    schedule = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    payload = {"status": "Accepted", "chargingSchedule": schedule}
    understood = read_result("GetCompositeSchedule", payload, strict=strict)
    assert (understood.message.charging_schedule, understood.repairs) == (schedule, ())


def test_dataclasses_inside_a_message_are_written_as_on_the_wire() -> None:
    info = datatypes.IdTagInfo(status=enums.AuthorizationStatus.accepted, parent_id_tag="family")
    period = datatypes.ChargingSchedulePeriod(start_period=0, limit=16.1, number_phases=3)
    profile = datatypes.ChargingProfile(
        charging_profile_id=1,
        stack_level=0,
        charging_profile_purpose=enums.ChargingProfilePurposeType.tx_profile,
        charging_profile_kind=enums.ChargingProfileKindType.absolute,
        charging_schedule=datatypes.ChargingSchedule(enums.ChargingRateUnitType.amps, [period]),
    )
    tags = [
        datatypes.AuthorizationData("A", info),
        datatypes.AuthorizationData("B"),
        {"idTag": "C", "idTagInfo": None},
    ]
    assert write_payload(call_result.StartTransaction(transaction_id=7, id_tag_info=info)) == {
        "transactionId": 7,
        "idTagInfo": {"status": "Accepted", "parentIdTag": "family"},
    }
    assert write_payload(call.SendLocalList(1, enums.UpdateType.full, tags))[
        "localAuthorizationList"
    ] == [
        {"idTag": "A", "idTagInfo": {"status": "Accepted", "parentIdTag": "family"}},
        {"idTag": "B"},
        {"idTag": "C"},
    ]
    written = write_payload(call.SetChargingProfile(connector_id=1, cs_charging_profiles=profile))
    assert written["csChargingProfiles"]["chargingSchedule"] == {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1, "numberPhases": 3}],
    }
    orjson.dumps(written)


@pytest.mark.parametrize(
    "message",
    [
        call_result.Heartbeat(current_time="noon"),
        call_result.StartTransaction(transaction_id=2**60, id_tag_info={"status": "Accepted"}),
        call_result.StartTransaction(transaction_id=1, id_tag_info={"status": "Fine"}),
        call.RemoteStartTransaction(id_tag="x" * 21),
        call.RemoteStartTransaction(id_tag=None),
        call.SetChargingProfile(1, {"chargingProfileId": 1}),
        {"currentTime": "2026-03-01T12:00:00Z"},
        datatypes.IdTagInfo(status=enums.AuthorizationStatus.accepted),
    ],
)
def test_a_message_of_ours_that_breaks_its_schema_is_our_mistake(message: object) -> None:
    with pytest.raises(ValueError, match=r"our .+ violates its schema|not a message of OCPP"):
        write_payload(message)


def test_everything_for_chargers_can_be_prepared() -> None:
    prepare()


@given(st.sampled_from(ALL_ACTIONS), st.booleans(), ANY_JSON, st.booleans())
@settings(max_examples=200, deadline=timedelta(seconds=2))
def test_any_json(action: str, is_answer: bool, payload: object, strict: bool) -> None:
    try:
        understood = read(action, is_answer, payload, strict)
    except Refused as refusal:
        orjson.dumps(refusal.description)
    else:
        orjson.dumps(dataclasses.asdict(understood.message))


@given(
    st.sampled_from(MESSAGES).flatmap(lambda m: st.tuples(st.just(m), nearly(schema_of(*m)))),
    st.booleans(),
)
@settings(max_examples=size(300, 60), deadline=timedelta(seconds=2))
def test_nothing_that_we_count_or_say_was_chosen_by_the_charger(
    sent: tuple[tuple[str, bool], object], strict: bool
) -> None:
    (action, is_answer), payload = sent
    known = set(places(schema_of(action, is_answer), place_of(action, is_answer)))
    try:
        kinds = {repair.kind for repair in read(action, is_answer, payload, strict).repairs}
    except Refused as refusal:
        kinds = {refusal.description}
    for kind in kinds:
        where, _, what = kind.partition(": ")
        assert where in known
        assert what in set(Wrong) | KEYWORDS


@given(st.sampled_from(MESSAGES).flatmap(lambda m: st.tuples(st.just(m), nearly(schema_of(*m)))))
@settings(max_examples=size(300, 60), deadline=timedelta(seconds=2))
def test_strict_refuses_what_another_validator_refuses(sent: tuple[tuple[str, bool], Any]) -> None:
    (action, is_answer), payload = sent
    formats = FormatChecker(formats=())
    formats.checks("date-time")(
        lambda value: not isinstance(value, str) or parse_time(value) is not None
    )
    faults = {
        error.validator
        for error in Draft4Validator(
            schema_of(action, is_answer), format_checker=formats
        ).iter_errors(payload)
    }
    try:
        read(action, is_answer, payload, strict=True)
    except Refused as refusal:
        keyword = refusal.description.rpartition(": ")[2]
        is_too_low = (
            isinstance(payload, dict)
            and payload.get(CONNECTOR) == 0
            and action in LOWEST_CONNECTORS
        )
        assert keyword in faults or keyword == ("minimum" if is_too_low else "payload is no object")
    else:
        assert not faults
