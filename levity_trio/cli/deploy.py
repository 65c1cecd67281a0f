"""`levity-trio deploy`: writes the files that an operator installs, filled in from the present configuration."""

import os
import socket
import sys
from pathlib import Path
from typing import Any

import click

from levity_trio import __version__
from levity_trio.cli.serve import GroupedCommand, options
from levity_trio.config import SETTINGS

EXAMPLES = """\
\b
Examples:
  levity-trio deploy deploy/
  levity-trio deploy --config /etc/levity.toml --user levity deploy/
  levity-trio deploy --fluentd-endpoint 127.0.0.1:24224 deploy/
  levity-trio deploy --remote-write https://metrics.example.org/write deploy/

Reads the settings of `levity-trio serve` from the same flags, environment and TOML file, and writes them into the
systemd unit and the other files. DIR/README.txt says how to install each of them. The command itself installs nothing,
and replaces no file without --force.

Exit status: 0 when all files are written, 1 when a file exists or the folder cannot be written, 2 for a wrong setting.
"""


def run_deploy(directory: Path, *, user: str | None, remote_write: str | None, is_force: bool, **given: object) -> int:
    from levity_trio.deploy.files import texts, write  # noqa: PLC0415 - so that --help and a wrong flag answer at once
    from levity_trio.deploy.installation import Installation, values  # noqa: PLC0415

    flags = {name: value for name, value in given.items() if value is not None}
    given_installation = {"user": user, "remote_write": remote_write}
    installation = Installation(
        program=_program(),
        site=socket.gethostname(),
        version=__version__,
        **{name: value for name, value in given_installation.items() if value is not None},
    )
    contents = texts(values(flags, os.environ, installation))
    write(directory, contents, may_replace=is_force)
    for name in contents:
        click.echo(directory / name)
    click.echo(f"Next: {directory / 'README.txt'}")
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
        click.Option(["is_force", "--force"], is_flag=True, help="Replace existing files."),
        *options(SETTINGS),
    ],
    callback=run_deploy,
    help="Write a systemd unit and the configuration of Prometheus, Alertmanager, Grafana, Litestream and Fluentd into"
    " the folder DIR.",
    short_help="Write the files that an operator installs.",
    epilog=EXAMPLES,
)
