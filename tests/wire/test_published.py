"""Numbers in what devices publish, and topics that name one device."""

import pytest

from levity_trio.wire.published import NoNumber, number_in, wrong_topic

TARIFFS = b'{"electricity_delivered_1": "10380.353", "electricity_delivered_2": 8622.956}'


@pytest.mark.parametrize(
    ("payload", "path", "shown"),
    [
        (b"12.50", "", "12.50"),
        (b" -3\n", "", "-3"),
        (b'{"a_current": 4.029}', "a_current", "4.029"),
        (b'{"ENERGY": {"Current": [0.34, 1.7, 0]}}', "ENERGY.Current.1", "1.7"),
        (b'[{"x": 1}, {"x": "48211.300"}]', "1.x", "48211.300"),
        (b'{"1.8.0": 5, "1": {"8": {"0": 6}}}', "1.8.0", "5"),
        (b'{"Main": {"1.8.0": 5, "1": 7}}', "Main.1.8.0", "5"),
        (TARIFFS, "electricity_delivered_1 + electricity_delivered_2", "19003.309"),
        (b'{"P+": 3}', "P+", "3"),
    ],
)
def test_a_number(payload: bytes, path: str, shown: str) -> None:
    assert str(number_in(payload, path)) == shown


@pytest.mark.parametrize(
    ("payload", "path", "why"),
    [
        (b"", "", "it is not a number"),
        (b"12,5 A", "", "it is not a number"),
        (b"\xff\xfe", "", "it is not a number"),
        (b"nan", "", "it is not a number"),
        (b"48_211", "", "it is not a number"),
        ("\u0664\u0668.5".encode(), "", "it is not a number"),  # Arabic digits
        (b'{"kWh": "4_8"}', "kWh", "kWh is not a number"),
        (b"1e999999", "", "at most 15 digits"),
        (b"1" + b" " * 64 * 1024, "", "more than 64 KiB"),
        (b"<ok>", "a", "not JSON"),
        (b'{"a": null}', "a", "a is not a number"),
        (b'{"a": true}', "a", "a is not a number"),
        (b'{"a": {"b": 1}}', "a", "a is not a number"),
        (b'{"a": [1, 2]}', "a.2", "it has no a.2"),
        (b'{"a": [1, 2]}', "a.-1", "it has no a.-1"),
        (b'{"a": 1}', "a.b", "it has no a.b"),
        (b'{"a": 1}', "a + b", "it has no b"),
    ],
)
def test_no_number(payload: bytes, path: str, why: str) -> None:
    with pytest.raises(NoNumber, match=why):
        number_in(payload, path)


@pytest.mark.parametrize("topic", ["shellies/shellyem3-A1/emeter/0/current", "/a b/ä/", "a" * 1000])
def test_topics_of_one_device(topic: str) -> None:
    assert wrong_topic(topic) == ""


@pytest.mark.parametrize("topic", ["", "a/+/b", "a/#", "#", "a\0b", "a\nb", "ä" * 501])
def test_other_topics(topic: str) -> None:
    assert wrong_topic(topic)
