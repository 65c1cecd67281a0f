"""Matching of stops and readings to transactions, and its grounds."""

import math
from typing import Any

import pytest

from levity_trio.charging.lifecycle import State
from levity_trio.charging.matching.readings import Covering, match_readings
from levity_trio.charging.matching.stops import Running, Stopping, TransactionBegin, match_stop
from levity_trio.charging.names import comparable_tag, is_id
from levity_trio.charging.reviews import Code

MINUTE, HOUR = 60.0, 3600.0
BEGUN = 10 * HOUR
FIRST, SECOND = 1_000_001, 1_000_002
NO_ID = -1
ENDED = [State.STOPPED, State.JOINED, State.CLOSED]


def running(transaction: int = FIRST, **known: Any) -> Running:
    """Return a transaction from 10:00 at 1,000 Wh, which reached 8,000 Wh at 11:00 with 7 kW."""
    usual: dict[str, Any] = {
        "state": State.OPEN,
        "begun": BEGUN,
        "start_wh": 1000,
        "reached_at": BEGUN + HOUR,
        "reached_wh": 8000,
        "power_w": 7000.0,
        "last_power_w": 7000.0,
        "digit": 1,
        "id_tag": "TAG",
        "available_at": None,
        "longest": 2 * HOUR,
    }
    return Running(id=transaction, **(usual | known))


def elsewhere(**known: Any) -> Running:
    """Return a transaction on another connector, whose register is at 500 kWh."""
    return running(SECOND, **({"start_wh": 493_000, "reached_wh": 500_000} | known))


def stopping(transaction: int = NO_ID, wh: int = 8100, **known: Any) -> Stopping:
    """Return a stop one minute after the last reading."""
    usual: dict[str, Any] = {"id_tag": None, "at": BEGUN + HOUR + MINUTE, "is_timed": True}
    return Stopping(transaction, wh=wh, **(usual | known))


def grounds(stop: Stopping, *candidates: Running) -> tuple[int | None, str | None]:
    """Return the transaction that a stop means, and the code of the doubt."""
    match = match_stop(stop, candidates)
    return match.transaction, None if match.doubt is None else match.doubt.code.value


# With the ID of the transaction


def test_a_start_without_time_can_be_before_any_stop() -> None:
    untimed = running(begun=-math.inf, reached_at=-math.inf)
    assert grounds(stopping(FIRST, at=BEGUN - HOUR), untimed, running(SECOND)) == (FIRST, None)


@pytest.mark.parametrize("state", State)
def test_its_own_id(state: State) -> None:
    assert grounds(stopping(FIRST), running(state=state)) == (FIRST, None)


@pytest.mark.parametrize(
    "sent",
    [{"wh": 10}, {"wh": 2**31}, {"at": BEGUN - HOUR}, {"id_tag": "OTHER"}, {"wh": 500_010}],
    ids=[
        "below its register",
        "beyond reach",
        "before its start",
        "another tag",
        "of another register",
    ],
)
def test_its_own_id_counts_if_no_other_transaction_fits(sent: dict[str, Any]) -> None:
    """The transaction is closed; the judge decides about the contradiction."""
    assert grounds(stopping(FIRST, **sent), running()) == (FIRST, None)


IMPOSSIBLE = [
    pytest.param({"wh": 500_010}, {}, id="too far from its register"),
    pytest.param({"wh": 7900}, {"reached_wh": 7700, "start_wh": None}, id="below its register"),
    pytest.param(
        {"at": BEGUN - HOUR, "wh": 500_010},
        {"begun": BEGUN - 3 * HOUR, "reached_at": BEGUN - HOUR - MINUTE},
        id="before its start",
    ),
]


@pytest.mark.parametrize(("sent", "other"), IMPOSSIBLE)
def test_its_own_id_is_overruled_if_it_is_impossible_and_exactly_one_other_fits(
    sent: dict[str, Any], other: dict[str, Any]
) -> None:
    match = match_stop(stopping(FIRST, **sent), [running(), elsewhere(**other)])
    assert match.transaction == SECOND
    assert match.doubt is not None
    assert match.doubt.code is Code.STOP_ELSEWHERE
    assert match.doubt.evidence[0] == f"transactionId {FIRST}"


def test_its_own_id_is_not_overruled_if_it_is_possible() -> None:
    assert grounds(stopping(FIRST), running(), elsewhere(reached_wh=8000, start_wh=1)) == (
        FIRST,
        None,
    )


