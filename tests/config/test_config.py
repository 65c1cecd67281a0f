"""Settings: their sources, their precedence, and the errors for invalid ones."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.cli import main
from levity_trio.client import Api, Sought
from levity_trio.config import SETTINGS, ConfigError, LogConfig, ServerConfig
from levity_trio.config.settings import Setting
from levity_trio.config.sources import load

WriteToml = Callable[[str], str]


@pytest.fixture
def write_toml(tmp_path: Path) -> WriteToml:
    def write(text: str) -> str:
        path = tmp_path / "levity.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def problem(flags: Mapping[str, object], environment: Mapping[str, str] | None = None) -> str:
    """Return the error line for these settings."""
    with pytest.raises(ConfigError) as refused:
        load(flags, environment or {})
    line = str(refused.value)
    assert "\n" not in line
    return line


def test_the_defaults_are_those_promised() -> None:
    server, log = load({}, {})
    assert (server, log) == (ServerConfig(), LogConfig())
    assert (server.host, server.port, server.database) == ("0.0.0.0", 9000, Path("levity.db"))  # noqa: S104
    assert (server.heartbeat_interval_seconds, server.response_timeout_seconds) == (60, 30.0)
    assert (server.websocket_ping_seconds, server.strict) == (20.0, False)
    assert (server.shutdown_grace_seconds, server.clock_wait_seconds, server.clock_speed) == (
        10.0,
        120.0,
        1,
    )
    assert (server.max_connections, server.max_chargers, server.max_message_bytes) == (
        1000,
        1000,
        524_288,
    )
    assert (log.level, log.ocpp_level, log.format, log.file) == ("INFO", "WARNING", "console", None)


def test_defaults_pass_their_own_checks() -> None:
    for setting in SETTINGS:
        if setting.default_text:
            assert setting.kind.read(setting.default_text) == setting.default


def test_where_each_setting_came_from(write_toml: WriteToml) -> None:
    path = write_toml('port = 1\nmax-chargers = 3\nplugins = ["a", "b"]')
    flags = {"config": path, "port": "010", "strict": True, "tls_certs": ()}
    server, _ = load(flags, {"LEVITY_PORT": "20", "LEVITY_LOG_LEVEL": "debug", "LEVITY_HOST": ""})
    found = {one.name: (one.text, one.origin) for one in server.in_force}
    assert len(found) == len(SETTINGS)
    # as it was given
    assert (found["port"], found["strict"]) == (
        ("010", "flag"),
        ("True", "flag"),
    )
    assert found["log-level"] == ("debug", "environment")
    assert (found["max-chargers"], found["plugins"]) == (("3", "file"), ("a,b", "file"))
    assert (found["host"], found["tls-port"], found["no-api"]) == (
        ("0.0.0.0", "default"),  # noqa: S104
        *[(None, "default")] * 2,
    )
    assert [one.name for one in server.in_force if one.is_secret] == [
        "mail",
        "ntfy",
        "ping-url",
        "mqtt",
        "authorizer",
    ]


def test_flag_over_environment_over_toml_over_default(write_toml: WriteToml) -> None:
    path = write_toml("port = 1\nheartbeat-interval = 2\nmax-chargers = 3")
    flags = {"config": path, "port": "10"}
    server, _ = load(flags, {"LEVITY_PORT": "20", "LEVITY_HEARTBEAT_INTERVAL": "21"})
    assert (server.port, server.heartbeat_interval_seconds, server.max_chargers) == (10, 21, 3)
    assert server.max_connections == ServerConfig().max_connections


def test_the_environment_may_name_the_toml_file_and_a_flag_another(write_toml: WriteToml) -> None:
    path = write_toml("port = 1")
    assert load({}, {"LEVITY_CONFIG": path})[0].port == 1
    assert "nowhere.toml" in problem({"config": "/nowhere.toml"}, {"LEVITY_CONFIG": path})


def test_every_setting_has_the_same_name_everywhere(write_toml: WriteToml, tmp_path: Path) -> None:
    samples: dict[str, str] = {
        "host": "::1",
        "db": str(tmp_path / "x.db"),
        "log-level": "error",
        "ocpp-log-level": "debug",
        "log-format": "json",
        "log-file": str(tmp_path / "x.log"),
        "disable-websocket-ping": "true",
        "strict": "true",
        "registration": "ask",
        "adopt-existing": "true",
        "metrics-host": "::1",
        "no-api": "true",
        "no-dashboard": "true",
        "public-url": "https://example.org/charging",
        "api-host": "::1",
        "api-tls-cert": str(tmp_path / "cert.pem"),
        "api-tls-key": str(tmp_path / "key.pem"),
        "tls-cert": f"{tmp_path / 'rsa.pem'},{tmp_path / 'ecdsa.pem'}",
        "tls-key": str(tmp_path / "key.pem"),
        "tls-client-ca": str(tmp_path / "ca.pem"),
        "tls-rsa-suites": "true",
        "proxy-from": "10.0.0.5,fd00::/8",
        "api-proxy-from": "10.0.0.6",
        "drivers-host": "::1",
        "drivers-url": "https://charge.example.org",
        "files-host": "::1",
        "files-url": "https://chargers.example.org/files",
        "fluentd-endpoint": "10.0.0.5:24224",
        "disable-orphan-closing": "true",
        "enable-auto-start": "true",
        "auto-start-delay": "2",
        "plugins": "one,two",
        "trust-clock": "true",
        "unknown-tags": "ask",
        "tag-strip": "-[0-9]+",
        "authorizer": "https://user:password@example.org/authorize",
        "authorizer-timeout": "2",
        "authorizer-away": "refuse",
        "mail": "smtps://haus%40example.org:word@mail.example.org",
        "mail-password-file": str(tmp_path / "password"),
        "mail-ca": str(tmp_path / "authority.pem"),
        "mail-from": "Bauhof 12 <haus@example.org>",
        "ntfy": "https://:token@ntfy.example.org",
        "ntfy-token-file": str(tmp_path / "token"),
        "ping-url": "https://hc-ping.com/1e8a",
        "backup-folder": "/mnt/stick",
        "mqtt": "mqtts://levity:word@broker.example.org:8884/haus",
        "mqtt-names": "true",
        "local-list": "on",
        "time-zone": "Australia/Lord_Howe",
        "bill-by": "connector",
        "stop-when-spent": "true",
        "font": str(tmp_path / "house.ttf"),
    }
    for setting in SETTINGS:
        text = samples.get(setting.name, "1024")
        by_environment = load({}, {"LEVITY_" + setting.name.replace("-", "_").upper(): text})
        by_toml = load({"config": write_toml(f'{setting.name} = "{text}"')}, {})
        by_flag = by_toml if setting.kind.is_secret else load({setting.attribute: text}, {})
        assert by_flag == by_environment == by_toml != load({}, {})


@pytest.mark.parametrize(
    "mail",
    [
        "smtps://mail.example.org",
        "smtp://haus@mail.example.org:587",
        "smtps://haus%40example.org@[fd00::1]/",
    ],
)
def test_a_mail_server_without_its_password_may_be_a_flag(mail: str) -> None:
    assert load({"mail": mail}, {})[0].mail == mail


@pytest.mark.parametrize(
    "flags", [{"mail": "smtps://haus:secret@a.example"}, {"ntfy": "https://:secret@a.example"}]
)
def test_a_password_is_no_flag(flags: Mapping[str, str]) -> None:
    assert "leave out the password" in (said := problem(flags))
    assert "secret" not in said


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        *(
            ("mail", one)
            for one in (
                "mail.example.org",
                "http://a",
                "smtps://",
                "smtps://a/in",
                "smtp://a:x",
                "smtps://[a",
            )
        ),
        *(("mail", one) for one in ("smtps://a b", "folder:/nowhere", "smtp://a?x=y")),
        *(
            ("mail_from", one)
            for one in ("Bauhof", "a@b\nBcc: c@d", "Bauhof a@b", "<a@b", "A <a@b> x", '"A" <a@b>')
        ),
        *(("ping_url", one) for one in ("hc-ping.com/1", "https://hc-ping.com/1 2")),
    ],
)
def test_settings_of_messages_that_cannot_be_used(attribute: str, value: str) -> None:
    assert "give " in problem({attribute: value})


def test_what_is_shown_of_a_sign_of_life() -> None:
    server, _ = load({"ping_url": "https://hc-ping.com/1e8a?x"}, {})
    (shown,) = (one.text for one in server.in_force if one.name == "ping-url")
    assert shown == "https://hc-ping.com/***"


def test_values_take_their_types() -> None:
    flags = {
        "response_timeout_seconds": "0.5",
        "level": " debug ",
        "websocket_ping_seconds": True,
        "strict": True,
    }
    server, log = load(flags, {})
    assert (server.response_timeout_seconds, log.level) == (0.5, "DEBUG")
    assert (server.websocket_ping_seconds, server.strict) == (None, True)


@pytest.mark.parametrize(
    ("word", "ping"), [("0", 20.0), ("No", 20.0), ("on", None), ("TRUE", None)]
)
def test_a_switch_in_the_environment(word: str, ping: float | None) -> None:
    assert load({}, {"LEVITY_DISABLE_WEBSOCKET_PING": word})[0].websocket_ping_seconds == ping


def test_an_empty_environment_variable_is_not_set() -> None:
    assert load({}, {"LEVITY_PORT": "", "LEVITY_PROT": ""}) == load({}, {})


def test_a_variable_that_is_no_setting_is_named() -> None:
    assert (
        problem({}, {"LEVITY_PROT": "99"})
        == "LEVITY_PROT is not a setting; did you mean LEVITY_PORT?"
    )
    assert "LEVITY_LOG_LEVEL?" in problem({}, {"LEVITY_LOGLEVEL": "DEBUG"})
    assert load({}, {"PROT": "99", "LEVITY_SIMULATOR_API": "http://127.0.0.1:9100"}) == load({}, {})


@pytest.mark.parametrize(
    ("attribute", "value", "advice"),
    [
        ("port", "-1", "give a whole number from 0 to 65535"),
        ("port", "65536", "give a whole number from 0 to 65535"),
        ("port", "ocpp", "give a whole number"),
        ("port", "9000.0", "give a whole number"),
        ("port", "9" * 5000, "give a whole number"),
        ("host", "", "give an address"),
        ("host", "a b", "give an address"),
        ("max_connections", "0", "from 1"),
        ("max_chargers", "-5", "from 1"),
        ("max_message_bytes", "10", "of bytes from 1024"),
        ("heartbeat_interval_seconds", "0", "of seconds from 1"),
        ("heartbeat_interval_seconds", "1.5", "give a whole number of seconds"),
        ("response_timeout_seconds", "0", "give seconds from 0.1"),
        ("response_timeout_seconds", "nan", "give seconds"),
        ("shutdown_grace_seconds", "inf", "give seconds"),
        ("clock_wait_seconds", "-0.1", "give seconds from 0"),
        ("clock_speed", "0", "give a whole number from 1 to 100000"),
        ("clock_speed", "100001", "give a whole number from 1 to 100000"),
        ("level", "verbose", "give one of DEBUG, INFO"),
        ("ocpp_level", "", "give one of DEBUG, INFO"),
        ("format", "xml", "give one of console, json"),
        ("tag_strip", "-[0-9", "(unterminated character set at position 1)"),
        ("database", "", "give the path of a file"),
        ("database", ":memory:", "special names"),
        ("database", "/", "not a regular file"),
        ("database", "/nowhere/levity.db", "the folder /nowhere does not exist; create it first"),
        ("database", "x\0y", "give the path of a file"),
        ("database", "x" * 5000, "give a path"),
        ("file", "/dev/null", "not a regular file"),
    ],
)
def test_a_wrong_value_is_one_line_that_says_what_to_do(
    attribute: str, value: str, advice: str
) -> None:
    line = problem({attribute: value})
    flag = next(setting.flag for setting in SETTINGS if setting.attribute == attribute)
    assert line.startswith(flag)
    assert advice in line
    assert len(line) < 200


def test_a_wrong_value_names_its_source(write_toml: WriteToml) -> None:
    assert problem({}, {"LEVITY_PORT": "x"}).startswith("LEVITY_PORT x: ")
    assert "levity.toml: port" in problem({"config": write_toml("port = true")})
    assert "levity.toml: strict" in problem({"config": write_toml("strict = 2")})
    assert "levity.toml: db" in problem({"config": write_toml("db = 3")})


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("prot = 9000", "unknown key prot; did you mean port?"),
        (
            "heartbeat_interval = 60",
            "unknown key heartbeat_interval; did you mean heartbeat-interval?",
        ),
        ("[server]\nport = 1", "unknown key server; did you mean"),
        ("a = 1\nport = x", "line 2"),
        ("x = " + "[" * 5000, "is not TOML"),
        ("port = " + "9" * 5000, "is not TOML"),
    ],
)
def test_a_toml_file_that_cannot_be_used(text: str, advice: str, write_toml: WriteToml) -> None:
    assert advice in problem({"config": write_toml(text)})


def test_a_toml_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "No such file" in problem({"config": str(tmp_path / "none.toml")})
    assert "--config '': give the path" in problem({"config": ""})
    assert "Is a directory" in problem({"config": str(tmp_path)})
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# \xe4")
    assert "is not TOML" in problem({"config": str(latin)})


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal", ".lock"])
def test_the_log_never_goes_into_the_database(end: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    flags = {"database": str(tmp_path / "link" / "a.db"), "file": str(tmp_path / f"a.db{end}")}
    assert "belongs to the database" in problem(flags)
    flags = {"database": str(tmp_path / "a.db"), "file": str(tmp_path / "link" / f"a.db{end}")}
    assert "belongs to the database" in problem(flags)


def test_nothing_is_created(tmp_path: Path) -> None:
    load({"database": str(tmp_path / "a.db"), "file": str(tmp_path / "a.log")}, {})
    assert not list(tmp_path.iterdir())


@given(
    st.sampled_from(SETTINGS),
    st.text() | st.integers() | st.floats() | st.booleans() | st.lists(st.none()),
)
def test_any_value_is_taken_or_refused_in_one_line(setting: Setting, value: object) -> None:
    try:
        load({setting.attribute: value}, {})
    except ConfigError as refused:
        line = str(refused)
    else:
        line = ""
    assert "\n" not in line


def test_a_plugin_has_a_table_of_its_own(write_toml: WriteToml) -> None:
    path = write_toml('plugins = ["bell", "bell"]\n[plugin.bell]\nfile = "bell.txt"')
    server, _ = load({"config": path}, {})
    assert server.plugins == ("bell",)
    assert server.plugin_settings == {"bell": {"file": "bell.txt"}}
    for wrong in ("plugin = 1", "[plugin]\nbell = 1"):
        with pytest.raises(ConfigError, match=r"\[plugin.NAME\]"):
            load({"config": write_toml(wrong)}, {})


@pytest.mark.parametrize(
    "address",
    [
        "postgresql:name",
        "postgresql:///",
        "postgresql://user@host",
        "postgresql://user:secret@[::1/name",
    ]
    + ["postgres://user:secret@\N{ACCOUNT OF}/name"],
)
def test_an_address_of_postgresql_that_is_none(address: str) -> None:
    line = problem({"database": address})
    assert "give an address such as postgresql://user@host/database" in line
    assert "secret" not in line


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://me:secret@example.org/ask",
            "https://secret@example.org/",
            "http://h/ask?token=secret",
        ),
        *("https://h/?a=1&api_key=secret", "https://h/ask;password=secret", "http://h/?sig=secret"),
    ],
)
def test_a_secret_in_a_url_is_refused_on_the_command_line(url: str, write_toml: WriteToml) -> None:
    """Others of this machine see the arguments of a program, but neither its environment nor its
    file."""
    line = problem({"authorizer": url})
    assert line.startswith(
        "--authorizer: leave out the password, which others would see; put the URL into LEVITY_"
    )
    assert load({}, {"LEVITY_AUTHORIZER": url})[0].authorizer == url
    assert load({"config": write_toml(f'authorizer = "{url}"')}, {})[0].authorizer == url


@pytest.mark.parametrize(
    "url", ["https://me:secret@example.org/x", "wss://me:secret@h/ws", "http://h:1/?token=secret"]
)
def test_no_error_repeats_a_secret(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("public_url", "drivers_url", "files_url", "fluentd_endpoint"):
        assert "secret" not in problem({name: url})
    if "@" in url:
        with pytest.raises(ConfigError, match="give an address such as") as refused:
            Api(url, Sought("server", "start it"))
        assert "secret" not in str(refused.value)
        assert main(["simulate", "--url", url]) == 2
        assert "secret" not in capsys.readouterr().err


def test_a_url_without_a_secret_may_be_a_flag() -> None:
    assert (
        load({"authorizer": "https://example.org/ask?site=1"}, {})[0].authorizer
        == "https://example.org/ask?site=1"
    )
