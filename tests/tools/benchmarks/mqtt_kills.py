"""What becomes of facts and states while the broker of MQTT and the server are killed again and
again.

python -m tests.tools.benchmarks.mqtt_kills (or `just mqtt-kills`). Twenty simulated chargers charge
through a month in fast motion, a real mosquitto and a real server are killed with SIGKILL at random
moments, and a subscriber with a session that the broker keeps notes what it is sent. In the end
every fact must have been acknowledged by the broker, and after a replay the subscriber must have
each of them. The exit status is 1 if one is missing.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from levity_trio.plugins.mqtt.discovery import EVENTS, ONLINE, STATUS, STATUSES, escaped
from tests.integration.foreign import api_of
from tests.integration.serving import PROGRAM, Serving, environment, serving
from tests.plugins.mqtt.mosquitto import Mosquitto, running
from tests.ports import free_port

from .report import table

SHORTEST_SECONDS, LONGEST_SECONDS = 0.5, 3.0
"""How long a killed broker is away."""
RIGHT_SECONDS: Final = 30.0
SETTLE_SECONDS: Final = 120.0
QUIET_SECONDS: Final = 1.0
PREFIX: Final = "levity"
EARLY: Final = "2020-01-01"
BROKER, SERVER = "broker", "server"


@dataclass(frozen=True)
class Size:
    """How long, how many kills, how many chargers, and how many times as fast they live."""

    seconds: float
    broker_kills: int
    server_kills: int
    chargers: int = 20
    speed: int = 600

    def plan(self) -> Iterator[tuple[float, str]]:
        """Yield when what is killed: at random within equal parts of the time."""
        kinds = [BROKER] * self.broker_kills + [SERVER] * self.server_kills
        random.shuffle(kinds)
        part = self.seconds / (len(kinds) + 1)
        for number, kind in enumerate(kinds, 1):
            yield part * (number + random.uniform(-0.3, 0.3)), kind


@dataclass
class Told:
    """What a client was sent: facts by their ids, and the newest payload of each other topic."""

    facts: Counter[int] = field(default_factory=Counter)
    states: dict[str, str] = field(default_factory=dict)
    live: int = 0
    """Messages that the broker did not keep, but got while this client was there."""
    at: float = 0.0


@contextmanager
def client(
    port: int, name: str, topics: Sequence[tuple[str, int]], *, is_kept: bool
) -> Iterator[Told]:
    """Subscribe, again after each break. `is_kept`: the broker keeps for it what it is to get while
    it is away."""
    told = Told()

    def subscribe(one: Client, *_: object) -> None:
        one.subscribe([*topics])

    def take(_client: Client, _data: object, message: MQTTMessage) -> None:
        told.at = time.monotonic()
        told.live += not message.retain
        if message.topic == f"{PREFIX}/{EVENTS}":
            told.facts[json.loads(message.payload)["id"]] += 1
        else:
            told.states[message.topic] = message.payload.decode()

    one = Client(
        CallbackAPIVersion.VERSION2,
        name,
        clean_session=not is_kept,
        protocol=MQTTProtocolVersion.MQTTv311,
    )
    one.reconnect_delay_set(1, 1)
    one.on_connect, one.on_message = subscribe, take
    one.connect("127.0.0.1", port)
    one.loop_start()
    try:
        yield told
    finally:
        one.disconnect()
        one.loop_stop()


class Figures(NamedTuple):
    """What came of a run. `replayed` is what the subscriber has after a replay of everything."""

    first: int
    newest: int
    position: int
    received: Counter[int]
    replayed: Counter[int]
    right_seconds: Sequence[float]
    kills: Counter[str]

    @property
    def unacknowledged(self) -> int:
        return self.newest - self.position

    @property
    def missing(self) -> list[int]:
        """The facts that never arrived, also not after the replay."""
        return [one for one in range(1, self.newest + 1) if not self.replayed[one]]

    def lines(self) -> Iterator[tuple[str, str]]:
        facts, sent = range(self.first + 1, self.newest + 1), self.received
        yield "kill -9 of the broker, of the server", f"{self.kills[BROKER]}, {self.kills[SERVER]}"
        yield "facts since the first connection", str(len(facts))
        yield "not acknowledged by the broker in the end", str(self.unacknowledged)
        yield (
            "received by the subscriber without a replay",
            str(sum(1 for one in facts if sent[one])),
        )
        yield "received more than once without a replay", str(sum(sent.values()) - len(sent))
        yield "missing after the replay", str(len(self.missing))
        yield (
            "worst time until all states were right again",
            f"{max(self.right_seconds, default=0):.2f} s",
        )
        worst = sorted(self.right_seconds)[int(len(self.right_seconds) * 0.95) :][:1]
        yield "the same, p95", f"{worst[0]:.2f} s" if worst else "none"


class Trial:
    """One run: a broker that is killed, servers one after the other, chargers and a subscriber."""

    def __init__(self, size: Size, folder: Path, say: Callable[[str], None] = print) -> None:
        self._size = size
        self._folder = folder
        self._say = say
        self._broker = Mosquitto(folder / "broker")
        self._port = free_port()
        self._began = 0.0
        self._right: list[float] = []
        self._kills = Counter[str]()

    def run(self) -> Figures:
        plan = deque(self._size.plan())
        with running(self._broker), self._subscriber() as told:
            first = self._first_connection()
            with self._chargers():
                self._began = time.monotonic()
                while plan:
                    with self._serving() as server:
                        while plan and plan[0][1] == BROKER:
                            self._wait_until(plan.popleft()[0])
                            self._kill_broker(server)
                        if plan:
                            self._wait_until(plan.popleft()[0])
                            server.kill()
                            self._kills[SERVER] += 1
                with self._serving():
                    self._wait_until(self._size.seconds)
            return self._settled(told, first)

    def _serving(self) -> Any:
        flags = ("--port", str(self._port), "--clock-speed", str(self._size.speed))
        return serving(self._folder / "site.db", *flags, "--mqtt", f"{self._broker.url}/{PREFIX}")

    def _subscriber(self) -> Any:
        return client(self._broker.port, "subscriber", [(f"{PREFIX}/{EVENTS}", 1)], is_kept=True)

    def _first_connection(self) -> int:
        """Start once without chargers; return after which fact the broker gets them."""
        with self._serving() as server:
            wait_for(lambda: server.query("SELECT position FROM mqtt"))
            return _reached(server)[1]

    @contextmanager
    def _chargers(self) -> Iterator[None]:
        size, url = self._size, f"ws://127.0.0.1:{self._port}/ws/"
        command = (
            *PROGRAM,
            "simulate",
            "--url",
            url,
            "--scenario",
            "month",
            "--chargers",
            str(size.chargers),
        )
        with (self._folder / "chargers.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "--speed", str(size.speed)],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=environment(),
            )
        try:
            yield
            assert process.poll() is None, "the chargers ended early"
        finally:
            process.kill()
            process.wait()

    def _wait_until(self, seconds: float) -> None:
        time.sleep(max(0.0, self._began + seconds - time.monotonic()))

    def _kill_broker(self, server: Serving) -> None:
        """Kill the broker, start it again, and note after which time all states are right."""
        self._broker.kill()
        self._kills[BROKER] += 1
        time.sleep(random.uniform(SHORTEST_SECONDS, LONGEST_SECONDS))
        self._broker.start()
        began = time.monotonic()
        with client(self._broker.port, "probe", [(f"{PREFIX}/#", 0)], is_kept=False) as told:
            wait_for(lambda: told.live and is_right(told.states, server), RIGHT_SECONDS)
        self._right.append(time.monotonic() - began)
        self._say(
            f"broker killed {self._kills[BROKER]} of {self._size.broker_kills}: "
            f"{self._right[-1]:.2f} s"
        )

    def _settled(self, told: Told, first: int) -> Figures:
        """Wait until the broker has all facts; then have everything sent again, and wait for
        that."""
        with self._serving() as server:
            reached = (1, 0)

            def is_acknowledged() -> bool:
                nonlocal reached
                reached = _reached(server)
                return reached[0] == reached[1]

            wait_for(is_acknowledged, is_needed=False)
            newest, position = reached
            wait_for(lambda: time.monotonic() > told.at + QUIET_SECONDS)
            received = told.facts.copy()
            told.facts.clear()
            api_of(server).ask("POST", "admin", "mqtt", "replay", given={"since": EARLY})
            wait_for(lambda: told.facts[newest], is_needed=False)
        return Figures(
            first, newest, position, received, received + told.facts, self._right, self._kills
        )


def _reached(server: Serving) -> tuple[int, int]:
    """Return the newest fact, and the last one that the broker acknowledged, as it is stored."""
    ((newest, position),) = server.query("SELECT (SELECT max(id) FROM event), position FROM mqtt")
    return newest, position


def is_right(states: Mapping[str, str], server: Serving) -> bool:
    """Whether the broker shows the status of each connector as the database has it."""
    rows = server.query("SELECT cp_id, conn_id, status FROM cp_conn WHERE conn_id > 0")
    told = {
        f"{PREFIX}/{escaped(cp)}/{connector}/{STATUS}": status for cp, connector, status in rows
    }
    wanted = {topic: status for topic, status in told.items() if status in STATUSES}
    return states.get(f"{PREFIX}/{STATUS}") == ONLINE and wanted.items() <= states.items()


def wait_for(
    condition: Callable[[], object], seconds: float = SETTLE_SECONDS, *, is_needed: bool = True
) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            assert not is_needed, f"it is not so after {seconds:g} s"
            return
        time.sleep(0.02)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="mqtt_kills", description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--broker-kills", type=int, default=4)
    parser.add_argument("--server-kills", type=int, default=1)
    parser.add_argument("--chargers", type=int, default=20)
    parser.add_argument(
        "--speed", type=int, default=600, help="how many times as fast chargers live"
    )
    given = parser.parse_args(arguments)
    size = Size(
        60 * given.minutes, given.broker_kills, given.server_kills, given.chargers, given.speed
    )
    print(
        f"{given.minutes:g} minutes, {size.chargers} chargers, {size.speed} times as fast",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        figures = Trial(size, Path(folder), lambda words: print(words, flush=True)).run()
    print(table(("what", ""), [*figures.lines()]))
    return 1 if figures.unacknowledged or figures.missing else 0


if __name__ == "__main__":
    sys.exit(main())
