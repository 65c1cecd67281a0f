"""The OpenAPI 3.1 document, from the same declarations as the routes, and a page that shows it
without the internet."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from levity_trio import __version__
from levity_trio.records import texts_of
from levity_trio.web.api.engine.endpoints import (
    HIGHEST_ID,
    MONTH_PATTERN,
    NAME_PATTERN,
    NO_CONTENT,
    ClientInput,
    Endpoint,
    Schema,
    StreamedBody,
    StructBody,
    Values,
    schemas_of,
    speak,
)
from levity_trio.web.api.engine.problems import OF_CODE as OF_CODE  # noqa: PLC0414 - others import it from here
from levity_trio.web.api.engine.problems import Json

REFERENCE: Final = "#/components/schemas/{name}"
OF_CHARGERS: Final = tuple(
    f"/api/{base}/{{id}}" for base in ("admin/chargers", "charge-points", "me/chargers")
)
_PARAMETER = re.compile(r"\{(\w+)\}")
_PATTERNS: Final = {"name": NAME_PATTERN, "month": MONTH_PATTERN}
"""The patterns of parameters in paths."""
COMMON: Final = ("token_needed", "forbidden", "not_readable")
PROBLEM: Final[Schema] = {
    "type": "object",
    "description": "RFC 9457, with a code for programs.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "field": {"type": "string"},
    },
}


INFO: Final[Schema] = {
    "title": "levity-trio",
    "version": __version__,
    "description": "The operator API.",
    "license": {"name": "MIT", "identifier": "MIT"},
}


def document(endpoints: Iterable[Endpoint]) -> Values:
    """Return the document."""
    every = list(endpoints)
    kinds: list[Any] = []
    for endpoint in every:
        kinds += [endpoint.answer_type, endpoint.query]
        if isinstance(endpoint.body, StructBody):
            kinds.append(endpoint.body.kind)
    schemas = Schemas(kind for kind in kinds if kind is not None)

    paths: dict[str, dict[str, Any]] = {}
    for endpoint in every:
        method = endpoint.method.lower()
        paths.setdefault(endpoint.path, {})[method] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.used_by(paths),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


class Schemas:
    """The schemas of the document, in a form that generators of clients accept.

    Each has a name: an inline schema with a title becomes a component, so that two of the same
    payload are one model.
    """

    def __init__(self, kinds: Iterable[Any]) -> None:
        every = list(kinds)
        schemas, components = schemas_of(every, REFERENCE)
        self._of_kind = dict(zip(every, schemas, strict=True))
        speak(components)
        self._components: dict[str, Any] = {"Problem": PROBLEM}
        for name, schema in components.items():
            self.plain({**schema, "title": _name(name)})

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type: most often a reference."""
        return self.plain(self._of_kind[kind])

    def described(self, schema: Schema) -> Schema:
        """Return the component that a schema refers to, or the schema itself."""
        described: Schema = self._components[_referred(schema)] if "$ref" in schema else schema
        return described

    def plain(self, schema: Schema) -> Schema:
        """Return a schema with a type beside its values, a kind for the items of a tuple, and
        references for parts.

        Generators read no `const`, and no `items` that is false: a length says the same.
        """
        if isinstance(schema.get("$ref"), str):
            return {**schema, "$ref": REFERENCE.format(name=_name(_referred(schema)))}
        # What stands below these keywords is no schema, whatever it looks like.
        plain: Values = {}
        for name, part in schema.items():
            plain[name] = part if name in _VALUES else self._plain(part)

        if "const" in plain and not isinstance(plain["const"], Mapping):
            plain["enum"] = [plain.pop("const")]
        if isinstance(plain.get("enum"), list):
            kinds = {type(value) for value in plain["enum"]}
            if len(kinds) == 1:
                plain.setdefault("type", _TYPES[kinds.pop()])
        if isinstance(plain.get("prefixItems"), list):
            plain["items"] = _either(plain["prefixItems"])

        title = plain.get("title")
        if not isinstance(title, str):
            return plain
        if self._components.setdefault(title, plain) != plain:
            raise ValueError(f"two schemas are called {title}")
        return {"$ref": REFERENCE.format(name=title)}

    def _plain(self, node: Json) -> Json:
        if isinstance(node, list):
            return [self._plain(part) for part in node]
        return self.plain(node) if isinstance(node, Mapping) else node

    def used_by(self, paths: Schema) -> Values:
        """Return the components to which paths refer, and the components to which these refer."""
        used: set[str] = set()
        waiting = _references(paths)
        while waiting:
            used |= waiting
            referred = [self._components[name] for name in waiting]
            waiting = _references(referred) - used
        return {name: schema for name, schema in self._components.items() if name in used}


