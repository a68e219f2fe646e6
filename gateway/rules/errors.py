"""What is wrong with a rule, in words its author can act on."""

from __future__ import annotations

from devices.expression.errors import ExpressionError


class RuleError(ExpressionError):
    """A rule cannot be used. Says which rule and key, at which column, what was expected and what to do."""

    def __init__(
        self, problem: str, *, expected: str, hint: str, position: int | None = None, rule: str = "", key: str = ""
    ) -> None:
        super().__init__(problem, expected=expected, hint=hint, position=position)
        self.rule = rule
        self.key = key

    def __str__(self) -> str:
        where = [f"rule {self.rule}"] if self.rule else []
        where += [self.key] if self.key else []
        return ": ".join([*where, super().__str__()])
