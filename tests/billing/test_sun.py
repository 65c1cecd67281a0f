"""The house's own sun: what of it went into cars, and how sessions share it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from levity_trio.billing.sun import SunMeasured, shares
from tests.store.recomputed import Measured, shared

WH = st.integers(0, 3000)
ENERGIES = st.dictionaries(st.integers(1, 9), WH | st.sampled_from((0, 1, 7)), max_size=6)


@given(ENERGIES, st.integers(-10, 20_000))
def test_shares_are_whole_and_in_proportion(wh: dict[int, int], sun: int) -> None:
    found, total = shares(wh, sun), sum(wh.values())
    assert found.keys() == wh.keys()
    assert sum(found.values()) == max(0, min(sun, total))
    for one, own in found.items():
        assert 0 <= own <= wh[one]
        assert abs(own * total - max(0, min(sun, total)) * wh[one]) < max(total, 1)


@given(ENERGIES, st.integers(0, 20_000))
def test_shares_are_those_of_the_program_beside_in_any_order(wh: dict[int, int], sun: int) -> None:
    assert shares(wh, sun) == shared(wh, sun)
    assert shares(dict(reversed(wh.items())), sun) == shares(wh, sun)


@given(ENERGIES, st.integers(0, 20_000))
def test_who_took_more_has_no_less(wh: dict[int, int], sun: int) -> None:
    found = shares(wh, sun)
    for one, own in found.items():
        assert all(own <= other for two, other in found.items() if wh[two] > wh[one])


MEASURED = st.tuples(
    st.integers(0, 900) | st.just(900), WH, WH, WH, st.just(0) | WH, st.just(0) | WH
)


@given(MEASURED, WH, WH)
def test_of_cars_is_never_more_than_cars_took_or_panels_gave(
    row: tuple[int, ...], cars: int, more: int
) -> None:
    measured = SunMeasured(*row)
    found = measured.of_cars(cars)
    assert found == Measured(*row).sun_of(cars)
    assert 0 <= found <= min(cars, measured.generation_wh)
    assert found <= cars * measured.seconds // 900
    assert measured.of_cars(cars + more) >= found


@given(WH, WH, WH, WH, WH)
def test_what_the_house_took_is_no_sun_of_cars(
    generation: int, house: int, cars: int, charge: int, discharge: int
) -> None:
    """From what flowed: the battery is filled before the grid is fed, and gives no sun."""
    left = generation + discharge - house - cars - charge
    measured = SunMeasured(900, max(0, -left), max(0, left), generation, charge, discharge)
    assert measured.of_cars(cars) == max(0, min(cars, generation, generation - house))
