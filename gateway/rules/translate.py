"""From a parsed expression to the code that will run: names, types and ranges are checked on the way.

Every sub-expression is either a number, with the interval its value cannot leave, or a condition, whose code yields
True, False or None (unknown). Intervals find comparisons that can never hold, and prove that neither infinity nor NaN
can arise while a rule runs.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from devices.expression.core import ARITHMETIC, COMPARE, Walk, function
from devices.expression.reading import Dialect, Source

MAX_NUMBER = 1e12
"""Larger literals are typing errors, and keep arithmetic far from the end of floating point."""
_LARGEST = 1e100
"""No sub-expression may grow beyond this."""
_SMALLEST_DIVISOR = 1e-9
"""Closer to zero than any resolution of a metric: dividing by less says nothing."""
DIALECT = Dialect(
    language="numbers, metric names, < <= > >= == !=, and, or, not, + - * /, min(), max(), abs(), has()",
    characters=re.compile(r"[A-Za-z0-9_ .,()<>=!+\-*/]*"),
    noun="condition",
    example="spo2 < 90",
    shorten="split it into several rules",
)

Metrics = Mapping[str, float]
Truth = Callable[[Metrics], "bool | None"]


def number(value: float) -> str:
    """A value as people write it: ``88``, ``36.6``."""
    return str(int(value)) if value == int(value) else f"{value:.4g}"


@dataclass(frozen=True, slots=True)
class Range:
    low: float
    high: float
    unit: str


@dataclass(frozen=True, slots=True)
class _Number:
    """A numeric sub-expression: its code, and the interval its value cannot leave."""

    code: str
    low: float
    high: float
    metrics: frozenset[str]
    render: Callable[[Metrics], str]
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A true-or-false sub-expression. Its code yields True, False or None (unknown)."""

    code: str
    metrics: frozenset[str]
    explain: Callable[[Metrics], str]


