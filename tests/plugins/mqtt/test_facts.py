"""Facts reach a real broker in order and at least once, whatever is killed, pruned or asked for
again."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import fields
from pathlib import Path
from typing import Final, TypeVar, cast

import orjson
import pytest
import trio
from structlog.typing import EventDict

from levity_trio.config import ServerConfig
from levity_trio.events import EventsPruned, Fact, MqttFactRefused
from levity_trio.events.stored import HIDDEN
from levity_trio.plugins.base import Api, Chargers, Load, Site
from levity_trio.plugins.mqtt import facts as module
from levity_trio.plugins.mqtt.broker import Broken, open_link
from levity_trio.plugins.mqtt.facts import Facts
from levity_trio.store.engine.database import Database
from levity_trio.store.engine.faults import Unreadable
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.site.receivers import MqttState, before, state
from levity_trio.store.upkeep.pruning import delete_events
from levity_trio.store.writes.site import receivers
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision
from tests.charger.parts import InlineWriter, wall_clock
from tests.plugins.mqtt.clients import Heard, at
from tests.plugins.mqtt.mosquitto import Mosquitto, running
from tests.store.books import Books, Station, in_memory
from tests.store.owning import House as Flats
from tests.store.reading import view

TOPIC: Final = "levity/events"
WAIT_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.05
EARLY: Final = "2026-01-01T00:00:00.000Z"
T = TypeVar("T")


class InlineReader:
    """The reader's interface without its thread."""

    def __init__(self, books: Books) -> None:
        self._database = view(books.connection)
        self.is_broken = False
        self.reads = 0

    async def run(self, read: Callable[[Database], T]) -> T:
        await trio.lowlevel.checkpoint()
        self.reads += 1
        if self.is_broken:
            raise Unreadable("disk I/O error")
        return read(self._database)


