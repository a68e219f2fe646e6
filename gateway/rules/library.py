"""The library of rules: one YAML document each in ``library/``, to be taken as it is or with parts laid over it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import TypeAdapter

from gateway.rules.document import RuleDocument

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where it is: every command reads the library, and it takes ten times as long without."""
FOLDER = Path(__file__).parent / "library"
_adapter: TypeAdapter[RuleDocument] = TypeAdapter(RuleDocument)


@cache
def _read() -> dict[str, dict[str, Any]]:
    documents = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
        if not isinstance(document, dict) or document.get("id") != path.stem:
            raise ValueError(f"{path.name}: expected a rule with id: {path.stem}, like the file's name")
        documents[path.stem] = document
    return documents


@cache
def library() -> Mapping[str, Mapping[str, Any]]:
    """The raw documents by id, in the order of their ids. To be read: they are the same ones every time."""
    return MappingProxyType({name: MappingProxyType(document) for name, document in _read().items()})


@cache
def library_rules() -> Mapping[str, RuleDocument]:
    """The library's rules, validated. Raises pydantic.ValidationError for a document that is wrong."""
    return MappingProxyType({name: _adapter.validate_python(document) for name, document in _read().items()})
