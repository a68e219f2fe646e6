"""Commands in the device's own words, after what it exposes: ``BASE/NAME/set``."""

from __future__ import annotations

import json
from collections.abc import Mapping

from devices.gear.messages import GearDevice, Order, Publication
from devices.native import Command
from devices.observation import Refusal
from devices.profiles.zigbee2mqtt.described import Described, Exposed, Scalar

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "siren": ("sound", "silence"),
    "valve": ("open", "close"),
    "plug": ("switch_on", "switch_off"),
}
_SWITCHES: Mapping[str, tuple[str, ...]] = {
    "valve": ("state", "valve", "valve_state", "gas_valve_state"),
    "plug": ("state",),
    "siren": ("alarm", "siren", "alarm_state", "alarm_mode", "state"),
}
"""The properties that may be the switch of a kind, by name."""
_STATE = {"valve": "open", "plug": "powered", "siren": "sounding"}
_ON = ("sound", "open", "switch_on")
_NORMAL = ("normal", "off", "stop", "none")
_LOUD = ("alarm_sound_light", "alarm_sound")
_VOLUMES: Mapping[str, tuple[str, ...]] = {
    "high": ("high", "very_high", "max"),
    "medium": ("medium", "middle", "mid"),
    "low": ("low",),
}
_VOLUME_NAMES = ("volume", "alarm_volume", "level")
_DURATION_NAMES = ("duration", "alarm_duration", "alarm_time", "max_duration")
_DURATION_S = 180
"""Where the command names none: three minutes, which wakes a house."""


def order(base: str, name: str, device: GearDevice, about: Described | None, command: Command) -> Order:
    """``command`` for the device that its bridge calls ``name``. Raises Refusal."""
    if command.command not in COMMANDS.get(device.kind, ()):
        raise _cannot(device, command.command, "a command that Zigbee2MQTT can carry out for this kind")
    on = command.command in _ON
    exposes = about.exposes if about is not None else {}
    switch = _switch(device, exposes)
    body: dict[str, object]
    if device.kind == "siren":
        body, can_tell = _siren(device, exposes, switch, on, command)
    else:
        value = _value(switch, on) if switch is not None else ("ON" if on else "OFF")
        body, can_tell = {switch.property if switch is not None else _bare(device): value}, True
    payload = json.dumps(body, ensure_ascii=False).encode()
    confirm = {_STATE[device.kind]: float(on)} if can_tell else None
    return Order(publications=(Publication(topic=f"{base}/{name}/set", payload=payload),), confirm=confirm)


def _bare(device: GearDevice) -> str:
    return f"state_{device.part}" if device.part else "state"


def _switch(device: GearDevice, exposes: Mapping[str, Exposed]) -> Exposed | None:
    """The property that switches the device, or this part of it."""
    for name in _SWITCHES[device.kind]:
        for one in exposes.values():
            at_part = one.endpoint == device.part or not one.endpoint or one.property == f"{name}_{device.part}"
            if name in (one.name, one.property) and one.settable and at_part:
                return one
    return None


def _value(one: Exposed, on: bool) -> Scalar:
    """What is to be sent: of words for open and closed the one that is meant, else the declared value."""
    words = {str(value).upper(): value for value in (one.on, one.off, *one.values) if isinstance(value, str)}
    for word in ("OPEN", "OPENED") if on else ("CLOSE", "CLOSED"):
        if word in words:
            return words[word]
    declared = one.on if on else one.off
    return declared if declared is not None else "ON" if on else "OFF"


def _siren(
    device: GearDevice, exposes: Mapping[str, Exposed], switch: Exposed | None, on: bool, command: Command
) -> tuple[dict[str, object], bool]:
    """The body, and whether the siren reports what it does."""
    if switch is None:
        if about_warning(exposes):
            return {"warning": _warning(device, on, command)}, False  # it is told, and tells nothing
        raise _cannot(device, command.command, "a siren with alarm or warning among what it exposes")
    if switch.type == "enum":
        wanted = _LOUD[1:] if command.args.get("lamp") == "off" else _LOUD
        value = next((word for word in (wanted if on else _NORMAL) if word in switch.values), None)
        if value is None:
            raise _cannot(device, command.command, f"one of {', '.join(switch.values)} that does it")
        body: dict[str, object] = {switch.property: value}
    else:
        body = {switch.property: _value(switch, on)}
    if on:
        body |= _loudness(exposes, command)
    return body, True


def about_warning(exposes: Mapping[str, Exposed]) -> bool:
    """Whether the siren takes the Zigbee cluster's own warning; so does one that nobody has described yet."""
    return not exposes or "warning" in exposes


def _warning(device: GearDevice, on: bool, command: Command) -> dict[str, object]:
    """The command of the Zigbee Cluster Library's warning device (IAS WD), as Zigbee2MQTT writes it."""
    if not on:
        return {"mode": "stop", "level": "low", "strobe": False, "duration": 0}
    tone = command.args.get("tone", "emergency")
    if tone == "chime":
        raise _cannot(device, "sound", "a tone other than chime, which this siren does not have")
    return {
        "mode": tone,
        "level": command.args.get("volume", "high"),
        "strobe": command.args.get("lamp", "flash") == "flash",
        "duration": int(command.args.get("duration_s", f"{_DURATION_S}")),
    }


def _loudness(exposes: Mapping[str, Exposed], command: Command) -> dict[str, object]:
    body: dict[str, object] = {}
    volume = next((exposes[name] for name in _VOLUME_NAMES if name in exposes and exposes[name].settable), None)
    if volume is not None:
        words = _VOLUMES[command.args.get("volume", "high")]
        level = next((word for word in words if word in volume.values), None)
        if level is not None:
            body[volume.property] = level
    duration = next((exposes[name] for name in _DURATION_NAMES if name in exposes and exposes[name].settable), None)
    if duration is not None and duration.type == "numeric":
        seconds = int(command.args.get("duration_s", f"{_DURATION_S}"))
        body[duration.property] = max(1, seconds // 60) if duration.unit.startswith("min") else seconds
    return body


def _cannot(device: GearDevice, command: str, expected: str) -> Refusal:
    return Refusal(
        "unknown_command",
        field="command",
        expected=expected,
        hint=f"{command} is not what {device.address} can do; see docs/devices/zigbee2mqtt.md",
        device=device.id,
    )
