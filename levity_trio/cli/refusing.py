"""What the API refuses, in the words of the command line: its options, and the command that helps."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.cli.tables import local_words
from levity_trio.client import Refusal
from levity_trio.refusals import NEEDED, plain_words

TYPED_AS: Final[Mapping[str, str]] = {"max_transactions": "most", "begun_on": "day", "parent_id_tag": "parent"}
"""Fields whose option or argument has another name; one that goes on with a unit or `_at` is found without."""
NO_CHARGER: Final = "there is no charger "
LISTS: Final[Mapping[str, str]] = {
    "there is no transaction ": "levity-trio transactions",
    "there is no statement ": "levity-trio bill list",
}


def in_words(refusal: Refusal) -> str:
    """Return what is wrong and what to do."""
    detail = local_words(_detail(refusal).replace(" with force", " with --force"))
    seconds = refusal.document.get("retry_after")
    hint = f"; try again in {seconds} s" if seconds else ""
    if refusal.status == 401:
        hint += _how_to_prove()
    if refusal.code == "no_answer":
        hint += _how_to_follow(refusal.document.get("command") or {})
    if refusal.code == "not_found":
        hint += _how_to_find(detail)
    return f"{detail}{hint}"


def token_file(environment: Mapping[str, str] | None = None) -> Path:
    """Return the path of the token file."""
    given = (os.environ if environment is None else environment).get("XDG_CONFIG_HOME")
    return (Path(given) if given else Path.home() / ".config") / "levity-trio" / "token"


def _detail(refusal: Refusal) -> str:
    detail, field = str(refusal), str(refusal.document.get("field") or "")
    if not field or not detail.startswith(f"{field}: "):
        before, colon, words = detail.rpartition(": ")
        return f"{before}{colon}{plain_words(words)}"
    typed, words = _typed(field), plain_words(detail.removeprefix(f"{field}: "))
    return f"give {typed} too" if words == NEEDED and typed != field else f"{typed}: {words}"


def _typed(field: str) -> str:
    """Return the option or the argument of this command from which a field comes; the field if there is none."""
    context = click.get_current_context(silent=True)
    wanted = TYPED_AS.get(field, field)
    for parameter in context.command.params if context else ():
        name = parameter.name or ""
        if name == wanted or wanted.startswith(f"{name}_"):
            is_option = isinstance(parameter, click.Option)
            return max(parameter.opts, key=len) if is_option else parameter.metavar or name.upper()
    return field


def _how_to_prove() -> str:
    return (
        f"; make one with levity-trio token create, then set LEVITY_TOKEN, or write it to {token_file()}; on the"
        " server's machine --api unix:levity.db.sock (beside the database) needs none"
    )


def _how_to_follow(command: Mapping[str, Any]) -> str:
    """Return how to see a late answer, so that nobody sends a command twice that the charger carries out."""
    if command.get("state") != "timed out":
        return ""
    return f"; a late one still counts, so do not repeat it before you looked: levity-trio commands {command['id']}"


def _how_to_find(detail: str) -> str:
    if detail.startswith(NO_CHARGER):
        charger = shlex.quote(detail.removeprefix(NO_CHARGER))
        return (
            f"; it has not connected yet: levity-trio charger add {charger} registers it before it does,"
            " levity-trio chargers lists all"
        )
    return next((f"; {command} lists all" for missing, command in LISTS.items() if detail.startswith(missing)), "")
