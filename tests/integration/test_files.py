"""Files of chargers over real sockets: curl, our simulator, the command line, a server that is
killed."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from levity_trio.client import Refusal
from tests.integration.charger import Charger
from tests.integration.foreign import api_of, operate
from tests.integration.forking import run_forked
from tests.integration.outages import small_disk
from tests.integration.serving import Serving, environment, serving
from tests.integration.simulating import controlled
from tests.integration.test_operations import wait_for

FLAGS = ("--no-api", "--files-port", "0")
SPEED = 10
CONTENT = os.urandom(3_000_000)
CURL = shutil.which("curl")
needs_curl = pytest.mark.skipif(CURL is None, reason="curl is not installed")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db", *FLAGS) as running:
        yield running


@pytest.fixture
def fast_server(tmp_path: Path) -> Iterator[Serving]:
    """For a simulated charger, which takes half a minute for a firmware."""
    with serving(tmp_path / "site.db", *FLAGS, "--clock-speed", str(SPEED)) as running:
        yield running


@pytest.fixture
def charger(server: Serving) -> Iterator[Charger]:
    with Charger(server.port, "CP-1") as connected:
        connected.boot()
        yield connected


def order(server: Serving, charger: Charger, path: str, **payload: Any) -> tuple[int, str]:
    """Ask for an operation, and let the charger accept it; return the command, and the location
    that was sent."""
    asked = api_of(server).ask(
        *("POST", "admin", "chargers", "CP-1", path),
        given=payload,
        headers={"Prefer": "respond-async"},
    )
    _, message, _, sent = charger.receive()
    charger.send_text(json.dumps([3, message, {"status": "Accepted"} if path == "get-log" else {}]))
    wait_for(lambda: bool(command(server, asked["id"])["state"] == "accepted"))
    return asked["id"], str(
        sent["log"]["remoteLocation"] if path == "get-log" else sent["location"]
    )


def command(server: Serving, number: int) -> dict[str, Any]:
    found: dict[str, Any] = api_of(server).ask("GET", "admin", "commands", str(number))
    return found


def files(server: Serving) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = api_of(server).ask("GET", "admin", "files")["data"]
    return listed


def on_disk(server: Serving) -> list[str]:
    folder = Path(f"{server.database}.files")
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


class Told(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Told:
    parts = urlsplit(url)
    with closing(
        http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    ) as connection:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, parts.path, body, given)
        answer = connection.getresponse()
        return Told(answer.status, answer.headers, answer.read())


def half_sent(url: str) -> socket.socket:
    """A charger that has sent some of its file, and neither goes on nor leaves."""
    parts = urlsplit(url)
    sending = socket.create_connection((parts.hostname or "", parts.port or 0))
    sending.sendall(
        f"PUT {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n".encode()
        + CONTENT
    )
    return sending


def curl(*arguments: object) -> str:
    """Run curl and return the status."""
    write = ("-s", "-o", os.devnull, "-w", "%{http_code}")
    return subprocess.check_output(["curl", *write, *map(str, arguments)], text=True, timeout=60)


# What chargers send


@needs_curl
def test_a_charger_sends_its_diagnostics(
    server: Serving, charger: Charger, tmp_path: Path, shell: Callable[..., int]
) -> None:
    number, url = order(server, charger, "get-diagnostics")
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    for arguments in (
        ("-T", source, url),
        ("-T", source, f"{url}/CP-1.zip"),
        ("-T", source, "--path-as-is", f"{url}/../../../x"),
        ("--data-binary", f"@{source}", url),
        ("-H", "Transfer-Encoding: chunked", "-T", source, url),
        ("-F", "a=1", "-F", f"file=@{source};filename=../../../x", url),
    ):
        assert curl(*arguments) == "201", arguments
    listed = files(server)
    assert {
        (one["kind"], one["charger"], one["command"], one["size_bytes"], one["sha256"])
        for one in listed
    } == {("diagnostics", "CP-1", number, len(CONTENT), sha256(CONTENT).hexdigest())}
    assert on_disk(server) == sorted(one["name"] for one in listed)
    assert len(listed) == 6
    assert all("CP-1" in name and "x" not in name for name in on_disk(server))
    assert shell("files", "get", listed[0]["id"], tmp_path / "got") == 0
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert command(server, number)["outcome"] == "pending"
    charger.call("DiagnosticsStatusNotification", status="Uploaded")
    wait_for(lambda: bool(command(server, number)["outcome"] == "fulfilled"))
    assert curl("-T", source, url) == "404"  # the outcome is known


def test_a_url_is_a_secret_that_is_stored_nowhere(server: Serving, charger: Charger) -> None:
    number, url = order(server, charger, "get-log", logType="SecurityLog")
    secret = url.rpartition("/")[2]
    assert len(secret) == 32
    assert command(server, number)["payload"]["log"] == {
        "remoteLocation": url.replace(secret, "***")
    }
    assert ask(url, "PUT", b"log").status == 201
    written = b"".join(
        path.read_bytes() for path in server.database.parent.glob("site.db*") if path.is_file()
    )
    assert secret.encode() not in written
    assert b"remoteLocation" in written
    assert secret not in json.dumps(server.lines)


def test_what_is_wrong_with_a_url_is_not_told(server: Serving, charger: Charger) -> None:
    _, upload = order(server, charger, "get-diagnostics")
    wrong = upload[:-1] + ("a" if upload[-1] != "a" else "b")
    refused = [
        ask(wrong, "PUT", CONTENT),
        ask(wrong),
        ask(upload),
        ask(f"{wrong.rpartition('/')[0]}/x", "PUT", b"x"),
        ask(upload.replace("/f/", "/f/../"), "POST", b"x"),
    ]
    assert [told.status for told in refused] == [404] * 5
    assert {told.body for told in refused[:4]} == {b""}
    assert not files(server)
    assert not on_disk(server)
    assert [ask(upload, "PUT", b"x").status for _ in range(11)] == [201] * 10 + [404]


def test_a_large_file_is_refused_without_a_stall(server: Serving, charger: Charger) -> None:
    """Hypercorn's send waits for whoever reads the body, which is the one who sends."""
    _, url = order(server, charger, "get-diagnostics")
    wrong = url.rpartition("/")[0] + "/" + "a" * 32
    for _ in range(3):
        assert ask(wrong, "PUT", CONTENT).status == 404


