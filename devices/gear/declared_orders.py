"""Commands of a declared profile: from a kind's command to the bytes that the gear obeys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from devices.gear.messages import GearDevice, Order, Publication
from devices.gear.pattern import Template
from devices.native import Command
from devices.observation import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderWords:
    """One command of one kind in the gear's words."""

    topic: Template
    """Where ``base`` ends with a slash, or is empty."""
    payload: Template
    args: Mapping[str, Mapping[str, str]]
    """Argument → value → what is sent for it; the first row is for an argument that is not given."""
    confirm: Mapping[str, float] | None
    retain: bool


@dataclass(frozen=True, slots=True)
class Orders:
    """All commands of a profile, by kind and command."""

    words: Mapping[str, Mapping[str, OrderWords]]
    default_part: str

    def order(self, device: GearDevice, command: Command, base: str, bridge: Mapping[str, object]) -> Order:
        """``command`` for ``device``. Raises Refusal."""
        words = self.words.get(device.kind, {}).get(command.command)
        if words is None:
            raise Refusal(
                "unknown_command",
                field="command",
                expected=f"one of {', '.join(self.words.get(device.kind, ())) or 'none: it takes no commands'}",
                hint=f"got {command.command!r}, which this gear cannot do",
                device=device.id,
            )
        fields: dict[str, object] = {
            **bridge,
            **{name: self._sent(device, command, name, table) for name, table in words.args.items()},
            "base": f"{base}/" if base else "",
            "address": device.address,
            "part": device.part or self.default_part,
            "id": command.id,
            "option": dict(device.options),
        }
        topic, payload = words.topic.fill(fields), words.payload.fill(fields)
        if not topic or payload is None or re.search(r"[+#\x00]", topic):
            text = words.payload.text if payload is None else words.topic.text
            raise Refusal(
                "unknown_command",
                field="command",
                expected=f"a value for everything in {text}",
                hint="complete the device's address and options in the registry; see the page in docs/devices",
                device=device.id,
            )
        return Order(
            publications=(Publication(topic=topic, payload=payload.encode(), retain=words.retain),),
            confirm=words.confirm,
        )

    def _sent(self, device: GearDevice, command: Command, name: str, table: Mapping[str, str]) -> str:
        given = command.args.get(name)
        if given is None:
            return next(iter(table.values()))
        if given not in table:
            raise Refusal(
                "unknown_command",
                field=f"args.{name}",
                expected=f"one of {', '.join(table)}",
                hint=f"got {given!r}",
                device=device.id,
            )
        return table[given]
