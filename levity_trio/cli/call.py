"""`levity-trio call` and `commands`: asks a charger, or many, for an operation, and lists what was
asked for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from levity_trio.cli.declaring import (
    OF_CHARGER,
    WIDE,
    Whole,
    argument,
    flag,
    limit,
    option,
    present,
)
from levity_trio.cli.operator import OF_STATE, REJECTED, Operator, command
from levity_trio.cli.terminal import (
    cell,
    counted,
    fill,
    say,
    show_below,
    show_record,
    show_table,
    show_words,
)
from levity_trio.operations import OPERATIONS, FieldProblem, Operation, find
from levity_trio.operations.arguments import completions, described, parse_arguments

MARGIN_SECONDS: Final = 30.0
"""The command waits so much longer than the server waits for the charger."""
COLUMNS_OF: Final = {"configurationKey": ("key", "value", "readonly")}
"""The columns of records in an answer, where the order of their fields is not the best."""
USUAL_SECONDS: Final = 3700.0
"""Longer than the longest time-out of a response."""


def _complete(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the action, then the fields of the operation and their words."""
    words = list(context.params.get("words", ()))
    if not context.params.get("is_all") and not context.params.get("model"):
        words = words[1:]
    if not words:
        begin = incomplete.casefold()
        fitting = (
            operation
            for operation in OPERATIONS.values()
            if operation.action.casefold().startswith(begin)
        )
        return [CompletionItem(operation.action, help=operation.summary) for operation in fitting]
    try:
        operation = find(words[0])
    except FieldProblem:
        return []
    return [
        CompletionItem(text, help=summary) for text, summary in completions(operation, incomplete)
    ]


@command("call")
@click.argument(
    "words",
    nargs=-1,
    required=True,
    metavar="CHARGER ACTION [KEY=VALUE]...",
    shell_complete=_complete,
)
@flag("--all", "Ask all known chargers; leave CHARGER out.", "is_all")
@option("--model MODEL", "Ask all chargers of a model; leave CHARGER out.")
@option("--at-once", "Chargers asked at once.", type=Whole(1, 100), default=5)
@flag("--raw", "Send any action; nothing is checked (admin).")
@flag("--force", "Send it although a session is open (admin).")
@option("--timeout SECONDS", "Wait so long for the response.", type=float)
@option("--deadline SECONDS", "Wait so long for a charger that is away.", type=float)
@flag("--no-wait", "Show the command at once.")
@flag("--fields", "List the fields of the operation.")
@WIDE
def call(operator: Operator, words: Sequence[str], **options: Any) -> int:
    """Ask a charger for an operation, and show what it said.

    CHARGER may be several, separated by commas.

    Examples:
      levity-trio call CP-1 Reset type=Soft
      levity-trio call CP-1 RemoteStartTransaction idTag=04A2B3C4 connectorId=1
      levity-trio call CP-1 ChangeConfiguration key=HeartbeatInterval value=300
      levity-trio call CP-1 SetChargingProfile connectorId=1 \\
          csChargingProfiles=@profile.json
      levity-trio call CP-1 TriggerMessage --fields
      levity-trio call --all GetConfiguration
      levity-trio call --raw CP-1 VendorAction speed:=3

    key=value takes a text or a number, key:=JSON any JSON, key=@file the content of a file. `call
    CHARGER ACTION --fields` lists the fields of an operation, and `call CHARGER help` all
    operations.
    """
    is_bulk = bool(options["is_all"] or options["model"])
    charger, rest = ("", words) if is_bulk else (words[0], words[1:])
    if not rest:
        raise click.UsageError("give a charger and an action, such as CP-1 Reset")
    action, arguments = rest[0], rest[1:]
    if action == "help":
        show_words((operation.action, operation.summary) for operation in OPERATIONS.values())
        return 0
    if options["raw"]:
        payload = {"action": action, "payload": _values(None, arguments)}
        return _call_one(operator, charger, "raw", payload, options)
    try:
        operation = find(action)
    except FieldProblem as problem:
        raise click.UsageError(f"{problem}; --raw sends any action") from None
    if options["fields"]:
        return _list_fields(operation)
    payload = _values(operation, arguments)
    if is_bulk or "," in charger:
        return _call_many(operator, charger, action, payload, options)
    return _call_one(operator, charger, operation.path, payload, options)


def _values(operation: Operation | None, arguments: Sequence[str]) -> dict[str, Any]:
    try:
        return parse_arguments(
            operation, arguments, lambda path: Path(path).read_text(encoding="utf-8")
        )
    except FieldProblem as problem:
        raise click.UsageError(str(problem)) from None


