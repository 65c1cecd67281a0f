"""Charts are drawn from what is known, and only from that."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.web.dashboard.charts import (
    MOST_POINTS,
    PLOT,
    Band,
    Compared,
    CurveChart,
    Layer,
    Point,
    StepsChart,
    compared,
    curve,
    stack,
    steps,
    week,
)

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
HOSTILE = '"><script>alert(1)</script>'


def drawn(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own, and it must be well-formed


def of_class(svg: ET.Element, name: str) -> list[ET.Element]:
    return [one for one in svg.iter() if name in one.get("class", "").split()]


def made(points: list[Point], minutes: float = 60, **given: object) -> ET.Element:
    until = NOON + timedelta(minutes=minutes)
    settings = {"words": "Power", "unit": "kW", **given}
    return drawn(
        curve(CurveChart(points=points, since=NOON, until=until, zone=ZoneInfo("UTC"), **settings))  # type: ignore[arg-type]
    )


def pieces(svg: ET.Element, name: str = "line") -> int:
    (shape,) = of_class(svg, name)
    return shape.get("d", "").count("M")


def test_a_gap_in_the_readings_is_a_gap() -> None:
    points = [(at * 60.0, 7.2) for at in (*range(20), *range(40, 60))]
    assert pieces(made(points)) == 2
    assert pieces(made(points, is_area=True), "area") == 2
    assert pieces(made(points, longest_step=3600.0)) == 1


def test_an_area_begins_at_nothing_and_a_line_at_its_lowest() -> None:
    points = [(0.0, 1234.5), (60.0, 1240.0)]
    texts = ["".join(one.itertext()) for one in made(points, unit="kWh").iter("text")]
    assert texts[0] == "1\u202f234"
    assert sum("kWh" in one for one in texts) == 1
    assert next(made(points, is_area=True).iter("text")).text == "0"


def test_labels_of_levels_stand_beside_the_plot_and_cover_nothing() -> None:
    for svg in (
        made([(0, 1.0), (60, 2.0)]),
        drawn(stack([Layer("A", [50.0, 1.0])], "12", "kWh", "Energy")),
    ):
        levels = [one for one in svg.iter("text") if one.get("class") == "level"]
        assert len(levels) > 3
        assert {(one.get("x"), one.get("text-anchor")) for one in levels} == {("-6", "end")}


def test_labels_of_times_stand_beneath_their_times() -> None:
    texts = [one for one in made([(0.0, 1.0)], 61).iter("text") if ":" in (one.text or "")]
    assert [(one.text, one.get("text-anchor")) for one in texts] == [
        *((f"12:{minute:02}", "middle") for minute in (0, 15, 30, 45)),
        ("13:00", "end"),
    ]


def test_a_single_reading_is_a_dot() -> None:
    (line,) = of_class(made([(1800.0, 7.2)]), "line")
    assert re.fullmatch(r"M500\.0 [\d.]+h0", line.get("d", ""))


def test_nothing_known_is_an_empty_chart() -> None:
    (line,) = of_class(made([]), "line")
    assert line.get("d") == ""
    assert list(drawn(stack([], [], "kWh", "nothing")).iter("rect")) == []


def test_points_are_given_to_the_script() -> None:
    svg = made([(0.0, 1.0), (60.04, 7.2), (9999.0, 5.0)])
    assert orjson.loads(svg.get("data-points", "")) == [[0.0, 1.0], [60.0, 7.2]]
    assert float(svg.get("data-begin", "")) == NOON.timestamp()


def test_bands_are_cut_at_the_ends() -> None:
    svg = made([(0.0, 1.0)], bands=[Band(-60.0, 1800.0, "night"), Band(1800.0, 9999.0, "day", 1)])
    found = of_class(svg, "band")
    assert [(one.get("x"), one.get("width")) for one in found] == [
        ("0.0%", "50.0%"),
        ("50.0%", "50.0%"),
    ]
    assert ["".join(one.itertext()) for one in found] == ["night", "day"]
    assert "shade-1" in found[1].get("class", "")


def test_bars_stand_on_each_other_and_tell_their_sum() -> None:
    svg = drawn(
        stack(
            [Layer("A", [10.0, None, 5.0]), Layer("B", [10.0, 0.0, 0.0], 2)], "123", "kWh", "Energy"
        )
    )
    assert paths(svg) == [f"M1 {PLOT}V70h8V{PLOT}zM21 {PLOT}V105h8V{PLOT}z", "M1 70V0h8V70z"]
    assert [one[0].text for one in of_class(svg, "sum")] == [
        "1: 20.0 kWh",
        "2: 0.0 kWh",
        "3: 5.0 kWh",
    ]
    assert of_class(svg, "c2")


def test_of_many_bars_some_are_labelled() -> None:
    svg = drawn(
        stack([Layer("A", [1.0] * 31)], [f"day {day}" for day in range(31)], "kWh", "Energy")
    )
    assert [one.text for one in svg.iter("text") if "day" in (one.text or "")] == [
        "day 0",
        "day 15",
        "day 30",
    ]


def test_the_hours_of_a_week_are_the_darker_the_more() -> None:
    hours = [0.0] * 168
    hours[0], hours[18], hours[167] = 1.0, 10.0, 5.0
    svg = drawn(week(hours, "Energy"))
    shades = {shade: [one.get("d") for one in of_class(svg, f"hot-{shade}")] for shade in range(6)}
    assert shades == {
        0: [],
        1: ["M0 0h1v1h-1z"],
        2: [],
        3: ["M23 6h1v1h-1z"],
        4: [],
        5: ["M18 0h1v1h-1z"],
    }
    assert [one.text for one in svg.iter("text")][:7] == [
        "Mon",
        "Tue",
        "Wed",
        "Thu",
        "Fri",
        "Sat",
        "Sun",
    ]


@pytest.mark.parametrize(
    "svg",
    [
        curve(
            CurveChart(
                words=HOSTILE,
                unit=HOSTILE,
                points=[],
                since=NOON,
                until=NOON,
                zone=UTC,
                bands=[Band(0, 1, HOSTILE)],
            )
        ),
        stack([Layer(HOSTILE, [1.0])], [HOSTILE], HOSTILE, HOSTILE),
    ],
)
def test_hostile_words_stay_words(svg: str) -> None:
    assert not list(drawn(svg).iter("script"))
    assert HOSTILE in "".join([*drawn(svg).itertext(), drawn(svg).get("aria-label", "")])


@given(
    st.lists(st.tuples(st.floats(0, 1e7), st.floats(0, 1e6)), max_size=700).map(sorted),
    st.floats(0, 1e5),
)
def test_any_readings_are_drawn(points: list[Point], minutes: float) -> None:
    svg = made(points, minutes, is_area=True)
    assert len(orjson.loads(svg.get("data-points", ""))) <= MOST_POINTS
    assert "nan" not in ET.tostring(svg, "unicode")


# Layers

DAY: tuple[float | None, ...] = (0, 0, 5, 10, 0, None, 2, 2)


def layered(*layers: Layer, hours: float = 2, **given: object) -> ET.Element:
    until = NOON + timedelta(hours=hours)
    settings = {
        "words": "Power",
        "unit": "kW",
        "step": 900,
        "whole": DAY,
        "layers": layers,
        **given,
    }
    return drawn(steps(StepsChart(since=NOON, until=until, zone=ZoneInfo("UTC"), **settings)))  # type: ignore[arg-type]


def paths(svg: ET.Element, name: str = "layer") -> list[str]:
    return [
        path.get("d", "")
        for one in of_class(svg, name)
        for path in one.iter()
        if path.tag == "path"
    ]


def test_layers_stand_on_each_other_and_stop_where_nothing_flows() -> None:
    first, second = paths(layered(Layer("A", DAY), Layer("B", (0, 0, 5, 0, 0, None, 0, 0))))
    assert first == f"M2 {PLOT // 2}H3V0H4V{PLOT}H2ZM6 {PLOT - 28}H8V{PLOT}H6Z"
    assert second == f"M2 0H3V{PLOT // 2}H2Z"


def test_a_limit_is_a_line_with_its_name_and_makes_room_for_itself() -> None:
    svg = layered(
        Layer("A", DAY), limit=(20, 20, 20, 20, 16, 16, None, None), limit_words="Feeder 20 A"
    )
    (line,) = [one.get("d") for one in of_class(svg, "limit") if one.tag.endswith("path")]
    assert line == f"M0 0H4V{PLOT // 5}H6"
    (label,) = [one for one in of_class(svg, "limit") if one.tag.endswith("text")]
    assert (label.text, label.get("y")) == ("Feeder 20 A", "16")
    assert not of_class(layered(Layer("A", DAY)), "limit")


def test_the_line_behind_is_broken_where_nothing_is_known() -> None:
    behind = ((0, 0, None, 10, 10, 5, None, None), "M0 140H2M3 0H5V70H6")
    svg = layered(behind=behind[0])
    assert [one.get("d") for one in of_class(svg, "behind")] == [behind[1]]


@pytest.mark.parametrize("hours", [23, 25])
def test_a_day_of_a_change_of_the_clock_has_as_many_quarters_as_it_lasts(hours: int) -> None:
    svg = layered(Layer("A", [1.0] * 4 * hours), hours=hours, whole=[1.0] * 4 * hours)
    (box,) = {one.get("viewBox") for one in svg.iter("svg") if one.get("viewBox")}
    assert box == f"0 0 {4 * hours} {PLOT}"
    assert paths(svg) == [f"M0 0H{4 * hours}V{PLOT}H0Z"]


def test_what_is_under_the_finger_is_the_sum_and_a_gap_says_nothing() -> None:
    points = orjson.loads(layered(Layer("A", DAY)).get("data-points", ""))
    assert points == [[450, 0], [1350, 0], [2250, 5], [3150, 10], [4050, 0], [5850, 2], [6750, 2]]


def test_who_it_was_is_said_by_text_and_by_colour() -> None:
    svg = layered(Layer(HOSTILE, DAY, 9), gaps=[Band(3600, 5400, "not known")])
    assert [one.text for one in of_class(svg, "tip")] == [HOSTILE]
    assert of_class(svg, "c1")
    assert [one[0].text for one in of_class(svg, "gap")] == ["not known"]


def test_values_are_compared_by_their_length() -> None:
    svg = drawn(
        compared(
            [Compared("Now", 50.0), Compared("Before", 100.0, 25.0, is_present=False)], "Energy"
        )
    )
    assert [one.get("width") for one in svg.iter("rect")] == ["50.0%", "100.0%", "25.0%"]
    assert not [
        one.get("width")
        for one in drawn(compared([Compared("Now", 0)], "")).iter("rect")
        if one.get("width") != "0.0%"
    ]
