"""Our server sends a simulated charger every call, reads each response strictly, and sees the
effect."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from levity_trio.charger.central import Central
from levity_trio.simulator.charger.state import Download, Upload
from levity_trio.wire.payloads import SERVER_ACTIONS, call
from levity_trio.wire.times import stamp
from tests.charger.parts import InlineWriter, configure, wall_clock
from tests.simulator.charger.test_certificates import authority
from tests.simulator.link.living import CAR, TAG, Living, open_living

FIRMWARE = b"new firmware"
URL = "http://files/levity-2.1.0.bin"
PLACE = "http://files/put"
ROOT = "CentralSystemRootCertificate"
AMPS = 10
EFFECT_SECONDS = 60.0
"""Enough for an installation (20 s), a restart (10 s) and a reconnection (6 s), and less than a
heartbeat interval."""
SCHEDULE = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": AMPS}]}
PROFILE = {
    "chargingProfileId": 9,
    "stackLevel": 1,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": SCHEDULE,
}
LOG = {"remoteLocation": PLACE}
MAKER, OPERATOR = authority("Maker"), authority("Operator")


@dataclass(frozen=True, slots=True)
class Scene:
    """A charger, the server that calls it, and the uploaded files."""

    living: Living
    central: Central
    writer: InlineWriter
    uploads: list[Upload]

    async def ask(self, request: Any) -> Any:
        return await self.living.call(self.central, request)

    async def agree(self, request: Any) -> None:
        """Ask for something that is accepted."""
        assert (await self.ask(request)).status == "Accepted"

    def status(self) -> str:
        """Return connector 1's status in the server."""
        found: str = self.writer.row("SELECT status FROM cp_conn WHERE conn_id = 1")[0]
        return found

    def reasons(self) -> list[str]:
        """Return the reasons of the transactions' stops."""
        return [
            reason
            for (reason,) in self.writer.rows(
                "SELECT stop_reason FROM tx WHERE status = 'Completed'"
            )
        ]

    def power_w(self) -> float:
        return self.living.charger.connectors[1].meter.power_w

    def words(self, action: str) -> list[str]:
        return [payload["status"] for payload in self.living.sent(action)]


async def nothing(scene: Scene) -> None:
    del scene


async def plug(scene: Scene) -> None:
    scene.living.charger.plug(1, CAR, scene.living.at)
    await scene.living.quiet()


async def charge(scene: Scene) -> None:
    await plug(scene)
    scene.living.charger.present_tag(1, TAG, scene.living.at)
    await scene.living.until(lambda: scene.status() == "Charging")
    await scene.living.quiet()


async def reserve(scene: Scene) -> None:
    await scene.agree(
        call.ReserveNow(
            connector_id=1, expiry_date=stamp(_later()), id_tag="OTHER", reservation_id=7
        )
    )
    await scene.living.until(lambda: scene.status() == "Reserved")


async def limit(scene: Scene) -> None:
    await charge(scene)
    await scene.agree(call.SetChargingProfile(connector_id=1, cs_charging_profiles=PROFILE))
    await scene.living.until(lambda: scene.power_w() == AMPS * 230)


async def request_certificate(scene: Scene) -> None:
    await scene.agree(call.ExtendedTriggerMessage(requested_message="SignChargePointCertificate"))
    await scene.living.until(lambda: scene.living.sent("SignCertificate"))
    await scene.living.quiet()


async def install_root(scene: Scene) -> None:
    await scene.agree(call.InstallCertificate(certificate_type=ROOT, certificate=OPERATOR.text))


Request = Callable[[Scene], Any]
Effect = Callable[[Scene], object]


@dataclass(frozen=True, slots=True)
class Case:
    """A request, the expected part of the response, and its effect."""

    request: Request
    answer: dict[str, Any]
    effect: Effect
    before: Callable[[Scene], Awaitable[None]] = nothing


ACCEPTED = {"status": "Accepted"}


def _later() -> Any:
    return wall_clock().replace(year=2027)


def _signed_firmware(scene: Scene) -> call.SignedUpdateFirmware:
    del scene
    signature = base64.b64encode(MAKER.key.sign(FIRMWARE, ec.ECDSA(hashes.SHA256()))).decode()
    place = {"location": URL, "retrieveDateTime": stamp(wall_clock())}
    return call.SignedUpdateFirmware(
        request_id=42, firmware={**place, "signingCertificate": MAKER.text, "signature": signature}
    )


