"""What every simulated piece of foreign gear has: one bridge (or one line) with its devices, chance from one seed.

Unlike a device of our own (`firmware_sim.device`) it speaks a maker's format, and has no identity or sequence numbers
but what that format has. It writes its bytes with an encoder of its own: were it to share one with the profile that is
tested by it, a fault in the format would cancel out.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from firmware_sim.device import Action, ActionError, Args
from firmware_sim.mqtt_device import Broker


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port, or the near end of a pty."""

    path: str


@dataclass(frozen=True, slots=True)
class Door:
    """Where gear that can only push delivers: a URL, and what must stand in its headers (a device's key)."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where alarm units call in."""

    host: str
    port: int
    udp: bool = False


Link = Broker | Port | Door | Receiver


@dataclass(frozen=True, slots=True, kw_only=True)
class GearPart:
    """One device to simulate, as the registry names it: ``address#part``, kind, options."""

    address: str
    kind: str
    part: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How `SimGear.act` calls it."""
        return f"{self.address}#{self.part}" if self.part else self.address


class SimGear(ABC):
    """One bridge of a profile with all its devices. `run` until cancelled; `act` and `state` at any time meanwhile.

    The same seed, clock and calls give the same bytes. Subclasses say what they simulate where ``parts`` is empty
    (`example`), which profile they speak (`profile`), and what may be done to their devices (`actions`).
    """

    profile: ClassVar[str]
    """Key of the profile that must understand it."""

    def __init__(
        self,
        link: Link,
        parts: Sequence[GearPart] = (),
        *,
        base: str = "",
        seed: int = 0,
        clock: Callable[[], int],
    ) -> None:
        """``base``: the topic prefix, where the carrier has one; empty for the profile's usual one.

        Raises ValueError for a link of the wrong sort and for a part that this gear cannot be.
        """
        self.link = link
        self.parts = {part.name: part for part in (parts or self.example())}
        self.base = base
        self.clock = clock
        self.rng = random.Random(f"{seed}/{self.profile}/{base}")

    @classmethod
    @abstractmethod
    def example(cls) -> tuple[GearPart, ...]:
        """Devices that show everything this gear can be."""

    @abstractmethod
    async def run(self) -> None:
        """Live until cancelled: connect, speak, connect again."""

    @abstractmethod
    def actions(self, device: str) -> Mapping[str, Action]:
        """What may be done to ``device`` (`GearPart.name`), or to the bridge itself (``""``), by name.

        The names are those of native devices and of the kinds' events (``press``, ``smoke``, ``smoke_cleared``,
        ``open``, ``close`` …), so that one scenario plays on any gear; a format's own faults come beside them.
        """

    @abstractmethod
    def look(self, device: str) -> Mapping[str, object]:
        """What can be seen at ``device``."""

    def act(self, device: str, action: str, args: Args | None = None) -> None:
        """Do something to a device. Raises ActionError for a device, an action or arguments that are not known."""
        if device and device not in self.parts:
            raise ActionError(f"{device}: no such device here; there are {_listed(self.parts)}")
        table = self.actions(device)
        if action not in table:
            raise ActionError(f"{device or self.profile}: cannot {action!r}; it can {_listed(table)}")
        table[action](self.clock(), args or {})

    def state(self) -> dict[str, object]:
        """What can be seen of the whole, for tests and for the demo."""
        return {
            "profile": self.profile,
            "base": self.base,
            "devices": {name: {"kind": part.kind, **self.look(name)} for name, part in self.parts.items()},
        }


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
