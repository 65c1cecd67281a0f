"""The results of months, one line each, and the faults in the words of the jury."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from levity_trio.simulator.verification import Kind

from .month import Outcome

COLUMNS: Final = {
    "lost": (Kind.MISSING,),
    "certain and wrong": (Kind.SILENT,),
    "wrong under review": (Kind.FLAGGED, Kind.BEYOND),
    "needless reviews": (Kind.NEEDLESS,),
    "missing reviews": (Kind.UNREVIEWED,),
}
"""What is counted of which faults; all others stand in the column `other faults`."""
HEADS: Final = (
    *("seed", "calls", "unanswered", "transactions", "reviews"),
    *COLUMNS,
    *("other faults", "recheck differs", "CPU s"),
)
HEAD: Final = "  ".join(HEADS)


def line(outcome: Outcome) -> str:
    return _aligned([str(outcome.order.seed), *_figures([outcome])])


def total(outcomes: Sequence[Outcome]) -> str:
    return _aligned(["all", *_figures(outcomes)])


def faults(outcome: Outcome) -> Iterator[str]:
    """Yield a line for each fault."""
    yield from (
        f"seed {outcome.order.seed}: [{fault.kind}] {fault.line}"
        for fault in outcome.verdict.faults
    )
    for one in outcome.differences:
        words = f"{one.transaction} is {one.stored.wh} Wh, {one.stored.confidence}, but"
        yield (
            f"seed {outcome.order.seed}: [recheck] {words} {one.now.wh} Wh, {one.now.confidence}, "
            "by today's facts"
        )


def life(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield which steps of the life cycle of a transaction occurred in any month, and a line for
    each that did not."""
    rows = [row for one in outcomes for row in one.verdict.life if row.state and row.is_in_reach]
    steps = {(row.state, row.cause, row.kind) for row in rows}
    taken = {(row.state, row.cause, row.kind) for row in rows if row.times}
    yield (
        f"{len(taken)} of {len(steps)} steps of the life cycle that chargers and the server cause "
        "occurred"
    )
    yield from (
        f"did not occur: {state} + {cause} -> {kind}"
        for state, cause, kind in sorted(steps - taken)
    )


def _figures(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield str(sum(one.calls.sent for one in outcomes))
    yield str(sum(one.calls.sent - one.calls.answered for one in outcomes))
    yield str(sum(one.verdict.transactions for one in outcomes))
    yield str(sum(one.verdict.reviews for one in outcomes))
    counts = [_count(outcomes, kinds) for kinds in COLUMNS.values()]
    yield from map(str, counts)
    yield str(sum(len(one.verdict.faults) for one in outcomes) - sum(counts))
    yield str(sum(len(one.differences) for one in outcomes))
    yield f"{sum(one.cpu_seconds for one in outcomes):.1f}"


def _count(outcomes: Iterable[Outcome], kinds: Iterable[Kind]) -> int:
    return sum(fault.kind in kinds for one in outcomes for fault in one.verdict.faults)


def _aligned(cells: Sequence[str]) -> str:
    return "  ".join(cell.rjust(len(head)) for cell, head in zip(cells, HEADS, strict=True))
