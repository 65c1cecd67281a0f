"""`levity-trio charger`: registers chargers, adopts newcomers, refuses strangers."""

from __future__ import annotations

from typing import Any, Final

import click

from levity_trio.cli import charger_security
from levity_trio.cli.charger_offline_policy import offline_policy
from levity_trio.cli.charger_secure import secure
from levity_trio.cli.operator import Operator, command
from levity_trio.cli.tables import cell

ADMIN: Final = "admin"
ADD_EXAMPLES: Final = """\
\b
Examples:
  levity-trio charger add CP-7 --name "Parking space 7"
"""
ADOPT_EXAMPLES: Final = """\
\b
Examples:
  levity-trio chargers --newcomers
  levity-trio charger adopt CP-7 --reason "installed today"
  levity-trio charger adopt --all

--all adopts every charger with a transaction that was not refused: before a
change to `serve --registration ask` or `closed`.
"""
REFUSE_EXAMPLES: Final = """\
\b
Examples:
  levity-trio charger refuse CP-99 --reason "not ours"

What a refused charger reports is kept, but it starts no charging and is sent
nothing. With `serve --registration closed` it cannot connect. `charger adopt`
takes it back.
"""

EXAMPLES: Final = """\
\b
Examples:
  levity-trio charger add CP-7 --name "Space 12"
  levity-trio charger adopt CP-7
  levity-trio charger refuse CP-99 --reason "not ours"
  levity-trio charger security CP-7
  levity-trio charger secure CP-7 --profile 2
  levity-trio charger offline-policy CP-7

A charger that is to be adopted or refused has connected; `charger add`
registers one before. `levity-trio chargers` lists them.
"""

charger = click.Group(
    "charger", help="Say which chargers may connect and how, and who may charge while we are away.", epilog=EXAMPLES
)
for one in (*charger_security.COMMANDS, secure, offline_policy):
    charger.add_command(one)
_REASON: Final = click.option("--reason", default="", metavar="TEXT", help="Why, for those who ask later.")


@command("add", group=charger, epilog=ADD_EXAMPLES)
@click.argument("identity", metavar="CHARGER")
@click.option("--name", metavar="NAME", help="What people call it.")
def add(operator: Operator, identity: str, name: str | None) -> None:
    """Register a charger before it connects."""
    made = operator.ask("POST", ADMIN, "chargers", given={"id": identity, "name": name})
    operator.tell(made, f"{cell(identity)} is registered")


@command("adopt", group=charger, epilog=ADOPT_EXAMPLES)
@click.argument("identity", metavar="[CHARGER]", required=False)
@click.option("--all", "is_all", is_flag=True, help="Adopt every charger with a transaction.")
@_REASON
def adopt(operator: Operator, identity: str | None, is_all: bool, reason: str) -> None:
    """Adopt a charger: it is registered and served."""
    if is_all == (identity is not None):
        raise click.UsageError("give the identity of a charger, or --all")
    if identity is None:
        done = operator.ask("POST", ADMIN, "newcomers", "adopt", given={"reason": reason})
        names = ", ".join(cell(one) for one in done["adopted"])
        operator.tell(done, f"adopted: {names}" if names else "nobody is left to be adopted")
        return
    done = operator.ask("POST", ADMIN, "chargers", identity, "adopt", given={"reason": reason})
    asked = "; it was asked to boot" if done["boot"] is not None else ""
    operator.tell(done, f"{cell(identity)} {_is(done)} adopted{asked}")


@command("refuse", group=charger, epilog=REFUSE_EXAMPLES)
@click.argument("identity", metavar="CHARGER")
@_REASON
def refuse(operator: Operator, identity: str, reason: str) -> None:
    """Refuse a charger: its boot is rejected, and it is sent nothing."""
    done = operator.ask("POST", ADMIN, "chargers", identity, "refuse", given={"reason": reason})
    operator.tell(done, f"{cell(identity)} {_is(done)} refused")


def _is(done: dict[str, Any]) -> str:
    return "is" if done["is_changed"] else "was already"


def _tell(operator: Operator, record: object, words: str) -> None:
    operator.tell(record, words)
