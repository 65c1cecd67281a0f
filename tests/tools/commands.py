"""The commands that are data, from their table and the operations of the API: `just manual` writes
a file for each group.

A table in `levity_trio/cli/table` begins with the help of its group. A command is a line, such as

    void  POST meters/{METER}/readings/{READING}/void !reason

with its name, its request, and how that is typed: `NAME` or `[ALIAS]` is an argument, and
`DAY=since` one of another name than its field; `status:Blocked` is always sent; `!reason` is
needed, as is each field without which the API refuses a request, but for `?name`; `unit=kWh` has a
default, `-account` is no option, and after `-*` only `+name` is. All other fields are options, with
the names and texts that they have in the API. An empty text empties a field that is changed, or of
any request with `empties`. The indented lines below say what is shown (cli/commands.py), and those
after a bar are its help.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import msgspec

from levity_trio.cli.commands import FOLDER
from levity_trio.cli.declaring import help_of
from levity_trio.records import NO_TEXT, FieldText, texts_of
from levity_trio.web.api.engine.endpoints import ClientInput, Endpoint, StructBody
from levity_trio.web.api.engine.openapi import document
from levity_trio.web.api.listeners import ENDPOINTS

TABLES: Final = FOLDER.with_name("table")
RESOURCES: Final = {
    "HOUSEHOLD": "accounts",
    "CAR": "vehicles",
    "METER": "meters",
    "SERIES": "series",
    "TARIFF": "tariffs",
    "BACKEND": "backends",
    "STATEMENT": "statements",
    "USER": "users",
}
"""What has a name that people type in place of its number."""
NAMED: Final = ("HOUSEHOLD", "CAR", "METER")
"""Of what a command says in its help that it is named by its number or its name."""
EMPTIES: Final = "empties"
LIKE: Final = "  like: "
"""Names a command, of which all that stands below it holds here too."""
SAME: Final = "&"
"""In place of the columns of the list of the group."""
TEXT: Final = "text"
LONGEST_CHOICES: Final = 50
"""Characters of choices that fit into a column; more are not listed."""
MOST_TOLD: Final = 1_000_000
"""A bound from which on nobody comes near it: it is not told."""
OF_PAGES: Final = ("page", "cursor", "sort", "format")
"""Fields that no command has."""
WORDS: Final = {"true": True, "false": False, "null": None}
READ: Final[Mapping[str, Callable[[str], object]]] = {
    **dict.fromkeys(("list", "show", "results", "below", "instants"), str.split),
    **dict.fromkeys(("file", "local", "known", "empty", "fails", "usual", "takes"), str),
    **dict.fromkeys(("by", "row", "first", "beside", "rows", "confirm"), str),
    "gives": lambda text: dict([text.split("=")]),
    "patience": float,
    "narrower": lambda text: f" {text}".rstrip(),
}
"""How what stands below a command is read."""
KINDS: Final = {"integer": "int", "number": "number"}
_HOLE: Final = re.compile(r"\{[^}]+\}")
Schema = Mapping[str, Any]


def files() -> Mapping[Path, str]:
    """Return the text of each file by its path."""
    api = document(ENDPOINTS)
    made: dict[Path, str] = {}
    for path in sorted(TABLES.glob("*.table")):
        group = _group(path.read_text(encoding="utf-8"), api)
        text = json.dumps(group, ensure_ascii=False, separators=(",", ":"))
        made[FOLDER / f"{path.stem}.json"] = f"{text}\n"
    return made


def _group(text: str, api: Schema) -> dict[str, Any]:
    head, *commands = _parts(text)
    words, epilog = help_of(_documented(head))
    made: dict[str, Any] = {"help": words, "epilog": epilog, "commands": {}}
    columns: list[str] = []
    keys_of: dict[str, list[str]] = {}
    is_local = "  local: yes" in head
    for lines in commands:
        keys = [line for line in lines[1:] if line.startswith("  ")]
        for line in list(keys):
            if line.startswith(LIKE):
                keys += keys_of[line.removeprefix(LIKE)]
        keys_of[lines[0].split()[0]] = keys
        told = [lines[0], *keys, *(line for line in lines if line.startswith("|"))]
        name, spec = _command([line for line in told if not line.startswith(LIKE)], api)
        if is_local:
            spec["local"] = "yes"
        columns = columns or spec.get("list", [])
        if spec.get("show", [""])[:1] == [SAME]:
            spec["show"][:1] = columns
        made["commands"][name] = spec
    return made


def _documented(lines: Sequence[str]) -> Any:
    def function() -> None: ...

    function.__doc__ = _help(lines)
    return function


def _help(lines: Sequence[str]) -> str:
    return "\n".join(line[2:] for line in lines if line.startswith("|")).strip()


def _parts(text: str) -> Iterator[list[str]]:
    """Yield the lines of the head, then those of each command."""
    part: list[str] = []
    for line in text.splitlines():
        if line and not line.startswith((" ", "|")):
            yield part
            part = []
        if line:
            part.append(line)
    yield part


def _command(lines: Sequence[str], api: Schema) -> tuple[str, dict[str, Any]]:
    line = _Line(lines, api)
    parameters = [*line.of_path(), *line.arguments(), *line.options()]
    named = [one["usage"].strip("[]") for one in parameters if _is_named(one)]
    words = [f"A {usage.lower()} is named by its number or its name." for usage in named]
    sent = {one["name"]: one.pop("field") for one in parameters if "field" in one}
    spec: dict[str, Any] = {
        "help": _with_words(_help(lines), " ".join(words)),
        "parameters": parameters,
        "method": line.method,
        "base": line.base,
        "path": [_hole(word) for word in line.path.split("/")],
        "sent": sent,
        "has_body": line.endpoint.body is not None,
    }
    if line.empties:
        spec["empties"] = True
    return line.name, _with_keys(spec, line.choice, line.said)


def _is_named(parameter: Mapping[str, Any]) -> bool:
    return parameter["usage"].strip("[]") in NAMED


def _with_words(text: str, words: str) -> str:
    """Return the help of a command with words before its examples."""
    before, sign, examples = text.partition("\n\nExamples:\n")
    return f"{before}\n\n{words}{sign}{examples}" if words else text


class _Line:
    """A command of the table, with its operation."""

    def __init__(self, lines: Sequence[str], api: Schema) -> None:
        self.name, self.method, self.path, *typed = lines[0].split()
        told = [line.strip().partition(":") for line in lines[1:] if line.startswith("  ")]
        self.said = [(key, sign, value.strip()) for key, sign, value in told]
        self._keys = {key: value for key, _, value in self.said}
        self.choice = _Choice([word for word in typed if word != EMPTIES])
        self.empties = self.method in ("PATCH", "PUT") or EMPTIES in typed
        self.base = "admin"
        if self.path.startswith("/"):
            self.base, _, self.path = self.path[1:].partition("/")
        self.endpoint = _endpoint(self.method, f"/api/{self.base}/{self.path}")
        self._api, self._components = api, api["components"]["schemas"]

        # A list beside the record takes the options.
        of_fields = self.endpoint
        if "beside" in self._keys:
            of_fields = _endpoint("GET", f"{self.endpoint.path}/{self._keys['beside']}")
        self._fields = _fields(of_fields, self._operation(of_fields), self._components)
        self._needed = _needed(of_fields, self._operation(of_fields), self._components)
        self._is_body = isinstance(of_fields.body, StructBody)
        kind: Any = (
            of_fields.body.kind if isinstance(of_fields.body, StructBody) else of_fields.query
        )
        self._struct = kind
        self._texts = texts_of(kind) if kind else {}

    def _operation(self, endpoint: Endpoint) -> Schema:
        operation: Schema = self._api["paths"][endpoint.path][endpoint.method.lower()]
        return operation

    def of_path(self) -> Iterator[dict[str, Any]]:
        """Yield the arguments that are in the path."""
        parameters = self._operation(self.endpoint)["parameters"]
        schemas = [one["schema"] for one in parameters if one["in"] == "path"]
        for word, schema in zip(_HOLE.findall(self.path), schemas, strict=True):
            usage = word.strip("{}")
            one: dict[str, Any] = {"usage": usage, "name": usage.lower()}
            if usage in RESOURCES:
                one["kind"] = f"#{RESOURCES[usage]}"
            elif schema["type"] == "integer":
                one["kind"] = "int"
            yield one

    def arguments(self) -> Iterator[dict[str, Any]]:
        """Yield the arguments that are fields."""
        for word, field in self.choice.arguments.items():
            schema = self._fields.get(field, {"type": "string"})
            one = _kind(schema, self._components)
            one |= {"usage": word, "name": _parameter_of(word), "field": field}
            if word.strip("[]") in RESOURCES:
                one["kind"] = f"#{RESOURCES[word.strip('[]')]}"
            one.pop("multiple", None)
            yield self._with_kind(field, one)

    def options(self) -> Iterator[dict[str, Any]]:
        """Yield the options: the other fields."""
        for field, schema in self._fields.items():
            if not self.choice.has(field) or field in self.choice.arguments.values():
                continue
            if field == "limit" and not self._is_body:
                text = self._keys.get("limit", "How many.")
                one: dict[str, Any] = {"usage": "--limit", "name": field, "text": text}
            else:
                texts = self._texts.get(field, NO_TEXT)
                if (
                    not self._is_body
                    and texts.text == texts_of(ClientInput).get(field, NO_TEXT).text
                ):
                    texts = texts._replace(text="")  # what its type says is better
                one = _option(field, schema, texts, self._components)
                if isinstance(one.get("kind"), list) and self.empties and _may_be_null(schema):
                    del one["kind"]
                    one["usage"] = texts.option or one["usage"]
            one = self._with_kind(field, self._typed_otherwise(field, one))
            is_needed = field in self._needed and field not in self.choice.defaults
            is_needed = is_needed and field not in self.choice.optional
            if is_needed or field in self.choice.needed:
                one["required"] = True
                one.pop("default", None)
            if field in self.choice.defaults:
                default = self.choice.defaults[field]
                one["default"] = (
                    str(default) if type(default) is int and "kind" not in one else default
                )
            yield {**one, "field": field}

    def _typed_otherwise(self, field: str, one: dict[str, Any]) -> dict[str, Any]:
        """Return an option as the table says that it is typed."""
        if (typed := self._keys.get(f"option {field}")) is None:
            return one
        usage, _, text = typed.partition(" | ")
        usage, _, value = usage.partition("=")
        one |= {"usage": usage, "text": text or one["text"]}
        if value:
            one.pop("kind", None)
            flag: Any = WORDS.get(value, value)
            one |= {"flag_value": flag, "is_flag": True, "show_default": False}
        return one

    def _with_kind(self, field: str, one: dict[str, Any]) -> dict[str, Any]:
        if isinstance(one.get("kind"), list):
            one["kind"].sort(key=_in_order(self._struct, field).index)
        elif "kind" in one and not self.empties:
            one["kind"] = one["kind"].removesuffix("?")
        if kind := self._keys.get(f"kind {field}"):
            one["kind"], *bounds = kind.split()
            if bounds:
                one["bounds"] = [*map(int, bounds)]
        if one.get("kind", "")[:3] not in ("int", "amp"):
            one.pop("bounds", None)
        if one.get("kind") == TEXT:
            del one["kind"]
        return one


def _with_keys(
    spec: dict[str, Any], choice: _Choice, said: Sequence[tuple[str, str, str]]
) -> dict[str, Any]:
    """Return a command with what the lines below it say."""
    parameters = spec["parameters"]
    if choice.fixed:
        spec["fixed"] = choice.fixed
    for key, _, value in said:
        kind, _, what = key.partition(" ")
        if kind == "says":
            spec.setdefault(kind, []).append([what, value.replace("\\n", "\n")])
        elif what and kind in READ:
            spec.setdefault(kind, {})[what] = READ[kind](value)
        elif kind in READ:
            spec[kind] = READ[kind](value)
    parameters += _more_parameters(said)
    parameters.sort(key=_order)
    for one in parameters:
        one.pop("lead", None)
    if "takes" in spec:
        arguments = sum(not one["usage"].startswith("-") for one in parameters)
        parameters.insert(arguments, {"usage": "@transfers.FILE"})
    is_wide = "list" in spec or (spec["method"] == "GET" and "below" in spec)
    is_wide = is_wide or "wide" in [key for key, *_ in said]
    if is_wide and not any(one["usage"] == "--limit" for one in parameters):
        parameters.append({"usage": "--wide"})
    return spec


def _order(parameter: Mapping[str, Any]) -> int:
    """Return the place of a parameter: arguments, what is needed, what may be given, and how
    much of a list is shown."""
    usage = parameter["usage"]
    if not usage.startswith(("-", "@")):
        return 0
    return 1 if parameter.get("required") or "lead" in parameter else 3 if usage == "--limit" else 2


def _more_parameters(said: Sequence[tuple[str, str, str]]) -> Iterator[dict[str, Any]]:
    """Yield the parameters that are no fields."""
    for key, _, value in said:
        kind, _, name = key.partition(" ")
        if kind == "also":
            yield from ({"usage": f"@{place}"} for place in value.split())
        elif kind in ("plus", "lead"):
            usage, text, of_kind = [*value.split(" | "), "int"][:3]
            one: dict[str, Any] = {"usage": usage, "text": text, "name": name}
            if kind == "lead":
                one["lead"] = True
            if of_kind == "flag":
                one["is_flag"] = True
            elif of_kind == "several":
                one["multiple"] = True
            elif of_kind != TEXT:
                one["kind"] = of_kind
            yield one
        elif kind == "confirm":
            yield {"usage": "--yes", "text": "Do not ask.", "name": "yes", "is_flag": True}


def _value(word: str) -> Any:
    """Return what a word of the table stands for."""
    return int(word) if word.isdecimal() else WORDS.get(word, word)


class _Choice:
    """What a line of the table says about fields."""

    def __init__(self, words: Sequence[str]) -> None:
        self.arguments: dict[str, str] = {}
        self.fixed: dict[str, Any] = {}
        self.defaults: dict[str, Any] = {}
        self.needed: set[str] = set()
        self.optional: set[str] = set()
        self._left_out: set[str] = set()
        self._only: set[str] = set()
        for word in words:
            name, sign, value = word.partition("=")
            if word.startswith("-"):
                self._left_out.add(word[1:])
            elif word.startswith("+"):
                self._only.add(word[1:])
            elif word.startswith("!"):
                self.needed.add(word[1:])
            elif word.startswith("?"):
                self.optional.add(word[1:])
            elif name.strip("[]").isupper():
                self.arguments[name] = value or name.strip("[]").lower()
            elif sign:
                self.defaults[name] = _value(value)
            else:
                field, _, fixed = word.partition(":")
                self.fixed[field] = _value(fixed)

    def has(self, field: str) -> bool:
        """Whether a field is an option."""
        if field in self._only or field in self.needed:
            return True
        is_left_out = field in self._left_out or "*" in self._left_out or field in OF_PAGES
        return not is_left_out and field not in self.fixed


def _endpoint(method: str, path: str) -> Endpoint:
    bare = _HOLE.sub("{}", path)
    for endpoint in ENDPOINTS:
        if endpoint.method == method and _HOLE.sub("{}", endpoint.path) == bare:
            return endpoint
    raise ValueError(f"the API has no {method} {path}")


def _hole(word: str) -> str:
    return f"{{{_parameter_of(word)}}}" if word.startswith("{") else word


def _parameter_of(word: str) -> str:
    return word.strip("{}[]").lower()


def _fields(endpoint: Endpoint, operation: Schema, components: Schema) -> dict[str, Schema]:
    """Return the schemas of the fields of a body, else of a query, by their names."""
    if isinstance(endpoint.body, StructBody):
        content = operation["requestBody"]["content"]["application/json"]["schema"]
        found: dict[str, Schema] = {}
        for way in _resolved(content, components).get("anyOf", [content]):
            found |= {
                name: schema
                for name, schema in _resolved(way, components).get("properties", {}).items()
                if name not in found
            }
        names = endpoint.body.kind.__struct_encode_fields__
        return {name: found[name] for name in names if name in found}
    return {
        one["name"]: {**one["schema"], "description": one["description"]}
        for one in operation["parameters"]
        if one["in"] == "query"
    }


def _in_order(struct: type[msgspec.Struct], name: str) -> list[object]:
    """Return the choices of a field as they are declared."""
    decoded = dict(zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True))
    return list(_literals(get_type_hints(struct)[decoded[name]]))


def _literals(hint: Any) -> Iterator[object]:
    for part in get_args(hint):
        if isinstance(part, str):
            yield part
        else:
            yield from _literals(part)


def _needed(endpoint: Endpoint, operation: Schema, components: Schema) -> set[str]:
    """Return the fields without which each request is refused."""
    if not isinstance(endpoint.body, StructBody):
        return set()
    content = operation["requestBody"]["content"]["application/json"]["schema"]
    ways = _resolved(content, components).get("anyOf", [content])
    return set.intersection(*({*_resolved(way, components).get("required", ())} for way in ways))


def _resolved(schema: Schema, components: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Schema = components[schema["$ref"].rpartition("/")[2]]
    return found


def _plain(schema: Schema, components: Schema) -> Schema:
    """Return a schema without null among its ways, and without a reference."""
    ways = [way for way in schema.get("anyOf", ()) if way.get("type") != "null"]
    return _resolved(ways[0] if ways else schema, components)


def _kind(schema: Schema, components: Schema) -> dict[str, Any]:
    """Return how a value is typed."""
    plain = _plain(schema, components)
    kind = plain.get("type", "string")
    if kind == "array":
        return {**_kind(plain["items"], components), "multiple": True}
    choices = [choice for choice in plain.get("enum", ()) if choice is not None]
    if kind == "string" and choices and len("|".join(choices)) <= LONGEST_CHOICES:
        return {"kind": choices}
    if plain.get("format") == "watt-hours":
        return {"kind": "kwh"}
    if kind not in KINDS:
        return {}
    made: dict[str, Any] = {"kind": f"{KINDS[kind]}{'?' * _may_be_null(schema)}"}
    if kind == "integer" and "minimum" in plain:
        bounds = (plain["minimum"], plain.get("maximum", MOST_TOLD))
        made["bounds"] = [bound for bound in bounds if bound < MOST_TOLD]
    return made


def _may_be_null(schema: Schema) -> bool:
    return {"type": "null"} in schema.get("anyOf", ())


def _option(field: str, schema: Schema, of_class: FieldText, components: Schema) -> dict[str, Any]:
    text, usage = of_class.text, of_class.option
    usage = usage or f"--{field.replace('_', '-')}"
    made = {"usage": usage, "name": field, "text": text or schema["description"]}
    made |= _kind(schema, components)
    metavar = usage.rpartition(" ")[2]
    if metavar in RESOURCES and made.get("kind") in ("int", "int?"):
        made["kind"] = f"#{RESOURCES[metavar]}"
    if isinstance(made.get("kind"), list):
        made["usage"] = usage.partition(" ")[0]
    if usage.endswith(" FILE"):
        made["kind"] = "file"
    if _plain(schema, components).get("type") == "boolean":
        made["default"] = None
        if "/" not in usage:
            made["is_flag"] = True
    if made.get("multiple"):
        made["text"] += " Repeat it for several."
    return made
