"""Forms from the declarations of the API: every endpoint's fields, and the JSON that a filled-in
form makes."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import orjson
import pytest
from starlette.datastructures import FormData, UploadFile

from levity_trio.locale import speaking
from levity_trio.web.api.engine.endpoints import Endpoint, Request, Role, StructBody
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.fields import (
    ASKED,
    ENERGY,
    JSON,
    MONEY,
    YES_OR_NO,
    FormField,
    WrongInput,
    body_of,
    fields_of,
    filled,
    in_order,
    label_of,
    leaves,
    query_of,
    texts,
    with_rows,
    with_twice,
)
from levity_trio.web.dashboard.forms import given_in
from levity_trio.web.dashboard.templating import Templates

BERLIN = ZoneInfo("Europe/Berlin")
CHANGING = [one for one in ENDPOINTS if one.changes]


def endpoint(path: str, method: str = "POST") -> Endpoint:
    (found,) = [one for one in ENDPOINTS if (one.method, one.path) == (method, path)]
    return found


START = endpoint("/api/admin/chargers/{id}/remote-start")
PROFILE = endpoint("/api/admin/chargers/{id}/set-charging-profile")
RESERVE = endpoint("/api/admin/chargers/{id}/reserve-now")
CORRECT = endpoint("/api/admin/transactions/{id}/correct")
CORRECTION = endpoint("/api/admin/wallets/{id}/correction")


def test_choices_stand_in_the_order_of_their_words() -> None:
    biller = fields_of(endpoint("/api/admin/biller", "PUT"))
    (kinds,) = [one.choices for one in leaves(biller) if one.name == "tax_kind"]
    assert kinds == ("taxed", "small business", "exempt", "no business")


@pytest.mark.parametrize("one", CHANGING, ids=lambda one: f"{one.method} {one.path}")
def test_every_endpoint_has_fields_with_names_of_their_own(one: Endpoint) -> None:
    names = [field.name for field in leaves(fields_of(one))]
    assert len(names) == len(set(names))
    assert all(label_of(name) for name in names)


@pytest.mark.parametrize("one", CHANGING, ids=lambda one: f"{one.method} {one.path}")
def test_an_empty_form_makes_an_empty_body(one: Endpoint) -> None:
    fields = fields_of(one)
    if any(field.name in ASKED for field in leaves(fields)):
        with pytest.raises(WrongInput, match="choose one"):
            body_of(fields, {}, BERLIN, "EUR")
        return
    assert body_of(fields, {}, BERLIN, "EUR") == {}


def test_a_body_of_several_levels() -> None:
    given = {
        "connectorId": "1",
        "csChargingProfiles.stackLevel": "0",
        "csChargingProfiles.chargingProfilePurpose": "TxDefaultProfile",
        "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].startPeriod": "0",
        "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit": "16.0",
        "csChargingProfiles.validFrom": "",
    }
    assert body_of(with_rows(fields_of(PROFILE), given), given, BERLIN, "EUR") == {
        "connectorId": 1,
        "csChargingProfiles": {
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingSchedule": {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}]},
        },
    }


def test_what_is_filled_in_is_read_by_the_endpoint() -> None:
    given = {"connectorId": "1", "idTag": "TAG", "expiryDate": "2026-07-01T12:00"}
    assert RESERVE.body is not None
    assert (
        RESERVE.body.read(orjson.dumps(body_of(fields_of(RESERVE), given, BERLIN, "EUR")))["idTag"]
        == "TAG"
    )


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-07-01T12:00", "2026-07-01T10:00:00.000Z"),  # summer time
        ("2026-01-01T12:00:30", "2026-01-01T11:00:30.000Z"),
        ("2026-01-01T12:00+05:00", "2026-01-01T07:00:00.000Z"),
    ],
)
def test_a_time_is_one_of_the_site(text: str, moment: str) -> None:
    assert body_of(fields_of(RESERVE), {"expiryDate": text}, BERLIN, "EUR") == {
        "expiryDate": moment
    }


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("connectorId", "one", "give a number"),
        ("chargingProfile.validFrom", "soon", "give a date and a time"),
        ("chargingProfile.validFrom", "9999-12-31T23:59:59-05:00", "give a date and a time"),
    ],
)
def test_what_cannot_be_read_names_its_field(name: str, text: str, words: str) -> None:
    with pytest.raises(WrongInput, match=words) as raised:
        body_of(fields_of(START), {name: text}, BERLIN, "EUR")
    assert raised.value.name == name


def test_parameters_of_the_query_stand_apart() -> None:
    given = {"idTag": "TAG", "?deadline": "60", "?force": "true"}
    assert body_of(fields_of(START), given, BERLIN, "EUR") == {"idTag": "TAG"}
    assert query_of(fields_of(START), given) == {"deadline": "60", "force": "true"}


def test_parameters_for_programs_are_no_fields() -> None:
    names = {one.name for one in leaves(fields_of(START))}
    assert not {"?errors", "?timeout"} & names


class TestRows:
    BEGIN = "csChargingProfiles.chargingSchedule.chargingSchedulePeriod"

    def rows(self, names: list[str], spare: int = 0) -> list[str]:
        fields = with_rows(fields_of(PROFILE), names, spare)
        return [one.name for one in leaves(fields) if one.name.endswith("].limit")]

    def test_there_are_some_without_asking(self) -> None:
        assert self.rows([]) == [f"{self.BEGIN}[{number}].limit" for number in range(3)]

    def test_there_are_as_many_as_were_filled_in_and_more(self) -> None:
        assert len(self.rows([f"{self.BEGIN}[6].limit"])) == 7
        assert len(self.rows([f"{self.BEGIN}[6].limit"], 3)) == 10

    @pytest.mark.parametrize("number", ["9" * 30, "501", "-1", "x", "", "\u0663"])
    def test_a_hostile_number_makes_few(self, number: str) -> None:
        assert len(self.rows([f"{self.BEGIN}[{number}].limit"])) <= 500

    def test_those_without_values_are_left_out(self) -> None:
        given = {
            f"{self.BEGIN}[{number}].limit": text for number, text in enumerate(("16", " ", "8"))
        }
        made = body_of(with_rows(fields_of(PROFILE), given), given, BERLIN, "EUR")
        assert made["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"] == [
            {"limit": 16},
            {"limit": 8},
        ]

    def test_a_browser_insists_on_nothing_in_them(self) -> None:
        fields = with_rows(fields_of(PROFILE), ())
        assert not [one.name for one in leaves(fields) if one.is_enforced and "[" in one.name]


def test_a_browser_does_not_insist_on_what_stands_in_a_part_that_may_stay_empty() -> None:
    assert [one.name for one in leaves(fields_of(START)) if one.is_enforced] == ["idTag"]


def test_what_identifies_a_charger_is_asked_first() -> None:
    assert [one.name for one in fields_of(endpoint("/api/admin/chargers"))][:2] == ["id", "name"]


def test_what_may_be_true_false_or_nothing_is_no_switch() -> None:
    policy = endpoint("/api/admin/chargers/{id}/offline-policy")
    (one,) = [one for one in fields_of(policy) if one.name == "LocalPreAuthorize"]
    assert one.kind == YES_OR_NO
    assert body_of((one,), {one.name: "false"}, BERLIN, "EUR") == {one.name: False}
    assert body_of((one,), {one.name: ""}, BERLIN, "EUR") == {}


class Kinds(msgspec.Struct, kw_only=True):
    word: str = "usual"
    lines: list[str] = []
    at: str | None = None
    flag: bool = False
    number: float | None = None
    anything: dict[str, Any] = {}


async def _nothing(_request: Request) -> None:
    pass


KINDS = Endpoint(
    method="PUT",
    path="/",
    role=Role.ADMIN,
    group="",
    summary="",
    handle=_nothing,
    body=StructBody(Kinds),
)


def test_what_is_to_be_changed_comes_back_as_it_was() -> None:
    content = {
        "word": "w",
        "lines": ["a", "b"],
        "flag": True,
        "number": 1.5,
        "anything": {"x": [1]},
    }
    fields = fields_of(KINDS)
    assert body_of(fields, texts(fields, content, BERLIN), BERLIN, "EUR") == content


def test_a_default_is_filled_in() -> None:
    of_name = {one.name: one for one in fields_of(KINDS)}
    assert of_name["word"].value == "usual"
    assert of_name["lines"].value == ""
    assert of_name["anything"].kind == JSON


@pytest.mark.parametrize(
    ("path", "method", "given", "made"),
    [
        ("load/meters/{name}", "POST", {"amperes": "1,5\n2"}, {"amperes": [1.5, 2]}),
        ("load/site", "PUT", {"feeder.house": "none"}, {"feeder": {"house": "none"}}),
        ("load/site", "PUT", {"feeder.house": "8,5"}, {"feeder": {"house": 8.5}}),
        (
            "configuration-templates/{name}",
            "PUT",
            {"entries": "HeartbeatInterval = 300\nLimit=a=b"},
            {"entries": {"HeartbeatInterval": "300", "Limit": "a=b"}},
        ),
    ],
)
def test_lists_of_numbers_settings_and_numbers_or_words_are_typed_without_json(
    path: str, method: str, given: dict[str, str], made: dict[str, Any]
) -> None:
    fields = fields_of(endpoint(f"/api/admin/{path}", method))
    assert body_of(fields, given, BERLIN, "EUR") == made


def test_a_line_without_a_value_is_told() -> None:
    fields = fields_of(endpoint("/api/admin/configuration-templates/{name}", "PUT"))
    with pytest.raises(WrongInput, match="a name, =, and a value"):
        body_of(fields, {"entries": "HeartbeatInterval"}, BERLIN, "EUR")
    shown = texts(fields, {"entries": {"A": "1", "B": "2"}}, BERLIN)
    assert shown == {"entries": "A = 1\nB = 2"}


def test_a_pattern_is_that_of_the_whole_text() -> None:
    """HTML compares all of a value with it, JSON Schema looks for it in the value."""
    (reason,) = [
        one
        for one in fields_of(endpoint("/api/admin/transactions/{id}/correct"))
        if one.name == "reason"
    ]
    assert re.fullmatch(reason.limits["pattern"], "two words")
    assert not re.fullmatch(reason.limits["pattern"], "  ")
    (name,) = [one for one in fields_of(endpoint("/api/admin/users")) if one.name == "name"]
    assert name.limits["pattern"].startswith("^")


def test_a_problem_stands_at_its_field() -> None:
    shown = {one.name: one for one in filled(fields_of(KINDS), {"word": "x"}, {"word": "give y"})}
    assert (shown["word"].value, shown["word"].problem) == ("x", "give y")
    assert shown["flag"].problem == ""


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("idTag", "Card"),
        ("max_wh", "Max wh"),
        ("a.b.meterStart", "Meter start"),
        ("?from", "From"),
        ("URL", "Url"),
    ],
)
def test_labels(name: str, label: str) -> None:
    assert label_of(name) == label


def test_fields_are_only_data() -> None:
    assert fields_of(START) == fields_of(START)
    assert all(isinstance(one, FormField) for one in leaves(fields_of(PROFILE)))


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("12.50", "EUR", 1250),
        ("12,5", "EUR", 1250),
        ("-3", "EUR", -300),
        ("1250", "JPY", 1250),
        ("1.234", "KWD", 1234),
    ],
)
def test_money_is_typed_in_its_currency(text: str, currency: str, amount: int) -> None:
    (one,) = (one for one in leaves(fields_of(CORRECTION)) if one.name == "amount")
    assert one.kind == MONEY
    assert body_of((one,), {"amount": text}, BERLIN, currency) == {"amount": amount}


@pytest.mark.parametrize("text", ["12.345", "1e99", "NaN", "-Infinity", "twelve", "1.000,50"])
def test_what_is_no_money_is_told_at_its_field(text: str) -> None:
    fields = fields_of(CORRECTION)
    with pytest.raises(WrongInput, match=r"such as 5\.00") as caught:
        body_of(fields, {"amount": text}, BERLIN, "EUR")
    assert caught.value.name == "amount"


@pytest.mark.parametrize(
    ("text", "wh"),
    [("13", 13_000), ("13,275", 13_275), ("0.001", 1), (" 1234.5 ", 1_234_500), ("0", 0)],
)
def test_energy_is_typed_in_kwh(text: str, wh: int) -> None:
    (one,) = [each for each in leaves(fields_of(CORRECT)) if each.name == "figure_wh"]
    assert (one.kind, one.label) == (ENERGY, "Energy (kWh)")
    assert body_of((one,), {"figure_wh": text}, BERLIN, "EUR") == {"figure_wh": wh}
    shown = texts((one,), {"figure_wh": wh}, BERLIN)
    assert body_of((one,), shown, BERLIN, "EUR") == {"figure_wh": wh}


@pytest.mark.parametrize(
    "text", ["much", "13.2755", "1_000", "1e3", "٣", "NaN", "13 kWh", "1.234,5"]
)
def test_what_is_no_energy_is_told_at_its_field(text: str) -> None:
    with pytest.raises(WrongInput, match="kWh such as 13") as caught:
        body_of(fields_of(CORRECT), {"figure_wh": text}, BERLIN, "EUR")
    assert caught.value.name == "figure_wh"


@pytest.mark.parametrize("one", CHANGING, ids=lambda one: f"{one.method} {one.path}")
def test_no_form_asks_for_wh(one: Endpoint) -> None:
    named = [each for each in leaves(fields_of(one)) if each.name.endswith("_wh")]
    assert all(each.kind == ENERGY and "kWh" in each.label for each in named)


def test_a_tariff_is_typed_as_code_and_begins_with_an_example() -> None:
    (toml, *_) = fields_of(endpoint("/api/admin/tariffs"))
    shown = Templates(base="", zone=BERLIN).environment
    html = str(shown.get_template("macros.html").module.field(toml))  # type: ignore[attr-defined]
    assert ">The tariff as TOML</label>" in html
    assert 'rows="16" class="code" placeholder="# One price' in html


# An hour that a change of the clock repeats or leaves out

TWICE = "2026-10-25T02:30:00"


@pytest.mark.parametrize(
    ("which", "meant"), [("0", "2026-10-25T00:30:00"), ("1", "2026-10-25T01:30:00")]
)
def test_of_a_time_that_comes_twice_one_is_chosen(which: str, meant: str) -> None:
    fields = fields_of(CORRECT)
    entered = in_order(fields, {"start_time": TWICE, "start_time~which": which}, BERLIN)
    assert body_of(fields, entered, BERLIN, "EUR")["start_time"].startswith(meant)


def test_a_time_that_comes_twice_says_which_it_can_be() -> None:
    shown = with_twice(
        filled(fields_of(CORRECT), {"start_time": TWICE, "stop_time": "2026-10-25T03:30"}, {}),
        BERLIN,
    )
    found = {one.name: [offer.words for offer in one.twice] for one in shown}
    assert found["start_time"] == ["the first time (CEST)", "the second time (CET)"]
    assert found["stop_time"] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TWICE, "came twice: choose which"),
        ("2026-03-29T02:30", "there is no such time on that day"),
    ],
)
def test_a_time_that_is_not_clear_is_asked_again(text: str, words: str) -> None:
    with pytest.raises(WrongInput, match=words):
        in_order(fields_of(CORRECT), {"start_time": text}, BERLIN)


def test_a_field_without_help_has_none_in_german() -> None:
    with speaking("de"):
        fields = fields_of(endpoint("/api/admin/move-ins"))
    assert {one.name: one.help for one in leaves(fields)}["contact"] == ""


@pytest.mark.parametrize(
    ("typed", "read"), [("11,5", 11.5), ("11.5", 11.5), ("12", 12), ("12,0", 12)]
)
def test_a_number_is_typed_with_comma_or_point(typed: str, read: float) -> None:
    form = fields_of(endpoint("/api/admin/chargers/{id}/connectors/{connector}", "PUT"))
    assert body_of(form, {"max_kw": typed}, BERLIN, "")["max_kw"] == read


def test_a_box_that_is_ticked_says_yes_and_several_boxes_are_lines() -> None:
    """A browser sends the hidden no, too."""
    sent: list[tuple[str, str | UploadFile]] = [
        ("force", "false"),
        ("force", "true"),
        ("left", "false"),
        ("chargers", "CP-1"),
        ("chargers", "CP-2"),
    ]
    assert given_in(FormData(sent)) == {"force": "true", "left": "false", "chargers": "CP-1\nCP-2"}
