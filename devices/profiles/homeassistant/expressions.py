"""One expression of a template, ``value_json.a | float > 3``, in the words of payload expressions.

A parser of its own for the grammar of Jinja's expressions, as far as it is read: a template is never given to anything
that could run it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

MAX_TOKENS = 200
MAX_DEPTH = 16
SUBSET = (
    "value_json.a['b'], value, comparisons, and or not in, arithmetic, x if c else y, is defined, "
    "the filters float int round lower default string bool abs is_defined, {% if %}"
)
NOTHING = "nothing"
"""A field that no payload has: what is written where a template yields nothing."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>==|!=|<=|>=|[-+*/<>()\[\].,|]))"
)
_ROOTS = ("value", "value_json")
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


class TemplateError(ValueError):
    """A template cannot be used. Says what in it, and what could."""


def translate(code: str) -> str:
    """The expression in ``code`` as a payload expression. Raises TemplateError."""
    return _Parser(code).whole()


def translate_condition(code: str) -> str:
    """The same, as a condition. Raises TemplateError."""
    return _asked(translate(code))


def quoted(word: str) -> str:
    """A text as payload expressions write it. Raises TemplateError."""
    if not word.isprintable():
        raise TemplateError("a text holds characters that cannot be seen")
    return json.dumps(word, ensure_ascii=False)


def choice(test: str, value: str, otherwise: str) -> str:
    """``value`` where ``test`` holds, else ``otherwise``."""
    return f"when({test}, {_alike(value, otherwise)}, {_alike(otherwise, value)})"


