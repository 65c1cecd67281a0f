"""The style sheet, the script, the icons and the manifest for the home screen.

All but the manifest are read once, compressed once, and served under names that contain their hash.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from levity_trio.records import record
from levity_trio.web.http.negotiation import accepts_gzip

DIGITS: Final = 12
KEPT: Final = "public, max-age=31536000, immutable"
KINDS: Final[Mapping[str, str]] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
ICONS: Final[Mapping[str, int]] = {"icon-192.png": 192, "icon-512.png": 512}
"""The icons for the home screen, and their sizes in pixels. The drawing lies in the middle, so
phones may cut any shape."""
MANIFEST: Final = "/manifest.webmanifest"
HOUR: Final = "public, max-age=3600"
GROUND: Final = "#f6f7f9"
"""Behind the pages while they load, as in base.css."""


@record(kw_only=False)
class Asset:
    """A file as it is served."""

    media_type: str
    content: bytes
    compressed: bytes


@cache
def names() -> Mapping[str, str]:
    """Return the served name of each asset by its kind: css, js, svg; of an icon for the home
    screen by its size."""
    kinds = {kind: _joined(kind)[0] for kind in KINDS}
    return kinds | {f"icon_{size}": _icon(name)[0] for name, size in ICONS.items()}


def manifest(base: str, site: str) -> Response:
    """Return what a browser needs to put the pages on a home screen. Everything in it is of this
    server."""
    icons = [
        {
            "src": f"{base}/assets/{_icon(name)[0]}",
            "sizes": f"{size}x{size}",
            "type": "image/png",
            "purpose": purpose,
        }
        for name, size in ICONS.items()
        for purpose in ("any", "maskable")
    ]
    shown = {
        "id": f"{base}/",
        "name": site,
        "short_name": site,
        "start_url": f"{base}/",
        "scope": f"{base}/",
        "display": "standalone",
        "background_color": GROUND,
        "theme_color": GROUND,
        "icons": icons,
    }
    return Response(orjson.dumps(shown), 200, {"cache-control": HOUR}, "application/manifest+json")


async def serve(request: Request) -> Response:
    asset = _assets().get(request.path_params["name"])
    if asset is None:
        return Response(status_code=404)
    headers = {"cache-control": KEPT, "vary": "accept-encoding"}
    content = asset.content
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        content = asset.compressed
        headers["content-encoding"] = "gzip"
    return Response(content, 200, headers, asset.media_type)


@cache
def _assets() -> Mapping[str, Asset]:
    served = [_joined(kind) for kind in KINDS]
    served += [_icon(name) for name in ICONS]
    return dict(served)


@cache
def _joined(kind: str) -> tuple[str, Asset]:
    """Join all files of a kind: base first, the others by name."""
    folder = files("levity_trio.web.dashboard") / "assets"
    parts = {file.name: file for file in folder.iterdir() if file.name.endswith(f".{kind}")}
    in_order = sorted(parts, key=lambda name: (not name.startswith("base."), name))
    content = b"\n".join(parts[name].read_bytes() for name in in_order)
    return _named(KINDS[kind], kind, content)


@cache
def _icon(name: str) -> tuple[str, Asset]:
    file = files("levity_trio.web.dashboard") / "assets" / name
    return _named("image/png", "png", file.read_bytes())


def _named(media_type: str, kind: str, content: bytes) -> tuple[str, Asset]:
    """Return an asset with the name under which it is served: another content has another one, so
    browsers keep each for ever."""
    digest = sha256(content).hexdigest()
    # Without a time, equal contents are equal when compressed, too.
    compressed = gzip.compress(content, mtime=0)
    return f"{digest[:DIGITS]}.{kind}", Asset(media_type, content, compressed)
