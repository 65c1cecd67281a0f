"""Memory for messages: one budget for the whole server, whoever sends and however much.

A message is paid for from its head, before its payload is read, until it is committed; not by its bytes but by what
they become when parsed. Who cannot pay stops reading, so that TCP pushes back, and holds nothing of that message
meanwhile. A known charger pays from a reserve of its own first, enough for an ordinary message; with a larger one it
goes before all strangers, and those of them leave that hold budget for a message they do not finish.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Final

import trio

WEIGHT: Final = 100
"""Bytes of memory for each byte of a message, while it is handled: short samples take 40, empty objects most."""
MESSAGE_BYTES: Final = 50
"""What a message costs besides, as if it were so much longer."""
BUDGET_BYTES: Final = 64 * 2**20
SHARES: Final = 8
"""One connection holds such a part of it at most, besides one message: who takes no answers holds up nobody else."""
RESERVE_BYTES: Final = WEIGHT * (4096 + MESSAGE_BYTES)
"""Of each known charger: a message of 4 KiB."""
WAIT_SECONDS: Final = 30.0


class Budget:
    """The memory of one server, in bytes. `known` are the chargers that have a reserve besides, as they become it."""

    def __init__(self, known: Collection[str], most: int = BUDGET_BYTES) -> None:
        self._known = known
        self._most = most
        self.share = most // SHARES
        self.taken = 0
        self._waiting: tuple[dict[Account, None], dict[Account, None]] = ({}, {})
        """Accounts of known chargers, then those of strangers, each in the order of their asking."""
        self._unfinished: dict[Account, None] = {}
        """Those that began a message and have not sent it all, the oldest first."""

    def __repr__(self) -> str:
        return f"<Budget taken={self.taken} waiting={[len(accounts) for accounts in self._waiting]}>"

    @contextmanager
    def opened(self) -> Iterator[Account]:
        """The account of one connection; in the end it gives back all."""
        account = Account(self)
        try:
            yield account
        finally:
            account.close()

    def is_known(self, charger: str | None) -> bool:
        """Whether this charger has a reserve."""
        return charger in self._known

    def can_pay(self, more: int) -> bool:
        """Whether so much is left. A message alone always fits."""
        return more <= 0 or not self.taken or self.taken + more <= self._most

    def must_queue(self, account: Account) -> bool:
        """Whether others wait that come before it."""
        known, strangers = self._waiting
        before = known if account.is_known else chain(known, strangers)
        return any(one.is_within_share for one in before)

    async def wait(self, account: Account) -> None:
        """Wait until what an account asks for was paid."""
        queue = self._waiting[not account.is_known]
        queue[account] = None
        if account.is_known:
            self._make_room(self.taken + account.lacks - self._most)
        try:
            await account.paid.wait()
        finally:
            self.leave(account)

    def leave(self, account: Account) -> None:
        """An account asks for nothing any more."""
        for queue in self._waiting:
            queue.pop(account, None)
        self.let_pay()  # it may have stood before others

    def note(self, account: Account, *, is_unfinished: bool) -> None:
        """Whether an account's last message is still to be sent in part."""
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
        """Let those go on that wait and can pay now, in their order; who waits for itself holds up nobody."""
        for queue in self._waiting:
            for account in list(queue):
                if not account.is_within_share:
                    continue
                if not self.can_pay(account.lacks):
                    return
                del queue[account]
                account.pay()


class Account:
    """What one connection holds; `common` is what of it is no reserve. `on_refused` is called where the connection must
    end: it waited for too long, or a known charger needs what it holds."""

    __slots__ = ("_asked", "_budget", "_charges", "_held", "_is_closed", "charger", "common", "on_refused", "paid")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._charges: deque[int] = deque()
        self._held = self._asked = 0
        self._is_closed = False
        self.charger: str | None = None
        self.common = 0
        self.paid = trio.Event()
        self.on_refused: Callable[[], None] = _ignore

    @property
    def is_known(self) -> bool:
        """Whether it has a reserve."""
        return self._budget.is_known(self.charger)

    @property
    def lacks(self) -> int:
        """What the message that is asked for takes of the common budget."""
        return self._beyond_reserve(self._held + self._asked) - self.common

    @property
    def is_within_share(self) -> bool:
        """Whether that message and those before it are no more than one connection may hold."""
        return not self._held or self._held + self._asked <= self._budget.share

    def take_nowait(self, size: int) -> bool:
        """Pay for a message of so many bytes; False where there is not enough left."""
        if self._is_closed:
            return True
        self._asked = WEIGHT * (size + MESSAGE_BYTES)
        lacks = self.lacks
        if not self.is_within_share:
            return False
        if lacks > 0 and (self._budget.must_queue(self) or not self._budget.can_pay(lacks)):
            return False  # what a reserve pays for waits for nobody
        self.pay()
        return True

    async def take(self, size: int) -> None:
        """Pay for a message of so many bytes, as soon as there is enough."""
        if self.take_nowait(size):
            return
        self.paid = trio.Event()
        with trio.move_on_after(WAIT_SECONDS) as patience:
            await self._budget.wait(self)
        if patience.cancelled_caught:
            self.on_refused()

    def pay(self) -> None:
        """Take what was asked for."""
        self._charges.append(self._asked)
        self._hold(self._held + self._asked)
        self.paid.set()

    def next_charge(self) -> int:
        """What was paid for the next message, in the order in which they come; to be given back."""
        return self._charges.popleft() if self._charges else 0  # of a connection that ends nothing is paid for

    def give_back(self, charge: int) -> None:
        """A message is done."""
        if not self._is_closed:
            self._hold(self._held - charge)
            self._budget.let_pay()

    def note(self, *, is_unfinished: bool) -> None:
        """Whether the last message is still to be sent in part."""
        if not self._is_closed:
            self._budget.note(self, is_unfinished=is_unfinished)

    def close(self) -> None:
        """Give back all. What still comes is read to be dropped, and costs nothing; who waits to pay reads no more."""
        self.note(is_unfinished=False)
        self._is_closed = True
        self._hold(0)
        self._budget.leave(self)

    def _hold(self, held: int) -> None:
        common = self._beyond_reserve(held)
        self._budget.taken += common - self.common
        self._held, self.common = held, common

    def _beyond_reserve(self, held: int) -> int:
        return max(0, held - RESERVE_BYTES) if self.is_known else held


def _ignore() -> None:
    """Nobody has asked to be told yet."""
