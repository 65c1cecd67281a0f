"""`levity-trio review`, `correct` and `close`: what waits for a person, and the decisions about
sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from levity_trio.charging.reviews import name_of
from levity_trio.cli.commands import group_of
from levity_trio.cli.declaring import (
    OF_CHARGER,
    WIDE,
    argument,
    energy,
    flag,
    limit,
    option,
)
from levity_trio.cli.operator import ApiGroup, Operator
from levity_trio.cli.terminal import cell, say
from levity_trio.config import ConfigError

AS_TYPED: Final = {"make-transaction": "make"}
"""Answers of the API whose command has a shorter name."""
COLUMNS: Final = ("kind", "id", "charger", "since", "kwh", "why", "fits", "answers")
REASON: Final = option("--reason TEXT", "Why; it is kept with your name.", required=True)


class _Listing(ApiGroup):
    """A group that lists what waits if no subcommand is given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_listed = not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names)
        return super().parse_args(ctx, ["list", *args] if is_listed else args)


review = group_of("review", _Listing)
_DECISIONS: Final = group_of("decision").commands
correct, close = _DECISIONS["correct"], _DECISIONS["close"]


def decided(operator: Operator, done: Mapping[str, Any] | None, _given: object = None) -> None:
    """Show what became of a session by a decision."""
    if operator.is_json or done is None:
        operator.record(done or {"done": True})
    else:
        energy = (
            f"{cell(done['energy_kwh'])} kWh, {cell(done['confidence'])}, "
            f"{cell(done['energy_method'])}"
        )
        say(f"session {done['id']} is {done['state']}: {energy}; review: {cell(done['review'])}")


def _row(waiting: Mapping[str, Any]) -> dict[str, object]:
    tx, message = waiting["transaction"], waiting["message"]
    why = (
        message["reason"]
        if tx is None
        else ", ".join(name_of(review["code"]) for review in waiting["reviews"])
    )
    return {
        "kind": "session" if tx is not None else waiting["kind"],
        "id": (message if tx is None else tx)["id"],
        "charger": waiting["charger"],
        "since": waiting["at"],
        "kwh": None if tx is None else tx["energy_kwh"],
        "why": why,
        "answers": [
            AS_TYPED.get(answer["answer"], answer["answer"]) for answer in waiting["answers"]
        ],
        "fits": [transaction["id"] for transaction in waiting["fitting"]],
    }


@review.api_command
@OF_CHARGER
@option("--kind", "Only these.", type=click.Choice(["session", "message"]))
@limit("How many, the newest.")
def list_(operator: Operator, charger: str | None, kind: str | None, **query: object) -> None:
    """List what waits for a person, the newest first.

    Examples:
      levity-trio review list
      levity-trio review list --charger CP-1
    """
    operator.check_charger(charger)
    kind = "transaction" if kind == "session" else kind
    page = operator.get("review", charger=charger, kind=kind, **query)
    operator.show_page(COLUMNS, page, _row, empty="nothing waits for a person")
    if not operator.is_json and any(waiting["transaction"] for waiting in page["data"]):
        say("several with one cause: levity-trio review groups")
        say("the evidence: levity-trio explain ID")
        say("what a reason means: levity-trio help reviews")


GROUPED: Final = ("households", "charger", "why", "sessions", "cause")
PREVIEWED: Final = ("session", "household", "began", "kwh", "reported")
REPORTED: Final = "as reported"


@review.api_command
@argument("[CHARGER]")
@argument("[CAUSE]")
@WIDE
def groups(operator: Operator, charger: str | None, cause: str | None) -> None:
    """List the sessions in doubt by charger and cause, or show the figures of one group.

    Examples:
      levity-trio review groups
      levity-trio review groups CP-1 wrong_factor
    """
    if charger is None or cause is None:
        operator.show_page(
            GROUPED,
            operator.get("review", "groups"),
            lambda group: {
                **group,
                "households": ", ".join(group["households"]),
                "why": ", ".join(map(name_of, group["codes"])),
                "sessions": group["count"],
            },
            empty="no session is in doubt",
        )
        return
    found = operator.get("review", "groups", charger, cause)
    if operator.is_json:
        operator.record(found)
        return
    operator.show_page(PREVIEWED, found, _previewed)
    say(f"together: {cell(found['totals'][''] / 1000)} kWh")
    for one in found["next"]:
        say(
            f"the next one, connector {one['connector']}, {name_of(one['code'])}: "
            f"{NEXT[one['outcome']].format(**one)}"
        )


NEXT: Final = {
    "waits": "it waits for you",
    "learns": "it waits for you; {shown} of {needed} sessions have shown the habit",
    "certain": "it is billed without asking, if nothing else speaks against its figure",
    "asks": "it waits for you, because {asks_by} wants to be asked",
}


def _previewed(one: Mapping[str, Any]) -> dict[str, object]:
    reported = one["figures"].get(REPORTED)
    return {
        "session": one["id"],
        "household": one["who"],
        "began": one["start_time"],
        "kwh": one["energy_kwh"],
        "reported": None if reported is None else reported / 1000,
    }


@review.api_command
@argument("CHARGER")
@argument("CAUSE")
@flag("--as-reported", "With the figure that the charger reported, not the proposed one.")
@energy("total_wh", "--kwh", "What they come to together; needed if the charger reported more.")
@REASON
def settle(
    operator: Operator,
    charger: str,
    cause: str,
    reason: str,
    *,
    as_reported: bool,
    total_wh: int | None,
) -> int:
    """Settle all sessions of a group, each with the figure that `review groups` shows; 100 at
    most.

    Examples:
      levity-trio review settle CP-1 wrong_factor --reason "its meter tells kWh"
    """
    shown = operator.get("review", "groups", charger, cause)["data"]
    if not shown:
        say("no session waits for this reason")
        return 0
    figures = [one["energy_wh"] for one in shown]
    proposed = sum(figures)
    of_charger = [one["figures"].get(REPORTED, one["energy_wh"]) for one in shown]
    reported = sum(of_charger)
    if not as_reported and total_wh != proposed and (total_wh is not None or proposed < reported):
        words = (
            f"they come to {cell(proposed / 1000)} kWh, and the charger reported "
            f"{cell(reported / 1000)} kWh"
        )
        raise ConfigError(
            f"{words}: look at levity-trio review groups {charger} {cause}, then give --kwh TOTAL"
        )
    sessions = [
        {"transaction": one["id"], "event": one["event"], "figure_wh": figure}
        for one, figure in zip(shown, of_charger if as_reported else figures, strict=True)
    ]
    done = operator.post(
        "review", "groups", charger, cause, "decide", body={"reason": reason, "sessions": sessions}
    )
    if operator.is_json:
        operator.record(done)
    else:
        for words in done["warnings"]:
            say(words)
        say(f"settled: {done['decided']}; left out: {done['left_out']}")
    return 1 if done["left_out"] else 0


@review.api_command
@argument("MESSAGE", type=int)
@flag("--review", "MESSAGE is the id of a review, not of a message.", "is_review")
@REASON
def dismiss(operator: Operator, message: int, *, is_review: bool, **fields: object) -> None:
    """Resolve a message, or a review, that affects no bill."""
    path = ("reviews" if is_review else "set-aside", message, "dismiss")
    decided(operator, operator.post(*path, body=fields))
