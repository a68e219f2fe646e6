"""What Zigbee2MQTT says of its devices: ``bridge/devices``, and which values each of their properties takes.

The polarity of a contact, the unit of a gas sensor, the words of a siren: all of it stands in ``exposes``, and differs
by model. Format: https://www.zigbee2mqtt.io/guide/usage/exposes.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from devices.gear.jsontext import items, table, word

MAX_DEVICES = 1000
"""A Zigbee network of hundreds is large; the coordinators of the field end at a few hundred."""
MAX_PROPERTIES = 400
MAX_VALUES = 100
_MAX_DEPTH = 4
_SETTABLE = 2
"""Bit of ``access``: the property can be set."""

Scalar = str | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """One property of a device."""

    property: str
    """Its key in the payload; several endpoints have ``state_l1``, ``state_l2``."""
    name: str
    """What it is, whatever the endpoint."""
    type: str
    """``binary``, ``numeric``, ``enum``, ``text``, ``composite``, ``list``."""
    endpoint: str = ""
    on: Scalar | None = None
    off: Scalar | None = None
    values: tuple[str, ...] = ()
    unit: str = ""
    settable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One device as its bridge describes it."""

    ieee: str
    name: str
    vendor: str = ""
    model: str = ""
    about: str = ""
    firmware: str = ""
    on_battery: bool = False
    exposes: Mapping[str, Exposed] = field(default_factory=lambda: MappingProxyType({}))
    """By property."""


def described(value: object) -> Described | None:
    """One entry of ``bridge/devices``; None for the coordinator, a disabled device, and what is no entry."""
    entry = table(value)
    ieee, name = word(entry.get("ieee_address")), word(entry.get("friendly_name"), 256)
    if not ieee or entry.get("type") == "Coordinator" or entry.get("disabled") is True:
        return None
    definition = table(entry.get("definition"))
    return Described(
        ieee=ieee,
        name=name or ieee,
        vendor=word(definition.get("vendor")) or word(entry.get("manufacturer")),
        model=word(definition.get("model")) or word(entry.get("model_id")),
        about=word(definition.get("description")),
        firmware=word(entry.get("software_build_id")),
        on_battery=entry.get("power_source") == "Battery",
        exposes=exposed(definition.get("exposes")),
    )


def exposed(exposes: object) -> Mapping[str, Exposed]:
    """The properties of a device, by property. What can be set comes before what cannot, as it is listed."""
    found: dict[str, Exposed] = {}
    for one in _leaves(items(exposes), "", 0):
        if len(found) >= MAX_PROPERTIES:
            break
        found.setdefault(one.property, one)
    return MappingProxyType(found)


def _leaves(features: Sequence[object], endpoint: str, depth: int) -> Iterator[Exposed]:
    for each in features[:MAX_PROPERTIES]:
        feature = table(each)
        sort, name = word(feature.get("type")), word(feature.get("name"))
        own_endpoint = word(feature.get("endpoint")) or endpoint
        key = word(feature.get("property"))
        if not key or ("features" in feature and sort != "composite"):  # a switch, a light, a cover: what they hold
            if depth < _MAX_DEPTH:
                yield from _leaves(items(feature.get("features")), own_endpoint, depth + 1)
            continue
        access = feature.get("access")
        yield Exposed(
            property=key,
            name=name or key,
            type=sort,
            endpoint=own_endpoint,
            on=_scalar(feature.get("value_on")),
            off=_scalar(feature.get("value_off")),
            values=tuple(word(one) for one in items(feature.get("values"))[:MAX_VALUES] if isinstance(one, str)),
            unit=word(feature.get("unit"), 16),
            settable=not isinstance(access, int) or bool(access & _SETTABLE),
        )


def _scalar(value: object) -> Scalar | None:
    return value if isinstance(value, str | int | float | bool) else None


class Directory:
    """All that one bridge has described, by each name that a device goes or went by."""

    def __init__(self) -> None:
        self._devices: dict[str, Described] = {}
        self._names: dict[str, str] = {}
        """Name, present or former → IEEE address. A name that another device takes over is that one's."""
        self._aliases: dict[str, list[str]] = {}
        """IEEE address → all names."""

    def __len__(self) -> int:
        return len(self._devices)

    def describe(self, listed: Sequence[object]) -> list[Described]:
        """Take in a whole ``bridge/devices``; what is not in it any more is forgotten. Returns all."""
        found = [one for one in map(described, listed[:MAX_DEVICES]) if one is not None]
        self._devices = {one.ieee: one for one in found}
        current = {one.name: one.ieee for one in found}
        former = {name: ieee for name, ieee in self._names.items() if ieee in self._devices}
        # A registry may know a device by the name that it had: kept, as long as nobody else has that name now.
        self._names = dict(list({**former, **current}.items())[-2 * MAX_DEVICES :])
        self._aliases = {}
        for name, ieee in self._names.items():
            self._aliases.setdefault(ieee, []).append(name)
        return found

    def find(self, name: str) -> Described | None:
        """By friendly name, present or former, or by IEEE address."""
        return self._devices.get(name) or self._devices.get(self._names.get(name, ""))

    def addresses(self, name: str) -> tuple[str, ...]:
        """Every address under which the registry may know the device of this name; itself first."""
        one = self.find(name)
        if one is None:
            return (name,)
        return tuple(dict.fromkeys((name, one.ieee, *self._aliases.get(one.ieee, ()))))
