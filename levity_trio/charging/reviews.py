"""Why a person should look at a transaction: a code for programs, a text for people, and two pieces
of evidence."""

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
    REGISTER_LEAPT = "register_leapt"
    METER_SWAPPED = "meter_swapped"
    NOTHING_AGREES = "nothing_agrees"
    NUMBER_REPAIRED = "number_repaired"
    # Evidence against the figure
    OVERLAP = "overlap"
    SHARED_REGISTER = "shared_register"
    TOO_FAST = "too_fast"
    SIGNED_VALUES = "signed_values"
    POWER_DISAGREES = "power_disagrees"
    CLOCK_STOOD_STILL = "clock_stood_still"
    STOP_BEFORE_START = "stop_before_start"
    CLOCK_UNSURE = "clock_unsure"
    AVAILABLE_BETWEEN = "available_between"
    LATER_FACTS = "later_facts"
    JUDGING_STOPPED = "judging_stopped"


_NAMES: Final[Mapping[str, Told]] = {
    Code.CLOSED_BY_SYSTEM: Told("No stop came"),
    Code.STOP_WITHOUT_ID: Told("Its stop did not name it"),
    Code.STOP_ELSEWHERE: Told("Its stop named another session"),
    Code.STOPS_EXCHANGED: Told("It was billed by the stop of another session"),
    Code.SECOND_STOP: Told("A second stop came"),
    Code.OPERATOR_OVERRULED: Told("The charger's own stop came later"),
    Code.STOPPED_BY_STRANGER: Told("Another card stopped it"),
    Code.START_UNREADABLE: Told("Its start could not be read in full"),
    Code.UNKNOWN_START: Told("Its start never came"),
    Code.OTHER_SERVER: Told("It may belong to another server"),
    Code.NO_REGISTER: Told("No reading of the meter"),
    Code.START_GARBLED: Told("Its first reading cannot be right"),
    Code.STOP_GARBLED: Told("Its last reading cannot be right"),
    Code.ENDS_ROUNDED: Told("Its first and last reading are rounded"),
    Code.STRAY_READING: Told("Some readings were left out"),
    Code.READINGS_UNIT: Told("The readings are in another unit"),
    Code.WRONG_FACTOR: Told("All readings are wrong by one factor"),
    Code.SESSION_COUNT: Told("The readings count from 0"),
    Code.REGISTER_RESET: Told("The meter began again at 0"),
    Code.REGISTER_ROLLED_OVER: Told("The meter passed its highest number"),
    Code.REGISTER_LEAPT: Told("The meter made a leap"),
    Code.METER_SWAPPED: Told("The meter was exchanged"),
    Code.NOTHING_AGREES: Told("Nothing agrees"),
    Code.NUMBER_REPAIRED: Told("A reading was no number"),
    Code.OVERLAP: Told("It overlaps another session"),
    Code.SHARED_REGISTER: Told("Its meter also counted another car"),
    Code.SIGNED_VALUES: Told("The signed values say otherwise"),
    Code.TOO_FAST: Told("Faster than this charger can"),
    Code.POWER_DISAGREES: Told("Power and energy disagree"),
    Code.CLOCK_STOOD_STILL: Told("The charger's clock stood still"),
    Code.STOP_BEFORE_START: Told("It ended before it began"),
    Code.CLOCK_UNSURE: Told("The charger's clock was wrong or was set"),
    Code.AVAILABLE_BETWEEN: Told("The space was free in between"),
    Code.LATER_FACTS: Told("Later facts say otherwise"),
    Code.JUDGING_STOPPED: Told("It was not judged again"),
}


def name_of(code: str) -> Told:
    """Return what people call a doubt."""
    return _NAMES.get(code, Told("In doubt"))


OF_THE_MATCH = frozenset(
    {
        *(Code.STOP_WITHOUT_ID, Code.STOP_ELSEWHERE, Code.OPERATOR_OVERRULED),
        *(Code.START_UNREADABLE, Code.OTHER_SERVER, Code.LATER_FACTS),
    }
)
"""Doubts about which messages belong to the transaction. They make the figure doubtful."""
OF_THE_PRICE = frozenset({Code.CLOCK_UNSURE})
"""Doubts about the times. The figure does not depend on them."""
LASTING = OF_THE_MATCH | OF_THE_PRICE | {Code.SECOND_STOP, Code.STOPPED_BY_STRANGER}
"""Doubts that do not come from the judge, so judging again does not resolve them."""
OF_THE_REGISTER = frozenset(
    {
        *(Code.NO_REGISTER, Code.START_GARBLED, Code.STOP_GARBLED, Code.ENDS_ROUNDED),
        *(Code.STRAY_READING, Code.READINGS_UNIT, Code.WRONG_FACTOR, Code.SESSION_COUNT),
        *(Code.REGISTER_RESET, Code.REGISTER_LEAPT, Code.METER_SWAPPED, Code.NUMBER_REPAIRED),
        Code.CLOSED_BY_SYSTEM,
    }
)
"""Doubts about what the register was at begin and end. Its meter can settle them. It cannot say
whose energy it counted, nor that it counts right: only another source can."""
DISMISSIBLE = frozenset({Code.SECOND_STOP, Code.STOPPED_BY_STRANGER, Code.LATER_FACTS})
"""Doubts about messages that did not change the figure. All others question the figure, so they
need a confirmation or a correction of it."""


@record(kw_only=False)
class Doubt:
    """One review: `figures` has the Wh of each candidate, `evidence` the two pieces that do not
    agree."""

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
