"""`levity-trio certificate`: the certificate authority beside the database, and the certificates of
chargers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from levity_trio.authority import AuthorityProblem
from levity_trio.authority.folder import PAGES, ROOT
from levity_trio.cli.call import USUAL_SECONDS
from levity_trio.cli.commands import group_of
from levity_trio.cli.declaring import (
    JSON_PARAMETER,
    WIDE,
    argument,
    examples_of,
    flag,
    on_database,
    option,
)
from levity_trio.cli.operator import OF_STATE, Operator, RefusedByApi
from levity_trio.cli.terminal import cell, say, show_record
from levity_trio.config import EnvironmentProblem, ServerConfig, certificates_folder, pages_folder
from levity_trio.wire.times import stamp

if TYPE_CHECKING:
    from levity_trio.access.certificates import Described

COLUMNS: Final = ("id", "charger", "not_after", "revoked_at", "subject", "reason", "issued_by")
REQUEST_COLUMNS: Final = (
    "id",
    "charger",
    "received_at",
    "result",
    "reason",
    "certificate",
    "command",
)
NO_CERTIFICATE: Final = (
    "no charger has a certificate yet: levity-trio charger secure CHARGER --profile 3"
)
NO_REQUEST: Final = "no charger has requested a certificate yet"
OWN_COLUMNS: Final = ("subject", "names", "not_after", "fingerprint")
INIT_EPILOG: Final = """\
The folder DATABASE.certificates is only for the user of the server. Keep a copy of it in a safe
place: without root-key.pem no charger gets a new certificate. An existing authority is never
overwritten.
"""
PAGES_EPILOG: Final = f"""\
The folder DATABASE.pages is only for the user of the server. Serve the pages with --api-tls-cert
DATABASE.pages/{PAGES}. What fits is left as it is, and the server renews the certificate in time.
Other names or addresses need a new root, which your phones must trust again.
"""
NEW_ROOT: Final = """
This root is new. Your phone trusts it when you tell it to: open the page /trust of the dashboard
there, and compare the fingerprint with the one above.\
"""

certificate = group_of("certificate")


_NAMES: Final = click.argument("names", nargs=-1, required=True, metavar="NAME-OR-IP...")


def _offline(
    name: str, more: str | None = None, folder_of: Callable[[Path], Path] = certificates_folder
) -> Callable[[Callable[..., tuple[Sequence[Described], str]]], None]:
    """Decorate `function(folder, now, …)` as a command that works on the folder of an authority.

    It shows the certificates that the function made, and the words that it has to say.
    """

    def decorate(function: Callable[..., tuple[Sequence[Described], str]]) -> None:
        @wraps(function)
        def run(config: ServerConfig, *, is_json: bool, **options: Any) -> None:
            database = config.database
            if (
                isinstance(database, Path)
                and database.exists()
                and database.stat().st_uid != os.geteuid()
            ):
                words = (
                    f"{database} belongs to another user; run this as that user, for example with "
                    "sudo -u"
                )
                raise EnvironmentProblem(words)
            try:
                made, words = function(folder_of(config.beside), datetime.now(UTC), **options)
            except AuthorityProblem as problem:
                raise EnvironmentProblem(str(problem)) from None
            records = [
                {
                    "subject": one.subject,
                    "names": list(one.names),
                    "serial": one.serial,
                    "fingerprint": one.fingerprint,
                    "not_before": stamp(one.not_before),
                    "not_after": stamp(one.not_after),
                    "pem": one.pem,
                }
                for one in made
            ]
            if is_json:
                say(json.dumps(records))
                return
            for record in records:
                show_record(record, *OWN_COLUMNS)
            if words:
                say(words)

        examples = examples_of(certificate.epilog, "certificate", name)
        made = on_database(epilog=examples if more is None else f"{examples}\n{more}")(run)
        made.params.append(JSON_PARAMETER)
        certificate.add_command(made)

    return decorate


@_offline("init", INIT_EPILOG)
@option(
    "--organization NAME",
    "Your name in all certificates; chargers know it as CpoName.",
    default="Levity",
)
def init(folder: Path, now: datetime, organization: str) -> tuple[Sequence[Described], str]:
    """Create the authority beside the database: its key, and its root certificate."""
    from levity_trio.authority.issuing import create_root  # noqa: PLC0415 - so that --help answers at once

    return [create_root(folder, organization, now)], ""


@_offline("server")
@_NAMES
def server(folder: Path, now: datetime, names: Sequence[str]) -> tuple[Sequence[Described], str]:
    """Issue the server's certificates for --tls-port, for all names and addresses that chargers
    dial."""
    from levity_trio.authority.issuing import create_server_certificates  # noqa: PLC0415 - as above

    return create_server_certificates(folder, names, now), ""


@_offline("pages", PAGES_EPILOG, pages_folder)
@_NAMES
@option("--organization NAME", "Your name in the certificates.", default="Levity")
def pages(
    folder: Path, now: datetime, names: Sequence[str], organization: str
) -> tuple[Sequence[Described], str]:
    """Make or renew the certificate of the pages, for all names and addresses that phones open, and
    its root. That root can vouch for nothing else."""
    from levity_trio.authority.issuing import keep_pages  # noqa: PLC0415 - as above

    made = keep_pages(folder, names, organization, now)
    return [made.root, made.site], NEW_ROOT if made.is_new_root else ""


@certificate.api_command
@argument("[CHARGER]")
@flag("--requests", "List what chargers requested instead, with our reasons.")
@flag("--own", "List the certificates of this server instead.")
@WIDE
def list_(operator: Operator, charger: str | None, *, requests: bool, own: bool) -> None:
    """List the client certificates of all chargers, or of one."""
    if own:
        authority, pages = (
            _own(operator, "certificate-authority"),
            _own(operator, "pages-certificate"),
        )
        if not authority and not pages:
            operator.get("certificate-authority")  # says what to do
        certificates = [authority["root"], *authority["server"]] if authority else []
        certificates += [pages["root"], pages["site"]] if pages else []
        if not operator.is_told({**authority, **({"pages": pages} if pages else {})}):
            for place, one in enumerate(certificates):
                say("" if place == 0 else "\n", ends_line=False)
                show_record(one, *OWN_COLUMNS)
        return
    kind, columns = (
        ("certificate-requests", REQUEST_COLUMNS) if requests else ("certificates", COLUMNS)
    )
    page = operator.get(*(("chargers", charger) if charger else ()), kind, limit=500)
    operator.table(columns, page["data"], empty=NO_REQUEST if requests else NO_CERTIFICATE)


def _own(operator: Operator, kind: str) -> Any:
    """Return what the API has of a kind, nothing if there is none. Raises like `get`."""
    try:
        return operator.get(kind)
    except RefusedByApi as refused:
        if refused.code != "not_found":
            raise
        return {}


@certificate.api_command
@argument("CHARGER")
def install(operator: Operator, charger: str) -> int:
    """Install the authority's root on a charger, so that it trusts this server."""
    body = {"certificateType": "CentralSystemRootCertificate"}
    sent = operator.post(
        "chargers", charger, "install-certificate", body=body, patience=USUAL_SECONDS
    )
    status = (sent["answer"] or {}).get("status") or ""
    operator.tell(
        sent,
        f"{cell(charger)}: {sent['state']} {status}".rstrip() + f" ({ROOT}, command {sent['id']})",
    )
    return OF_STATE.get(sent["state"], 0)
