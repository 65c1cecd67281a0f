"""Commands and facts for the tests of outcomes, at seconds after the command was sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from levity_trio.operations import OPERATIONS, check
from levity_trio.operations.operation import OperationOutcome, OutcomeState, SentCommand, follow
from levity_trio.operations.seen import ReadingSeen, Seen, StatusSeen

SENT = datetime(2030, 1, 31, 22, tzinfo=UTC)
ACCEPTED = {"status": "Accepted"}


def at(seconds: float) -> datetime:
    return SENT + timedelta(seconds=seconds)


def asked(
    action: str, values: dict[str, Any], answer: dict[str, Any] | None = None, **known: Any
) -> SentCommand:
    """A command that was answered after 1 s, or not yet."""
    answered_at = None if answer is None else at(1)
    payload = check(OPERATIONS[action], values)
    return SentCommand(
        action=action,
        payload=payload,
        sent_at=SENT,
        answered_at=answered_at,
        answer=answer,
        **known,
    )


def outcome(command: SentCommand, facts: Sequence[Seen] = (), now: float = 60) -> OperationOutcome:
    rule = OPERATIONS[command.action].outcome
    assert rule is not None
    assert {type(fact) for fact in facts} <= set(rule.reads), "the store would not load these"
    return follow(rule, command, facts, at(now))


def state(command: SentCommand, facts: Sequence[Seen] = (), now: float = 60) -> OutcomeState:
    return outcome(command, facts, now).state


def status(seconds: float, connector: int, word: str) -> StatusSeen:
    return StatusSeen(at(seconds), connector, word)


def current(
    seconds: float, amperes: float, phase: str = "", connector: int = 1, transaction: int = 5
) -> ReadingSeen:
    return ReadingSeen(at(seconds), connector, transaction, "Current.Import", amperes, "A", phase)


def power(
    seconds: float, value: float, unit: str = "W", phase: str = "", connector: int = 1
) -> ReadingSeen:
    return ReadingSeen(at(seconds), connector, 5, "Power.Active.Import", value, unit, phase)
