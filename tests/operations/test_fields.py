"""The words with which a payload is refused, and what is sent."""

from __future__ import annotations

from typing import Any

import pytest

from levity_trio.operations import OPERATIONS, FieldProblem, check
from levity_trio.operations.operation import Allotted, LeftOut, filled, left_out

PERIODS = [{"startPeriod": 0, "limit": 16}]
SCHEDULE = {"chargingRateUnit": "A", "chargingSchedulePeriod": PERIODS}
PROFILE = {
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": SCHEDULE,
}

RATES = "csChargingProfiles.chargingSchedule"
REFUSED = [
    ("Reset", [], "give an object"),
    ("Reset", {}, "type: is missing: give one of Hard, Soft"),
    ("Reset", {"type": "hard"}, "type: give one of Hard, Soft (did you mean Hard?)"),
    ("Reset", {"type": 1}, "type: give one of Hard, Soft"),
    ("ClearCache", {"now": 1}, "now: is unknown: there are no fields"),
    ("UnlockConnector", {"connectorId": "1"}, "connectorId: give a whole number"),
    ("UnlockConnector", {"connectorId": True}, "connectorId: give a whole number"),
    ("UnlockConnector", {"connectorId": None}, "connectorId: give a whole number"),
    (
        "UnlockConnector",
        {"connector-id": 1},
        "connector-id: is unknown (did you mean connectorId?)",
    ),
    ("UnlockConnector", {"connector": 1}, "connector: is unknown: its fields are connectorId"),
    ("RemoteStartTransaction", {"idTag": "x" * 21}, "idTag: give a text of at most 20 characters"),
    (
        "GetConfiguration",
        {"key": "A"},
        "key: give a list, each item a text of at most 50 characters",
    ),
    ("GetConfiguration", {"key": ["A", 1]}, "key[1]: give a text of at most 50 characters"),
    (
        "UpdateFirmware",
        {"location": "x", "retrieveDate": "tomorrow"},
        "retrieveDate: give a time with its zone, such as 2030-01-31T22:00:00Z",
    ),
    (
        "SetChargingProfile",
        {
            "connectorId": 1,
            "csChargingProfiles": PROFILE
            | {"chargingSchedule": SCHEDULE | {"minChargingRate": 6.25}},
        },
        f"{RATES}.minChargingRate: give a number with at most one decimal, such as 16 or 10.5",
    ),
    (
        "SetChargingProfile",
        {
            "connectorId": 1,
            "csChargingProfiles": PROFILE
            | {"chargingSchedule": SCHEDULE | {"chargingSchedulePeriod": [*PERIODS, {"limit": 1}]}},
        },
        f"{RATES}.chargingSchedulePeriod[1].startPeriod: is missing: give a whole number",
    ),
]


@pytest.mark.parametrize(("action", "values", "words"), REFUSED)
def test_a_refusal_names_the_field_and_what_to_give(action: str, values: Any, words: str) -> None:
    with pytest.raises(FieldProblem) as refusal:
        check(OPERATIONS[action], values)
    assert str(refusal.value) == words


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("2030-01-31T22:00:00Z", "2030-01-31T22:00:00Z"),
        ("2030-01-31T23:00:00.999+01:00", "2030-01-31T22:00:00Z"),
        ("1999-12-31T23:59:60Z", "2000-01-01T00:00:00Z"),
    ],
)
def test_times_are_sent_in_utc_and_whole_seconds_also_past_ones(given: str, sent: str) -> None:
    values = {"location": "gopher://anything at all", "retrieveDate": given}
    assert check(OPERATIONS["UpdateFirmware"], values) == values | {"retrieveDate": sent}


def test_fields_are_sent_in_the_order_of_their_declaration() -> None:
    payload = check(OPERATIONS["ChangeAvailability"], {"type": "Operative", "connectorId": -1})
    assert [*payload.items()] == [("connectorId", -1), ("type", "Operative")]


def test_what_the_server_allots_may_be_left_out() -> None:
    operation = OPERATIONS["RemoteStartTransaction"]
    payload = check(operation, {"idTag": "A", "chargingProfile": PROFILE})
    path = ("chargingProfile", "chargingProfileId")
    assert left_out(operation, payload) == [LeftOut(path, Allotted.PROFILE)]
    whole = filled(payload, path, 5)
    assert whole["chargingProfile"] == PROFILE | {"chargingProfileId": 5}
    assert "chargingProfileId" not in payload["chargingProfile"]
    assert left_out(operation, whole) == []


@pytest.mark.parametrize(
    "log", [{}, {"log": {}}, {"log": {"oldestTimestamp": "2030-01-31T22:00:00Z"}}]
)
def test_an_object_of_which_all_is_allotted_may_be_left_out(log: Any) -> None:
    operation = OPERATIONS["GetLog"]
    payload = check(operation, {"logType": "SecurityLog", "requestId": 1, **log})
    path = ("log", "remoteLocation")
    assert left_out(operation, payload) == [LeftOut(path, Allotted.UPLOAD)]
    whole = filled(payload, path, "http://x")
    assert whole["log"] == {**payload.get("log", {}), "remoteLocation": "http://x"}
    assert left_out(operation, whole) == []


@pytest.mark.parametrize(
    ("action", "values", "name", "allotted"),
    [
        ("RemoteStopTransaction", {}, "transactionId", Allotted.TRANSACTION),
        ("SendLocalList", {"updateType": "Full"}, "listVersion", Allotted.LIST_VERSION),
        (
            "GetLog",
            {"log": {"remoteLocation": ""}, "logType": "SecurityLog"},
            "requestId",
            Allotted.REQUEST,
        ),
        ("GetDiagnostics", {}, "location", Allotted.UPLOAD),
    ],
)
def test_what_is_allotted(action: str, values: Any, name: str, allotted: Allotted) -> None:
    operation = OPERATIONS[action]
    assert left_out(operation, check(operation, values)) == [LeftOut((name,), allotted)]
