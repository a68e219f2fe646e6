"""What is seen of this gateway's modems, as observations of devices of kind ``modem``: rules see a dead telephone.

A modem of the settings is the device whose id is its name, where the community has one. Once a minute, and when a state
has held for ten seconds; what is not known (it is starting) is left out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from devices.gear.memory import Memory, observe
from devices.gear.messages import GearDevice, Said
from gateway.clock import Clock
from gateway.itself.watcher import LOOK_S, PATIENT_MS, REPORT_MS, TRANSPORT
from gateway.outbox.modem.health import ModemHealth, ModemState
from gateway.receipts import JournalSink, Receipts
from gateway.registry.model import Device

log = logging.getLogger(__name__)

KIND = "modem"
_LOCKED = (ModemState.NO_SIM, ModemState.PIN, ModemState.PUK)
_ILL = (ModemState.ABSENT, ModemState.SILENT, ModemState.FAULT)
_WITHOUT_NETWORK = (ModemState.SEARCHING, ModemState.DENIED)


def states(health: ModemHealth) -> dict[str, float]:
    """The states of the kind, as far as they are known."""
    if health.state is ModemState.STARTING:
        return {}
    if health.state in _ILL:
        return {"faulty": 1.0}
    if health.state in _LOCKED:
        return {"faulty": 0.0, "registered": 0.0, "sim_ready": 0.0}
    return {"faulty": 0.0, "registered": float(health.state not in _WITHOUT_NETWORK), "sim_ready": 1.0}


class ModemWatcher:
    """Run `run` as a task; `look` is one look, for tests."""

    def __init__(
        self,
        healths: Callable[[], Sequence[ModemHealth]],
        devices: Callable[[], Mapping[str, Device]],
        journal: JournalSink,
        receipts: Receipts,
        memories: dict[str, Memory],
        clock: Clock,
        steady_ms: Callable[[], int],
    ) -> None:
        """``memories``: what was said last of each device, as far as it is on disk."""
        self._healths = healths
        self._devices = devices
        self._journal = journal
        self._receipts = receipts
        self._memories = memories
        self._clock = clock
        self._steady_ms = steady_ms
        self._seen: dict[str, tuple[dict[str, float], int]] = {}
        """The states of the last look, and since when they are so."""
        self._told: dict[str, tuple[dict[str, float], int]] = {}
        """The states told last, and when."""

    async def run(self) -> None:
        """Look until cancelled. Nothing that is found ends it."""
        while True:
            try:
                self.look()
            except Exception:  # it watches others: it must outlive what they do
                log.exception("the modems could not be looked at; they are looked at again")
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """One look; a report of each modem of which one is due, or whose state has changed."""
        now_ms = self._steady_ms()
        devices = self._devices()
        for health in self._healths():
            device = devices.get(health.name)
            now = states(health)
            before, since_ms = self._seen.get(health.name, ({}, now_ms))
            if now != before:
                since_ms = now_ms
            self._seen[health.name] = (now, since_ms)
            if device is None or device.kind != KIND or not now:
                continue
            told, at_ms = self._told.get(health.name, ({}, None))
            changed = now != told and (health.ready or now_ms - since_ms >= PATIENT_MS)
            if changed or (told and at_ms is not None and now == told and now_ms - at_ms >= REPORT_MS):
                self._told[health.name] = (now, now_ms)
                self._say(device, health, now)

    def _say(self, device: Device, health: ModemHealth, now: dict[str, float]) -> None:
        metrics = dict(now)
        if health.signal_dbm is not None:
            metrics["rssi"] = float(health.signal_dbm)
        data: dict[str, str | float | bool] = {"operator": health.operator} if health.operator else {}
        if not health.ready:
            data["why"] = health.en
        said = Said(device=GearDevice(id=device.id, kind=device.kind, address=device.id), metrics=metrics, data=data)
        now_ms = self._clock.now_ms()
        memory = self._memories.setdefault(device.id, Memory())
        found = observe(said, memory, received_at_ms=now_ms, retained=False, redelivered=False)
        for fault in found.faults:
            self._receipts.refuse(TRANSPORT, device.id, b"", fault, now_ms)
        for observation in found.observations:
            self._journal.submit(observation, self._receipts.counted(TRANSPORT, lambda _: None))
