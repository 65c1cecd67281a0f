"""One TCP connection, from its first byte to its last: the boundary that no exception crosses.

We read and check the request head, then pass a clean copy of it to the WebSocket library. A request
that is not a charger's is refused with an HTTP response that states the reason. An admitted
connection has a session; an error in it, or in the library's own reader task, ends this connection
only.

Both ports recognise a TLS handshake by its first byte: a charger that was told to use TLS may dial
the old port.

Admission of connections: the limits, and the order in which two clients with one identity are
served.

A charger with transactions is known and is always admitted; when strangers fill the server, one of
them is closed. Refusing a known charger loses its data; a stranger may be anybody. Incomplete
handshakes have a limit of their own besides --max-connections; beyond it the oldest is dropped for
the newest.

Some handshakes wait: for this machine's clock to be set, or while another client of the same
identity is served. The limits are checked again after the wait.

The mode of registration lets in chargers, too; nobody is locked out by a switch of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import trio

from levity_trio.access.admission import Admission
from levity_trio.access.registration import Mode, Status
from levity_trio.charger.central import REFUSED, Central, Visitor
from levity_trio.charger.proof import (
    CHALLENGE,
    UNAVAILABLE,
    UNPROVEN,
    UNWRITABLE,
    prove,
    prove_again,
    retry_after,
    take_as_long,
    use_readmission,
)
from levity_trio.charger.session import Peer, Session
from levity_trio.charger.stream import (
    HANDSHAKE_BYTE,
    NO_COMMON_SUBPROTOCOL,
    ChargerStream,
    CloseCode,
    ConnectionClosed,
    HeadTooLarge,
    PingAfterGoodbye,
    TlsFailed,
    accept,
    address_of,
)
from levity_trio.charger.transcript import refused as refused_row
from levity_trio.config import ConfigError
from levity_trio.events import HandshakeRefused
from levity_trio.log.output import bind_contextvars, get_logger
from levity_trio.store.writes.chargers import registration
from levity_trio.store.writes.chargers.registration import DecidedBy
from levity_trio.wire.handshake import (
    COPIED_BY,
    BadRequest,
    Head,
    dialled,
    identity,
    masked_head,
    page_problem,
    parse_head,
    refusal,
    upgrade_problem,
)
from levity_trio.wire.proxy_header import SIGNATURE, BadProxyHeader, is_from, peer_of
from levity_trio.wire.secrets import masked_url
from levity_trio.wire.times import stamp

HANDSHAKES: Final = 128
"""Maximum number of concurrent handshakes, in addition to --max-connections."""
LEAST_STRANGERS: Final = 32
STRANGERS_SHARE: Final = 4
"""One address may hold 1/STRANGERS_SHARE of --max-connections with strangers, but always
LEAST_STRANGERS. The chargers of a site behind one address become known when they charge."""
RETRY: Final = {"Retry-After": "30"}
TOO_MANY_HANDSHAKES: Final = "Too many handshakes are under way."
MADE_ROOM: Final = "the server is full; the connection was given to a known charger"
WAITS_NEWER: Final = (
    "Another client with this identity is being served, and a newer request is already waiting."
)

HELD_OFF: Final = "A trial of load management has cut this link for a few minutes."
SHARED: Final = "another client with its identity is being served"
RECENT_DAYS: Final = 30
SHOWN: Final = 10
"""Chargers that a refused start names."""
LOOP: Final = "It is a copy that this server itself sends to a backend."
UNKNOWN: Final = "This server serves no charger of this identity to you."
CLOSED: Final = "registration"
NOT_REGISTERED: Final = "registration is closed, and it is not registered"

log = get_logger("ws")


def check_handshakes(central: Central, visitor: Visitor) -> None:
    """Enforce the limit on handshakes when one has begun: drop the oldest stranger's.

    Raises:
        BadRequest: the limit is reached and no other handshake can be dropped.
    """
    if len(central.registry) <= central.config.max_connections + HANDSHAKES:
        return
    oldest = central.registry.find_handshake(central.has_charged, besides=visitor)
    if oldest is None:
        raise BadRequest(503, TOO_MANY_HANDSHAKES, RETRY)
    oldest.scope.cancel()
    central.hooks.observe(
        HandshakeRefused(charger=None, status=503, reason=TOO_MANY_HANDSHAKES, kind="limit")
    )
    log.warning("handshake dropped", reason=TOO_MANY_HANDSHAKES, remote_address=oldest.address)


async def admit(central: Central, visitor: Visitor, head: Head) -> Admission:
    """Admit a connection and return how it proved itself; it counts towards --max-connections from
    now on.

    The proof is complete before anything of the charger is touched: its place, its connection, its
    other handshakes.

    Raises:
        BadRequest: the request is no valid upgrade, or a web page's, names no charger, proves too
            little, or exceeds a limit.
    """
    problem = upgrade_problem(head) or page_problem(head, central.config.api_cors_origin)
    if problem:
        raise problem
    charger = identity(head.target)
    if charger is None:
        text = "The path contains no charger identity; use /ws/CHARGER-ID."
        raise BadRequest(404, text, reason="the path of its URL contains no identity")
    if central.site in head.headers.get(COPIED_BY, ""):
        raise BadRequest(508, LOOP)
    try:
        proven = await prove(central, visitor, head, charger)
        visitor.charger = charger
        _check_limits(central, visitor, head, charger)
        await central.ready.wait()
        await _wait_turn(central, visitor, charger)
        # While it waited, others may have come, or its door may have changed.
        proven = await prove_again(central, visitor, head, proven)
        await use_readmission(central, visitor, proven)
        _check_limits(central, visitor, head, charger)
    except BadRequest as error:
        refused = error
    else:
        registry = central.registry
        if not registry.has_room(charger, central.config.max_connections):
            stranger = registry.find_stranger(central.has_charged)
            if stranger is not None:
                registry.dismiss(stranger, CloseCode.TRY_AGAIN_LATER, MADE_ROOM)
        visitor.is_admitted = True
        visitor.proof = proven.admission
        return proven.admission
    if refused.status == HTTPStatus.UNAUTHORIZED:
        await take_as_long(central, visitor, head, charger)
    raise refused


def _check_limits(central: Central, visitor: Visitor, head: Head, charger: str) -> None:
    config, registry, has_charged = central.config, central.registry, central.has_charged
    if central.draining.is_closed:
        raise BadRequest(503, REFUSED, RETRY, UNAVAILABLE)
    if trio.current_time() < central.held_off.get(charger, 0.0):
        raise BadRequest(503, HELD_OFF, RETRY, UNAVAILABLE)
    if central.writer.is_failing:
        raise BadRequest(503, UNWRITABLE, RETRY, UNAVAILABLE)
    if central.writer.is_behind:
        raise BadRequest(503, "The server is busy; try again later.", RETRY, UNAVAILABLE)
    _check_registration(central, head, charger, visitor.address)

    is_stranger = charger not in has_charged
    peer = peer_of(visitor.address)
    is_local = peer is not None and peer.is_loopback
    if is_stranger and not is_local:
        most = max(LEAST_STRANGERS, config.max_connections // STRANGERS_SHARE)
        if registry.count_strangers(visitor.address, has_charged) > most:
            text = (
                f"More than {most} connections from one address by chargers without transactions."
            )
            raise BadRequest(503, text, RETRY)
    has_room = registry.has_room(charger, config.max_connections)
    if not has_room and not is_stranger:
        # A stranger makes room for a charger that has charged.
        has_room = registry.find_stranger(has_charged) is not None
    if not has_room:
        raise BadRequest(503, "Too many connections (--max-connections).", RETRY)


async def _wait_turn(central: Central, visitor: Visitor, charger: str) -> None:
    """Wait while another client of the identity may not be replaced yet. A connection keeps its
    place for some time, or two clients with one identity would replace each other every second.

    Raises:
        BadRequest: a newer handshake of the same identity waits instead.
    """
    while seconds := central.registry.held_seconds(charger):
        log.warning(
            "two clients use one identity; the newer request waits",
            cp=charger,
            remote_address=visitor.address,
            seconds=round(seconds),
        )
        if not await central.registry.wait_turn(charger, seconds):
            raise BadRequest(503, WAITS_NEWER, RETRY, "shared identity", SHARED)


def _check_registration(central: Central, head: Head, charger: str, address: str) -> None:
    """Check that the charger is registered, or may register itself in this mode.

    Raises:
        BadRequest: 404. Where registration is closed and the request carries a password, 401: the
            answer is that to a wrong password, and tells nobody which identities exist.
    """
    registrations = central.registrations
    if registrations.is_registered(charger):
        return
    if registrations.mode is Mode.CLOSED:
        if "authorization" in head.headers:
            raise BadRequest(401, UNPROVEN, CHALLENGE, CLOSED, NOT_REGISTERED)
        raise BadRequest(404, UNKNOWN, kind=CLOSED, reason=NOT_REGISTERED)
    if charger in central.known:
        return
    why = registrations.why_no_room(central.config.max_chargers, address)
    if why:
        raise BadRequest(404, f"There is no room for a new charger: {why}.", kind="room")


async def begin_registration(central: Central) -> None:
    """Prepare the start of a server. An open one takes any charger, so none waits to be adopted;
    any other must lock out no charger that charged lately.

    Raises:
        ConfigError: such chargers are not adopted, and --adopt-existing was not given.
    """
    now = central.clock()
    if central.registrations.mode is Mode.OPEN:
        await central.writer.run(registration.forget_waiting)
        return
    if central.config.adopt_existing:
        decided = DecidedBy(stamp(now), "--adopt-existing", "it has a transaction")
        adopted = await central.writer.run(registration.adopt_existing, decided)
        get_logger("system").info("existing chargers adopted", chargers=len(adopted))
    since = stamp(now - timedelta(days=RECENT_DAYS))
    lost = await central.writer.run(registration.locked_out, since)
    if not lost:
        return
    names = ", ".join(lost[:SHOWN])
    if len(lost) > SHOWN:
        names += f" and {len(lost) - SHOWN} more"
    raise ConfigError(
        f"--registration {central.registrations.mode} would lock out chargers that charged in the "
        f"last {RECENT_DAYS} days but are not adopted: {names}. Start once with --adopt-existing, "
        "or start with --registration open and adopt them: levity-trio charger adopt --all"
    )


HANDSHAKE_SECONDS: Final = 10.0
"""The time for a request, and the time before it for the TLS handshake."""
BESIDE_SECONDS: Final = 0.02
"""More time for each other handshake under way: when all chargers return at once, they wait for
us."""
TOO_SLOW: Final = "The request was not complete in time."
LIMIT: Final = "limit"
NO_TLS: Final = "A TLS handshake arrived, but TLS is not configured here (--tls-port, --tls-cert)."
TLS_ONLY: Final = "This port speaks TLS only: use wss://, or the other port."
TLS_FAILED: Final = 0
"""The status of a refusal to which there is no HTTP response."""


async def serve_connection(
    central: Central, transport: trio.abc.Stream, *, tls_only: bool = False
) -> None:
    """Serve one connection until it ends; one that has ended already leaves no trace. Raises only
    Cancelled."""
    address = address_of(transport)
    if address is None:
        await trio.aclose_forcefully(transport)
        return
    session: Session | None = None
    with _boundary(), central.budget.opened() as account:
        config = central.config
        limit, as_binary = config.max_message_bytes, not config.strict
        stream = ChargerStream(transport, address, account, limit, text_as_binary=as_binary)
        # The library's reader task runs in this nursery, so that its errors, too, end here.
        async with stream, trio.open_nursery() as library:
            with central.registry.enlisted(stream.remote_address, stream.hurry) as visitor:
                session = await _enter(central, library, stream, visitor, tls_only=tls_only)
                if session is not None:
                    await session.converse()
            # Whoever ends a connection cancels the scope of `enlisted`. It is left behind here, so
            # the goodbye may wait, and the library still reads the answer to it.
            if session is not None:
                await session.say_goodbye()
            library.cancel_scope.cancel()
    # The stream is closed: the charger need not wait for the database before it comes back.
    if session is not None:
        with _boundary():
            await session.record_end()


@contextmanager
def _boundary() -> Iterator[None]:
    try:
        yield
    except* (
        ConnectionClosed,
        PingAfterGoodbye,
        trio.BrokenResourceError,
        trio.ClosedResourceError,
    ):
        log.info("connection lost")
    except* Exception:
        log.exception("connection failed")


async def _enter(
    central: Central,
    library: trio.Nursery,
    stream: ChargerStream,
    visitor: Visitor,
    *,
    tls_only: bool,
) -> Session | None:
    """Perform the handshake; return None if the peer was refused and has been sent the reason."""
    connected_at = central.clock()
    raw, head = b"", None
    try:
        check_handshakes(central, visitor)
        if not await _introduce(central, stream, visitor):
            return None
        await _secure(central, stream, visitor, tls_only=tls_only)
        raw = await _read_head(central, stream)
        head = parse_head(raw)
        admission = await admit(central, visitor, head)
    except BadRequest as refused:
        seconds = _record_refusal(central, stream, head, refused, raw)
        headers = {**retry_after(seconds), **refused.headers}
        if refused.status != TLS_FAILED:
            await stream.send_all(refusal(refused.status, refused.text, headers))
        return None
    charger = admission.charger
    # From its first message on, the reserve of a known charger pays.
    stream.account.charger = charger
    websocket = await accept(library, stream, head)
    if websocket is None:
        reason = (
            f"it offers only {head.headers.get('sec-websocket-protocol')}; {NO_COMMON_SUBPROTOCOL}"
        )
        foreign = BadRequest(CloseCode.PROTOCOL_ERROR, NO_COMMON_SUBPROTOCOL, reason=reason)
        _record_refusal(central, stream, head, foreign, raw)
        return None
    target, address = masked_url(head.target), dialled(head, stream.local_address)
    peer = Peer(
        charger,
        stream.remote_address,
        target,
        websocket.subprotocol,
        connected_at,
        admission,
        address,
        head.headers.get(COPIED_BY),
    )
    session = Session(central, peer, stream, websocket, visitor)
    central.registry.install(session)
    session.transcript.connected(
        remote_address=peer.remote_address, target=peer.target, subprotocol=peer.subprotocol
    )
    # It names the charger in the lines of this task and of those that it starts.
    bind_contextvars(cp=charger)
    # ChargerConnected is the line at INFO.
    log.debug("connected", remote_address=peer.remote_address)
    return session


def _record_refusal(
    central: Central, stream: ChargerStream, head: Head | None, refused: BadRequest, raw: bytes
) -> float:
    """Count a refusal and log it with the request; return how long the peer is asked to wait.

    Refusals of a peer that does not wait are only counted.
    """
    event = HandshakeRefused(
        charger=None, status=refused.status, reason=refused.reason, kind=refused.kind
    )
    central.hooks.observe(event)
    charger = identity(head.target) if head else None
    who = stream.remote_address, charger
    # Asked first, because this failure begins a wait of its own.
    is_waiting = central.failures.wait_seconds(who) > 0
    seconds = 0.0
    # That we have no room is no failure of the peer.
    if refused.kind != LIMIT:
        seconds = central.failures.add(who)

    # The owner is told, but not of a browser, or of a charger that he refused himself.
    is_browser = head is not None and "sec-websocket-key" not in head.headers
    is_rejected = charger is not None and central.registrations.status(charger) is Status.REJECTED
    if not is_browser and not is_rejected:
        central.turned_away.note(charger, stream.remote_address, refused.kind, refused.reason)
    if is_waiting:
        return seconds

    fields: dict[str, object] = {
        "status": refused.status,
        "reason": refused.reason,
        "remote_address": stream.remote_address,
        "request": masked_head(raw),
    }
    silence = {"only_counted_for": round(seconds)} if seconds else {}
    log.warning("handshake refused", **fields, **silence)
    central.writer.log_frame(refused_row(stamp(central.clock()), charger, fields))
    return seconds


async def _introduce(central: Central, stream: ChargerStream, visitor: Visitor) -> bool:
    """Let a proxy name its peer; return False for a health check of the proxy itself. Raises
    BadRequest."""
    if not is_from(stream.remote_address, central.config.proxy_from):
        return True
    with trio.move_on_after(_patience(central)):
        try:
            passes_on = await stream.begin_proxied()
        except BadProxyHeader as error:
            text = f"{stream.remote_address} is in --proxy-from, but {error}."
            raise BadRequest(400, text, kind="proxy") from error
        visitor.address = stream.remote_address
        return passes_on
    raise BadRequest(408, TOO_SLOW)


async def _secure(
    central: Central, stream: ChargerStream, visitor: Visitor, *, tls_only: bool
) -> None:
    """Perform the TLS handshake, if the peer begins one. Raises BadRequest."""
    with trio.move_on_after(_patience(central)) as patience:
        first = await stream.receive_first()
        if first.startswith(SIGNATURE):
            text = (
                f"A PROXY header arrived from {stream.remote_address}, which is not in "
                "--proxy-from."
            )
            raise BadRequest(400, text, kind="proxy")
        if not first.startswith(HANDSHAKE_BYTE):
            if tls_only:
                raise BadRequest(400, TLS_ONLY, kind="tls")
            return
        if central.tls is None:
            raise BadRequest(400, NO_TLS, kind="tls")
        # Client certificates are judged by this machine's clock. Until that is set, the charger
        # waits for us, and not we for it.
        if central.tls.asks_for_certificates and not central.ready.is_set():
            patience.deadline = math.inf
            await central.ready.wait()
            patience.deadline = trio.current_time() + _patience(central)
        try:
            visitor.fingerprint = await stream.begin_tls(central.tls)
        except TlsFailed as failed:
            text = f"the TLS handshake failed: {failed}"
            raise BadRequest(TLS_FAILED, text, kind="tls") from failed
        visitor.is_tls = True
        return
    status = TLS_FAILED if stream.has_begun_tls else 408
    raise BadRequest(status, TOO_SLOW, kind="timeout")


def _patience(central: Central) -> float:
    """Return the seconds that a peer has for each step of its handshake."""
    others = max(0, central.registry.unfinished - 1)
    return HANDSHAKE_SECONDS + BESIDE_SECONDS * others


async def _read_head(central: Central, stream: ChargerStream) -> bytes:
    with trio.move_on_after(_patience(central)):
        try:
            return await stream.read_head()
        except HeadTooLarge as error:
            raise BadRequest(431, "The request head is too large.") from error
    raise BadRequest(408, TOO_SLOW)
