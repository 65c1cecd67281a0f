"""Admission of connections: the limits, and the order in which two clients with one identity are
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

from datetime import timedelta
from http import HTTPStatus
from typing import Final

import trio

from levity_trio.access.admission import Admission
from levity_trio.access.registration import Mode
from levity_trio.charger.central import Central
from levity_trio.charger.draining import REFUSED
from levity_trio.charger.proof import (
    CHALLENGE,
    UNAVAILABLE,
    UNPROVEN,
    UNWRITABLE,
    prove,
    prove_again,
    take_as_long,
    use_readmission,
)
from levity_trio.charger.registry import Visitor
from levity_trio.charger.websocket import CloseCode
from levity_trio.config import ConfigError
from levity_trio.events import HandshakeRefused
from levity_trio.log.output import get_logger
from levity_trio.store.writes.chargers import registration
from levity_trio.store.writes.chargers.registration import DecidedBy
from levity_trio.wire.handshake import BadRequest, Head, identity, page_problem, upgrade_problem
from levity_trio.wire.proxy_header import peer_of
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
