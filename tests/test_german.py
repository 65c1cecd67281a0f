"""Each catalogue has what the program says, with the same gaps; nothing of the German one is left
in English unseen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from gettext import GNUTranslations
from io import BytesIO
from typing import Final

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from levity_trio.access import securing
from levity_trio.billing.courses import StepGround
from levity_trio.load.trial import REFUSALS
from levity_trio.locale import DOMAIN, FOLDER, languages
from levity_trio.locale.compiling import compiled
from tests.tools.catalogue import extracted, untranslated, written

PATH: Final = FOLDER / "de" / "LC_MESSAGES" / f"{DOMAIN}.po"
TRANSLATED: Final = languages()[1:]
GAP: Final = re.compile(r"%\(\w+\)s|\{\w*\}|%%")
NUMBER: Final = ("%(num)s", "%(sessions)s")
"""One of a thing need not be counted."""
ALIKE: Final = frozenset(
    (
        *("{1} kWh", "{1} min"),
        *(
            "optional",
            "API",
            "levity-trio household take {1} {2}",
            "Alias",
            "Android",
            "Bank",
            "Code",
            "Firmware",
            "Garage",
            "IBAN",
            "MQTT",
            "Mac",
            "Text",
            "Name",
            "Phase",
            "Push",
            "Rest",
        ),
        *("Python, SQLite", "Standard"),
        *(
            "Server",
            "Status",
            "System",
            "Token",
            "Version",
            "Webhooks",
            "Windows",
            "kWh",
            "live",
            "iPhone, iPad",
            "In OCPP",
        ),
        *(
            "%(count)s h",
            "%(count)s min",
            "%(count)s: %(amount)s.",
            "%(number)s kWh",
            "%(sessions)s, %(kwh)s kWh",
        ),
        *("%(words)s (%(since)s).", "%(words)s (%(since)s): %(why)s."),
        *(
            "Firmware %(firmware_version)s.",
            "In %(currency)s.",
            "in %(file)s",
            "{number} kWh",
            "{number} min",
        ),
        *("{count} ({energy})", "{what}: {amount}", "{what}: {quantity} × {price} = {amount}"),
        *(
            "{1} in {2}",
            "{1} in {2} {3}",
            "Transaction.Begin {1}, End {2}",
            "levity-trio bill close {1}",
        ),
        "levity-trio household take {1} {2} {3}",
        "levity-trio token create {1} --role operator",
        *("levity-trio user add NAME --role admin", "`levity-trio call CHARGER …`"),
    )
)
"""What is the same in German: names, units, commands, and words that both languages have."""

CODES: Final = (
    *(*StepGround, *securing.State, "running", "slow", "ended"),
    *(*REFUSALS, "certificate", "password", "none", "replaced", "cancelled"),
    *(
        "Blocked",
        "Expired",
        "Invalid",
        "ConcurrentTx",
        "EmergencyStop",
        "EVDisconnected",
        "HardReset",
        "Local",
    ),
    *("Other", "PowerLoss", "Reboot", "Remote", "SoftReset", "UnlockCommand", "DeAuthorized"),
)
"""Codes that pages say as they are in English: grounds, states, and OCPP's verdicts and reasons for
a stop."""


@pytest.fixture(scope="module")
def entries() -> Sequence[Message]:
    return entries_of("de")


def entries_of(name: str) -> Sequence[Message]:
    with (FOLDER / name / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as text:
        return [one for one in read_po(text, locale=name, domain=DOMAIN) if one.id]


def forms(texts: str | Sequence[str] | None) -> Sequence[str]:
    return [texts] if isinstance(texts, str) else [*(texts or ("",))]


@pytest.mark.parametrize("name", TRANSLATED)
def test_it_has_what_the_program_says_and_nothing_else(name: str) -> None:
    """`just catalogue de` writes it anew."""
    known, wanted = (
        {(one.context or "", forms(one.id)[0]) for one in found if one.id}
        for found in (entries_of(name), extracted())
    )
    assert (sorted(wanted - known), sorted(known - wanted)) == ([], [])


@pytest.mark.parametrize("name", TRANSLATED)
def test_each_text_is_translated(name: str) -> None:
    assert untranslated(name) == []


@pytest.mark.parametrize("code", CODES)
def test_a_code_that_pages_say_has_words(entries: Sequence[Message], code: str) -> None:
    assert code in {one.id for one in entries}


def test_a_checkout_without_babel_reads_what_babel_reads(entries: Sequence[Message]) -> None:
    made = GNUTranslations(BytesIO(compiled(PATH)))
    single = {(one.context, one.id): one.string for one in entries if isinstance(one.id, str)}
    plural = {(one.id[0], one.id[1]): one.string for one in entries if not isinstance(one.id, str)}
    spoken = {
        (context, text): made.pgettext(context, text) if context else made.gettext(text)
        for context, text in single
    }
    assert spoken == single
    assert {
        (one, many): tuple(made.ngettext(one, many, num) for num in (1, 2)) for one, many in plural
    } == plural
    assert len(single) + len(plural) > 1000


def test_what_is_the_same_in_both_languages_is_listed(entries: Sequence[Message]) -> None:
    alike = {
        one.id
        for one in entries
        if isinstance(one.id, str) and one.id == one.string and not one.context
    }
    assert sorted(alike - ALIKE) == []


@pytest.mark.parametrize("name", TRANSLATED)
def test_translations_have_the_same_gaps(name: str) -> None:
    for one in entries_of(name):
        for place, said in enumerate(forms(one.string)):
            wanted, found = (
                {*GAP.findall(forms(one.id)[min(place, len(forms(one.id)) - 1)])},
                {*GAP.findall(said)},
            )
            assert wanted - {*NUMBER} == found - {*NUMBER}, one.id
            assert found <= {*GAP.findall(" ".join(forms(one.id)))}, one.id


def test_it_is_sorted_without_places_and_dates() -> None:
    with PATH.open("rb") as text:
        assert written(read_po(text, locale="de", domain=DOMAIN)) == PATH.read_text(
            encoding="utf-8"
        )
