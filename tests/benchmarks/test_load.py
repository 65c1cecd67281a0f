"""The load generator notices what goes wrong: a bench that overlooks a lost answer measures
nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.tools.benchmarks.conversation import Conductor, ReadingTimes, boot_only, charge
from tests.tools.benchmarks.load import Load

UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
TEXT, CLOSE, PING = 0x81, 0x88, 0x89
READ_BYTES = 65536


def frame(payload: bytes, first_byte: int = TEXT) -> bytes:
    """As a server sends it, without a mask; long lengths included."""
    size = len(payload)
    length = bytes((size,)) if size < 126 else bytes((126,)) + size.to_bytes(2)
    return bytes((first_byte,)) + length + payload


@contextmanager
def server_saying(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A port and what it receives: the first things are answered with these, the others with
    silence."""
    received: list[bytes] = []

    def converse() -> None:
        connection, _ = listener.accept()
        with connection:
            for answer in answers:
                received.append(connection.recv(READ_BYTES))
                connection.sendall(answer)
            while data := connection.recv(READ_BYTES):
                received.append(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=converse)
        thread.start()
        yield listener.getsockname()[1], received
        thread.join(5)


def boot_against(*answers: bytes) -> tuple[Load, list[bytes]]:
    """What became of one charger's boot."""
    with server_saying(*answers) as (port, received), Load(port) as load:
        load.connect([("CP-1", boot_only("CP-1"))])
        load.run(0.3, until=lambda: not load.unfinished)
    return load, received


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(frame(b'[3,"1",{}]'), id="short"),
        pytest.param(frame(b' [ 3, "1", {} ]'), id="spaced"),
        pytest.param(frame(b'[3,"1",{"x":"' + b"y" * 200 + b'"}]'), id="long"),
        pytest.param(frame(b"?", PING) + frame(b'[3,"1",{}]'), id="after a ping"),
        pytest.param(frame(b'[2,"a","Reset",{}]') + frame(b'[3,"1",{}]'), id="after a call"),
    ],
)
def test_result_is_an_answer(answer: bytes) -> None:
    load, received = boot_against(UPGRADE, answer)
    assert not load.faults
    assert (load.upgraded, load.finished, len(load.answer_seconds)) == (1, 1, 1)
    assert b"BootNotification" in received[1]


@pytest.mark.parametrize(
    ("answers", "faults"),
    [
        ((b"HTTP/1.1 503 Service Unavailable\r\n\r\n",), {"refused": 1}),
        ((UPGRADE,), {"no answer": 1}),
        ((UPGRADE, frame(b'[4,"1","InternalError","",{}]')), {"CALLERROR": 1}),
        ((UPGRADE, frame(b'[3,"2",{}]')), {"unexpected answer": 1, "no answer": 1}),
        ((UPGRADE, frame(b"[3]")), {"unreadable": 1, "no answer": 1}),
        ((UPGRADE, frame(b'[3,"1",[]]')), {"unreadable": 1}),
        ((UPGRADE, frame(b'[3,"1",{}]') + frame(b'[3,"1",{}]')), {"unexpected answer": 1}),
        ((UPGRADE, frame(b"\x03\xe9", CLOSE)), {"connection lost": 1}),
    ],
)
def test_anything_else_is_a_fault(answers: tuple[bytes, ...], faults: dict[str, int]) -> None:
    load, _ = boot_against(*answers)
    assert load.faults == faults


def test_refused_connection_is_a_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Load(port) as load:
        load.connect([("CP-1", boot_only("CP-1"))])
    assert load.faults == {"not connected": 1}


def test_charger_meters_the_transaction_it_was_given() -> None:
    conductor = Conductor(ReadingTimes(), heartbeat_every=3)
    talk = charge("CP-1", 0, conductor)
    said = [next(talk), *(talk.send(answer) for answer in (b"{}", b"{}", b"{}"))]
    assert [call.partition(b",")[0] for call in said if call] == [
        b'"BootNotification"',
        b'"StatusNotification"',
        b'"Authorize"',
        b'"StartTransaction"',
    ]
    assert talk.send(b'{"transactionId":1000007,"idTagInfo":{"status":"Accepted"}}') is None
    readings = [talk.send(b"{}") for _ in range(3)]
    conductor.stopping = True
    stop = talk.send(b"{}")
    assert readings[0] != readings[1]
    assert readings[2] == b'"Heartbeat",{}'
    assert all(call and b'"transactionId":1000007' in call for call in (*readings[:2], stop))
    assert stop is not None
    assert b'"meterStop":1000004' in stop
    with pytest.raises(StopIteration):
        talk.send(b"{}")
    assert conductor.without_transaction == 0
