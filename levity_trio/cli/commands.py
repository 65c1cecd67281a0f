"""Commands as data: each is an operation of the API, and what is said of its answer.

The table in `table/` has a line for each command, and `just manual` joins it with the operations
that the API declares: `made/` has a file for each group, so that a command reads only its own.
Options are the fields of the operation, with their texts. What is no more than a request is here;
what is a conversation, or has a view of its own, is a function in the module of its group.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from string import Formatter
from typing import Any, Final, cast

import click

from levity_trio.billing.ledger import typed_amount
from levity_trio.cli.declaring import (
    KWH,
    WIDE,
    Decorator,
    Named,
    Whole,
    argument,
    limit,
    option,
    together,
)
from levity_trio.cli.operator import FAILED, FIELDS, ApiGroup, Operator, command
from levity_trio.cli.terminal import (
    cell,
    confirm,
    counted,
    local_minute,
    none_yet,
    say,
    show_below,
    show_record,
)
from levity_trio.cli.transfers import PATIENCE_SECONDS, send_file, show_results

FOLDER: Final = Path(__file__).with_name("made")
Spec = Mapping[str, Any]


class Typed(click.ParamType[Any]):
    """A whole number (int, within bounds), a number (number), or the same as a text (decimal),
    with comma or point. With a question mark it may be empty, and empties a field."""

    def __init__(self, name: str, bounds: list[Any]) -> None:
        self.name, self._bounds = name, bounds

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float | str:
        kind = self.name.removesuffix("?")
        if not isinstance(value, str) or (not value and kind != self.name):
            return cast("str", value)
        if kind == "amperes" and value == "none":
            return ""
        if kind == "amperes" and not value.isdecimal():
            self.fail(f"{value}: give whole amperes, or none", param, ctx)
        if kind in ("int", "amperes"):
            return int(Whole(*self._bounds)(value, param, ctx))
        try:
            number = typed_amount(value)
        except ValueError as wrong:
            self.fail(str(wrong), param, ctx)
        return float(number) if kind == "number" else f"{number:f}"


def group_of(name: str, kind: type[ApiGroup] = ApiGroup) -> ApiGroup:
    """Return a group with its commands that are data."""
    told = json.loads((FOLDER / f"{name}.json").read_bytes())
    group = kind(name, help=told["help"], epilog=told["epilog"])
    for of_command, spec in told["commands"].items():
        _add(group, of_command, spec)
    return group


def _add(group: ApiGroup, name: str, spec: Spec) -> None:
    def run(operator: Operator, **given: Any) -> int | None:
        return _perform(operator, spec, given)

    run.__name__, run.__doc__ = name, spec["help"]
    decorated = together(*map(_parameter, spec["parameters"]))(run)
    command(name, group=group, is_local="local" in spec)(decorated)


def _parameter(told: Spec) -> Decorator:
    """Return an option or an argument."""
    more = dict(told)
    usage, text = more.pop("usage"), more.pop("text", "")
    name, kind = more.pop("name", ""), more.pop("kind", None)
    bounds = more.pop("bounds", [0])
    match usage:
        case "--wide":
            return WIDE
        case "--limit" if not kind:
            return limit(text, **more)
        case _ if usage.startswith("@"):
            return cast("Decorator", _function(usage[1:]))
    match kind:
        case "kwh":
            more["type"] = KWH
        case "file":
            more["type"] = click.File("r", encoding="utf-8")
        case "binary":
            more["type"] = click.File("rb")
        case list():
            more["type"] = click.Choice(kind)
        case str():
            more["type"] = Named(kind) if kind[0] == "#" else Typed(kind, bounds)
    return option(usage, text, name, **more) if usage[0] == "-" else argument(usage, name, **more)


def _perform(operator: Operator, spec: Spec, given: dict[str, Any]) -> int | None:
    """Send the request of a command, and say what came of it."""
    context = click.get_current_context()
    context.meta[FIELDS] = {field: name for name, field in spec["sent"].items()}
    operator.check_charger(given.get(spec.get("known", "")))
    values: dict[str, Any] = {"given": given}
    if (question := spec.get("confirm")) and not given["yes"]:
        confirm(_Words(operator).vformat(question, (), values))
    if (first := _function(spec.get("first"))) and first(operator, given):
        return 0
    answer, lists = _asked(operator, spec, given)
    if by := _function(spec.get("by")):
        status: int | None = by(operator, answer, given)
        return status
    # People are told of a thing by what they typed.
    typed = {name: value for name, value in context.params.items() if value is not None}
    for name, of in spec.get("gives", {}).items():
        answer = {name: given[of[1:]] if of[0] == "#" else typed[of]}
    values |= {"answer": answer, **(answer if type(answer) is dict else {}), **typed}
    _show(operator, spec, answer, lists, values)
    rows = answer if isinstance(answer, list) else [answer]
    failure = spec.get("fails")
    return 0 if failure is None or all(row[failure] for row in rows) else FAILED


def _function(place: str | None) -> Callable[..., Any] | None:
    """Return a function by the names of its module here and of itself, such as `card.asked`."""
    if place is None:
        return None
    module, _, name = place.partition(".")
    function: Callable[..., Any] = getattr(import_module(f"levity_trio.cli.{module}"), name)
    return function


def _asked(operator: Operator, spec: Spec, given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the answer to the request of a command, and the list that is shown below it."""
    path = [given[word[1:-1]] if word[0] == "{" else word for word in spec["path"]]
    method = spec["method"]
    is_query = method in ("GET", "DELETE") or "takes" in spec
    sent = _sent(spec, given, is_query=is_query)
    if "takes" in spec:
        return send_file(operator, *path, path=given["path"], query=sent), {}
    if "file" in spec:
        return operator.send(method, *path, query=sent, patience=PATIENCE_SECONDS), {}
    for name in spec.get("instants", ()):
        if name in sent:
            sent[name] = operator.instant(sent[name], f"--{name}")
    if "rows" in spec:
        return list(operator.some_rows(sent.pop("limit"), *path, **sent)), {}
    more = {"patience": spec["patience"]} if "patience" in spec else {}
    ask = partial(operator.ask, method, spec["base"], *path, **more)
    if not is_query:
        body = sent if sent or spec["has_body"] else None
        return ask(given=body, headers=given.get("headers")), {}
    if (beside := spec.get("beside")) is None:
        return ask(query=sent), {}
    answer, page = ask(), operator.get(*path, beside, **sent)
    return answer, {beside: page.get("data", page.get(beside))}


