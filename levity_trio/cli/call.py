"""`levity-trio call`: asks a charger, or many, for an operation."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from levity_trio.cli.operator import OF_STATE, REJECTED, Operator, command
from levity_trio.cli.tables import cell, counted, say, show_table
from levity_trio.operations import OPERATIONS, FieldProblem, Operation, find
from levity_trio.operations.arguments import completions, described, parse_arguments

ADMIN: Final = "admin"
MARGIN_SECONDS: Final = 30.0
"""Added to the time that the server waits for a charger."""
USUAL_SECONDS: Final = 3700.0
"""Longer than the longest time-out of a response."""
EXAMPLES: Final = """\
\b
Examples:
  levity-trio call CP-1 Reset type=Soft
  levity-trio call CP-1 RemoteStartTransaction idTag=04A2B3C4 connectorId=1
  levity-trio call CP-1 ChangeConfiguration key=HeartbeatInterval value=300
  levity-trio call CP-1 SetChargingProfile connectorId=1 \\
      csChargingProfiles=@profile.json
  levity-trio call CP-1 TriggerMessage --fields
  levity-trio call --all GetConfiguration
  levity-trio call --raw CP-1 VendorAction speed:=3

key=value takes a text or a number, key:=JSON any JSON, key=@file the content of a file. `call CHARGER ACTION --fields`
lists the fields of an operation, and `call CHARGER help` all operations.
"""


def _complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the action, then the fields of the operation and their words."""
    given = list(context.params.get("words", ()))
    if not context.params.get("is_all") and not context.params.get("model"):
        given = given[1:]
    if not given:
        fitting = (one for one in OPERATIONS.values() if one.action.casefold().startswith(incomplete.casefold()))
        return [CompletionItem(one.action, help=one.summary) for one in fitting]
    try:
        operation = find(given[0])
    except FieldProblem:
        return []
    return [CompletionItem(text, help=words) for text, words in completions(operation, incomplete)]


@command("call", epilog=EXAMPLES)
@click.argument("words", nargs=-1, required=True, metavar="CHARGER ACTION [KEY=VALUE]...", shell_complete=_complete)
@click.option("--all", "is_all", is_flag=True, help="Ask all known chargers; leave CHARGER out.")
@click.option("--model", metavar="MODEL", help="Ask all chargers of a model; leave CHARGER out.")
@click.option("--at-once", type=click.IntRange(1, 100), default=5, show_default=True, help="Chargers asked at once.")
@click.option("--raw", is_flag=True, help="Send any action; nothing is checked (admin).")
@click.option("--force", is_flag=True, help="Send it although a transaction is open (admin).")
@click.option("--timeout", type=float, metavar="SECONDS", help="Wait so long for the response.")
@click.option("--deadline", type=float, metavar="SECONDS", help="Wait so long for a charger that is away.")
@click.option("--no-wait", is_flag=True, help="Show the command at once.")
@click.option("--fields", is_flag=True, help="List the fields of the operation.")
def call(operator: Operator, words: Sequence[str], **given: Any) -> int:
    """Ask a charger for an operation, and show what it said.

    CHARGER may be several, separated by commas.
    """
    is_bulk = bool(given["is_all"] or given["model"])
    charger, action, arguments = _split(words, is_bulk)
    if action == "help":
        return _list_operations()
    if given["raw"]:
        payload = _values(None, arguments)
        return _one(operator, charger, "raw", {"action": action, "payload": payload}, given)
    operation = _operation(action)
    if given["fields"]:
        return _list_fields(operation)
    payload = _values(operation, arguments)
    if is_bulk or "," in charger:
        return _many(operator, charger, action, payload, given)
    return _one(operator, charger, operation.path, payload, given)


def _split(words: Sequence[str], is_bulk: bool) -> tuple[str, str, Sequence[str]]:
    charger, rest = ("", words) if is_bulk else (words[0], words[1:])
    if not rest:
        raise click.UsageError("give a charger and an action, such as CP-1 Reset")
    return charger, rest[0], rest[1:]


