"""What the start of a server costs: `just bench-start`.

    import      `import levity_trio.server`: CPU of a fresh interpreter, its own 20 ms included, and
                len(sys.modules)
    + web       the same with the API and the dashboard, which every start imports when it opens
                them
    start       the CPU of `levity-trio serve` until it listens, and its VmRSS (MiB) when it is
                idle, without a charger

Python's bytecode is written by a first run: that of an installed package is there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from levity_trio.output import print_line
from tests.tools.benchmarks.process import ROOT, running

PARTS: Final = {
    "import": "levity_trio.server",
    "+ web": "levity_trio.server, levity_trio.web.services, levity_trio.web.dashboard.site",
}
PROGRAM: Final = "import sys, time\nimport {modules}\nprint(time.process_time(), len(sys.modules))"
TRIALS: Final = 5
IDLE_SECONDS: Final = 2.0


def imported(modules: str) -> tuple[float, int]:
    """Import modules in a fresh interpreter: the CPU seconds, and how many modules are loaded
    then."""
    command = [sys.executable, "-c", PROGRAM.format(modules=modules)]
    seconds, count = subprocess.check_output(command, text=True, cwd=ROOT).split()
    return float(seconds), int(count)


def main() -> None:
    """Print the table; of several trials the cheapest, because other programs disturb."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        print_line(f"{'':8}{'CPU s':>8}{'modules':>9}{'MB':>7}")
        for name, modules in PARTS.items():
            seconds, count = min(imported(modules) for _ in range(TRIALS))
            print_line(f"{name:8}{seconds:8.2f}{count:9}")
        with running("serve", 20, Path(folder), ("--api-port", "0")) as server:
            time.sleep(IDLE_SECONDS)
            print_line(f"{'start':8}{server.cpu().total:8.2f}{'':9}{server.resident_mib():7.1f}")


if __name__ == "__main__":
    main()
