"""Scenarios: the shipped ones, and the errors of wrong ones."""

from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.config import ConfigError
from levity_trio.simulator.physics import ERROR_CODES, Vehicle
from levity_trio.simulator.quirks import QUIRKS
from levity_trio.simulator.scenario import Kind, Scenario, VehicleKind, load, read, shipped

LEAST = 'title = "t"\nhours = 1\n'


def problem(text: str) -> str:
    """Return the line with which this scenario is refused."""
    with pytest.raises(ConfigError) as refused:
        read(text, "my.toml")
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith("my.toml")
    return line


def test_the_shipped_ones_are_those_promised() -> None:
    titles = shipped()
    assert list(titles) == ["day", "feeder", "idle", "liars", "minutes", "month", "outage"]
    assert all(titles.values())


def test_the_day_is_well_behaved() -> None:
    day = load("day")
    assert (day.hours, day.seconds, day.chargers) == (24, 86_400, 20)
    assert (day.deals_each_quirk, day.quirks, day.mishaps) == (False, {}, ())
    assert day.arrivals.index(max(day.arrivals)) in range(17, 22)
    assert [kind.name for kind in day.vehicles] == ["City car", "Sedan", "Plug-in hybrid", "Van"]


def test_the_month_is_the_one_that_the_bill_is_proved_with() -> None:
    month = load("month")
    assert (month.hours, month.sessions_per_day, month.chargers) == (720, 2, 20)
    assert month.deals_each_quirk
    assert month.configuration["MeterValueSampleInterval"] == "900"


def test_the_others_have_what_their_names_say() -> None:
    assert load("liars").deals_each_quirk
    assert {mishaps.kind for mishaps in load("month").mishaps} == set(Kind)
    assert load("idle").sessions_per_day == 0
    assert (load("minutes").seconds, load("minutes").stay_hours) == (1_800, (2 / 60, 5 / 60))
    assert {mishaps.kind for mishaps in load("outage").mishaps} == {Kind.OUTAGE, Kind.POWER_CUT}


