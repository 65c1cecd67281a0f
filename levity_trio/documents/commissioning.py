"""The sheet of a charger's commissioning, for whoever signs for its circuit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from levity_trio.documents.sheet import LabelledValues, Sheet
from levity_trio.documents.template import of_program
from levity_trio.locale import N_, _, language

LINE: Final = "_" * 30
BY_HAND: Final = N_(
    (
        *("Breaker", "Residual current device", "Cross-section of the cable"),
        *("Place and date", "Signature"),
    )
)


def commissioning_sheet(
    charger: str, facts: Mapping[str, Mapping[str, str]], result: tuple[str, str]
) -> Sheet:
    """Return the sheet of a charger, in the language that is spoken. `facts` are the values of each
    title by their labels, `result` how its trial has ended, and on which day."""
    by_hand = _("To be filled in by hand")
    lines = {_(label): LINE for label in BY_HAND}
    blocks: list[LabelledValues] = []
    for heading, values in {**facts, by_hand: lines}.items():
        blocks.append(LabelledValues(title=heading, pairs=tuple(values.items())))
    title = _("Commissioning of %(charger)s", charger=charger)
    figure, day = result
    small = _("This is no test report (IEC 60364-6), and load management is no protective device.")
    return Sheet(
        **of_program(language()).of_sheet,
        title=title,
        label=_("Trial of load management"),
        figure=figure,
        remark=day,
        blocks=tuple(blocks),
        small=(small,),
    )
