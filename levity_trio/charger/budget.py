"""The memory budget for messages, shared by all connections of the server.

A message is charged from the moment its head arrives, before its payload is read, until it is
committed. Its charge is not its size on the wire but an estimate of its size once parsed. A
connection that cannot pay stops reading, which applies back-pressure through TCP, and holds none of
that message meanwhile. A known charger has a reserve of its own, enough for an ordinary message.
For a larger one it precedes all strangers in the queue, and strangers that hold budget for an
unfinished message are closed. Strangers share one reserve for their ordinary messages, so that a
heartbeat never waits for the large messages of others.

A large message is read in parts (wire/large.py), so it is charged for its text and one part. There
is one such message in the whole server at a time, from its head until it is handled; the
connections of others do not read on.

The event loop has a budget, too: reading a long message may take 50 ms, for which nobody else is
served. One message at a time is read, and then the loop is free for three times as long as that
took.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import chain
from typing import Final, NamedTuple, TypeVar

import trio

from levity_trio.wire.large import LARGE_BYTES, PART_BYTES

WEIGHT: Final = 100
"""Bytes of memory per byte of a message while it is handled. Short samples take 40; empty objects
take the most."""
MESSAGE_BYTES: Final = 50
"""Fixed overhead of a message, added to its size."""
LARGE_WEIGHT: Final = 3
"""Bytes of memory per byte of a large message beside its part: its pieces, the whole, and the text
of rows."""
BUDGET_BYTES: Final = 64 * 2**20
SHARES: Final = 8
"""One connection holds at most 1/SHARES of the budget, or one message. A peer that reads no
responses therefore blocks only itself."""
RESERVE_BYTES: Final = WEIGHT * (4096 + MESSAGE_BYTES)
"""The reserve of each known charger: one message of 4 KiB. A stranger has as much of the reserve of
all strangers, of another 1/SHARES of the budget."""
WAIT_SECONDS: Final = 30.0
LONG_BYTES: Final = 8 * 1024
"""A longer message takes turns with others of that kind: whatever it is, a shorter one is read in 2
ms."""
REST_TIMES: Final = 3

T = TypeVar("T")


class MessageCharge(NamedTuple):
    """What one message is charged, in bytes, and whether it has the place of the large message."""

    bytes: int
    is_large: bool = False
    is_reserved: bool = False
    """Whether it was paid from the reserve of all strangers."""


NOTHING: Final = MessageCharge(0)


def price(size: int) -> int:
    """Return what a message of `size` bytes is charged."""
    if size <= LARGE_BYTES:
        return WEIGHT * (size + MESSAGE_BYTES)
    return LARGE_WEIGHT * size + WEIGHT * (PART_BYTES + MESSAGE_BYTES)


class KnownFirstLock:
    """A place that one connection has at a time. Known chargers get it before strangers, each in
    order of arrival."""

    def __init__(self, known: Collection[str]) -> None:
        self._known = known
        self._is_taken = False
        self._waiting: tuple[dict[trio.Event, None], dict[trio.Event, None]] = ({}, {})
        """The turns of known chargers, then those of strangers."""

    @property
    def is_free(self) -> bool:
        """Whether nobody has it."""
        return not self._is_taken

    async def acquire(self, charger: str | None) -> None:
        """Wait for the place of this charger's turn."""
        if not self._is_taken:
            self._is_taken = True
            return
        turn, queue = trio.Event(), self._waiting[charger not in self._known]
        queue[turn] = None
        try:
            await turn.wait()
        except trio.Cancelled:
            if turn in queue:
                del queue[turn]
            else:
                # The place was passed to it just now.
                self.release()
            raise

    @asynccontextmanager
    async def held(self, charger: str | None) -> AsyncIterator[None]:
        """Have the place within the block."""
        await self.acquire(charger)
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """Pass the place on."""
        for queue in self._waiting:
            for turn in queue:
                del queue[turn]
                turn.set()
                return
        self._is_taken = False


