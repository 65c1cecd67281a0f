"""Whose a tag is and when it was used last, as a client sees it."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from levity_trio.access.tags import Policy, Unknown
from levity_trio.store.writes.people import tags as writes
from levity_trio.store.writes.people.tags import TagData
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.people import accounts, limits, tags
from levity_trio.web.api.people.tags import ChangeBody, TagBody, as_stored
from tests.store.books import Station
from tests.store.owning import House
from tests.web.api.conftest import Site

(LIST,) = [one for one in tags.ENDPOINTS if (one.method, one.path) == ("GET", tags.ID_TAGS)]
(OWNED,) = [one for one in accounts.ENDPOINTS if one.path == accounts.OWNED_TAGS]
(GIVE,) = [one for one in accounts.ENDPOINTS if one.path == f"{accounts.ACCOUNT}/give"]
(ASKED,) = [one for one in tags.ENDPOINTS if (one.method, one.path) == ("GET", tags.ASKED)]
(SAME,) = [one for one in tags.ENDPOINTS if one.path.endswith("/same")]
(CREATE,) = [one for one in tags.ENDPOINTS if (one.method, one.path) == ("POST", tags.ID_TAGS)]
(CHANGE,) = [one for one in tags.ENDPOINTS if one.method == "PATCH"]
(REMOVE,) = [one for one in tags.ENDPOINTS if (one.method, one.path) == ("DELETE", tags.ID_TAG)]
(LIMIT,) = [one for one in limits.ENDPOINTS if one.method == "PUT" and "tag" in one.path]
(ONE,) = [one for one in tags.ENDPOINTS if (one.method, one.path) == ("GET", tags.ID_TAG)]


def add(site: Site, id_tag: str) -> None:
    data = TagData(id_tag=id_tag, name="Anna's card")
    site.books.run(writes.add, site.books.policy, data, site.books.at, "cleo")


async def listed(site: Site, role: Role = Role.OPERATOR) -> list[Any]:
    return list((await site.call(LIST, role=role))["data"])


async def test_a_tag_has_its_household_of_now(site: Site) -> None:
    add(site, "TAG")
    house = House(site.books)
    assert (await listed(site))[0]["account"] is None
    house.give(1, "tag")
    (found,) = await listed(site)
    assert (found["account"], found["account_name"]) == (1, "Anna")
    house.take(1, "TAG", site.books.at)
    assert (await listed(site))[0]["account_name"] is None


async def test_its_last_use_counts_however_it_was_spelt(site: Site, station: Station) -> None:
    add(site, "TAG")
    station.start(1000, tag="TAG")
    station.books.wait(60)
    station.start(2000, tag="tag", connector=2)
    (found,) = await listed(site)
    one = await site.call(ONE, tag="Tag")
    assert found["last_used_at"] == one["last_used_at"] == station.clock().replace("Z", ".000Z")
    assert one["sent_as"] == ["TAG", "tag"]


async def test_a_tag_that_nobody_used(site: Site) -> None:
    add(site, "TAG")
    one = await site.call(ONE, tag="TAG")
    assert (one["last_used_at"], one["sent_as"]) == (None, [])


async def test_viewers_see_no_households(site: Site) -> None:
    add(site, "TAG")
    House(site.books).give(1, "TAG")
    (found,) = await listed(site, Role.VIEWER)
    one = await site.call(ONE, role=Role.VIEWER, tag="TAG")
    assert (
        found["account"] is found["account_name"] is one["account"] is one["account_name"] is None
    )


async def test_tags_of_households_that_nobody_added(site: Site) -> None:
    add(site, "ADDED")
    house = House(site.books)
    for tag in ("ADDED", "GIVEN", "TAKEN"):
        house.give(1, tag)
    house.take(1, "TAKEN", site.books.at)
    (found,) = (await site.call(OWNED, role=Role.OPERATOR))["data"]
    assert found == {"id_tag": "GIVEN", "account": 1, "account_name": "Anna"}


def verdict(site: Site, id_tag: str) -> str:
    """What becomes of a tag that is presented, where unknown ones are refused."""
    policy = Policy(unknown=Unknown.REFUSE)
    found = site.books.run(writes.find_tag, policy.key(id_tag))
    return policy.judge(
        policy.key(id_tag), None if found is None else found.tag, site.books.at
    ).status


def use(site: Site, **policy: Any) -> None:
    site.api.id_tags.policy = Policy(unknown=Unknown.REFUSE, **policy)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"since": "2026-01-01"},
        {"since": "2030-01-01"},
        {"until": "2030-01-01"},
        {"reason": "moved in"},
    ],
)
async def test_a_card_that_is_given_may_charge(site: Site, given: dict[str, str]) -> None:
    House(site.books)
    use(site)
    assert verdict(site, "CARD") == "Invalid"
    await site.call(GIVE, id="1", body={"tag": "Card", **given})
    assert verdict(site, "CARD") == "Accepted"
    one = await site.call(ONE, tag="card")
    assert one["account_name"] == ("Anna" if given.get("since") != "2030-01-01" else None)
    (fact,) = site.books.rows("SELECT count(*) FROM event WHERE kind = 'TagChanged'")
    await site.call(GIVE, id="1", body={"tag": "Card", **given})
    assert fact == (1,)


async def test_giving_decides_nothing_that_was_decided_before(site: Site) -> None:
    House(site.books)
    use(site)
    blocked = TagData(id_tag="BLOCKED", status="Blocked")
    site.books.run(writes.add, site.books.policy, blocked, site.books.at, "cleo")
    await site.call(GIVE, id="1", body={"tag": "blocked"})
    assert verdict(site, "BLOCKED") == "Blocked"
    await site.call(
        GIVE, id="1", body={"tag": "past", "since": "2026-01-01", "until": "2026-02-01"}
    )
    assert verdict(site, "PAST") == "Invalid"
    use(site, has_authorizer=True)
    await site.call(GIVE, id="1", body={"tag": "theirs"})
    assert verdict(site, "THEIRS") == "Invalid"


async def test_one_refused_giving_admits_nothing(site: Site) -> None:
    House(site.books).give(2, "TAG")
    use(site)
    with pytest.raises(Problem):
        await site.call(GIVE, id="1", body={"tag": "TAG", "since": "2026-01-01"})
    assert verdict(site, "TAG") == "Invalid"


async def test_a_card_that_was_removed_may_charge_again_once_it_is_given(site: Site) -> None:
    House(site.books).give(1, "TAG")
    use(site)
    add(site, "TAG")
    site.books.run(writes.remove, site.books.policy, "TAG", site.books.at, "cleo")
    assert verdict(site, "TAG") == "Invalid"
    await site.call(GIVE, id="1", body={"tag": "TAG"})
    assert verdict(site, "TAG") == "Accepted"


async def test_a_card_that_waits_says_whose_it_is(site: Site, station: Station) -> None:
    House(site.books).give(1, "TAG")
    site.books.run(writes.ask, station.origin, "tag", "TAG")
    site.books.run(writes.ask, station.origin, "other", "OTHER")
    found = {one["id_tag"]: one["account_name"] for one in (await site.call(ASKED))["data"]}
    assert found == {"TAG": "Anna", "OTHER": None}
    assert {one["account_name"] for one in (await site.call(ASKED, role=Role.VIEWER))["data"]} == {
        None
    }
    use(site)
    await site.call(GIVE, id="1", body={"tag": "TAG"})
    assert [one["id_tag"] for one in (await site.call(ASKED))["data"]] == ["OTHER"]


@pytest.mark.parametrize(
    ("given", "expires"),
    [
        ("2027-01-01", "2026-12-31T23:00:00.000Z"),
        ("2027-07-01T12:00", "2027-07-01T10:00:00.000Z"),
        ("2027-07-01T12:00:00Z", "2027-07-01T12:00:00.000Z"),
    ],
)
def test_a_tag_expires_at_the_time_of_the_site(given: str, expires: str) -> None:
    zone = ZoneInfo("Europe/Berlin")
    assert as_stored(TagBody(id_tag="CARD", expires_at=given), zone)["expires_at"] == expires
    assert as_stored(ChangeBody(expires_at=given), zone) == {"expires_at": expires}


# As printed, and as other readers read it


async def test_a_card_is_entered_and_found_as_it_is_printed(site: Site) -> None:
    House(site.books)
    added = await site.call(CREATE, body={"id_tag": "04:a2:b3:c9"})
    assert added["id_tag"] == "04A2B3C9"
    assert (await site.call(ONE, tag="04 A2 B3 C9"))["id_tag"] == "04A2B3C9"
    await site.call(CHANGE, tag="04-a2-b3-c9", body={"status": "Blocked"})
    found = await site.call(LIST, query={"search": "04 a2 b3 c9"}, role=Role.OPERATOR)
    assert [one["status"] for one in found["data"]] == ["Blocked"]
    await site.call(GIVE, id="1", body={"tag": "04 A2 B3 C9"})
    assert (await site.call(ONE, tag="04A2B3C9"))["account_name"] == "Anna"


async def test_a_card_that_waits_is_added_as_its_charger_sent_it(
    site: Site, station: Station
) -> None:
    ask(station, "04:A2:B3:C9")
    added = await site.call(CREATE, body={"id_tag": "04:A2:B3:C9"})
    assert added["id_tag"] == "04:A2:B3:C9"


def ask(station: Station, id_tag: str) -> None:
    station.books.run(writes.ask, station.origin, id_tag.lower(), id_tag)


async def test_a_card_read_backwards_is_made_the_same(site: Site, station: Station) -> None:
    house = House(site.books)
    add(site, "04A2B3C9")
    house.give(1, "04A2B3C9")
    await site.call(LIMIT, tag="04A2B3C9", body={"month_wh": 100_000})
    use(site)
    ask(station, "C9B3A204")
    (asked,) = (await site.call(ASKED, role=Role.OPERATOR))["data"]
    assert asked["looks_like"] == {"04A2B3C9": "backwards"}
    assert (await site.call(ASKED, role=Role.VIEWER))["data"][0]["looks_like"] is None
    assert verdict(site, "C9B3A204") == "Invalid"  # never by itself

    made = await site.call(SAME, tag="C9B3A204", body={"id_tag": "04 A2 B3 C9"})
    assert (made["id_tag"], made["same_as"], made["created_by"]) == (
        "C9B3A204",
        "04a2b3c9",
        "anna",
    )
    assert verdict(site, "C9B3A204") == "Accepted"
    assert (await site.call(ASKED))["data"] == []
    assert [one["id_tag"] for one in await listed(site)] == ["04A2B3C9"]
    station.books.wait(60)
    assert house.whose(station.start(1000, tag="C9B3A204")) == 1
    card = await site.call(ONE, tag="04A2B3C9")
    assert (card["same_cards"], card["sent_as"]) == (["c9b3a204"], ["C9B3A204"])
    limited = site.books.rows("SELECT key, month_wh FROM usage_limit ORDER BY id")
    assert limited == [("04a2b3c9", 100_000), ("c9b3a204", 100_000)]


async def test_what_is_done_with_a_card_is_done_with_its_other_readings(
    site: Site, station: Station
) -> None:
    house = House(site.books)
    add(site, "04A2B3C9")
    house.give(1, "04A2B3C9")
    use(site)
    await site.call(SAME, tag="C9B3A204", body={"id_tag": "04A2B3C9"})
    await site.call(CHANGE, tag="04A2B3C9", body={"status": "Blocked"})
    assert verdict(site, "C9B3A204") == "Blocked"
    await site.call(CHANGE, tag="C9B3A204", body={"status": "Accepted"})  # the card, too
    assert verdict(site, "04A2B3C9") == verdict(site, "C9B3A204") == "Accepted"
    site.books.wait(60)
    house.give(2, "04A2B3C9", site.books.at)
    station.books.wait(60)
    assert house.whose(station.start(1000, tag="C9B3A204")) == 2
    await site.call(REMOVE, tag="C9B3A204")
    assert (verdict(site, "C9B3A204"), verdict(site, "04A2B3C9")) == ("Invalid", "Accepted")
    await site.call(SAME, tag="C9B3A204", body={"id_tag": "04A2B3C9"})
    await site.call(REMOVE, tag="04A2B3C9")
    assert verdict(site, "C9B3A204") == "Invalid"


async def test_only_the_one_card_that_fits(site: Site) -> None:
    for card in ("04A2B3C9", "04A2B3C9D1", "0BADC0DE"):
        add(site, card)
    use(site)
    for unknown, card in (("C9B3A204", "0BADC0DE"), ("04A2B3C9D15E", "04A2B3C9")):
        with pytest.raises(Problem) as refused:
            await site.call(SAME, tag=unknown, body={"id_tag": card})
        assert refused.value.code == "conflict"
        assert verdict(site, unknown) == "Invalid"
    with pytest.raises(Problem):
        await site.call(SAME, tag="C9B3A204", body={"id_tag": "04A2B3C9"}, role=Role.VIEWER)
