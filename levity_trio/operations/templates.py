"""A template of configuration values, and how far a charger is from it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from levity_trio.operations.configuration import is_same
from levity_trio.records import record


class KeyStanding(StrEnum):
    """What is known of one key of a template at one charger, or of all of them together."""

    SAME = "same"
    DIFFERS = "differs"
    READ_ONLY = "read-only"
    UNKNOWN_KEY = "unknown key"
    NEVER_READ = "never read"
    NOT_KNOWN = "not known"


class Has(NamedTuple):
    """What a charger reported of a key. `is_known` is false where it does not know the key."""

    key: str
    value: str | None
    readonly: bool
    is_known: bool
    read_at: str


@record
class ComparedKey:
    """A key of a template at one charger: what is wanted, what the charger has, and when that was
    last read."""

    key: str
    standing: str
    wanted: str
    has: str | None = None
    read_at: str | None = None


def compare(wanted: Mapping[str, str], has: Mapping[str, Has]) -> list[ComparedKey]:
    """Compare a template with what a charger has, by the names of its keys in lower case."""
    compared: list[ComparedKey] = []
    for key, value in sorted(wanted.items()):
        reported = has.get(key.casefold())
        if reported is None:
            compared.append(ComparedKey(key=key, standing=KeyStanding.NEVER_READ, wanted=value))
            continue
        if not reported.is_known:
            standing = KeyStanding.UNKNOWN_KEY
        elif is_same(reported.key, value, reported.value):
            standing = KeyStanding.SAME
        else:
            standing = KeyStanding.READ_ONLY if reported.readonly else KeyStanding.DIFFERS
        compared.append(
            ComparedKey(
                key=key,
                standing=standing,
                wanted=value,
                has=reported.value,
                read_at=reported.read_at,
            )
        )
    return compared


def together(compared: list[ComparedKey]) -> KeyStanding:
    """Return where the charger stands: it differs if any key does, and is the same if every key
    is."""
    standings = {key.standing for key in compared}
    if KeyStanding.DIFFERS in standings:
        return KeyStanding.DIFFERS
    return KeyStanding.SAME if standings <= {KeyStanding.SAME} else KeyStanding.NOT_KNOWN
