"""One candidate: an explanation of a transaction's messages, with the chain that it supposes; and the one chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.chains import UNKNOWN, Chain, Figure


@dataclass(frozen=True, slots=True)
class Candidate:
    """One explanation. `begin` and `end` are the range of the register that its figure is based on, in Wh."""

    code: Code
    words: str
    method: str
    chain: Chain
    assumptions: int
    begin: int | None
    end: int | None
    is_partial: bool = False
    """Some energy that flowed is missing from its figure, so power may imply more."""
    factor: float = 1
    """The factor that its start and stop lack."""

    @property
    def wh(self) -> int:
        return self.chain.wh[-1]


class Chosen(NamedTuple):
    """A figure in Wh with the range of the register that it is based on, in Wh, and the doubts about the choice."""

    wh: int
    method: str
    begin: int | None
    end: int | None
    code: Code | None
    doubts: tuple[Doubt, ...]
    is_sole: bool = False
    chain: Chain = UNKNOWN
    is_power_scaled: bool = False
    """Power on another scale confirms it."""
    factor: float = 1

    @property
    def figure(self) -> Figure:
        return Figure(self.wh, self.method, self.begin, self.end, self.chain, is_reported=self.code is None)
