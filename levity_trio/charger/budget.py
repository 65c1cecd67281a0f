"""The memory budget for messages, shared by all connections of the server.

A message is charged from the moment its head arrives, before its payload is read, until it is committed. Its charge is
not its size on the wire but an estimate of its size once parsed. A connection that cannot pay stops reading, which
applies back-pressure through TCP, and holds none of that message meanwhile. A known charger has a reserve of its own,
enough for an ordinary message. For a larger one it precedes all strangers in the queue, and strangers that hold budget
for an unfinished message are closed.

A large message is handled in parts (wire/large.py), so it is charged for its text and one part. There is one such
message in the whole server at a time, from its head until it is handled; the connections of others do not read on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Final, NamedTuple

import trio

from levity_trio.wire.large import LARGE_BYTES, PART_BYTES

WEIGHT: Final = 100
"""Bytes of memory per byte of a message while it is handled. Short samples take 40; empty objects take the most."""
MESSAGE_BYTES: Final = 50
"""Fixed overhead of a message, added to its size."""
LARGE_WEIGHT: Final = 3
"""The same of a large message beside its part: its pieces as they arrive, the whole, and the text of rows."""
BUDGET_BYTES: Final = 64 * 2**20
SHARES: Final = 8
"""One connection holds at most 1/SHARES of the budget, or one message. A peer that reads no responses therefore blocks
only itself."""
RESERVE_BYTES: Final = WEIGHT * (4096 + MESSAGE_BYTES)
"""The reserve of each known charger: one message of 4 KiB."""
WAIT_SECONDS: Final = 30.0


class Charge(NamedTuple):
    """What one message is charged, in bytes; whether it has the place of the large message."""

    bytes: int
    is_large: bool = False


NOTHING: Final = Charge(0)


def price(size: int) -> int:
    """Return what a message of `size` bytes is charged."""
    if size <= LARGE_BYTES:
        return WEIGHT * (size + MESSAGE_BYTES)
    return LARGE_WEIGHT * size + WEIGHT * (PART_BYTES + MESSAGE_BYTES)


class Budget:
    """The memory budget of one server, in bytes. `known` is a live view of the chargers that have a reserve."""

    def __init__(self, known: Collection[str], most: int = BUDGET_BYTES) -> None:
        self._known = known
        self._most = most
        self.share = most // SHARES
        self.taken = 0
        self._waiting: tuple[dict[Account, None], dict[Account, None]] = ({}, {})
        """The queues: accounts of known chargers, then those of strangers, each in order of arrival."""
        self._unfinished: dict[Account, None] = {}
        """Accounts whose last message is incomplete, oldest first."""
        self.large = trio.Semaphore(1, max_value=1)
        """The place of the large message; connections get it in order of arrival."""

    def __repr__(self) -> str:
        return f"<Budget taken={self.taken} waiting={[len(accounts) for accounts in self._waiting]}>"

    @contextmanager
    def opened(self) -> Iterator[Account]:
        """Open the account of one connection; it is closed on exit."""
        account = Account(self)
        try:
            yield account
        finally:
            account.close()

    def is_known(self, charger: str | None) -> bool:
        return charger in self._known

    def can_pay(self, more: int) -> bool:
        """Whether `more` bytes are left. A single message always fits an empty budget."""
        return more <= 0 or not self.taken or self.taken + more <= self._most

    def must_queue(self, account: Account) -> bool:
        """Whether other accounts wait ahead of this one."""
        known, strangers = self._waiting
        before = known if account.is_known else chain(known, strangers)
        return any(one.is_within_share for one in before)

    async def wait(self, account: Account) -> None:
        """Wait until the charge that an account requested is paid."""
        queue = self._waiting[not account.is_known]
        queue[account] = None
        if account.is_known:
            self._make_room(self.taken + account.lacks - self._most)
        try:
            await account.paid.wait()
        finally:
            self.leave(account)

    def leave(self, account: Account) -> None:
        """Remove an account from the queues."""
        for queue in self._waiting:
            queue.pop(account, None)
        self.let_pay()  # it may have blocked others behind it

    def note(self, account: Account, *, is_unfinished: bool) -> None:
        """Note whether an account's last message is incomplete."""
        if is_unfinished:
            self._unfinished.setdefault(account)
        else:
            self._unfinished.pop(account, None)

    def _make_room(self, more: int) -> None:
        for account in [one for one in self._unfinished if one.common and not one.is_known]:
            if more <= 0:
                break
            more -= account.common
            del self._unfinished[account]
            account.on_refused()

    def let_pay(self) -> None:
        """Pay for the waiting accounts in order, as far as the budget allows.

        An account that waits for its own share blocks nobody.
        """
        for queue in self._waiting:
            for account in list(queue):
                if not account.is_within_share:
                    continue
                if not self.can_pay(account.lacks):
                    return
                del queue[account]
                account.pay()


