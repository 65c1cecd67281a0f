"""Energy by stretches of time: the judged figures of the transactions that ended in each.

All of them count, as the list of transactions shows them: those of chargers that were retired since, and imported ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from levity_trio.store.engine.database import Database

_SUMS: Final = "coalesce(sum(energy_delivered), 0), count(*), count(*) FILTER (WHERE confidence = 'doubtful')"
_OF_SITE: Final = (
    f"SELECT {_SUMS}"  # noqa: S608 - our own words
    " FROM tx INDEXED BY tx_ended WHERE stop_time >= ? AND stop_time < ?"
)
_ENERGY: Final = (
    "SELECT coalesce(sum(energy_delivered), 0) FROM tx INDEXED BY tx_ended WHERE stop_time >= ? AND stop_time < ?"
)
_OF_CHARGER: Final = _OF_SITE.replace("tx_ended WHERE", "tx_by_end WHERE cp_id = ? AND")
_BY_CHARGER: Final = _OF_SITE.replace("SELECT ", "SELECT cp_id, ") + " GROUP BY cp_id"


class Ended(NamedTuple):
    """The transactions that ended in a stretch of time: energy in Wh, how many, and how many have a doubtful figure."""

    wh: int
    transactions: int
    doubtful: int

    def with_one(self, other: Ended) -> Ended:
        """Return the sums of both."""
        return Ended(self.wh + other.wh, self.transactions + other.transactions, self.doubtful + other.doubtful)


def ended(db: Database, since: str, before: str, charger: str | None = None) -> Ended:
    """Return what ended in a stretch of time, at all chargers or at one. Times in the database's format."""
    sql, values = (_OF_SITE, (since, before)) if charger is None else (_OF_CHARGER, (charger, since, before))
    return Ended(*db.execute(sql, values).fetchone())


def delivered_wh(db: Database, since: str, before: str) -> int:
    """Return the energy of what ended in a stretch of time at the site."""
    return int(db.execute(_ENERGY, (since, before)).fetchone()[0])


def ended_between(db: Database, times: Sequence[str], charger: str | None = None) -> list[Ended]:
    """Return what ended from each of these times to the next."""
    return [ended(db, since, before, charger) for since, before in pairwise(times)]


def ended_by_charger(db: Database, since: str, before: str) -> dict[str, Ended]:
    """Return what ended in a stretch of time, by charger; one at which nothing ended is left out."""
    found = db.execute(_BY_CHARGER, (since, before)).fetchall()
    return {charger: Ended(*sums) for charger, *sums in found}
