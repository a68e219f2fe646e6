"""A gateway in this process without broker and channels: real database, journal, decider, store and API.

Time stands still until the test moves it. Devices speak through the intake, people through HTTP::

    async with open_house(tmp_path) as house:
        await house.press("sos-1")
        case = await house.case_of("sos-1")
        answer = await house.client("operator").post(f"/api/v1/cases/{case['id']}/acknowledge")
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from fastapi import FastAPI

from devices.native import Message, encode, topic
from devices.observation import Channel, Lane, Observation
from gateway.announce.announcer import Announcer
from gateway.answers.desk import AnswerDesk
from gateway.api.app import create_api
from gateway.api.auth import Role, create_token
from gateway.api.context import Context
from gateway.backtest.jobs import Backtests
from gateway.checkup import Checkup, Organs
from gateway.decider.decider import Decider
from gateway.decider.health import Changed
from gateway.decider.view import Views
from gateway.feed import Feed, News
from gateway.gear.bridges import Bridges
from gateway.gear.intake import GearIntake
from gateway.gear.push import PushDoor
from gateway.gear.strangers import Strangers
from gateway.health import Part
from gateway.intake import Intake
from gateway.journal.entry import Outcome
from gateway.journal.journal import Journal
from gateway.metrics import metrics_registry
from gateway.outbox.worker import OutboxWorker
from gateway.receipts import Receipts
from gateway.registry import store as registry_store
from gateway.registry.load import load_community
from gateway.settings import BrokerSettings, JournalSettings, SerialLine, Settings
from gateway.state.db import open_database
from gateway.store.cursors import StoreCursors
from gateway.store.embedded import EmbeddedStore
from gateway.store.protocol import unstamped
from gateway.store.writer import StoreWriter
from gateway.transports.mqtt import Delivery, MqttTransport, gateway_address
from gateway.transports.serial import SerialTransport
from tests.support.eventually import PATIENCE, eventually_async
from tests.support.homes import COMMUNITY, FAR_LINE, community, write_community
from tests.support.journal import HandClock

ROLES: tuple[Role, ...] = ("reader", "operator", "admin")


class House:
    """The parts, and what tests do with them. Made by `open_house`."""

    def __init__(self, directory: Path, document: dict[str, Any] | None) -> None:
        self.clock = HandClock()
        self.stopping = asyncio.Event()
        self.feed = Feed()
        self.engine: sa.Engine = open_database(f"sqlite:///{directory / 'state.db'}")
        if document is not None:
            file = write_community(directory / "community.yaml", document)
            registry_store.apply(self.engine, load_community(file), "test", self.clock.now_ms())
        self.journal = Journal(directory / "journal", JournalSettings(), self.clock)
        self.views = Views(self.engine, self.clock)
        self.decider = Decider(
            self.engine,
            self.journal,
            self.clock,
            views=self.views,
            quarantine=lambda item: self.journal.quarantine(item, lambda _: None),
            on_change=self._publish,
            on_said=lambda: None,
            on_view=lambda _: None,
        )
        receipts = self.receipts = Receipts(self.journal)
        self.strangers = Strangers(self.engine, self.clock)
        """Never started: what it would write, tests look up in the quarantine."""
        self.intake = Intake(self.journal, self.clock, COMMUNITY, self.views.native, receipts=receipts)
        self.gear = GearIntake(self.journal, receipts, self.strangers)
        self.store = EmbeddedStore(directory / "telemetry.db", self.clock)
        cursors = StoreCursors(self.engine)
        self.writer = StoreWriter(
            self.journal,
            self.store,
            stamps=lambda device: (
                unstamped(device) if self.views.directory is None else self.views.directory.areas.of_device(device)
            ),
            load=cursors.load,
            save=cursors.save,
            quarantine=self.journal.quarantine,
            clock=self.clock,
        )
        self.outbox = OutboxWorker(self.engine, {}, self.clock, self.decider.wake)
        self.mqtt = MqttTransport(BrokerSettings(port=1), None, COMMUNITY, self.intake.offer_mqtt, self.clock)
        """Never started: nobody is connected."""
        line = SerialLine(name="bus", port=str(directory / "no-such-tty"))
        self.lines = [SerialTransport(line, self.intake.offer_serial, self.clock)]
        self.bridges = Bridges(
            self.gear,
            lambda: gateway_address(BrokerSettings(port=1), None, COMMUNITY, "bridge"),
            (),
            lambda: self.views.directory,
            self.clock,
        )
        """Never told to follow the registry: none runs."""
        self.announcer = Announcer(
            self.engine,
            self.journal,
            self.store.latest,
            lambda: self.views.directory,
            lambda: gateway_address(BrokerSettings(port=1), None, COMMUNITY, "announce"),
            self.clock,
            said=lambda: self.outbox.wake(),
        )
        """Never run."""
        self.organs = Organs(
            journal=self.journal,
            decider=self.decider,
            outbox=self.outbox,
            writer=self.writer,
            intake=self.intake,
            broker=None,
            mqtt=self.mqtt,
            lines=self.lines,
            bridges=self.bridges,
            announcer=self.announcer,
            feed=self.feed,
            modems=list,
            trunks=list,
            missing_secrets=lambda: [],
            clock=self.clock,
        )
        self.checkup = Checkup(self.organs)
        self.backtests = Backtests(self.clock)
        self.parts: Callable[[], list[Part]] = self.checkup.parts
        """What the API takes for the gateway's health; to be replaced by tests."""
        self.context = Context(
            engine=self.engine,
            clock=self.clock,
            decider=self.decider,
            store=self.store,
            feed=self.feed,
            directory=lambda: self.views.directory,
            health=lambda: self.parts(),
            metrics=metrics_registry(self.organs, self.checkup),
            quarantined=self.journal.quarantined,
            said=lambda: None,
            settings=Settings(data_dir=directory),
            backtests=self.backtests,
            answers=AnswerDesk(self.engine, self.decider, self.clock, lambda: self.views.directory),
            push=PushDoor(self.engine, lambda: self.views.directory, self.intake, self.gear, self.receipts, self.clock),
            stopping=self.stopping,
        )
        self.app: FastAPI = create_api(self.context)
        with self.engine.begin() as connection:
            self.tokens = {role: create_token(connection, role, role, self.clock.now_ms()) for role in ROLES}
        self._clients: list[httpx.AsyncClient] = []
        self._seq = 0

    def _publish(self, changed: Changed) -> None:
        self.feed.publish(*(News("case", case) for case in changed.cases))
        self.feed.publish(*(News("device", device) for device in changed.devices))

    async def close(self) -> None:
        self.stopping.set()
        for client in self._clients:
            await client.aclose()
        await self.backtests.close()
        await asyncio.to_thread(self.decider.stop)
        await self.store.close()
        await asyncio.to_thread(self.journal.close)
        self.engine.dispose()

    def start(self) -> None:
        self.journal.start()
        self.journal.retain_readers(("decider", "store"))
        self.decider.start()

    # people

    def client(self, role: Role | None = "operator", app: FastAPI | None = None) -> httpx.AsyncClient:
        """Somebody with a token of this role; None: without."""
        headers = {} if role is None else {"Authorization": f"Bearer {self.tokens[role]}"}
        transport = httpx.ASGITransport(app or self.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://gateway.test", headers=headers)
        self._clients.append(client)
        return client

    def with_context(self, **changes: Any) -> FastAPI:
        """Another application over the same parts, but for ``changes``."""
        return create_api(replace(self.context, **changes))

    async def get(self, path: str, **query: Any) -> Any:
        """The document at ``path`` as a reader gets it; must be there."""
        answer = await self.client("reader").get(path, params=query)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def act(self, case_id: str, action: str, role: Role = "operator", **decision: Any) -> httpx.Response:
        return await self.client(role).post(f"/api/v1/cases/{case_id}/{action}", json=decision)

    # devices

    async def say(
        self,
        device: str,
        event: str | None = None,
        *,
        data: dict[str, str | float | bool] | None = None,
        **metrics: float,
    ) -> None:
        """A message of a device, in the journal when this returns."""
        self._seq += 1
        message = Message(
            v=1, boot=1, seq=self._seq, t=self.clock.now_ms(), event=event, metrics=metrics, data=data or {}
        )
        channel = Channel.TELEMETRY if event is None else Channel.EVENT
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Outcome] = loop.create_future()

        def done(outcome: Outcome) -> None:
            loop.call_soon_threadsafe(answer.set_result, outcome)

        self.intake.offer_mqtt(Delivery(topic(COMMUNITY, device, channel), encode(message, "json")), done)
        assert await asyncio.wait_for(answer, 10 * PATIENCE) is Outcome.STORED, f"{device}: {answer.result()}"

    async def press(self, device: str) -> dict[str, Any]:
        """A key is pressed; returns the case that it opened."""
        await self.say(device, "press")
        return await self.case_of(device)

    async def case_of(self, device: str) -> dict[str, Any]:
        """The newest case that a device opened."""
        await self.decided()
        found: list[dict[str, Any]] = await self.get("/api/v1/cases")
        return next(dict(one["case"]) for one in found if one["case"]["device"] == device)

    async def decided(self) -> None:
        """All that is in the journal has been decided."""

        def done() -> bool:
            return all(
                self.journal.stats().lanes[lane].lag.get("decider", 0) == 0
                and self.journal.stats().lanes[lane].depth == 0
                for lane in Lane
            )

        await eventually_async(done, 10, "the journal is decided")

    async def read(self, device: str, kind: str, at_ms: int, **metrics: float) -> None:
        """A reading straight into the store."""
        self._seq += 1
        observation = Observation(
            message_id=f"{device}:store:{self._seq}",
            device=device,
            kind=kind,
            lane=Lane.ROUTINE,
            observed_at_ms=at_ms,
            received_at_ms=at_ms,
            metrics=metrics,
        )
        assert await self.store.write([observation]) == []


@contextlib.asynccontextmanager
async def open_house(
    directory: Path, document: dict[str, Any] | None = None, *, empty: bool = False
) -> AsyncIterator[House]:
    """A house with the community of `tests.support.homes` (120 far away), or ``document``, or without any."""
    house = House(directory, None if empty else document or community(rungs=FAR_LINE))
    house.start()
    try:
        yield house
    finally:
        await house.close()