class Budget:
    """The memory budget of one server, in bytes. `known` is a live view of the chargers that have a
    reserve."""

    def __init__(self, known: Collection[str], most: int = BUDGET_BYTES) -> None:
        self._known = known
        self._most = most
        self.share = most // SHARES
        self.taken = 0
        self.reserved = 0
        """What strangers hold of their common reserve."""
        self._waiting: tuple[dict[MemoryAccount, None], dict[MemoryAccount, None]] = ({}, {})
        """The queues: accounts of known chargers, then those of strangers, each in order of
        arrival."""
        self._unfinished: dict[MemoryAccount, None] = {}
        """Accounts whose last message is incomplete, oldest first."""
        self.large = KnownFirstLock(known)
        """The place of the large message."""
        self._reading = KnownFirstLock(known)
        self._rests_until = -math.inf
        """Until then, no long message is read."""

    def __repr__(self) -> str:
        return (
            f"<Budget taken={self.taken} waiting={[len(accounts) for accounts in self._waiting]}>"
        )

    async def in_turn(self, charger: str, size: int, read: Callable[[], T]) -> T:
        """Read a message, or a part of it: `read` takes long if that is long. Return what it
        returns."""
        if size <= LONG_BYTES:
            return read()
        async with self._reading.held(charger):
            await trio.sleep_until(self._rests_until)
            began = trio.current_time()
            try:
                return read()
            finally:
                # What is refused took as long.
                took = trio.current_time() - began
                self._rests_until = began + took + REST_TIMES * took

    @contextmanager
    def opened(self) -> Iterator[MemoryAccount]:
        """Open the account of one connection; it is closed on exit."""
        account = MemoryAccount(self)
        try:
            yield account
        finally:
            account.close()

    def is_known(self, charger: str | None) -> bool:
        return charger in self._known

    def can_pay(self, more: int) -> bool:
        """Whether `more` bytes are left. A single message always fits an empty budget."""
        return more <= 0 or not self.taken or self.taken + more <= self._most

    def must_queue(self, account: MemoryAccount) -> bool:
        """Whether other accounts wait ahead of this one."""
        known, strangers = self._waiting
        before = known if account.is_known else chain(known, strangers)
        return any(account.is_within_share for account in before)

    async def wait(self, account: MemoryAccount) -> None:
        """Wait until the charge that an account requested is paid."""
        queue = self._waiting[not account.is_known]
        queue[account] = None
        if account.is_known:
            # Strangers that hold memory for a message which they do not finish make room for it,
            # the oldest first.
            lacking = self.taken + account.lacks - self._most
            for other in [*self._unfinished]:
                if lacking > 0 and other.common and not other.is_known:
                    lacking -= other.common
                    del self._unfinished[other]
                    other.on_refused()
        try:
            await account.paid.wait()
        finally:
            self.leave(account)

    def leave(self, account: MemoryAccount) -> None:
        """Remove an account from the queues."""
        for queue in self._waiting:
            queue.pop(account, None)
        # It may have blocked others behind it.
        self.let_pay()

    def note(self, account: MemoryAccount, *, is_unfinished: bool) -> None:
        """Note whether an account's last message is incomplete."""
        if is_unfinished:
            self._unfinished.setdefault(account)
        else:
            self._unfinished.pop(account, None)

    def let_pay(self) -> None:
        """Pay for the waiting accounts in order, as far as the budget allows."""
        for queue in self._waiting:
            for account in list(queue):
                if account.take_reserved():
                    del queue[account]
                    continue
                # It waits for its own messages to be handled, and blocks nobody.
                if not account.is_within_share:
                    continue
                if not self.can_pay(account.lacks):
                    return
                del queue[account]
                account.pay()


