"""One broker's worth of gear that announces itself as Home Assistant expects it (MQTT discovery).

Discovery messages say which topics to listen to and what is said there; nothing else is believed of them. The address
of a device is its first identifier, a part is the object of its discovery topic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from devices.gear.jsontext import json_table
from devices.gear.messages import AddressBook, Announced, GearDevice, Incoming, Order, Reading, Said, Scalar
from devices.kinds import KINDS
from devices.native import Command
from devices.observation import Refusal
from devices.profiles.homeassistant.discovery import Entity, Owner, parse
from devices.profiles.homeassistant.meaning import guess_kind, state_of
from devices.profiles.homeassistant.orders import order
from devices.profiles.homeassistant.states import Heard, Payload, concerns, is_word, on_or_off, read

MAX_ENTITIES = 5000
MAX_OF_ONE = 200
LOOK_EVERY_MS = 1000
"""Between two looks for what has expired."""


@dataclass(slots=True)
class _Known:
    """One entity, and what the bridge has said of its being there."""

    entity: Entity
    there: dict[str, bool] = field(default_factory=dict)
    """By topic."""
    on: bool | None = None
    """What it said last; of several parts that say the same, one that is on counts."""
    heard_ms: int | None = None
    expired: bool = False

    @property
    def available(self) -> bool | None:
        """Whether it is there; None while nobody has said."""
        if not self.there:
            return None
        mode, said = self.entity.availability_mode, self.there.values()
        complete = len(self.there) == len({one.topic for one in self.entity.availability})
        if mode == "all":
            return False if not all(said) else True if complete else None
        if mode == "any":
            return True if any(said) else False if complete else None
        return list(said)[-1]


class HomeAssistant:
    """All gear that one discovery prefix announces."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._known: dict[str, _Known] = {}
        """By `Entity.key`."""
        self._of_message: dict[str, tuple[str, ...]] = {}
        """Discovery topic → keys of what it announced."""
        self._topics: dict[str, dict[str, None]] = {}
        """Topic → keys of those that say their state or their being there on it."""
        self._devices: dict[str, dict[str, None]] = {}
        """Address → keys of its parts."""
        self._expiring: dict[str, None] = {}
        """Keys of those whose state is good for a while only."""
        self._looked_ms = 0

    def filters(self) -> tuple[str, ...]:
        return (f"{self._base}/+/+/config", f"{self._base}/+/+/+/config")

    def receive(self, incoming: Incoming, book: AddressBook) -> Reading:
        expired = self._expired(incoming.received_at_ms, book)
        if incoming.source.startswith(f"{self._base}/") and incoming.source.endswith("/config"):
            reading = self._discovery(incoming, book)
        elif incoming.source in self._topics:
            reading = self._state(incoming, book)
        else:
            reading = Reading()
        if not expired:
            return reading
        return Reading(
            said=(*expired, *reading.said),
            announced=reading.announced,
            faults=reading.faults,
            listen=reading.listen,
        )

    # --- discovery ------------------------------------------------------------------------------------------------

    def _discovery(self, incoming: Incoming, book: AddressBook) -> Reading:
        levels = incoming.source[len(self._base) + 1 :].split("/")
        if len(levels) not in (3, 4) or not all(levels):
            return Reading()
        component, object_id = levels[0], levels[-2]
        if not incoming.payload:
            self._forget(incoming.source)
            return Reading()
        entities, faults = parse(incoming.source, component, object_id, json_table(incoming.payload))
        self._forget(incoming.source)
        listen: dict[str, None] = {}
        owners: dict[str, Owner] = {}
        for entity in entities:
            refusal = self._remember(entity)
            if refusal is not None:
                faults.append(refusal)
                continue
            listen |= dict.fromkeys(_topics_of(entity))
            owners[entity.owner.address] = entity.owner
        self._of_message[incoming.source] = tuple(one.key for one in entities if one.key in self._known)
        announced = tuple(self._announced(owner) for owner in owners.values() if not book.at(owner.address))
        return Reading(announced=announced, faults=tuple(faults), listen=tuple(listen))

    def _remember(self, entity: Entity) -> Refusal | None:
        parts = self._devices.setdefault(entity.owner.address, {})
        if len(self._known) >= MAX_ENTITIES or len(parts) >= MAX_OF_ONE:
            if not parts:
                del self._devices[entity.owner.address]
            return Refusal(
                "oversize",
                field="config",
                expected=f"at most {MAX_ENTITIES} parts, {MAX_OF_ONE} of one device",
                hint=f"{entity.key} is one too many; remove configurations of gear that is gone from the broker",
            )
        self._known[entity.key] = _Known(entity)
        parts[entity.key] = None
        for topic in _topics_of(entity):
            self._topics.setdefault(topic, {})[entity.key] = None
        if entity.expires_s is not None:
            self._expiring[entity.key] = None
        return None

    def _forget(self, message: str) -> None:
        for key in self._of_message.pop(message, ()):
            entity = self._known.pop(key).entity
            self._expiring.pop(key, None)
            for index, name in (
                (self._devices, entity.owner.address),
                *((self._topics, t) for t in _topics_of(entity)),
            ):
                keys = index.get(name, {})
                keys.pop(key, None)
                if not keys:
                    index.pop(name, None)

    def _announced(self, owner: Owner, *, heard: bool = False) -> Announced:
        parts = [self._known[key].entity for key in self._devices.get(owner.address, ())]
        return Announced(
            address=owner.address,
            kind=guess_kind(parts),
            name=owner.name,
            vendor=owner.vendor,
            model=owner.model,
            firmware=owner.firmware,
            heard=heard,
        )

    # --- what parts say -------------------------------------------------------------------------------------------

    def _state(self, incoming: Incoming, book: AddressBook) -> Reading:
        payload = read(incoming.payload)
        heard: dict[str, Heard] = {}
        present: dict[str, Said] = {}
        strangers: dict[str, Announced] = {}
        for key in self._topics[incoming.source]:
            known = self._known[key]
            devices = book.at(known.entity.owner.address)
            if incoming.source == known.entity.topic:
                if not devices:
                    owner = known.entity.owner
                    strangers[owner.address] = self._announced(owner, heard=True)
                refusal = self._listen(known, payload)
                for device in devices:
                    one = heard.setdefault(device.id, Heard(device, payload))
                    if not concerns(known.entity, device):
                        one.take(known.entity, None, False)
                        continue
                    if refusal is not None:
                        one.refused(refusal)
                    else:
                        one.take(known.entity, known.on, self._others_on(known, device))
                    if known.expired and not incoming.retained:
                        one.presence = True
                if not incoming.retained:
                    known.heard_ms, known.expired = incoming.received_at_ms, False
            for device, there in self._presence(known, incoming.source, payload, devices):
                present[device.id] = Said(device=device, presence=there, data=_about(known.entity.owner))
        said = [one.said() for one in heard.values()]
        faults = [fault for one in heard.values() for fault in one.faults]
        return Reading(said=(*present.values(), *said), announced=tuple(strangers.values()), faults=tuple(faults))

    def _listen(self, known: _Known, payload: Payload) -> Refusal | None:
        """Take in whether a part is on; why not, where its word is none that it has announced."""
        try:
            known.on = on_or_off(known.entity, payload)
        except Refusal as refusal:
            return refusal
        return None

    def _others_on(self, known: _Known, device: GearDevice) -> bool:
        """Two probes of one leak detector: it is dry when both are."""
        kind = KINDS[device.kind]
        state = state_of(known.entity, kind, device.part)
        others = (self._known[key] for key in self._devices[known.entity.owner.address])
        return any(
            other.on for other in others if other is not known and state_of(other.entity, kind, device.part) == state
        )

    def _presence(
        self, known: _Known, topic: str, payload: Payload, devices: Sequence[GearDevice]
    ) -> Iterator[tuple[GearDevice, bool]]:
        for one in known.entity.availability:
            if one.topic != topic:
                continue
            value = payload.value(one.template)
            if not (is_word(value, one.there) or is_word(value, one.gone)):
                continue
            known.there.pop(topic, None)  # the latest is the last
            known.there[topic] = is_word(value, one.there)
            there = known.available
            if there is not None:
                yield from ((device, there) for device in devices if device.part in ("", known.entity.object))

    def _expired(self, now_ms: int, book: AddressBook) -> tuple[Said, ...]:
        """Whose last word is too old to be believed: as good as gone, until it speaks again."""
        if 0 <= now_ms - self._looked_ms < LOOK_EVERY_MS:
            return ()
        self._looked_ms = now_ms
        said: list[Said] = []
        for key in self._expiring:
            known = self._known[key]
            assert known.entity.expires_s is not None
            if known.heard_ms is None or known.expired or now_ms - known.heard_ms <= known.entity.expires_s * 1000:
                continue
            known.expired = True
            devices = book.at(known.entity.owner.address)
            said += [Said(device=one, presence=False) for one in devices if concerns(known.entity, one)]
        return tuple(said)

    # --- commands -------------------------------------------------------------------------------------------------

    def order(self, device: GearDevice, command: Command, now_ms: int) -> Order:
        parts = [self._known[key].entity for key in self._devices.get(device.address, ())]
        return order(parts, device, command)


def _topics_of(entity: Entity) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*filter(None, [entity.topic]), *(one.topic for one in entity.availability))))


def _about(owner: Owner) -> dict[str, Scalar]:
    found = {"firmware": owner.firmware, "model": f"{owner.vendor} {owner.model}".strip()}
    return {key: value for key, value in found.items() if value}
