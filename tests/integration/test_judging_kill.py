"""kill -9 while sessions before are judged again by what one proved: the pass goes on after each
start, and ends as it would have without."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from tests.integration.charger import Charger
from tests.integration.serving import Serving, serving
from tests.integration.test_operations import wait_for

FLAGS: Final = ("--clock-speed", "60")
IN_KWH: Final = [(3440, 3460), (3460, 3480), (3480, 3500), (3500, 3516)]
IN_WH: Final = (3_516_000, 3_532_400)
DUE: Final = "SELECT count(*) FROM tx WHERE judge_after = start_time"
MAKE_DUE: Final = "UPDATE tx SET judge_after = start_time WHERE judge_after IS NOT NULL"


def test_what_one_session_proves_is_told_to_all_before_it(tmp_path: Path) -> None:
    database, killed = tmp_path / "levity.db", 0
    with serving(database, *FLAGS) as server:
        begin = datetime.now(UTC) - timedelta(hours=12)
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            for number, (start, stop) in enumerate((*IN_KWH, IN_WH)):
                begun, ended = (begin + timedelta(hours=2 * number + more) for more in (0, 1))
                given = {
                    "transactionId": charger.start("Card", start, f"{begun:%Y-%m-%dT%H:%M:%SZ}"),
                    "meterStop": stop,
                    "timestamp": f"{ended:%Y-%m-%dT%H:%M:%SZ}",
                }
                charger.call("StopTransaction", **given)
        server.kill()
    while due := made_due(database):
        with serving(database, *FLAGS) as server:
            wait_for(partial(are_fewer, server, due))
            server.kill()
            killed += 1
    assert killed > 1
    with serving(database, *FLAGS) as server:
        figures = server.query("SELECT energy_delivered, confidence FROM tx ORDER BY id")
    assert figures == [
        *((1000 * (stop - start), "doubtful") for start, stop in IN_KWH),
        (IN_WH[1] - IN_WH[0], "certain"),
    ]


def are_fewer(server: Serving, due: int) -> bool:
    return server.query(DUE) < [(due,)]


def made_due(database: Path) -> int:
    """Make what waits to be judged due. Return how many wait."""
    with closing(sqlite3.connect(database)) as connection, connection:
        return connection.execute(MAKE_DUE).rowcount