def _waiting(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the query of these options, and how long the answer may take."""
    query = present({name: options[name] for name in ("timeout", "deadline")})
    if options["force"]:
        query["force"] = "true"
    seconds = (options["timeout"] or USUAL_SECONDS) + (options["deadline"] or 0.0)
    return {"query": query, "patience": seconds + MARGIN_SECONDS}


def _call_one(
    operator: Operator,
    charger: str,
    path: str,
    payload: Mapping[str, Any],
    options: Mapping[str, Any],
) -> int:
    headers = {"Prefer": "respond-async"} if options["no_wait"] else {}
    done = operator.post(
        "chargers", charger, path, body=payload, headers=headers, **_waiting(options)
    )
    if not operator.is_told(done):
        _show(charger, done)
        for warning in done["warnings"]:
            say(f"warning: {warning}")
        if done["outcome"] is not None:
            say(f"outcome: {done['outcome']}; follow it with: levity-trio commands {done['id']}")
    return OF_STATE.get(done["state"], 0)


def _show(charger: str, done: Mapping[str, Any]) -> None:
    """Show what a charger said: in one line, or below it in lines and tables."""
    answer, told = done["answer"] or {}, f"command {done['id']}: {done['action']} {done['state']}"
    if done["error_code"] or not any(isinstance(value, dict | list) for value in answer.values()):
        detail = _detail(done)
        say(told + (f": {detail}" if detail else ""))
        return
    say(told)
    _show_parts(answer)
    if "configurationKey" in answer:
        say(f"all that is known of it: {shlex.join(('levity-trio', 'configuration', charger))}")


def _show_parts(answer: Mapping[str, Any]) -> None:
    """Show each part of an answer: what is one value, then each list of records as a table, and
    what is within."""
    if plain := {name: value for name, value in answer.items() if not _has_parts(value)}:
        say("")
        show_record(plain, *(name for name, value in plain.items() if value != []))
    for name, value in answer.items():
        if isinstance(value, dict):
            say(f"\n{name}:")
            _show_parts(value)
        elif _has_parts(value):
            show_below(
                COLUMNS_OF.get(name)
                or tuple(dict.fromkeys(key for record in value for key in record)),
                value,
                name,
            )


def _has_parts(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(part, dict) for part in value)
    )


def _detail(done: Mapping[str, Any]) -> str:
    error = " ".join(filter(None, (done["error_code"], done["error_description"])))
    return error or ("" if done["answer"] is None else cell(done["answer"]))


def _call_many(
    operator: Operator,
    chargers: str,
    action: str,
    payload: Mapping[str, Any],
    options: Mapping[str, Any],
) -> int:
    body: dict[str, Any] = {"action": action, "payload": payload, "at_once": options["at_once"]}
    body |= {"all": True} if options["is_all"] else {}
    body |= {"model": options["model"]} if options["model"] else {}
    body |= {"chargers": list(filter(None, chargers.split(",")))} if chargers else {}
    waiting = _waiting(options)
    waiting["patience"] *= 10
    report = operator.post("bulk", body=body, **waiting)
    if not operator.is_told(report):
        rows = []
        for result in report["results"]:
            done, problem = result["command"], result["problem"]
            if problem is None:
                state, detail = done["state"], _detail(done)
                if (keys := (done["answer"] or {}).get("configurationKey")) is not None:
                    show = shlex.join(("levity-trio", "configuration", result["charger"]))
                    detail = f"{counted(len(keys), 'key')}; {show}"
            else:
                state, detail = problem["code"], problem["detail"]
            rows.append({"charger": result["charger"], "state": state, "detail": detail})
        show_table(("charger", "state", "detail"), rows)
        say(
            ", ".join(f"{count} {state}" for state, count in report["counts"].items())
            or "no charger"
        )
    return 0 if set(report["counts"]) <= {"accepted"} else REJECTED


def _list_fields(operation: Operation) -> int:
    say(fill(f"{operation.action} ({operation.section}): {operation.summary}", "") + "\n")
    for name, field in described(operation):
        needed = "" if field.required else ", may be left out"
        say(fill(f"{field.kind.words}{needed}. {field.help}".rstrip(), f"{name:24}  ", " " * 26))
    return 0


# Commands


COMMANDS_COLUMNS: Final = (
    "id",
    "charger",
    "action",
    "state",
    "requested_at",
    "outcome",
    "outcome_words",
    "asked_by",
)
NO_COMMAND: Final = (
    "nothing was asked of a charger yet: levity-trio call CHARGER help lists what can be"
)


@command("commands")
@argument("[COMMAND]", "number", type=int)
@OF_CHARGER
@limit("How many, the newest.", default=20)
@flag("--cancel", "Cancel a command that is still queued.")
def commands(
    operator: Operator, number: int | None, charger: str | None, limit: int, cancel: bool
) -> int:
    """List commands, the newest first, or show one.

    Examples:
      levity-trio commands
      levity-trio commands --charger CP-1
      levity-trio commands 17
      levity-trio commands 17 --cancel
    """
    operator.check_charger(charger)
    if number is None:
        operator.show_page(
            COMMANDS_COLUMNS,
            operator.get("commands", charger=charger or None, limit=limit),
            empty=NO_COMMAND,
        )
        return 0
    path = ("commands", number)
    record = operator.delete(*path) if cancel else operator.get(*path)
    operator.record({name: value for name, value in record.items() if value not in (None, [])})
    return 0 if cancel else OF_STATE.get(record["state"], 0)
