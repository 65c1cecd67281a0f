"""`levity-trio` whose copies for other backends wait shorter than they do: pauses of minutes last
half a second."""

import sys
from datetime import timedelta

from levity_trio.backends import link
from levity_trio.cli import main
from levity_trio.store.writes.site import receivers

MODULE = "tests.integration.backend_hasty"
SHORT = {
    "ANSWER_SECONDS": 2.0,
    "PAUSE_SECONDS": 0.2,
    "LOOK_SECONDS": 0.2,
    "PACE_SECONDS": 0.001,
    "REGISTER_SECONDS": 1,
    "SHORTEST_REGISTER_SECONDS": 1,
}

if __name__ == "__main__":
    assert SHORT.keys() <= vars(link).keys()
    vars(link).update(SHORT)
    receivers.SHORTEST_PAUSE = timedelta(seconds=0.2)  # type: ignore[misc] # of a test
    sys.exit(main())
