"""The lines of a device's life in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from devices.kinds import KINDS
from gateway.alarms import ALARM_TYPES
from gateway.cases.wording import Words
from gateway.registry.history import Line

_WORDS: Mapping[str, Words] = {
    "added": Words("登记", "added"),
    "changed": Words("修改", "changed"),
    "removed": Words("从名册移除", "removed from the registry"),
    "replaced": Words("更换硬件", "hardware replaced"),
    "retired": Words("停用", "retired"),
    "back_in_service": Words("恢复使用", "back in service"),
    "firmware": Words("固件更新", "new firmware"),
    "model": Words("型号变化", "another model"),
    "battery_changed": Words("电池已更换或充满", "battery changed or charged"),
    "maintenance": Words("开始维护", "maintenance begins"),
    "test": Words("开始测试", "test begins"),
    "care_ended": Words("提前结束", "ended early"),
    "tried": Words("测试中收到", "heard in the test"),
    "hidden": Words("未报警", "not told"),
    "command": Words("下指令", "told to"),
}
_BY: Mapping[str, Words] = {
    "apply": Words("按文件", "by the files"),
    "desk": Words("在网关上", "at the gateway"),
    "adopt": Words("接入", "adopted"),
    "label": Words("扫码", "by its label"),
    "import": Words("导入", "imported"),
}
_PLAIN = Words("", "")


def told(line: Line, instant: Callable[[int | None], str]) -> Words:
    """One line for people; ``instant`` writes a time for them."""
    words = _WORDS.get(line.what, Words(line.what, line.what))
    zh, en = _details(line.detail, instant)
    return Words(f"{words.zh}{'：' if zh else ''}{zh}", f"{words.en}{': ' if en else ''}{en}")


def _details(detail: Mapping[str, Any], instant: Callable[[int | None], str]) -> tuple[str, str]:
    both: list[str] = []
    zh: list[str] = []
    en: list[str] = []
    if "by" in detail:
        by = _BY.get(str(detail["by"]), _PLAIN)
        zh.append(by.zh)
        en.append(by.en)
    for name, (before, after) in dict(detail.get("fields", {})).items():
        both.append(f"{name} {_value(before)} → {_value(after)}")
    for name in ("address", "serial"):
        if name in detail:
            before, after = detail[name]
            both.append(f"{name} {_value(before)} → {_value(after)}")
    if "command" in detail:
        both.append(str(detail["command"]))
    if "before" in detail:
        both.append(f"{_value(detail['before'])} → {_value(detail['after'])}")
    if "until_ms" in detail:
        zh.append(f"至 {instant(detail['until_ms'])}")
        en.append(f"until {instant(detail['until_ms'])}")
    for name in ("reason", "why"):
        if detail.get(name):
            both.append(str(detail[name]))
    if "event" in detail:
        kind = KINDS.get(str(detail.get("kind", "")))
        event = kind.events.get(str(detail["event"])) if kind is not None else None
        zh.append(event.zh if event is not None else str(detail["event"]))
        en.append(event.en if event is not None else str(detail["event"]))
    if "change" in detail:
        change = detail["change"]
        type_ = ALARM_TYPES.get(change["type"])
        zh.append(f"{type_.zh if type_ is not None else change['type']}（{change['explanation']}）")
        en.append(f"{type_.en if type_ is not None else change['type']} ({change['rule']})")
    return ", ".join(filter(None, [*zh, *both])), ", ".join(filter(None, [*en, *both]))


def _value(value: object) -> str:
    return "—" if value in (None, "") else str(value)
