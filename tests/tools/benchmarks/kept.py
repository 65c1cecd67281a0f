"""What chargers were answered, compared with what several servers have stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.postgresql.connection import Row, open_reader
from tests.integration.fleet import Account, answered

_TRANSACTIONS: Final = (
    "SELECT cp_id, sent_start_time, meter_start, id, sent_stop_time, meter_stop, status, "
    "suspended_at "
    "FROM tx"
)
_READINGS: Final = "SELECT cp_id, tx_id, sent_timestamp, value FROM meter_val"
_COMMANDS: Final = "SELECT state, count(*) FROM command GROUP BY state"
_SAMPLES: Final = 5
UNFINISHED: Final = frozenset({"queued", "sent"})


@dataclass
class Kept:
    """How many messages of transactions were answered, and what became of them."""

    answered: int
    lost: int = 0
    """Answered, and not stored as they were sent."""
    doubled: int = 0
    """Stored twice, or answered by another transaction than the first time."""
    closed: int = 0
    """Transactions that are not open although their charger has not stopped them."""
    suspended: int = 0
    commands: dict[str, int] = field(default_factory=dict)
    """By state."""
    samples: list[str] = field(default_factory=list)

    @property
    def without_end(self) -> int:
        """Commands of which it is not known what became of them."""
        return sum(count for state, count in self.commands.items() if state in UNFINISHED)

    def note(self, problems: Iterable[object]) -> int:
        """Count problems, and keep some of them."""
        found = [str(problem) for problem in problems]
        self.samples += found[: max(0, _SAMPLES - len(self.samples))]
        return len(found)


def compare(accounts: Sequence[Account], address: PostgresqlAddress) -> Kept:
    """Compare what these chargers were answered with the rows."""
    with closing(open_reader(address).conn) as connection:
        transactions = _by_charger(connection.execute(_TRANSACTIONS).fetchall())
        readings = _by_charger(connection.execute(_READINGS).fetchall())
        commands: dict[str, int] = dict(connection.execute(_COMMANDS).fetchall())
    kept = Kept(answered(accounts), commands=commands)
    for account in accounts:
        _compare_one(account, transactions[account.identity], readings[account.identity], kept)
    return kept


def _by_charger(rows: Iterable[Row]) -> defaultdict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for charger, *row in rows:
        found[charger].append(tuple(row))
    return found


def _compare_one(
    account: Account, transactions: Sequence[Row], readings: Sequence[Row], kept: Kept
) -> None:
    started = Counter(row[:3] for row in transactions)
    stopped = {row[2:5] for row in transactions}
    read = Counter(readings)
    for told, stored in (
        (account.starts, started),
        (account.stops, stopped),
        (account.readings, read),
    ):
        kept.lost += kept.note(
            f"{account.identity}: lost {fact}" for fact in told if tuple(fact) not in stored
        )
    begun = Counter(row[:2] for row in transactions)
    for rows in (begun, read):
        kept.doubled += kept.note(
            f"{account.identity}: {row} {n} times" for row, n in rows.items() if n > 1
        )
    kept.doubled += kept.note(account.contradictions)
    kept.closed += kept.note(
        f"{account.identity}: transaction {row[2]} is {row[5]}"
        for row in transactions
        if row[3] is None and row[5] != "Active"
    )
    kept.suspended += sum(row[6] is not None for row in transactions)
