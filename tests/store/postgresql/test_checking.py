"""Checks of a database on PostgreSQL: a sound one, also while it is written, and each kind of
damage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.engine.schema import Version, newest_version
from levity_trio.store.keeping.checking import CHECKS, Check, CheckReport, CheckSubject, check
from levity_trio.store.postgresql.connection import PostgresqlConnection, connect
from levity_trio.store.postgresql.schema import migrate
from tests.postgresql import Server
from tests.store.keeping import CHARGED_WH, charge
from tests.store.later import NEWEST, NOT, STILL, later

from .sites import station
from .stored import change, empty_database, name_of, new_database, query

BEHIND_THE_GUARDS = "SET session_replication_role = replica;"
A_DIGEST = sha256(b"a").hexdigest()


MANY_ROWS = f"""
{BEHIND_THE_GUARDS}
INSERT INTO log (id, cp_id, at, direction, frame) SELECT number, 'CP-1', '', 'recv', ''
    FROM generate_series(1000, 40000) AS number;
INSERT INTO meter_val (cp_id, conn_id, tx_id, session_id, received_at, timestamp, measurand, value,
    unit, context,
        location, phase, format, source)
    SELECT 'CP-1', 1, (SELECT min(id) FROM tx), (SELECT min(id)
        FROM session), number, number, '', number, '', '',
        '', '', '', '' FROM generate_series(1, 40000) AS number;
