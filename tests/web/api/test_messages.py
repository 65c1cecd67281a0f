"""Who is told what, as owners and drivers choose it; topics, which are shown once; and tests of
each way out."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from levity_trio.billing.ownership import BillBy
from levity_trio.notify.delivery import Around, LinkAddresses, Messages
from levity_trio.notify.kinds import OF_DRIVER, OF_SITE
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.upkeep.following import LiveConfig
from levity_trio.store.writes.people.messages import claim
from levity_trio.told import stored
from levity_trio.web.api.engine.endpoints import Endpoint
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.money.billing import CLOSING
from levity_trio.web.api.site import messages
from levity_trio.web.dashboard.page import ApiRefused
from tests.notify.ntfy import serving_ntfy
from tests.store.facts import closed_statement
from tests.web.api.conftest import Site
from tests.web.api.driving import Yard

ENDPOINTS = {(one.method, one.path): one for one in messages.ENDPOINTS}
RECIPIENTS, RECIPIENT = messages.RECIPIENTS, messages.RECIPIENT
OWNER = {"name": "Cleo", "mail": "cleo@example.org", "kinds": ["fault", "disk"], "away_minutes": 30}


def declared(method: str, path: str) -> Endpoint:
    return ENDPOINTS[method, path]


def store_message(site: Site | Yard, recipient: int, **more: Any) -> None:
    given = {
        "message_id": f"m{recipient}{len(more)}",
        "recipient_id": recipient,
        "channel": "mail",
        "part": "begin",
        "kind": "fault",
        "subject": "Space 4: faulted",
        "created_at": site.books.at,
        "not_before": site.books.at,
        "next_at": site.books.at,
        **more,
    }
    names, gaps = ", ".join(given), ", ".join("?" * len(given))
    site.books.connection.execute(
        f"INSERT INTO message ({names}) VALUES ({gaps})", tuple(given.values())
    )


async def added(site: Site, **more: Any) -> Any:
    return await site.call(declared("POST", RECIPIENTS), body={**OWNER, **more})


async def test_a_second_click_adds_nobody(site: Site) -> None:
    first, second, other = [await added(site, away_minutes=minutes) for minutes in (5, 5, 6)]
    assert first["id"] == second["id"] != other["id"]
    await site.call(declared("DELETE", RECIPIENT), id=str(first["id"]))
    assert (await added(site, away_minutes=5))["id"] not in (first["id"], other["id"])


async def test_an_owner_is_added_changed_and_removed(site: Site) -> None:
    made = await added(site, quiet_from="22:00", quiet_until="06:30")
    assert (made["who"], made["mail"], made["kinds"]) == (
        "owner",
        "cleo@example.org",
        ["fault", "disk"],
    )
    assert (made["quiet_from"], made["quiet_until"], made["away_minutes"]) == ("22:00", "06:30", 30)
    changed = await site.call(
        declared("PUT", RECIPIENT),
        body={"mail": "c@example.org", "with_names": True},
        id=str(made["id"]),
    )
    assert (changed["mail"], changed["kinds"], changed["with_names"]) == ("c@example.org", [], True)
    assert [one["id"] for one in await site.call(declared("GET", RECIPIENTS))] == [made["id"]]
    await site.call(declared("DELETE", RECIPIENT), id=str(made["id"]))
    assert await site.call(declared("GET", RECIPIENTS)) == []
    for method in ("GET", "DELETE"):
        with pytest.raises(Problem, match="there is no recipient"):
            await site.call(declared(method, RECIPIENT), id=str(made["id"]))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kinds": ["full"]}, "kinds"),
        ({"quiet_from": "22:00"}, "quiet_until"),
        ({"quiet_until": "22:00"}, "quiet_from"),
        ({"who": "driver"}, "account"),
        ({"account": 1}, "account"),
        ({"gets_statements": True}, "gets_statements"),
        ({"mail": "cleo"}, "mail"),
        ({"quiet_from": "24:00", "quiet_until": "06:00"}, "quiet_from"),
    ],
)
async def test_what_cannot_be_used(site: Site, wrong: Any, field: str) -> None:
    with pytest.raises(Problem) as refused:
        await added(site, **wrong)
    assert refused.value.members["field"] == field


async def test_a_topic_is_shown_once_and_replaced(site: Site) -> None:
    number = (await added(site))["id"]
    with pytest.raises(Problem, match="no ntfy server is set"):
        await site.call(declared("POST", f"{RECIPIENT}/topic"), id=str(number))
    vars(site.api.config).update(ntfy="https://:tk_1@ntfy.example.org/push")
    first = await site.call(declared("POST", f"{RECIPIENT}/topic"), id=str(number))
    second = await site.call(declared("POST", f"{RECIPIENT}/topic"), id=str(number))
    assert len(first["topic"]) == 32
    assert first["topic"] != second["topic"]
    assert second["url"] == f"https://ntfy.example.org/push/{second['topic']}"
    assert second["app"] == f"ntfy://ntfy.example.org/push/{second['topic']}"
    assert len(second["code"]) == len(second["code"][0])
    told = await site.call(declared("GET", RECIPIENT), id=str(number))
    assert (told["has_push"], told["must_scan"]) == (True, False)
    assert second["topic"] not in repr(told)
    await site.call(declared("DELETE", f"{RECIPIENT}/topic"), id=str(number))
    assert not (await site.call(declared("GET", RECIPIENT), id=str(number)))["has_push"]


async def test_a_test_goes_each_way_that_is_set(site: Site, tmp_path: Path) -> None:
    number = str((await added(site, language="de"))["id"])
    with pytest.raises(Problem, match="no mail server is set"):
        await site.call(declared("POST", f"{RECIPIENT}/test"), id=number)
    async with serving_ntfy() as ntfy:
        vars(site.api.config).update(mail=f"folder:{tmp_path}", ntfy=ntfy.url)
        topic = (await site.call(declared("POST", f"{RECIPIENT}/topic"), id=number))["topic"]
        sent = await site.call(declared("POST", f"{RECIPIENT}/test"), id=number)
        tried = [(one["way"], one["to"]) for one in sent["tests"]]
        assert tried == [("mail", "cleo@example.org"), ("push", "127.0.0.1")]
        assert ntfy.published[0]["topic"] == topic
    (letter,) = [path for path in tmp_path.iterdir() if path.suffix == ".eml"]  # noqa: ASYNC240
    assert message_from_bytes(letter.read_bytes())["To"] == "cleo@example.org"


async def test_each_way_is_tried_alone(site: Site, tmp_path: Path) -> None:
    test = declared("POST", f"{messages.MESSAGES}/test")
    for way in ("mail", "push", "ping"):
        with pytest.raises(Problem) as refused:
            await site.call(test, body={"way": way})
        assert refused.value.code == "conflict"
    async with serving_ntfy() as receiver:
        mail = f"folder:{tmp_path}"
        vars(site.api.config).update(mail=mail, ntfy=receiver.url, ping_url=f"{receiver.url}/uuid")
        assert (await site.call(test, body={"way": "mail", "to": "a@example.org"}))[
            "to"
        ] == "a@example.org"
        assert (await site.call(test, body={"way": "push"}))["to"] == "127.0.0.1"
        assert (await site.call(test, body={"way": "ping"}))["to"] == "127.0.0.1"
        receiver.status = b"500 Oops"
        for way in ("push", "ping"):
            with pytest.raises(Problem, match=r"127\.0\.0\.1 answers 500") as refused:
                await site.call(test, body={"way": way})
            assert refused.value.code == "unsent"


async def test_what_was_sent(site: Site) -> None:
    number = (await added(site))["id"]
    store_message(site, number, sent_at=site.books.at, sent_to="cleo@example.org", perhaps_twice=1)
    store_message(site, number, problem=stored("the mail server does not answer"))
    waiting, sent = await site.call(declared("GET", messages.MESSAGES))
    assert (sent["name"], sent["sent_to"], sent["perhaps_twice"]) == (
        "Cleo",
        "cleo@example.org",
        True,
    )
    assert (waiting["sent_at"], waiting["problem"]) == (None, "the mail server does not answer")
    assert (
        await site.call(declared("GET", messages.MESSAGES), query={"before": str(sent["id"])}) == []
    )


async def test_where_bounces_arrive(site: Site) -> None:
    ways = declared("GET", f"{messages.MESSAGES}/ways")
    unset = dict.fromkeys(("mail", "push", "ping", "backup"), False)
    assert await site.call(ways) == unset | {"sender": None}
    vars(site.api.config).update(mail="smtps://haus%40example.org@mail.example.org")
    assert (await site.call(ways))["sender"] == "haus@example.org"
    vars(site.api.config).update(mail_from="Bauhof 12 <bills@example.org>")
    assert (await site.call(ways))["sender"] == "bills@example.org"


async def test_statements_of_a_closed_month_are_mailed_once(site: Site) -> None:
    mail, sent = (
        declared("POST", f"{CLOSING}/mail"),
        declared("GET", "/api/admin/statements/{id}/messages"),
    )
    with pytest.raises(Problem, match="no mail server is set"):
        await site.call(mail, body={}, month="2026-10")
    vars(site.api.config).update(mail="smtps://haus@mail.example.org")
    vars(site.api).update(messages=sending(site))
    with pytest.raises(Problem, match="no closed statement of 2026-10"):
        await site.call(mail, body={}, month="2026-10")
    site.books.connection.execute(
        "INSERT INTO account (name, since, created_at, created_by, updated_at) "
        "VALUES ('Anna', '', '', '', '')"
    )
    closed_statement(site.books)
    nobody = await site.call(mail, body={}, month="2026-10")
    assert nobody == {"month": "2026-10", "mails": 0, "earlier": 0, "without_address": [1]}
    await added(site, who="driver", account=1, kinds=[], gets_statements=True)
    # a second click
    first, second = [await site.call(mail, body={}, month="2026-10") for _ in range(2)]
    assert (first["mails"], second["mails"], second["earlier"]) == (2, 0, 2)
    told = await site.call(sent, id="1")
    assert [one["part"] for one in told] == ["supplement", "statement"]
    assert [(one["name"], one["sent_at"]) for one in told] == [("Cleo", None)] * 2


async def test_statements_go_to_the_address_of_the_household_unless_one_is_set(site: Site) -> None:
    mail = declared("POST", f"{CLOSING}/mail")
    vars(site.api.config).update(mail="smtps://haus@mail.example.org")
    vars(site.api).update(messages=sending(site))
    site.books.connection.execute(
        "INSERT INTO account (name, mail, since, created_at, created_by, updated_at) "
        "VALUES ('Anna', 'anna@example.org', '', '', '', '')"
    )
    closed_statement(site.books)
    first, second = [await site.call(mail, body={}, month="2026-10") for _ in range(2)]
    assert (first["mails"], second["mails"], second["earlier"]) == (2, 0, 2)
    assert await site.call(declared("GET", RECIPIENTS)) == []
    # It goes to the address that the household has when it leaves.
    site.books.connection.execute("UPDATE account SET mail = 'new@example.org'")
    (number,) = site.books.rows("SELECT id FROM message")[0]
    claimed = site.books.run(claim, number, site.books.at)
    assert claimed is not None
    assert claimed.mail == "new@example.org"
    sent = await site.call(declared("GET", messages.MESSAGES))
    assert [one["name"] for one in sent] == ["Anna"] * 2
    await added(site, who="driver", account=1, mail="ben@example.org", kinds=[])
    again = await site.call(mail, body={"again": True}, month="2026-10")
    assert again["mails"] == 2
    newest = site.books.run(claim, number + 2, site.books.at)
    assert newest is not None
    assert newest.mail == "ben@example.org"
    # Without an address of any kind, nothing can be mailed.
    site.books.connection.execute("UPDATE account SET mail = NULL")
    site.books.connection.execute("UPDATE recipient SET ended_at = '2026' WHERE is_household = 0")
    nobody = await site.call(mail, body={"again": True}, month="2026-10")
    assert nobody["without_address"] == [1]


def sending(site: Site) -> Messages:
    """What takes messages that nobody sends."""
    around = Around(
        live=cast(LiveConfig, SimpleNamespace(now=site.api.config)),
        reader=site.api.reader,
        writer=site.api.writer,
        clock=site.api.clock,
        key=site.api.key,
        rule=Rule(site.api.config.time_zone, site.books.policy, BillBy.TAG),
        addresses=LinkAddresses(None, None),
        is_clock_trusted=lambda: True,
    )
    return Messages(around, ())


class TestDrivers:
    async def test_each_driver_chooses_alone(self, yard: Yard) -> None:
        assert (await yard.anna.get("/recipient"))["kinds"] == [*OF_DRIVER]
        chosen = {
            "mail": "anna@example.org",
            "kinds": ["full"],
            "quiet_from": "22:00",
            "quiet_until": "06:00",
        }
        for _ in range(2):  # a second click
            kept = await yard.anna.put("/recipient", chosen)
            assert (kept["mail"], kept["kinds"], kept["quiet_from"]) == (
                "anna@example.org",
                ["full"],
                "22:00",
            )
        assert (await yard.ben.get("/recipient"))["mail"] is None
        rows = yard.books.rows("SELECT who, account_id, mail FROM recipient")
        assert [tuple(row) for row in rows] == [("driver", 1, "anna@example.org")]
        with pytest.raises(ApiRefused):
            await yard.anna.put("/recipient", {"kinds": [next(iter(OF_SITE))]})

    async def test_push_needs_no_address(self, yard: Yard) -> None:
        with pytest.raises(ApiRefused, match="not set up"):
            await yard.anna.post("/recipient/topic", {})
        vars(yard.api)["config"] = replace(yard.api.config, ntfy="http://ntfy.example.org")
        made = await yard.anna.post("/recipient/topic", {})
        assert made["app"] == f"ntfy://ntfy.example.org/{made['topic']}?secure=false"
        own = await yard.anna.get("/recipient")
        assert (own["has_push"], own["must_scan"], own["kinds"]) == (True, False, [*OF_DRIVER])
        await yard.anna.ask("DELETE", "/recipient/topic")
        assert not (await yard.anna.get("/recipient"))["has_push"]
        assert await yard.anna.get("/messages") == []
