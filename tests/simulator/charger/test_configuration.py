"""Configuration: the keys of OCPP 1.6 §9 and of the security whitepaper, read (§5.8) and changed
(§5.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ocpp.v16.enums import ConfigurationKey

from levity_trio.simulator.charger.configuration import KEYS, Configuration
from levity_trio.simulator.physics import SUPPORTED

PASSWORD = "00112233445566778899" * 2  # 20 bytes
PLUG_AND_CHARGE = {  # keys of another specification: ISO 15118 over OCPP 1.6
    "CentralContractValidationAllowed",
    "CertSigningWaitMinimum",
    "CertSigningRepeatTimes",
    "ContractValidationOffline",
    "ISO15118PnCEnabled",
}
ALL_MEASURANDS = ",".join(sorted(SUPPORTED))


def configuration(connectors: int = 2, **defaults: str) -> Configuration:
    return Configuration({}, connectors, defaults)


def value(keys: Configuration, key: str) -> object:
    (told,), unknown = keys.read([key])
    assert not unknown
    return told["value"]


def test_every_key_of_the_specification_is_there() -> None:
    assert {key.value for key in ConfigurationKey} - PLUG_AND_CHARGE <= KEYS.keys()


@pytest.mark.parametrize("keys", [None, []])
def test_without_keys_all_is_told_but_the_password(keys: list[str] | None) -> None:
    told, unknown = configuration(AuthorizationKey=PASSWORD).read(keys)
    assert {one["key"] for one in told} == KEYS.keys() - {"AuthorizationKey"}
    assert not unknown
    assert all(len(str(one["value"])) <= 500 for one in told)
    assert PASSWORD not in str(told)


def test_the_password_has_no_value_when_asked_for() -> None:
    keys = configuration(AuthorizationKey=PASSWORD)
    assert keys.read(["authorizationkey"]) == ([{"key": "AuthorizationKey", "readonly": False}], [])
    assert keys.text("AuthorizationKey") == PASSWORD


def test_keys_are_found_in_any_case_and_told_as_they_are_spelt() -> None:
    told, unknown = configuration().read(["heartbeatINTERVAL", "Colour", "NumberOfConnectors"])
    assert told == [
        {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
        {"key": "NumberOfConnectors", "readonly": True, "value": "2"},
    ]
    assert unknown == ["Colour"]


@pytest.mark.parametrize(
    ("key", "sent", "kept"),
    [
        ("HeartbeatInterval", "30", "30"),
        ("heartbeatinterval", "030", "30"),
        ("ClockAlignedDataInterval", "0", "0"),
        ("LightIntensity", "100", "100"),
        ("LocalPreAuthorize", "true", "true"),
        ("LocalPreAuthorize", "TRUE", "true"),
        ("LocalAuthorizeOffline", "false", "false"),
        ("MeterValuesSampledData", "Voltage", "Voltage"),
        ("MeterValuesSampledData", "soc , Power.Active.Import", "SoC,Power.Active.Import"),
        ("MeterValuesSampledData", ALL_MEASURANDS, ALL_MEASURANDS),
        ("StopTxnAlignedData", "", ""),
        ("ConnectorPhaseRotation", "0.RST, 1.RTS,2.NotApplicable", "0.RST,1.RTS,2.NotApplicable"),
        ("AuthorizationKey", PASSWORD, PASSWORD),
        ("AuthorizationKey", "0a" * 16, "0a" * 16),
        ("CpoName", "Levity & Sons", "Levity & Sons"),
    ],
)
def test_what_is_accepted_is_in_force(key: str, sent: str, kept: str) -> None:
    changed: dict[str, str] = {}
    assert Configuration(changed, 2).change(key, sent) == "Accepted"
    (name,) = changed
    assert name.casefold() == key.casefold()
    assert Configuration(changed, 2).text(name) == kept


REJECTED = [
    # Ranges, and values that are no numbers
    ("HeartbeatInterval", "0"),
    ("HeartbeatInterval", ""),
    ("HeartbeatInterval", "60.0"),
    ("HeartbeatInterval", " 60"),
    ("HeartbeatInterval", "6_0"),
    ("HeartbeatInterval", "٦٠"),
    ("HeartbeatInterval", "9" * 5000),
    ("WebSocketPingInterval", "-1"),  # §9.1.34
    ("LightIntensity", "101"),
    ("TransactionMessageAttempts", "0"),
    ("LocalPreAuthorize", "1"),
    ("LocalPreAuthorize", "yes"),
    # Lists
    ("MeterValuesSampledData", "Energy.Reactive.Import.Register"),
    ("MeterValuesSampledData", "Voltage,"),
    ("MeterValuesSampledData", "Voltage,voltage"),
    ("MeterValuesSampledData", "Voltage.L1"),
    ("ConnectorPhaseRotation", "1.RRR"),
    ("ConnectorPhaseRotation", "3.RST"),  # of two connectors
    ("ConnectorPhaseRotation", "1.RST,1.RTS"),
    ("ConnectorPhaseRotation", "RST"),
    # Security
    ("AuthorizationKey", "0a" * 15),
    ("AuthorizationKey", "0a" * 21),
    ("AuthorizationKey", "0a" * 16 + "0"),
    ("AuthorizationKey", "sixteen_letters!"),
    ("AuthorizationKey", "xy" * 16),
    ("CpoName", "x" * 65),
    ("SecurityProfile", "4"),
    ("SecurityProfile", "1"),  # without a password
    # Read only
    ("NumberOfConnectors", "3"),
    ("SupportedFeatureProfiles", "Core"),
    ("ReserveConnectorZeroSupported", "false"),
]


@pytest.mark.parametrize(("key", "sent"), REJECTED)
def test_what_is_rejected_changes_nothing(key: str, sent: str) -> None:
    changed: dict[str, str] = {}
    assert Configuration(changed, 2).change(key, sent) == "Rejected"
    assert not changed


@pytest.mark.parametrize("key", ["Colour", "", "HeartBeat Interval"])
def test_an_unknown_key_is_not_supported(key: str) -> None:
    changed: dict[str, str] = {}
    assert Configuration(changed, 2).change(key, "1") == "NotSupported"
    assert not changed


@pytest.mark.parametrize(
    ("key", "sent"), [("WebSocketPingInterval", "30"), ("SecurityProfile", "1")]
)
def test_some_need_a_reboot(key: str, sent: str) -> None:
    keys = configuration(AuthorizationKey=PASSWORD)
    assert keys.change(key, sent) == "RebootRequired"
    assert value(keys, key) == sent


@pytest.mark.parametrize("profile", range(4))
def test_the_security_profile_only_goes_up(profile: int) -> None:
    for wanted in range(4):
        keys = configuration(AuthorizationKey=PASSWORD, SecurityProfile=str(profile))
        answer = keys.change("SecurityProfile", str(wanted))
        assert (answer == "RebootRequired", keys.integer("SecurityProfile")) == (
            wanted >= profile,
            max(profile, wanted),
        )


def test_a_password_opens_the_way_to_profile_1() -> None:
    keys = configuration()
    steps = [("SecurityProfile", "1"), ("AuthorizationKey", PASSWORD), ("SecurityProfile", "1")]
    assert [keys.change(key, sent) for key, sent in steps] == [
        "Rejected",
        "Accepted",
        "RebootRequired",
    ]


def test_profile_3_needs_no_password() -> None:
    assert configuration().change("SecurityProfile", "3") == "RebootRequired"


def test_a_list_is_as_long_as_its_max_length() -> None:
    keys = configuration(MeterValuesSampledDataMaxLength="2")
    assert keys.change("MeterValuesSampledData", "Voltage,SoC,Frequency") == "Rejected"
    assert keys.change("MeterValuesSampledData", "Voltage,SoC") == "Accepted"
    assert keys.listed("MeterValuesSampledData") == ["Voltage", "SoC"]


@pytest.mark.parametrize("connectors", [1, 3])
def test_what_follows_from_the_connectors(connectors: int) -> None:
    keys = configuration(connectors)
    assert keys.integer("NumberOfConnectors") == connectors
    assert len(keys.listed("ConnectorPhaseRotation")) == keys.integer(
        "ConnectorPhaseRotationMaxLength"
    )
    assert keys.change("ConnectorPhaseRotation", keys.text("ConnectorPhaseRotation")) == "Accepted"


def test_a_change_goes_before_the_factory_before_the_table() -> None:
    changed: dict[str, str] = {}
    keys = Configuration(changed, 1, {"HeartbeatInterval": "900", "LocalPreAuthorize": "true"})
    assert (keys.integer("HeartbeatInterval"), keys.boolean("LocalPreAuthorize")) == (900, True)
    keys.change("HeartbeatInterval", "45")
    assert (keys.integer("HeartbeatInterval"), changed) == (45, {"HeartbeatInterval": "45"})
    assert configuration().integer("HeartbeatInterval") == 300


@pytest.mark.parametrize(("seconds", "kept"), [(14_400, 14_400), (900_000, 900_000), (0, 1)])
def test_the_interval_of_a_boot_is_taken_as_it_is(seconds: int, kept: int) -> None:
    keys = configuration()
    keys.set_interval(seconds)
    assert (keys.integer("HeartbeatInterval"), value(keys, "HeartbeatInterval")) == (
        kept,
        str(kept),
    )


def test_a_misspelt_default_is_told() -> None:
    with pytest.raises(ValueError, match="HeartbeatIntervall"):
        configuration(HeartbeatIntervall="60")


def test_a_misspelt_key_is_our_own_mistake() -> None:
    with pytest.raises(KeyError):
        configuration().text("heartbeatinterval")


@pytest.mark.parametrize("name", [key.name for key in KEYS.values() if key.check])
def test_every_default_would_be_accepted(name: str) -> None:
    keys = configuration(AuthorizationKey=PASSWORD)
    assert keys.change(name, keys.text(name)) in ("Accepted", "RebootRequired")


# Hypothesis

some_values = st.one_of(
    st.text(max_size=12),
    st.integers(-5, 100_000).map(str),
    st.sampled_from(["true", "FALSE", PASSWORD, "Voltage", "SoC,Voltage", "1.RST", ALL_MEASURANDS]),
)


@given(st.lists(st.tuples(st.sampled_from([*KEYS, "Colour"]), some_values), max_size=12))
def test_whatever_is_sent_what_is_kept_can_be_read_and_sent_again(
    changes: list[tuple[str, str]],
) -> None:
    changed: dict[str, str] = {}
    keys = Configuration(changed, 2)
    for key, sent in changes:
        before = dict(changed)
        answer = keys.change(key, sent)
        if answer in ("Rejected", "NotSupported"):
            assert changed == before
        else:
            assert keys.change(key, keys.text(key)) == answer
    told, _ = keys.read(None)
    assert {str(one["key"]): one["value"] for one in told}.items() >= {
        key: kept for key, kept in changed.items() if key != "AuthorizationKey"
    }.items()
    assert not {key for key in changed if KEYS[key].check is None}
