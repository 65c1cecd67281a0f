"""The central system as every connection sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import count

import trio

from levity_trio.charger.budget import Budget
from levity_trio.charger.registry import Registry
from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.plugins.base import Hooks
from levity_trio.store.writer import Writer


@dataclass(slots=True)
class Central:
    """What all connections share. `known` are the identities that have a row, `has_charged` those that have had a
    transaction; `run` is that of this run, once begun."""

    config: ServerConfig
    writer: Writer
    clock: Clock
    known: set[str]
    has_charged: set[str]
    clock_trusted: bool
    hooks: Hooks = field(default_factory=Hooks)
    run: int = 0
    registry: Registry = field(default_factory=Registry)
    connection_numbers: Iterator[int] = field(default_factory=partial(count, 1))
    """Each names a connection of this run before it has a row."""
    readings: dict[str, tuple[date, int]] = field(default_factory=dict)
    """How many each charger told on a day."""
    ready: trio.Event = field(default_factory=trio.Event)
    """Set once the clock can be trusted, or was waited for long enough."""
    budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        self.budget = Budget(self.has_charged)
