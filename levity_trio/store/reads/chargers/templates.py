"""Templates of the configuration of several chargers, and how far these are from them."""

from __future__ import annotations

from typing import Any, Final

from levity_trio.operations.templates import ComparedKey, compare, together
from levity_trio.records import ForOperators, record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.chargers import configuration
from levity_trio.store.reads.chargers.chargers import of_model
from levity_trio.store.reads.shapes import Shape


@record
class Template:
    """The values that keys must have, at the chargers that are named or at all of a model."""

    name: str
    model: str | None
    chargers: Any
    entries: Any
    created_at: str
    created_by: ForOperators[str | None]


@record
class ChargerStanding:
    """One charger beside a template: same, differs, or not known; and each key of the template."""

    charger: str
    standing: str
    keys: list[ComparedKey]


_TEMPLATE: Final = Shape(Template)
_OF_NOW: Final = "FROM configuration_template WHERE ended_at IS NULL"


def templates(db: Database) -> list[Template]:
    """Return the templates, by name."""
    return _TEMPLATE.every(db, f"{_OF_NOW} ORDER BY name")


def template(db: Database, name: str) -> Template | None:
    """Return a template, None if there is none of this name."""
    return _TEMPLATE.one(db, f"{_OF_NOW} AND name = ?", (name,))


def chargers_of(db: Database, template: Template) -> list[str]:
    """Return the chargers of a template."""
    return of_model(db, template.model) if template.model is not None else list(template.chargers)


def standings(
    db: Database, template: Template, chargers: list[str] | None = None
) -> list[ChargerStanding]:
    """Compare chargers with a template; without them, all of the template."""
    found: list[ChargerStanding] = []
    for one in chargers_of(db, template) if chargers is None else chargers:
        keys = compare(template.entries, configuration.has(db, one))
        found.append(ChargerStanding(charger=one, standing=together(keys), keys=keys))
    return found
