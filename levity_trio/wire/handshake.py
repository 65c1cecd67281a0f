"""The head of an upgrade request, read before the WebSocket library sees it.

The library is strict where chargers are not: a missing `Connection: Upgrade`, a byte above 127 or
an absolute URL in the request line would end the connection without a response. So the head is
parsed tolerantly and checked here, and the library gets a new request that contains only what it
needs.

The identity of the charger is the last segment of the path, percent-decoded (OCPP-J 1.6 §3.1.1).
"""

import re
from collections.abc import Mapping
from dataclasses import field
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

from levity_trio.records import record
from levity_trio.wire.secrets import masked_url

SUBPROTOCOLS: Final = ("ocpp1.6", "ocpp1.6j")
"""The name of OCPP-J 1.6, and what some chargers call it (J is for JSON)."""
WEBSOCKET_VERSION: Final = "13"
COPIED_BY: Final = "copied-by"
"""The header with the servers that a connection is a copy of. One that finds itself there would
tell itself for ever what it is told."""
MAX_IDENTITY: Final = 48
"""The characters of an identity."""
KINDS: Final[Mapping[int, str]] = {
    401: "password",
    403: "web page",
    404: "identity",
    405: "no upgrade",
    408: "timeout",
    426: "no upgrade",
    431: "too large",
    503: "limit",
    508: "loop",
    1002: "subprotocol",
}
"""The kind of a refusal by its status, where that says enough."""
LOGGED_CHARACTERS: Final = 1000
"""Maximum length of a logged request, so that refused clients cannot fill the log."""
DOTS: Final = (".", "..")
"""Segments that are places in a path, not names."""

_ENTRANCES: Final = frozenset({"ws", "ocpp"})
"""Alone, they are no identity."""
_REQUEST_LINE = re.compile(r"([A-Za-z]+)[ \t]+(\S(?:.*\S)?)[ \t]+HTTP/\d\.\d[ \t]*", re.IGNORECASE)
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LINE_END = re.compile(r"\r?\n")
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_KEY = re.compile(r"[!-~]{1,128}")
_BROWSER = "mozilla/"  # how the User-Agent of every browser begins
_AUTHORIZATION = re.compile(
    r"(?im)(?:^|(?<=\r))([ \t]*(?:proxy-)?authorization[ \t]*:).*(?:\r?\n[ \t]+.*)*"
)


