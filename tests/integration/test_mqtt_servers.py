"""Two servers on one database of PostgreSQL: the one with the duties of the site sends the facts of
both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from levity_trio.config.settings import PostgresqlAddress
from tests.plugins.mqtt.mosquitto import Mosquitto, running
from tests.store.postgresql.stored import query
from tests.tools.benchmarks.mqtt_kills import EARLY, Told, client

from .charger import Charger
from .serving import Serving
from .test_servers import ask, two, wait_until


def newest(address: PostgresqlAddress) -> int:
    ((found,),) = query(address, "SELECT max(id) FROM event")
    return int(found)


@contextmanager
def sharing(address: PostgresqlAddress, folder: Path) -> Iterator[tuple[Serving, Serving, Told]]:
    """Two servers, the first of which has the duties, and a subscriber."""
    with (
        running(Mosquitto(folder / "broker")) as broker,
        client(broker.port, "subscriber", [("levity/events", 1)], is_kept=True) as told,
        two(address, folder, "--mqtt", f"{broker.url}/levity") as servers,
    ):
        wait_until(lambda: query(address, "SELECT position FROM mqtt"))
        ((holder,),) = query(address, "SELECT name FROM levity.server WHERE has_duties")
        first, other = servers if holder == "one" else reversed(servers)
        yield first, other, told


def test_the_facts_of_both_are_sent_and_go_on_when_one_is_killed(
    address: PostgresqlAddress, tmp_path: Path
) -> None:
    with sharing(address, tmp_path) as (first, other, told):
        for server, name in ((first, "CP-1"), (other, "CP-2")):
            with Charger(server.port, name) as charger:
                charger.boot()
        # A lost connection may be recorded at any moment, so each fact is asked for again until
        # none is on its way.
        wait_until(
            lambda: (
                told.facts
                and told.facts == dict.fromkeys(range(min(told.facts), newest(address) + 1), 1)
            )
        )
        # which only the first one can do
        ask(other, "POST", "admin", "mqtt", "replay", since=EARLY)
        wait_until(lambda: told.facts[1] and told.facts[newest(address)])
        first.kill()
        wait_until(
            lambda: query(address, "SELECT count(*) FROM event WHERE kind = 'ServerLost'") == [(1,)]
        )
        with Charger(other.port, "CP-3") as charger:
            charger.boot()
        wait_until(lambda: all(told.facts[number] for number in range(1, newest(address) + 1)))
