"""A charge point that is not ours: the `ocpp` package's own, as the other side of every operation.

    python tests/integration/ocpp_charge_point.py URL IDENTITY ANSWERS

It boots, reports connector 1 as Available and answers every operation, validated by the package's
schemas, until it is told to end. ANSWERS is JSON, by action: the fields of the answer, or one of
the manners below; "configuration" makes it answer from a configuration of its own (Configuration),
"local_list" makes it keep a local list (LocalList). It prints each request as a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import websockets
from ocpp.messages import MessageType
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result

ANSWERS: Final[Mapping[str, dict[str, Any]]] = {
    "CancelReservation": {"status": "Accepted"},
    "CertificateSigned": {"status": "Accepted"},
    "ChangeAvailability": {"status": "Accepted"},
    "ChangeConfiguration": {"status": "Accepted"},
    "ClearCache": {"status": "Accepted"},
    "ClearChargingProfile": {"status": "Accepted"},
    "DataTransfer": {"status": "Accepted"},
    "DeleteCertificate": {"status": "Accepted"},
    "ExtendedTriggerMessage": {"status": "Accepted"},
    "GetCompositeSchedule": {"status": "Accepted"},
    "GetConfiguration": {
        "configuration_key": [{"key": "HeartbeatInterval", "readonly": False, "value": "60"}]
    },
    "GetDiagnostics": {"file_name": "diagnostics.zip"},
    "GetInstalledCertificateIds": {"status": "NotFound"},
    "GetLocalListVersion": {"list_version": 7},
    "GetLog": {"status": "Accepted", "filename": "security.log"},
    "InstallCertificate": {"status": "Accepted"},
    "RemoteStartTransaction": {"status": "Accepted"},
    "RemoteStopTransaction": {"status": "Accepted"},
    "ReserveNow": {"status": "Accepted"},
    "Reset": {"status": "Accepted"},
    "SendLocalList": {"status": "Accepted"},
    "SetChargingProfile": {"status": "Accepted"},
    "SignedUpdateFirmware": {"status": "Accepted"},
    "TriggerMessage": {"status": "Accepted"},
    "UnlockConnector": {"status": "Unlocked"},
    "UpdateFirmware": {},
}
"""The answer to each operation, in the package's spelling, unless the test gives another."""
LATE_SECONDS: Final = 1.5
NEVER, LATE, TWICE, GARBAGE, LEAVE, ERROR = "never", "late", "twice", "garbage", "leave", "error"
"""The manners of answering: not at all, after LATE_SECONDS, two times, with no JSON, by leaving,
with a CALLERROR."""


@dataclass
class Configuration:
    """What it answers about its keys: for `most` at once, and `to_all` when it is asked for all of
    them.

    `to_all` is "some" (the first `most`), "none" (an empty list), or a manner. `changes` are the
    statuses with which it answers a change of a key, else Accepted.
    """

    values: dict[str, str]
    most: int = 1000
    to_all: str = "some"
    changes: dict[str, str] = field(default_factory=dict)
    read_only: list[str] = field(default_factory=list)

    def read(self, keys: list[str] | None = None) -> dict[str, Any]:
        """GetConfiguration: for more keys than it answers for, it leaves the last ones out."""
        if keys is None:
            keys = [] if self.to_all == "none" else list(self.values)
        told = [key for key in keys if key in self.values][: self.most]
        entries = [
            {"key": key, "readonly": key in self.read_only, "value": self.values[key]}
            for key in told
        ]
        return {
            "configuration_key": entries,
            "unknown_key": [key for key in keys if key not in self.values],
        }

    def change(self, key: str, value: str) -> dict[str, Any]:
        """ChangeConfiguration."""
        status = self.changes.get(key, "Accepted" if key in self.values else "NotSupported")
        if status == "Accepted":
            self.values[key] = value
        return {"status": status}


