"""A client of the park's API for the command line, with the standard library only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.simulator.park import DEFAULT_URL

PATIENCE_SECONDS: Final = 30.0
"""Longer than the park waits for a busy charger and for the central system's response (park.py)."""
JSON: Final = "application/json"
Given = Mapping[str, object] | None


class Refusal(EnvironmentProblem):
    """The API refused a request; `faults` are the errors of a rejected import, by line."""

    def __init__(self, text: str, faults: list[dict[str, Any]]) -> None:
        super().__init__(text)
        self.faults = faults


class Api:
    """The API at one address. Raises ConfigError if the address is invalid."""

    def __init__(self, url: str) -> None:
        if not _is_address(url):
            raise ConfigError(f"--api {url}: give an address such as {DEFAULT_URL}")
        self._url = url.rstrip("/")

    def ask(self, method: str, *path: str, given: Given = None, query: Given = None) -> Any:
        """Send a JSON request and return the JSON response. Raises Refusal, EnvironmentProblem."""
        body = None if given is None else json.dumps(given).encode()
        answer = self.send(method, *path, body=body, query=query)
        try:
            return json.loads(answer) if answer else None
        except ValueError:
            raise EnvironmentProblem(f"the server at {self._url} is not a simulator; give --api") from None

    def send(
        self, method: str, *path: str, body: bytes | None = None, media_type: str = JSON, query: Given = None
    ) -> bytes:
        """Send a request with any body and return the body of the response. Raises like `ask`."""
        url = "/".join([self._url, "api", *(quote(part, safe="") for part in path)]) + f"?{urlencode(query or {})}"
        request = Request(url, body, {"Content-Type": media_type}, method=method)  # noqa: S310 - see __init__
        try:
            with _opener().open(request, timeout=PATIENCE_SECONDS) as answer:
                return bytes(answer.read())
        except HTTPError as error:
            raise _refusal(error) from None
        except (URLError, OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            hint = "start `levity-trio simulate --control 9100`, or give --api"
            raise EnvironmentProblem(f"no simulator answers at {self._url} ({reason}); {hint}") from None


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # unbalanced brackets, a port that is not a number
        return False


def _opener() -> OpenerDirector:
    """Ignore the environment's proxies: the simulator is on this machine or in its network."""
    return build_opener(ProxyHandler({}))


def _refusal(error: HTTPError) -> Refusal:
    try:
        document = json.loads(error.read())
        return Refusal(document["detail"], document.get("faults", []))
    except (ValueError, LookupError, TypeError, OSError):
        return Refusal(f"the server there is not a simulator: {error.code} {error.reason}", [])
