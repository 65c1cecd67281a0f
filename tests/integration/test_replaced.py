"""Many sockets of one charger at once, of which the newest stays; and who leaves for whom, also
after a restart."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from .charger import Charger, NoWebSocket, now
from .serving import Serving, serving


def test_twenty_reconnects_at_once_leave_one(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db") as server, ExitStack() as stack:
        chargers = [stack.enter_context(Charger(server.port, "CP-1")) for _ in range(20)]
        last = chargers.pop()
        assert {charger.wait_closed().code for charger in chargers} == {1000}
        last.boot()
        assert server.query("SELECT is_connected, session_id FROM cp") == [(1, 1)]
        assert sessions(server) == [(None, None)]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_charger_with_transactions_takes_the_place_of_a_stranger(
    is_restarted: bool, tmp_path: Path
) -> None:
    database, limit = tmp_path / "levity.db", ("--max-connections", "2")
    with ExitStack() as stack:
        server = stack.enter_context(serving(database, *limit))
        with Charger(server.port, "KNOWN") as known:
            known.boot()
            transaction = known.start("TAG")
            known.call(
                "StopTransaction", transactionId=transaction, meterStop=4000, timestamp=now()
            )
        if is_restarted:
            server.stop()
            server = stack.enter_context(serving(database, *limit))
        strangers = [
            stack.enter_context(Charger(server.port, f"STRANGER-{number}")) for number in range(2)
        ]
        for stranger in strangers:
            stranger.boot()
        with pytest.raises(NoWebSocket, match="503"):
            Charger(server.port, "STRANGER-3")
        with Charger(server.port, "KNOWN") as known:
            known.boot()
            assert strangers[0].wait_closed().code == 1013
            strangers[1].call("Heartbeat")


def sessions(server: Serving) -> list[tuple[object, ...]]:
    return server.query("SELECT close_code, close_reason FROM session ORDER BY id")
