"""Why a session is doubtful, in words of people: what it is called, and what helps to decide.

The exact words, with the figures, are those of the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from levity_trio.charging.reviews import name_of
from levity_trio.locale import N_, _
from levity_trio.locale.texts import said


class DoubtInWords(NamedTuple):
    """What to do about a doubt, what exactly it says, which the manual prints, and what it is
    called."""

    advice: str
    meaning: str = ""
    title: str = ""


OTHER: Final = N_(DoubtInWords("Look at its readings and at what the charger sent."))
DOUBTS: Final[Mapping[str, DoubtInWords]] = N_(
    {
        "closed_by_system": DoubtInWords(
            "Ask the driver, or look at the car. The charger may still send its stop.",
            "No stop was received. The system closed the transaction, and nothing shows the "
            "energy after its last reading, or its readings after a boot do not name it.",
        ),
        "stop_without_id": DoubtInWords(
            "Compare card and time of the stop with those of the session.",
            "Its stop had no usable transaction id and was matched by time and register. It is "
            "certain if the charger calls it by a negative id of its own, which two live readings "
            "had before.",
        ),
        "stop_elsewhere": DoubtInWords(
            "Compare both: two connectors may be mixed up.",
            "The stop named another transaction, where it is impossible, or less likely; or it "
            "has the tag of another one, which it fits, too.",
        ),
        "stops_exchanged": DoubtInWords(
            "Compare both: two connectors are mixed up.",
            "The next transaction on the connector began where the stop of a transaction beside "
            "it was, and not at its own stop. It is billed up to there.",
        ),
        "second_stop": DoubtInWords(
            "The first one counts. Compare both.",
            "A second stop arrived with other values. The first one counts.",
        ),
        "operator_overruled": DoubtInWords(
            "Somebody had closed it. Check that the figure is that of the stop.",
            "An operator closed it. The charger's own stop arrived later and counts.",
        ),
        "stopped_by_stranger": DoubtInWords(
            (
                "The figure is not in doubt. Ask both drivers. If both cards are one household's, "
                "give both to it."
            ),
            "Another tag than its own stopped it at the charger, and the two are not of one group "
            "or account. The figure is not in doubt.",
        ),
        "start_unreadable": DoubtInWords(
            "Look at what the charger sent.",
            "Its start had an unreadable field. Tag, time and connector are kept where possible.",
        ),
        "unknown_start": DoubtInWords(
            "Find out who charged. It may have been more.",
            (
                "Its start was never received. The energy counts from the first reading that "
                "shows some."
            ),
        ),
        "other_server": DoubtInWords(
            "Check that the other server did not bill it, too.",
            "Only its stop was received, with an id that may come from a previous server.",
        ),
        "no_register": DoubtInWords(
            "Read the charger's meter, if it keeps a history.",
            (
                "Start or stop has no readable register. Without any support the figure is 0; the "
                "text gives the maximum."
            ),
        ),
        "start_garbled": DoubtInWords(
            "Compare with the session before it.",
            "The other evidence contradicts its start, or it was read late. The energy counts "
            "from the previous stop, the first reading, or that start.",
        ),
        "stop_garbled": DoubtInWords(
            "Compare with the session after it.",
            "The other evidence contradicts its stop, or it repeats an old register. The energy "
            "counts to the last reading, the next start, or that stop.",
        ),
        "ends_rounded": DoubtInWords(
            (
                "The figure is theirs. If this charger always does so, five sessions that its "
                "power confirms settle it."
            ),
            "meterStart and meterStop are rounded to 10, 100 or 1,000 Wh, the readings are not. "
            "The figure is stop − start.",
        ),
        "stray_reading": DoubtInWords(
            "They are far from all others. A short look is mostly enough.",
            (
                "Some readings are far from all others and were left out, or all are those of "
                "another counter."
            ),
        ),
        "readings_unit": DoubtInWords(
            "If this charger always does so, five confirmed sessions settle it for good.",
            (
                "Readings, start, stop or power use another unit than they declare, or the power "
                "is ten times too high."
            ),
        ),
        "wrong_factor": DoubtInWords(
            "Check how the charger's meter is configured.",
            "All registers are wrong by one factor (10, 100, 1,000).",
        ),
        "session_count": DoubtInWords(
            "Compare the figure with the last reading.",
            "Its readings count from 0 in each transaction, and start or stop contradicts that.",
        ),
        "register_reset": DoubtInWords(
            "What flowed just before is lost. Did the charger restart meanwhile?",
            "Its register was reset to 0 during the transaction.",
        ),
        "register_rolled_over": DoubtInWords(
            "Compare with the digits of the meter.",
            "Its register passed its maximum and continued at 0.",
        ),
        "register_leapt": DoubtInWords(
            "The leap is left out. Look at the readings around it.",
            "Its register made an implausible step, which is left out.",
        ),
        "meter_swapped": DoubtInWords(
            "Add what the old meter showed last, if somebody noted it.",
            "A boot during the transaction reported another meter serial number.",
        ),
        "nothing_agrees": DoubtInWords(
            "The figure is what nothing contradicts. Ask the driver.",
            "Every explanation is contradicted. The figure is the part that nothing contradicts. "
            "If there is none, it is stop − start, if some car could have drawn that in the time, "
            "else 0.",
        ),
        "number_repaired": DoubtInWords(
            "Look at what the charger sent.",
            (
                'A register of start, stop or a reading was not a number ("NaN", "1_000") and was '
                "not used."
            ),
        ),
        "overlap": DoubtInWords(
            "Decide about both together: each kWh belongs to one of them.",
            "A part of its register range also belongs, or may belong, to a neighbour on the "
            "connector. That part is billed once or not at all.",
        ),
        "shared_register": DoubtInWords(
            "Decide about both sessions together: each kWh belongs to one of them.",
            "Its register also counted a transaction on another connector: the charger has one "
            "meter for both, or two chargers have one. `figures` has the figure without what the "
            "other car drew, at most.",
        ),
        "too_fast": DoubtInWords(
            "Confirm it if the charger was upgraded.",
            "It was faster than this charger ever was, or than AC can deliver.",
        ),
        "signed_values": DoubtInWords(
            "Compare the key with the meter's label, and the figures with its display. What the "
            "meter signed is worth more than what its charger tells.",
            "What the meter signed differs from the figure by more than 100 Wh, a "
            "signature is wrong, begin and end are of two meters, the meter calls a reading not "
            "usable, or another session has the same records.",
        ),
        "power_disagrees": DoubtInWords(
            "Compare both in its readings.",
            "Power, current × voltage or state of charge contradicts the register.",
        ),
        "clock_stood_still": DoubtInWords(
            "Set the charger's clock; compare with when it sent.",
            "Start and stop have the same time. By the times of receipt the figure is too high.",
        ),
        "stop_before_start": DoubtInWords(
            "Correct the times. The figure does not depend on them.",
            "The stop's time is before the start's.",
        ),
        "clock_unsure": DoubtInWords(
            (
                "Ask the driver when the car charged. Confirming bills the corrected times; "
                "otherwise correct them."
            ),
            "The clock was behind, and it is not known whether it was at the start and at the "
            "stop, or it was set in between, or the energy cannot have flowed when it was told; "
            "the two prices differ.",
        ),
        "available_between": DoubtInWords(
            "Find out whether a second car charged.",
            "Its connector was available before its end, but its register rose after that.",
        ),
        "later_facts": DoubtInWords(
            "The figure that somebody settled stays. Is it still right?",
            "Later facts give another figure. The figure that a person settled stays.",
        ),
        "judging_stopped": DoubtInWords(
            "What the sessions around it say has changed since. Decide about them together.",
            "A neighbour's judgement changed, but this transaction was not judged again: it had "
            "changed three times within an hour, or judging it failed. The text says which.",
        ),
    }
)


def doubt(code: str) -> DoubtInWords:
    """Return what a code of a review means. The manual alone prints the exact meaning, in
    English."""
    known = DOUBTS.get(code, OTHER)
    return DoubtInWords(_(known.advice), known.meaning, said(name_of(code)))
