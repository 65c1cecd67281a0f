"""Counts since the database was created, so that counters continue where the previous run of the
server ended.

Each count agrees with the published facts. Prometheus takes a counter that returns with a lower
value for one that was reset, and would count its whole value again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.store.engine.database import Database
from levity_trio.store.reads.chargers.chargers import NO_OUTAGES, SERVER_ENDED, STOPPING
from levity_trio.store.reads.site import receivers

Pair = tuple[str, str]

RECENT_FRAMES: Final = 10_000
"""The number of frames that are searched for the last message of each charger."""
FACT, CLOSED, REPORTED, TAKEN_BACK = "fact", "closed", "told", "taken back"
DELIVERED: Final = "delivered"
UNBILLED: Final = "unbilled"
_DELIVERING: Final = (
    "TransactionClosed",
    "TransactionCorrected",
    "TransactionRejudged",
    "TransactionStopped",
)
COUNTED: Final = (
    "('EnergyJumped', 'EnergyUnbilled', 'IdentityShared', 'TransactionClosed', "
    "'TransactionCorrected', 'TransactionRejudged', 'TransactionStopped')"
)
"""The same text as in the index `event_counted`; otherwise SQLite would not use that index."""


def sums_of(source: str) -> str:
    """Return the statement that sums the events of a source as rows of `event_sum`: counts, and
    energy in Wh.

    Each event of a transaction adds only the difference from the energy reported before, positive
    or negative.
    """
    after, before = (
        f"CAST(json_extract(data, '$.{name}') AS INTEGER)" for name in ("energy_wh", "before_wh")
    )
    step = f"{after} - {before}"
    counter = f"CASE kind WHEN 'EnergyUnbilled' THEN '{UNBILLED}' ELSE '{DELIVERED}' END"
    has_energy = "kind NOT IN ('EnergyJumped', 'IdentityShared')"
    return f"""
SELECT cp_id, '{FACT}' AS counter, kind AS what, count(*) AS amount FROM {source}
    GROUP BY cp_id, what
UNION ALL SELECT cp_id, '{CLOSED}', json_extract(data, '$.reason') AS what, count(*) FROM {source}
    AND kind = 'TransactionClosed' GROUP BY cp_id, what
UNION ALL SELECT cp_id, '{REPORTED}', {counter} AS what, coalesce(sum(max({step}, 0)), 0)
    FROM {source}
    AND {has_energy} GROUP BY cp_id, what
UNION ALL SELECT cp_id, '{TAKEN_BACK}', {counter} AS what, coalesce(sum(max(-({step}), 0)), 0)
    FROM {source}
    AND {has_energy} GROUP BY cp_id, what"""  # noqa: S608 - our own words


SUMS: Final = (
    "SELECT cp_id, counter, what, sum(amount) "  # noqa: S608 - our own words
    f"FROM ({sums_of(f'event WHERE kind IN {COUNTED}')} UNION ALL "
    "SELECT cp_id, counter, what, amount FROM event_sum) "
    "GROUP BY cp_id, counter, what"
)
"""The sums of all events, pruned ones included."""


_TRANSACTIONS: Final = (
    "SELECT cp_id, count(*) - (SELECT count(*) FROM tx AS imported WHERE imported.cp_id = tx.cp_id"
    " AND imported_id IS NOT NULL) FROM tx GROUP BY cp_id"
)
"""Without the imported ones; each index that it reads holds all that it needs."""


class CounterTotals(NamedTuple):
    """Counts by charger, some by charger and another key. Energy in Wh."""

    message_at: Mapping[str, str]
    """The last message of each known charger, in the database's format."""
    connectors: list[tuple[str, int | None]]
    """The connectors that ever had a transaction."""
    boots: Mapping[str, int]
    disconnects: Mapping[str, int]
    outages: Mapping[str, int]
    errors: Mapping[Pair, int]
    transactions: Mapping[str, int]
    facts: Mapping[Pair, int]
    """EnergyJumped, IdentityShared and MessagesRefused, by charger and kind."""
    facts_counted: Mapping[Pair, int]
    """Facts counted instead of stored, as far as FactsCounted reported them, by charger and
    kind."""
    energy: Mapping[Pair, tuple[int, int]]
    """The energy by charger and DELIVERED or UNBILLED: what was reported, and the energy taken back
    later."""
    closed: Mapping[Pair, int]
    """Closings by the system, by charger and reason."""
    webhook_given_up: int
    """Facts that were never delivered to a webhook."""


