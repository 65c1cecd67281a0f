"""What a backend may ask: nothing that reaches a charger, and nothing that changes this site."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
import trio

from levity_trio.wire.payloads import SERVER_ACTIONS
from tests.backends.site import A_WHILE, FIRST_NUMBER, Site, Told
from tests.operations.schemas import allows, schema_of
from tests.store.books import Books
from tests.store.test_commands import answer, send

CERTIFICATE: Final = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "a",
    "issuerKeyHash": "b",
    "serialNumber": "1",
}
WHEN: Final = "2026-03-02T00:00:00Z"
LOG: Final = {"remoteLocation": "ftp://backend.example/"}
PROFILE: Final = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}],
    },
}
ASKED: Final[Mapping[str, dict[str, Any]]] = {
    "CancelReservation": {"reservationId": 1},
    "CertificateSigned": {"certificateChain": "PEM"},
    "ChangeAvailability": {"connectorId": 0, "type": "Inoperative"},
    "ChangeConfiguration": {"key": "AuthorizeRemoteTxRequests", "value": "false"},
    "ClearCache": {},
    "ClearChargingProfile": {},
    "DataTransfer": {"vendorId": "them", "data": "open"},
    "DeleteCertificate": {"certificateHashData": CERTIFICATE},
    "ExtendedTriggerMessage": {"requestedMessage": "LogStatusNotification"},
    "GetCompositeSchedule": {"connectorId": 1, "duration": 60},
    "GetConfiguration": {},
    "GetDiagnostics": {"location": "ftp://backend.example/"},
    "GetInstalledCertificateIds": {"certificateType": "CentralSystemRootCertificate"},
    "GetLocalListVersion": {},
    "GetLog": {"logType": "SecurityLog", "requestId": 1, "log": LOG},
    "InstallCertificate": {
        "certificateType": "CentralSystemRootCertificate",
        "certificate": "PEM",
    },
    "RemoteStartTransaction": {"idTag": "TAG", "connectorId": 1, "chargingProfile": PROFILE},
    "RemoteStopTransaction": {"transactionId": 7001},
    "ReserveNow": {"connectorId": 1, "expiryDate": WHEN, "idTag": "TAG", "reservationId": 1},
    "Reset": {"type": "Hard"},
    "SendLocalList": {"listVersion": 1, "updateType": "Full", "localAuthorizationList": []},
    "SetChargingProfile": {"connectorId": 1, "csChargingProfiles": PROFILE},
    "SignedUpdateFirmware": {
        "requestId": 1,
        "firmware": {
            "location": "ftp://backend.example/",
            "retrieveDateTime": WHEN,
            "signingCertificate": "PEM",
            "signature": "x",
        },
    },
    "TriggerMessage": {"requestedMessage": "DiagnosticsStatusNotification"},
    "UnlockConnector": {"connectorId": 1},
    "UpdateFirmware": {"location": "ftp://backend.example/", "retrieveDate": WHEN},
}
"""All that a central system may send (§5, and the security whitepaper, part 2)."""
INTERVALS: Final = ("HeartbeatInterval", "MeterValueSampleInterval", "WebSocketPingInterval")
OURS: Final = ("backend_cp", "sqlite_sequence")
"""What the copy itself writes."""


@asynccontextmanager
async def told(site: Site) -> AsyncIterator[list[Told]]:
    """A copy that has told all, and is asked. What it tells from then on is yielded."""
    async with site.copying():
        await trio.sleep(A_WHILE)
        site.backend.told.clear()
        yield site.backend.told


def contents(books: Books) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that is stored."""
    file = getattr(books.connection, "file", books.connection)
    names = file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return {
        name: sorted(file.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
        for (name,) in names
        if name not in OURS
    }


def configure(site: Site, **entries: str | None) -> None:
    """Keep a configuration as it was read from the charger."""
    told = [
        {"key": key, "readonly": False, **({} if value is None else {"value": value})}
        for key, value in entries.items()
    ]
    command = send(site.charger, "GetConfiguration")
    answer(site.charger, command, "GetConfiguration", {"configurationKey": told})


# Every command


def test_all_that_a_central_system_may_send_is_asked() -> None:
    assert set(ASKED) == set(SERVER_ACTIONS)


@pytest.mark.parametrize("action", ASKED)
async def test_an_answer_is_one_of_ocpp_and_changes_nothing(site: Site, action: str) -> None:
    site.charger.start()
    async with told(site) as later:
        before = contents(site.books)
        kind, _, *rest = await site.backend.ask(action, ASKED[action])
        await trio.sleep(1)
        assert contents(site.books) == before
        assert later == []
    if action == "UpdateFirmware":  # has no refusal (§5.19)
        assert (kind, rest[0]) == (4, "NotSupported")
        return
    (payload,) = rest
    assert kind == 3
    assert allows(schema_of(f"{action}Response"), payload)
    assert payload.get("status") not in ("Accepted", "Scheduled", "Unlocked")


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("Reboot", {}),
        ("StartTransaction", {"connectorId": 1}),
        ("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}),
        ("", {}),
        ("Reset", []),
        ("Reset", None),
        ("ChangeConfiguration", {"key": "HeartbeatInterval"}),
        ("TriggerMessage", {}),
    ],
)
async def test_what_is_no_command_is_refused(site: Site, action: str, payload: object) -> None:
    async with told(site) as later:
        before = contents(site.books)
        frame = await site.backend.ask(action, payload)
        assert len(frame) == 5, frame
        kind, _, code, description, details = frame
        assert kind == 4
        assert code
        assert isinstance(description, str)
        assert details == {}
        await trio.sleep(1)
        assert contents(site.books) == before
        assert later == []


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '[3,"unknown",{}]', '[4,"x"]'])
async def test_what_is_no_frame_is_survived(site: Site, text: str) -> None:
    async with told(site):
        await site.backend.send(text)
        kind, _, _ = await site.backend.ask("GetLocalListVersion", {})
        assert kind == 3


