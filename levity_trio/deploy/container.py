"""The values for the files of a container: its Containerfile, and a compose file with the present
settings.

The image has the program, the program's wheels and nothing else; what it stores is in one volume.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from levity_trio.config import API_PORT, SETTINGS, ConfigError, LogConfig, ServerConfig
from levity_trio.config.sources import load
from levity_trio.deploy.installation import (
    DRIVERS_PORT,
    METRICS_PORT,
    STATE_FOLDER,
    STOP_SPARE_SECONDS,
    check_fixed,
    environment_lines,
    ports_of,
)
from levity_trio.deploy.program import CURRENT

OF_IMAGE: Final = ("db", "api-host", "metrics-host", "metrics-port", "time-zone")
"""Settings that are said already."""
HEALTH: Final = (
    "python",
    "-c",
    (
        f"from urllib.request import urlopen; urlopen('http://127.0.0.1:{METRICS_PORT}/healthz', "
        "timeout=4)"
    ),
)
NAMED: Final = ("server_name", "registration", "unknown_tags", "port", "drivers_port")
"""Settings that the templates of Home Assistant name."""
FROM_OUTSIDE: Final = ("--port", "--tls-port", "--drivers-port", "--files-port", "--ftp-port")


def values_of_container(
    flags: Mapping[str, object],
    environment: Mapping[str, str],
    wheel: str,
    version: str,
    tested: str | None,
) -> dict[str, Any]:
    """Return the values of the templates. `tested` is what the release was tested with.

    Raises ConfigError for settings that a container cannot have.
    """
    server, log = load(flags, environment)
    ports = {name: port for name, port in ports_of(server).items() if name in FROM_OUTSIDE}
    check_fixed(ports)
    api_port = server.api_port or API_PORT
    return {
        **{name: json.dumps(getattr(server, name)) for name in NAMED},
        "version": version,
        "release": version.partition("+")[0],
        "tag": version.replace("+", "-"),
        "wheel": wheel,
        "tested": tested or "# This is no release, so pip takes the newest packages that fit.",
        "rest": "" if tested is None else " --no-deps",
        "program": CURRENT.parent,
        "state": STATE_FOLDER,
        "metrics_port": METRICS_PORT,
        "api_port": api_port,
        "exposed": " ".join(map(str, [*ports.values(), api_port])),
        "ports": "\n".join(f'      - "{port}:{port}"' for port in ports.values()),
        "environment": "\n".join(_environment(server, log)),
        "health": json.dumps(HEALTH),
        "health_test": json.dumps(["CMD", *HEALTH]),
        "stop_seconds": math.ceil(server.shutdown_grace_seconds) + STOP_SPARE_SECONDS,
    }


def values_of_add_on(flags: Mapping[str, object], *others: Any) -> dict[str, Any]:
    """Return the values of the templates of Home Assistant, which has a time zone of its own.
    Raises ConfigError, as for a container."""
    values = values_of_container({"drivers_port": DRIVERS_PORT, **flags}, *others)
    return {
        **values,
        "ports": "\n".join(f"  {port}/tcp: {port}" for port in values["exposed"].split()),
        "environment": values["environment"].partition("\n")[2].replace("$$", "$"),
    }


def _environment(server: ServerConfig, log: LogConfig) -> Iterator[str]:
    """Yield the settings that differ from the defaults, in YAML. Raises ConfigError for files: they
    are not in the container."""
    yield f"      LEVITY_TIME_ZONE: {_quoted(server.time_zone.key)}"
    settings = {setting.environment_name: setting for setting in SETTINGS}
    for line in environment_lines((server, log), (ServerConfig(), LogConfig())):
        name, _, value = line.partition("=")
        setting = settings[name]
        if setting.kind.metavar == "FILE":
            raise ConfigError(
                f"{setting.flag}: the container has no file of this machine; add it in compose.yaml"
            )
        if setting.name not in OF_IMAGE:
            yield f"      {name}: {_quoted(value)}"


def _quoted(value: str) -> str:
    """Return a value in YAML, in which compose replaces no variables."""
    return json.dumps(value.replace("$", "$$"))
