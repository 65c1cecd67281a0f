"""The offline policy of a charger over the API, as its configuration was last told."""

from __future__ import annotations

from typing import Any

import pytest

from levity_trio.web.api.chargers import configuration
from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.api.engine.problems import Problem
from tests.store.books import Station
from tests.web.api.conftest import Site
from tests.web.api.test_configuration import tell

PATH = "/api/admin/chargers/{id}/offline-policy"


def endpoint(method: str) -> Endpoint:
    (found,) = [one for one in configuration.ENDPOINTS if (one.method, one.path) == (method, PATH)]
    return found


async def policy(site: Site, charger: str) -> Any:
    return await site.call(endpoint("GET"), role=Role.VIEWER, id=charger)


async def test_what_was_never_read_is_not_known(site: Site, station: Station) -> None:
    shown = await policy(site, station.name)
    assert {one["value"] for one in shown["keys"]} == {"not known"}
    assert {one["may_charge"] for one in shown["who"]} == {"not known"}
    assert len(shown["keys"]) == 6


async def test_what_was_told_decides(site: Site, station: Station) -> None:
    tell(
        station,
        LocalAuthorizeOffline="TRUE",
        localauthlistenabled="true",
        AuthorizationCacheEnabled="false",
    )
    site.books.connection.execute(
        (
            "INSERT INTO configuration (cp_id, session_id, key, readonly, is_known, read_at) "
            "VALUES (?, ?, ?, 0, 0, ?)"
        ),
        (station.name, station.session, "AllowOfflineTxForUnknownId", site.books.at),
    )
    shown = await policy(site, station.name)
    assert [one["may_charge"] for one in shown["who"]] == ["yes", "no", "no", "no"]
    values = {one["key"]: one["value"] for one in shown["keys"]}
    assert values["LocalAuthListEnabled"] == "true"
    assert values["AllowOfflineTxForUnknownId"] == "not supported"
    assert shown["notes"] == [
        (
            "not known, read the configuration of the charger: LocalPreAuthorize, "
            "StopTransactionOnInvalidId"
        )
    ]


async def test_a_charger_that_nobody_knows(site: Site) -> None:
    with pytest.raises(Problem, match="NOBODY") as refused:
        await policy(site, "NOBODY")
    assert refused.value.code == "not_found"
