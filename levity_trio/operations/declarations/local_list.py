"""The Local Auth List Management profile (§5.10, §5.15)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from levity_trio.operations import judges
from levity_trio.operations.declarations.common import ID_TAG, time
from levity_trio.operations.operation import (
    Allotted,
    Choice,
    FeatureProfile,
    Field,
    Integer,
    ListOf,
    Object,
    Operation,
    Payload,
    Situation,
)
from levity_trio.told import Told

FULL: Final = "Full"
ID_TAG_INFO: Final = Object(
    (
        time("expiryDate", "Until when the card is valid."),
        Field("parentIdTag", ID_TAG, "The group of the card."),
        Field(
            "status",
            Choice(("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")),
            "Whether the card may charge.",
            required=True,
            example="Accepted",
        ),
    )
)
ENTRY: Final = Object(
    (
        Field("idTag", ID_TAG, "The card.", required=True, example="GUEST"),
        Field(
            "idTagInfo",
            ID_TAG_INFO,
            "Its state; in a differential list an entry without it deletes the card.",
        ),
    )
)


def _list_warnings(payload: Payload, situation: Situation) -> Iterator[str]:
    entries = payload.get("localAuthorizationList", [])
    is_full = payload["updateType"] == FULL
    if situation.is_false("LocalAuthListEnabled"):
        yield Told("LocalAuthListEnabled is false: the charger does not use its list")
    yield from _entry_warnings(entries, situation, is_full=is_full)

    version = payload.get("listVersion")
    if version is None:
        return
    present = situation.list_version
    if version <= 0:
        yield Told("list version {1} stands for no list (§5.10)", version)
    elif not is_full and present is not None and version <= present:
        yield Told("the charger has list version {1}: it may answer VersionMismatch", present)


def _entry_warnings(
    entries: list[Payload], situation: Situation, *, is_full: bool
) -> Iterator[str]:
    """Warn about more entries than the charger takes, and about those that it may reject."""
    length = len(entries)
    at_once = situation.number("SendLocalListMaxLength")
    if at_once is not None and length > at_once:
        yield Told(
            "{1} entries: the charger accepts {2} at once (SendLocalListMaxLength)", length, at_once
        )
    in_all = situation.number("LocalAuthListMaxLength")
    # How long a list becomes that is only changed is not known.
    if is_full and in_all is not None and length > in_all:
        yield Told(
            "{1} entries: the charger's list holds {2} (LocalAuthListMaxLength)", length, in_all
        )

    counts = Counter(str(entry["idTag"]).casefold() for entry in entries)
    twice = sum(count > 1 for count in counts.values())
    if twice:
        yield Told(
            "{1} card is in the list more than once: the charger may reject it (§5.15)",
            twice,
            many="{1} cards are in the list more than once: the charger may reject it (§5.15)",
        )
    # In a list that is only changed, an entry without it deletes the card.
    bare = sum("idTagInfo" not in entry for entry in entries)
    if is_full and bare:
        yield Told(
            "{1} entries of a full list have no idTagInfo: the charger may reject it (§6.41)", bare
        )


GET_LOCAL_LIST_VERSION: Final = Operation(
    action="GetLocalListVersion",
    path="get-local-list-version",
    section="§5.10",
    feature_profile=FeatureProfile.LOCAL_LIST,
    summary=("Ask for the version of the charger's list of cards: 0 is none, -1 is not supported."),
    stored="the version with its time",
)
SEND_LOCAL_LIST: Final = Operation(
    action="SendLocalList",
    path="send-local-list",
    section="§5.15",
    feature_profile=FeatureProfile.LOCAL_LIST,
    summary="Send the list of cards that the charger uses while it has no connection.",
    payload=Object(
        (
            Field(
                "listVersion",
                Integer(),
                "The list's version after this message.",
                required=True,
                allotted=Allotted.LIST_VERSION,
            ),
            Field(
                "localAuthorizationList",
                ListOf(ENTRY),
                "The cards; a full list without any deletes all.",
            ),
            Field(
                "updateType",
                Choice(("Differential", FULL)),
                "Full replaces the list, Differential changes these cards.",
                required=True,
                example=FULL,
            ),
        )
    ),
    warner=_list_warnings,
    outcome=judges.SEND_LOCAL_LIST,
    stored="the list with its version",
)
OPERATIONS: Final = (
    GET_LOCAL_LIST_VERSION,
    SEND_LOCAL_LIST,
)
