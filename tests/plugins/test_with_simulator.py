"""Both plugins with a simulated charger: automatic starts, and stops that are lost or late."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from levity_trio.events import AutoStart, TransactionClosed
from levity_trio.plugins.auto_remote_start import open_auto_remote_start
from levity_trio.plugins.orphaned_transactions import open_orphaned_transactions
from tests.charger.parts import configure
from tests.plugins.sites import Served, served
from tests.simulator.link.living import CAR, CAR_W, TAG, Living, open_living

VIRTUAL_TIME = True
MINUTE = 60
HOUR = 3600
TRANSACTIONS = "SELECT id_tag, status, stopped_by, energy_delivered, confidence FROM tx ORDER BY id"
SAMPLED = {"MeterValueSampleInterval": "300", "LocalPreAuthorize": "true"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as server:
        configure(server.central, auto_start=True)
        yield server


def billed(living: Living) -> list[int]:
    return [entry.energy_wh for entry in living.charger.ledger]


async def test_a_car_that_is_plugged_in_charges(server: Served) -> None:
    async with (
        server.having(open_auto_remote_start),
        open_living(server.central, keys=SAMPLED) as living,
    ):
        await living.accepted()
        for _ in range(2):
            living.charger.plug(1, CAR, living.at)
            await trio.sleep(HOUR)
            living.charger.unplug(1, living.at)
            await living.quiet()
    assert server.writer.rows(TRANSACTIONS) == [
        ("anonymous", "Completed", "charger", wh, "certain") for wh in billed(living)
    ]
    assert billed(living) == pytest.approx([CAR_W] * 2, rel=0.01)
    assert [event.outcome for event in server.witness.of(AutoStart)] == ["started", "started"]


async def test_power_is_cut_and_the_late_stop_wins(server: Served) -> None:
    async with (
        server.having(open_orphaned_transactions),
        open_living(server.central, keys=SAMPLED) as living,
    ):
        await living.accepted()
        living.charger.plug(1, CAR, living.at)
        living.charger.present_tag(1, TAG, living.at)
        await trio.sleep(HOUR)
        living.charger.power_off(living.at)
        await trio.sleep(HOUR)
        living.charger.unplug(1, living.at)
        living.charger.power_on(living.at)
        await living.accepted()
        await living.quiet()
        await trio.sleep(HOUR)
    assert server.writer.rows(TRANSACTIONS) == [
        (TAG, "Completed", "charger", wh, "certain") for wh in billed(living)
    ]
    assert server.writer.rows("SELECT review FROM tx") == [(None,)]


async def test_an_offline_charger_goes_on_and_tells_it_all(server: Served) -> None:
    async with (
        server.having(open_orphaned_transactions),
        open_living(
            server.central, keys=SAMPLED | {"AllowOfflineTxForUnknownId": "true"}
        ) as living,
    ):
        await living.accepted()
        living.charger.plug(1, CAR, living.at)
        living.charger.present_tag(1, TAG, living.at)
        await trio.sleep(HOUR)
        living.charger.go_offline(living.at)
        await trio.sleep(HOUR)
        living.charger.unplug(1, living.at)
        await trio.sleep(MINUTE)
        await living.session(HOUR)
        living.charger.go_online(living.at)
        await living.until(lambda: len(server.writer.rows(TRANSACTIONS)) == 2)
        await living.quiet()
        await trio.sleep(HOUR)
    assert server.writer.rows(TRANSACTIONS) == [
        (TAG, "Completed", "charger", wh, "certain") for wh in billed(living)
    ]
    assert server.writer.rows("SELECT unbilled_wh FROM tx") in ([(None,), (None,)], [(None,), (0,)])


async def test_a_stop_that_is_lost_is_closed_at_its_last_reading(server: Served) -> None:
    async with (
        server.having(open_orphaned_transactions),
        open_living(server.central, keys=SAMPLED) as living,
    ):
        await living.accepted()
        living.charger.plug(1, CAR, living.at)
        living.charger.present_tag(1, TAG, living.at)
        await trio.sleep(HOUR - 1)
        living.charger.go_offline(living.at)
        living.charger.unplug(1, living.at)
        living.charger.memory.messages.clear()
        await trio.sleep(HOUR)
        living.charger.go_online(living.at)
        await trio.sleep(HOUR)
    (closed,) = server.writer.recorded(TransactionClosed)
    (wh,) = billed(living)
    assert wh - 300 * CAR_W / HOUR <= closed.energy_wh <= wh
