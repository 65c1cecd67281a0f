"""The tasks that keep wallets and local lists outlive an error that nobody foresaw: it must not stop the server."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import trio

from levity_trio.charger.central import Central
from levity_trio.charger.local_lists import open_local_lists
from levity_trio.charger.wallets import open_wallets
from levity_trio.store.reads import Reader
from tests.charger.parts import configure


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
