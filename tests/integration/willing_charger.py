"""A charge point on `websockets` that accepts whatever it is asked: `python willing_charger.py URL
IDENTITY`."""

from __future__ import annotations

import json
import sys
from typing import Any

from websockets.sync.client import connect

SHAPES: dict[str, dict[str, Any]] = {
    "GetConfiguration": {"configurationKey": []},
    "GetDiagnostics": {"fileName": "diagnostics.log"},
    "GetInstalledCertificateIds": {"status": "Accepted", "certificateHashData": []},
    "GetLocalListVersion": {"listVersion": 1},
    "UnlockConnector": {"status": "Unlocked"},
    "UpdateFirmware": {},
}
"""The answers that have no status, or another one than Accepted."""
BOOT = {"chargePointVendor": "Anna", "chargePointModel": "Willing"}


def main(url: str, identity: str) -> None:
    """Boot, and answer until the connection ends."""
    with connect(f"{url}/{identity}", subprotocols=["ocpp1.6"]) as connection:  # type: ignore[list-item]  # a NewType
        connection.send(json.dumps([2, "boot", "BootNotification", BOOT]))
        for text in connection:
            message = json.loads(text)
            if message[0] == 2:
                connection.send(
                    json.dumps([3, message[1], SHAPES.get(message[2], {"status": "Accepted"})])
                )
            else:
                print("booted", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
