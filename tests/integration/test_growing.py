"""Whatever strangers send, to whatever port: the folder stays within what the manual says, and the
memory too."""

from pathlib import Path

import pytest

from tests.integration.growing import flood_all
from tests.sizes import size

pytestmark = pytest.mark.night

SECONDS, STARTS, LOG_MEGABYTES, MOST_MEGABYTES = size(60, 10), 20, 16, 250


def test_all_floods_at_once_grow_nothing_beyond_its_bound(tmp_path: Path) -> None:
    (folder := tmp_path / "folder").mkdir()
    grown = flood_all(folder, SECONDS, STARTS, LOG_MEGABYTES)
    assert grown.beyond() == []
    assert {"log", "evidence", "event", "server.log"} <= grown.grown.keys()
    assert min(grown.messages.values()) > 0, grown.messages
    assert grown.memory_megabytes <= MOST_MEGABYTES
