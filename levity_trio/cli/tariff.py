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
from levity_trio.cli.declaring import (
    PATH,
    WIDE,
    Named,
    argument,
    examples_of,
    flag,
    limit,
    option,
    present,
    together,
)
from levity_trio.cli.operator import Operator, api_group
from levity_trio.cli.terminal import fill, local_minute, say, show_below, show_record
from levity_trio.config import ConfigError, EnvironmentProblem

COLUMNS: Final = ("id", "name", "currency", "prices", "since")
NO_TARIFF: Final = (
    "no tariff yet: levity-trio tariff example flat > flat.toml is a begin, tariff add flat.toml "
    "adds it"
)
VERSIONS: Final = (
    "since",
    "added_at",
    "added_by",
    "reason",
    "is_used",
    "withdrawn_at",
    "withdrawn_by",
)
NOT_ASSIGNED: Final = (
    "no tariff holds for anybody yet: levity-trio tariff assign TARIFF --site --since DAY"
)
ASSIGNED: Final = ("for", "tariff", "since", "until", "is_replaced", "by", "reason")


@api_group
def tariff() -> None:
    """Say what energy costs, when, and for whom.

    Examples:
      levity-trio tariff example day-night > night.toml
      levity-trio tariff check night.toml
      levity-trio tariff add night.toml
      levity-trio tariff assign "Day and night" --site --since 2026-10-01
      levity-trio tariff which --household 7 --charger CP-1 --day 2026-10-01

    `check` prints what it understood in words, and what 10 kWh and a session cost.
    It and `example` need no server. Days are those of the site's time zone.

    Exit status of `check`: 0 if the tariff is right, 1 if the file cannot be read,
    2 with all its faults.
    """


_FILE: Final = argument("FILE", type=PATH)
_NAME: Final = argument("TARIFF", "number", type=Named("tariffs"))
_REASON: Final = option("--reason", "Why, for those who ask later.")
_CORRECT: Final = flag(
    "--correct-statements", "Do it also if it corrects statements that are closed already."
)
_PAYER: Final = together(
    option(
        "--household HOUSEHOLD",
        "A household, by its number or name.",
        "account",
        type=Named("accounts"),
    ),
    option("--charger ID", "A charger."),
)
_TARGET: Final = together(_PAYER, flag("--site", "The whole site.", default=None))
_CHANGE: Final = together(
    _TARGET,
    option("--since DAY", "From which day on, as 2026-10-01.", required=True),
    _REASON,
    _CORRECT,
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
@limit()
def list_(operator: Operator, limit: int) -> None:
    """List tariffs, with the days from which their versions hold.

    Examples:
      levity-trio tariff list
    """
    operator.show_page(COLUMNS, operator.get("tariffs", limit=limit), empty=NO_TARIFF)


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


@tariff.api_command
@_NAME
@argument("DAY")
@_REASON
@_CORRECT
def withdraw(
    operator: Operator, number: int, day: str, reason: str | None, *, correct_statements: bool
) -> None:
    """Withdraw the version of a day, as if it had never held.

    This is refused once closed months may have used it.

    Examples:
      levity-trio tariff withdraw Flat 2026-10-01 --reason "0.23 instead of 0.32"
    """
    body = {"since": day, "reason": reason, "correct_statements": correct_statements}
    done = operator.post("tariffs", number, "withdraw", body=body)
    _say(operator, done)
    if not operator.is_json and done["corrected"]:
        say(_corrected(done))


# Assignments


@tariff.api_command
@_NAME
@_CHANGE
def assign(operator: Operator, number: int, **fields: Any) -> None:
    """Make a tariff hold for a household, a charger or the site.

    Examples:
      levity-trio tariff assign Flat --site --since 2026-10-01
      levity-trio tariff assign "Day and night" --household 7 --since 2026-10-01
      levity-trio tariff assign Guests --charger CP-1 --since 2026-11-01

    A session costs what its household's tariff says, else that of its charger, else
    that of the site: the one that holds on the local day of its start.
    """
    _assign(operator, fields | {"tariff": number})


@tariff.api_command
@_CHANGE
def unassign(operator: Operator, **fields: Any) -> None:
    """End the tariff of a household, a charger or the site.

    Examples:
      levity-trio tariff unassign --household 7 --since 2026-12-01

    From that day on, the tariff of the charger or of the site holds.
    """
    _assign(operator, fields | {"tariff": None})


@tariff.api_command
@option("--tariff TARIFF", "Only of this tariff.", "number", type=Named("tariffs"))
@_TARGET
@limit()
def assignments(operator: Operator, number: int | None, limit: int, **target: Any) -> None:
    """List for whom tariffs were assigned, the newest first.

    Examples:
      levity-trio tariff assignments
      levity-trio tariff assignments --tariff Flat
    """
    operator.show_page(
        ASSIGNED,
        operator.get("tariff-assignments", **target, tariff=number, limit=limit),
        _line,
        empty=NOT_ASSIGNED,
    )


@tariff.api_command
@_PAYER
@option("--day DAY", "On which day; today by default.")
def which(operator: Operator, day: str | None, **target: Any) -> None:
    """Say which tariff holds for a household at a charger, and why."""
    in_force = operator.get("tariff-in-force", **target, day=day)
    assigned = in_force["assignment"]
    if assigned is None:
        operator.tell(in_force, f"no tariff holds on {in_force['day']}")
        return
    version = (
        f"version of {in_force['version']}"
        if in_force["version"]
        else "which has no version for this day"
    )
    reason, at = (
        f": {assigned['reason']}" if assigned["reason"] else "",
        local_minute(assigned["at"]),
    )
    ground = f"assigned: {_for(assigned)} since {assigned['since']}, by {assigned['by']} at {at}"
    words = fill(f"on {in_force['day']}: {in_force['tariff_name']}, {version}")
    operator.tell(in_force, f"{words}\n{fill(f'{ground}{reason}', '  ', '  ')}")


def _assign(operator: Operator, fields: Mapping[str, Any]) -> None:
    targets = [fields[name] for name in ("account", "charger", "site")]
    if len(targets) - targets.count(None) != 1:
        raise click.UsageError("give one of --household, --charger and --site")
    body = present(fields) | {"tariff": fields["tariff"]}
    done = operator.post("tariff-assignments", body=body)
    until = f" until {done['until']}, when another assignment begins" if done["until"] else ""
    again = "; that was so already" if done["result"] == "same" else ""
    what = "no tariff of its own" if done["tariff_name"] is None else done["tariff_name"]
    operator.tell(
        done, f"{_for(done)}: {what} from {done['since']} on{until}{again}" + _corrected(done)
    )


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


def _line(assignment: Mapping[str, Any]) -> dict[str, Any]:
    return {**assignment, "for": _for(assignment), "tariff": assignment["tariff_name"]}


def _say(operator: Operator, record: Mapping[str, Any]) -> None:
    if operator.is_told(record):
        return
    show_record(record, *COLUMNS)
    show_below(VERSIONS, record["versions"])
    show_below(ASSIGNED, map(_line, record["assignments"]))
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
