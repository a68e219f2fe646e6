"""A small, safe part of Jinja, as discovery messages use it: translated to the language of payload expressions.

``{{ value_json.a['b'] }}``, ``value``, numbers, texts, ``true false none``, comparisons, ``and or not in``, arithmetic,
``x if c else y``, ``is defined``, the filters below, and ``{% if %} … {% elif %} … {% else %} … {% endif %}`` around
such. Anything beyond is a `TemplateError` that names it; nothing of a template is ever run as code of its own.

What a payload does not hold is unknown here, where Jinja would go on with an empty text: a door is not closed because
a message said nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from devices.expression.errors import ExpressionError
from devices.expression.functions import text
from devices.expression.payload import FieldExpression, compile_field
from devices.profiles.homeassistant.expressions import (
    NOTHING,
    TemplateError,
    choice,
    quoted,
    translate,
    translate_condition,
)

__all__ = ["MAX_CHARACTERS", "Template", "TemplateError"]

MAX_CHARACTERS = 1000
MAX_PIECES = 200
MAX_RENDERED = 4096
_PIECE = re.compile(r"\{\{-?(?P<value>.*?)-?\}\}|\{%-?(?P<statement>.*?)-?%\}|\{#.*?#\}", re.DOTALL)


class Template:
    """A compiled template. One ``{{ }}`` alone keeps its value's type; with text around it, all becomes text."""

    __slots__ = ("_pieces", "written")

    def __init__(self, written: str) -> None:
        """Raises TemplateError."""
        self.written = written
        self._pieces = _compiled(written)

    def evaluate(self, payload: str, value_json: object) -> float | str | bool | None:
        """What it yields for a payload; None where that is unknown. Never raises."""
        fields: dict[str, object] = {"value": payload, "value_json": value_json}
        if len(self._pieces) == 1 and not isinstance(self._pieces[0], str):
            return self._pieces[0].evaluate(fields)
        rendered = ""
        for piece in self._pieces:
            part = piece if isinstance(piece, str) else text(piece.evaluate(fields))
            if part is None or len(rendered) + len(part) > MAX_RENDERED:
                return None
            rendered += part
        return rendered


def _compiled(written: str) -> tuple[str | FieldExpression, ...]:
    if len(written) > MAX_CHARACTERS:
        raise TemplateError(f"it has {len(written)} characters; at most {MAX_CHARACTERS}")
    pieces = _pieces(written)
    if any(isinstance(piece, _Statement) for piece in pieces):
        return (_expression(_statements(pieces)),)
    return tuple(
        _expression(translate(piece.text)) if isinstance(piece, _Braces) else piece.text
        for piece in pieces
        if isinstance(piece, _Braces | _Literal)
    )


def _expression(code: str) -> FieldExpression:
    try:
        return compile_field(code)
    except ExpressionError as error:
        raise TemplateError(f"{error.problem}; expected {error.expected}") from None


# --- pieces: {{ }}, {% %}, and text ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Braces:
    text: str


@dataclass(frozen=True, slots=True)
class _Statement:
    text: str


@dataclass(frozen=True, slots=True)
class _Literal:
    text: str


_Piece = _Braces | _Statement | _Literal


def _pieces(written: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    end = 0
    for found in _PIECE.finditer(written):
        if written[end : found.start()].strip():
            pieces.append(_Literal(written[end : found.start()]))
        if found["value"] is not None:
            pieces.append(_Braces(found["value"]))
        elif found["statement"] is not None:
            pieces.append(_Statement(found["statement"].strip()))
        end = found.end()
    if written[end:].strip():
        pieces.append(_Literal(written[end:]))
    if len(pieces) > MAX_PIECES:
        raise TemplateError("it has too many parts")
    if len(pieces) == 1 and isinstance(pieces[0], _Braces):
        return pieces
    if any("{{" in piece.text or "{%" in piece.text for piece in pieces):
        raise TemplateError("a bracket {{ or {% is not closed")
    return pieces


def _statements(pieces: Sequence[_Piece]) -> str:
    """``{% if %}`` with its branches, each one value or one text, as an expression."""
    branches: list[tuple[str | None, list[_Piece]]] = []
    open_branch = closed = False
    for piece in pieces:
        if not isinstance(piece, _Statement):
            if not open_branch:
                raise TemplateError("text stands outside of {% if %} … {% endif %}")
            branches[-1][1].append(piece)
            continue
        word, _, condition = piece.text.partition(" ")
        if closed or (word == "if") is open_branch or (word in ("elif", "else") and branches[-1][0] is None):
            raise TemplateError(
                f"{{% {piece.text[:40]} %}} does not fit here; one {{% if %}} with its branches is read"
            )
        if word in ("if", "elif"):
            branches.append((translate_condition(condition), []))
        elif word == "else":
            branches.append((None, []))
        elif word == "endif":
            closed = True
        else:
            raise TemplateError(f"{{% {word[:20]} %}} is not read; {{% if %}} is")
        open_branch = not closed
    if not closed:
        raise TemplateError("{% if %} has no {% endif %}")
    code = NOTHING
    for test, body in reversed(branches):
        value = _branch(body)
        code = value if test is None else choice(test, value, code)
    return code


def _branch(body: Sequence[_Piece]) -> str:
    if not body:
        return NOTHING
    if len(body) > 1:
        raise TemplateError("a branch of {% if %} holds more than one value")
    return translate(body[0].text) if isinstance(body[0], _Braces) else quoted(body[0].text.strip())
