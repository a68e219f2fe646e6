"""What is wrong with a rule, in words its author can act on."""

from __future__ import annotations


class RuleError(ValueError):
    """A rule cannot be used. Says which rule and key, at which column, what was expected and what to do."""

    def __init__(
        self, problem: str, *, expected: str, hint: str, position: int | None = None, rule: str = "", key: str = ""
    ) -> None:
        super().__init__(problem, expected, hint, position)
        self.problem = problem
        self.expected = expected
        self.hint = hint
        self.position = position
        """Column in the expression, counted from 1; None where the whole is meant."""
        self.rule = rule
        self.key = key

    def __str__(self) -> str:
        where = [f"rule {self.rule}"] if self.rule else []
        where += [self.key] if self.key else []
        where += [f"column {self.position}"] if self.position is not None else []
        return ": ".join([*where, f"{self.problem}; expected {self.expected}; {self.hint}"])
