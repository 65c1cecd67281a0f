"""What changed in the API between two commits: `python -m tests.tools.api_changes COMMIT [LATER]`;
LATER is what lies here.

Each commit makes its own OpenAPI document. A client breaks by what is gone, by what is demanded,
and perhaps by other values; all else that is printed is new. Descriptions do not count.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
PRINT: Final = """
import json
from levity_trio.web.api.engine.openapi import document
from levity_trio.web.api.listeners import ENDPOINTS
print(json.dumps(document(ENDPOINTS)))
"""
Node = Mapping[str, Any]


def described(commit: str | None) -> Node:
    """Return the OpenAPI document of a commit, None: of what lies here."""
    with TemporaryDirectory() as folder:
        place = ROOT
        if commit is not None:
            place = Path(folder)
            packed = subprocess.run(
                ["git", "archive", commit, "levity_trio", "schema"],
                cwd=ROOT,
                check=True,
                capture_output=True,
            )
            with tarfile.open(fileobj=BytesIO(packed.stdout)) as files:
                files.extractall(place, filter="data")
        command = [sys.executable, "-c", PRINT]
        made = subprocess.run(
            command, cwd=place, env={"PYTHONPATH": str(place)}, check=True, capture_output=True
        )
    document: Node = json.loads(made.stdout)
    return document


def changes(before: Node, after: Node) -> Iterator[str]:
    """Yield what is gone, demanded, other or new: requests, their parameters, and the fields of
    what they send."""
    requests, later = (
        {
            f"{method.upper()} {path}": request
            for path, methods in document["paths"].items()
            for method, request in methods.items()
            if "responses" in request
        }
        for document in (before, after)
    )
    yield from _names("", requests, later)
    for name in sorted(requests.keys() & later.keys()):
        parameters = [
            {one["name"]: one for one in each[name].get("parameters", [])}
            for each in (requests, later)
        ]
        required = [
            {key for key, one in each.items() if one.get("required")} for each in parameters
        ]
        yield from _names(f"{name}: ", *parameters)
        yield from _demanded(f"{name}: ", *required)
        yield from _names(f"{name}: status ", requests[name]["responses"], later[name]["responses"])
    schemas, of_later = (document["components"]["schemas"] for document in (before, after))
    yield from _names("schema ", schemas, of_later)
    for name in sorted(schemas.keys() & of_later.keys()):
        yield from _of_schema(name, schemas[name], of_later[name])


def _of_schema(name: str, before: Node, after: Node) -> Iterator[str]:
    fields, later = before.get("properties", {}), after.get("properties", {})
    yield from _names(f"{name}.", fields, later)
    if name.endswith("Body"):
        yield from _demanded(f"{name}.", *(set(one.get("required", ())) for one in (before, after)))
    for field in sorted(fields.keys() & later.keys()):
        if _plain(fields[field]) != _plain(later[field]):
            yield f"other {name}.{field}: {_plain(fields[field])} -> {_plain(later[field])}"


def _names(of: str, before: Node, after: Node) -> Iterator[str]:
    yield from (f"gone {of}{name}" for name in sorted(before.keys() - after.keys()))
    yield from (f"new {of}{name}" for name in sorted(after.keys() - before.keys()))


def _demanded(of: str, before: set[str], after: set[str]) -> Iterator[str]:
    yield from (f"demanded {of}{name}" for name in sorted(after - before))


def _plain(node: Any) -> Any:
    """Return a schema without what is for people and for the dashboard."""
    if isinstance(node, dict):
        kept = {key: _plain(one) for key, one in node.items() if not key.startswith("x-")}
        return {
            key: one for key, one in kept.items() if key not in ("description", "title", "examples")
        }
    return [_plain(one) for one in node] if isinstance(node, list) else node


if __name__ == "__main__":
    earlier, *later = sys.argv[1:]
    print("\n".join(changes(described(earlier), described(later[0] if later else None))))