def test_its_own_id_is_overruled_by_one_that_may_share_its_meter_only_below_its_readings() -> None:
    """Their registers are in the same range, so they do not distinguish the transactions."""
    sharing = elsewhere(start_wh=2000, reached_wh=7850)
    assert grounds(stopping(FIRST, wh=7900), running(), sharing) == (SECOND, "stop_elsewhere")
    assert grounds(stopping(FIRST, wh=8100, at=BEGUN - HOUR), running(), sharing) == (FIRST, None)


@pytest.mark.parametrize("reached", [None, 8500])
def test_its_own_id_is_not_overruled_by_one_that_began_in_its_range(reached: int | None) -> None:
    """They share a meter, as the start of the later one shows before its first reading."""
    other = running(SECOND, start_wh=5000, reached_at=BEGUN, reached_wh=reached, power_w=None)
    assert grounds(stopping(FIRST, wh=20_000), running(), other) == (FIRST, None)


def test_its_own_id_is_not_overruled_by_two_others() -> None:
    third = elsewhere()._replace(id=3)
    assert grounds(stopping(FIRST, wh=500_010), running(), elsewhere(), third) == (FIRST, None)


def test_its_own_id_is_not_overruled_by_one_that_was_stopped() -> None:
    assert grounds(stopping(FIRST, wh=500_010), running(), elsewhere(state=State.STOPPED)) == (
        FIRST,
        None,
    )


def test_its_own_id_is_not_overruled_by_a_register_that_was_not_read() -> None:
    """The other one began at 0."""
    fresh = elsewhere(start_wh=0, reached_wh=None)
    assert grounds(stopping(FIRST, wh=0), running(), fresh) == (FIRST, None)
    assert grounds(stopping(FIRST, wh=1), running(), fresh) == (SECOND, "stop_elsewhere")


def test_a_stale_id_means_the_only_open_transaction() -> None:
    """The charger repeats the id of a transaction that it stopped before."""
    stopped = running(state=State.STOPPED)
    fresh = running(
        SECOND, begun=BEGUN + HOUR, start_wh=8000, reached_at=BEGUN + HOUR, reached_wh=None
    )
    assert grounds(stopping(FIRST), stopped, fresh) == (SECOND, "stop_elsewhere")
    assert grounds(stopping(FIRST), stopped) == (FIRST, None)


@pytest.mark.parametrize("digit", [1, 10])
def test_a_stop_below_the_last_reading_by_its_last_digit_is_possible(digit: int) -> None:
    other = elsewhere(reached_wh=8000 - 2 * digit, start_wh=None)
    own = running(digit=digit)
    assert grounds(stopping(FIRST, wh=8000 - digit), own, other) == (FIRST, None)
    assert grounds(stopping(FIRST, wh=8000 - digit - 1), own, other._replace(digit=digit)) == (
        SECOND,
        "stop_elsewhere",
    )


# Without an ID


def test_without_an_id_the_only_fit_is_matched() -> None:
    assert grounds(stopping(), running()) == (FIRST, "stop_without_id")
    assert grounds(stopping(), running(), elsewhere()) == (FIRST, "stop_without_id")
    assert grounds(stopping(wh=500_010), running(), elsewhere()) == (SECOND, "stop_without_id")


@pytest.mark.parametrize("number", [NO_ID, 0, 7, 2**31, 2**40])
def test_an_unknown_id_counts_as_none(number: int) -> None:
    assert grounds(stopping(number), running()) == (FIRST, "stop_without_id")


def test_without_an_id_nothing_is_matched_if_two_fit() -> None:
    assert grounds(stopping(), running(), running(SECOND)) == (None, None)


def test_without_an_id_nothing_is_matched_without_transactions() -> None:
    assert grounds(stopping()) == (None, None)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State.SUSPENDED, FIRST),
        (State.CLOSED, FIRST),
        (State.JOINED, None),
        (State.STOPPED, None),
    ],
)
def test_without_an_id_one_that_its_charger_has_not_stopped(
    state: State, expected: int | None
) -> None:
    assert grounds(stopping(), running(state=state))[0] == expected


@pytest.mark.parametrize("state", [State.OPEN, State.SUSPENDED])
def test_without_an_id_an_open_one_before_one_that_the_system_closed(state: State) -> None:
    closed = running(SECOND, state=State.CLOSED)
    assert grounds(stopping(), running(state=state), closed) == (FIRST, "stop_without_id")


