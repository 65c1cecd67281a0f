"""Why a person should look at a transaction: a code for programs, a text for people, and two pieces of evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Final

from levity_trio.records import record
from levity_trio.told import Quantity, Told, joined


class Code(StrEnum):
    """The kind of a doubt, as stored in `review.code`."""

    # The stop
    CLOSED_BY_SYSTEM = "closed_by_system"
    STOP_WITHOUT_ID = "stop_without_id"
    STOP_ELSEWHERE = "stop_elsewhere"
    STOPS_EXCHANGED = "stops_exchanged"
    SECOND_STOP = "second_stop"
    BEGUN_AGAIN = "begun_again"
    """Of an earlier version, in which the later stop counted after one at 0 Wh."""
    OPERATOR_OVERRULED = "operator_overruled"
    STOPPED_BY_STRANGER = "stopped_by_stranger"
    # The start
    START_UNREADABLE = "start_unreadable"
    UNKNOWN_START = "unknown_start"
    OTHER_SERVER = "other_server"
    # The registers
    NO_REGISTER = "no_register"
    START_GARBLED = "start_garbled"
    STOP_GARBLED = "stop_garbled"
    ENDS_ROUNDED = "ends_rounded"
    STRAY_READING = "stray_reading"
    READINGS_UNIT = "readings_unit"
    WRONG_FACTOR = "wrong_factor"
    SESSION_COUNT = "session_count"
    REGISTER_RESET = "register_reset"
    REGISTER_ROLLED_OVER = "register_rolled_over"
    """Of an earlier version, which knew the values at which registers continue at 0."""
    REGISTER_LEAPT = "register_leapt"
    METER_SWAPPED = "meter_swapped"
    NOTHING_AGREES = "nothing_agrees"
    NUMBER_REPAIRED = "number_repaired"
    # Evidence against the figure
    OVERLAP = "overlap"
    SHARED_REGISTER = "shared_register"
    EXPORTED = "exported"
    """Of an earlier version, which proposed what the car drew less what it gave back."""
    TOO_FAST = "too_fast"
    POWER_DISAGREES = "power_disagrees"
    CLOCK_STOOD_STILL = "clock_stood_still"
    STOP_BEFORE_START = "stop_before_start"
    CLOCK_UNSURE = "clock_unsure"
    AVAILABLE_BETWEEN = "available_between"
    LATER_FACTS = "later_facts"
    JUDGING_STOPPED = "judging_stopped"
    # A review of an earlier version, with a text only
    LEGACY = "legacy"


OF_THE_MATCH = frozenset(
    {
        *(Code.STOP_WITHOUT_ID, Code.STOP_ELSEWHERE, Code.BEGUN_AGAIN, Code.OPERATOR_OVERRULED),
        *(Code.START_UNREADABLE, Code.OTHER_SERVER, Code.LATER_FACTS),
    }
)
"""Doubts about which messages belong to the transaction. They make the figure doubtful."""
OF_THE_PRICE = frozenset({Code.CLOCK_UNSURE})
"""Doubts about the times. The figure does not depend on them."""
LASTING = OF_THE_MATCH | OF_THE_PRICE | {Code.SECOND_STOP, Code.STOPPED_BY_STRANGER, Code.LEGACY}
"""Doubts that do not come from the judge, so judging again does not resolve them."""
DISMISSIBLE = frozenset({Code.SECOND_STOP, Code.STOPPED_BY_STRANGER, Code.LATER_FACTS})
"""Doubts about messages that did not change the figure. All others question the figure, so they need a confirmation or
a correction of it."""


@record(kw_only=False)
class Doubt:
    """One review: `figures` has the Wh of each candidate, `evidence` the two pieces that do not agree."""

    code: Code
    words: str
    evidence: tuple[str, str]
    figures: Mapping[str, int] = field(default_factory=dict)


AS_REPORTED: Final = Told("as reported")
"""The name of the reported figure among those of the candidates."""


def in_wh(wh: float | None) -> Quantity | Told:
    """Return energy, or a register, as a value of a text."""
    return Told("unknown") if wh is None else Quantity(wh, "Wh")


def energy_text(wh: float | None) -> Told:
    """Return energy, or a register, as a text."""
    return joined("", (in_wh(wh),))


def minutes(seconds: float) -> Told:
    """Return a length of time as a value of a text."""
    return Told("{1} minute", round(seconds / 60), many="{1} minutes")
