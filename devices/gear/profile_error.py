"""What is wrong with a profile's YAML, in words its author can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ProfileError(ValueError):
    """A profile or a map cannot be used. Says in which file, line and key, what was expected and what to do."""

    def __init__(self, problem: str, *, expected: str, hint: str, file: str, line: int, key: str = "") -> None:
        super().__init__(problem, expected, hint, file, line, key)
        self.problem = problem
        self.expected = expected
        self.hint = hint
        self.file = file
        self.line = line
        """Counted from 1."""
        self.key = key
        """As a person would name it: ``kinds.smoke.metrics.alarm``, ``messages[2].when``."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " + (f"{self.key}: " if self.key else "")
        return f"{where}{self.problem}; expected {self.expected}; {self.hint}"


def nearest(word: str, known: Iterable[str], otherwise: str) -> str:
    """A hint: the known word that ``word`` may be a misspelling of."""
    found = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {found[0]}?" if found else otherwise
