"""What words of programs are called in the interface: the states of connectors, how far a command is, and how the
figure of a session was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple


class State(NamedTuple):
    """A state as a word, of a kind that has a mark and a colour: good, busy, look, broken, away or quiet."""

    kind: str
    word: str


UNKNOWN: Final = State("quiet", "–")
STATES: Final[Mapping[str, State]] = {
    "Available": State("quiet", "Available"),
    "Preparing": State("busy", "Cable in"),
    "Charging": State("good", "Charging"),
    "SuspendedEV": State("busy", "Paused by car"),
    "SuspendedEVSE": State("busy", "Paused by charger"),
    "Finishing": State("busy", "Finishing"),
    "Reserved": State("busy", "Reserved"),
    "Unavailable": State("away", "Unavailable"),
    "Faulted": State("broken", "Faulted"),
}
ANSWERS: Final[Mapping[str, str]] = {
    "queued": "waits for the charger",
    "accepted": "accepted",
    "rejected": "the charger refused",
    "error": "the charger answered with an error",
    "timed out": "the charger did not answer",
    "gone": "the connection ended before an answer",
    "expired": "never sent",
    "cancelled": "cancelled",
}
ENDS: Final[Mapping[str, str]] = {
    "RemoteStartTransaction": "charging",
    "RemoteStopTransaction": "ended",
    "Reset": "restarted",
    "UnlockConnector": "released",
}
"""What came of a command that was fulfilled."""
METHODS: Final[Mapping[str, str]] = {
    "register": "from the registers at its start and its end",
    "segments": "from its readings, part by part",
    "session readings": "from readings that count from 0",
    "rollover": "from a meter that passed its highest number",
    "scaled": "from readings in another unit",
    "corrected": "as somebody corrected it",
    "imported": "as the earlier system said",
}
"""How the energy of a session was found."""
FAILED: Final = frozenset({"rejected", "error", "timed out", "gone", "expired", "contradicted", "not seen"})


def state_of(status: str | None) -> State:
    """Return the state that a status means. One that is none of OCPP's is shown as it was sent."""
    if status in (None, "", "Unknown"):
        return UNKNOWN
    return STATES.get(status, State("look", status))


def method(name: str | None) -> str:
    """Return how a figure was found."""
    return METHODS.get(name or "", name or "")


def steps(command: Mapping[str, Any]) -> list[str]:
    """Return how far a command is: sent, accepted, what came of it."""
    return [*_steps(command)]


def has_failed(command: Mapping[str, Any]) -> bool:
    """Whether a command did not do what it was sent for."""
    return command["state"] in FAILED or command["outcome"] in FAILED


def _steps(command: Mapping[str, Any]) -> Iterator[str]:
    state, outcome = command["state"], command["outcome"]
    if state not in ("queued", "expired", "cancelled"):
        yield "sent"
    if state in ANSWERS:
        yield ANSWERS[state]
    match outcome:
        case "fulfilled":
            yield ENDS.get(command["action"], "done")
        case "contradicted":
            yield command["outcome_words"] or "it did otherwise"
        case "not seen":
            yield "nothing came of it"
        case _ if state == "sent" or (state, outcome) == ("accepted", "pending"):
            yield "…"
