"""The tags of spent accounts, in memory: whose tags are, and which prepaid accounts have nothing left.

It follows the facts as they are committed. A tag is a spent account's while it belongs to it, wherever it is presented.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from levity_trio.events import Event, OwnershipChanged, WalletCovered, WalletSpent

_NEVER: Final = "9999"
"""A text that sorts after all times."""


class OwnedTag(NamedTuple):
    """A tag, by its normal form, belongs to an account from `since` until `until`; `id` is that of this period."""

    id: int
    key: str
    account: int
    since: str
    until: str | None


class Wallets:
    """All tags that belong or will belong to accounts, and the accounts that are spent."""

    __slots__ = ("_noted", "_owned", "_spent")

    def __init__(self) -> None:
        self._owned: dict[str, tuple[OwnedTag, ...]] = {}
        self._spent: set[int] = set()
        self._noted: list[Event] | None = None

    def load(self, owned: Iterable[OwnedTag], spent: Iterable[int]) -> None:
        """Take what is stored, before the first charger connects."""
        for one in owned:
            self._put(one)
        self._spent.update(spent)

    def withhold(self, key: str, at: str) -> bool:
        """Whether a tag belongs to a spent account at this time."""
        if not self._spent:
            return False
        periods = self._owned.get(key, ())
        return any(one.since <= at < (one.until or _NEVER) and one.account in self._spent for one in periods)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Let what is stored be read and loaded; facts that come meanwhile are newer than that, or the same."""
        self._noted = noted = list[Event]()
        try:
            yield
        finally:
            self._noted = None
        for event in noted:
            self.observe(event)

    def observe(self, event: Event) -> None:
        """Follow a committed fact."""
        if self._noted is not None:
            self._noted.append(event)
        if isinstance(event, WalletSpent):
            self._spent.add(event.account)
        elif isinstance(event, WalletCovered):
            self._spent.discard(event.account)
        elif isinstance(event, OwnershipChanged) and event.what == "tag":
            self._follow(event)

    def _follow(self, event: OwnershipChanged) -> None:
        if event.change == "voided":
            self._remove(event.key, event.ownership)
        else:
            self._put(OwnedTag(event.ownership, event.key, event.account, event.since, event.until))

    def _put(self, one: OwnedTag) -> None:
        self._remove(one.key, one.id)
        self._owned[one.key] = (*self._owned.get(one.key, ()), one)

    def _remove(self, key: str, number: int) -> None:
        left = tuple(one for one in self._owned.get(key, ()) if one.id != number)
        if left:
            self._owned[key] = left
        else:
            self._owned.pop(key, None)
