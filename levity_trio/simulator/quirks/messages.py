"""Messages that do not tell the truth: registers that run back, jump, reset, roll over, stand still
or are shared; wrong ids, times of wrong clocks and values outside the OCPP 1.6 schemas; transaction
messages that are repeated or lost.

Which readings are wrong, and by how much, is decided when they are taken (`sampled` is called once
for each, in order) and not when they are sent. So a correct reading precedes each wrong one, and a
retried message is the same as the first. A register changes only after all readings of that moment
are recorded, in MeterValues and for the stop.

In values outside the schemas, fields that affect billing stay unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

from levity_trio.simulator.charger import connectors
from levity_trio.simulator.charger.connectors import last_reading, settle_all
from levity_trio.simulator.charger.state import (
    NO_ERROR,
    UNSET,
    Connector,
    Frame,
    Payload,
    Quirk,
    State,
    Transaction,
)
from levity_trio.simulator.ledger import KEPT_BACK, READINGS, SHARED_METER, START, STOP, is_register
from levity_trio.simulator.physics import shown_wh
from levity_trio.wire.times import parse_time, wire_time

Sample = dict[str, Any]

JUMP_WH: Final = (20_000, 60_000)
READINGS_UNTIL_LOSS: Final = (1, 6)
READINGS_UNTIL_SLIP: Final = (2, 6)
"""At least 2, so that a correct reading precedes each wrong one."""
Kept = TypeVar("Kept")
WIDTHS: Final = (2**16, 10**6, 2**31, 2**32)
LEFT_WH: Final = (5_000, 40_000)
"""Energy until the first roll-over, in Wh."""
READINGS_STILL: Final = (2, 5)
READINGS_UNTIL_STILL: Final = (1, 4)
LOOKS_BACK: Final = (0.2, 0.8)
INTERVALS: Final = ("1800", "3600", "0")
_KEPT_STARTS: Final = 8
"""Only the last start can await its response; the others are spare."""


def with_values(
    action: str, payload: Payload, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> Payload:
    """Return a copy with `change` applied to each meterValue; the payload itself if it has none."""
    place = READINGS.get(action)
    if place not in payload:
        return payload
    return {**payload, place: [change(value) for value in payload[place]]}


def with_samples(action: str, payload: Payload, change: Callable[[str, Sample], Sample]) -> Payload:
    """Return a copy with `change` applied to each sampledValue; it also gets the timestamp of the
    meterValue."""

    def changed(value: dict[str, Any]) -> dict[str, Any]:
        timestamp = value["timestamp"]
        return {
            **value,
            "sampledValue": [change(timestamp, sample) for sample in value["sampledValue"]],
        }

    return with_values(action, payload, changed)


def with_registers(action: str, payload: Payload, change: Callable[[str, int], int]) -> Payload:
    """Return a copy with `change` applied to each energy register; it gets timestamp and Wh, and
    returns Wh."""

    def changed(timestamp: str, sample: Sample) -> Sample:
        if not is_register(sample):
            return sample
        return {**sample, "value": str(change(timestamp, int(sample["value"])))}

    return with_samples(action, payload, changed)


@dataclass
class TakesTurns(Quirk):
    """Acts at some readings of each transaction: it counts them down from one turn to the next."""

    _left: dict[int, int] = field(default_factory=dict)
    """Remaining readings by local id; 0 if the quirk does not act again."""

    def count_down(self, charger: State, transaction: Transaction, first: tuple[int, int]) -> bool:
        """Count one reading, and return whether the quirk acts now. `first` is the range of the
        first countdown."""
        left = self._left.get(transaction.local_id, self.random.randint(*first))
        remember(charger, self._left, transaction, max(0, left - 1))
        return left == 1


@dataclass
class Misreads(TakesTurns):
    """Reports single readings wrongly, both in MeterValues and in the stop's transactionData."""

    _slips: dict[int, dict[tuple[str, int], int]] = field(default_factory=dict)
    """The Wh to report, by transaction, and by timestamp and Wh of the correct reading."""

    def misread(self, charger: State, transaction: Transaction, at: float, wh: int) -> None:
        """Report this register in place of the reading taken at this moment."""
        slips = self._slips.get(transaction.local_id, {})
        slips[charger.timestamp(at), shown_at(charger, transaction, at)] = wh
        remember(charger, self._slips, transaction, slips)

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        slips = None if transaction is None else self._slips.get(transaction.local_id)
        if not slips:
            return payload
        return with_registers(action, payload, lambda timestamp, wh: slips.get((timestamp, wh), wh))


