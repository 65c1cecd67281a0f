"""The HTTP client of the command line: JSON over http, https or a Unix socket, with the standard
library only.

It follows no redirects, so a token never reaches another server, and it ignores the environment's
proxies: the server is on this machine or in its network.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import field
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import quote, unquote, urlencode, urlsplit

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.records import record

PATIENCE_SECONDS: Final = 30.0
JSON: Final = "application/json"
PROBE_SECONDS: Final = 2.0
PIECE_BYTES: Final = 256 * 1024
UNIX: Final = "unix:"
FIRST_REFUSAL: Final = 300
"""Statuses from here on are no success; a redirect is not followed."""
Given = Mapping[str, object] | None


class Refusal(EnvironmentProblem):
    """The API refused a request. `code` is that of the problem document, `document` all of its
    members."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(
            str(document.get("detail") or document.get("title") or f"HTTP status {status}")
        )
        self.status = status
        self.code = str(document.get("code", ""))
        self.document = document


@record(kw_only=False)
class Sought:
    """The server that a command expects: its name and what to do if it does not answer, both for
    error messages."""

    name: str
    hint: str


@record(kw_only=False)
class Api:
    """The API at one address: `http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH`.

    Raises ConfigError if the address is invalid.
    """

    url: str
    sought: Sought
    token: str | None = field(default=None, repr=False)
    hear: Callable[[Message], None] = field(default=lambda _: None, repr=False)
    """Gets the headers of each response."""
    ca: Path | None = None
    """The only root certificate that is trusted; those of this machine without it."""

    def __post_init__(self) -> None:
        if not _is_address(self.url):
            example = "give an address such as http://127.0.0.1:9001, or unix:PATH"
            # what stands before it may be a password
            named = "--api" if "@" in self.url else f"--api {self.url}"
            raise ConfigError(f"{named}: {example}")

    def ask(
        self,
        method: str,
        *path: str,
        given: Given = None,
        query: Given = None,
        headers: Mapping[str, str] | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> Any:
        """Send a JSON request and return the JSON response, None if it is empty.

        `patience`, in seconds, is the longest wait for a response. Raises Refusal,
        EnvironmentProblem.
        """
        body = None if given is None else json.dumps(given).encode()
        answer = self.send(
            method, *path, body=body, query=query, headers=headers, patience=patience
        )
        return self._read(answer)

    def send(
        self,
        method: str,
        *path: str,
        body: bytes | BinaryIO | None = None,
        media_type: str = JSON,
        query: Given = None,
        headers: Mapping[str, str] | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> bytes:
        """Send a request with any body, perhaps from a file, and return the body of the response.
        Raises like `ask`."""
        with closing(self._connect(patience)) as connection:
            given = (
                {"Content-Type": media_type, **(headers or {})}
                if body is not None
                else dict(headers or {})
            )
            return self._content(
                self._exchange(connection, method, _target(path, query), body, given)
            )

    def fetch(self, *path: str, into: BinaryIO, patience: float = PATIENCE_SECONDS) -> None:
        """Write the body of a long response to a file. Raises like `ask`."""
        with closing(self._connect(patience)) as connection:
            answer = self._exchange(connection, "GET", _target(path, None), None, {})
            while piece := self._piece(answer):
                into.write(piece)

    def lines(
        self,
        *path: str,
        query: Given = None,
        headers: Mapping[str, str] | None = None,
        patience: float,
    ) -> Iterator[str]:
        """Yield the lines of a long response until it ends. Raises like `ask`, also after
        `patience` of silence."""
        with closing(self._connect(patience)) as connection:
            answer = self._exchange(
                connection, "GET", _target(path, query), None, dict(headers or {})
            )
            while line := self._line(answer):
                yield line.decode(errors="replace").rstrip("\r\n")

    def _connect(self, patience: float) -> HTTPConnection:
        if self.url.startswith(UNIX):
            return _UnixConnection(Path(self.url.removeprefix(UNIX)), patience)
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            return HTTPSConnection(host, parts.port, timeout=patience, context=self._trust())
        return HTTPConnection(host, parts.port, timeout=patience)

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca)
        except OSError as problem:  # ssl.SSLError is one
            raise ConfigError(
                f"--ca {self.ca}: {problem.strerror or problem}; give a certificate (PEM)"
            ) from None

    def _exchange(
        self,
        connection: HTTPConnection,
        method: str,
        target: str,
        body: bytes | BinaryIO | None,
        headers: dict[str, str],
    ) -> HTTPResponse:
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        prefix = "" if self.url.startswith(UNIX) else urlsplit(self.url).path.rstrip("/")
        try:
            # refused before the end of its body
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, prefix + target, body, headers)
            answer = connection.getresponse()
        except (OSError, HTTPException) as error:
            raise self._silence(error) from None
        self.hear(answer.headers)
        if answer.status >= FIRST_REFUSAL:
            raise Refusal(answer.status, self._problem(answer, self._content(answer)))
        return answer

    def _content(self, answer: HTTPResponse) -> bytes:
        try:
            return answer.read()
        except (OSError, HTTPException) as error:
            raise self._silence(error) from None

    def _piece(self, answer: HTTPResponse) -> bytes:
        try:
            piece = answer.read(PIECE_BYTES)
        except (OSError, HTTPException) as error:
            raise self._silence(error) from None
        if not piece and answer.length:  # the library takes a body that was cut off for a whole one
            raise EnvironmentProblem(
                f"{self.url} closed the connection before the end of the file; try again"
            )
        return piece

    def _line(self, answer: HTTPResponse) -> bytes:
        try:
            return answer.readline()
        except (OSError, HTTPException) as error:
            raise self._silence(error) from None

    def _silence(self, error: Exception) -> EnvironmentProblem:
        if isinstance(error, ssl.SSLCertVerificationError):
            words = f"the certificate of {self.url} is not trusted here ({error.verify_message})"
            return EnvironmentProblem(
                f"{words}; give --ca the root certificate of its authority, such as root.pem"
            )
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        hint = self.sought.hint
        if self.url.startswith(UNIX):
            beside = sorted(Path(self.url.removeprefix(UNIX)).parent.glob("*.sock"))
            hint = next(
                (f"give --api {UNIX}{path}, which answers" for path in beside if is_open(path)),
                hint,
            )
        return EnvironmentProblem(f"no {self.sought.name} answers at {self.url} ({reason}); {hint}")

    def _read(self, content: bytes) -> Any:
        try:
            return json.loads(content) if content else None
        except ValueError:
            raise EnvironmentProblem(
                f"the server at {self.url} is not a {self.sought.name}; give --api"
            ) from None

    def _problem(self, answer: HTTPResponse, content: bytes) -> Mapping[str, Any]:
        """Return the members of a problem document. Another server's error is no problem
        document."""
        try:
            document = json.loads(content)
            return {
                **document,
                "detail": document["detail"],
                "retry_after": answer.headers.get("Retry-After"),
            }
        except (ValueError, LookupError, TypeError):
            detail = (
                f"the server at {self.url} is not a {self.sought.name}: {answer.status} "
                f"{answer.reason}"
            )
            return {"detail": detail}


class _UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, patience: float) -> None:
        super().__init__("localhost", timeout=patience)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def is_open(path: Path) -> bool:
    """Return whether somebody listens at a Unix socket that this user may open."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _target(path: tuple[str, ...], query: Given) -> str:
    target = "".join(f"/{quote(part, safe='')}" for part in ("api", *path))
    return f"{target}?{urlencode(query, doseq=True)}" if query else target


def _is_address(url: str) -> bool:
    if url.startswith(UNIX):
        return bool(url.removeprefix(UNIX))
    try:
        parts = urlsplit(url)
        is_whole = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and parts.username is None
        )
        return is_whole and unquote(url).isprintable() and " " not in url
    except ValueError:  # unbalanced brackets, a port that is not a number
        return False
