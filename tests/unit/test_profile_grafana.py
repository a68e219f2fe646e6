"""Grafana's webhook: what its notifications become. The first is the example of Grafana's own documentation."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.observation import Lane, Refusal
from devices.profiles.grafana import FRESH_MS, GRAFANA, MAX_ALERTS
from tests.support.gear import Bench, Heard, device

# https://grafana.com/docs/grafana/v11.3/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier
DOCUMENTED: dict[str, Any] = {
    "receiver": "My Super Webhook",
    "status": "firing",
    "orgId": 1,
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "High memory usage", "team": "blue", "zone": "us-1"},
            "annotations": {
                "description": "The system has high memory usage",
                "runbook_url": "https://myrunbook.com/runbook/1234",
                "summary": "This alert was triggered for zone us-1",
            },
            "startsAt": "2021-10-12T09:51:03.157076+02:00",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://play.grafana.org/alerting/1afz29v7z/edit",
            "fingerprint": "c6eadffa33fcdf37",
            "silenceURL": "https://play.grafana.org/alerting/silence/new?alertmanager=grafana",
            "dashboardURL": "",
            "panelURL": "",
            "values": {"B": 44.23943737541908, "C": 1},
        },
    ],
    "groupLabels": {},
    "commonLabels": {"team": "blue"},
    "commonAnnotations": {},
    "externalURL": "https://play.grafana.org/",
    "version": "1",
    "groupKey": "{}:{}",
    "truncatedAlerts": 0,
    "title": "[FIRING:2]  (blue)",
    "state": "alerting",
    "message": "**Firing**",
}
START = "2026-09-21T14:13:15.5Z"
END = "2026-09-21T14:13:25.123456789Z"


def alert(fingerprint: str = "f1", *, over: bool = False, started: str = START, **labels: str) -> dict[str, Any]:
    return {
        "status": "resolved" if over else "firing",
        "labels": {"alertname": "Telemetry has stopped", "anju_device": "telemetry", **labels},
        "annotations": {"summary": "nothing for ten minutes"},
        "startsAt": started,
        "endsAt": END if over else "0001-01-01T00:00:00Z",
        "generatorURL": "https://grafana.example/alerting/grafana/r1/view",
        "fingerprint": fingerprint,
        "values": {"B": 0},
    }


def notice(*alerts: dict[str, Any], group: str = "g", truncated: int = 0) -> dict[str, Any]:
    return {"receiver": "anju", "alerts": list(alerts), "groupKey": group, "truncatedAlerts": truncated}


def bench() -> Bench:
    return Bench(
        GRAFANA,
        device("bridge", "monitor", id="grafana"),
        device("telemetry", "monitor", id="telemetry"),
        device("gateways#gw-1", "monitor", id="gw-1"),
        device("gateways", "monitor", id="gateways"),
    )


def events(heard: Heard) -> list[str]:
    return [f"{one.device} {one.event}" for one in heard.observations if one.event not in (None, "online")]


def test_the_message_of_the_documentation_is_grafanas_own_where_no_device_is_named() -> None:
    heard = bench().hear("", DOCUMENTED)
    assert heard.announced == () and heard.faults == []
    assert events(heard) == ["grafana alert"]
    (one,) = (one for one in heard.observations if one.event == "alert")
    assert one.lane is Lane.URGENT
    assert one.metrics == {"alerts": 1, "alerting": 1, "critical": 0, "faulty": 0}
    assert one.data == {
        "alert": "High memory usage",
        "summary": "This alert was triggered for zone us-1",
        "values": "B=44.2394 C=1",
        "link": "https://play.grafana.org/alerting/1afz29v7z/edit",
    }


def test_a_repeated_notification_is_one_alert_and_its_end_is_told_once() -> None:
    gear = bench()
    assert events(gear.hear("", notice(alert(severity="critical")))) == ["telemetry critical_alert"]
    for _ in range(3):
        assert events(gear.hear("", notice(alert(severity="critical")), after_ms=3_600_000)) == []
    assert events(gear.hear("", notice(alert(severity="critical", over=True)))) == ["telemetry critical_alert_cleared"]
    assert events(gear.hear("", notice(alert(severity="critical", over=True)))) == []


def test_times_are_those_of_the_alert() -> None:
    gear = bench()
    gear.now_ms = 1_790_000_000_000
    (began,) = (one for one in gear.hear("", notice(alert())).observations if one.event == "alert")
    assert began.observed_at_ms == 1_789_999_995_500
    (over,) = (one for one in gear.hear("", notice(alert(over=True))).observations if one.event == "alert_cleared")
    assert over.observed_at_ms == 1_790_000_005_123


def test_a_second_alert_joins_and_the_last_end_ends_it() -> None:
    gear = bench()
    now = "2026-09-21T14:13:20Z"
    assert events(gear.hear("", notice(alert("a")))) == ["telemetry alert"]
    assert events(gear.hear("", notice(alert("a"), alert("b", started=now)))) == ["telemetry alert"]
    assert events(gear.hear("", notice(alert("a", over=True), alert("b")))) == []
    assert events(gear.hear("", notice(alert("b", over=True)))) == ["telemetry alert_cleared"]


def test_two_groups_about_one_device_are_counted_together() -> None:
    gear = bench()
    assert events(gear.hear("", notice(alert("a"), group="x"))) == ["telemetry alert"]
    gear.hear("", notice(alert("b"), group="y"))
    assert events(gear.hear("", notice(alert("a", over=True), group="x"))) == []
    heard = gear.hear("", notice(alert("b", over=True), group="y"))
    assert events(heard) == ["telemetry alert_cleared"] and heard.metrics["alerts"] == 0


def test_an_alert_that_is_left_out_is_over_unless_the_list_was_cut() -> None:
    gear = bench()
    gear.hear("", notice(alert("a"), alert("b")))
    assert gear.hear("", notice(alert("a"), truncated=1)).metrics["alerts"] == 2
    assert gear.hear("", notice(alert("a"))).metrics["alerts"] == 1


def test_devices_are_told_apart_by_label_and_part() -> None:
    gear = bench()
    assert events(gear.hear("", notice(alert(anju_device="gateways", anju_part="gw-1")))) == ["gw-1 alert"]
    assert events(gear.hear("", notice(alert("c", anju_device="gateways", anju_part="gw-9"), group="h"))) == [
        "gateways alert"
    ]
    heard = gear.hear("", notice(alert("d", anju_device="unheard-of"), group="i"))
    assert events(heard) == ["grafana alert"]


def test_without_grafana_itself_an_unknown_alert_is_a_stranger() -> None:
    gear = Bench(GRAFANA, device("telemetry", "monitor", id="telemetry"))
    heard = gear.hear("", notice(alert(anju_device="disk")))
    (stranger,) = heard.announced
    assert (stranger.address, stranger.kind, stranger.heard) == ("disk", "monitor", True)
    assert heard.observations == []


@pytest.mark.parametrize("name", ["DatasourceError", "DatasourceNoData"])
def test_a_rule_that_cannot_be_evaluated_is_a_fault(name: str) -> None:
    heard = bench().hear("", notice(alert(alertname=name, rulename="Disk low", severity="critical")))
    assert events(heard) == ["telemetry fault"]
    (one,) = (one for one in heard.observations if one.event == "fault")
    assert one.data["fault"] == name and one.data["alert"] == "Disk low"


@pytest.mark.parametrize(
    "labels",
    [
        {"alertname": "TestAlert", "instance": "Grafana"},
        {"alertname": "TestAlert", "instance": "Grafana", "anju_device": "telemetry", "severity": "critical"},
        {"alertname": "Heartbeat", "anju_device": "heartbeat"},
    ],
)
def test_a_test_and_the_heartbeat_are_words_of_life_and_no_alarm(labels: dict[str, str]) -> None:
    gear = bench()
    heard = gear.hear("", notice(alert() | {"labels": labels}))
    assert events(heard) == []
    assert {one.device for one in heard.observations} == {"grafana", "telemetry", "gw-1", "gateways"}
    again = gear.hear("", notice(alert() | {"labels": labels}), after_ms=600_000)
    assert {one.device for one in again.observations} == {"grafana", "telemetry", "gw-1", "gateways"}
    assert all(one.metrics == {} for one in again.observations)


def test_after_a_restart_what_lasts_is_no_news() -> None:
    gear = bench()
    gear.hear("", notice(alert()))
    gear.restart(GRAFANA)
    assert events(gear.hear("", notice(alert()), after_ms=FRESH_MS)) == []
    assert events(gear.hear("", notice(alert(over=True)))) == ["telemetry alert_cleared"]


def test_an_alert_of_an_hour_ago_that_was_not_heard_is_news() -> None:
    gear = bench()
    gear.hear("", notice(alert(over=True)))
    assert events(gear.hear("", notice(alert()), after_ms=3_600_000)) == ["telemetry alert"]


@pytest.mark.parametrize("payload", [{}, {"alerts": None}, {"title": "x", "alerts": "none"}])
def test_what_is_no_notification_is_refused_with_what_to_do(payload: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as caught:
        bench().hear("", payload)
    assert caught.value.field == "alerts" and "custom payload" in caught.value.hint


def test_an_alert_of_no_known_status_is_a_fault_beside_the_others() -> None:
    heard = bench().hear("", notice(alert("a") | {"status": "pending"}, alert("b")))
    assert [fault.field for fault in heard.faults] == ["alerts[0].status"]
    assert events(heard) == ["telemetry alert"]


def test_too_many_alerts_are_said_and_end_nothing() -> None:
    gear = bench()
    heard = gear.hear("", notice(*(alert(f"f{at}") for at in range(MAX_ALERTS + 1))))
    assert [fault.reason for fault in heard.faults] == ["too_many"]
    assert heard.metrics["alerts"] == MAX_ALERTS


def test_grafana_obeys_no_command() -> None:
    with pytest.raises(Refusal, match="only listened to"):
        bench().order("grafana", "reboot")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.booleans()), max_size=12))
def test_an_alarm_stands_exactly_while_something_fires(moves: list[tuple[str, str, bool]]) -> None:
    """Model: per group the alerts that fire; the device alerts as long as one of them does."""
    gear, firing = bench(), dict[str, set[str]]()
    standing = False
    for name, group, on in moves:
        fires = firing.setdefault(group, set())
        ended = fires & {name} if not on else set()
        fires |= {name} if on else set()
        fires -= ended
        listed = [alert(one) for one in sorted(fires)] + [alert(one, over=True) for one in sorted(ended)]
        if not listed:
            continue
        told = [line for line in events(gear.hear("", copy.deepcopy(notice(*listed, group=group)))) if line]
        now = any(firing.values())
        assert ("telemetry alert_cleared" in told) == (standing and not now)
        assert ("telemetry alert" in told) >= (now and not standing)
        standing = now
