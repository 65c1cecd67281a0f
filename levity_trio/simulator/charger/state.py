"""The state of one charger: all data that its modules share, the hooks of its quirks, and the
effects for the shell.

The other modules of this package are functions of the state, in layers: a function calls only those
of lower layers. An action of a higher layer goes on the agenda or into `when_idle`. The shell
carries out the effects, which need I/O.

One connector: its cable, tag and transaction, and the status derived from them (§4.9).

Code never sets a status. It is derived from cable, tag, transaction, fault, availability and
reservation, and each change is checked against the table of transitions.

The outgoing queues of one charger, which sends one CALL at a time (OCPP-J 1.6 §4.1.1).

Transaction messages are kept in order, over outages and power cuts, until they are acknowledged.
One that the central system refuses or does not answer is retried by TransactionMessageAttempts and
TransactionMessageRetryInterval and then discarded (§3.7.1), which costs a bill. All other requests
are sent once, and dropped with the connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from random import Random
from types import MappingProxyType
from typing import Any, ClassVar, Final

from levity_trio.records import record
from levity_trio.simulator.charger.agenda import Action, Agenda, ChargerClock
from levity_trio.simulator.charger.configuration import ACCEPTED, REJECTED, Configuration, Keys
from levity_trio.simulator.charger.profiles import Kept, Profiles
from levity_trio.simulator.charger.signing import meter_keys
from levity_trio.simulator.charger.spec import ChargerSpec, Memory, Message
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
from levity_trio.wire.payloads import write_payload
from levity_trio.wire.times import wire_time

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
