"""A site that bills, filled with bulk statements: accounts with a tag each, and what they charged
in some months.

Every second account has a tariff with windows. All sessions are spread evenly and equally long, so
that about as many cross the end of a window as at a real site.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from levity_trio.billing.examples import DAY_AND_NIGHT, FLAT
from levity_trio.billing.months import Month, beginning
from levity_trio.store.engine.file_store import open_database

from .filled import SERIES, TIME, events

BERLIN: Final = ZoneInfo("Europe/Berlin")
BEGUN: Final = date(2024, 1, 1)
"""A year that is over on every machine."""
BASE_FEE: Final = "base_fee = 3.10\ncurrency ="
METER_WH_PER_MINUTE: Final = 100
DELAY: Final = 0.4
"""Seconds from a charger's time to its receipt."""
LEAST_SECONDS: Final = 300
"""Between two sessions of a charger."""


class Site(NamedTuple):
    """How much is in the database. `minutes` are between two readings of a session."""

    accounts: int
    chargers: int
    sessions: int
    readings: int
    minutes: int
    months: int
    begun: date = BEGUN
    until: datetime | None = None
    """When the last month is cut off."""

    @property
    def lasts(self) -> int:
        """The seconds of a session."""
        return self.readings * self.minutes * 60

    def spread_over(self) -> tuple[datetime, int]:
        """Return when the first session begins, and the seconds between two of a charger."""
        month = Month.of(self.begun)
        begin = end = beginning(month.first_day, BERLIN)
        for _ in range(self.months):
            end = month.until(BERLIN)
            month = month.next
        end = min(end, self.until or end)
        of_charger = -(-self.sessions // self.chargers)
        slot = int((end - begin).total_seconds()) // of_charger
        assert slot >= self.lasts + LEAST_SECONDS, (
            f"{self} does not fit: {slot} s for {self.lasts} s"
        )
        return begin, slot


def fill(database: Path, site: Site) -> None:
    """Fill a new database. Its months can be closed in their order."""
    with open_database(database) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        ((index,),) = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE name = 'meter_val_connector'"
        ).fetchall()
        connection.execute("DROP INDEX meter_val_connector")
        connection.execute("BEGIN")
        _chargers(connection, site)
        _accounts(connection, site)
        _tariffs(connection, str(site.begun))
        _transactions(connection, site)
        events(connection)
        _readings(connection, site)
        connection.execute(index)
        connection.execute("COMMIT")


def _chargers(connection: sqlite3.Connection, site: Site) -> None:
    at = f"{site.begun}T00:00:00.000Z"
    connection.execute(
        "INSERT INTO run (server, version, started_at, clock_trusted) VALUES ('levity', '1', ?, 1)",
        (at,),
    )
    connection.execute(
        f"{SERIES} INSERT INTO cp (id, vendor, model, firmware_version, meter_serial_number, "
        "created_at, updated_at) SELECT printf('CP-%03d', i), 'United Chargers', 'Grizzl-E', "
        "'5.623', 'M-' || i, ?2, ?2 FROM series",
        (site.chargers, at),
    )
    connection.execute(
        "INSERT INTO session (cp_id, run_id, remote_address, target, clock_trusted, connected_at)"
        " SELECT id, 1, '10.0.0.1', '/ws', 1, created_at FROM cp ORDER BY id"
    )