@pytest.mark.parametrize(
    ("sent", "fits"),
    [
        (None, True),
        ("", True),
        ("  ", True),
        ("TAG", True),
        ("tag", True),
        (" Tag ", True),
        ("OTHER", False),
    ],
)
def test_without_an_id_the_tag_of_its_start_or_none(sent: str | None, fits: bool) -> None:
    assert grounds(stopping(id_tag=sent), running()) == (
        (FIRST, "stop_without_id") if fits else (None, None)
    )


def test_a_tag_chooses_between_two() -> None:
    assert (
        grounds(stopping(id_tag="other"), running(), running(SECOND, id_tag="OTHER"))[0] == SECOND
    )


@pytest.mark.parametrize(
    ("available", "fits"),
    [
        (None, True),
        (BEGUN + HOUR + MINUTE, True),
        (BEGUN + HOUR + MINUTE - 2, True),
        (BEGUN + HOUR + 30, False),
    ],
)
def test_without_an_id_none_whose_connector_was_available_in_between(
    available: float | None, fits: bool
) -> None:
    assert (grounds(stopping(), running(available_at=available))[0] == FIRST) == fits
    assert grounds(stopping(FIRST), running(available_at=available)) == (FIRST, None)


@pytest.mark.parametrize(("wh", "fits"), [(7998, False), (7999, True), (8000, True)])
def test_without_an_id_never_against_its_readings(wh: int, fits: bool) -> None:
    assert (grounds(stopping(wh=wh), running())[0] == FIRST) == fits


@pytest.mark.parametrize(("start", "fits"), [(8100, True), (8102, False)])
def test_without_an_id_never_below_its_start(start: int, fits: bool) -> None:
    young = running(start_wh=start, reached_wh=None, reached_at=BEGUN)
    assert (grounds(stopping(), young)[0] == FIRST) == fits


@pytest.mark.parametrize(
    ("power", "wh", "fits"),
    [(7000.0, 8356, True), (7000.0, 8357, False), (None, 21_333, True), (None, 21_334, False)],
)
def test_without_an_id_within_reach(power: float | None, wh: int, fits: bool) -> None:
    """Two minutes, including the clock's jitter: at the power + 10 % + 100 Wh, or without power at
    400 kW."""
    assert (
        grounds(stopping(wh=wh), running(power_w=power, last_power_w=power))[0] == FIRST
    ) == fits


@pytest.mark.parametrize(("longest", "fits"), [(2 * HOUR, True), (0.0, False)])
def test_without_readings_the_duration_limits_the_rise(longest: float, fits: bool) -> None:
    young = running(
        reached_wh=None, reached_at=BEGUN, power_w=None, last_power_w=None, longest=longest
    )
    assert (grounds(stopping(wh=600_000), young)[0] == FIRST) == fits


@pytest.mark.parametrize(
    ("minutes", "is_timed", "fits"), [(-2, True, False), (-1, True, True), (-2, False, True)]
)
def test_without_an_id_not_before_its_start(minutes: int, is_timed: bool, fits: bool) -> None:
    """A minute is jitter; a clock that stands still shows nothing."""
    young = running(start_wh=8100, reached_wh=None, reached_at=BEGUN)
    stop = stopping(at=BEGUN + minutes * MINUTE, is_timed=is_timed)
    assert (grounds(stop, young)[0] == FIRST) == fits


def test_without_an_id_none_without_any_register() -> None:
    assert grounds(stopping(), running(start_wh=None, reached_wh=None)) == (None, None)
    assert grounds(stopping(), running(start_wh=None))[0] == FIRST


@pytest.mark.parametrize("watts", [0.0, 1000.0])
def test_power_decides_between_two(watts: float) -> None:
    """110 Wh and more in a minute: one drew 7 kW, the other waited."""
    waiting = running(SECOND, last_power_w=watts)
    assert grounds(stopping(wh=8190), running(), waiting) == (FIRST, "stop_without_id")
    assert grounds(stopping(wh=8050), running(), waiting) == (None, None)


def test_power_decides_nothing_if_one_reported_none() -> None:
    assert grounds(stopping(wh=8190), running(), running(SECOND, last_power_w=None)) == (None, None)


def test_a_doubt_states_how_many_were_considered() -> None:
    doubt = match_stop(stopping(), [running(), elsewhere()]).doubt
    assert doubt is not None
    assert doubt.evidence == ("transactionId -1", "2 sessions of this charger considered")


# IDs and tags


@pytest.mark.parametrize(
    ("number", "expected"), [(None, False), (-1, False), (0, False), (1, True), (2**31 - 1, True)]
)
def test_an_id(number: int | None, expected: bool) -> None:
    assert is_id(number) == expected
    assert not is_id(2**31)


