"""The command line: modules of commands, without logic of their own.

Every error is one line on stderr. The exit status is 2 for wrong usage or configuration and 1 for a
failure of the environment. No other exception is caught here, so a bug shows its traceback.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from typing import Final

import click

from levity_trio import __version__, commit
from levity_trio.cli.declaring import Group, flag, summary
from levity_trio.config import NOT_ALLOWED, ConfigError, EnvironmentProblem
from levity_trio.locale.formats import writing_as_in
from levity_trio.output import readable

GROUPS: Final = {
    "Serve": ("serve", "logs", "import", "forget", "recheck"),
    "Install": ("install", "upgrade", "uninstall", "deploy"),
    "Operate (over the API of a running server)": (
        *("status", "chargers", "charger", "household", "card", "car"),
        *("sessions", "explain", "review", "correct", "close"),
        *(
            "call",
            "commands",
            "configuration",
            "template",
            "files",
            "local-list",
            "events",
            "webhook",
            "backend",
            "mqtt",
            "notify",
            "load",
        ),
        *("certificate", "token", "user", "drain"),
    ),
    "Bill": ("tariff", "series", "bill", "wallet", "meter", "reconcile"),
    "Keep": ("backup", "check", "restore", "move"),
    "Simulate": ("demo", "simulate", "simulator", "verify"),
    "Read": ("help",),
}
"""The commands, as --help groups them."""
MODULES: Final = {
    "chargers": "charger",
    **dict.fromkeys(("correct", "close"), "review"),
    "explain": "sessions",
    "commands": "call",
    "uninstall": "install",
}
"""Where commands are; the others are in a module of their name, with _ for -, and after a word of
Python."""
OF_TABLE: Final = ("car", "meter", "mqtt", "token", "webhook")
"""Groups without a module: all of their commands are data."""
COMMANDS: Final = tuple(name for names in GROUPS.values() for name in names)
SERVERS: Final = ("serve", "demo", "simulate", "simulator")
"""Commands that run for long and serve others: those have a language of their own."""
_KINDS_OF_NUMBERS: Final = {
    "is not a valid float": "is no number; write one with a point, such as 2.5",
    "is not a valid integer": "is no whole number",
}
USAGE = 2
FAILED = 1
INTERRUPTED = 130


class CommandLine(Group):
    """A group that imports a command on first use, to spare the server the imports of all
    others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        for group, names in GROUPS.items():
            with formatter.section(group):
                formatter.write_dl([(name, summary(command_of(name))) for name in names])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        return command_of(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS:
            from difflib import get_close_matches  # noqa: PLC0415 - nearly nobody mistypes

            # Click knows only commands that are imported
            if near := get_close_matches(name, COMMANDS):
                raise click.UsageError(f"No such command {name!r}. Did you mean {near[0]!r}?", ctx)
        return super().resolve_command(ctx, args)


def command_of(name: str) -> click.Command:
    """Return a command, whose module is imported now."""
    if name in OF_TABLE:
        from levity_trio.cli.commands import group_of  # noqa: PLC0415 - only they need it

        return group_of(name)
    own = name.replace("-", "_") + "_" * iskeyword(name)
    command: click.Command = getattr(import_module(f"{__name__}.{MODULES.get(name, own)}"), own)
    return command


def _show_version(context: click.Context, _parameter: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        known = commit()
        of_it = f" (commit {known})" if known else ""
        click.echo(f"levity-trio {__version__}{of_it}")
        context.exit()


@click.group(
    cls=CommandLine,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@flag(
    "--version",
    "Show the version, with its commit where it is known, and exit.",
    is_eager=True,
    expose_value=False,
    callback=_show_version,
)
@click.pass_context
def levity_trio(context: click.Context) -> None:
    """OCPP 1.6-J central system for a small site: one process, one SQLite file.

    `levity-trio serve` starts it; `levity-trio serve --help` shows its settings.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
    elif context.invoked_subcommand not in SERVERS:
        context.with_resource(writing_as_in(os.environ))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status. Without arguments, run that of this
    process."""
    if sys.flags.optimize > 1:  # help, forms and the documentation of the API are in docstrings
        return _fail("run Python without -OO and PYTHONOPTIMIZE=2, which leave out texts", USAGE)
    try:
        status = levity_trio.main(arguments, prog_name="levity-trio", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as asked:
        asked.show()
        return USAGE
    except click.UsageError as problem:
        return _fail(_misused(problem), USAGE)
    except ConfigError as problem:
        for line in problem.args:
            _fail(line, USAGE)
        return USAGE
    except EnvironmentProblem as problem:
        return _fail(str(problem), problem.exit_status)
    except PermissionError as problem:
        path = problem.filename or problem
        return _fail(f"{path}: {NOT_ALLOWED}", FAILED)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return int(status or 0)


def _misused(problem: click.UsageError) -> str:
    hint = problem.ctx.command_path if problem.ctx else "levity-trio"
    words = problem.format_message().removesuffix(".")
    if isinstance(problem, click.MissingParameter) and isinstance(problem.param, click.Option):
        missing, _, choices = words.partition(".")
        words = f"{missing}: {problem.param.help}{choices}".removesuffix(".")
    for of_programs, of_people in _KINDS_OF_NUMBERS.items():
        words = words.replace(of_programs, of_people)
    return f"{words}{'' if words.endswith('?') else '.'} See {hint} --help."


def _fail(line: str, status: int) -> int:
    sys.stderr.write(f"levity-trio: {readable(' '.join(line.split()), sys.stderr)}\n")
    return status