class Account:
    """The memory that one connection holds; `common` is the part taken from the common budget, beyond the reserve.

    `on_refused` is called when the connection must end: it waited too long, or a known charger needs its memory.
    """

    __slots__ = (
        *("_asked", "_budget", "_charges", "_held", "_is_closed"),
        *("charger", "common", "has_place", "on_refused", "paid", "waits_for_place"),
    )

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._charges: list[Charge] = []  # few; an empty deque has 700 bytes
        self._held = 0
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
        """Pay for a message of `size` bytes; return False if the budget does not allow it now, or if it is large."""
        return self._is_closed or (size <= LARGE_BYTES and self._take_nowait(size))

    def _take_nowait(self, size: int) -> bool:
        self._asked = Charge(price(size), size > LARGE_BYTES)
        lacks = self.lacks
        if not self.is_within_share:
            return False
        if lacks > 0 and (self._budget.must_queue(self) or not self._budget.can_pay(lacks)):
            return False  # a message within the reserve never queues
        self.pay()
        return True

    async def take(self, size: int) -> None:
        """Pay for a message of `size` bytes; wait until the budget allows it, at most WAIT_SECONDS.

        A large message first waits for its place, for as long as others have it.
        """
        if size > LARGE_BYTES:
            await self._take_place()
        if self._is_closed or self._take_nowait(size):
            return
        self.paid = trio.Event()
        with trio.move_on_after(WAIT_SECONDS) as patience:
            await self._budget.wait(self)
        if patience.cancelled_caught:
            self.on_refused()

    async def grow_large(self) -> None:
        """Wait for the place of a large message: the last one began as fragments, and is larger than an ordinary one.

        It has paid as much as the largest ordinary one, which is enough.
        """
        if self._is_closed or (self._charges and self._charges[-1].is_large):
            return
        await self._take_place()
        if self._charges:
            self._charges[-1] = self._charges[-1]._replace(is_large=True)

    async def _take_place(self) -> None:
        if not self._is_closed:
            self.waits_for_place = True
            await self._budget.large.acquire()
            self.waits_for_place, self.has_place = False, True
        if self._is_closed:
            self._leave_place()

    def _leave_place(self) -> None:
        if self.has_place:
            self.has_place = False
            self._budget.large.release()

    def pay(self) -> None:
        """Take the requested bytes."""
        self._charges.append(self._asked)
        self._hold(self._held + self._asked.bytes)
        self.paid.set()

    def next_charge(self) -> Charge:
        """Return the charge of the next message in order of arrival; the caller must give it back."""
        return self._charges.pop(0) if self._charges else NOTHING  # a closed account pays for nothing

    def give_back(self, charge: Charge) -> None:
        """Return the charge of a handled message to the budget."""
        if charge.is_large:
            self._leave_place()
        if not self._is_closed:
            self._hold(self._held - charge.bytes)
            self._budget.let_pay()

    def note(self, *, is_unfinished: bool) -> None:
        """Note whether the last message is incomplete."""
        if not self._is_closed:
            self._budget.note(self, is_unfinished=is_unfinished)

    def close(self) -> None:
        """Give back everything. Later bytes are read only to be discarded and are free; a waiter stops reading."""
        self.note(is_unfinished=False)
        self._is_closed = True
        self._leave_place()
        self._hold(0)
        self._budget.leave(self)

    def _hold(self, held: int) -> None:
        common = self._beyond_reserve(held)
        self._budget.taken += common - self.common
        self._held, self.common = held, common

    def _beyond_reserve(self, held: int) -> int:
        return max(0, held - RESERVE_BYTES) if self.is_known else held


def _ignore() -> None:
    """The default callback: no one has registered."""
