"""An explanation in plain English, line by line, for a terminal. Times are local, to the minute, as
on the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Final

from levity_trio.charging.explain import Interpretation
from levity_trio.charging.reviews import name_of
from levity_trio.charging.sent.plain import plain
from levity_trio.store.reads.transactions.bill.shape import to_the_minute
from levity_trio.store.reads.transactions.bill.words import bill_lines
from levity_trio.store.reads.transactions.explain import (
    ExplainedTransaction,
    Neighbour,
    ParallelTransaction,
    ReadingSummary,
)
from levity_trio.store.reads.transactions.transactions import Transaction
from levity_trio.wire.times import parse_time

_TIME: Final = re.compile(
    (
        r"(?<!--since )(?<!--until "
        r")\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)(?!\w)"
    ),
    re.ASCII,
)
"""A time of the database, or one that a charger sent; in a command that is proposed it stays
exact."""


def lines(told: ExplainedTransaction, zone: tzinfo) -> Iterator[str]:
    """Yield the lines; a blank one before each heading."""

    def local(found: re.Match[str]) -> str:
        # a charger sent it
        return found[0] if parse_time(found[0]) is None else to_the_minute(found[0], zone)

    return (_TIME.sub(local, line) for line in _lines(told, zone))


def _lines(told: ExplainedTransaction, zone: tzinfo) -> Iterator[str]:
    tx = told.transaction
    where = "an unknown connector" if tx.connector is None else f"connector {tx.connector}"
    yield f"Session {tx.id} of {tx.charger}, {where}, card {_tag(told)}: {tx.state}"
    yield (
        f"  from {tx.start_time} to {tx.stop_time or 'now'}{_reason(tx)}; times are those of {zone}"
    )
    yield from _figure(told)
    yield from _headed("What happened", (f"{step.at}  {step.words}" for step in told.steps))
    yield from _headed("Readings", map(_sampled, told.readings))
    either = (("before", told.before), ("after", told.after))
    neighbours = [_neighbour(which, one) for which, one in either if one is not None]
    yield from _headed(
        "Neighbours", (*neighbours, *(_beside(one, tx.charger) for one in told.beside))
    )
    yield from _headed("Explanations by today's rules", map(_explained, told.candidates))
    yield from _headed("Doubts", _doubts(told))
    if told.bill is not None:
        yield from _headed("The bill", bill_lines(told.bill))


def _tag(told: ExplainedTransaction) -> str:
    """Return its tag, as the charger sent it."""
    known = told.transaction.id_tag
    payloads = (step.details.get("payload") for step in told.steps)
    sent = (
        payload["idTag"] for payload in payloads if isinstance(payload, dict) and "idTag" in payload
    )
    return next(
        (tag for tag in sent if str(tag).casefold() == str(known).casefold()), known or "unknown"
    )


def _headed(heading: str, found: Iterable[str]) -> Iterator[str]:
    every = list(found)
    if every:
        yield from ("", heading)
        yield from (f"  {line}" for line in every)


def _reason(tx: Transaction) -> str:
    if tx.stopped_by is None:
        return ""
    if tx.imported_id is not None:
        return f" ({tx.stop_reason})" if tx.stop_reason else ""
    by = "the system" if tx.stopped_by == "system" else "its charger"
    return f", ended by {by} ({tx.stop_reason or 'Local'})"


def _figure(told: ExplainedTransaction) -> Iterator[str]:
    tx, today = told.transaction, told.today
    if tx.energy_wh is None:
        yield f"  {_wh(tx.energy_so_far_wh)} so far"
        return
    if tx.imported_id is not None:
        yield f"  {_wh(tx.energy_wh)} as Levity said, {tx.confidence}, billed elsewhere"
        yield (
            f"  there session {tx.imported_id}, register {_wh(tx.meter_start_wh)} to "
            f"{_wh(tx.meter_stop_wh)}"
        )
        return
    based = f", register {_wh(tx.billed_from_wh)} to {_wh(tx.billed_until_wh)}"
    settled = f"; settled by {told.settled_by}" if told.settled_by is not None else ""
    yield f"  {_wh(tx.energy_wh)}, {tx.confidence}, by {tx.energy_method}{based}{settled}"
    yield f"  judged {tx.judged_at} by version {tx.rules} of the rules"
    if told.signed is not None:
        signed = told.signed
        of_key = "" if signed.key is None else f"; key {signed.key[:16]}"
        is_told = ", told by the charger" if signed.is_key_told else ""
        yield f"  signed values: {signed.state}, {signed.words}{of_key}{is_told}"
    if today is not None and not today.is_as_stored:
        yield f"  today's rules give {_wh(today.wh)}, {today.confidence}"


def _wh(wh: int | None) -> str:
    return "unknown" if wh is None else f"{wh:,} Wh"


def _sampled(summary: ReadingSummary) -> str:
    phase = f" {summary.phase}" if summary.phase else ""
    when = _span(summary.first_at, summary.last_at)
    what = (
        f"{summary.count} × {summary.measurand}{phase} ({summary.source}, {summary.context}), "
        f"{when}"
    )
    if summary.first_wh is not None:
        return f"{what}: {_span(_wh(summary.first_wh), _wh(summary.last_wh))}"
    return f"{what}: {_span(_value(summary.least), _value(summary.most))} {summary.unit}".rstrip()


def _value(value: float | None) -> str:
    return "unknown" if value is None else plain(value, 12)


def _span(first: str, last: str) -> str:
    """Return both ends, or the only one."""
    return first if first == last else f"{first} to {last}"


def _beside(other: ParallelTransaction, charger: str) -> str:
    of_it = f"it drew at most {_wh(other.most_wh)}" if other.most_wh else "it drew next to nothing"
    common = f"one register, {_wh(other.from_wh)} to {_wh(other.until_wh)} while both ran; {of_it}"
    there = "" if other.charger == charger else f" of {other.charger}"
    charged = f"{_wh(other.begin_wh)} to {_wh(other.end_wh)}"
    return f"beside: {other.id} on connector {other.connector}{there}, {charged}; {common}"


def _neighbour(which: str, neighbour: Neighbour) -> str:
    between = ""
    if neighbour.gap_wh is not None:
        between = (
            f"; {_wh(neighbour.gap_wh)} between"
            if neighbour.gap_wh >= 0
            else f"; they overlap by {_wh(-neighbour.gap_wh)}"
        )
    return (
        f"{which}: {neighbour.id}, {_wh(neighbour.begin_wh)} to {_wh(neighbour.end_wh)}, "
        f"{neighbour.status}{between}"
    )


def _explained(interpretation: Interpretation) -> str:
    mark = "chosen" if interpretation.is_chosen else "possible"
    if interpretation.against is not None and interpretation.evidence is not None:
        mark = (
            f"refuted, {interpretation.against}: {interpretation.evidence[0]} against "
            f"{interpretation.evidence[1]}"
        )
    return f"{_wh(interpretation.wh)}  {interpretation.words} ({interpretation.method}): {mark}"


def _doubts(told: ExplainedTransaction) -> Iterator[str]:
    for review in told.reviews:
        state = (
            "open"
            if review.resolved_at is None
            else f"{review.resolution} by {review.resolved_by} at {review.resolved_at}"
        )
        yield f"{name_of(review.code)}, {state}: {review.words}"
        if review.evidence:
            yield f"  {' against '.join(map(str, review.evidence))}"
        for words, wh in review.figures.items() if isinstance(review.figures, dict) else ():
            yield f"  {_wh(wh)}  {words}"
