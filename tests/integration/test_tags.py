"""Tags on a running server: the OCPP 1.6 test cases with a charge point that is not ours, restarts,
kills and imports.

The cases of juherr/open-ocpp-tck for tags (TC_023.1 to 3, TC_003) are built again here: an absent,
an expired and a blocked tag get Invalid, Expired and Blocked, and no transaction begins.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from levity_trio.cli import main
from levity_trio.client import Refusal
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, environment, serving
from tests.integration.test_api import ask, make_token
from tests.integration.test_operations import command, wait_for
from tests.sizes import size

DRIVER = Path(__file__).with_name("ocpp_driver.py")
MANY = size(20_000, 2_000)
LONG_AGO = "2020-01-01"


class Driver:
    """The `ocpp` package's charge point, told what to send."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.asked: list[str] = []

    def read(self) -> Any:
        """The next line that is no request of the server."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if not isinstance(said, list):
                return said
            self.asked += said
        raise AssertionError("the charge point has ended")

    def call(self, action: str, **fields: object) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([action, fields]) + "\n")
        self._process.stdin.flush()
        return self.read()

    def authorize(self, id_tag: str) -> Any:
        return self.call("Authorize", id_tag=id_tag)["id_tag_info"]

    def start(self, id_tag: str, connector: int = 1, timestamp: str | None = None) -> Any:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self.call(
            "StartTransaction",
            connector_id=connector,
            id_tag=id_tag,
            meter_start=1000,
            timestamp=timestamp or now,
        )

    def stop(self, transaction: int, **fields: object) -> Any:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self.call(
            "StopTransaction", transaction_id=transaction, meter_stop=4000, timestamp=now, **fields
        )


@contextmanager
def driver(server: Serving, identity: str = "CP-1") -> Iterator[Driver]:
    command = [sys.executable, str(DRIVER), f"ws://127.0.0.1:{server.port}/ocpp", identity]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=environment(), stdin=pipe, stdout=pipe, text=True
    ) as process:
        try:
            driven = Driver(process)
            assert driven.read() == "booted"
            yield driven
        finally:
            process.kill()


def add(server: Serving, id_tag: str, **fields: object) -> Any:
    return api_of(server).ask("POST", "admin", "id-tags", given={"id_tag": id_tag, **fields})


def change(server: Serving, id_tag: str, **fields: object) -> Any:
    return api_of(server).ask("PATCH", "admin", "id-tags", id_tag, given=fields)


def import_csv(server: Serving, text: str, patience: float = 120) -> Any:
    sent = api_of(server).send(
        "POST",
        "admin",
        "id-tag-import",
        body=text.encode(),
        media_type="text/csv",
        patience=patience,
    )
    return json.loads(sent)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db", "--unknown-tags", "refuse") as running:
        yield running


# The cases of the open test kit


@pytest.mark.parametrize(
    ("id_tag", "fields", "status"),
    [
        ("CERT023-INV", None, "Invalid"),
        ("CERT023-EXP", {"expires_at": LONG_AGO}, "Expired"),
        ("CERT023-BLK", {"status": "Blocked"}, "Blocked"),
        ("CERT003", {}, "Accepted"),
    ],
)
def test_authorize_outcomes(
    server: Serving, id_tag: str, fields: dict[str, object] | None, status: str
) -> None:
    if fields is not None:
        add(server, id_tag, **fields)
    with driver(server) as charger:
        assert charger.authorize(id_tag)["status"] == status
        if status == "Accepted":
            transaction = charger.start(id_tag)["transaction_id"]
            assert charger.stop(transaction, id_tag=id_tag)["id_tag_info"]["status"] == "Accepted"
    assert server.query("SELECT id_tag, status FROM tx") == (
        [(id_tag, "Completed")] if status == "Accepted" else []
    )


def test_concurrent_transactions(server: Serving) -> None:
    add(server, "Card", max_transactions=1)
    with driver(server) as one, driver(server, "CP-2") as other:
        first = one.start("Card")
        assert other.authorize("card")["status"] == "Accepted"
        assert other.start("CARD")["id_tag_info"]["status"] == "ConcurrentTx"
        one.stop(first["transaction_id"])
        assert other.start("CARD", 2)["id_tag_info"]["status"] == "Accepted"


def test_a_stop_by_another_tag(server: Serving) -> None:
    for id_tag, parent in (("Anna", "Flat-3"), ("Ben", "flat-3"), ("Cleo", "Flat-4")):
        add(server, id_tag, parent_id_tag=parent)
    with driver(server) as charger:
        for id_tag in ("Ben", "Cleo"):
            transaction = charger.start("Anna", timestamp=f"2026-03-01T12:00:0{len(id_tag)}Z")[
                "transaction_id"
            ]
            told = charger.stop(transaction, id_tag=id_tag)["id_tag_info"]
            assert (told["status"], told["parent_id_tag"].lower()[:4]) == ("Accepted", "flat")
    assert server.query("SELECT code FROM review WHERE code = 'stopped_by_stranger'") == [
        ("stopped_by_stranger",)
    ]


# Blocking


def test_blocking_a_tag_clears_the_caches_of_connected_chargers(server: Serving) -> None:
    add(server, "Card")
    with driver(server) as charger:
        # it could not charge before either
        assert add(server, "Other", status="Blocked")["commands"] == []
        done = change(server, "card", status="Blocked")
        wait_for(lambda: command(server, done["commands"][0])["state"] == "accepted")
        assert charger.authorize("Card")["status"] == "Blocked"
        assert charger.asked == ["ClearCache"]
        assert change(server, "card", status="Blocked")["commands"] == []
        assert change(server, "card", name="Anna")["commands"] == []
    ((asked_by,),) = server.query("SELECT asked_by FROM command WHERE action = 'ClearCache'")
    assert asked_by == "local admin"
    assert api_of(server).ask("GET", "admin", "id-tags", "CARD")["created_by"] == "local admin"


def test_a_remote_start_with_a_refused_tag_is_sent_with_a_warning(server: Serving) -> None:
    with driver(server):
        done = api_of(server).ask(
            "POST",
            "admin",
            "chargers",
            "CP-1",
            "remote-start",
            given={"connectorId": 1, "idTag": "Nobody"},
        )
    assert done["state"] == "accepted"
    assert any("the card Nobody is Invalid here" in warning for warning in done["warnings"])


# Asking


def test_an_unknown_tag_waits_for_an_operator(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "site.db", "--unknown-tags", "ask") as server,
        driver(server) as charger,
    ):
        assert not server.find(
            "every tag may charge that is not blocked or expired; see --unknown-tags"
        )
        api = api_of(server)
        assert charger.authorize("New/1 é")["status"] == "Invalid"
        charger.start("Newer")
        deadline = time.monotonic() + 60
        while (
            len(asked := api.ask("GET", "admin", "asked-id-tags")["data"]) < 2
            and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        assert {one["id_tag"] for one in asked} == {"New/1 é", "Newer"}
        add(server, "new/1 é")
        assert charger.authorize("NEW/1 é")["status"] == "Accepted"
        assert api.ask("GET", "admin", "id-tags", "New/1 é")["id_tag"] == "new/1 é"
        api.ask("DELETE", "admin", "asked-id-tags", "Newer")
        assert api.ask("GET", "admin", "asked-id-tags")["data"] == []


def test_a_card_that_a_charger_reads_backwards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        serving(tmp_path / "site.db", "--unknown-tags", "ask") as server,
        driver(server) as charger,
    ):
        at = ["--api", f"unix:{server.database}.sock"]
        assert main(["card", "add", "04 a1 b2 c3", *at]) == 0
        assert charger.authorize("04A1B2C3")["status"] == "Accepted"
        assert charger.authorize("C3B2A104")["status"] == "Invalid"
        wait_for(lambda: bool(api_of(server).ask("GET", "admin", "asked-id-tags")["data"]))
        assert main(["card", "asked", *at]) == 0
        assert "04A1B2C3 (backwards)" in capsys.readouterr().out
        assert main(["card", "same", "C3B2A104", "04:A1:B2:C3", *at]) == 0
        assert charger.authorize("C3B2A104")["status"] == "Accepted"
        assert main(["card", "block", "04A1B2C3", *at]) == 0
        assert charger.authorize("C3B2A104")["status"] == "Blocked"


# The start of a server


def test_the_default_accepts_everybody_and_says_so(tmp_path: Path) -> None:
    with serving(tmp_path / "site.db") as server, driver(server) as charger:
        assert server.find(
            "every tag may charge that is not blocked or expired; see --unknown-tags"
        )
        assert charger.authorize("Nobody")["status"] == "Accepted"


def test_answers_outlive_a_restart_and_a_kill(tmp_path: Path) -> None:
    path, sent = tmp_path / "site.db", "2026-03-01T12:00:00Z"
    with serving(path, "--unknown-tags", "refuse") as server, driver(server) as charger:
        add(server, "Card", parent_id_tag="Flat-3")
        first = charger.start("Card", timestamp=sent)
        change(server, "Card", status="Blocked")
    with serving(path, "--unknown-tags", "refuse") as server, driver(server) as charger:
        assert charger.authorize("card")["status"] == "Blocked"
        assert charger.start("Card", timestamp=sent) == first
        server.kill()
    with serving(path) as server, driver(server) as charger:
        assert charger.authorize("card")["status"] == "Blocked"
        assert charger.start("Card", timestamp=sent) == first


def test_a_pattern_for_suffixes(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    with serving(path) as server:
        add(server, "Card-1")
    strip = ("--unknown-tags", "refuse", "--tag-strip", "-[0-9]+")
    with serving(path, *strip) as server, driver(server) as charger:
        assert charger.authorize("CARD-22")["status"] == "Accepted"
    with serving(path) as server:
        add(server, "Card-2")
    with subprocess.Popen(
        [sys.executable, "-m", "levity_trio", "serve", "--db", str(path), "--port", "0", *strip],
        env=environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as refused:
        _, said = refused.communicate(timeout=60)
    assert refused.returncode == 2
    assert (
        said.strip()
        .splitlines()[-1]
        .startswith("levity-trio: --tag-strip makes 'Card-2' the same as another tag")
    )


# Files


def test_a_file_comes_back_as_it_was(server: Serving) -> None:
    rows = [
        ("=1+1", "@Anna", "+notes"),
        ("-7", "'=quoted", "two\nlines, and a comma"),
        ("plain", "'quoted", "semi;colon"),
        ("é", "", '"'),
    ]
    for id_tag, name, notes in rows:
        add(
            server,
            id_tag,
            name=name,
            notes=notes,
            expires_at="2031-05-01",
            max_transactions=2,
            parent_id_tag="=p",
        )
    exported = api_of(server).send("GET", "admin", "id-tag-export").decode()
    assert "\n=1+1," not in exported
    assert "\n'=1+1,'@Anna," in exported
    assert import_csv(server, exported)["same"] == len(rows)
    for id_tag, *_ in rows:
        api_of(server).ask("DELETE", "admin", "id-tags", id_tag)
    assert import_csv(server, exported)["added"] == len(rows)
    kept = [(one["id_tag"], one["name"] or "", one["notes"]) for one in tags(server)]
    assert sorted(kept) == sorted(rows)


def tags(server: Serving) -> list[Any]:
    return list(api_of(server).ask("GET", "admin", "id-tags", query={"limit": 500})["data"])


def test_a_wrong_line_imports_nothing(server: Serving) -> None:
    add(server, "Card", name="Anna")
    text = (
        "id_tag;name;max_transactions;expires_at\ncard;Ben;;\nNew;;0;\n;;;\n"
        + "x" * 21
        + ";;;\nLate;;;soon\nNEW;;1\n"
    )
    with pytest.raises(Refusal) as refused:
        import_csv(server, text + "Card;;;\n")
    faults = {one["line"]: one["field"] for one in refused.value.document["lines"]}
    assert faults == {3: "max_transactions", 5: "id_tag", 6: "expires_at", 7: "", 8: "id_tag"}
    assert [(one["id_tag"], one["name"]) for one in tags(server)] == [("Card", "Anna")]
    for wrong in (
        "",
        "name\nAnna\n",
        "id_tag,id_tag\n",
        'id_tag\n"open',
        "id_tag\n",
        "id_tag,strange\nA,\n",
    ):
        with pytest.raises(Refusal):
            import_csv(server, wrong)
    done = import_csv(server, "id_tag;name\ncard;Ben\nNew;\n")
    assert done["lines"] == [{"line": 2, "result": "changed"}, {"line": 3, "result": "added"}]


def many(prefix: str) -> str:
    rows = "".join(f"{prefix}{number},Name {number},P{number % 100}\n" for number in range(MANY))
    return f"id_tag,name,parent_id_tag\n{rows}"


def test_an_import_is_whole_or_nothing_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    with serving(path) as server:
        importing = threading.Thread(target=import_until_the_end, args=(server,))
        importing.start()
        time.sleep(0.3)
        server.kill()
        importing.join()
    with serving(path) as server:
        counts = server.query(
            "SELECT json_extract(data, '$.count') FROM event WHERE kind = 'TagsImported'"
        )
        assert server.query("SELECT count(*) FROM tag WHERE ended_at IS NULL") == (counts or [(0,)])


def import_until_the_end(server: Serving) -> None:
    with suppress(Exception):  # the server is killed meanwhile
        import_csv(server, many("A"))


def test_a_file_of_too_many_tags_is_refused(server: Serving) -> None:
    lines = "".join(f"T{number}\n" for number in range(20_001))
    with pytest.raises(Refusal) as refused:
        import_csv(server, f"id_tag\n{lines}")
    (said,) = refused.value.document["lines"]
    assert said["detail"] == "there are more than 20000 lines; divide the file"


def test_chargers_are_served_during_an_import(server: Serving) -> None:
    with driver(server) as charger:
        importing = threading.Thread(target=import_csv, args=(server, many("A")))
        importing.start()
        answered = 0
        while importing.is_alive():
            charger.authorize("A7")
            answered += 1
        importing.join()
        assert charger.authorize(f"a{MANY - 1}") == {"status": "Accepted", "parent_id_tag": "P99"}
    assert answered > 20


# Roles


def test_viewers_do_not_see_names(server: Serving) -> None:
    add(server, "Card", name="Anna", notes="third floor")
    viewer, operator = (make_token(server, role, role) for role in ("viewer", "operator"))
    path = "/api/admin/id-tags"
    for token, name in ((viewer, None), (operator, "Anna")):
        listed = ask(server, path=path, token=token).document["data"]
        shown = ask(server, path=f"{path}/card", token=token).document
        assert [listed[0]["name"], shown["name"], shown["periods"][0]["name"]] == [name] * 3
        found = ask(server, path=f"{path}?search=anna", token=token).document["data"]
        assert len(found) == (0 if name is None else 1)
    refused = [
        *(
            ("POST", path, viewer),
            ("PATCH", f"{path}/card", viewer),
            ("DELETE", f"{path}/card", operator),
        ),
        *(
            ("GET", "/api/admin/id-tag-export", viewer),
            ("POST", "/api/admin/id-tag-import", viewer),
        ),
    ]
    for method, where, token in refused:
        assert ask(server, method, where, token, body={}).code == "forbidden"
    told = ask(server, "PATCH", f"{path}/card", operator, body={"status": "Blocked"})
    assert (told.status, told.document["created_by"]) == (200, "operator")
    ((body,),) = server.query(
        "SELECT body FROM operator_action WHERE method = 'PATCH' AND who = 'operator'"
    )
    assert json.loads(body) == {"status": "Blocked"}
