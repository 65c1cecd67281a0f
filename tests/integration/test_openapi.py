"""The API against its documentation: a validator, and schemathesis with every check on a running
server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from levity_trio.operations import OPERATIONS
from levity_trio.store.reads.levity.rows import KINDS
from levity_trio.web.api.chargers.operations import WAYS
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, environment, serving
from tests.integration.test_api import ask, make_token, port_of

WILLING = Path(__file__).with_name("willing_charger.py")
HOOKS = Path(__file__).with_name("fewer_cases.py")
"""Sends a part of the requests, all of them at full size."""
CASES = os.environ.get("SCHEMATHESIS_CASES", "0")
"""Random requests for each endpoint, beside those that follow from the document and are the same in
each run."""
SETTINGS = """\
[parameters]
"query.timeout" = 2
"query.deadline" = 1
"query.errors" = "state"

[phases.coverage]
unexpected-methods = ["TRACE"]
"""
"""A charger that is away does not hold the run up, and its silence is no error of the server."""
IMPORTS = (
    "id-tag",
    "account",
    "account-tag",
    "account-space",
    "vehicle",
    "meter-reading",
    "household",
)
LEFT_OUT: tuple[str, ...] = (
    "/api/events",
    "/api/admin/tokens/{id}",
    "/api/admin/chargers",
    "/api/admin/biller",
    "/api/admin/biller/logo",
)
LEFT_OUT += ("/api/admin/drain", "/api/admin/households", "/api/admin/bank-files")
LEFT_OUT += tuple(f"/api/{of}/vehicles/{{vehicle}}/price" for of in ("admin/accounts/{id}", "me"))
LEFT_OUT += tuple(f"/api/admin/{name}-import" for name in IMPORTS)
LEFT_OUT += tuple(f"/api/admin/imports/levity/{kind}" for kind in KINDS)
LEFT_OUT += ("/api/admin/backends", "/api/admin/backends/{id}")
LEFT_OUT += ("/api/admin/recipients", "/api/admin/recipients/{id}")
LEFT_OUT += tuple(f"/api/admin/own-settings/{way}" for way in ("mail", "push", "ping", "backup"))
LEFT_OUT += tuple(
    f"/api/admin/load/{name}"
    for name in ("site", "site/preview", "what-if", "grid-limit", "forget", "meters/{name}")
)
LEFT_OUT += tuple(f"/api/admin/series{below}" for below in ("", "/try", "/{id}/import"))
LEFT_OUT += ("/api/admin/tariffs",) if CASES != "0" else ()
"""A stream has no end, the run would revoke its own token and send its chargers away, a schema does
not describe CSV, lines, cells of a list on paper, which fields of a recipient, a sender, a feeder,
a meter, a series, a price of a car, an order or a span of days need each other, what is a server, a
folder or a certificate, or (at random) TOML, and each command to a charger that was created and
never connects would wait for its deadline."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db") as running:
        yield running


@pytest.fixture
def document(server: Serving) -> dict[str, Any]:
    told: dict[str, Any] = api_of(server).ask("GET", "openapi.json")
    return told


def shortened(document: dict[str, Any]) -> dict[str, Any]:
    """Leave of the bodies for many chargers one for each action: each has as many ways to say for
    which, in turns."""
    ways, schema = (
        len(WAYS),
        document["paths"]["/api/admin/bulk"]["post"]["requestBody"]["content"]["application/json"],
    )
    bodies, components = schema["schema"]["anyOf"], document["components"]["schemas"]
    actions = len(bodies) // ways
    kept = [
        body for number, body in enumerate(bodies) if number % actions % ways == number // actions
    ]
    described = [components[body["$ref"].rpartition("/")[2]] for body in kept]
    assert {word for one in described for word in one["properties"]["action"]["enum"]} == {
        *OPERATIONS
    }
    schema["schema"] = {**schema["schema"], "anyOf": kept}
    return document


@contextmanager
def willing(server: Serving, identity: str) -> Iterator[None]:
    command = [sys.executable, str(WILLING), f"ws://127.0.0.1:{server.port}/ocpp", identity]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "booted\n"
            yield
        finally:
            process.kill()


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_every_request_is_answered_as_documented(
    server: Serving, document: dict[str, Any], tmp_path: Path
) -> None:
    settings, file = tmp_path / "schemathesis.toml", tmp_path / "openapi.json"
    settings.write_text(SETTINGS)
    file.write_text(json.dumps(shortened(document)))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run"]
    command += [
        str(file),
        "--url",
        f"http://127.0.0.1:{port_of(server)}",
        "--checks",
        "all",
        "--workers",
        "1",
    ]
    phases = (
        ("examples,coverage",)
        if CASES == "0"
        else ("examples,coverage,fuzzing", "--max-examples", CASES)
    )
    command += ["--phases", *phases, "--continue-on-failure", "--no-color"]
    command += [word for path in LEFT_OUT for word in ("--exclude-path", path)]
    with willing(server, "CP-1"), willing(server, "CP-7"):
        command += [
            "--header",
            f"Authorization: Bearer {make_token(server, 'schemathesis', 'admin')}",
        ]
        env = environment() | {"SCHEMATHESIS_HOOKS": str(HOOKS)}
        ended = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=900
        )
    print(ended.stdout)
    assert ended.returncode == 0
    assert api_of(server).ask("GET", "version")["program"] == "levity-trio"  # still served


def test_options_name_the_methods_of_each_path(server: Serving) -> None:
    for path, methods in (
        ("/api/admin/chargers", "GET, HEAD, OPTIONS, POST"),
        ("/api/admin/chargers/CP-1", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/api/admin/bulk", "OPTIONS, POST"),
    ):
        told = ask(server, "OPTIONS", path)
        assert (told.status, told.headers["allow"]) == (204, methods)
        refused = ask(server, "PATCH", path)
        assert (refused.status, {*refused.headers["allow"].split(", ")}) == (
            405,
            {*methods.split(", ")},
        )