class _Parser:
    """One expression of the template, from its tokens to the text of a payload expression."""

    def __init__(self, code: str) -> None:
        self._tokens = _tokens(code)
        self._at = 0
        self._depth = 0

    def whole(self) -> str:
        made = self._choice()
        if self._at < len(self._tokens):
            raise TemplateError(f"{self._tokens[self._at][1][:40]!r} is not expected here; {SUBSET}")
        return made

    # what comes next

    def _peek(self, *words: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at][1] in words and self._kind() != "text"

    def _kind(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self, *words: str) -> bool:
        if self._peek(*words):
            self._at += 1
            return True
        return False

    def _need(self, word: str) -> None:
        if not self._take(word):
            got = self._tokens[self._at][1] if self._at < len(self._tokens) else "the end"
            raise TemplateError(f"{word!r} is missing before {got[:40]!r}")

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise TemplateError("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    # grammar, loosest first

    def _choice(self) -> str:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TemplateError(f"it is nested deeper than {MAX_DEPTH}")
        value = self._or()
        if self._take("if"):
            test = _asked(self._or())
            otherwise = self._choice() if self._take("else") else NOTHING
            value = choice(test, value, otherwise)
        self._depth -= 1
        return value

    def _or(self) -> str:
        parts = [self._and()]
        while self._take("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else f"({' or '.join(map(_asked, parts))})"

    def _and(self) -> str:
        parts = [self._not()]
        while self._take("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else f"({' and '.join(map(_asked, parts))})"

    def _not(self) -> str:
        if self._take("not"):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise TemplateError(f"it is nested deeper than {MAX_DEPTH}")
            inner = self._not()
            self._depth -= 1
            return f"(not {_asked(inner)})"
        return self._comparison()

    def _comparison(self) -> str:
        left = self._sum()
        if self._take("is"):
            return self._test(left)
        if self._take("in"):
            return f"({left} in {self._list()})"
        if self._peek("not"):
            self._at += 1
            self._need("in")
            return f"({left} not in {self._list()})"
        if self._peek(*_COMPARISONS):
            sign = self._next()[1]
            right = self._sum()
            if NOTHING in (left, right):
                field = right if left == NOTHING else left
                return f"(not {_has(field)})" if sign == "==" else _has(field)
            return f"({left} {sign} {right})"
        return left

    def _test(self, left: str) -> str:
        negated = self._take("not")
        word = self._next()[1]
        if word not in ("defined", "none"):
            raise TemplateError(f"'is {word[:20]}' is not read; 'is defined' and 'is none' are")
        holds = _has(left)
        return f"(not {holds})" if negated is (word == "defined") else holds

    def _list(self) -> str:
        end = ")" if self._take("(") else "]"
        if end == "]":
            self._need("[")
        words = [self._sum()]
        while self._take(","):
            if self._peek(end):
                break
            words.append(self._sum())
        self._need(end)
        return f"({', '.join(words)},)" if len(words) == 1 else f"({', '.join(words)})"

    def _sum(self) -> str:
        value = self._product()
        while self._peek("+", "-"):
            sign = self._next()[1]
            value = f"({value} {sign} {self._product()})"
        return value

    def _product(self) -> str:
        value = self._unary()
        while self._peek("*", "/"):
            sign = self._next()[1]
            value = f"({value} {sign} {self._unary()})"
        return value

    def _unary(self) -> str:
        if self._take("-"):
            return f"(-{self._filtered()})"
        return self._filtered()

    def _filtered(self) -> str:
        value = self._primary()
        while self._take("|"):
            kind, name = self._next()
            if kind != "name":
                raise TemplateError(f"{name[:20]!r} is no filter")
            value = _filter(name, value, self._arguments())
        return value

    def _arguments(self) -> list[str]:
        found: list[str] = []
        if not self._take("("):
            return found
        while not self._take(")"):
            found.append(self._choice())
            if not self._take(","):
                self._need(")")
                break
        return found

    def _primary(self) -> str:
        if self._take("("):
            value = self._choice()
            self._need(")")
            return value
        kind, word = self._next()
        if kind == "number":
            return word
        if kind == "text":
            return quoted(_unescaped(word))
        if kind == "name" and word.lower() in ("true", "false"):
            return word.lower()
        if kind == "name" and word.lower() == "none":
            return NOTHING
        if kind == "name" and word in _ROOTS:
            return self._field(word)
        raise TemplateError(f"{word[:40]!r} is not read; {SUBSET}")

    def _field(self, root: str) -> str:
        path = root
        while self._peek(".", "["):
            if self._take("."):
                kind, name = self._next()
                if kind not in ("name", "number"):
                    raise TemplateError(f"{name[:20]!r} is no name of a field")
                if name == "get" and self._peek("("):
                    return self._get(path)
                path += f"[{quoted(name)}]"
                continue
            self._need("[")
            kind, key = self._next()
            if kind == "text":
                path += f"[{quoted(_unescaped(key))}]"
            elif kind == "number" and key.isdigit():
                path += f"[{int(key)}]"
            else:
                raise TemplateError(f"[{key[:20]}] is no key; a name in quotes or a whole number is")
            self._need("]")
        return path

    def _get(self, path: str) -> str:
        arguments = self._arguments()
        if not 1 <= len(arguments) <= 2 or not arguments[0].startswith('"'):
            raise TemplateError("get() takes a name in quotes")
        field = f"{path}[{arguments[0]}]"
        return _first(field, arguments[1]) if len(arguments) == 2 else field


def _tokens(code: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    end = 0
    code = code.rstrip()
    while end < len(code):
        found = _TOKEN.match(code, end)
        if found is None:
            raise TemplateError(f"{code[end:].strip()[:20]!r} is not read; {SUBSET}")
        kind = found.lastgroup or ""
        tokens.append((kind, found[kind]))
        end = found.end()
        if len(tokens) > MAX_TOKENS:
            raise TemplateError(f"it has more than {MAX_TOKENS} parts")
    return tokens


def _unescaped(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted[1:-1])


def _asked(code: str) -> str:
    """As a condition: comparisons as they are, a bare value as whether it is true."""
    return code if code.startswith(("(", "has(")) and not code.startswith("(-") else f"truth({code})"


def _has(code: str) -> str:
    if not code.startswith(_ROOTS):
        raise TemplateError("'is defined' asks for a field")
    return f"has({code})"


def _first(code: str, otherwise: str) -> str:
    if otherwise == NOTHING:
        return code
    if code.startswith(_ROOTS):
        return f"when({_has(code)}, {_alike(code, otherwise)}, {otherwise})"
    return f"first({code}, {otherwise})"


def _alike(code: str, other: str) -> str:
    """A field beside a text is taken as a text, whatever a payload holds there."""
    return f"text({code})" if code.startswith(_ROOTS) and other.startswith('"') else code


def _filter(name: str, value: str, arguments: Sequence[str]) -> str:
    few = len(arguments) <= (2 if name in ("default", "d", "round") else 1)
    if name in ("float", "int") and few:
        made = f"number({value})"
        if name == "int":  # towards zero, as Python does it
            made = f'number(part(text(round({made}, 6)), ".", 0))'
        return _first(made, arguments[0]) if arguments else made
    if name == "round" and few and (not arguments or arguments[0].isdigit()) and len(arguments) < 2:
        return f"round(number({value}), {arguments[0] if arguments else 0})"
    if name in ("default", "d") and arguments and few:
        return _first(value, arguments[0])
    if name in _PLAIN and not arguments:
        return _PLAIN[name].format(value)
    raise TemplateError(f"the filter {name[:30]} is not read so; {SUBSET}")


_PLAIN: Mapping[str, str] = {
    "lower": "lower(text({}))",
    "string": "text({})",
    "bool": "truth({})",
    "abs": "abs(number({}))",
    "is_defined": "{}",
}