def test_half_a_file_leaves_nothing(server: Serving, charger: Charger) -> None:
    number, url = order(server, charger, "get-diagnostics")
    with half_sent(url):
        wait_for(lambda: bool(on_disk(server)))
    line = server.wait_line("a file was not stored", charger="CP-1")
    assert (line["command"], line["reason"]) == (number, "the charger left inside it")
    wait_for(lambda: not on_disk(server))
    assert (
        ask(
            url, "POST", b"--b\r\n\r\nno file", content_type="multipart/form-data; boundary=b"
        ).status
        == 400
    )
    assert not files(server)
    assert not on_disk(server)


def test_a_server_that_is_killed_in_the_midst_starts_without_half_a_file(tmp_path: Path) -> None:
    database = tmp_path / "site.db"
    with serving(database, *FLAGS) as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        _, url = order(server, charger, "get-diagnostics")
        assert ask(url, "PUT", b"whole").status == 201
        with half_sent(url):
            wait_for(lambda: len(on_disk(server)) == 2)
            server.kill()
    assert len(on_disk(server)) == 2
    port = str(urlsplit(url).port)
    with serving(database, "--no-api", "--files-port", port) as server:
        assert on_disk(server) == [one["name"] for one in files(server)]
        assert ask(url, "PUT", b"again").status == 201  # the URL outlives a restart
        assert len(files(server)) == 2


def test_a_file_must_leave_room_for_the_database(tmp_path: Path) -> None:
    try:
        with (
            small_disk(tmp_path / "small") as folder,
            serving(folder / "site.db", *FLAGS) as server,
        ):
            with Charger(server.port, "CP-1") as charger:
                charger.boot()
                _, url = order(server, charger, "get-diagnostics")
                assert ask(url, "PUT", b"x").status == 507
                with pytest.raises(Refusal) as refused:
                    api_of(server).send("POST", "admin", "files", body=b"x", query={"title": "fw"})
            assert (refused.value.status, refused.value.code) == (507, "not_stored")
            assert on_disk(server) == []
    except PermissionError:
        pytest.skip("only root may mount a file system")


# What chargers fetch


