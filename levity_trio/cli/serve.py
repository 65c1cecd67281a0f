"""`levity-trio serve`: starts the server. Its options are the settings of config.py, grouped."""

import os
from collections.abc import Iterable
from dataclasses import replace

import click

from levity_trio.cli.memory import use_one_arena
from levity_trio.config import SETTINGS
from levity_trio.config.settings import Setting
from levity_trio.config.sources import load

EXAMPLES = """\
\b
Examples:
  levity-trio serve
  levity-trio serve --port 9001 --db /var/lib/levity/levity.db
  levity-trio serve --config /etc/levity.toml --log-format json
  LEVITY_OCPP_LOG_LEVEL=DEBUG levity-trio serve

Each flag has an environment variable (--log-level: LEVITY_LOG_LEVEL; switches: true or false) and a key in the TOML
file (log-level = "DEBUG"). A flag overrides the variable, the variable overrides the file, and the file overrides the
default.

Exit status: 0 after a clean stop, 1 for a failure of the environment (port in use, another program's database) or an
unclean stop, 2 for a wrong setting.
"""


class GroupedCommand(click.Command):
    """A command whose `--help` lists its options by group."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups = {setting.attribute: setting.group for setting in SETTINGS}
        rows: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if (record := parameter.get_help_record(ctx)) is not None:
                rows.setdefault(groups.get(parameter.name or "", "General"), []).append(record)
        for group, records in rows.items():
            with formatter.section(group):
                formatter.write_dl(records)


def options(settings: Iterable[Setting]) -> list[click.Option]:
    """Return options that pass on raw text if given. config.py parses and validates it."""
    config = click.Option(["config", "--config"], metavar="FILE", help="TOML file with any of these settings.")
    return [*(_option(setting) for setting in settings), config]


def database_options() -> list[click.Option]:
    """Return the options of a command that uses the server's database and never creates it."""
    (database,) = (setting for setting in SETTINGS if setting.attribute == "database")
    return options([replace(database, help="Existing database, as for `serve`.")])


def _option(setting: Setting) -> click.Option:
    names = [setting.attribute, setting.flag]
    if setting.is_switch:
        return click.Option(names, is_flag=True, default=None, help=setting.help)
    default = f"  [default: {setting.default_text}]" if setting.default_text else ""
    is_repeatable = setting.kind.is_repeatable
    return click.Option(names, metavar=setting.kind.metavar, multiple=is_repeatable, help=setting.help + default)


def run_serve(**given: object) -> int:
    flags = {name: value for name, value in given.items() if value not in (None, ())}
    server_config, log_config = load(flags, os.environ)
    use_one_arena()
    os.umask(0o077)  # also for what libraries and plugins write
    from levity_trio.server import run  # noqa: PLC0415 - so that --help and a wrong flag answer at once

    return run(server_config, log_config)


serve = GroupedCommand(
    "serve",
    params=[*options(SETTINGS)],
    callback=run_serve,
    help="Start the server. Without flags it listens on port 9000 and stores in levity.db in the current folder.",
    epilog=EXAMPLES,
)
