"""Grafana's alert rules as code: what Anju cannot see of itself, and the way back into Anju that alerts take.

What a device, a home or the gateway can say for itself is a rule of Anju's own library. These rules watch from the
other side: they read what has arrived in the store. ``python -m dashboards.alerting`` writes them for Grafana's
provisioning by files; `anju grafana apply` brings the same into an existing Grafana.

No text holds a dollar sign: Grafana would take it in a file for a variable of the environment.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from dashboards.text import Text
from dashboards.thresholds import bounds

FOLDER_UID = "anju-alerts"
FOLDER = Text("安居告警", "Anju alerts")
GROUP = "anju"
EVERY_S = 60
"""How often the rules of the group are evaluated: Grafana's own default for a new group."""
DATA_SOURCE = "anju-influx"
CONTACT_POINT = "anju"
"""Name and uid of the contact point that posts alerts to Anju."""
DEVICE_LABEL = "anju_device"
PART_LABEL = "anju_part"
HEARTBEAT = "heartbeat"
PROVISIONING = Path(__file__).parent / "provisioning" / "alerting"
_EXPRESSION = "__expr__"
_GENERATED = "# Written by `python -m dashboards.alerting`; not to be edited here.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """One rule: an InfluxQL query, reduced to its last value and compared with a number."""

    uid: str
    title: Text
    summary: Text
    """What is amiss, and what to do first."""
    device: str
    """Address of the monitor in Anju that it is about."""
    severity: Literal["critical", "warning", "none"]
    query: str = ""
    """InfluxQL for every version of InfluxDB; empty for a rule that always fires."""
    window_s: int = 600
    compare: Literal["lt", "gt"] = "gt"
    value: float = 0.0
    for_s: int = 0
    """It must hold for so long."""
    each: str = ""
    """Tag of which every value is an alert of its own: the part of the monitor's address."""
    no_data: Literal["Alerting", "OK"] = "OK"
    """What it means that there is nothing to compare."""


_DISK = next(bound.at for bound in bounds("gateway-disk-low", "disk_free") if bound.side == "low") / 2

