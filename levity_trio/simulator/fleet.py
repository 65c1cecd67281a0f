"""Many chargers in one process, each with its own tasks and its own open file."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final

import trio

from levity_trio.config import EnvironmentProblem
from levity_trio.outgoing.websocket import ServerAddress
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.link import Link, Pace
from levity_trio.simulator.trust import TLS_PROFILE, Trust

SPARE_FILES: Final = 64
"""For the libraries, the park's file, and clients of its API."""
MOST_FILES: Final = 2**17
"""The limit used if the machine sets none."""
NOTHING_GIVEN = Trust()
ARRIVING = 200
"""Maximum number of concurrent connection attempts. A quirk simulates a fleet that reconnects all
at once."""


def raise_file_limit(chargers: int) -> None:
    """Raise the soft limit of open files to the hard limit.

    Raises:
        EnvironmentProblem: the hard limit is too low for so many chargers.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = hard if hard != resource.RLIM_INFINITY else max(soft, MOST_FILES)
    needed = chargers + SPARE_FILES
    if needed > limit:
        raise EnvironmentProblem(
            f"{chargers} chargers need {needed} open files, and this machine allows {limit}:"
            " raise the limit (ulimit -n), or simulate fewer with --chargers"
        )
    if limit > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


class Fleet:
    def __init__(
        self, pace: Pace, server: ServerAddress, trust: Trust, tasks: trio.Nursery
    ) -> None:
        self.pace = pace
        self.chargers: dict[str, Charger] = {}
        self.links: dict[str, Link] = {}
        self._server = server
        self._trust = trust
        self._tasks = tasks  # open_fleet's nursery, which outlives this object
        self._scopes: dict[str, trio.CancelScope] = {}
        self._arriving = trio.CapacityLimiter(ARRIVING)

    def add(self, charger: Charger, *, is_on: bool = True) -> None:
        """Start a charger's tasks. Raises ValueError if its identifier is in use."""
        name = charger.spec.id
        if name in self.chargers:
            raise ValueError(f"{name}: there is a charger with this id already")
        self.chargers[name] = charger
        self.links[name] = Link(charger, self.pace, self._server, partial(self._dial, charger))
        self._scopes[name] = trio.CancelScope()
        if is_on:
            charger.power_on(self.pace.now)
        self._tasks.start_soon(self._live, self.links[name], self._scopes[name])

    def remove(self, name: str) -> Charger:
        """Cut a charger's power and end its tasks. Raises KeyError."""
        charger = self.chargers.pop(name)
        charger.power_off(self.pace.now)
        self._scopes.pop(name).cancel()
        del self.links[name]
        return charger

    @staticmethod
    async def _live(link: Link, scope: trio.CancelScope) -> None:
        with scope:
            await link.run()

    async def _dial(self, charger: Charger) -> trio.abc.Stream:
        """Connect. A charger at security profile 2 or 3 uses TLS, also at the port that it used
        before."""
        server = self._server
        if charger.configuration.integer("SecurityProfile") >= TLS_PROFILE:
            server = replace(server, is_tls=True)
        async with self._arriving:
            return await (
                server.dial(trust=self._trust.context(charger)) if server.is_tls else server.dial()
            )


@asynccontextmanager
async def open_fleet(
    pace: Pace, server: ServerAddress, trust: Trust = NOTHING_GIVEN
) -> AsyncIterator[Fleet]:
    """Open an empty fleet. On exit its chargers lose power and their connections end."""
    async with trio.open_nursery() as tasks:
        fleet = Fleet(pace, server, trust, tasks)
        yield fleet
        for charger in fleet.chargers.values():
            charger.power_off(pace.now)
        tasks.cancel_scope.cancel()
