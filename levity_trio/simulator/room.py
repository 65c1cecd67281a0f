"""Room for a fleet: each connection of a charger is an open file."""

from __future__ import annotations

import resource
from typing import Final

from levity_trio.config import EnvironmentProblem

SPARE_FILES: Final = 64
"""The libraries' own, the park's file, clients of its API."""
MOST_FILES: Final = 2**17
"""Where the machine sets no limit."""


def make_room(chargers: int) -> None:
    """Raise the soft limit of open files to the hard one.

    Raises:
        EnvironmentProblem: so many chargers do not fit into that.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = hard if hard != resource.RLIM_INFINITY else max(soft, MOST_FILES)
    needed = chargers + SPARE_FILES
    if needed > room:
        raise EnvironmentProblem(
            f"{chargers} chargers need {needed} open files, and this machine allows {room}:"
            " raise that (ulimit -n), or simulate fewer with --chargers"
        )
    if room > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (room, hard))
