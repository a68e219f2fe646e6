"""The numbers of an expression: what names and calls yield, arithmetic, units, and the interval no value can leave.

Intervals prove that neither infinity nor NaN can arise while a rule runs. What a name stands for is decided by the
scope (`gateway.rules.scopes`); conditions over these numbers are `gateway.rules.translate`'s.
"""

from __future__ import annotations

import ast

from devices.expression.core import ARITHMETIC, Walk
from devices.expression.reading import Dialect, Source
from gateway.rules.intervals import interval, unit_of
from gateway.rules.terms import LARGEST, MAX_NUMBER, SMALLEST_DIVISOR, Atom, Condition, Number, Values, number


class Arithmetic(Walk):
    """Translates numeric sub-expressions, and keeps the atoms that have to be fetched for them."""

    def __init__(self, source: Source, dialect: Dialect) -> None:
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

    # -- numbers

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

    def _same_unit(self, node: ast.expr, symbol: str, left: Number, right: Number) -> None:
        if left.unit is not None and right.unit is not None and left.unit != right.unit:
            raise self.error(
                node,
                f"{left.text} is in {left.unit}, {right.text} in {right.unit}: {symbol} makes no sense between them",
                "the same unit on both sides",
                "compare what is of one kind, or take a ratio to a number",
            )

    def number(self, node: ast.expr, depth: int) -> Number:
        """A sub-expression that must be a number. Raises ExpressionError, also for a condition."""
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
