"""What one charger is, keeps and does at the moment: its type plate, the memory that it keeps
without power, its clock and agenda, its connectors, its queues, the hooks of its quirks, and the
effects for the shell.

The other modules of this package are functions of the state, in layers: a function calls only those
of lower layers. An action of a higher layer goes on the agenda or into `when_idle`. The shell
carries out the effects, which need I/O.

The memory is plain data, so that a file can keep it between runs of the simulator.

The clock is unset until the central system sends the time (§4.2, §4.6). Actions run in the order of
their nominal times and receive the nominal time, however late they run. The energy of a session
therefore depends on its plan alone, not on the load of the machine, and a run can be repeated
exactly.

Code never sets the status of a connector (§4.9). It is derived from cable, tag, transaction, fault,
availability and reservation, and each change is checked against the table of transitions.

A charger sends one CALL at a time (OCPP-J 1.6 §4.1.1). Transaction messages are kept in order, over
outages and power cuts, until they are acknowledged. One that the central system refuses or does not
answer is retried by TransactionMessageAttempts and TransactionMessageRetryInterval and then
discarded (§3.7.1), which costs a bill. All other requests are sent once, and dropped with the
connection.

A meter that signs makes a record of OCMF 1.x with begin and end of each transaction. Its keys are
made from the charger's `signing_seed`, so that the same seed gives the same keys. `cryptography` is
imported only where a meter signs: see certificates.py.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum, auto
from hashlib import sha256
from itertools import count
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from levity_trio.records import record
from levity_trio.simulator.charger.configuration import ACCEPTED, REJECTED, Configuration, Key, Keys
from levity_trio.simulator.charger.profiles import Kept, Profiles
from levity_trio.simulator.charger.tags import Reservations, Tags
from levity_trio.simulator.ledger import Entry, Moment, Sent
from levity_trio.simulator.ledger import Entry as LedgerEntry
from levity_trio.simulator.physics import (
    CHARGER_MOVES,
    MOVES,
    Meter,
    Status,
    Supply,
    check_move,
    shown_wh,
)
from levity_trio.wire.charging_profiles import Limit
from levity_trio.wire.handshake import MAX_IDENTITY
from levity_trio.wire.payloads import write_payload
from levity_trio.wire.times import wire_time

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey


AC, DC = "AC", "DC"
_MOST_CONNECTORS: Final = 32


@record
class ChargerSpec:
    """One charger. Current in A per phase (AC), power in W (DC), initial register in Wh.

    `quirks` are names of levity_trio.simulator.quirks. Raises ValueError with the allowed values.
    """

    id: str
    vendor: str = "Levity"
    model: str = "Simulated"
    serial_number: str = ""
    firmware_version: str = "1.0.0"
    connectors: int = 1
    power_type: str = AC
    phases: int = 1
    max_current_a: float = 32.0
    max_power_w: float = 50_000.0
    register_wh: int = 0
    security_profile: int = 0
    password: str | None = None
    signing_seed: str = ""
    """Its meters sign with keys made from it; "": they do not sign."""
    quirks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        is_name = 0 < len(self.id) <= MAX_IDENTITY and self.id.isprintable() and "/" not in self.id
        checks = {
            f"id: give 1 to {MAX_IDENTITY} printable characters without a slash": is_name
            and bool(self.id.strip()),
            "vendor, model: give 1 to 20 characters": 0 < len(self.vendor) <= 20
            and 0 < len(self.model) <= 20,
            "serial_number: give at most 25 characters": len(self.serial_number) <= 25,
            "firmware_version: give 1 to 50 characters": 0 < len(self.firmware_version) <= 50,
            f"connectors: give 1 to {_MOST_CONNECTORS}": 1 <= self.connectors <= _MOST_CONNECTORS,
            "power_type: give AC or DC": self.power_type in (AC, DC),
            "phases: give 1 or 3": self.phases in (1, 3),
            "max_current_a: give 6 to 125": 6 <= self.max_current_a <= 125,
            "max_power_w: give 1000 to 400000": 1_000 <= self.max_power_w <= 400_000,
            "register_wh: give 0 or more": self.register_wh >= 0,
            "security_profile: give 0 to 3": 0 <= self.security_profile <= 3,
            "password: security profiles 1 and 2 need one": self.security_profile not in (1, 2)
            or bool(self.password),
        }
        for text, is_kept in checks.items():
            if not is_kept:
                raise ValueError(text)


@dataclass(slots=True)
class Message:
    """A queued transaction message, with its failed attempts (§3.7.1).

    `local_id` is the charger's own negative id of the transaction. The central system's id replaces
    it on sending, if it is known by then. None for a message outside any transaction.
    """

    action: str
    payload: dict[str, Any]
    local_id: int | None
    attempts: int = 0


@dataclass(slots=True)
class Memory:
    """The memory of one charger. Lists by connector begin with connector 0, the charger itself."""

    registers: list[float]
    """Lifetime register of each connector, in Wh."""
    offsets: list[int]
    """Reported minus true register of each connector, in Wh: a quirk or a command may have changed
    it."""
    is_operative: list[bool]
    firmware_version: str
    configuration: dict[str, str] = field(default_factory=dict)
    local_list_version: int = 0
    local_list: dict[str, dict[str, Any]] = field(default_factory=dict)
    cache: dict[str, dict[str, Any]] = field(default_factory=dict)
    reservations: dict[str, dict[str, Any]] = field(default_factory=dict)
    profiles: list[dict[str, Any]] = field(default_factory=list)
    certificates: dict[str, Any] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    transaction_ids: dict[str, int] = field(default_factory=dict)
    """The central system's transaction ids by local id, while queued messages need them."""
    last_local_id: int = 0
    meters: int = 1
    """The number of meters that each connector has had."""

    @classmethod
    def fresh(cls, spec: ChargerSpec) -> Self:
        places = spec.connectors + 1
        return cls(
            [float(spec.register_wh)] * places, [0] * places, [True] * places, spec.firmware_version
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """Raises TypeError or KeyError if `to_json` did not write it."""
        known = {field.name: kept[field.name] for field in fields(cls) if field.name in kept}
        known["messages"] = [Message(**message) for message in known.get("messages", [])]
        return cls(**known)


UNSET: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of a clock without a battery after power-on."""
Action = Callable[[float], None]
_order = count()


@dataclass(slots=True)
class ChargerClock:
    """A clock that runs on simulated seconds and is set by `currentTime`.

    A received time is slightly old; a clock that differs by `slack_seconds` or less is not set.
    """

    _slack_seconds: float = 1.0
    _at: float = 0.0
    _moment: datetime = UNSET
    _first: tuple[float, datetime] | None = None
    _last: tuple[float, datetime] | None = None
    zero: datetime | None = None
    """The central system's time at second 0: the latest estimate, since every received time is
    slightly old."""

    @property
    def is_set(self) -> bool:
        return self._moment != UNSET

    def read(self, at: float) -> datetime:
        """Return the time that it shows at `at`, in whole milliseconds.

        Rounding ensures that at the moment that `due` returned it shows the requested time, not
        slightly less.
        """
        return self._moment + timedelta(milliseconds=round((at - self._at) * 1000))

    def due(self, moment: datetime, at: float) -> float:
        """Return the simulated seconds at which it shows that moment; `at` if the moment is
        past."""
        return at + max(0.0, (moment - self.read(at)).total_seconds())

    def set(self, received: datetime, at: float) -> bool:
        """Take the central system's time. Return True if the clock was set."""
        self._first = self._first or (at, received)
        self._last = (at, received)
        zero = received - timedelta(seconds=at)
        self.zero = zero if self.zero is None else max(self.zero, zero)
        if self.is_set and abs((received - self.read(at)).total_seconds()) <= self._slack_seconds:
            return False
        self._moment = received.replace(microsecond=received.microsecond // 1000 * 1000)
        self._at = at
        return True

    def forget(self, at: float) -> None:
        """Lose the time in a power cut, as a clock without a battery does."""
        self._moment, self._at, self._first, self._last = UNSET, at, None, None

    def pace(self, over_seconds: float) -> float | None:
        """Return the rate of the central system's clock against ours; None before it has times over
        such a span."""
        if self._first is None or self._last is None:
            return None
        seconds = self._last[0] - self._first[0]
        if seconds < over_seconds:
            return None
        return (self._last[1] - self._first[1]).total_seconds() / seconds


class Timer(Enum):
    """Actions that are scheduled at most once: for each charger, or for each connector."""

    START_UP = auto()
    BOOT = auto()
    """The next BootNotification after one that was not accepted."""
    HEARTBEAT = auto()
    ALIGNED = auto()
    """The next clock-aligned readings (ClockAlignedDataInterval)."""
    EXPIRY = auto()
    """The expiry of the reservation that expires first."""
    STATUS = auto()
    """A status has lasted long enough to be reported (MinimumStatusDuration)."""
    CABLE = auto()
    """No cable was plugged in within ConnectionTimeOut."""
    POWER = auto()
    """Power changes without an event: the vehicle is full, or a profile's next period begins."""
    READING = auto()
    """The next periodic reading of a transaction."""


@dataclass(slots=True, order=True)
class Planned:
    """One action at `at`, in simulated seconds. A cancelled entry stays in the heap and does
    nothing. The number is unique: actions themselves are never compared."""

    at: float
    number: int
    action: Action | None
    is_own: bool

    def cancel(self) -> None:
        self.action = None


class Agenda:
    """The agenda of one charger. Entries of the same moment run in the order in which they were
    planned.

    While it is held (a response decides what happens next) time stands still: nothing is due.
    """

    def __init__(self) -> None:
        self._entries: list[Planned] = []
        self._timers: dict[tuple[Timer, int], Planned] = {}
        self._holds = 0
        self.present = 0.0
        """The moment up to which all actions have run; it never goes back."""

    def plan(self, at: float, action: Action, *, is_own: bool = True) -> Planned:
        """Schedule an action. `is_own` is False for outside events: people, faults, power."""
        entry = Planned(at, next(_order), action, is_own)
        heapq.heappush(self._entries, entry)
        return entry

    def set_timer(
        self, timer: Timer, at: float, action: Action, *, connector: int = 0, is_own: bool = True
    ) -> None:
        """Schedule an action under this timer, and cancel its previous one."""
        self.stop_timer(timer, connector)
        self._timers[timer, connector] = self.plan(at, action, is_own=is_own)

    def stop_timer(self, timer: Timer, connector: int = 0) -> None:
        if (entry := self._timers.pop((timer, connector), None)) is not None:
            entry.cancel()

    def has_timer(self, timer: Timer, connector: int = 0) -> bool:
        """Return whether it was set and not stopped since. It may have fired already."""
        return (timer, connector) in self._timers

    def forget_own(self) -> None:
        """Drop the charger's own actions after a power cut; outside events stay."""
        self._entries = [entry for entry in self._entries if not entry.is_own]
        self._timers = {timer: entry for timer, entry in self._timers.items() if not entry.is_own}
        heapq.heapify(self._entries)

    def hold(self) -> None:
        self._holds += 1

    def release(self) -> None:
        self._holds -= 1

    @property
    def is_held(self) -> bool:
        return self._holds > 0

    @property
    def next_due(self) -> float | None:
        """When the next action is due; None if there is none, or if the agenda is held."""
        while self._entries and self._entries[0].action is None:
            heapq.heappop(self._entries)
        return self._entries[0].at if self._entries and not self._holds else None

    def advance(self, at: float) -> None:
        """Run all actions that are due, in order."""
        while (due := self.next_due) is not None and due <= at:
            self._do_next()
        self.reach(at)

    def reach(self, at: float) -> float:
        """Run the actions that are due before an outside event, and return the moment of that event
        for this charger.

        That is `at`, unless the agenda is held or the charger's present is later already.
        """
        while (due := self.next_due) is not None and due < at:
            self._do_next()
        if not self._holds:
            self.present = max(self.present, at)
        return self.present

    def _do_next(self) -> None:
        entry = heapq.heappop(self._entries)
        self.present = max(self.present, entry.at)
        if entry.action is not None:
            entry.action(self.present)


NO_ERROR: Final = "NoError"
STOPOVERS: Final = (Status.PREPARING, Status.AVAILABLE)
"""Intermediate statuses where §4.9 has no direct transition, such as a new transaction after
Finishing."""


@dataclass(slots=True, kw_only=True)
class Transaction:
    """A session, from the first offer of energy to the stop. Registers in whole Wh; `begun` in
    simulated seconds."""

    local_id: int
    connector: int
    id_tag: str
    begun: float
    began_offline: bool
    true_start_wh: int
    shown_start_wh: int
    entry: Entry
    parent_id_tag: str | None = None
    data: list[dict[str, Any]] = field(default_factory=list)
    """The readings for its StopTransaction (StopTxnSampledData, StopTxnAlignedData)."""
    moments: list[Moment] = field(default_factory=list)
    """The true values at the moments of `data`."""
    under_way: dict[int, Sent] = field(default_factory=dict)
    """The records of messages that are not acknowledged, by `id` of the message."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended and all its messages are acknowledged or discarded."""
        return self.entry.is_ended and not self.under_way


@dataclass(slots=True, eq=False)
class Connector:
    """One connector. Number 0 is the charger itself; nothing is ever plugged into it."""

    number: int
    meter: Meter
    status: Status = Status.AVAILABLE
    beneath: Status = Status.AVAILABLE
    """The status without the fault."""
    error_code: str = NO_ERROR
    reported: tuple[Status, str] | None = None
    """Status and error code as last reported; None if the central system may not have received
    them."""
    shown_wh: dict[str, int] = field(default_factory=dict)
    """The register of the last reading by configuration key, the start of the next interval, in
    Wh."""
    tag: tuple[str, str | None] | None = None
    """An accepted tag that waits for its cable, and the tag's parent."""
    transaction: Transaction | None = None
    is_finishing: bool = False
    is_reserved: bool = False
    is_offered: bool = True
    """Whether the charging profiles leave enough current to charge."""
    is_paused_by_vehicle: bool = False
    is_paused_by_charger: bool = False
    profile: dict[str, Any] | None = None
    """The charging profile of a remote start, for its transaction."""

    def __repr__(self) -> str:
        return (
            f"<Connector {self.number} {self.status} tag={self.tag} transaction={self.transaction}>"
        )

    @property
    def session_wh(self) -> int:
        """The true energy of the running transaction, in whole Wh; 0 if there is none."""
        if self.transaction is None:
            return 0
        return shown_wh(self.meter.register_wh) - self.transaction.true_start_wh

    def moment(self, at: float) -> Moment:
        """Return the true energy at the moment to which the meter was advanced, for the record of a
        message."""
        return Moment(at=at, delivered_wh=self.session_wh)

    @property
    def is_occupied(self) -> bool:
        return self.meter.is_plugged or self.tag is not None or self.transaction is not None

    @property
    def is_faulted(self) -> bool:
        return self.error_code != NO_ERROR

    def natural_status(self, *, is_operative: bool) -> Status:
        """Return the status that follows from the circumstances, without regard to faults."""
        if self.transaction is not None:
            return self._charging_status()
        if not is_operative and (self.beneath is Status.UNAVAILABLE or not self.is_occupied):
            return Status.UNAVAILABLE
        if self.tag is not None:
            return Status.PREPARING
        if self.is_finishing:
            return Status.FINISHING
        if self.is_reserved:
            return Status.RESERVED
        return Status.PREPARING if self.is_occupied else Status.AVAILABLE

    def is_closed(self, natural: Status) -> bool:
        """Return whether its contactor is closed: while it charges, and until its vehicle has
        followed a pause."""
        is_pausing = (
            natural is Status.SUSPENDED_EVSE
            and not self.is_paused_by_charger
            and self.meter.is_following
        )
        return (natural is Status.CHARGING or is_pausing) and not self.is_faulted

    def move(self, natural: Status) -> Iterator[Status]:
        """Change to the derived status by the transitions of §4.9, and yield each step; none
        without a change."""
        self.beneath = natural
        to = Status.FAULTED if self.is_faulted else natural
        if to is self.status:
            return
        moves = MOVES if self.number else CHARGER_MOVES
        stopovers = [
            stop for stop in STOPOVERS if stop in moves[self.status] and to in moves.get(stop, ())
        ]
        for step in (to,) if to in moves[self.status] else (*stopovers[:1], to):
            check_move(self.number, self.status, step)
            self.status = step
            yield step

    def _charging_status(self) -> Status:
        if (
            not self.meter.is_plugged
            or self.is_paused_by_vehicle
            or self.meter.is_full
            or self.meter.has_given_up
        ):
            return Status.SUSPENDED_EV
        if self.is_paused_by_charger or not self.is_offered:
            return Status.SUSPENDED_EVSE
        return Status.SUSPENDED_EV if self.meter.is_offered_too_little else Status.CHARGING


Payload = dict[str, Any]
Frame = tuple[str, Payload]
"""Action and payload of a CALL."""
Then = Callable[[Any, float], None]
"""Gets the response, an object of `ocpp.v16.call_result`, or None without a readable one; and the
moment."""


@dataclass(slots=True)
class Request:
    """A request that is not kept over a disconnection."""

    action: str
    payload: Payload
    then: Then
    behind: int
    """The number of transaction messages that were queued before it and leave before it."""
    is_foreign: bool = False
    """From `demand.send`: quirks do not apply, and `then` gets the response frame."""


@dataclass(slots=True, eq=False)
class Outgoing:
    """A CALL to send now. `frames` leave one after the other; the charger waits for the response to
    the last."""

    frames: list[Frame]
    item: Request | Message


class Outbox:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._requests: deque[Request] = deque()
        self._held_until = 0.0
        self.under_way: Outgoing | None = None
        """The call that awaits its response."""

    @property
    def is_busy(self) -> bool:
        return self.under_way is not None

    @property
    def is_waiting(self) -> bool:
        """Whether something is queued and no call is under way."""
        return self.under_way is None and bool(self._requests or self._memory.messages)

    @property
    def is_done(self) -> bool:
        """Whether no response is awaited, and no transaction message is queued."""
        return self.under_way is None and not self._memory.messages

    def queue(
        self, frame: Frame, then: Then, *, is_urgent: bool = False, is_foreign: bool = False
    ) -> None:
        if is_urgent:
            self._requests.appendleft(Request(*frame, then, 0, is_foreign))
        else:
            self._requests.append(Request(*frame, then, len(self._memory.messages), is_foreign))

    def keep(self, message: Message) -> None:
        self._memory.messages.append(message)

    def waits(self, action: str) -> bool:
        """Return whether a request of this action is queued or under way."""
        item = None if self.under_way is None else self.under_way.item
        return any(
            isinstance(one, Request) and one.action == action for one in [item, *self._requests]
        )

    def next(self, at: float, *, may_send: bool) -> Request | Message | None:
        """Return what to send now. Transaction messages need `may_send` and must not be held for a
        retry."""
        if self.is_busy:
            return None
        message = self.head if may_send and at >= self._held_until else None
        if self._requests and (message is None or self._requests[0].behind <= 0):
            return self._requests.popleft()
        return message

    def close(self, outgoing: Outgoing) -> bool:
        """Stop waiting for a response. Return False if it comes too late: the call was lost with
        its connection."""
        if self.under_way is not outgoing:
            return False
        self.under_way = None
        return True

    @property
    def head(self) -> Message | None:
        """The oldest transaction message that is not acknowledged."""
        return self._memory.messages[0] if self._memory.messages else None

    @property
    def held_until(self) -> float | None:
        """When the next attempt is due; None if no transaction message is queued."""
        return self._held_until if self._memory.messages else None

    def answered(self, message: Message) -> None:
        self._memory.messages.remove(message)
        self._held_until = 0.0
        for request in self._requests:
            request.behind -= 1

    def failed(self, message: Message, at: float, attempts: int, interval_seconds: float) -> bool:
        """Count a failed attempt. Return True if it was the last one and the message is
        discarded."""
        message.attempts += 1
        if message.attempts < attempts:
            self._held_until = at + interval_seconds * message.attempts
            return False
        self.answered(message)
        return True

    def drop_unanswered(self) -> list[Request]:
        """Drop all requests after a disconnection and return them. Transaction messages stay."""
        under_way, self.under_way = self.under_way, None
        item = None if under_way is None else under_way.item
        return [*([item] if isinstance(item, Request) else []), *self.drop_unsent()]

    def drop_unsent(self) -> list[Request]:
        """Drop the requests that were not sent yet, and return them."""
        dropped, self._requests = list(self._requests), deque()
        return dropped


Loaded = Callable[[bytes | None, float], None]
"""Gets the content (for an upload: the response body) or None on failure, and the moment."""
Profile = dict[str, Any]
"""A csChargingProfiles object in wire form."""


@record(kw_only=False)
class Download:
    url: str
    then: Loaded


@record(kw_only=False)
class Upload:
    url: str
    name: str
    content: bytes
    then: Loaded


@record(kw_only=False)
class ConnectionEffect:
    """Act on the connection. `kind` is `close` (in order), `drop`, `half-close` or `freeze` (stop
    reading and sending).

    No new connection is opened for `seconds`, simulated; a half-closed or frozen one stays as it is
    meanwhile.
    """

    kind: str
    seconds: float


@record(kw_only=False)
class SendText:
    text: str


Effect = Download | Upload | ConnectionEffect | SendText


class Stage(StrEnum):
    """The state of a firmware update, as in FirmwareStatusNotification (§7.25, security whitepaper
    L01)."""

    IDLE = "Idle"
    DOWNLOADING = "Downloading"
    DOWNLOADED = "Downloaded"
    DOWNLOAD_FAILED = "DownloadFailed"
    VERIFIED = "SignatureVerified"
    INVALID = "InvalidSignature"
    SCHEDULED = "InstallScheduled"
    INSTALLING = "Installing"
    REBOOTING = "InstallRebooting"
    INSTALLED = "Installed"
    NOT_INSTALLED = "InstallationFailed"


_AFTER_POWER_CUT: Final = {
    Stage.DOWNLOADING: Stage.IDLE,
    Stage.INSTALLING: Stage.NOT_INSTALLED,
    Stage.REBOOTING: Stage.INSTALLED,
}
"""A download starts over. An installation fails, unless it had finished."""


@dataclass(slots=True, eq=False)
class Update:
    """A firmware update. `request_id`, signature and certificate come from SignedUpdateFirmware
    only."""

    location: str
    retrieve: str
    retries: int
    retry_seconds: float
    install: str | None = None
    request_id: int | None = None
    signature: str = ""
    certificate: str = ""


@record(kw_only=False)
class Progress:
    stage: Stage = Stage.IDLE
    update: Update | None = None

    def after_power_cut(self) -> Progress:
        """Return the state after a power cut. The update is a copy, so that a download under way
        finds no taker."""
        update = None if self.update is None else replace(self.update)
        return Progress(_AFTER_POWER_CUT.get(self.stage, self.stage), update)


@dataclass(slots=True, eq=False)
class UploadJob:
    """An upload of diagnostics, or of a log if it has a `request_id`."""

    location: str
    name: str
    retries: int
    retry_seconds: float
    request_id: int | None = None


class Impossible(ValueError):
    """This charger cannot do that now; the text gives the reason."""


@dataclass
class Quirk:
    """One way to misbehave; a subclass overrides the hooks that it needs. Each default is what an
    honest charger does.

    A quirk never changes the truth (the meter, the ledger). It changes what a charger sends, how
    and when, and how it obeys charging profiles.
    """

    name: ClassVar[str]
    does: ClassVar[str]
    seen_in: ClassVar[str]
    """The real chargers that do it."""
    offers_subprotocol = True
    answers_pings = True
    keys: ClassVar[Keys] = MappingProxyType({})
    """Its configuration keys that differ from those of an honest charger."""
    lacks: ClassVar[frozenset[str]] = frozenset()
    """Actions of the central system that it does not support."""

    random: Random

    def power_on(self, charger: State, at: float) -> None:
        """Called after power-on; a quirk plans its actions on the agenda."""

    def accepted(self, charger: State, at: float) -> None:
        """Called when the first boot after power-on is accepted, before the statuses are sent."""

    def power_cut(self, charger: State) -> None:
        """Called when the power is lost, not when the charger restarts in order."""

    def disconnected(self, charger: State, at: float) -> None:
        """Called when the connection has ended."""

    def clock(self, moment: datetime) -> datetime:
        """Return the time that the charger reports, and by which it follows charging profiles, for
        this one."""
        return moment

    def received(self, _charger: State, profile: Profile, _at: float) -> Profile | None:
        """Return the profile to install for this one, None to reject it."""
        return profile

    def profiles_changed(self, charger: State, at: float) -> None:
        """Called when a profile was installed, or some were cleared."""

    def heeded(
        self, _charger: State, _connector: Connector, kept: Sequence[Kept]
    ) -> Sequence[Kept]:
        """Return the installed profiles by which the charger limits a transaction."""
        return kept

    def offered(self, _charger: State, limit: Limit | None) -> Limit | None:
        """Return the limit by which a vehicle is charged, for that of the profiles; None for
        none."""
        return limit

    def shown(self, _charger: State, _connector: Connector, wh: int, _at: float) -> int:
        """Return the register to report for this one, in Wh."""
        return wh

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        """Called after a reading of this transaction is queued."""

    def ended(self, charger: State, transaction: Transaction, at: float) -> None:
        """Called after the StopTransaction of this transaction is queued."""

    def loses(self, _action: str, _transaction: Transaction) -> bool:
        """Return whether this message of a transaction is lost before it is queued. Called once for
        each message."""
        return False

    def replies(self, text: str) -> Sequence[tuple[float, str]]:
        """Return the frames to send for this response to a call, each with its delay in simulated
        seconds."""
        return ((0.0, text),)

    def payload(self, _action: str, payload: Payload, _transaction: Transaction | None) -> Payload:
        """Return the payload to send; a copy if it is changed."""
        return payload

    def ahead(self, _frame: Frame) -> Sequence[Frame]:
        """Return frames to send before this one, without waiting for their responses."""
        return ()

    def last(self, frame: Frame) -> Frame:
        """Return the frame to send last; the charger waits for its response."""
        return frame


class Quirks(tuple[Quirk, ...]):
    """All quirks of one charger, which act together at each hook, in this order."""

    __slots__ = ()

    @property
    def offers_subprotocol(self) -> bool:
        return all(quirk.offers_subprotocol for quirk in self)

    @property
    def answers_pings(self) -> bool:
        return all(quirk.answers_pings for quirk in self)

    @property
    def keys(self) -> Keys:
        return {name: key for quirk in self for name, key in quirk.keys.items()}

    @property
    def lacks(self) -> frozenset[str]:
        return frozenset(action for quirk in self for action in quirk.lacks)

    def frames(self, frame: Frame, transaction: Transaction | None) -> list[Frame]:
        action, payload = frame
        for quirk in self:
            payload = quirk.payload(action, payload, transaction)
        last = action, payload
        frames = [sent for quirk in self for sent in quirk.ahead(last)]
        for quirk in self:
            last = quirk.last(last)
        return [*frames, last]

    def replies(self, text: str) -> Sequence[tuple[float, str]]:
        replies = [(0.0, text)]
        for quirk in self:
            replies = [
                (wait + more, other)
                for wait, reply in replies
                for more, other in quirk.replies(reply)
            ]
        return replies


@dataclass(slots=True)
class Tally:
    """Counts of one charger's calls and of the responses to them."""

    sent: int = 0
    answered: int = 0
    refused: int = 0
    """Answered with a CALLERROR."""
    unanswered: int = 0
    unreadable: int = 0
    """Answered with an invalid CALLRESULT; also malformed frames."""
    discarded: int = 0
    """Transaction messages thrown away after TransactionMessageAttempts (OCPP 1.6 §3.7.1): lost
    money."""


class State:
    """All state of one charger. `at` is always in simulated seconds since the simulation began."""

    def __init__(
        self, spec: ChargerSpec, memory: Memory, quirks: Quirks, clock_slack_seconds: float
    ) -> None:
        # Type plate, non-volatile memory
        self.spec = spec
        self.memory = memory
        self.quirks = quirks
        is_secured = spec.security_profile or spec.password is not None
        factory = {
            "SecurityProfile": str(spec.security_profile),
            "AuthorizationKey": spec.password or "",
        }
        defaults = factory if is_secured else {}
        self.configuration = Configuration(
            memory.configuration, spec.connectors, defaults, {**quirks.keys, **meter_keys(spec)}
        )
        self.tags = Tags(memory, self.configuration)
        self.reservations = Reservations(memory.reservations, spec.connectors)
        integer = self.configuration.integer
        self.profiles = Profiles(
            memory.profiles,
            phases=spec.phases,
            max_periods=integer("ChargingScheduleMaxPeriods"),
            max_stack_level=integer("ChargeProfileMaxStackLevel"),
            max_installed=integer("MaxChargingProfilesInstalled"),
        )
        # Time
        self.clock = ChargerClock(clock_slack_seconds)
        self.agenda = Agenda()
        # Connection to the central system
        self.is_on = self.is_linked = self.is_offline = False
        self.registration: str | None = None
        """The status of the last BootNotification.conf since power-on."""
        self.outbox = Outbox(memory)
        # Activity
        supply = Supply(spec.power_type, spec.phases, spec.max_current_a, spec.max_power_w)
        self.connectors = [
            Connector(number, Meter(supply, wh)) for number, wh in enumerate(memory.registers)
        ]
        """Connector 0 is the charger itself."""
        self.transactions: dict[int, Transaction] = {}
        """Transactions with messages still to send or to acknowledge, by local id."""
        self.firmware = Progress()
        self.uploads: dict[str, UploadJob] = {}
        """Those under way, of diagnostics and of a log. A newer one replaces the older."""
        self.forced_answers: dict[str, str] = {}
        """Forced status or error code by action; see operations.force_answer."""
        self.when_idle: Action | None = None
        """Runs as soon as no transaction is open."""
        # Records
        self.ledger: list[LedgerEntry] = []
        self.tally = Tally()
        self.served = 0
        """The number of the central system's calls."""
        self.frames: deque[tuple[float, str, str]] | None = None
        """The last frames, if they are recorded: moment, `send` or `recv`, text."""
        # For the shell
        self.effects: list[Effect] = []
        self.on_change: Callable[[], None] = lambda: None
        """Set by a shell."""

    def __repr__(self) -> str:
        return f"<Charger {self.spec.id} on={self.is_on} linked={self.is_linked} {self.connectors}>"

    @property
    def wants_link(self) -> bool:
        return self.is_on and not self.is_offline

    def has(self, number: int) -> bool:
        """Whether it has a connector of this number; 0 is the charger itself."""
        return 0 <= number < len(self.connectors)

    @property
    def phase(self) -> str:
        """How far it is: off, offline (set so), connecting, booting (not accepted yet) or
        accepted."""
        if not self.is_on:
            return "off"
        if self.is_offline:
            return "offline"
        if not self.is_linked:
            return "connecting"
        return "accepted" if self.may_send else "booting"

    @property
    def may_send(self) -> bool:
        """Whether it is connected and accepted, so that it may send any message (§4.2)."""
        return self.is_linked and self.registration == ACCEPTED

    def shown_time(self, at: float) -> datetime:
        """What its clock shows. A quirk may falsify it; all but charging profiles still goes by the
        real clock."""
        moment = self.clock.read(at)
        for quirk in self.quirks:
            moment = quirk.clock(moment)
        return moment

    def timestamp(self, at: float) -> str:
        """The timestamp to send for a moment."""
        return wire_time(self.shown_time(at))

    def began(self, transaction: Transaction | None, at: float) -> datetime | None:
        """When a transaction began, by what its clock shows now: seconds since then are right with
        a wrong clock, too.

        None without a transaction.
        """
        if transaction is None:
            return None
        return self.shown_time(at) - (self.clock.read(at) - self.clock.read(transaction.begun))

    def install(
        self, connector: int, profile: Profile, transaction_id: int | None, at: float
    ) -> str:
        """Install a charging profile; see `Profiles.install`."""
        changed: Profile | None = profile
        for quirk in self.quirks:
            changed = None if changed is None else quirk.received(self, changed, at)
        if changed is None:
            return REJECTED
        status = self.profiles.install(connector, changed, transaction_id, self.shown_time(at))
        if status == ACCEPTED:
            self.profiles_changed(at)
        return status

    def profiles_changed(self, at: float) -> None:
        for quirk in self.quirks:
            quirk.profiles_changed(self, at)

    def id_to_send(self, local_id: int) -> int:
        """Return the central system's id of a transaction; our own negative one while its start is
        not acknowledged."""
        return self.memory.transaction_ids.get(str(local_id), local_id)

    def send_if_allowed(
        self, request: Any, then: Then | None = None, *, is_asked_for: bool = False
    ) -> bool:
        """Queue a request if the charger may send it now; otherwise drop it and return False.

        Before it is accepted, a charger sends only what the central system asked for (§4.2).
        """
        may_send = self.may_send or (is_asked_for and self.is_linked)
        if may_send:
            self.queue(request, then or (lambda *_: None))
        return may_send

    def queue(self, request: Any, then: Then, *, is_urgent: bool = False) -> None:
        """Queue a request; `then` gets the response."""
        self.outbox.queue(
            (type(request).__name__, write_payload(request)), then, is_urgent=is_urgent
        )

    def do(self, effect: Effect) -> None:
        """Queue an effect for the shell."""
        self.effects.append(effect)
        self.on_change()

    def act_on_connection(self, kind: str, seconds: float = 0.0) -> None:
        """Queue an effect on the connection; see `ConnectionEffect`."""
        self.do(ConnectionEffect(kind, seconds))


def meter_keys(spec: ChargerSpec) -> dict[str, Key]:
    """Return the configuration keys that tell the public key of each connector's meter, in hex of
    DER; none if its meters do not sign."""
    if not spec.signing_seed:
        return {}
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - see above

    keys = {}
    for connector in range(1, spec.connectors + 1):
        public = _key(spec, connector).public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        name = f"MeterPublicKey{connector}"
        keys[name] = Key(name, der.hex())
    return keys


def signed(spec: ChargerSpec, connector: int, payload: str) -> str:
    """Return the record with a payload, as the meter of a connector signs it."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    signature = _key(spec, connector).sign(payload.encode(), ECDSA(SHA256())).hex()
    return f'OCMF|{payload}|{{"SA":"ECDSA-secp256r1-SHA256","SD":"{signature}"}}'


def _key(spec: ChargerSpec, connector: int) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - see above

    digest = sha256(f"{spec.signing_seed}:{spec.id}:{connector}".encode()).digest()
    return ec.derive_private_key(int.from_bytes(digest[1:], "big"), ec.SECP256R1())