class House:
    """A site whose facts go to a broker, and who listens there."""

    def __init__(self, books: Books, mosquitto: Mosquitto) -> None:
        self.with_names = False
        self.books = books
        self.mosquitto = mosquitto
        self.writer = InlineWriter(books.connection)
        self.reader = InlineReader(books)
        self.heard = Heard()
        self.facts = self.restart()

    def restart(self) -> Facts:
        """Begin as after a restart of the server."""
        site = Site(
            config=ServerConfig(database=Path("levity.db"), mqtt_names=self.with_names),
            settings={},
            clock=wall_clock,
            writer=cast(Writer, self.writer),
            reader=cast(Reader, self.reader),
            publish=lambda _: None,
            chargers=cast(Chargers, None),  # facts ask no charger
            load=cast(Load, None),
            api=cast(Api, None),
            is_clock_trusted=lambda: True,
            pages={},
        )
        self.facts = Facts(site, TOPIC)
        return self.facts

    def tell(self, count: int = 1, words: str = "", *, wakes: bool = True) -> None:
        """Store facts, and wake whoever sends them as the plug-in does."""
        for _ in range(count):
            self.books.run(
                lambda db: db.record(
                    EventsPruned(charger=None, at=self.books.at, count=1, before=words)
                )
            )
        if wakes:
            self.facts.wake()

    @property
    def newest(self) -> int:
        return int(self.books.value("SELECT max(id) FROM event"))

    @property
    def ids(self) -> list[int]:
        return [orjson.loads(one.payload)["id"] for one in self.heard.messages]

    @property
    def state(self) -> MqttState:
        found = state(view(self.books.connection))
        assert found is not None
        return found

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something of the database or of the listener."""
        with trio.fail_after(WAIT_SECONDS):
            while not condition():  # noqa: ASYNC110 - neither tells anybody
                await trio.sleep(0.01)

    async def acknowledged(self) -> None:
        """Wait until the broker has all facts."""
        await self.until(lambda: not self.state.waiting)

    async def delivered(self, *wanted: int) -> None:
        """Wait until these facts have arrived, at least once."""
        await self.until(lambda: {*self.ids} >= {*wanted})

    async def listen(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Subscribe, again after each break."""
        while True:
            with suppress(Broken):
                async with open_link(at(self.mosquitto, prefix="listener"), self.heard) as link:
                    await link.subscribe([TOPIC])
                    task_status.started()
                    task_status = trio.TASK_STATUS_IGNORED
                    await trio.sleep_forever()
            await trio.sleep(PAUSE_SECONDS)

    async def send(self) -> None:
        """Send facts, again after each break, as the plug-in does."""
        while True:
            with suppress(Broken):
                async with open_link(at(self.mosquitto), Heard()) as link:
                    await self.facts.run(link)
            await trio.sleep(PAUSE_SECONDS)

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Run one server."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.send)
            yield
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Run one server, and a subscriber that is there before it."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.listen)
            async with self.sending():
                yield
            nursery.cancel_scope.cancel()

    async def replay(self, since: str) -> None:
        position, _ = before(view(self.books.connection), since)
        await self.writer.run(receivers.replay_mqtt, position, since, self.books.at, "anna")
        self.facts.wake()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The position is stored soon."""
    monkeypatch.setattr(module, "STORE_SECONDS", PAUSE_SECONDS)


@pytest.fixture
def house(mosquitto: Mosquitto) -> Iterator[House]:
    with closing(in_memory()) as connection:
        yield House(Books(connection), mosquitto)


async def test_the_first_use_sends_nothing_of_the_past(house: House) -> None:
    house.tell(3)
    last = house.newest
    async with house.listening():
        await house.until(lambda: house.books.count("mqtt"))
        house.tell(2)
        await house.delivered(last + 1, last + 2)
    assert house.ids == [last + 1, last + 2]


async def test_facts_arrive_in_order_with_the_body_of_a_webhook(house: House) -> None:
    house.books.run(receivers.begin_mqtt, EARLY)
    house.tell(350)
    async with house.listening():
        await house.delivered(house.newest)
        house.tell(1, "zuletzt")
        await house.delivered(house.newest)
        await house.acknowledged()
    assert house.ids == list(range(2, 353))  # the first one is the start of the server
    assert orjson.loads(house.heard.messages[-1].payload) == {
        "id": 352,
        "kind": "EventsPruned",
        "data": {"charger": None, "at": house.books.at, "count": 1, "before": "zuletzt"},
    }
    assert not any(message.is_retained for message in house.heard.messages)


async def test_a_restart_goes_on_from_the_position(house: House) -> None:
    house.books.run(receivers.begin_mqtt, EARLY)
    house.tell(3)
    async with house.listening():
        await house.delivered(house.newest)
        await house.acknowledged()
    house.tell(2)
    house.restart()
    async with house.listening():
        await house.delivered(house.newest)
    assert house.ids == [2, 3, 4, 5, 6]


async def test_the_position_is_not_stored_with_each_fact(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STORE_SECONDS", 3600.0)
    house.books.run(receivers.begin_mqtt, EARLY)
    async with house.listening():
        house.tell()
        await house.delivered(2)
        await house.acknowledged()  # the first one after a while is
        for number in range(3, 20):
            house.tell()
            await house.delivered(number)
        assert house.state.waiting == 17
        house.tell(100)
        await house.delivered(house.newest)
        await house.until(lambda: house.state.waiting < 17)
        for _ in range(5):
            house.tell()
            await house.delivered(house.newest)
    # it is stored at the end; only the last fact may be unacknowledged
    assert house.state.waiting <= 1
    assert house.ids == list(range(2, house.newest + 1))


async def test_nothing_is_read_while_nothing_happens(house: House) -> None:
    house.books.run(receivers.begin_mqtt, EARLY)
    async with house.sending():
        house.tell()
        await house.acknowledged()
        reads = house.reader.reads
        await trio.sleep(0.3)
        assert house.reader.reads <= reads + 1


async def test_a_broker_that_is_killed_has_acknowledged_every_fact_at_the_end(house: House) -> None:
    house.books.run(receivers.begin_mqtt, EARLY)
    async with house.listening():
        for _ in range(4):
            for _ in range(20):
                house.tell(20)
                await trio.sleep(0.005)
            house.mosquitto.kill()
            house.tell(50)
            house.mosquitto.start()
        await house.acknowledged()
        await house.replay(EARLY)  # what the killed broker forgot
        await house.delivered(*range(1, house.newest))
    first = list(dict.fromkeys(house.ids))
    assert {*first} >= {*range(1, house.newest)}


async def test_a_replay_while_facts_are_on_their_way_wins(house: House) -> None:
    house.books.run(receivers.begin_mqtt, EARLY)
    house.tell(500)
    async with house.listening():
        await house.delivered(150)
        await house.replay(EARLY)
        await house.acknowledged()
        await house.delivered(house.newest)
    again = house.ids.index(1)
    assert house.ids[:again] == list(range(2, house.ids[again - 1] + 1))
    assert house.ids[again:] == list(range(1, house.newest + 1))


async def test_facts_that_were_pruned_are_left_out_and_counted(
    house: House, log_lines: list[EventDict]
) -> None:
    house.books.run(receivers.begin_mqtt, EARLY)
    house.tell(10)
    house.books.run(delete_events, 6, 1.0)
    async with house.listening():
        await house.acknowledged()
        await house.delivered(house.newest)
    assert house.ids == [7, 8, 9, 10, 11]
    assert [(line["event"], line["count"]) for line in log_lines] == [
        ("facts were pruned before the broker of MQTT had them", 5)
    ]


async def test_a_database_that_cannot_be_used_is_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", PAUSE_SECONDS)
    house.books.run(receivers.begin_mqtt, EARLY)
    async with house.listening():
        house.reader.is_broken = True
        house.tell(2)
        await trio.sleep(4 * PAUSE_SECONDS)
        assert house.ids == []
        house.reader.is_broken = False
        await house.delivered(2, 3)


async def test_a_server_without_the_duties_sends_nothing(house: House) -> None:
    house.books.run(receivers.begin_mqtt, EARLY)
    house.writer.sharing.duties = trio.Event()
    house.tell(2)
    async with house.listening():
        await trio.sleep(0.3)
        assert house.ids == []
        house.writer.sharing.duties.set()
        await house.delivered(2, 3)


async def test_a_replay_that_another_server_was_asked_for_is_found(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", PAUSE_SECONDS)
    house.writer.sharing.is_alone = False
    house.books.run(receivers.begin_mqtt, EARLY)
    house.tell(2)
    async with house.listening():
        await house.delivered(2, 3)
        await house.acknowledged()
        house.heard.messages.clear()
        # and nothing wakes the facts
        house.books.run(receivers.replay_mqtt, 1, EARLY, house.books.at, "anna")
        await house.delivered(2, 3, 4)


# Refused


@pytest.fixture
def picky(tmp_path: Path) -> Iterator[House]:
    """A broker that takes only small packets."""
    with (
        running(Mosquitto(tmp_path / "picky", settings="max_packet_size 400")) as broker,
        closing(in_memory()) as connection,
    ):
        yield House(Books(connection), broker)


async def test_a_fact_that_the_broker_refuses_is_told_and_passed_over(picky: House) -> None:
    picky.books.run(receivers.begin_mqtt, EARLY)
    picky.tell(3)
    picky.tell(1, "x" * 500)
    picky.tell(2)
    async with picky.listening():
        await picky.delivered(8)
        await picky.acknowledged()
    assert list(dict.fromkeys(picky.ids)) == [2, 3, 4, 5, 6, 7, 8]
    bodies = {
        body["id"]: body for body in (orjson.loads(one.payload) for one in picky.heard.messages)
    }
    assert bodies[5]["data"] is None
    assert "too large" in bodies[5]["problem"]
    assert bodies[8]["kind"] == "MqttFactRefused"
    assert bodies[8]["data"]["fact"] == 5


@pytest.fixture
def forbidding(tmp_path: Path) -> Iterator[House]:
    """A broker at which facts may not be published."""
    with (
        running(
            Mosquitto(tmp_path / "forbidding", acl="topic read levity/#\ntopic write other/#\n")
        ) as broker,
        closing(in_memory()) as connection,
    ):
        yield House(Books(connection), broker)


async def test_where_no_fact_is_taken_all_wait_and_the_state_says_why(
    forbidding: House, log_lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REFUSED_SECONDS", PAUSE_SECONDS)
    forbidding.books.run(receivers.begin_mqtt, EARLY)
    forbidding.tell(3)
    async with forbidding.sending():
        await forbidding.until(lambda: forbidding.state.problem)
        await trio.sleep(4 * PAUSE_SECONDS)
    assert "Not authorized" in str(forbidding.state.problem)
    assert forbidding.state.waiting == 3
    assert [line["event"] for line in log_lines] == ["the broker of MQTT takes no facts; they wait"]
    assert forbidding.books.recorded(MqttFactRefused) == []


async def test_new_facts_do_not_wake_where_none_is_taken(forbidding: House) -> None:
    forbidding.books.run(receivers.begin_mqtt, EARLY)
    forbidding.tell()
    async with forbidding.sending():
        await forbidding.until(lambda: forbidding.state.problem)
        reads = forbidding.reader.reads
        forbidding.tell(5)
        await trio.sleep(4 * PAUSE_SECONDS)
        assert forbidding.reader.reads == reads


async def test_facts_go_on_where_the_broker_takes_them_again(
    forbidding: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REFUSED_SECONDS", PAUSE_SECONDS)
    forbidding.books.run(receivers.begin_mqtt, EARLY)
    forbidding.tell(3)
    async with forbidding.listening():
        await forbidding.until(lambda: forbidding.state.problem)
        (tmp_path / "forbidding" / "acl").write_text("topic readwrite #\n")
        forbidding.mosquitto.send(signal.SIGHUP)
        await forbidding.delivered(2, 3, 4)
        await forbidding.until(
            lambda: not forbidding.state.waiting and forbidding.state.problem is None
        )
    assert forbidding.books.recorded(MqttFactRefused) == []


NEUTRAL: Final = {
    *(
        "about",
        "action",
        "amperes",
        "assignment",
        "at",
        "before",
        "before_wh",
        "believed",
        "biller",
        "cause",
    ),
    *(
        "certificate",
        "change",
        "changed",
        "charger",
        "chargers",
        "circuit",
        "clean",
        "clock_trusted",
        "code",
    ),
    *(
        "command",
        "connector",
        "count",
        "credential",
        "csr",
        "day",
        "drawn",
        "during_transaction",
        "energy_wh",
    ),
    *(
        "earlier",
        "entry",
        "error_code",
        "event_type",
        "everywhere",
        "evidence",
        "exclusive",
        "expires_at",
        "fact",
        "facts",
    ),
    *(
        "figure",
        "file",
        "fingerprint",
        "firmware_version",
        "first",
        "from_wh",
        "is_managed",
        "is_new",
        "is_usual",
        "is_warning",
        "kind",
    ),
    *(
        "last",
        "last_at",
        "late",
        "limit",
        "made_room_for",
        "max_transactions",
        "message_id",
        "meter",
        "series",
    ),
    *(
        "meter_start_wh",
        "method",
        "model",
        "month",
        "month_amount",
        "month_wh",
        "name",
        "not_after",
        "outcome",
    ),
    *(
        "ownership",
        "phase",
        "problem",
        "profile",
        "read_at",
        "reading",
        "reason",
        "replaced",
        "report",
        "request",
    ),
    *(
        "request_id",
        "resembles",
        "result",
        "retired_on",
        "review",
        "reviews",
        "scope",
        "seconds",
        "securing",
    ),
    *(
        "serial_number",
        "server",
        "session",
        "set_aside",
        "since",
        "size_bytes",
        "source",
        "state",
        "statements",
    ),
    *(
        "status",
        "step",
        "tariff",
        "tech_info",
        "terms",
        "timestamp",
        "to_wh",
        "transaction",
        "until",
        "vehicle",
    ),
    *(
        "vendor",
        "vendor_error_code",
        "vendor_id",
        "verdict",
        "version",
        "wanted",
        "way",
        "webhook",
        "wh",
        "what",
    ),
    *("kilowatts", "why", "words"),
}
"""Fields of facts that name no card, household or person; `reason` is one of a person's only beside
`by`."""


def test_each_field_of_a_fact_is_known_to_name_people_or_not() -> None:
    names = {field.name for kind in Fact.__subclasses__() for field in fields(kind)}
    assert names == NEUTRAL | HIDDEN


def tell_of_anna(house: House) -> None:
    """Let a household get a card that then charges, stop with another one's, and correct its
    session."""
    station = Station(house.books)
    of_house = Flats(house.books)
    of_house.give(1, "04CAFE01")
    of_house.give(2, "04CAFE02")
    transaction = station.start(1000, tag="04CAFE01")
    station.stop(transaction, 6000, tag="04CAFE02")
    house.books.run(decisions.confirm, transaction, Decision("cleo", "Anna agrees", house.books.at))


@pytest.mark.parametrize("with_names", [False, True])
async def test_households_and_cards_are_told_only_with_names(
    house: House, with_names: bool
) -> None:
    house.with_names = with_names
    house.restart()
    house.books.run(receivers.begin_mqtt, EARLY)
    tell_of_anna(house)
    async with house.listening():
        await house.delivered(house.newest)
    told = [orjson.loads(one.payload) for one in house.heard.messages]
    kinds = {one["kind"] for one in told}
    assert kinds >= {
        "OwnershipChanged",
        "TransactionStarted",
        "TransactionStopped",
        "TransactionConfirmed",
    }
    words = ("04CAFE01", "04cafe01", "04cafe02", '"account"', "cleo", "Anna agrees")
    shown = str(told).replace("'", '"')
    assert [word for word in words if word in shown] == [*(words if with_names else ())]
    assert "04CAFE02" not in shown, "a doubt names no card"
    assert all(one["data"]["at"] for one in told)
