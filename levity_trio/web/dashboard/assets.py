"""The style sheet, the script and the icon: read once, compressed once, served under names that contain their hash."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from levity_trio.web.negotiation import accepts_gzip

DIGITS: Final = 12
KEPT: Final = "public, max-age=31536000, immutable"
KINDS: Final[Mapping[str, str]] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served."""

    media_type: str
    content: bytes
    compressed: bytes


@cache
def names() -> Mapping[str, str]:
    """Return the served name of each asset by its kind: css, js, svg."""
    return {name.rpartition(".")[2]: name for name in _assets()}


async def serve(request: Request) -> Response:
    """Return an asset."""
    found = _assets().get(request.path_params["name"])
    if found is None:
        return Response(status_code=404)
    headers = {"cache-control": KEPT, "vary": "accept-encoding"}
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        return Response(found.compressed, 200, headers | {"content-encoding": "gzip"}, found.media_type)
    return Response(found.content, 200, headers, found.media_type)


@cache
def _assets() -> Mapping[str, Asset]:
    return dict(_asset(kind) for kind in KINDS)


def _asset(kind: str) -> tuple[str, Asset]:
    """Join all files of a kind: base first, the others by name."""
    content = b"\n".join(one.read_bytes() for one in sorted(_files(kind), key=_order))
    asset = Asset(KINDS[kind], content, gzip.compress(content, mtime=0))
    return f"{sha256(content).hexdigest()[:DIGITS]}.{kind}", asset


def _files(kind: str) -> list[Traversable]:
    folder = files("levity_trio.web.dashboard") / "assets"
    return [one for one in folder.iterdir() if one.name.endswith(f".{kind}")]


def _order(one: Traversable) -> tuple[bool, str]:
    return not one.name.startswith("base."), one.name
