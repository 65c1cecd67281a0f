"""Firmware, diagnostics and logs; the shell transfers the files (§5.9, §5.19, L01, N01)."""

import base64
from collections import deque
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.simulator.charger.central import CAR, Central, charging, made, running, stamp
from tests.simulator.charger.test_certificates import authority

URL = "http://files.example/levity-2.1.0.bin"
FIRMWARE = b"new firmware"


def words(central: Central, action: str = "FirmwareStatusNotification") -> list[tuple[float, str]]:
    return [(one.at, one.payload["status"]) for one in central.log if one.action == action]


def update(central: Central, at: float = 0, **more: Any) -> None:
    assert central.ask("UpdateFirmware", location=URL, retrieveDate=stamp(at), **more) == {}


def with_firmware(central: Central) -> Central:
    central.files[URL] = FIRMWARE
    return central


def test_a_firmware_is_downloaded_installed_and_told() -> None:
    central = with_firmware(running())
    update(central, at=100)
    central.run(99)
    assert not central.fetched
    central.run(1000)
    assert central.fetched == [(100, URL)]
    assert words(central) == [
        (100, "Downloading"),
        (100, "Downloaded"),
        (100, "Installing"),
        (130, "Installed"),
    ]
    assert central.connection_effects == [(120, "close")]
    assert [one["firmwareVersion"] for one in central.said("BootNotification")] == ["2.1.0"]
    assert central.actions.index("BootNotification") < len(central.actions) - 1
    central.ask("TriggerMessage", requestedMessage="FirmwareStatusNotification")
    assert words(central)[-1] == (1000, "Idle")


def test_it_waits_for_the_session() -> None:
    central = with_firmware(charging())
    update(central)
    central.run(600)
    assert [word for _, word in words(central)] == ["Downloading", "Downloaded"]
    central.ask("TriggerMessage", requestedMessage="FirmwareStatusNotification")
    assert words(central)[-1] == (600, "Downloaded")
    central.then(700, central.charger.unplug, 1)
    central.run(800)
    assert words(central)[3:] == [(700, "Installing"), (730, "Installed")]


def test_a_session_that_begins_meanwhile_is_ended_by_the_restart() -> None:
    central = with_firmware(running())
    update(central)
    central.then(5, central.charger.plug, 1, CAR)
    central.then(5, central.charger.present_tag, 1, "TAG")
    central.run(100)
    assert central.said("StopTransaction")[0]["reason"] == "Reboot"


def test_a_download_that_fails_is_tried_again() -> None:
    central = running()
    update(central, retries=2, retryInterval=60)
    central.run(1000)
    assert [at for at, _ in central.fetched] == [0, 60, 120]
    assert words(central)[-1] == (120, "DownloadFailed")
    assert central.charger.memory.firmware_version == "1.0.0"
    central.ask("TriggerMessage", requestedMessage="FirmwareStatusNotification")
    assert words(central)[-1] == (1000, "Idle")


def test_the_newest_update_wins() -> None:
    central = with_firmware(running())
    update(central, at=100)
    other = "http://files.example/levity-3.0.bin"
    central.files[other] = FIRMWARE
    central.ask("UpdateFirmware", location=other, retrieveDate=stamp(50))
    central.run(1000)
    assert [url for _, url in central.fetched] == [other]
    assert central.charger.memory.firmware_version == "3.0"


def test_an_update_is_replaced_even_while_it_is_installed() -> None:
    central = with_firmware(running())
    update(central)
    central.run(10)
    central.ask("UpdateFirmware", location="http://files.example/gone.bin", retrieveDate=stamp(10))
    central.run(1000)
    assert [word for _, word in words(central)][-2:] == ["Downloading", "DownloadFailed"]
    assert central.charger.memory.firmware_version == "1.0.0"


@pytest.mark.parametrize(
    ("cut", "told"),
    [
        pytest.param(
            50, ["Downloading", "Downloaded", "Installing", "Installed"], id="before the download"
        ),
        pytest.param(
            110,
            ["Downloading", "Downloaded", "Installing", "InstallationFailed"],
            id="while it is installed",
        ),
    ],
)
def test_power_that_fails_in_between(cut: float, told: list[str]) -> None:
    central = with_firmware(running())
    update(central, at=100)
    central.then(cut, central.charger.power_off)
    central.then(cut + 20, central.charger.power_on)
    central.run(1000)
    assert [word for _, word in words(central)] == told
    assert (central.charger.memory.firmware_version == "2.1.0") is (told[-1] == "Installed")


def test_what_waits_for_a_session_is_installed_after_a_power_cut() -> None:
    central = with_firmware(charging())
    update(central)
    central.then(10, central.charger.power_off)
    central.then(100, central.charger.power_on)
    central.run(1000)
    assert words(central)[2:] == [(100, "Installing"), (130, "Installed")]


