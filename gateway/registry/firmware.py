"""Which firmware runs where. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What one device said of itself."""

    device: str
    kind: str
    model: str
    firmware: str
    """Empty for a device that has not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The devices of one kind and model that run the same version."""

    kind: str
    model: str
    firmware: str
    outdated: bool
    """Another device of this kind and model runs a higher version."""
    devices: tuple[str, ...]


def inventory(running: Iterable[Running]) -> list[Version]:
    """By kind, model and version, the highest version first; devices that have not said stand last."""
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for one in running:
        groups.setdefault((one.kind, one.model), {}).setdefault(one.firmware, []).append(one.device)
    found = []
    for (kind, model), versions in sorted(groups.items()):
        ordered = sorted(versions, key=_order, reverse=True)
        for firmware in ordered:
            found.append(
                Version(
                    kind=kind,
                    model=model,
                    firmware=firmware,
                    outdated=bool(firmware) and bool(model) and _order(firmware) < _order(ordered[0]),
                    devices=tuple(sorted(versions[firmware])),
                )
            )
    return found


def _order(firmware: str) -> tuple[tuple[int, int | str], ...]:
    """Versions in the order of their numbers: 1.10 is higher than 1.9, and 2.0 than 2.0-rc1."""
    parts = re.findall(r"\d+|[a-z]+", firmware.lower())
    return (*((1, int(part)) if part.isdigit() else (-1, part) for part in parts), (0, 0))