_GENERIC: Final = re.compile(r"^(\w+)_(\w+)_$")
_VALUES: Final = ("default", "examples", "enum", "required")
_WHOLE: Final = {"type": "integer"}
_NUMBER: Final = {"type": "number"}
_TYPES: Final = {str: "string", bool: "boolean", int: "integer"}


def _name(name: str) -> str:
    """Return the name of a component: a page of accounts is an AccountPage."""
    return _GENERIC.sub(r"\2\1", name)


def _referred(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _references(node: Json) -> set[str]:
    if isinstance(node, Mapping):
        own = {_referred(node)} if isinstance(node.get("$ref"), str) else set()
        return own | _references([*node.values()])
    if isinstance(node, list):
        return set().union(*map(_references, node))
    return set()


def _either(schemas: Sequence[Schema]) -> Schema:
    """Return the schema of what fits at least one of these. Whole numbers are left out where
    numbers are allowed."""
    distinct: list[Schema] = []
    for schema in schemas:
        is_covered = schema == _WHOLE and _NUMBER in schemas
        if not is_covered and schema not in distinct:
            distinct.append(schema)
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _operation(endpoint: Endpoint, schemas: Schemas) -> Values:
    method = endpoint.method.lower()
    path = endpoint.path.removeprefix("/api/").replace("{", "by_")
    words = re.sub(r"\W+", "_", path.replace("}", ""))
    operation: dict[str, Any] = {
        "operationId": f"{method}_{words}".strip("_"),
        "tags": [endpoint.group],
        "summary": endpoint.summary,
        "description": f"Needs the role {endpoint.role.word}.",
        "parameters": _parameters(endpoint, schemas),
        "responses": _responses(endpoint, schemas),
    }
    if endpoint.body is not None:
        described = endpoint.body.schema(schemas.of)
        if isinstance(endpoint.body, StructBody):
            spoken = schemas.described(schemas.of(endpoint.body.kind)).get("properties", {})
            for way in described.get("anyOf", ()):
                for name, part in way["properties"].items():
                    # What has a name of its own, such as a payload, has its text there.
                    if "title" not in part:
                        text = spoken[name]["description"]
                        way["properties"][name] = {**part, "description": text}
        schema = schemas.plain(described)
        # A body may be left out if no field of it is required, or none of one of its alternatives.
        described = schemas.described(schema)
        alternatives = described.get("anyOf", [described])
        is_needed = all(schemas.described(each).get("required") for each in alternatives)
        content = {endpoint.body.media_type: {"schema": schema}}
        operation["requestBody"] = {"required": is_needed, "content": content}
    return operation


def _parameters(endpoint: Endpoint, schemas: Schemas) -> list[Values]:
    """Return the parameters of the path and of the query. Identities of chargers, names and months
    are texts; all others of a path are numbers."""
    parameters: list[Values] = []
    for name in _PARAMETER.findall(endpoint.path):
        schema: Schema = {"type": "integer", "minimum": 0, "maximum": HIGHEST_ID}
        if name in ("tag", "charger") or (name == "id" and endpoint.path.startswith(OF_CHARGERS)):
            schema = {"type": "string", "minLength": 1}
        elif name in _PATTERNS:
            schema = {"type": "string", "pattern": _PATTERNS[name]}
        of_path = {"name": name, "in": "path", "required": True, "schema": schema}
        parameters.append({**of_path, "description": _of_path(endpoint.path, name)})

    if endpoint.query is not None:
        described = schemas.described(schemas.of(endpoint.query))
        needed = described.get("required", [])
        for name, schema in described["properties"].items():
            of_query = {"name": name, "in": "query", "required": name in needed}
            parameters.append(of_query | {"description": schema["description"], "schema": schema})
    return parameters


def _of_path(path: str, name: str) -> str:
    """Return what a parameter of a path is: most are named after what stands before them."""
    if name == "id" and path.startswith(OF_CHARGERS):
        name = "charger"
    if name in _USUAL:
        return _USUAL[name].text
    before = path.partition(f"/{{{name}}}")[0].rpartition("/")[2]
    word = _SINGULAR.get(before, before.removesuffix("s").replace("-", " "))
    return f"The {'name' if name == 'name' else 'number'} of a {word}."


_SINGULAR: Final = {
    "accounts": "household",
    "id-tags": "card",
    "transactions": "session",
    "vehicles": "car",
    "series": "price series",
    "set-aside": "message that was set aside",
    "logins": "log-in",
}
"""What people call one of what is in a path, if it is not the word without its s."""
_USUAL: Final = texts_of(ClientInput)


def _responses(endpoint: Endpoint, schemas: Schemas) -> Values:
    responses: dict[str, Any] = {}
    if endpoint.answer is None:
        responses[str(NO_CONTENT)] = {"description": "Done."}
    else:
        content: dict[str, Any] = {}
        for media_type in (endpoint.media_type, *endpoint.other_media_types):
            # Only JSON has the fields of the type.
            schema: Schema = {"type": "string"}
            if media_type == "application/json":
                schema = schemas.of(endpoint.answer_type)
            elif not media_type.startswith("text/") and media_type != "application/toml":
                schema = {"type": "string", "format": "binary"}
            content[media_type] = {"schema": schema}
        responses[str(endpoint.status)] = {"description": "The answer.", "content": content}

    codes = [*COMMON, *endpoint.problems]
    if isinstance(endpoint.body, StreamedBody):
        codes += "too_large", "too_slow", "unfinished"
    if endpoint.changes:
        codes.append("not_storable")
    codes.append("invalid")
    if endpoint.body is not None:
        codes.append("not_json")
    # A cursor that belongs to another list is refused as a page that does not exist.
    if endpoint.query is not None and "cursor" in endpoint.query.__struct_fields__:
        codes.append("not_found")
    for status in sorted({OF_CODE[code] for code in codes}):
        words = dict.fromkeys(code for code in codes if OF_CODE[code] == status)
        schema = {"$ref": REFERENCE.format(name="Problem")}
        responses[str(status)] = {
            "description": f"A problem: {', '.join(words)}.",
            "content": {"application/problem+json": {"schema": schema}},
        }
    return responses


def page(described: Schema, speed: int | None = None) -> str:
    """Return the document as a page for people. That of a demo says so, and how its clock runs."""
    demo = ""
    if speed is not None:
        demo = f"<p><strong>Demo</strong> · invented data · clock {speed} × as fast</p>"
    links = "<h1>levity-trio: the API</h1><p><a href=openapi.json>openapi.json</a></p>"
    parts = [HEAD, STYLE, f"<main>{demo}{links}"]
    components = described["components"]["schemas"]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            parts.append(_operation_as_html(path, method, operation, components))
    return "".join([*parts, "</main></html>"])


def _operation_as_html(path: str, method: str, operation: Schema, components: Schema) -> str:
    rows = ""
    for parameter in operation["parameters"]:
        name = html.escape(parameter["name"])
        kind = html.escape(str(parameter["schema"].get("type") or "any"))
        rows += f"<tr><td><code>{name}</code><td>{parameter['in']}<td>{kind}"
    schemas = ""
    body = operation.get("requestBody", {}).get("content", {})
    for content in body.values():
        schemas += f"<pre>{html.escape(in_full(content['schema'], components))}</pre>"
    answers: list[str] = []
    for status, response in operation["responses"].items():
        answers.append(f"{status} {html.escape(response['description'])}")
    summary = html.escape(operation["summary"])
    needs = html.escape(operation["description"])
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{html.escape(path)}</code> {summary}"
        f"</summary><p>{needs}<table>{rows}</table>{schemas}<p>{', '.join(answers)}</details>"
    )


