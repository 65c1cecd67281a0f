"""Why something was not done: whose session is in the way, who can do it all the same, and what
only says code."""

from __future__ import annotations

import pytest

from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.forms import explained
from levity_trio.web.dashboard.operations import CHARGER
from levity_trio.web.dashboard.page import ApiRefused
from tests.store.books import Station
from tests.store.owning import House
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening

RESET = f"{CHARGER}/reset"
FOR_ADMINS = ", or tick “Do it although a session is running”"


def endpoint(path: str) -> Endpoint:
    (found,) = [one for one in ENDPOINTS if one.path == path and one.method == "POST"]
    return found


async def told(site: Site, role: Role, path: str, code: str, **members: object) -> str:
    """Return the words of a refusal as this role reads them."""
    view = Opening(site, role).view("", {"id": "CP-1"})
    refused = ApiRefused(
        409, {"code": code, "detail": "session 1 is in the way of the household", **members}
    )
    return (await explained(view, endpoint(path), refused)).words


class TestSessionsInTheWay:
    @pytest.mark.parametrize(("role", "more"), [(Role.ADMIN, FOR_ADMINS), (Role.OPERATOR, "")])
    async def test_whose_it_is_and_who_may_end_it(
        self, site: Site, station: Station, role: Role, more: str
    ) -> None:
        House(site.books).give(1, "TAG")
        number = station.start(1000, 1, "TAG")
        words = await told(site, role, RESET, "needs_force", transactions=[number])
        assert words == f"Anna is charging here: stop that session first{more}"

    async def test_several_are_all_named_but_no_others(self, site: Site, station: Station) -> None:
        House(site.books).give(1, "TAG")
        ids = [
            station.start(1000, connector, tag)
            for connector, tag in ((1, "TAG"), (2, "GUEST"), (3, "OTHER"))
        ]
        words = await told(site, Role.OPERATOR, RESET, "needs_force", transactions=ids[:2])
        assert words in (
            "Anna and GUEST are charging here: stop those sessions first",
            "GUEST and Anna are charging here: stop those sessions first",
        )

    async def test_one_that_has_ended_meanwhile(self, site: Site, station: Station) -> None:
        number = station.start(1000, 1, "TAG")
        station.stop(number, 2000)
        words = await told(site, Role.OPERATOR, RESET, "needs_force", transactions=[number])
        assert words == "a session is open here: stop it first"


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        (
            "/api/admin/transactions/{id}/confirm",
            "changed",
            "this session has changed since you looked: look again",
        ),
        ("/api/admin/closings/{month}", "changed", "session 1 is in the way of the household"),
        (
            RESET,
            "not_connected",
            "the charger is not connected, so nothing was sent: say how long this may wait for it",
        ),
        (
            f"{CHARGER}/configuration/read",
            "not_connected",
            "session 1 is in the way of the household",
        ),
        (RESET, "conflict", "session 1 is in the way of the household"),
    ],
)
@pytest.mark.usefixtures("station")
async def test_other_words_only_where_the_form_can_act_on_them(
    site: Site, path: str, code: str, words: str
) -> None:
    assert await told(site, Role.ADMIN, path, code) == words
