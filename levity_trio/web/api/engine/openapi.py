"""The OpenAPI 3.1 document, from the same declarations as the routes, and a page that shows it
without the internet."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from levity_trio import __version__
from levity_trio.web.api.engine.bodies import (
    MONTH_PATTERN,
    NAME_PATTERN,
    Schema,
    StructBody,
    Values,
    schemas_of,
)
from levity_trio.web.api.engine.endpoints import HIGHEST_ID, NO_CONTENT, Endpoint
from levity_trio.web.api.engine.problems import Json

REFERENCE: Final = "#/components/schemas/{name}"
OF_CHARGERS: Final = ("/api/admin/chargers/{id}", "/api/charge-points/{id}")
_PARAMETER = re.compile(r"\{(\w+)\}")
COMMON: Final = ("token_needed", "forbidden", "not_readable")
OF_CODE: Final[Mapping[str, int]] = {
    "token_needed": 401,
    "forbidden": 403,
    "not_readable": 503,
    "not_storable": 503,
    "not_found": 404,
    "not_connected": 409,
    "not_registered": 409,
    "needs_force": 409,
    "needs_reason": 409,
    "changed": 409,
    "in_use": 409,
    "conflict": 409,
    "corrects_statements": 409,
    "not_made": 409,
    "invalid": 422,
    "not_json": 400,
    "queue_full": 429,
    "too_many_reports": 429,
    "too_many_waiting": 503,
    "too_many_streams": 503,
    "charger_error": 502,
    "unsent": 502,
    "no_answer": 504,
    "not_stored": 507,
    "wrong_state": 409,
    "already_decided": 409,
    **dict.fromkeys(("not_begun", "not_over", "no_tariff", "no_biller"), 409),
    "unreadable": 422,
    "too_large": 413,
    "too_slow": 408,
    "unfinished": 400,
    "busy": 503,
    "wrong_password": 403,
    "too_many_failures": 429,
    "too_many_log_ins": 503,
}
"""The HTTP status of each code of a problem."""
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
    schemas = Schemas(kind for one in every for kind in _kinds(one))
    paths: dict[str, dict[str, Any]] = {}
    for one in every:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schemas)
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
        found, components = schemas_of(every, REFERENCE)
        self._of_kind = {repr(kind): schema for kind, schema in zip(every, found, strict=True)}
        self._components: dict[str, Any] = {"Problem": PROBLEM}
        for name, schema in components.items():
            self.plain({**schema, "title": _name(name)})

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type: most often a reference."""
        return self.plain(self._of_kind[repr(kind)])

    def described(self, schema: Schema) -> Schema:
        """Return the component that a schema refers to, or the schema itself."""
        found: Schema = self._components[_referred(schema)] if "$ref" in schema else schema
        return found

    def plain(self, schema: Schema) -> Schema:
        """Return a schema with a type beside its values, a kind for the items of a tuple, and
        references for parts."""
        if isinstance(schema.get("$ref"), str):
            return {"$ref": REFERENCE.format(name=_name(_referred(schema)))}
        made = {
            name: part if name in _VALUES else self._plain(part) for name, part in schema.items()
        }
        return self._referable(_typed(made))

    def _plain(self, node: Json) -> Json:
        if isinstance(node, list):
            return [self._plain(part) for part in node]
        return self.plain(node) if isinstance(node, Mapping) else node

    def _referable(self, schema: Values) -> Values:
        name = schema.get("title")
        if not isinstance(name, str):
            return schema
        if self._components.setdefault(name, schema) != schema:
            raise ValueError(f"two schemas are called {name}")
        return {"$ref": REFERENCE.format(name=name)}

    def used_by(self, paths: Schema) -> Values:
        """Return the components to which paths refer, and the components to which these refer."""
        used: set[str] = set()
        waiting = _references(paths)
        while waiting:
            used |= waiting
            waiting = {
                name for one in waiting for name in _references(self._components[one])
            } - used
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
    if isinstance(node, list):
        return {name for one in node for name in _references(one)}
    if not isinstance(node, Mapping):
        return set()
    own = {_referred(node)} if isinstance(node.get("$ref"), str) else set()
    return own | {name for one in node.values() for name in _references(one)}


