"""How commands are declared: the options that many share, the examples in their help, the settings
of a database."""

from __future__ import annotations

import inspect
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import wraps
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar, cast

import click
from click.shell_completion import CompletionItem

from levity_trio.billing.ledger import typed_amount
from levity_trio.cli import terminal
from levity_trio.config import SETTINGS
from levity_trio.config.settings import DATABASE, DatabaseAddress, Setting, Unusable
from levity_trio.config.sources import load

EXISTING: Final = "Existing database, as for `serve`."
PROGRAM: Final = "  levity-trio "
LONGEST_SUMMARY: Final = 1000
OF_ONE_CHARGER: Final = "--charger ID"
COMPLETING: Final = "_LEVITY_TRIO_COMPLETE"
"""The variable by which a shell asks for completions."""
_EXAMPLES: Final = "\b\nExamples:\n"
Callback = Callable[..., int | None]
Decorator = Callable[[Callback], Callback]
Decorated = TypeVar("Decorated", bound=Callable[..., Any])
PATH: Final = click.Path(path_type=Path)
ANY_FILE: Final = click.Path(dir_okay=False, path_type=Path)
EXISTING_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


class Known(click.ParamType[str]):
    """What the API has by its name, such as chargers. A shell completes it while the server
    runs."""

    name = "text"
    names: Callable[[click.Context, str], list[str]] = staticmethod(lambda *_: [])
    """Returns those that a running server knows: the operator's commands know how."""

    def __init__(self, resource: str) -> None:
        self.resource = resource.removeprefix("#")

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        del param
        begin = incomplete.casefold()
        every = self.names(ctx, self.resource)
        names = [name for name in every if name.casefold().startswith(begin)]
        # Other shells quote by themselves, and bash does after a quotation mark.
        is_bash = os.environ.get(COMPLETING, "").startswith("bash")
        if is_bash and os.environ["COMP_WORDS"].count('"') % 2 == 0:
            names = [*map(shlex.quote, names)]
        return [*map(CompletionItem, names)]


class Whole(click.IntRange):
    """A whole number whose bounds are told in words."""

    name = "number"

    def _describe_range(self) -> str:
        return f"from {self.min} {'on' if self.max is None else f'to {self.max}'}"

    def fail(self, message: str, *where: Any) -> NoReturn:
        message = f"{message.partition(' is ')[0]}: give a whole number {self._describe_range()}"
        super().fail(message, *where)


class Named(Known):
    """The name or the number of a thing that the API has; the command gets its number."""


def option(usage: str, words: str, name: str = "", **more: Any) -> Callable[[Decorated], Decorated]:
    """Return an option with its help.

    It is declared as people type it, such as `-o --output FILE`; `name` is that of the parameter,
    if the flag has another one. A default is shown.
    """
    declared = usage.split()
    if not declared[-1].startswith("-"):
        more["metavar"] = declared.pop()
    if name:
        declared.append(name)
    more.setdefault("show_default", bool(more.get("default")))
    if usage == OF_ONE_CHARGER:
        more.setdefault("type", Known("chargers"))
    return click.option(*declared, help=words, **more)


def argument(usage: str, name: str | None = None, **more: Any) -> Callable[[Decorated], Decorated]:
    """Return an argument as usage shows it, such as `[CHARGER]`, which may be left out; `name` is
    that of its parameter, if it is another word."""
    word = usage.strip("[]")
    name = name or word.lower()
    if word == "CHARGER":
        more.setdefault("type", Known("chargers"))
    return click.argument(name, metavar=usage, required=word == usage, **more)


def flag(usage: str, words: str, name: str = "", **more: Any) -> Callable[[Decorated], Decorated]:
    """Return an option without a value."""
    return option(usage, words, name, is_flag=True, **more)


JSON: Final = flag("--json", "Output JSON, for programs.", "is_json")
JSON_PARAMETER: Final = click.Option(
    ["is_json", "--json"], is_flag=True, help="Output JSON, for programs."
)
JSON_LINES: Final = flag("--json", "Output JSON lines, for programs.", "is_json")
JSON_RESULT: Final = flag("--json", "Output the result as JSON.", "is_json")
OF_CHARGER: Final = option("--charger ID", "Only of this charger.")
ID: Final = argument("ID", "number", type=int)
SESSION: Final = argument("SESSION", "transaction", type=int)


