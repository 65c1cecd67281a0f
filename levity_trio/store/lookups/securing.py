"""Reads where the raising of a charger's security profile stands, for reads and writes alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson

from levity_trio.access.securing import (
    Attempt,
    Report,
    Request,
    Standing,
    State,
    Step,
    of_certificate,
    of_commands,
    of_connection,
)
from levity_trio.events import ROUTINE_EVENTS
from levity_trio.operations.answers import status_of
from levity_trio.store.engine.database import Rows
from levity_trio.told import of_stored
from levity_trio.wire.texts import stored_object

MOST_REPORTS: Final = 50
"""Security events that are looked at: some chargers report each reboot."""


class SecuringPlan(NamedTuple):
    """What an operator wants: a security profile for a charger, and the steps to it."""

    id: int
    charger: str
    profile: int
    steps: Sequence[Step]
    organization: str | None
    address_key: str | None
    address: str | None
    asked_at: str
    asked_by: str
    problem: str | None
    ended_at: str | None
    result: str | None


_COLUMNS: Final = (
    "id, cp_id, profile, steps, organization, address_key, address, asked_at, asked_by, problem, "
    "ended_at, result"
)


def plan_in(rows: Rows, number: int) -> SecuringPlan | None:
    """Return a plan."""
    return _first(rows(f"SELECT {_COLUMNS} FROM securing WHERE id = ?", (number,)))  # noqa: S608 - our own names


def newest_plan(rows: Rows, charger: str) -> SecuringPlan | None:
    """Return the last plan of a charger, ended or not."""
    newest = f"SELECT {_COLUMNS} FROM securing WHERE cp_id = ? ORDER BY id DESC LIMIT 1"  # noqa: S608 - our own names
    return _first(rows(newest, (charger,)))


def open_plan(rows: Rows, charger: str) -> SecuringPlan | None:
    """Return the plan of a charger that has not ended."""
    of_charger = f"SELECT {_COLUMNS} FROM securing WHERE cp_id = ? AND result IS NULL"  # noqa: S608 - our own names
    return _first(rows(of_charger, (charger,)))


def _first(found: Sequence[tuple[Any, ...]]) -> SecuringPlan | None:
    for number, charger, profile, steps, organization, key, address, at, by, problem, *end in found:
        wanted = [Step(step) for step in orjson.loads(steps)]
        return SecuringPlan(
            number,
            charger,
            profile,
            wanted,
            organization,
            key,
            address,
            at,
            by,
            of_stored(problem),
            *end,
        )
    return None


def standings(rows: Rows, plan: SecuringPlan) -> list[Standing]:
    """Return where each step of a plan stands."""
    attempts = _attempts(rows, plan)
    every: list[Standing] = []
    for step in plan.steps:
        if step is Step.CERTIFICATE:
            every.append(of_certificate(attempts.get(step, ()), _request(rows, plan)))
        elif step is Step.CONNECTION:
            present, came = _profile_now(rows, plan), rows(_CAME, (plan.charger, plan.id))
            last = of_connection(plan.charger, plan.profile, present, every, came)
            if last.state is State.DONE:
                # Some do all of it by their address, or were set by hand: what failed is over.
                every = [
                    one._replace(state=State.SKIPPED, words="")
                    if one.state is State.FAILED
                    else one
                    for one in every
                ]
            every.append(last)
        else:
            every.append(of_commands(step, attempts.get(step, ())))
    return every


_CAME: Final = (
    "SELECT profile FROM session WHERE cp_id = ? AND connected_at > "
    "(SELECT max(answered_at) FROM securing_step JOIN command ON command.id = command_id "
    "WHERE securing_id = ? AND step = 'security profile' AND state = 'accepted') "
    "ORDER BY id DESC LIMIT 1"
)


def _attempts(rows: Rows, plan: SecuringPlan) -> dict[Step, list[Attempt]]:
    attempts: dict[Step, list[Attempt]] = {}
    of_plan = (
        "SELECT step, command_id, state, answer, error_code "
        "FROM securing_step JOIN command ON command.id = command_id "
        "WHERE securing_id = ? ORDER BY securing_step.id"
    )
    for step, command, state, answer, code in rows(of_plan, (plan.id,)):
        attempts.setdefault(Step(step), []).append(
            Attempt(command, state, status_of(stored_object(answer)), code)
        )
    return attempts


def _request(rows: Rows, plan: SecuringPlan) -> Request | None:
    since = (
        "SELECT result, reason FROM certificate_request "
        "WHERE cp_id = ? AND received_at >= ? ORDER BY id DESC LIMIT 1"
    )
    found = rows(since, (plan.charger, plan.asked_at))
    return Request(*found[0]) if found else None


def last_report(rows: Rows, plan: SecuringPlan) -> Report | None:
    """Return the newest security event of a charger since its plan was made, but none of ordinary
    operation."""
    since = (
        "SELECT at, data FROM event INDEXED BY event_security "
        "WHERE kind = 'SecurityEventReported' AND cp_id = ? AND at >= ? "
        "ORDER BY at DESC, id DESC LIMIT ?"
    )
    for at, data in rows(since, (plan.charger, plan.asked_at, MOST_REPORTS)):
        told = stored_object(data) or {}
        if told.get("event_type") not in ROUTINE_EVENTS:
            return Report(str(told.get("event_type")), told.get("tech_info"), at)
    return None


def _profile_now(rows: Rows, plan: SecuringPlan) -> int:
    """Return the profile to which the charger has come: that of its plan once this is done, else
    the required one."""
    return plan.profile if plan.result == "done" else profile_of(rows, plan.charger)


def profile_of(rows: Rows, charger: str) -> int:
    """Return the security profile that is required of a charger: the highest with which it has
    connected."""
    found = rows("SELECT profile FROM security WHERE cp_id = ?", (charger,))
    return int(found[0][0]) if found else 0
