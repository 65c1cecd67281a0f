"""The offline policy in the shell, with a charge point that is not ours."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.integration.foreign import foreign_charger
from tests.integration.serving import Serving

FLAGS = ("--no-api",)
VALUES = {
    "LocalAuthorizeOffline": "true",
    "LocalPreAuthorize": "false",
    "AllowOfflineTxForUnknownId": "true",
    "StopTransactionOnInvalidId": "true",
    "LocalAuthListEnabled": "true",
    "GetConfigurationMaxKeys": "4",
}
COMMAND = ("charger", "offline-policy", "FC-1")


def test_it_is_read_explained_and_changed(
    server: Serving, shell: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    told = {
        "configuration": {
            "values": VALUES,
            "most": 4,
            "changes": {"StopTransactionOnInvalidId": "Rejected"},
        }
    }
    with foreign_charger(server, "FC-1", told):
        assert shell(*COMMAND, "--read") == 0
        assert "all others" in capsys.readouterr().out
        assert shell(*COMMAND, "AllowOfflineTxForUnknownId=false", "--json") == 0
        shown = json.loads(capsys.readouterr().out)
        assert [one["may_charge"] for one in shown["who"]] == ["yes", "no", "no", "no"]
        (change,) = shown["changes"]
        assert (change["result"], change["had"], change["has"]) == ("accepted", "true", "false")
        assert shell(*COMMAND, "StopTransactionOnInvalidId=false") == 3
        assert "rejected" in capsys.readouterr().out
        assert shell(*COMMAND, "LightIntensity=true") == 2
        assert shell(*COMMAND, "LocalPreAuthorize=maybe") == 2
    assert shell(*COMMAND) == 0
    assert shell(*COMMAND, "--read") == 6