def _hash_data(scene: Scene) -> dict[str, Any]:
    found: dict[str, Any] = scene.living.charger.memory.certificates["roots"][0][
        "certificateHashData"
    ]
    return found


def _has_booted(scene: Scene, version: str = "1.0.0", times: int = 2) -> bool:
    boots = scene.writer.rows("SELECT firmware_version FROM boot ORDER BY id")
    return len(boots) == times and boots[-1] == (version,)


CASES: dict[str, Case] = {
    "CancelReservation": Case(
        lambda _: call.CancelReservation(reservation_id=7),
        ACCEPTED,
        lambda scene: scene.status() == "Available",
        reserve,
    ),
    "CertificateSigned": Case(
        lambda scene: call.CertificateSigned(
            OPERATOR.grant(scene.living.charger.memory.certificates["next_request"])
        ),
        ACCEPTED,
        lambda scene: scene.living.charger.memory.certificates["chain"].startswith(
            "-----BEGIN CERT"
        ),
        request_certificate,
    ),
    "ChangeAvailability": Case(
        lambda _: call.ChangeAvailability(connector_id=1, type="Inoperative"),
        ACCEPTED,
        lambda scene: scene.status() == "Unavailable",
    ),
    "ChangeConfiguration": Case(
        lambda _: call.ChangeConfiguration(key="HeartbeatInterval", value="7"),
        ACCEPTED,
        lambda scene: len(scene.living.sent("Heartbeat")) > 3,
    ),
    "ClearCache": Case(
        lambda _: call.ClearCache(),
        ACCEPTED,
        lambda scene: not scene.living.charger.memory.cache,
        charge,
    ),
    "ClearChargingProfile": Case(
        lambda _: call.ClearChargingProfile(id=9),
        ACCEPTED,
        lambda scene: scene.power_w() == CAR.max_ac_w,
        limit,
    ),
    "DataTransfer": Case(
        lambda _: call.DataTransfer(vendor_id="levity-trio", data="x"),
        {**ACCEPTED, "data": "x"},
        lambda _: True,
    ),
    "DeleteCertificate": Case(
        lambda scene: call.DeleteCertificate(certificate_hash_data=_hash_data(scene)),
        ACCEPTED,
        lambda scene: not scene.living.charger.memory.certificates["roots"],
        install_root,
    ),
    "ExtendedTriggerMessage": Case(
        lambda _: call.ExtendedTriggerMessage(requested_message="LogStatusNotification"),
        ACCEPTED,
        lambda scene: scene.words("LogStatusNotification") == ["Idle"],
    ),
    "GetCompositeSchedule": Case(
        lambda _: call.GetCompositeSchedule(connector_id=1, duration=600),
        {**ACCEPTED, "connector_id": 1},
        lambda _: True,
        limit,
    ),
    "GetConfiguration": Case(
        lambda _: call.GetConfiguration(key=["NumberOfConnectors", "Magic"]),
        {
            "configuration_key": [{"key": "NumberOfConnectors", "readonly": True, "value": "1"}],
            "unknown_key": ["Magic"],
        },
        lambda scene: (
            scene.writer.rows("SELECT key FROM configuration WHERE is_known=1")
            == [("NumberOfConnectors",)]
        ),
    ),
    "GetDiagnostics": Case(
        lambda _: call.GetDiagnostics(location=PLACE),
        {"file_name": "diagnostics-CP-1.txt"},
        lambda scene: (
            scene.uploads
            and scene.words("DiagnosticsStatusNotification") == ["Uploading", "Uploaded"]
        ),
    ),
    "GetInstalledCertificateIds": Case(
        lambda _: call.GetInstalledCertificateIds(certificate_type=ROOT),
        ACCEPTED,
        lambda _: True,
        install_root,
    ),
    "GetLocalListVersion": Case(
        lambda _: call.GetLocalListVersion(), {"list_version": 0}, lambda _: True
    ),
    "GetLog": Case(
        lambda _: call.GetLog(log=LOG, log_type="SecurityLog", request_id=5),
        {**ACCEPTED, "filename": "SecurityLog-CP-1.txt"},
        lambda scene: (
            scene.uploads and scene.words("LogStatusNotification") == ["Uploading", "Uploaded"]
        ),
    ),
    "InstallCertificate": Case(
        lambda _: call.InstallCertificate(certificate_type=ROOT, certificate=OPERATOR.text),
        ACCEPTED,
        _hash_data,
    ),
    "RemoteStartTransaction": Case(
        lambda _: call.RemoteStartTransaction(id_tag="APP", connector_id=1),
        ACCEPTED,
        lambda scene: scene.writer.rows("SELECT id_tag, status FROM tx") == [("APP", "Active")],
        plug,
    ),
    "RemoteStopTransaction": Case(
        lambda scene: call.RemoteStopTransaction(
            transaction_id=scene.writer.row("SELECT id FROM tx")[0]
        ),
        ACCEPTED,
        lambda scene: scene.reasons() == ["Remote"],
        charge,
    ),
    "ReserveNow": Case(
        lambda _: call.ReserveNow(
            connector_id=1, expiry_date=stamp(_later()), id_tag="A", reservation_id=1
        ),
        ACCEPTED,
        lambda scene: scene.status() == "Reserved",
    ),
    "Reset": Case(
        lambda _: call.Reset(type="Hard"),
        ACCEPTED,
        lambda scene: _has_booted(scene) and scene.reasons() == ["HardReset"],
        charge,
    ),
    "SendLocalList": Case(
        lambda _: call.SendLocalList(
            list_version=3,
            update_type="Full",
            local_authorization_list=[{"idTag": "A", "idTagInfo": {"status": "Blocked"}}],
        ),
        ACCEPTED,
        lambda scene: scene.living.charger.memory.local_list_version == 3,
    ),
    "SetChargingProfile": Case(
        lambda _: call.SetChargingProfile(connector_id=1, cs_charging_profiles=PROFILE),
        ACCEPTED,
        lambda scene: scene.power_w() == AMPS * 230,
        charge,
    ),
    "SignedUpdateFirmware": Case(
        _signed_firmware,
        ACCEPTED,
        lambda scene: (
            _has_booted(scene, "2.1.0")
            and scene.words("SignedFirmwareStatusNotification")[-1] == "Installed"
        ),
    ),
    "TriggerMessage": Case(
        lambda _: call.TriggerMessage(requested_message="BootNotification"), ACCEPTED, _has_booted
    ),
    "UnlockConnector": Case(
        lambda _: call.UnlockConnector(connector_id=1),
        {"status": "Unlocked"},
        lambda scene: scene.reasons() == ["UnlockCommand"],
        charge,
    ),
    "UpdateFirmware": Case(
        lambda _: call.UpdateFirmware(location=URL, retrieve_date=stamp(wall_clock())),
        {},
        lambda scene: (
            _has_booted(scene, "2.1.0")
            and scene.words("FirmwareStatusNotification")[-1] == "Installed"
        ),
    ),
}