def test_tags_are_compared_without_blanks_and_case() -> None:
    assert [comparable_tag(sent) for sent in (None, "", "  ", " Ab ", "AB", "STRASSE")] == [
        None,
        None,
        None,
        "ab",
        "ab",
        "strasse",
    ]


# Readings

NOW = BEGUN + 2 * HOUR


def covering(
    transaction: int = FIRST, state: State = State.OPEN, ended: float | None = None
) -> Covering:
    return Covering(transaction, state, ended)


@pytest.mark.parametrize(
    "newest", [None, covering(SECOND), covering(SECOND, State.STOPPED, NOW - HOUR)]
)
def test_readings_belong_to_the_open_transaction_that_they_name(newest: Covering | None) -> None:
    assert match_readings(NOW, covering(), newest) == FIRST


@pytest.mark.parametrize("state", ENDED)
def test_readings_belong_to_an_ended_one_that_they_name_if_no_other_ran(state: State) -> None:
    ended = covering(FIRST, state, NOW - HOUR)
    assert match_readings(NOW, ended, None) == FIRST
    assert match_readings(NOW, ended, ended) == FIRST
    assert match_readings(NOW, ended, covering(SECOND, State.STOPPED, NOW - MINUTE)) == FIRST


def test_a_stale_id_gives_way_to_the_open_transaction() -> None:
    stopped, fresh = covering(FIRST, State.STOPPED, NOW - HOUR), covering(SECOND)
    assert match_readings(NOW, stopped, fresh) == SECOND
    assert match_readings(NOW - HOUR, stopped, fresh) == FIRST


@pytest.mark.parametrize(
    ("start", "wh", "expected"), [(7640, 8000, SECOND), (7640, 8001, FIRST), (8000, 8000, FIRST)]
)
def test_without_an_id_the_only_one_whose_register_stood_there(
    start: int, wh: int, expected: int
) -> None:
    """Also if the system had closed it, and another connector's transaction has about the same
    register."""
    begun = running(
        start_wh=start, reached_wh=None, reached_at=BEGUN, power_w=None, last_power_w=None
    )
    closed = running(SECOND, state=State.CLOSED, reported=(1000, 8000))
    assert grounds(stopping(wh=wh), begun, closed) == (expected, "stop_without_id")


def test_a_full_car_is_led_to_its_stop_also_if_the_times_are_unknown() -> None:
    """The clock was set while both charged."""
    untimed: dict[str, Any] = {"begun": -math.inf, "reached_at": -math.inf, "last_power_w": 0.0}
    here, there = running(**untimed), elsewhere(**untimed)
    assert grounds(stopping(wh=8000), here, there) == (FIRST, "stop_without_id")
    assert grounds(stopping(wh=500_000), here, there) == (SECOND, "stop_without_id")


@pytest.mark.parametrize(
    ("wh", "seconds", "expected"),
    [(8200, 0, FIRST), (8099, 0, FIRST), (8300, 0, SECOND), (8200, 5, SECOND)],
    ids=["about its register", "below it", "another register", "another time"],
)
def test_a_stop_without_an_id_that_comes_twice_stops_no_other(
    wh: int, seconds: float, expected: int
) -> None:
    """The other one has no reading yet, and may have reached this register by any power."""
    at = BEGUN + HOUR + MINUTE
    stopped = running(state=State.JOINED, ended=at, ended_wh=8100)
    other = running(
        SECOND, start_wh=2000, reached_wh=None, reached_at=BEGUN, power_w=None, last_power_w=None
    )
    assert grounds(stopping(wh=wh, at=at + seconds), stopped, other) == (
        expected,
        "stop_without_id",
    )


@pytest.mark.parametrize("state", [State.JOINED, State.CLOSED])
def test_the_id_of_a_transaction_that_its_charger_did_not_stop_is_not_stale(state: State) -> None:
    assert match_readings(NOW, covering(FIRST, state, NOW - HOUR), covering(SECOND)) == FIRST


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        (None, None),
        (covering(), FIRST),
        (covering(FIRST, State.SUSPENDED), FIRST),
        (covering(FIRST, State.STOPPED, NOW), FIRST),
        (covering(FIRST, State.STOPPED, NOW - 1), None),
        (covering(FIRST, State.CLOSED, NOW - 1), None),
    ],
)
def test_without_an_id_readings_belong_to_the_one_that_ran_then(
    newest: Covering | None, expected: int | None
) -> None:
    assert match_readings(NOW, None, newest) == expected