@dataclass
class LocalList:
    """A local list, one of a charger that compares tags as they are written. `statuses` are its
    first answers."""

    version: int = 0
    entries: dict[str, Any] = field(default_factory=dict)
    statuses: list[str] = field(default_factory=list)

    def send(self, version: int, kind: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
        """SendLocalList."""
        status = self.statuses.pop(0) if self.statuses else "Accepted"
        if kind == "Differential" and version <= self.version:
            status = "VersionMismatch"
        if status == "Accepted":
            self.version, before = version, {} if kind == "Full" else self.entries
            changed = before | {entry["id_tag"]: entry.get("id_tag_info") for entry in entries}
            self.entries = {tag: info for tag, info in changed.items() if info is not None}
            print(
                json.dumps({"list": {tag: info["status"] for tag, info in self.entries.items()}}),
                flush=True,
            )
        return {"status": status}


class Foreign(ChargePoint):  # type: ignore[misc]  # the package has no annotations
    """The charge point; its answers in `answers`, its manners in `manners`."""

    answers: Mapping[str, dict[str, Any]] = {}
    manners: Mapping[str, str] = {}
    configuration: Configuration | None = None
    local_list: LocalList | None = None

    async def route_message(self, raw_msg: str) -> None:
        """Show a request, and answer it in its manner."""
        message = json.loads(raw_msg)
        if message[0] != MessageType.Call:
            await super().route_message(raw_msg)
            return
        _, unique_id, action, payload = message
        print(json.dumps({"action": action, "payload": payload}), flush=True)
        manner = self.manners.get(action)
        if action == "GetConfiguration" and self.configuration and "key" not in payload:
            manner = self.configuration.to_all
        if manner == ERROR:
            await self._connection.send(
                json.dumps([MessageType.CallError, unique_id, "NotSupported", "not here", {}])
            )
        elif manner == GARBAGE:
            await self._connection.send(f'[3,"{unique_id}",')
        elif manner == LEAVE:
            await self._connection.close()
        elif manner != NEVER:
            await asyncio.sleep(LATE_SECONDS if manner == LATE else 0)
            for _ in range(2 if manner == TWICE else 1):
                await super().route_message(raw_msg)


def answering(action: str) -> Any:
    """Return the handler of an operation, as the package wants it."""

    async def handle(self: Foreign, **asked: Any) -> Any:
        answer = self.answers[action]
        if self.configuration and action == "GetConfiguration":
            answer = self.configuration.read(asked.get("key"))
        elif self.configuration and action == "ChangeConfiguration":
            answer = self.configuration.change(asked["key"], asked["value"])
        elif self.local_list and action == "GetLocalListVersion":
            answer = {"list_version": self.local_list.version}
        elif self.local_list and action == "SendLocalList":
            entries = asked.get("local_authorization_list", [])
            answer = self.local_list.send(asked["list_version"], asked["update_type"], entries)
        return getattr(call_result, action)(**answer)

    handle.__name__ = f"on_{action}"  # the package finds handlers by this name
    return on(action)(handle)


for _action in ANSWERS:
    setattr(Foreign, f"on_{_action}", answering(_action))


async def run(url: str, identity: str, given: Mapping[str, Any]) -> None:
    """Connect, boot, report one connector and answer until the connection ends."""
    async with websockets.connect(
        f"{url}/{identity}", subprotocols=[websockets.Subprotocol("ocpp1.6")]
    ) as connection:
        charger = Foreign(identity, connection)
        charger.manners = {action: one for action, one in given.items() if isinstance(one, str)}
        charger.answers = {
            **ANSWERS,
            **{action: one for action, one in given.items() if isinstance(one, dict)},
        }
        charger.configuration = (
            Configuration(**given["configuration"]) if "configuration" in given else None
        )
        charger.local_list = LocalList(**given["local_list"]) if "local_list" in given else None
        listening = asyncio.create_task(charger.start())
        await charger.call(
            call.BootNotification(charge_point_vendor="Mobility House", charge_point_model="ocpp")
        )
        await charger.call(
            call.StatusNotification(connector_id=1, error_code="NoError", status="Available")
        )
        print(json.dumps({"booted": identity}), flush=True)
        try:
            await listening
        except websockets.ConnectionClosed:
            return


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
