"""A refutation: a question about the reported figure, and what is found if it is in doubt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple

from levity_trio.charging.refute.bounds import Bounds, Evidence
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.chains import Figure
from levity_trio.charging.sent.evidence import Case


class Group(Enum):
    """What is wrong, as the owner reads it. The manual lists the groups in this order."""

    IMPOSSIBLE = "The register is impossible"
    NEIGHBOURS = "It does not fit the sessions before and after"
    MEASURED = "Something else measured a very different amount"
    SHARED = "It includes another connector's energy"
    ENDING = "The end is unclear"
    NAMES = "The stop had no transaction id, or another session's"
    NUMBERS = "A number could not be read"


class Weight(Enum):
    """What becomes of a figure if a refutation holds."""

    CONTRADICTS = "the reported figure is wrong: another one is proposed"
    QUESTIONS = "the figure may be too high: it is proposed, or a lower one that something supports"
    LACKS = "energy may be missing: the figure is proposed, or with what is missing if power shows it"
    ADDS = "any figure is in doubt, the proposed one, too"


class Finding(NamedTuple):
    """What a refutation found."""

    evidence: Evidence
    figures: Mapping[str, int] = {}
    """Figures between which a person decides, in Wh."""
    words: str = ""
    """In place of those of the table."""
    taken: int = 0
    """What it takes from the figure until a person decides, in Wh."""
    whole: Figure | None = None
    """The figure with what is missing, if power shows it."""
    code: Code | None = None
    """In place of that of the table, if it depends on the end in question."""


Find = Callable[[Case, Bounds, Figure], Evidence | Finding | None]


class Refutation(NamedTuple):
    """One entry of the table: what it asks, and the sentence in a review if the figure is in doubt. Without one, each
    finding has its own, with numbers."""

    group: Group
    weight: Weight
    code: Code
    find: Find
    question: str
    words: str = ""

    @property
    def name(self) -> str:
        return self.find.__name__

    def __call__(self, case: Case, bounds: Bounds, figure: Figure) -> Finding | None:
        found = self.find(case, bounds, figure)
        return found if found is None or isinstance(found, Finding) else Finding(found)

    def doubt(self, found: Finding) -> Doubt:
        return Doubt(found.code or self.code, found.words or self.words, found.evidence, found.figures)
