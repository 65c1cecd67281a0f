"""Decides which tariff holds for whom: an account's before its charger's, that before the site's.
Days are local."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple


class Scope(StrEnum):
    """A tariff is assigned for one of these; the first for which a tariff holds counts."""

    ACCOUNT = "account"
    CHARGER = "charger"
    SITE = "site"


class TariffTarget(NamedTuple):
    """An account (`key` is its number as text), a charger (its identity), or the site (an empty
    text)."""

    scope: Scope
    key: str


SITE: Final = TariffTarget(Scope.SITE, "")


class Assignment(NamedTuple):
    """A tariff (its number), or none, holds for a target from a day on. `at` and `by` say when and
    who entered this."""

    id: int
    target: TariffTarget
    since: date
    tariff: int | None
    at: str
    by: str
    reason: str | None


def in_force(assignments: Sequence[Assignment], day: date) -> Assignment | None:
    """Return the assignment of one target that holds on a day; they are in the order of days, then
    of entry."""
    number = bisect_right(assignments, day, key=lambda assignment: assignment.since)
    return assignments[number - 1] if number else None


def decide(
    targets: Sequence[TariffTarget],
    day: date,
    assignments_of: Callable[[TariffTarget], Sequence[Assignment]],
) -> Assignment | None:
    """Return the assignment whose tariff holds on a day: that of the first target for which one
    does."""
    for target in targets:
        assignment = in_force(assignments_of(target), day)
        if assignment is not None and assignment.tariff is not None:
            return assignment
    return None


def targets_of(account: int | None, charger: str | None) -> list[TariffTarget]:
    """Return the targets whose tariffs may hold for an account at a charger, in their order."""
    targets = [] if account is None else [TariffTarget(Scope.ACCOUNT, str(account))]
    targets += [] if charger is None else [TariffTarget(Scope.CHARGER, charger)]
    return [*targets, SITE]
