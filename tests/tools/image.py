"""Builds the image that `deploy --container` describes, and starts it: `just image`. It needs
buildah.

It prints how much larger the image is than its base, and how soon it is healthy: the demo, which is
its own command, and a server, as compose.yaml starts it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from levity_trio.deploy.container import HEALTH

TAG: Final = "localhost/levity-trio"
HEALTHY_SECONDS: Final = 10.0
MOST_BYTES: Final = 175_000_000
"""What a release lists for PostgreSQL is in its image, too: 162 MB, of a clone 149 MB."""
LOOK_SECONDS: Final = 0.2


def buildah(*words: str) -> str:
    return subprocess.run(
        ["buildah", *words], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def size(image: str) -> int:
    """Return the bytes of all files that an image has, where it has any."""
    container = buildah("from", image)
    try:
        shown = buildah(
            "run", "--user", "root", container, "--", "du", "-sbc", "/opt", "/usr", "/etc", "/var"
        )
        return int(shown.splitlines()[-1].split()[0])
    finally:
        buildah("rm", container)


def seconds_until_healthy(command: list[str]) -> float:
    container = buildah("from", TAG)
    began = time.monotonic()
    server = subprocess.Popen(["buildah", "run", container, "--", *command])
    try:
        check = ["buildah", "run", container, "--", *HEALTH]
        while subprocess.run(check, check=False, capture_output=True).returncode:
            if server.poll() is not None or time.monotonic() - began > 2 * HEALTHY_SECONDS:
                raise SystemExit("the server does not become healthy")
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - began
    finally:
        server.terminate()
        server.wait()
        buildah("rm", container)


def main(*arguments: str) -> None:
    if shutil.which("buildah") is None:
        raise SystemExit("buildah is missing; install it (apt install buildah)")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(sys.executable).with_name("levity-trio")
        subprocess.run([program, "deploy", "--container", folder], check=True)
        buildah("build", "--format", "docker", "--tag", TAG, *arguments, folder)
        text = (Path(folder) / "Containerfile").read_text()
    (command,) = re.findall(r"^CMD (.*)$", text, re.MULTILINE)
    given = [one.removeprefix("BASE=") for one in arguments if one.startswith("BASE=")]
    (base,) = given or re.findall(r"^ARG BASE=(.*)$", text, re.MULTILINE)
    commands = (json.loads(command), ["levity-trio", "serve"])
    more, seconds = size(TAG) - size(base), max(map(seconds_until_healthy, commands))
    print(f"{more / 1e6:.0f} MB above {base}, healthy within {seconds:.1f} s")
    raise SystemExit(0 if more <= MOST_BYTES and seconds <= HEALTHY_SECONDS else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
