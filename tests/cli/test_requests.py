"""What each command of an operator sends: `requests.txt` has each command as it is typed, with
each of its options, and below it the requests."""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from levity_trio.cli import main
from levity_trio.cli.commands import FOLDER
from levity_trio.web.api.engine.openapi import document
from levity_trio.web.api.listeners import ENDPOINTS
from tests.cli.recording import ADMIN, Sent, recording

RECORDED = Path(__file__).with_name("requests.txt")
IN_PLACE_OF = {"owner": "bill owner", "decision": ""}
"""Groups that stand elsewhere."""
TARIFF = """\
name = "Flat"
valid_from = 2026-01-01
currency = "EUR"
prices = "gross"
tax = 19

[energy]
price = 0.30
"""
BACKENDS = """\
[[backend]]
name = "employer"
url = "wss://b.example/"
"""
FILES = {
    "tariff.toml": TARIFF,
    "backends.toml": BACKENDS,
    "some.csv": "a,b\n1,2\n",
    "secret.txt": "secret\n",
}

Schema = Mapping[str, Any]


def recorded() -> dict[str, list[str]]:
    """Return the requests of each command as it is typed."""
    requests: dict[str, list[str]] = {}
    typed = ""
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            requests[typed].append(line.strip())
        elif line:
            typed = line
            requests[typed] = []
    return requests


def commands_of_data() -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the words of each command that is data, and its options."""
    for path in FOLDER.iterdir():
        group = IN_PLACE_OF.get(path.stem, path.stem)
        for name, spec in json.loads(path.read_bytes())["commands"].items():
            usages = [one["usage"].split()[0] for one in spec["parameters"]]
            yield (
                f"{group} {name}".strip(),
                [usage.split("/")[0] for usage in usages if usage[0] == "-"],
            )


class Answers:
    """Answers requests as the documentation of the API says."""

    def __init__(self) -> None:
        self._api = document(ENDPOINTS)
        self._operations = []
        paths = sorted(self._api["paths"], key=lambda path: path.count("{"))
        for path in paths:
            pattern = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))
            for method, operation in self._api["paths"][path].items():
                self._operations.append((method.upper(), pattern, operation))

    def __call__(self, sent: Sent) -> tuple[int, bytes]:
        method, _, target = sent.request.partition(" ")
        path = target.partition("?")[0]
        if not path.startswith("/"):
            path = f"{ADMIN}{path}"
        for of_operation, pattern, operation in self._operations:
            if of_operation == method and pattern.fullmatch(path):
                return self._answer(operation)
        return 404, json.dumps({"code": "not_found", "detail": f"there is no {path}"}).encode()

    def _answer(self, operation: Schema) -> tuple[int, bytes]:
        status = min(operation["responses"])
        contents = operation["responses"][status].get("content", {})
        if "application/json" not in contents:
            return int(status), b"a,b\n1,2\n" if contents else b""
        answer = self._of(contents["application/json"]["schema"], "")
        return int(status), json.dumps(answer).encode()

    def _of(self, schema: Schema, name: str) -> Any:
        """Return a value that fits a schema."""
        if "$ref" in schema:
            named = schema["$ref"].rpartition("/")[2]
            return self._of(self._api["components"]["schemas"][named], name)
        if "enum" in schema:
            return schema["enum"][0]
        if "const" in schema:
            return schema["const"]
        if "anyOf" in schema:
            kinds = [one for one in schema["anyOf"] if one.get("type") != "null"]
            return self._of(kinds[0], name)
        kind = schema.get("type")
        match kind[0] if isinstance(kind, list) else kind:
            case "object":
                fields = schema.get("properties") or {"key": schema.get("additionalProperties")}
                return {
                    field: self._of(of_field, field)
                    for field, of_field in fields.items()
                    if field != "next_cursor" and of_field is not None
                }
            case "array":
                items = schema.get("prefixItems") or [schema["items"]]
                return [self._of(one, name) for one in items]
            case "integer" | "number":
                return max(7, schema.get("minimum", 0))
            case "boolean":
                return True
            case "string":
                return _text(name)
        return {}


def _text(name: str) -> str:
    match name:
        case "currency":
            return "EUR"
        case "toml":
            return TARIFF
        case "month":
            return "2026-03"
        case _ if name.endswith(("_at", "_time", "since", "until")) or name == "at":
            return "2026-03-01T12:30:00.000Z"
        case _ if name.endswith(("day", "_on")):
            return "2026-03-01"
    return f"the {name.replace('_', ' ')}"


class Stdin(io.StringIO):
    """A file that is typed."""

    buffer = io.BytesIO(b"a,b\n1,2\n")


@pytest.fixture(scope="module")
def answers() -> Answers:
    return Answers()


def said(sent: Sent) -> str:
    """Return a request as a line of the table."""
    request = unquote(sent.request)
    return request if sent.body is None else f"{request} {json.dumps(sent.body)}"


def test_each_command_sends_what_is_recorded(
    answers: Answers,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    requests = recorded()
    sent: dict[str, list[str]] = {}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEVITY_TOKEN", "secret")
    with recording(answers) as server:
        monkeypatch.setenv("LEVITY_API", f"http://127.0.0.1:{server.server_port}")
        for typed in requests:
            for path in tmp_path.iterdir():
                path.unlink()
            for name, content in FILES.items():
                (tmp_path / name).write_text(content, encoding="utf-8")
            monkeypatch.setattr("sys.stdin", Stdin("secret\n"))
            server.sent.clear()
            status = main(shlex.split(typed))
            assert capsys.readouterr().err == ""
            sent[typed] = [*map(said, server.sent), *([f"exit status {status}"] if status else [])]
    assert sent == requests


def test_each_command_that_is_data_is_recorded_with_its_options() -> None:
    recorded_lines = [shlex.split(line) for line in recorded()]
    missing = []
    for name, options in commands_of_data():
        words = name.split()
        lines = [line for line in recorded_lines if line[: len(words)] == words]
        used = {word for line in lines for word in line}
        assert lines, name
        missing += [f"{name} {option}" for option in options if option not in used]
    assert missing == []