class Translator(Walk):
    """Walks the parsed expression once: checks names, types and ranges, and writes the code that will run."""

    def __init__(self, source: Source, ranges: dict[str, Range], kinds: str) -> None:
        super().__init__(source, DIALECT)
        self.ranges = ranges
        self.kinds = kinds
        self.literals: set[float] = set()

    # -- conditions

    def condition(self, node: ast.expr, depth: int) -> Condition:
        self.enter(node, depth)
        match node:
            case ast.Compare():
                return self._compare(node, depth)
            case ast.BoolOp(op=op, values=values):
                parts = [self.condition(value, depth + 1) for value in values]
                return self._all(parts) if isinstance(op, ast.And) else self._any(parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                part = self.condition(operand, depth + 1)
                code, text = self.negation(part.code), ast.unparse(node)
                return Condition(code, part.metrics, lambda metrics: _with_values(text, part.metrics, metrics))
            case ast.Call(func=ast.Name(id="has")):
                return self._has(node)
            case ast.Name() | ast.Constant() | ast.BinOp() | ast.UnaryOp() | ast.Call():
                value = self.number(node, depth)
                raise self.error(
                    node,
                    f"{value.text} is a number",
                    "a condition, true or false",
                    f"compare it, for example {value.text} > 0",
                )
        raise self.refused(node)

    def _all(self, parts: list[Condition]) -> Condition:
        return Condition(
            self.conjunction([part.code for part in parts]),
            frozenset().union(*(part.metrics for part in parts)),
            lambda metrics: " and ".join(part.explain(metrics) for part in parts),
        )

    def _any(self, parts: list[Condition]) -> Condition:
        def explain(metrics: Metrics) -> str:
            held = [part.explain(metrics) for part in parts if _holds(part, metrics)]
            return " and ".join(held or [part.explain(metrics) for part in parts])

        return Condition(
            self.disjunction([part.code for part in parts]),
            frozenset().union(*(part.metrics for part in parts)),
            explain,
        )

    def _compare(self, node: ast.Compare, depth: int) -> Condition:
        operators = [COMPARE.get(type(op)) for op in node.ops]
        if None in operators:
            raise self.error(node, "this comparison does not exist here", "< <= > >= == !=", "compare numbers")
        symbols = [symbol for symbol in operators if symbol is not None]
        operands = [self.number(value, depth + 1) for value in (node.left, *node.comparators)]
        for symbol, left, right in zip(symbols, operands, operands[1:], strict=False):
            self._check_possible(node, symbol, left, right)
        rest = list(zip(symbols, operands[1:], strict=True))
        metrics = frozenset().union(*(operand.metrics for operand in operands))
        code = operands[0].code + "".join(f" {symbol} {operand.code}" for symbol, operand in rest)
        if metrics:
            missing = " or ".join(f"m_{name} is None" for name in sorted(metrics))
            code = f"None if {missing} else {code}"

        def explain(values: Metrics) -> str:
            return operands[0].render(values) + "".join(f" {s} {operand.render(values)}" for s, operand in rest)

        return Condition(f"({code})", metrics, explain)

    def _check_possible(self, node: ast.Compare, symbol: str, left: _Number, right: _Number) -> None:
        never, always = _verdict(symbol, left, right)
        if not never and not always:
            return
        known = [
            f"{name} is {number(self.ranges[name].low)} to {number(self.ranges[name].high)} {self.ranges[name].unit}"
            for name in sorted(left.metrics | right.metrics)
        ]
        raise self.error(
            node,
            f"impossible comparison: {left.text} {symbol} {right.text} {'can never hold' if never else 'always holds'}",
            "; ".join(known) or "a metric on one side",
            "correct the limit, its unit or the metric",
        )

    def _has(self, node: ast.Call) -> Condition:
        if len(node.args) != 1 or node.keywords or not isinstance(node.args[0], ast.Name):
            raise self.error(node, "has() is not used rightly", "has(metric)", "name one metric between the brackets")
        self.enter(node.args[0], 1)
        name = self._metric(node.args[0])
        return Condition(
            f"(m_{name} is not None)",
            frozenset({name}),
            lambda metrics: f"{name} is {'there' if name in metrics else 'missing'}",
        )

    # -- numbers

    def number(self, node: ast.expr, depth: int) -> _Number:
        self.enter(node, depth)
        match node:
            case ast.Constant(value=value):
                return self._literal(node, value)
            case ast.Name():
                name = self._metric(node)
                at = self.ranges[name]
                return _Number(
                    f"m_{name}",
                    at.low,
                    at.high,
                    frozenset({name}),
                    lambda metrics: f"{name} {number(metrics[name])}" if name in metrics else name,
                    name,
                )
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
                part = self.number(operand, depth + 1)
                sign = "-" if isinstance(op, ast.USub) else "+"
                low, high = (-part.high, -part.low) if sign == "-" else (part.low, part.high)
                return _Number(
                    f"({sign}{part.code})", low, high, part.metrics, lambda m: sign + part.render(m), sign + part.text
                )
            case ast.BinOp(op=operator) if type(operator) in ARITHMETIC:
                return self._arithmetic(node, depth)
            case ast.Call():
                return self._call(node, depth)
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                raise self.error(node, "a condition stands where a number belongs", "a number", "put it on its own")
        raise self.refused(node)

    def _literal(self, node: ast.Constant, value: object) -> _Number:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(node, f"{value!r} is not a number", "a number or a metric", "conditions compare numbers")
        if not -MAX_NUMBER <= value <= MAX_NUMBER:
            raise self.error(node, "the number is too large", f"at most {MAX_NUMBER:g}", "check the unit")
        exact = float(value)
        self.literals.add(exact)
        return _Number(repr(exact), exact, exact, frozenset(), lambda _: number(exact), number(exact))

    def _arithmetic(self, node: ast.BinOp, depth: int) -> _Number:
        left, right = self.number(node.left, depth + 1), self.number(node.right, depth + 1)
        symbol = ARITHMETIC[type(node.op)]
        if symbol == "/" and -_SMALLEST_DIVISOR < right.low <= right.high < _SMALLEST_DIVISOR:
            raise self.error(node, "it divides by zero", "a divisor other than 0", "correct the divisor")
        low, high = _interval(symbol, left, right)
        if max(abs(low), abs(high)) > _LARGEST:
            raise self.error(node, "the result may grow too large", "ordinary numbers", "simplify the arithmetic")
        code = f"divide({left.code}, {right.code})" if symbol == "/" else f"({left.code} {symbol} {right.code})"
        return _Number(
            code,
            low,
            high,
            left.metrics | right.metrics,
            lambda metrics: f"({left.render(metrics)} {symbol} {right.render(metrics)})",
            f"({left.text} {symbol} {right.text})",
        )

    def _call(self, node: ast.Call, depth: int) -> _Number:
        name = node.func.id if isinstance(node.func, ast.Name) else "of that shape"
        if name == "has":
            raise self.error(node, "has() is true or false", "a number", "put it on its own: has(spo2) and spo2 < 90")
        if name not in ("min", "max", "abs"):
            raise self.error(node, f"there is no function {name[:40]}", "min, max, abs, has", "use one of these")
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise self.error(node, f"{name}() takes plain numbers", "numbers or metrics", "leave * and = out")
        if (name == "abs" and len(node.args) != 1) or (name != "abs" and len(node.args) < 2):
            raise self.error(
                node,
                f"{name}() got {len(node.args)} numbers",
                "one" if name == "abs" else "two or more",
                "correct the brackets",
            )
        parts = [self.number(argument, depth + 1) for argument in node.args]
        if name == "abs":
            (part,) = parts
            low = 0.0 if part.low <= 0 <= part.high else min(abs(part.low), abs(part.high))
            high = max(abs(part.low), abs(part.high))
        else:
            pick = min if name == "min" else max
            low, high = pick(part.low for part in parts), pick(part.high for part in parts)
        return _Number(
            f"{name}({', '.join(part.code for part in parts)})",
            low,
            high,
            frozenset().union(*(part.metrics for part in parts)),
            lambda metrics: f"{name}({', '.join(part.render(metrics) for part in parts)})",
            f"{name}({', '.join(part.text for part in parts)})",
        )

    def _metric(self, node: ast.Name) -> str:
        name = node.id
        if name in self.ranges:
            return name
        near = difflib.get_close_matches(name, self.ranges, n=3, cutoff=0.5)
        raise self.error(
            node,
            f"unknown metric {name[:40]!r}",
            f"a metric of {self.kinds} ({', '.join(sorted(self.ranges))})",
            f"did you mean {' or '.join(near)}?" if near else "check the spelling or the rule's kinds",
        )


def _verdict(symbol: str, left: _Number, right: _Number) -> tuple[bool, bool]:
    """Whether a comparison can never hold, and whether it always does, by the intervals of its sides."""
    match symbol:
        case "<":
            return left.low >= right.high, left.high < right.low
        case "<=":
            return left.low > right.high, left.high <= right.low
        case ">":
            return left.high <= right.low, left.low > right.high
        case ">=":
            return left.high < right.low, left.low >= right.high
    apart = left.high < right.low or right.high < left.low
    same = left.low == left.high == right.low == right.high
    return (apart, same) if symbol == "==" else (same, apart)


def _interval(symbol: str, left: _Number, right: _Number) -> tuple[float, float]:
    match symbol:
        case "+":
            return left.low + right.low, left.high + right.high
        case "-":
            return left.low - right.high, left.high - right.low
        case "*":
            corners = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
            return min(corners), max(corners)
    if right.low <= 0 <= right.high:
        largest = max(abs(left.low), abs(left.high)) / _SMALLEST_DIVISOR
        return -largest, largest
    corners = [a / b for a in (left.low, left.high) for b in (right.low, right.high)]
    return min(corners), max(corners)


def _divide(left: float, right: float) -> float:
    if -_SMALLEST_DIVISOR < right < _SMALLEST_DIVISOR:
        raise ZeroDivisionError
    return left / right


_FUNCTIONS = {"min": min, "max": max, "abs": abs, "divide": _divide}
"""All that compiled code can see. It was written by `Translator`: nothing of the rule's own text is ever run."""


def function_of(condition: Condition) -> Truth:
    """The code object of a condition, as a function of a reading's metrics."""
    body = ["get = metrics.get", *(f"m_{name} = get({name!r})" for name in sorted(condition.metrics))]
    return function("condition", "metrics", [*body, f"return {condition.code}"], _FUNCTIONS)


def _holds(condition: Condition, metrics: Metrics) -> bool:
    """For explanations only: whether this part of a condition is among what made it true."""
    try:
        return function_of(condition)(metrics) is True
    except ZeroDivisionError:
        return False


def _with_values(text: str, names: frozenset[str], metrics: Metrics) -> str:
    values = ", ".join(f"{name} {number(metrics[name])}" for name in sorted(names) if name in metrics)
    return f"{text} ({values})" if values else text