def test_the_day_shows_every_key() -> None:
    """The file documents every key for users; keys that it does not set stand in comments."""
    text = (files("levity_trio.simulator") / "scenarios" / "day.toml").read_text(encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read(LEAST + "nonsense = 1", "my.toml")
    known = str(refused.value).split("give some of ")[1].split(", ")
    assert len(known) > 10
    assert [key for key in known if key not in text] == []


def test_little_has_to_be_said() -> None:
    assert read(LEAST, "my.toml") == Scenario(title="t", hours=1)


def test_a_scenario_cannot_be_altered() -> None:
    scenario = read(LEAST + "[configuration]\nHeartbeatInterval = 1", "my.toml")
    with pytest.raises(AttributeError):
        scenario.hours = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        scenario.configuration["HeartbeatInterval"] = "2"  # type: ignore[index]


def test_everything_is_read() -> None:
    scenario = read(
        LEAST
        + """
        first-hour = 17
        chargers = 3
        sessions-per-day = 2.5
        stay-hours = [0.5, 2]
        tags = ["A", "B"]
        dc-share = 0.5
        signing-share = 0.25
        quirks = { never-answers = 0.25, clock-1970 = 1 }
        vehicles = [
            { name = "Van", share = 2, battery-kwh = 80, ac-kw = 22, ac-phases = 3, dc-kw = 50, soc = [0.1, 0.2] },
            { name = "Sloth", ac-tapers = true, most-pauses = 3, follow-seconds = 4.5, least-amperes = 8 },
        ]
        [faults]
        per-day = 1
        minutes = [1, 2]
        error-codes = ["GroundFailure"]
        [power-cuts]
        per-day = 2
        minutes = [3, 4]
        [configuration]
        MeterValueSampleInterval = 900
        localpreauthorize = true
        MeterValuesSampledData = "SoC"
        """,  # noqa: E501
        "my.toml",
    )
    assert (scenario.first_hour, scenario.chargers, scenario.sessions_per_day) == (17, 3, 2.5)
    assert (scenario.stay_hours, scenario.tags, scenario.dc_share) == ((0.5, 2), ("A", "B"), 0.5)
    assert scenario.signing_share == 0.25
    assert scenario.quirks == {"never-answers": 0.25, "clock-1970": 1}
    assert scenario.vehicles == (
        VehicleKind(
            name="Van", share=2, battery_kwh=80, ac_kw=22, ac_phases=3, dc_kw=50, soc=(0.1, 0.2)
        ),
        VehicleKind(
            name="Sloth", dc_kw=0, ac_tapers=True, most_pauses=3, follow_seconds=4.5, least_a=8
        ),
    )
    faults, cuts = scenario.mishaps
    assert (faults.kind, faults.per_day, faults.minutes) == (Kind.FAULT, 1, (1, 2))
    assert faults.error_codes == ("GroundFailure",)
    assert (cuts.kind, cuts.per_day, cuts.minutes, cuts.error_codes) == (
        Kind.POWER_CUT,
        2,
        (3, 4),
        (),
    )
    assert scenario.configuration == {
        "MeterValueSampleInterval": "900",
        "LocalPreAuthorize": "true",
        "MeterValuesSampledData": "SoC",
    }


def test_faults_have_all_codes_unless_told() -> None:
    scenario = read(LEAST + "[faults]\nper-day = 1\nminutes = [1, 2]", "my.toml")
    assert scenario.mishaps[0].error_codes == ERROR_CODES


def test_a_vehicle_arrives_in_watts() -> None:
    kind = VehicleKind(
        name="Van", battery_kwh=80, ac_kw=7.4, ac_phases=1, dc_kw=0, follow_seconds=5, least_a=8
    )
    assert kind.arriving(0.5) == Vehicle(
        name="Van",
        battery_wh=80_000,
        max_ac_w=7_400,
        ac_phases=1,
        max_dc_w=0,
        soc=0.5,
        follow_seconds=5,
        least_ac_a=8,
    )


MISTAKES = [
    pytest.param("hours = 1", "title is missing: give a text", id="no title"),
    pytest.param('title = "t"', "hours is missing: give a number from 0.5 to 8784", id="no hours"),
    pytest.param('title = ""\nhours = 1', "title = '': give a text of 1 to 70", id="empty title"),
    pytest.param(
        'title = "a\\nb"\nhours = 1', "title = 'a\\nb': give a text", id="title of two lines"
    ),
    pytest.param('title = "t"\nhours = 0', "hours = 0: give a number from 0.5", id="no time"),
    pytest.param('title = "t"\nhours = nan', "hours = nan: give a number", id="nan"),
    pytest.param('title = "t"\nhours = true', "hours = True: give a number", id="no number"),
    pytest.param('title = "t"\nhours = ', "is not TOML", id="no TOML"),
    pytest.param(
        LEAST + "first-hour = 24", "first-hour = 24: give a whole number from 0 to 23", id="hour 24"
    ),
    pytest.param(
        LEAST + "chargers = 1.5", "chargers = 1.5: give a whole number", id="half a charger"
    ),
    pytest.param(
        LEAST + "sessions_per_day = 1",
        "'sessions_per_day' is not known; give some of",
        id="unknown",
    ),
    pytest.param(
        LEAST + "stay-hours = [2, 1]", "stay-hours = [2, 1]: give two numbers", id="range reversed"
    ),
    pytest.param(LEAST + "stay-hours = 2", "stay-hours = 2: give two numbers", id="no range"),
    pytest.param(
        LEAST + 'stay-hours = ["1", 2]',
        "stay-hours = ['1', 2]: give two numbers",
        id="text in a range",
    ),
    pytest.param(
        LEAST + "stay-minutes = [1, 5]",
        "stay-minutes = [1, 5]: give two numbers from 2",
        id="too short",
    ),
    pytest.param(
        LEAST + "stay-hours = [1, 2]\nstay-minutes = [2, 5]",
        "[1, 2]: give either stay-hours or stay-minutes",
        id="hours and minutes",
    ),
    pytest.param(LEAST + "arrivals = [1, 2]", "arrivals = [1, 2]: give 24 numbers", id="two hours"),
    pytest.param(
        LEAST + f"arrivals = {[0] * 24}", "at least one of them above 0", id="nobody ever"
    ),
    pytest.param(
        LEAST + f"arrivals = {[-1] + [1] * 23}", "give 24 numbers from 0", id="below nobody"
    ),
    pytest.param(LEAST + "tags = []", "tags = []: give a list of texts", id="no tags"),
    pytest.param(
        LEAST + 'tags = ["ABCDEFGHIJKLMNOPQRSTU"]', "each of 1 to 20 characters", id="long tag"
    ),
    pytest.param(
        LEAST + "vehicles = 1", "vehicles = 1: give one or more tables [[vehicles]]", id="vehicles"
    ),
    pytest.param(LEAST + "[[vehicles]]\n", "vehicles[1].name is missing", id="nameless vehicle"),
    pytest.param(
        LEAST + '[[vehicles]]\nname = "a"\n[[vehicles]]\nname = "b"\nsoc = [0, 2]',
        "vehicles[2].soc = [0, 2]: give two numbers from 0 to 1",
        id="too full",
    ),
    pytest.param(
        LEAST + '[[vehicles]]\nname = "a"\nwheels = 3',
        "vehicles[1].'wheels' is not known",
        id="wheels",
    ),
    pytest.param(
        LEAST + 'dc-share = 1\n[[vehicles]]\nname = "a"',
        "dc-share = 1: give 0, or a vehicle with dc-kw",
        id="no DC",
    ),
    pytest.param(
        LEAST + '[[vehicles]]\nname = "a"\ndc-kw = 0.01',
        "vehicles[1].dc-kw = 0.01: give 0.1 to 1000, or 0 for no DC inlet",
        id="hardly any DC",
    ),
    pytest.param(LEAST + 'quirks = "all"', "quirks = 'all': give a table [quirks]", id="quirks"),
    pytest.param(
        LEAST + "[quirks]\nlies = 1", "quirks.'lies' is not known; give some of", id="unknown quirk"
    ),
    pytest.param(
        LEAST + "[quirks]\nclock-1970 = 2",
        "quirks.clock-1970 = 2: give a number from 0 to 1",
        id="share",
    ),
    pytest.param(LEAST + "outages = 1", "outages = 1: give a table [outages]", id="outages"),
    pytest.param(LEAST + "[outages]\nper-day = 1", "outages.minutes is missing", id="no minutes"),
    pytest.param(
        LEAST + '[outages]\nper-day = 1\nminutes = [1, 2]\nerror-codes = ["OtherError"]',
        "outages.'error-codes' is not known",
        id="outage with a code",
    ),
    pytest.param(
        LEAST + '[faults]\nper-day = 1\nminutes = [1, 2]\nerror-codes = ["NoError"]',
        "faults.error-codes = 'NoError': give some of ConnectorLockFailure",
        id="fault without error",
    ),
    pytest.param(
        LEAST + "[configuration]\nMeterValueSampleInterval = [1]",
        "configuration.MeterValueSampleInterval = [1]: give a value that the key accepts",
        id="configuration value",
    ),
    pytest.param(
        LEAST + "[configuration]\nMeterInterval = 1",
        "configuration.MeterInterval = 1: give a configuration key of OCPP 1.6",
        id="configuration key",
    ),
    pytest.param(LEAST + f"chargers = '{'9' * 1000}'", "…: give a whole number", id="long value"),
]


@pytest.mark.parametrize(("text", "told"), MISTAKES)
def test_a_mistake_is_one_plain_line(text: str, told: str) -> None:
    line = problem(text)
    assert told in line
    assert len(line) < 1000


def test_all_mistakes_are_told_at_once() -> None:
    text = """
    hours = 0
    wheels = 4
    stay-hours = [2, 1]
    tags = ["A", 1]
    dc-share = 1
    [[vehicles]]
    dc-kw = "many"
    doors = 5
    [quirks]
    lies = 1
    clock-1970 = 2
    [faults]
    error-codes = ["NoError", "Never"]
    [configuration]
    MeterInterval = 1
    HeartbeatInterval = 0
    """
    with pytest.raises(ConfigError) as refused:
        read(text, "my.toml")
    told = [
        line.removeprefix("my.toml: ").split(": ")[0].split(" is ")[0]
        for line in refused.value.args
    ]
    assert sorted(told) == sorted(
        [
            *("title", "hours = 0", "'wheels'", "stay-hours = [2, 1]", "tags = 1"),
            *("vehicles[1].name", "vehicles[1].dc-kw = 'many'", "vehicles[1].'doors'"),
            *("quirks.'lies'", "quirks.clock-1970 = 2"),
            *(
                "faults.per-day",
                "faults.minutes",
                "faults.error-codes = 'NoError'",
                "faults.error-codes = 'Never'",
            ),
            *("configuration.MeterInterval = 1", "configuration.HeartbeatInterval = 0"),
        ]
    )


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(LEAST, encoding="utf-8")
    assert load(str(path)).title == "t"
    path.write_text("hours = -1", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.toml: title is missing"):
        load(str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(
        ConfigError,
        match=r"mine\.toml: not a UTF-8 text of at most 1 MiB; give one of day, feeder, idle",
    ):
        load(str(path))
    path.write_text("\ufeff" + LEAST.replace("\n", "\r\n"), encoding="utf-8")
    assert load(str(path)).title == "t"  # as some editors write files


def test_a_file_without_an_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="scenario /dev/zero: not a UTF-8 text of at most 1 MiB"):
        load("/dev/zero")


@pytest.mark.parametrize("name", ["night", "", "a\nb", "a\0b"])
def test_an_unknown_name_is_told_the_known_ones(name: str) -> None:
    with pytest.raises(
        ConfigError,
        match="give one of day, feeder, idle, liars, minutes, month, outage, or the path",
    ) as refused:
        load(name)
    assert "\n" not in str(refused.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = [
    "title",
    "hours",
    "arrivals",
    "stay-hours",
    "tags",
    "vehicles",
    "quirks",
    "faults",
    "outages",
    "configuration",
]


@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_nothing_else_is_ever_raised(table: dict[str, object]) -> None:
    lines = "\n".join(
        f"{key} = {in_toml(value)}" for key, value in table.items() if value is not None
    )
    with suppress(ConfigError):
        read(lines, "my.toml")


def in_toml(value: object) -> str:
    """Format a value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return (
            '"'
            + "".join(
                f"\\U{ord(letter):08X}" for letter in value if not "\ud800" <= letter <= "\udfff"
            )
            + '"'
        )
    if isinstance(value, list):
        return "[" + ", ".join(in_toml(one) for one in value if one is not None) + "]"
    if isinstance(value, dict):
        pairs = (
            f"{in_toml(key)} = {in_toml(one)}" for key, one in value.items() if one is not None
        )
        return "{ " + ", ".join(pairs) + " }"
    return str(value)


def test_quirks_are_known_by_their_registry() -> None:
    text = LEAST + "[quirks]\n" + "\n".join(f"{name} = 0.5" for name in QUIRKS)
    assert list(read(text, "my.toml").quirks) == list(QUIRKS)
