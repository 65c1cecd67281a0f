"""How operators name accounts, vehicles and chargers."""

from __future__ import annotations

from levity_trio.cli.operator import Operator
from levity_trio.config import ConfigError


def check_charger(operator: Operator, charger: str | None) -> None:
    """Refuse a charger that is not known, which a list would only show nothing of. Raises RefusedByApi."""
    if charger is not None:
        operator.ask("GET", "admin", "chargers", charger)


def number_of(operator: Operator, resource: str, named: str) -> str:
    """Return the number of an account or a vehicle by its name; a number is one already. Raises ConfigError."""
    if named.isdecimal():
        return named
    found = operator.ask("GET", "admin", resource, query={"name": named})["data"]
    if not found:
        raise ConfigError(f"there is no {resource.removesuffix('s')} {named!r}; see levity-trio {resource[:-1]} list")
    return str(found[0]["id"])
