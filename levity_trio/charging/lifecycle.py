"""The life of a transaction as a table: state, cause, and the resulting step.

`TABLE` has a step for every state and cause, even if nothing follows, so that no WHERE clause
decides. `kind` is that of the row which the step adds to `tx_event`; None if it adds none. `just
manual` prints the table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Final

from levity_trio.charging.reviews import DISMISSIBLE
from levity_trio.records import record


class State(StrEnum):
    OPEN = "open"
    SUSPENDED = "suspended"
    """Open, but its charger booted or is away. It is not billed and may continue."""
    STOPPED = "stopped"
    """Closed by its charger, by its ID."""
    JOINED = "joined"
    """Closed by a stop of its charger without a usable ID, which was matched on other grounds."""
    CLOSED = "closed"
    """Closed by the system or by an operator."""
    IMPORTED = "imported"
    """History of another system, which nothing that happens here can change."""


class Cause(StrEnum):
    """What happens to a transaction, as stored in `tx_event.cause`."""

    START_REPEATED = "start repeated"
    SIGN = "sign of charging"
    BOOT = "boot"
    LOST = "connection lost"
    SERVER_ENDED = "the server ended"
    STOP_UNREADABLE = "its stop could not be read"
    AVAILABLE = "available"
    SILENCE = "silence"
    FREE = "available for minutes"
    NEXT_START = "next start"
    OPERATOR = "operator"
    JOINED_STOP = "stop without its id"
    STOP = "stop"
    RISE = "readings beyond its end"
    LATE_RISE = "readings beyond its end, after the next start"
    LATER = (
        "late readings within its stretch, what its neighbours tell, or what waited to be judged"
    )
    CONFIRMED = "an operator confirms its figure"
    CORRECTED = "an operator corrects its figure"
    STOP_ATTACHED = "an operator attaches a stop"
    READINGS_ATTACHED = "an operator attaches readings"
    DISMISSED = "an operator dismisses a review or a message"
    GIVEN = "an operator gives it to an account"
    TAKEN_BACK = "an operator takes it back from an account"


class Resolution(StrEnum):
    """What became of a review or of a message that was set aside, as stored in both tables."""

    CONFIRMED = "confirmed"
    CORRECTED = "corrected"
    DISMISSED = "dismissed"
    JUDGED_AGAIN = "judged again"
    REOPENED = "reopened"
    ANSWERED = "answered"
    ATTACHED = "attached"
    MADE = "made"


class Kind(StrEnum):
    """The kind of a row of `tx_event`."""

    START = "start"
    SUSPEND = "suspend"
    RESUME = "resume"
    CLOSE = "close"
    STOP = "stop"
    CONFLICTING_STOP = "conflicting stop"
    REOPEN = "reopen"
    REJUDGE = "rejudge"
    CONFIRM = "confirm"
    CORRECT = "correct"
    ATTACH = "attach"
    DISMISS = "dismiss"
    GIVE = "give"
    TAKE_BACK = "take back"
    IMPORT = "import"


@record(kw_only=False)
class Step:
    """The next state, and the row that records it."""

    state: State
    kind: Kind | None


# These lead to a state, …
_SUSPEND = Step(State.SUSPENDED, Kind.SUSPEND)
_RESUME = Step(State.OPEN, Kind.RESUME)
_CLOSE = Step(State.CLOSED, Kind.CLOSE)
_REOPEN = Step(State.OPEN, Kind.REOPEN)
_STOP = Step(State.STOPPED, Kind.STOP)
_JOIN = Step(State.JOINED, Kind.STOP)
# … and these keep it.
_CONFLICT, _REJUDGE, _ATTACH = Kind.CONFLICTING_STOP, Kind.REJUDGE, Kind.ATTACH
_CONFIRM, _CORRECT, _DISMISS = Kind.CONFIRM, Kind.CORRECT, Kind.DISMISS
_GIVE, _RETURN = Kind.GIVE, Kind.TAKE_BACK

_Cell = Step | Kind | None
_GRID: Final[tuple[tuple[Cause, _Cell, _Cell, _Cell, _Cell, _Cell], ...]] = (
    # cause                   open        suspended   stopped     joined      closed
    (Cause.START_REPEATED,    None,       _RESUME,    None,       None,       None),
    (Cause.SIGN,              None,       _RESUME,    None,       None,       None),
    (Cause.BOOT,              _SUSPEND,   None,       None,       None,       None),
    (Cause.LOST,              _SUSPEND,   None,       None,       None,       None),
    (Cause.SERVER_ENDED,      _SUSPEND,   None,       None,       None,       None),
    (Cause.STOP_UNREADABLE,   _SUSPEND,   None,       None,       None,       None),
    (Cause.AVAILABLE,         None,       _CLOSE,     None,       None,       None),
    (Cause.SILENCE,           None,       _CLOSE,     None,       None,       None),
    (Cause.FREE,              _CLOSE,     _CLOSE,     None,       None,       None),
    (Cause.NEXT_START,        _CLOSE,     _CLOSE,     None,       None,       None),
    (Cause.OPERATOR,          _CLOSE,     _CLOSE,     None,       None,       None),
    (Cause.JOINED_STOP,       _JOIN,      _JOIN,      None,       _CONFLICT,  _JOIN),
    (Cause.STOP,              _STOP,      _STOP,      _CONFLICT,  _STOP,      _STOP),
    (Cause.RISE,              None,       None,       _REJUDGE,   _REJUDGE,   _REOPEN),
    (Cause.LATE_RISE,         None,       None,       _REJUDGE,   _REJUDGE,   _REJUDGE),
    (Cause.LATER,             None,       None,       _REJUDGE,   _REJUDGE,   _REJUDGE),
    (Cause.CONFIRMED,         None,       None,       _CONFIRM,   _CONFIRM,   _CONFIRM),
    (Cause.CORRECTED,         None,       None,       _CORRECT,   _CORRECT,   _CORRECT),
    (Cause.STOP_ATTACHED,     _ATTACH,    _ATTACH,    None,       None,       _ATTACH),
    (Cause.READINGS_ATTACHED, _ATTACH,    _ATTACH,    _ATTACH,    _ATTACH,    _ATTACH),
    (Cause.DISMISSED,         _DISMISS,   _DISMISS,   _DISMISS,   _DISMISS,   _DISMISS),
    (Cause.GIVEN,             _GIVE,      _GIVE,      _GIVE,      _GIVE,      _GIVE),
    (Cause.TAKEN_BACK,        _RETURN,    _RETURN,    _RETURN,    _RETURN,    _RETURN),
)  # fmt: skip
"""The step for each cause and state. A kind alone, or None, keeps the state. Nothing happens to
imported ones."""

TABLE: Final[Mapping[tuple[State, Cause], Step]] = {
    (state, cause): cell if isinstance(cell, Step) else Step(state, cell)
    for cause, *cells in _GRID
    for state, cell in zip(State, (*cells, None), strict=True)
}


def state_of(status: str, is_suspended: bool, stopped_by: str | None) -> State:
    """Return the state for these columns of `tx`."""
    if status == "Active":
        return State.SUSPENDED if is_suspended else State.OPEN
    ended_by = {"charger": State.STOPPED, "joined": State.JOINED, "import": State.IMPORTED}
    return ended_by.get(stopped_by or "", State.CLOSED)


DECISIONS: Final = (
    *(Cause.OPERATOR, Cause.CONFIRMED, Cause.CORRECTED),
    *(Cause.STOP_ATTACHED, Cause.READINGS_ATTACHED, Cause.DISMISSED),
    *(Cause.GIVEN, Cause.TAKEN_BACK),
)
"""The causes that only an operator brings about."""


def stopped_by(state: State) -> str | None:
    """Return the column `stopped_by` for a state."""
    ended_by = {
        State.STOPPED: "charger",
        State.JOINED: "joined",
        State.CLOSED: "system",
        State.IMPORTED: "import",
    }
    return ended_by.get(state)


def rows() -> Iterator[tuple[State, Cause, Kind]]:
    """Yield the rows of the table that add a row to `tx_event`."""
    for (state, cause), step in TABLE.items():
        if step.kind is not None:
            yield state, cause, step.kind


# The decisions that an operator can make about what waits for review


class Answer(StrEnum):
    """A decision, as the API and the command line name it."""

    CLOSE = "close"
    CONFIRM = "confirm"
    CORRECT = "correct"
    ATTACH = "attach"
    MAKE = "make-transaction"
    DISMISS = "dismiss"


_SETTLING = (
    (Answer.CLOSE, Cause.OPERATOR),
    (Answer.CONFIRM, Cause.CONFIRMED),
    (Answer.CORRECT, Cause.CORRECTED),
)
_ATTACHED_AS = {"StopTransaction": Cause.STOP_ATTACHED, "MeterValues": Cause.READINGS_ATTACHED}


def about_transaction(state: State, codes: Collection[str]) -> tuple[Answer, ...]:
    """Return the answers for a transaction with open reviews of these codes."""
    settling = [answer for answer, cause in _SETTLING if TABLE[state, cause].kind is not None]
    return (*settling, *([Answer.DISMISS] if DISMISSIBLE.intersection(codes) else []))


def about_message(action: str, *, has_transaction: bool) -> tuple[Answer, ...]:
    """Return the answers for a message that was set aside."""
    attaching = [] if action not in _ATTACHED_AS else [Answer.ATTACH]
    is_new = action == "StopTransaction" and not has_transaction
    return (*attaching, *([Answer.MAKE] if is_new else []), Answer.DISMISS)


def takes(action: str, state: State) -> bool:
    """Whether a message can be attached to a transaction in this state."""
    cause = _ATTACHED_AS.get(action)
    return cause is not None and TABLE[state, cause].kind is not None
