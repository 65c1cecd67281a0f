"""kill -9 at any moment of a closing: no statement is half closed, no number is lost, and billing
goes on.

`KILL_ROUNDS=50 pytest tests/integration/test_bill_kill.py` for more rounds.
"""

from __future__ import annotations

import os
import random
import threading
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, Final

from levity_trio.config import EnvironmentProblem
from levity_trio.store.billing.statements import BEGINNING
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving
from tests.tools.benchmarks.filled_bills import BERLIN, Site, fill

ROUNDS: Final = int(os.environ.get("KILL_ROUNDS", "4"))
SITE: Final = Site(
    accounts=60, chargers=4, sessions=400, readings=20, minutes=15, months=1, begun=date(2004, 1, 1)
)
"""Begun so long ago that months do not run out. Each has a base fee; the sessions are in the
first."""
LONGEST_SECONDS: Final = 1.5


def test_kill_9_during_a_bill_leaves_whole_statements(tmp_path: Path) -> None:
    database, rounds = tmp_path / "levity.db", iter(range(ROUNDS))
    fill(database, SITE)
    for _ in rounds:
        with serving(database, "--time-zone", str(BERLIN)) as server:
            assert_whole(server)
            kill_while_billing(server)
    with serving(database, "--time-zone", str(BERLIN)) as server:
        assert_whole(server)
        before = len(server.query("SELECT 1 FROM closing"))
        closed = bill(server)
        assert closed["statements"] == SITE.accounts
        assert_whole(server)
    print(f"\n{ROUNDS} times kill -9: {before} months closed, all whole")


def bill(server: Serving) -> Any:
    """Close the next month."""
    month = api_of(server).ask("GET", "admin", "billing")["open_month"]
    return api_of(server).ask("POST", "admin", "closings", month, given={})


def kill_while_billing(server: Serving) -> None:
    """Bill month after month until the server is killed."""

    def billing() -> None:
        with suppress(EnvironmentProblem):  # it was killed
            while True:
                bill(server)

    working = threading.Thread(target=billing)
    working.start()
    working.join(random.uniform(0, LONGEST_SECONDS))
    is_billing = working.is_alive()
    server.kill()
    working.join()
    assert is_billing


def assert_whole(server: Serving) -> None:
    """The statements of each closing are all there, numbered without a gap, sealed one on the
    other, and entered."""
    numbers = server.query("SELECT number FROM statement WHERE number IS NOT NULL ORDER BY number")
    assert numbers == [(number,) for number in range(1, len(numbers) + 1)]
    assert server.query("SELECT next_number FROM billing") == [(len(numbers) + 1,)]
    assert not server.query(HALF_CLOSED)
    chain = [BEGINNING]
    for number, previous, digest in server.query(
        "SELECT number, previous_digest, digest FROM statement "
        "WHERE number IS NOT NULL ORDER BY number"
    ):
        assert previous == chain[-1], number
        chain.append(digest)
    assert server.query(
        "SELECT count(*), sum(amount) FROM ledger WHERE kind = 'statement'"
    ) == server.query(
        "SELECT count(*), -sum(charged) FROM statement WHERE number IS NOT NULL AND charged <> 0"
    )
    assert not server.query(
        "SELECT tx_id FROM position JOIN statement ON statement.id = statement_id"
        " WHERE number IS NOT NULL AND tx_id IS NOT NULL GROUP BY tx_id HAVING count(*) > 1"
    )


HALF_CLOSED: Final = (
    "SELECT closing.id FROM closing LEFT "
    "JOIN statement ON closing_id = closing.id "
    "GROUP BY closing.id "
    "HAVING closing.statements <> count(statement.id) OR closing.digest <> max(CASE "
    "WHEN number = (SELECT max(number) FROM statement AS other "
    "WHERE other.closing_id = closing.id) THEN statement.digest END)"
)
