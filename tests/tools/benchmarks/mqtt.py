"""What MQTT costs: memory, CPU of a call, and the answers to chargers, with a broker that takes all
and with a frozen one; and how soon a change at a charger is on the broker.

Two servers with 20 chargers each, one with `--mqtt` and a real mosquitto, talk in turns.
"""

from __future__ import annotations

import argparse
import random
import signal
import statistics
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import trio

from levity_trio.plugins.mqtt.broker import Message, open_link
from tests.integration.charger import Charger
from tests.plugins.mqtt.clients import at
from tests.plugins.mqtt.mosquitto import Mosquitto
from tests.plugins.mqtt.mosquitto import running as running_broker

from .conversation import Conductor, ReadingTimes, charge
from .load import Load
from .process import Server, running

CHARGERS: Final = 20
CPU_TIMES, P99_TIMES, MEGABYTES, MILLISECONDS = 1.03, 1.05, 5, 300
ROUNDS: Final = 5
MEMORIES: Final = 3
RAMP_SECONDS: Final = 60
STATUSES: Final = ("Preparing", "SuspendedEV")
CHANGED_SECONDS: Final = 1.2
"""Between two changes of a charger: a topic is sent once a second at most."""
SETTLE_SECONDS: Final = 2.0
"""Until all is sent."""
LATE_SECONDS: Final = 5.0
MS: Final = 1000


class Phase(NamedTuple):
    """CPU in µs for each call, and the p99 of the answers in ms."""

    cpu: float
    p99: float


class Site:
    """A server and its chargers, which talk as fast as it answers."""

    def __init__(self, server: Server, load: Load) -> None:
        self.server, self._load = server, load

    def talk(self, seconds: float) -> Phase:
        self._load.answer_seconds = array("d")
        before = self.server.cpu().total
        self._load.run(seconds)
        used, answers = self.server.cpu().total - before, sorted(self._load.answer_seconds)
        return Phase(used / len(answers) * MS * MS, answers[round(0.99 * (len(answers) - 1))] * MS)


@contextmanager
def talking(folder: Path, *flags: str) -> Iterator[Site]:
    """Yield a server whose chargers have begun."""
    folder.mkdir()
    conductor = Conductor(ReadingTimes())
    with running("serve", CHARGERS, folder, flags) as server, Load(server.port) as load:
        load.connect(
            (f"CP-{number}", charge(f"CP-{number}", number, conductor))
            for number in range(CHARGERS)
        )
        load.run(RAMP_SECONDS, until=lambda: load.waiting == load.unfinished)
        load.release()
        yield Site(server, load)
        conductor.stopping = True
        load.run(RAMP_SECONDS, until=lambda: not load.unfinished)


def compare(alone: Site, told: Site, rounds: int, seconds: float) -> tuple[str, str]:
    """Return how CPU and p99 compare, in turns."""
    found = [(alone.talk(seconds), told.talk(seconds)) for _ in range(rounds)]
    return _ratio("µs", [(one.cpu, other.cpu) for one, other in found]), _ratio(
        "ms", [(one.p99, other.p99) for one, other in found]
    )


def _ratio(unit: str, pairs: list[tuple[float, float]]) -> str:
    ratio = statistics.median(other / one for one, other in pairs)
    without, with_it = (statistics.median(some) for some in zip(*pairs, strict=True))
    spread = ", ".join(f"{other / one:.2f}" for one, other in pairs)
    return f"{ratio:.3f} x ({with_it:.1f} against {without:.1f} {unit}; rounds {spread})"


def resident(folder: Path, *flags: str) -> float:
    """Return the MB of a server whose chargers have begun."""
    with talking(folder, *flags) as site:
        time.sleep(SETTLE_SECONDS)
        return site.server.resident_mib()