def in_full(schema: Schema, components: Schema) -> str:
    """Return the text of a schema, with what it refers to in its place."""
    text = msgspec.json.encode(_whole(schema, components))
    return msgspec.json.format(text, indent=1).decode()


def _whole(node: Json, components: Schema) -> Json:
    """Return a schema with what it refers to in its place; no body refers to itself."""
    if isinstance(node, list):
        return [_whole(part, components) for part in node]
    if not isinstance(node, Mapping):
        return node
    if "$ref" in node:
        return _whole(components[_referred(node)], components)
    return {name: _whole(part, components) for name, part in node.items()}


POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What the page may load: its own style, and an icon without content, so that the browser asks for
none."""
HEAD: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>levity-trio: the API</title>"
    '<meta name=viewport content="width=device-width"><link rel=icon href="data:,">'
)
STYLE: Final = (
    "<style>:root{color-scheme:light dark}body{font:16px system-ui;margin:0;background:Canvas}"
    "main{max-width:60rem;margin:auto;padding:16px}"
    "details{border-bottom:1px solid #8884}summary{cursor:pointer;padding:12px 0}td{padding:0 "
    "16px 0 0}"
    "p>a{display:inline-block;padding:13px "
    "0}summary,td,pre{overflow-wrap:anywhere}pre{white-space:pre-wrap}</style>"
)
"""The look of the page, within it."""
