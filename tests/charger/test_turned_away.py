"""Who is turned away is told to the owner: who, from where, why and what to do, until that charger
connects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta

import pytest
import trio

from levity_trio.access.registration import Decision, Mode
from levity_trio.access.turned_away import MOST, clause
from levity_trio.charger.central import Central
from levity_trio.charger.doors import SPARE_SECONDS
from levity_trio.events import ChargerConnected, ChargerOdd, ChargerTurnedAway
from levity_trio.store.reads.chargers.chargers import served
from levity_trio.store.reads.now.attention import Attention, ServedChargers, attention
from levity_trio.store.writes.chargers.sessions import HANGS_UP, MOST_CONNECTIONS
from levity_trio.wire.proxy_header import SIGNATURE
from tests.charger.doors import OTHER, PASSWORD, basic, give, knock, make_known, use
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import at, frame, open_charger, open_raw, open_raw_charger, upgrade
from tests.charger.test_admission import START
from tests.store.nows import WELL
from tests.store.reading import view

HERE = at("192.168.1.30")


def told(
    central: Central, writer: InlineWriter, *, sees_all: bool = True, later: timedelta = timedelta()
) -> list[Attention]:
    db = view(writer._connection)
    chargers = ServedChargers(served(db), {}, {}, [])
    found = attention(db, central.clock() + later, UTC, WELL, chargers, sees_all=sees_all)
    writer._connection.rollback()
    return found


def words(central: Central, writer: InlineWriter) -> list[str]:
    return [one.words for one in told(central, writer)]


async def _closed(central: Central, _writer: InlineWriter) -> None:
    configure(central, registration="closed")
    central.registrations.mode = Mode.CLOSED


async def _at_profile_one(central: Central, writer: InlineWriter) -> None:
    await make_known(central, "CP-1")
    await give(writer, "CP-1")
    await use(central, "CP-1", basic("CP-1", PASSWORD))
    await trio.sleep(1)


async def _full(central: Central, _writer: InlineWriter) -> None:
    configure(central, max_chargers=0)


async def _open(_central: Central, _writer: InlineWriter) -> None:
    """Nothing is set."""


Prepare = Callable[[Central, InlineWriter], object]
LACKS = "security profile 1 is required, 0 was proven"


@pytest.mark.parametrize(
    ("prepare", "request_", "reason", "advised"),
    [
        (
            _open,
            upgrade(subprotocol="ocpp2.0.1"),
            "it offers only ocpp2.0.1; this server supports",
            "OCPP 1.6 JSON",
        ),
        (
            _open,
            upgrade(subprotocol="ocpp2.0.1, ocpp2.1"),
            "it offers only ocpp2.0.1, ocpp2.1; ",
            "OCPP 1.6 JSON",
        ),
        (
            _at_profile_one,
            upgrade("/ws/CP-1", basic("CP-1", OTHER)),
            f"its password is wrong; {LACKS}",
            "password",
        ),
        (
            _at_profile_one,
            upgrade("/ws/CP-1", "Authorization: Bearer x"),
            "its Authorization header is not",
            "password",
        ),
        (
            _at_profile_one,
            upgrade("/ws/CP-1", basic("CP-9", PASSWORD)),
            "the user in its Authorization",
            "password",
        ),
        (_at_profile_one, upgrade("/ws/CP-1"), LACKS, "that profile"),
        (
            _closed,
            upgrade(),
            "registration is closed, and it is not registered",
            "levity-trio charger add",
        ),
        (
            _closed,
            upgrade("/ws/CP-1", basic("CP-1", OTHER)),
            "registration is closed",
            "levity-trio charger add",
        ),
        (_full, upgrade(), "there is no room for a new charger", "raise the limit"),
        (
            _open,
            upgrade().replace(b"Upgrade: websocket", b"X: y"),
            "the Upgrade header is missing",
            "the proxy",
        ),
        (
            _open,
            upgrade().replace(b"Version: 13", b"Version: 8"),
            "only version 13 of the WebSocket",
            "The log",
        ),
        (
            _open,
            upgrade("/ws/CP-1", "Origin: http://a", "Sec-Fetch-Site: x"),
            "a web page may not",
            "--api-cors-origin",
        ),
    ],
)
async def test_a_handshake_that_is_refused(
    central: Central,
    writer: InlineWriter,
    prepare: Prepare,
    request_: bytes,
    reason: str,
    advised: str,
) -> None:
    await prepare(central, writer)  # type: ignore[misc]
    async with open_raw(central, HERE) as peer:
        await peer.send(request_)
        await peer.read_head()
    (one,) = told(central, writer)
    assert one.words.startswith(f"CP-1 at 192.168.1.30 is turned away: {reason}")
    assert advised in str(one.advice)
    assert one.kind == "turned_away"
    assert one.level == ("broken" if prepare is _at_profile_one else "look")
    (hidden,) = told(central, writer, sees_all=False)
    assert "192.168" not in hidden.words


async def test_until_the_charger_connects(central: Central, writer: InlineWriter) -> None:
    await _at_profile_one(central, writer)
    await knock(central, "CP-1", basic("CP-1", OTHER), pair=HERE)
    assert [one.charger for one in told(central, writer)] == ["CP-1"]
    await trio.sleep(1)
    await use(central, "CP-1", basic("CP-1", PASSWORD))
    assert [one.kind for one in told(central, writer)] == ["offline"]


async def test_until_a_day_has_passed(central: Central, writer: InlineWriter) -> None:
    async with open_raw(central, HERE) as peer:
        await peer.send(upgrade("/ws/NEW", subprotocol="ocpp2.1"))
        await peer.read_head()
    assert len(told(central, writer, later=timedelta(hours=23.9))) == 1
    assert told(central, writer, later=timedelta(hours=24.1)) == []


async def test_a_second_client_beside_a_charger_that_is_connected(
    central: Central, writer: InlineWriter
) -> None:
    await _at_profile_one(central, writer)
    header = tuple(part.encode() for part in basic("CP-1", PASSWORD).split(": "))
    async with open_charger(central, headers=[header]) as charger:  # type: ignore[list-item]
        await charger.call("Heartbeat")
        await trio.sleep(1)
        await knock(central, "CP-1", basic("CP-1", OTHER), pair=HERE)
        (one,) = told(central, writer)
    assert one.words.startswith(
        "Another client that calls itself CP-1 at 192.168.1.30 is turned away: "
    )
    assert one.level == "look"


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"\x16\x03\x01\x00\x05hello", "a TLS handshake arrived, but TLS is not configured here"),
        (upgrade("/ws"), "the path of its URL contains no identity"),
        (upgrade("/"), "the path of its URL contains no identity"),
        (SIGNATURE + bytes(16), "a PROXY header arrived from 192.168.1.30"),
    ],
)
async def test_one_without_an_identity_is_told_of_the_second_time(
    central: Central, writer: InlineWriter, sent: bytes, reason: str
) -> None:
    for number in range(3):
        async with open_raw(central, HERE) as peer:
            await peer.send(sent)
            await peer.read_to_end()
        found = words(central, writer)
        assert len(found) == min(number, 1)
        assert all(
            one.startswith(f"Something at 192.168.1.30 is turned away: {reason}") for one in found
        )


async def test_one_without_an_identity_is_perhaps_the_charger_that_was_there(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central, pair=HERE) as charger:
        await charger.call("Heartbeat")
        for _ in range(2):
            async with open_raw(central, HERE) as peer:
                await peer.send(upgrade("/"))
                await peer.read_to_end()
    assert words(central, writer)[-1].startswith(
        "Something, perhaps CP-1, at 192.168.1.30 is turned away: "
    )


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /ws/CP-1 HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00\x01nonsense\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
    ],
)
async def test_who_only_looks_is_not_told_of(
    central: Central, writer: InlineWriter, sent: bytes
) -> None:
    for _ in range(3):
        async with open_raw(central, HERE) as peer:
            await peer.send(sent)
            await peer.read_to_end()
    assert told(central, writer) == []


async def test_a_charger_that_its_owner_refused_is_not_told_of(
    central: Central, writer: InlineWriter
) -> None:
    await _closed(central, writer)
    central.decided["CP-1"] = Decision.REFUSED
    await knock(central, "CP-1", pair=HERE)
    assert told(central, writer) == []


async def test_a_fault_of_this_server_is_told_elsewhere(
    central: Central, writer: InlineWriter
) -> None:
    writer.is_failing = True
    await knock(central, "CP-1", pair=HERE)
    writer.is_failing = False
    assert told(central, writer) == []


# After it has connected


async def test_a_message_that_is_too_large(central: Central, writer: InlineWriter) -> None:
    configure(central, max_message_bytes=2000)
    for _ in range(2):
        async with open_raw_charger(central) as peer:
            await peer.send_frame('[2,"h","Heartbeat",{}]')
            await peer.receive()
            await peer.send(frame(8000 * b"x"))
            await peer.wait_closed()
        await trio.sleep(1)
        (one,) = [one for one in told(central, writer) if one.kind == "turned_away"]
        assert one.words == (
            "CP-1 at memory is cut off: a message of 8000 bytes, larger than 2000 "
            "(--max-message-bytes)"
        )
        assert one.advice == "Raise --max-message-bytes"


async def test_one_that_sends_nothing_valid(central: Central, writer: InlineWriter) -> None:
    async with open_raw_charger(central) as peer:
        await peer.send_frame("<soap:Envelope/>")
    assert words(central, writer) == [
        "CP-1 at memory is turned away: it sent nothing that is OCPP 1.6"
    ]
    await trio.sleep(1)
    await make_known(central, "CP-1")
    assert [one.kind for one in told(central, writer)] == ["offline"]


async def test_one_for_which_there_is_no_room_at_its_first_message(
    central: Central, writer: InlineWriter
) -> None:
    async with open_raw_charger(central) as peer:
        configure(central, max_chargers=0)
        await peer.send_frame('[2,"h","Heartbeat",{}]')
        await peer.wait_closed()
    (one,) = words(central, writer)
    assert one.startswith("CP-1 at memory is turned away: the limit on chargers is reached")


async def test_two_chargers_with_one_identity(central: Central, writer: InlineWriter) -> None:
    for address in ("10.0.0.1", "10.0.0.2") * 3:
        async with open_charger(central, pair=at(address)) as charger:
            await charger.call("Heartbeat")
        await trio.sleep(60)
    (one,) = [one for one in told(central, writer) if one.kind == "turned_away"]
    assert one.words == (
        "CP-1 at 10.0.0.2 is cut off: two chargers seem to use its identity: the address alternates"
    )


# How much it costs


async def test_a_line_is_written_once_in_a_while(central: Central, writer: InlineWriter) -> None:
    def written() -> int:
        return writer.statistics().writes

    await _at_profile_one(central, writer)
    await knock(central, "CP-1", basic("CP-1", OTHER), pair=HERE)
    before = written()
    for _ in range(20):
        await knock(central, "CP-1", basic("CP-1", OTHER), pair=HERE)
    assert written() == before
    await trio.sleep(SPARE_SECONDS + 1)
    await knock(central, "CP-1", basic("CP-1", OTHER), pair=HERE)
    assert written() == before + 1
    (fact,) = writer.recorded(ChargerTurnedAway)
    assert (fact.charger, fact.remote_address, fact.kind) == ("CP-1", "192.168.1.30", "password")


async def test_strangers_cannot_push_out_a_charger_that_is_known(
    central: Central, writer: InlineWriter
) -> None:
    async with open_charger(central, "/ws/OURS") as charger:
        await charger.call("StartTransaction", START)
    await make_known(central, "SEEN")
    await trio.sleep(1)
    for name in ("SEEN", "OURS", *(f"STRANGER-{number}" for number in range(2 * MOST))):
        async with open_raw(central, HERE) as peer:
            await peer.send(upgrade(f"/ws/{name}", subprotocol="ocpp2.0.1"))
            await peer.read_head()
        await trio.sleep(1)
    found = [one.words.split()[0] for one in told(central, writer) if one.kind == "turned_away"]
    assert len(found) == MOST
    assert {"OURS", "SEEN", f"STRANGER-{2 * MOST - 1}"} <= set(found)
    assert "STRANGER-1" not in found
    assert [one.charger for one in writer.recorded(ChargerTurnedAway)] == ["SEEN", "OURS"]


async def test_one_line_for_each_identity_with_the_newest_reason(
    central: Central, writer: InlineWriter
) -> None:
    for offered in ("ocpp2.0.1", "ocpp1.5"):
        async with open_raw(central, HERE) as peer:
            await peer.send(upgrade(subprotocol=offered))
            await peer.read_head()
        await trio.sleep(SPARE_SECONDS)
    await _closed(central, writer)
    since = told(central, writer)[0].since
    assert "ocpp1.5" in words(central, writer)[0]
    await knock(central, "CP-1", pair=HERE)
    (one,) = told(central, writer)
    assert "registration is closed" in one.words
    assert str(one.since) > str(since)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("TLS is off.", "TLS is off"),
        ("A word.", "a word"),
        ("Only x\x00y", "only x�y"),
        ("", ""),
        ("I", "I"),
    ],
)
def test_a_clause(text: str, shown: str) -> None:
    assert clause(text) == shown


# Turned away by nobody


async def test_one_that_comes_and_goes_without_a_word_is_told_once(
    central: Central, writer: InlineWriter
) -> None:
    await make_known(central, "CP-1")
    for number in range(1, 80):
        async with open_raw_charger(central, "/ws/CP-1"):
            pass
        assert len(writer.recorded(ChargerOdd)) == (number >= MOST_CONNECTIONS)
    assert [one.kind for one in told(central, writer) if one.kind == "odd"] == ["odd"]


async def test_one_that_closes_each_connection_is_told_to_nobody(
    central: Central, writer: InlineWriter
) -> None:
    for _ in range(80):
        await make_known(central, "CP-1")
        assert writer.row("SELECT is_connected FROM cp") == (0,)
    assert writer.recorded(ChargerOdd) == []
    assert [one.kind for one in told(central, writer) if one.kind == "odd"] == []
    assert writer.row("SELECT kind, count FROM repair") == (HANGS_UP, 80 - 19)
    assert len([one for one in writer.recorded(ChargerConnected) if not one.is_usual]) == 20
