"""Two levity-trio servers, the second as backend of the first, with something between them that is
sick for hours: it answers InternalError, or cuts answers off, while either server is killed. All
sessions are equal at both in the end, each is there once, and the owner was told.

The full size is two hours of sickness and 40 kills.
"""

from __future__ import annotations

import gc
import json
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    WebSocketRequest,
    open_websocket_url,
    serve_websocket,
)

from tests.integration.backend_given import give_backend, wait_until_told
from tests.integration.foreign import api_of
from tests.integration.serving import query
from tests.integration.simulating import RUN_SECONDS, simulate
from tests.integration.test_backends import (
    BEGIN,
    CHARGERS,
    SESSIONS,
    SPEED,
    Lives,
    databases,
    living,
    set_clocks,
)
from tests.ports import free_port
from tests.sizes import size

__all__ = ["databases"]
pytestmark = [
    pytest.mark.night,
    # The client of a handshake that a kill has ended leaves its socket open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

HOURS: Final = size(31, 2)
SICK_HOURS: Final = size(20, 14) / 10
KILLS: Final = size(40, 2)
KILL_SECONDS: Final = HOURS * 3600 / SPEED / (KILLS + 1)
OF_SESSIONS: Final = ("StartTransaction", "MeterValues", "StopTransaction")
SCENARIO: Final = f"""
title = "Honest chargers"
hours = {HOURS}
chargers = {CHARGERS}
sessions-per-day = 24
stay-hours = [0.3, 0.6]

[configuration]
AllowOfflineTxForUnknownId = true
MeterValueSampleInterval = 600
"""
MEASURED: Final = (
    "SELECT cp_id, conn_id, sent_timestamp, value, measurand, unit FROM meter_val "
    "ORDER BY 1, 2, 3, 5, 4"
)


class Sick:
    """Between a charger and its server: it passes messages on, or fails."""

    def __init__(self, to: int) -> None:
        self.to, self.port = to, 0
        self.is_sick = False
        self.failed = 0

    async def listen(self, started: threading.Event) -> None:
        async with trio.open_nursery() as nursery:
            serve = partial(serve_websocket, self._talk, "127.0.0.1", 0, None)
            self.port = (await nursery.start(serve)).port
            started.set()

    async def _talk(self, request: WebSocketRequest) -> None:
        headers = [one for one in request.headers if one[0].lower() == b"copied-by"]
        url = f"ws://127.0.0.1:{self.to}{request.path}"
        near = await request.accept(subprotocol="ocpp1.6")
        try:
            async with (
                open_websocket_url(url, subprotocols=["ocpp1.6"], extra_headers=headers) as far,
                trio.open_nursery() as nursery,
            ):
                cut: set[str] = set()
                nursery.start_soon(self._bring_back, near, far, cut)
                while True:
                    await self._pass_on(near, far, str(await near.get_message()), cut)
        except* (ConnectionClosed, HandshakeError, OSError, trio.BrokenResourceError):
            await near.aclose()

    async def _pass_on(
        self, near: WebSocketConnection, far: WebSocketConnection, text: str, cut: set[str]
    ) -> None:
        message: Any = json.loads(text)
        if self.is_sick and message[0] == 2 and message[2] in OF_SESSIONS:
            self.failed += 1
            if random.random() < 0.8:
                error = [4, message[1], "InternalError", "no disk", {}]
                await near.send_message(json.dumps(error))
                return
            cut.add(message[1])
        await far.send_message(text)

    async def _bring_back(
        self, near: WebSocketConnection, far: WebSocketConnection, cut: set[str]
    ) -> None:
        while True:
            text = str(await far.get_message())
            if json.loads(text)[1] in cut:
                await near.send_message(text[: len(text) // 2])
                raise trio.BrokenResourceError
            await near.send_message(text)


@contextmanager
def between(to: int) -> Iterator[Sick]:
    """One in a thread of its own."""
    sick, started, scope = Sick(to), threading.Event(), trio.CancelScope()
    tokens: list[trio.lowlevel.TrioToken] = []

    async def run() -> None:
        tokens.append(trio.lowlevel.current_trio_token())
        with scope:
            await sick.listen(started)

    thread = threading.Thread(target=trio.run, args=(run,), daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield sick
    finally:
        tokens[0].run_sync_soon(scope.cancel)
        thread.join(30)
        gc.collect()


def told_of_sessions(life: Lives) -> bool:
    words = [str(one["words"]) for one in api_of(life.server).ask("GET", "now")["attention"]]
    return any("wait" in one and "backend" in one for one in words)


def test_both_agree_after_hours_of_sickness(
    databases: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    first, second = databases
    ports = free_port(), free_port()
    lives = Lives(first, ports[0]), Lives(second, ports[1])
    scenario = tmp_path / "day.toml"
    scenario.write_text(SCENARIO)
    was_told, kills = False, 0
    with ThreadPoolExecutor(1) as thread, between(ports[1]) as sick:
        give_backend(first, sick.port, [f"SIM-{number:03}" for number in range(1, CHARGERS + 1)])
        set_clocks(BEGIN, first, second)
        sick.is_sick = True
        with living(*lives):
            began = time.monotonic()
            simulated = thread.submit(
                simulate,
                *(f"ws://127.0.0.1:{ports[0]}/ws/", "--scenario", str(scenario)),
                *("--speed", str(SPEED)),
                folder=tmp_path,
                seconds=HOURS * 3600 / SPEED + RUN_SECONDS,
            )
            for victim in cycle(lives):
                until = time.monotonic() + KILL_SECONDS
                while not simulated.done() and time.monotonic() < until:
                    time.sleep(0.05)
                    if sick.is_sick and (time.monotonic() - began) * SPEED >= SICK_HOURS * 3600:
                        was_told = told_of_sessions(lives[0])
                        sick.is_sick = False
                if simulated.done() or kills == KILLS:
                    break
                victim.kill()
                victim.begin()
                kills += 1
            ended = simulated.result()
            assert not sick.is_sick
            wait_until_told(first, 300)
            waited = query(first, "SELECT count(*) FROM backend_waiting")
    assert ended.status == 0, ended.stderr
    assert sick.failed
    assert was_told
    here, there = query(first, SESSIONS), query(second, SESSIONS)
    assert there == here
    assert here
    assert query(second, MEASURED) == query(first, MEASURED)
    told = "SELECT count(*), sum(stopped_at IS NULL) FROM backend_tx"
    assert query(first, told) == [(len(here), 0)]
    assert query(first, "SELECT * FROM backend_refused") == []
    print(f"\n{kills} kills, {sick.failed} failures: {len(here)} sessions; {waited} waited last")