def _operation(action: str) -> Operation:
    try:
        return find(action)
    except FieldProblem as problem:
        raise click.UsageError(f"{problem}; --raw sends any action") from None


def _values(operation: Operation | None, arguments: Sequence[str]) -> dict[str, Any]:
    try:
        return parse_arguments(operation, arguments, lambda path: Path(path).read_text(encoding="utf-8"))
    except FieldProblem as problem:
        raise click.UsageError(str(problem)) from None


def _query(given: Mapping[str, Any]) -> dict[str, object]:
    query = {name: given[name] for name in ("timeout", "deadline") if given[name] is not None}
    return query | ({"force": "true"} if given["force"] else {})


def _patience(given: Mapping[str, Any]) -> float:
    return (given["timeout"] or USUAL_SECONDS) + (given["deadline"] or 0.0) + MARGIN_SECONDS


def _one(operator: Operator, charger: str, path: str, payload: Mapping[str, Any], given: Mapping[str, Any]) -> int:
    headers = {"Prefer": "respond-async"} if given["no_wait"] else {}
    options = {"given": payload, "query": _query(given), "headers": headers, "patience": _patience(given)}
    done = operator.ask("POST", ADMIN, "chargers", charger, path, **options)
    if operator.is_json:
        operator.record(done)
    else:
        say(_told(done))
        for warning in done["warnings"]:
            say(f"warning: {warning}")
        if done["outcome"] is not None:
            say(f"outcome: {done['outcome']}; follow it with: levity-trio commands {done['id']}")
    return OF_STATE.get(done["state"], 0)


def _told(done: Mapping[str, Any]) -> str:
    error = " ".join(part for part in (done["error_code"], done["error_description"]) if part)
    answer = "" if done["answer"] is None else cell(done["answer"])
    detail = error or answer
    return f"command {done['id']}: {done['action']} {done['state']}" + (f": {detail}" if detail else "")


def _many(operator: Operator, chargers: str, action: str, payload: Mapping[str, Any], given: Mapping[str, Any]) -> int:
    body: dict[str, Any] = {"action": action, "payload": payload, "at_once": given["at_once"]}
    body |= {"all": True} if given["is_all"] else {}
    body |= {"model": given["model"]} if given["model"] else {}
    body |= {"chargers": [one for one in chargers.split(",") if one]} if chargers else {}
    patience = _patience(given) * 10
    report = operator.ask("POST", ADMIN, "bulk", given=body, query=_query(given), patience=patience)
    if operator.is_json:
        operator.record(report)
    else:
        show_table(("charger", "state", "detail"), [_row(result) for result in report["results"]])
        say(", ".join(f"{count} {state}" for state, count in report["counts"].items()) or "no charger")
    return 0 if set(report["counts"]) <= {"accepted"} else REJECTED


def _row(result: Mapping[str, Any]) -> dict[str, object]:
    done, problem = result["command"], result["problem"]
    if problem is not None:
        return {"charger": result["charger"], "state": problem["code"], "detail": problem["detail"]}
    keys = (done["answer"] or {}).get("configurationKey")
    if keys is not None:
        show = shlex.join(("levity-trio", "configuration", result["charger"]))
        return {"charger": result["charger"], "state": done["state"], "detail": f"{counted(len(keys), 'key')}; {show}"}
    detail = _told(done).partition(": ")[2].partition(": ")[2]
    return {"charger": result["charger"], "state": done["state"], "detail": detail}


def _list_operations() -> int:
    show_table(("action", "summary"), [{"action": one.action, "summary": one.summary} for one in OPERATIONS.values()])
    return 0


def _list_fields(operation: Operation) -> int:
    say(f"{operation.action} ({operation.section}): {operation.summary}\n")
    rows = [
        {"field": name, "needed": field.required, "value": field.kind.words, "help": field.help}
        for name, field in described(operation)
    ]
    show_table(("field", "needed", "value", "help"), rows)
    return 0
