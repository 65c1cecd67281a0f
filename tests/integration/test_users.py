"""Users of a running server, over the API and the command line."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from levity_trio.cli import main
from tests.integration.foreign import api_of
from tests.integration.serving import PROGRAM, Serving, environment, serving
from tests.integration.test_api import ask, make_token, port_of

PASSWORD = "correct horse"  # noqa: S105
USERS = "/api/admin/users"
Shell = Callable[..., int]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db") as running:
        yield running


@pytest.fixture
def shell(server: Serving, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """`levity-trio user`, over the socket beside the database, with a password on stdin."""
    monkeypatch.setenv("LEVITY_API", "http://127.0.0.1:1")  # --db wins

    def run(*arguments: object) -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
        return main(["user", *map(str, arguments), "--db", str(server.database)])

    return run


def shown(shell: Shell, capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    capsys.readouterr()
    assert shell(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_the_first_user_ends_that_this_machine_may_all(server: Serving) -> None:
    body = {"name": "anna", "role": "admin", "password": PASSWORD}
    assert ask(server, "POST", USERS, body=body).status == 201
    assert ask(server).code == "token_needed"
    api_of(server).ask("POST", "admin", "users", given={**body, "name": "ben"})
    api_of(server).ask("DELETE", "admin", "users", "1")
    # also after a restart, and although the user is removed
    assert ask(server).code == "token_needed"
    server.stop()
    with serving(server.database) as again:
        assert ask(again).code == "token_needed"


def test_no_password_is_stored_or_recorded(server: Serving) -> None:
    admin, viewer = make_token(server, "root", "admin"), make_token(server, "eye", "viewer")
    body = {"name": "Unverwechselbar", "role": "viewer", "password": PASSWORD}
    assert ask(server, "POST", USERS, admin, body).document["id"] == 1
    assert ask(server, "PATCH", f"{USERS}/1", admin, {"password": f"{PASSWORD} 2"}).status == 200
    assert ask(server, "POST", USERS, admin, [f"{PASSWORD} 3"]).status == 422
    own = {"old_password": PASSWORD, "new_password": f"{PASSWORD} 4"}
    assert ask(server, "POST", "/api/me/password", admin, own).code == "conflict"
    assert (
        ask(server, "GET", USERS, viewer).code
        == ask(server, "GET", "/api/admin/logins", viewer).code
        == "forbidden"
    )
    invited = ask(server, "POST", f"{USERS}/1/invitations", admin, {"kind": "link"}).document[
        "code"
    ]
    ask(server, "GET", f"/enter/{invited}", admin)
    ask(server, "POST", f"/api/admin/{invited}", viewer)
    recorded = str(server.query("SELECT body, path FROM operator_action"))
    assert PASSWORD not in recorded
    assert "Unverwechselbar" not in recorded
    assert '"role":"viewer"' in recorded
    assert ask(server, path="/api/me", token=admin).document == {
        "name": "root",
        "role": "admin",
        "login": None,
        "account": None,
        "household": None,
    }
    server.stop()
    written = b"".join(
        path.read_bytes() for path in server.database.parent.iterdir() if path.is_file()
    )
    for secret in (PASSWORD, invited):
        assert secret.encode() not in written
        assert secret not in str(server.lines)


def test_the_commands(server: Serving, shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell("add", "anna", "--role", "admin", "--password-stdin") == 0
    assert capsys.readouterr().out == "This is user 1, anna (admin).\n"
    api_of(server).ask("POST", "admin", "accounts", given={"name": "Flat 7"})
    made = shown(shell, capsys, "add", "ben", "--role", "driver", "--household", "Flat 7", "--pin")
    assert (made["account"], made["invitation"]["kind"]) == (1, "pin")
    assert shell("invite", "Ben") == 0
    code, words, until, local = capsys.readouterr().out.splitlines()
    assert code.startswith("invite_2_")
    page = f"http://127.0.0.1:{port_of(server)}/welcome"
    # no link that only this machine opens
    assert words == f"This code logs user 2 in: open {page} and type it."
    assert until.startswith("It works once, until 20")
    assert local.startswith(
        f"Only programs on this machine reach {page}: start the server with --public-url"
    )
    assert shown(shell, capsys, "change", "ben", "--role", "viewer")["account"] is None
    assert shell("change", 2, "--password-stdin") == 0
    assert [one["has_password"] for one in shown(shell, capsys, "list")] == [True, True]
    assert shell("change", 2, "--no-password") == 0
    assert [one["has_password"] for one in shown(shell, capsys, "list")] == [False, True]
    assert shell("list") == 0
    assert "ben" in capsys.readouterr().out
    assert shown(shell, capsys, "logins", "--ended") == []
    assert shell("remove", "ben") == 0
    assert capsys.readouterr().out == "user 2 is removed\n"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("remove", "anna"), 2, "user 1 is the last admin with a password"),
        (("remove", "ben"), 2, "there is no user 'ben'; levity-trio user list shows all\n"),
        (("remove", 7), 2, "there is no user 7"),
        (("end", 7), 2, "there is no log-in 7"),
        (("add", "anna", "--role", "viewer", "--link"), 2, "user 1 has this name"),
        (("add", "ben", "--role", "driver", "--link"), 2, "--household: a driver needs one"),
        (("add", "ben", "--role", "viewer"), 2, "there is no terminal to ask for the password"),
        (
            ("add", "ben", "--role", "viewer", "--link", "--pin"),
            2,
            "give --link or --pin, not both",
        ),
        (("change", "anna"), 2, "give what is to change"),
    ],
)
def test_what_the_commands_refuse(
    shell: Shell,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[object, ...],
    status: int,
    words: str,
) -> None:
    assert shell("add", "anna", "--role", "admin", "--password-stdin") == 0
    capsys.readouterr()
    assert shell(*arguments) == status
    told = capsys.readouterr().err
    assert words in told
    assert len(told.splitlines()) == 1


def test_a_short_password_is_refused_in_plain_words(
    server: Serving,
    shell: Shell,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.integration.test_users.PASSWORD", "short")
    assert shell("add", "anna", "--role", "admin", "--password-stdin") == 2
    assert capsys.readouterr().err == "levity-trio: password: give 10 characters or more\n"
    assert api_of(server).ask("GET", "admin", "users") == []


@pytest.mark.parametrize("second", [PASSWORD, "something else"])
def test_the_password_is_asked_for_twice_and_not_shown(server: Serving, second: str) -> None:
    ours, theirs = pty.openpty()
    command = [*PROGRAM, "user", "add", "anna", "--role", "viewer", "--db", str(server.database)]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment()
    ) as process:
        os.close(theirs)
        shown = b""
        for answer in (PASSWORD, second):
            while b"assword: " not in shown and b"confirmation: " not in shown:
                shown += os.read(ours, 1000)
            shown = b""
            os.write(ours, answer.encode() + b"\n")
        while (
            b"\n" not in shown.strip(b"\r\n")
            and b"This is user" not in shown
            and b"do not match" not in shown
        ):
            shown += os.read(ours, 1000)
        process.kill()
    os.close(ours)
    assert PASSWORD.encode() not in shown
    assert (b"This is user 1, anna (viewer)." in shown) == (second == PASSWORD)
