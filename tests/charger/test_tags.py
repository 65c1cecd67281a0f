"""Tags in conversations: what Authorize, StartTransaction and StopTransaction answer, and who is
asked meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import trio

from levity_trio.access.tags import Policy, Tag, Unknown, Verdict
from levity_trio.billing.ownership import Thing, TimeSpan, What
from levity_trio.charger.central import Central
from levity_trio.events import StartRefused, TagPresented
from levity_trio.store.reads.transactions.costs import policy_of
from levity_trio.store.writes.people import accounts, ownership, tags
from levity_trio.store.writes.people.accounts import AccountData
from levity_trio.store.writes.people.ownership import NamedThing, Said
from levity_trio.store.writes.people.tags import TagData
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import Charger, open_charger

NOW = "2026-03-01T12:00:00Z"
AT = "2026-03-01T12:00:00.000Z"
TOMORROW = "2026-03-02T12:00:00.000Z"
START = {"connectorId": 1, "idTag": "Card", "meterStart": 1000, "timestamp": NOW}


def use(central: Central, **settings: Any) -> None:
    """Change settings of tags, as a start with them does."""
    configure(central, **settings)
    central.tags.policy = policy_of(central.config)


async def add(central: Central, id_tag: str, **fields: Any) -> None:
    data = TagData(id_tag=id_tag, **fields)
    await central.writer.run(tags.add, central.policy, data, AT, "anna")


async def authorize(charger: Charger, id_tag: str) -> Any:
    return (await charger.call("Authorize", {"idTag": id_tag}))["idTagInfo"]


@pytest.mark.parametrize(
    ("unknown", "status"),
    [("accept", "Accepted"), ("refuse", "Invalid"), ("ask", "Invalid")],
    ids=str,
)
async def test_an_unknown_tag(
    central: Central, writer: InlineWriter, unknown: str, status: str
) -> None:
    use(central, unknown_tags=unknown)
    async with open_charger(central) as charger:
        for id_tag in ("Nobody", "", "é", "x" * 30):
            assert await authorize(charger, id_tag) == {"status": status}
        started = await charger.call("StartTransaction", START)
        assert started["idTagInfo"] == {"status": status}
        await charger.call(
            "StopTransaction",
            {"transactionId": started["transactionId"], "meterStop": 4000, "timestamp": NOW},
        )
    assert writer.row("SELECT verdict, energy_delivered FROM tx") == (status, 3000)
    asked = [key for (key,) in writer.rows("SELECT key FROM asked_tag ORDER BY key")]
    assert asked == (["card", "nobody", "x" * 30, "é"] if unknown == "ask" else [])
    assert len(writer.recorded(StartRefused)) == (0 if status == "Accepted" else 1)


async def test_a_known_tag(central: Central, writer: InlineWriter) -> None:
    use(central, unknown_tags="refuse")
    await add(central, "Card", parent_id_tag="Family", expires_at=TOMORROW)
    whole = {"status": "Accepted", "expiryDate": "2026-03-02T12:00:00Z", "parentIdTag": "Family"}
    async with open_charger(central) as charger:
        assert await authorize(charger, " cARD") == whole
        started = await charger.call("StartTransaction", START)
        assert started["idTagInfo"] == whole
        await central.writer.run(
            tags.change, central.policy, "card", {"status": "Blocked"}, AT, "ben"
        )
        assert await authorize(charger, "Card") == whole | {"status": "Blocked"}
        assert await charger.call("StartTransaction", START) == started  # for ever
        stop = {
            "transactionId": started["transactionId"],
            "meterStop": 2000,
            "timestamp": NOW,
            "idTag": "Card",
        }
        assert await charger.call("StopTransaction", stop) == {
            "idTagInfo": whole | {"status": "Blocked"}
        }
    assert [fact.id_tag for fact in writer.recorded(TagPresented)] == [" cARD", "Card"]  # as sent


async def test_a_stop_without_a_tag_is_answered_without_one(central: Central) -> None:
    async with open_charger(central) as charger:
        started = await charger.call("StartTransaction", START)
        stop = {"transactionId": started["transactionId"], "meterStop": 2000, "timestamp": NOW}
        assert await charger.call("StopTransaction", stop) == {}


async def test_a_family_may_end_a_session(central: Central) -> None:
    """ConcurrentTx is no answer to Authorize, which a charger also sends before it lets a tag
    stop."""
    await add(central, "Card", max_transactions=1)
    async with open_charger(central) as charger:
        await charger.call("StartTransaction", START)
        assert await authorize(charger, "Card") == {"status": "Accepted"}
        second = await charger.call("StartTransaction", START | {"connectorId": 2})
        assert second["idTagInfo"] == {"status": "ConcurrentTx"}


async def test_the_auto_start_tag_counts_as_known(central: Central) -> None:
    use(central, unknown_tags="refuse", auto_start=True, auto_start_id_tag="HOUSE")
    async with open_charger(central) as charger:
        assert await authorize(charger, "house") == {"status": "Accepted"}
    use(central, auto_start=False)
    async with open_charger(central) as charger:
        assert await authorize(charger, "house") == {"status": "Invalid"}


async def test_authorize_does_not_wait_for_the_disk(central: Central, writer: InlineWriter) -> None:
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        writer.answer_seconds = 1000
        began = trio.current_time()
        await authorize(charger, "Card")
        assert trio.current_time() == began
        writer.answer_seconds = 0


async def test_a_tag_in_memory_is_that_of_the_database(central: Central) -> None:
    """The index follows each write, so that Authorize and StartTransaction agree."""
    use(central, unknown_tags="refuse")
    async with open_charger(central) as charger:
        changes = (
            {"status": "Blocked"},
            {"status": "Accepted"},
            {"expires_at": "2020-01-01T00:00:00.000Z"},
        )
        for number, fields in enumerate(changes):
            if central.tags.find("card") is None:
                await add(central, "Card", **fields)
            else:
                await central.writer.run(tags.change, central.policy, "Card", fields, AT, "ben")
            start = START | {"timestamp": f"2026-03-01T11:00:0{number}Z"}
            assert (await charger.call("StartTransaction", start))["idTagInfo"] == await authorize(
                charger, "Card"
            )
    assert central.tags.find("card") == Tag("Accepted", "2020-01-01T00:00:00.000Z", None, None)


# Outside


class Outside:
    """A server that is asked about tags; `verdict` None: it is away."""

    def __init__(
        self, central: Central, writer: InlineWriter, verdict: Verdict | None, away: str = "accept"
    ) -> None:
        use(central, unknown_tags="ask", authorizer="http://127.0.0.1/", authorizer_away=away)
        central.authorizer = self.ask
        self.verdict = verdict
        self.asked: list[tuple[str, str, int | None]] = []
        self.stored: list[Any] = []
        self._writer = writer

    async def ask(self, id_tag: str, charger: str, connector: int | None) -> Verdict | None:
        self.asked.append((id_tag, charger, connector))
        self.stored = self._writer.rows("SELECT verdict, is_asked FROM tx")
        await trio.sleep(1)
        return self.verdict


async def test_an_unknown_tag_is_asked_outside(central: Central, writer: InlineWriter) -> None:
    outside = Outside(central, writer, Verdict("Blocked", TOMORROW, "Guests"))
    await add(central, "Known")
    told = {"status": "Blocked", "expiryDate": "2026-03-02T12:00:00Z", "parentIdTag": "Guests"}
    async with open_charger(central) as charger:
        assert await authorize(charger, "Card") == told
        started = await charger.call("StartTransaction", START)
        assert started["idTagInfo"] == told
        assert outside.stored == [("Accepted", 1)]  # committed before it is asked
        assert await charger.call("StartTransaction", START) == started
        assert await authorize(charger, "known") == {"status": "Accepted"}
    assert outside.asked == [("Card", "CP-1", None), ("Card", "CP-1", 1)]
    assert writer.row("SELECT verdict, verdict_expiry, verdict_parent, is_asked FROM tx") == (
        "Blocked",
        TOMORROW,
        "Guests",
        0,
    )
    assert [fact.verdict for fact in writer.recorded(StartRefused)] == ["Blocked"]
    assert writer.rows("SELECT 1 FROM asked_tag") == []


@pytest.mark.parametrize(("away", "status"), [("accept", "Accepted"), ("refuse", "Invalid")])
async def test_nobody_answers_outside(
    central: Central, writer: InlineWriter, away: str, status: str
) -> None:
    outside = Outside(central, writer, None, away)
    async with open_charger(central) as charger:
        assert await authorize(charger, "Card") == {"status": status}
        started = await charger.call("StartTransaction", START)
        assert started["idTagInfo"] == {"status": status}
        outside.verdict = Verdict("Blocked")
        assert await charger.call("StartTransaction", START) == started


async def test_a_charger_that_leaves_while_it_is_asked_gets_the_answer_later(
    central: Central, writer: InlineWriter
) -> None:
    outside = Outside(central, writer, Verdict("Accepted"))
    async with open_charger(central) as charger:
        await charger.call("Heartbeat")
        await charger.send_call("StartTransaction", START)
        await trio.testing.wait_all_tasks_blocked()
    outside.verdict = Verdict("Blocked")
    async with open_charger(central) as charger:
        started = await charger.call("StartTransaction", START)
        assert started["idTagInfo"]["status"] == writer.row("SELECT verdict FROM tx")[0]
        assert await charger.call("StartTransaction", START) == started


def test_the_settings_become_the_policy(central: Central) -> None:
    configure(central, authorizer="http://x/", authorizer_away="refuse", unknown_tags="accept")
    assert policy_of(central.config) == Policy(Unknown.REFUSE, has_authorizer=True)
    assert policy_of(replace(central.config, authorizer=None)) == Policy(Unknown.ACCEPT)


async def test_a_space_that_is_for_one_household_only(
    central: Central, writer: InlineWriter
) -> None:
    """Authorize is answered from memory, a start from the database, and a stop is taken from
    anybody."""
    for card in ("Card", "Other"):
        await add(central, card)
    data = AccountData(name="Flat 1", since="2026-01-01T00:00:00.000Z")
    said, span = Said(AT, "anna"), TimeSpan("2026-01-01T00:00:00.000Z")
    async with open_charger(central) as charger:
        await charger.call(
            "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        )
        for account, card in ((1, "Card"), (2, "Other")):
            await central.writer.run(accounts.add, replace(data, name=card), AT, "anna")
            thing = Thing(What.TAG, card.lower())
            await central.writer.run(ownership.give, account, NamedThing(thing, card), span, said)
        space = NamedThing(Thing(What.SPACE, "CP-1", 1), is_exclusive=True)
        await central.writer.run(ownership.give, 1, space, span, said)
        assert [(await authorize(charger, card))["status"] for card in ("Card", "Other")] == [
            "Accepted",
            "Invalid",
        ]
        started = await charger.call("StartTransaction", START | {"idTag": "Other"})
        assert started["idTagInfo"] == {"status": "Invalid"}
        assert started["transactionId"] > 0
        stop = {
            "transactionId": started["transactionId"],
            "meterStop": 4000,
            "timestamp": NOW,
            "idTag": "Other",
        }
        assert (await charger.call("StopTransaction", stop))["idTagInfo"]["status"] == "Accepted"
    assert writer.row("SELECT verdict, verdict_reason, energy_delivered FROM tx") == (
        "Invalid",
        "space",
        3000,
    )
    (fact,) = [one for one in writer.recorded(TagPresented) if one.verdict == "Invalid"]
    assert (fact.id_tag, fact.reason) == ("Other", "space")
    assert writer.rows("SELECT id_tag, conn_id, reason, count FROM refused_card") == [
        ("Other", 1, "space", 2)
    ]


async def test_the_cards_of_a_household_are_one_group(
    central: Central, writer: InlineWriter
) -> None:
    """Its name is no card's; a group that the owner set stays, and so does a card that belongs to
    nobody. A card that may not charge is in no group."""
    span, said = TimeSpan(AT), Said(AT, "anna", None)
    await central.writer.run(
        accounts.add, AccountData(name="Anna", address="Street 1", since=AT), AT, "anna"
    )
    for card in ("Card", "Second", "Grouped", "Lost"):
        await add(central, card, parent_id_tag="Parents" if card == "Grouped" else None)
        await central.writer.run(
            ownership.give, 1, NamedThing(Thing(What.TAG, card.lower()), card), span, said
        )
    await central.writer.run(tags.change, central.policy, "Lost", {"status": "Blocked"}, AT, "anna")
    async with open_charger(central) as charger:
        started = await charger.call("StartTransaction", START)
        group = started["idTagInfo"]["parentIdTag"]
        assert 0 < len(group) <= 20
        assert [
            (await authorize(charger, card)).get("parentIdTag")
            for card in ("second", "Grouped", "Lost", "Guest")
        ] == [*(group, "Parents", None, None)]
        stop = {
            "transactionId": started["transactionId"],
            "meterStop": 4000,
            "timestamp": NOW,
            "idTag": "Second",
        }
        told = await charger.call("StopTransaction", stop | {"reason": "Local"})
        assert told["idTagInfo"] == {"status": "Accepted", "parentIdTag": group}
    assert writer.rows("SELECT code FROM review") == []
