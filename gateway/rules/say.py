"""What people are told: a rule's own wording with the values that decided in place of its placeholders."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.rules.document import RuleDocument
from gateway.rules.terms import number

_PLACE = re.compile(r"\{([^{}]*)\}")


def said(rule: RuleDocument, values: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """The sentence in Chinese and English; two empty ones where the rule has no wording.

    ``values``: by placeholder, in both languages. What is not known is a question mark: the alarm goes out.
    """
    if rule.say is None:
        return "", ""
    texts = (rule.say.zh, rule.say.en)
    zh, en = (
        _PLACE.sub(lambda match: values.get(match[1], ("?", "?"))[at], text)  # noqa: B023 - used at once
        for at, text in enumerate(texts)
    )
    return zh, en


def as_value(value: float | None) -> tuple[str, str]:
    """A value in both languages; a question mark for one that is not known."""
    return ("?", "?") if value is None else (number(value), number(value))


def as_age(seconds: float | None) -> tuple[str, str]:
    """A length of time: ``13小时2分钟``, ``13 h 2 min``."""
    if seconds is None:
        return "?", "?"
    minutes = int(seconds // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return (f"{days}天{hours}小时", f"{days} d {hours} h") if hours else (f"{days}天", f"{days} d")
    if hours:
        return (f"{hours}小时{minutes}分钟", f"{hours} h {minutes} min") if minutes else (f"{hours}小时", f"{hours} h")
    return (f"{minutes}分钟", f"{minutes} min") if minutes else (f"{int(seconds)}秒", f"{int(seconds)} s")