def together(*options: Decorator) -> Decorator:
    """Return several options as one decorator, in their order."""

    def decorate(function: Callback) -> Callback:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _note_wide(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    ctx.meta[terminal.WIDE] = value


WIDE: Final = flag(
    "--wide", "Show all columns, and texts whole.", expose_value=False, callback=_note_wide
)


def limit(words: str = "How many.", default: int = 50) -> Decorator:
    """Return the options of a list: how many rows are shown, and whether all of their columns
    are."""
    return together(option("--limit", words, type=Whole(1, 500), default=default), WIDE)


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that were given, of those that may be repeated at least once."""
    return {name: value for name, value in fields.items() if value not in (None, ())}


HOUSEHOLD: Final = argument("HOUSEHOLD", "number", type=Named("accounts"))


class Group(click.Group):
    """A group of commands. Its help has the whole summary of each."""

    group_class = type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, summary(self.commands[name])) for name in self.list_commands(ctx)]
            )


def summary(command: click.Command) -> str:
    """Return what a command does, in a sentence that is never cut."""
    return command.get_short_help_str(LONGEST_SUMMARY)


class _Kwh(click.ParamType[int]):
    """An energy that is typed in kWh; its value is in Wh."""

    name = "kWh"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            wh = typed_amount(value).scaleb(3)
        except ValueError:
            wh = Decimal(-1)
        if wh < 0 or wh != wh.to_integral_value():
            self.fail(f"{value}: give kWh with up to three decimals, such as 3.5", param, ctx)
        return int(wh)


KWH: Final = _Kwh()


def energy(name: str, usage: str, words: str) -> Decorator:
    """Return the option of an energy, which is typed in kWh; its value is in Wh."""
    return option(f"{usage} KWH", words, name, type=KWH)


# Help and examples


def name_of(function: Callable[..., Any]) -> str:
    """Return how people call the command of a function."""
    return function.__name__.rstrip("_").replace("_", "-")


def help_of(function: Callable[..., Any]) -> tuple[str, str]:
    """Return what a docstring says of a command, and the examples that follow there, as its
    epilog."""
    words, _, lines = (inspect.getdoc(function) or "").partition("\n\nExamples:\n")
    return words, f"{_EXAMPLES}{lines}\n" if lines else ""


def local_command(**more: Any) -> Callable[[Callback], click.Command]:
    """Decorate a function as a command that asks no server. It is called as the function, whose
    docstring has its help and its examples."""

    def decorate(function: Callback) -> click.Command:
        words, examples = help_of(function)
        attributes = {"help": words, "epilog": examples} | more
        made: click.Command = click.command(name_of(function), **attributes)(function)
        return made

    return decorate


def examples_of(epilog: str | None, *words: str) -> str:
    """Return the examples in an epilog that have these words of a command; an empty text if there
    are none."""
    lines = list(_lines(epilog or "", f" {' '.join(words)} "))
    return "\n".join((f"{_EXAMPLES}{lines[0]}", *lines[1:], "")) if lines else ""


def _lines(epilog: str, words: str) -> Iterator[str]:
    """Yield the lines of these examples, each with those in which it goes on."""
    is_wanted = False
    for line in epilog.splitlines():
        if not line.startswith("  "):
            is_wanted = False
        elif line.startswith(PROGRAM):
            is_wanted = words in f"{line} "
        if is_wanted:
            yield line


# Settings


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


def setting_options(settings: Iterable[Setting] = SETTINGS) -> list[click.Parameter]:
    """Return options that pass on raw text if given. levity_trio.config parses and validates it."""
    config = click.Option(
        ["config", "--config"], metavar="FILE", help="TOML file with any of these settings."
    )
    return [*map(_option, settings), config]


def _option(setting: Setting) -> click.Option:
    names = [setting.attribute, setting.flag]
    if setting.is_switch:
        return click.Option(names, is_flag=True, default=None, help=setting.help)
    default = f"  [default: {setting.default_text}]" if setting.default_text else ""
    is_repeatable = setting.kind.is_repeatable
    return click.Option(
        names, metavar=setting.kind.metavar, multiple=is_repeatable, help=setting.help + default
    )


def database_options(words: str = EXISTING) -> list[click.Parameter]:
    """Return the options of a command that uses the server's database."""
    (database,) = (setting for setting in SETTINGS if setting.attribute == "database")
    return setting_options([replace(database, help=words)])


def on_database(*, words: str = EXISTING, **more: Any) -> Callable[[Callback], click.Command]:
    """Decorate `function(config, …)` as a local command that uses the server's database itself,
    never creating it.

    The options of the database come after the others.
    """

    def decorate(function: Callback) -> click.Command:
        @wraps(function)
        def run(database: str | None, config: str | None, **options: Any) -> int | None:
            given = present({"database": database, "config": config})
            return function(load(given, os.environ)[0], **options)

        made = local_command(**more)(run)
        made.params += database_options(words)
        return made

    return decorate


def read_database(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> DatabaseAddress | None:
    """Return the address that was given, for `callback`. A value that is none is an error of
    usage."""
    try:
        return None if value is None else cast("DatabaseAddress", DATABASE.read(value))
    except Unusable as problem:
        raise click.BadParameter(str(problem)) from None


def place(database: DatabaseAddress) -> dict[str, str]:
    """Return where a database is, for programs."""
    return (
        {"file": str(database.resolve())}
        if isinstance(database, Path)
        else {"database": str(database)}
    )
