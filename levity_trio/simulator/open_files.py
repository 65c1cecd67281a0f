"""The limit of open files: each charger's connection is one."""

from __future__ import annotations

import resource
from typing import Final

from levity_trio.config import EnvironmentProblem

SPARE_FILES: Final = 64
"""For the libraries, the park's file, and clients of its API."""
MOST_FILES: Final = 2**17
"""The limit used if the machine sets none."""


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
