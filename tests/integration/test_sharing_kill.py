"""kill -9 while the energy by the quarter of an hour is kept: it goes on from there, and bills are
the same at each moment."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from levity_trio.access.tags import Policy
from levity_trio.billing.ownership import BillBy
from levity_trio.billing.statement import Line
from levity_trio.charging.quarters import quarter_of
from levity_trio.store.billing.pricing import Pricer, Rule
from levity_trio.store.engine.database import rows_of
from levity_trio.store.engine.file_store import FileDatabase, open_database
from levity_trio.store.upkeep.derived import divided_sessions
from tests.integration.receiver import wait_until
from tests.integration.serving import Serving, query, serving
from tests.sizes import size
from tests.tools.benchmarks.filled_bills import BERLIN, Site, fill

pytestmark = pytest.mark.night

KILLS: Final = size(12, 2)
SITE: Final = Site(
    accounts=6, chargers=4, sessions=size(600, 160), readings=10, minutes=10, months=1
)
FIRST: Final = quarter_of(datetime(2023, 12, 31, 23, tzinfo=UTC).timestamp())
TOML: Final = """
name = "{}"
valid_from = 2024-01-02
currency = "EUR"
prices = "gross"
tax = 19

[energy]
series = "Market"
markup = 0.10
fallback = 0.40

[sun]
price = 0.15
"""
KEPT: Final = "SELECT count(*) FROM tx_quarter"
LEFT: Final = (
    "SELECT (SELECT max(revision) FROM bill_work WHERE tx_id IS NOT NULL)"
    " > (SELECT coalesce(max(revision), 0) FROM tx_quarter_work)"
)


def give_prices_and_sun(database: Path) -> None:
    with open_database(database) as connection:
        connection.execute(
            "INSERT INTO series (name, currency, prices, changed_at, changed_by) "
            "VALUES ('Market', 'EUR', 'net', '', 'cleo')"
        )
        connection.execute("INSERT INTO series_batch (series_id, at, by) VALUES (1, '', 'cleo')")
        connection.execute("INSERT INTO load_site (toml, set_at, set_by) VALUES ('', '', 'cleo')")
        connection.execute("INSERT INTO sun_charger SELECT 1, id FROM cp")
        for place in range(31 * 96):
            connection.execute(
                "INSERT INTO series_value VALUES (1, ?, 1, ?)",
                (FIRST + place, f"0.{place * 37 % 997:03}"),
            )
            connection.execute(
                "INSERT INTO sun_quarter (quarter, site_id, seconds, import_wh, export_wh, "
                "generation_wh) VALUES (?, 1, 900, ?, 0, ?)",
                (FIRST + place, place * 53 % 3000, place * 71 % 5000),
            )
        for number, name in ((1, "T1"), (2, "T2")):
            connection.execute(
                "INSERT INTO tariff_version (tariff_id, since, toml, digest, added_at, added_by) "
                "VALUES (?, '2024-01-02', ?, '', '', 'cleo')",
                (number, TOML.format(name)),
            )


def costs(database: Path) -> dict[int, tuple[Line, ...]]:
    """Return what each session costs, while no server runs."""
    with open_database(database) as connection:
        db = FileDatabase(connection)
        numbers = [number for (number,) in db.execute("SELECT id FROM tx").fetchall()]
        priced = Pricer(rows_of(db), Rule(BERLIN, Policy(), BillBy.TAG)).price(numbers)
        return {number: one.position.lines for number, one in priced.items()}


def kept(database: Path) -> list[tuple[Any, ...]]:
    return query(database, "SELECT tx_id, first, wh, divided FROM tx_quarter ORDER BY tx_id")


def test_kill_9_while_energy_is_kept_changes_no_bill(tmp_path: Path) -> None:
    database = tmp_path / "levity.db"
    fill(database, SITE)
    give_prices_and_sun(database)
    before = costs(database)
    assert sum(bool(line.quarters) for every in before.values() for line in every) > SITE.sessions

    for _ in range(KILLS):
        with serving(database, "--time-zone", str(BERLIN)) as server:
            wait_for_more(server)
            server.kill()
        assert costs(database) == before
    counts = query(database, KEPT)[0][0]
    assert counts > 0

    with serving(database, "--time-zone", str(BERLIN)) as server:
        wait_until(lambda: not server.query(LEFT)[0][0])
    assert costs(database) == before
    with open_database(database) as connection:
        numbers = [number for number, *_ in kept(database)]
        assert len(numbers) == SITE.sessions
        for one, (number, first, wh, _) in zip(
            divided_sessions(FileDatabase(connection), numbers), kept(database), strict=True
        ):
            assert one.energy is not None
            assert (one.transaction, one.energy.first) == (number, first)
            assert str([*one.energy.wh]).replace(" ", "") == wh
    print(f"\n{KILLS} times kill -9, the last one after {counts} of {SITE.sessions} sessions")


def wait_for_more(server: Serving) -> None:
    """Wait until the server has kept more than before, or all."""
    before = server.query(KEPT)[0][0]
    wait_until(lambda: server.query(KEPT)[0][0] > before or before == SITE.sessions)