@dataclass
class RegisterRunsBack(Misreads):
    name = "register-runs-back"
    does = "sends single readings that are lower than the previous one, and correct ones after each"
    seen_in = "meters whose readings go back (lbbrhzn/ocpp#2093, lbbrhzn/ocpp#374)"

    _before: dict[int, int] = field(default_factory=dict)
    """The last correct reading of each transaction."""

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        before = self._before.get(transaction.local_id, transaction.shown_start_wh)
        if self.count_down(charger, transaction, READINGS_UNTIL_SLIP):
            self.misread(charger, transaction, at, self._lower(transaction, before))
            self._left[transaction.local_id] = self.random.randint(*READINGS_UNTIL_SLIP)
        shown = shown_at(charger, transaction, at)
        remember(charger, self._before, transaction, shown)

    def _lower(self, transaction: Transaction, before: int) -> int:
        """Return an earlier register of this transaction; after a reset, one since the reset."""
        least = transaction.shown_start_wh if before >= transaction.shown_start_wh else 0
        return least + int((before - least) * self.random.uniform(0.0, 0.9))


class RegisterJumps(Misreads):
    name = "register-jumps"
    does = (
        "has register jumps of 20 to 60 kWh, permanent in some transactions, for a single reading "
        "in others"
    )
    seen_in = "Grizzl-E Smart: the first Levity had to correct jumps above 10 kWh"

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        if not self.count_down(charger, transaction, READINGS_UNTIL_SLIP):
            return
        leap_wh = self.random.randint(*JUMP_WH)

        def leap(_at: float) -> None:
            charger.memory.offsets[transaction.connector] += leap_wh

        if self.random.random() < 0.5:
            charger.agenda.plan(at, leap)
        else:
            self.misread(charger, transaction, at, shown_at(charger, transaction, at) + leap_wh)


class RegisterResets(TakesTurns):
    name = "register-resets"
    does = "resets its register to 0 during a transaction, right after a reading"
    seen_in = (
        "chargers that reset the register after a fault or boot (lbbrhzn/ocpp#2093, OCPP.Core#33)"
    )

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        if self.count_down(charger, transaction, READINGS_UNTIL_LOSS):
            charger.agenda.plan(
                at, partial(connectors.set_register, charger, transaction.connector, 0)
            )


def shown_at(charger: State, transaction: Transaction, at: float) -> int:
    """Return the reported register of its connector."""
    return connectors.register(charger, charger.connectors[transaction.connector], at)


def remember(charger: State, kept: dict[int, Kept], transaction: Transaction, value: Kept) -> None:
    """Keep a value for a transaction, and forget those of transactions that have no more messages
    to send."""
    for local_id in kept.keys() - charger.transactions.keys():
        del kept[local_id]
    kept[transaction.local_id] = value


@dataclass
class RegisterRollsOver(Quirk):
    name = "register-rolls-over"
    does = "has a register of 16, 31 or 32 bits, or of six digits, which rolls over to 0"
    seen_in = (
        "a HomeMatic meter with 23 bits (ioBroker.sourceanalytix#594); no report of a charger yet"
    )

    def __post_init__(self) -> None:
        self._width = self.random.choice(WIDTHS)
        self._left_wh = self.random.randint(*LEFT_WH)

    def shown(self, charger: State, _connector: Connector, wh: int, _at: float) -> int:
        return (wh - charger.spec.register_wh - self._left_wh) % self._width


