"""The pages of messages: who is told what, what was sent, what is wrong; and what a driver
chooses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from levity_trio.told import stored
from levity_trio.web.api.engine.endpoints import Caller, Role
from levity_trio.web.dashboard.pages import messages
from tests.web.api.conftest import Site
from tests.web.api.driving import Yard
from tests.web.api.test_messages import added, store_message
from tests.web.dashboard.opening import Opening

PAGE, OWN = messages.PAGES


def settings(site: Site | Yard, **given: Any) -> None:
    vars(site.api.config).update(given)


async def test_nobody_is_told_anything_yet(site: Site) -> None:
    shown = (await Opening(site, Role.OPERATOR).open(PAGE)).words
    assert "No way out is set, so nobody is told anything." in shown
    assert "Nobody yet. Begin with yourself." in shown


async def test_what_is_wrong_stands_beside_the_person(site: Site) -> None:
    settings(
        site, mail="smtps://haus%40example.org@mail.example.org", ntfy="https://ntfy.example.org"
    )
    number = (await added(site, kinds=["away"], quiet_from="22:00", quiet_until="06:00"))["id"]
    site.books.connection.execute(
        "UPDATE recipient "
        "SET mail_problem = '\"550 no such user\"', topic = 'sealed:x', topic_shown_at = NULL"
    )
    store_message(site, number, sent_at=site.books.at, sent_to="cleo@example.org", perhaps_twice=1)
    store_message(site, number, problem=stored("the mail server does not answer"))
    shown = (await Opening(site).open(PAGE)).words
    assert (
        "Mails come from haus@example.org. What cannot be delivered comes back to that mailbox"
        in shown
    )
    assert (
        "1 person must scan a new code: the one before was lost with the file of secrets. Cleo"
        in shown
    )
    assert "cleo@example.org ✕ refused 550 no such user" in shown
    assert "A charger is away (after 30 minutes)" in shown
    assert "22:00 – 06:00" in shown
    assert "▲ waits the mail server does not answer" in shown
    assert "● sent" in shown
    assert "perhaps twice" in shown


async def test_a_driver_sees_the_own_ones_only(yard: Yard) -> None:
    anna = Opening(yard, Caller("anna", Role.DRIVER, "127.0.0.1", account=1))
    assert "Messages are not set up here. Ask the owner." in (await anna.open(OWN)).words
    vars(yard.api)["config"] = replace(yard.api.config, mail="smtps://haus@mail.example.org")
    for driver, mail in ((yard.anna, "anna@example.org"), (yard.ben, "ben@example.org")):
        await driver.put("/recipient", {"mail": mail, "kinds": ["full"]})
    store_message(
        yard, 1, subject="The car is full", sent_at=yard.books.at, sent_to="anna@example.org"
    )
    store_message(yard, 2, subject="Ben's car is full")
    shown = (await anna.open(OWN)).words
    assert "Mail anna@example.org Push off Is told The car is full" in shown
    assert "The car is full anna@example.org ● sent" in shown
    assert "Ben" not in shown
    assert "ben" not in shown