class Delivered:
    """The energy that facts have reported, in Wh by charger; no figure ever falls. A read adds only
    the new facts."""

    def __init__(self) -> None:
        self._position: int | None = None
        self._wh = Counter[str]()

    def read(self, db: Database) -> Mapping[str, int]:
        """Return the figures of all chargers, hidden ones included, within a read that has
        begun."""
        upto = receivers.newest(db)
        if self._position is None:
            reported = _summed(db)[REPORTED]
            self._wh = Counter(
                {charger: wh for (charger, what), wh in reported.items() if what == DELIVERED}
            )
        else:
            for fact in receivers.after(db, self._position, upto, upto - self._position):
                if fact.charger is not None and fact.kind in _DELIVERING:
                    data = orjson.loads(fact.data)
                    self._wh[fact.charger] += max(0, data["energy_wh"] - data["before_wh"])
        self._position = upto
        return self._wh


def totals(db: Database) -> CounterTotals:
    """Read all counts, from one snapshot."""
    summed = _summed(db)
    known = _counts(
        db,
        "SELECT id, max(created_at, coalesce(last_seen_at, ''), coalesce(last_boot_at, '')) "
        "FROM cp",
    )
    # as far as stored: no write is made for that time alone
    recent = db.execute(
        "SELECT cp_id, max(at) FROM (SELECT cp_id, at, direction FROM log ORDER BY id DESC LIMIT ?)"
        " WHERE direction = 'recv' GROUP BY cp_id",
        (RECENT_FRAMES,),
    )
    logged = dict(recent.fetchall())
    return CounterTotals(
        message_at={one: max(str(at), logged.get(one, "")) for one, at in known.items()},
        connectors=db.execute("SELECT DISTINCT cp_id, conn_id FROM tx").fetchall(),
        boots=_counts(db, "SELECT cp_id, count(*) FROM boot GROUP BY cp_id"),
        disconnects=_counts(
            db,
            "SELECT cp_id, count(*) FROM session "
            "WHERE ended_at IS NOT NULL AND close_reason NOT IN (?, ?) "
            "GROUP BY cp_id",
            STOPPING,
            SERVER_ENDED,
        ),
        outages=_counts(
            db,
            "SELECT tx.cp_id, count(DISTINCT received_at) FROM tx_event JOIN tx ON tx.id = tx_id"
            " WHERE kind = 'suspend' AND reason NOT IN (?, ?) GROUP BY tx.cp_id",
            *NO_OUTAGES,
        ),
        errors=_pairs(
            db,
            (
                "SELECT cp_id, error_code, count(*) FROM cp_err "
                "WHERE imported_id IS NULL GROUP BY cp_id, error_code"
            ),
        ),
        transactions=_counts(db, _TRANSACTIONS),
        facts=summed[FACT],
        facts_counted=_pairs(db, "SELECT cp_id, kind, told FROM fact_count WHERE told > 0"),
        energy={
            pair: (reported, summed[TAKEN_BACK][pair])
            for pair, reported in summed[REPORTED].items()
        },
        closed=summed[CLOSED],
        webhook_given_up=db.execute(
            "SELECT coalesce(sum(facts), 0) FROM webhook_given_up"
        ).fetchone()[0],
    )


def _counts(db: Database, sql: str, *parameters: str) -> dict[Any, int]:
    return dict(db.execute(sql, parameters).fetchall())


def _pairs(db: Database, sql: str) -> dict[Pair, int]:
    return {(charger, what): count for charger, what, count in db.execute(sql).fetchall()}


def _summed(db: Database) -> Mapping[str, dict[Pair, int]]:
    sums = defaultdict[str, dict[Pair, int]](dict)
    for charger, counter, what, amount in db.execute(SUMS).fetchall():
        sums[counter][charger, what] = amount
    return sums
