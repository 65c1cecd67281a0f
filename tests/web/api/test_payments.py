"""The webhook of payment services while the clock of this server is not set."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.datastructures import Headers

from levity_trio.events import PaymentRefused
from levity_trio.store.writes import biller
from levity_trio.store.writes.biller import NewService
from levity_trio.web.api.endpoints import Asked, Caller, Role
from levity_trio.web.api.payments import take_payment
from levity_trio.web.api.problems import Problem
from levity_trio.web.webhooks.incoming import signature
from tests.web.api.conftest import Site


@pytest.mark.parametrize(("is_trusted", "code", "status"), [(False, "busy", 503), (True, "wrong_time", 401)])
async def test_a_clock_that_is_not_set(site: Site, is_trusted: bool, code: str, status: int) -> None:
    """A service that is told to send again loses no payment; one that is told that it is wrong may give up."""
    site.books.run(biller.add, NewService("shop", "s", site.books.at, "anna"), site.api.key)
    parts: Any = site.api
    seen: list[object] = []
    parts.publish, parts.is_clock_trusted = seen.append, lambda: is_trusted
    later = int(site.books.now.timestamp()) + 86_400
    headers = Headers({"Levity-Signature": signature("s", later, b"{}")})
    caller = Caller("a service outside", Role.OUTSIDE, "10.0.0.1")
    with pytest.raises(Problem) as refused:
        await take_payment(Asked(site.api, caller, {"name": "shop"}, None, b"{}", headers))
    assert (refused.value.code, refused.value.status) == (code, status)
    assert seen == [PaymentRefused(charger=None, code=code)]
