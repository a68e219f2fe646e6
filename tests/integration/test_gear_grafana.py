"""A simulated Grafana posts its alerts over real HTTP to the gateway's door."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_sim.device import ActionError
from firmware_sim.gear.base import Door
from firmware_sim.gear.grafana import SimGrafana
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
