"""Warnings: what is sent all the same. And who may ask, and what needs force."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from levity_trio.operations import OPERATIONS, FieldProblem, OperationRole, Situation, check
from levity_trio.operations.operation import (
    KnownConnector,
    OpenTransaction,
    ReservationInForce,
    example,
    only_transaction,
    role_for,
    transactions_in_the_way,
)
from tests.operations.asking import SENT

ACTIONS = sorted(OPERATIONS)
CONFIGURATION = {
    "SupportedFeatureProfiles": (
        "Core,FirmwareManagement, LocalAuthListManagement,Reservation,SmartCharging"
    ),
    "SupportedFileTransferProtocols": "FTP,HTTP",
    "GetConfigurationMaxKeys": "1",
    "LocalAuthListEnabled": "false",
    "SendLocalListMaxLength": "1",
    "LocalAuthListMaxLength": "2",
    "ChargeProfileMaxStackLevel": "8",
    "ChargingScheduleMaxPeriods": "2",
    "ChargingScheduleAllowedChargingRateUnit": "Current",
}
SITUATION = Situation(
    now=SENT,
    connectors=(
        *(KnownConnector(1, "Charging"), KnownConnector(2, "Available", "DC")),
        *(KnownConnector(3, "Faulted"), KnownConnector(4, "Reserved")),
    ),
    transactions=(OpenTransaction(50, 1, "A"),),
    reservations=(ReservationInForce(9, 4, "Neighbour"),),
    configuration=CONFIGURATION,
    read_only=frozenset({"NumberOfConnectors"}),
    list_version=7,
)


def profile(unit: str = "A", **more: Any) -> dict[str, Any]:
    return {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": [
                {"startPeriod": start, "limit": 9} for start in more.pop("starts", [0])
            ],
        },
    } | more


def warned(action: str, values: dict[str, Any], situation: Situation = SITUATION) -> list[str]:
    operation = OPERATIONS[action]
    return operation.warn(check(operation, values), situation)


MANAGED = Situation(now=SENT, connectors=(KnownConnector(1, "Available"),), is_managed=True)


def limited(connector: int, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "SetChargingProfile", {"connectorId": connector, "csChargingProfiles": given}


def listed(
    *entries: dict[str, Any], kind: str = "Full", version: int = 8
) -> tuple[str, dict[str, Any]]:
    return "SendLocalList", {
        "listVersion": version,
        "updateType": kind,
        "localAuthorizationList": [*entries],
    }


def reserved(
    connector: int, expiry: str = "2031-01-01T00:00:00Z", number: int = 1
) -> tuple[str, dict[str, Any]]:
    values = {"connectorId": connector, "expiryDate": expiry, "idTag": "A", "reservationId": number}
    return "ReserveNow", values


def started(**more: Any) -> tuple[str, dict[str, Any]]:
    return "RemoteStartTransaction", {"idTag": "A"} | more


TX = "TxProfile"
INFO = {"status": "Accepted"}
WARNED = [
    (*started(), "no connectorId: the charger chooses"),
    (*started(connectorId=1), "session 50 is open on connector 1"),
    (*started(connectorId=3), "connector 3 is Faulted"),
    (*started(connectorId=4), "connector 4 is reserved for another card (reservation 9)"),
    (*started(connectorId=0), "connector 0 is the charger itself"),
    (*started(connectorId=5), "the charger has not reported a connector 5, only 1, 2, 3, 4"),
    (*started(connectorId=-1), "the charger has not reported a connector -1"),
    (*started(chargingProfile=profile()), "must be a TxProfile (§5.11)"),
    (
        *started(chargingProfile=profile(chargingProfilePurpose=TX, transactionId=1)),
        "must not have a transactionId",
    ),
    ("RemoteStopTransaction", {"transactionId": 51}, "session 51 is not open at this charger"),
    ("UnlockConnector", {"connectorId": 0}, "connector 0 is the charger itself"),
    (
        "ChangeAvailability",
        {"connectorId": 9, "type": "Operative"},
        "the charger has not reported a connector 9",
    ),
    (
        "ChangeConfiguration",
        {"key": "NumberOfConnectors", "value": "1"},
        "NumberOfConnectors is read-only",
    ),
    ("GetConfiguration", {"key": ["A", "B"]}, "answers for 1 keys at most"),
    (
        "TriggerMessage",
        {"requestedMessage": "Heartbeat"},
        "does not list RemoteTrigger in SupportedFeatureProfiles",
    ),
    (
        "TriggerMessage",
        {"requestedMessage": "MeterValues", "connectorId": 0},
        "connector 0 is the charger itself",
    ),
    (
        "GetDiagnostics",
        {"location": "https://x"},
        "does not list HTTPS in SupportedFileTransferProtocols",
    ),
    ("GetDiagnostics", {"location": "http://" + "x" * 506}, "the location has 513 characters"),
    ("GetDiagnostics", {"location": "diagnostics"}, "the location is no URL"),
    (
        "GetLog",
        {"log": {"remoteLocation": "logs"}, "logType": "SecurityLog"},
        "the location is no URL",
    ),
    (*listed(), "LocalAuthListEnabled is false"),
    (
        *listed({"idTag": "A", "idTagInfo": INFO}, {"idTag": "B", "idTagInfo": INFO}),
        "accepts 1 at once",
    ),
    (*listed(*({"idTag": tag} for tag in "ABC")), "3 entries: the charger's list holds 2"),
    (*listed({"idTag": "A"}, {"idTag": "a"}), "1 card is in the list more than once"),
    (*listed({"idTag": "A"}), "1 entries of a full list have no idTagInfo"),
    (*listed(version=0), "list version 0 stands for no list"),
    (
        *listed(kind="Differential", version=7),
        "the charger has list version 7: it may answer VersionMismatch",
    ),
    (*reserved(0), "connector 0 can be reserved only where ReserveConnectorZeroSupported is true"),
    (*reserved(1), "connector 1 is Charging"),
    (*reserved(2, "2030-01-31T22:00:00Z"), "expiryDate is in the past"),
    (*reserved(2, number=9), "reservation 9 is in force and is replaced"),
    ("CancelReservation", {"reservationId": 1}, "reservation 1 is not in force"),
    (
        *limited(1, profile(chargingProfilePurpose="ChargePointMaxProfile")),
        "a ChargePointMaxProfile is for connector 0",
    ),
    (
        *limited(0, profile(chargingProfilePurpose=TX, transactionId=50)),
        "a TxProfile is for a connector above 0",
    ),
    (
        *limited(1, profile(chargingProfilePurpose=TX)),
        "a TxProfile needs its transactionId (§5.16): 50 is open",
    ),
    (
        *limited(1, profile(chargingProfilePurpose=TX, transactionId=51)),
        "session 51 is not open at this charger",
    ),
    (
        *limited(2, profile(chargingProfilePurpose=TX, transactionId=50)),
        "session 50 is not open on connector 2",
    ),
    (*limited(1, profile(transactionId=50)), "only a TxProfile has a transactionId"),
    (*limited(1, profile(stackLevel=9)), "stackLevel 9: the charger allows 8"),
    (*limited(1, profile(starts=[0, 1, 2])), "more than 2 periods"),
    (*limited(1, profile(starts=[1])), "the first period must start at 0"),
    (*limited(1, profile(starts=[0, 9, 8])), "the periods are not in order of time"),
    (*limited(1, profile("W")), "does not list Power in ChargingScheduleAllowedChargingRateUnit"),
    (
        *limited(1, profile(chargingProfileKind="Recurring")),
        "a recurring profile needs a recurrencyKind",
    ),
    (*limited(1, profile(chargingProfileKind="Absolute")), "kind Absolute needs a startSchedule"),
    (*limited(2, profile()), "connector 2 is DC"),
    (
        "ClearChargingProfile",
        {"id": 1, "stackLevel": 0},
        "with an id the charger ignores the other fields",
    ),
    ("ClearChargingProfile", {"connectorId": 8}, "the charger has not reported a connector 8"),
    (
        "GetCompositeSchedule",
        {"connectorId": 1, "duration": 60, "chargingRateUnit": "W"},
        "does not list Power in",
    ),
]


@pytest.mark.parametrize(("action", "values", "words"), WARNED)
def test_warned(action: str, values: dict[str, Any], words: str) -> None:
    found = warned(action, values)
    assert any(words in one for one in found), found


UNCONTENTIOUS = Situation(
    now=SENT,
    connectors=(KnownConnector(1, "Available"),),
    transactions=(OpenTransaction(1, None, None),),
    reservations=(ReservationInForce(1, 1, "guest"),),
    configuration={
        "ReserveConnectorZeroSupported": "true",
        "LocalAuthListEnabled": "true",
        "SendLocalListMaxLength": "x",
        "SupportedFileTransferProtocols": "https, ftp",
    },
)


def test_a_limit_beside_those_of_load_management_is_booked_with_the_higher() -> None:
    words = (
        "load management limits this charger: what it draws is booked with the higher of both "
        "until it is cleared"
    )
    assert warned(*limited(1, profile()), MANAGED) == [words]
    assert warned(*limited(1, profile()), replace(MANAGED, is_managed=False)) == []


@pytest.mark.parametrize("action", sorted(set(ACTIONS) - {"SetChargingProfile"}))
@pytest.mark.parametrize(
    "situation", [UNCONTENTIOUS, Situation(now=SENT)], ids=["known", "unknown"]
)
def test_nothing_is_said_without_a_reason(action: str, situation: Situation) -> None:
    found = warned(action, example(OPERATIONS[action]), situation)
    ours = {"RemoteStopTransaction", "CancelReservation"}
    assert not found or (action in ours and situation.transactions == ()), found


@pytest.mark.parametrize(
    ("action", "values"),
    [
        started(connectorId=1),
        started(connectorId=1, chargingProfile=profile(chargingProfilePurpose=TX)),
        reserved(0),
        limited(0, profile(chargingProfilePurpose="ChargePointMaxProfile")),
        limited(1, profile()),
        listed({"idTag": "A", "idTagInfo": INFO}),
    ],
)
def test_what_fits_is_not_warned_of(action: str, values: dict[str, Any]) -> None:
    situation = Situation(
        now=SENT,
        connectors=UNCONTENTIOUS.connectors,
        reservations=(ReservationInForce(5, 1, "a"),),
        configuration={**UNCONTENTIOUS.configuration}
        | {"ChargingScheduleAllowedChargingRateUnit": "A, W"},
    )
    assert warned(action, values, situation) == []


def test_what_needs_force_under_a_transaction() -> None:
    needing = {
        action
        for action, operation in OPERATIONS.items()
        if operation.needs_force_under_transaction
    }
    assert needing == {"Reset", "UnlockConnector", "UpdateFirmware", "SignedUpdateFirmware"}


@pytest.mark.parametrize(
    ("action", "values", "transactions"),
    [
        ("Reset", {"type": "Soft"}, [50, 51]),
        ("UnlockConnector", {"connectorId": 1}, [50, 51]),
        ("UnlockConnector", {"connectorId": 2}, [51]),
        ("ClearCache", {}, []),
    ],
)
def test_transactions_in_the_way(
    action: str, values: dict[str, Any], transactions: list[int]
) -> None:
    situation = Situation(
        now=SENT, transactions=(OpenTransaction(50, 1, "A"), OpenTransaction(51, None, "B"))
    )
    found = transactions_in_the_way(OPERATIONS[action], values, situation)
    assert [one.id for one in found] == transactions


def test_only_transaction() -> None:
    assert only_transaction(SITUATION) == 50
    with pytest.raises(FieldProblem, match="transactionId: is missing, and no session is open"):
        only_transaction(Situation(now=SENT))
    two = Situation(now=SENT, transactions=(OpenTransaction(5, 1, "A"), OpenTransaction(6, 2, "B")))
    with pytest.raises(FieldProblem, match=re.escape("2 sessions are open: give one of 5, 6")):
        only_transaction(two)


def test_what_only_an_admin_may_send() -> None:
    assert {
        action for action, operation in OPERATIONS.items() if operation.role is OperationRole.ADMIN
    } == {
        *(
            "UpdateFirmware",
            "SignedUpdateFirmware",
            "InstallCertificate",
            "DeleteCertificate",
            "CertificateSigned",
        ),
    }


@pytest.mark.parametrize(
    ("key", "role"),
    [
        *(
            ("AuthorizationKey", OperationRole.ADMIN),
            ("authorizationkey ", OperationRole.ADMIN),
            ("SecurityProfile", OperationRole.ADMIN),
        ),
        *(
            ("CpoName", OperationRole.ADMIN),
            ("WifiPassword", OperationRole.ADMIN),
            ("HeartbeatInterval", OperationRole.OPERATOR),
        ),
    ],
)
def test_security_keys_are_an_admin_s(key: str, role: OperationRole) -> None:
    assert role_for(OPERATIONS["ChangeConfiguration"], {"key": key, "value": "1"}) is role
    assert role_for(OPERATIONS["GetConfiguration"], {"key": [key]}) is OperationRole.OPERATOR


@pytest.mark.parametrize("id_tag", ["ANNA", "berta", "Family"])
def test_a_reservation_is_for_all_tags_of_its_group(id_tag: str) -> None:
    held = ReservationInForce(9, 2, "Anna", "FAMILY", ("Anna", "Berta"))
    situation = Situation(
        now=SENT, connectors=(KnownConnector(2, "Reserved"),), reservations=(held,)
    )
    assert warned("RemoteStartTransaction", {"idTag": id_tag, "connectorId": 2}, situation) == []
