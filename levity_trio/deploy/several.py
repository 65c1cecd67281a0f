"""The values for several servers on one database of PostgreSQL, behind HAProxy, all on this
machine.

The ports that the settings give are those of HAProxy. Server 1 has the same ones raised by a
thousand, server 2 by two thousand, and so on, on the loopback interface; only metrics and files
keep the addresses that the settings give.

Metrics of the whole site are exported by the server that has its duties. Prometheus stores them
under one name of an instance, so that a series, and an alert about it, goes on when the duties move
to another server.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from levity_trio.config import API_PORT, ConfigError, ServerConfig
from levity_trio.config.settings import PostgresqlAddress
from levity_trio.deploy.installation import (
    METRICS_PORT,
    ONE_SERVER,
    STATE_FOLDER,
    Configuration,
    Installation,
    check_paths,
    files_of,
    host_port,
    read_present,
    site_values,
    target,
    unit_values,
)
from levity_trio.records import record

STEP: Final = 1000
LAST_PORT: Final = 65535
LOOPBACK: Final = "127.0.0.1"
PROXY: Final = (ip_network(LOOPBACK),)
IDLE_SECONDS: Final = 7200
"""HAProxy keeps a silent connection at least so long; a server closes one after three heartbeat
intervals."""
HEARTBEATS: Final = 4
CONNECTIONS: Final = 8
"""Connections of one server to PostgreSQL: one writes, one listens, two read. Those of a killed
server may last on."""
OTHER_CONNECTIONS: Final = 28
"""Commands, backups, a monitor, and those that PostgreSQL reserves."""
SITE: Final = "levity-trio"
"""The instance under which Prometheus stores what is about the whole site."""
SITE_SERIES: Final = (
    *(
        "ocpp_cp_connected",
        "ocpp_cp_last_heartbeat_ts",
        "ocpp_cp_last_tx_ts",
        "ocpp_cp_status",
        "ocpp_cp_pings_off",
    ),
    *(
        "ocpp_cp_disconnects_total",
        "ocpp_cp_errors_total",
        "ocpp_cp_boots_total",
        "ocpp_cp_reconnect_during_tx_total",
    ),
    *(
        "ocpp_cp_current_a",
        "ocpp_cp_current_limit_a",
        "ocpp_cp_energy_total_wh_total",
        "ocpp_cp_clock_skew_seconds",
    ),
    *("ocpp_cp_certificate_expires_ts", "ocpp_cp_local_list_version", "ocpp_cp_local_list_behind"),
    *("ocpp_cp_local_list_left_out", "ocpp_cp_local_list_failures", "ocpp_cp_local_list_paused"),
    *(
        "ocpp_connector_status",
        "ocpp_connector_availability_differs",
        "ocpp_tx_active",
        "ocpp_tx_info",
    ),
    *("ocpp_tx_start_ts", "ocpp_tx_power_w", "ocpp_cp_away_together"),
    *("ocpp_tx_energy_wh", "ocpp_tx_total", "ocpp_tx_suspended", "ocpp_tx_orphans_closed_total"),
    *("ocpp_energy_jump_total", "ocpp_energy_unbilled_wh_total", "ocpp_energy_corrected_wh_total"),
    *("ocpp_messages_refused_total", "ocpp_facts_counted_total", "ocpp_identity_shared_total"),
    *("ocpp_set_aside_waiting", "ocpp_set_aside_oldest_seconds", "ocpp_set_aside_received_ts"),
    *(
        "ocpp_reviews_waiting",
        "ocpp_reviews_open",
        "ocpp_reviews_oldest_seconds",
        "ocpp_review_opened_ts",
    ),
    *(
        "ocpp_sessions_not_booked",
        "ocpp_newcomers_waiting",
        "ocpp_accounts_spent",
        "ocpp_database_bytes",
        "ocpp_frame_log_rows",
    ),
    *("ocpp_frame_log_pruned_total", "ocpp_audit_lag_frames", "ocpp_audit_lost_frames_total"),
    *(
        "ocpp_audit_connected",
        "ocpp_webhook_given_up_total",
        "ocpp_mqtt_connected",
        "ocpp_mqtt_facts_waiting",
    ),
    *(
        "ocpp_backend_connected",
        "ocpp_backend_behind_seconds",
        "ocpp_backend_told_total",
        "ocpp_backend_refused_total",
        "ocpp_backend_certificate_expires_ts",
    ),
    *(
        "ocpp_load_amperes",
        "ocpp_load_limit_amperes",
        "ocpp_load_waiting_cars",
        "ocpp_load_meter_age_seconds",
    ),
    "ocpp_prices_missing",
    *("ocpp_load_meter_silent", "ocpp_load_limited", "ocpp_load_trusted", "ocpp_load_disobeys"),
    *(
        "ocpp_load_lease_amperes",
        "ocpp_load_lease_ends_ts",
        "ocpp_load_writes_today",
        "ocpp_load_writes_a_day",
    ),
)
"""The series about the whole site go on at another server with the same number, which is in the
database. Not so ocpp_security_events_total and ocpp_load_limits_ignored_total, which each server
counts from its own start."""
_RELABELLING: Final = f"""\
    metric_relabel_configs:
      # One server exports what is about the whole site. Its series go on when another takes over.
      - source_labels: [__name__]
        regex: {"|".join(SITE_SERIES)}
        target_label: instance
        replacement: {SITE}
