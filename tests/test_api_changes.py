"""What is printed of two OpenAPI documents that differ."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from levity_trio.web.api.engine.openapi import document
from levity_trio.web.api.listeners import ENDPOINTS
from tests.tools.api_changes import changes


def told(before: Any, after: Any) -> list[str]:
    return list(changes(before, after))


def test_what_a_client_would_notice_is_told_and_nothing_else() -> None:
    after = document(ENDPOINTS)
    before = deepcopy(after)
    assert told(before, after) == []
    before["info"]["version"] = "0.0.1"
    before["paths"]["/api/now"]["get"]["description"] = "It said something else."
    before["components"]["schemas"]["Account"]["properties"]["name"]["description"] = "This, too."
    assert told(before, after) == []
    before["paths"]["/api/then"] = {"get": {"responses": {"200": {}}}}
    del before["paths"]["/api/search"]["get"]
    before["paths"]["/api/now"]["get"]["parameters"].append({"name": "old"})
    account = before["components"]["schemas"]["AccountBody"]
    account["properties"]["flat"] = account["properties"].pop("since")
    account["required"] = []
    account["properties"]["until"] = {"type": "string"}
    *names, other = told(before, after)
    assert names[:3] == ["gone GET /api/then", "new GET /api/search", "gone GET /api/now: old"]
    assert names[3:] == [
        "gone AccountBody.flat",
        "new AccountBody.since",
        "demanded AccountBody.name",
    ]
    assert other.startswith("other AccountBody.until: {'type': 'string'} -> {")
