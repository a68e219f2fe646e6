"""A simulated Grafana posts its alerts over real HTTP to the gateway's door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from firmware_sim.device import ActionError
from firmware_sim.gear.base import Door
from firmware_sim.gear.grafana import SimGrafana
from tests.support.eventually import eventually_async
from tests.support.gear import START_MS
from tests.support.push_house import push_house

DEVICES = {"grafana": "bridge", "telemetry": "telemetry", "gw-2": "gateways#gw-2"}


async def test_alerts_repeats_tests_and_a_heartbeat(tmp_path: Path) -> None:
    async with (
        push_house(tmp_path, "grafana", DEVICES, kind="monitor") as site,
        site.simulating(SimGrafana(site.door, clock=site.now)) as grafana,
    ):
        grafana.act("", "test")
        await site.events("telemetry", "online")
        grafana.act("telemetry", "critical_alert")
        for _ in range(3):
            site.later(600_000)
            grafana.act("telemetry", "repeat")
        grafana.act("telemetry", "critical_alert_cleared")
        grafana.act("gateways#gw-2", "alert")
        grafana.act("gateways#gw-2", "alert_cleared")
        grafana.act("bridge", "fault")
        grafana.act("", "stray")
        grafana.act("", "stray", {"end": True})
        site.later(600_000)
        grafana.act("", "heartbeat")
        await site.events("telemetry", "online", "critical_alert", "critical_alert_cleared")
        await site.events("gw-2", "online", "alert", "alert_cleared")
        await site.events("grafana", "online", "fault", "alert", "alert_cleared")
        assert set(grafana.answers) == {200}


async def test_what_is_broken_is_kept_with_its_reason(tmp_path: Path) -> None:
    async with (
        push_house(tmp_path, "grafana", DEVICES, kind="monitor") as site,
        site.simulating(SimGrafana(site.door, clock=site.now)) as grafana,
    ):
        grafana.act("", "garble")
        await site.quarantined(1)


def test_the_simulated_grafana_refuses_what_it_cannot_do() -> None:
    grafana = SimGrafana(Door("http://127.0.0.1:1"), clock=lambda: START_MS)
    with pytest.raises(ActionError, match="does not fire"):
        grafana.act("telemetry", "alert_cleared")
    with pytest.raises(ActionError, match="cannot 'press'"):
        grafana.act("telemetry", "press")
    grafana.act("telemetry", "alert", {"instance": "gw-1"})
    assert grafana.state()["devices"]["telemetry"]["firing"] == ["alert gw-1"]  # type: ignore[index]


async def test_an_alert_opens_one_case_and_its_end_clears_it(tmp_path: Path) -> None:
    """The whole way: what Grafana posts, by a key, becomes one alarm and one case; a test becomes nothing."""
    async with push_house(tmp_path, "grafana", DEVICES, kind="monitor") as site:
        grafana = SimGrafana(site.door, clock=site.now)

        async def alarms_and_cases() -> tuple[list[dict[str, Any]], list[str]]:
            await site.house.decided()
            alarms = [one for one in await site.house.get("/api/v1/alarms") if one["subject"] == "device:telemetry"]
            cases = [one["case"] for one in await site.house.get("/api/v1/cases")]
            return alarms, [case["id"] for case in cases if case["device"] == "telemetry"]

        async with site.simulating(grafana):
            grafana.act("", "test")
            await site.events("telemetry", "online")
            assert await alarms_and_cases() == ([], [])

            async def act(action: str, instance: str = "") -> None:
                """Done, and answered, before the next thing happens."""
                site.later(60_000)
                answered = len(grafana.answers)
                grafana.act("telemetry", action, {"instance": instance} if instance else {})
                await eventually_async(lambda: len(grafana.answers) > answered, 10, "it is pushed")

            for instance in ("", "gw-1", "gw-2"):
                await act("critical_alert", instance)
            site.later(3_600_000)
            await act("repeat")
            (alarm,), cases = await alarms_and_cases()
            assert (alarm["rule"], alarm["severity"]) == ("monitor-critical", "urgent")
            assert alarm["cleared_at_ms"] is None and alarm["repeats"] == 2, "two more joined; the repetition is none"
            assert len(cases) == 1

            for instance in ("", "gw-1", "gw-2"):
                await act("critical_alert_cleared", instance)
            (alarm,), again = await alarms_and_cases()
            assert alarm["cleared_at_ms"] is not None and again == cases


async def test_a_message_with_a_wrong_key_is_not_heard(tmp_path: Path) -> None:
    async with push_house(tmp_path, "grafana", DEVICES, kind="monitor") as site:
        grafana = SimGrafana(Door(site.door.url, {"Authorization": "Bearer wrong"}), clock=site.now)
        async with site.simulating(grafana):
            grafana.act("telemetry", "critical_alert")
            await eventually_async(lambda: list(grafana.answers) == [401], 10, "it is turned away")
        assert site.observations("telemetry") == []
