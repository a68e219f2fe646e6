"""From the text of an expression to its parsed form: length, characters and grammar are checked here.

The grammar is Python's for expressions; what of it a language has is decided by the walk over the result.
"""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
import warnings
from dataclasses import dataclass

from devices.expression.errors import ExpressionError

MAX_LENGTH = 500
MAX_DEPTH = 20

_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'")
_ESCAPES = "\\\"'tn"
_WORDS = ("and", "or", "not", "in")
"""Python's reserved words that this language knows, too."""


_INSTEAD = {
    **{"&": "write and", "且": "write and", "|": "write or", "或": "write or", "，": "write ,", "非": "write not"},
    **{"≤": "write <=", "≥": "write >=", "≠": "write !=", "×": "write *", "÷": "write /"},
    **dict.fromkeys("%℃°℉", "leave units out"),
}
"""What people type, and what is meant."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One use of the language, and the words in which its authors are told about it."""

    language: str
    """Everything that may be written."""
    characters: re.Pattern[str]
    """Matches any number of the characters that may stand outside of quotes."""
    noun: str
    """What an expression is here: "condition"."""
    example: str
    shorten: str
    """What to do about an expression that is too long."""
    reserved: str = ""
    """How a name is written that Python keeps for itself; ``{0}`` stands for it."""
    quotes: str = ""
    """What to write for quotes of another script; empty where there are no texts."""


@dataclass(frozen=True, slots=True)
class Source:
    """An expression that could be read."""

    text: str
    tree: ast.expr
    offset: int
    """So many characters were left out at the beginning."""

    def column(self, node: ast.expr) -> int:
        """Where ``node`` begins, counted from 1, in characters."""
        return self.offset + len(self.text.encode()[: node.col_offset].decode()) + 1

    def said(self, node: ast.expr) -> str:
        """``node`` as its author wrote it."""
        return self.text.encode()[node.col_offset : node.end_col_offset].decode()


def read(text: str, dialect: Dialect) -> Source:
    """Parse ``text``. Raises ExpressionError."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"the expression has {len(text)} characters", expected=f"at most {MAX_LENGTH}", hint=dialect.shorten
        )
    line = re.sub(r"[\t\r\n]", " ", text)
    bare = _QUOTED.sub(lambda quoted: quoted[0][0] + "_" * (len(quoted[0]) - 2) + quoted[0][-1], line)
    _check_characters(bare, dialect)
    if bare != line:
        _check_quoted(line)
    source = line.strip()
    if not source:
        raise ExpressionError(
            "the expression is empty", expected=f"a {dialect.noun}", hint=f"for example: {dialect.example}"
        )
    offset = len(line) - len(line.lstrip())
    return Source(source, _parse(source, bare.strip(), offset, dialect), offset)


def _check_characters(bare: str, dialect: Dialect) -> None:
    match = dialect.characters.match(bare)
    end = match.end() if match else 0
    if end == len(bare):
        normal = unicodedata.normalize("NFKC", bare)  # Python reads names in this form; payloads are not in it
        if normal == bare:
            return
        end = next(at for at, (one, other) in enumerate(zip(bare, normal, strict=False)) if one != other)
    character = bare[end]
    plain = unicodedata.normalize("NFKC", character)
    hint = _INSTEAD.get(character, "remove it")
    if character.isspace():
        hint = "it is another kind of space; type an ordinary one"
    elif plain != character and dialect.characters.fullmatch(plain):
        hint = f"it is a full-width character; type {plain} in half width"
    elif character in "“”‘’「」『』«»" and dialect.quotes:
        hint = dialect.quotes
    elif character.isalpha() and not character.isascii() and character not in _INSTEAD:
        hint = f"names are written in English letters, for example: {dialect.example}"
    raise ExpressionError(
        f"character {character!r} is not part of the language", expected=dialect.language, hint=hint, position=end + 1
    )


def _check_quoted(line: str) -> None:
    last = -1
    for quoted in _QUOTED.finditer(line):
        if last >= 0 and not line[last : quoted.start()].strip():
            raise ExpressionError(
                "two texts stand side by side",
                expected="a comma or an operator between them",
                hint="put the comma",
                position=quoted.start() + 1,
            )
        last = quoted.end()
        before = line[quoted.start() - 1 : quoted.start()]
        if before.isalnum() or before == "_":
            raise ExpressionError(
                f"{before} stands against a quoted text",
                expected="a space, a bracket or an operator before it",
                hint="remove the letter, or put a space between",
                position=quoted.start(),
            )
        for escape in re.finditer(r"\\(.)", quoted[0]):
            if escape[1] not in _ESCAPES:
                raise ExpressionError(
                    f"{escape[0]} in a text means nothing",
                    expected=r"\" \' \\ \t \n",
                    hint=r"a backslash itself is written \\",
                    position=quoted.start() + escape.start() + 1,
                )
        for at, character in enumerate(quoted[0]):
            if not character.isprintable():
                raise ExpressionError(
                    f"a text holds the character {character!r}, which cannot be seen",
                    expected="characters that can be seen",
                    hint="remove it",
                    position=quoted.start() + at + 1,
                )


def _parse(source: str, bare: str, offset: int, dialect: Dialect) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "90and" is a warning to Python and an oddity to us
            return ast.parse(source, mode="eval").body
    except SyntaxError as error:
        hint = str(error.msg)
        kept = [word for word in re.findall(r"\b[a-z]+\b", bare) if keyword.iskeyword(word) and word not in _WORDS]
        if re.search(r"\b(AND|OR|NOT)\b", bare):
            hint = "write and, or, not in small letters"
        elif re.search(r"(?<![<>=!])=(?!=)", bare):
            hint = "compare with =="
        elif length := re.search(r"\b(\d+) *(seconds|minutes|hours|days)\b", bare):
            hint = f"write {length[1]} * {length[2]}"
        elif kept and dialect.reserved:
            hint = dialect.reserved.format(kept[0])
        raise ExpressionError(
            "it cannot be read", expected=dialect.language, hint=hint, position=offset + (error.offset or 1)
        ) from None
    except (RecursionError, MemoryError, ValueError):
        raise ExpressionError(
            "it is nested too deeply", expected=f"at most {MAX_DEPTH} levels", hint="simplify it"
        ) from None
