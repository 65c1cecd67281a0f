"""The raising of a charger's security profile: what an operator wants, and the commands of its
steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from levity_trio.access.securing import State, Step, next_step
from levity_trio.events import SecuringBegan, SecuringEnded, SecuringStopped
from levity_trio.records import record
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.securing import SecuringPlan, open_plan, standings
from levity_trio.told import stored


@record
class NewPlan:
    """A security profile that is wanted, and the steps to it."""

    charger: str
    profile: int
    steps: Sequence[Step]
    organization: str | None
    address_key: str | None
    address: str | None


class DueStep(NamedTuple):
    """A step that is to be sent now; `attempt` counts from 1."""

    plan: SecuringPlan
    step: Step
    attempt: int


def begin(db: UnitOfWork, new: NewPlan, at: str, by: str) -> int:
    """Store a plan and return its id. One that wants the same and is not stopped goes on; any other
    one is replaced."""
    present = open_plan(db.rows, new.charger)
    if present is not None and _wants(present, new) and _is_moving(db, present):
        return present.id
    if present is not None:
        _end(db, present, at, by, "replaced")
    number = db.insert(
        "INSERT INTO securing (cp_id, profile, steps, organization, address_key, address, "
        "asked_at, asked_by) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (new.charger, new.profile, orjson.dumps(new.steps).decode())
        + (new.organization, new.address_key, new.address, at, by),
    )
    db.record(
        SecuringBegan(charger=new.charger, at=at, securing=number, profile=new.profile, by=by)
    )
    return number


def _wants(plan: SecuringPlan, new: NewPlan) -> bool:
    return (plan.profile, plan.address) == (new.profile, new.address)


def _is_moving(db: UnitOfWork, plan: SecuringPlan) -> bool:
    return all(standing.state is not State.FAILED for standing in standings(db.rows, plan))


def cancel(db: UnitOfWork, charger: str, at: str, by: str) -> bool:
    """End the plan of a charger; what was sent stays. Return False if there is none."""
    plan = open_plan(db.rows, charger)
    if plan is not None:
        _end(db, plan, at, by, "cancelled")
    return plan is not None


def _end(db: UnitOfWork, plan: SecuringPlan, at: str, by: str, result: str) -> None:
    db.execute(
        "UPDATE securing SET ended_at = ?, ended_by = ?, result = ? WHERE id = ?",
        (at, by, result, plan.id),
    )
    db.record(
        SecuringEnded(
            charger=plan.charger, at=at, securing=plan.id, profile=plan.profile, result=result
        )
    )


def with_plans(db: UnitOfWork) -> list[str]:
    """Return the chargers with a plan that has not ended."""
    return [
        charger
        for (charger,) in db.rows(
            "SELECT cp_id FROM securing INDEXED BY securing_open WHERE result IS NULL"
        )
    ]


def advance(db: UnitOfWork, charger: str, at: str) -> DueStep | None:
    """Look where a charger's plan stands: end it, note that it stopped, or return the step that is
    to be sent."""
    plan = open_plan(db.rows, charger)
    if plan is None:
        return None
    standing = next_step(standings(db.rows, plan))
    if standing is None:
        _end(db, plan, at, plan.asked_by, "done")
        return None
    _note_problem(
        db, plan, standing.step, standing.words if standing.state is State.FAILED else None, at
    )
    if standing.state is not State.TO_DO:
        return None
    ((attempts,),) = db.rows(
        "SELECT count(*) FROM securing_step WHERE securing_id = ? AND step = ?",
        (plan.id, standing.step.value),
    )
    return DueStep(plan, standing.step, attempts + 1)


def _note_problem(
    db: UnitOfWork, plan: SecuringPlan, step: Step, words: str | None, at: str
) -> None:
    if words == plan.problem:
        return
    db.execute("UPDATE securing SET problem = ? WHERE id = ?", (stored(words), plan.id))
    if words is not None:
        fact = SecuringStopped(
            charger=plan.charger,
            at=at,
            securing=plan.id,
            profile=plan.profile,
            step=step.value,
            words=words,
        )
        db.record(fact)


def tried(db: UnitOfWork, due: DueStep, command: int, at: str) -> None:
    """Store the command of a step."""
    db.execute(
        "INSERT INTO securing_step (securing_id, step, command_id, at) "
        "SELECT ?, ?, ?, ? "
        "WHERE NOT EXISTS (SELECT 1 FROM securing_step WHERE securing_id = ? AND command_id = ?)",
        (due.plan.id, due.step.value, command, at, due.plan.id, command),
    )
