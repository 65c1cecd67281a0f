"""Texts with figures, as the judge and the messages tell them, for people: kWh, kW, minutes, local times, plain names.

Such texts are stored as they were told, in Wh, W, seconds and UTC. What is not recognised stays as it is.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from typing import Final

from levity_trio.web.dashboard.saying import in_words
from levity_trio.web.dashboard.scales import written
from levity_trio.web.dashboard.shapes import MINUTE, UNKNOWN, clock, duration, moment

LONGEST_SECONDS: Final = 2 * MINUTE
"""Up to here a length of time is told in seconds."""
LONGEST_MINUTES: Final = 120
NAMES: Final = {"meterStart": "start register", "meterStop": "stop register"}
_TIME: Final = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)(?!\w)")
_REGISTER: Final = re.compile(r"\b(meterStart|meterStop)\b( is)?(?: (\d+)(?: Wh\b|(?![\w.])))?")
_NUMBER: Final = r"(?<![\w.+,-])(-?\d{1,15}(?:\.\d+)?)"
_MEASURED: Final = re.compile(rf"{_NUMBER}(?: to {_NUMBER})? (Wh|W|s)(?!\w)")


def told(words: str, now: datetime, zone: tzinfo) -> str:
    """Return a text with its figures in the units of people."""
    timed = _TIME.sub(lambda found: _local(found[0], now, zone), words)
    named = _REGISTER.sub(_named, timed)
    return in_words(_MEASURED.sub(_measured, named))


def measured(value: float | None, unit: str) -> str:
    """Return a value with its unit, energy in kWh and power in kW."""
    if value is None:
        return UNKNOWN
    number, shown = _in_units(value, unit)
    return f"{number} {shown}".rstrip()


def _local(text: str, now: datetime, zone: tzinfo) -> str:
    try:
        return clock(moment(text), now, zone)
    except ValueError:  # only looks like a time
        return text


def _named(found: re.Match[str]) -> str:
    name, verb, wh = found.groups()
    figure = "" if wh is None else f" {measured(int(wh), 'Wh')}"
    return f"{NAMES[name]}{verb or ''}{figure}"


def _measured(found: re.Match[str]) -> str:
    first, last, unit = found.groups()
    if last is None:
        return measured(float(first), unit)
    (low, shown), (high, other) = _in_units(float(first), unit), _in_units(float(last), unit)
    return f"{low} to {high} {other}" if shown == other else f"{low} {shown} to {high} {other}"


def _in_units(value: float, unit: str) -> tuple[str, str]:
    """Return a number and its unit as people write them."""
    if unit in ("Wh", "W", "varh", "var", "VA"):
        return _trimmed(value / 1000), f"k{unit}"
    if unit != "s" or value < LONGEST_SECONDS:
        return _trimmed(value), unit
    if value < LONGEST_MINUTES * MINUTE:
        return str(round(value / MINUTE)), "min"
    number, _, shown = duration(value).partition(" ")
    return number, shown


def _trimmed(value: float) -> str:
    """Return a number with three decimals at most."""
    number = written(value, 3)
    return number.rstrip("0").rstrip(".")