def _sent(spec: Spec, given: Mapping[str, Any], *, is_query: bool) -> dict[str, Any]:
    """Return the fields of a body or a query that were given."""
    sent = {**spec.get("fixed", {}), **given.get("more", {})}
    for name, field in spec["sent"].items():
        value = given[name]
        if type(value) is tuple:
            sent |= {field: [one for one in value if one]} if value else {}
        elif is_query and type(value) is bool:
            sent[field] = str(value).lower()
        elif hasattr(value, "read"):
            sent[field] = value.read().strip() or None
        elif value is not None:
            sent[field] = None if value == "" and "empties" in spec else value
    return sent


def _show(
    operator: Operator, spec: Spec, answer: Any, lists: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Show an answer as its command does: as a file, a list, a record, or in words."""
    if "file" in spec:
        say(answer, ends_line=False)
    elif columns := spec.get("list"):
        row, empty = _function(spec.get("row")) or dict, spec["empty"]
        if isinstance(answer, list):
            operator.table(columns, list(map(row, answer)), answer, none_yet(empty))
        else:
            operator.show_page(columns, answer, row, spec.get("narrower"), empty)
    elif results := spec.get("results"):
        lines, count, noun = results
        show_results(operator, answer, answer[lines], counted(answer[count], noun))
    elif not operator.is_told(answer | lists if lists else answer):
        if "show" in spec:
            usual = spec.get("usual", {})
            shown = {name: value or usual.get(name, value) for name, value in answer.items()}
            # `topic?path` is the path, where there is a topic.
            parted = [name.rpartition("?") for name in spec["show"]]
            names = [name for with_this, _, name in parted if not with_this or shown[with_this]]
            show_record(shown, *names)
        for name, below in spec.get("below", {}).items():
            show_below(below, (answer | lists)[name])
        if words := "".join(_said(operator, spec.get("says", ()), values)):
            say(words.removeprefix("\n"))


def _said(
    operator: Operator, lines: Iterable[list[str]], values: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the words whose condition holds: `name?` of a value, `!name` of none, and `name*` for
    each of several. They are lines, but what begins with a sign goes on."""
    fill = partial(_Words(operator).vformat, args=())
    for condition, words in lines:
        name = condition.strip("!?*")
        before = "" if words.startswith((";", ",")) else "\n"
        if condition.endswith("*"):
            for one in values[name]:
                yield before + fill(words, kwargs={**values, name: one})
        elif not name or bool(values[name]) != condition.startswith("!"):
            yield before + fill(words, kwargs=values)


class _Words(Formatter):
    """Words with values: `{until:time}` is by the clock of the site, `{household:who}` the name of
    a household, `{charger:quoted}` is for a command, and `{data:charger}` counts."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def format_field(self, value: Any, format_spec: str) -> str:
        match format_spec:
            case "":
                return value if isinstance(value, str) else cell(value)
            case "time":
                return local_minute(value)
            case "quoted":
                return shlex.quote(value)
            case "who":
                numbers = value if isinstance(value, list) else [value]
                return ", ".join(self._operator.household(number) for number in numbers)
            case noun:
                return counted(value if isinstance(value, int) else len(value), noun)
