"""However much strangers send, the server's memory is bounded, and a known charger is answered."""

from pathlib import Path

import pytest

from tests.tools.benchmarks.process import Server

from .crowd import boot_seconds, crowding, let_charge
from .serving import PROGRAM, serving

STRANGERS, SECONDS, MOST_MIB = 100, 4.0, 250


@pytest.mark.parametrize("kind", ["samples", "empty samples"])
def test_memory_is_bounded_whatever_strangers_send(tmp_path: Path, kind: str) -> None:
    """Without a budget each of them costs 14 MB and more."""
    with serving(tmp_path / "levity.db", program=PROGRAM) as server:
        let_charge(server.port, "KNOWN")
        with crowding(server.port, STRANGERS, kind, SECONDS) as crowd:
            waits = boot_seconds(server.port, "KNOWN", SECONDS)
        peak_mib = Server(server.process.pid, server.port).peak_mib()
    print(f"{kind}: {peak_mib:.0f} MiB; {len(waits)} boots, {1000 * max(waits):.0f} ms at most")
    assert crowd.connections >= STRANGERS
    assert peak_mib < MOST_MIB
