"""All operations, by action and by the name of their route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from levity_trio.operations.declarations import profiles, security
from levity_trio.operations.operation import FieldProblem, Operation, meant
from levity_trio.told import Told

_MODULES: Final = (profiles, security)

OPERATIONS: Final[Mapping[str, Operation]] = {
    operation.action: operation for module in _MODULES for operation in module.OPERATIONS
}
"""All operations by their action, the nineteen of OCPP 1.6 first."""


def find(name: str) -> Operation:
    """Return the operation with this action, or with this path of its route. Raises
    FieldProblem."""
    for operation in OPERATIONS.values():
        if name in (operation.action, operation.path):
            return operation
    wrong = Told("{1} is no operation", name)
    raise FieldProblem(
        "",
        meant(wrong, name, [*OPERATIONS])
        or Told("{1}: there are {2}", wrong, ", ".join(OPERATIONS)),
    )


def table() -> str:
    """Return the manual's table of all operations."""
    head = (
        "Operation",
        "POST /api/admin/chargers/{id}/…",
        "`levity-trio call CHARGER …`",
        "Stored",
        "Outcome",
    )
    rows = [head, ("---",) * len(head), *map(_row, OPERATIONS.values())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(operation: Operation) -> tuple[str, ...]:
    arguments = "".join(f" {field.name}=" for field in operation.fields if field.is_needed)
    outcome = operation.outcome.words if operation.outcome else "the answer"
    stored = f"the command; {operation.stored}" if operation.stored else "the command"
    return (
        operation.action,
        f"`{operation.path}`",
        f"`{operation.action}{arguments}`",
        stored,
        outcome,
    )


def spelt(action: str) -> str:
    """Return an action as OCPP spells it (§4.2). Roles and checks are found by that name: another
    spelling would avoid them, and a lenient charger would obey it."""
    return _SPELT.get(action.strip().lower(), action)


_SPELT: Final = {action.lower(): action for action in OPERATIONS}
