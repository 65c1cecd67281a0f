"""Reservations: who may use them, and what ends them (§3.11, §5.1, §5.13)."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.simulator.charger.tags import Reservation, Reservations

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE = NOON + HOUR
CONNECTORS = 3
Store = dict[str, dict[str, Any]]


def reserved(*made: tuple[int, int, str, str | None], store: Store | None = None) -> Reservations:
    """Reservations (id, connector, tag, parent); the first expires at one o'clock, each next one an
    hour later."""
    all_of_them = Reservations({} if store is None else store, CONNECTORS)
    for number, (reservation_id, connector, tag, parent) in enumerate(made, start=1):
        all_of_them.reserve(reservation_id, connector, NOON + number * HOUR, tag, parent, NOON)
    return all_of_them


def ids(ended: list[Reservation]) -> list[int]:
    return [one.id for one in ended]


# Making and cancelling


def test_a_reservation_is_as_it_was_asked_for_also_out_of_a_file() -> None:
    store: Store = {}
    reserved((7, 2, "Card", "Family"), store=store)
    kept = Reservations(json.loads(json.dumps(store)), CONNECTORS)
    assert kept.on(2, NOON) == Reservation(7, 2, ONE, "Card", "Family")
    assert kept.on(1, NOON) is None
    assert kept.on(0, NOON) is None


def test_the_same_id_replaces() -> None:
    kept = reserved((7, 2, "Card", None))
    assert kept.reserve(7, 1, ONE, "Other", None, NOON) is True
    assert kept.on(2, NOON) is None
    assert (found := kept.on(1, NOON)) is not None
    assert found.id_tag == "Other"
    assert kept.reserve(8, 2, ONE, "Card", None, NOON) is False


def test_what_has_expired_is_not_replaced_and_holds_nothing() -> None:
    kept = reserved((7, 2, "Card", None))
    assert kept.is_held(2, 8, ONE) is False
    assert kept.reserve(7, 2, ONE + HOUR, "Card", None, ONE) is False


@pytest.mark.parametrize(
    ("connector", "reservation_id", "is_held"),
    [(1, 8, True), (1, 7, False), (2, 8, False), (0, 8, False), (0, 7, False)],
)
def test_held(connector: int, reservation_id: int, is_held: bool) -> None:
    kept = reserved((7, 1, "Card", None), (6, 0, "Any", None))
    assert kept.is_held(connector, reservation_id, NOON) is is_held


@pytest.mark.parametrize(
    ("connector", "reservation_id", "free", "has_room"),
    [
        (2, 8, 2, True),
        (2, 8, 1, False),  # the last one, which number 6 needs
        (0, 8, 2, True),
        (0, 8, 1, False),
        (1, 8, 2, False),  # held by number 7
        (2, 7, 1, True),  # moves, and leaves connector 1 free
        (0, 7, 1, True),
        (0, 6, 1, True),  # takes its own place
        (2, 6, 1, True),
        (2, 6, 0, False),
    ],
)
def test_room_for_another(connector: int, reservation_id: int, free: int, has_room: bool) -> None:
    kept = reserved((7, 1, "Card", None), (6, 0, "Any", None))
    assert kept.has_room(connector, reservation_id, NOON, free) is has_room


@pytest.mark.parametrize("connector", [-1, 1, CONNECTORS + 1])
def test_what_cannot_be_reserved_changes_nothing(connector: int) -> None:
    store: Store = {}
    kept = reserved((7, 1, "Card", None), (8, 2, "Card", None), store=store)
    before = json.dumps(store)
    with pytest.raises(ValueError, match="connector"):
        kept.reserve(8, connector, ONE, "Card", None, NOON)
    assert json.dumps(store) == before


def test_cancel() -> None:
    kept = reserved((7, 1, "Card", None))
    assert [kept.cancel(8), kept.cancel(7), kept.cancel(7)] == [False, True, False]
    assert kept.on(1, NOON) is None


# Who may start


@pytest.mark.parametrize(
    ("tag", "parent", "may_start"),
    [
        ("Card", None, True),
        ("cARD", "Strangers", True),
        ("Sister", "family", True),
        ("Sister", None, False),
        ("Stranger", "Strangers", False),
        ("Family", None, False),  # a parent is not a tag (§3.10)
    ],
)
def test_a_reserved_connector_is_for_the_tag_and_its_group(
    tag: str, parent: str | None, may_start: bool
) -> None:
    kept = reserved((7, 2, "Card", "Family"))
    assert kept.may_start(2, tag, parent, NOON, free=2) is may_start
    assert kept.may_start(1, tag, parent, NOON, free=2) is True
    assert kept.may_start(2, tag, parent, ONE, free=3) is True


def test_without_a_group_none_is_the_same_as_none() -> None:
    assert reserved((7, 2, "Card", None)).may_start(2, "Stranger", None, NOON, free=2) is False
    assert reserved((7, 2, "Card", "")).may_start(2, "Stranger", "", NOON, free=2) is False


@pytest.mark.parametrize(
    ("tag", "free", "may_start"),
    [
        ("Stranger", 3, True),
        ("Stranger", 2, False),
        ("Stranger", 1, False),
        ("A", 2, True),
        ("B", 1, True),
        ("A", 1, True),  # first come, first served, when faults left one for two
    ],
)
def test_reservations_of_any_connector_keep_so_many_free(
    tag: str, free: int, may_start: bool
) -> None:
    kept = reserved((1, 0, "A", None), (2, 0, "B", None))
    assert len(kept._of(0, NOON)) == 2
    assert kept.may_start(3, tag, None, NOON, free=free) is may_start
    assert kept.may_start(3, tag, None, NOON + 2 * HOUR, free=free) is True


def test_the_connectors_own_reservation_goes_before_those_of_any() -> None:
    kept = reserved((1, 1, "A", None), (2, 0, "B", None))
    assert kept.may_start(1, "A", None, NOON, free=0) is True
    assert kept.may_start(1, "B", None, NOON, free=2) is False


def test_without_reservations_anybody_may() -> None:
    assert reserved().may_start(1, "Stranger", None, NOON, free=1) is True


# What ends one


@pytest.mark.parametrize(
    ("connector", "tag", "parent", "used"),
    [
        (1, "A", None, 10),
        (1, "a", "Q", 10),
        (1, "Sister", "p", 10),
        (2, "A", None, 23),  # its reservation is of connector 0
        (2, "C", None, 21),
        (2, "Sister", "P", 21),  # of the group's two, the first to expire
        (2, "D", "P", 22),  # the tag's before the group's
        (1, "D", "P", 10),  # the connector's first
        (2, "Stranger", "Q", None),
        (2, "Stranger", None, None),
    ],
)
def test_a_start_ends_one(connector: int, tag: str, parent: str | None, used: int | None) -> None:
    store: Store = {}
    kept = reserved(
        (10, 1, "A", "P"), (21, 0, "C", "P"), (22, 0, "D", "P"), (23, 0, "A", None), store=store
    )
    before = set(store)
    assert kept.used(connector, tag, parent, NOON) == used
    assert before - set(store) == ({str(used)} if used else set())


def test_a_start_elsewhere_or_later_ends_nothing() -> None:
    kept = reserved((7, 1, "A", "P"))
    assert kept.used(2, "A", "P", NOON) is None
    assert kept.used(1, "A", "P", ONE) is None
    assert kept.on(1, NOON) is not None


def test_expiry() -> None:
    kept = reserved((3, 1, "A", None), (2, 2, "B", None), (1, 0, "C", None))
    assert kept.next_expiry() == ONE
    assert ids(kept.expire(ONE - timedelta(microseconds=1))) == []
    assert kept.on(1, ONE) is None  # expired, before `expire` is called
    assert ids(kept.expire(ONE + HOUR)) == [3, 2]
    assert (kept.next_expiry(), len(kept._of(0, ONE + HOUR))) == (ONE + 2 * HOUR, 1)
    assert ids(kept.expire(ONE + 5 * HOUR)) == [1]
    assert (kept.next_expiry(), kept.expire(ONE + 5 * HOUR)) == (None, [])


@pytest.mark.parametrize(("connector", "ended"), [(1, [3]), (3, []), (0, [3, 2, 1])])
def test_faulted_or_unavailable(connector: int, ended: list[int]) -> None:
    store: Store = {}
    kept = reserved((3, 1, "A", None), (2, 2, "B", None), (1, 0, "C", None), store=store)
    assert ids(kept.end_on(connector)) == ended
    assert {int(one) for one in store} == {1, 2, 3} - set(ended)


# Hypothesis

numbers, connectors = st.integers(1, 4), st.integers(0, CONNECTORS)
tags = st.sampled_from(["A", "B", "a"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), numbers, connectors, tags),
        st.tuples(st.just("cancel"), numbers, connectors, tags),
        st.tuples(st.just("start"), numbers, connectors.filter(bool), tags),
        st.tuples(st.just("end"), numbers, connectors, tags),
        st.tuples(st.just("expire"), numbers, connectors, tags),
    ),
    max_size=15,
)


@given(steps)
def test_any_course_of_events_is_as_a_simple_model_says(
    course: list[tuple[str, int, int, str]],
) -> None:
    """The model: (id, connector, tag, hour of expiry), every step an hour after the one before."""
    kept = Reservations({}, CONNECTORS)
    model: list[tuple[int, int, str, int]] = []
    for hour, (what, number, connector, tag) in enumerate(course):
        now = NOON + hour * HOUR
        model = [one for one in model if one[3] > hour]
        if what == "reserve" and not kept.is_held(connector, number, now):
            assert kept.reserve(number, connector, now + number * HOUR, tag, None, now) is any(
                one[0] == number for one in model
            )
            model = [one for one in model if one[0] != number] + [
                (number, connector, tag, hour + number)
            ]
        elif what == "cancel":
            kept.expire(now)
            assert kept.cancel(number) is any(one[0] == number for one in model)
            model = [one for one in model if one[0] != number]
        elif what == "start":
            fitting = [
                one for one in model if one[1] in (0, connector) and one[2].upper() == tag.upper()
            ]
            used = kept.used(connector, tag, None, now)
            assert (used is None) == (not fitting)
            assert used is None or used in {one[0] for one in fitting}
            model = [one for one in model if one[0] != used]
        elif what == "end":
            kept.end_on(connector)
            model = [one for one in model if connector and one[1] != connector]
        elif what == "expire":
            kept.expire(now)
        for place in range(1, CONNECTORS + 1):
            found = kept.on(place, now)
            assert ([found.id] if found else []) == [one[0] for one in model if one[1] == place]
        assert len(kept._of(0, now)) == sum(one[1] == 0 for one in model)
