"""What other servers of the site have stored, as this server learns it: before its own next write
is answered.

A fact is passed to all parts of this server that follow facts in memory. A charger that has
connected to another server is no longer served here. A command that was asked for at another server
is sent here if its charger is connected here.
"""

from __future__ import annotations

from functools import partial

from levity_trio.charger.central import Central
from levity_trio.events import (
    CallAnswered,
    CallFailed,
    ChargerConnected,
    ChargerDisconnected,
    TransactionStarted,
)
from levity_trio.events.stored import read_fact
from levity_trio.store.engine.database import News
from levity_trio.store.reads.chargers.chargers import sessions_elsewhere
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.chargers.commands import Unfinished


async def begin_learning(central: Central, reader: Reader) -> None:
    """Learn what other servers have stored since the database was opened, and will store. Raises
    Unreadable."""
    sharing = central.writer.sharing
    if not sharing.is_alone:
        central.elsewhere.update(
            await reader.run(partial(sessions_elsewhere, server=sharing.server))
        )
    sharing.begin_learning(partial(learn, central))


def learn(central: Central, news: News) -> None:
    """Follow what another server has stored."""
    for kind, data in news.facts:
        fact = read_fact(kind, data)
        if fact is None:
            continue
        central.hooks.learn(fact)
        match fact:
            case ChargerConnected(charger=str(charger)):
                central.elsewhere[charger] = fact.session
                central.registry.displace(charger)
            case ChargerDisconnected(charger=str(charger)):
                # It may have connected anew meanwhile.
                if central.elsewhere.get(charger) == fact.session:
                    del central.elsewhere[charger]
            case CallAnswered() | CallFailed():
                central.pending.settle(fact.command)
            case TransactionStarted(charger=str(charger)):
                central.has_charged.add(charger)
    for row in news.commands:
        command = Unfinished(*row)
        central.pending.load([command])
        session = central.registry.find(command.charger)
        if session is not None:
            session.commands.wake()
