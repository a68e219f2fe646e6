"""What is wrong with an expression, in words its author can act on."""

from __future__ import annotations


class ExpressionError(ValueError):
    """An expression cannot be used. Says at which column, what was expected and what to do."""

    def __init__(self, problem: str, *, expected: str, hint: str, position: int | None = None) -> None:
        super().__init__(problem, expected, hint, position)
        self.problem = problem
        self.expected = expected
        self.hint = hint
        self.position = position
        """Column in the expression, counted from 1; None where the whole is meant."""

    def __str__(self) -> str:
        where = f"column {self.position}: " if self.position is not None else ""
        return f"{where}{self.problem}; expected {self.expected}; {self.hint}"