def test_a_charger_fetches_firmware(
    server: Serving,
    charger: Charger,
    tmp_path: Path,
    shell: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "fw-1.2.bin").write_bytes(CONTENT)
    assert shell("files", "add", tmp_path / "fw-1.2.bin", "--json") == 0
    added = json.loads(capsys.readouterr().out)
    assert (added["title"], added["sha256"]) == ("fw-1.2.bin", sha256(CONTENT).hexdigest())
    assert shell("files", "add", tmp_path / "fw-1.2.bin") == 2
    assert "delete it first" in capsys.readouterr().err
    times = {"retrieveDate": "2020-01-01T00:00:00Z"}
    _, url = order(server, charger, "update-firmware", location="fw-1.2.bin", **times)
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/fw-1.2.bin")
    whole = ask(url)
    assert (whole.status, whole.body, whole.headers["accept-ranges"]) == (200, CONTENT, "bytes")
    head = ask(url.removesuffix("/fw-1.2.bin"), "HEAD")
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(CONTENT)), b"")
    rest = ask(url, Range="bytes=2999990-")
    assert (rest.status, rest.body) == (206, CONTENT[2_999_990:])
    assert rest.headers["content-range"] == f"bytes 2999990-2999999/{len(CONTENT)}"
    assert ask(url, Range="bytes=3000000-").status == 416
    assert ask(url, "PUT", b"x").status == 404
    assert shell("files", "remove", added["id"]) == 0
    assert ask(url).status == 404
    assert shell("files", "get", added["id"], tmp_path / "got") == 2
    assert not (tmp_path / "got").exists()
    assert shell("files", "list") == 0
    assert "deleted" in capsys.readouterr().out


@pytest.mark.parametrize(
    "location", ["ftp://me:pw@host/fw.bin", "http://127.0.0.1:1/fw.bin", "fw.bin"]
)
def test_any_other_location_is_passed_on(server: Serving, charger: Charger, location: str) -> None:
    times = {"retrieveDate": "2020-01-01T00:00:00Z"}
    number, sent = order(server, charger, "update-firmware", location=location, **times)
    assert sent == location
    assert server.query("SELECT count(*) FROM file_url") == [(0,)]
    assert order(server, charger, "get-diagnostics", location=location)[1] == location
    assert number


def test_without_a_listener_it_is_told_what_to_do(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "site.db", "--no-api") as server,
        Charger(server.port, "CP-1") as charger,
    ):
        charger.boot()
        api_of(server).send("POST", "admin", "files", body=b"x", query={"title": "fw"})
        update = {"location": "fw", "retrieveDate": "2020-01-01T00:00:00Z"}
        asked = {
            "get-diagnostics": {},
            "get-log": {"logType": "SecurityLog"},
            "update-firmware": update,
        }
        fields = {
            "get-diagnostics": "location",
            "get-log": "log.remoteLocation",
            "update-firmware": "location",
        }
        for path, payload in asked.items():
            with pytest.raises(Refusal, match="start this one with --files-port") as refused:
                operate(server, "CP-1", path, payload)
            assert (refused.value.status, refused.value.document["field"]) == (409, fields[path])


def test_chargers_are_told_the_url_that_the_owner_gives(tmp_path: Path) -> None:
    given = ("--files-url", "https://chargers.example.org/levity/")
    with (
        serving(tmp_path / "site.db", *FLAGS, *given) as server,
        Charger(server.port, "CP-1") as charger,
    ):
        charger.boot()
        _, url = order(server, charger, "get-diagnostics")
        assert url.startswith("https://chargers.example.org/levity/f/")


def test_our_simulator_sends_and_fetches(fast_server: Serving, tmp_path: Path) -> None:
    api_of(fast_server).send(
        "POST", "admin", "files", body=CONTENT, query={"title": "fw-9.9.9.bin"}
    )
    with controlled(fast_server.port, tmp_path, SPEED) as api:
        settings = {**environment(), "LEVITY_SIMULATOR_API": api}
        run_forked(("simulator", "add", "CP-1"), tmp_path, settings, 60).check_returncode()
        fast_server.wait_line("ChargerConnected", charger="CP-1")
        done = [
            operate(fast_server, "CP-1", "get-diagnostics", {}),
            operate(fast_server, "CP-1", "get-log", {"logType": "DiagnosticsLog"}),
        ]
        wait_for(
            lambda: (
                [command(fast_server, one["id"])["outcome"] for one in done] == ["fulfilled"] * 2
            )
        )
        update = {"location": "fw-9.9.9.bin", "retrieveDate": "2020-01-01T00:00:00Z"}
        updated = operate(fast_server, "CP-1", "update-firmware", update)
        wait_for(lambda: bool(command(fast_server, updated["id"])["outcome"] == "fulfilled"), 60)
    assert [one["kind"] for one in files(fast_server)] == ["log", "diagnostics", "firmware"]
    assert "came" in command(fast_server, done[0]["id"])["outcome_words"]
