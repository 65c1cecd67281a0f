"""The row of one session in the database: inserted with the first valid CALL in either direction,
and ended once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import NamedTuple

import trio

from levity_trio.access.admission import Admission
from levity_trio.charger.central import Central
from levity_trio.charger.liveness import Liveness
from levity_trio.records import record
from levity_trio.store.engine.faults import DatabaseDamaged, RateExceeded
from levity_trio.store.engine.writer import persist
from levity_trio.store.writes.chargers import pings, sessions
from levity_trio.store.writes.chargers.set_aside import count_faults
from levity_trio.store.writes.origin import Origin
from levity_trio.wire.errors import NoRoom
from levity_trio.wire.texts import cut
from levity_trio.wire.times import stamp


class CloseReason(NamedTuple):
    """Why a connection ends: a close code (RFC 6455 §7.4) and a reason."""

    code: int
    reason: str


@record(kw_only=False)
class Peer:
    """The peer of a connection, as the handshake identified it."""

    charger: str
    remote_address: str
    target: str
    subprotocol: str | None
    connected_at: datetime
    admission: Admission
    dialled: str | None = None
    """The address of this machine that it was given."""


class SessionRow:
    """The row of one session, which may never be inserted."""

    __slots__ = ("_beginning", "_central", "_id", "_number", "_peer")

    def __init__(self, central: Central, peer: Peer) -> None:
        self._central = central
        self._peer = peer
        self._number = next(central.connection_numbers)
        self._id: int | None = None
        self._beginning = trio.Lock()

    def __repr__(self) -> str:
        return f"<SessionRow charger={self._peer.charger!r} id={self._id}>"

    @property
    def is_begun(self) -> bool:
        """Whether the row was inserted."""
        return self._id is not None

    def origin(self, received_at: str | None = None) -> Origin:
        """Return the origin of a row that is written now."""
        if self._id is None:
            raise RuntimeError("the session has no row yet")
        return Origin(self._peer.charger, self._id, received_at or stamp(self._central.clock()))

    async def begin(self) -> sessions.BegunSession | None:
        """Insert the row; return None if it was inserted before.

        Raises:
            NoRoom: the limit on chargers, on newcomers or on their connections is reached.
            StoreUnavailable: the row could not be committed in time.
        """
        # The first CALL of the charger and our own may come at the same time.
        async with self._beginning:
            if self._id is not None:
                return None
            central, peer = self._central, self._peer
            connection = sessions.NewConnection(
                charger=peer.charger,
                run=central.run,
                number=self._number,
                remote_address=peer.remote_address,
                target=cut(peer.target),
                subprotocol=peer.subprotocol and cut(peer.subprotocol),
                clock_trusted=central.clock_trusted,
                connected_at=stamp(peer.connected_at),
                received_at=stamp(central.clock()),
                admission=peer.admission,
                dialled=peer.dialled,
            )
            most, mode = central.config.max_chargers, central.registrations.mode
            try:
                begun = await central.writer.run(sessions.begin, connection, most, mode)
            except RateExceeded as error:
                raise NoRoom(str(error)) from error
            if begun is None:
                raise NoRoom(central.registrations.no_room)
            self._id = begun.session
            return begun

    async def end(
        self, closing: CloseReason, is_current: bool, faults: Mapping[str, int], liveness: Liveness
    ) -> None:
        """Store the end of the session, its malformed frames by kind, and how the charger showed
        that it was alive.

        Only the end of the charger's current session takes it offline.
        """
        central = self._central
        at, kept = stamp(central.clock()), liveness.outlived_seconds
        charger = self._peer.charger
        ending = sessions.ConnectionEnd(charger, central.run, self._number, at, *closing, kept)
        async with central.ending:
            await _persist(partial(central.writer.run, sessions.end, ending, is_current))
        if faults and self.is_begun:
            await _persist(partial(central.writer.hand_in, count_faults, self.origin(), faults))
        if (outcome := liveness.pings.outcome) is not None:
            await _persist(partial(central.writer.hand_in, pings.note, ending, outcome))


async def _persist(write: Callable[[], Awaitable[object]]) -> None:
    """Retry until the database accepts the write: a session without an end would count as
    connected."""
    # One that needs a damaged page must not hold up the ends of all others.
    with suppress(DatabaseDamaged):
        await persist(write)
