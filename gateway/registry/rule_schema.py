"""JSON Schema of rules, for editors and programs: ``python -m gateway.registry.rule_schema`` writes
docs/rules.schema.json. It fits a file that is one rule, and one with a list ``rules:``."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from devices.kinds import KINDS
from gateway.alarms import ALARM_TYPES
from gateway.registry.reference import notes
from gateway.rules import document, examples
from gateway.rules.document import RuleDocument
from gateway.rules.library import library

PAGE = Path(__file__).parents[2] / "docs" / "rules.schema.json"
_TOLD: Mapping[str, str] = {
    "id": "The name under which its alarms are kept. It is the rule's for ever.",
    "version": "Which text of the rule decided: alarms carry it. The gateway counts it up by itself.",
    "zh": "In Chinese, as people read it.",
    "en": "In English.",
    "enabled": "false switches it off; what it had raised ends.",
    "form": "What sort of rule it is.",
    "kinds": "The kinds of device that it watches.",
    "raises": "The alarm that it raises.",
    "type": "The type of the alarm: docs/rules.md.",
    "severity": "How bad it is: emergency, urgent, service, notice.",
    "ladder": "Id of the ladder by which people are told.",
    "say": "What people are told, in place of a sentence made by the gateway.",
    "do": "What is done by itself when it raises.",
    "inhibited_by": "Other alarms while which stand nobody is told of this one.",
    "storm": "When many of its alarms are told as one.",
    "examples": "Short stories with their ends; a rule whose examples fail is not used.",
    "events": "Events that raise the alarm.",
    "when": "The condition: docs/rules.md, the language of conditions.",
    "clear": "When it is over; where not given, when `when` no longer holds.",
    "readings": "So many of the last readings must meet it.",
    "clear_readings": "So many readings must agree that it is over.",
    "intervals": "How many supervision intervals without a word.",
    "inputs": "What it looks at, by names of your own.",
    "command": "A command of the kind: docs/protocol.md.",
    "args": "Its arguments.",
    "types": "Types of alarms.",
    "at": "Where, or when.",
    "count": "How many.",
    "of": "Out of so many; or the input.",
    "within_s": "In so many seconds.",
    "metric": "A metric of the kinds: the newest value.",
    "upto": "For values up to and including it; the last band has none.",
    "points": "Points of the score.",
    "bands": "Points by value, from the lowest band to the highest.",
    "name": "What the story is about.",
    "devices": "The devices of the example's home, by id; one of the rule's first kind where it is left out.",
    "resident": "The attributes of the resident.",
    "limits": "Personal limits of the resident, by name.",
    "given": "What the devices say, in the order of time.",
    "expect": "What must come of it, and nothing else.",
    "kind": "A kind of device.",
    "attributes": "Attributes of the device.",
    "via": "The device that carries it.",
    "place": "The place where it is.",
    "event": "An event.",
    "metrics": "Readings, by name.",
    "clock_suspect": "Its clock is known to be wrong.",
    "move": "raise, repeat, clear or cancel.",
}
"""What the models do not say themselves."""


def json_schema() -> dict[str, Any]:
    """One schema for a file that is one rule, and for one with a list ``rules:``."""
    schema = TypeAdapter(RuleDocument).json_schema()
    definitions = schema.pop("$defs")
    models = {model.__name__: model for model in _models()}
    for name, definition in definitions.items():
        if "description" in definition:
            definition["description"] = _plain(definition["description"])
        said = notes(models[name]) if name in models else {}
        for key, field in definition.get("properties", {}).items():
            field.pop("title", None)
            if key in said or key in _TOLD:
                field["description"] = _plain(said.get(key) or _TOLD[key])
            _enumerate(key, field)
    rules = [one for one in definitions if one.endswith("Rule")]
    for name in rules:
        definitions[name]["required"].remove("version")
    keys = sorted({key for name in rules for key in definitions[name]["properties"]})
    definitions["UseRule"] = {
        "type": "object",
        "description": "A rule of the library, with what is different here.",
        "required": ["use"],
        "properties": {
            "use": {"enum": sorted(library()), "description": "The library's rule."},
            **{key: {"description": f"In place of the library's {key}."} for key in keys},
        },
        "additionalProperties": False,
    }
    one = {"anyOf": [*({"$ref": f"#/$defs/{name}"} for name in rules), {"$ref": "#/$defs/UseRule"}]}
    many = {
        "type": "object",
        "description": "Several rules.",
        "required": ["rules"],
        "properties": {"rules": {"type": "array", "items": one, "description": "Rules."}},
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Anju rules",
        "description": "A rule, or rules: with a list. See docs/rules.md.",
        "anyOf": [*one["anyOf"], many],
        "$defs": definitions,
    }


def _enumerate(key: str, field: dict[str, Any]) -> None:
    """The names that are known: editors offer them."""
    if key == "kinds" and field.get("type") == "array":
        field["items"] = {"enum": sorted(KINDS)}
    elif key == "types" and field.get("type") == "array":
        field["items"] = {"enum": sorted(ALARM_TYPES)}
    elif key == "kind" and field.get("type") == "string":
        field["enum"] = sorted(KINDS)
    elif key == "type" and field.get("type") == "string":
        field["enum"] = sorted(ALARM_TYPES)


def _models() -> Iterator[type[BaseModel]]:
    for module in (document, examples):
        for _, found in inspect.getmembers(module, inspect.isclass):
            if issubclass(found, BaseModel):
                yield found


def _plain(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def text() -> str:
    """docs/rules.schema.json as it should be."""
    return json.dumps(json_schema(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
