"""Each class of story that an independent test found billed wrong, told to a spawned server over a socket.

They are the stories of tests/store; left out are those that tell of the present, which a server's clock that runs fast
does not share: what the system closes after a silence, and clocks that are wrong when a message comes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from levity_trio.clock import SimulatedTime, system_clock
from tests.store import telling, test_named_lies, test_named_losses
from tests.store.template import put_new
from tests.store.test_named_lies import *  # noqa: F403
from tests.store.test_named_losses import *  # noqa: F403

from .over_socket import CLOCK_SPEED, ServerBooks, SocketStation
from .serving import serving

OF_THE_PRESENT = (
    "test_an_idless_stop_hours_after_available_closes_no_stranger",
    "test_a_leap_stays_doubtful_when_the_next_start_agrees",
    "test_a_live_start_by_local_time_called_z",
    "test_two_sessions_of_a_clock_that_stands_still",
    "test_a_register_on_its_only_phase",
    "test_readings_of_connector_zero_with_the_right_id",
    "test_power_without_an_id_resumes_what_was_suspended",
    "test_no_power_resumes_nothing",
)
for name in OF_THE_PRESENT:
    del globals()[name]


@pytest.fixture
def books(tmp_path: Path) -> Iterator[ServerBooks]:
    put_new(tmp_path / "levity.db", SimulatedTime(system_clock(), CLOCK_SPEED))
    with serving(tmp_path / "levity.db", "--clock-speed", str(CLOCK_SPEED)) as server:
        yield ServerBooks(server)


@pytest.fixture
def station(books: ServerBooks, monkeypatch: pytest.MonkeyPatch) -> Iterator[SocketStation]:
    for module in (telling, test_named_lies, test_named_losses):
        monkeypatch.setattr(module, "Station", SocketStation)
        monkeypatch.setattr(module, "close_silent", SocketStation.close_silent, raising=False)
    station = SocketStation(books)
    yield station
    station.charger.close()
