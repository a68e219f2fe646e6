"""Commands to Sparkplug devices: every site has its own metrics for them, so the device's option ``commands`` says
which metric gets which value, and the kind says which state must follow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from devices.gear.jsontext import shown
from devices.gear.messages import GearDevice
from devices.native import Command
from devices.observation import Refusal
from devices.profiles.sparkplug_payload import MAX_NAME, Value, datatype_of

OPTION = "commands"
CONFIRMS: Mapping[str, Mapping[str, tuple[str, float]]] = {
    "valve": {"open": ("open", 1.0), "close": ("open", 0.0)},
    "plug": {"switch_on": ("powered", 1.0), "switch_off": ("powered", 0.0)},
}
"""Kind → command → the state that shows that it was done."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A metric to be set."""

    metric: str
    value: Value
    datatype: int
    state: str
    shows: float
    """What ``state`` must then be."""


def setting(device: GearDevice, command: Command, type_of: Callable[[str], int | None]) -> Setting:
    """What ``command`` sets. Raises Refusal that names the option, or says that the device cannot do it."""
    confirms = CONFIRMS.get(device.kind, {})
    lines = _lines(device)
    if command.command not in confirms or command.command not in lines:
        raise Refusal(
            "unknown_command",
            field="command",
            expected=", ".join(name for name in confirms if name in lines) or "no command",
            hint=f"{command.command}: the device's option {OPTION} says nothing of it; a line is {_EXAMPLE}",
            device=device.id,
        )
    metric, value = lines[command.command]
    state, shows = confirms[command.command]
    return Setting(metric, value, type_of(metric) or datatype_of(value), state, shows)


_EXAMPLE = "`close: Valve/Open = false`"


def _lines(device: GearDevice) -> dict[str, tuple[str, Value]]:
    found: dict[str, tuple[str, Value]] = {}
    for line in device.options.get(OPTION, "").splitlines():
        if not line.strip():
            continue
        command, _, rest = line.partition(":")
        metric, equals, text = rest.rpartition("=")
        try:
            value: object = json.loads(text)
        except ValueError:
            value = None
        named = bool(equals) and 0 < len(metric.strip()) <= MAX_NAME
        if not named or not isinstance(value, bool | int | float | str):
            raise Refusal(
                "malformed",
                field=f"options: {OPTION}",
                expected=f'command: metric = true, false, a number or "text"; such as {_EXAMPLE}',
                hint=f"got {shown(line.strip())}; correct it in the registry",
                device=device.id,
            )
        found[command.strip()] = metric.strip(), value
    return found
