"""Lies of the corpus, told again to the books: in time, and with a second half that waited in the
charger.

The link is down from the middle of a session until some time after its end; the charger's own times
stay. That messages waited says nothing about their registers, so as many lies must be in doubt as
in time. Start, stop and readings are told as the case has them, between those of its neighbours.
What cannot be told so is left out: a session without a stop of its own, or one whose times are not
known.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from math import isfinite
from typing import Final, NamedTuple

from levity_trio.charging.sent.evidence import Case
from tests.store.books import Books, Station, in_memory, meter_value
from tests.store.telling import charge_state, settle, start_with, watts
from tests.tools.corpus.kept import Kept, read

DELAYS: Final = (30, 180)
"""Minutes from the end of a session until the link is up."""
APART: Final = 600.0
LASTED: Final = 3600.0
"""Seconds to a neighbour, if the case does not tell them, and seconds that a neighbour lasts."""
BEFORE_IT: Final = timedelta(hours=3)
STEPS: Final = {10: 2, 100: 1, 1000: 0}
"""The decimals of readings in kWh with a last digit of so many Wh."""


class Retold(NamedTuple):
    """What became of a session that was told again."""

    wh: int
    review: str | None


class Link:
    """A charger with books of its own, and the seconds from which and until which its link is down,
    if it is."""

    def __init__(self, station: Station, begun: float, down: tuple[float, float] | None) -> None:
        self.station = station
        self.down = down
        self.zero = station.books.now + BEFORE_IT - timedelta(seconds=begun)

    def wait(self, time: float, lag: float = 0.0) -> str:
        """Let it be the time at which a message of this time arrives; return the message's own
        time."""
        books = self.station.books
        if self.down is not None and time + lag > self.down[0]:
            books.now = max(books.now, self.zero + timedelta(seconds=self.down[0]))
            self.station.lose()
            books.now = self.zero + timedelta(seconds=self.down[1])
            self.station.connect()
            self.down = None
        books.now = max(
            books.now + timedelta(seconds=0.1), self.zero + timedelta(seconds=time + lag)
        )
        return (self.zero + timedelta(seconds=time)).strftime("%Y-%m-%dT%H:%M:%SZ")


def retold(case: Case, minutes: int) -> Retold:
    """Tell a session again, the second half so many minutes after its end; in time, if that is
    0."""
    middle, up = (case.begun + case.ended) / 2, case.ended + 60 * minutes
    with closing(in_memory()) as connection:
        station = Station(Books(connection))
        link = Link(station, case.begun, (middle, up) if minutes else None)
        number = _tell(case, link)
        settle(station.books)
        return Retold(
            *station.books.row("SELECT energy_delivered, review FROM tx WHERE id = ?", number)
        )


def _tell(case: Case, link: Link) -> int:
    station, before, after = link.station, case.before, case.after
    if before is not None and before.sent_begin is not None and before.end is not None:
        ended = case.begun - (before.apart if isfinite(before.apart) else APART)
        other = station.start(before.sent_begin, tag="BEFORE", at=link.wait(ended - LASTED))
        end = before.end if before.replaced_end is None else before.replaced_end
        station.stop(other, end, at=link.wait(ended))
    start = case.start_wh if case.start_exact is None else float(case.start_exact)
    number = start_with(station, start or 0, at=link.wait(case.begun))
    for time, samples in sorted(_samples(case).items()):
        station.tell(meter_value(link.wait(time, case.lag), *samples), transaction=number)
    stop = case.stop_wh if case.stop_exact is None else float(case.stop_exact)
    station.stop(number, stop or 0, at=link.wait(case.ended))
    if after is not None and after.sent_begin is not None:
        began = case.ended + (after.apart if isfinite(after.apart) else APART)
        other = station.start(after.sent_begin, tag="AFTER", at=link.wait(began))
        if after.end is not None:
            station.stop(other, after.end, at=link.wait(began + LASTED))
    return number


def _samples(case: Case) -> dict[float, list[dict[str, str]]]:
    """Return the readings by their time."""
    view, power, told = case.view, case.power, defaultdict[float, list[dict[str, str]]](list)
    for time, wh in zip(view.at, view.exact or view.wh, strict=True):
        is_in_kwh = view.digit in STEPS
        value = f"{wh / 1000:.{STEPS[view.digit]}f}" if is_in_kwh else f"{wh}"
        told[time].append({"value": value, "unit": "kWh" if is_in_kwh else "Wh"})
    for time, low in zip(power.at, power.low, strict=True):
        told[time].append(watts(round(low)))
    for time, percent in case.charges:
        told[time].append(charge_state(percent))
    return told


def lies(told: Iterable[str]) -> Iterator[Kept]:
    """Yield the lies among the lines of a file that are in doubt, and can be told again."""
    for kept in map(read, told):
        case = kept.case
        is_whole = (
            case.is_stopped
            and None not in (case.start_wh, case.stop_wh)
            and not case.is_start_unknown
        )
        is_plain = not (case.garbled or case.booted_at or case.is_instant) and case.is_in_order
        if kept.truth.is_lie and not kept.said.is_certain and is_whole and is_plain:
            yield kept


def compare(found: Iterable[Kept]) -> tuple[Counter[str], list[str]]:
    """Tell lies again; return how many are in doubt in time and late, and those that are in doubt
    in time only."""
    counts, missed = Counter[str](), list[str]()
    for kept in found:
        counts["told"] += 1
        if (in_time := retold(kept.case, 0)).review is None:
            continue
        counts["in time"] += 1
        for minutes in DELAYS:
            late = retold(kept.case, minutes)
            if late.review is not None:
                counts[f"{minutes} min late"] += 1
            else:
                missed.append(
                    f"{kept.source}: {minutes} min late {late.wh} Wh, certain; in time: "
                    f"{in_time.review}"
                )
    return counts, missed
