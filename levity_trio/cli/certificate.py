"""`levity-trio certificate`: the certificate authority beside the database, and the certificates of chargers."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from levity_trio.authority import AuthorityProblem
from levity_trio.authority.folder import PAGES, ROOT
from levity_trio.cli.call import USUAL_SECONDS
from levity_trio.cli.examples import examples_of
from levity_trio.cli.operator import OF_STATE, Operator, RefusedByApi, command
from levity_trio.cli.serve import database_options
from levity_trio.cli.tables import cell, say, show_record
from levity_trio.config import EnvironmentProblem, certificates_folder, pages_folder
from levity_trio.config.sources import load
from levity_trio.wire.times import stamp

if TYPE_CHECKING:
    from levity_trio.access.certificates import Described

ADMIN: Final = "admin"
COLUMNS: Final = ("id", "charger", "subject", "not_after", "issued_by", "revoked_at", "reason")
REQUEST_COLUMNS: Final = ("id", "charger", "received_at", "result", "reason", "certificate", "command")
OWN_COLUMNS: Final = ("subject", "names", "not_after", "fingerprint")
EXAMPLES: Final = """\
\b
Examples:
  levity-trio certificate init --organization "Haus am Park"
  levity-trio certificate server levity.local 192.168.1.5
  levity-trio certificate pages levity.local 192.168.1.5
  levity-trio certificate install CP-1
  levity-trio certificate adopt CP-1 cp-1.pem
  levity-trio certificate list
  levity-trio certificate allow 7 --reason "its maker names it so"
  levity-trio certificate revoke 3 --reason "sold"

