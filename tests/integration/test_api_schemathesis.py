"""Schemathesis over the API's own description: whatever fits it, or almost does, is answered as it says.

Every GET, and all that concerns rules, within a minute: each operation has a few requests of its own, of what is
allowed and of what is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.homes import FAR_LINE, community
from tests.support.house import House, open_house

REQUESTS = 8
"""Of each operation."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
USED = ("sos-pressed", "smoke-alarm", "bin-full")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    document = community(rungs=FAR_LINE) | {"rules": [{"use": rule} for rule in USED]}
    opened = open_house(tmp_path_factory.mktemp("house"), document)
    with asyncio.Runner() as loop:
        house = loop.run(opened.__aenter__())
        loop.run(house.press("sos-1"))
        try:
            yield house
        finally:
            loop.run(opened.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def operations(house: House) -> list[Any]:
    """As Schemathesis reads them. Left out: what streams, pushes, starts processes, or is not ready here (a 503)."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", house.app)
    schema = schema.exclude(path_regex="/events$|^/push|/backtests|^/readyz")
    return [found.ok() for found in schema.get_all_operations()]


def test_what_is_read_is_as_described(house: House, operations: list[Any]) -> None:
    read = [one for one in operations if one.method == "get"]
    assert len(read) >= 20
    for operation in read:
        ask(operation, house)


def test_what_is_done_to_rules_is_answered_as_described(house: House, operations: list[Any]) -> None:
    changing = [one for one in operations if one.path.startswith("/api/v1/rules") and one.method != "get"]
    assert len(changing) >= 7
    for operation in changing:
        ask(operation, house)
    assert house.decider.health.registry is None, "the decider can use what was written"


def ask(operation: Any, house: House) -> None:
    headers = {"Authorization": f"Bearer {house.tokens['admin']}"}

    @settings(max_examples=REQUESTS, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(operation.as_strategy(GenerationMode.POSITIVE) | operation.as_strategy(GenerationMode.NEGATIVE))
    def one(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=headers, checks=CHECKS)

    one()
