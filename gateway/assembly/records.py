"""What the gateway writes into and reads from: opened before anybody may speak, closed when all have fallen silent."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import sqlalchemy as sa

from devices.telemetry import NOWHERE
from gateway.chronicle.street import Street, on_streets
from gateway.clock import Clock
from gateway.decider.view import Views
from gateway.journal.journal import Journal
from gateway.settings import Settings
from gateway.state.db import open_database
from gateway.state.leadership import Leadership
from gateway.store import open_store
from gateway.store.cursors import StoreCursors
from gateway.store.erasures import Erasures
from gateway.store.later import LaterStore
from gateway.store.writer import StoreWriter

READERS = ("decider", "store")
"""Who reads the journal to its end. Cursors of others are forgotten: they would keep entries for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The state database, the journal and the telemetry store, and who leads where several gateways share the first."""

    engine: sa.Engine
    journal: Journal
    store: LaterStore
    leadership: Leadership


async def open_records(settings: Settings, clock: Clock, stack: contextlib.AsyncExitStack) -> Records:
    """Open the database, then the journal, which writes from now on. Raises JournalError and what SQLAlchemy raises.

    The telemetry store is opened when it can be: what is wrong with it keeps nobody's alarm waiting.
    """
    engine = await asyncio.to_thread(open_database, settings.database)
    stack.callback(engine.dispose)
    journal = Journal(settings.data_dir / "journal", settings.journal, clock)
    await asyncio.to_thread(journal.start)
    stack.push_async_callback(asyncio.to_thread, journal.close)
    journal.retain_readers(READERS)
    store = LaterStore(lambda: open_store(settings, clock))
    stack.push_async_callback(store.close)
    url = f"http://{settings.api.host}:{settings.api.port}"
    leadership = Leadership(engine, clock, settings.gateway_device, rank=settings.rank, url=url)
    stack.push_async_callback(asyncio.to_thread, _give_up, leadership)
    return Records(engine=engine, journal=journal, store=store, leadership=leadership)


def store_writer(settings: Settings, clock: Clock, records: Records, views: Views) -> StoreWriter:
    """From the journal into the telemetry store, each reading with where its device is at present."""
    cursors = StoreCursors(records.engine, settings.gateway_device)
    return StoreWriter(
        records.journal,
        records.store,
        stamps=lambda device: NOWHERE if views.directory is None else views.directory.areas.of_device(device),
        load=cursors.load,
        save=cursors.save,
        quarantine=records.journal.quarantine,
        clock=clock,
        erased=Erasures(records.engine, settings.gateway_device).marks,
        meaning=Street(lambda device: None if views.directory is None else on_streets(views.directory).get(device)),
    )


def _give_up(leadership: Leadership) -> None:
    """The next gateway need not wait. Where the database is gone it waits, which is no harm."""
    with contextlib.suppress(sa.exc.SQLAlchemyError):
        leadership.give_up()
