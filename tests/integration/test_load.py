"""`levity-trio load` against a running server: a feeder, a car, a boost, a limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.charger import Charger, now
from tests.integration.receiver import wait_until
from tests.integration.serving import Serving, serving
from tests.integration.test_shell import Shell, shell, shown, table

__all__ = ["shell"]
FEEDER = """
[[circuit]]
name = "Feeder"
amperes = 20
reserve = 2.5
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db", "--time-zone", "UTC") as running:
        yield running


def test_a_car_shares_a_feeder_with_the_house(
    shell: Shell, server: Serving, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert shell("load", "show") != 0
    assert "levity-trio load site --help" in capsys.readouterr().err
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        charger.call(
            "StatusNotification",
            connectorId=1,
            errorCode="NoError",
            status="Charging",
            timestamp=now(),
        )
        assert shell("load", "site", "--amperes", "5") == 2
        assert "--house (what else hangs on it)" in capsys.readouterr().err
        assert shell("load", "site", "--amperes", "5", "--house", "unknown", "--most", "16") != 0
        assert "find out first" in capsys.readouterr().err
        assert shell("load", "site", "--amperes", "5", "--house", "none", "--most", "16") == 2
        said = capsys.readouterr()
        assert "1 × 6 A are 6 A; the limit is 5 A" in said.out
        assert "1 does not charge then: CP-1 (--fit enters this)" in said.out
        table(shell, capsys, "load", "site", "--amperes", "40", "--house", "11.5", "--most", "16")
        kept = 'name = "Feeder"\namperes = 40\nreserve = 11.5\n\n[options]\nmost = 16'
        assert kept in table(shell, capsys, "load", "site")
        assert [one["most"] for one in shown(shell, capsys, "load", "site")["chargers"]] == [16]
        measured = ("--house", "B23", "--address", "192.0.2.7:502", "--most", "16", "--check")
        assert "it fits" in table(shell, capsys, "load", "site", "--amperes", "40", *measured)
        (tmp_path / "feeder.toml").write_text(FEEDER)
        assert "entered" in table(shell, capsys, "load", "site", tmp_path / "feeder.toml")
        assert "it fits" in table(
            shell, capsys, "load", "site", tmp_path / "feeder.toml", "--check"
        )
        assert "reserve = 2.5" in table(shell, capsys, "load", "site")

        def would_get() -> list[int]:
            return [car["limit_a"] for car in shown(shell, capsys, "load", "show")["cars"]]

        wait_until(lambda: shell("load", "show", "--json") == 0)
        table(shell, capsys, "load", "limit", "CP-1", 10, "--reason", "a loose terminal")
        wait_until(lambda: would_get() == [10])
        assert "set by hand" in table(shell, capsys, "load", "why", "CP-1")
        assert "a loose terminal" in table(shell, capsys, "load", "wishes")
        table(shell, capsys, "load", "limit", "CP-1", "none")
        table(shell, capsys, "load", "boost", "CP-1", "--reason", "leaves soon")
        assert "leaves soon" in table(shell, capsys, "load", "wishes")
        bar = table(shell, capsys, "load", "show").splitlines()[0]
        assert bar.startswith("Feeder   L1 ")
    by_mqtt = ("--mqtt", "tele/p1", "--path", "a.0", "--path", "a.1", "--shows", "W")
    assert "House is entered" in table(shell, capsys, "load", "meter", "House", *by_mqtt)
    told = table(shell, capsys, "load", "site")
    assert 'reserve = 2.5\nmeter = "House"' in told
    assert 'kind = "mqtt"\ntopic = ["tele/p1"]\npath = ["a.0", "a.1"]\nshows = "W"' in told
    wait_until(lambda: [one["name"] for one in shown(shell, capsys, "load", "meters")] == ["House"])
    for words, problem in (
        (("Other", "--mqtt", "x"), "Feeder has the meter House already"),
        (("Other", "--mqtt", "x", "--circuit", "Row"), "none of this name; there are: Feeder"),
        (("PV", "--mqtt", "x", "--measures", "panels"), "do not say whether power comes or goes"),
    ):
        assert shell("load", "meter", *words) != 0
        assert problem in capsys.readouterr().err
    panels = ("--measures", "panels", "--model", "SDM630", "--address", "192.0.2.7", "--unit", "2")
    assert "PV is entered" in table(shell, capsys, "load", "meter", "PV", *panels)
    told = table(shell, capsys, "load", "site")
    assert 'meter = "House"\npanels = "PV"' in told
    assert 'address = "192.0.2.7"\nunit = 2\nmodel = "SDM630"' in told
    wait_until(lambda: "nothing is known" in table(shell, capsys, "load", "show"))
    assert "load management is off" in table(shell, capsys, "load", "site", "--off")
    assert shell("load", "meter", "House", *by_mqtt) != 0
    assert "nothing is managed" in capsys.readouterr().err
    table(shell, capsys, "load", "site", tmp_path / "feeder.toml")
    assert shell("load", "meter", "House", "--mqtt", "house/#") != 0
    assert "has + or #" in capsys.readouterr().err