ANALYZE
"""


@pytest.fixture
def site(server: Server) -> PostgresqlAddress:
    """A site with two completed transactions and an open one."""
    address = new_database(server)
    with station(address) as there:
        charge(there)
        charge(there)
        there.start(9000)
    return address


def checked(address: PostgresqlAddress) -> CheckReport:
    return check(address, lambda _name: None)


def problems(address: PostgresqlAddress) -> list[tuple[str, str]]:
    return [(one.check, one.text) for one in checked(address).problems]


def test_a_sound_database_and_what_it_holds(site: PostgresqlAddress) -> None:
    report = checked(site)
    assert not report.problems
    assert report.checks == [one.name for one in CHECKS]
    held = report.content
    assert held is not None
    assert (held.schema, held.transactions, held.open_transactions) == (newest_version(), 3, 1)
    assert held.energy_wh == 2 * CHARGED_WH
    assert held.until == max(at for (at,) in query(site, "SELECT at FROM event"))
    assert [text.partition(";")[0] for text in report.unchecked] == [
        "the order inside of indexes",
        (
            "changed bytes in rows that still look whole: the server has no data checksums "
            "(pg_checksums)"
        ),
    ]


def test_a_database_that_came_here_by_steps(server: Server, tmp_path: Path) -> None:
    """It is checked by the schema of its version, of which this program is the older one, too."""
    address, folder = new_database(server), later(tmp_path / "schema", STILL, NOT)
    assert not check(address, lambda _name: None, folder).problems
    with closing(PostgresqlConnection(connect(address))) as connection:
        migrate(connection, folder=folder)
    assert not check(address, lambda _name: None, folder).problems
    change(address, "ALTER TABLE cp DROP COLUMN two")
    assert [one.text for one in check(address, lambda _name: None, folder).problems] == [
        f"table cp is not as schema {NEWEST + 2} defines it"
    ]


def test_every_index_is_compared_also_of_large_tables(site: PostgresqlAddress) -> None:
    change(site, MANY_ROWS)
    report = checked(site)
    assert not [one for one in report.problems if one.check == "integrity"]
    assert len(report.unchecked) == 2


TARIFF = (
    "INSERT INTO tariff (name, currency, prices) VALUES ('T', 'EUR', 'gross');"
    " INSERT INTO tariff_version (tariff_id, since, toml, digest, added_at, added_by)"
    f" VALUES (1, '2026-10-01', 'b', '{A_DIGEST}', '', '')"
)
EMPTY = "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';"
IMPOSSIBLE = f"{BEHIND_THE_GUARDS} UPDATE tx SET {{}} WHERE status = 'Completed'"


DAMAGES = {
    "what is missing": [
        (
            "ALTER TABLE session DROP CONSTRAINT session_cp_id_fkey",
            "schema",
            "foreign key of session (cp_id) to cp is missing",
        ),
        ("DROP INDEX tx_open", "schema", "index tx_open is missing"),
        ("DROP TRIGGER tx_is_kept ON tx", "schema", "trigger tx_is_kept is missing"),
        ("DROP TABLE repair", "schema", "table repair is missing"),
        (
            "ALTER TABLE tag DROP CONSTRAINT tag_pkey CASCADE",
            "schema",
            "primary key of tag (id) is missing",
        ),
    ],
    "what is changed": [
        (
            "ALTER TABLE tx DISABLE TRIGGER tx_is_kept",
            "schema",
            "trigger tx_is_kept is not as schema",
        ),
        ("ALTER TABLE tx DROP COLUMN rules", "schema", "table tx is not as schema"),
        (
            "DROP INDEX tx_open; CREATE INDEX tx_open ON tx (id)",
            "schema",
            "index tx_open is not as schema",
        ),
    ],
    "what is not ours": [
        ("CREATE TABLE theirs (id bigint)", "schema", "table theirs is not in schema"),
        (
            "CREATE MATERIALIZED VIEW their_sums AS SELECT 1 AS one",
            "schema",
            "table their_sums is not in schema",
        ),
        ("CREATE VIEW their_view AS SELECT 1", "schema", "view their_view is not in schema"),
        ("CREATE INDEX their_index ON tx (id_tag)", "schema", "index their_index is not in schema"),
        (
            "CREATE RULE their_rule AS ON INSERT TO tx DO ALSO NOTIFY x",
            "schema",
            "rule their_rule of tx is not in schema",
        ),
        (
            f"{EMPTY} CREATE TRIGGER theirs AFTER INSERT ON tx EXECUTE FUNCTION theirs()",
            "schema",
            "trigger theirs is not",
        ),
        (
            EMPTY.replace("FUNCTION theirs", "OR REPLACE FUNCTION levity.tx_is_kept"),
            "schema",
            "tx_is_kept is not as",
        ),
    ],
    "rows": [
        (f"{BEHIND_THE_GUARDS} DELETE FROM cp", "references", "row of cp that is missing"),
        ("ALTER SEQUENCE tx_id_seq RESTART WITH 7", "ids", "tx would use ids up to"),
        ("ALTER SEQUENCE tx_event_id_seq RESTART", "ids", "tx_event would use ids up to"),
        (
            "UPDATE levity.counted SET seq = 1 WHERE name = 'event'",
            "ids",
            "event would use ids up to",
        ),
        (
            IMPOSSIBLE.format("energy_delivered = NULL"),
            "transactions",
            "must have a possible status, figure",
        ),
        (
            TARIFF,
            "tariffs",
            "row 1 of tariff_version: the text is not the one",
        ),
        (
            "UPDATE pg_collation SET collversion = '1.2' WHERE collname = 'nocase'",
            "integrity",
            "the order of texts in levity.nocase was that of version 1.2",
        ),
    ],
    "rows that nothing guards": [
        (
            (
                f"ALTER TABLE session DROP CONSTRAINT session_cp_id_fkey; {BEHIND_THE_GUARDS} "
                "UPDATE session SET cp_id = 1"
            ),
            "references",
            "refers to a row of cp that is missing",
        ),
        ("DELETE FROM levity.counted WHERE name = 'event'", "ids", "event would use ids up to"),
        (
            "ALTER TABLE tx ALTER COLUMN start_time DROP NOT NULL",
            "schema",
            "table tx is not as schema",
        ),
    ],
    "the version": [
        (
            f"UPDATE levity.migrated SET version = {Version(NEWEST + 1, NEWEST).number}",
            "schema",
            f"schema {NEWEST + 1} is of no version",
        ),
    ],
}
"""Damages that stand beside each other: a check takes half a second."""


@pytest.mark.parametrize("damages", DAMAGES.values(), ids=DAMAGES)
def test_problems_are_found(site: PostgresqlAddress, damages: list[tuple[str, str, str]]) -> None:
    for script, *_ in damages:
        change(site, script)
    found = problems(site)
    for script, name, text in damages:
        lines = [line for check, line in found if check == name]
        assert any(f" {text}" in f" {line}" for line in lines), (script, found)


def test_a_row_that_an_index_lacks(site: PostgresqlAddress) -> None:
    """It was added while PostgreSQL wrote nothing to that index."""
    ready = "UPDATE pg_index SET indisready = {} WHERE indexrelid = 'event_cp'::regclass"
    change(site, ready.format("false"))
    change(site, "INSERT INTO event (cp_id, at, kind, data) VALUES ('CP-1', '', 'x', '{}')")
    change(site, ready.format("true"))
    ((rows,),) = query(site, "SELECT count(*) FROM event")
    text = (
        f"the index event_cp has {rows - 1} of {rows} rows; rebuild it with REINDEX INDEX event_cp"
    )
    assert ("integrity", text) in problems(site)
    change(site, "REINDEX INDEX event_cp")
    assert not problems(site)


@pytest.fixture
def damaged(server: Server, site: PostgresqlAddress) -> Iterator[PostgresqlAddress]:
    """A page of the transactions is overwritten on the disk."""
    change(site, "CHECKPOINT")
    ((path,),) = query(site, "SELECT pg_relation_filepath('tx')")
    server.stop()
    with (server.data / path).open("r+b") as file:
        file.write(b"\xa5" * 8192)
    server.start()
    yield site
    server.sql(f"DROP DATABASE {name_of(site)} (FORCE)")


def test_a_damaged_page_is_found_and_the_rest_is_checked(damaged: PostgresqlAddress) -> None:
    report = checked(damaged)
    found = [(one.check, one.text) for one in report.problems]
    assert ("integrity", "public.tx cannot be read: invalid page in block 0 of relation") in [
        (name, text.partition(" base")[0]) for name, text in found
    ]
    assert "transactions" in dict(found)
    assert not {"schema", "sums"} & dict(found).keys()
    assert report.content is None


def test_it_is_of_one_moment(site: PostgresqlAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server goes on writing meanwhile."""

    def write(_subject: CheckSubject) -> list[str]:
        with station(site, "CP-2") as there:
            charge(there)
        # within its lock_timeout
        change(site, 'REINDEX TABLE account; REINDEX TABLE "user"; REINDEX TABLE tx')
        return []

    monkeypatch.setattr(
        "levity_trio.store.keeping.checking.CHECKS", (*CHECKS, Check("write", write), *CHECKS)
    )
    report = checked(site)
    assert not report.problems
    assert report.content is not None
    assert report.content.transactions == 3
    assert query(site, "SELECT count(*) FROM tx") == [(4,)]


