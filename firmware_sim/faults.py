"""What goes wrong on purpose, seeded, and counted: on the way to the gateway here, in the device in `afflictions`.

A fault of the way never makes a device forget: what is lost or garbled is sent again, because the device has no
acknowledgement for it. So with any mixture of those, everything a device said must still arrive.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field

from devices.observation import Channel
from firmware_sim.yamlfile import FileError, Strict, check, read_text

OnTheWay = Literal["loss", "duplicate", "late", "reordered", "corrupt", "flapping"]
InTheDevice = Literal[
    "clock_skew",
    "clock_wrong",
    "battery_sag",
    "brown_out",
    "stuck_sensor",
    "drift",
    "lost_flash",
    "replay",
    "babble",
    "duplicate_client",
    "duplicate_id",
]
What = Literal[OnTheWay, InTheDevice]
ON_THE_WAY: tuple[str, ...] = get_args(OnTheWay)
IN_THE_DEVICE: tuple[str, ...] = get_args(InTheDevice)
_SECONDS: dict[str, float] = {
    # what the number of seconds means, where it is not given
    "loss": 2.0,  # the device sends again after so long
    "late": 10.0,  # held back for so long
    "reordered": 1.0,  # others overtake it for at most so long
    "flapping": 30.0,  # between two breaks of the line
    "clock_skew": 120.0,  # the device's clock is so far ahead (negative: behind)
    "clock_wrong": 315_576_000.0,  # it is wrong by as much as this (ten years), either way
    "battery_sag": 600.0,  # until the nearly empty battery is dead
    "brown_out": 4.0,  # between two starts
    "stuck_sensor": 0.0,  # after the start it measures rightly for so long
    "drift": 3600.0,  # until the measurements are wrong by a tenth of their range
    "lost_flash": 60.0,  # between two starts
    "replay": 259_200.0,  # three days later it says it again
    "babble": 0.005,  # between two messages
}


class Fault(Strict):
    """One thing that goes wrong, and where."""

    what: What
    probability: float = Field(default=1.0, ge=0, le=1)
    """Of each message (what happens on the way, and replay)."""
    seconds: float | None = Field(default=None, ge=-2_000_000_000, le=2_000_000_000)
    """Meaning and default depend on ``what``: see the table above."""
    every_s: float = Field(default=300.0, gt=0, le=31_536_000)
    """How often the clock steps (clock_wrong only)."""
    down_s: float = Field(default=2.0, ge=0, le=86_400)
    """How long the line stays down (flapping only)."""
    fraction: float = Field(default=1.0, ge=0, le=1)
    """Of the devices that match, chosen by the seed."""
    devices: tuple[str, ...] = ()
    """Only these; empty means all."""
    kinds: tuple[str, ...] = ()
    channels: tuple[Channel, ...] = ()

    @property
    def value(self) -> float:
        """Seconds, as written or as usual for this fault; 0 where it has none."""
        return self.seconds if self.seconds is not None else _SECONDS.get(self.what, 0.0)


class FaultFile(Strict):
    """A file of faults."""

    faults: tuple[Fault, ...] = ()


def load_faults(text_or_file: str) -> tuple[Fault, ...]:
    """Faults from a file, or written out as YAML: ``[{what: loss, probability: 0.1}]``. Raises FileError."""
    inline = text_or_file.lstrip().startswith(("[", "{", "faults:"))
    text, name = (text_or_file, "--faults") if inline else (read_text(Path(text_or_file)), text_or_file)
    if text.lstrip().startswith("["):
        text = f"faults: {text}"
    elif inline and text.lstrip().startswith("{what"):
        text = f"faults: [{text}]"
    return check(FaultFile, text, name)[0].faults


@dataclass(frozen=True, slots=True)
class Copy:
    """One transmission of a message."""

    payload: bytes
    delay_s: float = 0.0
    intact: bool = True
    """An acknowledgement of a garbled copy acknowledges nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How one attempt to send goes. Where no copy is intact the device tries again after ``retry_s``."""

    copies: tuple[Copy, ...]
    retry_s: float | None = None


class DeviceFaults:
    """The faults of one device, with their dice and their tally."""

    def __init__(self, device: str, kind: str, faults: Sequence[Fault], seed: int) -> None:
        self._rng = random.Random(f"faults/{seed}/{device}")
        self.concerning = [fault for fault in faults if self._concerns(fault, device, kind)]
        """All that this device has."""
        self._faults = [fault for fault in self.concerning if fault.what in ON_THE_WAY]
        self.tally: Counter[str] = Counter()

    def _concerns(self, fault: Fault, device: str, kind: str) -> bool:
        chosen = self._rng.random() < fault.fraction
        return chosen and (not fault.devices or device in fault.devices) and (not fault.kinds or kind in fault.kinds)

    def has(self, what: InTheDevice) -> bool:
        """Whether the device has this fault."""
        return any(fault.what == what for fault in self.concerning)

    @property
    def flapping(self) -> tuple[float, float] | None:
        """(seconds up, seconds down) of the next spell, or None for a steady line."""
        for fault in self._faults:
            if fault.what == "flapping":
                return max(0.05, fault.value * self._rng.uniform(0.7, 1.3)), fault.down_s
        return None

    def plan(self, channel: Channel, payload: bytes) -> Plan:
        """Throw the dice for one attempt to send ``payload``."""
        copies, delay, lost = [], 0.0, None
        for fault in self._faults:
            if fault.what == "flapping" or (fault.channels and channel not in fault.channels):
                continue
            if self._rng.random() >= fault.probability:
                continue
            self.tally[fault.what] += 1
            if fault.what == "loss":
                lost = abs(fault.value)
            elif fault.what == "duplicate":
                copies.append(Copy(payload))
            elif fault.what == "corrupt":
                copies.append(Copy(self._garble(payload), intact=False))
            elif fault.what == "late":
                delay += abs(fault.value)
            else:
                delay += self._rng.uniform(0, abs(fault.value))
        if lost is not None:
            return Plan((), retry_s=lost)
        intact = [Copy(payload), *(copy for copy in copies if copy.intact)]
        garbled = [copy for copy in copies if not copy.intact]
        ordered = (*garbled, *intact)
        return Plan(tuple(Copy(c.payload, delay, c.intact) for c in ordered))

    def _garble(self, payload: bytes) -> bytes:
        """Cut short. Identity stands before the event in a message, so what is left is never by chance an event that
        nobody caused. (A gateway rightly makes the most of a broken event, even a second one where the identity
        itself broke: garbling at random would test that by false alarms.)"""
        return payload[: self._rng.randrange(len(payload))]


def concerning(faults: Sequence[Fault], devices: Sequence[tuple[str, str]]) -> None:
    """Check that the devices and kinds that faults name are there. Raises FileError."""
    ids, kinds = {device for device, _ in devices}, {kind for _, kind in devices}
    for index, fault in enumerate(faults):
        strangers = [*(d for d in fault.devices if d not in ids), *(k for k in fault.kinds if k not in kinds)]
        if strangers:
            raise FileError(f"--faults: faults[{index}]: not in this fleet: {', '.join(strangers)}")
