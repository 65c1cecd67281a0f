"""Arguments of a shell: conversion, files, JSON, nested names, completion."""

from __future__ import annotations

import re
from typing import Any

import pytest

from levity_trio.operations import OPERATIONS, FieldProblem
from levity_trio.operations.arguments import completions, described, parse_arguments, read_text
from levity_trio.operations.operation import check, example

FILES = {
    "list.json": '[{"idTag": "A"}]',
    "root.pem": "-----BEGIN",
    "profile.json": '{"stackLevel": 0}',
}


def read_file(path: str) -> str:
    if path == "binary":
        return b"\xff".decode()
    if path not in FILES:
        raise FileNotFoundError(2, "No such file or directory")
    return FILES[path]


def parse(action: str | None, *arguments: str) -> dict[str, Any]:
    return parse_arguments(OPERATIONS[action] if action else None, arguments, read_file)


@pytest.mark.parametrize(
    ("action", "arguments", "values"),
    [
        ("ClearCache", [], {}),
        ("UnlockConnector", ["connectorId=1"], {"connectorId": 1}),
        ("UnlockConnector", ["connectorId:=-1"], {"connectorId": -1}),
        ("ChangeConfiguration", ["key=A", "value=1=2:=3"], {"key": "A", "value": "1=2:=3"}),
        ("ChangeConfiguration", ["key=A", "value="], {"key": "A", "value": ""}),
        ("ChangeConfiguration", ["value:=1"], {"value": 1}),
        ("GetConfiguration", ["key=A, B"], {"key": ["A", "B"]}),
        ("GetConfiguration", ['key=["A,B"]'], {"key": ["A,B"]}),
        (
            "SendLocalList",
            ["localAuthorizationList=@list.json"],
            {"localAuthorizationList": [{"idTag": "A"}]},
        ),
        ("InstallCertificate", ["certificate=@root.pem"], {"certificate": "-----BEGIN"}),
        ("DataTransfer", ['data:="@root.pem"'], {"data": "@root.pem"}),
        ("DataTransfer", ["data={}"], {"data": "{}"}),
        (
            "SetChargingProfile",
            [
                "csChargingProfiles=@profile.json",
                "csChargingProfiles.chargingSchedule.minChargingRate=6.5",
            ],
            {"csChargingProfiles": {"stackLevel": 0, "chargingSchedule": {"minChargingRate": 6.5}}},
        ),
        (
            "SetChargingProfile",
            ["csChargingProfiles.stackLevel=1"],
            {"csChargingProfiles": {"stackLevel": 1}},
        ),
        (None, ["vendor=1", "n:=1", "deep.er=x"], {"vendor": "1", "n": 1, "deep": {"er": "x"}}),
    ],
)
def test_parse(action: str | None, arguments: list[str], values: dict[str, Any]) -> None:
    assert parse(action, *arguments) == values


@pytest.mark.parametrize(
    ("action", "arguments", "words"),
    [
        ("Reset", ["Soft"], "'Soft' is not key=value, key:=JSON or key=@file"),
        ("Reset", ["Type=Soft"], "Type: is unknown (did you mean type?)"),
        ("Reset", ["type=Soft", "type=Hard"], "type: is given twice"),
        ("Reset", ["type:=Soft"], "type: is not valid JSON: "),
        ("Reset", ["type.x=1"], "type: has no fields: give it as type:=JSON or type=@file"),
        ("UnlockConnector", ["connectorId=one"], "connectorId: give a whole number"),
        ("UnlockConnector", ["connectorId=1_0"], "connectorId: give a whole number"),
        ("UnlockConnector", ["connectorId=٣"], "connectorId: give a whole number"),
        ("DataTransfer", ["data=@none"], "data: none: No such file or directory"),
        ("DataTransfer", ["data=@binary"], "data: binary is not a text in UTF-8"),
        ("SetChargingProfile", ["csChargingProfiles=x"], "csChargingProfiles: is not valid JSON: "),
        (
            "SetChargingProfile",
            ["csChargingProfiles:=1", "csChargingProfiles.stackLevel=1"],
            "csChargingProfiles.stackLevel: does not fit what was given before it",
        ),
    ],
)
def test_refused(action: str, arguments: list[str], words: str) -> None:
    with pytest.raises(FieldProblem, match=re.escape(words)):
        parse(action, *arguments)


@pytest.mark.parametrize("number", ["nan", "inf", "1e400"])
def test_no_text_becomes_a_number_that_json_lacks(number: str) -> None:
    name = "csChargingProfiles.chargingSchedule.minChargingRate"
    values = parse("SetChargingProfile", "csChargingProfiles=@profile.json", f"{name}={number}")
    with pytest.raises(FieldProblem):
        check(OPERATIONS["SetChargingProfile"], values)


@pytest.mark.parametrize(
    "action", ["Reset", "UnlockConnector", "ChangeAvailability", "ReserveNow", "GetDiagnostics"]
)
def test_an_example_can_be_typed(action: str) -> None:
    payload = example(OPERATIONS[action])
    assert parse(action, *(f"{name}={value}" for name, value in payload.items())) == payload


def test_a_form_reads_a_text_by_its_field() -> None:
    assert read_text(OPERATIONS["UnlockConnector"].fields[0], "2") == 2


@pytest.mark.parametrize(
    ("action", "incomplete", "found"),
    [
        ("Reset", "", ["type="]),
        ("Reset", "TY", ["type="]),
        ("Reset", "type=", ["type=Hard", "type=Soft"]),
        ("Reset", "type=s", ["type=Soft"]),
        ("Reset", "type:=", []),
        ("Reset", "other=", []),
        ("Reset", "other.", []),
        ("Reset", "type.", []),
        ("ChangeConfiguration", "", ["key=", "value="]),
        ("ChangeConfiguration", "value=", []),
        ("SetChargingProfile", "c", ["connectorId=", "csChargingProfiles."]),
        ("SetChargingProfile", "csChargingProfiles.chargingP", [
            "csChargingProfiles.chargingProfileId=",
            "csChargingProfiles.chargingProfilePurpose=",
            "csChargingProfiles.chargingProfileKind=",
        ]),
        ("SetChargingProfile", "csChargingProfiles.recurrencyKind=", [
            "csChargingProfiles.recurrencyKind=Daily",
            "csChargingProfiles.recurrencyKind=Weekly",
        ]),
    ],
)  # fmt: skip
def test_completion(action: str, incomplete: str, found: list[str]) -> None:
    assert [text for text, _ in completions(OPERATIONS[action], incomplete)] == found


def test_completed_names_have_their_help() -> None:
    assert completions(OPERATIONS["UnlockConnector"], "") == [("connectorId=", "The connector.")]


def test_fields_of_an_object_are_described_after_it() -> None:
    names = [name for name, _ in described(OPERATIONS["GetLog"])]
    log = ["log", "log.remoteLocation", "log.oldestTimestamp", "log.latestTimestamp"]
    assert names == [*log, "logType", "requestId", "retries", "retryInterval"]


@pytest.mark.parametrize("action", sorted(OPERATIONS))
def test_each_described_name_can_be_typed(action: str) -> None:
    for name, field in described(OPERATIONS[action]):
        outer, _, last = name.rpartition(".")
        values = parse(action, f"{name}:=1")
        for step in outer.split(".") if outer else ():
            values = values[step]
        assert values == {last: 1}
        assert last == field.name
