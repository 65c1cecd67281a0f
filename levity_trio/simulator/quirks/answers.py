"""Responses to the central system's calls that are missing, late or garbled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from levity_trio.simulator.charger.effects import SendText
from levity_trio.simulator.charger.state import State
from levity_trio.simulator.quirks.base import Quirk
from levity_trio.simulator.quirks.moments import NowAndThen

SILENT_SHARE: Final = 0.5
GARBLED_SHARE: Final = 0.7
LATE_SECONDS: Final = (35.0, 65.0)
GARBAGE: Final = (
    *("AT+CSQ", "+CSQ: 17,99", "\x00\x00\x00", "ping", "[2]", '[2,"1","Heartbeat",{},]', '{"status":"Accepted"}'),
    *('[3,"AT+CSQ",{"status":"Accepted"}]', '[9,"1",{}]', '[3,"1",NaN]', "[[[[[[[["),
)


class NeverAnswers(Quirk):
    __slots__ = ()
    name = "never-answers"
    does = "executes all calls of the central system, but sends no response to half of them"
    seen_in = "chargers that do not respond to GetConfiguration (evcc#15869, lbbrhzn/ocpp#1275, lbbrhzn/ocpp#1487)"

    def replies(self, text: str) -> Sequence[tuple[float, str]]:
        return () if self.random.random() < SILENT_SHARE else ((0.0, text),)


class AnswersLate(Quirk):
    __slots__ = ()
    name = "answers-late"
    does = "responds to the central system's calls after 35 to 65 seconds"
    seen_in = "Mennekes, after 60 s (evcc#26837)"

    def replies(self, text: str) -> Sequence[tuple[float, str]]:
        return ((self.random.uniform(*LATE_SECONDS), text),)


class AnswersGarbage(NowAndThen):
    __slots__ = ()
    name = "answers-garbage"
    does = "garbles 70 % of its responses (invalid JSON, wrong id, wrong type), and sends garbage now and then"
    seen_in = "Grizzl-E Smart, truncated JSON (lbbrhzn/ocpp#442); ZJ BENY (lbbrhzn/ocpp#1078); Wallbe, NUL (evcc#3685)"
    pause_seconds = (600.0, 7200.0)

    def misbehave(self, charger: State, at: float) -> None:
        del at
        charger.do(SendText(self.random.choice(GARBAGE)))

    def replies(self, text: str) -> Sequence[tuple[float, str]]:
        if self.random.random() >= GARBLED_SHARE:
            return ((0.0, text),)
        return ((0.0, self.random.choice(GARBLED)(text)),)


def _cut_off(text: str) -> str:
    return text[: len(text) // 2]


def _with_other_id(text: str) -> str:
    kind, message_id, *rest = orjson.loads(text)
    return _written(kind, f"{message_id}?", *rest)


def _of_no_type(text: str) -> str:
    _, *rest = orjson.loads(text)
    return _written(5, *rest)


def _without_object(text: str) -> str:
    kind, message_id, *_ = orjson.loads(text)
    return _written(kind, message_id, "Accepted")


def _with_numbers(text: str) -> str:
    """Set every field of the payload, or of an error's details, to 1."""
    *head, content = orjson.loads(text)
    return _written(*head, dict.fromkeys(content or ["status"], 1))


def _written(*frame: Any) -> str:
    return orjson.dumps(frame).decode()


GARBLED: Final[Sequence[Callable[[str], str]]] = (_cut_off, _with_other_id, _of_no_type, _without_object, _with_numbers)
