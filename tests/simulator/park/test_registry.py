"""The park's file: replaced atomically, read back unchanged, and refused in one line if broken."""

from __future__ import annotations

import stat
from pathlib import Path

import orjson
import pytest

from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.simulator.charger.state import ChargerSpec
from levity_trio.simulator.park.park import (
    DEFAULT_LOCATION,
    Location,
    Placement,
    Registry,
    owned,
    read_registry,
    write,
    written,
)
from levity_trio.simulator.physics import Vehicle


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "simulator.json"


def filled() -> Registry:
    registry = Registry()
    registry.locations["Yard"] = Location(name="Yard", address="Back street 1")
    registry.vehicles["A/B"] = Vehicle(name="A/B", soc=0.9)
    kept = registry.add_charger(
        ChargerSpec(id="CP-1", connectors=2, quirks=("grizzl-e",), register_wh=5),
        Placement(location="Yard", auto_connect=False),
    )
    kept.memory.registers[1] = 1234.5
    kept.memory.configuration["HeartbeatInterval"] = "7"
    kept.memory.cache["TAG"] = {"status": "Accepted"}
    return registry


def test_without_a_file_there_is_a_place_to_stand(path: Path) -> None:
    registry = read_registry(path)
    assert list(registry.locations) == [DEFAULT_LOCATION]
    assert not registry.chargers


def test_it_is_read_back_as_it_was(path: Path) -> None:
    write(path, written(filled()))
    again = read_registry(path)
    assert again == filled()
    assert written(again) == path.read_bytes()


def test_others_cannot_read_the_passwords_in_it(path: Path) -> None:
    write(path, b"{}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_write_that_fails_leaves_what_was_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    write(path, b"old")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(EnvironmentProblem, match="No space left on device; make room"):
        write(path, b"new")
    assert [one.read_bytes() for one in path.parent.iterdir()] == [b"old"]


def test_a_link_to_it_stays_one(path: Path) -> None:
    link = path.with_name("link.json")
    link.symlink_to(path)
    write(link, b"content")
    assert link.is_symlink()
    assert path.read_bytes() == b"content"


def test_a_folder_that_is_not_there(path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="No such file or directory"):
        write(path / "deeper", b"content")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[]",
        b"5",
        b"{}",
        b'{"version": 2}',
        b'{"version": 1, "locations": 5}',
        b'{"version": 1, "locations": [5], "vehicles": [], "chargers": []}',
        b'{"version": 1, "locations": [{"name": ""}], "vehicles": [], "chargers": []}',
    ],
)
def test_a_broken_file_is_one_plain_line(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_registry(path)
    line = str(caught.value)
    assert line.startswith(f"--state {path} is not a simulator state file: ")
    assert "correct it" in line
    assert "\n" not in line
    assert path.read_bytes() == content


@pytest.mark.parametrize("part", ["spec", "memory", "location"])
def test_a_charger_without_a_part_of_it(path: Path, part: str) -> None:
    content = filled().to_json()
    del content["chargers"][0][part]
    path.write_bytes(orjson.dumps(content))
    with pytest.raises(ConfigError, match=f"'{part}' is missing"):
        read_registry(path)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("registers", None),
        ("registers", []),
        ("registers", [0, 0, "x"]),
        ("is_operative", [True]),
        ("cache", []),
    ]
    + [("configuration", None), ("last_local_id", "1"), ("firmware_version", 1), ("messages", 5)],
)
def test_a_memory_that_is_none(path: Path, part: str, value: object) -> None:
    content = filled().to_json()
    content["chargers"][0]["memory"][part] = value
    path.write_bytes(orjson.dumps(content))
    with pytest.raises(ConfigError, match="is not a simulator state file"):
        read_registry(path)


def test_a_register_may_be_written_without_fraction(path: Path) -> None:
    content = filled().to_json()
    content["chargers"][0]["memory"]["registers"] = [0, 5, 7]
    path.write_bytes(orjson.dumps(content))
    assert read_registry(path).chargers["CP-1"].memory.registers == [0, 5, 7]


def test_it_is_one_simulators_at_a_time(path: Path) -> None:
    link = path.with_name("link.json")
    link.symlink_to(path)
    with (
        owned(path),
        pytest.raises(EnvironmentProblem, match=r"another simulator runs on .*link\.json; stop it"),
        owned(link),
    ):
        pass
    with owned(link):
        pass


def test_nothing_is_left_beside_a_file_that_is_none_of_ours(path: Path) -> None:
    path.write_bytes(b"{}")
    with pytest.raises(ConfigError), owned(path):
        read_registry(path)
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_nobodys(path: Path) -> None:
    with (
        pytest.raises(EnvironmentProblem, match="No such file or directory; make room"),
        owned(path / "deeper"),
    ):
        pass


def test_a_quirk_that_nobody_knows(path: Path) -> None:
    write(path, written(filled()).replace(b"grizzl-e", b"unheard-of"))
    with pytest.raises(ConfigError, match="quirks: unheard-of is not known"):
        read_registry(path)


def test_a_folder_in_its_place(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        read_registry(path)
