"""Every page and paper with a catalogue that brackets each text: what is read outside brackets
bypasses translation."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from functools import partial
from html import escape, unescape
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import trio

from levity_trio import __version__
from levity_trio.access import user_passwords
from levity_trio.billing.money import CURRENCIES
from levity_trio.documents import printing
from levity_trio.load.tree import ROTATIONS
from levity_trio.locale import formats, languages
from levity_trio.store.engine.file_store import open_database
from levity_trio.wire.modbus import MODELS
from tests.browser.past import HOUSEHOLDS, write_past
from tests.tools.catalogue import extracted, invent
from tests.web.both.changes import Life, live
from tests.web.both.questions import Asking
from tests.web.both.server import make_documents_here, open_server
from tests.web.both.test_same_answers import MOMENT, shown_of
from tests.web.stores import Stored

pytestmark = pytest.mark.night

BRACKETED: Final = "nl"
"""It has one and many, as English."""
SAMENESS: Final = re.compile(r"<(script|style|code|pre|textarea)\b.*?</\1>", re.DOTALL)
SHOWN: Final = re.compile(r'\b(?:aria-label|title|alt|data-head|data-label)="([^"]*)"')
SCRIPT: Final = re.compile(r'\bdata-words="([^"]*)"')
TAG: Final = re.compile(r"<(?:[^<>\"]|\"[^\"]*\")*>")
WORD: Final = re.compile(r"[^\W\d_]{2,}")
NOT_SEEN: Final = re.compile(r"\w+ (?:/help|/manifest|/api/)")
"""The manual is English, and the rest is for programs."""
_CAUSE: Final = (
    "SELECT cp_id, code FROM review JOIN tx ON tx.id = tx_id WHERE resolved_at IS NULL LIMIT 1"
)
_TRIGGERS: Final = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
TABLES: Final = (
    *(
        "account",
        "backend",
        "backend_card",
        "biller",
        "cp",
        "ledger",
        "meter",
        "meter_reading",
        "registration",
        "series",
        "space",
        "station",
    ),
    *(
        "load_quarter",
        "own_name",
        "report",
        "tag",
        "tariff",
        "tariff_version",
        "token",
        "vehicle",
        "webhook",
        '"user"',
        "recipient",
    ),
)
"""Here stand names, and what people wrote."""
NAMED: Final = {
    "cp": "id",
    **dict.fromkeys(("account", "vehicle", "space", "station", "tag", "tariff", "meter"), "name"),
}
PLAIN: Final = re.compile(r"[A-Za-z][a-z]+[a-z ]{0,30}")
LEAST_NAMES: Final = 10
OTHERS: Final = ("role", "prices", "toml", "decision", "who", "kinds", "language")
"""Their columns in which other things stand."""
REFERENCE: Final = re.compile(r"Statement \d+,")
"""Of a payment: as it stands on the paper, whose household said no language here."""
WINDOW: Final = re.compile(r'name = "([^"]+)"')
UNITS: Final = frozenset(
    (
        *("kWh", "kW", "Wh", "MB", "GB", "kB", "min", "CSV", "PDF", "FTP", "HTTP"),
        *("JSON", "TOML", "ZIP", "OCPP", "levity", "EUR", "MID"),
        *ROTATIONS,
    )
)
"""The same in each language; the name of the site; and how chargers are wired, in OCPP's
letters."""
OCPP: Final = re.compile(r"[A-Za-z]*[a-z][A-Z]\w*|\w+\.[A-Z]\w+(?:\.\w+)*|SHA\d+")
"""Its own words are written as it writes them."""
OCPP_WORDS: Final = frozenset(
    (
        *(
            "Available",
            "Charging",
            "Preparing",
            "Finishing",
            "Reserved",
            "Unavailable",
            "Faulted",
            "Accepted",
        ),
        *(
            "Blocked",
            "Expired",
            "Invalid",
            "Unknown",
            "Local",
            "Absolute",
            "Recurring",
            "Relative",
            "Daily",
            "Weekly",
        ),
        *("Type", "Hard", "Soft", "Operative", "Inoperative", "Full", "Differential", "Heartbeat"),
    )
)


def in_brackets(here: formats.Format) -> formats.Format:
    """Return how a language writes whose names of days, months and zones are seen."""

    def marked(names: Sequence[str]) -> Sequence[str]:
        return [f"«{one}»" for one in names]

    named = here._replace(
        weekdays=marked(here.weekdays), months=marked(here.months), zones=marked(here.zones)
    )
    return named._replace(short_months=marked(here.short_months))


class World(NamedTuple):
    """The pages of a house in which everything has happened, by what was asked: what is read
    outside brackets, and the same pages once more, after people have named things as texts of the
    program."""

    outside: dict[str, list[str]]
    renamed: dict[str, str]
    names: Sequence[str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("bracketed")
    invent(BRACKETED, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("levity_trio.charger.connection.address_of", lambda _: "memory")
        patch.setattr(user_passwords, "SCRYPT_N", 2)
        patch.setattr(user_passwords, "SCRYPT_P", 1)
        patch.setattr(printing, "_run", make_documents_here)
        patch.setitem(formats.FORMATS, BRACKETED, in_brackets(formats.ENGLISH))
        past = write_past(folder / "site.db", MOMENT)
        with open_database(folder / "site.db") as file:
            yield trio.run(partial(_world, Stored(file, folder / "site.db"), past, folder))


async def _world(stored: Stored, past: Any, folder: Path) -> World:
    async with open_server(stored, MOMENT, catalogues=folder) as server:
        life = Life(server)
        await live(life)
        server.accept_language = BRACKETED
        ((charger, cause),) = server.books.rows(_CAUSE)
        group = {"/review/{charger}/{cause}": f"/review/{charger}/{cause}"}
        pages = await _read(Asking(server, shown_of(past) | life.shown | group))
        names = known(stored)
        outside = {asked: [*_words(html, names)] for asked, html in pages.items()}
        given = _rename(stored, "".join(pages.values()))
        renamed = await _read(Asking(server, shown_of(past) | life.shown | group))
    return World(outside, renamed, given)


async def _read(asking: Asking) -> dict[str, str]:
    await asking.pages()
    return {
        asked: body.decode()
        for asked, (_, body) in asking.answers.items()
        if not NOT_SEEN.search(asked)
    }


def _rename(stored: Stored, seen: str) -> Sequence[str]:
    """Name each thing as a text of the program that no page has said, and return the names."""
    texts = {one.id for one in extracted() if isinstance(one.id, str) and PLAIN.fullmatch(one.id)}
    unsaid = sorted(text for text in texts if f"«{escape(text)}" not in seen)
    random.Random(len(unsaid)).shuffle(unsaid)
    for (trigger,) in stored.connection.execute(_TRIGGERS).fetchall():
        stored.connection.execute(f"DROP TRIGGER {trigger}")
    given = list[str]()
    for table, key in NAMED.items():
        for (found,) in stored.connection.execute(
            f"SELECT DISTINCT {key} FROM {table} WHERE {key} > ''"
        ).fetchall():
            given.append(unsaid.pop())
            stored.connection.execute(
                f"UPDATE {table} SET name = ? WHERE {key} = ?", (given[-1], found)
            )
    return given


def _words(html: str, names: re.Pattern[str]) -> Iterator[str]:
    for text in outside(html):
        for line in text.split("\n"):
            rest = OCPP.sub(" ", names.sub(" ", REFERENCE.sub(" ", line)))
            if {*WORD.findall(rest)} - UNITS - OCPP_WORDS:
                yield line.strip()


def known(stored: Stored) -> re.Pattern[str]:
    """Return what finds the names of the database in a text."""
    names = set[str]()
    for table in TABLES:
        found = stored.connection.execute(f"SELECT * FROM {table}")
        columns = [one[0] for one in found.description]
        for row in found:
            texts = (value for name, value in zip(columns, row, strict=True) if name not in OTHERS)
            names.update(
                line
                for text in texts
                if isinstance(text, str)
                for line in text.splitlines()
                if line
            )
    windows = WINDOW.findall(
        "".join(toml for (toml,) in stored.connection.execute("SELECT toml FROM tariff_version"))
    )
    names |= {
        *CURRENCIES,
        *(formats.format_of(one).name for one in languages()),
        *windows,
        *(one.name for one in HOUSEHOLDS),
        str(stored.address),
        __version__,
        "the outside",
        *MODELS,
        "shelly3em",
        "shellypro3em",
        "json",
    }
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")


def outside(html: str) -> Iterator[str]:
    """Yield the texts of a page that stand in no brackets."""
    plain = SAMENESS.sub(" ", html)
    for text in SHOWN.findall(plain):
        yield from _outside(unescape(text))
    for words in SCRIPT.findall(plain):
        for text in json.loads(unescape(words)).values():
            yield from _outside(text)
    yield from _outside(unescape(TAG.sub("\n", plain)))


def _outside(text: str) -> Iterator[str]:
    depth, begin = 0, 0
    for place, sign in enumerate(text):
        if sign == "«":
            if depth == 0:
                yield text[begin:place]
            depth += 1
        elif sign == "»":
            depth -= 1
            begin = place + 1
    yield text[begin:]


def test_all_is_in_brackets(world: World) -> None:
    first = {line: asked for asked, lines in reversed(world.outside.items()) for line in lines}
    assert not first, "\n".join(f"{asked}: {line}" for line, asked in sorted(first.items()))


def test_a_name_that_is_a_text_of_the_program_is_never_translated(world: World) -> None:
    everything = "".join(world.renamed.values())
    assert len([name for name in world.names if escape(name) in everything]) > LEAST_NAMES
    for name in world.names:
        found = [asked for asked, html in world.renamed.items() if f"«{escape(name)}»" in html]
        assert not found, (name, found)