"""
_SERVER_AWAY: Final = """\
      - alert: LevityServerAway
        # While another one serves.
        expr: >-
          up{job="levity-trio"} == 0 and on (job, site) up{job="levity-trio"} == 1
          or ocpp_writer_failing == 1 and on (job, site) ocpp_writer_failing == 0
        for: 1m
        labels:
          severity: warning
        annotations:
          summary: "The server at {{ $labels.instance }} is away; the others serve its chargers"
          description: >-
            It does not respond, or cannot store anything. Check
            `systemctl status 'levity-trio-*'` and `journalctl -u 'levity-trio-*' -e`.

"""
_SEVERAL: Final = {
    **ONE_SERVER,
    "after": " postgresql.service",
    "units": "'levity-trio-*'",
    "same_site": "job, site",
    "same_charger": " on (job, site, cp_id)",
    "of_server": "",
    "is_down": 'max without (instance) (up{job="levity-trio"}) == 0',
    "is_failing": "min without (instance) (ocpp_writer_failing) == 1",
    "causes": "LevityServerDown|LevityWriterFailing",
    "server_away": _SERVER_AWAY,
    "relabelling": _RELABELLING,
    "litestream_job": "",
    "agent_litestream_job": "",
}


@record
class Several:
    """The values of the templates: those of all files, and those of each server's unit."""

    site: Mapping[str, str]
    servers: Sequence[Mapping[str, str]]


@record(kw_only=False)
class _Way:
    """What HAProxy passes on: from a port of its own to the same one of each server."""

    name: str
    flag: str
    host: str
    port: int
    balance: str


def values_of_several(
    flags: Mapping[str, object],
    environment: Mapping[str, str],
    installation: Installation,
    count: int,
) -> Several:
    """Return the values for so many servers. Raises ConfigError for settings that they cannot
    have."""
    present = read_present(flags, environment, installation)
    database = _check(present.server, count)
    check_paths([Path(database), *files_of(present)])
    server = replace(present.server, metrics_port=present.server.metrics_port or METRICS_PORT)
    ways = list(_ways(server))
    _check_ports(server, ways, count)
    servers = [_numbered(present._replace(server=server), number) for number in range(1, count + 1)]
    targets = [
        target(each.server.metrics_address, each.server.metrics_port or 0) for each in servers
    ]
    units = [_unit(each, number, count, installation) for number, each in enumerate(servers, 1)]
    site = {
        **_SEVERAL,
        **site_values(server, installation, [way.port for way in ways]),
        **_words(servers, targets, installation),
        **_database_values(database, installation.user, count),
        "target": ", ".join(map(json.dumps, targets)),
        "idle": f"{max(IDLE_SECONDS, HEARTBEATS * server.heartbeat_interval_seconds):g}s",
        "ways": "\n\n".join(_in_haproxy(way, servers, number) for number, way in enumerate(ways)),
    }
    return Several(site=site, servers=[{**site, **unit} for unit in units])


