"""What a community buys: the devices of an old person's home, and those that stand outside, in realistic numbers.

Shares are of homes with an old person who lives alone. A gas detector comes with the valve that it shuts.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Item:
    """One device of a home."""

    prefix: str
    """Of its id."""
    kind: str
    zh: str
    en: str
    share: float
    """Of the homes that have one."""
    comes_with: str | None = None
    """The prefix of an item above: where that is, this one is, too."""
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What rules may know of it."""


HOME = (
    Item("sos", "sos_button", "床头呼救按钮", "bedside emergency button", 1.0),
    Item("service", "service_button", "生活服务按钮", "service button", 1.0),
    Item("door", "contact", "入户门磁", "front door contact", 1.0, attributes={"role": "front_door"}),
    Item("smoke", "smoke", "厨房烟感", "kitchen smoke detector", 1.0),
    Item("gas", "gas", "厨房燃气探测器", "kitchen gas detector", 0.9),
    Item("gas-valve", "valve", "厨房燃气阀", "kitchen gas valve", 0.0, "gas", {"medium": "gas"}),
    Item("motion", "motion", "客厅红外", "living room motion detector", 0.6),
    Item("leak", "leak", "卫生间水浸探测器", "bathroom leak detector", 0.5),
    Item("pendant", "sos_button", "吊坠呼救按钮", "emergency pendant", 0.35),
    Item("radar", "presence", "卧室人体雷达", "bedroom presence radar", 0.35),
    Item("co", "co", "一氧化碳探测器", "carbon monoxide detector", 0.3),
    Item("pills", "medication_box", "智能药盒", "medication box", 0.3),
    Item("cord", "sos_button", "卫生间呼救拉绳", "bathroom emergency cord", 0.25),
    Item("vitals", "vitals_monitor", "健康监测仪", "vitals monitor", 0.25),
    Item("window", "contact", "阳台窗磁", "balcony window contact", 0.2, attributes={"role": "window"}),
    Item("siren", "siren", "门厅声光报警器", "siren in the hall", 0.15),
    Item("heat", "heat", "厨房温感", "kitchen heat detector", 0.1),
    Item("glass", "glass_break", "阳台玻璃破碎探测器", "balcony glass break detector", 0.1),
    Item("plug", "plug", "客厅智能插座", "living room socket", 0.1),
)

BINS = (
    ("可回收物桶", "recyclables bin"),
    ("厨余垃圾桶", "food waste bin"),
    ("有害垃圾桶", "hazardous waste bin"),
    ("其他垃圾桶", "other waste bin"),
)
"""In every courtyard."""
BUILDING_METERS = (("electricity", "总电表", "electricity meter"), ("water", "总水表", "water meter"))


def furnish(rng: random.Random, *, everything: bool = False, monitor: bool | None = None) -> list[Item]:
    """What one home gets. ``everything``: a pilot home; ``monitor``: whether a vitals monitor is among it, where that
    is decided elsewhere (by a doctor)."""
    found: list[Item] = []
    for item in HOME:
        if item.comes_with is not None:
            chosen = any(other.prefix == item.comes_with for other in found)
        else:
            chosen = rng.random() < item.share
        if item.kind == "vitals_monitor" and monitor is not None:
            chosen = monitor
        if chosen or everything:
            found.append(item)
    return found
