"""Checks requests and answers against `contract.json`: what Grafana's published description says of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

_CONTRACT = json.loads((Path(__file__).parent / "contract.json").read_text(encoding="utf-8"))
BASE: str = _CONTRACT["base"]
SENT_ALWAYS = frozenset({"x-disable-provenance"})
"""Headers of our own choosing that the description must know for an operation."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the description."""

    name: str
    method: str
    pattern: re.Pattern[str]
    facts: Mapping[str, Any]


def _operations() -> tuple[Operation, ...]:
    found = []
    for name, facts in _CONTRACT["operations"].items():
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(BASE + facts["path"]))
        found.append(Operation(name, facts["method"], re.compile(pattern), facts))
    # What is written out comes before what a placeholder would take as well: /datasources/uid/… before /datasources/….
    return tuple(sorted(found, key=lambda one: one.facts["path"].count("{")))


OPERATIONS = _operations()


def find(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation and what stands in its path; None for one that is not described."""
    for operation in OPERATIONS:
        match = operation.pattern.fullmatch(path) if operation.method == method else None
        if match is not None:
            return operation, match.groupdict()
    return None


def request_faults(
    operation: Operation, query: Mapping[str, Any], headers: Mapping[str, str], body: object
) -> list[str]:
    """How a request differs from the description."""
    faults = [
        f"{operation.name}: query {name} is not described"
        for name in query
        if name not in operation.facts.get("query", ())
    ]
    known = {name.lower() for name in operation.facts.get("header", ())}
    faults += [
        f"{operation.name}: header {name} is not described"
        for name in headers
        if name.lower() in SENT_ALWAYS and name.lower() not in known
    ]
    schema = operation.facts.get("body")
    if schema is None:
        return faults if body is None else [*faults, f"{operation.name}: takes no body"]
    return faults + _faults(f"{operation.name} body", json.dumps(schema), body)


def answer_faults(operation: Operation, status: int, body: object) -> list[str]:
    """How an answer of the stand-in differs from the description."""
    answers = operation.facts["answers"]
    if str(status) not in answers:
        # The description leaves out refusals of the provisioning API that Grafana sends all the same.
        return [] if status >= 400 else [f"{operation.name}: answer {status} is not described"]
    schema = answers[str(status)]
    return [] if schema is None else _faults(f"{operation.name} answer {status}", json.dumps(schema), body)


@cache
def _validator(schema: str) -> Draft7Validator:
    return Draft7Validator({**json.loads(schema), "definitions": _CONTRACT["definitions"]})


def _faults(what: str, schema: str, body: object) -> list[str]:
    return [
        f"{what}: {'.'.join(str(step) for step in error.absolute_path)}: {error.message[:200]}"
        for error in _validator(schema).iter_errors(body)
    ]
