"""`levity-trio tariff`: checks a tariff before it is used, and prints examples. Neither needs a server."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from levity_trio.billing.describing import examples, words
from levity_trio.billing.examples import EXAMPLES
from levity_trio.billing.tariff import Tariff
from levity_trio.billing.tariff_file import TariffFaults, parse
from levity_trio.cli.tables import say
from levity_trio.config import ConfigError, EnvironmentProblem

HELP: Final = """\
\b
Examples:
  levity-trio tariff example day-night > night.toml
  levity-trio tariff check night.toml

`check` prints what it understood in words, and what 10 kWh and a session cost.

Exit status: 0 if the tariff is right, 1 if the file cannot be read, 2 with all
its faults.
"""

tariff = click.Group("tariff", help="Write a tariff: what energy costs, and when.", epilog=HELP)


@tariff.command("check")
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Check a tariff, and say what it means."""
    found = _read(file)
    say("\n".join(words(found)))
    say("\nFor example:")
    say("\n".join(examples(found)))


@tariff.command("example")
@click.argument("kind", type=click.Choice(list(EXAMPLES)))
def example(kind: str) -> None:
    """Print a tariff of a kind, with comments."""
    say(EXAMPLES[kind], ends_line=False)


def _read(file: Path) -> Tariff:
    try:
        return parse(file.read_text(encoding="utf-8-sig"))
    except TariffFaults as faults:
        raise ConfigError(*(f"{file}: {fault}" for fault in faults.args)) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise EnvironmentProblem(f"{file}: {error.strerror}") from error
