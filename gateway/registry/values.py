"""Small values that documents of a community are made of: ids, wording in two languages, positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, StringConstraints
from pydantic_core import PydanticCustomError

from gateway.alarms import Frozen
from gateway.alarms import Position as Position

TOPIC_LEVEL = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


Id = Annotated[str, StringConstraints(pattern=TOPIC_LEVEL)]
"""Ids travel in MQTT topics, so no ``/ + # $`` and no white space."""


class Text(Frozen):
    """Wording in the community's languages, Chinese first."""

    zh: str
    en: str

    def in_language(self, language: str) -> str:
        """``en`` for English; Chinese for every other language."""
        return self.en if language == "en" else self.zh


def _text(value: object) -> object:
    if isinstance(value, str):
        return {"zh": value, "en": value}
    if not isinstance(value, Mapping | Text):
        raise PydanticCustomError("wording", "expected text, or a mapping with zh and en")
    return value


Wording = Annotated[Text, BeforeValidator(_text, json_schema_input_type=str | Text)]
"""``{zh: …, en: …}``, or one string that serves for both."""
