"""What is ours in operations: URLs where a charger sends its diagnostics or log, or fetches firmware, and our root."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import trio

from levity_trio.authority import AuthorityProblem
from levity_trio.authority import folder as files
from levity_trio.config import certificates_folder
from levity_trio.operations import Operation
from levity_trio.operations.fields import Allotted
from levity_trio.operations.operation import Payload, filled, left_out
from levity_trio.operations.transfers import FIRMWARE_AT, wanted_at
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.files import firmware
from levity_trio.store.writes.files import NewUrl
from levity_trio.web.api.context import Api
from levity_trio.web.api.endpoints import Request
from levity_trio.web.api.problems import conflict
from levity_trio.web.drivers_address import is_local
from levity_trio.web.files.urls import SecretUrl
from levity_trio.wire.proxy_header import peer_of
from levity_trio.wire.times import stamp


class Receiver(NamedTuple):
    """Who gets a payload, and the protocols by which it says that it transfers files (none: unknown)."""

    charger: str
    protocols: frozenset[str]


class Located(NamedTuple):
    """A payload, and the URL of ours in it, if there is one."""

    payload: Payload
    url: NewUrl | None


async def located(request: Request, operation: Operation, payload: Payload, to: Receiver) -> Located:
    """Put a URL of ours where a location was left out, or is the name of a firmware file. Raises Problem.

    Any other location is passed on unchanged. A certificate that was left out is our root.
    """
    for path, allotted in left_out(operation, payload):
        if allotted is Allotted.UPLOAD:
            url = await _new_url(request, to, path)
            return Located(filled(payload, path, url.text), NewUrl(url.digest, None, None))
        if allotted is Allotted.ROOT:
            return Located(filled(payload, path, await root_pem(request.api)), None)
    if operation.action not in FIRMWARE_AT:
        return Located(payload, None)
    place = FIRMWARE_AT[operation.action]
    found = await request.read(partial(firmware, title=_text(payload, place)))
    if found is None:
        return Located(payload, None)
    url, at = await _new_url(request, to, place), wanted_at(payload)
    named = filled(payload, place, url.of(found.title or found.name))
    return Located(named, NewUrl(url.digest, found.id, None if at is None else stamp(at)))


async def root_pem(api: Api) -> str:
    """Return the root of our certificate authority, in PEM. Raises Problem."""
    path = certificates_folder(api.config.beside) / files.ROOT
    try:
        return (await trio.to_thread.run_sync(files.read, path)).decode()
    except AuthorityProblem as problem:
        raise conflict(str(problem), field="certificate") from None


def _text(payload: Payload, path: tuple[str, ...]) -> str:
    value: Any = payload
    for name in path:
        value = value[name]
    return str(value)


async def _new_url(request: Request, to: Receiver, path: tuple[str, ...]) -> SecretUrl:
    field, url = ".".join(path), request.api.shelf.new_url(to.protocols)
    if url is None:
        words = "give the URL of another server, or start this one with --files-port"
        detail = f"{field}: this server takes and gives no files; {words}"
        raise conflict(detail, field=field)
    if is_local(url.text) and await request.read(partial(_is_elsewhere, charger=to.charger)):
        words = f"only programs on this machine reach {url.base}; say with --files-url where chargers reach this server"
        raise conflict(f"{field}: {words}", field=field)
    return url


def _is_elsewhere(db: Database, charger: str) -> bool:
    """Whether a charger connected last from another machine."""
    row = db.execute(
        "SELECT remote_address FROM cp JOIN session ON session.id = cp.session_id WHERE cp.id = ?", (charger,)
    ).fetchone()
    peer = None if row is None else peer_of(row[0])
    return peer is not None and not peer.is_loopback
