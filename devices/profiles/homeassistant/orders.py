"""Commands as a device has announced that it hears them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from devices.expression.functions import text
from devices.gear.messages import GearDevice, Order, Publication
from devices.kinds import KINDS
from devices.native import Command
from devices.observation import Refusal
from devices.profiles.homeassistant.discovery import Entity
from devices.profiles.homeassistant.meaning import MAIN_STATE, state_of

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "siren": ("sound", "silence"),
    "valve": ("open", "close"),
    "plug": ("switch_on", "switch_off"),
}
_ON = ("open", "switch_on", "sound")
_VOLUMES: Mapping[str, float] = {"high": 1.0, "medium": 0.6, "low": 0.3}


def order(parts: Sequence[Entity], device: GearDevice, command: Command) -> Order:
    """``command`` for one of the parts of ``device``. Raises Refusal where none takes it."""
    kind = KINDS[device.kind]
    entity = None
    if command.command in COMMANDS.get(device.kind, ()):
        state = MAIN_STATE[device.kind]
        fitting = (one for one in parts if one.command_topic and state_of(one, kind, device.part) == state)
        entity = next(fitting, None)
    if entity is None:
        raise Refusal(
            "unknown_command",
            field="command",
            expected="a command for which the device announced a command_topic",
            hint=f"{command.command} is not what {device.address} can do",
            device=device.id,
        )
    on = command.command in _ON
    sent = Publication(topic=entity.command_topic, payload=_payload(entity, on, command, device), retain=entity.retain)
    tells = bool(entity.topic) and not entity.optimistic
    return Order(publications=(sent,), confirm={MAIN_STATE[device.kind]: float(on)} if tells else None)


def _payload(entity: Entity, on: bool, command: Command, device: GearDevice) -> bytes:
    if entity.component == "valve":
        word = f"{entity.open_at if on else entity.closed_at:g}" if entity.positional else ""
        word = word or entity.words["payload_open" if on else "payload_close"]
    else:
        word = entity.words["payload_on" if on else "payload_off"]
    template = entity.command_template if on else entity.command_off_template or entity.command_template
    if template is not None:
        made = text(template.evaluate(word, None))
        if made is None:
            raise Refusal(
                "unknown_command",
                field="command_template",
                expected="a template that yields a text",
                hint=f"{template.written[:80]!r} yields none for {word}",
                device=device.id,
            )
        return made.encode()
    if entity.component != "siren":
        return word.encode()
    body: dict[str, object] = {"state": word}
    if on:
        body["duration"] = int(command.args.get("duration_s", "180"))
        body["volume_level"] = _VOLUMES[command.args.get("volume", "high")]
        if "tone" in command.args:
            body["tone"] = command.args["tone"]
    return json.dumps(body).encode()
