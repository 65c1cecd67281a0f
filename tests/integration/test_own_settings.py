"""Mail, push, sign of life and the nightly backup, set by an owner who has only a browser: at real
receivers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.integration.browsing import Browser, Page
from tests.integration.serving import Serving, serving
from tests.integration.test_notify import ask, receiving
from tests.integration.test_operations import wait_for
from tests.notify.keys import make_pair
from tests.notify.mail_server import PASSWORD, USER, MailServer, serving_mail

HERE = "/system/ways"
SET = "/do/put/admin/own-settings/"
WRONG, TOKEN = "wrong of-the-owner", "tk_of_the_owner"


class Owner:
    """An owner at the page, who fills in its forms."""

    def __init__(self, server: Serving) -> None:
        self.browser = Browser(server)

    def page(self) -> Page:
        return self.browser.get(HERE)

    def set(self, way: str, **values: str) -> Page:
        """Follow the link of a way to its form, and send that."""
        (link,) = [one for one in self.page().links if f"{SET}{way}?" in one]
        return self.browser.send(self.browser.get(link).form(SET), **values)

    def try_it(self, way: str, **values: str) -> str:
        """Press its button, and return what the page says then."""
        tried = [one for one in self.page().forms if one.values.get("way") == way]
        page = self.browser.send(tried[0], **values)
        assert page.path == HERE
        return page.words


def assert_hidden(server: Serving, *secrets: str) -> None:
    """Nothing that can be read later has these: neither files beside the database, nor the log."""
    for path in server.database.parent.glob("site.db*"):
        if path.is_file():
            assert not [one for one in secrets if one.encode() in path.read_bytes()]
    assert not [one for one in secrets if one in json.dumps(server.lines)]
    browser = Browser(server)
    for page in (HERE, "/system", "/system/audit", f"{SET}mail", f"{SET}push", f"{SET}ping"):
        assert not [one for one in secrets if one in browser.get(page).html]


async def test_mail_is_set_and_tried(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    words = ("--host", "127.0.0.1", "--at-once", "--cert", pair.cert, "--key", pair.key)
    async with serving_mail(*words) as mails:
        with serving(tmp_path / "site.db") as server:
            await trio.to_thread.run_sync(_set_mail, server, mails)
            taken = await mails.taken()
            assert (taken["to"], taken["from"]) == (["anna@example.org"], USER)
            assert "Bauhof 12" in taken["headers"]["from"]
            assert (await mails.taken())["to"] == ["ben@example.org"]
        with serving(tmp_path / "site.db") as server:  # it survives a restart
            owner = Owner(server)
            try_it = partial(owner.try_it, "mail", to="cleo@example.org")
            assert "Answer: 250 OK" in await trio.to_thread.run_sync(try_it)


def _set_mail(server: Serving, mails: MailServer) -> None:
    owner, host = Owner(server), f"127.0.0.1:{mails.port}"
    assert "No mail goes out" in owner.page().words
    refused = owner.set("mail", server="no server", user=USER, password=WRONG)
    assert "Server : Give the name of a mail server, such as smtp.example.org" in refused.words
    refused = owner.set("mail", server=host, user="haus", password=WRONG)
    assert "Mails come from : Give the address from which mails come" in refused.words

    owner.set("mail", server=host, user=USER, password=WRONG)
    said = owner.try_it("mail", to="anna@example.org")
    assert "The mail server does not accept the user or the password: 535" in said
    owner.set("mail", password=PASSWORD, sender=f"Bauhof 12 <{USER}>")
    said = owner.try_it("mail", to="anna@example.org")
    assert "A mail to anna@example.org was handed over. Answer: 250 OK" in said
    # Without the password, that of before stays; at another server it is not tried.
    owner.set("mail", sender="")
    assert "Answer: 250 OK" in owner.try_it("mail", to="ben@example.org")
    owner.set("mail", server=f"localhost:{mails.port}")
    assert "no password" in owner.page().words
    owner.set("mail", server=host, password=PASSWORD)
    assert_hidden(server, PASSWORD, WRONG, "p%3As")


def test_push_and_signs_of_life_hold_at_once(tmp_path: Path) -> None:
    with receiving() as (pings, pushed, url):
        with serving(tmp_path / "site.db") as server:
            owner = Owner(server)
            assert "Give the address of a server of ntfy" in owner.set("push", server="a b").words
            owner.set("push", server=url, password=TOKEN)
            assert "127.0.0.1 answered: 200" in owner.try_it("push")
            assert len(pushed) == 1
            assert "Give the whole address" in owner.set("ping", url="hc-ping.com").words
            owner.set("ping", url=f"{url}/uuid-of-the-owner")
            wait_for(lambda: pings == ["/uuid-of-the-owner"])
            assert "127.0.0.1 answered: 200" in owner.try_it("ping")
            # Messages go out by the new way without a restart.
            ask(server, "POST", "recipients", body={"name": "Cleo"})
            ask(server, "POST", "recipients", "1", "topic")
            ask(server, "POST", "recipients", "1", "test")
            assert len(pushed) == 2
            assert_hidden(server, TOKEN, "uuid-of-the-owner")
        pings.clear()
        with serving(tmp_path / "site.db") as server:
            wait_for(lambda: pings == ["/uuid-of-the-owner"])
            owner = Owner(server)
            page = owner.browser.send(owner.page().form("Send no more signs of life"))
            assert "Nobody outside notices if this machine dies." in page.words


def test_a_copy_each_night(tmp_path: Path) -> None:
    folder = tmp_path / "stick"
    with serving(tmp_path / "site.db") as server:
        owner = Owner(server)
        refused = owner.set("backup", folder="stick")
        assert "Folder on this machine : Give the whole path, such as /mnt/stick" in refused.words
        refused = owner.set("backup", folder=str(folder))
        assert f"There is no folder {folder} on this machine" in refused.words
        refused = owner.set("backup", folder="/proc")
        assert "This program cannot write to /proc: " in refused.words
        folder.mkdir()
        owner.set("backup", folder=str(folder), keep="3")
        said = owner.try_it("backup")
        (copy,) = folder.iterdir()
        assert f"MB was written to {copy}, and checked: it is sound" in said
        assert said.count("The copies are on the disk of the database") == 1
        assert f"{folder} ; the last 3 are kept." in owner.page().words
        folder.rename(tmp_path / "pulled")
        assert f"There is no folder {folder} on this machine" in owner.try_it("backup")
    with serving(tmp_path / "site.db") as server:  # one that is gone keeps nobody from starting
        assert str(folder) in Owner(server).page().words


def test_the_copy_of_a_night_without_power_is_made_at_the_start(tmp_path: Path) -> None:
    note = {"at": "2020-01-01T00:00:00.000Z", "file": "x.db", "bytes": 1}
    (tmp_path / "site.db.backup").write_text(json.dumps(note))
    stick = tmp_path / "stick"
    failed = "The nightly copy could not be made:"
    with serving(tmp_path / "site.db", "--backup-folder", str(stick)) as server:
        server.wait_line("the copy of this night could not be made")
        wait_for(lambda: f"{failed} there is no folder {stick}" in Browser(server).get("/").words)
    stick.mkdir()
    with serving(tmp_path / "site.db", "--backup-folder", str(stick)) as server:
        server.wait_line("the copy of this night was made")
        assert len([*stick.iterdir()]) == 1
        assert failed not in Browser(server).get("/").words


def test_what_is_given_elsewhere_wins_and_is_changed_only_there(tmp_path: Path) -> None:
    file = tmp_path / "levity.toml"
    file.write_text('ntfy = "https://ntfy.example.org"')
    with serving(tmp_path / "site.db") as server:
        Owner(server).set("ping", url="https://hc-ping.com/of-the-browser")
    flags = ("--config", str(file), "--ping-url", "https://hc-ping.com/of-the-flag")
    with serving(tmp_path / "site.db", *flags) as server:
        page = Owner(server).page()
        assert "It is given by --ping-url, and changed only there." in page.words
        assert f"It is given by {file}: ntfy, and changed only there." in page.words
        assert not [one for one in page.links if "/ping?" in one or "/push?" in one]
        browser = Browser(server)
        form = browser.get(f"{SET}ping").form(SET)
        refused = browser.send(form, url="https://hc-ping.com/other")
        assert "This is given by --ping-url: change it there" in refused.words


@contextmanager
def moved(tmp_path: Path) -> Iterator[Serving]:
    """A server whose key of secrets was left on the machine before."""
    with serving(tmp_path / "site.db") as server:
        Owner(server).set("ping", url="https://hc-ping.com/uuid")
    (tmp_path / "site.db.key").unlink()
    with serving(tmp_path / "site.db") as server:
        yield server


def test_a_secret_whose_key_is_missing_is_said_to_be(tmp_path: Path) -> None:
    with moved(tmp_path) as server:
        owner = Owner(server)
        assert [one for one in server.lines if one.get("of") == ["ping-url"]]
        assert "so this is off until it is set again: ping-url" in owner.browser.get("/").words
        assert "It was set here, but the key of its secret is missing." in owner.page().words
        owner.set("ping", url="https://hc-ping.com/uuid")
        assert "off until it is set again" not in owner.browser.get("/").words


@pytest.mark.parametrize("way", ["mail"])
def test_only_admins_set_it(tmp_path: Path, way: str) -> None:
    with serving(tmp_path / "site.db") as server:
        users: Any = {"name": "op", "role": "admin", "password": "a long enough password"}
        ask(server, "POST", "users", body=users)
        assert Browser(server).get(f"{SET}{way}").path.startswith("/login")
