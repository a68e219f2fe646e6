"""From a parsed expression to the code that will run: names, types, units and ranges are checked on the way.

Every sub-expression is either a number, with the interval its value cannot leave, or a condition, whose code yields
True, False or None (unknown). Intervals find comparisons that can never hold, and prove that neither infinity nor NaN
can arise while a rule runs. What a name stands for is decided by the scope (`gateway.rules.scopes`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from devices.expression.core import ARITHMETIC, COMPARE, Walk, function
from devices.expression.errors import ExpressionError
from devices.expression.reading import Dialect, Source
from gateway.rules.intervals import divide, interval, unit_of, verdict
from gateway.rules.terms import (
    LARGEST,
    MAX_NUMBER,
    SMALLEST_DIVISOR,
    Atom,
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


class Translator(Walk):
    """Walks the parsed expression once: checks names, types and ranges, and writes the code that will run."""

    def __init__(self, source: Source, dialect: Dialect = DIALECT) -> None:
        super().__init__(source, dialect)
        self.atoms: dict[str, Atom] = {}
        """By variable, in the order in which they must be fetched."""
        self.literals: set[float] = set()

    # -- what a scope says

    def name(self, node: ast.Name) -> Number | Condition:
        """What a name stands for. Raises ExpressionError for one that stands for nothing."""
        raise NotImplementedError

    def call(self, node: ast.Call, depth: int) -> Number | Condition | None:
        """What a function of this scope yields; None where it is none of its own."""
        raise NotImplementedError

    def attribute(self, node: ast.Attribute) -> str | None:
        """The fact that ``place.level`` names; None where this scope knows no facts."""
        raise NotImplementedError

    def functions(self) -> str:
        """The functions there are, for messages."""
        return "min, max, abs, has"

    def atom(
        self, fetch: str, text: str, needs: frozenset[str] = frozenset(), detail: str = "", variable: str = ""
    ) -> str:
        """The variable of an atom; the same fetch is the same atom."""
        for known in self.atoms.values():
            if known.fetch == fetch:
                return known.variable
        made = variable or f"a{len(self.atoms)}"
        self.atoms[made] = Atom(made, fetch, text, needs, detail)
        return made

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

    def _meaning(self, node: ast.expr, depth: int) -> Number | Condition:
        match node:
            case ast.Name():
                return self.name(node)
            case ast.Call():
                made = self.call(node, depth)
                return self._call(node, depth) if made is None else made
            case ast.Constant() | ast.BinOp() | ast.UnaryOp():
                return self.number(node, depth)
        raise self.refused(node)

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

    def _same_unit(self, node: ast.expr, symbol: str, left: Number, right: Number) -> None:
        if left.unit is not None and right.unit is not None and left.unit != right.unit:
            raise self.error(
                node,
                f"{left.text} is in {left.unit}, {right.text} in {right.unit}: {symbol} makes no sense between them",
                "the same unit on both sides",
                "compare what is of one kind, or take a ratio to a number",
            )

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

    # -- numbers

    def number(self, node: ast.expr, depth: int) -> Number:
        self.enter(node, depth)
        match node:
            case ast.Constant(value=value):
                return self._literal(node, value)
            case ast.Attribute():
                fact = self.attribute(node)
                if fact is None:
                    raise self.refused(node)
                return self.number_atom(f"env.number({fact!r})", fact, -MAX_NUMBER, MAX_NUMBER)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
                part = self.number(operand, depth + 1)
                sign = "-" if isinstance(op, ast.USub) else "+"
                low, high = (-part.high, -part.low) if sign == "-" else (part.low, part.high)
                return Number(
                    f"({sign}{part.code})",
                    low,
                    high,
                    part.atoms,
                    lambda v: sign + part.render(v),
                    sign + part.text,
                    part.unit,
                )
            case ast.BinOp(op=operator) if type(operator) in ARITHMETIC:
                return self._arithmetic(node, depth)
            case ast.Name() | ast.Call():
                meant = self._meaning(node, depth)
                if isinstance(meant, Number):
                    return meant
                name = node.id if isinstance(node, ast.Name) else ast.unparse(node.func)
                if name == "has":
                    raise self.error(
                        node, "has() is true or false", "a number", "put it on its own: has(spo2) and spo2 < 90"
                    )
                raise self.error(node, f"{name[:40]} is true or false", "a number", "put it on its own")
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                raise self.error(node, "a condition stands where a number belongs", "a number", "put it on its own")
        raise self.refused(node)

    def number_atom(
        self,
        fetch: str,
        text: str,
        low: float,
        high: float,
        unit: str | None = None,
        needs: frozenset[str] = frozenset(),
        variable: str = "",
    ) -> Number:
        """An atom as a number."""
        made = self.atom(fetch, text, needs, variable=variable)

        def render(values: Values) -> str:
            value = values.get(made)
            return text if value is None or isinstance(value, str) else f"{text} {number(value)}"

        return Number(made, low, high, frozenset({made}), render, text, unit)

    def constant(self, value: float, text: str, unit: str | None = None) -> Number:
        """A number that is always the same."""
        return Number(repr(value), value, value, frozenset(), lambda _: text, text, unit)

    def _literal(self, node: ast.Constant, value: object) -> Number:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(node, f"{value!r} is not a number", "a number or a metric", "conditions compare numbers")
        if not -MAX_NUMBER <= value <= MAX_NUMBER:
            raise self.error(node, "the number is too large", f"at most {MAX_NUMBER:g}", "check the unit")
        exact = float(value)
        self.literals.add(exact)
        return self.constant(exact, number(exact))

    def _arithmetic(self, node: ast.BinOp, depth: int) -> Number:
        left, right = self.number(node.left, depth + 1), self.number(node.right, depth + 1)
        symbol = ARITHMETIC[type(node.op)]
        if symbol in "+-":
            self._same_unit(node, symbol, left, right)
        if symbol == "/" and -SMALLEST_DIVISOR < right.low <= right.high < SMALLEST_DIVISOR:
            raise self.error(node, "it divides by zero", "a divisor other than 0", "correct the divisor")
        low, high = interval(symbol, left, right)
        if max(abs(low), abs(high)) > LARGEST:
            raise self.error(node, "the result may grow too large", "ordinary numbers", "simplify the arithmetic")
        code = f"divide({left.code}, {right.code})" if symbol == "/" else f"({left.code} {symbol} {right.code})"
        return Number(
            code,
            low,
            high,
            left.atoms | right.atoms,
            lambda v: f"({left.render(v)} {symbol} {right.render(v)})",
            f"({left.text} {symbol} {right.text})",
            unit_of(symbol, left, right),
        )

    def _call(self, node: ast.Call, depth: int) -> Number:
        name = node.func.id if isinstance(node.func, ast.Name) else "of that shape"
        if name == "has":
            raise self.error(node, "has() is true or false", "a number", "put it on its own: has(spo2) and spo2 < 90")
        if name not in ("min", "max", "abs"):
            raise self.error(node, f"there is no function {name[:40]}", self.functions(), "use one of these")
        self.plain_arguments(node, name)
        if (name == "abs" and len(node.args) != 1) or (name != "abs" and len(node.args) < 2):
            raise self.error(
                node,
                f"{name}() got {len(node.args)} numbers",
                "one" if name == "abs" else "two or more",
                "correct the brackets",
            )
        parts = [self.number(argument, depth + 1) for argument in node.args]
        for other in parts[1:]:
            self._same_unit(node, name, parts[0], other)
        if name == "abs":
            (part,) = parts
            low = 0.0 if part.low <= 0 <= part.high else min(abs(part.low), abs(part.high))
            high = max(abs(part.low), abs(part.high))
        else:
            pick = min if name == "min" else max
            low, high = pick(part.low for part in parts), pick(part.high for part in parts)
        return Number(
            f"{name}({', '.join(part.code for part in parts)})",
            low,
            high,
            frozenset().union(*(part.atoms for part in parts)),
            lambda v: f"{name}({', '.join(part.render(v) for part in parts)})",
            f"{name}({', '.join(part.text for part in parts)})",
            next((part.unit for part in parts if part.unit is not None), None),
        )

    def plain_arguments(self, node: ast.Call, name: str) -> None:
        """Raises ExpressionError where a call has anything but plain arguments."""
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise self.error(node, f"{name}() takes plain numbers", "numbers or metrics", "leave * and = out")

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
