"""The price of a session: against a model of ten lines, and by hand for fees, limits, versions and
blocking."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.billing.pricing import (
    FlowLevel,
    SessionEvidence,
    Stay,
    Stretch,
    amount,
    base_fee,
    counted,
    price_by,
    price_session,
    quarter,
)
from levity_trio.billing.statement import Line, LineKind, Position, Split
from levity_trio.billing.tariff import Blocking, MovingPrice, NoVersion, Tariff, Versions, Window
from levity_trio.billing.windows import Recurrence, Times
from levity_trio.store.billing.rows import lines_of, lines_text, split_of, split_text
from tests.billing.cases import BERLIN, SECOND, START, moments, session, tariff

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NIGHT = Window(name="night", price=Decimal("0.22"), when=Recurrence((Times(22 * 60, 6 * 60),)))
DAY = Window(name="day", price=Decimal("0.34"))
DAY_AND_NIGHT = tariff(name="Day and night", windows=(NIGHT, DAY))


def priced(
    position: Position, *versions: Tariff, evidence: SessionEvidence | None = None
) -> Position:
    return price_session(
        position, evidence or SessionEvidence(), Versions(versions or [tariff()]), BERLIN
    )


def told(position: Position) -> list[tuple[str, str | None, int, int]]:
    return [(line.kind.value, line.window, line.quantity, line.amount) for line in position.lines]


# Energy


def test_a_flat_session() -> None:
    found = priced(session())
    assert told(found) == [("energy", None, 10_000, 320)]
    assert found.split is Split.WHOLE
    assert (found.id, found.transaction, found.amount) == (7, 3, 320)


def test_day_and_night_by_the_register() -> None:
    """In Berlin, 19:00 to 24:00 UTC in October are 21:00 to 02:00: an hour of day, four of
    night."""
    since = datetime(2026, 10, 1, 19, tzinfo=UTC)
    levels = [
        FlowLevel(since + 59 * MINUTE, 7000),
        FlowLevel(since + 60 * MINUTE, 7100),
        FlowLevel(since + 61 * MINUTE, 7101),
    ]
    found = priced(
        session(started_at=since, ended_at=since + 5 * HOUR),
        DAY_AND_NIGHT,
        evidence=SessionEvidence(levels=levels),
    )
    assert told(found) == [("energy", "day", 7100, 241), ("energy", "night", 2900, 64)]
    assert found.split is Split.REGISTER
    assert found.seams == ((since + HOUR, 7100),)
    assert split_of(split_text(found) or "") == {"split": found.split, "seams": found.seams}


def test_one_line_for_all_nights_of_a_session() -> None:
    since = datetime(2026, 10, 1, 10, tzinfo=UTC)
    found = priced(
        session(started_at=since, ended_at=since + 48 * HOUR, energy_wh=48_000), DAY_AND_NIGHT
    )
    assert told(found) == [("energy", "day", 32_000, 1088), ("energy", "night", 16_000, 352)]


def test_the_hour_that_comes_twice_is_night_twice() -> None:
    """From 00:00 to 12:00 local time on 25 October are 13 hours, 7 of them before six."""
    since = datetime(2026, 10, 24, 22, tzinfo=UTC)
    found = priced(
        session(started_at=since, ended_at=since + 13 * HOUR, energy_wh=13_000), DAY_AND_NIGHT
    )
    assert [(line.window, line.quantity) for line in found.lines] == [
        ("night", 7000),
        ("day", 6000),
    ]


def test_each_part_at_the_version_of_its_time() -> None:
    later = tariff(since=date(2026, 10, 2), windows=(Window(name=None, price=Decimal("0.40")),))
    since = datetime(2026, 10, 1, 21, tzinfo=UTC)  # 23:00 in Berlin
    found = priced(session(started_at=since, ended_at=since + 4 * HOUR), tariff(), later)
    assert [(line.version, line.quantity, line.amount) for line in found.lines] == [
        (date(2026, 1, 1), 2500, 80),
        (date(2026, 10, 2), 7500, 300),
    ]


def test_windows_of_a_later_version_begin_within_a_session() -> None:
    """From 23:00 to 07:00 in Berlin, 1 kWh an hour: one hour of the flat version, which knows no
    window, six of the night that the next version has until 06:00, one of its day."""
    later = tariff(since=date(2026, 10, 2), windows=(NIGHT, DAY))
    at = datetime(2026, 10, 1, 21, tzinfo=UTC)
    found = priced(session(started_at=at, ended_at=at + 8 * HOUR, energy_wh=8000), tariff(), later)
    assert told(found) == [
        ("energy", None, 1000, 32),
        ("energy", "night", 6000, 132),
        ("energy", "day", 1000, 34),
    ]


def test_sun_is_at_the_version_of_its_time() -> None:
    """A quarter of an hour before midnight and one after it, 500 Wh of sun in each."""
    at = datetime(2026, 10, 1, 21, 45, tzinfo=UTC)  # 23:45 in Berlin
    before = tariff(sun_price=Decimal("0.10"))
    after = tariff(since=date(2026, 10, 2), sun_price=Decimal("0.20"))
    one = quarter(at)
    found = priced(
        session(started_at=at, ended_at=at + 30 * MINUTE, energy_wh=1000),
        *(before, after),
        evidence=SessionEvidence(sun={one: 500, one + 1: 500}, measured={one, one + 1}),
    )
    assert [(line.version, line.quantity, line.amount) for line in found.lines] == [
        (date(2026, 1, 1), 500, 5),
        (date(2026, 10, 2), 500, 10),
    ]


def test_a_price_of_a_series_has_the_tax_of_energy() -> None:
    """A series at 1.00 net is 1.07 gross where energy is taxed at 7 %, whatever other kinds are."""
    rates = ((LineKind.ENERGY, Decimal(7)), (LineKind.SESSION, Decimal(19)))
    market = MovingPrice(series="Market")
    gross, net = tariff(tax_rates=rates), tariff(tax_rates=rates, are_gross=False)
    assert price_by(gross, market, Fraction(1), is_gross=False) == Fraction("1.07")
    assert price_by(net, market, Fraction("1.07"), is_gross=True) == 1


def test_a_window_without_energy_has_no_line() -> None:
    since = datetime(2026, 10, 1, 19, 30, tzinfo=UTC)
    evidence = SessionEvidence(levels=[FlowLevel(since + 10 * MINUTE, 10_000)])
    assert told(
        priced(session(started_at=since, ended_at=since + HOUR), DAY_AND_NIGHT, evidence=evidence)
    ) == [("energy", "day", 10_000, 340)]


@given(moments, st.integers(0, 3 * 86_400), st.integers(100, 10**6), st.decimals(-1, 5, places=6))
@settings(deadline=None)
def test_energy_against_a_model(at: datetime, length: int, wh: int, price: Decimal) -> None:
    """Without evidence energy is even; each line is quantity × price, rounded once; Wh add up.

    In three days there are at most four nights; each is whole Wh.
    """
    windows = (NIGHT, Window(name="day", price=price))
    found = priced(
        session(started_at=at, ended_at=at + length * SECOND, energy_wh=wh),
        tariff(windows=windows, free_below_wh=0),
    )
    assert sum(line.quantity for line in found.lines) == wh
    night = sum(
        (at + second * SECOND).astimezone(BERLIN).hour in (22, 23, 0, 1, 2, 3, 4, 5)
        for second in range(0, length, 60)
    )
    for line in found.lines:
        exact = line.quantity * {"night": NIGHT.price, "day": price}[str(line.window)] / 10
        assert line.amount == exact.quantize(Decimal(1), ROUND_HALF_UP)
        if line.window == "night" and length:
            assert abs(line.quantity - wh * night * 60 / length) <= 4 + wh * 8 * 60 / length


def test_sun_comes_first_in_a_quarter_in_which_a_window_begins() -> None:
    """From noon to 12:15, 1,500 Wh flow evenly, and the dear window begins at 12:05: 500 Wh before,
    1,000 Wh after. Of 800 Wh of sun, 500 are used up by then, so 300 are left for it."""
    windows = (
        Window(name="cheap", price=Decimal("0.20"), when=Recurrence((Times(0, 12 * 60 + 5),))),
        Window(name="dear", price=Decimal("0.40")),
    )
    one = quarter(START)
    found = priced(
        session(ended_at=START + 15 * MINUTE, energy_wh=1500),
        tariff(windows=windows, sun_price=Decimal("0.10")),
        evidence=SessionEvidence(sun={one: 800}, measured={one}),
    )
    assert told(found) == [("energy", "sun", 800, 8), ("energy", "dear", 700, 28)]


# Free, fees, limits


@pytest.mark.parametrize(
    ("wh", "least", "is_free"),
    [(99, 100, True), (100, 100, False), (0, 0, False), (100, 101, True)],
)
def test_below_the_least_energy_all_is_free(wh: int, least: int, *, is_free: bool) -> None:
    terms = tariff(session_fee=Decimal("0.50"), minimum=Decimal(2), free_below_wh=least)
    assert (not priced(session(energy_wh=wh), terms).lines) is is_free


def test_a_fee_for_each_session() -> None:
    assert told(priced(session(), tariff(session_fee=Decimal("0.505"))))[1:] == [
        ("session fee", None, 1, 51)
    ]


@pytest.mark.parametrize(
    ("minimum", "maximum", "limit"),
    [
        (None, None, []),
        ("3.20", "3.20", []),
        ("5", "9", [("minimum", None, 1, 180)]),
        ("1", "3", [("maximum", None, 1, -20)]),
    ],
)
def test_limits(minimum: str | None, maximum: str | None, limit: list[object]) -> None:
    terms = tariff(minimum=minimum and Decimal(minimum), maximum=maximum and Decimal(maximum))
    found = priced(session(), terms)
    assert told(found)[1:] == limit


def test_a_minimum_after_a_negative_price() -> None:
    terms = tariff(windows=(Window(name="noon", price=Decimal("-0.05")),), minimum=Decimal(0))
    assert priced(session(), terms).amount == 0


@pytest.mark.parametrize(
    ("field", "first", "second", "expected"),
    [
        ("session_fee", "1.00", "2.00", [("session fee", None, 1, 100)]),
        ("minimum", "5.00", "7.00", [("minimum", None, 1, 180)]),
        ("maximum", "3.00", "2.00", [("maximum", None, 1, -20)]),
        ("free_below_wh", "100", "20000", []),
    ],
)
def test_what_is_of_a_whole_session_is_by_the_version_in_which_it_began(
    field: str, first: str, second: str, expected: list[object]
) -> None:
    """From 23:00 to 01:00 in Berlin; another version holds from midnight on. 10 kWh cost 3.20 by
    both, half of it on each side."""
    at = datetime(2026, 10, 1, 21, tzinfo=UTC)
    before = tariff(**{field: Decimal(first)})
    after = tariff(since=date(2026, 10, 2), **{field: Decimal(second)})
    found = priced(session(started_at=at, ended_at=at + 2 * HOUR), before, after)
    energy = ("energy", None, 5000, 160)
    assert told(found) == [energy, energy, *expected]


@pytest.mark.parametrize("changed", [{"started_at": None}, {"ended_at": None}])
def test_an_open_session_has_no_price(changed: dict[str, None]) -> None:
    with pytest.raises(ValueError, match="without start or end"):
        priced(session(**changed))


def test_a_stop_before_the_start_counts_as_at_the_start() -> None:
    assert told(priced(session(ended_at=START - HOUR), DAY_AND_NIGHT)) == [
        ("energy", "day", 10_000, 340)
    ]


def test_before_the_first_version() -> None:
    with pytest.raises(NoVersion):
        priced(session(), tariff(since=date(2027, 1, 1)))


# Blocking

TERMS = Blocking(price=Decimal("0.10"), grace_minutes=30)


def minutes_of(stay: Stay, terms: Blocking = TERMS) -> int:
    return counted(stay, terms, BERLIN).minutes


def stay(minutes: float, available: float | None = None, **spans: Sequence[Stretch]) -> Stay:
    free_at = None if available is None else START + available * MINUTE
    return Stay(
        last_energy_at=START, stopped_at=START + minutes * MINUTE, available_at=free_at, **spans
    )


def stretches(*minutes: tuple[float, float]) -> list[Stretch]:
    return [(START + since * MINUTE, START + until * MINUTE) for since, until in minutes]


@pytest.mark.parametrize(
    ("minutes", "expected"), [(0, 0), (30, 0), (30.01, 1), (31, 1), (31.5, 2), (90, 60)]
)
def test_begun_minutes_after_the_grace(minutes: float, expected: int) -> None:
    assert minutes_of(stay(minutes)) == expected


@pytest.mark.parametrize(
    ("is_until_available", "available", "expected"),
    [(False, 120, 30), (True, 120, 90), (True, None, 30), (True, 10, 30)],
)
def test_until_the_stop_or_until_available(
    *, is_until_available: bool, available: float | None, expected: int
) -> None:
    terms = Blocking(price=TERMS.price, grace_minutes=30, is_until_available=is_until_available)
    assert minutes_of(stay(60, available), terms) == expected


@given(
    st.integers(0, 600),
    st.lists(st.tuples(st.integers(-60, 700), st.integers(-60, 700)), max_size=5),
)
def test_excused_minutes_never_count(length: int, excused: list[tuple[int, int]]) -> None:
    """Spans overlap, lie outside, or are the wrong way round: each minute is taken off once."""
    counted = [
        minute
        for minute in range(30, length)
        if not any(since <= minute < until for since, until in excused)
    ]
    assert minutes_of(stay(length, excused=stretches(*excused))) == len(counted)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([(-60, -40)], 90),  # long before the last energy
        ([(-20, 5)], 85),  # around it: the grace begins at 5
        ([(10, 40)], 50),  # the grace would run out within
        ([(50, 70)], 40),  # 30 to 50, and from 100 on
        # 30 to 50, and from 111 on: the second begins in the grace of the first
        (
            [(50, 60), (80, 81)],
            29,
        ),
        ([(60, 120)], 30),  # to the stop
        ([(0, 120)], 0),
    ],
)
def test_after_each_time_in_which_a_car_was_held_back_the_grace_begins_anew(
    held: list[tuple[int, int]], expected: int
) -> None:
    """Two hours, with 30 minutes of grace."""
    assert minutes_of(stay(120, held=stretches(*held))) == expected


def test_a_car_that_was_held_back_to_the_stop_has_the_grace_to_leave() -> None:
    terms = Blocking(price=TERMS.price, grace_minutes=30, is_until_available=True)
    assert minutes_of(stay(60, 75, held=stretches((40, 60))), terms) == 10
    assert minutes_of(stay(60, 95, held=stretches((40, 60))), terms) == 15


@given(
    st.integers(0, 600),
    *[st.lists(st.tuples(st.integers(-60, 700), st.integers(1, 99)), max_size=5)] * 2,
)
def test_held_and_excused_minutes_are_taken_off_once(
    length: int, held: list[tuple[int, int]], excused: list[tuple[int, int]]
) -> None:
    """Against a minute hand. Spans are given by begin and length."""
    off = [(since, since + lasts + 30) for since, lasts in held]
    off += [(since, since + lasts) for since, lasts in excused]
    counted = [
        minute
        for minute in range(30, length)
        if not any(since <= minute < until for since, until in off)
    ]
    spans = [
        stretches(*((since, since + lasts) for since, lasts in some)) for some in (held, excused)
    ]
    assert minutes_of(stay(length, held=spans[0], excused=spans[1])) == len(counted)


def test_fees_are_of_the_local_day() -> None:
    """In Berlin, 22:30 UTC is half past midnight of the next day, when fees begin."""
    at = datetime(2026, 10, 1, 22, 30, tzinfo=UTC)
    position = session(started_at=at, ended_at=at + HOUR)
    fees = tariff(since=date(2026, 10, 2), session_fee=Decimal(1), blocking=TERMS)
    blocked = Stay(last_energy_at=at, stopped_at=at + HOUR, available_at=None)
    found = priced(position, tariff(), fees, evidence=SessionEvidence(stay=blocked))
    assert told(found)[1:] == [("session fee", None, 1, 100), ("blocking fee", None, 30, 300)]


def test_a_car_that_stays_over_a_change_of_the_tariff_pays_the_fee_of_when_it_was_full() -> None:
    """It comes on the first, is full at 23:30 on the second, and leaves at 00:30 on the third: an
    hour at the price of the second."""
    fees = [
        tariff(since=date(2026, 10, day), blocking=Blocking(price=Decimal(price)))
        for day, price in ((1, "0.05"), (2, "0.10"), (3, "0.50"))
    ]
    full_at = datetime(2026, 10, 2, 21, 30, tzinfo=UTC)  # 23:30 in Berlin
    left_at = full_at + HOUR
    found = priced(
        session(ended_at=left_at),
        *fees,
        evidence=SessionEvidence(stay=Stay(last_energy_at=full_at, stopped_at=left_at)),
    )
    assert told(found)[-1] == ("blocking fee", None, 60, 600)


def test_free_hours_are_local() -> None:
    """12:00 in Berlin plus grace until 12:00 the next day, without 22:00 to 07:00."""
    terms = Blocking(
        price=TERMS.price, grace_minutes=30, free=Recurrence((Times(22 * 60, 7 * 60),))
    )
    assert minutes_of(stay(24 * 60), terms) == 24 * 60 - 30 - 9 * 60
    charged = counted(stay(24 * 60), terms, BERLIN).charged
    assert charged == stretches((30, 10 * 60), (19 * 60, 24 * 60))


def test_the_fee_for_blocking_and_its_maximum() -> None:
    terms = tariff(blocking=Blocking(price=Decimal("0.10"), grace_minutes=30, maximum=Decimal(5)))
    found = priced(session(), terms, evidence=SessionEvidence(stay=stay(90)))
    assert found.lines[1].times == stretches((30, 90))[0]
    assert lines_of(lines_text(found.lines)) == found.lines
    assert told(found)[1:] == [
        ("blocking fee", None, 60, 600),
        ("maximum", "blocking fee", 1, -100),
    ]
    assert told(priced(session(), terms, evidence=SessionEvidence(stay=stay(80))))[1:] == [
        ("blocking fee", None, 50, 500)
    ]
    assert told(priced(session(), terms, evidence=SessionEvidence(stay=stay(30))))[1:] == []
    assert told(priced(session(), terms))[1:] == []


def test_what_a_maximum_takes_off_is_taxed_as_what_it_limits() -> None:
    rates = (
        (LineKind.ENERGY, Decimal(7)),
        (LineKind.SESSION, Decimal(7)),
        (LineKind.BLOCKING, Decimal(19)),
    )
    terms = tariff(
        tax_rates=rates, blocking=Blocking(price=Decimal(1), maximum=Decimal(5)), maximum=Decimal(6)
    )
    found = priced(session(), terms, evidence=SessionEvidence(stay=stay(10)))
    assert [(line.kind, line.tax_rate, line.amount) for line in found.lines] == [
        (LineKind.ENERGY, Decimal(7), 320),
        (LineKind.BLOCKING, Decimal(19), 1000),
        (LineKind.MAXIMUM, Decimal(19), -500),
        (LineKind.MAXIMUM, Decimal(7), -220),
    ]


# Base fee


def base(since: date, until: date, *versions: Tariff) -> list[tuple[int, int | None, int]]:
    return [
        (line.quantity, line.of_days, line.amount)
        for line in base_fee(Versions(versions), since, until)
    ]


def test_a_base_fee_is_by_days() -> None:
    terms = tariff(base_fee=Decimal("4.90"))
    assert base(date(2026, 10, 1), date(2026, 11, 1), terms) == [(31, 31, 490)]
    assert base(date(2026, 10, 12), date(2026, 11, 1), terms) == [(20, 31, 316)]
    assert base(date(2026, 2, 28), date(2026, 3, 1), terms) == [(1, 28, 18)]
    assert base(date(2026, 10, 5), date(2026, 10, 5), terms) == []
    assert base(date(2026, 10, 1), date(2026, 11, 1), tariff()) == []


def test_a_base_fee_of_two_versions() -> None:
    """The same fee is rounded once; another one is a line of its own."""
    old = tariff(base_fee=Decimal("5.01"))
    october = date(2026, 10, 1), date(2026, 11, 1)
    assert base(*october, old, tariff(base_fee=Decimal("5.01"), since=date(2026, 10, 16))) == [
        (31, 31, 501)
    ]
    assert base(*october, old, tariff(base_fee=Decimal(7), since=date(2026, 10, 16))) == [
        (15, 31, 242),
        (16, 31, 361),
    ]
    assert base(*october, old, tariff(since=date(2026, 10, 16))) == [(15, 31, 242)]
    rates = ((LineKind.ENERGY, Decimal(7)),)
    taxed = tariff(base_fee=Decimal("5.01"), since=date(2026, 10, 16), tax_rates=rates)
    of_both = base_fee(Versions((old, taxed)), *october)
    taxes = [(line.quantity, line.tax_rate) for line in of_both]
    assert taxes == [(15, Decimal(19)), (16, Decimal(7))]


def test_a_base_fee_is_of_one_month() -> None:
    with pytest.raises(ValueError, match="more than one month"):
        base(date(2026, 10, 1), date(2026, 11, 2), tariff(base_fee=Decimal(1)))


def test_every_line_is_its_quantity_times_its_price() -> None:
    terms = tariff(
        windows=(NIGHT, DAY),
        session_fee=Decimal("0.333333"),
        minimum=Decimal(2),
        maximum=Decimal(5),
        blocking=Blocking(price=Decimal("0.055"), maximum=Decimal(4)),
        base_fee=Decimal("4.90"),
    )
    position = session(ended_at=START + 20 * HOUR, energy_wh=12_345)
    lines: Sequence[Line] = priced(position, terms, evidence=SessionEvidence(stay=stay(600))).lines
    assert len(lines) == 6
    for line in [*lines, *base_fee(Versions([terms]), date(2026, 10, 3), date(2026, 10, 9))]:
        assert line.amount == amount(line.kind, line.quantity, line.of_days, line.price, terms)
