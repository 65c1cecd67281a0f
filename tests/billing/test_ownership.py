"""Whose a transaction is: plans of changes against a model of minutes, and the choice with its
grounds."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.billing.ownership import (
    BillBy,
    ChargedSession,
    GivenByHand,
    OwnerGround,
    OwnershipChange,
    OwnershipPeriod,
    SessionOwner,
    Thing,
    TimeSpan,
    What,
    decide,
    grounds,
    plan,
)

MINUTES = 12
ANNA, BEN = 1, 2
TAG = Thing(What.TAG, "card")
SPOT, STATION = Thing(What.SPACE, "CP-1", 2), Thing(What.SPACE, "CP-1")


def at(minute: int) -> str:
    return f"2026-03-01T12:{minute:02}:00.000Z"


def span(since: int, until: int | None = None) -> TimeSpan:
    return TimeSpan(at(since), None if until is None else at(until))


# Changes


def apply(
    known: Sequence[OwnershipPeriod], change: OwnershipChange, since: str, number: int
) -> list[OwnershipPeriod]:
    """Enter a plan as the database does: nothing is rewritten but an end that was open."""
    left = [one for one in known if one not in change.voids]
    ended = [
        one._replace(span=TimeSpan(one.span.since, since)) if one in change.ends else one
        for one in left
    ]
    return ended + [one._replace(id=number + place) for place, one in enumerate(change.begins)]


def minutes(known: Sequence[OwnershipPeriod]) -> list[tuple[int, int | None] | None]:
    """Return account and vehicle of each minute; of periods that overlap, this fails."""
    found: list[tuple[int, int | None] | None] = []
    for minute in range(MINUTES + 1):
        here = [(one.account, one.vehicle) for one in known if one.span.covers(at(minute))]
        assert len(here) <= 1, "periods overlap"
        found.append(here[0] if here else None)
    return found


SPANS = st.tuples(st.integers(0, MINUTES - 1), st.integers(1, MINUTES) | st.none()).filter(
    lambda pair: pair[1] is None or pair[1] > pair[0]
)
CHANGES = st.lists(
    st.tuples(SPANS, st.sampled_from([None, (1, None), (1, 7), (2, None)])), max_size=8
)


@given(CHANGES, st.integers(0, MINUTES))
def test_a_change_is_what_was_wanted_and_leaves_all_else(
    changes: list[tuple[tuple[int, int | None], tuple[int, int | None] | None]], now: int
) -> None:
    known: list[OwnershipPeriod] = []
    for number, ((since, until), owner) in enumerate(changes):
        before = minutes(known)
        wanted = None if owner is None else OwnershipPeriod(owner[0], span(since, until), owner[1])
        change = plan(known, span(since, until), wanted, at(now))
        end = MINUTES + 1 if until is None else until
        model = [owner if since <= minute < end else one for minute, one in enumerate(before)]
        lost = [
            one
            for minute, one in enumerate(before[:now])
            if one and one[0] != (model[minute] or (None,))[0]
        ]
        known = apply(known, change, at(since), 100 * number + 1)
        assert minutes(known) == model
        assert (change.deprived is not None) == bool(lost)
        assert plan(known, span(since, until), wanted, at(now)) == OwnershipChange(), (
            "a repetition changes nothing"
        )


def test_a_swap_at_noon_ends_two_periods_and_voids_none() -> None:
    card, key = OwnershipPeriod(ANNA, span(0), id=1), OwnershipPeriod(BEN, span(0), id=2)
    for one, other in ((card, BEN), (key, ANNA)):
        change = plan([one], span(5), OwnershipPeriod(other, span(5)), at(3))
        assert (change.ends, change.voids, change.deprived) == ((one,), (), None)
        assert change.begins == (OwnershipPeriod(other, span(5)),)


def test_a_loan_goes_back() -> None:
    card = OwnershipPeriod(ANNA, span(0), 7, id=1)
    change = plan([card], span(3, 5), OwnershipPeriod(BEN, span(3, 5)), at(2))
    assert change.begins == (card._replace(span=span(5)), OwnershipPeriod(BEN, span(3, 5)))


def test_a_space_that_becomes_the_households_only_ends_a_period_and_begins_one() -> None:
    space = OwnershipPeriod(ANNA, span(0), id=1)
    change = plan([space], span(3), OwnershipPeriod(ANNA, span(3), is_exclusive=True), at(3))
    assert (change.ends, change.begins) == (
        (space,),
        (OwnershipPeriod(ANNA, span(3), is_exclusive=True),),
    )
    assert change.deprived is None


# The choice


def whose(
    periods: dict[Thing, list[OwnershipPeriod]],
    charged: ChargedSession | None = None,
    by_hand: GivenByHand | None = None,
    bill_by: BillBy = BillBy.TAG,
    is_open: TimeSpan | None = None,
) -> tuple[SessionOwner, list[str]]:
    charged = charged or ChargedSession("card", "CP-1", 2, at(5))
    is_open = is_open or span(0)
    owner = decide(
        charged, by_hand, bill_by, lambda thing: periods.get(thing, []), lambda _account: is_open
    )
    return owner, list(grounds(charged, owner, bill_by))


ALL = {
    TAG: [OwnershipPeriod(1, span(0))],
    SPOT: [OwnershipPeriod(2, span(0))],
    STATION: [OwnershipPeriod(3, span(0))],
}


@pytest.mark.parametrize(
    ("known", "bill_by", "account", "ground"),
    [
        ((TAG, SPOT, STATION), BillBy.TAG, 1, OwnerGround.TAG),
        ((TAG, SPOT, STATION), BillBy.CONNECTOR, 2, OwnerGround.CONNECTOR),
        ((SPOT, STATION), BillBy.TAG, 2, OwnerGround.CONNECTOR),
        ((TAG, STATION), BillBy.CONNECTOR, 3, OwnerGround.CHARGER),
        ((TAG,), BillBy.CONNECTOR, 1, OwnerGround.TAG),
        ((STATION,), BillBy.TAG, 3, OwnerGround.CHARGER),
        ((), BillBy.TAG, None, OwnerGround.NOBODY),
    ],
)
def test_what_comes_first(
    known: tuple[Thing, ...], bill_by: BillBy, account: int | None, ground: OwnerGround
) -> None:
    owner, words = whose({thing: ALL[thing] for thing in known}, bill_by=bill_by)
    assert (owner.account, owner.ground) == (account, ground)
    assert len(words) == max(1, len(known)), "all claims are told"
    assert words[0].startswith("nobody's" if account is None else f"household {account}")


def test_by_hand_goes_before_all_and_the_rest_is_told() -> None:
    owner, words = whose(ALL, by_hand=GivenByHand(9, "cleo", "a guest"))
    assert (owner.account, owner.ground, owner.period) == (9, OwnerGround.HAND, None)
    assert words[0] == "household 9: given by cleo: a guest"
    assert all("passed over: given by hand" in line for line in words[1:])
    assert whose({}, by_hand=GivenByHand(9, "cleo", "a guest"))[0].account == 9


@pytest.mark.parametrize(
    ("minute", "account"), [(2, None), (3, 1), (4, 1), (5, 2), (8, 2), (9, None)]
)
def test_the_start_decides_to_the_moment(minute: int, account: int | None) -> None:
    periods = {TAG: [OwnershipPeriod(1, span(3, 5)), OwnershipPeriod(2, span(5, 9))]}
    assert whose(periods, ChargedSession("card", "CP-1", 1, at(minute)))[0].account == account


@pytest.mark.parametrize(
    "charged", [ChargedSession(None, "CP-1", None, at(5)), ChargedSession("", "CP-1", 0, at(5))]
)
def test_what_is_unknown_of_a_transaction_claims_nothing(charged: ChargedSession) -> None:
    everything = ALL | {Thing(What.TAG, ""): [OwnershipPeriod(4, span(0))]}
    owner, words = whose(everything, charged)
    assert (owner.account, owner.ground, len(words)) == (3, OwnerGround.CHARGER, 1)
    _, words = whose({}, charged)
    assert words == [
        "nobody's: neither its card (unknown) nor the charger CP-1 belonged to a household"
    ]


@pytest.mark.parametrize(
    ("is_open", "is_outside"), [(span(0), False), (span(6), True), (span(0, 5), True)]
)
def test_an_account_that_was_not_open_is_told(is_open: TimeSpan, is_outside: bool) -> None:
    owner, words = whose({TAG: [OwnershipPeriod(1, span(0))]}, is_open=is_open)
    assert (owner.account, owner.is_outside) == (1, is_outside)
    assert ("was not open" in words[-1]) == is_outside
