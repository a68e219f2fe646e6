"""What the options of one device say of its fields, and fields that are called as the kind's own metrics.

For formats in which every site chooses its own names (Sparkplug metrics, objects of a LoRaWAN server). In the
registry, a line for each key, with an expression as in profiles::

    options:
      metrics: |
        open: this["Inputs/Door"] == 1
        battery: Voltage / 3.6 * 100
      events: |
        press: Button == "short"
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from devices.gear.kindmap import KindMap, load_maps
from devices.gear.messages import GearDevice, Said
from devices.gear.profile_error import ProfileError
from devices.kinds import KINDS
from devices.observation import Refusal

MAX_KEPT = 4096
"""Compiled maps of different options that are kept."""

OPTIONS: Mapping[str, str] = {
    "metrics": "lines of `key: expression` over the message's fields; they count before what the profile knows",
    "events": "lines of `event: condition` over the message's fields; an event that is named is said by this alone",
}
"""The options of a device that this reads, for `Profile.device_options`."""


def own_map(device: GearDevice) -> KindMap | None:
    """What the device's options say; None where they say nothing. Raises Refusal that names the line."""
    given = tuple(device.options.get(section, "") for section in OPTIONS)
    if not any(given):
        return None
    try:
        return _compiled(device.kind, *given)
    except ProfileError as error:
        raise Refusal(
            "malformed",
            field=f"options: {error.key}" if error.key else "options",
            expected=error.expected,
            hint=f"{error.problem}; {error.hint}; correct the device's options in the registry",
            device=device.id,
        ) from None


def named_map(kind: str) -> KindMap:
    """Each metric of the kind from the field of its name."""
    return _by_name(kind)


def laid_over(said: Said, own: Said) -> Said:
    """``said``, with what the device's own options found in place of it. An event that the options name is theirs to
    say; what they do not name is said as the profile knows it, so that no option hides a press by accident."""
    named = {line.partition(":")[0].strip() for line in said.device.options.get("events", "").splitlines()}
    events = (*(event for event in said.events if event not in named), *own.events)
    return replace(said, metrics={**said.metrics, **own.metrics}, events=events)


@lru_cache(MAX_KEPT)
def _compiled(kind: str, metrics: str, events: str) -> KindMap:
    table = {"metrics": _lines(metrics, "metrics"), "events": _lines(events, "events")}
    return load_maps(json.dumps({kind: table}), "options")[kind]


def _lines(text: str, section: str) -> dict[str, str]:
    rows: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        key, colon, expression = (piece.strip() for piece in line.partition(":"))
        if not colon or not key or not expression or key in rows:
            raise ProfileError(
                f"{line.strip()!r} cannot be read",
                expected="key: expression, each key once",
                hint="write one on each line",
                file="options",
                line=number,
                key=section,
            )
        rows[key] = expression
    return rows


@lru_cache(len(KINDS))
def _by_name(kind: str) -> KindMap:
    return load_maps(json.dumps({kind: {"metrics": {key: key for key in KINDS[kind].metrics}}}), kind)[kind]
