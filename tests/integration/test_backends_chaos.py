"""kill -9 of the server and of its backend, in turns, while chargers talk: the backend is told each
message that is stored, in order, and none twice but the one whose answer was lost.

`CHAOS_KILLS=200 CHAOS_SECONDS=15` make the hour of the full size longer or shorter.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.integration import backend_hasty
from tests.integration.backend_central import Told, honest, records
from tests.integration.backend_given import give_backend, wait_until_told
from tests.integration.fleet import Fleet, accounts, answered
from tests.integration.serving import ROOT, query, serving
from tests.ports import free_port
from tests.sizes import size

pytestmark = pytest.mark.night

CHARGERS = 20
KILLS = int(os.environ.get("CHAOS_KILLS", size(200, 4)))
SECONDS = float(os.environ.get("CHAOS_SECONDS", size(15, 1)))
"""The longest time from one kill to the next."""
BEAT_SECONDS = 0.5
OF_SESSIONS = ("StartTransaction", "MeterValues", "StopTransaction")


@contextmanager
def listening(record: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """A backend as a process, which may be killed."""
    program = [sys.executable, "-m", "tests.integration.backend_central", str(record), str(port)]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "listening\n"
            yield process
        finally:
            process.kill()


def test_each_stored_message_is_told_in_order(tmp_path: Path) -> None:
    fleet, database, record = accounts(CHARGERS), tmp_path / "levity.db", tmp_path / "record"
    port = free_port()
    give_backend(database, port, [account.identity for account in fleet])
    for _ in range(KILLS // 2):
        with (
            listening(record, port) as other,
            serving(database, module=backend_hasty.MODULE) as server,
            Fleet(server.port, BEAT_SECONDS) as load,
        ):
            load.join(fleet)
            load.run(random.uniform(0.2, SECONDS))
            other.kill()
            other.wait()
            load.run(random.uniform(0, SECONDS / 4))
            with listening(record, port):
                load.run(random.uniform(0.2, SECONDS))
                server.kill()
                assert load.run_out()
    with listening(record, port), serving(database, module=backend_hasty.MODULE) as server:
        wait_until_told(server.database, 300)
    told = records(record)
    stored = query(
        database,
        "SELECT cp_id, action, frame FROM log WHERE direction = 'recv' "
        "AND action IN ('StartTransaction', 'MeterValues', 'StopTransaction') ORDER BY id",
    )
    for account in fleet:
        frames = [(action, frame) for cp, action, frame in stored if cp == account.identity]
        assert_all_told_once(frames, [one for one in told if one.charger == account.identity])
    assert_own_numbers(told)
    told = [one for one in told if one.action in OF_SESSIONS]
    again = sum(count - 1 for count in Counter(map(key_of, told)).values() if count > 1)
    print(
        f"\n{KILLS} kills: {answered(fleet)} messages answered here, {len(told)} told there, "
        f"{again} of them again"
    )
    assert query(database, "SELECT * FROM backend_refused") == []


def key_of(told: Told) -> str:
    """What makes a message the same one: all but the number that the backend gave its session."""
    return key(told.charger, told.action, told.payload)


def key(charger: str, action: str, payload: dict[str, Any]) -> str:
    named = {name: value for name, value in payload.items() if name != "transactionId"}
    return json.dumps([charger, action, named], sort_keys=True)


def assert_all_told_once(frames: list[tuple[str, str]], told: list[Told]) -> None:
    """What is stored of a charger was told in its order; twice on another connection only."""
    charger = told[0].charger
    told = [one for one in told if one.action in OF_SESSIONS]
    # A charger repeats what was not answered. Readings are told as often as they are stored, a
    # start or a stop once.
    stored = [key(charger, action, json.loads(frame)[3]) for action, frame in frames]
    expected = [text for text, _ in groupby(unrepeated(stored))]
    assert [text for text, _ in groupby(map(key_of, told))] == expected

    times, on_each = Counter(stored), defaultdict[str, Counter[int]](Counter)
    for one in told:
        on_each[key_of(one)][one.connection] += 1
    for text, connections in on_each.items():
        assert max(connections.values()) <= times[text], text
    # Told again on another connection is only what was the last on the one before.
    for before, after in pairwise(told):
        is_again = key_of(before) == key_of(after)
        assert not is_again or before.connection != after.connection or times[key_of(after)] > 1

    are_answered = {key_of(one) for one in told if one.is_answered}
    assert are_answered == set(expected)


def assert_own_numbers(told: list[Told]) -> None:
    """Each session was told with the number that its start got there."""
    answer, current = honest(), dict[str, int]()
    for one in told:
        if one.action == "StartTransaction":
            current[one.charger] = answer(one)["transactionId"]
        elif one.action in OF_SESSIONS:
            assert one.payload["transactionId"] == current[one.charger], one


def unrepeated(stored: list[str]) -> list[str]:
    """Without the starts that a charger repeats on its next connection."""
    seen = set[str]()
    kept = []
    for text in stored:
        is_start = json.loads(text)[1] != "MeterValues"
        if not (is_start and text in seen):
            kept.append(text)
        seen.add(text)
    return kept
