"""The functions of payload expressions: the table the walk checks calls by, and what runs.

None of them raises, whatever a payload holds, and none makes more than a text of `MAX_TEXT` characters. None stands
for unknown.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

Type = Literal["number", "text", "truth", "any"]
"""What a part of an expression yields. "any": a field as it comes; what it is shows when a payload is there."""

MAX_TEXT = 4096
"""Functions make nothing of longer texts."""
_MAX_NUMBER_TEXT = 40
_MAX_WHOLE = 2.0**53
"""Beyond this a float does not hold every whole number."""
_MAX_DIGITS = 10**_MAX_NUMBER_TEXT
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)?", re.ASCII)
_LOCAL_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - subtracted from times that have no zone
_EPOCH = _LOCAL_EPOCH.replace(tzinfo=UTC)
_FROM_S, _BEFORE_S = 946_684_800, 4_102_444_800
"""2000 to 2100. A clock that says anything else does not know the time."""
FINITE = sys.float_info.max

TRUTHS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "on", "yes", "online", "1"), True),
    **dict.fromkeys(("false", "off", "no", "offline", "0"), False),
}
"""The words of `truth`. "open" and "closed" are not among them: gear disagrees about which of them is true."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What stands at one place between the brackets of a call."""

    takes: tuple[Type, ...]
    """A field that is to be one type is unknown where it is another; of several, the function itself looks."""
    constant: Literal["", "text", "whole", "offset"] = ""
    """What must be written out: it cannot come from the payload."""
    high: int = 0
    """The largest whole number, or length of a text."""
    low: int = 0
    absent: str = "None"
    """Code for one that is left out."""


@dataclass(frozen=True, slots=True)
class Function:
    """One row of the table."""

    usage: str
    parameters: tuple[Parameter, ...]
    yields: Type
    code: str
    certain: bool = False
    """Whether it always knows an answer when its arguments are known."""
    optional: int = 0
    """So many parameters at the end may be left out."""


_A_NUMBER, _A_TEXT = Parameter(("number",)), Parameter(("text",))

FUNCTIONS: Mapping[str, Function] = {
    "abs": Function("abs(number)", (_A_NUMBER,), "number", "abs({0})", certain=True),
    "round": Function(
        "round(number, digits)",
        (_A_NUMBER, Parameter(("number",), "whole", high=9, absent="0")),
        "number",
        "round({0}, {1})",
        certain=True,
        optional=1,
    ),
    "number": Function("number(x)", (Parameter(("number", "text")),), "number", "number({0})"),
    "text": Function("text(x)", (Parameter(("number", "text", "truth")),), "text", "text({0})"),
    "truth": Function("truth(x)", (Parameter(("number", "text", "truth")),), "truth", "truth({0})"),
    "lower": Function("lower(text)", (_A_TEXT,), "text", "lower({0})"),
    "starts": Function(
        'starts(text, "beginning")',
        (_A_TEXT, Parameter(("text",), "text", high=100)),
        "truth",
        "{0}.startswith({1})",
        certain=True,
    ),
    "ends": Function(
        'ends(text, "end")',
        (_A_TEXT, Parameter(("text",), "text", high=100)),
        "truth",
        "{0}.endswith({1})",
        certain=True,
    ),
    "part": Function(
        'part(text, "separator", n)',
        (_A_TEXT, Parameter(("text",), "text", high=20), Parameter(("number",), "whole", high=99)),
        "text",
        "part({0}, {1}, {2})",
    ),
    "millis": Function(
        'millis(x, "+08:00")',
        (Parameter(("number", "text")), Parameter(("text",), "offset")),
        "number",
        "millis({0}, {1})",
        optional=1,
    ),
    "bit": Function("bit(number, n)", (_A_NUMBER, Parameter(("number",), "whole", high=52)), "truth", "bit({0}, {1})"),
    "signed": Function(
        "signed(number, bits)",
        (_A_NUMBER, Parameter(("number",), "whole", low=2, high=52)),
        "number",
        "signed({0}, {1})",
    ),
}
"""Those with fixed parameters. `SPECIAL` are the walk's own."""

