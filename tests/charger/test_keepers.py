"""The tasks that keep something outlive an error that nobody foresaw, and look at what they have to keep."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import trio

from levity_trio.charger.central import Central
from levity_trio.charger.local_lists import open_local_lists
from levity_trio.charger.securing import keep_security
from levity_trio.charger.wallets import open_wallets
from levity_trio.events import MeterBack, SecuringBegan, SecuringEnded
from levity_trio.store.reads import Reader
from tests.charger.parts import InlineWriter, configure


class Failing:
    """A reader whose every read fails."""

    reads = 0

    async def run(self, read: Callable[..., object]) -> object:
        del read
        self.reads += 1
        raise ValueError("nobody foresaw this")


@pytest.mark.logs_errors
@pytest.mark.parametrize("keeper", [open_wallets, open_local_lists])
async def test_it_is_logged_and_looks_again(central: Central, keeper: Any) -> None:
    configure(central, local_list="on")
    reader = Failing()
    async with keeper(central, cast("Reader", reader)):
        await trio.sleep(5 * 60)
    assert reader.reads > 1


async def test_nothing_is_written_for_a_charger_whose_way_to_a_profile_has_ended(
    central: Central, writer: InlineWriter
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_security, central)
        await trio.sleep(1)
        known: dict[str, Any] = {"charger": "CP-1", "at": "2026-03-01T12:00:00Z", "securing": 1, "profile": 2}
        central.hooks.observe(SecuringBegan(**known, by="anna"))
        central.hooks.observe(SecuringEnded(**known, result="cancelled"))
        await trio.sleep(1)
        before = writer.statistics()
        central.hooks.observe(MeterBack(charger="CP-1", at="2026-03-01T12:00:01Z", meter="Main"))
        await trio.sleep(1)
        assert writer.statistics() == before
        nursery.cancel_scope.cancel()