def _check(server: ServerConfig, count: int) -> PostgresqlAddress:
    """Return the address of the database. Raises ConfigError for settings that several servers
    cannot share."""
    if not isinstance(server.database, PostgresqlAddress):
        raise ConfigError(
            f"--servers {count}: several servers need PostgreSQL; give --db postgresql:///levity"
        )
    for flag, proxies in (
        ("--proxy-from", server.proxy_from),
        ("--api-proxy-from", server.api_proxy_from),
    ):
        if proxies not in ((), PROXY):
            raise ConfigError(
                f"{flag}: the proxy of several servers is HAProxy on this machine; leave it out"
            )
    if server.files_url is not None:
        raise ConfigError(
            "--files-url: each server has a files port of its own, and tells its own address; "
            "leave it out"
        )
    if server.tls_port is not None and not server.tls_certs:
        raise ConfigError("--tls-port: give --tls-cert and --tls-key too, which all servers share")
    if server.api and not _is_loopback(server.api_host):
        _check_url(server, f"--api-host {server.api_host}", "--public-url", server.public_url)
    if server.drivers_port is not None:
        _check_url(server, "--drivers-port", "--drivers-url", server.drivers_url)
    return server.database


def _check_url(server: ServerConfig, listener: str, flag: str, url: str | None) -> None:
    """Raise ConfigError for pages that other machines reach without their URL, or could listen to.

    The servers listen on this machine only, so nothing but the URL tells them the name by which
    others reach them.
    """
    if url is None:
        raise ConfigError(f"{listener}: give {flag} too, the URL that leads to HAProxy")
    if server.api_tls_cert is None and not url.startswith("https:"):
        raise ConfigError(
            f"{flag} {url}: passwords could be read on their way; give --api-tls-cert, or an "
            "https URL"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _ways(server: ServerConfig) -> Iterator[_Way]:
    yield _Way("chargers", "--port", server.host, server.port, "leastconn")
    if server.tls_port is not None:
        yield _Way("chargers-tls", "--tls-port", server.host, server.tls_port, "leastconn")
    if server.api:
        yield _Way("pages", "--api-port", server.api_host, server.api_port or API_PORT, "source")
    if server.drivers_port is not None:
        yield _Way("drivers", "--drivers-port", server.drivers_host, server.drivers_port, "source")


def _check_ports(server: ServerConfig, ways: Sequence[_Way], count: int) -> None:
    """Raise ConfigError if a port would be used twice, or does not exist."""
    used = {way.port: way.flag for way in ways}
    if len(used) < len(ways):
        raise ConfigError("two listeners have the same port; give each one of its own")
    bases = {way.flag: way.port for way in ways} | {
        "--metrics-port": server.metrics_port or METRICS_PORT
    }
    own = {"--files-port": server.files_port, "--ftp-port": server.ftp_port}
    bases |= {flag: port for flag, port in own.items() if port is not None}
    for flag, base in bases.items():
        for port in range(base + STEP, base + count * STEP + 1, STEP):
            if port > LAST_PORT:
                raise ConfigError(
                    f"{flag} {base}: the servers' own ports are up to {STEP * count} above; give "
                    "a lower one"
                )
            if port in used:
                raise ConfigError(
                    f"{flag} and {used[port]} would use port {port}; give ports with other last "
                    "digits"
                )
            used[port] = flag


def _numbered(present: Configuration, number: int) -> Configuration:
    """Return the configuration of one of the servers."""
    server, log, rise = present.server, present.log, STEP * number
    file = log.file
    return present._replace(
        server=replace(
            server,
            server_name=f"{server.server_name}-{number}",
            proxy_from=PROXY,
            host=LOOPBACK,
            port=server.port + rise,
            tls_port=_raised(server.tls_port, rise),
            metrics_host=server.metrics_address,
            metrics_port=_raised(server.metrics_port, rise),
            api_host=LOOPBACK,
            api_proxy_from=PROXY,
            api_port=(server.api_port or API_PORT) + rise if server.api else None,
            drivers_host=LOOPBACK,
            drivers_port=_raised(server.drivers_port, rise),
            files_host=server.files_host
            or (server.host if server.files_port or server.ftp_port else None),
            files_port=_raised(server.files_port, rise),
            ftp_port=_raised(server.ftp_port, rise),
        ),
        log=replace(log, file=file and file.with_name(f"{file.stem}-{number}{file.suffix}")),
    )


def _raised(port: int | None, by: int) -> int | None:
    return None if port is None else port + by


def _unit(
    present: Configuration, number: int, count: int, installation: Installation
) -> dict[str, str]:
    beside = STATE_FOLDER / str(number) / present.server.server_name
    return {
        **unit_values(present, beside, installation),
        "unit": unit_name(number),
        "which": f", server {number} of {count}",
        "state": f"{STATE_FOLDER.name}/{number}",
    }


def unit_name(number: int) -> str:
    """Return the name of a server's unit."""
    return f"levity-trio-{number}"


def _in_haproxy(way: _Way, servers: Sequence[Configuration], index: int) -> str:
    """Return the sections of haproxy.cfg for it. `index` is its place among the ports of a
    server."""
    lines = []
    for server in (present.server for present in servers):
        own = list(_ways(server))[index]
        checked = target(server.metrics_address, 0).rpartition(":")[0]
        address = "" if checked == LOOPBACK else f" addr {checked}"
        own_address = host_port(own.host, own.port)
        lines.append(
            f"    server {server.server_name} {own_address}{address} port {server.metrics_port}"
        )
    return (
        f"frontend {way.name}\n"
        f"    bind {host_port(way.host, way.port)}\n"
        f"    default_backend {way.name}\n\n"
        f"backend {way.name}\n"
        f"    balance {way.balance}\n"
        f"    option httpchk GET /healthz\n"
        f"    default-server check inter 1s fall 2 rise 1 send-proxy-v2\n" + "\n".join(lines)
    )


def _words(
    servers: Sequence[Configuration], targets: Sequence[str], installation: Installation
) -> dict[str, str]:
    """Return the values of README.txt."""
    units = [unit_name(number) for number in range(1, len(servers) + 1)]
    first = servers[0].server
    return {
        "count": str(len(servers)),
        "first_word": installation.program[0],
        "unit_files": " ".join(f"{unit}.service" for unit in units),
        "unit_names": " ".join(units),
        "first_unit": units[0],
        "first_socket": str(STATE_FOLDER / "1" / f"{first.server_name}.sock"),
        "ready_lines": "\n".join(f"   curl http://{address}/readyz" for address in targets),
        "server_names": ", ".join(each.server.server_name for each in servers),
        "api_port": str(first.api_port - STEP if first.api_port else API_PORT),
    }


def _database_values(address: PostgresqlAddress, user: str, count: int) -> dict[str, str]:
    parts = urlsplit(address)
    return {
        "role": _literal(unquote(parts.username or "") or user),
        "database": _literal(unquote(parts.path.strip("/"))),
        "connections": str(CONNECTIONS * count + OTHER_CONNECTIONS),
        "address": address,
    }


def _literal(text: str) -> str:
    """Return a text of SQL."""
    return "'" + text.replace("'", "''") + "'"
