"""Chargers through HAProxy, which passes on what they send and tells whose it is (the manual,
Larger sites)."""

from __future__ import annotations

import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from levity_trio.manual import find
from tests.ports import free_port

from .charger import Charger, NoWebSocket
from .keys import Authority
from .prometheus import wait_for
from .serving import Serving, environment, serving

HAPROXY = "/usr/sbin/haproxy"
FROM = "127.0.0.77"
CHECKS_SECONDS = 3.0
"""Its health checks come each second here."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    chain = str(Authority(tmp_path).server())
    flags = (
        "--proxy-from",
        "127.0.0.1",
        "--tls-port",
        "0",
        "--tls-cert",
        chain,
        "--tls-key",
        chain,
    )
    with serving(tmp_path / "site.db", *flags) as running:
        yield running


@contextmanager
def proxying(server: Serving) -> Iterator[int]:
    """HAProxy with the configuration that the manual prints, once its server is up; gives its
    port."""
    (printed,) = re.findall(r"```haproxy\n(.*?)```", find("larger-sites").text, re.DOTALL)
    port, file = free_port(), server.database.with_name("haproxy.cfg")
    text = printed.replace("bind :9000", f"bind 127.0.0.1:{port}").replace(
        "127.0.0.1:9310", f"127.0.0.1:{server.port}"
    )
    assert text.count(str(port)) == text.count(str(server.port)) == 1
    file.write_text(text.replace("inter 2s", "inter 1s"))
    log = file.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [HAPROXY, "-db", "-f", file], env=environment(), stdout=output, stderr=output
        )
    try:
        wait_for(lambda: _takes(port), f"it passes on: {log.read_text()}")
        yield port
    finally:
        process.terminate()
        process.wait()


def _takes(port: int) -> bool:
    try:
        Charger(port, "PROBE", address=FROM).socket.close()
    except OSError:
        return False
    return True


def addresses(server: Serving) -> list[str]:
    return [
        address
        for (address,) in server.query("SELECT remote_address FROM session WHERE cp_id = 'CP-1'")
    ]


def test_a_session_has_the_address_of_its_charger(server: Serving) -> None:
    with proxying(server) as port, Charger(port, "CP-1", address=FROM) as charger:
        charger.boot()
        assert charger.start("TAG") > 0
    assert addresses(server) == [FROM]


def test_tls_ends_at_the_server(server: Serving) -> None:
    context = ssl.create_default_context(cafile=server.database.with_name("root.pem"))
    with proxying(server) as port, Charger(port, "CP-1", address=FROM, tls=context) as charger:
        charger.boot()
    assert addresses(server) == [FROM]


def test_its_health_checks_leave_no_line(server: Serving) -> None:
    with proxying(server):
        time.sleep(1)
        before = len(server.lines)
        time.sleep(CHECKS_SECONDS)
        assert [str(line) for line in server.lines[before:]] == []


def test_from_its_address_nobody_comes_in_past_it(server: Serving) -> None:
    with pytest.raises(NoWebSocket, match="in --proxy-from"):
        Charger(server.port, "CP-1")
    with Charger(server.port, "CP-1", address=FROM) as charger:
        charger.boot()
