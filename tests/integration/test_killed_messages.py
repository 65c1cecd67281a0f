"""Messages to people while the mail server is down for a day and ours is killed at random moments
of sending.

    FULL_SIZE=1 pytest -s tests/integration/test_killed_messages.py

prints the figures of 200 kills.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

import pytest

from levity_trio.clock import SimulatedTime
from levity_trio.events import HouseholdReported
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.opening import open_store
from levity_trio.store.writes.people import messages
from levity_trio.store.writes.people.messages import By, RecipientData
from tests.integration.serving import ROOT, Serving, environment, query, serving
from tests.sizes import size

pytestmark = pytest.mark.night

SPEED: Final = size(3600, 14400)
KILLS_OF_THE_DAY, KILLS_OF_SENDING = size(20, 2), size(180, 4)
PEOPLE, FACTS = 100, size(8, 1)
WAITING: Final = "FROM message WHERE sent_at IS NULL"


class Mailbox:
    """A mail server in a process of its own, and how often it took each message."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.port = 0
        self._news = threading.Condition()

    @contextmanager
    def open(self) -> Iterator[None]:
        command = [
            sys.executable,
            "-m",
            "tests.notify.mail_server",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            self.port = int(process.stdout.readline())
            pump = threading.Thread(target=self._pump, args=(process.stdout,))
            pump.start()
            yield
            process.kill()
            pump.join()

    def _pump(self, lines: Iterator[str]) -> None:
        for line in lines:
            with self._news:
                self.taken[
                    json.loads(line)["headers"]["message-id"].strip("<>").partition("@")[0]
                ] += 1
                self._news.notify_all()

    def wait_for_one(self) -> None:
        """Wait until it takes a message."""
        before = self.taken.total()
        with self._news:
            assert self._news.wait_for(lambda: self.taken.total() > before, 60)


def fill(database: Path) -> None:
    """Add people who want to know all, and facts that each of them is told."""
    with open_store(database, "levity", SimulatedTime(datetime.now(UTC), SPEED)) as store:

        def write(db: UnitOfWork) -> None:
            ((at,),) = db.rows("SELECT max(started_at) FROM run")
            db.execute(
                "INSERT INTO account (name, since, created_at, created_by, updated_at) "
                "VALUES ('a','','','','')"
            )
            for number in range(PEOPLE):
                data = RecipientData(who="owner", mail=f"{number}@example.org", kinds=["report"])
                messages.add_recipient(db, data, None, SecretKey(None), By(at, "anna"))
            for number in range(FACTS):
                told = HouseholdReported(
                    charger=None,
                    at=at,
                    report=number,
                    account=1,
                    about="charger",
                    transaction=None,
                    id_tag=None,
                )
                db.record(told)

        store.commit([write])[0].unwrap()


@contextmanager
def run(database: Path, mailbox: Mailbox) -> Iterator[Serving]:
    to = f"smtp://haus%40example.org@127.0.0.1:{mailbox.port}"
    with serving(database, "--clock-speed", str(SPEED), "--mail", to) as server:
        yield server


def in_flight(database: Path) -> set[str]:
    """The messages that were being sent when the server died."""
    return {
        one
        for (one,) in query(database, f"SELECT message_id {WAITING} AND sending_since IS NOT NULL")
    }


def test_no_message_is_lost_and_only_what_a_kill_interrupted_comes_twice(tmp_path: Path) -> None:
    database, mailbox, random, interrupted = tmp_path / "site.db", Mailbox(), Random(46), set[str]()
    with mailbox.open():
        pass  # that is its port; now it is down
    with run(database, mailbox):
        # Facts from before the first look are told to nobody.
        while not query(database, "SELECT 1 FROM message_cursor"):
            time.sleep(0.05)
    fill(database)
    day = time.monotonic() + timedelta(days=1).total_seconds() / SPEED
    for _ in range(KILLS_OF_THE_DAY):
        with run(database, mailbox) as server:
            server.wait_line("messages cannot be delivered; they are tried again", channel="mail")
            time.sleep(random.uniform(0, 0.5))
            assert len(server.find("messages cannot be delivered; they are tried again")) == 1
            server.kill()
        interrupted |= in_flight(database)
    with run(database, mailbox):
        time.sleep(max(0.0, day - time.monotonic()))
    interrupted |= in_flight(database)  # also by an ordinary stop
    made = {one for (one,) in query(database, "SELECT message_id FROM message")}
    assert len(made) == PEOPLE * FACTS
    assert query(database, f"SELECT count(*) {WAITING}") == [(len(made),)]
    with mailbox.open():
        for _ in range(KILLS_OF_SENDING):
            with run(database, mailbox) as server:
                mailbox.wait_for_one()
                time.sleep(random.uniform(0, 0.03))
                server.kill()
            interrupted |= in_flight(database)
        with run(database, mailbox):
            until = time.monotonic() + 120
            while query(database, f"SELECT 1 {WAITING} LIMIT 1") and time.monotonic() < until:
                time.sleep(0.05)
    twice = {one for one, count in mailbox.taken.items() if count > 1}
    noted = {
        one for (one,) in query(database, "SELECT message_id FROM message WHERE perhaps_twice = 1")
    }
    kills = KILLS_OF_THE_DAY + KILLS_OF_SENDING
    print(
        f"{len(made)} messages, {kills} kills: {len(made - mailbox.taken.keys())} lost, "
        f"{len(twice)} came twice, {len(noted)} say 'perhaps twice', {len(interrupted)} were "
        f"interrupted, the most often one came {max(mailbox.taken.values())} times; the mail "
        f"server was down for a day, at {SPEED} times the clock"
    )
    assert mailbox.taken.keys() == made
    assert twice <= noted == interrupted
    assert query(
        database, "SELECT count(*) FROM message WHERE sent_at IS NULL OR given_up_at IS NOT NULL"
    ) == [(0,)]
    assert _days_waited(database) >= 1


def _days_waited(database: Path) -> float:
    ((made, sent),) = query(database, "SELECT min(created_at), min(sent_at) FROM message")
    return (datetime.fromisoformat(sent) - datetime.fromisoformat(made)) / timedelta(days=1)
