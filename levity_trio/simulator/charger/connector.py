"""One connector: what is plugged in, whose session it is, and the status that follows from that (§4.9).

A status is never set: it follows from the circumstances (a cable, a tag, a transaction, a fault, an availability, a
reservation), and each change is checked against the table of moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from levity_trio.simulator.charger.transaction import Transaction
from levity_trio.simulator.model.meter import Meter
from levity_trio.simulator.model.states import CHARGER_MOVES, MOVES, Status, check_move

NO_ERROR: Final = "NoError"
STOPOVERS: Final = (Status.PREPARING, Status.AVAILABLE)
"""Where a way leads over that §4.9 does not know in one: a new session after Finishing, the end of a use."""


class Connector:
    """Connector `number`; 0 is the charger itself, without a meter of its own that anything is plugged into."""

    __slots__ = (
        *("beneath", "error_code", "is_finishing", "is_offered", "is_paused_by_charger", "is_paused_by_vehicle"),
        *("is_reserved", "meter", "number", "profile", "shown_wh", "status", "tag", "told", "transaction"),
    )

    def __init__(self, number: int, meter: Meter) -> None:
        self.number = number
        self.meter = meter
        self.status = Status.AVAILABLE
        self.beneath = Status.AVAILABLE
        """The status that it would have without its fault."""
        self.error_code = NO_ERROR
        self.told: tuple[Status, str] | None = None
        """Status and error code as they were told last; None where that may not have been heard."""
        self.shown_wh: dict[str, int] = {}
        """The register as the last reading of each kind showed it: an interval is counted from there."""
        self.tag: tuple[str, str | None] | None = None
        """A tag, with its parent, that was accepted and waits for its cable."""
        self.transaction: Transaction | None = None
        self.is_finishing = False
        self.is_reserved = False
        self.is_offered = True
        """Whether the limits leave enough to charge with."""
        self.is_paused_by_vehicle = False
        self.is_paused_by_charger = False
        self.profile: dict[str, Any] | None = None
        """The charging profile that a remote start brought for the transaction to come."""

    def __repr__(self) -> str:
        return f"<Connector {self.number} {self.status} tag={self.tag} transaction={self.transaction}>"

    @property
    def is_occupied(self) -> bool:
        """A cable, a tag or a transaction is here."""
        return self.meter.is_plugged or self.tag is not None or self.transaction is not None

    @property
    def is_faulted(self) -> bool:
        return self.error_code != NO_ERROR

    def begin_anew(self, *, is_operative: bool) -> None:
        """The power is back: nobody knows its status yet, and one that was put out of service still is (§4.9)."""
        self.told = None
        self.beneath = self.status = Status.AVAILABLE if is_operative else Status.UNAVAILABLE

    def natural_status(self, *, is_operative: bool) -> Status:
        """The status that follows from the circumstances, whatever its fault."""
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

    def move(self, natural: Status) -> Iterator[Status]:
        """Take the status that follows, by the moves of §4.9; gives each on the way, none where nothing changes."""
        self.beneath = natural
        to = Status.FAULTED if self.is_faulted else natural
        for step in self._way(to):
            check_move(self.number, self.status, step)
            self.status = step
            yield step

    def _way(self, to: Status) -> tuple[Status, ...]:
        if to is self.status:
            return ()
        moves = MOVES if self.number else CHARGER_MOVES
        if to in moves[self.status]:
            return (to,)
        over = (one for one in STOPOVERS if one in moves[self.status] and to in moves.get(one, ()))
        return (*([stop] if (stop := next(over, None)) else []), to)

    def _charging_status(self) -> Status:
        if not self.meter.is_plugged or self.is_paused_by_vehicle or self.meter.is_full:
            return Status.SUSPENDED_EV
        if self.is_paused_by_charger or not self.is_offered:
            return Status.SUSPENDED_EVSE
        return Status.CHARGING
