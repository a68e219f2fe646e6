"""The EmergencyCard as it goes to the 120 centre: everything a dispatcher asks for, what is unknown said to be unknown.

Pure. The registry's part comes from `Directory.emergency_card`; fields and terms after WS/T 451-2014, see
docs/emergency-card.md. Nothing missing ever holds up the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

MARK: Final = "演练"
_PREFIX: Final = f"【{MARK}】"
UNKNOWN: Final = "未知"

FIELDS: Final = (
    ("address.zh", "现场地址"),
    ("complaint", "主诉"),
    ("patient.name", "患者姓名"),
    ("patient.sex", "性别"),
    ("patient.age", "年龄"),
    ("conscious", "意识"),
    ("breathing", "呼吸"),
    ("call_back", "联系电话"),
    ("phones", "家属电话"),
    ("patient.conditions", "既往史"),
    ("patient.allergies", "过敏史"),
    ("vitals", "最近体征"),
    ("position", "坐标"),
    ("access", "门禁/钥匙"),
    ("meet_at", "接车地点"),
    ("source", "呼救来源"),
)
"""What a dispatcher asks for, in the order it is read out."""

_TEXTS: Final = ("complaint", "source", "access", "meet_at", "address.zh", "address.en", "patient.name")
"""Fields of free text: each carries the mark in a drill, so that none can be taken for real by itself."""

_WORDS: Final[Mapping[str, str]] = {"male": "男", "female": "女", "yes": "有", "no": "无"}


def card_for_line(
    base: Mapping[str, Any], vitals: Iterable[Mapping[str, Any]] | None = None, *, drill: bool
) -> dict[str, Any]:
    """The complete card: ``base`` with ``vitals`` (``{metric, value, unit, at_ms}``; None keeps those of ``base``).

    Adds ``unknown`` (the fields that nobody could fill in), ``text`` (the card as one reads it out) and ``drill``; in a
    drill also ``mark``, and the mark before every text. Applying it twice changes nothing.
    """
    card = {key: dict(value) if isinstance(value, Mapping) else value for key, value in base.items()}
    if vitals is not None:
        card["vitals"] = [dict(reading) for reading in vitals]
    card["unknown"] = [path for path, _ in FIELDS if _missing(_get(card, path))]
    card["drill"] = drill
    if drill:
        card["mark"] = MARK
        for path in _TEXTS:
            _mark(card, path)
    card["text"] = (_PREFIX if drill else "") + "；".join(
        f"{label}：{_words(_get(card, path))}" for path, label in FIELDS if path != "position"
    )
    return card


def marked(text: str) -> str:
    """``text`` with the mark of a drill before it, once."""
    return text if text.startswith(_PREFIX) else _PREFIX + text


def unmarked(text: str) -> str:
    """``text`` without the mark of a drill."""
    return text.removeprefix(_PREFIX)


def _get(card: Mapping[str, Any], path: str) -> Any:
    value: Any = card
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _missing(value: Any) -> bool:
    return value in (None, "", "unknown", UNKNOWN, _PREFIX) or value in ([], (), {})


def _mark(card: dict[str, Any], path: str) -> None:
    *way, last = path.split(".")
    holder: Any = card
    for step in way:
        holder = holder.get(step)
        if not isinstance(holder, dict):
            return
    if isinstance(holder.get(last), str) and holder[last]:
        holder[last] = marked(holder[last])


def _words(value: Any) -> str:
    if _missing(value):
        return UNKNOWN
    if isinstance(value, (list, tuple)):
        return "、".join(_words(item) for item in value)
    if isinstance(value, Mapping):
        if "metric" in value:
            return f"{value['metric']} {value.get('value')} {value.get('unit', '')}".strip()
        return " ".join(str(part) for part in value.values() if part)
    return _WORDS.get(str(value), unmarked(str(value)))
