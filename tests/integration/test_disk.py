"""A disk that refuses: nothing is acknowledged, chargers are sent away to queue (1013, 503), and
all goes on by itself.

The stories take 10 s each, which is how long the server waits for a commit, so they run at the same
time.
"""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .charger import ANSWER_SECONDS, Answer, Charger, Closed, NoWebSocket, now
from .outages import Outage, file_size_limit, full_disk, small_disk, write_lock
from .serving import LogLine, Serving, serving

COMMIT_SECONDS = 10.0
SLACK_SECONDS = 20.0
"""The last try before the 10 s may hang on a lock for 2 s, and the machine may be busy."""
OUTAGES: dict[str, Outage] = {
    "locked": write_lock,
    "file size": file_size_limit,
    "full disk": full_disk,
}
BUSY = 503
RECOVERED = "writes to the database succeed again"


@dataclass
class Story:
    """What was seen from outside, while it lasted and afterwards."""

    answers: list[Answer] = field(default_factory=list)
    closed: dict[str, Closed] = field(default_factory=dict)
    closed_seconds: float = 0.0
    rows_meanwhile: list[tuple[object, ...]] = field(default_factory=list)
    refused: NoWebSocket | None = None
    alive: bool = False
    transaction: int = 0
    transactions: list[tuple[object, ...]] = field(default_factory=list)
    readings: list[tuple[object, ...]] = field(default_factory=list)
    errors: list[LogLine] = field(default_factory=list)


def tell(outage: Outage, folder: Path) -> Story:
    """Two chargers charge; the disk refuses; both are sent away; it works again; both repeat what
    got no answer."""
    story, began = Story(), now()
    with serving(folder / "levity.db", may_log_errors=True) as server:
        reading = {"timestamp": began, "sampledValue": [{"value": "1500"}]}
        start = {"connectorId": 1, "idTag": "NEW", "meterStart": 7, "timestamp": began}
        with Charger(server.port, "CP-1") as running, Charger(server.port, "CP-2") as starting:
            running.boot()
            starting.boot()
            story.transaction = running.start("TAG", 1000, began)
            values = {"connectorId": 1, "transactionId": story.transaction, "meterValue": [reading]}
            with outage(server):
                running.send("MeterValues", **values)
                starting.send("StartTransaction", **start)
                watch(story, server, running, starting)
        server.wait_line(RECOVERED)
        with back(server, "CP-1") as running, back(server, "CP-2") as starting:
            running.call("MeterValues", **values)
            starting.call("StartTransaction", **start)
            running.call(
                "StopTransaction", transactionId=story.transaction, meterStop=2000, timestamp=now()
            )
        story.transactions = server.query(
            "SELECT cp_id, id_tag, status, energy_delivered FROM tx ORDER BY cp_id"
        )
        story.readings = server.query("SELECT tx_id, value FROM meter_val")
        story.errors = server.errors()
    return story


def back(server: Serving, identity: str) -> Charger:
    """A charger that comes back, as often as it is sent away: what waited for the disk is stored
    first."""
    until = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            return Charger(server.port, identity)
        except NoWebSocket as refused:
            if refused.status != BUSY or time.monotonic() > until:
                raise
            time.sleep(0.1)


def watch(story: Story, server: Serving, *chargers: Charger) -> None:
    began = time.monotonic()
    for charger in chargers:
        try:
            while True:
                story.answers.append(charger.receive())
        except Closed as closed:
            story.closed[charger.identity] = closed
    story.closed_seconds = time.monotonic() - began
    try:
        Charger(server.port, "CP-3").socket.close()
    except NoWebSocket as refused:
        story.refused = refused
    rows = (
        "SELECT cp_id, id_tag, status FROM tx UNION ALL SELECT cp_id, value, tx_id FROM meter_val"
    )
    story.rows_meanwhile = server.query(rows)
    story.alive = server.process.poll() is None


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Story]]]:
    with ExitStack() as stack, ThreadPoolExecutor(len(OUTAGES)) as threads:
        told = {}
        for name, outage in OUTAGES.items():
            folder = tmp_path_factory.mktemp(name.replace(" ", "-"))
            if outage is full_disk:
                try:
                    folder = stack.enter_context(small_disk(folder / "disk"))
                except (PermissionError, FileNotFoundError):
                    continue
            told[name] = threads.submit(tell, outage, folder)
        yield told


@pytest.fixture(params=OUTAGES)
def story(request: pytest.FixtureRequest, stories: dict[str, Future[Story]]) -> Story:
    if request.param not in stories:
        pytest.skip(
            "mounting a small disk is not allowed here; the limit of a file's size stands for it"
        )
    return stories[request.param].result(4 * ANSWER_SECONDS)


def test_nothing_is_acknowledged_and_chargers_are_sent_away(story: Story) -> None:
    assert story.answers == []
    assert {identity: closed.code for identity, closed in story.closed.items()} == {
        "CP-1": 1013,
        "CP-2": 1013,
    }
    assert COMMIT_SECONDS - 0.5 < story.closed_seconds < COMMIT_SECONDS + SLACK_SECONDS
    assert story.rows_meanwhile == [("CP-1", "TAG", "Active")]


def test_handshakes_are_refused_and_the_server_stays_up(story: Story) -> None:
    assert story.alive
    assert story.refused is not None
    assert story.refused.status == 503
    assert b"\r\nRetry-After: " in story.refused.head


def test_it_recovers_by_itself_and_repeats_make_no_second_row(story: Story) -> None:
    assert story.transactions == [
        ("CP-1", "TAG", "Completed", 1000),
        ("CP-2", "NEW", "Active", None),
    ]
    assert story.readings == [(story.transaction, "1500")]


def test_it_is_one_line_in_the_log(story: Story) -> None:
    assert [line["event"] for line in story.errors] == [
        "writes to the database fail; retrying, and nothing is acknowledged meanwhile"
    ]
