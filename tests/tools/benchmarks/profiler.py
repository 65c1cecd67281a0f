"""Where the server's time goes: py-spy looks at it from outside during the steady phase.

The figures of a profiled run are not comparable: py-spy stops the server for each sample.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .process import BenchError, Server

SAMPLES_PER_SECOND = 250
WRITE_SECONDS = 60
TOP = 30
HOW = (
    "py-spy is not installed: `pip install py-spy`, then again. By hand: start a long run with "
    "`--only serve --chargers 20 --seconds 60`, and beside it `py-spy record --pid PID --duration "
    "20 --output profile.svg` (another user's process wants sudo)."
)


@dataclass(frozen=True)
class Profiler:
    """py-spy, started anew for each run."""

    program: str
    seconds: int
    recordings: list[tuple[Path, subprocess.Popen[bytes]]] = field(default_factory=list)

    @classmethod
    def of(cls, seconds: float) -> Profiler:
        """Recording for so long; raises BenchError if py-spy is neither beside Python nor in the
        path."""
        found = shutil.which("py-spy", path=Path(sys.executable).parent) or shutil.which("py-spy")
        if not found:
            raise BenchError(HOW)
        return cls(found, max(1, round(seconds)))

    def attach(self, server: Server) -> None:
        """Begin to record, in the background."""
        output = Path(tempfile.gettempdir()) / f"levity-bench-{server.process_id}.stacks"
        command = [
            *(self.program, "record", "--pid", str(server.process_id)),
            *("--duration", str(self.seconds), "--rate", str(SAMPLES_PER_SECOND)),
            *("--function", "--format", "raw", "--output", str(output)),
        ]
        recording = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.recordings.append((output, recording))

    def report(self) -> str:
        """For each run, the functions that took most, as shares of all samples."""
        return "\n\n".join(_summary(output, recording) for output, recording in self.recordings)


def _summary(output: Path, recording: subprocess.Popen[bytes]) -> str:
    _, said = recording.communicate(timeout=WRITE_SECONDS)
    if recording.returncode:
        return f"py-spy failed: {said.decode(errors='replace').strip()}"
    own, whole, packages = Counter[str](), Counter[str](), Counter[str]()
    for line in output.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        own[frames[-1]] += int(count)
        packages[_package(frames[-1])] += int(count)
        whole.update(dict.fromkeys(frames, int(count)))
    return "\n\n".join(
        [
            _top("by package", packages, own.total()),
            _top("by itself", own, own.total()),
            _top("with all that it called", whole, own.total()),
            f"Folded stacks, as flame graphs are made of: {output}",
        ]
    )


def _package(frame: str) -> str:
    """Of `function (trio/_core/_run.py)` trio, of ours the room too; else the module."""
    folders = frame.rpartition("(")[2].rstrip(")").partition(":")[0].split("/")
    return "/".join(folders[:2]) if folders[0] == "levity_trio" else folders[0]


def _top(title: str, counts: Counter[str], total: int) -> str:
    lines = [f"{count / total:6.1%}  {frame}" for frame, count in counts.most_common(TOP)]
    return "\n".join([f"Share of {total} samples, {title}:", *lines])
