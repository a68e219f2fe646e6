"""From a parsed expression to the code that will run: names, types, units and ranges are checked on the way.

Every sub-expression is either a number (`gateway.rules.arithmetic`), with the interval its value cannot leave, or a
condition, whose code yields True, False or None (unknown). Intervals find comparisons that can never hold.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from devices.expression.core import COMPARE, function
from devices.expression.errors import ExpressionError
from devices.expression.reading import Dialect, Source
from gateway.rules.arithmetic import Arithmetic
from gateway.rules.intervals import divide, verdict
from gateway.rules.terms import (
    Condition,
    Leaf,
    Number,
    Values,
    number,
)

DIALECT = Dialect(
    language="numbers, names, < <= > >= == !=, and, or, not, + - * /, min(), max(), abs(), has()",
    characters=re.compile(r"[A-Za-z0-9_ .,()<>=!+\-*/\"']*"),
    noun="condition",
    example="spo2 < 90",
    shorten="split it into several rules",
    quotes='write "',
)


class Translator(Arithmetic):
    """Walks the parsed expression once: checks names, types and ranges, and writes the code that will run."""

    def __init__(self, source: Source, dialect: Dialect = DIALECT) -> None:
        super().__init__(source, dialect)

    def condition(self, node: ast.expr, depth: int) -> Condition:
        """A sub-expression that must be true, false or unknown. Raises ExpressionError, also for a number."""
        self.enter(node, depth)
        match node:
            case ast.Compare():
                return self._compare(node, depth)
            case ast.BoolOp(op=op, values=values):
                parts = [self.condition(value, depth + 1) for value in values]
                return self._all(parts) if isinstance(op, ast.And) else self._any(parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                part = self.condition(operand, depth + 1)
                text = self.source.said(node)
                return Condition(
                    self.negation(part.code),
                    part.atoms,
                    lambda v: self._with_values(text, part.atoms, v),
                    lambda v: [f"it must not be that {part.explain(v)}"] if truth_of(part.code, v) else part.denied(v),
                    part.leaves,
                )
            case ast.Call(func=ast.Name(id="has")):
                return self._has(node)
            case ast.Attribute():
                return self._fact_condition(node)
        value = self._meaning(node, depth)
        if isinstance(value, Condition):
            return value
        raise self.error(
            node,
            f"{value.text} is a number",
            "a condition, true or false",
            f"compare it, for example {value.text} > 0",
        )

    def leaf(self, node: ast.expr, code: str, atoms: frozenset[str], render: Callable[[Values], str]) -> Condition:
        """A condition that has no parts."""
        leaf = Leaf(self.source.said(node), f"({code})", render)
        return Condition(f"({code})", atoms, render, lambda v: [_denied(leaf, v)], (leaf,))

    def _all(self, parts: list[Condition]) -> Condition:
        return Condition(
            self.conjunction([part.code for part in parts]),
            frozenset().union(*(part.atoms for part in parts)),
            lambda v: " and ".join(part.explain(v) for part in parts),
            lambda v: [one for part in parts if truth_of(part.code, v) is not True for one in part.denied(v)],
            tuple(leaf for part in parts for leaf in part.leaves),
        )

    def _any(self, parts: list[Condition]) -> Condition:
        def explain(values: Values) -> str:
            held = [part.explain(values) for part in parts if truth_of(part.code, values) is True]
            return " and ".join(held or [part.explain(values) for part in parts])

        return Condition(
            self.disjunction([part.code for part in parts]),
            frozenset().union(*(part.atoms for part in parts)),
            explain,
            lambda v: [one for part in parts for one in part.denied(v)],
            tuple(leaf for part in parts for leaf in part.leaves),
        )

    def _compare(self, node: ast.Compare, depth: int) -> Condition:
        if any(_is_word(side) for side in (node.left, *node.comparators)):
            return self._compare_words(node)
        operators = [COMPARE.get(type(op)) for op in node.ops]
        if None in operators:
            raise self.error(node, "this comparison does not exist here", "< <= > >= == !=", "compare numbers")
        symbols = [symbol for symbol in operators if symbol is not None]
        if any(isinstance(side, ast.Attribute) for side in (node.left, *node.comparators)):
            self._check_quotes(node)
        operands = [self.number(value, depth + 1) for value in (node.left, *node.comparators)]
        for symbol, left, right in zip(symbols, operands, operands[1:], strict=False):
            self._same_unit(node, symbol, left, right)
            self._check_possible(node, symbol, left, right)
            self.check_share(node, left, right)
        rest = list(zip(symbols, operands[1:], strict=True))
        atoms = frozenset().union(*(operand.atoms for operand in operands))
        code = operands[0].code + "".join(f" {symbol} {operand.code}" for symbol, operand in rest)
        return self.leaf(
            node,
            _known(atoms, code),
            atoms,
            lambda v: operands[0].render(v) + "".join(f" {s} {operand.render(v)}" for s, operand in rest),
        )

    def _check_quotes(self, node: ast.Compare) -> None:
        """A word beside a fact that stands for nothing is a text without its quotes."""
        for side in (node.left, *node.comparators):
            if isinstance(side, ast.Name):
                try:
                    self.name(side)
                except ExpressionError as error:
                    raise self.error(
                        side, error.problem, error.expected, f'put texts in quotes: "{side.id[:40]}"; else {error.hint}'
                    ) from None

    def _compare_words(self, node: ast.Compare) -> Condition:
        """A fact beside a text, or beside true and false."""
        sides = (node.left, *node.comparators)
        symbol = COMPARE.get(type(node.ops[0]))
        if len(sides) != 2 or symbol not in ("==", "!="):
            raise self.error(node, "texts have no order", "== or !=", "compare for being the same")
        facts = [side for side in sides if isinstance(side, ast.Attribute)]
        words = [side for side in sides if _is_word(side)]
        fact = self.attribute(facts[0]) if facts else None
        if fact is None or len(words) != 1:
            raise self.error(
                node,
                "a text can only be compared with a fact",
                "a fact of the device, place or resident on one side, a text on the other",
                'for example: device.role == "front_door"',
            )
        for side in sides:
            self.enter(side, 1)
        word = words[0]
        if isinstance(word, ast.Constant):
            variable, literal, shown = self.atom(f"env.text({fact!r})", fact), repr(word.value), repr(word.value)
        else:
            assert isinstance(word, ast.Name)
            variable = self.atom(f"env.truth({fact!r})", fact)
            literal, shown = ("True" if word.id.lower() == "true" else "False"), word.id.lower()
        atoms = frozenset({variable})
        code = _known(atoms, f"{variable} {symbol} {literal}")
        return self.leaf(node, code, atoms, lambda v: f"{fact} {_word(v.get(variable))} {symbol} {shown}")

    def _fact_condition(self, node: ast.Attribute) -> Condition:
        fact = self.attribute(node)
        if fact is None:
            raise self.refused(node)
        variable = self.atom(f"env.truth({fact!r})", fact)
        return self.leaf(node, variable, frozenset({variable}), lambda v: f"{fact} {_word(v.get(variable))}")

    def _check_possible(self, node: ast.Compare, symbol: str, left: Number, right: Number) -> None:
        never, always = verdict(symbol, left, right)
        if not never and not always:
            return
        raise self.error(
            node,
            f"impossible comparison: {left.text} {symbol} {right.text} {'can never hold' if never else 'always holds'}",
            "; ".join(self.ranges_of(left.atoms | right.atoms)) or "a metric on one side",
            "correct the limit, its unit or the metric",
        )

    def check_share(self, node: ast.Compare, left: Number, right: Number) -> None:
        """Raises ExpressionError where a percentage is compared with a share of one: ``spo2 < 0.9``."""

    def ranges_of(self, atoms: frozenset[str]) -> list[str]:
        """What the values can be, in words, for messages."""
        return []

    def _has(self, node: ast.Call) -> Condition:
        argument = node.args[0] if len(node.args) == 1 and not node.keywords else None
        if not isinstance(argument, ast.Name | ast.Attribute):
            raise self.error(node, "has() is not used rightly", "has(metric)", "name one metric between the brackets")
        self.enter(argument, 1)
        if isinstance(argument, ast.Attribute):
            fact = self.attribute(argument)
            if fact is None:
                raise self.refused(argument)
            variable = self.atom(f"env.fact({fact!r})", fact)
        else:
            meant = self.name(argument)
            if len(meant.atoms) != 1:
                raise self.error(argument, f"{argument.id} is always known", "a metric", "leave has() out")
            (variable,) = meant.atoms
        text = self.atoms[variable].text
        return self.leaf(
            node,
            f"{variable} is not None",
            frozenset({variable}),
            lambda v: f"{text} is {'there' if v.get(variable) is not None else 'missing'}",
        )

    def _with_values(self, text: str, atoms: frozenset[str], values: Values) -> str:
        known = [f"{self.atoms[one].text} {_word(values[one])}" for one in sorted(atoms) if values.get(one) is not None]
        return f"{text} ({', '.join(known)})" if known else text


UNKNOWN = "not known: "


def _denied(leaf: Leaf, values: Values) -> str:
    return leaf.render(values) if truth_of(leaf.code, values) is False else f"{UNKNOWN}{leaf.render(values)}"


def _is_word(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and isinstance(node.value, str)) or (
        isinstance(node, ast.Name) and node.id in ("true", "false")
    )


def _word(value: float | bool | str | None) -> str:
    if value is None:
        return "?"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else number(value)


def _known(atoms: frozenset[str], code: str) -> str:
    """``code`` where all of ``atoms`` are known, else None."""
    if not atoms:
        return code
    return f"None if {' or '.join(f'{one} is None' for one in sorted(atoms))} else {code}"


NAMES = {"min": min, "max": max, "abs": abs, "divide": divide}
"""All that compiled code can see. It was written by `Translator`: nothing of the rule's own text is ever run."""


def truth_of(code: str, values: Values) -> bool | None:
    """For explanations only: what a part of a condition comes to, for atoms that have been fetched."""
    try:
        made = function("part", ", ".join(values), [f"return {code}"], NAMES)
        found = made(**values)
    except ZeroDivisionError:
        return None
    return found if isinstance(found, bool) else None
