"""Why an alarm was false: the codes that a cancelled case carries, for the figures. Chinese first."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Cause = Literal[
    "pressed_by_mistake",
    "child",
    "pet",
    "cleaning",
    "cooking",
    "steam_or_dust",
    "test_unannounced",
    "device_fault",
    "device_moved",
    "rule_too_strict",
    "weather",
    "duplicate",
    "nothing_found",
    "other",
]

CAUSES: Mapping[Cause, tuple[str, str]] = MappingProxyType(
    {
        "pressed_by_mistake": ("误按", "pressed by mistake"),
        "child": ("儿童玩耍", "a child playing"),
        "pet": ("宠物触发", "a pet"),
        "cleaning": ("打扫清洁", "cleaning"),
        "cooking": ("做饭油烟", "cooking smoke"),
        "steam_or_dust": ("水汽或灰尘", "steam or dust"),
        "test_unannounced": ("未通知的测试", "a test without notice"),
        "device_fault": ("设备故障", "device fault"),
        "device_moved": ("设备移位或被碰", "device moved or knocked"),
        "rule_too_strict": ("规则过严", "rule too strict"),
        "weather": ("天气影响", "weather"),
        "duplicate": ("重复案卷", "duplicate"),
        "nothing_found": ("现场未发现异常", "nothing found on the spot"),
        "other": ("其他", "other"),
    }
)
