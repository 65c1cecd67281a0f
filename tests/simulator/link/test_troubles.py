"""Central systems that refuse, vanish, are slow or send garbage; and connections that their charger
mistreats."""

from __future__ import annotations

import json

import pytest
import trio
from trio.testing import lockstep_stream_pair
from trio_websocket import WebSocketConnection

from levity_trio.charger.central import Central
from levity_trio.outgoing.websocket import SEND_SECONDS
from levity_trio.simulator.link import FIRST_PAUSE_SECONDS
from tests.charger.parts import InlineWriter, configure
from tests.simulator.link.living import CAR, TAG, Serve, nobody_spins, open_living
from tests.simulator.link.scripts import answer, asked, ignore, mute, say, serving, vanish

HOUR = 3600
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 10\r\n\r\nno \x1b[2Jno\n"
PROXY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>"
REDIRECT = b"HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
STRANGE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


@pytest.mark.parametrize(
    ("serve", "seconds", "problem"),
    [
        pytest.param(vanish, 0, "the handshake was not answered", id="closed"),
        pytest.param(ignore, 30, "the handshake was not answered", id="silent"),
        pytest.param(say(BAD_REQUEST), 0, "refused: HTTP 400 no [2Jno", id="refused"),
        pytest.param(say(PROXY), 0, "refused: HTTP 502", id="refused with a page"),
        pytest.param(say(REDIRECT), 0, "refused: HTTP 301", id="redirected"),
        pytest.param(say(STRANGE), 0, None, id="another protocol"),
        pytest.param(
            say(b"SSH-2.0-OpenSSH_9.6\r\n"), 30, "the handshake was not answered", id="half a head"
        ),
        pytest.param(say(b"hello\r\n\r\n"), 0, None, id="no HTTP"),
    ],
)
async def test_a_handshake_that_fails_is_tried_again(
    serve: Serve, seconds: float, problem: str | None
) -> None:
    async with open_living(serve) as living:
        await living.until(lambda: living.link.problem)
        assert living.at == pytest.approx(seconds, abs=0.5)
        assert problem is None or living.link.problem == problem
        await living.until(lambda: len(living.wire.dials) == 3)
    assert not living.charger.tally.sent


async def test_a_server_that_has_no_room(central: Central) -> None:
    configure(central, max_chargers=0)
    async with open_living(central) as living:
        await living.until(lambda: living.link.problem)
        assert living.link.problem == (
            "refused: HTTP 404 There is no room for a new charger: the limit on chargers is "
            "reached (--max-chargers)."
        )
        configure(central, max_chargers=1)
        await living.accepted()


async def test_what_the_handshake_says() -> None:
    """The identifier is quoted; the password is the decoded bytes of the key (RFC 7617; whitepaper
    A00.FR.205)."""
    seen: list[tuple[str, dict[str, str], tuple[str, ...]]] = []

    async def serve(stream: trio.abc.Stream) -> None:
        async with asked(stream) as request:
            headers = {name.decode(): value.decode() for name, value in request.headers}
            seen.append((request.path, headers, request.proposed_subprotocols))

    async with open_living(serve, name="CP 1ü", security_profile=1, password="00ff" * 8) as living:
        await living.until(lambda: seen)
    path, headers, subprotocols = seen[0]
    assert (path, subprotocols) == ("/ws/CP%201%C3%BC", ("ocpp1.6",))
    assert headers["authorization"] == "Basic Q1AgMcO8OgD/AP8A/wD/AP8A/wD/AP8="
    async with open_living(serve, "no-subprotocol") as living:
        await living.until(lambda: len(seen) == 2)
    path, headers, subprotocols = seen[1]
    assert (path, subprotocols) == ("/ws/CP-1", ())
    assert "authorization" not in headers


@pytest.mark.parametrize(
    ("code", "reason", "problem"),
    [(1013, "try again later", "closed: 1013 try again later"), (1008, None, "closed: 1008")],
)
async def test_a_server_that_closes(code: int, reason: str | None, problem: str) -> None:
    async def close(websocket: WebSocketConnection) -> None:
        await answer(websocket)
        await websocket.aclose(code, reason)

    async with open_living(serving(close)) as living:
        await living.until(lambda: living.link.problem)
        assert living.link.problem == problem
        await living.until(lambda: len(living.wire.dials) == 4)
        # Unconfirmed statuses are sent again; an accepted boot is not.
        assert len(living.sent("BootNotification")) == 1
        assert living.wire.dials == pytest.approx([0, 6, 18, 42], abs=0.5)


async def test_a_message_that_is_too_large_ends_the_connection() -> None:
    async def flood(websocket: WebSocketConnection) -> None:
        await websocket.send_message("x" * (1024 * 1024 + 1))
        await trio.sleep_forever()

    async with open_living(serving(flood)) as living:
        await living.until(lambda: living.link.problem)
        assert living.link.problem is not None
        assert living.link.problem.startswith("closed: 1009")


async def test_what_cannot_be_read_is_counted_and_refused_where_it_is_a_call() -> None:
    heard: list[str | bytes] = []

    async def babble(websocket: WebSocketConnection) -> None:
        await answer(websocket)
        for text in (
            "",
            "[",
            "{}",
            '[3,"1"]',
            '[3,"none",{}]',
            "[9]",
            '[2,"7",8,{}]',
            '[2,"8","Fly",{}]',
            b"\xff",
        ):
            await websocket.send_message(text)
        while True:
            heard.append(await websocket.get_message())

    async with open_living(serving(babble)) as living:
        await living.until(lambda: living.charger.tally.unreadable == 6)
        assert living.charger.is_linked
        assert living.frames[-1][1:] == ("recv", "\ufffd")
    refusals = [frame for text in heard if (frame := json.loads(text))[0] == 4]
    assert [refusal[1:3] for refusal in refusals] == [
        ["7", "FormationViolation"],
        ["8", "NotImplemented"],
    ]


async def test_an_answer_to_another_question_is_none() -> None:
    async def mistake(websocket: WebSocketConnection) -> None:
        await websocket.get_message()
        await websocket.send_message(
            '[3,"2",{"status":"Accepted","currentTime":"2026-03-01T12:00:00Z","interval":9}]'
        )
        await trio.sleep_forever()

    async with open_living(serving(mistake)) as living:
        await living.until(lambda: living.charger.tally.unanswered)
        assert living.at == pytest.approx(30, abs=0.5)
        assert not living.charger.may_send


async def test_a_peer_that_does_not_read_is_left() -> None:
    """A frame that is not sent within some seconds is never sent."""

    async with open_living(mute, pair=lockstep_stream_pair) as living:
        await living.until(lambda: len(living.wire.dials) == 2)
    again = living.wire.dials[1]
    # a frozen peer may have read one
    last = max(at for at, _ in living.moments("BootNotification") if at < again)
    assert again - last == pytest.approx(SEND_SECONDS + FIRST_PAUSE_SECONDS, abs=0.1)


async def mute_after_boot(stream: trio.abc.Stream) -> None:
    async def boot(websocket: WebSocketConnection) -> None:
        assert [await answer(websocket) for _ in range(3)] == [
            "BootNotification",
            *["StatusNotification"] * 2,
        ]
        await trio.sleep_forever()

    await serving(boot)(stream)


@pytest.mark.parametrize("kind", ["freeze", "half-close"])
async def test_a_charger_with_something_to_say_that_cannot_waits(
    central: Central, writer: InlineWriter, kind: str
) -> None:
    """A queued message is due all the time; it must not make the task spin."""
    async with open_living(
        mute_after_boot, "no-pings", keys={"MeterValueSampleInterval": "60"}
    ) as living:
        await living.until(lambda: living.charger.may_send)
        living.charger.plug(1, CAR, living.at)
        living.charger.start(1, TAG, living.at)
        living.charger.act_on_connection(kind, HOUR)
        began = living.at
        await trio.sleep(HOUR - 10)
        assert (living.charger.is_linked, len(living.wire.dials)) == (True, 1)
        assert living.at - began < HOUR
        living.wire.to(central)
        await living.until(lambda: len(living.wire.dials) == 2)
        await living.quiet()
        living.charger.unplug(1, living.at)
        await living.quiet()
    (entry,) = living.charger.ledger
    assert writer.rows("SELECT energy_delivered FROM tx") == [(entry.energy_wh,)]
    assert len(living.sent("MeterValues")) >= 60


async def test_a_question_that_nobody_answers_ends_with_the_silence() -> None:
    """The end of the silence is not on the agenda, which pauses while a call is open."""
    async with open_living(
        mute_after_boot, "no-pings", keys={"AllowOfflineTxForUnknownId": "true"}
    ) as living:
        await living.until(lambda: living.charger.may_send)
        await living.quiet()
        living.charger.act_on_connection("freeze", HOUR)
        await trio.sleep(1)
        living.charger.plug(1, CAR, living.at)
        living.charger.present_tag(1, TAG, living.at)
        await trio.sleep(HOUR - 10)
        assert living.charger.agenda.is_held == 1
        await living.until(lambda: not living.charger.agenda.is_held)
        assert living.at == pytest.approx(HOUR, abs=20)
        assert living.charger.connectors[1].transaction is not None
        assert living.charger.connectors[1].transaction.begun < 20


async def test_an_effect_while_there_is_no_connection_keeps_it_away(central: Central) -> None:
    async with open_living(None, "no-pings") as living:
        await living.until(lambda: len(living.wire.dials) == 1)
        living.charger.act_on_connection("freeze", 1000)
        await trio.sleep(500)
        living.wire.to(central)
        await trio.sleep(490)
        assert len(living.wire.dials) == 1
        await living.accepted()
        assert living.at == pytest.approx(1000, abs=10)


async def test_power_that_goes_and_comes_ends_a_silence(central: Central) -> None:
    async with open_living(central, "no-pings") as living:
        await living.accepted()
        living.charger.act_on_connection("freeze", HOUR)
        await trio.sleep(60)
        living.charger.power_off(living.at)
        living.charger.power_on(living.at)
        await living.until(lambda: len(living.sent("BootNotification")) == 2)
        assert living.at < 100


@pytest.mark.parametrize("moment", [0.0, 0.5, 1.5])
async def test_power_that_goes_while_it_connects(central: Central, moment: float) -> None:
    """Whatever the charger is doing: dialling, shaking hands."""

    async def slowly(stream: trio.abc.Stream) -> None:
        await trio.sleep(1)
        assert serve is not None
        await serve(stream)

    async with open_living(central) as living:
        serve, living.wire.serve = living.wire.serve, slowly
        await trio.sleep(moment)
        living.charger.power_off(living.at)
        await trio.sleep(HOUR)
        assert not living.charger.is_linked
        assert not len(central.registry)
        living.charger.power_on(living.at)
        await living.accepted()


async def test_nobody_is_woken_for_nothing(central: Central) -> None:
    """An hour of an idle charger takes a few steps per heartbeat."""
    configure(central, heartbeat_interval_seconds=600)
    async with open_living(central) as living:
        await living.accepted()
        with nobody_spins(500):
            await trio.sleep(HOUR)
