"""Who may charge where: spaces that are for their household only, and cards that may charge at some
chargers only.

A space is for its household only while the household's period of it says so; a single connector
goes before its charger. An Authorize names no connector: it admits the cards of each household that
has a connector there, and all cards where one connector is for everybody. The cards of the owner
and the caretaker work at every space: those that are marked so, and those that an operator added
and that no household has, had or will have.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.events import Event, LimitChanged, OwnershipChanged, StatusChanged

_NEVER: Final = "9999"
"""This text comes after all times."""
TAG, ACCOUNT = "tag", "account"


class Reason(StrEnum):
    """Why a tag may not charge here or now, though it may charge."""

    SPACE = "space"
    """The space is for another household only."""
    CHARGERS = "chargers"
    """The card, or its household, may charge at other chargers only."""
    SPENT = "spent"
    """Its household has nothing left of what it paid in advance."""
    MONTH = "month"
    """The card, or its household, has used what it may in this month."""


OF_PLACE: Final = frozenset({Reason.SPACE, Reason.CHARGERS})


class Space(NamedTuple):
    """A connector (0: the whole charger) belongs to an account from `since` until `until`, perhaps
    for it only."""

    id: int
    charger: str
    connector: int
    account: int
    since: str
    until: str | None
    is_exclusive: bool

    def covers(self, at: str) -> bool:
        return self.since <= at < (self.until or _NEVER)


class Limit(NamedTuple):
    """Where a card or a household may charge: only at these chargers (None: at all), or at every
    space."""

    chargers: frozenset[str] | None = None
    is_everywhere: bool = False


ANYWHERE: Final = Limit()


class Card(NamedTuple):
    """A card as it is presented: the account that it belongs to, and whether it works at every
    space."""

    account: int | None
    works_everywhere: bool
    limits: tuple[Limit, ...] = ()


def card(
    account: int | None, own: Limit, of_account: Limit, *, is_known: bool, is_given: bool
) -> Card:
    """Return a card. `is_known` is whether an operator added it, `is_given` whether a household has
    it, had or will.

    One that is handed out before its household moves in opens nothing of others until then.
    """
    is_staffs = own.is_everywhere or (is_known and not is_given)
    return Card(account, is_staffs, (own, of_account))


def admitted(
    spaces: Collection[Space], connectors: Iterable[int], connector: int | None
) -> frozenset[int] | None:
    """Return the accounts whose cards may charge at a connector, or (None) somewhere at its
    charger; None: all may.

    `spaces` are those of the charger that belong to somebody now, `connectors` are known to exist.
    """
    if not any(one.is_exclusive for one in spaces):
        return None
    by_connector = {one.connector: one for one in spaces}
    known = {*connectors, *by_connector} - {0}
    found = [
        by_connector.get(one, by_connector.get(0))
        for one in ([connector] if connector else known or {0})
    ]
    exclusive = {one.account for one in found if one is not None and one.is_exclusive}
    is_for_all = any(one is None or not one.is_exclusive for one in found)
    return None if is_for_all else frozenset(exclusive)


def refusal(card: Card, charger: str, accounts: frozenset[int] | None) -> Reason | None:
    """Return why a card may not charge at a place, None if it may; `accounts` are those that are
    admitted there."""
    if any(one.chargers is not None and charger not in one.chargers for one in card.limits):
        return Reason.CHARGERS
    if accounts is None or card.works_everywhere or card.account in accounts:
        return None
    return Reason.SPACE


class Places:
    """The spaces that belong to somebody, the connectors that are known, and the limits, in
    memory."""

    __slots__ = ("_connectors", "_exclusive", "_limits", "_spaces")

    def __init__(self) -> None:
        self._spaces: dict[str, tuple[Space, ...]] = {}
        self._connectors: dict[str, set[int]] = {}
        self._limits: dict[tuple[str, str], Limit] = {}
        self._exclusive = 0
        """How many of the spaces are for their household only."""

    def load(
        self,
        spaces: Iterable[Space],
        connectors: Iterable[tuple[str, int]],
        limits: Mapping[tuple[str, str], Limit],
    ) -> None:
        """Take what is stored, before the first charger connects."""
        for one in spaces:
            self._put(one)
        for charger, connector in connectors:
            self._connectors.setdefault(charger, set()).add(connector)
        self._limits.update(limits)

    @property
    def are_for_all(self) -> bool:
        """Whether every card may charge wherever another one may."""
        return not self._exclusive and not self._limits

    def admitted(self, charger: str, connector: int | None, at: str) -> frozenset[int] | None:
        """Return the accounts whose cards may charge at a place, None if all may."""
        if not self._exclusive:
            return None
        spaces = [one for one in self._spaces.get(charger, ()) if one.covers(at)]
        return admitted(spaces, self._connectors.get(charger, ()), connector)

    def limit(self, what: str, key: str | int | None) -> Limit:
        """Return the limit of a tag, by its normal form, or of an account."""
        return self._limits.get((what, str(key)), ANYWHERE)

    def refusal(
        self, charger: str, connector: int | None, at: str, found: Callable[[], Card]
    ) -> Reason | None:
        """Return why a card may not charge at a place; `found` returns it, if that matters."""
        if self.are_for_all:
            return None
        accounts = self.admitted(charger, connector, at)
        return (
            None if accounts is None and not self._limits else refusal(found(), charger, accounts)
        )

    def observe(self, event: Event) -> None:
        """Follow a committed fact."""
        if isinstance(event, StatusChanged):
            if event.charger is not None and event.connector:
                self._connectors.setdefault(event.charger, set()).add(event.connector)
        elif isinstance(event, OwnershipChanged):
            if event.what == "space":
                self._follow(event)
        elif isinstance(event, LimitChanged):
            self._follow_limit(event)

    def _follow(self, event: OwnershipChanged) -> None:
        space = Space(
            event.ownership,
            event.key,
            event.connector,
            event.account,
            event.since,
            event.until,
            is_exclusive=event.exclusive,
        )
        self._remove(space)
        if event.change != "voided":
            self._put(space)

    def _follow_limit(self, event: LimitChanged) -> None:
        limit = Limit(
            None if event.chargers is None else frozenset(event.chargers), event.everywhere
        )
        if limit == ANYWHERE:
            self._limits.pop((event.what, event.key), None)
        else:
            self._limits[event.what, event.key] = limit

    def _put(self, space: Space) -> None:
        self._remove(space)
        self._spaces[space.charger] = (*self._spaces.get(space.charger, ()), space)
        self._exclusive += space.is_exclusive

    def _remove(self, space: Space) -> None:
        known = self._spaces.get(space.charger, ())
        self._spaces[space.charger] = tuple(one for one in known if one.id != space.id)
        self._exclusive -= sum(one.is_exclusive for one in known if one.id == space.id)
