"""What every walk over a parsed expression shares: bounds, errors with a place, three-valued logic, the code object.

Code is written from the parsed form, never copied from the text. Where something may be unknown, it yields None.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from devices.expression.errors import ExpressionError
from devices.expression.reading import MAX_DEPTH, Dialect, Source

MAX_NODES = 150

COMPARE: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
ARITHMETIC: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class Walk:
    """One walk over one expression."""

    def __init__(self, source: Source, dialect: Dialect) -> None:
        self.source = source
        self.dialect = dialect
        self._nodes = 0
        self._temporaries = 0

    def error(self, node: ast.expr, problem: str, expected: str, hint: str) -> ExpressionError:
        """What is wrong with this part of the expression, and where; to be raised."""
        return ExpressionError(problem, expected=expected, hint=hint, position=self.source.column(node))

    def enter(self, node: ast.expr, depth: int) -> None:
        """Count one more part. Raises ExpressionError where there are too many, or too deep."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self.error(node, "it has too many parts", f"at most {MAX_NODES}", self.dialect.shorten)
        if depth > MAX_DEPTH:
            raise self.error(node, "it is nested too deeply", f"at most {MAX_DEPTH} levels", "simplify it")

    def refused(self, node: ast.expr) -> ExpressionError:
        """This part is none of the language; to be raised."""
        return self.error(
            node,
            f"{self.source.said(node)[:40]} is not part of the language",
            self.dialect.language,
            f"write the {self.dialect.noun} with these alone",
        )

    def temporary(self) -> str:
        """The name of one more variable of the compiled code."""
        self._temporaries += 1
        return f"t{self._temporaries}"

    # -- three-valued logic (Kleene): code that yields True, False or None

    def negation(self, code: str) -> str:
        """Not: unknown of the unknown."""
        name = self.temporary()
        return f"(None if ({name} := {code}) is None else not {name})"

    def conjunction(self, codes: Sequence[str]) -> str:
        """And: False once one of them is, unknown where the others are true."""
        return self._joined(codes, "False", "True")

    def disjunction(self, codes: Sequence[str]) -> str:
        """Or: True once one of them is, unknown where the others are false."""
        return self._joined(codes, "True", "False")

    def _joined(self, codes: Sequence[str], decided: str, otherwise: str) -> str:
        names = [self.temporary() for _ in codes]
        some = " or ".join(f"({name} := {code}) is {decided}" for name, code in zip(names, codes, strict=True))
        unknown = " or ".join(f"{name} is None" for name in names)
        return f"({decided} if {some} else None if {unknown} else {otherwise})"


def function(name: str, parameters: str, body: Sequence[str], names: Mapping[str, object]) -> Callable[..., Any]:
    """A function from lines that a walk wrote. It sees ``names`` alone, not even built-ins."""
    lines = [f"def {name}({parameters}):", *(f" {line}" for line in body)]
    namespace: dict[str, Any] = {}
    exec(compile("\n".join(lines), f"<{name}>", "exec"), {"__builtins__": {}, **names}, namespace)
    made: Callable[..., Any] = namespace[name]
    return made
