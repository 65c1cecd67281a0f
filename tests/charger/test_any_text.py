"""Any text: the session continues or ends with a close frame; no exception crosses its boundary,
nothing hangs.

All examples share one database and one central, like the messages of one day.
"""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio_websocket import ConnectionClosed

from levity_trio.charger.central import Central
from levity_trio.wire.payloads import CHARGER_ACTIONS
from tests.both_stores import both_with_file
from tests.charger.conftest import run_in_virtual_time
from tests.charger.parts import InlineWriter, make_central
from tests.charger.peers import Charger, open_charger
from tests.sizes import size
from tests.wire.examples import ANY_JSON, nearly, schema_of

MOST_SECONDS = 60
STILL_THERE = '[2,"still there","Heartbeat",{}]'


def as_json(value: Any) -> str:
    return json.dumps(value).encode("utf-8", "surrogatepass").decode("utf-8", "replace")


CALLS = st.sampled_from(sorted(CHARGER_ACTIONS)).flatmap(
    lambda action: nearly(schema_of(action, False)).map(lambda payload: [2, "1", action, payload])
)
FRAMES = st.lists(
    ANY_JSON | st.sampled_from([2, 3, 4, "1", "Heartbeat", "StartTransaction", {}]), max_size=6
)
PRINTABLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
TEXTS = st.lists(PRINTABLE | FRAMES.map(as_json) | CALLS.map(as_json), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def central(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Central]:
    with both_with_file(tmp_path_factory.mktemp("any_text") / "levity.db") as connection:
        yield make_central(InlineWriter(connection))


async def read_all(charger: Charger, ended: trio.Event) -> None:
    """Read every response; a charger that did not would block only its own session."""
    try:
        while "still there" not in str(await charger.websocket.get_message()):
            pass
    except ConnectionClosed:
        pytest.fail("the connection was closed")
    ended.set()


async def say(central: Central, texts: list[str]) -> None:
    async with open_charger(central) as charger, trio.open_nursery() as nursery:
        ended = trio.Event()
        nursery.start_soon(read_all, charger, ended)
        for text in texts:
            await charger.send(text)
        await charger.send(STILL_THERE)
        with trio.fail_after(MOST_SECONDS):
            await ended.wait()


@settings(max_examples=size(150, 30), deadline=None)
@given(texts=TEXTS)
def test_no_text_ends_a_session(central: Central, texts: list[str]) -> None:
    with capture_logs() as lines:
        run_in_virtual_time(partial(say, central, texts))
    assert not [line for line in lines if line["log_level"] == "error"]
    assert len(central.registry) == 0