`init`, `server` and `pages` work on files beside the database, as the user of the server. A running server takes them
up. The others use its API. `charger secure` does all that a charger needs for a security profile.
"""
INIT_EPILOG: Final = """\
The folder DATABASE.certificates is only for the user of the server. Keep a copy of it in a safe place: without
root-key.pem no charger gets a new certificate. An existing authority is never overwritten.
"""
PAGES_EPILOG: Final = f"""\
The folder DATABASE.pages is only for the user of the server. Serve the pages with --api-tls-cert
DATABASE.pages/{PAGES}. What fits is left as it is, and the server renews the certificate in time. Other names or
addresses need a new root, which your phones must trust again.
"""
NEW_ROOT: Final = """
This root is new. Your phone trusts it when you tell it to: open the page /trust of the dashboard there, and compare the
fingerprint with the one above.\
"""

certificate = click.Group(
    "certificate", help="The certificate authority, and certificates of chargers.", epilog=EXAMPLES
)
_JSON: Final = click.Option(["is_json", "--json"], is_flag=True, help="Output JSON, for programs.")


def _offline(
    function: Callable[..., tuple[Sequence[Described], str]], folder_of: Callable[[Path], Path] = certificates_folder
) -> Callable[..., None]:
    """Give a function the folder of the authority, and show the certificates that it made and what it has to say."""

    def run(*, is_json: bool, **given: Any) -> None:
        settings = {name: given.pop(name) for name in ("database", "config")}
        config, _ = load({name: value for name, value in settings.items() if value is not None}, os.environ)
        folder = folder_of(config.beside)
        if isinstance(config.database, Path):
            _check_owner(config.database)
        try:
            made, words = function(folder, datetime.now(UTC), **given)
        except AuthorityProblem as problem:
            raise EnvironmentProblem(str(problem)) from None
        records = [_shown(one) for one in made]
        if is_json:
            say(json.dumps(records))
            return
        for record in records:
            show_record({name: record[name] for name in OWN_COLUMNS})
        if words:
            say(words)

    return run


def _shown(one: Described) -> Mapping[str, Any]:
    times = {"not_before": stamp(one.not_before), "not_after": stamp(one.not_after)}
    names = {"subject": one.subject, "names": list(one.names), "serial": one.serial, "fingerprint": one.fingerprint}
    return {**names, **times, "pem": one.pem}


def _check_owner(database: Path) -> None:
    """The files must belong to the user of the server. Raises EnvironmentProblem."""
    if database.exists() and database.stat().st_uid != os.geteuid():
        words = f"{database} belongs to another user; run this as that user, for example with sudo -u"
        raise EnvironmentProblem(words)


def init(folder: Path, now: datetime, organization: str) -> tuple[Sequence[Described], str]:
    from levity_trio.authority.issuing import create_root  # noqa: PLC0415 - so that --help answers at once

    return [create_root(folder, organization, now)], ""


def server(folder: Path, now: datetime, names: Sequence[str]) -> tuple[Sequence[Described], str]:
    from levity_trio.authority.issuing import create_server_certificates  # noqa: PLC0415 - as above

    return create_server_certificates(folder, names, now), ""


def pages(folder: Path, now: datetime, names: Sequence[str], organization: str) -> tuple[Sequence[Described], str]:
    from levity_trio.authority.issuing import keep_pages  # noqa: PLC0415 - as above

    made = keep_pages(folder, names, organization, now)
    return [made.root, made.site], NEW_ROOT if made.is_new_root else ""


def _organization(words: str) -> click.Option:
    return click.Option(
        ["organization", "--organization"], metavar="NAME", default="Levity", show_default=True, help=words
    )


certificate.add_command(
    click.Command(
        "init",
        params=[
            _organization("Your name in all certificates; chargers know it as CpoName."),
            *database_options(),
            _JSON,
        ],
        callback=_offline(init),
        help="Create the authority beside the database: its key, and its root certificate.",
        epilog=f"{examples_of(EXAMPLES, 'certificate', 'init')}\n{INIT_EPILOG}",
    )
)
certificate.add_command(
    click.Command(
        "server",
        epilog=examples_of(EXAMPLES, "certificate", "server"),
        params=[
            click.Argument(["names"], nargs=-1, required=True, metavar="NAME-OR-IP..."),
            *database_options(),
            _JSON,
        ],
        callback=_offline(server),
        help="Issue the server's certificates for --tls-port, for all names and addresses that chargers dial.",
    )
)
certificate.add_command(
    click.Command(
        "pages",
        epilog=f"{examples_of(EXAMPLES, 'certificate', 'pages')}\n{PAGES_EPILOG}",
        params=[
            click.Argument(["names"], nargs=-1, required=True, metavar="NAME-OR-IP..."),
            _organization("Your name in the certificates."),
            *database_options(),
            _JSON,
        ],
        callback=_offline(pages, pages_folder),
        help="Make or renew the certificate of the pages, for all names and addresses that phones open, and its root."
        " That root can vouch for nothing else.",
    )
)


@command("list", group=certificate)
@click.argument("charger", required=False)
@click.option("--requests", is_flag=True, help="List what chargers requested instead, with our reasons.")
@click.option("--own", is_flag=True, help="List the certificates of this server instead.")
def show_all(operator: Operator, charger: str | None, *, requests: bool, own: bool) -> None:
    """List the client certificates of all chargers, or of one."""
    if own:
        authority, of_pages = _found(operator, "certificate-authority"), _found(operator, "pages-certificate")
        if not authority and not of_pages:
            operator.ask("GET", ADMIN, "certificate-authority")  # says what to do
        shown = [authority["root"], *authority["server"]] if authority else []
        shown += [of_pages["root"], of_pages["site"]] if of_pages else []
        operator.table(OWN_COLUMNS, shown, whole={**authority, **({"pages": of_pages} if of_pages else {})})
        return
    kind, columns = ("certificate-requests", REQUEST_COLUMNS) if requests else ("certificates", COLUMNS)
    found = operator.ask("GET", ADMIN, *(("chargers", charger) if charger else ()), kind, query={"limit": 500})
    operator.table(columns, found["data"])


def _found(operator: Operator, kind: str) -> Mapping[str, Any]:
    """Return what the API has of a kind, nothing if there is none. Raises like `ask`."""
    try:
        found: Mapping[str, Any] = operator.ask("GET", ADMIN, kind)
    except RefusedByApi as refused:
        if refused.code != "not_found":
            raise
        return {}
    return found


@command("allow", group=certificate)
@click.argument("number", metavar="REQUEST", type=int)
@click.option("--reason", required=True, help="Why the name is right, for those who ask later.")
def allow(operator: Operator, number: int, reason: str) -> None:
    """Let a charger have a certificate with the name of a rejected request.

    Some chargers request it for their identity, and report another serial number. REQUEST is the number in
    `certificate list --requests`. The charger is not asked again by this.
    """
    allowed = operator.ask("POST", ADMIN, "certificate-requests", str(number), "allow", given={"reason": reason})
    again = f"levity-trio call {shlex.quote(allowed['charger'])} ExtendedTriggerMessage"
    operator.tell(
        allowed,
        f"the name of request {number} is right for {cell(allowed['charger'])}; let it request again:\n"
        f"  {again} requestedMessage=SignChargePointCertificate",
    )


@command("revoke", group=certificate)
@click.argument("number", type=int, metavar="ID")
@click.option("--reason", required=True, metavar="WORDS", help="Why; it is kept with the certificate.")
def revoke(operator: Operator, number: int, reason: str) -> None:
    """Revoke a client certificate, and end the connection that it opened."""
    revoked = operator.ask("POST", ADMIN, "certificates", str(number), "revoke", given={"reason": reason})
    operator.tell(revoked, f"certificate {number} of {cell(revoked['charger'])} is revoked")


@command("adopt", group=certificate)
@click.argument("charger")
@click.argument("file", type=click.File("r", encoding="utf-8"), metavar="FILE")
def adopt(operator: Operator, charger: str, file: Any) -> None:
    """Let a certificate of another authority (PEM) open the door of a charger.

    The server must trust that authority: --tls-client-ca.
    """
    adopted = operator.ask("POST", ADMIN, "certificates", given={"charger": charger, "pem": file.read()})
    operator.tell(
        adopted, f"certificate {adopted['id']} opens the door of {cell(charger)} until {adopted['not_after']}"
    )


@command("install", group=certificate)
@click.argument("charger")
def install(operator: Operator, charger: str) -> int:
    """Install the authority's root on a charger, so that it trusts this server."""
    given = {"certificateType": "CentralSystemRootCertificate"}
    path = (ADMIN, "chargers", charger, "install-certificate")
    sent = operator.ask("POST", *path, given=given, patience=USUAL_SECONDS)
    if operator.is_json:
        say(json.dumps(sent))
    else:
        answer = sent["answer"] or {}
        say(
            f"{cell(charger)}: {sent['state']} {answer.get('status') or ''}".rstrip()
            + f" ({ROOT}, command {sent['id']})"
        )
    return OF_STATE.get(sent["state"], 0)
