"""Meters that are read: one that speaks Modbus TCP and one that answers with JSON, over real
sockets."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import orjson
import pytest
import trio
from structlog.typing import EventDict

from levity_trio.load.document import VOLTS, parse
from levity_trio.load.tree import Phases, as_phases
from levity_trio.outgoing.meters import MeterValues, PublishedReading, Subscribed, reader
from levity_trio.wire import modbus
from levity_trio.wire.meters import MeterConfig
from levity_trio.wire.modbus import HEAD, MODELS, POWERS, MeterFault, Model, length, request
from levity_trio.wire.modbus import shown as shown_by
from tests.load.published import METERS, Published

SHOWN = (1.5, 0.25, 16.0)
WATTS = (345.0, -57.5, -3680.0)


def registers(model: Model, shown: Phases) -> dict[int, bytes]:
    """What a meter of a model has in its registers."""
    found = dict[int, bytes]()
    for register, one in zip(model.registers, shown, strict=True):
        value = one / model.factor if model.shape == "f" else round(one / model.factor)
        data = struct.pack(f">{model.shape}", value)
        words = (data[2:], data[:2]) if model.is_swapped else (data[:2], data[2:])
        found |= {register: words[0], register + 1: words[1]}
    return found


def answer(asked: bytes, found: dict[int, bytes]) -> bytes:
    """Answer as a meter does."""
    transaction, _, _, unit = HEAD.unpack(asked[: HEAD.size])
    function, first, count = struct.unpack(">BHH", asked[HEAD.size :])
    if first not in found:
        body = bytes([function | 0x80, 2])
    else:
        data = b"".join(found.get(register, b"\0\0") for register in range(first, first + count))
        body = bytes([function, len(data)]) + data
    return HEAD.pack(transaction, 0, len(body) + 1, unit) + body


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        *((MODELS[name], SHOWN) for name in MODELS),
        *((POWERS[name], WATTS) for name in MODELS),
    ],
)
def test_currents_and_powers_of_each_model(model: Model, shown: Phases) -> None:
    sent = request(model, 7, 300)
    got = answer(sent, registers(model, shown))
    head, body = got[: HEAD.size], got[HEAD.size :]
    assert length(head) == len(body)
    assert shown_by(model, sent, head, body) == pytest.approx(shown)
    assert shown_by(model, request(model, 7, 301), head, body) is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"\x84\x02", "exception 2: it has no such register"),
        (b"\x84\x63", "exception 99"),
        (b"\x04\x02\x00\x00", "too short"),
        (b"\x03\x0c" + bytes(12), "too short"),
    ],
)
def test_what_is_of_no_use(body: bytes, why: str) -> None:
    sent = request(MODELS["SDM630"], 1, 1)
    with pytest.raises(MeterFault, match=why):
        shown_by(MODELS["SDM630"], sent, sent[: HEAD.size], body)


@pytest.mark.parametrize("head", [b"HTTP/1.", bytes(7), b"\0\1\0\0\xff\xff\1"])
def test_what_is_not_modbus(head: bytes) -> None:
    with pytest.raises(MeterFault, match="not Modbus TCP"):
        length(head)


Serve = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def serving(handle: Serve) -> AsyncIterator[int]:
    """Serve a meter at a port, which is yielded."""
    async with trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(
            partial(trio.serve_tcp, handle, 0, host="127.0.0.1")
        )
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def first_of(meter: MeterConfig, *, with_power: bool = False) -> MeterValues:
    """Read a meter until it shows something."""
    send, receive = trio.open_memory_channel[MeterValues](10)
    read = reader(meter, with_power=with_power)
    assert read is not None
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, lambda _name, *shown: send.send_nowait(shown))
            shown = await receive.receive()
            nursery.cancel_scope.cancel()
    return shown


async def test_a_meter_over_modbus_is_read_again_after_it_hung_up(
    log_lines: list[EventDict],
) -> None:
    """It hangs up in the middle of its first answer, then says that it is busy, then dribbles."""
    turns = iter(range(100))

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            async for asked in stream:
                turn, got = next(turns), answer(bytes(asked), registers(MODELS["EM24"], SHOWN))
                if turn == 0:
                    await stream.send_all(got[:9])
                    return
                if turn == 1:
                    await stream.send_all(answer(bytes(asked), {}))
                    continue
                for one in got:
                    await stream.send_all(bytes([one]))

    async with serving(handle) as port:
        meter = MeterConfig(
            name="Main",
            kind="modbus",
            address=f"127.0.0.1:{port}",
            model="EM24",
            unit=3,
            every_seconds=0.01,
        )
        amperes, watts = await first_of(meter)
    assert amperes == pytest.approx(SHOWN)
    assert watts is None
    lines = [(line["event"], line.get("reason")) for line in log_lines if "meter" in line]
    assert lines == [
        ("a meter cannot be read; it is tried again", "the meter closed the connection"),
        ("a meter can be read again", None),
    ]


async def test_a_meter_at_the_grid_is_asked_for_its_powers_too() -> None:
    found = registers(MODELS["EM24"], SHOWN) | registers(POWERS["EM24"], WATTS)

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            async for asked in stream:
                await stream.send_all(answer(bytes(asked), found))

    async with serving(handle) as port:
        meter = MeterConfig(name="Main", kind="modbus", address=f"127.0.0.1:{port}", model="EM24")
        amperes, watts = await first_of(meter, with_power=True)
    assert amperes == pytest.approx(SHOWN)
    assert watts == pytest.approx(WATTS)


PRO = dict(zip(("a_current", "b_current", "c_current"), SHOWN, strict=True))
ACT = dict(zip(("a_act_power", "b_act_power", "c_act_power"), WATTS, strict=True))


@pytest.mark.parametrize(
    ("document", "meter", "shown"),
    [
        ({"emeters": [{"current": one} for one in SHOWN]}, {"model": "shelly3em"}, (SHOWN, None)),
        (
            {"emeters": [{"current": a, "power": w} for a, w in zip(SHOWN, WATTS, strict=True)]},
            {"model": "shelly3em"},
            (SHOWN, WATTS),
        ),
        (PRO | ACT, {"model": "shellypro3em"}, (SHOWN, WATTS)),
        (PRO | {"a_act_power": None}, {"model": "shellypro3em"}, (SHOWN, None)),
        ({"a": {"b": ["x", "1.5"]}}, {"path": ("a.b.1",)}, ((1.5, 0.0, 0.0), None)),
        ({"p": -2.3}, {"path": ("p",), "shows": "kW"}, (None, (-2300.0, 0.0, 0.0))),
    ],
)
async def test_a_meter_over_http(
    document: object, meter: dict[str, object], shown: MeterValues
) -> None:
    body = orjson.dumps(document)

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(4096)
            await stream.send_all(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
            )

    async with serving(handle) as port:
        found = await first_of(
            MeterConfig(name="Main", kind="http", url=f"http://127.0.0.1:{port}/status", **meter)  # type: ignore[arg-type]  # by the case
        )
    assert found == shown


@pytest.mark.parametrize(
    ("answered", "why"),
    [
        (b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n", "status 401"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n<ok>", "not JSON"),
        (b'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{"a":1}', "has no b"),
        (b'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{"b":true1', "not JSON"),
        (b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"b":1e999}', "not"),
    ],
)
async def test_a_meter_that_answers_nonsense_is_named_with_the_reason(
    answered: bytes, why: str, log_lines: list[EventDict]
) -> None:
    asked = trio.Event()

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(4096)
            await stream.send_all(answered)
            if any("meter" in line for line in log_lines):
                asked.set()

    async with serving(handle) as port:
        read = reader(
            MeterConfig(
                name="Main",
                kind="http",
                url=f"http://127.0.0.1:{port}",
                path=("b",),
                every_seconds=0.01,
            )
        )
        assert read is not None
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read, lambda *_: pytest.fail("it showed a current"))
                await asked.wait()
                nursery.cancel_scope.cancel()
    (line,) = [line for line in log_lines if "meter" in line]
    assert why in line["reason"]


@pytest.mark.parametrize("address", ["127.0.0.1:modbus", "a..b"])
async def test_a_meter_whose_address_is_none_is_tried_again(
    address: str, log_lines: list[EventDict]
) -> None:
    read = reader(
        MeterConfig(name="Main", kind="modbus", address=address, model="EM24", every_seconds=0.01)
    )
    assert read is not None
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, lambda *_: pytest.fail("it showed a current"))
            while not any("meter" in line for line in log_lines):  # noqa: ASYNC110 - of the log
                await trio.sleep(0.01)
            await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
    assert [line["event"] for line in log_lines if "meter" in line] == [
        "a meter cannot be read; it is tried again"
    ]


def test_a_meter_that_tells_by_itself_has_no_reader() -> None:
    assert reader(MeterConfig(name="Main")) is None
    assert modbus.PORT == 502


def by_mqtt(told: str) -> Subscribed:
    """The subscriptions of a site whose one meter is told by its topic."""
    circuit = '[[circuit]]\nname = "Feeder"\namperes = 63\nmeter = "Main"\n'
    return Subscribed(parse(f'{circuit}[[meter]]\nname = "Main"\nkind = "mqtt"\n{told}').meters)


@pytest.mark.parametrize("published", METERS, ids=lambda one: one.documentation)
def test_what_real_meters_publish(published: Published) -> None:
    subscribed = by_mqtt(published.meter)
    assert subscribed.topics == {topic for topic, _ in published.messages}
    for round_ in range(2):
        *early, last = [
            [*subscribed.heard(topic, payload, 10.0 * round_ + number)]
            for number, (topic, payload) in enumerate(published.messages)
        ]
        assert not any(early)
        ((meter, amperes, watts, at),) = last
        assert (meter, at) == ("Main", 10.0 * round_)
        shown = amperes or as_phases(watt / VOLTS for watt in watts or ())
        assert shown == pytest.approx(published.amperes)


def test_a_phase_that_is_no_longer_published_makes_the_meter_silent() -> None:
    subscribed = by_mqtt('topic = ["a", "b"]')
    assert [
        one for number in range(20) for one in subscribed.heard("a", b"%d" % number, float(number))
    ] == []
    assert [*subscribed.heard("b", b"3", 30.0)] == [
        PublishedReading("Main", (19.0, 3.0, 0.0), None, 19.0)
    ]
    assert [*subscribed.heard("c", b"3", 31.0)] == []


def test_a_topic_of_two_meters() -> None:
    told = 'kind = "mqtt"\ntopic = "a"\npath = '
    meters = parse(
        '[[circuit]]\nname = "Feeder"\namperes = 63\n'
        f'[[meter]]\nname = "One"\n{told}"x"\n[[meter]]\nname = "Two"\n{told}"y"\n'
    ).meters
    found = [*Subscribed(meters).heard("a", b'{"x": 1, "y": 2}', 0.0)]
    assert found == [
        PublishedReading("One", (1.0, 0.0, 0.0), None, 0.0),
        PublishedReading("Two", (2.0, 0.0, 0.0), None, 0.0),
    ]


def test_rubbish_is_logged_when_it_begins_and_when_it_ends(log_lines: list[EventDict]) -> None:
    subscribed = by_mqtt('topic = "a"\npath = ["x", "y"]')
    for _ in range(2):
        for payload in (b"", b"<ok>", b'{"x": 1}', b"9" * 70_000):
            assert [*subscribed.heard("a", payload, 0.0)] == []
        assert [*subscribed.heard("a", b'{"x": 1, "y": 2}', 5.0)] == [
            PublishedReading("Main", (1.0, 2.0, 0.0), None, 5.0)
        ]
    assert [(line["event"], line.get("reason")) for line in log_lines] == [
        ("a meter publishes what is of no use", "what it told is of no use: it is not JSON"),
        ("a meter publishes currents again", None),
    ] * 2