@contextmanager
def listening(mosquitto: Mosquitto, topic: str, hear: Callable[[Message], None]) -> Iterator[None]:
    """Another client, in a thread of its own, which has subscribed."""
    has_begun, is_over = threading.Event(), threading.Event()

    async def listen() -> None:
        async with open_link(at(mosquitto, prefix="listener"), hear) as link:
            assert await link.subscribe([topic]) == []
            has_begun.set()
            await trio.to_thread.run_sync(is_over.wait, abandon_on_cancel=True)

    thread = threading.Thread(target=trio.run, args=(listen,), daemon=True)
    thread.start()
    assert has_begun.wait(LATE_SECONDS)
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def delays(server: Server, mosquitto: Mosquitto, seconds: float) -> list[float]:
    """Return in ms how long changes of the chargers took until another client had them from the
    broker."""
    sent: dict[tuple[str, str], float] = {}
    found: list[float] = []

    def hear(message: Message) -> None:
        began = sent.pop((message.topic.split("/")[1], message.payload.decode()), None)
        if began is not None:
            found.append((time.perf_counter() - began) * MS)

    with listening(mosquitto, "levity/+/1/status", hear):
        chargers = [Charger(server.port, f"LATE-{number}") for number in range(CHARGERS)]
        for charger in chargers:
            charger.boot()
        moments = sorted(
            (start + turn * CHANGED_SECONDS, number, STATUSES[turn % 2])
            for number in range(CHARGERS)
            for start in [random.uniform(1, 1 + CHANGED_SECONDS)]
            for turn in range(round(seconds / CHANGED_SECONDS))
        )
        began = time.perf_counter()
        for moment, number, status in moments:
            time.sleep(max(0.0, began + moment - time.perf_counter()))
            sent[chargers[number].identity, status] = time.perf_counter()
            chargers[number].call(
                "StatusNotification", connectorId=1, errorCode="NoError", status=status
            )
        until = time.perf_counter() + LATE_SECONDS
        while sent and time.perf_counter() < until:
            time.sleep(0.05)
        for charger in chargers:
            charger.close()
    return [*sorted(found), *[float("inf")] * len(sent)]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tools.benchmarks.mqtt", description=__doc__
    )
    parser.add_argument("--small", action="store_true", help="one round of a second, to try it")
    is_small = parser.parse_args().small
    rounds, seconds = (1, 1.0) if is_small else (ROUNDS, 10.0)
    with (
        tempfile.TemporaryDirectory() as name,
        running_broker(Mosquitto(Path(name) / "broker")) as mosquitto,
    ):
        folder = Path(name)
        with (
            talking(folder / "alone") as alone,
            talking(folder / "told", "--mqtt", mosquitto.url) as told,
        ):
            cpu, p99 = compare(alone, told, rounds, seconds)
            mosquitto.send(signal.SIGSTOP)
            _, frozen = compare(alone, told, rounds, seconds)
            mosquitto.send(signal.SIGCONT)
        pairs = [
            (
                resident(folder / f"small-{turn}"),
                resident(folder / f"large-{turn}", "--mqtt", mosquitto.url),
            )
            for turn in range(1 if is_small else MEMORIES)
        ]
        grown = statistics.median(large - small for small, large in pairs)
        with talking(folder / "late", "--mqtt", mosquitto.url) as late:
            late.talk(0.1)
            found = delays(late.server, mosquitto, 3 if is_small else 60)
    p95 = found[round(0.95 * (len(found) - 1))]
    for what, limit, measured in (
        ("CPU of a call", f"{CPU_TIMES} x", cpu),
        ("answers to chargers, p99", f"{P99_TIMES} x", p99),
        ("answers with a frozen broker, p99", f"{P99_TIMES} x", frozen),
        (
            "memory",
            f"{MEGABYTES} MB",
            f"{grown:.1f} MB with {CHARGERS} chargers, beside {pairs[0][0]:.1f} MB",
        ),
        (
            "a change is on the broker, p95",
            f"{MILLISECONDS} ms",
            f"{p95:.0f} ms ({len(found)} changes)",
        ),
    ):
        print(f"{what:<36}{limit:>8}   {measured}")


if __name__ == "__main__":
    main()
