"""How far a command is, in words: step by step for those who run a site, in few words on Now, and
for drivers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from levity_trio.locale import N_, _
from levity_trio.locale.texts import said
from levity_trio.records import record
from levity_trio.store.reads.chargers.charger_facts import Command
from levity_trio.store.reads.chargers.served import LastCommand


class ProgressStep(NamedTuple):
    """A step of a command: `kind` is done, busy, look or broken."""

    kind: str
    words: str
    at: str | None = None


_ENDS: Final[Mapping[str, tuple[str, str]]] = N_(
    {
        "error": ("broken", "the charger answered with an error"),
        "timed out": ("broken", "no answer in time"),
        "gone": ("broken", "the connection ended before the answer"),
        "expired": ("broken", "it was too late to send it"),
        "cancelled": ("look", "cancelled before it was sent"),
    }
)
_WITHOUT_WORDS: Final = N_({"fulfilled": "done", "contradicted": "the charger did something else"})
_OUTCOMES: Final = {"fulfilled": "done", "contradicted": "broken", "not seen": "look"}


def steps(command: Command) -> list[ProgressStep]:
    """Return the course of a command so far, in order."""
    return [*_sending(command), *_answer(command), *_outcome(command)]


def _sending(command: Command) -> Iterator[ProgressStep]:
    if command.sent_at is not None:
        yield ProgressStep("done", _("sent"), command.sent_at)
    elif command.state == "queued":
        yield ProgressStep("busy", _("waits for the charger"), command.requested_at)


def _answer(command: Command) -> Iterator[ProgressStep]:
    state, at = command.state, command.answered_at
    if state == "sent":
        yield ProgressStep("busy", _("waits for the answer"))
    elif state == "accepted":
        yield ProgressStep(
            "done", _("answered late") if command.is_late else _status(command) or _("accepted"), at
        )
    elif state == "rejected":
        yield ProgressStep(
            "broken",
            _(
                "refused by the charger (%(reason)s)",
                reason=_status(command) or _("no reason given"),
            ),
            at,
        )
    elif state in _ENDS:
        kind, words = _ENDS[state]
        details = " ".join(one for one in (command.error_code, command.error_description) if one)
        yield ProgressStep(kind, f"{_(words)}: {details}" if details else _(words), at)


def _status(command: Command) -> str:
    answer = command.answer
    status = answer.get("status") if isinstance(answer, Mapping) else None
    return "" if status is None else _(str(status).lower())


def _outcome(command: Command) -> Iterator[ProgressStep]:
    outcome = command.outcome
    if outcome == "pending":
        yield ProgressStep("busy", _("the result is not known yet"))
    elif outcome is not None:
        kind = _OUTCOMES.get(outcome, "look")
        words = said(command.outcome_words or "") or _(_WITHOUT_WORDS.get(outcome, outcome))
        words = _("not confirmed in time") if outcome == "not seen" else words
        yield ProgressStep(kind, words, command.outcome_at)


# For drivers

QUEUED: Final = "queued"
UNSENT: Final = ("expired", "cancelled")
DONE: Final[Mapping[str, str]] = N_({"start": N_("charging"), "stop": N_("stopped")})
"""What came of what a driver asked for."""


@record(kw_only=False)
class CommandProgress:
    """How far a command is."""

    steps: tuple[ProgressStep, ...]

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


def progress(state: str, outcome: str | None, action: str) -> CommandProgress:
    return CommandProgress(tuple(_driver_steps(state, outcome, action)))


def _driver_steps(state: str, outcome: str | None, action: str) -> Iterator[ProgressStep]:
    if state == QUEUED:
        yield ProgressStep("busy", _("waits for the charger"))
        return
    if state in UNSENT:
        yield ProgressStep("broken", _("not sent"))
        return
    yield ProgressStep("done", _("sent"))
    yield from _driver_answer(state, outcome, action)


def _driver_answer(state: str, outcome: str | None, action: str) -> Iterator[ProgressStep]:
    if outcome == "fulfilled":  # also where the answer was lost
        yield ProgressStep("done", _("accepted"))
        yield ProgressStep("done", _(DONE[action]))
    elif state == "sent":
        yield ProgressStep("busy", _("waits for the answer"))
    elif state != "accepted":
        yield ProgressStep("broken", _("not accepted") if state == "rejected" else _("no success"))
    else:
        yield ProgressStep("done", _("accepted"))
        yield (
            ProgressStep("busy", "…")
            if outcome in (None, "pending")
            else ProgressStep("broken", _("not %(done)s", done=_(DONE[action])))
        )


# In few words, on Now

ANSWERS: Final[Mapping[str, str]] = N_(
    {
        "queued": "waits for the charger",
        "accepted": N_("accepted"),
        "rejected": "the charger refused",
        "error": "the charger answered with an error",
        "timed out": "the charger did not answer",
        "gone": "the connection ended before an answer",
        "expired": "never sent",
        "cancelled": N_("cancelled"),
    }
)
ENDS: Final[Mapping[str, str]] = N_(
    {
        "RemoteStartTransaction": N_("charging"),
        "RemoteStopTransaction": N_("ended"),
        "Reset": N_("restarted"),
        "UnlockConnector": N_("released"),
    }
)
"""What came of a command that was fulfilled."""
FAILED: Final = frozenset(
    {"rejected", "error", "timed out", "gone", "expired", "contradicted", "not seen"}
)


def short_steps(command: LastCommand) -> list[str]:
    """Return the course of a command in few words: sent, accepted, what came of it."""
    return [*_short_steps(command)]


def has_failed(command: LastCommand) -> bool:
    """Whether a command did not do what it was sent for."""
    return command.state in FAILED or command.outcome in FAILED


def _short_steps(command: LastCommand) -> Iterator[str]:
    state, outcome = command.state, command.outcome
    if state not in ("queued", "expired", "cancelled"):
        yield _("sent")
    if state in ANSWERS:
        yield _(ANSWERS[state])
    match outcome:
        case "fulfilled":
            yield _(ENDS.get(command.action, N_("done")))
        case "contradicted":
            yield said(command.outcome_words or "") or _("the charger did something else")
        case "not seen":
            yield _("it had no effect")
        case _ if state == "sent" or (state, outcome) == ("accepted", "pending"):
            yield "…"
