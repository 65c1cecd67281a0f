"""The energy of households by the quarter of an hour, for who settles it with them."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from levity_trio.billing.pricing import quarter
from levity_trio.billing.states import BillState
from levity_trio.store.billing.booking import LONGEST
from levity_trio.store.billing.evidence import Billed
from levity_trio.store.billing.quarters import QuarterShares
from levity_trio.store.cases.so_far import energies_so_far
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.reads.pages import and_all, given
from levity_trio.wire.times import stamp

_HOUSEHOLDS: Final = (
    "SELECT account.id, name, min(started_at) FROM booked "
    "JOIN account ON account.id = booked.account_id "
    "WHERE started_at < ? AND is_imported = 0{} GROUP BY account.id, name ORDER BY account.id"
)
_SESSIONS: Final = (
    "SELECT tx.id, tx.cp_id, start_time, coalesce(stop_time, last_reading_at, start_time), "
    "coalesce(energy_delivered, 0), booked.is_open, state, start_behind_seconds, "
    "stop_behind_seconds FROM booked JOIN tx ON tx.id = booked.tx_id "
    "WHERE booked.account_id = ? AND booked.started_at < ? AND booked.is_imported = 0 "
    "AND (booked.is_open = 1 OR booked.ended_at > ?) ORDER BY booked.started_at, tx.id"
)
_TICK: Final = timedelta(microseconds=1)


class HouseholdSpan(NamedTuple):
    """A household, and when its first session began."""

    account: int
    name: str
    first: str


class _CountedSession(NamedTuple):
    id: int
    charger: str
    since: str
    until: str
    wh: int
    is_open: int
    state: str
    start_behind: int
    stop_behind: int


class HouseholdQuarter(NamedTuple):
    """What a household took in a quarter, which counts from 1970 in UTC, None if nothing of it is
    certain. `sun_wh` is None where no sun was measured."""

    quarter: int
    wh: int | None
    sun_wh: int | None
    state: str
    """measured; divided: readings do not show what flowed in it alone; missing: a session of it has
    no certain figure, and counts nothing."""
    sun_state: str
    """measured; partly: the rest of the quarter counts as grid; missing: all of it does."""


def households(db: Database, until: str, account: int | None) -> list[HouseholdSpan]:
    """Return the households, or the one, that had sessions before a time."""
    only, values = and_all(given(("account.id = ?", account)))
    found = db.execute(_HOUSEHOLDS.format(only), (until, *values)).fetchall()
    return [HouseholdSpan(*row) for row in found]


def _sessions(rows: Rows, account: int, since: datetime, until: datetime) -> list[_CountedSession]:
    """Return the sessions of a household between two times, open ones with what is known so
    far."""
    found = [
        _CountedSession(*row) for row in rows(_SESSIONS, (account, stamp(until), stamp(since)))
    ]
    so_far = energies_so_far(rows, [one.id for one in found if one.is_open])
    return [one._replace(wh=so_far.get(one.id, one.wh)) for one in found]


def household_quarters(
    db: Database, account: int, since: datetime, until: datetime
) -> list[HouseholdQuarter]:
    """Return the quarters between two times in which a household took energy, or in which it is not
    certain how much."""
    rows, span = rows_of(db), range(quarter(since), quarter(until))
    sharing = QuarterShares(rows)
    taken, sun = defaultdict[int, int](int), defaultdict[int, int](int)
    divided, missing = set[int](), set[int]()
    for one in _sessions(rows, account, since, until):
        begin, end = datetime.fromisoformat(one.since), datetime.fromisoformat(one.until)
        end = max(begin, end)
        if one.state == BillState.HELD_BACK or end - begin > LONGEST:
            first, last = quarter(begin), quarter(max(begin, end - _TICK))
            missing.update(range(max(first, span.start), min(last + 1, span.stop)))
            continue
        is_kept = not (one.is_open or one.start_behind or one.stop_behind)
        energy = sharing.energy(Billed(one.id, begin, end, max(0, one.wh)), is_kept=is_kept)
        for number, wh in energy.items:
            if wh and number in span:
                taken[number] += wh
        divided |= energy.divided
        for number, wh in sharing.sun(one.id, one.charger, energy).items():
            sun[number] += wh

    measured = sharing.measured(span.start, span.stop - 1)
    found: list[HouseholdQuarter] = []
    for number in sorted({*taken, *missing}):
        state = "divided" if number in divided else "measured"
        if number in missing:
            state = "missing"
        sun_wh, sun_state = None, "missing"
        if number in measured:
            sun_wh = sun[number]
            sun_state = "measured" if measured[number].is_whole else "partly"
        found.append(HouseholdQuarter(number, taken.get(number), sun_wh, state, sun_state))
    return found
