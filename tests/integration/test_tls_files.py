"""The TLS files when they cannot be read: a start that says what to do, and a running server that
goes on."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.charger.stream import Tls, open_tls, watch_tls
from levity_trio.config import EnvironmentProblem, ServerConfig, certificates_folder
from tests.locked import locked

SECONDS = 60.0


@pytest.fixture
def config(tmp_path: Path) -> ServerConfig:
    config = ServerConfig(database=tmp_path / "site.db", tls_port=0)
    certificates_folder(config.beside).mkdir()
    return config


def test_a_folder_of_another_user_is_told(config: ServerConfig) -> None:
    with (
        locked(certificates_folder(config.beside)),
        pytest.raises(EnvironmentProblem, match="chown"),
    ):
        open_tls(config)


@pytest.mark.logs_errors
async def test_a_folder_that_is_taken_away_later_is_an_error_and_the_server_goes_on(
    config: ServerConfig, log_lines: list[EventDict]
) -> None:
    tls = Tls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_tls, config, tls, 0.01)
        await trio.sleep(0.05)
        with locked(certificates_folder(config.beside)), trio.fail_after(SECONDS):
            while not any(line["log_level"] == "error" for line in log_lines):  # noqa: ASYNC110 - a log has no event
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