RULES: tuple[AlertRule, ...] = (
    AlertRule(
        uid="anju-telemetry-stopped",
        title=Text("遥测中断", "telemetry has stopped"),
        summary=Text(
            "10 分钟内没有任何网关写入遥测。先看网关和 InfluxDB 是否在运行",
            "No gateway has written telemetry for 10 minutes. See whether gateway and InfluxDB run",
        ),
        device="telemetry",
        severity="critical",
        query='SELECT count("disk_free") FROM "gateway" WHERE time > now() - 10m',
        compare="lt",
        value=1,
        for_s=300,
        no_data="Alerting",
    ),
    AlertRule(
        uid="anju-gateway-gone",
        title=Text("网关失踪", "a gateway is gone"),
        summary=Text(
            "网关 {{ .Labels.device }} 一天内还在，现已 15 分钟没有数据。请到现场查看",
            "Gateway {{ .Labels.device }} wrote within the day, and nothing for 15 minutes. Go and see",
        ),
        device="gateways",
        severity="critical",
        # A stretch that has only begun is empty for a minute at most; what lasts is somebody who is gone.
        query=('SELECT count("disk_free") FROM "gateway" WHERE time > now() - 1d GROUP BY time(15m), "device" fill(0)'),
        window_s=86_400,
        compare="lt",
        value=1,
        for_s=300,
        each="device",
    ),
    AlertRule(
        uid="anju-store-behind",
        title=Text("遥测落后", "telemetry is behind"),
        summary=Text(
            "{{ .Labels.device }} 的遥测写入落后 10 分钟以上，面板显示的是旧数据",
            "What {{ .Labels.device }} writes is more than 10 minutes behind: boards show what was",
        ),
        device="store",
        severity="warning",
        query='SELECT max("store_lag") FROM "gateway" WHERE time > now() - 5m GROUP BY "device"',
        window_s=300,
        value=600,
        for_s=600,
        each="device",
    ),
    AlertRule(
        uid="anju-decisions-behind",
        title=Text("判断停滞", "decisions stand still"),
        summary=Text(
            "{{ .Labels.device }} 有消息等待判断超过 5 分钟：报警可能发不出去，它自己也无法报告",
            "A message at {{ .Labels.device }} has waited 5 minutes for its decision: alarms may not go out, "
            "and it cannot say so itself",
        ),
        device="decisions",
        severity="critical",
        query='SELECT max("journal_oldest") FROM "gateway" WHERE time > now() - 5m GROUP BY "device"',
        window_s=300,
        value=300,
        for_s=120,
        each="device",
    ),
    AlertRule(
        uid="anju-disk-low",
        title=Text("网关磁盘几乎已满", "a gateway's disk is almost full"),
        summary=Text(
            f"{{{{ .Labels.device }}}} 的磁盘只剩不到 {_DISK:g}%，早先的报警没有人处理",
            f"Less than {_DISK:g} % of the disk of {{{{ .Labels.device }}}} are free; nobody acted on the first alarm",
        ),
        device="disks",
        severity="critical",
        query='SELECT max("disk_free") FROM "gateway" WHERE time > now() - 15m GROUP BY "device"',
        window_s=900,
        compare="lt",
        value=_DISK,
        for_s=300,
        each="device",
    ),
    AlertRule(
        uid="anju-fleet-silent",
        title=Text("大量设备失联", "many devices are silent"),
        summary=Text(
            "三成以上设备没有消息：不像是个别设备的问题，先查集中器、网络和消息通道",
            "More than 30 % of all devices are silent: look at concentrators, network and broker first",
        ),
        device="fleet",
        severity="warning",
        query='SELECT sum("silent") / sum("devices") FROM "fleet" WHERE time > now() - 15m',
        window_s=900,
        value=0.3,
        for_s=600,
    ),
    AlertRule(
        uid="anju-heartbeat",
        title=Text("心跳", "heartbeat"),
        summary=Text(
            "一直触发，不是故障：安居以此得知 Grafana 还在值守",
            "Always fires and is no fault: by it Anju knows that Grafana still watches",
        ),
        device=HEARTBEAT,
        severity="none",
    ),
)


def route() -> dict[str, Any]:
    """The notification policy for alerts that carry Anju's label, and for no others."""
    return {
        "receiver": CONTACT_POINT,
        "object_matchers": [[DEVICE_LABEL, "=~", ".+"]],
        # One group for each device of Anju's, so that each notification says all there is to say of it.
        "group_by": [DEVICE_LABEL, PART_LABEL],
        "group_wait": "10s",
        "group_interval": "1m",
        "repeat_interval": "1h",
        "routes": [
            {
                "receiver": CONTACT_POINT,
                "object_matchers": [[DEVICE_LABEL, "=", HEARTBEAT]],
                "group_by": [DEVICE_LABEL],
                "group_wait": "10s",
                "group_interval": "5m",
                "repeat_interval": "10m",
            }
        ],
    }


def contact_point(url: str, key: str, key_mark: str = "") -> dict[str, Any]:
    """The webhook that posts to ``url``, Anju's door for it. ``key_mark`` tells one key from another, and no more."""
    settings: dict[str, Any] = {
        "url": url,
        "httpMethod": "POST",
        "authorization_scheme": "Bearer",
        "authorization_credentials": key,
    }
    if key_mark:
        settings["headers"] = {"X-Anju-Key-Mark": key_mark}
    return {"uid": CONTACT_POINT, "type": "webhook", "settings": settings, "disableResolveMessage": False}


def rule_body(rule: AlertRule) -> dict[str, Any]:
    """What provisioning by file and by API have in common."""
    labels = {DEVICE_LABEL: rule.device, "severity": rule.severity}
    if rule.each:
        labels[PART_LABEL] = f"{{{{ .Labels.{rule.each} }}}}"
    return {
        "uid": rule.uid,
        "title": f"{rule.title.zh} {rule.title.en}",
        "condition": "C" if rule.query else "A",
        "data": _queries(rule),
        "for": f"{rule.for_s}s",
        "noDataState": rule.no_data,
        "execErrState": "Error",
        "labels": labels,
        "annotations": {"summary": f"{rule.summary.zh}。{rule.summary.en}."},
        "isPaused": False,
    }


