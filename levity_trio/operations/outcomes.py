"""What came of an operation: "Accepted" is only a charger's intention.

Each declaration has an OutcomeRule: a function that looks for the facts that fulfil or contradict
it, the kinds of facts that this function reads, and until when. The rules are pure functions of
stored facts, so a restarted server follows on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from levity_trio.operations.answers import status_of
from levity_trio.operations.seen import Seen
from levity_trio.records import record
from levity_trio.told import Moment, Told
from levity_trio.wire.times import wire_time

USUAL: Final = timedelta(seconds=120)
"""How long a charger may take for what it can do at once."""
TRANSFER: Final = timedelta(hours=24)
"""How long a transfer of a file may take, as long as the file's URL is valid, by which
whoever learns it gets the file."""
MAY_HAVE_ARRIVED: Final = frozenset({"sent", "accepted", "timed out", "gone"})
"""States of a command whose CALL the charger may have obeyed: an answer may also be lost, or
late."""


class OutcomeState(StrEnum):
    """What is known of the outcome."""

    PENDING = "pending"
    FULFILLED = "fulfilled"
    CONTRADICTED = "contradicted"
    NOT_SEEN = "not seen"


@record
class SentCommand:
    """A command that may have reached its charger, with a payload that `check` accepted: a raw call
    has no outcome.

    `answered_at` and `answer` are None while there is no CALLRESULT. The rest is what was known
    when the command was sent: `firmware` the charger's version, `statuses` by connector,
    `connector` the one concerned where the payload does not name it (that of a reservation or
    transaction), `transaction_began_at` of a transaction that a profile is for,
    `connection_timeout` the value of ConnectionTimeOut, `expects_file` whether the charger was
    given a URL of ours to send a file to.
    """

    action: str
    payload: Mapping[str, Any]
    sent_at: datetime
    answered_at: datetime | None = None
    answer: Mapping[str, Any] | None = None
    firmware: str | None = None
    statuses: Mapping[int, str] = field(default_factory=dict)
    connector: int | None = None
    transaction_began_at: datetime | None = None
    connection_timeout: timedelta | None = None
    expects_file: bool = False
    later: Mapping[str, datetime] = field(default_factory=dict)
    """When the first transfer after this one was sent, by action, unless the charger refused it."""

    @property
    def since(self) -> datetime:
        """The time from which the charger has to act: that of its answer, else that of sending."""
        return self.answered_at or self.sent_at

    @property
    def status(self) -> str | None:
        """The status of the answer."""
        return status_of(self.answer)


class OperationOutcome(NamedTuple):
    """What came of a command: `words` for people, the time of the deciding fact, its
    transaction."""

    state: OutcomeState
    words: str
    at: datetime | None = None
    transaction: int | None = None


Judge = Callable[[SentCommand, Sequence[Seen], bool], OperationOutcome | None]
"""Look at the facts since sending, in order of time. True means that the deadline has passed: last
chance to decide."""
Until = Callable[[SentCommand], datetime | None]


def usually(sent: SentCommand) -> datetime | None:
    """Wait for what the charger can do at once."""
    return sent.since + USUAL


class OutcomeRule(NamedTuple):
    """How an outcome is followed. `words` is for the manual; `until` returns None where there is no
    deadline."""

    words: str
    judge: Judge
    reads: tuple[type[Seen], ...]
    until: Until = usually


def follow(
    rule: OutcomeRule, sent: SentCommand, facts: Sequence[Seen], now: datetime
) -> OperationOutcome:
    """Return the outcome of a command as known at `now`.

    Facts may be in any order; those before the sending or after the deadline are ignored. It
    depends on its arguments alone, so that it may be asked again after each new fact, after a late
    answer and after a restart.
    """
    until = rule.until(sent)
    is_over = until is not None and now >= until
    known = [fact for fact in facts if sent.sent_at <= fact.at]
    if until is not None:
        known = [fact for fact in known if fact.at <= until]
    known.sort(key=lambda fact: fact.at)
    outcome = rule.judge(sent, known, is_over)
    if outcome is not None:
        return outcome
    if until is None or not is_over:
        return PENDING
    return OperationOutcome(
        OutcomeState.NOT_SEEN, Told("not seen until {1}", Moment(wire_time(until)))
    )


PENDING: Final = OperationOutcome(OutcomeState.PENDING, Told("not seen yet"))


def fulfilled(words: str, at: datetime | None, transaction: int | None = None) -> OperationOutcome:
    """Return an outcome that agrees with what was asked for."""
    return OperationOutcome(OutcomeState.FULFILLED, words, at, transaction)


def contradicted(
    words: str, at: datetime | None, transaction: int | None = None
) -> OperationOutcome:
    """Return an outcome against what was asked for."""
    return OperationOutcome(OutcomeState.CONTRADICTED, words, at, transaction)