SPECIAL: Mapping[str, str] = {
    "min": "min(number, number, …)",
    "max": "max(number, number, …)",
    "has": "has(field)",
    "when": "when(condition, a, b)",
    "first": "first(a, b, …)",
}


def number(value: object) -> float | None:
    """A finite number, or a text that is one: ``"100.00"``, ``" 72 "``."""
    if isinstance(value, str):
        if len(value) > _MAX_NUMBER_TEXT or not value.isascii() or "_" in value:
            return None
        try:
            value = float(value)
        except ValueError:
            return None
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -FINITE <= value <= FINITE else None


def text(value: object) -> str | None:
    """A value as a text: whole numbers without a point, truth as ``true`` and ``false``."""
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if -_MAX_DIGITS < value < _MAX_DIGITS else None
    if not isinstance(value, float) or not -FINITE <= value <= FINITE:
        return None
    return str(int(value)) if value == int(value) and abs(value) <= _MAX_WHOLE else repr(value)


def truth(value: object) -> bool | None:
    """True and false in the words of `TRUTHS`, small or large, or as 1 and 0."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return TRUTHS.get(value.strip().lower()) if len(value) <= _MAX_NUMBER_TEXT else None
    if isinstance(value, int | float) and value in (0, 1):
        return value == 1
    return None


def lower(value: str) -> str | None:
    """In small letters; None for a text that is too long."""
    return value.lower() if len(value) <= MAX_TEXT else None


def part(value: str, separator: str, at: int) -> str | None:
    """The piece number ``at`` of a text, counted from 0."""
    if len(value) > MAX_TEXT:
        return None
    pieces = value.split(separator, at + 1)
    return pieces[at] if at < len(pieces) else None


def millis(value: object, offset_minutes: int | None = None) -> float | None:
    """An instant as ms since the epoch: RFC 3339 text, or a number of seconds or milliseconds, told by its size.

    A text without an offset is local time: without ``offset_minutes`` nobody knows which.
    """
    if isinstance(value, str):
        return _instant(value, offset_minutes)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if _FROM_S <= value < _BEFORE_S:
        return float(round(value * 1000))
    return float(round(value)) if _FROM_S * 1000 <= value < _BEFORE_S * 1000 else None


def _instant(value: str, offset_minutes: int | None) -> float | None:
    if len(value) > _MAX_NUMBER_TEXT:
        return None
    written = value.strip().upper()
    if _INSTANT.fullmatch(written) is None:
        return None
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        return None
    if at.tzinfo is None:
        if offset_minutes is None:
            return None
        since = at - _LOCAL_EPOCH - timedelta(minutes=offset_minutes)
    else:
        since = at - _EPOCH
    passed_ms = since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
    return float(passed_ms) if _FROM_S * 1000 <= passed_ms < _BEFORE_S * 1000 else None


def bit(value: float, at: int) -> bool | None:
    """Whether bit ``at`` of a whole number is set; the lowest is 0."""
    if not 0 <= value <= _MAX_WHOLE or value != int(value):
        return None
    return int(value) >> at & 1 == 1


def signed(value: float, bits: int) -> float | None:
    """A whole number of so many bits in two's complement: ``signed(65535, 16)`` is -1."""
    span = 1 << bits
    if not 0 <= value < span or value != int(value):
        return None
    return value - span if value >= span / 2 else value


RUNTIME: Mapping[str, object] = {
    **{kind.__name__: kind for kind in (float, int, str, bool, list, dict)},
    "abs": abs,
    "round": round,
    "min": min,
    "max": max,
    "number": number,
    "text": text,
    "truth": truth,
    "lower": lower,
    "part": part,
    "millis": millis,
    "bit": bit,
    "signed": signed,
}
"""All that compiled code can see."""
