"""Facts about the local lists that are kept at chargers."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class LocalListPaused(Fact):
    """A list was sent to a charger by hand (`command`, asked for by `by`), so its local list is no longer kept."""

    command: int
    by: str | None


@record
class LocalListResumed(Fact):
    """An operator (`by`) had the local list of a charger kept again."""

    by: str


@record
class LocalListFailing(Fact):
    """A charger failed twice to take its local list. It is tried again after pauses; `problem` is the last answer."""

    problem: str