def _accounts(connection: sqlite3.Connection, site: Site) -> None:
    """Number n of the accounts has the tag TAG-n."""
    since = datetime(site.begun.year - 1, 1, 1, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    connection.execute(
        f"{SERIES} INSERT INTO account (name, address, since, created_at, created_by, updated_at)"
        " SELECT 'Flat ' || i, 'Street ' || i, ?2, ?2, 'bench', ?2 FROM series",
        (site.accounts, since),
    )
    connection.execute(
        "INSERT INTO ownership (account_id, what, key, conn_id, id_tag, since, given_at, given_by)"
        " SELECT id, 'tag', 'tag-' || id, 0, 'TAG-' || id, since, since, 'bench' FROM account"
    )


def _tariffs(connection: sqlite3.Connection, begun: str) -> None:
    at = f"{begun}T00:00:00.000Z"
    version = "INSERT INTO tariff_version (tariff_id, since, toml, digest, added_at, added_by)"
    for number, text in enumerate((FLAT, DAY_AND_NIGHT), 1):
        toml = text.replace("2026-10-01", begun).replace("currency =", BASE_FEE)
        connection.execute(
            "INSERT INTO tariff (name, currency, prices) VALUES (?, 'EUR', 'gross')",
            (f"T{number}",),
        )
        connection.execute(f"{version} VALUES (?, ?, ?, '', ?, 'bench')", (number, begun, toml, at))
    assigned = (
        "INSERT INTO tariff_assignment (scope, key, since, tariff_id, assigned_at, assigned_by)"
    )
    connection.execute(f"{assigned} VALUES ('site', '', ?, 1, ?, 'bench')", (begun, at))
    of_accounts = "SELECT 'account', id, ?, 2, ?, 'bench' FROM account WHERE id % 2 = 0"
    connection.execute(f"{assigned} {of_accounts}", (begun, at))
    connection.execute(
        "INSERT INTO billing (id, begun_on, begun_at, begun_by) VALUES (1, ?, ?, 'bench')",
        (begun, at),
    )
    biller = "INSERT INTO biller (name, payment_days, set_at, set_by)"
    connection.execute(f"{biller} VALUES ('Owner', 14, ?, 'bench')", (at,))


def _transactions(connection: sqlite3.Connection, site: Site) -> None:
    begin, slot = site.spread_over()
    wh = site.readings * site.minutes * METER_WH_PER_MINUTE
    connection.execute(
        f"""
{SERIES}, one (i, charger, place, begun) AS (
    SELECT i, i % ?2, i / ?2, i / ?2 * ?4 + i % ?2 * (?4 - ?5 - {LEAST_SECONDS}) / ?2 FROM series),
timed AS (
    SELECT *, strftime({TIME}, ?3, begun || ' seconds') AS start,
        strftime({TIME}, ?3, (begun + ?5) || ' seconds') AS stop,
        strftime({TIME}, ?3, (begun + {DELAY}) || ' seconds') AS start_received,
        strftime({TIME}, ?3, (begun + ?5 + {DELAY}) || ' seconds') AS stop_received,
        charger * 1234567 + place * ?6 AS wh FROM one)
INSERT INTO tx (cp_id, conn_id, session_id, id_tag, verdict, status, start_time, sent_start_time,
    start_skew_seconds,
    stop_time, sent_stop_time, meter_start, meter_stop, energy_delivered, energy_method,
        confidence, stop_reason,
    stopped_by, last_reading_at, last_register_wh, created_at, updated_at, own_start_time,
        own_stop_time,
    stop_skew_seconds, stop_received_at, billed_from_wh, billed_until_wh, rules, judged_at,
        counted_wh)
SELECT printf('CP-%03d', charger), 1, charger + 1, 'TAG-' || (1 + i * 7919 % ?7), 'Accepted',
    'Completed', start, start,
    0, stop, stop, wh, wh + ?6, ?6, 'register', 'certain', 'Local', 'charger', stop, wh + ?6,
    start_received, stop_received, start, stop, 0, stop_received, wh, wh + ?6, 2, stop_received, ?6
FROM timed ORDER BY stop""",
        (site.sessions, site.chargers, begin.isoformat(), slot, site.lasts, wh, site.accounts),
    )


def _readings(connection: sqlite3.Connection, site: Site) -> None:
    """In the order of their receipt, as a site writes them. The last one is just before the
    stop."""
    connection.execute(
        f"{SERIES} INSERT INTO meter_val (tx_id, cp_id, conn_id, session_id, received_at, "
        "timestamp, sent_timestamp, measurand, value, unit, context, location, phase, format, "
        "source, wh, told_id) SELECT id, cp_id, conn_id, session_id, received, at, at, "
        "'Energy.Active.Import.Register', wh, 'Wh', 'Sample.Periodic', 'Outlet', '', 'Raw', "
        f"'MeterValues', wh, id FROM (SELECT tx.*, strftime({TIME}, start_time, ((i + 1) * ?2 * "
        f"60 - 1) || ' seconds') AS at, strftime({TIME}, start_time, ((i + 1) * ?2 * 60 - 1 + "
        f"{DELAY}) || ' seconds') AS received, meter_start + (i + 1) * ?2 * {METER_WH_PER_MINUTE} "
        "AS wh FROM tx, series) ORDER BY received",
        (site.readings, site.minutes),
    )