def test_a_time_limit_of_the_role_is_not_that_of_a_check(
    server: Server, site: PostgresqlAddress
) -> None:
    server.sql("ALTER ROLE postgres SET statement_timeout = 1")
    try:
        assert not problems(site)
    finally:
        server.sql("ALTER ROLE postgres RESET statement_timeout")


def test_databases_that_cannot_be_checked(server: Server, site: PostgresqlAddress) -> None:
    foreign, newer = empty_database(server), new_database(server)
    change(foreign, "CREATE TABLE theirs (id bigint)")
    change(newer, f"UPDATE levity.migrated SET version = {newest_version() + 1}")
    server.sql("CREATE ROLE reader LOGIN")
    for address, text in {
        empty_database(server): "is empty; give a database of levity-trio",
        foreign: "the database belongs to another program; give a database of levity-trio",
        newer: "was written by a newer levity-trio",
        server.address("nothing"): 'database "nothing" does not exist',
        PostgresqlAddress(
            site.replace("postgres@", "reader@")
        ): "let this user read it: GRANT pg_read_all_data TO",
    }.items():
        with pytest.raises(EnvironmentProblem, match=text) as refused:
            checked(address)
        assert "\n" not in str(refused.value)
        assert "--db" not in str(refused.value)
    server.sql("GRANT pg_read_all_data TO reader")
    assert not problems(PostgresqlAddress(site.replace("postgres@", "reader@")))


def test_a_connection_that_is_lost_is_no_damage(server: Server, site: PostgresqlAddress) -> None:
    def cut(name: str) -> None:
        if name == "schema":
            server.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'levity-trio' AND pid <> pg_backend_pid()"
            )

    with pytest.raises(EnvironmentProblem, match="cannot check postgresql:"):
        check(site, cut)
