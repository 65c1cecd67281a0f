"""Completion must answer at once, so the room imports nothing that is slow."""

import subprocess
import sys

SLOW = {
    "ocpp",
    "jsonschema",
    "fastjsonschema",
    "trio",
    "sqlite3",
    "starlette",
    "asyncio",
    "structlog",
}
PROGRAM = (
    "import sys, levity_trio.operations, levity_trio.operations.arguments; print(*sys.modules)"
)


def test_the_room_imports_nothing_slow() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    modules = done.stdout.split()
    assert not SLOW & {name.partition(".")[0] for name in modules}
    ours = [
        name for name in modules if name.startswith("levity_trio.") and "operations" not in name
    ]
    pure = ["charging", "charging.sent", "charging.sent.plain", "records", "told"]
    pure += ["wire", "wire.charging_profiles", "wire.configuration", "wire.times", "wire.words"]
    assert sorted(ours) == [f"levity_trio.{name}" for name in pure]
