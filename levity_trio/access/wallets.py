"""The owners of tags, in memory, and the accounts and tags that may not charge now: prepaid ones
that have nothing left, and those that have used what they may in this month.

It follows the facts as they are committed. A tag is an account's while it belongs to it, wherever
it is presented.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from levity_trio.access.places import ACCOUNT, TAG, Reason
from levity_trio.events import (
    Event,
    MonthLimitLifted,
    MonthLimitReached,
    OwnershipChanged,
    WalletCovered,
    WalletSpent,
)

_NEVER: Final = "9999"
"""A text that sorts after all times."""
GROUP: Final = "account:"
"""With the number of an account, how chargers are told the group of its cards: no reader sends such
a number."""


class OwnedTag(NamedTuple):
    """A tag, by its normal form, belongs to an account from `since` until `until`; `id` is that of
    this period."""

    id: int
    key: str
    account: int
    since: str
    until: str | None

    def covers(self, at: str) -> bool:
        return self.since <= at < (self.until or _NEVER)


class Wallets:
    """All tags that belong, did or will belong to accounts, the accounts that are spent, and the
    limits reached."""

    __slots__ = ("_owned", "_reached", "_spent")

    def __init__(self) -> None:
        self._owned: dict[str, tuple[OwnedTag, ...]] = {}
        self._spent: set[int] = set()
        self._reached: dict[tuple[str, str], str] = {}
        """The tags and accounts that have used what they may, and until when."""

    def load(
        self,
        owned: Iterable[OwnedTag],
        spent: Iterable[int],
        reached: Iterable[tuple[tuple[str, str], str]] = (),
    ) -> None:
        """Take what is stored, before the first charger connects."""
        for one in owned:
            self._put(one)
        self._spent.update(spent)
        self._reached.update(reached)

    def withhold(self, key: str, at: str) -> Reason | None:
        """Return why a tag may not charge at this time: it belongs to a spent account, or a limit
        is reached."""
        if not self._spent and not self._reached:
            return None
        account = self.account(key, at)
        if account in self._spent:
            return Reason.SPENT
        until = max(
            self._reached.get((TAG, key), ""), self._reached.get((ACCOUNT, str(account)), "")
        )
        return Reason.MONTH if at < until else None

    def account(self, key: str, at: str) -> int | None:
        """Return the account that a tag belongs to at a time."""
        return next((one.account for one in self._owned.get(key, ()) if one.covers(at)), None)

    def group(self, key: str, at: str) -> str | None:
        """Return the name of the group of an account's tags, to which a tag belongs at a time."""
        account = self.account(key, at)
        return None if account is None else f"{GROUP}{account}"

    def is_given(self, key: str) -> bool:
        """Whether a tag belongs to an account, did or will."""
        return key in self._owned

    def observe(self, event: Event) -> None:
        """Follow a committed fact."""
        if isinstance(event, WalletSpent):
            self._spent.add(event.account)
        elif isinstance(event, WalletCovered):
            self._spent.discard(event.account)
        elif isinstance(event, MonthLimitReached):
            self._reached[event.what, event.key] = event.until
        elif isinstance(event, MonthLimitLifted):
            self._reached.pop((event.what, event.key), None)
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
