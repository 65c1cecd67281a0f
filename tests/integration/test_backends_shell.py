"""Other backends by the command line, with a second server as the backend: what is added, also by a
file, is tested, shown, changed and removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.charger import Charger
from tests.integration.forking import run_forked
from tests.integration.serving import Serving, environment, serving
from tests.integration.test_operations import wait_for


class House:
    """A site, and a backend beside it."""

    def __init__(self, site: Serving, other: Serving) -> None:
        self.site, self.other = site, other
        self.url = f"ws://127.0.0.1:{other.port}/"
        self.folder = site.database.parent

    def run(self, *words: str, is_json: bool = True) -> tuple[int, Any]:
        """Run `levity-trio backend …`; return its exit status, and its output or the refusal."""
        api = ("--api", f"unix:{self.site.database}.sock", *(("--json",) if is_json else ()))
        done = run_forked(("backend", *words, *api), self.folder, environment(), 60)
        if not done.stdout:
            return done.returncode, done.stderr
        return done.returncode, json.loads(done.stdout) if is_json else done.stdout

    def show(self, name: str) -> Any:
        return self.run("show", name)[1]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    (tmp_path / "site").mkdir()
    with serving(tmp_path / "site" / "site.db") as site, serving(tmp_path / "other.db") as other:
        for name in ("CP-1", "CP-2"):
            with Charger(site.port, name) as charger:
                charger.boot()
        yield House(site, other)


def test_a_backend_is_added_tested_paused_and_removed(house: House) -> None:
    (house.folder / "password").write_text("very secret\n")
    words = ("--charger", "CP-1=NL-7", "--password-file", "password", "--others", "DRIVER-7")
    assert house.run("add", "employer", house.url, *words, "--repaired") == (
        0,
        {"id": 1, "name": "employer"},
    )
    shown = house.show("employer")
    assert (shown["url"], shown["other_cards"], shown["is_repaired"]) == (
        house.url,
        "DRIVER-7",
        True,
    )
    (charger,) = shown["chargers"]
    assert (charger["identity"], charger["has_password"]) == ("NL-7", True)
    wait_for(lambda: house.show("employer")["chargers"][0]["is_connected"])
    tested = {"charger": "CP-1", "is_connected": True, "problem": None}
    assert house.run("test", "employer") == (0, [tested])
    assert house.other.query("SELECT id FROM cp") == [("NL-7",)]

    assert house.run("pause", "employer")[0] == 0
    wait_for(lambda: not house.show("1")["chargers"][0]["is_connected"])
    assert house.run("test", "employer") == (0, [tested])  # which is tried, though it is paused
    assert house.run("change", "employer", "--url", "ws://127.0.0.1:1/", "--others", "")[0] == 0
    assert house.show("employer")["other_cards"] is None
    status, results = house.run("test", "employer")
    assert (status, results[0]["is_connected"]) == (1, False)
    assert results[0]["problem"]
    assert house.run("resume", "employer")[0] == 0
    wait_for(lambda: house.show("employer")["chargers"][0]["problem"])
    status, text = house.run("list", is_json=False)
    assert status == 0
    assert "0 of 1" in text
    assert house.run("remove", "employer")[0] == 0
    assert house.run("remove", "employer") == (
        2,
        "levity-trio: there is no backend 'employer'; levity-trio backend list shows all\n",
    )


def test_chargers_and_cards(house: House) -> None:
    assert house.run("add", "employer", house.url, "--charger", "CP-1")[0] == 0
    assert house.run("charger", "employer", "CP-2", "--identity", "NL-8", "--without", "2")[0] == 0
    assert house.run("card", "employer", "04:A2:B3:C9", "DRIVER-7")[0] == 0
    assert house.run("card", "employer", "04BBCCDD", "")[0] == 0
    shown = house.show("employer")
    assert [one["identity"] for one in shown["chargers"]] == ["CP-1", "NL-8"]
    assert shown["chargers"][1]["without"] == [2]
    assert [one["alias"] for one in shown["cards"]] == ["DRIVER-7", None]
    assert house.run("card", "employer", "04A2B3C9")[0] == 0
    assert house.run("charger", "employer", "CP-2", "--without", "0")[0] == 0
    assert house.show("employer")["chargers"][1]["without"] == []
    assert house.run("charger", "employer", "CP-2", "--take-out")[0] == 0
    shown = house.show("employer")
    assert [one["charger"] for one in shown["chargers"]] == ["CP-1"]
    assert len(shown["cards"]) == 1
    assert house.run("refused", "employer") == (0, [])
    status, words = house.run("charger", "employer", "CP-9")
    assert (status, "there is no charger CP-9" in words) == (2, True)


FILE = """\
[[backend]]
name = "employer"
url = "{url}"
other_cards = ""

[[backend.chargers]]
charger = "CP-1"
identity = "NL-7"
password = "very secret"
without = [2]

[[backend.cards]]
card = "04A2B3C9"
alias = "DRIVER-7"

[[backend]]
name = "registrar"
url = "{url}"
begins_on = 2026-01-01
chargers = [{{ charger = "CP-1", identity = "ERE-1" }}, {{ charger = "CP-2" }}]
"""


def test_a_file_adds_all_or_none_and_is_printed_again(house: House) -> None:
    file = house.folder / "backends.toml"
    text = FILE.format(url=house.url)
    wrong = (
        (text.replace('"CP-2"', '"CP-9"'), "backend registrar: there is no charger CP-9"),
        (text.replace("2026-01-01", "2026-13-01"), "backends.toml is no TOML"),
        (text.replace("2026-01-01", "'soon'"), "backend registrar: "),
        (text.replace('"registrar"', '"employer"'), "have the same name"),
        (text.replace("[[backend]]", "[[backends]]").replace("[[backend.", "[[backends."), "no ta"),
    )
    for content, words in wrong:
        file.write_text(content)
        status, said = house.run("add", "--file", "backends.toml")
        assert (status, words in said) == (2, True), said
    assert house.run("list") == (0, [])
    file.write_text(text)
    added = [{"id": 1, "name": "employer"}, {"id": 2, "name": "registrar"}]
    assert house.run("add", "--file", "backends.toml") == (0, added)

    _, printed = house.run("show", "--toml", is_json=False)
    assert "very secret" not in printed
    assert "begins_on = 2026-01-01" in printed
    before = [house.show(name) for name in ("employer", "registrar")]
    for name in ("employer", "registrar"):
        house.run("remove", name)
    file.write_text(printed)
    assert house.run("add", "--file", "backends.toml")[0] == 0
    kept = ("url", "other_cards", "is_repaired", "with_cards", "cards")
    for row in before:
        again = house.show(row["name"])
        assert {name: again[name] for name in kept} == {name: row[name] for name in kept}
        names = [(one["charger"], one["identity"], one["without"]) for one in row["chargers"]]
        assert names == [
            (one["charger"], one["identity"], one["without"]) for one in again["chargers"]
        ]


def test_what_is_needed(house: House) -> None:
    assert house.run("add", "employer")[0] == 2
    assert house.run("show")[0] == 2
    status, words = house.run("add", "employer", "http://a/", "--charger", "CP-1")
    assert (status, "URL: give an address such as wss://" in words) == (2, True), words
