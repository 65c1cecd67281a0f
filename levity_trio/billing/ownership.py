"""Ownership: which account a transaction belongs to, by what belonged to that account, and when.

Ownership is decided from periods, never stored with a transaction: a tag or a space that changes
hands on a later day leaves earlier transactions where they were. Times are UTC text in the
database's format; a period is [since, until).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.told import Moment, Told, Value

_NEVER: Final = "9999"
"""This text comes after all times."""


class BillBy(StrEnum):
    """What comes first: the tag of a transaction, or its connector (--bill-by)."""

    TAG = "tag"
    CONNECTOR = "connector"


class What(StrEnum):
    """What can belong to an account."""

    TAG = "tag"
    SPACE = "space"
    VEHICLE = "vehicle"


class Thing(NamedTuple):
    """A tag by its normal form, a space by its charger and connector (0: all of them), or a vehicle
    by its id."""

    what: What
    key: str
    connector: int = 0


class TimeSpan(NamedTuple):
    """A stretch of time; `until` is None while it lasts."""

    since: str
    until: str | None = None

    @property
    def end(self) -> str:
        """The end of the stretch. One that lasts ends after all times."""
        return self.until or _NEVER

    def covers(self, at: str) -> bool:
        return self.since <= at < self.end

    def overlaps(self, other: TimeSpan) -> bool:
        return self.since < other.end and other.since < self.end


class OwnershipPeriod(NamedTuple):
    """A thing belongs to an account. `vehicle` is the one that a tag names; `id` is 0 for one that
    is not stored.

    `is_exclusive` is whether a space is for the household only (access/places.py).
    """

    account: int
    span: TimeSpan
    vehicle: int | None = None
    id: int = 0
    given_by: str = ""
    reason: str | None = None
    is_exclusive: bool = False

    def is_like(self, other: OwnershipPeriod) -> bool:
        """Whether both say the same, perhaps of different times."""
        mine, others = (self.account, self.vehicle), (other.account, other.vehicle)
        return mine == others and self.is_exclusive == other.is_exclusive


class OwnershipChange(NamedTuple):
    """How a change is entered: periods that end where it begins, wrong ones, and those that hold
    from now on.

    `deprived` is a period that loses time before now to another account, or to nobody: that needs a
    reason.
    """

    ends: tuple[OwnershipPeriod, ...] = ()
    voids: tuple[OwnershipPeriod, ...] = ()
    begins: tuple[OwnershipPeriod, ...] = ()
    deprived: OwnershipPeriod | None = None


def plan(
    known: Sequence[OwnershipPeriod], span: TimeSpan, wanted: OwnershipPeriod | None, now: str
) -> OwnershipChange:
    """Return how a thing comes to belong to an account (None: to nobody) for a span; before and
    after all stays.

    `known` are its periods, in any order. A plan without parts changes nothing.
    """
    touched = [period for period in known if period.span.overlaps(span)]
    touched.sort(key=lambda period: period.span.since)
    is_so = not touched if wanted is None else _is_so(touched, span, wanted)
    if is_so:
        return OwnershipChange()

    # A period that lasts is ended; one that is over already is written anew, without the span.
    ends, voids, begins = list[OwnershipPeriod](), list[OwnershipPeriod](), list[OwnershipPeriod]()
    for period in touched:
        begins_before = period.span.since < span.since
        if begins_before and period.span.until is None:
            ends.append(period)
        else:
            voids.append(period)
            if begins_before:
                begins.append(period._replace(span=TimeSpan(period.span.since, span.since)))
        if span.end < period.span.end:
            begins.append(period._replace(span=TimeSpan(span.end, period.span.until)))
    if wanted is not None:
        begins.append(wanted._replace(span=span))

    # What is still to come takes nothing from anybody.
    deprived = None
    for period in touched:
        is_of_another = wanted is None or wanted.account != period.account
        if is_of_another and max(period.span.since, span.since) < now:
            deprived = period
            break
    return OwnershipChange(tuple(ends), tuple(voids), tuple(begins), deprived)


def _is_so(touched: Sequence[OwnershipPeriod], span: TimeSpan, wanted: OwnershipPeriod) -> bool:
    """Whether the periods that a span touches say what is wanted, without a gap."""
    reached = span.since
    for period in touched:
        if period.span.since > reached or not period.is_like(wanted):
            return False
        reached = period.span.end
    return reached >= span.end


class ChargedSession(NamedTuple):
    """What decides whose a transaction is: its tag in its normal form, where it was, and its
    start."""

    tag: str | None
    charger: str
    connector: int | None
    start: str


class OwnerGround(StrEnum):
    """Why a transaction belongs to an account."""

    HAND = "hand"
    TAG = "tag"
    CONNECTOR = "connector"
    CHARGER = "charger"
    NOBODY = "nobody"


class Claim(NamedTuple):
    """An account to which something of a transaction belonged at its start."""

    ground: OwnerGround
    period: OwnershipPeriod


class GivenByHand(NamedTuple):
    """An operator gave a transaction to an account."""

    account: int
    by: str
    reason: str | None


class SessionOwner(NamedTuple):
    """The account of a transaction. `account` is None if it is nobody's.

    `claims` are all that speak for an account, the one that counts first; a transaction given by
    hand has them too. `is_outside` is whether the account was not open at the start; the
    transaction belongs to it all the same.
    """

    account: int | None
    ground: OwnerGround
    claims: tuple[Claim, ...] = ()
    given: GivenByHand | None = None
    is_outside: bool = False

    @property
    def period(self) -> OwnershipPeriod | None:
        """The period that decided."""
        return None if self.given is not None or not self.claims else self.claims[0].period


PeriodsOf = Callable[[Thing], Sequence[OwnershipPeriod]]
"""The periods of a thing that were not voided."""
OpenOf = Callable[[int], TimeSpan]
"""When an account is open."""


def decide(
    charged: ChargedSession,
    by_hand: GivenByHand | None,
    bill_by: BillBy,
    periods_of: PeriodsOf,
    open_of: OpenOf,
) -> SessionOwner:
    """Return whose a transaction is: given by hand, else by its tag or its connector, as `bill_by`
    says, else nobody's.

    A single connector goes before its charger.
    """
    # The order decides: what comes first counts.
    things = [(OwnerGround.CHARGER, Thing(What.SPACE, charged.charger))]
    if charged.connector:
        connector = Thing(What.SPACE, charged.charger, charged.connector)
        things.insert(0, (OwnerGround.CONNECTOR, connector))
    if charged.tag:
        place = 0 if bill_by is BillBy.TAG else len(things)
        things.insert(place, (OwnerGround.TAG, Thing(What.TAG, charged.tag)))
    claims = list[Claim]()
    for ground, thing in things:
        for period in periods_of(thing):
            if period.span.covers(charged.start):
                claims.append(Claim(ground, period))

    if by_hand is not None:
        account, ground = by_hand.account, OwnerGround.HAND
    elif claims:
        account, ground = claims[0].period.account, claims[0].ground
    else:
        return SessionOwner(None, OwnerGround.NOBODY)
    is_outside = not open_of(account).covers(charged.start)
    return SessionOwner(account, ground, tuple(claims), by_hand, is_outside)


def grounds(
    charged: ChargedSession,
    owner: SessionOwner,
    bill_by: BillBy,
    shown: Callable[[str], Value] = Moment,
) -> Iterator[Told]:
    """Yield why a transaction is whose it is, in plain English, without names of people other than
    operators.

    `shown` writes a time.
    """
    household, given = _household(owner.account), owner.given
    if given is not None and given.reason:
        yield Told("{1}: given by {2}: {3}", household, given.by, given.reason)
    elif given is not None:
        yield Told("{1}: given by {2}", household, given.by)

    if owner.ground is OwnerGround.NOBODY:
        place = OwnerGround.CONNECTOR if charged.connector else OwnerGround.CHARGER
        yield Told(
            "nobody's: neither {1} nor {2} belonged to a household",
            _named(OwnerGround.TAG, charged),
            _named(place, charged),
        )
    for number, claim in enumerate(owner.claims):
        claimed = _claimed(claim, charged, shown)
        if given is not None:
            yield Told("{1}; passed over: given by hand", claimed)
        elif number == 0:
            yield claimed
        elif bill_by is BillBy.TAG:
            yield Told("{1}; passed over: by card first, a connector before its charger", claimed)
        else:
            yield Told(
                "{1}; passed over: by connector first, a connector before its charger", claimed
            )

    if owner.is_outside:
        yield Told(
            "{1} was not open at {2}; the session belongs to it all the same",
            household,
            shown(charged.start),
        )


def _household(number: int | None) -> Told:
    return Told("household {1}", number or 0)


def _claimed(claim: Claim, charged: ChargedSession, shown: Callable[[str], Value]) -> Told:
    period = claim.period
    since = shown(period.span.since)
    what: tuple[Value, ...] = (_household(period.account), _named(claim.ground, charged), since)
    if period.span.until:
        text = Told("{1}: {2} belonged to it since {3} until {4}", *what, shown(period.span.until))
    else:
        text = Told("{1}: {2} belonged to it since {3}", *what)
    if period.reason:
        return Told("{1}, given by {2}: {3}", text, period.given_by, period.reason)
    return Told("{1}, given by {2}", text, period.given_by)


def _named(ground: OwnerGround, charged: ChargedSession) -> Told:
    if ground is OwnerGround.TAG:
        return Told("the card {1}", charged.tag) if charged.tag else Told("its card (unknown)")
    if ground is OwnerGround.CONNECTOR:
        return Told("connector {1} of {2}", charged.connector or 0, charged.charger)
    return Told("the charger {1}", charged.charger)
