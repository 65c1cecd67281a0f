"""The tariffs that hold, from the stored versions and assignments. Only reads, so the writer and
read-only connections share it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

from levity_trio.billing.assignments import Assignment, TariffTarget, decide, targets_of
from levity_trio.billing.tariff import Tariff, Versions
from levity_trio.billing.tariff_file import parse
from levity_trio.store.billing.months import begun
from levity_trio.store.engine.database import Rows

PARSED: Final = 256
"""Texts whose tariffs are kept in memory."""
_ASSIGNMENTS: Final = (
    "SELECT id, since, tariff_id, assigned_at, assigned_by, reason FROM tariff_assignment"
    " WHERE scope = ? AND key = ? ORDER BY since, id"
)
_VERSIONS: Final = (
    "SELECT name, toml FROM tariff_version JOIN tariff ON tariff.id = tariff_id"
    " WHERE tariff_id = ? AND withdrawn_at IS NULL"
)

parsed = lru_cache(maxsize=PARSED)(parse)


def first_open_day(rows: Rows) -> date | None:
    """Return the first day of the first month that is not closed; None before a month was
    closed."""
    known = begun(rows)
    return None if known is None or not known.is_closed else known.open_month.first_day


def assignments_of(rows: Rows, target: TariffTarget) -> list[Assignment]:
    """Return the assignments of a target in the order of their days, then of their entry."""
    found = rows(_ASSIGNMENTS, target)
    return [
        Assignment(number, target, date.fromisoformat(since), *rest)
        for number, since, *rest in found
    ]


def versions_of(rows: Rows, tariff: int) -> list[Tariff]:
    """Return the versions of a tariff that were not withdrawn. All have the name of the tariff as
    it is stored."""
    return [replace(parsed(text), name=name) for name, text in rows(_VERSIONS, (tariff,))]


class Trial(NamedTuple):
    """A version of a tariff, as if it had always held: for a target, or (None) wherever its tariff
    is assigned.

    `number` is that of the tariff, 0 if it is not there yet.
    """

    tariff: Tariff
    number: int
    target: TariffTarget | None


class Tariffs:
    """Finds which tariffs hold, within one read; what it looked up is kept. A trial goes before
    what is stored."""

    def __init__(self, rows: Rows, trial: Trial | None = None) -> None:
        self._rows = rows
        self._assignments: dict[TariffTarget, list[Assignment]] = {}
        self._versions: dict[int, Versions | None] = {}
        if trial is not None:
            self._versions[trial.number] = Versions([replace(trial.tariff, since=date.min)])
        if trial is not None and trial.target is not None:
            always = Assignment(0, trial.target, date.min, trial.number, "", "", None)
            self._assignments[trial.target] = [always]

    def of(self, account: int | None, charger: str, day: date) -> Versions | None:
        """Return the tariff of a session that starts on this day at a charger; None if there is
        none.

        None also if the one that is assigned has no version: no other one steps in for it.
        """
        return self._of(self.assigned(account, charger, day))

    def of_account(self, account: int, day: date) -> Versions | None:
        """Return the tariff of an account's base fee on a day: its own, else the site's."""
        return self._of(self.assigned(account, None, day))

    def assigned(self, account: int | None, charger: str | None, day: date) -> Assignment | None:
        """Return the assignment by which a tariff holds: in which scope, since when, by whom."""
        return decide(targets_of(account, charger), day, self._assignments_of)

    def versions(self, tariff: int) -> Versions | None:
        """Return the versions of a tariff; None if all were withdrawn."""
        if tariff not in self._versions:
            found = versions_of(self._rows, tariff)
            self._versions[tariff] = Versions(found) if found else None
        return self._versions[tariff]

    def _of(self, assignment: Assignment | None) -> Versions | None:
        return (
            None
            if assignment is None or assignment.tariff is None
            else self.versions(assignment.tariff)
        )

    def _assignments_of(self, target: TariffTarget) -> list[Assignment]:
        if target not in self._assignments:
            self._assignments[target] = assignments_of(self._rows, target)
        return self._assignments[target]
