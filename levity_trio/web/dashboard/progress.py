"""How far a command is, in words: step by step for those who run a site, in few words on Now, and
for drivers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from levity_trio.locale import N_, _
from levity_trio.locale.texts import said
from levity_trio.records import record
from levity_trio.store.reads.chargers.chargers import Command, LastCommand


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
_OUTCOMES: Final = {"fulfilled": "done", "contradicted": "broken"}


def steps(command: Command) -> list[ProgressStep]:
    """Return the course of a command so far, in order: sending, the answer, and what came of it."""
    course: list[ProgressStep] = []
    if command.sent_at is not None:
        course.append(ProgressStep("done", _("sent"), command.sent_at))
    elif command.state == "queued":
        course.append(ProgressStep("busy", _("waits for the charger"), command.requested_at))

    answer = _answer(command)
    if answer is not None:
        course.append(answer)

    outcome = command.outcome
    if outcome == "pending":
        course.append(ProgressStep("busy", _("the result is not known yet")))
    elif outcome == "not seen":
        course.append(ProgressStep("look", _("not confirmed in time"), command.outcome_at))
    elif outcome is not None:
        words = said(command.outcome_words or "") or _(_WITHOUT_WORDS.get(outcome, outcome))
        kind = _OUTCOMES.get(outcome, "look")
        course.append(ProgressStep(kind, words, command.outcome_at))
    return course


def _answer(command: Command) -> ProgressStep | None:
    """Return what the charger answered, or why there is no answer; None before it was sent."""
    state = command.state
    if state == "sent":
        return ProgressStep("busy", _("waits for the answer"))

    status = ""
    if isinstance(command.answer, Mapping) and command.answer.get("status") is not None:
        status = _(str(command.answer["status"]).lower())
    if state == "accepted":
        words = _("answered late") if command.is_late else status or _("accepted")
        return ProgressStep("done", words, command.answered_at)
    if state == "rejected":
        reason = status or _("no reason given")
        words = _("refused by the charger (%(reason)s)", reason=reason)
        return ProgressStep("broken", words, command.answered_at)
    if state not in _ENDS:
        return None

    kind, end = _ENDS[state]
    words = _(end)
    details = " ".join(filter(None, (command.error_code, command.error_description)))
    if details:
        words = f"{words}: {details}"
    return ProgressStep(kind, words, command.answered_at)


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
    """Return how far a command of a driver is: one that starts or stops a session."""
    if state == QUEUED:
        return CommandProgress((ProgressStep("busy", _("waits for the charger")),))
    if state in UNSENT:
        return CommandProgress((ProgressStep("broken", _("not sent")),))

    # The command may have done its work although the answer was lost.
    done = _(DONE[action])
    sent = ProgressStep("done", _("sent"))
    accepted = ProgressStep("done", _("accepted"))
    if outcome == "fulfilled":
        return CommandProgress((sent, accepted, ProgressStep("done", done)))
    if state == "accepted":
        last = ProgressStep("broken", _("not %(done)s", done=done))
        if outcome in (None, "pending"):
            last = ProgressStep("busy", "…")
        return CommandProgress((sent, accepted, last))
    if state == "sent":
        return CommandProgress((sent, ProgressStep("busy", _("waits for the answer"))))
    words = _("not accepted") if state == "rejected" else _("no success")
    return CommandProgress((sent, ProgressStep("broken", words)))


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
    state = command.state
    course: list[str] = []
    if state not in ("queued", "expired", "cancelled"):
        course.append(_("sent"))
    if state in ANSWERS:
        course.append(_(ANSWERS[state]))

    match command.outcome:
        case "fulfilled":
            course.append(_(ENDS.get(command.action, N_("done"))))
        case "contradicted":
            words = said(command.outcome_words or "")
            course.append(words or _("the charger did something else"))
        case "not seen":
            course.append(_("it had no effect"))
        case "pending" if state == "accepted":
            course.append("…")
        case _ if state == "sent":
            course.append("…")
    return course


def has_failed(command: LastCommand) -> bool:
    """Whether a command did not do what it was sent for."""
    return command.state in FAILED or command.outcome in FAILED
