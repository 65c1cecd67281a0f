"""Secrets that must not appear in a log or in the database."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.operations.configuration import OPTIONAL, REQUIRED
from levity_trio.wire.secrets import (
    MAX_CONTAINERS,
    masked_fragment,
    masked_frame,
    masked_url,
    masked_value,
)
from tests.effort import BOUNDED, cpu_seconds


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (
            {"key": "AuthorizationKey", "value": "SECRET"},
            {"key": "AuthorizationKey", "value": "***"},
        ),
        ({"value": "SECRET", "key": "wifi_password"}, {"value": "***", "key": "wifi_password"}),
        ({"key": "HeartbeatInterval", "value": "60"}, {"key": "HeartbeatInterval", "value": "60"}),
        ([{"accessToken": "SECRET", "id": 1}], [{"accessToken": "***", "id": 1}]),
        ({"location": "ftp://me:SECRET@host/f"}, {"location": "ftp://***@host/f"}),
        (
            {"location": f"http://host:9002/f/{'a2' * 16}/log"},
            {"location": "http://host:9002/f/***/log"},
        ),
        ({"url": "http://host/?a=1&token=SECRET&b=2"}, {"url": "http://host/?a=1&token=***&b=2"}),
        ({"deep": {"secret": {"any": "SECRET"}}}, {"deep": {"secret": "***"}}),
        ({"idTag": "04A1", "meterStart": 7, "open": True, "none": None},) * 2,
    ],
)
def test_masked_values(value: Any, kept: Any) -> None:
    assert masked_value(value) == kept


def test_a_frame_that_is_too_wide_to_be_read_is_masked_by_its_text() -> None:
    lists = "[]," * MAX_CONTAINERS
    text = f'[2,"1","DataTransfer",{{"data":[{lists}"ftp://me:SECRET@host"],"password":"SECRET"}}]'
    assert masked_frame(text) == text.replace('"SECRET"', '"***"').replace("me:SECRET", "***")


def test_masking_leaves_the_value_itself_alone() -> None:
    value = {"key": "AuthorizationKey", "value": "SECRET"}
    masked_value(value)
    assert value["value"] == "SECRET"


@pytest.mark.parametrize(
    "text", ['[2, "1","Heartbeat" ,{}]', '[2, "1","DataTransfer", {"data":"https:\\/\\/host\\/x"}]']
)
def test_a_frame_without_secrets_stays_byte_for_byte(text: str) -> None:
    assert masked_frame(text) == text


@pytest.mark.parametrize(
    "text",
    [
        '[3,"1",{"configurationKey":[{"key":"AuthorizationKey","readonly":false,"value":"SECRET"}]}]',
        '[2,"1","ChangeConfiguration",{"value":"SECRET","key":"AuthorizationKey"}]',
        '[2,"1","GetDiagnostics",{"location":"ftp://user:SECRET@host/x"}]',
        '[2,"1","DataTransfer",{"password":"SECRET"',
        r'[2,"1","DataTransfer",{"pass\u0077ord":"SECRET"}]',
        r'[2,"1","GetDiagnostics",{"location":"ftp:\/\/user:SECRET@host\/x"}]',
        '[2,"1","DataTransfer",{"data":"{\\"password\\":\\"SECRET\\"}"}]',
        '[2,"1","DataTransfer",{"data":"broken {\\"password\\":\\"SECRET\\""}]',
        '[2,"1","DataTransfer",{"TOKEN":"SECRET"}]',
        '[2,"1","DataTransfer",{"ſecret":"SECRET"}]',
    ],
)
def test_a_frame_for_the_log(text: str) -> None:
    assert "SECRET" not in masked_frame(text)
    assert "***" in masked_frame(text)


def test_pieces_of_urls_and_of_json() -> None:
    assert masked_url("see wss://u:p@h/ws") == "see wss://***@h/ws"
    assert masked_url("/enter/invite_7_a-B_c/x?next=/invite_8_y") == "/enter/***/x?next=/***"
    assert masked_fragment('{"token":"SECR') == '{"token":"***"'


STANDARD = (*REQUIRED, *OPTIONAL)
SCHEMAS = Path(str(files("ocpp") / "v16" / "schemas"))


@pytest.mark.parametrize("key", STANDARD)
def test_every_standard_key_stays_readable(key: str) -> None:
    for spelling in (key, key.lower(), key.upper()):
        entry = {"key": spelling, "readonly": True, "value": "20"}
        assert masked_value(entry) == entry


def properties_of(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set[str]().union(*map(properties_of, schema))
    if not isinstance(schema, dict):
        return set()
    named = schema.get("properties")
    return set(named if isinstance(named, dict) else ()) | properties_of(list(schema.values()))


def test_every_standard_property_stays_readable() -> None:
    names = set[str]().union(
        *(properties_of(json.loads(one.read_bytes())) for one in SCHEMAS.glob("*.json"))
    )
    assert {
        "localAuthorizationList",
        "idTag",
        "retrieveDate",
        "certificateHashData",
        "csr",
        "value",
    } <= names
    assert len(names) > 90
    stored = dict.fromkeys(sorted(names), "20")
    text = json.dumps([2, "1", "Any", stored])
    assert (masked_value(stored), masked_frame(text), masked_fragment(text)) == (stored, text, text)


def test_an_escaped_key_of_a_damaged_frame_is_masked() -> None:
    assert "SECRET" not in masked_frame(
        r'[3,"1",{"configurationKey":[{"key":"Card\u0050in","value":"SECRET"},'
    )


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/api/levity_1_SECRET",
            "/levity%5F12%5fSECRET/x",
            "/api/tags/x/levity_9_a-SECRET_b",
            "/xlevity_1_SECRET",
        ),
        *(
            "/;token=SECRET",
            "/a;access_token=SECRET;b",
            "/token/SECRET",
            "/api/access-token/SECRET/x",
            "/Password/SECRET",
        ),
        *('{"note":"levity_1_SECRET"}', '{"code":"invite_1_SECRET"}'),
    ],
)
def test_a_token_anywhere_in_a_path(path: str) -> None:
    for masked in (
        (masked_url(path), masked_frame(path)) if path.startswith("{") else (masked_url(path),)
    ):
        assert "SECRET" not in masked
        assert "***" in masked


def test_paths_without_a_token_stay() -> None:
    for path in (
        "/api/admin/tokens/1",
        "/levity/x",
        "/api/admin/users/1/password",
        "/enter",
        "/a;b/c?d=e",
    ):
        assert masked_url(path) == path


@given(st.text())
def test_any_text_is_masked_without_a_word(text: str) -> None:
    masked_frame(text)


@given(
    st.recursive(
        st.none() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_frame_that_is_json_stays_json(value: object) -> None:
    json.loads(masked_frame(json.dumps([2, "1", "token", value])))


@pytest.mark.parametrize("escaped", [r"\"token\":\"token\":", r"\"token\" ", r"\\\"token\\\""])
def test_no_escaped_text_makes_masking_slow(escaped: str) -> None:
    test_no_text_makes_masking_slow(f'[2,"1","DataTransfer",{{"data":"{escaped * 20_000}"}}]')


@pytest.mark.parametrize(
    "text", ['"' + "token" * 40_000, '"token' * 30_000, "://" * 60_000, '"token":' * 20_000]
)
def test_no_text_makes_masking_slow(text: str) -> None:
    assert cpu_seconds(lambda: masked_frame(text)) < BOUNDED  # it took minutes


@pytest.mark.parametrize(
    "key",
    [
        *(
            "G_CardPin",
            "G_Authentication",
            "apnInfo",
            "APN_INFO",
            "SimPIN",
            "SIMPIN",
            "SIMPin",
            "PINCode",
            "pin",
            "PIN",
            "PinCode",
            "wifiPin",
        ),
        *(
            "WifiPasswd",
            "wpa-PSK",
            "ModemPwd",
            "vpnPassphrase",
            "SIM_Credentials",
            "PrivateKey",
            "AuthorizationKey",
        ),
        *(
            "AdminPass",
            "pass2",
            "PASS",
            "wifi.pass",
            "4gApn",
            "APNs",
            "SimPINs",
            "apn-user",
            "Apn1",
            "authorizationkey",
        ),
        *(
            "wifipassword",
            "ClientSecret",
            "api_token",
            "USER_CREDENTIAL",
            "PinUnlock",
            "Modem1Apn2",
            "LTEApnName",
        ),
    ],
)
def test_a_key_of_the_chargers_own_for_a_secret(key: str) -> None:
    entry = f'{{"key":"{key}","readonly":false,"value":"SECRET"}}'
    whole = (
        f'[3,"1",{{"configurationKey":[{entry},{{"key":"Other","readonly":false,"value":"1"}}]}}]'
    )
    changed = f'[2,"1","ChangeConfiguration",{{"key":"{key}","value":"SECRET"}}]'
    for text in (
        whole,
        changed,
        *(whole[:end] for end in range(whole.index("SECRET") + 1, len(whole))),
    ):
        masked = masked_frame(text)
        assert "S" not in masked.replace(key, "").replace("ChangeConfiguration", "")
        assert '"value":"1"' in masked or '"value":"1"' not in text


@pytest.mark.parametrize(
    "key",
    [
        *(
            "HeartbeatInterval",
            "WebSocketPingInterval",
            "pingInterval",
            "AuthorizeRemoteTxRequests",
            "MappingTable",
        ),
        *(
            "AuthorizationCacheEnabled",
            "LocalAuthorizeOffline",
            "SpinUp",
            "StopTxnSampledData",
            "Pinned",
            "MAPPING",
        ),
        *(
            "PINGInterval",
            "PING",
            "PINguin",
            "PassiveMode",
            "Bypass",
            "Compass",
            "PASSIVE",
            "ApneaTest",
            "apnea",
            "Spin",
        ),
        *(
            "Authenticated",
            "UpsKwh",
            "AuthMethod",
            "Capn",
            "SnapNow",
            "CpInterval",
            "LocalAuthorizationList",
        ),
    ],
)
def test_other_keys_keep_their_values(key: str) -> None:
    text = f'[3,"1",{{"configurationKey":[{{"key":"{key}","readonly":false,"value":"S"}}]}}]'
    assert masked_frame(text) == text
    assert masked_fragment(text[:-3]) == text[:-3]


@pytest.mark.parametrize(
    "name",
    ["securityToken", "api_key", "apikey", "key", "appid", "X-Amz-Signature", "sig", "auth", "pwd"],
)
def test_keys_in_an_address_are_masked_by_the_names_of_parameters(name: str) -> None:
    assert masked_url(f"https://a/b?bzn=DE-LU&{name}=abc&start=1") == (
        f"https://a/b?bzn=DE-LU&{name}=***&start=1"
    )
