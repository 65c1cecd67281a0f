"""What is ours in operations: URLs where a charger sends its diagnostics or log, or fetches firmware, and our root."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple

import trio

from levity_trio.authority import AuthorityProblem
from levity_trio.authority import folder as files
from levity_trio.config import certificates_folder
from levity_trio.operations import Operation
from levity_trio.operations.fields import Allotted
from levity_trio.operations.operation import filled, left_out
from levity_trio.operations.transfers import FIRMWARE_AT, wanted_at
from levity_trio.store.reads.files import firmware
from levity_trio.store.writes.files import NewUrl
from levity_trio.web.api.context import Api
from levity_trio.web.api.endpoints import Asked
from levity_trio.web.api.problems import Problem
from levity_trio.web.files.urls import SecretUrl
from levity_trio.wire.times import stamp


class Located(NamedTuple):
    """A payload, and the URL of ours in it, if there is one."""

    payload: dict[str, Any]
    url: NewUrl | None


async def located(asked: Asked, operation: Operation, payload: dict[str, Any]) -> Located:
    """Put a URL of ours where a location was left out, or is the name of a firmware file. Raises Problem.

    Any other location is passed on unchanged. A certificate that was left out is our root.
    """
    for path, allotted in left_out(operation, payload):
        if allotted is Allotted.UPLOAD:
            url = _new_url(asked, path)
            return Located(filled(payload, path, url.text), NewUrl(url.digest, None, None))
        if allotted is Allotted.ROOT:
            return Located(filled(payload, path, await root_pem(asked.api)), None)
    if operation.action not in FIRMWARE_AT:
        return Located(payload, None)
    place = FIRMWARE_AT[operation.action]
    found = await asked.api.reader.run(partial(firmware, title=_value(payload, place)))
    if found is None:
        return Located(payload, None)
    url, at = _new_url(asked, place), wanted_at(payload)
    named = f"{url.text}/{found.title}"  # some chargers look at the name or its extension
    return Located(filled(payload, place, named), NewUrl(url.digest, found.id, None if at is None else stamp(at)))


async def root_pem(api: Api) -> str:
    """Return the root of our certificate authority, in PEM. Raises Problem."""
    path = certificates_folder(api.config.beside) / files.ROOT
    try:
        return (await trio.to_thread.run_sync(files.read, path)).decode()
    except AuthorityProblem as problem:
        raise Problem(HTTPStatus.CONFLICT, "conflict", str(problem), field="certificate") from None


def _value(payload: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = payload
    for name in path:
        value = value[name]
    return value


def _new_url(asked: Asked, path: tuple[str, ...]) -> SecretUrl:
    url = asked.api.shelf.new_url()
    if url is None:
        field, words = ".".join(path), "give the URL of another server, or start this one with --files-port"
        detail = f"{field}: this server takes and gives no files; {words}"
        raise Problem(HTTPStatus.CONFLICT, "conflict", detail, field=field)
    return url
