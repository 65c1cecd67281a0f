"""What 100,000 tags cost: `python -m tests.benchmarks.tags`.

An Authorize beside a Heartbeat, on the same connections in turns; the memory of a server with the tags beside one
without; and the answers of chargers while the tags are imported.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from array import array
from pathlib import Path
from typing import Final

from levity_trio.client import Api, Sought

from .conversation import HEARTBEAT, Conversation
from .load import Load
from .process import Server, running
from .report import table

TAGS: Final = 100_000
CHARGERS: Final = 100
"""Each may have 1,000 facts of a kind a day stored, so that the facts of all rounds are."""
ROUNDS: Final = 5
ROUND_SECONDS: Final = 2.0
RATIO, MEMORY_MB, P99_MS = 1.5, 32.0, 50.0
HEAD: Final = ("", "at most", "measured", "")


class Turn:
    """What all chargers send at present."""

    is_authorize = False


def conversation(turn: Turn, chance: random.Random) -> Conversation:
    """Send one call after the other, for ever."""
    while True:
        tag = b"TAG-%06d" % chance.randrange(TAGS)
        yield b'"Authorize",{"idTag":"%s"}' % tag if turn.is_authorize else HEARTBEAT


def tag_file() -> bytes:
    """All tags, each with a group and an expiry of its own: the worst case for memory."""
    lines = (
        f"tag-{number:06},Name of number {number},2031-01-01T00:{number // 1000 % 60:02}:00.{number % 1000:03}Z,"
        f"GROUP-{number:06}"
        for number in range(TAGS)
    )
    return "\n".join(["id_tag,name,expires_at,parent_id_tag", *lines]).encode()


def wait_until_served(database: Path) -> None:
    """Wait until the tags are in memory: the API is served only then."""
    while not Path(f"{database}.sock").exists():
        time.sleep(0.1)
    Api(f"unix:{database}.sock", Sought("server", "")).ask("GET", "version", patience=60)


def import_tags(database: Path) -> None:
    api = Api(f"unix:{database}.sock", Sought("server", ""))
    answer = api.send("POST", "admin", "id-tag-import", body=tag_file(), media_type="text/csv", patience=900)
    assert json.loads(answer)["added"] == TAGS


def ratio(server: Server) -> list[float]:
    """The CPU of an Authorize beside that of a Heartbeat, in each round."""
    turn, found = Turn(), []
    with Load(server.port) as load:
        load.connect((f"CP-{number}", conversation(turn, random.Random(number))) for number in range(CHARGERS))
        load.run(ROUND_SECONDS)
        for _ in range(ROUNDS):
            costs = []
            for turn.is_authorize in (False, True):
                load.run(ROUND_SECONDS / 10)
                load.answer_seconds, before = array("d"), server.cpu().total
                load.run(ROUND_SECONDS)
                costs.append((server.cpu().total - before) / len(load.answer_seconds))
            found.append(costs[1] / costs[0])
        assert not load.faults, load.samples
    return found


def answers_during_import(server: Server, database: Path) -> tuple[float, array[float]]:
    """The seconds of an import, and those of 20 chargers' answers meanwhile, ten a second each."""
    importing = threading.Thread(target=import_tags, args=(database,))
    began = time.perf_counter()
    with Load(server.port) as load:
        load.connect((f"CP-{number}", paced()) for number in range(20))
        load.run(1.0)
        load.answer_seconds = array("d")
        importing.start()
        while importing.is_alive():
            load.release()
            load.run(0.1)
        return time.perf_counter() - began, load.answer_seconds


def paced() -> Conversation:
    """Send a Heartbeat each time that the bench lets it."""
    while True:
        yield HEARTBEAT
        yield None


def main() -> int:
    """Measure, print a table, and return 1 if a target is missed."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        database = directory / "tags.db"
        at = ("--db", str(database))
        with running("serve", CHARGERS, directory, at) as server:
            wait_until_served(database)
            without = server.resident_mib()
            seconds, answers = answers_during_import(server, database)
        with running("serve", CHARGERS, directory, (*at, "--unknown-tags", "refuse")) as server:
            wait_until_served(database)
            memory = server.resident_mib() - without
            ratios = ratio(server)
    p99 = statistics.quantiles(answers, n=100)[-1] * 1000
    median = statistics.median(ratios)
    rounds = f"{median:.2f} x ({min(ratios):.2f} to {max(ratios):.2f} in {ROUNDS} rounds)"
    lines = [
        ("CPU of an Authorize beside a Heartbeat", f"{RATIO} x", rounds, median <= RATIO),
        (f"memory of {TAGS} tags", f"{MEMORY_MB:.0f} MB", f"{memory:.1f} MB", memory <= MEMORY_MB),
        (f"p99 of answers during their import ({seconds:.0f} s)", f"{P99_MS:.0f} ms", f"{p99:.1f} ms", p99 <= P99_MS),
    ]
    sys.stdout.write(table(HEAD, [(*line, "ok" if is_met else "MISSED") for *line, is_met in lines]) + "\n")
    return 0 if all(is_met for *_, is_met in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
