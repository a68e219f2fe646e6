"""Wording of dashboards: Chinese and English side by side, from one source."""

from __future__ import annotations

from typing import Literal, NamedTuple

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")


class Text(NamedTuple):
    """What people read, in both languages."""

    zh: str
    en: str

    def of(self, language: Language) -> str:
        """In this language."""
        return self.zh if language == "zh" else self.en