def _typed(schema: Values) -> Values:
    """Return a schema whose values have a type, and whose tuple says what its items are.

    Generators read no `const`, and no `items` that is false: a length says the same.
    """
    if "const" in schema and not isinstance(schema["const"], Mapping):
        schema["enum"] = [schema.pop("const")]
    kinds = {type(one) for one in schema["enum"]} if isinstance(schema.get("enum"), list) else set()
    if len(kinds) == 1:
        schema.setdefault("type", _TYPES[kinds.pop()])
    if isinstance(schema.get("prefixItems"), list):
        schema["items"] = _either(schema["prefixItems"])
    return schema


def _either(schemas: Sequence[Schema]) -> Schema:
    """Return what all of these fit: one of them, if it is the only one or the others are whole
    numbers."""
    kinds = [one for one in schemas if one != _WHOLE or _NUMBER not in schemas]
    distinct = [one for number, one in enumerate(kinds) if one not in kinds[:number]]
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _kinds(endpoint: Endpoint) -> list[Any]:
    body = [endpoint.body.kind] if isinstance(endpoint.body, StructBody) else []
    return [kind for kind in (endpoint.answer_type, endpoint.query, *body) if kind is not None]


def _operation(endpoint: Endpoint, schemas: Schemas) -> Values:
    operation: dict[str, Any] = {
        "operationId": _identity(endpoint),
        "tags": [endpoint.group],
        "summary": endpoint.summary,
        "description": f"Needs the role {endpoint.role.word}.",
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint, schemas)],
        "responses": _responses(endpoint, schemas),
    }
    if endpoint.body is not None:
        schema = schemas.plain(endpoint.body.schema(schemas.of))
        content = {endpoint.body.media_type: {"schema": schema}}
        operation["requestBody"] = {"required": _has_required(schema, schemas), "content": content}
    return operation


def _identity(endpoint: Endpoint) -> str:
    words = re.sub(
        r"\W+", "_", endpoint.path.removeprefix("/api/").replace("{", "by_").replace("}", "")
    )
    return f"{endpoint.method.lower()}_{words}".strip("_")


def _has_required(schema: Schema, schemas: Schemas) -> bool:
    """Whether an empty body does not fit a schema."""
    described = schemas.described(schema)
    ways = map(schemas.described, described.get("anyOf", [{}]))
    return bool(described.get("required")) or all(one.get("required") for one in ways)


def _path_parameters(endpoint: Endpoint) -> list[Values]:
    """Identities of chargers, names and months are texts; all others are numbers."""
    names = _PARAMETER.findall(endpoint.path)
    return [
        {"name": name, "in": "path", "required": True, "schema": _kind_of(endpoint.path, name)}
        for name in names
    ]


def _kind_of(path: str, name: str) -> Schema:
    if name == "tag":
        return {"type": "string", "minLength": 1}
    if name == "name":
        return {"type": "string", "pattern": NAME_PATTERN}
    if name == "month":
        return {"type": "string", "pattern": MONTH_PATTERN}
    if name == "id" and path.startswith(OF_CHARGERS):
        return {"type": "string", "minLength": 1}
    return {"type": "integer", "minimum": 0, "maximum": HIGHEST_ID}


def _query_parameters(endpoint: Endpoint, schemas: Schemas) -> list[Values]:
    if endpoint.query is None:
        return []
    described = schemas.described(schemas.of(endpoint.query))
    required = described.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": kind}
        for name, kind in described["properties"].items()
    ]


