"""`python -m tests.tools.benchmarks`: what `just bench` runs."""

from __future__ import annotations

import sys

from .bench import main

sys.exit(main())
