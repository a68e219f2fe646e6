"""Where a device hangs and what it works for, as far as its id and its name tell.

A community's YAML says ``name: {zh: 厨房烟感, en: kitchen smoke detector}``; nothing else tells the simulator that the
detector hangs in the kitchen, and nothing else tells a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from firmware_sim.signals.homeday import Door, Room

Medium = Literal["electricity", "gas", "water", "heat"]
_Key = TypeVar("_Key", bound=str)

_ROOMS: Mapping[Room, tuple[str, ...]] = {
    "bathroom": ("卫生间", "浴室", "厕所", "bath"),
    "bedroom": ("卧室", "床", "bed"),
    "kitchen": ("厨房", "kitchen"),
    "living_room": ("客厅", "起居", "living"),
    "hall": ("门厅", "玄关", "过道", "hall"),
}
_DOORS: Mapping[Door, tuple[str, ...]] = {
    "window": ("窗", "window"),
    "bathroom": ("卫生间", "浴室", "厕所", "bath"),
    "entrance": ("入户", "大门", "front", "entrance"),
}
_MEDIA: Mapping[Medium, tuple[str, ...]] = {
    "gas": ("燃气", "煤气", "天然气", "gas"),
    "heat": ("热", "暖", "heat"),
    "water": ("水", "water"),
    "electricity": ("电", "electric"),
}
_VARIANTS: Mapping[str, tuple[str, ...]] = {
    "pendant": ("吊坠", "挂件", "pendant"),
    "cord": ("拉绳", "cord"),
    "bed": ("床", "bed"),
}


@dataclass(frozen=True, slots=True)
class Spot:
    """None for what is not told."""

    room: Room | None = None
    door: Door | None = None
    medium: Medium | None = None
    variant: str | None = None
    """Of an emergency button: ``bed``, ``pendant``, ``cord``."""


NOWHERE = Spot()


def spot_of(*texts: str) -> Spot:
    """Read an id and names in any language; the first that tells something counts."""
    said = " ".join(texts).lower()
    return Spot(_told(_ROOMS, said), _told(_DOORS, said), _told(_MEDIA, said), _told(_VARIANTS, said))


def _told(table: Mapping[_Key, tuple[str, ...]], said: str) -> _Key | None:
    return next((key for key, words in table.items() if any(word in said for word in words)), None)