def _queries(rule: AlertRule) -> list[dict[str, Any]]:
    if not rule.query:
        return [_expression("A", {"type": "math", "expression": "1 > 0"})]
    asked = {
        "refId": "A",
        "datasourceUid": DATA_SOURCE,
        "queryType": "",
        "relativeTimeRange": {"from": rule.window_s, "to": 0},
        "model": {
            "refId": "A",
            "datasource": {"type": "influxdb", "uid": DATA_SOURCE},
            "rawQuery": True,
            "query": rule.query,
            "resultFormat": "time_series",
        },
    }
    compared = {"evaluator": {"type": rule.compare, "params": [rule.value]}}
    return [
        asked,
        _expression("B", {"type": "reduce", "expression": "A", "reducer": "last"}),
        _expression("C", {"type": "threshold", "expression": "B", "conditions": [compared]}),
    ]


def _expression(ref: str, model: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "refId": ref,
        "datasourceUid": _EXPRESSION,
        "queryType": "",
        "relativeTimeRange": {"from": 0, "to": 0},
        "model": {"refId": ref, "datasource": {"type": _EXPRESSION, "uid": _EXPRESSION}, **model},
    }


# --- provisioning by files --------------------------------------------------------------------------------------------


def files() -> dict[str, str]:
    """Name → text of the files for Grafana's provisioning: rules, contact point, notification policy.

    A policy from a file is the whole tree; Grafana knows no other. Where others alert by the same Grafana, it is set
    up by `anju grafana apply`, which leaves their policies alone.
    """
    rules = {
        "orgId": 1,
        "name": GROUP,
        "folder": FOLDER.zh,
        "interval": f"{EVERY_S}s",
        "rules": [rule_body(rule) for rule in RULES],
    }
    point = contact_point("$ANJU_GATEWAY_URL/push/grafana", "$__file{/run/secrets/grafana_push_key}")
    tree = {"orgId": 1, "receiver": CONTACT_POINT, "group_by": ["grafana_folder", "alertname"], "routes": [route()]}
    return {
        "contact-points.yaml": _yaml(
            "# Alerts go to Anju's own door, which decides whom to call. URL by environment, key by file.\n",
            {"contactPoints": [{"orgId": 1, "name": CONTACT_POINT, "receivers": [point]}]},
        ),
        "policies.yaml": _yaml(
            "# All alerts of this Grafana go to Anju: those with its label by device, all others to Grafana's own.\n",
            {"policies": [tree]},
        ),
        "rules.yaml": _yaml("# What Anju cannot see of itself: docs/grafana.md\n", {"groups": [rules]}),
    }


def _yaml(comment: str, content: Mapping[str, Any]) -> str:
    text = yaml.safe_dump({"apiVersion": 1, **content}, allow_unicode=True, sort_keys=False, width=110)
    return _GENERATED + comment + text


def differences(folder: Path = PROVISIONING) -> list[str]:
    """Names of files that are missing or different."""
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")}
    wanted = files()
    return sorted([name for name, text in wanted.items() if there.get(name) != text] + [*there.keys() - wanted.keys()])


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with ``--check`` only say which differ."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.alerting", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where code and files differ")
    check = parser.parse_args(arguments).check
    differ = differences()
    wanted = files()
    for name in differ:
        print(f"{'differs' if check else 'written'}: {PROVISIONING.name}/{name}", file=sys.stderr)  # noqa: T201
        if not check and name in wanted:
            PROVISIONING.mkdir(parents=True, exist_ok=True)
            (PROVISIONING / name).write_text(wanted[name], encoding="utf-8")
    return 1 if check and differ else 0


if __name__ == "__main__":
    sys.exit(main())
