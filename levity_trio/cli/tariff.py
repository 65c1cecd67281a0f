"""`levity-trio tariff`: checks a tariff, which needs no server; adds it, and says for whom it
holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.billing.describing import examples, words
from levity_trio.billing.examples import EXAMPLES
from levity_trio.billing.money import CURRENCIES, signed
from levity_trio.billing.tariff import Tariff
from levity_trio.billing.tariff_file import LONGEST, TariffFaults, parse
from levity_trio.cli.commands import group_of
from levity_trio.cli.declaring import (
    PATH,
    WIDE,
    Named,
    argument,
    examples_of,
    flag,
    option,
)
from levity_trio.cli.operator import Operator
from levity_trio.cli.terminal import fill, local_minute, say, show_below, show_record
from levity_trio.config import ConfigError, EnvironmentProblem

COLUMNS: Final = ("id", "name", "currency", "prices", "since")
VERSIONS: Final = (
    "since",
    "added_at",
    "added_by",
    "reason",
    "is_used",
    "withdrawn_at",
    "withdrawn_by",
)
ASSIGNED: Final = ("for", "tariff", "since", "until", "is_replaced", "by", "reason")

tariff = group_of("tariff")


_FILE: Final = argument("FILE", type=PATH)
_NAME: Final = argument("TARIFF", "number", type=Named("tariffs"))
_REASON: Final = option("--reason", "Why, for those who ask later.")
_CORRECT: Final = flag(
    "--correct-statements", "Do it also if it corrects statements that are closed already."
)


@tariff.command("check", epilog=examples_of(tariff.epilog, "tariff", "check"))
@_FILE
def check(file: Path) -> None:
    """Check a tariff, and say what it means."""
    checked = _parsed(file, _read(file))
    say("\n".join((*map(fill, words(checked)), "", "For example:", *examples(checked))))


@tariff.command("example", epilog=examples_of(tariff.epilog, "tariff", "example"))
@click.argument("kind", type=click.Choice(list(EXAMPLES)))
def example(kind: str) -> None:
    """Print a tariff of a kind, with comments."""
    say(EXAMPLES[kind], ends_line=False)


# Versions


@tariff.api_command
@_FILE
@_REASON
@_CORRECT
def add(operator: Operator, file: Path, reason: str | None, *, correct_statements: bool) -> None:
    """Add a version of a tariff from its file.

    Examples:
      levity-trio tariff show "Day and night" --toml > night.toml
      levity-trio tariff add night.toml --reason "new contract"

    A tariff is known by the name in its file. Change the prices and valid_from, and
    add it again: the versions before keep their days. A version is never changed;
    withdraw one that was wrong, as long as no closed month has used it.
    """
    toml = _read(file)
    since = _parsed(file, toml).since
    done = operator.post(
        "tariffs", body={"toml": toml, "reason": reason, "correct_statements": correct_statements}
    )
    became = "is added" if done["result"] == "added" else "was there already; nothing changed"
    told = f"{done['name']}, from {since} on, {became}"
    if not done["assignments"]:
        told += "\nit holds for nobody yet; see levity-trio tariff assign --help"
    operator.tell(done, told + _corrected(done))


@tariff.api_command
@_NAME
@flag("--toml", "Print the newest version as it was given, for the next one.", "is_toml")
@WIDE
def show(operator: Operator, number: int, *, is_toml: bool) -> None:
    """Show a tariff: what it says, when, and for whom.

    Examples:
      levity-trio tariff show Flat
      levity-trio tariff show Flat --toml > flat.toml
    """
    record = operator.get("tariffs", number)
    if not is_toml:
        _say(operator, record)
        return
    live = [version["toml"] for version in record["versions"] if version["withdrawn_at"] is None]
    if not live:
        raise ConfigError(
            f"all versions of {record['name']} were withdrawn; levity-trio tariff show --json has "
            "them"
        )
    say(live[0], ends_line=False)


# Assignments


def check_target(_operator: Operator, fields: Mapping[str, Any]) -> bool:
    """Refuse an assignment to nobody, or to several. Raises UsageError."""
    if sum(bool(fields[name]) for name in ("account", "charger", "site")) != 1:
        raise click.UsageError("give one of --household, --charger and --site")
    return False


def assigned(operator: Operator, done: Mapping[str, Any], _given: object) -> None:
    """Say for whom a tariff holds from when on, and what that corrects."""
    until = f" until {done['until']}, when another assignment begins" if done["until"] else ""
    again = "; that was so already" if done["result"] == "same" else ""
    what = "no tariff of its own" if done["tariff_name"] is None else done["tariff_name"]
    operator.tell(
        done, f"{_for(done)}: {what} from {done['since']} on{until}{again}" + _corrected(done)
    )


def withdrawn(operator: Operator, done: Mapping[str, Any], _given: object) -> None:
    """Show a tariff after one of its versions was withdrawn, and what that corrects."""
    _say(operator, done)
    if not operator.is_json and done["corrected"]:
        say(_corrected(done))


def in_force(operator: Operator, found: Mapping[str, Any], _given: object) -> None:
    """Say which tariff holds, and why."""
    held = found["assignment"]
    if held is None:
        operator.tell(found, f"no tariff holds on {found['day']}")
        return
    version = (
        f"version of {found['version']}"
        if found["version"]
        else "which has no version for this day"
    )
    reason, at = (
        f": {held['reason']}" if held["reason"] else "",
        local_minute(held["at"]),
    )
    ground = f"assigned: {_for(held)} since {held['since']}, by {held['by']} at {at}"
    words = fill(f"on {found['day']}: {found['tariff_name']}, {version}")
    operator.tell(found, f"{words}\n{fill(f'{ground}{reason}', '  ', '  ')}")


def _corrected(done: Mapping[str, Any]) -> str:
    """Return a line for each closed statement that a change corrects."""
    return "".join(
        f"\nstatement {statement['printed_number']} ({statement['name']}, {statement['month']}) is "
        "corrected by"
        f" {signed(statement['amount'], CURRENCIES[statement['currency']])}, on the next statement"
        for statement in done["corrected"]
    )


def _for(assignment: Mapping[str, Any]) -> str:
    if assignment["account"] is not None:
        return assignment["account_name"] or f"household {assignment['account']}"
    return f"charger {assignment['charger']}" if assignment["charger"] is not None else "site"


def line(assignment: Mapping[str, Any]) -> dict[str, Any]:
    return {**assignment, "for": _for(assignment), "tariff": assignment["tariff_name"]}


def _say(operator: Operator, record: Mapping[str, Any]) -> None:
    if operator.is_told(record):
        return
    show_record(record, *COLUMNS)
    show_below(VERSIONS, record["versions"])
    show_below(ASSIGNED, map(line, record["assignments"]))
    for version in record["versions"]:
        if version["withdrawn_at"] is None:
            said = words(_parsed(f"the version of {version['since']}", version["toml"]))
            say("\n" + "\n".join(map(fill, said)))


# Files


def _read(file: Path) -> str:
    """Return the text of a file. Raises ConfigError, EnvironmentProblem."""
    try:
        with file.open(encoding="utf-8-sig") as opened:
            return opened.read(LONGEST + 1)
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise EnvironmentProblem(f"{file}: {error.strerror}") from error


def _parsed(source: Path | str, toml: str) -> Tariff:
    """Return what a text says. Raises ConfigError with all its faults."""
    try:
        return parse(toml)
    except TariffFaults as faults:
        raise ConfigError(*(f"{source}: {fault}" for fault in faults.args)) from None
