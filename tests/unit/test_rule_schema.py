"""docs/rules.schema.json is what the code says, and says what editors need."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from gateway.registry.rule_schema import PAGE, json_schema, text
from gateway.registry.rule_text import plain
from gateway.rules.library import FOLDER, library, library_rules


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(json_schema())


def test_the_document_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == text(), "run: make docs"


def test_it_is_a_schema_and_every_key_is_described() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    for name, definition in schema["$defs"].items():
        for key, field in definition.get("properties", {}).items():
            assert field.get("description") or "$ref" in field, f"{name}.{key}"


@pytest.mark.parametrize("rule", sorted(library()))
def test_the_librarys_rules_fit_it_as_they_stand_and_as_they_are_written(rule: str) -> None:
    validator().validate(yaml.safe_load((FOLDER / f"{rule}.yaml").read_text(encoding="utf-8")))
    validator().validate(plain(library_rules()[rule]))


@pytest.mark.parametrize(
    "document",
    [
        {"use": "bin-full", "when": "fill >= 70"},
        {"rules": [{"use": "bin-full"}, {"use": "sos-pressed", "id": "sos"}]},
    ],
)
def test_what_people_write_fits_it(document: dict[str, Any]) -> None:
    validator().validate(document)


@pytest.mark.parametrize("document", [{"use": "bin-ful"}, {"form": "event"}, {"rules": [{"usee": "bin-full"}]}, []])
def test_what_is_wrong_does_not(document: Any) -> None:
    with pytest.raises(ValidationError):
        validator().validate(document)