def test_a_download_that_arrives_after_a_power_cut_is_not_taken() -> None:
    central = made()
    central.then(0, central.charger.power_on)
    central.charger.execute("UpdateFirmware", {"location": URL, "retrieveDate": stamp(0)}, 0)
    central.charger.advance(0)
    (download,) = central.charger.take_effects()
    central.then(10, central.charger.power_off)
    download.then(FIRMWARE, 11)  # type: ignore[union-attr]
    central.files[URL] = FIRMWARE
    central.then(20, central.charger.power_on)
    central.run(21)
    assert central.fetched == [(20, URL)]


# Signed


def signed(central: Central, signature: bytes | None = None, **more: Any) -> dict[str, Any]:
    """Request a signed update, with the given signature or that of the firmware."""
    maker = authority("Maker")
    made_here = maker.key.sign(FIRMWARE, ec.ECDSA(hashes.SHA256()))
    firmware = {
        "location": URL,
        "retrieveDateTime": stamp(0),
        "signingCertificate": maker.text,
        "signature": base64.b64encode(signature or made_here).decode(),
        **more,
    }
    return central.ask("SignedUpdateFirmware", requestId=42, firmware=firmware)


def test_a_signed_firmware() -> None:
    central = with_firmware(running())
    assert signed(central, installDateTime=stamp(500)) == {"status": "Accepted"}
    central.run(1000)
    told = words(central, "SignedFirmwareStatusNotification")
    assert told == [
        *((0, "Downloading"), (0, "Downloaded"), (0, "SignatureVerified")),
        *((500, "Installing"), (530, "Installed")),
    ]
    assert {one["requestId"] for one in central.said("SignedFirmwareStatusNotification")} == {42}
    assert not words(central)


def test_a_signed_firmware_has_a_word_for_waiting() -> None:
    central = with_firmware(charging())
    signed(central)
    assert signed(central) == {"status": "AcceptedCanceled"}
    told = [word for _, word in words(central, "SignedFirmwareStatusNotification")]
    assert told[-2:] == ["SignatureVerified", "InstallScheduled"]
    central.ask("ExtendedTriggerMessage", requestedMessage="FirmwareStatusNotification")
    assert central.said("SignedFirmwareStatusNotification")[-1] == {
        "status": "InstallScheduled",
        "requestId": 42,
    }


def test_a_firmware_with_another_signature_is_not_installed() -> None:
    central = with_firmware(running(security_profile=1, password="00" * 16))
    signed(central, signature=b"somebody else's")
    central.run(1000)
    assert words(central, "SignedFirmwareStatusNotification")[-1] == (0, "InvalidSignature")
    assert central.said("SecurityEventNotification")[-1]["type"] == "InvalidFirmwareSignature"
    assert central.charger.memory.firmware_version == "1.0.0"
    central.ask("ExtendedTriggerMessage", requestedMessage="FirmwareStatusNotification")
    assert central.said("SignedFirmwareStatusNotification")[-1] == {"status": "Idle"}


# Diagnostics and logs

PLACE = "http://files.example/put"


def test_diagnostics_are_the_conversation() -> None:
    central = running()
    central.charger.frames = deque([(1.5, "send", '[2,"1","Heartbeat",{}]')])
    central.files[PLACE] = b""
    answer = central.ask("GetDiagnostics", location=PLACE)
    (upload,) = central.uploads
    assert (upload.url, answer["fileName"]) == (PLACE, upload.name)
    assert upload.content == b'Levity Simulated CP 1.0.0\n1.500 send [2,"1","Heartbeat",{}]\n'
    assert words(central, "DiagnosticsStatusNotification") == [(0, "Uploading"), (0, "Uploaded")]


def test_diagnostics_that_nobody_takes_are_tried_again() -> None:
    central = running()
    central.ask("GetDiagnostics", location=PLACE, retries=1, retryInterval=30)
    central.run(100)
    assert words(central, "DiagnosticsStatusNotification") == [
        *((0, "Uploading"), (30, "Uploading"), (30, "UploadFailed")),
    ]


def log(central: Central, request: int, **more: Any) -> dict[str, Any]:
    return central.ask(
        "GetLog", logType="SecurityLog", requestId=request, log={"remoteLocation": PLACE}, **more
    )


def test_a_log() -> None:
    central = running()
    central.files[PLACE] = b""
    assert log(central, 7) == {"status": "Accepted", "filename": "SecurityLog-CP.txt"}
    assert central.said("LogStatusNotification") == [
        {"status": "Uploading", "requestId": 7},
        {"status": "Uploaded", "requestId": 7},
    ]


def test_another_log_takes_the_place_of_the_first() -> None:
    central = running()
    log(central, 7, retries=5, retryInterval=30)
    central.ask("ExtendedTriggerMessage", requestedMessage="LogStatusNotification")
    assert central.said("LogStatusNotification")[-1] == {"status": "Uploading", "requestId": 7}
    assert log(central, 8)["status"] == "AcceptedCanceled"
    central.run(600)
    assert central.said("LogStatusNotification")[2:] == [
        {"status": "Uploading", "requestId": 8},
        {"status": "UploadFailure", "requestId": 8},
    ]
    central.ask("ExtendedTriggerMessage", requestedMessage="LogStatusNotification")
    assert central.said("LogStatusNotification")[-1] == {"status": "Idle"}
