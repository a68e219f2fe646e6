"""The gateway's health, part by part: what fails it, what degrades it, and the words that say so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import checkup
from gateway.health import Part
from gateway.metrics import metrics_registry
from gateway.outbox.health import ChannelHealth, OutboxHealth
from tests.support.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


def part(house: House, name: str) -> Part:
    [found] = [one for one in house.checkup.parts() if one.name == name]
    return found


def test_names_are_unique_and_everything_is_in_words(house: House) -> None:
    parts = house.checkup.parts()
    assert len({one.name for one in parts}) == len(parts)
    for one in parts:
        assert one.zh and one.en


def test_a_broker_nobody_reaches(house: House) -> None:
    for lane in ("mqtt-urgent", "mqtt-routine"):
        found = part(house, lane)
        assert (found.state, found.critical) == ("failed", True)
        assert "not connected" in found.en


def test_a_line_that_is_unplugged_fails_but_the_gateway_is_ready(house: House) -> None:
    found = part(house, "serial-bus")
    assert (found.state, found.critical) == ("failed", False)


def test_a_decider_in_trouble_and_behind(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert part(house, "decider").state == "ok"
    house.decider.health.undecidable = 2
    assert part(house, "decider").state == "degraded"
    assert "2 undecidable" in part(house, "decider").en
    house.decider.health.undecidable = 0
    monkeypatch.setattr(checkup, "BACKLOG", -1)
    assert part(house, "decider").state == "degraded"
    monkeypatch.setattr(type(house.decider.health), "trouble", "disk I/O error", raising=False)
    house.decider.health.trouble = "disk I/O error"
    found = part(house, "decider")
    assert found.state == "failed"
    assert "disk I/O error" in found.en and "日志" in found.zh


def test_a_journal_that_cannot_write(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "MB free" in part(house, "journal").en

    class Trouble(SimpleNamespace):
        def __str__(self) -> str:
            return f"{self.part}: disk full"

    for where, state in (("routine", "degraded"), ("urgent", "failed")):
        troubles = [Trouble(part=where, since_ms=5)]
        monkeypatch.setattr(house.journal, "health", lambda troubles=troubles: troubles)
        found = part(house, "journal")
        assert (found.state, found.since_ms) == (state, 5)
        assert "disk full" in found.en


def outbox(**changes: Any) -> OutboxHealth:
    values: dict[str, Any] = {
        "waiting": 0,
        "in_flight": 0,
        "oldest_due_s": 0.0,
        "looked_s": 0.0,
        "unrecorded": 0,
        "database_error": "",
        "channels": {},
    }
    return OutboxHealth(**values | changes)


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ({"waiting": 3}, "ok", "3 waiting"),
        ({"oldest_due_s": 61.0, "waiting": 1}, "failed", "1 waiting"),
        ({"database_error": "locked"}, "failed", "locked"),
        ({"channels": {"sms": ChannelHealth(failing=1, last_error="HTTP 500")}}, "degraded", "sms (HTTP 500)"),
    ],
)
def test_an_outbox_that_is_held_up(
    house: House, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], state: str, said: str
) -> None:
    monkeypatch.setattr(house.outbox, "health", lambda: outbox(**changes))
    found = part(house, "outbox")
    assert found.state == state
    assert said in found.en


def test_a_store_that_is_away_degrades_and_loses_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    health = house.writer.health()
    away = SimpleNamespace(**{name: getattr(health, name) for name in ("store", "lag_entries", "since_ms")})
    away.state, away.last_error, away.what_to_do = "unavailable", "connection refused", "start it"
    monkeypatch.setattr(house.writer, "health", lambda: away)
    found = part(house, "store")
    assert (found.state, found.critical) == ("degraded", False)
    assert "connection refused; start it" in found.en


def test_a_part_that_cannot_be_asked_has_failed_and_hides_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(house.journal, "stats", broken)
    found = part(house, "journal")
    assert (found.state, found.critical) == ("failed", True)
    assert "the disk is gone" in found.en
    assert part(house, "outbox").state == "ok"


def test_two_gateways_in_one_process_have_figures_of_their_own(house: House) -> None:
    for _ in range(2):
        registry = metrics_registry(house.organs, house.checkup)
        assert registry.get_sample_value("anju_part_ok", {"part": "decider"}) == 1.0
        assert registry.get_sample_value("anju_part_ok", {"part": "mqtt-urgent"}) == 0.0
        assert registry.get_sample_value("anju_mqtt_connected", {"lane": "urgent"}) == 0.0
        assert registry.get_sample_value("anju_journal_entries_total", {"lane": "urgent", "fate": "accepted"}) == 0.0
