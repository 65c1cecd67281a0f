"""The copy that Litestream keeps: configured by `levity-trio deploy`, but for a folder in place of
the bucket."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from levity_trio.deploy.files import texts
from levity_trio.deploy.installation import Installation, values
from tests.integration.fleet import Fleet, accounts, answered, missing
from tests.integration.prometheus import wait_for
from tests.integration.serving import environment, serving
from tests.ports import free_port

PROGRAM = Path(sys.executable).with_name("litestream")
BUCKET = "url: s3://YOUR-BUCKET/levity"
COPYING_SECONDS = 60
POWER_CUTS, TALKING_SECONDS, BEAT_SECONDS = 2, 3, 0.1

pytestmark = pytest.mark.skipif(
    not PROGRAM.exists(), reason="pip install -e '.[dev]' brings litestream"
)


def configuration(folder: Path) -> Path:
    """What deploy writes for this database, with a folder instead of the bucket."""
    settings = values(
        {"database": str(folder / "levity.db")},
        {},
        Installation(program=("/opt/levity",), site="pi", version="1"),
    )
    text = texts(settings)["litestream.yml"]
    assert BUCKET in text
    file = folder / "litestream.yml"
    file.write_text(text.replace(BUCKET, f"type: file\n      path: {folder / 'copy'}"))
    return file


@contextmanager
def copying(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Litestream; in the end it copies what is left, and must end well."""
    command: list[str | Path] = [PROGRAM, "replicate", "-config", config]
    with (config.parent / "litestream.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment(), stdout=log, stderr=log)
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(COPYING_SECONDS) == 0, (config.parent / "litestream.log").read_text()
    finally:
        process.kill()
        process.wait()


def restored(config: Path, database: Path) -> Path:
    copy = database.with_name("restored.db")
    subprocess.run(
        [PROGRAM, "restore", "-config", config, "-o", copy, database],
        check=True,
        capture_output=True,
    )
    with closing(sqlite3.connect(copy)) as connection:
        # as the manual says: after power cuts, Litestream 0.5 may leave an index behind
        connection.execute("REINDEX")
    return copy


def test_what_was_answered_is_in_the_copy(tmp_path: Path) -> None:
    """Power cuts of the server included, after which it writes on in a WAL that Litestream was
    reading."""
    database, config, fleet = tmp_path / "levity.db", configuration(tmp_path), accounts(20)
    with serving(database):
        pass
    with copying(config):
        for _ in range(POWER_CUTS):
            with serving(database) as server, Fleet(server.port, BEAT_SECONDS) as load:
                load.join(fleet)
                load.run(TALKING_SECONDS)
                server.kill()
                load.run_out()
        with serving(database) as server, Fleet(server.port, BEAT_SECONDS) as load:
            load.join(fleet)
            load.run(TALKING_SECONDS)
            faults = dict(load.faults)
    assert answered(fleet) > len(fleet) * POWER_CUTS
    assert not faults
    assert not missing(fleet, restored(config, database)), (tmp_path / "litestream.log").read_text()


def test_it_tells_what_the_alerts_watch(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    asked = re.findall(r'^addr: "(.*)"$', config.read_text(), re.MULTILINE)
    assert asked == ["0.0.0.0:9465"]
    port = free_port()
    config.write_text(config.read_text().replace(asked[0], f"127.0.0.1:{port}"))
    with serving(tmp_path / "levity.db"), copying(config):
        wait_for(lambda: "litestream_db_size{" in metrics(port), "it has found the database")


def metrics(port: int) -> str:
    """What Litestream says of itself; nothing until it listens."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return str(answer.read(), "utf-8")
    except URLError:
        return ""
