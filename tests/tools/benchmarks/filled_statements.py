"""Bills for a filled database: a household for each charger, a tariff with windows and a fee for
blocking, and closed statements of all months but the last."""

from __future__ import annotations

import sqlite3
from typing import Final

TARIFF: Final = """
name = "House"
valid_from = 2016-01-01
currency = "EUR"
prices = "gross"
tax = 19

[[window]]
name = "night"
price = 0.21
times = "22:00-06:00"

[energy]
name = "day"
price = 0.32

[blocking]
price = 0.05
grace_minutes = 30
"""
DAY: Final = "2016-01-01"
AT: Final = f"{DAY}T00:00:00.000Z"
LINES: Final = '[["energy","House","2016-01-01","day",5000,null,"0.32",160,"19"]]'
MONTHS: Final = (
    "SELECT DISTINCT substr(start_time, 1, 7) AS month FROM tx"
    " WHERE start_time < (SELECT max(substr(start_time, 1, 7)) FROM tx)"
)


def house(connection: sqlite3.Connection) -> None:
    """Add accounts, to each a charger, and the tariff; there are no transactions yet."""
    connection.execute(
        "INSERT INTO account (name, since, created_at, created_by, updated_at)"
        " SELECT 'Household ' || rowid, ?1, ?1, 'anna', ?1 FROM cp ORDER BY id",
        (AT,),
    )
    connection.execute(
        "INSERT INTO ownership (account_id, what, key, conn_id, since, given_at, given_by)"
        " SELECT row_number() OVER (ORDER BY id), 'space', id, 0, ?1, ?1, 'anna' FROM cp",
        (AT,),
    )
    connection.execute(
        "INSERT INTO tariff (name, currency, prices) VALUES ('House', 'EUR', 'gross')"
    )
    connection.execute(
        "INSERT INTO tariff_version (tariff_id, since, toml, digest, added_at, added_by)"
        " VALUES (1, ?, ?, '', ?, 'anna')",
        (DAY, TARIFF, AT),
    )
    connection.execute(
        "INSERT INTO tariff_assignment (scope, key, since, tariff_id, assigned_at, assigned_by)"
        " VALUES ('site', '', ?, 1, ?, 'anna')",
        (DAY, AT),
    )
    connection.execute(
        "INSERT INTO billing (id, begun_on, begun_at, begun_by) VALUES (1, ?, ?, 'anna')", (DAY, AT)
    )
    connection.execute(
        "INSERT INTO biller (name, payment_days, set_at, set_by) VALUES ('Owner', 14, ?, 'anna')",
        (AT,),
    )


def statements(connection: sqlite3.Connection) -> None:
    """Close all months but the last, with a position for each transaction that waits for nobody."""
    connection.execute(
        "INSERT INTO closing (month, terms, biller_id, statements, previous_digest, digest, "
        "closed_at, closed_by) "
        "SELECT month, '{}', 1, 0, '', 'd' || month, ?, 'anna' "
        f"FROM ({MONTHS}) ORDER BY month",
        (AT,),
    )
    connection.execute(
        "INSERT INTO statement (account_id, month, zone, currency, prices, taxes, charged, "
        "carried_in, total, is_carried, content) "
        "SELECT account.id, month, 'Europe/Berlin', 'EUR', 'gross', '[]', 0, 0, 0, 0, '' "
        "FROM closing, account ORDER BY month, account.id"
    )
    connection.execute(
        "INSERT INTO position (statement_id, account_id, kind, tx_id, cp_id, conn_id, id_tag, "
        "started_at, ended_at, energy_wh, split, is_prepaid, lines, amount) "
        "SELECT statement.id, account_id, 'session', tx.id, cp_id, conn_id, id_tag, start_time, "
        "stop_time, 5000, 'whole', 0, ?, 160 "
        "FROM tx "
        "JOIN statement ON account_id = CAST(substr(cp_id, 4) AS INTEGER) + 1 "
        "AND month = substr(start_time, 1, 7) "
        "WHERE status = 'Completed' AND review IS NULL",
        (LINES,),
    )
    connection.execute(
        "UPDATE statement "
        "SET closing_id = (SELECT id FROM closing "
        "WHERE closing.month = statement.month), number = id, "
        "printed_number = id, party_digest = '', previous_digest = id - 1, digest = id"
    )
    connection.execute("DELETE FROM bill_work WHERE tx_id IN (SELECT tx_id FROM position)")
