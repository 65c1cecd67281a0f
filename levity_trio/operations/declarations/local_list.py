"""The Local Auth List Management profile (§5.10, §5.15)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from levity_trio.operations import judges
from levity_trio.operations.declarations.common import ID_TAG, time
from levity_trio.operations.fields import Allotted, Choice, Field, Integer, ListOf, Object
from levity_trio.operations.operation import FeatureProfile, Operation, Payload
from levity_trio.operations.situation import Situation
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
    entries, is_full = payload.get("localAuthorizationList", []), payload["updateType"] == FULL
    if situation.is_false("LocalAuthListEnabled"):
        yield Told("LocalAuthListEnabled is false: the charger does not use its list")
    yield from _length_warnings(len(entries), is_full, situation)
    yield from _entry_warnings(entries, is_full)
    if "listVersion" in payload:
        yield from _version_warnings(payload["listVersion"], is_full, situation)


def _length_warnings(length: int, is_full: bool, situation: Situation) -> Iterator[str]:
    at_once, in_all = (
        situation.number("SendLocalListMaxLength"),
        situation.number("LocalAuthListMaxLength"),
    )
    if at_once is not None and length > at_once:
        yield Told(
            "{1} entries: the charger accepts {2} at once (SendLocalListMaxLength)", length, at_once
        )
    if is_full and in_all is not None and length > in_all:
        yield Told(
            "{1} entries: the charger's list holds {2} (LocalAuthListMaxLength)", length, in_all
        )


def _entry_warnings(entries: list[Payload], is_full: bool) -> Iterator[str]:
    counts = Counter(str(entry["idTag"]).casefold() for entry in entries)
    if twice := sum(count > 1 for count in counts.values()):
        yield Told(
            "{1} card is in the list more than once: the charger may reject it (§5.15)",
            twice,
            many="{1} cards are in the list more than once: the charger may reject it (§5.15)",
        )
    if is_full and (bare := sum("idTagInfo" not in entry for entry in entries)):
        yield Told(
            "{1} entries of a full list have no idTagInfo: the charger may reject it (§6.41)", bare
        )


def _version_warnings(version: int, is_full: bool, situation: Situation) -> Iterator[str]:
    if version <= 0:
        yield Told("list version {1} stands for no list (§5.10)", version)
    elif not is_full and situation.list_version is not None and version <= situation.list_version:
        yield Told(
            "the charger has list version {1}: it may answer VersionMismatch",
            situation.list_version,
        )


OPERATIONS: Final = (
    Operation(
        action="GetLocalListVersion",
        path="get-local-list-version",
        section="§5.10",
        feature_profile=FeatureProfile.LOCAL_LIST,
        summary=(
            "Ask for the version of the charger's list of cards: 0 is none, -1 is not supported."
        ),
        stored="the version with its time",
    ),
    Operation(
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
    ),
)
