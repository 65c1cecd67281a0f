"""Security profiles: an operator says which one a charger shall have, and looks where the way to it stands."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from levity_trio.access.securing import Step, address_key, steps
from levity_trio.authority import AuthorityProblem
from levity_trio.authority.apart import read_own
from levity_trio.authority.folder import has_root
from levity_trio.config import ServerConfig, certificates_folder
from levity_trio.store.reads import securing as stored
from levity_trio.store.reads.securing import Secured, Securing
from levity_trio.store.writes import securing as writes
from levity_trio.store.writes.securing import NewPlan
from levity_trio.web.api.charger_facts import PagedWhose, whose
from levity_trio.web.api.chargers import CHARGER
from levity_trio.web.api.endpoints import Asked, Endpoint, Role, StructBody
from levity_trio.web.api.lists import page, page_of, wanted
from levity_trio.web.api.problems import Problem, not_found
from levity_trio.web.api.shown import show, shown_as

TAG: Final = "certificates"
PATH: Final = f"{CHARGER}/security-profile"
WITH_TLS, WITH_CERTIFICATE = 2, 3
LONGEST_ADDRESS: Final = 500


class SecuringBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The security profile that a charger shall have: 1 (password), 2 (TLS and password), 3 (client certificate).

    `address` is what the charger's own setting for our address is set to, where that setting is known; left out, it is
    made of the server certificate and --tls-port.
    """

    profile: Annotated[int, msgspec.Meta(ge=1, le=3)]
    address: Annotated[str, msgspec.Meta(max_length=LONGEST_ADDRESS, pattern=r"^wss?://[!-~]+$")] | None = None


async def _list(asked: Asked) -> object:
    charger = await whose(asked)
    return await page(asked.api, partial(stored.all_securing, charger=charger, wanted=wanted(asked.query)))


async def _begin(asked: Asked) -> Any:
    api, charger, body = asked.api, asked.path["id"], asked.body
    known = await api.reader.run(partial(stored.secured, charger=charger))
    if known is None:
        raise not_found(f"charger {charger}")
    new = await _plan(asked, body, known)
    number = await api.writer.run(writes.begin, new, api.stamp(), asked.caller.name)
    return show(await api.reader.run(partial(stored.securing, number=number)))


async def _plan(asked: Asked, body: SecuringBody, known: Secured) -> NewPlan:
    config, charger = asked.api.config, asked.path["id"]
    folder = certificates_folder(config.beside)
    has_authority = has_root(folder)
    if (words := _obstacle(config, body.profile, known.profile, has_authority=has_authority)) is not None:
        raise Problem(HTTPStatus.CONFLICT, "conflict", words, field="profile")
    organization, names = await _names(folder) if has_authority else (None, [])
    key = address_key(known.vendor, known.model)
    address = body.address or _address(body.profile, names, config.tls_port, known.target)
    found = steps(body.profile, known.profile, has_authority=has_authority, has_address_key=bool(key and address))
    is_set = Step.ADDRESS in found
    return NewPlan(
        charger=charger,
        profile=body.profile,
        steps=found,
        organization=organization,
        address_key=key if is_set else None,
        address=address if is_set else None,
    )


def _obstacle(config: ServerConfig, profile: int, present: int, *, has_authority: bool) -> str | None:
    """Return why a charger cannot get this profile here."""
    if profile < present:
        return f"its security profile is {present}; a lower one is not sent to it: set what is required of it instead"
    if profile >= WITH_TLS and config.tls_port is None and not config.tls_certs:
        return "this server has no TLS: start it with --tls-port, after `levity-trio certificate server` or --tls-cert"
    if profile >= WITH_CERTIFICATE and not has_authority:
        return "security profile 3 needs a certificate authority; create one with `levity-trio certificate init`"
    return None


def _address(profile: int, names: list[str], port: int | None, target: str | None) -> str | None:
    """Return our address as the charger shall dial it: its path so far, without its identity."""
    if profile < WITH_TLS or not names or not port:
        return None
    host = f"[{names[0]}]" if ":" in names[0] else names[0]
    return f"wss://{host}:{port}{(target or '/').partition('?')[0].rstrip('/').rpartition('/')[0]}/"


async def _names(folder: Path) -> tuple[str, list[str]]:
    """Return the operator's name, and the names of the server certificate. Raises Problem."""
    try:
        own = await read_own(folder)
    except AuthorityProblem as problem:
        raise Problem(HTTPStatus.CONFLICT, "conflict", str(problem)) from None
    return own.organization, list(own.server[0].names) if own.server else []


async def _show(asked: Asked) -> Any:
    charger = await whose(asked)
    assert charger is not None  # noqa: S101 - it is in the path
    found = await asked.api.reader.run(partial(stored.newest_securing, charger=charger))
    if found is None:
        raise not_found(f"security profile that was asked for {charger}")
    return show(found)


async def _cancel(asked: Asked) -> Any:
    api, charger = asked.api, asked.path["id"]
    if not await api.writer.run(writes.cancel, charger, api.stamp(), asked.caller.name):
        raise not_found(f"security profile under way for {charger}")
    return await _show(asked)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/api/admin/security-profiles",
        role=Role.VIEWER,
        tag=TAG,
        summary="List the security profiles that were asked for, newest first, and where each stands.",
        handle=_list,
        query=PagedWhose,
        answer=page_of(Securing),
        problems=("invalid",),
    ),
    Endpoint(
        method="POST",
        path=PATH,
        role=Role.ADMIN,
        tag=TAG,
        summary="Raise a charger's security profile, step by step; the same one renews its password or its keys.",
        handle=_begin,
        body=StructBody(SecuringBody),
        answer=shown_as(Securing),
        problems=("not_found", "conflict", "invalid"),
    ),
    Endpoint(
        method="GET",
        path=PATH,
        role=Role.VIEWER,
        tag=TAG,
        summary="Show where the security profile stands that was last asked for.",
        handle=_show,
        answer=shown_as(Securing),
        problems=("not_found",),
    ),
    Endpoint(
        method="DELETE",
        path=PATH,
        role=Role.ADMIN,
        tag=TAG,
        summary="Cancel the way to a security profile; what was sent to the charger stays.",
        handle=_cancel,
        answer=shown_as(Securing),
        problems=("not_found",),
    ),
)
