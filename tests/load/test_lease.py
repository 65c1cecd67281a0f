"""What connectors are booked with, what is sent next, and who obeys. Each property is held against
a plain charger."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.load.lease import (
    CALM_SECONDS,
    DAY_SECONDS,
    FOLLOW_SECONDS,
    HOUR,
    LEASE,
    LEASE_SECONDS,
    MARGIN_SECONDS,
    NO_RAISES,
    OBEY_SECONDS,
    PAUSE_SECONDS,
    RETRY_SECONDS,
    WRITES_A_DAY,
    Lease,
    Leases,
    LimitStep,
    leased,
    waiting,
    with_tolerance,
)
from levity_trio.load.rule import Allocation, Bound, CarStanding, CurrentLimit
from levity_trio.load.tree import PHASES, Circuit, Place, Socket, Tree
from tests.sizes import size

NOW = 1767225600.0
"""Midnight of UTC, so that a day of writes begins."""
A: Place = ("A", 1)
B: Place = ("B", 1)
C: Place = ("C", 1)
LETTERS = ("R", "S", "T")
SOCKET = Socket(charger="A", circuit="F", safe=6)
IDLE = {(name, 1): Socket(charger=name, circuit="F", safe=0) for name in ("A", "B")}

examples = settings(max_examples=size(2000, 30), deadline=None, database=None)
amperes = st.sampled_from([0, 6, 7, 10, 16, 32])
safe_limits = st.sampled_from([0, 6, 8])


@cache
def planted(*places: Place, safe: int = 6, phases: int = 3) -> Tree:
    """A tree in which anything fits."""
    sockets = [
        Socket(charger=name, connector=number, circuit="F", safe=safe, phases=phases)
        for name, number in places
    ]
    return Tree([Circuit(name="F", amperes=1000)], sockets)


def decided(free: float = 100.0, **wanted: int) -> Allocation:
    limits = {
        (name, 1): CurrentLimit(amperes=most, bound=Bound.MOST) for name, most in wanted.items()
    }
    return Allocation(at=NOW, limits=limits, free=(free,) * 3 + (math.inf,))


def holding(**leases: Lease) -> Leases:
    found = Leases()
    for name, lease in leases.items():
        found.hold((name, 1), lease)
    return found


def of(amperes: int, safe: int = 6, sent: float = NOW, transaction: int = 7) -> Lease:
    """The lease of a running transaction."""
    return leased(amperes, safe, sent, transaction)


def written(leases: Leases, place: Place, times: int, now: float = NOW) -> Leases:
    """The same after a connector was sent so many profiles."""
    for _ in range(times):
        leases.count(place, LEASE, now)
    return leases


def steps(
    leases: Leases, decision: Allocation, now: float, *, safe: int = 6, transaction: int = 7
) -> list[LimitStep]:
    tree = planted(*decision.limits, safe=safe)
    return leases.steps(tree, decision, dict.fromkeys(decision.limits, transaction), {}, now)


def carried_out(leases: Leases, some: list[LimitStep], now: float) -> list[LimitStep]:
    for step in some:
        leases.sending(step, now)
        leases.accepted(step, now)
    return some


def sent(some: list[LimitStep]) -> dict[str, int]:
    return {step.place[0]: step.lease.amperes for step in some}


# Leases


@examples
@given(
    amperes,
    safe_limits,
    st.booleans(),
    st.floats(-MARGIN_SECONDS, MARGIN_SECONDS),
    st.floats(0, 20_000),
)
def test_a_lease_allows_no_less_than_an_honest_charger(
    most: int, safe: int, is_waiting: bool, error: float, later: float
) -> None:
    lease = waiting(safe, NOW) if is_waiting else of(most, safe)
    ended = lease.ends is not None and later >= lease.ends - NOW + error
    assert lease.most(NOW + later) >= (lease.safe if ended else lease.amperes)


def test_a_lease_ends_in_the_safe_limit() -> None:
    lease = of(16)
    assert lease.most(NOW + LEASE_SECONDS + MARGIN_SECONDS - 1) == 16
    assert lease.most(NOW + LEASE_SECONDS + MARGIN_SECONDS) == 6


def test_a_waiting_car_may_begin_a_minute_early() -> None:
    lease = waiting(6, NOW)
    assert lease.most(NOW + LEASE_SECONDS - MARGIN_SECONDS - 1) == 0
    assert lease.most(NOW + LEASE_SECONDS - MARGIN_SECONDS) == 6


@pytest.mark.parametrize("most", [6, 4])
def test_what_is_no_more_than_the_safe_limit_has_no_end(most: int) -> None:
    assert of(most).ends is None
    assert of(most).most(NOW + DAY_SECONDS) == most


def test_a_car_at_0_a_waits_longer_than_any_other_lease_lasts() -> None:
    assert of(0).ends == NOW + PAUSE_SECONDS
    assert of(0, safe=0).ends is None


@examples
@given(
    amperes,
    amperes,
    safe_limits,
    safe_limits,
    st.booleans(),
    st.floats(0, 20_000),
    st.floats(0, 40_000),
)
def test_until_the_answer_the_higher_of_both_counts(
    before: int,
    then: int,
    old_safe: int,
    new_safe: int,
    is_waiting: bool,
    after: float,
    later: float,
) -> None:
    has = waiting(old_safe, NOW) if is_waiting else of(before, old_safe)
    now = NOW + after
    new = of(then, new_safe, now)
    leases = holding(A=has)
    step = LimitStep(place=A, lease=new, is_lower=then < has.most(now))
    leases.sending(step, now)
    recorded = leases.held[A].lease
    for moment in (now, now + later):
        assert recorded.most(moment) >= max(has.most(moment), new.most(moment))


def test_a_renewal_that_never_arrives_lets_a_waiting_car_begin_at_its_old_time() -> None:
    leases = holding(A=waiting(6, NOW))
    [step] = steps(leases, decided(A=0), NOW + 60)
    leases.sending(step, NOW + 60)
    assert leases.held[A].lease.most(NOW + LEASE_SECONDS) == 6
    leases.accepted(step, NOW + 62)
    assert leases.held[A].lease.most(NOW + LEASE_SECONDS) == 0


def test_a_lowering_of_which_only_the_answer_is_lost_holds_longer_than_what_it_lowered() -> None:
    leases = holding(A=of(16))
    [step] = steps(leases, decided(A=10), NOW + 1000)
    leases.sending(step, NOW + 1000)
    leases.failed(step, NOW + 1030)
    assert leases.held[A].lease.most(NOW + LEASE_SECONDS) == 16
    assert leases.held[A].lease.most(NOW + LEASE_SECONDS + 900) == 10


@examples
@given(amperes, amperes, st.floats(0, LEASE_SECONDS), st.floats(0, 5000), st.floats(0, 10_000))
def test_what_was_lowered_last_and_not_recorded_is_booked_after_a_restart(
    before: int, then: int, after: float, dead: float, later: float
) -> None:
    has, new = of(before), of(then, sent=NOW + after)
    restart = NOW + after + dead
    leases = Leases()
    leases.adopt(A, has, restart)
    if then < has.most(NOW + after):
        assert leases.held[A].lease.most(restart + later) >= new.most(restart + later)
    assert leases.held[A].lease.most(restart + later) >= has.most(restart + later)


def test_what_an_earlier_run_recorded_is_sent_anew() -> None:
    leases = Leases()
    leases.adopt(A, of(16), NOW + 5)
    assert sent(steps(leases, decided(A=16), NOW + 6)) == {"A": 16}


# What is sent


def test_one_car_is_lowered_and_seen_to_obey_before_another_is_raised() -> None:
    leases = holding(A=of(16), B=of(6))
    decision = decided(0.0, A=10, B=12)
    for at in (-20.0, 0.0):
        leases.held[A].reported(16.0, NOW + at)
    some = steps(leases, decision, NOW + 10)
    assert sent(some) == {"A": 10}
    assert some[0].is_lower
    leases.sending(some[0], NOW + 10)
    assert steps(leases, decision, NOW + 11) == []
    leases.accepted(some[0], NOW + 12)
    assert leases.held[A].booked(NOW + 12) == 16
    assert steps(leases, decision, NOW + 13) == []
    assert not leases.held[A].reported(9.0, NOW + 14), (
        "a reading that was taken before it could follow says nothing"
    )
    assert leases.held[A].booked(NOW + 15) == 16
    assert leases.held[A].reported(10.2, NOW + 34)
    some = steps(leases, decision, NOW + 35)
    assert sent(some) == {"B": 12}
    assert not some[0].is_lower


def test_a_raise_that_fits_does_not_wait() -> None:
    leases = holding(A=of(16), B=of(6))
    assert sent(steps(leases, decided(6.0, A=10, B=12), NOW + 10)) == {"A": 10, "B": 12}


def test_a_car_at_0_a_takes_what_fits_if_it_can_charge_with_that() -> None:
    """Nobody can see whether A follows: its charger tells nothing."""
    leases = holding(A=of(16), B=of(0))
    carried_out(leases, steps(leases, decided(0.0, A=6, B=10), NOW + 10), NOW + 10)
    assert steps(leases, decided(5.0, A=6, B=10), NOW + 20) == []
    assert sent(steps(leases, decided(6.0, A=6, B=10), NOW + 30)) == {"B": 6}


def test_what_the_decision_booked_beside_a_limit_is_not_taken_from_others_twice() -> None:
    leases = holding(A=of(16), B=of(6))
    for at in (10, 30):
        leases.held[A].reported(20.0, NOW + at)
    decision = decided(0.0, A=16, B=10)
    limits = {**decision.limits, A: CurrentLimit(amperes=16, bound=Bound.MOST, over=4.0)}
    assert steps(leases, decision, NOW + 40) == []
    assert sent(steps(leases, replace(decision, limits=limits), NOW + 40)) == {"B": 10}


def test_two_raises_do_not_take_the_same_room() -> None:
    leases = holding(A=of(16), B=of(6), C=of(6))
    leases.held[A].reported(16.0, NOW + 9)
    assert sent(steps(leases, decided(4.0, A=10, B=9, C=9), NOW + 10)) == {"A": 10, "B": 9}


def test_the_raise_of_a_car_that_draws_it_already_is_no_room_for_another() -> None:
    leases = holding(A=of(0), B=of(0))
    leases.held[B].reported(7.0, NOW + 9)
    assert sent(steps(leases, decided(0.0, A=6, B=6), NOW + 10)) == {"B": 6}


def test_what_a_car_drew_before_its_last_limit_says_nothing() -> None:
    leases = holding(A=of(6), B=of(6))
    leases.held[A].reported(6.0, NOW + 10)
    carried_out(leases, steps(leases, decided(A=16, B=6), NOW + 12), NOW + 12)
    carried_out(leases, steps(leases, decided(0.0, A=8, B=14), NOW + 30), NOW + 30)
    assert leases.held[A].booked(NOW + 31) == 16
    assert steps(leases, decided(0.0, A=8, B=14), NOW + 31) == []


def test_a_car_that_draws_less_than_its_new_limit_holds_nobody_up() -> None:
    leases = holding(A=of(16), B=of(6))
    leases.held[A].reported(5.0, NOW + 20)
    carried_out(leases, steps(leases, decided(0.0, A=8, B=14), NOW + 30), NOW + 30)
    assert sent(steps(leases, decided(0.0, A=8, B=14), NOW + 31)) == {"B": 14}


@st.composite
def moments(draw: st.DrawFn) -> tuple[Leases, Tree, Allocation, dict[Place, int]]:
    """Cars at one circuit, each with some lease and some report, and what they are to have."""
    places = [(f"P{n}", 1) for n in range(draw(st.integers(1, 6)))]
    sockets = [
        Socket(charger=name, circuit="F", rotation=draw(st.sampled_from(LETTERS)), phases=1)
        for name, _ in places
    ]
    tree = Tree([Circuit(name="F", amperes=1000)], sockets)
    leases, wanted = Leases(writes_a_day=draw(st.sampled_from([4, 100]))), {}
    for place in places:
        leases.hold(place, of(draw(amperes), 6, NOW - draw(st.integers(0, 4000))))
        written(leases, place, draw(st.integers(0, 6)))
        held = leases.held[place]
        held.may_still_draw = draw(st.sampled_from([0, 0, 16]))
        held.retry = draw(st.sampled_from([0.0, 0.0, NOW + 9]))
        if draw(st.booleans()):
            leases.held[place].reported(float(draw(amperes)), NOW - draw(st.integers(0, 30)))
        wanted[place] = draw(amperes)
    if draw(st.booleans()):
        leases.busy.add(places[0])
    free = draw(st.tuples(*[st.sampled_from([0.0, 1.0, 4.0, 10.0, 40.0])] * 3))
    whole = draw(st.sampled_from([math.inf, 0.0, 4.0, 20.0, 60.0]))
    limits = {place: CurrentLimit(amperes=most, bound=Bound.MOST) for place, most in wanted.items()}
    return leases, tree, Allocation(at=NOW, limits=limits, free=(*free, whole)), wanted


@examples
@given(moments())
def test_no_raise_is_sent_while_what_others_draw_leaves_no_room(
    moment: tuple[Leases, Tree, Allocation, dict[Place, int]],
) -> None:
    leases, tree, decision, wanted = moment
    counts = {place: tree.sockets[place].phases for place in wanted}
    raised = {
        step.place: step.lease.amperes
        for step in leases.steps(tree, decision, dict.fromkeys(wanted, 7), counts, NOW)
        if step.lease.amperes > leases.held[step.place].lease.most(NOW)
    }
    for phase in PHASES:
        here = [place for place in wanted if phase in tree.sockets[place].lines()]
        room = decision.free[phase] + sum(wanted[place] for place in here)
        if any(place in raised for place in here):
            assert (
                sum(max(leases.held[place].booked(NOW), raised.get(place, 0)) for place in here)
                <= room
            )
    if raised:
        room = decision.free[-1] + sum(counts[place] * wanted[place] for place in wanted)
        assert (
            sum(
                counts[place] * max(leases.held[place].booked(NOW), raised.get(place, 0))
                for place in wanted
            )
            <= room
        )


@examples
@given(moments())
def test_lowering_is_never_held_back_by_room_or_by_the_days_writes(
    moment: tuple[Leases, Tree, Allocation, dict[Place, int]],
) -> None:
    leases, tree, decision, wanted = moment
    found = {
        step.place: step for step in leases.steps(tree, decision, dict.fromkeys(wanted, 7), {}, NOW)
    }
    for place, most in wanted.items():
        held = leases.held[place]
        if (
            most < held.lease.most(NOW)
            and place[0] not in leases.busy_chargers
            and held.retry <= NOW
        ):
            assert found[place].lease.amperes == most
            assert found[place].is_lower


@settings(max_examples=size(100, 8), deadline=None, database=None)
@given(st.integers(0, 2**32))
def test_a_day_has_no_more_writes_than_it_may_beside_those_that_lower(seed: int) -> None:
    chance = random.Random(seed)
    leases = holding(A=of(6))
    lowered = others = 0
    for minute in range(DAY_SECONDS // 60):
        now = NOW - NOW % DAY_SECONDS + minute * 60
        for step in steps(leases, decided(A=chance.choice([0, 6, 8, 10, 16, 32])), now):
            lowered, others = lowered + step.is_lower, others + (not step.is_lower)
            leases.sending(step, now)
            answer = leases.accepted if chance.random() < 0.8 else leases.failed
            answer(step, now + 1)
    assert others <= WRITES_A_DAY
    assert lowered


def test_a_refused_or_lost_raise_is_sent_again() -> None:
    leases = holding(A=of(6))
    [step] = steps(leases, decided(A=16), NOW)
    leases.sending(step, NOW)
    leases.failed(step, NOW + 1)
    assert leases.held[A].lease.most(NOW + 2) == 16, "perhaps only the answer was lost"
    assert steps(leases, decided(A=16), NOW + RETRY_SECONDS) == []
    assert sent(steps(leases, decided(A=16), NOW + 1 + RETRY_SECONDS)) == {"A": 16}


def test_what_was_refused_or_lost_holds_no_lowering_back() -> None:
    leases = holding(A=of(8))
    [step] = steps(leases, decided(A=16), NOW)
    leases.sending(step, NOW)
    leases.failed(step, NOW + 60)
    leases.held[A].retry = NOW + 3600
    [lower] = steps(leases, decided(A=6), NOW + 61)
    assert lower.is_lower
    leases.sending(lower, NOW + 61)
    leases.failed(lower, NOW + 62)
    assert steps(leases, decided(A=6), NOW + 63) == []


def test_a_raise_that_could_not_be_recorded_is_sent_again() -> None:
    leases = holding(A=waiting(6, NOW))
    [step] = steps(leases, decided(A=16), NOW)
    leases.recording(step, NOW)
    leases.failed(step, NOW + 10)
    assert leases.held[A].booked(NOW + 10) == 0
    assert sent(steps(leases, decided(A=16), NOW + 10 + RETRY_SECONDS)) == {"A": 16}


def test_a_refused_lowering_is_sent_again_and_the_old_limit_booked() -> None:
    leases = holding(A=of(16))
    [step] = steps(leases, decided(A=8), NOW)
    leases.sending(step, NOW)
    leases.failed(step, NOW + 1)
    assert leases.held[A].lease.most(NOW + 2) == 16
    assert sent(steps(leases, decided(A=8), NOW + 1 + RETRY_SECONDS)) == {"A": 8}


def test_an_answer_that_comes_when_its_car_has_left_changes_nothing() -> None:
    leases = holding(A=of(6))
    [step] = steps(leases, decided(A=16), NOW)
    leases.sending(step, NOW)
    del leases.held[A]
    leases.accepted(step, NOW + 1)
    leases.failed(step, NOW + 1)
    assert leases.held == {}
    assert not leases.busy
    [step] = steps(holding(A=of(6)), decided(A=16), NOW)
    leases.hold(A, waiting(6, NOW))
    leases.accepted(step, NOW + 1)
    assert leases.held[A].lease == waiting(6, NOW)
    assert leases.writes(A, NOW).total() == 1, "it was written to all the same"


def test_another_transaction_is_sent_its_own_lease() -> None:
    leases = holding(A=waiting(6, NOW))
    [step] = steps(leases, decided(A=0), NOW + 1)
    assert (step.lease.transaction, step.lease.ends) == (7, NOW + 1 + PAUSE_SECONDS)


# Renewals


@pytest.mark.parametrize(
    ("lease", "seconds"),
    [(of(16), 2 / 3 * LEASE_SECONDS), (of(0), 2 * 3600 + 40 * 60)],
    ids=["a lease after 20 minutes", "0 A after 2 h 40"],
)
def test_a_lease_is_renewed_at_two_thirds_of_its_time(lease: Lease, seconds: float) -> None:
    leases = holding(A=lease)
    assert steps(leases, decided(A=lease.amperes), NOW + seconds - 1) == []
    [step] = steps(leases, decided(A=lease.amperes), NOW + seconds)
    assert step.lease.amperes == lease.amperes
    assert not step.is_lower


@pytest.mark.parametrize(("most", "safe"), [(6, 6), (0, 0)])
def test_a_car_at_its_safe_limit_is_not_renewed(most: int, safe: int) -> None:
    leases = holding(A=of(most, safe))
    assert steps(leases, decided(A=most), NOW + 30 * DAY_SECONDS, safe=safe) == []


def test_a_used_up_day_lets_a_lease_end_in_the_safe_limit() -> None:
    leases = written(holding(A=of(16)), A, WRITES_A_DAY)
    later = NOW + LEASE_SECONDS + MARGIN_SECONDS
    assert steps(leases, decided(A=16), later - 1) == []
    assert leases.held[A].lease.most(later) == 6
    assert steps(leases, decided(A=16), later) == []
    assert sent(steps(leases, decided(A=0), later)) == {"A": 0}, (
        "lowering does not count the writes"
    )
    assert sent(steps(leases, decided(A=16), NOW + DAY_SECONDS)) == {"A": 16}, "the next day"


def test_the_last_writes_of_a_day_are_kept_for_renewals() -> None:
    most, leases = int(NO_RAISES * WRITES_A_DAY), Leases()
    for writes in (most - 1, most):
        leases = written(holding(A=of(10)), A, writes)
        leases.look_for_caps(IDLE, {A: 6}, NOW)
        assert leases.caps == ({} if writes < most else {A: 10})
        assert bool(steps(leases, decided(A=14), NOW + 1)) == (writes < most)
    leases.look_for_caps(IDLE, {A: 6}, NOW + DAY_SECONDS)
    assert leases.caps == {}


def test_who_cannot_charge_with_his_safe_limit_gets_his_least_by_turns_in_the_end() -> None:
    """Two connectors at 0 A get 6 A in each other hour, by one profile that ends by itself."""
    leases = holding(A=of(0, safe=0), B=of(0, safe=0))
    got: dict[str, list[int]] = {"A": [], "B": []}
    for place in (A, B):
        written(leases, place, WRITES_A_DAY)
    for second in range(0, 4 * 3600, 30):
        now = NOW + second
        leases.look_for_caps(IDLE, {A: 6, B: 6}, now)
        wanted = {name: leases.caps[name, 1] for name in ("A", "B")}
        for step in steps(leases, decided(**wanted), now, safe=0):
            assert step.lease.amperes in (0, 6)
            leases.sending(step, now)
            leases.accepted(step, now)
        for name, hours in got.items():
            hours.append(leases.held[name, 1].lease.most(now + 90))
    for hours in got.values():
        assert 0.4 < hours.count(6) / len(hours) < 0.6
    assert [leases.writes(place, NOW)[HOUR] for place in (A, B)] == [2, 2]


def test_a_turn_that_was_lowered_is_raised_again_after_a_minute() -> None:
    leases = written(holding(A=of(0, safe=0)), A, WRITES_A_DAY)
    leases.held[A].lowered = noon = NOW + 12 * 3600
    leases.look_for_caps(IDLE, {A: 6}, noon)
    assert leases.caps == {A: 6}
    assert not steps(leases, decided(A=6), noon + CALM_SECONDS - 1, safe=0)
    assert sent(steps(leases, decided(A=6), noon + CALM_SECONDS, safe=0)) == {"A": 6}


def test_who_can_charge_with_his_safe_limit_takes_no_hour_of_another() -> None:
    sockets = {A: IDLE[A], B: replace(IDLE[B], safe=6)}
    leases = holding(A=of(0, safe=0), B=of(6))
    for place in (A, B):
        written(leases, place, WRITES_A_DAY)
    for hour in range(4):
        leases.look_for_caps(sockets, {A: 6, B: 6}, NOW + 3600 * hour)
        assert leases.caps == {A: 6, B: 6}


def test_one_without_a_car_takes_no_hour_of_another() -> None:
    leases = holding(A=of(0, safe=0), B=of(0, safe=0))
    for place in (A, B):
        written(leases, place, WRITES_A_DAY)
    for hour in range(4):
        leases.look_for_caps(IDLE, {A: 6, B: 6}, NOW + 3600 * hour)
        leases.look_for_caps(IDLE, {A: 6}, NOW + 3600 * hour)
        assert leases.caps == {A: 6}


def test_who_waits_for_watts_takes_what_room_there_is_for_all_on_one_line() -> None:
    leases = holding(A=of(0))
    leases.in_watts[A] = 3
    # Its 10 A in W are 30 A on one line, of which the decision has booked all.
    for lacking, amperes in ((0.0, {"A": 10}), (11.0, {"A": 6}), (13.0, {})):
        assert sent(steps(leases, decided(free=-lacking, A=10), NOW + 90)) == amperes


# What the next decision goes on from


def test_a_car_that_could_not_be_raised_yet_counts_as_just_raised() -> None:
    leases = holding(A=of(6), B=of(10), C=of(10))
    leases.held[C].lease = replace(leases.held[C].lease, transaction=-1)
    standings = {place: CarStanding(limit=10, since=NOW - 500) for place in (A, B, C, ("D", 1))}
    found = leases.as_sent(Allocation(at=NOW, standings=standings), NOW + 9).standings
    assert {place[0]: found[place].since - NOW for place in found} == {
        "A": 9,
        "B": -500,
        "C": 9,
        "D": -500,
    }


# Whether it obeys


def reports(
    leases: Leases, drawn: float, ends: float, begins: float = 0.0, every: float = 20.0
) -> None:
    at = begins
    while at <= ends:
        leases.held[A].reported(drawn, NOW + at)
        at += every


def test_a_car_that_does_not_obey_is_found_after_two_minutes_and_two_reports() -> None:
    leases = holding(A=of(16))
    carried_out(leases, steps(leases, decided(A=6), NOW), NOW)
    reports(leases, 16.0, 20.0 + OBEY_SECONDS)
    assert not leases.held[A].disobeys(NOW + 20 + OBEY_SECONDS - 1)
    assert leases.held[A].disobeys(NOW + 20 + OBEY_SECONDS)


def test_a_car_that_had_obeyed_for_an_hour_is_found_two_minutes_after_its_first_high_report() -> (
    None
):
    leases = holding(A=of(16))
    carried_out(leases, steps(leases, decided(A=6), NOW), NOW)
    reports(leases, 6.0, 3600.0)
    for at in (3620.0, 3640.0, 3660.0):
        leases.held[A].reported(16.0, NOW + at)
    assert not leases.held[A].disobeys(NOW + 3620 + OBEY_SECONDS - 1)
    assert leases.held[A].disobeys(NOW + 3620 + OBEY_SECONDS)


def test_one_report_is_not_enough() -> None:
    leases = holding(A=of(16))
    carried_out(leases, steps(leases, decided(A=6), NOW), NOW)
    for _ in range(3):
        leases.held[A].reported(16.0, NOW + 50)
    assert not leases.held[A].disobeys(NOW + 300)


@examples
@given(
    st.floats(0, FOLLOW_SECONDS),
    st.floats(5, 30),
    st.floats(0, 30),
    st.sampled_from([6, 8, 10]),
    st.floats(-1, 1),
)
def test_a_car_that_follows_within_5_seconds_is_never_found(
    follows: float, every: float, begins: float, then: int, error: float
) -> None:
    leases = holding(A=of(16))
    carried_out(leases, steps(leases, decided(A=then), NOW), NOW)
    at = begins
    while at < 200:
        leases.held[A].reported(then + error if at >= follows else 16.0, NOW + at)
        assert not leases.held[A].disobeys(NOW + at)
        assert at < FOLLOW_SECONDS or leases.held[A].booked(NOW + at) == then
        at += every


def test_what_a_car_draws_beyond_its_limit_is_booked_whatever_it_is_sent() -> None:
    leases = holding(A=of(6), B=of(6))
    reports(leases, 20.0, 10, begins=6)
    assert leases.held[A].booked(NOW + 11) == 20
    carried_out(leases, steps(leases, decided(A=8, B=6), NOW + 12), NOW + 12)
    assert leases.held[A].booked(NOW + 13) == 20
    assert steps(leases, decided(11.0, A=8, B=18), NOW + 13) == []
    carried_out(leases, steps(leases, decided(A=6, B=6), NOW + 14), NOW + 14)
    reports(leases, 20.0, 140, begins=20)
    assert leases.held[A].disobeys(NOW + 140)


def test_one_that_does_not_obey_is_told_again_and_then_forgiven() -> None:
    leases = holding(A=of(6))
    reports(leases, 20.0, 60)
    leases.held[A].tell_again(NOW + 61)
    assert leases.held[A].is_stuck
    assert leases.held[A].booked(NOW + 61) == 20
    assert not leases.held[A].disobeys(NOW + 61)
    again = steps(leases, decided(A=6), NOW + 62)
    assert sent(again) == {"A": 6}
    carried_out(leases, again, NOW + 62)
    assert leases.held[A].reported(6.0, NOW + 80)
    assert not leases.held[A].is_stuck
    assert leases.held[A].booked(NOW + 80) == 6
    assert not leases.held[A].reported(6.0, NOW + 100), "it was seen before"


def test_a_report_of_another_car_or_an_old_one_says_nothing() -> None:
    leases = holding(A=of(6))
    leases.held[A].reported(6.0, NOW + 30)
    leases.held[A].reported(20.0, NOW + 29)
    assert leases.held[A].drawn == 6.0


def test_meters_and_cars_may_differ_a_little() -> None:
    assert with_tolerance(16) == pytest.approx(17.8)
    assert with_tolerance(0) == 1.0


# The clock


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_after_a_leap_of_our_clock_all_is_sent_anew_and_ends_when_it_did(seconds: float) -> None:
    leases = holding(A=of(16), B=of(6), C=of(0))
    leases.failed(LimitStep(place=A, lease=of(16), is_lower=False), NOW)
    now = NOW + seconds
    before = {
        place: [held.lease.most(NOW + at) for at in range(0, 20_000, 20)]
        for place, held in leases.held.items()
    }
    leases.leapt(seconds)
    for place, held in leases.held.items():
        assert [held.lease.most(now + at) for at in range(0, 20_000, 20)] == before[place]
    assert sent(steps(leases, decided(A=16, B=6, C=0), now)) == {"A": 16, "B": 6, "C": 0}


def test_an_answer_to_what_was_sent_before_a_leap_says_nothing_of_when_it_ends() -> None:
    leases = holding(A=of(6))
    [step] = steps(leases, decided(A=16), NOW)
    leases.sending(step, NOW)
    leases.leapt(-3600.0)
    leases.accepted(step, NOW - 3599)
    assert leases.held[A].lease.ends == NOW + LEASE_SECONDS - 3600
    assert sent(steps(leases, decided(A=16), NOW - 3598)) == {"A": 16}


def test_a_raise_that_is_recorded_during_a_leap_is_not_sent() -> None:
    leases = holding(A=of(6))
    [step] = steps(leases, decided(A=16), NOW)
    leases.recording(step, NOW)
    leases.leapt(3600.0)
    assert not leases.end_recording(step, 16)


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_a_leap_does_not_hide_who_does_not_obey(seconds: float) -> None:
    leases = holding(A=of(16))
    carried_out(leases, steps(leases, decided(A=6), NOW), NOW)
    reports(leases, 20.0, 60)
    leases.leapt(seconds)
    begun = NOW + seconds + 20  # by the first report that says anything
    assert not leases.held[A].disobeys(begun + OBEY_SECONDS - 1)
    assert leases.held[A].disobeys(begun + OBEY_SECONDS)
    leases.held[A].reported(6.0, begun + OBEY_SECONDS)
    assert not leases.held[A].disobeys(begun + OBEY_SECONDS)


# A whole day of one connector


@settings(max_examples=size(300, 10), deadline=None, database=None)
@given(st.integers(0, 2**32))
def test_a_connector_is_never_booked_with_less_than_it_may_draw(seed: int) -> None:
    """Messages are lost, refused and late; cars come and go; our clock leaps. The charger is
    honest."""
    chance = random.Random(seed)
    leases, charger, clock = Leases(), Charger(0.0), 0.0
    under_way: tuple[float, LimitStep, str] | None = None
    charger.come(0.0, 1)
    leases.hold(A, waiting(6, NOW))
    for second in range(0, 15_000, 5):
        now = NOW + second + clock
        if under_way is not None and under_way[0] <= second:
            answer = leases.accepted if under_way[2] == "accepted" else leases.failed
            answer(under_way[1], now)
            under_way = None
        if chance.random() < 0.0005:
            leap = chance.choice([-3600.0, 3600.0])
            leases.leapt(leap)
            clock, now = clock + leap, now + leap
        if chance.random() < 0.001:
            charger.come(float(second), charger.transaction + 1)
            leases.hold(A, waiting(6, now))
        wanted = chance.choice([0, 6, 10, 16]) if chance.random() < 0.05 else charger.wanted
        charger.wanted = wanted
        for step in steps(leases, decided(A=wanted), now, transaction=charger.transaction):
            leases.sending(step, now)
            fate = chance.choice(["accepted"] * 6 + ["lost", "answer lost", "refused"])
            if fate in ("accepted", "answer lost"):
                charger.take(step.lease, float(second))
            under_way = (second + chance.choice([0, 5, 10, 30]), step, fate)
        assert leases.held[A].lease.most(now) >= charger.allows(float(second))


class Charger:
    """An honest charger: it counts the seconds of a lease from its receipt, and knows no clock."""

    def __init__(self, began: float) -> None:
        self.transaction, self.wanted = 0, 0
        self.periods: list[tuple[float, int]] = []
        self.come(began, 1)

    def come(self, at: float, transaction: int) -> None:
        self.transaction = transaction
        self.periods = [(at, 0), (at + LEASE_SECONDS, 6)]

    def take(self, lease: Lease, at: float) -> None:
        if lease.transaction == self.transaction:
            ends = [] if lease.ends is None else [(at + lease.ends - lease.sent, lease.safe)]
            self.periods = [(at, lease.amperes), *ends]

    def allows(self, now: float) -> int:
        return [most for since, most in self.periods if since <= now][-1]
