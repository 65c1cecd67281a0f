"""`levity-trio deploy`: writes the files that an operator installs, filled in from the present
configuration."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from levity_trio import FOLDER, __version__
from levity_trio.cli.declaring import (
    GroupedCommand,
    Whole,
    argument,
    flag,
    local_command,
    option,
    present,
    setting_options,
)
from levity_trio.cli.terminal import say

MOST_SERVERS = 9
ICON = FOLDER / "web" / "dashboard" / "assets" / "icon-192.png"


class Folder(click.Path):
    """A path that rejects the empty name, which would mean the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("give the name of a folder", param, ctx)
        return super().convert(value, param, ctx)


@local_command(cls=GroupedCommand, short_help="Write the files that an operator installs.")
@argument("DIR", "directory", type=Folder(file_okay=False, path_type=Path))
@option("--user NAME", "System user that the service runs as  [default: levity].")
@option("--remote-write URL", "URL to which the Prometheus agent sends its samples.")
@option(
    "--servers NUMBER",
    "How many servers; more than one need --db postgresql://...",
    type=Whole(1, MOST_SERVERS),
    default=1,
)
@option("--container", "Write the files of a container instead.", "image", flag_value="container")
@option(
    "--home-assistant",
    "Write an app of Home Assistant instead.",
    "image",
    flag_value="home-assistant",
)
@flag("--force", "Replace existing files.", "is_force")
def deploy(
    directory: Path,
    *,
    user: str | None,
    remote_write: str | None,
    servers: int,
    image: str | None,
    is_force: bool,
    **options: object,
) -> None:
    """Write a systemd unit and the configuration of Prometheus, Alertmanager, Grafana, Litestream
    and Fluentd into the folder DIR; for several servers a unit each, and the configuration of
    HAProxy and PostgreSQL.

    Examples:
      levity-trio deploy deploy/
      levity-trio deploy --config /etc/levity.toml --user levity deploy/
      levity-trio deploy --fluentd-endpoint 127.0.0.1:24224 deploy/
      levity-trio deploy --remote-write https://metrics.example.org/write deploy/
      levity-trio deploy --servers 3 --db postgresql:///levity deploy/
      levity-trio deploy --container container/
      levity-trio deploy --home-assistant home-assistant/

    Reads the settings of `levity-trio serve` from the same flags, environment and TOML file, and
    writes them into the systemd unit and the other files. DIR/README.txt says how to install each
    of them. The command itself installs nothing, and replaces no file without --force.

    With --servers, the files are for as many servers on this machine, on one database of
    PostgreSQL, behind HAProxy: a unit for each, the configuration of HAProxy, role, database and
    settings of PostgreSQL. --port, --api-port, --tls-port and --drivers-port are then HAProxy's;
    server 1 has the same ports raised by 1000, server 2 by 2000, and so on, as with --metrics-port
    and --files-port.

    With --container, the files are a Containerfile, the wheel of this program, and a compose file
    with the present settings. The image runs as a user of its own and stores everything in one
    volume. By itself it shows the demo, at ports 9001 and 9002; compose.yaml lets it serve, and
    says how to begin.

    With --home-assistant, the files are a repository with an app (add-on) of Home Assistant, which
    builds the same image. What a person needs is an option there, with the present setting as its
    default; the other settings are fixed. README.md says how to begin.

    Exit status: 0 when all files are written, 1 when a file exists or the folder cannot be written,
    2 for a wrong setting.
    """
    flags = present(options)
    if image is not None:
        _write_image(directory, flags, image, may_replace=is_force)
    else:
        write_files(
            directory, flags, servers, user=user, remote_write=remote_write, may_replace=is_force
        )


deploy.params += setting_options()


def write_files(
    directory: Path,
    flags: Mapping[str, object],
    servers: int = 1,
    *,
    user: str | None = None,
    remote_write: str | None = None,
    may_replace: bool = False,
) -> None:
    """Write the files for so many servers on this machine."""
    from levity_trio.deploy.files import texts, texts_of_several, write  # noqa: PLC0415 - so that --help answers at once
    from levity_trio.deploy.installation import Installation, values  # noqa: PLC0415
    from levity_trio.deploy.several import values_of_several  # noqa: PLC0415

    script = Path(sys.executable).with_name("levity-trio")
    program = (str(script),) if script.is_file() else (sys.executable, "-m", "levity_trio")
    options = present({"user": user, "remote_write": remote_write})
    installation = Installation(
        program=program, site=socket.gethostname(), version=__version__, **options
    )
    if servers > 1:
        contents = texts_of_several(values_of_several(flags, os.environ, installation, servers))
    else:
        contents = texts(values(flags, os.environ, installation))
    write(directory, contents, may_replace=may_replace)
    for name in contents:
        say(str(directory / name))
    say(f"Next: {directory / 'README.txt'}")


def _write_image(
    directory: Path, flags: Mapping[str, object], kind: str, *, may_replace: bool
) -> None:
    from levity_trio import writing  # noqa: PLC0415 - as above
    from levity_trio.deploy import container, files  # noqa: PLC0415 - as above
    from levity_trio.deploy.program import open_wheel  # noqa: PLC0415

    values_of, place, guide = {
        "container": (container.values_of_container, directory, "compose.yaml"),
        "home-assistant": (container.values_of_add_on, directory / "levity-trio", "README.md"),
    }[kind]
    with open_wheel() as wheel:
        values = values_of(flags, os.environ, wheel.path.name, wheel.version, wheel.tested())
        contents = files.texts_of_image(kind, values)
        files.write(directory, contents, may_replace=may_replace)
        writing.replace(place / wheel.path.name, wheel.path.read_bytes(), writing.DOCUMENT)
    if place != directory:
        writing.replace(place / "icon.png", ICON.read_bytes(), writing.DOCUMENT)
    for path in (*map(directory.joinpath, contents), place / wheel.path.name):
        say(str(path))
    say(f"Next: {directory / guide} says how to start it")