class BadRequest(Exception):
    """A request that is refused; `status`, `text` and `headers` are those of the HTTP response.

    `kind` is one of a fixed set, for metrics. `reason` is for the log, where the client must not
    learn it.
    """

    def __init__(
        self,
        status: int,
        text: str,
        headers: Mapping[str, str] | None = None,
        kind: str | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.text = text
        self.headers: Mapping[str, str] = headers or {}
        self.kind = kind or KINDS.get(status, "malformed")
        self.reason = reason or text


@record(kw_only=False)
class Head:
    """A request head. Header names are in lower case, repeated ones joined by commas; `raw` is the
    head as received."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)  # may hold a password
    raw: bytes = field(repr=False)


def parse_head(raw: bytes) -> Head:
    """Parse the head of a request, up to the first empty line. Raises BadRequest 400 if it is not
    HTTP/1."""
    request_line, *lines = _LINE_END.split(raw.decode("latin-1").lstrip("\r\n"))
    match = _REQUEST_LINE.fullmatch(request_line)
    if match is None:
        raise BadRequest(400, "This is a WebSocket server for OCPP 1.6; the request is not HTTP/1.")

    headers: dict[str, str] = {}
    name = ""
    for line in lines:
        if not line:
            break
        # An obsolete folded line (RFC 9112 §5.2) belongs to the header before.
        if line[0] in " \t":
            if name:
                headers[name] = f"{headers[name]} {line.strip()}"
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or _TOKEN.fullmatch(name) is None:
            # This line is ignored, not the request.
            name = ""
        elif name in headers:
            headers[name] = f"{headers[name]}, {value.strip()}"
        else:
            headers[name] = value.strip()
    return Head(match[1].upper(), match[2], headers, raw)


def identity(target: str) -> str | None:
    """Return the identity in a request target, None if there is none: 1 to 48 printable characters
    without `/`, and neither `.` nor `..`.

    An absolute URL, doubled slashes, a trailing slash and a query string are accepted. Segments
    before the last are ignored, but `/ws` or `/ocpp` alone is not an identity.
    """
    segments = [segment for segment in _path(target).split("/") if segment]
    if not segments or (len(segments) == 1 and segments[0].lower() in _ENTRANCES):
        return None
    if _BROKEN_ESCAPE.search(segments[-1]):
        return None
    try:
        name = unquote_to_bytes(segments[-1].encode("latin-1")).decode("utf-8")
    except UnicodeError:
        return None
    if not name.strip() or not name.isprintable() or "/" in name or name in DOTS:
        return None
    return name if len(name) <= MAX_IDENTITY else None


def choose_subprotocol(head: Head) -> tuple[str | None, bool]:
    """Choose ocpp1.6, else ocpp1.6j, in any case, from the offered subprotocols (OCPP-J §3.1.2, RFC
    6455 §4.2.2).

    Return its name in the client's spelling, None for no header, and whether the offer is
    acceptable: it is not if it has only others. No offer is acceptable.
    """
    offer = head.headers.get("sec-websocket-protocol", "")
    offered = [name for part in offer.split(",") if (name := part.strip())]
    for wanted in SUBPROTOCOLS:
        for name in offered:
            if name.lower() == wanted:
                return name, True
    return None, not offered


def upgrade_problem(head: Head) -> BadRequest | None:
    """Return why a request cannot be upgraded (RFC 6455 §4.2.1, §4.4), None if it can, perhaps
    after repair."""
    headers = head.headers
    if head.method != "GET":
        return BadRequest(405, "Only GET with a WebSocket upgrade is supported.", {"Allow": "GET"})
    if "websocket" not in headers.get("upgrade", "").lower():
        hint = (
            "Chargers connect here with OCPP 1.6 over WebSocket: ws://this-host:port/ws/CHARGER-ID"
        )
        if "sec-websocket-key" in headers:
            hint = (
                "The Upgrade header is missing; a proxy in between may not be configured to "
                "forward it."
            )
        return BadRequest(426, hint, {"Upgrade": "websocket"})
    if headers.get("sec-websocket-version") != WEBSOCKET_VERSION:
        wanted = {"Upgrade": "websocket", "Sec-WebSocket-Version": WEBSOCKET_VERSION}
        return BadRequest(
            426, "Only version 13 of the WebSocket protocol is supported.", wanted, "malformed"
        )
    if _KEY.fullmatch(headers.get("sec-websocket-key", "")) is None:
        return BadRequest(400, "The Sec-WebSocket-Key header is missing or unreadable.")
    return None


def page_problem(head: Head, allowed_origin: str | None) -> BadRequest | None:
    """Return why a web page may not act as a charger, None if it is no page, or one of the allowed
    origin.

    A browser connects for any page, also to 127.0.0.1, and names the page in Origin (RFC 6455
    §10.2). Libraries that chargers use send an Origin too, such as `file://` or the server's own,
    but do not call themselves a browser.
    """
    origin = head.headers.get("origin")
    agent = head.headers.get("user-agent", "").lower()
    is_browser = agent.startswith(_BROWSER) or "sec-fetch-site" in head.headers
    if origin is None or not is_browser or origin == allowed_origin:
        return None
    return BadRequest(
        403, "A web page may not act as a charger, unless --api-cors-origin names its origin."
    )


def canonical_head(head: Head, subprotocol: str | None) -> bytes:
    """Return a clean request for the WebSocket library, from a head without `upgrade_problem`.

    It omits extensions, so none is negotiated, and the query string, which may contain a secret.
    """
    host = head.headers.get("host", "")
    path = quote(_path(head.target).encode("latin-1"), safe="/%")
    lines = [
        f"GET {path or '/'} HTTP/1.1",
        f"Host: {host if _HOST.fullmatch(host) else 'localhost'}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {head.headers['sec-websocket-key']}",
        f"Sec-WebSocket-Version: {WEBSOCKET_VERSION}",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def refusal(status: int, text: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a whole HTTP response that refuses the upgrade and announces the end of the
    connection."""
    return last_response(status, f"{text}\n".encode(), "text/plain; charset=utf-8", headers)


def last_response(
    status: int, body: bytes, media_type: str, headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a whole HTTP response that announces the end of the connection."""
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"Content-Type: {media_type}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def masked_head(raw: bytes) -> str:
    """Return a raw head for the log: LOGGED_CHARACTERS at most, with its secrets masked. Its output
    must escape it."""
    text = _AUTHORIZATION.sub(r"\1 ***", raw.decode("latin-1"))
    return masked_url(text)[:LOGGED_CHARACTERS]


def dialled(head: Head, local_address: str | None) -> str | None:
    """Return the address that a charger was given, if it is the one of ours at which its connection
    arrived.

    None for a name, for an address of something before this machine, and for this machine's own
    chargers.
    """
    try:
        named = ip_address(urlsplit(f"//{head.headers.get('host', '')}").hostname or "")
        ours = ip_address((local_address or "").partition("%")[0])
    except ValueError:
        return None
    ours = getattr(ours, "ipv4_mapped", None) or ours
    return str(named) if named == ours and not named.is_loopback else None


def _path(target: str) -> str:
    """Return the path of a request target, which may be an absolute URL."""
    path = _AUTHORITY.sub("", target, count=1) if _AUTHORITY.match(target) else target
    return re.split(r"[?#]", path)[0]
