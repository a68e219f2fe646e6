"""What is wrong in a community's files, said so that it can be put right without asking anybody."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.registry.chinese import chinese

Level = Literal["error", "warning"]
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong, with where it stands."""

    level: Level = "error"
    file: str
    line: int
    key: str
    """The way to the value inside the file: ``devices[17].kind``. Empty for the file itself."""
    message: str
    """What was expected, what was found, what to do."""
    column: int | None = None
    """Where in the expression at ``key``; in a file that is no YAML, where in the line."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " + (f"{self.key}: " if self.key else "")
        return where + f"{chinese(self.message)} {self.message}".lstrip()


class ConfigError(Exception):
    """A community that cannot be used; ``problems`` holds every reason, sorted by file and line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(found: object, candidates: Iterable[str], cutoff: float = 0.6) -> str:
    """``; did you mean sos_button?`` when one of ``candidates`` is close to ``found``, else nothing."""
    if not isinstance(found, str):
        return ""
    close = difflib.get_close_matches(found, list(candidates), n=1, cutoff=cutoff)
    return f"; did you mean {close[0]}?" if close else ""


def one_of(candidates: Iterable[str], limit: int = 30) -> str:
    """A readable list of what would have been right."""
    names = sorted(candidates)
    more = f" … ({len(names)} in all)" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def path_text(path: Path) -> str:
    """``("devices", 17, "kind")`` as ``devices[17].kind``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
