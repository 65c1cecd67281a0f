"""How operators name accounts and vehicles: by the number or by the name."""

from __future__ import annotations

from levity_trio.cli.operator import Operator
from levity_trio.config import ConfigError


def number_of(operator: Operator, resource: str, named: str) -> str:
    """Return the number of an account or a vehicle by its name; a number is one already. Raises ConfigError."""
    if named.isdecimal():
        return named
    found = operator.ask("GET", "admin", resource, query={"name": named})["data"]
    if not found:
        raise ConfigError(f"there is no {resource.removesuffix('s')} {named!r}; see levity-trio {resource[:-1]} list")
    return str(found[0]["id"])