# The configuration


async def test_a_configuration_has_no_secret(site: Site) -> None:
    secrets = {"AuthorizationKey": "31323334", "authorizationkey": "x", "WifiPassword": "hunter22"}
    configure(site, **secrets, NumberOfConnectors="2", CpoName=None, WiFiSSID="home")
    async with told(site):
        for keys in ([], [*secrets, "NumberOfConnectors", "CpoName", "WiFiSSID"]):
            kind, _, payload = await site.backend.ask("GetConfiguration", {"key": keys})
            assert kind == 3
            assert allows(schema_of("GetConfigurationResponse"), payload)
            known = {entry["key"]: entry["value"] for entry in payload["configurationKey"]}
            assert known["NumberOfConnectors"] == "2"
            assert "CpoName" in known
            # Keys of a maker may be secrets under any name.
            assert not known.keys() & {*secrets, "WiFiSSID"}
            entries = payload["configurationKey"]
            assert all(entry["readonly"] for entry in entries if entry["key"] not in INTERVALS)
            assert "hunter22" not in str(payload)
            assert "31323334" not in str(payload)


async def test_keys_that_nobody_knows_are_unknown(site: Site) -> None:
    async with told(site):
        _, _, payload = await site.backend.ask("GetConfiguration", {"key": ["Nothing"]})
        assert payload == {"configurationKey": [], "unknownKey": ["Nothing"]}
        _, _, payload = await site.backend.ask("GetConfiguration", {})
        assert payload.get("unknownKey", []) == []


async def test_known_keys_stay_and_unknown_ones_are_none(site: Site) -> None:
    configure(site, NumberOfConnectors="2")
    async with told(site):
        for key, status in (("NumberOfConnectors", "Rejected"), ("Nothing", "NotSupported")):
            asked = {"key": key, "value": "3"}
            _, _, payload = await site.backend.ask("ChangeConfiguration", asked)
            assert payload == {"status": status}
    ((own,),) = site.rows("own", "backend_cp")
    assert json.loads(own).keys() <= {"HeartbeatInterval"}  # which the answer to the boot set


@pytest.mark.parametrize("key", INTERVALS)
async def test_intervals_are_the_copys_own(site: Site, key: str) -> None:
    configure(site, **{key: "77"})
    async with told(site):
        before = contents(site.books)
        asked = {"key": key, "value": "120"}
        _, _, payload = await site.backend.ask("ChangeConfiguration", asked)
        assert payload == {"status": "Accepted"}
        _, _, payload = await site.backend.ask("GetConfiguration", {"key": [key]})
        assert payload["configurationKey"] == [{"key": key, "readonly": False, "value": "120"}]
        assert contents(site.books) == before
    async with told(site):  # also after a restart
        _, _, payload = await site.backend.ask("GetConfiguration", {"key": [key]})
        assert payload["configurationKey"][0]["value"] == "120"


@pytest.mark.parametrize(
    "value",
    [
        "-1",
        "",
        " ",
        "ten",
        "1.5",
        "1e3",
        "٣٠",
        "²",
        "86401",
        "9" * 400,
        "0" * 4 + "86401",
        "0" * 9 + "3",
    ],
)
async def test_what_is_no_interval_is_rejected(site: Site, value: str) -> None:
    async with told(site):
        for key in INTERVALS:
            answer = await site.backend.ask("ChangeConfiguration", {"key": key, "value": value})
            assert answer[0] == 4 or answer[2] == {"status": "Rejected"}, answer
        _, _, payload = await site.backend.ask("GetConfiguration", {})
        own = {entry["key"]: entry["value"] for entry in payload["configurationKey"]}
        assert own.keys() <= {"HeartbeatInterval"}  # which the answer to the boot set
        assert own.get("HeartbeatInterval", "300") == "300"


