"""Time zones: the one of this machine, and names that are none."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from levity_trio.config import ServerConfig
from levity_trio.config.sources import load
from levity_trio.config.time_zones import UnknownZone, named, of_system


@pytest.mark.parametrize(
    "name", ["Europe/Berlim", "", "/etc/passwd", "../UTC", "Europe", "a\0b", "é"]
)
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(UnknownZone):
        named(name)


@pytest.mark.parametrize(
    ("variable", "link", "zone"),
    [
        ("Europe/Berlin", "America/Vancouver", "Europe/Berlin"),
        (":Europe/Berlin", None, "Europe/Berlin"),
        ("", "Australia/Lord_Howe", "Australia/Lord_Howe"),
        ("CET-1CEST,M3.5.0", "America/Vancouver", "America/Vancouver"),
        ("", None, "UTC"),
    ],
)
def test_that_of_the_machine(tmp_path: Path, variable: str, link: str | None, zone: str) -> None:
    local_time = tmp_path / "localtime"
    if link is not None:
        local_time.symlink_to(f"/usr/share/zoneinfo/{link}")
    assert of_system(variable, local_time) == ZoneInfo(zone)


def test_the_setting_goes_before_that_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Vancouver")
    assert ServerConfig().time_zone == ZoneInfo("America/Vancouver")
    assert load({"given_time_zone": "Europe/Berlin"}, {})[0].time_zone == ZoneInfo("Europe/Berlin")
