"""One connector: its cable, tag and transaction, and the status derived from them (§4.9).

Code never sets a status. It is derived from cable, tag, transaction, fault, availability and
reservation, and each change is checked against the table of transitions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from levity_trio.simulator.ledger import Entry, Moment, Sent
from levity_trio.simulator.model.meter import Meter, shown_wh
from levity_trio.simulator.model.states import CHARGER_MOVES, MOVES, Status, check_move

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
