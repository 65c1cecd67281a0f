"""The ways through the dashboard: its sections, in the order of how often they are needed."""

from __future__ import annotations

from typing import Final, NamedTuple

from levity_trio.web.api.endpoints import Role
from levity_trio.web.dashboard.front import DRIVERS


class Section(NamedTuple):
    """An entry of the navigation. Of more than five, a phone shows the first four, and the others behind a button."""

    name: str
    path: str
    role: Role = Role.VIEWER


SECTIONS: Final = (
    Section("Now", "/"),
    Section("Sessions", "/sessions"),
    Section("Review", "/review"),
    Section("Bills", "/bills", Role.OPERATOR),
    Section("Chargers", "/chargers"),
    Section("Households", "/accounts", Role.OPERATOR),
    Section("Tags", "/tags", Role.OPERATOR),
    Section("Tariffs", "/tariffs", Role.OPERATOR),
    Section("History", "/history"),
    Section("System", "/system", Role.ADMIN),
)
OF_DRIVERS: Final = (
    Section("Charge", DRIVERS, Role.DRIVER),
    Section("Sessions", f"{DRIVERS}sessions", Role.DRIVER),
    Section("Statements", f"{DRIVERS}statements", Role.DRIVER),
    Section("Me", f"{DRIVERS}me", Role.DRIVER),
)


def sections_of(role: Role) -> list[Section]:
    """Return the sections of those who have a role."""
    sections = OF_DRIVERS if role is Role.DRIVER else SECTIONS
    return [one for one in sections if role >= one.role]


def start_of(role: Role) -> str:
    """Return what the first page of those who have a role is called."""
    return next((one.name for one in sections_of(role)), "Log in")
