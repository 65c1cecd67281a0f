"""The history of the demo as it is shipped: whatever the present schema is, it is migrated to it
and sound."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from levity_trio.billing.statement import LineKind
from levity_trio.charging.quarters import quarter_of
from levity_trio.clock import SimulatedTime
from levity_trio.demo.house import CHARGERS, HOUSEHOLDS, SPEED, TIME_ZONE
from levity_trio.demo.run import HISTORY, unpack
from levity_trio.store.billing.rows import lines_of
from levity_trio.store.engine.file_store import open_database
from levity_trio.store.engine.schema import newest_version
from levity_trio.store.keeping.checking import check
from levity_trio.store.reads.reader import look
from levity_trio.store.reads.site.database import simulated_time
from levity_trio.wire.times import stamp
from tests.integration.serving import query
from tests.tools.demo_history import FILE, MEASURED_FROM, MOST_BYTES, READING_SECONDS, REGISTER


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "history.db"
    unpack(path)
    return path


def test_it_is_small() -> None:
    assert FILE.name == HISTORY
    assert FILE.stat().st_size <= MOST_BYTES


def test_current_and_power_are_of_its_last_weeks_and_each_session_has_its_registers(
    history: Path,
) -> None:
    """Pages compute the power of older sessions from these."""
    oldest = "SELECT min(timestamp) FROM meter_val WHERE measurand = ?"
    since = stamp(MEASURED_FROM.astimezone(UTC))
    for measurand in ("Current.Import", "Power.Active.Import"):
        ((first,),) = query(history, oldest, measurand)
        assert first >= since, measurand
    without = (
        "SELECT id FROM tx WHERE unixepoch(stop_time) - unixepoch(start_time) > ? AND NOT EXISTS "
        "(SELECT 1 FROM meter_val WHERE tx_id = tx.id AND measurand = ?)"
    )
    assert query(history, without, READING_SECONDS, REGISTER) == []


def test_it_is_migrated_like_any_other_database(history: Path) -> None:
    simulated = look(history, simulated_time)
    assert simulated is not None
    with open_database(history, SimulatedTime(simulated.begun, simulated.speed)):
        pass
    assert query(history, "PRAGMA user_version")[0][0] % 1000 == newest_version()
    assert check(history, lambda _step: None).problems == []


def test_it_ends_on_a_winter_evening_with_one_closed_month_and_something_to_decide(
    history: Path,
) -> None:
    simulated = look(history, simulated_time)
    assert simulated is not None
    assert (simulated.speed, simulated.started) == (SPEED, None)
    end = simulated.begun.astimezone(ZoneInfo(TIME_ZONE))
    assert (end.month, end.day, end.hour) == (1, 15, 17)
    assert query(history, "SELECT count(*) FROM cp") == [(len(CHARGERS),)]
    assert query(history, "SELECT count(*), count(DISTINCT month) FROM statement") == [
        (len(HOUSEHOLDS), 1)
    ]
    assert query(
        history, "SELECT count(*) FROM tx WHERE review IS NOT NULL AND stop_time >= '2026'"
    ) == [(6,)]
    of_one = (
        "SELECT count(*) FROM tx WHERE review IS NOT NULL GROUP BY cp_id ORDER BY 1 DESC LIMIT 1"
    )
    assert query(history, of_one) == [(5,)]
    assert query(history, "SELECT error_code FROM cp_err WHERE resolved_at IS NULL") == [
        ("GroundFailure",)
    ]
    (begin,) = (
        datetime.fromisoformat(at) for (at,) in query(history, "SELECT min(start_time) FROM tx")
    )
    assert 60 <= (end - begin).days <= 64
    assert query(
        history, "SELECT count(*) FROM tx WHERE status = 'Active' AND suspended_at IS NOT NULL"
    ) == [(5,)]


def test_some_pay_by_the_quarter_hour_and_for_sun(history: Path) -> None:
    """Until the end of tomorrow at least, prices are known; some noons cost less than nothing."""
    simulated = look(history, simulated_time)
    assert simulated is not None
    now = quarter_of(simulated.begun.timestamp())
    prices = dict(query(history, "SELECT quarter, price FROM series_value"))
    first = min(prices)
    assert prices.keys() >= {*range(first, now + 2 * 96)}
    negative = [quarter for quarter, price in prices.items() if Decimal(price) < 0]
    assert any(40 < quarter % 96 < 60 for quarter in negative)
    measured = query(history, "SELECT quarter, seconds, generation_wh, export_wh FROM sun_quarter")
    unmeasured = {*range(first, now + 1)} - {quarter for quarter, *_ in measured}
    assert len(unmeasured) <= 2, "while its owner closed a month"
    assert sum(seconds < 900 for _, seconds, *_ in measured) <= 2
    assert sum(generation for *_, generation, _ in measured) > 1_000_000
    assert any(export for *_, export in measured)

    lines = [
        line
        for (text,) in query(
            history,
            "SELECT lines FROM position JOIN statement ON statement.id = statement_id"
            " WHERE statement.account_id = 1 AND lines IS NOT NULL",
        )
        for line in lines_of(text)
        if line.kind is LineKind.ENERGY
    ]
    own_sun = [line for line in lines if line.window == "sun"]
    grid = [line for line in lines if line.window != "sun"]
    assert own_sun
    assert all(line.quarters for line in lines)
    assert len({one.price for line in grid for one in line.quarters}) > 100
    assert not any(one.is_fallback for line in lines for one in line.quarters)