def test_everything_is_asked() -> None:
    assert set(CASES) == SERVER_ACTIONS


@pytest.mark.parametrize("action", CASES)
async def test_an_operation_is_answered_and_has_its_effect(
    action: str, central: Central, writer: InlineWriter
) -> None:
    case, uploads = CASES[action], list[Upload]()

    async def carry(transfer: Download | Upload) -> bytes | None:
        """Transfer a file within a second and without a thread: virtual time would not wait for a
        thread."""
        await trio.sleep(1)
        if isinstance(transfer, Upload):
            uploads.append(transfer)
            return b""
        return FIRMWARE if transfer.url == URL else None

    configure(central, strict=True, heartbeat_interval_seconds=86_400)
    async with open_living(central, carry=carry) as living:
        scene = Scene(living, central, writer, uploads)
        await living.accepted()
        await case.before(scene)
        living.frames.clear()
        answer = await scene.ask(case.request(scene))
        assert {name: getattr(answer, name) for name in case.answer} == case.answer
        # its response precedes all its effects
        assert living.order()[:2] == [
            f"<{action}",
            ">answer",
        ]
        await living.until(lambda: case.effect(scene), EFFECT_SECONDS)
        await living.accepted()
    assert (
        writer.rows("SELECT state FROM command WHERE state NOT IN ('accepted', 'rejected')") == []
    )
    tally = living.charger.tally
    assert (tally.refused, tally.unreadable, tally.unanswered) == (0, 0, 0)


async def test_an_answer_is_whole_before_the_power_goes(central: Central) -> None:
    """A reset cuts the connection at once, but its response is sent first."""
    async with open_living(central) as living:
        await living.accepted()
        for reset in range(1, 4):
            await living.call(central, call.Reset(type="Hard"))
            await living.until(lambda times=reset: len(living.sent("BootNotification")) > times)  # type: ignore[misc]
            await living.accepted()
    frames = [json.loads(text) for _, direction, text in living.frames if direction == "recv"]
    assert [frame[3] for frame in frames if frame[0] == 2] == [{"type": "Hard"}] * 3
