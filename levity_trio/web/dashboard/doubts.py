"""Why a session is doubtful, in words of people: what it is called, and what helps to decide.

The exact words, with the figures, are those of the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Doubt(NamedTuple):
    """What a doubt is called, and what to do about it."""

    title: str
    advice: str


OTHER: Final = Doubt("Doubtful", "Look at its readings and at what the charger sent.")
DOUBTS: Final[Mapping[str, Doubt]] = {
    "closed_by_system": Doubt(
        "No stop came", "Ask the driver, or look at the car. The charger may still send its stop."
    ),
    "stop_without_id": Doubt("Its stop did not name it", "Compare tag and time of the stop with those of the session."),
    "stop_elsewhere": Doubt("Its stop named another session", "Compare both: two connectors may be mixed up."),
    "stops_exchanged": Doubt(
        "It was billed by the stop of another session", "Compare both: two connectors are mixed up."
    ),
    "second_stop": Doubt("A second stop came", "The first one counts. Compare both."),
    "begun_again": Doubt(
        "It was stopped at 0 Wh and begun again", "Two sessions have one start. The later stop counts: compare both."
    ),
    "operator_overruled": Doubt(
        "The charger's own stop came later", "Somebody had closed it. Check that the figure is that of the stop."
    ),
    "stopped_by_stranger": Doubt(
        "Another tag stopped it", "The figure is not in doubt. Ask both; give the tags of a household one parent."
    ),
    "start_unreadable": Doubt("Its start could not be read in full", "Look at what the charger sent."),
    "unknown_start": Doubt("Its start never came", "Find out who charged. It may have been more."),
    "other_server": Doubt("It may belong to another server", "Check that the other server did not bill it, too."),
    "no_register": Doubt("No reading of the meter", "Read the charger's meter, if it keeps a history."),
    "start_garbled": Doubt("Its first reading cannot be right", "Compare with the session before it."),
    "stop_garbled": Doubt("Its last reading cannot be right", "Compare with the session after it."),
    "ends_rounded": Doubt(
        "Its first and last reading are rounded",
        "The figure is theirs. If this charger always does so, five sessions that its power confirms settle it.",
    ),
    "stray_reading": Doubt(
        "Some readings were left out", "They are far from all others. A short look is mostly enough."
    ),
    "readings_unit": Doubt(
        "The readings are in another unit",
        "If this charger always does so, five confirmed sessions settle it for good.",
    ),
    "wrong_factor": Doubt("All readings are wrong by one factor", "Check how the charger's meter is configured."),
    "session_count": Doubt("The readings count from 0", "Compare the figure with the last reading."),
    "register_reset": Doubt(
        "The meter began again at 0", "What flowed just before is lost. Did the charger restart meanwhile?"
    ),
    "register_rolled_over": Doubt("The meter passed its highest number", "Compare with the digits of the meter."),
    "register_leapt": Doubt("The meter made a leap", "The leap is left out. Look at the readings around it."),
    "meter_swapped": Doubt("The meter was exchanged", "Add what the old meter showed last, if somebody noted it."),
    "nothing_agrees": Doubt("Nothing agrees", "The figure is what nothing contradicts. Ask the driver."),
    "number_repaired": Doubt("A reading was no number", "Look at what the charger sent."),
    "overlap": Doubt("It overlaps another session", "Judge both together: each kWh belongs to one of them."),
    "shared_register": Doubt(
        "Its meter also counted another car", "Judge both sessions together: each kWh belongs to one of them."
    ),
    "exported": Doubt(
        "The car gave energy back",
        "Decide what is billed: the proposal is what it drew less what it gave back. Correct it to bill all it drew.",
    ),
    "too_fast": Doubt("Faster than this charger can", "Confirm it if the charger was upgraded."),
    "power_disagrees": Doubt("Power and energy disagree", "Compare both in its readings."),
    "clock_stood_still": Doubt(
        "The charger's clock stood still", "Set the charger's clock; compare with when it sent."
    ),
    "stop_before_start": Doubt("It ended before it began", "Correct the times. The figure does not depend on them."),
    "clock_unsure": Doubt(
        "The charger's clock was wrong or was set",
        "Ask the driver when the car charged. Confirming bills the corrected times; otherwise correct them.",
    ),
    "available_between": Doubt("The space was free in between", "Find out whether a second car charged."),
    "later_facts": Doubt("Later facts say otherwise", "The figure that somebody settled stays. Is it still right?"),
    "judging_stopped": Doubt(
        "It was not judged again", "What the sessions around it say has changed since. Judge them together."
    ),
    "legacy": Doubt("Doubtful", "Read the words; checking it again shows what today's rules say."),
}


def doubt(code: str) -> Doubt:
    """Return what a code of a review means."""
    return DOUBTS.get(code, OTHER)
