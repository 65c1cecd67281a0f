"""Says in a shell's words what the options of Home Assistant mean for the server: `python -m
levity_trio.deploy.add_on`, in the folder of the options.

They are settings by their names, but for two.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote


def main() -> None:
    """Say the settings."""
    options = json.loads(Path("options.json").read_text("utf-8"))
    options["api_allowed_hosts"] = ",".join(options.pop("addresses"))
    if options["mqtt"] == "auto":
        options["mqtt"] = _broker()
    for name, value in options.items():
        sys.stdout.write(f"export LEVITY_{name.upper()}={shlex.quote(value)}\n")


def _broker() -> str:
    """Return the URL of Home Assistant's broker, "off" without one."""
    supervisor = HTTPConnection("supervisor", timeout=10)
    headers = {"Authorization": f"Bearer {os.environ['SUPERVISOR_TOKEN']}"}
    try:
        supervisor.request("GET", "/services/mqtt", headers=headers)
        broker = json.loads(supervisor.getresponse().read())["data"]
        who = ":".join(quote(broker[part], "") for part in ("username", "password"))
    except (OSError, ValueError, KeyError):
        sys.stderr.write(
            "levity-trio: Home Assistant names no broker, so the chargers are no devices there: "
            "install the app Mosquitto broker and start this again, or set the option mqtt to off\n"
        )
        return "off"
    return f"mqtt{'s' * broker['ssl']}://{who}@{broker['host']}:{broker['port']}"


if __name__ == "__main__":
    main()
