"""A database in Levity's shape: its tables with all their columns, and rows as it writes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

SCHEMA = """
CREATE TABLE cp (id TEXT PRIMARY KEY, name TEXT NOT NULL DEFAULT '',
    vendor TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL DEFAULT '', serial_number TEXT DEFAULT '', firmware_version TEXT DEFAULT '',
    iccid TEXT DEFAULT '', imsi TEXT DEFAULT '', status TEXT DEFAULT 'Unknown',
        is_connected INTEGER NOT NULL DEFAULT 0,
    last_heartbeat_at DATETIME, last_boot_at DATETIME, last_connect_at DATETIME,
        last_tx_start_at DATETIME,
    last_tx_stop_at DATETIME, created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE cp_conn (id INTEGER PRIMARY KEY AUTOINCREMENT, cp_id TEXT NOT NULL,
    conn_id INTEGER NOT NULL,
    status TEXT NOT NULL DEFAULT 'Available', error_code TEXT DEFAULT '',
        vendor_error_code TEXT DEFAULT '',
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
        updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (cp_id) REFERENCES cp(id) ON DELETE CASCADE, UNIQUE(cp_id, conn_id));
CREATE TABLE tx (id INTEGER PRIMARY KEY AUTOINCREMENT, tx_id INTEGER UNIQUE, cp_id TEXT NOT NULL,
    cp_conn_id INTEGER NOT NULL, id_tag TEXT NOT NULL, start_time DATETIME NOT NULL,
        stop_time DATETIME,
    meter_start INTEGER DEFAULT 0, meter_stop INTEGER, energy_delivered INTEGER DEFAULT 0,
        stop_reason TEXT DEFAULT '',
    status TEXT NOT NULL DEFAULT 'Active', created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, FOREIGN KEY (cp_id) REFERENCES cp(id)
        ON DELETE CASCADE,
    FOREIGN KEY (cp_conn_id) REFERENCES cp_conn(id) ON DELETE CASCADE);
CREATE TABLE meter_val (id INTEGER PRIMARY KEY AUTOINCREMENT, tx_id INTEGER, cp_id TEXT NOT NULL,
    cp_conn_id INTEGER NOT NULL, timestamp DATETIME NOT NULL, measurand TEXT NOT NULL,
        value REAL NOT NULL,
    unit TEXT NOT NULL DEFAULT 'Wh', context TEXT NOT NULL DEFAULT 'Sample.Periodic',
    location TEXT NOT NULL DEFAULT 'Outlet', phase TEXT DEFAULT '',
        format TEXT NOT NULL DEFAULT 'Raw',
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, FOREIGN KEY (tx_id) REFERENCES tx(id)
        ON DELETE CASCADE,
    FOREIGN KEY (cp_id) REFERENCES cp(id) ON DELETE CASCADE,
    FOREIGN KEY (cp_conn_id) REFERENCES cp_conn(id) ON DELETE CASCADE);
CREATE TABLE cp_err (id INTEGER PRIMARY KEY AUTOINCREMENT, cp_id TEXT NOT NULL, cp_conn_id INTEGER,
    error_code TEXT NOT NULL, vendor_error_code TEXT DEFAULT '', error_description TEXT DEFAULT '',
    vendor_error_info TEXT DEFAULT '', timestamp DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
        resolved_at DATETIME,
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, FOREIGN KEY (cp_id) REFERENCES cp(id)
        ON DELETE CASCADE,
    FOREIGN KEY (cp_conn_id) REFERENCES cp_conn(id) ON DELETE CASCADE);
CREATE INDEX idx_meter_values_transaction_id ON meter_val(tx_id);
CREATE INDEX idx_meter_values_timestamp ON meter_val(timestamp);
"""
REGISTER = "Energy.Active.Import.Register"
STORED = "2026-01-10 19:00:00"


class OldFile:
    """A database of Levity, and the rows that Levity adds to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(SCHEMA)

    def add(self, table: str, **values: object) -> int:
        """Add a row and return its id. Levity does not enforce its foreign keys."""
        marks = ", ".join("?" * len(values))
        with closing(sqlite3.connect(self.path)) as connection, connection:
            statement = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})"
            return connection.execute(statement, tuple(values.values())).lastrowid or 0

    def change(self, sql: str, *parameters: object) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(sql, parameters)

    def charger(self, identity: str = "CP-1", connectors: int = 1, **values: object) -> list[int]:
        """Add a charger; return the ids of its connectors' rows."""
        self.add("cp", id=identity, created_at=STORED, **values)
        return [
            self.add("cp_conn", cp_id=identity, conn_id=number + 1) for number in range(connectors)
        ]

    def transaction(self, connector: int = 1, hour: int = 18, **values: object) -> int:
        """Add a transaction of an hour and 4,000 Wh on a row of cp_conn."""
        row: Mapping[str, object] = {
            "cp_id": "CP-1",
            "cp_conn_id": connector,
            "id_tag": "TAG",
            "start_time": f"2026-01-10T{hour:02}:00:00+00:00",
            "stop_time": f"2026-01-10T{hour + 1:02}:00:00.123456+00:00",
            "meter_start": 1000,
            "meter_stop": 5000,
            "energy_delivered": 4000,
            "stop_reason": "EVDisconnected",
            "status": "Completed",
            "created_at": STORED,
            "updated_at": STORED,
        }
        return self.add("tx", **{**row, **values})

    def reading(
        self, transaction: int | None, wh: object = 3000, minute: int = 30, **values: object
    ) -> int:
        """Add a reading; Levity writes the number of the connector, not the id of its row."""
        row: Mapping[str, object] = {
            "tx_id": transaction,
            "cp_id": "CP-1",
            "cp_conn_id": 1,
            "timestamp": f"2026-01-10T18:{minute:02}:00+00:00",
            "measurand": REGISTER,
            "value": wh,
            "created_at": STORED,
        }
        return self.add("meter_val", **{**row, **values})

    def fill(self, readings: int) -> None:
        """Add many readings of the last transaction, a second apart."""
        self.change(
            "INSERT INTO meter_val (tx_id, cp_id, cp_conn_id, timestamp, measurand, value, "
            "created_at) WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n "
            "WHERE i + 1 < ?) "
            "SELECT (SELECT max(id) FROM tx), 'CP-1', 1, strftime('%Y-%m-%dT%H:%M:%S+00:00', "
            "'2026-01-10', i || ' seconds'), 'Energy.Active.Import.Register', 1000.0 + i / 100, "
            "'2026-01-10 19:00:00' "
            "FROM n",
            readings,
        )
