"""The sheet of a charger's commissioning, for whoever signs for its circuit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
    parts = {**facts, by_hand: lines}
    for heading, values in parts.items():
        pairs = tuple(values.items())
        block = LabelledValues(title=heading, pairs=pairs)
        blocks.append(block)
    title = _("Commissioning of %(charger)s", charger=charger)
    label = _("Trial of load management")
    figure, day = result
    small = _("This is no test report (IEC 60364-6), and load management is no protective device.")
    spoken = language()
    template = of_program(spoken)
    pages = template.of_sheet
    sheet = Sheet(**pages, title=title, remark=day, blocks=(*blocks,), small=(small,))
    return replace(sheet, label=label, figure=figure)
