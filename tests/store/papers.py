"""Statements written into a database as a closing writes them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from levity_trio.billing.statement import Owner, Party, Position, Statement
from levity_trio.notify.delivery import sheet_text
from levity_trio.store.billing.rows import lines_text, names_text, taxes_text
from levity_trio.store.billing.statements import (
    FIGURES,
    OF_POSITION,
    Figures,
    PositionRow,
    as_closed,
    names_now,
    not_closed,
    party_digest,
)
from levity_trio.wire.times import stamp

CLOSED_AT: Final = "2026-11-02T23:30:00.000Z"
CLOSED_ON: Final = date(2026, 11, 3)
"""The same in Berlin."""
"""Already the third in Berlin."""
AT: Final = "2026-10-01T00:00:00.000Z"
FIRST_DIGEST: Final = "0" * 64


class Papers:
    """The billing of a site. Its statements are given as they should look."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def rows(self, sql: str, values: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, tuple(values)).fetchall()

    def insert(self, table: str, **values: object) -> int:
        marks = ", ".join("?" * len(values))
        sql = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks}) RETURNING id"
        ((number,),) = self.rows(sql, values.values())
        return int(number)

    def account(self, party: Party) -> int:
        address, who = (
            "\n".join(party.address),
            {"created_at": AT, "created_by": "cleo", "updated_at": AT},
        )
        return self.insert(
            "account", name=party.name, address=address, contact=party.contact, since=AT, **who
        )

    def biller(self, owner: Owner, template: str | None = None) -> int:
        return self.insert(
            "biller",
            name=owner.party.name,
            address="\n".join(owner.party.address),
            contact=owner.party.contact,
            bank_account=owner.bank_account,
            bank_name=owner.bank_name,
            tax_number=owner.tax_number,
            vat_number=owner.vat_number,
            tax_kind=owner.tax_kind,
            tax_note=owner.tax_note,
            number_prefix=owner.number_prefix,
            payment_days=owner.payment_days,
            logo=owner.logo,
            template=template,
            set_at=AT,
            set_by="cleo",
        )

    def draft(self, *statements: tuple[int, Statement]) -> list[int]:
        """Return the rows of statements, each of an account, that are not closed yet."""
        return [self._statement(account, one) for account, one in statements]

    def drafted(self, statement_id: int) -> tuple[Figures, list[PositionRow]]:
        """Return the rows of a statement."""
        (figures,) = self.rows(
            f"SELECT {', '.join(FIGURES)} FROM statement WHERE id = ?", [statement_id]
        )
        of_statement = (
            f"SELECT {', '.join(OF_POSITION)} FROM position WHERE statement_id = ? ORDER BY id"
        )
        return Figures(*figures), [
            PositionRow(*row) for row in self.rows(of_statement, [statement_id])
        ]

    def close(self, ids: list[int], biller: int | None, account: int | None = None) -> list[int]:
        """Close statements, of a month or of an account; return their numbers."""
        before = self.rows(
            "SELECT digest FROM statement WHERE number IS NOT NULL ORDER BY number DESC LIMIT 1"
        )
        digests = [
            before[0][0] if before else FIRST_DIGEST,
            *(hashlib.sha256(f"{number}".encode()).hexdigest() for number in ids),
        ]
        ((month,),) = self.rows("SELECT month FROM statement WHERE id = ?", ids[:1])
        closing = self.insert(
            "closing",
            month=month,
            account_id=account,
            terms='{"zone": "Europe/Berlin"}',
            biller_id=biller,
            statements=len(ids),
            previous_digest=digests[0],
            digest=digests[-1],
            closed_at=CLOSED_AT,
            closed_by="cleo",
        )
        ((last,),) = self.rows("SELECT coalesce(max(number), 0) FROM statement")
        for place, statement_id in enumerate(ids):
            self._seal(statement_id, closing, last + place + 1, digests[place], digests[place + 1])
        return list(range(last + 1, last + 1 + len(ids)))

    def closed(self, one: Statement, *, template: str | None = None) -> Statement:
        """Store a statement of a new account, and close it; return it with what the closing
        says."""
        account = self.account(one.to or Party(name="", address=()))
        biller = self.biller(one.owner, template)
        (number,) = self.close(self.draft((account, one)), biller, account)
        ((previous, digest),) = self.rows(
            "SELECT previous_digest, digest FROM statement WHERE number = ?", [number]
        )
        return replace(
            one,
            account=account,
            number=str(number),
            printed_number=f"{one.owner.number_prefix or ''}{number}",
            digest=digest,
            previous_digest=previous,
        )

    def remove_names(self, number: int) -> None:
        self.rows(
            "UPDATE statement_party SET party = NULL, removed_at = ?, removed_by = 'cleo'"
            " WHERE statement_id = (SELECT id FROM statement WHERE number = ?)",
            [CLOSED_AT, number],
        )

    def id_of(self, number: int) -> int:
        ((found,),) = self.rows("SELECT id FROM statement WHERE number = ?", [number])
        return int(found)

    def _seal(
        self, statement_id: int, closing: int, number: int, previous: str, digest: str
    ) -> None:
        figures, positions = self.drafted(statement_id)
        (said,) = not_closed(self.rows, [(figures, positions)])
        printed = f"{said.statement.owner.number_prefix or ''}{number}"
        sheet = sheet_text(as_closed(said, number, printed, previous, CLOSED_ON))
        names, _ = names_now(self.rows, figures, positions)
        party = names_text(names, "salt", party_digest(f"salt{sheet}"))
        add = "INSERT INTO statement_party (statement_id, party, sheet) VALUES (?, ?, ?)"
        self.rows(add, [statement_id, party, sheet])
        self.rows(
            "UPDATE statement "
            "SET closing_id = ?, number = ?, printed_number = ?, party_digest = 'p', "
            "previous_digest = ?, digest = ? WHERE id = ?",
            [closing, number, printed, previous, digest, statement_id],
        )

    def _statement(self, account: int, one: Statement) -> int:
        statement_id = self.insert(
            "statement",
            account_id=account,
            month=f"{one.month:%Y-%m}",
            zone=one.zone,
            currency=one.currency.code,
            prices="gross" if one.prices_are_gross else "net",
            taxes=taxes_text(one.taxes),
            charged=one.total - one.carried_in,
            carried_in=one.carried_in,
            total=one.total,
            is_carried=one.is_carried,
            content="c",
        )
        for position in one.positions:
            self._position(statement_id, account, position, _kind(position))
        for position in one.held_back:
            self._position(statement_id, account, position, "held back")
        return statement_id

    def _position(self, statement_id: int, account: int, one: Position, kind: str) -> None:
        if one.transaction is not None:
            self._transaction(one)
        self.insert(
            "position",
            statement_id=statement_id,
            account_id=account,
            kind=kind,
            tx_id=one.transaction,
            month=None if one.transaction else "2026-10",
            corrects=self._corrected(one),
            reason=one.reason,
            cp_id=one.charger,
            conn_id=one.connector,
            id_tag=one.tag,
            vehicle_id=self._vehicle(one.vehicle),
            started_at=_text(one.started_at),
            ended_at=_text(one.ended_at),
            energy_wh=one.energy_wh,
            split=one.split,
            is_prepaid=one.is_prepaid,
            lines=lines_text(one.lines),
            amount=one.amount,
        )

    def _transaction(self, one: Position) -> None:
        """Store a transaction with its charger, as far as others refer to them."""
        who, charger = "(?, ?, ?)", one.charger or "CP-1"
        self.rows(
            f"INSERT INTO cp (id, created_at, updated_at) VALUES {who} ON CONFLICT DO NOTHING",
            [charger, AT, AT],
        )
        self.rows(
            (
                "INSERT INTO run (server, id, version, started_at, clock_trusted) "
                "VALUES ('levity', 1, '1', ?, 1) ON CONFLICT DO NOTHING"
            ),
            [AT],
        )
        self.rows(
            "INSERT INTO session (id, cp_id, run_id, remote_address, target, clock_trusted, "
            "connected_at) "
            "VALUES (1, ?, 1, 'a', '/', 1, ?) ON CONFLICT DO NOTHING",
            [charger, AT],
        )
        until = _text(one.ended_at)
        self.rows(
            "INSERT INTO tx (id, cp_id, conn_id, session_id, id_tag, verdict, status, stopped_by, "
            "start_time, own_start_time, stop_time, created_at, updated_at, energy_delivered, "
            "energy_method, confidence) "
            "VALUES (?, ?, ?, 1, ?, 'Accepted', 'Completed', 'charger', ?, ?, ?, ?, ?, ?, "
            "'register', 'certain') "
            "ON CONFLICT DO NOTHING",
            [
                one.transaction,
                charger,
                one.connector,
                one.tag,
                *[_text(one.started_at)] * 2,
                until,
                AT,
                AT,
                abs(one.energy_wh),
            ],
        )
        if one.space:
            self.rows(
                "INSERT INTO space VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [charger, one.connector, one.space],
            )

    def _vehicle(self, name: str | None) -> int | None:
        if name is None:
            return None
        found = self.rows("SELECT id FROM vehicle WHERE name = ?", [name])
        return (
            found[0][0]
            if found
            else self.insert("vehicle", name=name, created_at=AT, created_by="cleo", updated_at=AT)
        )

    def _corrected(self, one: Position) -> int | None:
        """Return the id of the position that a line of a closed statement is."""
        if one.corrects is None:
            return None
        rest = "WHERE number = ? ORDER BY position.id LIMIT 1 OFFSET ?"
        ((found,),) = self.rows(
            (
                "SELECT position.id FROM position "
                f"JOIN statement ON statement.id = statement_id {rest}"
            ),
            [int(one.corrected_statement or 0), one.corrects - 1],
        )
        return int(found)


def _kind(one: Position) -> str:
    if one.corrects is not None:
        return "correction"
    if one.transaction is None:
        return "base fee"
    return "session" if one.lines else "free"


def _text(moment: datetime | None) -> str | None:
    return stamp(moment) if moment else None
