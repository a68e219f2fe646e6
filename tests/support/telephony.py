"""A telephone network whose time runs fast, modems of it on real ptys, and the gateway's pool at their other end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import sqlalchemy as sa

from firmware_sim.telephony.faults import ModemFaults
from firmware_sim.telephony.modem import SimModem
from firmware_sim.telephony.network import Network
from gateway.clock import SystemClock
from gateway.outbox.channel import Heard
from gateway.outbox.modem.health import ModemHealth
from gateway.outbox.modem.ledger import SmsLedger
from gateway.outbox.modem.pool import ModemPool
from gateway.outbox.modem.reports import Fate
from gateway.outbox.modem.timing import Timing
from gateway.outbox.speech import Speech
from gateway.outbox.voice import Called, Words
from gateway.settings import ModemSettings, Secrets
from gateway.state.db import open_database
from tests.support.eventually import PATIENCE, eventually_async

SPEED = 30.0
"""Seconds of the network to one of the clock."""
MODEM = "+8613900000001"
DAUGHTER, SON = "13800000001", "13800000002"


@dataclass
class Ear:
    """Stands where the answers are understood."""

    heard: list[Heard] = field(default_factory=list)
    says: str = ""
    failing: int = 0

    async def __call__(self, heard: Heard) -> str:
        if self.failing:
            self.failing -= 1
            raise ConnectionError("the database is away")
        self.heard.append(heard)
        return self.says


@dataclass
class House:
    """Everything of one test."""

    network: Network
    sims: list[SimModem]
    pool: ModemPool
    ear: Ear
    settled: list[tuple[str, Fate]]
    engine: sa.Engine
    ledger: SmsLedger
    directory: Path

    @property
    def sim(self) -> SimModem:
        return self.sims[0]

    @property
    def health(self) -> ModemHealth:
        return self.pool.health()[0]

    async def ready(self, *, which: Sequence[int] = (0,)) -> None:
        await eventually_async(
            lambda: all(self.pool.health()[one].ready for one in which), 15, f"ready: {self.pool.health()}"
        )

    async def until(self, condition: Callable[[ModemHealth], bool], within_s: float = 15) -> None:
        await eventually_async(lambda: condition(self.health), within_s, f"{self.health}")

    async def call(self, number: str, text: str = "紧急呼救，李秀兰。", keys: str = "12") -> Called:
        return await self.pool.call(number, Words(text=text, keys=keys), timeout_s=20)


def timing() -> Timing:
    """What waits for people and the network runs as fast as these; what waits for this machine has time."""
    command = (1 + PATIENCE) / 2  # tests of modems that hang wait for it several times within a call
    return replace(Timing().faster(SPEED), command=command, network=8.0, send=8.0, upload=8.0, hang_up=3.0)


@contextlib.asynccontextmanager
async def telephony(
    tmp_path: Path,
    *models: str,
    faults: ModemFaults | None = None,
    pin: str | None = None,
    settings: dict[str, object] | None = None,
    secrets: dict[str, str] | None = None,
    room: int = 20,
    check: bool = True,
) -> AsyncIterator[House]:
    """A pool with one modem of each model in a network. At the end whatever nobody expected is a failure."""
    network = Network(speed=SPEED)
    sims = [
        SimModem(
            network,
            tmp_path / f"modem{index}.tty",
            MODEM[:-1] + str(index),
            model,
            faults=faults if index == 1 else None,
            pin=pin,
            room=room,
        )
        for index, model in enumerate(models or ("sim7600",), 1)
    ]
    for sim in sims:
        sim.start()
    secrets_dir = tmp_path / "secrets"
    secrets_dir.mkdir(exist_ok=True)
    for name, value in (secrets or {}).items():
        (secrets_dir / name).write_text(value, encoding="utf-8")
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    ledger = SmsLedger(engine)
    ear = Ear()
    settled: list[tuple[str, Fate]] = []
    pool = ModemPool(
        [
            ModemSettings.model_validate(
                {"name": f"m{index}", "port": str(tmp_path / f"modem{index}.tty")} | (settings or {})
            )
            for index in range(1, len(sims) + 1)
        ],
        Secrets(secrets_dir),
        Speech(tmp_path / "speech"),
        ledger,
        SystemClock(),
        listener=ear,
        settle=lambda key, fate, _: settled.append((key, fate)),
        timing=timing(),
    )
    running = asyncio.create_task(pool.run())
    house = House(network, sims, pool, ear, settled, engine, ledger, tmp_path)
    try:
        yield house
        if check:  # a network takes its time to deliver, a report may well overtake the SMS itself
            with contextlib.suppress(AssertionError):  # what does not come is told by the check below, in words
                await eventually_async(lambda: not network.missing())
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        for sim in sims:
            sim.unplug()
        ledger.close()
        engine.dispose()
    if check:
        network.check()
