"""Readings of chargers under load management take less than those of others, though they are three
times as many."""

from tests.tools.benchmarks.managed import Day, grown


def test_a_charger_under_load_management_takes_less() -> None:
    day = Day(chargers=1, hours=4)
    plain, managed = (grown(day, is_managed=one) for one in (False, True))
    assert managed.readings == 3 * plain.readings
    assert managed.rows < plain.rows
    assert managed.bytes < plain.bytes
