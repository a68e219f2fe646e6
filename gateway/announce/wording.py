"""The discovery and state messages of announced devices: topics and payloads, from the registry and what was heard."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

from devices.kinds import KINDS
from devices.observation import Observation
from devices.profiles.homeassistant.announcing import Announcing
from gateway.announce.entities import COMMANDED, HEALTH_KINDS, Entity, commands_of, entities
from gateway.registry.directory import CommunityDirectory
from gateway.registry.model import Device

EXPIRE_INTERVALS = 2
"""A device not heard for so many of its supervision intervals is shown as unavailable."""
ONLINE, OFFLINE = "online", "offline"


def gateway_topic(community: str) -> str:
    """Whether the gateway itself is there: its connection's last will."""
    return f"anju/state/{community}"


def state_topic(community: str, device: str) -> str:
    """What a device is like now; kept by the broker."""
    return f"anju/state/{community}/{device}"


def event_topic(community: str, device: str) -> str:
    """What has just happened at a device; not kept."""
    return f"anju/state/{community}/{device}/event"


def command_topic(community: str, device: str) -> str:
    """Where a home assistant says what a device is to do."""
    return f"anju/set/{community}/{device}"


def node_of(community: str) -> str:
    """The level of discovery topics that is this gateway's own."""
    return f"anju-{_plain(community)}"


def announced(directory: CommunityDirectory, wanted: Announcing) -> dict[str, Device]:
    """The devices that may be shown. What is about somebody's health only where that resident is named."""
    return {
        device.id: device
        for device in directory.community.devices
        if device.status == "active" and (device.kind not in HEALTH_KINDS or device.resident in wanted.health)
    }


def may_be_told(device: Device, wanted: Announcing) -> bool:
    """Whether a device obeys from there."""
    return device.kind in COMMANDED and bool({device.id, device.kind} & wanted.commands)


def obeyed_commands(device: Device, wanted: Announcing, directory: CommunityDirectory) -> tuple[str, ...]:
    """The commands that a device takes from there."""
    if not may_be_told(device, wanted):
        return ()
    return tuple(command for command in commands_of(device.kind) if directory.obeys(device.id, command))


def configs(directory: CommunityDirectory, wanted: Announcing, firmware: Mapping[str, str]) -> dict[str, bytes]:
    """Every discovery message: topic → payload. ``firmware``: of devices that said theirs."""
    return {
        topic: payload
        for device in announced(directory, wanted).values()
        for topic, payload in _of_device(device, directory, wanted, firmware.get(device.id, ""))
    }


def _of_device(
    device: Device, directory: CommunityDirectory, wanted: Announcing, firmware: str
) -> Iterator[tuple[str, bytes]]:
    community = directory.community.community.id
    kind = KINDS[device.kind]
    about: dict[str, object] = {
        "identifiers": [f"anju-{community}-{device.id}"],
        "name": _both(directory.device_name(device.id, "zh"), directory.device_name(device.id, "en")),
        "manufacturer": "安居 Anju",
        "model": _both(kind.zh, kind.en),
    }
    if area := directory.place_path(device.place, "zh"):
        about["suggested_area"] = area
    if firmware:
        about["sw_version"] = firmware
    commands = obeyed_commands(device, wanted, directory)
    complete = len(commands) == len(commands_of(device.kind)) > 0
    for entity in entities(device.kind, complete):
        topic = f"{wanted.prefix}/{entity.component}/{node_of(community)}/{_plain(device.id)}-{entity.key}/config"
        yield topic, _dump(_config(entity, device, community, about))


def _config(entity: Entity, device: Device, community: str, about: Mapping[str, object]) -> dict[str, object]:
    state = state_topic(community, device.id)
    config: dict[str, object] = {
        **entity.fields,
        "unique_id": f"anju-{community}-{device.id}-{entity.key}",
        "state_topic": event_topic(community, device.id) if entity.component == "event" else state,
        "availability": [
            {"topic": gateway_topic(community)},
            {"topic": state, "value_template": f"{{{{ '{ONLINE}' if value_json.online else '{OFFLINE}' }}}}"},
        ],
        "availability_mode": "all",
        "device": about,
        "origin": {"name": "Anju", "sw_version": version("anju")},
        "qos": 1,
    }
    if entity.component in ("sensor", "binary_sensor"):
        every_s = device.supervision_s or KINDS[device.kind].supervision_s
        config["expire_after"] = every_s * EXPIRE_INTERVALS
    if entity.component in ("valve", "switch", "siren"):
        config["command_topic"] = command_topic(community, device.id)
    return config


@dataclass(slots=True)
class DeviceState:
    """What one device is like, as far as it was heard."""

    online: bool = True
    at_ms: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    event: str | None = None
    event_at_ms: int = 0
    complete: bool = False
    """Whether what the store knew of it has been taken in."""

    def take(self, observation: Observation) -> None:
        """Bring it up to date. What a device had kept and tells late changes nothing of how it is now."""
        if observation.event == "command_result":
            return
        at_ms = observation.observed_at_ms
        if at_ms >= self.at_ms:
            self.metrics |= observation.metrics
            self.online = observation.event != "offline"
            self.at_ms = at_ms
        if observation.event not in (None, "online", "offline") and at_ms >= self.event_at_ms:
            self.event, self.event_at_ms = observation.event, at_ms

    def payload(self, kind: str) -> bytes:
        """The state message of a device of this kind."""
        known = KINDS[kind].metrics
        return _dump(
            {
                "online": self.online,
                "at": _instant(self.at_ms) if self.at_ms else None,
                "event": self.event,
                "event_at": _instant(self.event_at_ms) if self.event_at_ms else None,
                "metrics": {key: _shown(value) for key, value in sorted(self.metrics.items()) if key in known},
            }
        )


def is_moment(observation: Observation) -> bool:
    """Whether something happened that is no state of the device."""
    known = (entity for entity in entities(observation.kind, False) if entity.component == "event")
    types = next((entity.fields["event_types"] for entity in known), [])
    return isinstance(types, list) and observation.event in types


def event_payload(observation: Observation) -> bytes:
    """What has just happened, with what was measured and said beside it."""
    return _dump(
        {
            "event_type": observation.event,
            "at": _instant(observation.observed_at_ms),
            "metrics": {key: _shown(value) for key, value in sorted(observation.metrics.items())},
            "data": dict(sorted(observation.data.items())),
        }
    )


def _shown(value: float) -> float | int:
    """Whole numbers without a point: a state is 1, not 1.0, to who compares texts."""
    return int(value) if value == int(value) else round(value, 6)


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _both(zh: str, en: str) -> str:
    return zh if zh == en else f"{zh} {en}"


def _plain(id_: str) -> str:
    """An id in the letters of discovery topics, no two ids the same."""
    return re.sub(r"[^A-Za-z0-9-]", lambda found: f"_{ord(found[0]):02x}", id_)
