"""The past of a site, as `what if` charges it again: who came when and took what, and what the
house drew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from orjson import loads

from levity_trio.charging.quarters import quarter_of
from levity_trio.charging.sent.evidence import seconds
from levity_trio.records import record
from levity_trio.store.engine.database import Database, marks, parts
from levity_trio.store.reads.load.load import WEEK_QUARTERS, load_history
from levity_trio.store.reads.transactions.billed import billed_rows

AT_ONCE: Final = 200
_ENDED: Final = (
    "SELECT id, cp_id, conn_id, start_time, stop_time, energy_delivered FROM tx INDEXED BY tx_ended"
    " WHERE stop_time >= ? AND stop_time < ? AND energy_delivered > 0 ORDER BY stop_time, id"
)
_POWER: Final = "SELECT tx_id, wh FROM power WHERE tx_id IN ({}) ORDER BY tx_id, day"

Phases = tuple[float, float, float]


@record
class PastStay:
    """A transaction: `quarters` are the Wh of each quarter of an hour in which it took something,
    where that is known; `who` is the household, else the name of the tag."""

    charger: str
    connector: int
    since: float
    until: float
    wh: int
    quarters: list[int]
    who: str


@record
class LoadPast:
    """Stays, and by circuit what other consumers drew in each quarter of an hour: the mean and the
    highest."""

    stays: list[PastStay]
    house: Mapping[str, Mapping[int, tuple[Phases, Phases]]]


def load_past(db: Database, since: str, until: str) -> LoadPast:
    """Return what ended in a time, and what was measured in it and in the week before."""
    ended = db.execute(_ENDED, (since, until)).fetchall()
    power, who = defaultdict[int, list[int]](list), dict[int, str | None]()
    for numbers in parts([row[0] for row in ended], AT_ONCE):
        for number, wh in db.execute(_POWER.format(marks(numbers)), tuple(numbers)).fetchall():
            power[number] += [one for one in loads(wh) if one]
        who |= {one.id: one.who or one.id_tag for one in billed_rows(db, numbers)}
    stays = [
        PastStay(
            charger=charger,
            connector=connector,
            since=seconds(start),
            until=seconds(stop),
            wh=wh,
            quarters=power[number],
            who=who.get(number) or charger,
        )
        for number, charger, connector, start, stop, wh in ended
    ]
    first = min([seconds(since), *(stay.since for stay in stays)])
    return LoadPast(
        stays=stays, house=_house(db, quarter_of(first) - WEEK_QUARTERS, quarter_of(seconds(until)))
    )


def _house(db: Database, since: int, until: int) -> dict[str, dict[int, tuple[Phases, Phases]]]:
    means = defaultdict[tuple[str, int], list[float]](lambda: [0.0, 0.0, 0.0])
    highest = defaultdict[tuple[str, int], list[float]](lambda: [0.0, 0.0, 0.0])
    for one in load_history(db, since, until):
        if one.other_mean is not None and one.other_highest is not None:
            means[one.circuit, one.quarter][one.phase] = one.other_mean
            highest[one.circuit, one.quarter][one.phase] = one.other_highest
    found = defaultdict[str, dict[int, tuple[Phases, Phases]]](dict)
    for (circuit, quarter), mean in means.items():
        high = highest[circuit, quarter]
        found[circuit][quarter] = ((mean[0], mean[1], mean[2]), (high[0], high[1], high[2]))
    return found
