"""FTP, for chargers that speak nothing else: the files of the HTTP listener, by the same rules (RFC
959, 2428, 3659).

The secret of a location comes in two parts, as user and password. Who has logged in may send the
file that they are for, or fetch it, and nothing more. Folders and the names of files that come in
mean nothing; what is fetched has the name in its location.

Strangers reach this port, so: The server opens no connection to anybody (PORT and EPRT are
refused); a data connection is taken only from the address of its control connection, at a port that
is open only after the log-in, and for a moment. A line is short, a command is read only when the
one before it is done, and each wait has a deadline. A file is whole at the end of its data
connection; if the control connection ends before that, nothing is kept.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from secrets import SystemRandom
from typing import Final

import trio

from levity_trio.access.admission import network_of
from levity_trio.listening.addresses import port_of
from levity_trio.log.output import get_logger
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.web.files.shelf import FAILURES, Transfers
from levity_trio.web.http.body_limits import DEFAULT_STREAM_LIMITS
from levity_trio.web.http.problems import BodyRefused
from levity_trio.wire.proxy_header import peer_of

CONNECTIONS: Final = 16
CONNECTIONS_OF_ADDRESS: Final = 4
LOGIN_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 60.0
DATA_SECONDS: Final = 20.0
"""How long a data port waits for its connection."""
SEND_SECONDS: Final = 20.0
"""The time for a piece of firmware over a slow link, and for a reply."""
REFUSAL_SECONDS: Final = 1.0
LINE_BYTES: Final = 512
PIECE_BYTES: Final = 64 * 1024
TELNET: Final = b"\xff\xf4\xf2\r\0 "
"""What clients send around an ABOR."""
LIMITS: Final = DEFAULT_STREAM_LIMITS
DIGITS: Final = 16

Reply = tuple[int, str]
Work = Callable[[trio.SocketStream, Callable[[], None]], Awaitable[None]]
"""It is given a data connection, and what it calls when all has come."""

LAST: Final = (221, 421)
"""The replies with which a conversation ends."""
ABORTED: Final[Reply] = (426, "aborted")
IGNORED: Final[Reply] = (250, "folders mean nothing here")
NO_FILE: Final[Reply] = (550, "there is no such file")
NO_PORT: Final[Reply] = (425, "all data ports are in use; try again")
PASSIVE_ONLY: Final[Reply] = (502, "this server opens no connections; send EPSV or PASV")
REPLIES: Final[Mapping[str, Reply]] = {
    "ABOR": (226, "nothing to abort"),
    "ALLO": (202, "not needed"),
    "CDUP": IGNORED,
    "CWD": IGNORED,
    "EPRT": PASSIVE_ONLY,
    "MKD": (257, '"/"'),
    "NOOP": (200, "yes"),
    "OPTS": (200, "names mean nothing here"),
    "PORT": PASSIVE_ONLY,
    "PWD": (257, '"/"'),
    "QUIT": (221, "goodbye"),
    "SYST": (215, "UNIX Type: L8"),
}
"""Commands that change nothing."""
CHOICES: Final = {"TYPE": ("A", "A N", "I", "L 8"), "MODE": ("S",), "STRU": ("F",)}
"""Files are passed on as they are, in each of these."""
BEFORE_LOGIN: Final = ("NOOP", "OPTS", "PASS", "QUIT", "SYST", "USER")

log = get_logger("system")


class _FtpClientLeft(Exception):
    """The client left, or sends what is no FTP."""


@asynccontextmanager
async def open_ftp(
    transfers: Transfers, listeners: Sequence[trio.SocketListener], data_ports: Sequence[int]
) -> AsyncIterator[int]:
    """Serve FTP while the block runs, and yield the port. The listeners are closed at the end."""
    connections: Counter[str] = Counter()
    async with trio.open_nursery() as tasks:
        await tasks.start(
            trio.serve_listeners, partial(_serve, transfers, data_ports, connections), listeners
        )
        yield port_of(listeners)
        tasks.cancel_scope.cancel()


async def _serve(
    transfers: Transfers,
    data_ports: Sequence[int],
    connections: Counter[str],
    stream: trio.SocketStream,
) -> None:
    """Serve a connection. No exception leaves this function; trio's accept loop closes the stream
    in any case."""
    try:
        # ABOR comes with urgent data
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_OOBINLINE, 1)
        here, there = (
            str(name[0]) for name in (stream.socket.getsockname(), stream.socket.getpeername())
        )
        with _place(connections, network_of(there)) as has_place:
            session = FtpSession(stream, transfers, here, there, data_ports)
            await (
                session.converse()
                if has_place
                else session.reply(421, "too many connections; try again")
            )
    except* (
        OSError,
        _FtpClientLeft,
        trio.BrokenResourceError,
        trio.ClosedResourceError,
    ):
        # caused by the peer
        log.debug("FTP client disconnected")
    except* Exception:
        log.exception("FTP connection failed")


@contextmanager
def _place(connections: Counter[str], address: str) -> Iterator[bool]:
    """Count a connection; say whether there is a place for it."""
    has_place = connections.total() < CONNECTIONS and connections[address] < CONNECTIONS_OF_ADDRESS
    connections[address] += has_place
    try:
        yield has_place
    finally:
        connections[address] -= has_place
        if not connections[address]:
            del connections[address]


class FtpSession:
    """A control connection between two addresses."""

    def __init__(
        self,
        stream: trio.abc.Stream,
        transfers: Transfers,
        here: str,
        there: str,
        data_ports: Sequence[int],
    ) -> None:
        self._stream = stream
        self._transfers = transfers
        self._here = here
        self._there = there
        self._data_ports = data_ports
        self._received = bytearray()
        self._user = ""
        self._secret = ""
        self._listener: trio.SocketListener | None = None
        self._offset = 0
        self._commands: Mapping[str, Callable[[str], Awaitable[Reply]]] = {
            "USER": self._name_user,
            "PASS": self._log_in,
            "PASV": self._open_passive,
            "EPSV": self._open_extended,
            "REST": self._restart,
            "SIZE": self._size,
            "RETR": self._retrieve,
            "STOR": self._store,
        }

    async def converse(self) -> None:
        """Obey commands until the client leaves or is too slow. Raises _FtpClientLeft and errors of
        the stream."""
        began = trio.current_time()
        with trio.move_on_after(LOGIN_SECONDS) as patience:
            try:
                await self.reply(220, "files of chargers")
                while await self._obey_next():
                    if self._secret:
                        patience.deadline = began + LIMITS.seconds
            finally:
                self._close_passive()

    async def reply(self, code: int, words: str) -> None:
        """Send a reply. Raises BrokenResourceError if the client does not read it."""
        await _send_all(self._stream, f"{code} {words}\r\n".encode())

    async def _obey_next(self) -> bool:
        """Obey the next command; return whether another may follow. Raises _FtpClientLeft."""
        with trio.move_on_after(IDLE_SECONDS) as patience:
            line = await self._line()
        if patience.cancelled_caught:
            reply = 421, "nothing came for too long"
        else:
            verb, _, argument = line.partition(" ")
            # XPWD is an older PWD.
            reply = await self._obey(verb.upper().removeprefix("X"), argument.strip())
        await self.reply(*reply)
        return reply[0] not in LAST

    async def _obey(self, verb: str, argument: str) -> Reply:
        if not self._secret and verb not in BEFORE_LOGIN:
            return 530, "log in first"
        if verb in REPLIES:
            return REPLIES[verb]
        if verb in CHOICES:
            if argument.upper() in CHOICES[verb]:
                return 200, "yes"
            return 504, f"only {CHOICES[verb][-1]}"
        if verb not in self._commands:
            return 502, "this is not done here"
        try:
            return await self._commands[verb](argument)
        except (StoreUnavailable, Unreadable):
            return 421, "nothing can be read at present"

    async def _line(self) -> str:
        """Return the next line. Raises _FtpClientLeft."""
        while b"\n" not in self._received:
            if len(self._received) >= LINE_BYTES:
                await self.reply(500, "the line is too long")
                raise _FtpClientLeft
            await self._receive()
        line, _, self._received = self._received.partition(b"\n")
        return line.strip(TELNET).decode(errors="replace")

    async def _receive(self) -> None:
        """Receive some of what follows. Raises _FtpClientLeft."""
        part = await self._stream.receive_some(LINE_BYTES - len(self._received))
        if not part:
            raise _FtpClientLeft
        self._received += part

    async def _name_user(self, user: str) -> Reply:
        await trio.lowlevel.checkpoint()
        self._user, self._secret = user, ""
        return 331, "the password, please"

    async def _log_in(self, password: str) -> Reply:
        """Tell nothing of what is wrong, and so late that guessing is slow."""
        if await self._transfers.find(self._user + password) is None:
            await trio.sleep(REFUSAL_SECONDS)
            return 530, "log in with the user and the password of your location"
        self._secret = self._user + password
        return 230, "send or fetch your file"

    async def _restart(self, argument: str) -> Reply:
        await trio.lowlevel.checkpoint()
        is_number = argument.isascii() and argument.isdecimal() and len(argument) <= DIGITS
        if not is_number or int(argument) > LIMITS.size_bytes:
            return 501, "give a number of bytes"
        self._offset = int(argument)
        return 350, f"from byte {self._offset} on"

    # Data connections

    async def _open_passive(self, _argument: str) -> Reply:
        address = peer_of(self._here)
        if not isinstance(address, IPv4Address):
            return 425, "send EPSV"
        port = await self._open_port()
        if port is None:
            return NO_PORT
        host = str(address).replace(".", ",")
        return 227, f"Entering Passive Mode ({host},{port // 256},{port % 256})"

    async def _open_extended(self, argument: str) -> Reply:
        if argument.upper() == "ALL":
            return 200, "yes"
        port = await self._open_port()
        if port is None:
            return NO_PORT
        return 229, f"Entering Extended Passive Mode (|||{port}|)"

    async def _open_port(self) -> int | None:
        """Listen at a data port that is hard to foretell, and return it; None if all are in use."""
        self._close_passive()
        for port in SystemRandom().sample(self._data_ports, len(self._data_ports)):
            try:
                (self._listener,) = await trio.open_tcp_listeners(port, host=self._here, backlog=1)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            return int(self._listener.socket.getsockname()[1])
        return None

    def _close_passive(self) -> None:
        if self._listener is not None:
            self._listener.socket.close()
            self._listener = None

    async def _accepted(self, listener: trio.SocketListener) -> trio.SocketStream | None:
        """Return the data connection, once it comes from the client's own address; None if it does
        not come."""
        try:
            with trio.move_on_after(DATA_SECONDS):
                while True:
                    stream = await listener.accept()
                    # It may have left again.
                    with suppress(OSError):
                        if stream.socket.getpeername()[0] == self._there:
                            return stream
                    await trio.aclose_forcefully(stream)
        finally:
            self._close_passive()
        return None

    async def _transfer(self, work: Work) -> Reply:
        """Do the work on a data connection, unless the client aborts it before its end."""
        if self._listener is None:
            return 425, "send EPSV or PASV first"
        await self.reply(150, "go on")
        data = await self._accepted(self._listener)
        if data is None:
            return 425, "no connection came from your address"
        reply = ABORTED
        async with data, trio.open_nursery() as nursery:
            watching = trio.CancelScope()

            async def watch() -> None:
                with watching:
                    await self._wait_abort()
                    nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            reply = await _outcome(work(data, watching.cancel))
            nursery.cancel_scope.cancel()
        return reply

    async def _wait_abort(self) -> None:
        """Wait until the client sends ABOR, or leaves. Other commands wait."""
        with suppress(_FtpClientLeft, trio.BrokenResourceError):
            while b"ABOR" not in self._received.upper():
                if len(self._received) >= LINE_BYTES:
                    await trio.sleep_forever()
                await self._receive()

    # Files

    async def _size(self, path: str) -> Reply:
        file = await self._file(path)
        if file is None:
            return NO_FILE
        status = await trio.Path(file).stat()
        return 213, str(status.st_size)

    async def _retrieve(self, path: str) -> Reply:
        file = await self._file(path)
        offset, self._offset = self._offset, 0
        if file is None:
            return NO_FILE
        return await self._transfer(partial(_send, file, offset))

    async def _file(self, path: str) -> Path | None:
        """Return the file that is to be fetched, if this is its name, in whatever folder."""
        # Its time may be over meanwhile.
        url = await self._transfers.find(self._secret)
        if url is None or url.name is None or path.rpartition("/")[2] != url.title:
            return None
        file = self._transfers.shelf.folder.path(url.name)
        return file if await trio.Path(file).is_file() else None

    async def _store(self, _path: str) -> Reply:
        url = await self._transfers.find(self._secret)
        offset, self._offset = self._offset, 0
        if url is None or url.name is not None:
            return 550, "no file is expected"
        if offset:
            return 554, "send the whole file"

        async def receive(data: trio.SocketStream, end: Callable[[], None]) -> None:
            await self._transfers.receive(url, _parts(data, end))

        reply = await self._transfer(receive)
        if reply is ABORTED:
            self._transfers.tell_lost(url, "the charger left inside it")
        return reply


async def _outcome(work: Awaitable[None]) -> Reply:
    """Return the reply to a transfer."""
    try:
        await work
    except FAILURES as error:
        code = 552 if isinstance(error, BodyRefused) else 451
        return code, str(error) or "nothing can be stored at present"
    except (OSError, trio.BrokenResourceError):
        return ABORTED
    return 226, "done"


async def _parts(data: trio.SocketStream, end: Callable[[], None]) -> AsyncGenerator[bytes, None]:
    """Yield the parts of a file that comes in, and call `end` after the last. Raises
    BodyRefused."""
    left_bytes = LIMITS.size_bytes
    while True:
        with trio.move_on_after(LIMITS.idle_seconds) as patience:
            part = await data.receive_some(PIECE_BYTES)
        if patience.cancelled_caught:
            raise BodyRefused(408, "the file arrives too slowly")
        if not part:
            end()
            return
        left_bytes -= len(part)
        if left_bytes < 0:
            raise BodyRefused(413, f"the file is too large; the limit is {LIMITS.size_bytes} bytes")
        yield bytes(part)


async def _send(file: Path, offset: int, data: trio.SocketStream, _end: object) -> None:
    """Send a file from a byte on. Raises BrokenResourceError if the client stops reading."""
    async with await trio.open_file(file, "rb") as opened:
        await opened.seek(offset)
        while part := await opened.read(PIECE_BYTES):
            await _send_all(data, part)


async def _send_all(stream: trio.abc.Stream, data: bytes) -> None:
    with trio.move_on_after(SEND_SECONDS) as patience:
        await stream.send_all(data)
    if patience.cancelled_caught:
        raise trio.BrokenResourceError("the client stopped reading")
