"""A simulated Grafana that posts its alerts by a webhook contact point: groups, repeats, tests, a heartbeat.

Written after Grafana's documentation of the webhook notifier and the notifier's own source. An alert stands in its
group's notification as long as it fires, and once more when it is over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from firmware_sim.device import Action, ActionError, Args
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.http import HttpGear

RECEIVER = "anju"
URL = "http://grafana.example:3000"
HEARTBEAT_MS = 600_000
_SEVERITIES = {"alert": "warning", "critical_alert": "critical", "fault": "warning"}
_NEVER = "0001-01-01T00:00:00Z"


@dataclass(slots=True)
class _Alert:
    """One alert that fires, or has just ended."""

    labels: dict[str, str]
    started_ms: int
    ended_ms: int | None = None


class SimGrafana(HttpGear):
    """One Grafana. Device actions: ``alert``, ``critical_alert``, ``fault`` (the rule cannot be evaluated) and
    ``alert_cleared``, ``critical_alert_cleared``, ``fault_cleared``; they take ``instance``, for several alerts of one
    rule; ``repeat`` sends what stands once more. Of Grafana itself (``""``): ``test``, ``heartbeat``, ``stray`` (an
    alert that carries none of Anju's labels; ``end`` ends it), ``garble``."""

    profile = "grafana"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        super().__init__(link, parts, base=base, seed=seed, clock=clock)
        self._groups: dict[str, dict[tuple[str, str], _Alert]] = {}
        """By group: (what it is, instance) → alert."""
        self._beat_ms = clock()
        """When its heartbeat, a rule that always fires, is said next."""

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        return (
            GearPart(address="bridge", kind="monitor"),
            GearPart(address="telemetry", kind="monitor"),
            GearPart(address="gateways", kind="monitor", part="gw-2"),
        )

    def actions(self, device: str) -> dict[str, Action]:
        if not device:
            return {
                "test": lambda now_ms, args: self._test(now_ms),
                "heartbeat": lambda now_ms, args: self._heartbeat(now_ms),
                "stray": self._stray,
                "garble": lambda now_ms, args: self.push(b'{"receiver": "anju", "alerts": [{"sta', "application/json"),
            }
        table: dict[str, Action] = {"repeat": lambda now_ms, args: self._notify(device, now_ms)}
        for what in _SEVERITIES:
            table[what] = self._start(device, what)
            table[f"{what}_cleared"] = self._end(device, what)
        return table

    def look(self, device: str) -> dict[str, object]:
        return {"firing": sorted(f"{what} {instance}".strip() for what, instance in self._groups.get(device, {}))}

    def next_due_ms(self, now_ms: int) -> int | None:
        return self._beat_ms

    def tick(self, now_ms: int) -> None:
        if now_ms >= self._beat_ms:
            self._beat_ms = now_ms + HEARTBEAT_MS
            self._heartbeat(now_ms)

    # --- alerts -----------------------------------------------------------------------------------------------------

    def _start(self, device: str, what: str) -> Action:
        def do(now_ms: int, args: Args) -> None:
            instance = str(args.get("instance", ""))
            labels = {"grafana_folder": "Anju", "severity": _SEVERITIES[what]}
            part = self.parts[device]
            if part.address != "bridge":
                labels["anju_device"] = part.address
            if part.part:
                labels["anju_part"] = part.part
            if instance:
                labels["device"] = instance
            title = f"{part.address} {what}"
            labels |= {"alertname": "DatasourceError", "rulename": title} if what == "fault" else {"alertname": title}
            self._groups.setdefault(device, {}).setdefault((what, instance), _Alert(labels, now_ms))
            self._notify(device, now_ms)

        return do

    def _end(self, device: str, what: str) -> Action:
        def do(now_ms: int, args: Args) -> None:
            alert = self._groups.get(device, {}).get((what, str(args.get("instance", ""))))
            if alert is None:
                raise ActionError(f"{device}: {what} does not fire")
            alert.ended_ms = now_ms
            self._notify(device, now_ms)

        return do

    def _stray(self, now_ms: int, args: Args) -> None:
        group = self._groups.setdefault("", {})
        key = ("stray", str(args.get("instance", "")))
        alert = group.setdefault(key, _Alert({"alertname": "Backup failed", "team": "it"}, now_ms))
        alert.ended_ms = now_ms if args.get("end") else None
        self._notify("", now_ms)

    def _test(self, now_ms: int) -> None:
        labels = {"alertname": "TestAlert", "instance": "Grafana"}
        self._post("{}:{}", [_Alert(labels, now_ms)], now_ms, summary="Notification test")

    def _heartbeat(self, now_ms: int) -> None:
        labels = {"alertname": "Anju heartbeat", "anju_device": "heartbeat", "severity": "none"}
        self._post('{}/{anju_device="heartbeat"}:{}', [_Alert(labels, now_ms - 3_600_000)], now_ms)

    def _notify(self, device: str, now_ms: int) -> None:
        alerts = self._groups.get(device, {})
        self._post(f'{{}}/{{anju_device=~".+"}}:{{anju_device="{device}"}}', list(alerts.values()), now_ms)
        self._groups[device] = {key: alert for key, alert in alerts.items() if alert.ended_ms is None}

    # --- bytes ------------------------------------------------------------------------------------------------------

    def _post(self, group: str, alerts: list[_Alert], now_ms: int, summary: str = "see the board") -> None:
        firing = sum(alert.ended_ms is None for alert in alerts)
        body: dict[str, object] = {
            "receiver": RECEIVER,
            "status": "firing" if firing else "resolved",
            "alerts": [self._alert(alert, summary) for alert in alerts],
            "groupLabels": {},
            "commonLabels": {},
            "commonAnnotations": {},
            "externalURL": f"{URL}/",
            "version": "1",
            "groupKey": group,
            "truncatedAlerts": 0,
            "orgId": 1,
            "title": f"[FIRING:{firing}]" if firing else f"[RESOLVED:{len(alerts)}]",
            "state": "alerting" if firing else "ok",
            "message": "**Firing**" if firing else "**Resolved**",
        }
        self.push(json.dumps(body).encode(), "application/json")

    def _alert(self, alert: _Alert, summary: str) -> dict[str, object]:
        labels = json.dumps(alert.labels, sort_keys=True)
        return {
            "status": "firing" if alert.ended_ms is None else "resolved",
            "labels": alert.labels,
            "annotations": {"summary": summary},
            "startsAt": _written(alert.started_ms),
            "endsAt": _NEVER if alert.ended_ms is None else _written(alert.ended_ms),
            "generatorURL": f"{URL}/alerting/grafana/anju-rule/view?orgId=1",
            "fingerprint": hashlib.sha256(labels.encode()).hexdigest()[:16],
            "silenceURL": f"{URL}/alerting/silence/new?alertmanager=grafana",
            "dashboardURL": "",
            "panelURL": "",
            "values": {"B": 0, "C": 1},
            "valueString": "[ var='B' labels={} value=0 ]",
            "orgId": 1,
        }


def _written(at_ms: int) -> str:
    """As Go writes a time: nanoseconds, in the zone of the machine."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"
