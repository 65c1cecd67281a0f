"""Failing connections: the effects for the shell, and when they come."""

from itertools import pairwise

import pytest

from levity_trio.simulator.provable import prove
from tests.simulator.quirks.driven import Driven, an_hour

HOUR = 3600
DAYS = 4


def days(*names: str) -> Driven:
    """Four days with a long transaction every six hours."""
    driven = Driven(*names)
    for number in range(4 * DAYS):
        driven.session(6.0 * HOUR * number + 100, 4 * HOUR)
    driven.run(DAYS * 24 * HOUR)
    return driven


@pytest.mark.parametrize(
    ("name", "kind", "least", "most"),
    [("silent-death", "freeze", 20 * 60, 40 * 60), ("half-closed", "half-close", 60, 600)],
)
def test_a_line_dies_every_few_hours(name: str, kind: str, least: float, most: float) -> None:
    connection_effects = days(name).connection_effects
    assert {effect.kind for _, effect in connection_effects} == {kind}
    assert all(least <= effect.seconds <= most for _, effect in connection_effects)
    assert DAYS * 6 <= len(connection_effects) <= DAYS * 24


@pytest.mark.parametrize("name", ["silent-death", "half-closed", "reconnect-storm"])
def test_it_happens_in_sessions_too_and_no_session_is_lost(name: str) -> None:
    driven = days(name)
    in_sessions = [at for at, _ in driven.connection_effects if at % (6 * HOUR) < 4 * HOUR]
    assert in_sessions
    assert len(in_sessions) < len(driven.connection_effects)
    ledger = driven.charger.ledger
    assert len(ledger) == 4 * DAYS
    assert all(entry.is_ended and prove(entry).proved_wh == entry.energy_wh for entry in ledger)
    assert len(driven.told("StopTransaction")) == 4 * DAYS


def test_a_storm_drops_the_connection_many_times_in_a_row() -> None:
    connection_effects = days("reconnect-storm").connection_effects
    assert {(effect.kind, effect.seconds) for _, effect in connection_effects} == {("drop", 0.5)}
    storms = [1]
    for (before, _), (after, _) in pairwise(connection_effects):
        if after - before < 5 * 60:
            storms[-1] += 1
        else:
            storms.append(1)
    assert all(8 <= drops <= 20 for drops in storms[:-1])
    assert len(storms) > DAYS * 4


def test_without_a_quirk_no_line_dies() -> None:
    assert not days().connection_effects


@pytest.mark.parametrize("name", ["silent-death", "half-closed", "reconnect-storm", "answers-garbage"])
def test_what_is_planned_goes_with_the_power_and_comes_with_it(name: str) -> None:
    driven = Driven(name)
    driven.run(60)
    assert driven.charger.agenda.next_due is not None
    driven.charger.power_off(60.0)
    assert driven.charger.agenda.next_due is None
    driven.charger.power_on(100.0)
    assert driven.charger.agenda.next_due is not None


def test_a_charger_that_is_offline_has_no_line_to_kill() -> None:
    driven = Driven("silent-death", "half-closed", "reconnect-storm", "answers-garbage")
    driven.charger.go_offline(0.0)
    driven.run(24 * HOUR)
    assert [effect.kind for _, effect in driven.connection_effects] == ["drop"]
    assert not driven.texts


def test_nothing_else_is_another() -> None:
    for name in ("silent-death", "half-closed", "reconnect-storm"):
        for action in ("StartTransaction", "MeterValues", "StopTransaction"):
            assert an_hour(name).told(action) == an_hour().told(action)
