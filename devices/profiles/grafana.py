"""Grafana's alerts, as its webhook contact point posts them: each notification says how one group of alerts stands.

A notification is repeated while an alert lasts, and says the same again: what counts is the change. The label
``anju_device`` names the device that an alert is about; ``heartbeat`` in it is no alert but a word of life. What
Grafana sends when somebody presses *Test* is a word of life, too.

Format: https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from devices.gear.jsontext import items, json_table, number, shown, table, word
from devices.gear.messages import AddressBook, Announced, GearDevice, Incoming, Order, Reading, Said, Scalar, takes_none
from devices.gear.profile import Profile
from devices.native import Command
from devices.observation import Refusal

DEVICE_LABEL = "anju_device"
"""Alert label: the address of the device that it is about."""
PART_LABEL = "anju_part"
"""Alert label: which of several at that address (one gateway of two)."""
HEARTBEAT = "heartbeat"
BRIDGE = "bridge"
"""The address of Grafana itself: hears every alert that no other device takes."""
CRITICAL = frozenset({"critical", "emergency", "disaster", "page"})
"""Values of the label ``severity`` that are more than a warning."""
BLIND = frozenset({"DatasourceError", "DatasourceNoData"})
"""Names of the alerts that Grafana raises where a rule cannot be evaluated."""
FRESH_MS = 600_000
"""An alert that began longer ago, and is not known here, was known before a restart: no news."""
MAX_ALERTS = 500
MAX_GROUPS = 512
_MAX_FIRING = 500
_MAX_TEXT = 512
_STATES = ("alerting", "critical", "faulty")
_BEGINNINGS: Mapping[str, str] = {"alerting": "alert", "critical": "critical_alert", "faulty": "fault"}


@dataclass(frozen=True, slots=True)
class _Alert:
    """One alert of a notification."""

    fingerprint: str
    name: str
    state: str
    """Which state of a monitor it keeps up."""
    firing: bool
    address: str
    part: str
    started_ms: int | None
    ended_ms: int | None
    data: Mapping[str, Scalar]


@dataclass(slots=True)
class _Told:
    """What one notification says of one device."""

    alerts: list[_Alert] = field(default_factory=list)


class Grafana:
    """What pushes to one door: one Grafana, or several of one house."""

    def __init__(self, base: str, options: Mapping[str, str]) -> None:
        self._firing: OrderedDict[tuple[str, str], dict[str, str]] = OrderedDict()
        """(Device, group of alerts) → what fires there: fingerprint → state. Groups that are quiet are left out."""

    def filters(self) -> tuple[str, ...]:
        return ()

    def receive(self, incoming: Incoming, book: AddressBook) -> Reading:
        message = json_table(incoming.payload)
        listed = message.get("alerts")
        if not isinstance(listed, list):
            raise Refusal(
                "malformed",
                field="alerts",
                expected="the list of alerts that Grafana's webhook sends",
                hint=f"got {shown(listed)}; leave the contact point's custom payload empty",
            )
        faults: list[Refusal] = []
        if len(listed) > MAX_ALERTS:
            faults.append(
                Refusal(
                    "too_many",
                    field="alerts",
                    expected=f"at most {MAX_ALERTS} alerts in one notification",
                    hint=f"got {len(listed)}; group the notification policy by {DEVICE_LABEL}",
                )
            )
        told: dict[str, _Told] = {}
        devices: dict[str, GearDevice] = {}
        announced: dict[str, Announced] = {}
        alive = False
        for at, raw in enumerate(items(listed)[:MAX_ALERTS]):
            labels = _texts(table(raw).get("labels"))
            if _is_test(labels) or labels.get(DEVICE_LABEL) == HEARTBEAT:
                alive = True
                continue
            try:
                alert = _alert(at, table(raw), labels)
            except Refusal as refusal:
                faults.append(refusal)
                continue
            found = _registered(book, alert)
            if not found:
                announced.setdefault(alert.address, _stranger(alert))
            for device in found:
                devices[device.id] = device
                told.setdefault(device.id, _Told()).alerts.append(alert)
        group = word(message.get("groupKey"), 1024)
        whole = not number(message.get("truncatedAlerts")) and len(listed) <= MAX_ALERTS
        said = [self._say(devices[key], one.alerts, group, whole, incoming.received_at_ms) for key, one in told.items()]
        if alive:
            said += [Said(device=one, presence=True, alive=True) for one in book.all() if one.id not in told]
        return Reading(said=tuple(said), announced=tuple(announced.values()), faults=tuple(faults))

    def order(self, device: GearDevice, command: Command, now_ms: int) -> Order:
        raise takes_none(
            device, command.command, "Grafana is only listened to; mend what it watches, or silence the alert there"
        )

    def _say(self, device: GearDevice, alerts: Sequence[_Alert], group: str, whole: bool, now_ms: int) -> Said:
        key = (device.id, group)
        before = self._firing.pop(key, {})
        now = {} if whole else dict(before)
        for alert in alerts:
            now.pop(alert.fingerprint, None)
            if alert.firing and len(now) < _MAX_FIRING:
                now[alert.fingerprint] = alert.state
        if now:
            self._firing[key] = now
            while len(self._firing) > MAX_GROUPS:
                self._firing.popitem(last=False)
        fresh = [one for one in alerts if one.firing and one.fingerprint not in before and _fresh(one, now_ms)]
        standing = [state for (owner, _), held in self._firing.items() if owner == device.id for state in held.values()]
        shown_first = [*fresh, *(one for one in alerts if one.firing), *alerts]
        times = [one.started_ms for one in fresh] if fresh else [one.ended_ms for one in alerts if not one.firing]
        known = [at_ms for at_ms in times if at_ms is not None]
        return Said(
            device=device,
            metrics={"alerts": float(len(standing)), **{state: float(state in standing) for state in _STATES}},
            events=tuple(dict.fromkeys(_BEGINNINGS[one.state] for one in fresh)),
            data=shown_first[0].data,
            presence=True,
            observed_at_ms=max(known) if known and (fresh or not standing) else None,
        )


def _texts(value: object) -> dict[str, str]:
    return {key: found for key, found in table(value).items() if isinstance(found, str)}


def _is_test(labels: Mapping[str, str]) -> bool:
    """What Grafana sends for *Test*, whatever labels somebody adds to it."""
    return labels.get("alertname") == "TestAlert" and labels.get("instance") == "Grafana"


def _alert(at: int, raw: Mapping[str, object], labels: Mapping[str, str]) -> _Alert:
    status = raw.get("status")
    if status not in ("firing", "resolved"):
        raise Refusal(
            "malformed", field=f"alerts[{at}].status", expected="firing or resolved", hint=f"got {shown(status)}"
        )
    name = labels.get("alertname", "")
    blind = name in BLIND
    title = labels.get("rulename", name) if blind else name
    fingerprint = word(raw.get("fingerprint"), 64) or "&".join(f"{key}={labels[key]}" for key in sorted(labels))[:1024]
    severity = labels.get("severity", "")
    annotations = _texts(raw.get("annotations"))
    links = (raw.get("panelURL"), raw.get("dashboardURL"), raw.get("generatorURL"))
    data: dict[str, Scalar] = {
        "alert": title,
        "summary": annotations.get("summary", ""),
        "severity": severity,
        "values": _values(raw.get("values")),
        "rule": word(raw.get("ruleUID"), 64),
        "link": next((link for link in (word(one, _MAX_TEXT) for one in links) if link), ""),
    }
    if blind:
        data["fault"] = name
    return _Alert(
        fingerprint=fingerprint,
        name=title,
        state="faulty" if blind else "critical" if severity.lower() in CRITICAL else "alerting",
        firing=status == "firing",
        address=labels.get(DEVICE_LABEL) or title,
        part=labels.get(PART_LABEL, ""),
        started_ms=_instant(raw.get("startsAt")),
        ended_ms=_instant(raw.get("endsAt")),
        data={key: text[:_MAX_TEXT] if isinstance(text, str) else text for key, text in data.items() if text},
    )


def _values(raw: object) -> str:
    """``A=3 B=0.5``: what the rule's expressions were."""
    found = ((key, number(value)) for key, value in table(raw).items())
    return " ".join(f"{key[:16]}={value:g}" for key, value in found if value is not None)[:_MAX_TEXT]


