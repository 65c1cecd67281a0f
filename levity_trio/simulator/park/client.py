"""The park's API as a program sees it that has nothing but the standard library: for the command line."""

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
"""More than a busy charger and the central system's answer are waited for (park.py)."""
JSON: Final = "application/json"
Given = Mapping[str, object] | None


class Refusal(EnvironmentProblem):
    """The API refused; `faults` are the lines of a file that it would not import."""

    def __init__(self, text: str, faults: list[dict[str, Any]]) -> None:
        super().__init__(text)
        self.faults = faults


class Api:
    """The API at one address. Raises ConfigError where that is none."""

    def __init__(self, url: str) -> None:
        if not _is_address(url):
            raise ConfigError(f"--api {url}: give an address such as {DEFAULT_URL}")
        self._url = url.rstrip("/")

    def ask(self, method: str, *path: str, given: Given = None, query: Given = None) -> Any:
        """One request; gives the JSON that came back. Raises Refusal, EnvironmentProblem."""
        body = None if given is None else json.dumps(given).encode()
        answer = self.send(method, *path, body=body, query=query)
        try:
            return json.loads(answer) if answer else None
        except ValueError:
            raise EnvironmentProblem(f"what answers at {self._url} is no simulator; give --api") from None

    def send(
        self, method: str, *path: str, body: bytes | None = None, media_type: str = JSON, query: Given = None
    ) -> bytes:
        """The same with any body, and any answer."""
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
    except ValueError:  # brackets left open, a port that is no number
        return False


def _opener() -> OpenerDirector:
    """Without the proxies of the environment: the simulator is on this machine, or near."""
    return build_opener(ProxyHandler({}))


def _refusal(error: HTTPError) -> Refusal:
    try:
        document = json.loads(error.read())
        return Refusal(document["detail"], document.get("faults", []))
    except (ValueError, LookupError, TypeError, OSError):
        return Refusal(f"what answers there is no simulator: {error.code} {error.reason}", [])
