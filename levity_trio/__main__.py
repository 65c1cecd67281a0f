"""Entry point of `python -m levity_trio`."""

import sys

from levity_trio.cli import main

sys.exit(main())
