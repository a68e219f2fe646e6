"""JSON as foreign gear sends it: read without trust, refused with a reason."""

from __future__ import annotations

import math

import msgspec

from devices.observation import Refusal

MAX_BYTES = 1_048_576
"""A description of a bridge's devices is the largest that gear sends."""
_SHOWN = 80

_decode = msgspec.json.Decoder().decode


def json_value(payload: bytes, what: str = "payload") -> object:
    """The value in ``payload``: a table, a list, a text, a number, true, false or None. Raises Refusal."""
    if len(payload) > MAX_BYTES:
        raise Refusal(
            "oversize", field=what, expected=f"at most {MAX_BYTES} bytes", hint=f"got {len(payload)} bytes; split it"
        )
    try:
        return _decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        problem = str(error)[:200] or type(error).__name__
        raise Refusal("malformed", field=what, expected="JSON", hint=f"{problem}; got {shown(payload)}") from None


def json_table(payload: bytes, what: str = "payload") -> dict[str, object]:
    """The JSON object in ``payload``. Raises Refusal."""
    value = json_value(payload, what)
    if not isinstance(value, dict):
        raise Refusal("malformed", field=what, expected="a JSON object", hint=f"got {shown(payload)}")
    return value


def table(value: object) -> dict[str, object]:
    """``value`` if it is a JSON object, else an empty one: for parts that may be left out."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """``value`` if it is a JSON list, else an empty one."""
    return value if isinstance(value, list) else []


def word(value: object, limit: int = 128) -> str:
    """``value`` if it is a text, cut to ``limit`` characters, else an empty one."""
    return value[:limit] if isinstance(value, str) else ""


def number(value: object) -> float | None:
    """``value`` if it is a finite number (true and false are none), else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def shown(value: object) -> str:
    """``value`` as an explanation quotes it: short, and in one line."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else f"{value}"
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")
