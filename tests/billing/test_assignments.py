"""Which tariff holds for whom, against a model of days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.billing.assignments import (
    SITE,
    Assignment,
    Scope,
    TariffTarget,
    decide,
    in_force,
    targets_of,
)

DAYS = [date(2026, 2, 25) + timedelta(days=number) for number in range(8)]
ANNA, CHARGER = TariffTarget(Scope.ACCOUNT, "7"), TariffTarget(Scope.CHARGER, "CP-1")
FLAT, NIGHT = 1, 2


def assignment(
    number: int, since: date, tariff: int | None, target: TariffTarget = SITE
) -> Assignment:
    return Assignment(number, target, since, tariff, "", "cleo", None)


def ordered(found: Sequence[Assignment]) -> list[Assignment]:
    return sorted(found, key=lambda one: (one.since, one.id))


entries = st.lists(
    st.tuples(st.sampled_from(DAYS), st.sampled_from([None, FLAT, NIGHT])), max_size=6
)


@given(entries)
def test_the_newest_row_of_the_last_day_counts(entered: list[tuple[date, int | None]]) -> None:
    rows = [assignment(number, *one) for number, one in enumerate(entered)]
    calendar: dict[date, Assignment] = {}
    for row in rows:  # in the order of entry, each row takes its day
        calendar[row.since] = row
    for day in DAYS:
        since = max((one for one in calendar if one <= day), default=None)
        assert in_force(ordered(rows), day) == (None if since is None else calendar[since])


@given(st.dictionaries(st.sampled_from([ANNA, CHARGER, SITE]), entries))
def test_what_goes_before(entered: dict[TariffTarget, list[tuple[date, int | None]]]) -> None:
    known = {
        target: ordered([assignment(number, *one, target) for number, one in enumerate(rows)])
        for target, rows in entered.items()
    }
    for day in DAYS:
        holding = [in_force(known.get(target, []), day) for target in (ANNA, CHARGER, SITE)]
        wanted = [one for one in holding if one is not None and one.tariff is not None]
        found = decide(targets_of(7, "CP-1"), day, lambda target: known.get(target, []))
        assert found == (wanted[0] if wanted else None)


@pytest.mark.parametrize(
    ("account", "charger", "targets"),
    [
        (7, "CP-1", [ANNA, CHARGER, SITE]),
        (None, "CP-1", [CHARGER, SITE]),
        (7, None, [ANNA, SITE]),
        (None, None, [SITE]),
    ],
)
def test_who_has_a_tariff(
    account: int | None, charger: str | None, targets: list[TariffTarget]
) -> None:
    assert targets_of(account, charger) == targets
