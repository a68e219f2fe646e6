"""JSON Schema of a community's files, for editors that complete and check while one types."""

from __future__ import annotations

from typing import Any

from gateway.registry.model import Community
from gateway.registry.reference import TABLES, notes
from gateway.registry.work import catalogue
from gateway.rules.library import library


def json_schema() -> dict[str, Any]:
    """One schema for the main file and for included ones (nothing at the top is required), with `include` and `use`."""
    schema = Community.model_json_schema(mode="validation")
    definitions = schema["$defs"]
    rule = schema["properties"]["rules"]["items"]
    keys = sorted({key for ref in rule["oneOf"] for key in definitions[ref["$ref"].rsplit("/", 1)[1]]["properties"]})
    definitions["UseRule"] = {
        "type": "object",
        "description": "A rule of the library, with what is different here.",
        "required": ["use"],
        "properties": {"use": {"enum": sorted(library())}, **dict.fromkeys(keys, True)},
        "additionalProperties": False,
    }
    schema["properties"]["rules"]["items"] = {"anyOf": [rule, {"$ref": "#/$defs/UseRule"}]}
    definitions["UseWork"] = {
        "type": "object",
        "description": "A type of work that Anju ships, with what is different here.",
        "required": ["use"],
        "properties": {
            "use": {"enum": sorted(catalogue())},
            **dict.fromkeys(definitions["WorkType"]["properties"], True),
        },
        "additionalProperties": False,
    }
    work = schema["properties"]["work"]
    work["items"] = {"anyOf": [work["items"], {"$ref": "#/$defs/UseWork"}]}
    schema["properties"]["include"] = {
        "type": "array",
        "items": {"type": "string"},
        "description": "More files or patterns, relative to this file and inside its directory.",
    }
    for _, model in TABLES:
        for key, note in notes(model).items():
            definition = definitions[model.__name__]["properties"].get(key)
            if definition is not None:
                definition["description"] = note
    schema.pop("required", None)
    document = {key: schema.pop(key) for key in ("type", "properties", "additionalProperties", "description")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Anju community",
        "anyOf": [document, rule, {"$ref": "#/$defs/UseRule"}],
        "$defs": definitions,
    }
