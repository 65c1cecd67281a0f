"""What the papers of a closed month lacked is added by a document for each household, which the
owner, the household and nobody else can get."""

from __future__ import annotations

import pytest
import trio

from levity_trio.web.api.engine.endpoints import Caller, Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.in_process import NOTHING, Question, Reply, hand_on
from tests.store.bills import Biller, charge, house_of_two, month_is_over
from tests.store.books import Station
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening
from tests.web.dashboard.test_settled import DRIVER, endpoint, page

BILLER = endpoint("PUT", "/api/admin/biller")
ADD = endpoint("POST", "/api/admin/closings/{month}/supplements")
OF_OWNER = endpoint("GET", "/api/admin/statements/{number}/supplement")
OWN = endpoint("GET", "/api/me/statements/{number}/supplement")
NEIGHBOUR = Caller("Ben", Role.DRIVER, "127.0.0.1", account=2)
BUTTON = "Add to these papers"


async def ask_for_own(site: Site, caller: Caller) -> Reply:
    path = OWN.path.format(number="1")
    question = Question(
        method=OWN.method, path=path, query={"format": "html"}, body=b"", headers=NOTHING
    )
    reply = Reply()
    await hand_on(site.app, caller, question, reply.take)
    return reply


async def test_what_papers_lacked_is_handed_out(site: Site, station: Station) -> None:
    biller = Biller(house_of_two(site.books))
    charge(station, 4000)
    sender = {"name": "Verein", "number_prefix": "R-"}
    await site.call(BILLER, body=sender, role=Role.ADMIN)
    month_is_over(site.books, 3)
    await trio.to_thread.run_sync(biller.close, "2026-03")

    async def words(template: str, caller: Caller | None = None, **keys: str) -> str:
        opening = Opening(site) if caller is None else Opening(site, caller)
        return (await opening.open(page(template), **keys)).words

    assert BUTTON in await words("/bills/{month}", month="2026-03")
    assert "Supplement" not in await words("/d/statements", DRIVER)
    with pytest.raises(Problem, match="lack nothing that is known now"):
        await site.call(ADD, role=Role.OPERATOR, month="2026-03")
    with pytest.raises(Problem, match="there is no supplement to statement R-1") as refused:
        await site.call(OF_OWNER, number="1", query={"format": "html"})
    assert refused.value.status == 404

    whole = {"name": "Verein", "address": "Weg 1\n10115 Berlin", "tax_number": "30/123/45678"}
    await site.call(BILLER, body=whole, role=Role.ADMIN)
    added = await site.call(ADD, role=Role.OPERATOR, month="2026-03")
    assert len(added["digests"]) == 1
    assert BUTTON not in await words("/bills/{month}", month="2026-03")
    assert "Supplement" in await words("/bills/{month}", month="2026-03")
    assert "Supplement" in await words("/d/statements", DRIVER)

    owners, own = (
        await site.ask(OF_OWNER, number="1", query={"format": "html"}),
        await ask_for_own(site, DRIVER),
    )
    for reply in (owners, own):
        text = reply.body.decode()
        assert "Supplement to no. R-1" in text
        assert "Weg 1" in text
        assert "30/123/45678" in text
    assert (await ask_for_own(site, NEIGHBOUR)).status == 404
