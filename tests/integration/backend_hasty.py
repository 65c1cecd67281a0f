"""`levity-trio` whose copies for other backends wait shorter than they do: pauses of minutes last
half a second."""

import sys

from levity_trio.backends import link
from levity_trio.cli import main

MODULE = "tests.integration.backend_hasty"
SHORT = {
    "ANSWER_SECONDS": 2.0,
    "PAUSE_SECONDS": 0.2,
    "PACE_SECONDS": 0.001,
    "RETRY_SECONDS": 0.2,
    "REGISTER_SECONDS": 1,
    "SHORTEST_REGISTER_SECONDS": 1,
}

if __name__ == "__main__":
    assert SHORT.keys() <= vars(link).keys()
    vars(link).update(SHORT)
    sys.exit(main())
