"""The description of the API: complete, true, and nothing that fits it (or does not) breaks the gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.api.models import Decision
from gateway.registry import candidates
from gateway.registry.candidates import CandidateNote
from tests.support.homes import FAR_LINE, community
from tests.support.house import House, open_house

JSON = "application/json"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    house = House(tmp_path_factory.mktemp("house"), None)
    house.engine.dispose()
    return house.app.openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def test_every_operation_says_what_it_does_and_how_it_fails(document: dict[str, Any]) -> None:
    found = list(operations(document))
    assert len(found) >= 25
    for path, method, operation in found:
        where = f"{method} {path}"
        assert operation["description"], where
        assert operation["tags"], where
        answers = operation["responses"]
        if path.startswith("/api/v1"):
            assert {"401", "403", "422", "503"} <= set(answers), where
            assert {next(iter(one)) for one in operation["security"]} == {"HTTPBearer", "APIKeyCookie"}, where
            for status, answer in answers.items():
                if status != "200":
                    assert answer["content"][JSON]["schema"] == {"$ref": "#/components/schemas/Problem"}, where
        if "{" in path:
            assert "404" in answers, where
        ok = answers["200"]["content"]
        assert all(content.get("schema") for content in ok.values()) or "text/event-stream" in ok, where
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_its_schemas_are_schemas_and_its_examples_fit_them(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    examples = 0
    for name, schema in schemas.items():
        Draft202012Validator.check_schema(schema)
        for example in schema.get("examples", []):
            whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
            Draft202012Validator(whole).validate(example)
            examples += 1
    assert examples >= 4
    for reference in _references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


async def test_the_examples_of_a_decision_are_accepted(house: House, document: dict[str, Any]) -> None:
    case = await house.press("sos-1")
    for example in document["components"]["schemas"][Decision.__name__]["examples"]:
        answer = await house.act(case["id"], "note", **example)
        assert answer.status_code == 200, answer.text


async def test_what_is_answered_fits_the_description(house: House, document: dict[str, Any]) -> None:
    case = await house.press("sos-1")
    await house.read("vitals-1", "vitals_monitor", house.clock.now_ms(), spo2=97.0)
    now_ms = house.clock.now_ms()
    stranger = CandidateNote(bridge="z2m", address="door", profile="zigbee2mqtt", heard=True, at_ms=now_ms)
    with house.engine.begin() as connection:
        candidates.note(connection, [stranger], now_ms)
    ids = {"case_id": case["id"], "device_id": "vitals-1", "action": "acknowledge", "bridge": "z2m", "address": "door"}
    ids |= {"place_id": "door-1", "resident_id": "r-1"}
    ids |= {"backtest_id": "bt-1", "rule_id": "sos-pressed", "how": "enable", "alarm_id": "1", "attachment_id": "att-1"}
    ids |= {"hand_over": "arc", "handover_id": "1", "override_id": "1", "drill_id": "drill-1"}
    query: dict[str, str | int] = {
        "device": "vitals-1",
        "metric": "spo2",
        "start_ms": now_ms,
        "end_ms": now_ms + 1,
        "width_s": 60,
    }
    for path, method, operation in operations(document):
        if path.endswith("/events"):
            continue
        wanted = query if path.endswith("/observations") else {}
        answer = await house.client("operator").request(method, path.format(**ids), params=wanted)
        content = operation["responses"][str(answer.status_code)]["content"]
        if JSON in content:
            schema = content[JSON]["schema"] | {"components": document["components"]}
            Draft202012Validator(schema).validate(answer.json())


def _strategy(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    """Mostly what the description allows, and much that it does not."""
    kinds = [one.get("type") for one in schema.get("anyOf", [schema])]
    words = st.sampled_from(["sos-1", "vitals-1", "2026-000001", "spo2", "true", "0", "-1", "9" * 30, "1e5", "nan", ""])
    wild = st.text(max_size=40)
    if "integer" in kinds:
        return st.integers(-(2**70), 2**70).map(str) | st.integers(0, 2000).map(str) | words | wild
    if "boolean" in kinds:
        return st.booleans().map(str) | words | wild
    if "enum" in schema:
        return st.sampled_from([str(one) for one in schema["enum"]]) | wild
    return words | wild


BODIES = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["reason", "to", "version", "x", "place", "kind", "id", "mode", "for_s", "address"]),
                inner | st.sampled_from(["door-1", "smoke", "test", "sos-1"]),
                max_size=4,
            )
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
)


def test_no_request_breaks_the_gateway(tmp_path: Path, document: dict[str, Any]) -> None:
    """Any path, query and body: an answer in words, never a defect; and what was decided can still be read."""
    every = [one for one in operations(document) if not one[0].endswith("/events")]
    opened = open_house(tmp_path, community(rungs=FAR_LINE))
    with asyncio.Runner() as loop:
        house = loop.run(opened.__aenter__())
        loop.run(house.press("sos-1"))
        client = house.client("admin")

        @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(st.data())
        def ask(data: st.DataObject) -> None:
            path, method, operation = data.draw(st.sampled_from(every))
            query: dict[str, str] = {}
            for parameter in operation.get("parameters", []):
                if not parameter.get("required") and not data.draw(st.booleans()):
                    continue
                value = data.draw(_strategy(parameter["schema"]), label=parameter["name"])
                if parameter["in"] == "path":
                    path = path.replace(f"{{{parameter['name']}}}", quote(value.replace("/", "_"), safe="") or "-")
                else:
                    query[parameter["name"]] = value
            body = data.draw(BODIES) if method in ("POST", "PUT", "PATCH") else None
            answer = loop.run(client.request(method, path, params=query, content=body))
            if path == "/readyz":
                return
            assert answer.status_code in {200, 400, 404, 409, 422}, answer.text
            if answer.status_code != 200:
                assert set(answer.json()) == {"code", "zh", "en", "fields"}

        try:
            ask()
            assert len(loop.run(house.get("/api/v1/cases"))) == 1
            assert house.decider.health.trouble is None
        finally:
            loop.run(opened.__aexit__(None, None, None))
