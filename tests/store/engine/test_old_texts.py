"""Sentences of an older database become texts, which German pages say as before."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from levity_trio.charging.reviews import Code, Doubt
from levity_trio.locale import catalogue, speaking
from levity_trio.locale.texts import said
from levity_trio.store.cases.settled import open_reviews
from levity_trio.store.engine import old_texts
from levity_trio.store.engine.connection import FileDatabase, open_database
from levity_trio.store.engine.old_texts import of_before
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.reads.transactions.review_queue import reviews_of
from levity_trio.store.writes.transactions import reviews
from levity_trio.told import Quantity, Told, in_stored
from tests.store.old_texts import GERMAN, VERSION, fill, in_german
from tests.store.older import program_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of before."""
    path = tmp_path / "site.db"
    with program_of(VERSION), open_database(path) as connection:
        fill(connection.execute)
    return path


def test_each_sentence_is_a_text(path: Path) -> None:
    with open_database(path) as connection, speaking("de"):
        ((steps,),) = connection.execute("SELECT steps FROM load_trial").fetchall()
        evidence = connection.execute("SELECT evidence_told FROM review ORDER BY id").fetchall()
        ((figures,), _) = connection.execute(
            "SELECT figures_told FROM review ORDER BY id"
        ).fetchall()
        plain = connection.execute("SELECT reason, told FROM tx_event WHERE id = 2").fetchall()
        assert in_german(connection.execute) == GERMAN
        assert said(in_stored(steps)[0]["words"]) == "8,4 A bei einer Grenze von 6 A"
        assert [[said(one) for one in in_stored(kept)] for (kept,) in evidence] == [
            ["29 bis 30,5 kWh, während beide liefen", "die Zählerstände von Ladevorgang 6"],
            ["29 kWh", "0,007 kWh"],
        ]
        assert [(said(name), wh) for name, wh in in_stored(figures)] == [
            ("wie gemeldet", 1500),
            ("Endzählerstand 0,007 kWh, der letzte Messwert ist 29 kWh", 0),
        ]
        assert plain == [("Local", None)]


def test_nobody_is_asked_again_because_a_doubt_has_other_words_now(path: Path) -> None:
    asked = Told(
        "{1} had closed it at {2}; its charger's own stop came later", "Left", Quantity(29000, "Wh")
    )
    with open_database(path) as connection:
        db = UnitOfWork(connection)
        assert dict(open_reviews(db.rows, 7))[Code.OPERATOR_OVERRULED] == asked
        assert reviews.was_asked(db, 7, Doubt(Code.OPERATOR_OVERRULED, asked, ("", "")))
        assert not reviews.was_asked(
            db, 7, Doubt(Code.OPERATOR_OVERRULED, f"{asked} again", ("", ""))
        )


def test_a_review_is_read_as_texts(path: Path) -> None:
    with open_database(path) as connection:
        resolved = (
            "UPDATE review "
            "SET resolved_at = '2026', resolved_by = 'system', resolution = '', reason = ?"
        )
        connection.execute(f"{resolved} WHERE id = 1", ("later facts",))
        connection.execute(f"{resolved} WHERE id = 2", ("seen at the meter",))
        first, second = reviews_of(FileDatabase(connection), 7)
    with speaking("de"):
        assert (
            said(first.words)
            == "sein Zähler zählte auch Ladevorgang 6 an Anschluss 2 von Available"
        )
        assert said(second.evidence[0]) == "29 kWh"
        assert (said(str(first.reason)), second.reason) == (
            "spätere Tatsachen",
            "seen at the meter",
        )


def test_what_stood_there_stays_where_it_is_sealed(path: Path) -> None:
    kept = (
        "SELECT reason FROM tx_event",
        "SELECT reason FROM set_aside",
        "SELECT reason FROM position",
    )
    sentences = (*kept, "SELECT words, evidence FROM review", "SELECT review FROM tx")
    with closing(sqlite3.connect(path)) as connection:
        before = [connection.execute(sql).fetchall() for sql in sentences]
    with open_database(path) as connection:
        assert [connection.execute(sql).fetchall() for sql in sentences] == before


def test_a_kill_in_between_leaves_the_version_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        before = [*connection.iterdump()]
    with monkeypatch.context() as failing:
        failing.setattr(
            old_texts,
            "_COLUMNS",
            (*old_texts._COLUMNS[:-1], old_texts._COLUMNS[-1]._replace(name="none")),
        )
        with pytest.raises(Exception, match="no such column"), open_database(path):
            pass
    with closing(sqlite3.connect(path)) as connection:
        assert [*connection.iterdump()] == before
    test_each_sentence_is_a_text(path)


@pytest.mark.parametrize(
    "name", ["Available", "tag 7", "no stop", "{1}", "later facts", "2 of no stop"]
)
def test_a_name_is_no_text(name: str) -> None:
    text = of_before(f"its register also counted transaction 6 on connector 2 of {name}")
    with speaking("de"):
        assert isinstance(text, Told)
        assert said(text).endswith(f" von {name}")


def test_what_somebody_wrote_stays() -> None:
    for words in ("", "seen at the meter; Anna", "at most lunch Wh", "tag", "it drew about 6 A"):
        assert type(of_before(words)) is str


def test_each_template_has_a_german_translation() -> None:
    with speaking("de"):
        known = catalogue()
    assert known is not None
    translated = vars(known)["_catalog"]
    assert [
        one.text
        for one in old_texts._patterns()
        if one.text not in translated and one.text != "{1}"
    ] == []
