"""The OpenAPI 3.1 document, from the same declarations as the routes, and a page that shows it without the internet."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from levity_trio import __version__
from levity_trio.web.api.endpoints import (
    HIGHEST_ID,
    MONTH_PATTERN,
    NAME_PATTERN,
    NO_CONTENT,
    Endpoint,
    Role,
    StructBody,
)

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
    "too_many_waiting": 503,
    "too_many_streams": 503,
    "charger_error": 502,
    "no_answer": 504,
    "not_stored": 507,
    "wrong_state": 409,
    "already_decided": 409,
    **dict.fromkeys(("not_begun", "not_over", "not_ready", "no_tariff", "no_biller"), 409),
    "unreadable": 422,
    "too_large": 413,
    "too_slow": 408,
    "unfinished": 400,
    "busy": 503,
    "wrong_signature": 401,
    "wrong_time": 401,
    "wrong_password": 403,
    "too_many_failures": 429,
    "too_many_log_ins": 503,
}
"""The HTTP status of each code of a problem."""
PROBLEM: Final[Mapping[str, Any]] = {
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


def document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Return the document."""
    every = list(endpoints)
    kinds = [kind for one in every for kind in _kinds(one)]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    of_kind = {_key(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for one in every:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, of_kind, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "levity-trio", "version": __version__, "description": "The operator API."},
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _kinds(one: Endpoint) -> list[Any]:
    body = [one.body.kind] if isinstance(one.body, StructBody) else []
    return [kind for kind in (one.answer_type, one.query, *body) if kind is not None]


def _key(kind: Any) -> str:
    return repr(kind)


def _operation(one: Endpoint, of_kind: Mapping[str, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": _identity(one),
        "tags": [one.tag],
        "summary": one.summary,
        "description": _needs(one),
        "parameters": [*_path_parameters(one), *_query_parameters(one, of_kind, components)],
        "responses": _responses(one, of_kind),
    }
    if one.role is Role.OUTSIDE:
        found["security"] = []
    if one.body is not None:
        schema = one.body.schema(lambda kind: of_kind[_key(kind)])
        content = {one.body.media_type: {"schema": schema}}
        found["requestBody"] = {"required": _has_required(schema, components), "content": content}
    return found


def _needs(one: Endpoint) -> str:
    if one.role is Role.OUTSIDE:
        return "Needs no token, but a signature: Levity-Signature (see the README)."
    return f"Needs the role {one.role.word}."


def _identity(one: Endpoint) -> str:
    words = re.sub(r"\W+", "_", one.path.removeprefix("/api/").replace("{", "by_").replace("}", ""))
    return f"{one.method.lower()}_{words}".strip("_")


def _has_required(schema: Mapping[str, Any], components: Mapping[str, Any]) -> bool:
    """Whether an empty body does not fit a schema."""
    described = components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return bool(described.get("required")) or all(one.get("required") for one in described.get("anyOf", [{}]))


def _path_parameters(one: Endpoint) -> list[dict[str, Any]]:
    """Identities of chargers, names and months are texts; all others are numbers."""
    names = _PARAMETER.findall(one.path)
    return [{"name": name, "in": "path", "required": True, "schema": _kind_of(one.path, name)} for name in names]


def _kind_of(path: str, name: str) -> Mapping[str, Any]:
    if name == "tag":
        return {"type": "string", "minLength": 1}
    if name == "name":
        return {"type": "string", "pattern": NAME_PATTERN}
    if name == "month":
        return {"type": "string", "pattern": MONTH_PATTERN}
    if name == "id" and path.startswith(OF_CHARGERS):
        return {"type": "string", "minLength": 1}
    return {"type": "integer", "minimum": 0, "maximum": HIGHEST_ID}


def _query_parameters(one: Endpoint, of_kind: Mapping[str, Any], components: Mapping[str, Any]) -> list[dict[str, Any]]:
    if one.query is None:
        return []
    reference = str(of_kind[_key(one.query)]["$ref"])
    schema = components[reference.rpartition("/")[2]]
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": kind}
        for name, kind in schema["properties"].items()
    ]


def _responses(one: Endpoint, of_kind: Mapping[str, Any]) -> dict[str, Any]:
    if one.answer is None:
        found: dict[str, Any] = {str(NO_CONTENT): {"description": "Done."}}
    else:
        schema = of_kind[_key(one.answer_type)]
        content = {kind: {"schema": schema} for kind in (one.media_type, *one.other_media_types)}
        found = {str(one.status): {"description": "The answer.", "content": content}}
    codes: dict[int, list[str]] = {}
    for code in (*COMMON, *one.problems, *(("not_storable",) if one.changes else ()), *_of_input(one)):
        codes.setdefault(OF_CODE[code], []).append(code)
    for status, words in sorted(codes.items()):
        content = {"application/problem+json": {"schema": {"$ref": REFERENCE.format(name="Problem")}}}
        found[str(status)] = {"description": f"A problem: {', '.join(dict.fromkeys(words))}.", "content": content}
    return found


def _of_input(one: Endpoint) -> tuple[str, ...]:
    is_list = one.query is not None and "cursor" in one.query.__struct_fields__
    return ("invalid", *(("not_json",) if one.body is not None else ()), *(("not_found",) if is_list else ()))


def page(described: Mapping[str, Any]) -> str:
    """Return the document as a page for people."""
    parts = [HEAD, STYLE, "<main><h1>levity-trio: the API</h1><p><a href=openapi.json>openapi.json</a></p>"]
    for path, operations in described["paths"].items():
        for method, one in operations.items():
            parts.append(_shown(path, method, one))
    return "".join([*parts, "</main></html>"])


def _shown(path: str, method: str, one: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(given['name'])}</code><td>{given['in']}<td>{html.escape(_type(given['schema']))}"
        for given in one["parameters"]
    )
    body = one.get("requestBody", {}).get("content", {})
    schemas = "".join(f"<pre>{html.escape(_text(content['schema']))}</pre>" for content in body.values())
    answers = ", ".join(f"{status} {html.escape(found['description'])}" for status, found in one["responses"].items())
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{html.escape(path)}</code> {html.escape(one['summary'])}"
        f"</summary><p>{html.escape(one['description'])}<table>{rows}</table>{schemas}<p>{answers}</details>"
    )


def _type(schema: Mapping[str, Any]) -> str:
    return str(schema.get("type") or "any")


def _text(schema: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(schema), indent=1).decode()


POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What the page may load: its own style, and an icon without content, so that the browser asks for none."""
HEAD: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>levity-trio: the API</title>"
    '<meta name=viewport content="width=device-width"><link rel=icon href="data:,">'
)
STYLE: Final = (
    "<style>:root{color-scheme:light dark}body{font:16px system-ui;margin:0;background:Canvas}"
    "main{max-width:60rem;margin:auto;padding:16px}"
    "details{border-bottom:1px solid #8884}summary{cursor:pointer;padding:12px 0}td{padding:0 16px 0 0}"
    "p>a{display:inline-block;padding:13px 0}summary,td{overflow-wrap:anywhere}pre{overflow:auto}</style>"
)
"""The look of the page, within it."""