async def test_heartbeats_come_as_often_as_was_asked(site: Site) -> None:
    async with told(site) as later:
        await site.backend.ask("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "20"})
        await trio.sleep(400)
        beats = len(later)
        assert {action for action, _ in later} == {"Heartbeat"}
        assert 15 <= beats <= 20


@pytest.mark.parametrize("key", ["HeartbeatInterval", "WebSocketPingInterval"])
async def test_an_interval_of_nothing_is_no_flood(site: Site, key: str) -> None:
    async with told(site) as later:
        await site.backend.ask("ChangeConfiguration", {"key": key, "value": "0"})
        await trio.sleep(3600)
        assert len(later) <= 3600 / 60


# What is told again


@pytest.mark.parametrize("action", ["TriggerMessage", "ExtendedTriggerMessage"])
async def test_statuses_are_told_again(site: Site, action: str) -> None:
    site.set_charger(without="[2]")
    for connector in (0, 1, 2):
        site.charger.status("Available", connector)
    async with told(site) as later:
        asked = {"requestedMessage": "StatusNotification"}
        assert (await site.backend.ask(action, asked))[2] == {"status": "Accepted"}
        await trio.sleep(1)
        assert [payload["connectorId"] for _, payload in later] == [0, 1]
        assert {action for action, _ in later} == {"StatusNotification"}


@pytest.mark.parametrize("message", ["BootNotification", "Heartbeat"])
async def test_what_is_triggered_is_told(site: Site, message: str) -> None:
    async with told(site) as later:
        asked = {"requestedMessage": message}
        assert (await site.backend.ask("TriggerMessage", asked))[2] == {"status": "Accepted"}
        await trio.sleep(1)
        assert [action for action, _ in later] == [message]


async def test_readings_that_are_triggered_are_the_newest_ones(site: Site) -> None:
    """They are not asked of the charger; of a connector without a session there are none."""
    number = site.charger.start()
    site.charger.status("Charging")
    for register in (1100, 1200):
        site.books.wait(1)
        site.charger.tell(site.charger.register(register), transaction=number)
    site.charger.status("Available", connector=2)
    async with told(site) as later:
        before = contents(site.books)
        asked = {"requestedMessage": "MeterValues"}
        assert (await site.backend.ask("TriggerMessage", asked))[2] == {"status": "Accepted"}
        await trio.sleep(1)
        ((action, payload),) = later
        assert contents(site.books) == before
    assert action == "MeterValues"
    assert payload["transactionId"] == FIRST_NUMBER
    ((value,),) = [each["sampledValue"] for each in payload["meterValue"]]
    assert value["value"] == "1200"


async def test_readings_of_what_is_left_out_cannot_be_triggered(site: Site) -> None:
    site.call("PRIVATE", None)
    number = site.charger.start(tag="PRIVATE")
    site.charger.status("Charging")
    site.books.wait(1)
    site.charger.tell(site.charger.register(1100), transaction=number)
    async with told(site) as later:
        await site.backend.ask("TriggerMessage", {"requestedMessage": "MeterValues"})
        await trio.sleep(1)
        assert later == []


async def test_a_trigger_tells_readings_of_its_own_session_only(site: Site) -> None:
    """What was read before it is a neighbour's, whose card is left out."""
    site.call("PRIVATE", None)
    site.charger.status("Available", 1)
    number = site.charger.start(1000, tag="PRIVATE")
    site.books.wait(5)
    site.charger.tell(site.charger.register(1500), transaction=number)
    site.charger.stop(number, 2000)
    site.books.wait(5)
    number = site.charger.start(2000, tag="OURS")
    async with told(site) as later:
        await site.backend.ask("TriggerMessage", {"requestedMessage": "MeterValues"})
        await trio.sleep(A_WHILE)
        assert "MeterValues" not in [action for action, _ in later]

        site.books.wait(5)
        site.charger.tell(site.charger.register(2500), transaction=number)
        await trio.sleep(A_WHILE)
        later.clear()
        await site.backend.ask("TriggerMessage", {"requestedMessage": "MeterValues"})
        await trio.sleep(A_WHILE)
        assert [action for action, _ in later if action == "MeterValues"] == ["MeterValues"]
        assert "2500" in str(later)
