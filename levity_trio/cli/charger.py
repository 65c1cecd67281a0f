"""`levity-trio charger` and `chargers`: which there are, which may connect and how, and who may
charge offline."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, Final

import click

from levity_trio.cli.commands import group_of
from levity_trio.cli.declaring import WIDE, Whole, argument, flag, limit, option, present
from levity_trio.cli.operator import REJECTED, Operator, command
from levity_trio.cli.template import OF_RESULT
from levity_trio.cli.terminal import (
    cell,
    confirm,
    fill,
    say,
    show_below,
    show_record,
    show_table,
)

PASSWORDS: Final = ("id", "created_at", "created_by", "confirmed_at")
CERTIFICATES: Final = ("id", "serial", "subject", "not_after", "revoked_at")
METER_KEYS: Final = ("id", "connector", "fingerprint", "added_at", "added_by", "is_told", "key")
STEPS: Final = ("step", "state", "command")
LOOK_SECONDS: Final = 0.5
CHANGE_SECONDS: Final = 600.0
SWITCHES: Final = {"true": True, "false": False}

charger = group_of("charger")


_CHARGER: Final = argument("CHARGER")


@charger.api_command
@argument("[CHARGER]", "identity")
@flag("--all", "Adopt every charger with a session.", "is_all")
@option("--reason TEXT", "Why, for those who ask later.", default="")
def adopt(operator: Operator, identity: str | None, is_all: bool, reason: str) -> None:
    """Adopt a charger: it is registered and served.

    Examples:
      levity-trio chargers --newcomers
      levity-trio charger adopt CP-7 --reason "installed today"
      levity-trio charger adopt --all

    --all adopts every charger with a transaction that was not refused: before a
    change to `serve --registration ask` or `closed`.
    """
    if is_all == (identity is not None):
        raise click.UsageError("give the identity of a charger, or --all")
    if identity is None:
        done = operator.post("newcomers", "adopt", body={"reason": reason})
        names = ", ".join(map(cell, done["adopted"]))
        operator.tell(done, f"adopted: {names}" if names else "nobody is left to be adopted")
        return
    done = operator.post("chargers", identity, "adopt", body={"reason": reason})
    asked = "; it was asked to boot" if done["boot"] is not None else ""
    operator.tell(done, f"{cell(identity)} {_is(done)} adopted{asked}")


def typed_password(_operator: Operator, fields: dict[str, Any]) -> bool:
    """Read a password that somebody made."""
    if fields["is_typed"]:
        fields["more"] = {"password": sys.stdin.readline().strip()}
    return False


def _is(done: dict[str, Any]) -> str:
    return "is" if done["is_changed"] else "was already"


@charger.api_command
@_CHARGER
@argument("NEW")
@flag("--yes", "Do not ask.")
def replace(operator: Operator, charger: str, new: str, *, yes: bool) -> None:
    """Put a NEW charger into the place of one, which is retired (admin).

    Name, space, household, prices and settings of the place follow; sessions stay.

    Examples:
      levity-trio charger replace CP-7 CP-9
    """
    shown = operator.get("chargers", charger, "replacement")
    if not (yes or operator.is_json):
        for words in shown["moves"]:
            say(f"{cell(new)} takes over {words}")
        for session in shown["open_sessions"]:
            say(f"session {session} is still open, and stays with {cell(charger)}")
        confirm(f"Replace {cell(charger)} by {cell(new)}, and retire it?")
    done = operator.post("chargers", charger, "replacement", body={"charger": new})
    operator.tell(done, f"{cell(charger)} is replaced by {cell(done['id'])}")


@charger.api_command
@_CHARGER
@WIDE
def security(operator: Operator, charger: str) -> None:
    """Show who may connect as a charger, and how it connected last.

    Examples:
      levity-trio charger security CP-1
    """
    record: dict[str, Any] = operator.get("chargers", charger, "security")
    if operator.is_told(record):
        return
    names = ("last_use", "passwords", "certificates")
    last, passwords, certificates = map(record.pop, names)
    show_record(present(record) | {f"last_{name}": value for name, value in (last or {}).items()})
    show_below(PASSWORDS, passwords)
    show_below(CERTIFICATES, certificates)


@charger.api_command
@_CHARGER
@option("--add FILE", "Enter the key in FILE; - is stdin.", "file", type=click.File("rb"))
@option("--connector NUMBER", "Of the meter of this connector.", type=int, default=0)
@option("--remove ID", "Remove a key.", type=int)
@WIDE
def key(
    operator: Operator, charger: str, file: BinaryIO | None, connector: int, remove: int | None
) -> None:
    """Show the public keys of a charger's meters, enter one, or remove one.

    What the meter signs is checked with it.

    Examples:
      levity-trio charger key CP-1
      levity-trio charger key CP-1 --add key.pem
      levity-trio charger key CP-1 --connector 2 --add - < label.txt
      levity-trio charger key CP-1 --remove 3

    FILE has what the label of the meter shows: the text of its QR code, PEM, DER,
    or either of these in base64 or hex.
    """
    path = ("chargers", charger, "meter-keys")
    if file is not None:
        content = file.read()
        text = content.decode() if content.isascii() else content.hex()
        made = operator.post(*path, body={"key": text, "connector": connector})
        operator.tell(made, f"key {made['id']}: fingerprint {made['fingerprint']}")
    elif remove is not None:
        operator.delete(*path, remove)
        operator.tell({"removed": remove}, f"key {remove} is removed")
    else:
        operator.show_page(METER_KEYS, operator.get(*path), empty="no key is known")


@charger.api_command
@_CHARGER
@option("--profile N", "The profile it shall have.", type=Whole(0, 3))
@option("--address URL", "Our address for the charger's own setting, where that is known.")
@flag("--cancel", "Go no further; what was sent stays.")
@option("--wait SECONDS", "Watch it so long.", type=float, default=60.0)
@WIDE
def secure(
    operator: Operator,
    charger: str,
    profile: int | None,
    address: str | None,
    *,
    cancel: bool,
    wait: float,
) -> int:
    """Raise a charger's security profile; without --profile show where it stands.

    Examples:
      levity-trio charger secure CP-1 --profile 2
      levity-trio charger secure CP-1
      levity-trio charger secure CP-1 --profile 2 \\
          --address wss://levity.local:9443/ws/

    1 is a password, 2 TLS and a password, 3 TLS and a client certificate. 2 and 3
    need --tls-port and `levity-trio certificate`.

    The steps go to the charger one after the other: password, root certificate,
    client certificate, then SecurityProfile. Its old door stays open until it
    connects with the new profile; from then on the new profile is required. Begin
    again at any time: what failed is sent anew. The profile that a charger has
    already gives it a new password or certificate.

    A lower profile is not sent to the charger, which would refuse it: it only lets
    the charger connect with it, for example after a factory reset.
    """
    security = ("chargers", charger, "security")
    if address and not profile:
        raise click.UsageError("--address needs --profile")
    if profile is not None and profile < operator.get(*security)["profile"]:
        lowered = operator.put(*security, body={"profile": profile})
        words = f"{cell(charger)} may connect with security profile {profile} again"
        operator.tell(lowered, f"{words}; nothing was sent to it")
        return 0
    path = ("chargers", charger, "security-profile")
    if cancel:
        raising = operator.delete(*path)
    elif profile is None:
        raising = operator.get(*path)
    else:
        raising = operator.post(*path, body=present({"profile": profile, "address": address}))
    until = time.monotonic() + wait
    while raising["state"] == "under way" and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        raising = operator.get(*path)
    if not operator.is_told(raising):
        say(
            f"{cell(raising['charger'])}: security profile {raising['profile']}: {raising['state']}"
        )
        show_table(STEPS, raising["steps"])
        for step in raising["steps"]:
            if step["words"]:
                say(fill(f"{step['step']}: {step['words']}"))
    return REJECTED if raising["state"] == "failed" else 0


@charger.api_command
@_CHARGER
@click.argument("changes", nargs=-1, metavar="[KEY=true|false]...")
@flag("--read", "Ask the charger for the keys first.", "is_read")
@WIDE
def offline_policy(
    operator: Operator, charger: str, changes: Sequence[str], *, is_read: bool
) -> int:
    """Show who can charge at a charger while we are away, or change it.

    It follows from six keys of the charger's configuration, as last read.
    Given keys are changed one after the other and read back.

    Examples:
      levity-trio charger offline-policy CP-1 --read
      levity-trio charger offline-policy CP-1 LocalAuthListEnabled=true
      levity-trio charger offline-policy CP-1 AllowOfflineTxForUnknownId=false \\
          StopTransactionOnInvalidId=true

    \b
    The keys: LocalAuthorizeOffline, LocalPreAuthorize,
    AllowOfflineTxForUnknownId, StopTransactionOnInvalidId,
    AuthorizationCacheEnabled, LocalAuthListEnabled.
    """
    body, path = dict(map(_switch, changes)), ("chargers", charger, "offline-policy")
    if body or is_read:
        policy = operator.post(*path, body=body, query={"read": is_read}, patience=CHANGE_SECONDS)
    else:
        policy = operator.get(*path)
    if not operator.is_told(policy):
        if policy["changes"]:
            show_table(("key", "wanted", "result", "has", "detail"), policy["changes"])
            say("")
        show_table(("key", "value", "read_at"), policy["keys"])
        say("")
        show_table(("tags", "may_charge", "why"), policy["who"])
        for note in policy["notes"]:
            say(f"\n{fill(note)}")
    return max(
        (OF_RESULT.get(change["result"], REJECTED) for change in policy["changes"]), default=0
    )


def _switch(text: str) -> tuple[str, bool]:
    key, _, word = text.partition("=")
    if word.casefold() not in SWITCHES:
        raise click.UsageError(f"{text}: give KEY=true or KEY=false")
    return key, SWITCHES[word.casefold()]


# Chargers


COLUMNS: Final = (
    "id",
    "name",
    "status",
    "connected",
    "last_seen_at",
    "registration",
    "model",
    "firmware_version",
)
NEWCOMERS: Final = (
    "id",
    "waiting_since",
    "connected",
    "model",
    "resembles",
    "vendor",
    "remote_address",
    "serial_number",
    "has_charged",
)
CONNECTORS: Final = (
    "connector",
    "status",
    "status_at",
    "told_to_be",
    "error_code",
    "open_transaction",
    "max_a",
    "type",
    "max_w",
)
LIMITS: Final = ("connector", "limit", "until", "set_by", "profile", "reported", "reported_at")
NO_CHARGER: Final = (
    "no charger yet: enter the address of the server in one, ws://HOST:9000/ws/CHARGER-ID (its "
    "log line `serving` has"
    " it),\nor register one that is going to connect: levity-trio charger add CHARGER-ID"
)


@command("chargers")
@argument("[CHARGER]")
@limit(default=500)
@flag("--newcomers", "Those that nobody adopted or refused.", "is_newcomers")
def chargers(operator: Operator, charger: str | None, limit: int, is_newcomers: bool) -> None:
    """List the chargers, or show one with its connectors and the limits of its charging
    profiles.

    Examples:
      levity-trio chargers
      levity-trio chargers CP-1
      levity-trio chargers --newcomers
      levity-trio chargers --json
    """
    if charger is not None and is_newcomers:
        raise click.UsageError("give the identity of a charger, or --newcomers")
    if charger is None:
        what, columns = ("newcomers", NEWCOMERS) if is_newcomers else ("chargers", COLUMNS)
        page = operator.get(what, limit=limit)
        empty = "no charger waits to be adopted or refused" if is_newcomers else NO_CHARGER
        operator.show_page(
            columns, page, lambda row: {**row, "connected": row["is_connected"]}, empty=empty
        )
        return
    record = operator.get("chargers", charger)
    limits = operator.get("chargers", charger, "profiles", "limits")["data"]
    if operator.is_told(record | {"limits": limits}):
        return
    connectors = record.pop("connectors", [])
    show_record(present(record))
    show_below(CONNECTORS, connectors)
    show_below(
        LIMITS, [_limit(known) for known in limits if known["in_force"] or known["reported"]]
    )


def _limit(known: Mapping[str, Any]) -> dict[str, object]:
    """Return what a connector should obey now, and what the charger last reported that it does."""
    in_force, reported = known["in_force"] or {}, known["reported"] or {}
    return {
        "connector": known["connector"],
        "limit": _figure(in_force),
        "until": known["until"],
        "set_by": in_force.get("purpose"),
        "profile": in_force.get("profile"),
        "reported": _figure(reported),
        "reported_at": reported.get("at"),
    }


def _figure(limit: Mapping[str, Any]) -> str | None:
    from levity_trio.operations.limits import shown  # noqa: PLC0415 - so that a list answers at once

    return None if limit.get("limit") is None else str(shown(limit["limit"], limit["unit"]))
