"""Registration: which chargers are served, which wait for a person, and which are refused (OCPP 1.6
§4.2).

A person adopts or refuses a charger; the mode of the server says what becomes of the others, the
newcomers. A refusal holds in every mode.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.access.admission import network_of
from levity_trio.events import (
    ChargerAdopted,
    ChargerConnected,
    ChargerHidden,
    ChargerRefused,
    ChargerShown,
    Event,
    TransactionStarted,
)
from levity_trio.told import Told

NEWCOMERS: Final = 100
"""Maximum number of newcomers under Mode.ASK. Each has rows of its own, and anybody in the network
can invent one."""
NEW_A_DAY: Final = 5_000
"""New identities that one network may bring in a day while others must make room for them. Their
rows stay."""


class Mode(StrEnum):
    """What becomes of newcomers (--registration): they are served, they wait, or their handshake is
    refused."""

    OPEN = "open"
    ASK = "ask"
    CLOSED = "closed"


class Decision(StrEnum):
    """What a person decided about a charger; a newcomer is undecided."""

    NEWCOMER = "newcomer"
    ADOPTED = "adopted"
    REFUSED = "refused"


class Status(StrEnum):
    """OCPP's RegistrationStatus (§7.36)."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


WAIT_SECONDS: Final = {Status.PENDING: 120, Status.REJECTED: 900}
"""The wait until the next BootNotification. An adopted charger that knows no TriggerMessage is
served after it; each boot is a row, below the daily ceiling."""
FORBIDDEN: Final = frozenset({"RemoteStartTransaction", "RemoteStopTransaction"})
"""What a pending charger may not be asked (§4.2)."""


def objection(status: Status, action: str) -> str | None:
    """Return why a charger of this status may not be sent a CALL, None if it may."""
    if status is Status.REJECTED:
        return Told("it is refused, so it is sent nothing; adopt it first")
    if status is Status.PENDING and action in FORBIDDEN:
        return Told(
            "it waits to be adopted, and no charging is started or stopped before; adopt it first"
        )
    return None


class Stranger(NamedTuple):
    """A charger that nobody adopted or named, and of which nothing shows that it charged; the
    address of its last connection."""

    id: str
    is_connected: bool
    last_seen_at: str
    address: str


def who_makes_room(strangers: Sequence[Stranger]) -> str | None:
    """Return which stranger is hidden for a new one, None if there is none.

    One that is away goes before one that is connected, because a charger that a person is about to
    adopt waits on its connection; then one of the network that brought the most, so that whoever
    invents many makes room himself; then the one that was not seen for the longest time.
    """
    networks = [network_of(one.address) for one in strangers]
    brought = Counter(networks)
    ranked = sorted(
        (one.is_connected, -brought[network], one.last_seen_at, one.id)
        for one, network in zip(strangers, networks, strict=True)
    )
    return ranked[0][-1] if ranked else None


class Registrations:
    """The registration of each charger, in memory. It follows the facts of the chargers and of the
    decisions.

    `known` are the chargers with a row that are not hidden; `decided` what a person decided about
    some of them, also about hidden ones; `has_charged` those with a transaction, `bare` those whose
    only one may have no energy.
    """

    def __init__(
        self,
        mode: Mode,
        known: set[str],
        decided: dict[str, Decision],
        has_charged: Collection[str] = (),
        bare: Collection[str] = (),
    ) -> None:
        self.mode = mode
        self._known = known
        self._decided = decided
        self._has_charged = has_charged
        self._bare = set(bare)
        self._new: Counter[str] = Counter()
        """The new identities of this day by network."""
        self._day = ""

    def __repr__(self) -> str:
        return f"<Registrations {self.mode} known={len(self._known)} decided={len(self._decided)}>"

    def status(self, charger: str) -> Status:
        """Return the status of a charger."""
        decision = self._decided.get(charger)
        if decision is Decision.REFUSED:
            return Status.REJECTED
        return (
            Status.ACCEPTED
            if decision is Decision.ADOPTED or self.mode is Mode.OPEN
            else Status.PENDING
        )

    @property
    def newcomer_status(self) -> Status:
        """The status of newcomers."""
        return Status.ACCEPTED if self.mode is Mode.OPEN else Status.PENDING

    def is_registered(self, charger: str) -> bool:
        """Whether a person created or adopted this charger."""
        return self._decided.get(charger) is Decision.ADOPTED

    def count_newcomers(self) -> int:
        """Return the number of newcomers that are not hidden."""
        return len(self._known - self._decided.keys())

    @property
    def no_room(self) -> str:
        """Why a new charger finds no room."""
        if self.mode is Mode.ASK:
            return Told("{1} newcomers are waiting; adopt, refuse or forget some", NEWCOMERS)
        return Told("the limit on chargers is reached (--max-chargers)")

    def why_no_room(self, max_chargers: int, address: str) -> str | None:
        """Return why a new charger at this address finds no room, None if there is room or a
        stranger can make it."""
        is_asking = self.mode is Mode.ASK
        if (self.count_newcomers() < NEWCOMERS) if is_asking else (len(self._known) < max_chargers):
            return None
        if self._new[network_of(address)] >= NEW_A_DAY:
            return Told(
                "{1}; {2} new identities came from its network today", self.no_room, NEW_A_DAY
            )
        strangers = self._known - self._decided.keys() if is_asking else self._known
        charged = set(self._has_charged) - self._bare
        can_make = any(not self.is_registered(one) and one not in charged for one in strangers)
        return None if can_make else self.no_room

    def observe(self, event: Event) -> None:
        """Follow a fact that was committed."""
        match event:
            case ChargerAdopted(charger=str(charger)):
                self._decided[charger] = Decision.ADOPTED
                self._known.add(charger)
            case ChargerConnected(charger=str(charger), is_new=True, at=at, remote_address=address):
                self._known.add(charger)
                self._count_new(at[:10], network_of(address))
            case ChargerRefused(charger=str(charger)):
                self._decided[charger] = Decision.REFUSED
            case ChargerHidden(charger=str(charger)):
                self._known.discard(charger)
            case ChargerShown(charger=str(charger)):
                self._known.add(charger)
            case TransactionStarted(charger=str(charger)):
                (self._bare.discard if charger in self._has_charged else self._bare.add)(charger)

    def _count_new(self, day: str, network: str) -> None:
        if day != self._day:
            self._day = day
            self._new.clear()
        self._new[network] += 1
