"""FTP over real sockets, with the client of the standard library and with hostile ones."""

from __future__ import annotations

import ftplib
import io
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import pytest

from levity_trio.config import FTP_DATA_PORTS
from levity_trio.web.files.ftp import CONNECTIONS_OF_ADDRESS
from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving
from tests.integration.test_files import ask, command, files, on_disk, order
from tests.integration.test_operations import wait_for

FLAGS = ("--no-api", "--ftp-port", "0", "--files-port", "0")
CONTENT = os.urandom(300_000)
FIRMWARE = {"location": "fw-1.2.bin", "retrieveDate": "2020-01-01T00:00:00Z"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db", *FLAGS) as running:
        yield running


@pytest.fixture
def charger(server: Serving) -> Iterator[Charger]:
    with Charger(server.port, "CP-1") as connected:
        connected.boot()
        tell_protocols(server, connected, "ftp, FTPS")
        yield connected


def tell_protocols(server: Serving, charger: Charger, protocols: str) -> None:
    """Let the charger say how it transfers files."""
    path = ("POST", "admin", "chargers", "CP-1", "get-configuration")
    asked = api_of(server).ask(*path, given={}, headers={"Prefer": "respond-async"})
    _, message, _, _ = charger.receive()
    key = {"key": "SupportedFileTransferProtocols", "readonly": True, "value": protocols}
    charger.send_text(json.dumps([3, message, {"configurationKey": [key]}]))
    wait_for(lambda: bool(command(server, asked["id"])["state"] == "accepted"))


@contextmanager
def logged_in(url: str) -> Iterator[ftplib.FTP]:
    """The client of the standard library, with the user and the password in a location."""
    parts = urlsplit(url)
    with ftplib.FTP(timeout=60) as client:  # noqa: S321 - it is what we test
        client.connect(parts.hostname or "", parts.port or 0)
        client.login(parts.username or "", parts.password or "")
        yield client


def fetched(client: ftplib.FTP, path: str, rest: int | None = None) -> bytes:
    parts: list[bytes] = []
    client.retrbinary(f"RETR {path}", parts.append, rest=rest)
    return b"".join(parts)


def place_of(url: str) -> tuple[str, int]:
    parts: SplitResult = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def test_a_charger_sends_its_diagnostics(server: Serving, charger: Charger) -> None:
    """Half a file leaves nothing, whether the charger aborts it or leaves."""
    number, url = order(server, charger, "get-diagnostics")
    parts = urlsplit(url)
    assert (parts.scheme, parts.path, len(parts.username or ""), len(parts.password or "")) == (
        "ftp",
        "/",
        8,
        24,
    )
    assert command(server, number)["payload"] == {
        "location": url.replace(f"{parts.username}:{parts.password}", "***")
    }
    with logged_in(url) as client:
        with client.transfercmd("STOR x") as data:
            data.sendall(CONTENT)
            assert "aborted" in client.abort() + client.voidresp()
        with client.transfercmd("STOR x") as data:
            data.sendall(CONTENT)
            client.close()
            wait_for(lambda: len(server.find("a file was not stored")) == 2)
    (line, _) = server.find("a file was not stored")
    assert (line["cp"], line["command"], line["reason"]) == (
        "CP-1",
        number,
        "the charger left inside it",
    )
    assert not files(server)
    wait_for(lambda: not on_disk(server))
    with logged_in(url) as client:
        client.cwd("/some/../../folder")
        client.storbinary("STOR ../../../x.zip", io.BytesIO(CONTENT))
        client.af = socket.AF_INET6  # then it sends EPSV
        client.storbinary("STOR x.zip", io.BytesIO(b""))
        assert client.sendcmd("xpwd") == '257 "/"'
        client.quit()
    listed = files(server)
    assert [(one["charger"], one["command"], one["size_bytes"]) for one in listed] == [
        ("CP-1", number, 0),
        ("CP-1", number, len(CONTENT)),
    ]
    assert on_disk(server) == sorted(one["name"] for one in listed)
    assert Path(f"{server.database}.files", listed[1]["name"]).read_bytes() == CONTENT
    charger.call("DiagnosticsStatusNotification", status="Uploaded")
    wait_for(lambda: bool(command(server, number)["outcome"] == "fulfilled"))
    with pytest.raises(ftplib.error_perm, match="530"), logged_in(url):  # the outcome is known
        pass
    written = b"".join(
        path.read_bytes() for path in server.database.parent.glob("site.db*") if path.is_file()
    )
    for secret in (parts.username or "", parts.password or ""):
        assert secret.encode() not in written
        assert secret not in json.dumps(server.lines)


@pytest.mark.parametrize("comes", [False, True])
def test_a_charger_that_tells_no_protocols_and_comes_not(server: Serving, comes: bool) -> None:
    """It knows only FTP: that is kept for it, until somebody says otherwise."""

    def scheme(charger: Charger) -> str:
        _, url = order(server, charger, "get-diagnostics")
        return urlsplit(url).scheme

    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        number, url = order(server, charger, "get-diagnostics")
        if comes:
            ask(url, "PUT", CONTENT[:9])
        charger.call("DiagnosticsStatusNotification", status="UploadFailed")
        wait_for(lambda: bool(command(server, number)["outcome"] == "contradicted"))
        assert (urlsplit(url).scheme, scheme(charger)) == ("http", "http" if comes else "ftp")
        api = api_of(server)
        kept = api.ask("GET", "admin", "chargers", "CP-1")["transfers"]
        assert kept == (None if comes else "FTP")
        api.ask("PUT", "admin", "chargers", "CP-1", given={"transfers": "FTP" if comes else None})
        assert scheme(charger) == ("ftp" if comes else "http")


def test_a_charger_fetches_firmware(server: Serving, charger: Charger) -> None:
    api_of(server).send("POST", "admin", "files", body=CONTENT, query={"title": "fw-1.2.bin"})
    _, url = order(server, charger, "update-firmware", **FIRMWARE)
    assert urlsplit(url).path == "/fw-1.2.bin"
    with logged_in(url) as client:
        assert client.size("fw-1.2.bin") == len(CONTENT)
        assert fetched(client, "/fw-1.2.bin") == CONTENT
        assert fetched(client, "folder/fw-1.2.bin", 299_990) == CONTENT[299_990:]
        assert fetched(client, "fw-1.2.bin", 300_001) == b""
        for path in (
            "",
            "fw-1.2.bi",
            "../site.db",
            "/etc/passwd",
            f"../site.db.files/{on_disk(server)[0]}",
            "fw-1.2.bin/",
        ):
            with pytest.raises(ftplib.error_perm, match="550 there is no such file"):
                fetched(client, path)
        for words in (
            "LIST",
            "NLST",
            "MLSD",
            "DELE fw-1.2.bin",
            "RNFR fw-1.2.bin",
            "APPE x",
            "STOU",
            "SITE EXEC id",
        ):
            with pytest.raises(ftplib.error_perm, match="502"):
                client.sendcmd(words)
        with pytest.raises(ftplib.error_perm, match="550 no file is expected"):
            client.storbinary("STOR fw-1.2.bin", io.BytesIO(b"x"))
    assert len(on_disk(server)) == 1


def test_hostile_clients(server: Serving, charger: Charger) -> None:
    """Without the log-in there is nothing; with it, the server connects to nobody, and takes data
    from nobody else."""
    _, url = order(server, charger, "get-diagnostics")
    with ftplib.FTP(timeout=60) as client:  # noqa: S321 - it is what we test
        client.connect(*place_of(url))
        for words in (
            "PASV",
            "EPSV",
            "STOR x",
            "RETR x",
            "SIZE x",
            "CWD /",
            "PORT 127,0,0,1,0,22",
            "REST 1",
            "AUTH TLS",
        ):
            with pytest.raises(ftplib.error_perm, match="530 log in first"):
                client.sendcmd(words)
        assert client.sendcmd("NOOP") == "200 yes"
    with logged_in(url) as client:
        for words in ("PORT 127,0,0,1,0,22", "EPRT |1|127.0.0.1|22|"):
            with pytest.raises(ftplib.error_perm, match="502 this server opens no connections"):
                client.sendcmd(words)
        for words in (
            "REST -1",
            "REST ١",
            "REST 9999999999999999999",
            f"REST {9**31:046}",
            "TYPE E",
            "MODE C",
            "STRU R",
        ):
            with pytest.raises(ftplib.error_perm, match=r"50[14]"):
                client.sendcmd(words)
        with pytest.raises(ftplib.error_temp, match="425 send EPSV or PASV first"):
            client.sendcmd("STOR x")
        host, port = client.makepasv()
        assert port in FTP_DATA_PORTS
        assert client.sock is not None
        client.sock.sendall(b"STOR x\r\nNOOP\r\n")  # the second waits
        with socket.create_connection((host, port), 20, ("127.0.0.2", 0)) as thief:
            assert thief.recv(1) == b""
        with socket.create_connection((host, port), 20) as data:
            data.sendall(b"mine")
        assert [client.getresp()[:3] for _ in range(3)] == ["150", "226", "200"]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, port), 20)
    assert [one["size_bytes"] for one in files(server)] == [4]
    with socket.create_connection(place_of(url), 20) as endless:
        endless.sendall(b"\xff" * 512)
        assert b"500 the line is too long" in endless.makefile("rb").read()
    crowd = [socket.create_connection(place_of(url), 20) for _ in range(CONNECTIONS_OF_ADDRESS + 1)]
    assert [one.recv(3) for one in crowd] == [b"220"] * CONNECTIONS_OF_ADDRESS + [b"421"]
    for one in crowd[:-1]:
        one.shutdown(socket.SHUT_WR)
        assert b"220" not in one.makefile("rb").read()  # it ends when the place is free
    for one in crowd:
        one.close()
    with pytest.raises(ftplib.error_perm, match="530"), logged_in(url.replace("@", "a@")):
        pass
    with logged_in(url) as client:
        for _ in range(9):
            client.storbinary("STOR x", io.BytesIO(b"x"))
        with pytest.raises(ftplib.error_perm, match="550 no file is expected"):
            client.storbinary("STOR x", io.BytesIO(b"x"))
    assert len(files(server)) == 10