@dataclass
class RegisterStandsStill(Misreads):
    name = "register-stands-still"
    does = "repeats a register for two to five readings while it reports power, and then catches up"
    seen_in = "no report yet; plausible for chargers that read their meter at longer intervals"

    _still: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By transaction: the register to report, and for how many more readings."""

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        reported_wh, left = self._still.get(transaction.local_id, (0, 0))
        if left:
            self.misread(charger, transaction, at, reported_wh)
            self._left[transaction.local_id] = (
                self.random.randint(*READINGS_UNTIL_STILL) if left == 1 else 0
            )
        elif self.count_down(charger, transaction, READINGS_UNTIL_STILL):
            reported_wh, left = (
                shown_at(charger, transaction, at),
                self.random.randint(*READINGS_STILL) + 1,
            )
        remember(charger, self._still, transaction, (reported_wh, max(0, left - 1)))


class SharedMeter(Quirk):
    name = "shared-meter"
    does = "has one meter for all its connectors: each reports the energy of all, but its own power"
    seen_in = "no report yet; plausible for double chargers with one meter for both sockets"

    def shown(self, charger: State, connector: Connector, wh: int, at: float) -> int:
        others = [other for other in charger.connectors[1:] if other is not connector]
        for other in others:
            other.meter.advance(at)
        if connector.transaction is not None and any(
            other.transaction is not None for other in others
        ):
            lies = connector.transaction.entry.lies
            lies += [] if SHARED_METER in lies else [SHARED_METER]
        return wh + sum(
            shown_wh(other.meter.register_wh) - charger.spec.register_wh for other in others
        )


@dataclass
class StartsOverlap(Quirk):
    name = "starts-overlap"
    does = "sends, as every second meterStart, a register from within the previous transaction"
    seen_in = (
        "Heidelberg Energy Control, whose register falls back after a power cut (wbec#106, "
        "wbec#132)"
    )

    _before: dict[int, int] = field(default_factory=dict)
    """By connector: the register at the start of its last transaction."""
    _starts: dict[int, int] = field(default_factory=dict)
    """The reported meterStart by transaction, so that retries repeat it."""

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if action != START or transaction is None:
            return payload
        if transaction.local_id not in self._starts:
            kept = [*self._starts.items(), (transaction.local_id, self._reported_wh(transaction))]
            self._starts = dict(kept[-_KEPT_STARTS:])
        return {**payload, "meterStart": self._starts[transaction.local_id]}

    def _reported_wh(self, transaction: Transaction) -> int:
        shown, before = transaction.shown_start_wh, self._before.get(transaction.connector)
        self._before[transaction.connector] = shown
        if before is None or before >= shown:
            return shown
        del self._before[transaction.connector]  # the next one is true
        return before + int((shown - before) * self.random.uniform(*LOOKS_BACK))


@dataclass
class SparseReadings(Quirk):
    name = "sparse-readings"
    does = (
        "sends a reading every half hour, every hour or never, whatever interval was configured "
        "before"
    )
    seen_in = (
        "go-eCharger, which accepts an interval but sends nothing "
        "(goecharger/go-eCharger-API-v2#240)"
    )

    def __post_init__(self) -> None:
        self._interval = self.random.choice(INTERVALS)

    def power_on(self, charger: State, _at: float) -> None:
        charger.configuration.change("MeterValueSampleInterval", self._interval)


class SessionReadings(Quirk):
    name = "session-readings"
    does = (
        "reports its lifetime register in start and stop, but counts each transaction's readings "
        "from 0"
    )
    seen_in = (
        "Grizzl-E Smart, and others that report a transaction's energy as the register "
        "(lbbrhzn/ocpp#919)"
    )

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if transaction is None:
            return payload
        start_wh = transaction.shown_start_wh

        def since_start(_timestamp: str, wh: int) -> int:
            # lower only after a reset, which resets this count too
            return wh - start_wh if wh >= start_wh else wh

        return with_registers(action, payload, since_start)


class KwhAsWh(Quirk):
    name = "kwh-as-wh"
    does = "sends registers in kWh with three decimals, but with the unit Wh"
    seen_in = "OpenEVSE 4.2.2 (OpenEVSE/openevse_esp32_firmware#703)"

    def payload(self, action: str, payload: Payload, _transaction: Transaction | None) -> Payload:

        def mislabelled(_timestamp: str, sample: Sample) -> Sample:
            if not is_register(sample):
                return sample
            kwh, wh = divmod(int(sample["value"]), 1000)
            return {**sample, "value": f"{kwh}.{wh:03}", "unit": "Wh"}

        return with_samples(action, payload, mislabelled)


NO_ID: Final = -1
LOST_EACH: Final = 3
SECOND_STOP: Final = timedelta(minutes=1)
SECOND_STOP_WH: Final = 100
LATER_SECONDS: Final = (3_600.0, 18_000.0, 43_200.0)
"""Possibly after the next transaction began."""


LONG: Final[Mapping[str, Payload]] = {
    "BootNotification": {
        "chargePointModel": "a model whose name says all that its maker is proud of",
        "chargePointSerialNumber": "SN" + 24 * "0123456789",
        "chargeBoxSerialNumber": "0" * 26,
        "firmwareVersion": "1.0.0-" + 20 * "build.",
    },
    "StatusNotification": {
        "info": 10 * "nothing in particular is wrong here; ",
        "vendorErrorCode": 6 * "0x00000000",
        "vendorId": 32 * "maker of chargers; ",
    },
}
EXTRA: Final[Payload] = {"vendorData": {"signal": -71, "uptime": "14 days", "relays": [1, 1, 0]}}

STATUSES: Final[Mapping[str, str]] = {
    "Preparing": "Occupied",
    "Finishing": "finishing",
    "SuspendedEV": "Suspended_EV",
    "SuspendedEVSE": "SuspendedEvse",
    "Faulted": "Error",
}
ERROR, NO_ERROR_RESPELT = "Error", "No_Error"
REASONS: Final[Mapping[str, str]] = {
    "EVDisconnected": "CableRemoved",
    "Remote": "RemoteStop",
    "PowerLoss": "Brownout",
}
WITHOUT_REASON: Final = "UserStop"
CURRENT, CURRENT_RESPELT = "Current.Import", "Current.import"
STRANGE_SAMPLES: Final = (
    {"value": "50.00", "measurand": "Frequency", "unit": "Hz"},
    {"value": "25.0", "measurand": "Temperature", "unit": "Celcius", "location": "Body"},
    {"value": "0.00", "measurand": CURRENT_RESPELT, "phase": "N", "unit": "A"},
)
AHEAD_HOURS: Final = (1.0, 9.0)
UNTIL_SET_SECONDS: Final = (1 * 3600.0, 5 * 3600.0)
UNTIL_LOST_SECONDS: Final = (4 * 3600.0, 30 * 3600.0)
AHEAD: Final = timedelta(hours=2)
"""Summer time in Berlin. A central system would not believe a clock that is a day ahead."""


class OfflineId(Quirk):
    name = "offline-id"
    does = "uses id -1 in all readings and the stop of a transaction that began offline"
    seen_in = "chargers that start offline (libocpp#495, steve#571, MicroOcpp#298)"

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if action not in READINGS or transaction is None or not transaction.began_offline:
            return payload
        return {**payload, "transactionId": NO_ID}


class NoIds(Quirk):
    name = "no-ids"
    does = "uses id 0 in the readings and the stop of every transaction"
    seen_in = (
        "TKT EV, with 0 in stops (mikuso/ocpp-rpc#82); others with 0, -1 or null (steve#1569, "
        "steve#395)"
    )

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if action not in READINGS or transaction is None:
            return payload
        return {**payload, "transactionId": 0}


class StopsTwice(Quirk):
    name = "stops-twice"
    does = (
        "sends a second StopTransaction right after each one, with 100 Wh more and a minute later"
    )
    seen_in = "repeated stops with other values, which SteVe accepted (steve#1293)"

    def ahead(self, frame: Frame) -> Sequence[Frame]:
        return (frame,) if frame[0] == STOP else ()

    def last(self, frame: Frame) -> Frame:
        action, payload = frame
        if action != STOP or not isinstance(payload["meterStop"], int):
            return frame
        moment = parse_time(payload["timestamp"])
        later = payload["timestamp"] if moment is None else wire_time(moment + SECOND_STOP)
        return action, {
            **payload,
            "meterStop": payload["meterStop"] + SECOND_STOP_WH,
            "timestamp": later,
        }


class StopIdLate(Quirk):
    name = "stop-id-late"
    does = (
        "sends each stop with id -1, half of them again so with 100 Wh more, and then the correct "
        "stop"
    )
    seen_in = "no report yet; plausible for chargers that lose an id and read it from memory again"

    def ahead(self, frame: Frame) -> Sequence[Frame]:
        action, payload = frame
        if action != STOP or not isinstance(payload["meterStop"], int):
            return ()
        without = {**payload, "transactionId": NO_ID}
        again = {**without, "meterStop": payload["meterStop"] + SECOND_STOP_WH}
        return ((action, without), (action, again))[: 1 + payload["meterStop"] % 2]


class StopUnreadable(Quirk):
    name = "stop-unreadable"
    does = "sends a meterStop that is not a number in every third StopTransaction"
    seen_in = "no report yet; plausible for chargers whose meter does not respond at the end"
    _stops = 0
    _garbled: Sequence[int] = ()
    """Local ids of the last few garbled stops; only the last stop can await its response."""

    def loses(self, action: str, transaction: Transaction) -> bool:
        self._stops += action == STOP
        if action == STOP and self._stops % LOST_EACH == 0:
            self._garbled = [*self._garbled[-LOST_EACH:], transaction.local_id]
        return False

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if action != STOP or transaction is None or transaction.local_id not in self._garbled:
            return payload
        return {**payload, "meterStop": "n/a"}


@dataclass
class StopEarly(Quirk):
    name = "stop-early"
    does = (
        "sends its last reading as meterStop; the true end follows in a reading after the stop, "
        "or hours later"
    )
    seen_in = (
        "no report yet; plausible for chargers that read the meter after they compose the stop"
    )

    _registers: dict[int, int] = field(default_factory=dict)
    """The last reported register of each transaction."""

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        shown = shown_at(charger, transaction, at)
        remember(charger, self._registers, transaction, shown)

    def ended(self, charger: State, transaction: Transaction, at: float) -> None:
        message = last_reading(charger, transaction, at)
        if message is not None:
            later = self.random.choice((0.0, 0.0, *LATER_SECONDS))
            transaction.entry.lies.append(KEPT_BACK)

            def send(_at: float) -> None:
                transaction.entry.lies.remove(KEPT_BACK)
                charger.outbox.keep(message)

            charger.agenda.plan(at + later, send, is_own=False)

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if action != STOP or transaction is None:
            return payload
        reported = self._registers.get(transaction.local_id, transaction.shown_start_wh)
        return {**payload, "meterStop": reported}


class StopLost(StopEarly):
    name = "stop-lost"
    does = "sends no StopTransaction for every second transaction; otherwise behaves as stop-early"
    seen_in = "chargers whose transactions never end (no report names the firmware); see stop-early"
    _stops = 0

    def loses(self, action: str, _transaction: Transaction) -> bool:
        self._stops += action == STOP
        return action == STOP and self._stops % 2 == 0


class StartLost(Quirk):
    name = "start-lost"
    does = (
        "sends no StartTransaction for every third transaction; its readings and stop have a "
        "negative id"
    )
    seen_in = (
        "a Wallbox that charges for free and sends the stop only "
        "(ConnectorIO/connectorio-addons#199)"
    )
    _starts = 0

    def loses(self, action: str, _transaction: Transaction) -> bool:
        self._starts += action == START
        return action == START and self._starts % LOST_EACH == 0


class Repeats(Quirk):
    """Repeats an action without waiting for responses in between."""

    action: ClassVar[str]
    times: ClassVar[int]
    """Total number of frames, including the last, whose response is awaited."""

    def ahead(self, frame: Frame) -> Sequence[Frame]:
        return (frame,) * (self.times - 1) if frame[0] == self.action else ()


class RepeatsStart(Repeats):
    name = "repeats-start"
    does = "sends each StartTransaction three times"
    seen_in = "chargers that cause duplicate transactions (steve#1294, citrineos-core#880)"
    action = "StartTransaction"
    times = 3


class RepeatsStop(Repeats):
    name = "repeats-stop"
    does = "sends each StopTransaction three times"
    seen_in = "chargers that cause double billing (mobilityhouse/ocpp#186, steve#1294)"
    action = "StopTransaction"
    times = 3


class LongStrings(Quirk):
    name = "long-strings"
    does = (
        "sends texts far above their maximum length (model, serial numbers, info), and unknown "
        "properties"
    )
    seen_in = (
        "long serial numbers, info above 50 characters (mobilityhouse/ocpp#128, #273, "
        "lbbrhzn/ocpp#1248)"
    )

    def payload(self, action: str, payload: Payload, _transaction: Transaction | None) -> Payload:
        return {**payload, **LONG.get(action, {}), **EXTRA}


class UnknownValues(Quirk):
    name = "unknown-values"
    does = (
        "uses values that OCPP 1.6 does not have: Occupied, Error, Hz, Celcius, Current.import on "
        "phase N"
    )
    seen_in = "unknown enumeration values (mobilityhouse/ocpp#273, lbbrhzn/ocpp#1248)"

    def payload(self, action: str, payload: Payload, _transaction: Transaction | None) -> Payload:
        if action == "StatusNotification":
            status = STATUSES.get(payload["status"], payload["status"])
            error_code = NO_ERROR_RESPELT if payload["errorCode"] == NO_ERROR else ERROR
            return {**payload, "status": status, "errorCode": error_code}
        if action == "StopTransaction":
            known = payload.get("reason")
            reason = WITHOUT_REASON if known is None else REASONS.get(known, known)
            payload = {**payload, "reason": reason}

        def strange(value: dict[str, Any]) -> dict[str, Any]:
            respelt = [
                {**sample, "measurand": CURRENT_RESPELT}
                if sample.get("measurand") == CURRENT
                else sample
                for sample in value["sampledValue"]
            ]
            return {**value, "sampledValue": [*respelt, *STRANGE_SAMPLES]}

        return with_values(action, payload, strange)


class Clock1970(Quirk):
    name = "clock-1970"
    does = "has a stopped clock that was never set: every timestamp is 1970-01-01T00:00:00Z"
    seen_in = "chargers without a clock battery (MicroOcpp#311, steve#136)"

    def clock(self, _moment: datetime) -> datetime:
        return UNSET


class ClockWrong(Quirk):
    name = "clock-wrong"
    does = "sends local time, two hours ahead, marked as UTC (Z)"
    seen_in = "chargers set to local time (evcc#10399)"

    def clock(self, moment: datetime) -> datetime:
        return moment + AHEAD


class ClockSetLate(Quirk):
    name = "clock-set-late"
    does = (
        "has a clock that is 1 to 9 hours ahead after start-up, is set hours later, and becomes "
        "wrong again"
    )
    seen_in = "no report yet; plausible for chargers that take their first time from a modem"

    _ahead = timedelta()

    def power_on(self, charger: State, at: float) -> None:
        self._lose(charger, at)

    def clock(self, moment: datetime) -> datetime:
        return moment + self._ahead

    def _lose(self, charger: State, at: float) -> None:
        self._ahead = timedelta(hours=self.random.uniform(*AHEAD_HOURS))
        settle_all(charger, at)
        charger.agenda.plan(
            at + self.random.uniform(*UNTIL_SET_SECONDS), partial(self._set, charger)
        )

    def _set(self, charger: State, at: float) -> None:
        self._ahead = timedelta()
        settle_all(charger, at)
        charger.agenda.plan(
            at + self.random.uniform(*UNTIL_LOST_SECONDS), partial(self._lose, charger)
        )
