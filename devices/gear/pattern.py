"""Patterns of topics and keys, and texts with values in them, as profiles write them.

A topic pattern: ``{base}/tele/{address}/POWER{part#}``. In braces stand names of what is found there: ``{name}`` is at
least one character of one level, ``{name*}`` one or more whole levels, ``{name#}`` digits or nothing. ``{base}/`` is
the bridge's beginning; where that is empty, the slash goes with it.

A text with values: ``{bridge}/{Device}``. In braces stand expressions; a text with an unknown one is unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from devices.expression.functions import text as as_text
from devices.expression.payload import FieldExpression, compile_field

_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)([*#]?)\}")
_VALUE = re.compile(r"\{([A-Za-z_][^{}]*)\}")
_JSON = re.compile(r"\s*(\{\s*[\"}]|\[)")
_FORMS = {"": "([^/]+)", "*": "(.+)", "#": "([0-9]{0,6})"}


class PatternError(ValueError):
    """A pattern cannot be used. Its arguments: the problem, what was expected, a hint."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern of a topic, or of a key."""

    text: str
    names: tuple[str, ...]
    filter: str
    """The MQTT topic filter of everything that it may match."""
    _expression: re.Pattern[str]

    def match(self, topic: str) -> dict[str, str] | None:
        """What stands at the names; None where the topic is another one."""
        found = self._expression.fullmatch(topic)
        return None if found is None else dict(zip(self.names, found.groups(), strict=True))


def compile_pattern(text: str, base: str = "") -> Pattern:
    """A pattern below ``base``. Raises PatternError."""
    bare = _NAME.sub("", text)
    if "{" in bare or "}" in bare:
        raise PatternError("a bracket is not understood", "{name}, {name*} or {name#}", "see docs/devices/README.md")
    if re.search(r"[+#\x00\n]", bare):
        raise PatternError("it holds + or #", "a pattern with names: {address}", "write {name} for +, {name*} for #")
    below = with_base(text, base)
    names = [name for name, _ in _NAME.findall(below)]
    if len(set(names)) != len(names):
        raise PatternError("a name is given twice", "names that differ", "call one of them otherwise")
    if len(re.findall(r"\*\}", below)) > 1:
        raise PatternError("it has several {name*}", "at most one", "where one ends, nobody could tell")
    if "}{" in below:
        raise PatternError(
            "two names stand side by side", "something between them", "where one ends, nobody could tell"
        )
    pieces = _NAME.split(below)  # literal, name, form, literal, name, form, …, literal
    expression = re.escape(pieces[0])
    for form, literal in zip(pieces[2::3], pieces[3::3], strict=True):
        expression += _FORMS[form] + re.escape(literal)
    return Pattern(text, tuple(names), _filter(below), re.compile(expression))


def with_base(text: str, base: str) -> str:
    """``text`` with the bridge's beginning at ``{base}``."""
    return text.replace("{base}/", f"{base}/" if base else "").replace("{base}", base)


def _filter(below: str) -> str:
    levels = []
    for level in below.split("/"):
        if "*}" in level:
            levels.append("#")
            break
        levels.append("+" if _NAME.search(level) else level)
    return "/".join(levels)


def needed_filters(filters: Iterable[str]) -> tuple[str, ...]:
    """The filters in their order, without those that another one covers."""
    each = list(dict.fromkeys(filters))
    return tuple(one for one in each if not any(other != one and _covers(other, one) for other in each))


def _covers(wide: str, narrow: str) -> bool:
    wides, narrows = wide.split("/"), narrow.split("/")
    for at, level in enumerate(wides):
        if level == "#":
            return True
        if at >= len(narrows) or (level != "+" and level != narrows[at]) or (level == "+" and narrows[at] == "#"):
            return False
    return len(wides) == len(narrows)


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled text with values."""

    text: str
    names: frozenset[str]
    """The fields it reads."""
    _pieces: Sequence[str | FieldExpression]
    _json: bool

    def fill(self, fields: Mapping[str, object]) -> str | None:
        """The text; None where a value is unknown. In a JSON text the values are escaped. Never raises."""
        if len(self._pieces) == 1 and isinstance(self._pieces[0], str):
            return self._pieces[0]
        filled = ""
        for piece in self._pieces:
            if isinstance(piece, str):
                filled += piece
                continue
            said = as_text(piece.evaluate(fields))
            if said is None:
                return None
            filled += json.dumps(said)[1:-1] if self._json else said
        return filled


def compile_template(text: str) -> Template:
    """Compile a text with values; JSON where it begins so. Raises PatternError, ExpressionError."""
    is_json = _JSON.match(text) is not None
    pieces: list[str | FieldExpression] = []
    at = 0
    for found in _VALUE.finditer(text):
        if found.start() > at:
            pieces.append(text[at : found.start()])
        pieces.append(compile_field(found[1]))
        at = found.end()
    if at < len(text) or not pieces:
        pieces.append(text[at:])
    if is_json:
        _check_json("".join(piece if isinstance(piece, str) else "0" for piece in pieces))
    elif any(isinstance(piece, str) and ("{" in piece or "}" in piece) for piece in pieces):
        raise PatternError("a bracket is not understood", "{expression} without brackets in it", "close each bracket")
    names = frozenset(name for piece in pieces if not isinstance(piece, str) for name in piece.names)
    return Template(text, names, tuple(pieces), is_json)


def _check_json(text: str) -> None:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PatternError(
            f"it is no JSON: {error}", "JSON, with {expression} where a value goes", "correct it"
        ) from None
