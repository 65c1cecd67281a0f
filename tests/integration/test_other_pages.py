"""What web pages of other sites, open in a browser on the server's machine, may ask of the API
without a token."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection

import pytest

from tests.integration.browsing import Browser
from tests.integration.serving import Serving
from tests.integration.test_api import Told, ask, port_of

TAGS = "/api/admin/id-tags"
ALLOWED = "https://good.example"
FLAGS = ("--api-cors-origin", ALLOWED)
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
"""Of a link, also one that a script follows."""


def post(server: Serving, tag: str, headers: Mapping[str, str]) -> Told:
    """Send what a page can send without asking first: text that happens to be JSON."""
    return ask(server, "POST", TAGS, body={"id_tag": tag}, Content_Type="text/plain", **headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.example"},  # an older browser
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},  # a frame in a sandbox, a file
        {"Origin": "null"},
        # another program of this machine
        {
            "Origin": "http://localhost:3000",
            "Sec-Fetch-Site": "same-site",
        },
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.example", **LINK},  # a form
    ],
)
def test_what_a_page_from_elsewhere_sends_is_not_from_the_local_admin(
    server: Serving, headers: Mapping[str, str]
) -> None:
    told = post(server, "EVIL", headers)
    assert (told.status, told.code) == (401, "token_needed")
    assert "from elsewhere" in told.document["detail"]
    assert server.query("SELECT count(*) FROM tag WHERE id_tag = 'EVIL'") == [(0,)]


def test_it_reads_nothing_either_nor_takes_a_stream(server: Serving) -> None:
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    frame = {**LINK, "Sec-Fetch-Dest": "iframe"}
    for headers in (image, frame, {"Origin": "http://evil.example"}):
        assert ask(server, path="/api/events", **headers).status == 401
        assert ask(server, path="/api/version", **headers).status == 401
    assert Browser(server).ask("GET", "/live/", headers=image).status == 403


def test_programs_our_own_pages_and_the_allowed_origin_need_no_token(server: Serving) -> None:
    own = f"http://127.0.0.1:{port_of(server)}"
    for number, headers in enumerate(
        (
            {},
            {"Origin": own},
            {"Origin": own, "Sec-Fetch-Site": "same-origin"},
            {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
            {"Sec-Fetch-Site": "none"},
            {"Origin": ALLOWED, "Sec-Fetch-Site": "cross-site"},
        )
    ):
        assert post(server, f"OURS-{number}", headers).status == 201, headers


def test_a_link_opens_the_documentation_and_the_dashboard(server: Serving) -> None:
    for path in ("/api/version", "/api/openapi.json", "/"):
        with closing(HTTPConnection("127.0.0.1", port_of(server), timeout=60)) as connection:
            connection.request("GET", path, headers=LINK)
            assert connection.getresponse().status == 200, path
    assert post(server, "LINKED", LINK).status == 401