def _instant(raw: object) -> int | None:
    """Milliseconds of a time in Go's form; None for none, which is the year 1 there."""
    try:
        at = datetime.fromisoformat(word(raw, 64))
        return round(at.timestamp() * 1000) if at.year > 1970 and at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _fresh(alert: _Alert, now_ms: int) -> bool:
    return alert.started_ms is None or now_ms - alert.started_ms < FRESH_MS


def _registered(book: AddressBook, alert: _Alert) -> Sequence[GearDevice]:
    """Who is meant: by address and part, by address, else Grafana itself."""
    found = book.at(alert.address) if alert.address else ()
    named = [one for one in found if one.part == alert.part] or [one for one in found if not one.part]
    return named or [one for one in book.at(BRIDGE) if not one.part]


def _stranger(alert: _Alert) -> Announced:
    return Announced(address=alert.address or BRIDGE, kind="monitor", name=alert.name, vendor="Grafana", heard=True)


GRAFANA = Profile(
    key="grafana",
    zh="Grafana 告警",
    en="Grafana's alerts",
    carrier="http",
    kinds=("monitor",),
    commands={},
    models=("Grafana 12", "Grafana 13"),
    source="Grafana documentation, webhook contact point; grafana/alerting, receivers/webhook/v1",
    spec_only=True,
    message=Grafana,
)
