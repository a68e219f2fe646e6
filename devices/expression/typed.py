"""The walk over a payload expression: types are checked where they are known, code is written where they are not."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from devices.expression.core import ARITHMETIC, COMPARE, Walk
from devices.expression.errors import ExpressionError
from devices.expression.fields import RESERVED, THIS, Fields, Path, conversion, hidden
from devices.expression.functions import FINITE, FUNCTIONS, SPECIAL, Function, Parameter, Type
from devices.expression.reading import Dialect, Source

DIALECT = Dialect(
    language='fields, numbers, "texts", true, false, < <= > >= == !=, in ("a", "b"), and, or, not, + - * /, functions',
    characters=re.compile(r"[\w .,()<>=!+\-*/\[\]\"']*"),
    noun="value",
    example="temperature / 10",
    shorten="make it shorter",
    quotes="write \" or ' for quotes",
    reserved='a field called {0} is written this["{0}"] or a["{0}"]',
)
MAX_NUMBER = 1e15
"""Larger literals are typing errors; instants in ms stay well below."""
_MAX_INDEX = 999
_OFFSET = re.compile(r"([+-])(0\d|1[0-4]):([0-5]\d)", re.ASCII)
_SAID: dict[Type, str] = {
    "number": "a number",
    "text": "a text",
    "truth": "true or false",
    "any": "a field",
}


@dataclass(frozen=True, slots=True)
class Value:
    """A part of the expression. Either ``maybe`` yields its value or None; or ``code`` does, and never None, once every
    one of ``unknown`` was looked at, in this order, and none was true."""

    type: Type
    code: str
    unknown: tuple[str, ...] = ()
    maybe: str | None = None
    slot: str | None = None
    """The variable of a field that is used as it comes."""
    constant: bool = False
    loose: bool = False
    """Arithmetic that may have grown to infinity, or to no number."""


class PayloadWalk(Walk):
    """One walk over one expression."""

    def __init__(self, source: Source) -> None:
        super().__init__(source, DIALECT)
        self.fields = Fields()

    def prelude(self) -> list[str]:
        """The lines that fetch the fields; to stand before the code."""
        return ["get = fields.get", *self.fields.lines]

    def result(self) -> tuple[str, Type]:
        """The code of the whole as a value, and what it yields."""
        value = self.value(self.source.tree, 1)
        return self._nullable(self._known(value)), value.type

    def verdict(self) -> str:
        """The code of the whole as a condition."""
        return self._condition(self.source.tree, 1)

    # -- from value to value

    def _maybe(self, yields: Type, code: str) -> Value:
        """What ``code`` yields, where it is not None."""
        name = self.temporary()
        return Value(yields, name, (f"({name} := {code}) is None",), maybe=code)

    def _nullable(self, value: Value) -> str:
        """Code: the value, or None."""
        if value.maybe is not None:
            return value.maybe
        return f"(None if {' or '.join(value.unknown)} else {value.code})" if value.unknown else value.code

    def _known(self, value: Value) -> Value:
        """The value as a part of something else: a field if it is a number, a text or true or false; arithmetic only
        while it is finite."""
        if value.slot is not None:
            return self._converted(value, "any")
        if not value.loose:
            return value
        name = self.temporary()
        infinite = f"not {-FINITE!r} <= ({name} := {value.code}) <= {FINITE!r}"
        return Value(value.type, name, (*value.unknown, infinite), constant=value.constant)

    def _converted(self, value: Value, want: Type) -> Value:
        if value.slot is not None:
            name = self.fields.converted(value.slot, want)
            return Value(want, name, (f"{name} is None",), maybe=name)
        raw = self.temporary()
        return self._maybe(want, conversion(want, raw, f"({raw} := {self._nullable(value)})"))

    def _typed(self, node: ast.expr, value: Value, want: Type, hint: str) -> Value:
        """The value as a ``want``. Raises ExpressionError where it is seen to be something else."""
        if value.type == "any":
            return self._converted(value, want)
        if value.type != want:
            raise self.error(node, f"{self._said(node)} is {_SAID[value.type]}", _SAID[want], hint)
        return self._known(value)

    def _said(self, node: ast.expr) -> str:
        said = self.source.said(node)
        return said if len(said) <= 40 else f"{said[:39]}…"

    def _condition(self, node: ast.expr, depth: int) -> str:
        hint = "compare it with something, or ask truth(x)"
        return self._nullable(self._typed(node, self.value(node, depth), "truth", hint))

    # -- what can be written

    def value(self, node: ast.expr, depth: int) -> Value:
        """Compile a part that yields a value. Raises ExpressionError."""
        self.enter(node, depth)
        match node:
            case ast.Constant(value=literal):
                return self._literal(node, literal)
            case ast.Name(id="true" | "false" as word):
                return self._literal(node, word == "true")
            case ast.Name() | ast.Attribute() | ast.Subscript():
                slot = self.fields.slot(self._path(node, depth))
                return Value("any", slot, slot=slot)
            case ast.Compare():
                return self._compare(node, depth)
            case ast.BoolOp(op=op, values=values):
                codes = [self._condition(value, depth + 1) for value in values]
                return self._maybe(
                    "truth", self.conjunction(codes) if isinstance(op, ast.And) else self.disjunction(codes)
                )
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._maybe("truth", self.negation(self._condition(operand, depth + 1)))
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
                part = self._number(operand, depth + 1)
                sign = "-" if isinstance(op, ast.USub) else "+"
                return Value("number", f"({sign}{part.code})", part.unknown, constant=part.constant, loose=part.loose)
            case ast.BinOp(op=operator) if type(operator) in ARITHMETIC:
                return self._arithmetic(node, ARITHMETIC[type(operator)], depth)
            case ast.Call():
                return self._call(node, depth)
            case ast.IfExp():
                raise self.error(node, "if … else is not part of the language", "when(condition, a, b)", "write when()")
        raise self.refused(node)

    def _literal(self, node: ast.expr, value: object) -> Value:
        if isinstance(value, bool):
            return Value("truth", repr(value), constant=True)
        if isinstance(value, str):
            return Value("text", repr(value), constant=True)
        if not isinstance(value, int | float):
            hint = "ask has(field) whether it is there" if value is None else "write a number or a text in quotes"
            raise self.error(node, f"{self._said(node)} is no value here", self.dialect.language, hint)
        if value > MAX_NUMBER:
            raise self.error(node, "the number is too large", f"at most {MAX_NUMBER:g}", "check the unit")
        return Value("number", repr(float(value)), constant=True)

    def _path(self, node: ast.expr, depth: int) -> Path:
        match node:
            case ast.Name(id=name):
                if name in RESERVED:
                    hint = f'this["{name}"] is the field of that name'
                    if name == "null":
                        hint = f"ask has(field) whether it is there; {hint}"
                    raise self.error(node, f"{name} is no field", 'a field, or this["odd key"]', hint)
                return (self._name(node, name),)
            case ast.Attribute(value=inner, attr=name):
                self.enter(inner, depth + 1)
                return (*self._parent(inner, depth + 1), self._name(node, name))
            case ast.Subscript(value=inner, slice=index):
                self.enter(inner, depth + 1)
                return (*self._parent(inner, depth + 1), self._key(index))
        raise self.error(
            node, f"{self._said(node)} has no parts", 'only a field has: a.b, a[0], a["odd key"]', "name a field"
        )

    def _parent(self, node: ast.expr, depth: int) -> Path:
        return () if isinstance(node, ast.Name) and node.id == THIS else self._path(node, depth)

    def _name(self, node: ast.expr, name: str) -> str:
        if hidden(name):
            raise self.error(node, f"{name[:40]} is no name of a field", "a name", 'write it as a key: a["…"]')
        return name

    def _key(self, node: ast.expr) -> str | int:
        key = node.value if isinstance(node, ast.Constant) else None
        if isinstance(key, str):
            return key
        if isinstance(key, int) and not isinstance(key, bool) and key <= _MAX_INDEX:
            return key
        raise self.error(
            node,
            "this cannot stand in square brackets",
            f'a whole number from 0 to {_MAX_INDEX}, or a "key"',
            "write out which item or key is meant",
        )

    # -- numbers

    def _number(self, node: ast.expr, depth: int) -> Value:
        value = self.value(node, depth)
        if value.loose:
            return value
        return self._typed(node, value, "number", "number(x) reads a text, when(x, 1, 0) makes a number of a condition")

    def _arithmetic(self, node: ast.BinOp, symbol: str, depth: int) -> Value:
        left, right = self._number(node.left, depth + 1), self._number(node.right, depth + 1)
        constant = left.constant and right.constant
        if symbol != "/":
            unknown = _merged((left, right))
            return Value("number", f"({left.code} {symbol} {right.code})", unknown, constant=constant, loose=True)
        if isinstance(node.right, ast.Constant) and node.right.value == 0:
            raise self.error(node.right, "it divides by zero", "a divisor other than 0", "correct the divisor")
        right, divisor = self._known(right), self.temporary()
        unknown = (*_merged((left, right)), f"({divisor} := {right.code}) == 0")
        return Value("number", f"({left.code} / {divisor})", unknown, constant=constant, loose=True)

    # -- comparisons

    def _compare(self, node: ast.Compare, depth: int) -> Value:
        if any(isinstance(op, ast.In | ast.NotIn) for op in node.ops):
            return self._member(node, depth)
        if not all(type(op) in COMPARE for op in node.ops):
            raise self.error(node, "this comparison does not exist here", "< <= > >= == != in", "compare with ==")
        symbols = [COMPARE[type(op)] for op in node.ops]
        nodes = [node.left, *node.comparators]
        values = [self.value(operand, depth + 1) for operand in nodes]
        if any(symbol not in ("==", "!=") for symbol in symbols):
            hint = "texts and conditions have no order; number(x) reads a text"
            operands = [self._typed(at, value, "number", hint) for at, value in zip(nodes, values, strict=True)]
        else:
            operands = self._alike(nodes, values)
        if all(operand.constant for operand in operands):
            raise self._always(node)
        unknown = list(_merged(operands))
        if operands[0].type == "any":
            first, *others = (operand.code for operand in operands)
            unknown += [f"{first}.__class__ is not {other}.__class__" for other in others]
        rest = "".join(f" {symbol} {operand.code}" for symbol, operand in zip(symbols, operands[1:], strict=True))
        return Value("truth", f"({operands[0].code}{rest})", tuple(unknown))

    def _alike(self, nodes: Sequence[ast.expr], values: Sequence[Value]) -> list[Value]:
        """Values of one type. Raises ExpressionError where they are seen to be of several."""
        want: Type = next((value.type for value in values if value.type != "any"), "any")
        hint = "the values must be of one kind; number(x), text(x) and truth(x) turn one into another"
        if want == "any":
            return [self._known(value) for value in values]
        return [self._typed(node, value, want, hint) for node, value in zip(nodes, values, strict=True)]

    def _member(self, node: ast.Compare, depth: int) -> Value:
        words = node.comparators[0]
        if len(node.ops) != 1 or not isinstance(words, ast.Tuple) or not words.elts:
            raise self.error(
                words, "in is not used rightly", 'x in ("a", "b")', 'list the values in round brackets: ("a", "b")'
            )
        value = self.value(node.left, depth + 1)
        listed = [self.value(word, depth + 1) for word in words.elts]
        for word, one in zip(words.elts, listed, strict=True):
            if not one.constant or one.loose:
                raise self.error(word, f"{self._said(word)} is not fixed", "written values", "compare it with ==")
        if value.constant:
            raise self._always(node)
        value, *_ = self._alike([node.left, *words.elts], [value, *listed])
        code = f"({value.code} {'in' if isinstance(node.ops[0], ast.In) else 'not in'} ({_joined(listed)},))"
        return Value("truth", code, value.unknown)

    def _always(self, node: ast.expr) -> ExpressionError:
        return self.error(
            node, f"{self._said(node)} is the same for every payload", "a field on one side", "name the field"
        )

    # -- calls

    def _call(self, node: ast.Call, depth: int) -> Value:
        name = node.func.id if isinstance(node.func, ast.Name) else None
        row = FUNCTIONS.get(name or "")
        if name is None or (row is None and name not in SPECIAL):
            near = difflib.get_close_matches(name or "", (*FUNCTIONS, *SPECIAL), n=2, cutoff=0.5)
            raise self.error(
                node,
                f"there is no function {name[:40]}" if name is not None else "only functions are called",
                ", ".join(sorted((*FUNCTIONS, *SPECIAL))),
                f"did you mean {' or '.join(near)}?" if near else "use one of these, as name(x)",
            )
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise self.error(node, f"{name}() takes plain values", self._usage(name), "leave * and = out")
        if row is not None:
            return self._row(node, name, row, depth)
        match name, node.args:
            case "has", [field]:
                return Value("truth", f"({self._field(field, depth + 1)} is not None)")
            case "when", [condition, yes, no]:
                test, name_of_test = self._condition(condition, depth + 1), self.temporary()
                yields, (a, b) = self._choices((yes, no), depth)
                return self._maybe(
                    yields, f"(None if ({name_of_test} := {test}) is None else {a} if {name_of_test} else {b})"
                )
            case "first", [_, _, *_]:
                yields, codes = self._choices(node.args, depth)
                names = [self.temporary() for _ in codes]
                tries = "".join(f"{n} if ({n} := {c}) is not None else " for n, c in zip(names, codes, strict=True))
                return self._maybe(yields, f"({tries}None)")
            case "min" | "max", [_, _, *_]:
                parts = [self._known(self._number(argument, depth + 1)) for argument in node.args]
                return Value("number", f"{name}({_joined(parts)})", _merged(parts))
        raise self._wrong_count(node, name)

    def _usage(self, name: str) -> str:
        return SPECIAL[name] if name in SPECIAL else FUNCTIONS[name].usage

    def _wrong_count(self, node: ast.Call, name: str) -> ExpressionError:
        count = len(node.args)
        got = f"{count} value{'' if count == 1 else 's'}"
        return self.error(node, f"{name}() got {got}", self._usage(name), "correct the brackets")

    def _field(self, node: ast.expr, depth: int) -> str:
        self.enter(node, depth)
        if not isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            raise self.error(node, "has() asks for a field", "has(field)", "name one field between the brackets")
        return self.fields.slot(self._path(node, depth))

    def _choices(self, nodes: Sequence[ast.expr], depth: int) -> tuple[Type, list[str]]:
        """Values of one type, of which one will be taken: the type, and each as code that yields it or None."""
        values = self._alike(nodes, [self.value(node, depth + 1) for node in nodes])
        return values[0].type, [self._nullable(value) for value in values]

    def _row(self, node: ast.Call, name: str, row: Function, depth: int) -> Value:
        if not len(row.parameters) - row.optional <= len(node.args) <= len(row.parameters):
            raise self._wrong_count(node, name)
        parts = [
            self._constant(argument, row, parameter, depth + 1)
            if parameter.constant
            else self._argument(argument, row, parameter, depth + 1)
            for argument, parameter in zip(node.args, row.parameters, strict=False)
        ]
        parts += [Value("any", parameter.absent, constant=True) for parameter in row.parameters[len(parts) :]]
        code = row.code.format(*(part.code for part in parts))
        unknown = _merged(parts)
        if row.certain:
            return Value(row.yields, code, unknown)
        return self._maybe(row.yields, f"(None if {' or '.join(unknown)} else {code})" if unknown else code)

    def _argument(self, node: ast.expr, row: Function, parameter: Parameter, depth: int) -> Value:
        value = self.value(node, depth)
        if len(parameter.takes) == 1:
            hint = f"{row.usage}; number(x), text(x) and truth(x) turn one kind into another"
            return self._typed(node, value, parameter.takes[0], hint)
        if value.type == "any":
            return value
        if value.type not in parameter.takes:
            expected = " or ".join(_SAID[each] for each in parameter.takes)
            hint = "when(x, 1, 0) makes a number of a condition"
            raise self.error(node, f"{self._said(node)} is {_SAID[value.type]}", expected, hint)
        return self._known(value)

    def _constant(self, node: ast.expr, row: Function, parameter: Parameter, depth: int) -> Value:
        self.enter(node, depth)
        value = node.value if isinstance(node, ast.Constant) else None
        if parameter.constant == "whole":
            if isinstance(value, int) and not isinstance(value, bool) and parameter.low <= value <= parameter.high:
                return Value("number", repr(value), constant=True)
            expected = f"a whole number from {parameter.low} to {parameter.high}, written out"
        elif parameter.constant == "text":
            if isinstance(value, str) and 1 <= len(value) <= parameter.high:
                return Value("text", repr(value), constant=True)
            expected = f"a text of 1 to {parameter.high} characters, written out"
        else:
            found = _OFFSET.fullmatch(value) if isinstance(value, str) else None
            if found is not None:
                minutes = int(found[2]) * 60 + int(found[3])
                return Value("number", repr(-minutes if found[1] == "-" else minutes), constant=True)
            expected = 'an offset from UTC: "+08:00"'
        raise self.error(node, f"{self._said(node)} cannot stand here", expected, row.usage)


def _merged(values: Iterable[Value]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(test for value in values for test in value.unknown))


def _joined(values: Iterable[Value]) -> str:
    return ", ".join(value.code for value in values)
