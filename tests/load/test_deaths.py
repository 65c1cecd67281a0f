"""A server dies, and no feeder gets more than it carries; the whole table with `just deaths`."""

from __future__ import annotations

from statistics import median

import pytest

from levity_trio.load.rule import OUTAGE
from tests.sizes import size
from tests.tools.load.deaths import Death, Site, evening, week
from tests.tools.load.nights import HOUR

EVENINGS = size(6, 1)
NEARLY = 1e-6


@pytest.mark.night
@pytest.mark.parametrize(
    ("site", "most"),
    [
        (Site(25), 1.0),
        (Site(32, taper=True), OUTAGE),
        (Site(40, house=1.0), OUTAGE),
    ],
    ids=["alone", "with taper", "with the house"],
)
def test_a_feeder_carries_what_flows_in_the_hour_after_a_death(site: Site, most: float) -> None:
    found = [
        hour
        for night in range(EVENINGS)
        for hour in evening(site, 1, night, [*Death][:: size(1, 2)])
    ]
    assert max(hour.peak for hour in found) > 0.6, "cars charge"
    for hour in found:
        if hour.is_within:
            assert hour.peak <= most + NEARLY, hour
            assert not hour.has_tripped


def test_the_model_sees_whoever_gets_the_safe_limit_too_early() -> None:
    found = evening(Site(25, at_once=True), 1, 0, [Death.KILLED] * 4)
    assert max(hour.peak for hour in found) > OUTAGE
    assert all(0 < hour.at - 17 * HOUR < 6 * HOUR for hour in found)


@pytest.mark.night
def test_no_charger_is_sent_more_profiles_a_day_than_its_memory_stands() -> None:
    sent = week(Site(32, house=1.0), 1, days=size(7, 1))
    assert median(sent) <= 35
    assert max(sent) <= 100
