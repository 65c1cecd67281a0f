"""The course of what a driver asked for: sent → accepted → charging, or how far it came and why not further."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

QUEUED: Final = "queued"
UNSENT: Final = ("expired", "cancelled")
ENDS: Final[Mapping[str, str]] = {"start": "charging", "stop": "stopped"}


class Step(NamedTuple):
    """A step: `kind` is done, busy or broken."""

    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Course:
    """How far a command is."""

    steps: tuple[Step, ...]

    @property
    def is_done(self) -> bool:
        """Whether it did what it was sent for."""
        return self.steps[-1].kind == "done"

    @property
    def has_failed(self) -> bool:
        """Whether it ended otherwise."""
        return self.steps[-1].kind == "broken"

    @property
    def is_under_way(self) -> bool:
        """Whether more is to come."""
        return self.steps[-1].kind == "busy"


def course(command: Mapping[str, Any]) -> Course:
    """Return the course of a command."""
    return Course(tuple(_steps(command["state"], command["outcome"], command["action"])))


def _steps(state: str, outcome: str | None, action: str) -> Iterator[Step]:
    if state == QUEUED:
        yield Step("busy", "waits for the charger")
        return
    if state in UNSENT:
        yield Step("broken", "not sent")
        return
    yield Step("done", "sent")
    yield from _answer(state, outcome, action)


def _answer(state: str, outcome: str | None, action: str) -> Iterator[Step]:
    if outcome == "fulfilled":  # also where the answer was lost
        yield Step("done", "accepted")
        yield Step("done", ENDS[action])
    elif state == "sent":
        yield Step("busy", "waits for the answer")
    elif state != "accepted":
        yield Step("broken", "not accepted" if state == "rejected" else "no success")
    else:
        yield Step("done", "accepted")
        yield Step("busy", "…") if outcome in (None, "pending") else Step("broken", f"not {ENDS[action]}")
