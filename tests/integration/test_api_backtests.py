"""Back-tests over the API: a worker process beside the gateway, one at a time, cancelled, bounded, ended with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from gateway.backtest import jobs
from gateway.backtest.jobs import Backtests
from tests.support.eventually import eventually_async
from tests.support.history import LOW
from tests.support.house import House, open_house
from tests.support.journal import NOON

PATH = "/api/v1/backtests"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


async def start(house: House, rules: object, **more: Any) -> dict[str, Any]:
    answer = await house.client("operator").post(PATH, json={"rules": rules} | more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def over(house: House, job: dict[str, Any]) -> dict[str, Any]:
    """The job when it is over."""
    found: dict[str, Any] = {}

    async def done() -> bool:
        found.update(await house.get(f"{PATH}/{job['id']}"))
        return found["state"] in ("done", "failed", "cancelled")

    for _ in range(600):
        if await done():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"not over: {found}")


async def test_a_rule_is_tried_on_what_was_heard_and_beside_what_was_really_raised(house: House) -> None:
    await house.press("sos-1")
    await house.say("vitals-1", spo2=84.0)
    await house.decided()
    job = await start(house, [{"use": "sos-pressed"}, LOW | {"readings": {"count": 1, "of": 1}}])
    assert (job["state"], job["actor"], job["source"]) == ("waiting", "operator:operator", "journal")
    assert (job["from_ms"], job["until_ms"]) == (NOON - 7 * 86_400_000, NOON)
    done = await over(house, job)
    assert (done["state"], done["error"]) == ("done", None), done
    assert done["progress"]["share"] == 1.0
    result = done["result"]
    assert {(one["rule"], one["subject"]) for one in result["alarms"]} == {
        ("sos-pressed", "resident:r-1"),
        ("low", "resident:r-1"),
    }
    really = {one["against"]: one for one in result["comparisons"]}["really_raised"]
    assert (really["alarms"], really["both"], really["only_new"]) == (1, 1, 1)
    assert [one["id"] for one in await house.get(PATH)] == [job["id"]]


async def test_rules_come_as_yaml_too_and_history_from_the_store(house: House) -> None:
    await house.read("vitals-1", "vitals_monitor", NOON - 60_000, spo2=84.0)
    await house.read("vitals-1", "vitals_monitor", NOON - 30_000, spo2=84.0)
    job = await start(house, yaml.safe_dump([LOW]), source="store", compare=False, devices=["vitals-1"])
    done = await over(house, job)
    assert done["result"]["summary"]["alarms"] == 1, done
    assert done["result"]["comparisons"] == []
    assert "store_has_device_times" in {note["code"] for note in done["result"]["notes"]}


async def test_faults_of_rules_are_named_before_anything_runs(house: House) -> None:
    client = house.client("operator")
    answer = await client.post(PATH, json={"rules": {"use": "spo2-low", "when": "sp02 < 90"}})
    assert answer.status_code == 422
    [fault] = answer.json()["fields"]
    assert fault["where"] == "body.rules:1 when"
    assert "did you mean spo2?" in fault["expected"]
    for body in (
        {},
        {"rules": "- :"},
        {"rules": []},
        {"rules": {"use": "spo2-low"}, "from_ms": NOON + 1},
        {"rules": {"use": "spo2-low"}, "source": "elsewhere"},
        {"rules": [{"use": "spo2-low"}] * 51},
    ):
        assert (await client.post(PATH, json=body)).status_code == 422, body
    assert (await client.post(PATH, json={"rules": "x" * 300_000})).status_code in (413, 422)
    assert (await house.client("reader").post(PATH, json={"rules": {"use": "spo2-low"}})).status_code == 403
    assert await house.get(PATH) == []


async def test_one_runs_a_few_wait_and_all_end_with_the_gateway(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A worker that never answers, in place of the real one.
    stuck = tmp_path / "stuck.py"
    stuck.write_text("import sys\nsys.stdin.buffer.read()\n", encoding="utf-8")
    monkeypatch.setattr(jobs, "WORKER", (str(stuck),))
    before = set(psutil.Process().children())  # of what else ran in this process
    started = [await start(house, {"use": "spo2-low"}) for _ in range(6)]
    full = await house.client("operator").post(PATH, json={"rules": {"use": "spo2-low"}})
    assert (full.status_code, full.json()["code"]) == (409, "queue_full")
    assert [one["state"] for one in await house.get(PATH)] == ["waiting"] * 5 + ["running"]
    await eventually_async(lambda: set(psutil.Process().children()) - before, 10, "the worker")
    client = house.client("operator")
    first, second = started[0], started[1]
    for one in (second, first):
        assert (await client.delete(f"{PATH}/{one['id']}")).json()["state"] == "cancelled"
    await eventually_async(lambda: house.backtests.all()[3].state == "running", 10, "the third runs")
    assert (await client.delete(f"{PATH}/{first['id']}")).status_code == 200  # over: forgotten
    assert (await client.get(f"{PATH}/{first['id']}")).status_code == 404
    assert (await client.delete(f"{PATH}/{first['id']}")).status_code == 404
    await house.backtests.close()
    assert {one.state for one in house.backtests.all()} == {"cancelled"}
    assert set(psutil.Process().children()) <= before
    assert (await client.post(PATH, json={"rules": {"use": "spo2-low"}})).status_code == 409


async def test_one_that_takes_too_long_or_dies_is_said_in_words(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "worker.py"
    monkeypatch.setattr(jobs, "WORKER", (str(script),))
    script.write_text("import sys\nsys.stdin.buffer.read()\n", encoding="utf-8")
    order = await _order(house)
    impatient = Backtests(house.clock, limit_s=0.3)
    slow = impatient.add(order, "operator:test")
    await eventually_async(lambda: slow.over, 10, "the time limit")
    assert slow.error is not None and "took more than" in slow.error.en
    script.write_text("import sys\nsys.stdin.buffer.readline()\nsys.exit(3)\n", encoding="utf-8")
    patient = Backtests(house.clock)
    dead = patient.add(order, "operator:test")
    await eventually_async(lambda: dead.over, 10, "its end")
    assert dead.error is not None and "ended by itself" in dead.error.en
    for one in (impatient, patient):
        await one.close()


async def _order(house: House) -> Any:
    job = house.backtests.find((await start(house, {"use": "spo2-low"}))["id"])
    assert job is not None
    house.backtests.cancel(job)
    return job.order


async def test_results_are_kept_for_a_while_only(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text("import sys\nsys.stdin.buffer.readline()\n", encoding="utf-8")
    monkeypatch.setattr(jobs, "WORKER", (str(script),))
    order = await _order(house)
    for _ in range(jobs.KEPT + 3):
        job = house.backtests.add(order, "operator:test")
        await eventually_async(lambda job=job: job.over, 10, "its end")  # type: ignore[misc]  # a default of a lambda
    assert len(house.backtests.all()) == jobs.KEPT
