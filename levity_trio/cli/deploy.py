"""`levity-trio deploy`: writes the files that an operator installs, filled in from the present configuration."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from levity_trio import __version__
from levity_trio.cli.serve import GroupedCommand, options
from levity_trio.cli.tables import say
from levity_trio.config import SETTINGS

if TYPE_CHECKING:
    from levity_trio.deploy.installation import Installation

MOST_SERVERS = 9
EXAMPLES = """\
\b
Examples:
  levity-trio deploy deploy/
  levity-trio deploy --config /etc/levity.toml --user levity deploy/
  levity-trio deploy --fluentd-endpoint 127.0.0.1:24224 deploy/
  levity-trio deploy --remote-write https://metrics.example.org/write deploy/
  levity-trio deploy --servers 3 --db postgresql:///levity deploy/
  levity-trio deploy --container container/

Reads the settings of `levity-trio serve` from the same flags, environment and TOML file, and writes them into the
systemd unit and the other files. DIR/README.txt says how to install each of them. The command itself installs nothing,
and replaces no file without --force.

With --servers, the files are for as many servers on this machine, on one database of PostgreSQL, behind HAProxy: a unit
for each, the configuration of HAProxy, role, database and settings of PostgreSQL. --port, --api-port, --tls-port and
--drivers-port are then HAProxy's; server 1 has the same ports raised by 1000, server 2 by 2000, and so on, as with
--metrics-port and --files-port.

With --container, the files are a Containerfile, the wheel of this program, and a compose file with the present
settings. The image runs as a user of its own and stores everything in one volume; compose.yaml says how to begin.

Exit status: 0 when all files are written, 1 when a file exists or the folder cannot be written, 2 for a wrong setting.
"""


def run_deploy(
    directory: Path,
    *,
    user: str | None,
    remote_write: str | None,
    servers: int,
    is_container: bool,
    is_force: bool,
    **given: object,
) -> int:
    from levity_trio.deploy.files import write  # noqa: PLC0415 - so that --help and a wrong flag answer at once
    from levity_trio.deploy.installation import Installation  # noqa: PLC0415

    flags = {name: value for name, value in given.items() if value not in (None, ())}
    if is_container:
        return _deploy_container(directory, flags, may_replace=is_force)
    given_installation: dict[str, Any] = {"user": user, "remote_write": remote_write}
    installation = Installation(
        program=_program(),
        site=socket.gethostname(),
        version=__version__,
        **{name: value for name, value in given_installation.items() if value is not None},
    )
    contents = _contents(flags, installation, servers)
    write(directory, contents, may_replace=is_force)
    for name in contents:
        say(str(directory / name))
    say(f"Next: {directory / 'README.txt'}")
    return 0


def _contents(flags: Mapping[str, object], installation: Installation, servers: int) -> dict[str, str]:
    """Return the contents of each file by its name."""
    from levity_trio.deploy.files import texts, texts_of_several  # noqa: PLC0415
    from levity_trio.deploy.installation import values  # noqa: PLC0415
    from levity_trio.deploy.several import values_of_several  # noqa: PLC0415

    if servers > 1:
        return texts_of_several(values_of_several(flags, os.environ, installation, servers))
    return texts(values(flags, os.environ, installation))


def _deploy_container(directory: Path, flags: Mapping[str, object], *, may_replace: bool) -> int:
    from levity_trio.deploy.container import values_of_container  # noqa: PLC0415 - as above
    from levity_trio.deploy.files import texts_of_container, write  # noqa: PLC0415
    from levity_trio.deploy.program import open_wheel  # noqa: PLC0415
    from levity_trio.writing import DOCUMENT, replace  # noqa: PLC0415

    with open_wheel() as wheel:
        values = values_of_container(flags, os.environ, wheel.path.name, wheel.version)
        contents = texts_of_container(values)
        write(directory, contents, may_replace=may_replace)
        replace(directory / wheel.path.name, wheel.path.read_bytes(), DOCUMENT)
    for name in (*contents, wheel.path.name):
        say(str(directory / name))
    say(f"Next: {directory / 'compose.yaml'} says how to start it")
    return 0


class Folder(click.Path):
    """A path that rejects the empty name, which would mean the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("give the name of a folder", param, ctx)
        return super().convert(value, param, ctx)


def _program() -> tuple[str, ...]:
    """Return the command that starts this installation of the program."""
    script = Path(sys.executable).with_name("levity-trio")
    return (str(script),) if script.is_file() else (sys.executable, "-m", "levity_trio")


deploy = GroupedCommand(
    "deploy",
    params=[
        click.Argument(["directory"], metavar="DIR", type=Folder(file_okay=False, path_type=Path)),
        click.Option(["--user"], metavar="NAME", help="System user that the service runs as  [default: levity]."),
        click.Option(["--remote-write"], metavar="URL", help="URL to which the Prometheus agent sends its samples."),
        click.Option(
            ["--servers"],
            metavar="NUMBER",
            type=click.IntRange(1, MOST_SERVERS),
            default=1,
            show_default=True,
            help="How many servers; more than one need --db postgresql://...",
        ),
        click.Option(["is_container", "--container"], is_flag=True, help="Write the files of a container instead."),
        click.Option(["is_force", "--force"], is_flag=True, help="Replace existing files."),
        *options(SETTINGS),
    ],
    callback=run_deploy,
    help="Write a systemd unit and the configuration of Prometheus, Alertmanager, Grafana, Litestream and Fluentd into"
    " the folder DIR; for several servers a unit each, and the configuration of HAProxy and PostgreSQL.",
    short_help="Write the files that an operator installs.",
    epilog=EXAMPLES,
)
