"""A request of a plug-in that the API fails at (what else there is to it:
tests/integration/test_api_of_plugins.py)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import trio
from starlette.requests import Request
from starlette.routing import Route
from structlog.typing import EventDict

from levity_trio.store.writes.people.users import StoredToken
from levity_trio.web.http.problems import application
from levity_trio.web.in_process import ApiOfPlugins
from levity_trio.web.logins.browsers import Tokens

TOKEN = StoredToken(1, "house", "viewer", "", "", 0, None)


@pytest.mark.logs_errors
async def test_a_bug_of_the_api_is_answered_and_logged_and_ends_no_plug_in(
    log_lines: list[EventDict],
) -> None:
    async def fail(_request: Request) -> Any:
        raise ZeroDivisionError

    inside, tokens = ApiOfPlugins(), Tokens()
    tokens.load([TOKEN])
    api: Any = SimpleNamespace(
        tokens=tokens, config=SimpleNamespace(api_cors_origin=None, time_zone=ZoneInfo("UTC"))
    )
    inside.opening.finish(application([Route("/api/fails", fail)]), api)
    with trio.fail_after(60):
        reply = await inside.of("bell").ask("house", "GET", "/api/fails")
    assert (reply.status, reply.content["detail"]) == (
        500,
        "internal error; the log has its traceback",
    )
    assert [(line["event"], line["asked_by"]) for line in log_lines] == [
        ("a request of a plug-in failed", "plug-in bell")
    ]
