"""A charge point that speaks OCPP 1.6-J over a raw WebSocket, with cars at its connectors.

All of it runs on trio's clock, which may be a virtual one. Its wall clock is `clock()`, which may
be wrong.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, wrap_client_stream

from tests.load.foreign.profiles import VOLTS, Profiles, Transaction, faults

Connect = Callable[[], Awaitable[trio.abc.Stream]]
Call = tuple[float, str, dict[str, Any], str]
"""When a CALL came, its action, its payload and the status of its answer."""

LEAST_A: Final = 6.0
"""IEC 61851-1 knows no current between 0 and 6 A."""
REGISTER: Final = "Energy.Active.Import.Register"
MOST_KEYS: Final = 10
MOST_NAMES: Final = "MeterValuesSampledDataMaxLength"
BOOT_SECONDS: Final = 20.0
"""For so long a reboot that was asked for, or that a profile caused, offers nothing and has no
link."""
IDLE: Final = ("Available", "Preparing", "Finishing")
OFFLINE_KEYS: Final = (
    "LocalAuthListEnabled",
    "AuthorizationCacheEnabled",
    "AllowOfflineTxForUnknownId",
    "LocalAuthorizeOffline",
)
MEASURANDS: Final = {
    "register": REGISTER,
    "power": "Power.Active.Import",
    "kW without a unit": "Power.Active.Import",
    "currents": "Current.Import",
    "L1 only": "Current.Import",
    "L1 and zeros": "Current.Import",
    "sum of currents": "Current.Import",
    "mA without a unit": "Current.Import",
}
"""What a make may tell, and the measurand under which it does."""


@dataclass
class Car:
    """A car and its battery. It draws the same current on each of its lines."""

    lines: int = 3
    most: float = 16.0
    least: float = LEAST_A
    begins: float = LEAST_A
    """It begins at this current, and goes on with `least`."""
    pauses: tuple[float, float] | None = None
    """It draws for so many seconds and pauses for so many, by turns, whatever it is offered."""
    wants_wh: float = 20_000.0
    wakes_seconds: float = 3.0
    """From the moment when it may draw until it does."""
    follow_seconds: float = 3.0
    """From a new limit until it is drawn."""
    got_wh: float = 0.0


@dataclass(frozen=True)
class Make:
    """How a make of charge point differs from the specification."""

    tells: tuple[str, ...] = ("register", "power", "currents")
    """Some of MEASURANDS."""
    tells_each: int | None = None
    """It tells its readings each so many seconds, whatever interval is asked for."""
    sticks: bool = False
    """While nothing flows, it repeats the last current and power that it told."""
    units: tuple[str, ...] = ("A", "W")
    told_units: tuple[str, ...] = ()
    """Those that it says it takes, if they are others."""
    kinds: tuple[str, ...] = ("Absolute", "Relative", "Recurring")
    purposes: tuple[str, ...] = ("ChargePointMaxProfile", "TxDefaultProfile", "TxProfile")
    lowest: float = 0.0
    """A schedule with a lower limit than this, in A, is rejected."""
    most_periods: int = 24
    most_profiles: int = 100
    most_level: int = 10
    takes_level: int = 10
    """The highest level that it takes; it tells `most_level`."""
    takes_durations: bool = True
    lacks_last: bool = False
    """Of periods, profiles, levels and names it takes one less than it tells."""
    most: float = 16.0
    gain: float = 1.0
    offset: float = 0.0
    """It draws gain × limit + offset."""
    floor: float = 0.0
    """Told less than this, but not 0, it offers this."""
    pauses_below: float = LEAST_A
    """Told less than this, it offers nothing."""
    stuck_status: str | None = None
    obeys_seconds: float = math.inf
    """It ignores all limits when a transaction is older."""
    follows_seconds: float = 0.0
    """It heeds a profile so much later than it has accepted it."""
    has_one_limit: bool = False
    """What a connector is told is for all connectors that are told something, and is divided."""
    forgets: bool = False
    """A reboot deletes its profiles."""
    forgets_highest: bool = False
    """A reboot deletes those of its highest level."""
    restarts: bool = False
    """It reboots after each profile that it takes."""
    starts_offline: bool = True
    reboots_each: float = math.inf
    answers_after: float = 0.0
    clock_set: tuple[float, float] | None = None
    """So many seconds into a transaction, its clock is set by so many seconds."""
    lines_of_watts: int | None = None
    """On so many lines it spreads a limit in W, whatever numberPhases says."""


@dataclass
class Connector:
    """A connector, its car and its transaction."""

    number: int
    register_wh: float = 0.0
    car: Car | None = None
    tag: str = ""
    status: str = "Available"
    told_status: str = ""
    transaction: Transaction | None = None
    amperes: float = 0.0
    """What flows on each line of the car now."""
    allowed_since: float | None = None
    target: float = 0.0
    target_since: float = 0.0
    told_currents: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """What its last reading said that flows."""


class ChargePoint:
    """One charge point. `run` connects, and connects again, until it is cancelled."""

    def __init__(
        self,
        identity: str,
        connect: Connect,
        make: Make,
        *,
        model: str,
        start: datetime,
        connectors: int = 1,
    ) -> None:
        self.identity = identity
        self.make = make
        self.most = make.most
        self.connectors = [
            Connector(number, 1000.0 * len(identity)) for number in range(1, connectors + 1)
        ]
        self.profiles = Profiles(make.lines_of_watts)
        self.calls: list[Call] = []
        """Those that came."""
        self.is_down = False
        """The link is lost; the charge point goes on."""
        self.model = model
        self._connect = connect
        self._start = start
        self._clock_offset = 0.0
        self._configuration = {
            "MeterValueSampleInterval": "60",
            "MeterValuesSampledData": REGISTER,
            "HeartbeatInterval": "300",
            "ConnectionTimeOut": "120",
            "NumberOfConnectors": str(connectors),
            "AuthorizeRemoteTxRequests": "false",
            "GetConfigurationMaxKeys": str(MOST_KEYS),
            "SupportedFeatureProfiles": (
                "Core,FirmwareManagement,LocalAuthListManagement,SmartCharging,RemoteTrigger"
            ),
            "ChargeProfileMaxStackLevel": str(make.most_level),
            "ChargingScheduleAllowedChargingRateUnit": ",".join(
                {"A": "Current", "W": "Power"}[unit] for unit in make.told_units or make.units
            ),
            "ChargingScheduleMaxPeriods": str(make.most_periods),
            "MaxChargingProfilesInstalled": str(make.most_profiles),
        }
        if make.lacks_last:
            self._configuration[MOST_NAMES] = "3"
        if make.tells_each is not None:
            self._configuration["MeterValueSampleInterval"] = str(make.tells_each)
        if not make.starts_offline:
            self._configuration |= dict.fromkeys(OFFLINE_KEYS, "false")
        self._read_only = {
            *([] if make.tells_each is None else ["MeterValueSampleInterval"]),
            *([] if make.starts_offline else OFFLINE_KEYS),
        }
        self._stream: trio.abc.Stream | None = None
        self._ids = itertools.count(1)
        self._answer: trio.MemorySendChannel[Any] | None = None
        self._asked = ""
        self._queue: deque[tuple[str, dict[str, Any], Transaction | None]] = deque()
        self._wake = trio.Event()
        self._has_booted = False
        self._offers_from = 0.0
        self._waiting: tuple[Car, str, int] | None = None
        self._coming: deque[tuple[float, int, dict[str, Any]]] = deque()
        """Profiles that it has taken and heeds later: when, at which connector."""

    # Electricity

    def clock(self) -> datetime:
        """Return its own time of day."""
        return self._start + timedelta(seconds=trio.current_time() + self._clock_offset)

    def set_clock(self, seconds: float) -> None:
        """Set its clock forward, or back."""
        self._clock_offset += seconds

    def allowed(self, connector: Connector) -> float:
        """Return the current per line that it offers the car."""
        make, now = self.make, trio.current_time()
        if connector.transaction is None or now < self._offers_from:
            return 0.0
        limit = self._limit(connector)
        if make.has_one_limit and limit is not None:
            told = [self._limit(other) for other in self.connectors if other.transaction]
            limit /= max(1, sum(other is None or other > 0 for other in told))
        if limit is None or now - connector.transaction.began_at > make.obeys_seconds:
            return self.most
        if 0 < limit < make.floor:
            limit = make.floor
        if limit < make.pauses_below:
            return 0.0
        return min(self.most, limit)

    def _limit(self, connector: Connector) -> float | None:
        return self.profiles.limit(connector.number, self.clock(), connector.transaction)

    def pass_time(self, seconds: float) -> None:
        """Let current flow for so long, and cars follow. Whoever runs the charge point calls this
        each second."""
        while self._coming and self._coming[0][0] <= trio.current_time():
            _, number, profile = self._coming.popleft()
            self.profiles.add(number, profile)
        for connector in self.connectors:
            if connector.car is not None:
                wh = connector.amperes * connector.car.lines * VOLTS * seconds / 3600
                connector.register_wh += wh
                connector.car.got_wh += wh
                self._follow(connector, connector.car)
                self._set_clock(connector.transaction)

    def _follow(self, connector: Connector, car: Car) -> None:
        now = trio.current_time()
        if connector.transaction is None:
            connector.amperes = 0.0
            connector.allowed_since = None
            return
        allowed = self.allowed(connector)
        least = car.least if connector.amperes > 0 else max(car.least, car.begins)
        if car.pauses is not None:
            draws, pauses = car.pauses
            is_paused = (now - connector.transaction.began_at) % (draws + pauses) >= draws
            least = math.inf if is_paused else least
        if allowed < least:
            connector.allowed_since = None
            target = 0.0
        else:
            connector.allowed_since = (
                now if connector.allowed_since is None else connector.allowed_since
            )
            is_awake = now - connector.allowed_since >= car.wakes_seconds
            target = min(allowed, car.most) * self.make.gain + self.make.offset if is_awake else 0.0
        if car.got_wh >= car.wants_wh:
            target = 0.0
        if target != connector.target:
            connector.target, connector.target_since = target, now
        if target == 0 or now - connector.target_since >= car.follow_seconds:
            connector.amperes = target
        if connector.amperes > 0:
            self._become(connector, "Charging")
        else:
            self._become(connector, "SuspendedEVSE" if allowed < LEAST_A else "SuspendedEV")

    def currents(self, connector: Connector) -> tuple[float, float, float]:
        """Return what flows on its lines."""
        lines = 0 if connector.car is None else connector.car.lines
        first, second, third = (connector.amperes if line < lines else 0.0 for line in range(3))
        return first, second, third

    def _now(self) -> str:
        return self.clock().strftime("%Y-%m-%dT%H:%M:%SZ")

    # What people do

    def plug(self, car: Car, tag: str, connector: int = 1) -> None:
        """Plug a car in, and hold a card to the reader. Some begin only once the link is there."""
        there = self.connectors[connector - 1]
        if self._stream is None and not self.make.starts_offline:
            self._waiting = car, tag, connector
            return
        there.car = car
        there.target = there.amperes = 0.0
        there.allowed_since = None
        self._become(there, "Preparing")
        there.transaction = Transaction(self.clock(), trio.current_time())
        begin = {"connectorId": connector, "idTag": tag, "meterStart": round(there.register_wh)}
        self._send("StartTransaction", begin | {"timestamp": self._now()}, there.transaction)

    def unplug(self, connector: int = 1) -> None:
        """Drive away."""
        there = self.connectors[connector - 1]
        self._stop(there, "EVDisconnected")
        there.car = None
        self._become(there, "Available")

    def _stop(self, there: Connector, reason: str) -> None:
        if there.transaction is None:
            return
        end = {"meterStop": round(there.register_wh), "timestamp": self._now(), "reason": reason}
        self._send("StopTransaction", end, there.transaction)
        there.transaction = None
        there.amperes = 0.0
        self.profiles.end_transaction(there.number)
        self._become(there, "Finishing")

    def _become(self, connector: Connector, status: str) -> None:
        """Change the status of a connector, and tell it unless it is stuck."""
        connector.status = status
        told = self._shown(connector)
        if told != connector.told_status:
            connector.told_status = told
            self._tell_status(connector.number, told)

    def _shown(self, connector: Connector) -> str:
        if self.make.stuck_status is not None and connector.status not in IDLE:
            return self.make.stuck_status
        return connector.status

    def _tell_status(self, number: int, status: str) -> None:
        told = {
            "connectorId": number,
            "errorCode": "NoError",
            "status": status,
            "timestamp": self._now(),
        }
        self._send("StatusNotification", told, None)

    # Its link

    async def run(self) -> None:
        """Run until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_readings)
            nursery.start_soon(self._reboot_often)
            while True:
                if not self.is_down and trio.current_time() >= self._offers_from:
                    await self._converse()
                await trio.sleep(5)

    async def cut(self) -> None:
        """Lose the link, without a goodbye."""
        if self._stream is not None:
            await trio.aclose_forcefully(self._stream)

    async def reboot(self) -> None:
        """Restart. A transaction goes on, as its memory keeps it."""
        if self.make.forgets:
            self.profiles.installed.clear()
        if self.make.forgets_highest:
            self.profiles.clear({"stackLevel": self.make.most_level})
        self._has_booted = False
        await self.cut()

    def _set_clock(self, transaction: Transaction | None) -> None:
        if self.make.clock_set is not None and transaction is not None:
            after, by = self.make.clock_set
            if 0 <= trio.current_time() - transaction.began_at - after < 1:
                self.set_clock(by)

    async def _reboot_often(self) -> None:
        while True:
            await trio.sleep(self.make.reboots_each)
            await self.reboot()

    async def _converse(self) -> None:
        """Hold one connection until it ends."""
        try:
            self._stream = await self._connect()
            async with trio.open_nursery() as nursery:
                websocket = await wrap_client_stream(
                    nursery,
                    self._stream,  # type: ignore[arg-type]  # annotated for sockets only
                    "central",
                    f"/ocpp/{self.identity}",
                    subprotocols=["ocpp1.6"],
                )
                nursery.start_soon(self._talk, websocket)
                while True:
                    frame = json.loads(await websocket.get_message())
                    if frame[0] == 2:
                        nursery.start_soon(self._reply, websocket, frame)
                    elif frame[1] == self._asked and self._answer is not None:
                        self._answer.send_nowait(frame)
        except* (
            OSError,
            ConnectionClosed,
            HandshakeError,
            trio.BrokenResourceError,
            trio.ClosedResourceError,
        ):
            pass
        finally:
            self._stream = None

    async def _talk(self, websocket: WebSocketConnection) -> None:
        """Boot if it has restarted, send what waits, then a Heartbeat at times."""
        if not self._has_booted:
            await self._boot(websocket)
        if self._waiting is not None:
            self.plug(*self._waiting)
            self._waiting = None
        while True:
            while self._queue:
                await self._deliver(websocket, *self._queue[0])
                self._queue.popleft()
            self._wake = trio.Event()
            with trio.move_on_after(int(self._configuration["HeartbeatInterval"])) as waited:
                await self._wake.wait()
            if waited.cancelled_caught:
                await self._call(websocket, "Heartbeat", {})

    async def _boot(self, websocket: WebSocketConnection) -> None:
        plate = {
            "chargePointVendor": "Foreign",
            "chargePointModel": self.model,
            "firmwareVersion": "2.1",
        }
        while True:
            answer = await self._call(
                websocket, "BootNotification", plate | {"chargePointSerialNumber": self.identity}
            )
            if answer["status"] == "Accepted":
                break
            await trio.sleep(max(1, answer["interval"]))
        self._configuration["HeartbeatInterval"] = str(answer["interval"])
        self._has_booted = True
        self._tell_status(0, "Available")
        for connector in self.connectors:
            connector.told_status = self._shown(connector)
            self._tell_status(connector.number, connector.told_status)

    def _send(self, action: str, payload: dict[str, Any], transaction: Transaction | None) -> None:
        self._queue.append((action, payload, transaction))
        self._wake.set()

    async def _deliver(
        self,
        websocket: WebSocketConnection,
        action: str,
        payload: dict[str, Any],
        transaction: Transaction | None,
    ) -> None:
        """Send what waited. The server's id of a transaction is known by then, as its start was
        answered before."""
        if transaction is not None and action != "StartTransaction":
            payload = payload | {"transactionId": transaction.id}
        answer = await self._call(websocket, action, payload)
        if transaction is not None and action == "StartTransaction":
            transaction.id = answer["transactionId"]

    async def _call(
        self, websocket: WebSocketConnection, action: str, payload: dict[str, Any]
    ) -> dict[str, Any]:
        """Send a CALL and return the payload of its answer, empty after a CALLERROR."""
        self._asked = f"f{next(self._ids)}"
        self._answer, answer = trio.open_memory_channel[Any](1)
        await websocket.send_message(json.dumps([2, self._asked, action, payload]))
        frame = await answer.receive()
        return dict(frame[2]) if frame[0] == 3 else {}

    # Its readings

    async def _tell_readings(self) -> None:
        """Send the readings of each transaction, as its sampled data and interval say."""
        while True:
            await trio.sleep(max(1, int(self._configuration["MeterValueSampleInterval"])))
            for connector in self.connectors:
                if connector.transaction is not None:
                    sampled = {"timestamp": self._now(), "sampledValue": self._sampled(connector)}
                    told = {"connectorId": connector.number, "meterValue": [sampled]}
                    self._send("MeterValues", told, connector.transaction)

    def _sampled(self, connector: Connector) -> list[dict[str, str]]:
        currents = self.currents(connector)
        if self.make.sticks and not any(currents):
            currents = connector.told_currents
        connector.told_currents = currents
        watts = sum(currents) * VOLTS
        values = list[dict[str, str]]()
        for kind in self.make.tells:
            measurand = {"measurand": MEASURANDS[kind]}
            match kind:
                case "register":
                    of_kind = [{"value": f"{connector.register_wh:.0f}", "unit": "Wh"}]
                case "power":
                    of_kind = [{"value": f"{watts:.0f}", "unit": "W"}]
                case "kW without a unit":
                    of_kind = [{"value": f"{watts / 1000:.1f}"}]
                case "sum of currents":
                    of_kind = [{"value": f"{sum(currents):.1f}", "unit": "A"}]
                case "mA without a unit":
                    of_kind = [
                        {"value": f"{amperes * 1000:.0f}", "phase": f"L{line}"}
                        for line, amperes in enumerate(currents, start=1)
                    ]
                case _:
                    first, *others = currents
                    shown = {
                        "currents": currents,
                        "L1 only": (first,),
                        "L1 and zeros": (first, *(0.0 for _ in others)),
                    }[kind]
                    of_kind = [
                        {"value": f"{amperes:.1f}", "unit": "A", "phase": f"L{line}"}
                        for line, amperes in enumerate(shown, start=1)
                    ]
            values += [measurand | value for value in of_kind]
        return values

    # The server's calls

    async def _reply(self, websocket: WebSocketConnection, frame: list[Any]) -> None:
        _, message_id, action, payload = frame
        handle = getattr(self, f"_on_{action}", None)
        if handle is None:
            error = [4, message_id, "NotImplemented", "", {}]
            self.calls.append((trio.current_time(), action, payload, "NotImplemented"))
            await websocket.send_message(json.dumps(error))
            return
        if self.make.lacks_last and len(payload.get("key", ())) >= MOST_KEYS:
            error = [4, message_id, "OccurenceConstraintViolation", "", {}]
            await websocket.send_message(json.dumps(error))
            return
        answer = handle(payload)
        self.calls.append((trio.current_time(), action, payload, str(answer.get("status", ""))))
        await trio.sleep(self.make.answers_after)
        await websocket.send_message(json.dumps([3, message_id, answer]))
        is_taken = answer.get("status") == "Accepted"
        is_too_much = action == "SetChargingProfile" and self.make.restarts
        if is_taken and (action == "Reset" or is_too_much):
            self._offers_from = trio.current_time() + BOOT_SECONDS
            await self.reboot()

    def _on_SetChargingProfile(self, payload: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - named as the action
        profile, number = payload["csChargingProfiles"], payload["connectorId"]
        is_taken = self._takes(number, profile)
        if is_taken and self.make.follows_seconds:
            heeded_at = trio.current_time() + self.make.follows_seconds
            self._coming.append((heeded_at, number, profile))
        elif is_taken:
            self.profiles.add(number, profile)
        return {"status": "Accepted" if is_taken else "Rejected"}

    def _takes(self, number: int, profile: dict[str, Any]) -> bool:
        """Tell whether it accepts a profile: as the specification says, and as its make does."""
        make, schedule, purpose = (
            self.make,
            profile["chargingSchedule"],
            profile["chargingProfilePurpose"],
        )
        if any(faults(profile)) or number > len(self.connectors):
            return False
        if purpose == "TxProfile":
            transaction = self.connectors[number - 1].transaction if number else None
            if transaction is None or profile.get("transactionId") not in (None, transaction.id):
                return False
        if purpose == "ChargePointMaxProfile" and number != 0:
            return False
        limits = [period["limit"] for period in schedule["chargingSchedulePeriod"]]
        if schedule["chargingRateUnit"] == "W":
            limits = [limit / VOLTS / 3 for limit in limits]
        less = 1 if make.lacks_last else 0
        return (
            purpose in make.purposes
            and profile["chargingProfileKind"] in make.kinds
            and profile["stackLevel"] <= make.takes_level - less
            and schedule["chargingRateUnit"] in make.units
            and (make.takes_durations or "duration" not in schedule)
            and len(limits) <= make.most_periods - less
            and min(limits) >= make.lowest
            and self.profiles.count_with(number, profile) <= make.most_profiles - less
        )

    def _on_ClearChargingProfile(self, payload: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"status": "Accepted" if self.profiles.clear(payload) else "Unknown"}

    def _on_GetCompositeSchedule(self, payload: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        number = payload["connectorId"]
        transaction = self.connectors[number - 1].transaction if number else None
        limit = self.profiles.limit(number, self.clock(), transaction)
        if limit is None:
            return {"status": "Rejected"}
        periods = [{"startPeriod": 0, "limit": round(limit, 1)}]
        schedule = {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": periods,
            "duration": payload["duration"],
        }
        return {
            "status": "Accepted",
            "connectorId": number,
            "scheduleStart": self._now(),
            "chargingSchedule": schedule,
        }

    def _on_GetConfiguration(self, payload: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        asked = payload.get("key") or list(self._configuration)
        known = [key for key in asked if key in self._configuration]
        told = [{"key": key, "readonly": False, "value": self._configuration[key]} for key in known]
        return {"configurationKey": told, "unknownKey": [key for key in asked if key not in known]}

    def _on_ChangeConfiguration(self, payload: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        key, value = payload["key"], payload["value"]
        if key not in self._configuration:
            return {"status": "NotSupported"}
        if key in self._read_only:
            return {"status": "Rejected"}
        if key.startswith("Meter") and key.endswith("SampledData"):
            return {"status": "Accepted" if self._can_tell(value) else "Rejected"}
        self._configuration[key] = value
        return {"status": "Accepted"}

    def _can_tell(self, measurands: str) -> bool:
        own = tuple(MEASURANDS[kind] for kind in self.make.tells)
        names = measurands.split(",")
        most = int(self._configuration.get(MOST_NAMES, len(names)))
        is_short = len(names) <= most - self.make.lacks_last
        return is_short and all(name.startswith(own) for name in names)

    def _on_RemoteStartTransaction(self, payload: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del payload
        return {"status": "Rejected"}

    def _on_RemoteStopTransaction(self, payload: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        for connector in self.connectors:
            if (
                connector.transaction is not None
                and connector.transaction.id == payload["transactionId"]
            ):
                self._stop(connector, "Remote")
                return {"status": "Accepted"}
        return {"status": "Rejected"}

    def _on_TriggerMessage(self, payload: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        wanted = payload["requestedMessage"]
        if wanted == "StatusNotification":
            for connector in self.connectors:
                if payload.get("connectorId") in (None, connector.number):
                    self._tell_status(connector.number, self._shown(connector))
        elif wanted == "MeterValues":
            for connector in self.connectors:
                if connector.transaction is not None and payload.get("connectorId") in (
                    None,
                    connector.number,
                ):
                    sampled = {"timestamp": self._now(), "sampledValue": self._sampled(connector)}
                    told = {"connectorId": connector.number, "meterValue": [sampled]}
                    self._send("MeterValues", told, connector.transaction)
        else:
            return {"status": "NotImplemented"}
        return {"status": "Accepted"}

    def _on_Reset(self, payload: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del payload
        return {"status": "Accepted"}

    def _on_ChangeAvailability(self, payload: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del payload
        return {"status": "Accepted"}

    def _on_ClearCache(self, payload: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del payload
        return {"status": "Accepted"}
