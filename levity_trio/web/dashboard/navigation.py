"""The ways through the dashboard: its sections, in the order of how often they are needed."""

from __future__ import annotations

from typing import Final, NamedTuple

from levity_trio.web.api.endpoints import Role


class Section(NamedTuple):
    """An entry of the navigation. The first four stand at the bottom of a phone's screen."""

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
