"""Simulated devices behind a concentrator on a serial line: the link between `SimDevice` and `Concentrator`."""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable

from devices.native import Command
from devices.observation import Channel
from firmware_sim.concentrator import Concentrator
from firmware_sim.device import Outgoing, SimDevice
from firmware_sim.faults import Fault
from firmware_sim.figures import Figures
from firmware_sim.tty import LineFaults

log = logging.getLogger(__name__)

STORED_AT_ONCE = 500
"""Messages handed to the concentrator before it acknowledges: far below its store, so that it never refuses one."""

Key = tuple[str, int, int]


class SerialLink:
    """Many devices on one line. `run` until cancelled; call `pump` after a device may have something to say."""

    def __init__(
        self,
        port: str,
        devices: Iterable[SimDevice],
        *,
        clock: Callable[[], int],
        changed: Callable[[SimDevice], None] = lambda device: None,
        seed: int = 0,
        faults: Iterable[Fault] = (),
        figures: Figures | None = None,
    ) -> None:
        self.devices = {device.hardware: device for device in devices}
        """By what they call themselves on the line."""
        self._changed = changed
        self.figures = figures or Figures()
        self.unacked: OrderedDict[Key, tuple[SimDevice, Outgoing]] = OrderedDict()
        self._waiting: dict[Channel, deque[Key]] = {channel: deque() for channel in Channel}
        self._stored = 0
        self._clock = clock
        self._starts = {device.id: device.starts for device in self.devices.values()}
        self.concentrator = Concentrator(
            port,
            boot=_short_boot(clock()),
            seed=seed,
            on_ack=self._acked,
            on_command=self._commanded,
            faults=line_faults(faults),
        )

    @property
    def connected(self) -> bool:
        """Whether the line is open."""
        return self.concentrator.counts["opened"] > self.concentrator.counts["line_lost"]

    async def run(self) -> None:
        """Every device says it is online, then the concentrator speaks until cancelled."""
        for device in self.devices.values():
            device.connected(self._clock())
            self.pump(device)
        await self.concentrator.run()

    def pump(self, device: SimDevice) -> None:
        """Take what one device has to say; one that restarted says so first."""
        if device.starts != self._starts[device.id]:
            self._starts[device.id] = device.starts
            device.connected(self._clock())
        for out in device.take():
            key = (device.hardware, *out.key)
            self.unacked[key] = (device, out)
            self._waiting[out.channel].append(key)
            self.figures.events += out.channel is Channel.EVENT
        self._hand_over()
        self._changed(device)

    def _hand_over(self) -> None:
        for channel in (Channel.EVENT, Channel.STATUS, Channel.TELEMETRY):
            queue = self._waiting[channel]
            # An event never waits for a place that routine messages hold: the concentrator puts them out for it.
            while queue and (channel is Channel.EVENT or self._stored < STORED_AT_ONCE):
                waiting = self.unacked.get(queue.popleft())
                if waiting is None:
                    continue  # said twice under one number, and heard once
                device, out = waiting
                self.concentrator.send(device.hardware, out.channel, out.message)
                self._stored = self.concentrator.unacked
                self.figures.sent += 1

    def _acked(self, device: str, boot: int, seq: int) -> None:
        self._stored = self.concentrator.unacked
        found = self.unacked.pop((device, boot, seq), None)
        if found is not None:
            self.figures.acked += 1
            found[0].acknowledged(found[1], durable=True)
        self._hand_over()

    def _commanded(self, device_id: str, command: Command) -> None:
        device = self.devices.get(device_id)
        if device is None:
            self.figures.bad_commands += 1
            log.warning("command for %s, which is not on this line", device_id)
            return
        device.command(command, self._clock())
        self.pump(device)


def line_faults(faults: Iterable[Fault]) -> LineFaults:
    """What the fleet's faults mean on a serial line, for all its devices together."""
    chances = {"loss": 0.0, "duplicate": 0.0, "corrupt": 0.0}
    delay_s = 0.0
    for fault in faults:
        if fault.devices or fault.kinds or fault.fraction < 1:
            continue  # one line carries many devices: only what concerns all of them concerns the line
        if fault.what in chances:
            chances[fault.what] = max(chances[fault.what], fault.probability)
        elif fault.what == "late":
            delay_s = max(delay_s, abs(fault.value) * fault.probability)
    return LineFaults(loss=chances["loss"], duplicate=chances["duplicate"], corrupt=chances["corrupt"], delay_s=delay_s)


def _short_boot(now_ms: int) -> int:
    """A boot id of 32 bits that differs from one start to the next (the line's protocol keeps 0 for itself)."""
    return now_ms // 100 % 0xFFFF_FFFE + 1