class MemoryAccount:
    """The memory that one connection holds; `common` is the part taken from the common budget,
    beyond the reserve.

    `on_refused` is called when the connection must end: it waited too long, or a known charger
    needs its memory.
    """

    __slots__ = (
        "_asked",
        "_budget",
        "_charges",
        "_held",
        "_is_closed",
        "_reserved",
        "charger",
        "common",
        "has_place",
        "on_refused",
        "paid",
        "waits_for_place",
    )

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        # A list, because they are few, and an empty deque has 700 bytes.
        self._charges: list[MessageCharge] = []
        self._held = self._reserved = 0
        self._asked = NOTHING
        self._is_closed = False
        self.has_place = False
        """Whether it has the place of the large message."""
        self.waits_for_place = False
        self.charger: str | None = None
        self.common = 0
        self.paid = trio.Event()
        self.on_refused: Callable[[], None] = _ignore

    @property
    def is_known(self) -> bool:
        """Whether the charger has a reserve."""
        return self._budget.is_known(self.charger)

    @property
    def lacks(self) -> int:
        """Bytes of the common budget that the requested message needs."""
        return self._beyond_reserve(self._held + self._asked.bytes) - self.common

    @property
    def is_within_share(self) -> bool:
        """Whether the requested message and those before it fit the share of one connection."""
        return not self._held or self._held + self._asked.bytes <= self._budget.share

    def take_nowait(self, size: int) -> bool:
        """Pay for a message of `size` bytes; return False if the budget does not allow it now, or
        if it is large."""
        return self._is_closed or (size <= LARGE_BYTES and self._take_nowait(size))

    def _take_nowait(self, size: int) -> bool:
        self._asked = MessageCharge(price(size), size > LARGE_BYTES)
        if self.take_reserved():
            return True
        if not self.is_within_share:
            return False
        # A message within the reserve lacks nothing, and never queues.
        lacks = self.lacks
        if lacks > 0 and (self._budget.must_queue(self) or not self._budget.can_pay(lacks)):
            return False
        self.pay()
        return True

    def take_reserved(self) -> bool:
        """Pay for the requested message of a stranger from the reserve of all strangers, if that is
        possible."""
        more = self._asked.bytes
        if (
            self.is_known
            or self._reserved + more > RESERVE_BYTES
            or self._budget.reserved + more > self._budget.share
        ):
            return False
        self._hold_reserved(self._reserved + more)
        self._charges.append(self._asked._replace(is_reserved=True))
        self.paid.set()
        return True

    async def take(self, size: int) -> None:
        """Pay for a message of `size` bytes; wait until the budget allows it, at most WAIT_SECONDS.

        A large message first waits for its place, for as long as others have it.
        """
        with self._waiting_for_place(size > LARGE_BYTES):
            if size > LARGE_BYTES:
                await self._take_place()
            if self._is_closed or self._take_nowait(size):
                return
            self.paid = trio.Event()
            with trio.move_on_after(WAIT_SECONDS) as patience:
                await self._budget.wait(self)
        if patience.cancelled_caught:
            self.on_refused()

    @contextmanager
    def _waiting_for_place(self, is_large: bool) -> Iterator[None]:
        """Until it has its place and has paid for it, no watchdog may take the charger for
        silent."""
        self.waits_for_place = is_large
        try:
            yield
        finally:
            self.waits_for_place = False

    async def grow_large(self) -> None:
        """Wait for the place of a large message: the last one began as fragments, and is larger
        than an ordinary one.

        It has paid as much as the largest ordinary one, which is enough.
        """
        if self._is_closed or (self._charges and self._charges[-1].is_large):
            return
        with self._waiting_for_place(True):
            await self._take_place()
        if self._charges:
            self._charges[-1] = self._charges[-1]._replace(is_large=True)

    async def _take_place(self) -> None:
        if not self._is_closed:
            await self._budget.large.acquire(self.charger)
            self.has_place = True
        # It may have been closed while it waited.
        if self._is_closed:
            self.leave_place()

    def leave_place(self) -> None:
        """Give back the place of the large message, if it has that."""
        if self.has_place:
            self.has_place = False
            self._budget.large.release()

    def pay(self) -> None:
        """Take the requested bytes."""
        self._charges.append(self._asked)
        self._hold(self._held + self._asked.bytes)
        self.paid.set()

    @property
    def is_read(self) -> bool:
        """Whether the session has every message that was paid for."""
        return not self._charges

    def next_charge(self) -> MessageCharge:
        """Return the charge of the next message in order of arrival; the caller must give it
        back."""
        # A closed account pays for nothing.
        return self._charges.pop(0) if self._charges else NOTHING

    def give_back(self, charge: MessageCharge) -> None:
        """Return the charge of a handled message to the budget."""
        if charge.is_large:
            self.leave_place()
        if self._is_closed:
            return
        if charge.is_reserved:
            self._hold_reserved(self._reserved - charge.bytes)
        else:
            self._hold(self._held - charge.bytes)
        self._budget.let_pay()

    def note(self, *, is_unfinished: bool) -> None:
        """Note whether the last message is incomplete."""
        if not self._is_closed:
            self._budget.note(self, is_unfinished=is_unfinished)

    def close(self) -> None:
        """Give back everything. Later bytes are read only to be discarded and are free; a waiter
        stops reading."""
        self.note(is_unfinished=False)
        self._is_closed = True
        self.leave_place()
        self._hold(0)
        self._hold_reserved(0)
        self._budget.leave(self)

    def _hold(self, held: int) -> None:
        common = self._beyond_reserve(held)
        self._budget.taken += common - self.common
        self._held, self.common = held, common

    def _hold_reserved(self, held: int) -> None:
        self._budget.reserved += held - self._reserved
        self._reserved = held

    def _beyond_reserve(self, held: int) -> int:
        return max(0, held - RESERVE_BYTES) if self.is_known else held


def _ignore() -> None:
    """The default callback: no one has registered."""
