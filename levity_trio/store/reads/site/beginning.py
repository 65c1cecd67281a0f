"""What a server reads from its database before it serves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from levity_trio.access.registration import Decision
from levity_trio.clock import SimulatedTime
from levity_trio.records import record
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.site.database import Newest, newest
from levity_trio.wire.times import stamp

APART: Final = timedelta(seconds=2)
"""The clock of a server may differ so much from that of its database."""


@record(kw_only=False)
class StartState:
    """What a server reads from its database before it serves."""

    chargers: frozenset[str]
    has_charged: frozenset[str]
    bare: frozenset[str]
    decided: Mapping[str, Decision]
    """What a person decided about the registration of each charger."""
    open_transactions: int
    newest: Newest | None
    simulated: SimulatedTime | None


def beginning(db: Database) -> StartState:
    """Read the known chargers that are not hidden, those of them with a transaction, the number of
    open transactions, the newest row, and the simulated clock, if any."""
    chargers = frozenset(
        charger for (charger,) in db.execute("SELECT id FROM cp EXCEPT SELECT id FROM hidden_cp")
    )
    charged = "SELECT id FROM cp WHERE EXISTS (SELECT 1 FROM tx WHERE tx.cp_id = cp.id)"
    has_charged = chargers.intersection(charger for (charger,) in db.execute(charged))
    bare = frozenset(charger for (charger,) in db.execute("SELECT id FROM bare_cp"))
    decided = {
        charger: Decision(registration)
        for charger, registration in db.execute(
            "SELECT id, registration FROM cp WHERE registration <> 'newcomer'"
        )
    }
    ((open_transactions,),) = db.execute(
        "SELECT count(*) FROM tx WHERE status = 'Active'"
    ).fetchall()
    simulated, now = simulated_time(db), db.now()
    # Ours must not be behind it. Of a database that has a clock, rows of other servers may be ahead
    # of ours by a little.
    if now is None or simulated is not None:
        last = newest(db)
    else:
        last = Newest(stamp(now - APART), "the clock of the database")
    return StartState(chargers, has_charged, bare, decided, open_transactions, last, simulated)


def simulated_time(db: Database) -> SimulatedTime | None:
    """Return the simulated clock that the database was created for; None for real time."""
    # An older schema has no start.
    for _, begun_at, speed, *started_at in db.execute("SELECT * FROM simulated_time"):
        started = datetime.fromisoformat(started_at[0]) if started_at and started_at[0] else None
        return SimulatedTime(datetime.fromisoformat(begun_at), speed, started)
    return None


def own_settings(db: Database, key: SecretKey) -> Mapping[str, str | None]:
    """Return each setting that was made in the browser, as text; None: its secret was encrypted
    by another key."""
    rows = db.execute("SELECT name, value FROM own_setting ORDER BY name").fetchall()
    return {name: key.opened(value) for name, value in rows}
