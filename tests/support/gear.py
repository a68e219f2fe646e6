"""A profile under test as the gateway uses it: registered devices, what is remembered of them, and a clock by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from devices.gear.memory import Memory, observe
from devices.gear.messages import Announced, GearDevice, Incoming, Order, Publication
from devices.gear.profile import MessageGear, Profile
from devices.native import Command
from devices.observation import Observation, Refusal

START_MS = 1_790_000_000_000


def device(address: str, kind: str, *, id: str | None = None, **options: str) -> GearDevice:
    """A registered device; ``address`` as in the registry, with its part after ``#``."""
    name, _, part = address.partition("#")
    return GearDevice(id=id or f"{kind}-1", kind=kind, address=name, part=part, options=options)


class Book:
    """The registered devices of one bridge."""

    def __init__(self, devices: Iterable[GearDevice]) -> None:
        self.devices = list(devices)

    def at(self, address: str) -> Sequence[GearDevice]:
        return [one for one in self.devices if one.address == address]

    def all(self) -> Iterable[GearDevice]:
        return list(self.devices)


@dataclass
class Heard:
    """What became of one message."""

    observations: list[Observation] = field(default_factory=list)
    faults: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    announced: tuple[Announced, ...] = ()
    listen: tuple[str, ...] = ()
    publish: tuple[Publication, ...] = ()

    @property
    def events(self) -> list[str]:
        return [one.event for one in self.observations if one.event is not None]

    @property
    def metrics(self) -> dict[str, float]:
        """All that was measured."""
        return {key: value for one in self.observations for key, value in one.metrics.items()}


class Bench:
    """One bridge of a profile with its registered devices."""

    def __init__(
        self, profile: Profile, *devices: GearDevice, base: str = "", options: dict[str, str] | None = None
    ) -> None:
        assert profile.message is not None
        self.gear: MessageGear = profile.message(base or profile.base, options or {})
        self.book = Book(devices)
        self.memories: dict[str, Memory] = {}
        self.now_ms = START_MS
        self.ids: set[str] = set()
        """Of every observation so far: what has one of these is a repeat, and the journal drops it."""

    def hear(
        self,
        topic: str,
        payload: object = b"",
        *,
        retained: bool = False,
        redelivered: bool = False,
        after_ms: int = 5000,
        content_type: str = "",
    ) -> Heard:
        """A message, ``after_ms`` later than the one before. Bytes and texts go as they are, all else as JSON."""
        self.now_ms += after_ms
        raw = payload if isinstance(payload, bytes) else payload.encode() if isinstance(payload, str) else None
        incoming = Incoming(
            source=topic,
            payload=json.dumps(payload, ensure_ascii=False).encode() if raw is None else raw,
            received_at_ms=self.now_ms,
            retained=retained,
            redelivered=redelivered,
            content_type=content_type,
        )
        reading = self.gear.receive(incoming, self.book)
        heard = Heard(
            announced=reading.announced, listen=reading.listen, publish=reading.publish, faults=list(reading.faults)
        )
        for said in reading.said:
            memory = self.memories.setdefault(said.device.id, Memory())
            made = observe(
                said, memory, received_at_ms=self.now_ms, retained=incoming.retained, redelivered=incoming.redelivered
            )
            heard.observations += [one for one in made.observations if one.message_id not in self.ids]
            self.ids |= {one.message_id for one in made.observations}
            heard.faults += made.faults
            heard.notes += made.notes
        return heard

    def restart(self, gear: Profile, *, base: str = "", options: dict[str, str] | None = None) -> None:
        """The gateway starts anew: what the profile knew is gone, what is on disk is not."""
        assert gear.message is not None
        self.gear = gear.message(base or gear.base, options or {})

    def order(self, device_id: str, command: str, **args: str) -> Order:
        """A command to a device; `Memory` waits for its answer as it does in the gateway."""
        which = next(one for one in self.book.devices if one.id == device_id)
        order = self.gear.order(which, Command(v=1, id=f"c-{command}", command=command, args=args), self.now_ms)
        if order.confirm:
            memory = self.memories.setdefault(device_id, Memory())
            memory.expect(f"c-{command}", order.confirm, self.now_ms)
        return order
