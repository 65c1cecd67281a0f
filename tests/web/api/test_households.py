"""Tasks of households as a client asks for them: a list from paper, moving in, moving out, and
undoing each."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Any

import pytest

from levity_trio.access.tags import Verdict
from levity_trio.store.writes.people import ownership, tags
from levity_trio.store.writes.people.ownership import VehicleData
from levity_trio.web.api.chargers import chargers
from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.money import wallets
from levity_trio.web.api.people import accounts, households
from levity_trio.web.dashboard.pages import households as pages
from tests.store.bills import FLAT, Biller
from tests.store.books import Station
from tests.store.owning import House
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening

TODAY = "2026-03-01T00:00:00.000Z"
APRIL = "2026-04-01T00:00:00.000Z"


def endpoint(method: str, end: str) -> Endpoint:
    (found,) = [
        one for one in households.ENDPOINTS if one.method == method and one.path.endswith(end)
    ]
    return found


ENTER, MOVE_IN, UNDO = (
    endpoint("POST", "/households"),
    endpoint("POST", "/move-ins"),
    endpoint("POST", "/undo"),
)
(HOUSEHOLD,) = [one for one in pages.PAGES if one.path == "/accounts/{id}"]
LEAVING, MOVE_OUT = endpoint("GET", "/move-out"), endpoint("POST", "/move-out")
TASKS, CARDS = endpoint("GET", "/household-tasks"), endpoint("GET", "/unknown-cards")
(SHOWN,) = [
    one for one in accounts.ENDPOINTS if (one.method, one.path) == ("GET", accounts.ACCOUNT)
]


@pytest.fixture
def yard_of_two(site: Site) -> Site:
    """Two chargers, Space 4 and Space 12."""
    for name, words in (("CP-1", "Space 4"), ("CP-2", "Space 12")):
        Station(site.books, name)
        site.books.connection.execute("UPDATE cp SET name = ? WHERE id = ?", (words, name))
    return site


async def enter(site: Site, *rows: Any, key: str | None = None, **body: Any) -> Any:
    headers = {} if key is None else {"idempotency-key": key}
    return await site.call(ENTER, body={"rows": [*rows], **body}, headers=headers)


async def held(site: Site, account: int) -> list[tuple[str, str, str, str | None]]:
    """Return what belongs to a household: what, which, since and until."""
    shown = await site.call(SHOWN, id=str(account))
    return sorted(
        (one["what"], one["tag"] or one["charger"] or one["name"], one["since"], one["until"])
        for one in shown["belongings"]
        if one["voided_at"] is None
    )


async def refused(site: Site, *rows: Any) -> list[tuple[int, str, str]]:
    with pytest.raises(Problem) as problem:
        await enter(site, *rows)
    cells: Any = problem.value.members["cells"]
    return [(one["row"], one["field"], one["detail"]) for one in cells]


async def test_a_list_on_paper_is_entered_in_one_go(yard_of_two: Site) -> None:
    site = yard_of_two
    done = await enter(
        site,
        {"name": "Flat 1", "card": "04AA", "space": "Space 4"},
        {
            "name": " Flat  2 ",
            "card": "04BB",
            "space": "12",
            "car": "Ben's car",
            "since": "2026-04-01",
        },
    )
    assert (done["added"], done["changed"], done["same"]) == (2, 0, 0)
    first, second = (row["account"] for row in done["rows"])
    assert await held(site, first) == [("space", "CP-1", TODAY, None), ("tag", "04AA", TODAY, None)]
    assert await held(site, second) == [
        ("space", "CP-2", APRIL, None),
        ("tag", "04BB", APRIL, None),
        ("vehicle", "Ben's car", APRIL, None),
    ]
    assert site.books.rows("SELECT id_tag, status FROM tag ORDER BY id") == [
        ("04AA", "Accepted"),
        ("04BB", "Accepted"),
    ]
    assert site.books.value("SELECT name FROM account WHERE id = ?", second) == "Flat 2"


async def test_a_failure_enters_nothing_and_names_each_cell(yard_of_two: Site) -> None:
    site = yard_of_two
    faults = await refused(
        site,
        {"name": "Flat 1", "card": "04AA", "space": "Space 4"},
        {"name": "Flat 2", "card": "04AA"},
        {"name": "Flat 3", "card": "a card with far too many characters"},
        {"card": "04CC"},
        {"name": "Flat 5", "space": "Space 5"},
        {"name": "Flat 6", "since": "yesterday"},
    )
    assert [(row, field) for row, field, _ in faults] == [
        (1, "card"),
        (2, "card"),
        (3, "name"),
        (4, "space"),
        (5, "since"),
    ]
    assert "there is no charger or space 'Space 5'" in faults[3][2]
    assert [
        site.books.count(table) for table in ("account", "tag", "ownership", "household_task")
    ] == [0, 0, 0, 0]


async def test_a_repeated_request_enters_nothing_twice(yard_of_two: Site) -> None:
    site = yard_of_two
    row = {"name": "Flat 1", "card": "04AA", "space": "4"}
    first = await enter(site, row, key="once")
    assert await enter(site, row, key="once") == first
    assert (await enter(site, row))["same"] == 1
    # what differs is another request
    changed = await enter(site, {**row, "card": "04BB"}, key="once")
    assert changed["changed"] == 1
    assert [site.books.count(table) for table in ("account", "ownership", "tag")] == [1, 3, 2]


@pytest.mark.parametrize(
    ("words", "connector"),
    [
        ("CP-1", 0),
        ("space 4", 0),
        ("4", 0),
        ("04", 0),
        ("Space 4 / 2", 2),
        ("CP-1 connector 2", 2),
        ("left", 1),
    ],
)
async def test_a_space_is_named_as_people_name_it(
    yard_of_two: Site, words: str, connector: int
) -> None:
    site = yard_of_two
    site.books.connection.execute("INSERT INTO space VALUES ('CP-1', 1, 'Left')")
    await enter(site, {"name": "Flat 1", "space": words})
    assert site.books.rows("SELECT key, conn_id FROM ownership") == [("CP-1", connector)]


async def test_two_spaces_of_one_name_are_not_chosen_from(yard_of_two: Site) -> None:
    site = yard_of_two
    site.books.connection.execute("UPDATE cp SET name = 'Space 4'")
    ((_, field, words),) = await refused(site, {"name": "Flat 1", "space": "Space 4"})
    assert (field, "several" in words) == ("space", True)


async def test_what_belongs_to_somebody_else_is_not_taken_from_them(yard_of_two: Site) -> None:
    site = yard_of_two
    await enter(site, {"name": "Flat 1", "card": "04AA"})
    ((row, field, words),) = await refused(site, {"name": "Flat 2", "card": "04aa"})
    assert (row, field) == (0, "card")
    assert words == "it belongs to Flat 1; move that household out first, or take it away from it"


async def test_cars_of_two_households_may_be_called_the_same(yard_of_two: Site) -> None:
    site, rows = (
        yard_of_two,
        [{"name": "Flat 1", "card": "04AA", "car": "Tesla"}, {"name": "Flat 2", "car": "Tesla"}],
    )
    await enter(site, *rows)
    assert [one[1] for one in await held(site, 1)] == ["04AA", "Tesla"]
    assert [one[1] for one in await held(site, 2)] == ["Tesla (Flat 2)"]
    again = await enter(site, *rows)  # the same list finds the cars that it made
    assert (again["same"], site.books.count("vehicle")) == (2, 2)
    done = await site.call(MOVE_IN, body={"name": "Flat 3", "car": "Tesla", "plate": "B-XY 1"})
    assert site.books.rows("SELECT name, plate FROM vehicle WHERE id = 3") == [
        ("Tesla (Flat 3)", "B-XY 1")
    ]
    await site.call(UNDO, id=str(done["task"]))
    assert site.books.value("SELECT count(*) FROM vehicle WHERE removed_at IS NULL") == 2


async def test_a_car_of_nobody_is_taken(site: Site) -> None:
    site.books.run(
        ownership.add_vehicle, VehicleData(name="Zoe", plate="B-Z 1"), site.books.at, "cleo"
    )
    await enter(site, {"name": "Flat 1", "car": "Zoe"})
    assert site.books.count("vehicle") == 1


async def test_a_blocked_card_is_not_handed_out(site: Site) -> None:
    data = tags.TagData(id_tag="04AA", status="Blocked")
    site.books.run(tags.add, site.books.policy, data, site.books.at, "cleo")
    assert "blocked" in (await refused(site, {"name": "Flat 1", "card": "04AA"}))[0][2]


async def test_an_entry_is_undone_as_a_whole(yard_of_two: Site) -> None:
    site = yard_of_two
    done = await enter(
        site, {"name": "Flat 1", "card": "04AA", "space": "4", "car": "A"}, {"name": "Flat 2"}
    )
    (task,) = (await site.call(TASKS, query={"account": "1"}))["data"]
    assert (task["kind"], task["households"], task["obstacle"]) == ("entered", 2, None)
    for _ in range(2):  # repeated, it changes nothing
        assert (await site.call(UNDO, id=str(done["task"])))["accounts"] == [1, 2]
    assert await held(site, 1) == []
    assert site.books.rows("SELECT name, undone_at FROM account ORDER BY id") == [
        (f"Flat {number} (undone {number})", site.books.at) for number in (1, 2)
    ]
    assert site.books.rows("SELECT 1 FROM tag WHERE ended_at IS NULL") == []
    # all of it is free
    again = await enter(site, {"name": "Flat 1", "card": "04AA", "space": "4", "car": "A"})
    assert again["added"] == 1


async def test_what_was_changed_since_is_not_undone(yard_of_two: Site) -> None:
    site = yard_of_two
    done = await enter(site, {"name": "Flat 1", "card": "04AA"}, {"name": "Flat 2"})
    give = next(one for one in accounts.ENDPOINTS if one.path.endswith("/give"))
    site.books.wait(10)
    await site.call(give, id="2", body={"tag": "04AA"})
    with pytest.raises(Problem) as problem:
        await site.call(UNDO, id=str(done["task"]))
    assert problem.value.code == "conflict"
    assert site.books.value("SELECT count(*) FROM account WHERE undone_at IS NULL") == 2


async def test_a_household_moves_in_with_a_letter_for_its_driver(yard_of_two: Site) -> None:
    site = yard_of_two
    body = {
        "name": "Flat 9, Dora",
        "contact": "dora@example.org",
        "card": "04DD",
        "space": "12",
        "driver": "dora",
    }
    key = {"idempotency-key": "once"}
    done = await site.call(MOVE_IN, body=body, role=Role.OPERATOR, headers=key)
    invitation = done["invitation"]
    assert (invitation["kind"], invitation["expires_at"][:10]) == ("letter", "2026-03-15")
    assert site.api.logins.invitations.find(invitation["code"], site.books.at) is not None
    assert [one[:2] for one in await held(site, done["account"])] == [
        ("space", "CP-2"),
        ("tag", "04DD"),
    ]
    again = await site.call(MOVE_IN, body=body, role=Role.OPERATOR, headers=key)
    assert (again["account"], site.books.count("account")) == (done["account"], 1)
    assert site.api.logins.invitations.find(again["invitation"]["code"], site.books.at) is not None
    await site.call(UNDO, id=str(done["task"]))
    assert site.api.logins.invitations.find(again["invitation"]["code"], site.books.at) is None
    assert site.books.value('SELECT count(*) FROM "user" WHERE removed_at IS NULL') == 0


async def test_only_an_admin_says_at_moving_in_what_a_kwh_costs(site: Site) -> None:
    with pytest.raises(Problem) as problem:
        await site.call(MOVE_IN, body={"name": "Flat 9", "tariff": 1}, role=Role.OPERATOR)
    assert (problem.value.code, problem.value.members["field"]) == ("forbidden", "tariff")
    assert site.books.count("account") == 0


async def test_undoing_takes_the_tariff_back(site: Site) -> None:
    biller = Biller(House(site.books))
    number = biller.add(FLAT.replace("Flat", "Cheap"))
    done = await site.call(MOVE_IN, body={"name": "Flat 9", "tariff": number})
    account = str(done["account"])
    await site.call(UNDO, id=str(done["task"]))
    held = "SELECT tariff_id FROM tariff_assignment WHERE scope = 'account' AND key = ? ORDER BY id"
    assert site.books.rows(held, account) == [(number,), (None,)]
    done = await site.call(MOVE_IN, body={"name": "Flat 9", "tariff": number})
    other, account = biller.add(FLAT.replace("Flat", "Dear")), done["account"]
    biller.assign(other, date(2026, 3, 1), account)  # somebody has said otherwise since: that stays
    await site.call(UNDO, id=str(done["task"]))
    assert site.books.rows(held, str(account)) == [(number,), (other,)]


async def moved_out(site: Site, until: str = "2026-04-01", **body: Any) -> Any:
    await site.call(
        MOVE_IN,
        body={
            "name": "Flat 1",
            "card": "04AA",
            "space": "4",
            "driver": "anna",
            "since": "2026-01-01",
        },
    )
    return await site.call(MOVE_OUT, id="1", body={"until": until, **body})


async def test_a_household_moves_out_with_all_that_it_had(yard_of_two: Site) -> None:
    site = yard_of_two
    done = await moved_out(site)
    assert done["until"] == APRIL
    assert [one[-1] for one in await held(site, 1)] == [APRIL, APRIL]
    assert site.books.value("SELECT until FROM account") == APRIL
    assert site.books.value("SELECT expires_at FROM tag WHERE ended_at IS NULL") == APRIL
    assert site.books.value('SELECT ends_at FROM "user"') == APRIL
    await site.call(UNDO, id=str(done["task"]))
    assert [one[-1] for one in await held(site, 1)] == [None, None]
    assert site.books.value("SELECT expires_at FROM tag WHERE ended_at IS NULL") is None
    assert site.books.value('SELECT ends_at FROM "user"') is None
    assert site.books.value("SELECT until FROM account") is None


async def test_the_next_household_gets_the_card_of_the_last_one(yard_of_two: Site) -> None:
    site = yard_of_two
    await moved_out(site, "2026-02-01")
    verdict = site.books.run(tags.judge_tag, site.books.policy, "04AA", site.books.at)
    assert verdict.status == "Expired"
    await enter(site, {"name": "Flat 1, Ben", "card": "04AA", "space": "4"})
    verdict = site.books.run(tags.judge_tag, site.books.policy, "04AA", site.books.at)
    assert verdict.status == "Accepted"


async def test_cards_that_did_not_come_back_are_blocked(yard_of_two: Site) -> None:
    site = yard_of_two
    with pytest.raises(Problem, match="still to come"):
        await moved_out(site, cards="block")
    await site.call(MOVE_OUT, id="1", body={"until": "2026-03-01", "cards": "block"})
    assert site.books.value("SELECT status FROM tag WHERE ended_at IS NULL") == "Blocked"


async def test_moving_out_tells_beforehand_what_ends(yard_of_two: Site) -> None:
    site = yard_of_two
    await site.call(
        MOVE_IN, body={"name": "Flat 1", "card": "04AA", "driver": "anna", "since": "2026-01-01"}
    )
    station = Station(site.books, "CP-1")
    station.start(1000, tag="04AA")
    leaving = await site.call(LEAVING, id="1", query={"until": "2026-03-01"})
    assert [one["tag"] for one in leaving["belongings"]] == ["04AA"]
    assert (leaving["drivers"], leaving["sessions_after"], leaving["month"]) == (
        ["anna"],
        1,
        "2026-02",
    )
    assert len(leaving["open_sessions"]) == 1


async def test_until_its_last_day_a_household_has_what_belongs_to_it(yard_of_two: Site) -> None:
    """It moves out in two weeks; then all of it is past."""
    site = yard_of_two
    await moved_out(site, "2026-03-16")
    page = await Opening(site, Role.ADMIN).open(HOUSEHOLD, id="1")
    assert "04AA since Thu 1 Jan until Mon 16 Mar" in page.words
    assert "Nothing yet" not in page.words
    assert "Earlier ones" not in page.words
    assert "Add a mail address…" in page.words
    assert "Delete personal data…" not in page.words
    site.books.wait(16 * 24 * 60)
    page = await Opening(site, Role.ADMIN).open(HOUSEHOLD, id="1")
    assert "Earlier ones" in page.words
    assert "moved out on Mon 16 Mar" in page.words
    assert "Nothing yet" not in page.words
    assert "Add a mail address…" not in page.words
    assert "Delete personal data…" in page.words


async def test_the_name_of_a_household_that_moved_out_is_not_taken_for_it(
    yard_of_two: Site,
) -> None:
    site = yard_of_two
    await moved_out(site, "2026-02-01")
    ((_, field, words),) = await refused(site, {"name": "Flat 1", "card": "04BB"})
    assert (field, "moved out" in words) == ("name", True)


async def test_a_card_that_nobody_knows_is_offered_where_it_was_held(yard_of_two: Site) -> None:
    site = yard_of_two
    await enter(site, {"name": "Flat 1", "card": "04AA"})
    station = Station(site.books, "CP-2")
    for card in ("04AA", "04EE"):
        station.write(
            partial(tags.present_tag, is_asked=False), card.lower(), card, Verdict("Invalid")
        )
    (found,) = (await site.call(CARDS))["data"]
    assert (found["id_tag"], found["charger"], found["charger_name"]) == (
        "04EE",
        "CP-2",
        "Space 12",
    )
    assert (await site.call(CARDS, query={"charger": "CP-1"}))["data"] == []
    site.books.wait(2)
    assert (await site.call(CARDS))["data"] == []
    assert len((await site.call(CARDS, query={"since": found["at"]}))["data"]) == 1


LISTS = {
    "accounts": next(
        one for one in accounts.ENDPOINTS if (one.method, one.path) == ("GET", accounts.ACCOUNTS)
    ),
    "wallets": next(
        one for one in wallets.ENDPOINTS if (one.method, one.path) == ("GET", "/api/admin/wallets")
    ),
}


@pytest.mark.parametrize("listing", LISTS)
async def test_flat_2_comes_before_flat_10(site: Site, listing: str) -> None:
    await enter(
        site, *({"name": name} for name in ("Flat 10", "flat 9a", "Attic", "Flat 2", "Flat 9"))
    )
    names, query = list[str](), {"limit": "2"}
    while True:
        page = await site.call(LISTS[listing], query=query)
        names += [one["name"] for one in page["data"]]
        if (cursor := page.get("next_cursor")) is None:
            break
        query = {"limit": "2", "cursor": cursor}
    assert names == ["Attic", "Flat 2", "Flat 9", "flat 9a", "Flat 10"]
    assert (await site.call(LISTS[listing], query={"page": "2", "limit": "3"}))["total"] == 5


async def test_space_4_comes_before_space_12(yard_of_two: Site) -> None:
    Station(yard_of_two.books, "AAA")
    yard_of_two.books.connection.execute("UPDATE cp SET name = 'Space 100' WHERE id = 'AAA'")
    (listing,) = [
        one
        for one in chargers.ENDPOINTS
        if (one.method, one.path) == ("GET", "/api/admin/chargers")
    ]
    assert [one["name"] for one in (await yard_of_two.call(listing))["data"]] == [
        "Space 4",
        "Space 12",
        "Space 100",
    ]


async def test_address_and_mail_stand_on_the_list_and_are_undone_with_it(
    yard_of_two: Site,
) -> None:
    site = yard_of_two
    row = {"name": "Flat 3", "address": "Bauhof 3, 10115 Berlin", "mail": "anna@example.org"}
    done = await enter(site, row)
    shown = await site.call(SHOWN, id=str(done["rows"][0]["account"]))
    assert (shown["address"], shown["mail"]) == ("Bauhof 3\n10115 Berlin", "anna@example.org")
    # What lives here already gets what is new, and nothing is overwritten.
    bare = await enter(site, {"name": "Flat 4"})
    filled = await enter(site, {"name": "Flat 4", "mail": "ben@example.org"})
    assert filled["rows"][0]["result"] == "changed"
    assert (await enter(site, {"name": "Flat 4", "mail": "ben@example.org"}))["same"] == 1
    for mail, words in (
        ("cleo@example.org", "has another one"),
        ("none", "give a mail address"),
    ):
        with pytest.raises(Problem, match=words):
            await enter(site, {"name": "Flat 4", "mail": mail})
    assert "ben@" not in site.books.rows("SELECT steps FROM household_task ORDER BY id DESC")[0][0]
    await site.call(UNDO, body={}, id=str(filled["task"]))
    flat = await site.call(SHOWN, id=str(bare["rows"][0]["account"]))
    assert (flat["mail"], flat["undone_at"]) == (None, None)
