"""The settings of the listeners for people, programs and files: API, dashboard, drivers' port, files port."""

from pathlib import Path
from typing import Final

from levity_trio.config.settings import (
    ADDRESS,
    FILE,
    NAMES,
    NETWORKS,
    TEXT,
    URL,
    Kind,
    Network,
    read_switch,
    setting,
    whole,
)
from levity_trio.records import record

API_PORT: Final = 9001
DRIVERS_CONNECTIONS: Final = 256
FTP_DATA_PORTS: Final = range(61000, 61016)
"""Above those that Linux gives to connections that programs open."""


@record
class WebConfig:
    """The settings of these listeners, a part of those of the server (config.py)."""

    api: bool = setting(
        True,
        "no-api",
        "API",
        Kind("", lambda value: not read_switch(value)),
        "Serve no operator API; the local socket beside the database stays.",
    )
    api_host: str = setting("127.0.0.1", "api-host", "API", ADDRESS, "Address of the operator API.")
    api_port: int | None = setting(
        *(None, "api-port", "API", whole(0, 65535)),
        f"Port of the operator API, by default {API_PORT}; 0 selects a free port and logs it.",
    )
    api_allowed_hosts: tuple[str, ...] = setting(
        *((), "api-allowed-hosts", "API", NAMES),
        "Further names of this server in the Host header of requests, separated by commas.",
    )
    api_proxy_from: tuple[Network, ...] = setting(
        *((), "api-proxy-from", "API", NETWORKS),
        "Addresses of proxies before the dashboard, the API and the drivers' port, separated by commas: each connection"
        " from there must begin with a PROXY header, version 2.",
    )
    api_cors_origin: str | None = setting(
        *(None, "api-cors-origin", "API", TEXT),
        "Origin of web pages that may use the API and act as chargers, such as https://example.org.",
    )
    api_tls_cert: Path | None = setting(
        *(None, "api-tls-cert", "API", FILE), "Certificate chain of the API (PEM); with it the API is served by TLS."
    )
    api_tls_key: Path | None = setting(
        *(None, "api-tls-key", "API", FILE), "Private key of --api-tls-cert (PEM), if it is not in the same file."
    )
    api_max_streams: int = setting(
        *(256, "api-max-streams", "API", whole(1, 10_000)), "Maximum number of concurrent event streams."
    )
    dashboard: bool = setting(
        *(True, "no-dashboard", "API", Kind("", lambda value: not read_switch(value))),
        "Serve no dashboard beside the API.",
    )
    public_url: str | None = setting(
        *(None, "public-url", "API", URL), "URL of the dashboard and the API behind a proxy, with its path."
    )
    drivers_port: int | None = setting(
        *(None, "drivers-port", "Drivers", whole(0, 65535)),
        "Port with the pages of drivers only, off without it; 0 selects a free port and logs it.",
    )
    drivers_host: str = setting("127.0.0.1", "drivers-host", "Drivers", ADDRESS, "Address of the drivers' port.")
    drivers_tls_cert: Path | None = setting(
        *(None, "drivers-tls-cert", "Drivers", FILE),
        "Certificate chain of the drivers' port (PEM); by default that of the API.",
    )
    drivers_tls_key: Path | None = setting(
        *(None, "drivers-tls-key", "Drivers", FILE),
        "Private key of --drivers-tls-cert (PEM), if it is not in the same file.",
    )
    drivers_url: str | None = setting(
        *(None, "drivers-url", "Drivers", URL),
        "URL by which drivers reach their pages, for links and codes; by default the address of the drivers' port, or"
        " that of the dashboard.",
    )
    files_port: int | None = setting(
        *(None, "files-port", "Files", whole(0, 65535)),
        "Port at which chargers send and fetch files, off without it; 0 selects a free port and logs it.",
    )
    files_host: str | None = setting(
        *(None, "files-host", "Files", ADDRESS), "Address of the files port; that of --host by default."
    )
    files_url: str | None = setting(
        *(None, "files-url", "Files", URL),
        "URL by which chargers reach the files port, by default http://ADDRESS:PORT.",
    )
    ftp_port: int | None = setting(
        *(None, "ftp-port", "Files", whole(0, 65535)),
        "Port at which chargers that speak only FTP do so, off without it; 0 selects a free port and logs it. Their"
        f" data goes through ports {FTP_DATA_PORTS[0]} to {FTP_DATA_PORTS[-1]}.",
    )
