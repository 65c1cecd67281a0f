"""The connectors of a charger: those that a table names, what a person said of one, and whose
status differs from our intent.

A ChangeAvailability that was accepted tells our intent. A charger may forget it in a reboot, or be
switched by hand. Nothing is compared while the outcome of the command is still followed, and of a
connector that finishes a transaction from before the command (OCPP 1.6 §5.2, Scheduled).
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from levity_trio.store.engine.database import Rows


def connector_numbers(
    rows: Rows, charger: str, table: Literal["tx", "meter_val", "status"]
) -> list[int]:
    """Return the connectors of a charger in a table, with one index look-up for each."""
    first = f"SELECT min(conn_id) FROM {table} WHERE cp_id = ?"  # noqa: S608 - our own names
    every = (
        f"WITH RECURSIVE each (number) AS ({first} UNION ALL SELECT ({first} "  # noqa: S608
        "AND conn_id > each.number) FROM each WHERE each.number IS NOT NULL) "
        "SELECT number FROM each WHERE number IS NOT NULL"
    )
    return [number for (number,) in rows(every, (charger, charger))]


_FREE: Final = "('Available', 'Preparing', 'Reserved')"
_CHARGES: Final = "('Charging', 'SuspendedEV', 'SuspendedEVSE')"
_EARLIER: Final = (
    "SELECT 1 FROM tx INDEXED BY tx_open WHERE tx.cp_id = cp_conn.cp_id AND tx.status = 'Active'"
    " AND tx.conn_id = cp_conn.conn_id AND tx.created_at <= accepted_at"
)
_DIFFERING: Final = (
    "SELECT cp_conn.cp_id, cp_conn.conn_id, type, cp_conn.status, cp_conn.status_at "  # noqa: S608 - our own texts
    "FROM availability "
    "JOIN cp ON cp.id = availability.cp_id AND is_connected = 1 "
    "JOIN command ON command.id = command_id AND outcome IS NOT 'pending' "
    "JOIN cp_conn ON cp_conn.cp_id = availability.cp_id AND cp_conn.conn_id > 0 "
    "AND (cp_conn.conn_id = availability.conn_id OR availability.conn_id = 0 "
    "AND NOT EXISTS (SELECT 1 FROM availability AS own WHERE own.cp_id = cp_conn.cp_id "
    "AND own.conn_id = cp_conn.conn_id)) "
    "WHERE (type = 'Operative' AND cp_conn.status = 'Unavailable' OR type = 'Inoperative' "
    f"AND (cp_conn.status IN {_FREE} OR cp_conn.status IN {_CHARGES} AND NOT EXISTS ({_EARLIER})))"
)


class Differing(NamedTuple):
    """A connector that was told to be Operative or Inoperative, its status, and since when it has
    this status."""

    charger: str
    connector: int
    wanted: str
    status: str
    since: str | None


def differing(rows: Rows) -> list[Differing]:
    """Return the connectors of connected chargers that differ from our intent."""
    return [
        Differing(*row) for row in rows(f"{_DIFFERING} ORDER BY cp_conn.cp_id, cp_conn.conn_id", ())
    ]


def differs(rows: Rows, charger: str, connector: int) -> Differing | None:
    """Return how a connector differs from our intent, None if it does not."""
    one = f"{_DIFFERING} AND availability.cp_id = ? AND cp_conn.conn_id = ?"
    found = rows(one, (charger, connector))
    return Differing(*found[0]) if found else None