@pytest.mark.parametrize(
    ("reported", "previous", "expected"),
    [
        (None, FIRST, FIRST),
        (-72, None, FIRST),
        (-72, -72, FIRST),
        (-72, FIRST, None),
        (-72, -71, None),
    ],
)
def test_readings_with_another_reported_id_belong_to_none(
    reported: int | None, previous: int | None, expected: int | None
) -> None:
    newest = covering()._replace(reported_id=previous)
    assert match_readings(NOW, None, newest, reported) == expected


@pytest.mark.parametrize(
    ("begun", "data_wh", "expected"),
    [
        pytest.param(TransactionBegin(BEGUN, 1000), 8100, FIRST, id="time and register"),
        pytest.param(
            TransactionBegin(BEGUN + 2, 0), 7100, FIRST, id="as much flowed by both counters"
        ),
        pytest.param(TransactionBegin(BEGUN, 900), 8100, None, id="another register"),
        pytest.param(TransactionBegin(BEGUN + MINUTE, 1000), 8100, None, id="another time"),
    ],
)
def test_without_an_id_the_one_with_the_begin_of_its_data(
    begun: TransactionBegin, data_wh: int, expected: int | None
) -> None:
    stop = stopping(begun=begun, data_wh=data_wh)
    other = running(SECOND, begun=BEGUN - HOUR)
    assert grounds(stop, running(), other)[0] == expected


@pytest.mark.parametrize(
    ("begun", "fits"),
    [
        pytest.param(TransactionBegin(BEGUN + HOUR, 7000), False, id="later and higher"),
        pytest.param(TransactionBegin(BEGUN + HOUR, 1000), True, id="later, at its register"),
        pytest.param(TransactionBegin(BEGUN + HOUR, 0), True, id="a register that was not read"),
        pytest.param(
            TransactionBegin(BEGUN + 6 * MINUTE, 1100), True, id="sent with its first readings"
        ),
    ],
)
def test_without_an_id_none_that_charged_before_the_begin_of_its_data(
    begun: TransactionBegin, fits: bool
) -> None:
    assert grounds(stopping(begun=begun), running(rose_at=BEGUN + 5 * MINUTE))[0] == (
        FIRST if fits else None
    )


def test_a_stop_with_the_begin_of_another_transaction_ends_that_one() -> None:
    """The charger names the newest transaction in each stop. Both are possible by their
    registers."""
    begun, stop_data = TransactionBegin(BEGUN, 1000), {"data_wh": 60_000}
    other = running(
        SECOND,
        begun=BEGUN + HOUR / 2,
        start_wh=5000,
        reached_wh=None,
        reached_at=BEGUN,
        power_w=None,
    )
    own = running(reached_wh=None, reached_at=BEGUN, power_w=None)
    stop = stopping(SECOND, 60_000, begun=begun, **stop_data)
    assert grounds(stop, own, other) == (FIRST, "stop_elsewhere")
    assert grounds(stop._replace(transaction=FIRST), own, other) == (FIRST, None)


def test_a_stop_with_the_begin_of_the_transaction_that_it_names_ends_that_one() -> None:
    """The readings of the other connector were taken for its own, so its register seems to be
    higher."""
    named, other = (
        running(reached_wh=12_000),
        running(SECOND, begun=BEGUN + HOUR / 2, reached_wh=7900),
    )
    stop = stopping(FIRST, 8000, begun=TransactionBegin(BEGUN, 1000), data_wh=8000)
    assert grounds(stop, named, other) == (FIRST, None)
    assert grounds(stop._replace(begun=None, data_wh=None), named, other) == (
        SECOND,
        "stop_elsewhere",
    )


@pytest.mark.parametrize(
    ("stood_at", "expected"),
    [(1000, (FIRST, None)), (7000, (SECOND, "stop_elsewhere"))],
    ids=["still", "rising"],
)
def test_a_register_that_stood_still_may_catch_up_where_another_one_is(
    stood_at: int, expected: object
) -> None:
    """The stop goes on from the other register. After two hours at 4 kW, its own can be there, too;
    after it rose by 6 kWh in the first hour, not by 3 kWh in one minute."""
    named = running(reached_wh=stood_at, reached_at=BEGUN + 2 * HOUR, power_w=4000.0, pace_w=4000.0)
    other = running(
        SECOND, start_wh=2000, reached_wh=9990, reached_at=BEGUN + 2 * HOUR, pace_w=7000.0
    )
    at = BEGUN + 2 * HOUR + MINUTE
    wh = 9000 if stood_at == 1000 else 10_010
    other = other._replace(reached_wh=wh - 20)
    assert grounds(stopping(FIRST, wh, at=at), named, other) == expected