def _responses(endpoint: Endpoint, schemas: Schemas) -> Values:
    if endpoint.answer is None:
        responses: dict[str, Any] = {str(NO_CONTENT): {"description": "Done."}}
    else:
        content = {
            media_type: {"schema": _of_media_type(media_type, schemas.of(endpoint.answer_type))}
            for media_type in (endpoint.media_type, *endpoint.other_media_types)
        }
        responses = {str(endpoint.status): {"description": "The answer.", "content": content}}
    codes: dict[int, list[str]] = {}
    for code in (
        *COMMON,
        *endpoint.problems,
        *(("not_storable",) if endpoint.changes else ()),
        *_of_input(endpoint),
    ):
        codes.setdefault(OF_CODE[code], []).append(code)
    for status, words in sorted(codes.items()):
        content = {
            "application/problem+json": {"schema": {"$ref": REFERENCE.format(name="Problem")}}
        }
        responses[str(status)] = {
            "description": f"A problem: {', '.join(dict.fromkeys(words))}.",
            "content": content,
        }
    return responses


def _of_media_type(media_type: str, answer: Schema) -> Schema:
    """Return the schema of an answer in a media type: only JSON has the fields of its type."""
    if media_type == "application/json":
        return answer
    is_text = media_type.startswith("text/") or media_type == "application/toml"
    return {"type": "string"} if is_text else {"type": "string", "format": "binary"}


def _of_input(endpoint: Endpoint) -> tuple[str, ...]:
    is_list = endpoint.query is not None and "cursor" in endpoint.query.__struct_fields__
    return (
        "invalid",
        *(("not_json",) if endpoint.body is not None else ()),
        *(("not_found",) if is_list else ()),
    )


def page(described: Schema, speed: int | None = None) -> str:
    """Return the document as a page for people. That of a demo says so, and how its clock runs."""
    said = (
        ""
        if speed is None
        else f"<p><strong>Demo</strong> · invented data · clock {speed} × as fast</p>"
    )
    parts = [
        HEAD,
        STYLE,
        f"<main>{said}<h1>levity-trio: the API</h1><p><a href=openapi.json>openapi.json</a></p>",
    ]
    for path, operations in described["paths"].items():
        for method, one in operations.items():
            parts.append(_shown(path, method, one, described["components"]["schemas"]))
    return "".join([*parts, "</main></html>"])


def _shown(path: str, method: str, operation: Schema, components: Schema) -> str:
    def row(name: str, place: str, schema: Schema) -> str:
        kind = html.escape(str(schema.get("type") or "any"))
        return f"<tr><td><code>{html.escape(name)}</code><td>{place}<td>{kind}"

    def text(schema: Schema) -> str:
        return f"<pre>{html.escape(in_full(schema, components))}</pre>"

    rows = "".join(
        row(given["name"], given["in"], given["schema"]) for given in operation["parameters"]
    )
    body = operation.get("requestBody", {}).get("content", {})
    schemas = "".join(text(content["schema"]) for content in body.values())
    responses = operation["responses"].items()
    answers = ", ".join(
        f"{status} {html.escape(response['description'])}" for status, response in responses
    )
    summary, needs = html.escape(operation["summary"]), html.escape(operation["description"])
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{html.escape(path)}</code> {summary}"
        f"</summary><p>{needs}<table>{rows}</table>{schemas}<p>{answers}</details>"
    )


def in_full(schema: Schema, components: Schema) -> str:
    """Return the text of a schema, with what it refers to in its place."""
    return msgspec.json.format(msgspec.json.encode(_whole(schema, components)), indent=1).decode()


def _whole(node: Json, components: Schema) -> Json:
    """Return a schema with what it refers to in its place; no body refers to itself."""
    if isinstance(node, list):
        return [_whole(one, components) for one in node]
    if not isinstance(node, Mapping):
        return node
    if "$ref" in node:
        return _whole(components[_referred(node)], components)
    return {name: _whole(one, components) for name, one in node.items()}


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
