"""`python -m levity_trio` is `levity-trio`."""

import sys

from levity_trio.cli import main

sys.exit(main())
