"""Alert rules as code: files and code agree, queries run on a real InfluxDB, and labels find their devices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import yaml

from dashboards import alerting
from dashboards.alerting import RULES, AlertRule
from dashboards.thresholds import bounds
from devices.kinds import KINDS
from devices.profiles import grafana as profile
from gateway.settings import GrafanaSettings
from tests.support.stores import Influxd

BY_UID = {rule.uid: rule for rule in RULES}


def test_the_files_for_provisioning_are_what_the_code_writes() -> None:
    assert alerting.differences() == [], "run `python -m dashboards.alerting`"
    assert alerting.main(["--check"]) == 0


def test_a_change_is_noticed(tmp_path: Any) -> None:
    for name, text in alerting.files().items():
        (tmp_path / name).write_text(text.replace("10m", "9m"), encoding="utf-8")
    (tmp_path / "more.yaml").write_text("", encoding="utf-8")
    assert alerting.differences(tmp_path) == ["more.yaml", "policies.yaml", "rules.yaml"]


def test_the_files_take_nothing_from_the_environment_but_address_and_key() -> None:
    text = "".join(alerting.files().values())
    assert set(re.findall(r"\$\S+", text)) == {
        "$ANJU_GATEWAY_URL/push/grafana",
        "$__file{/run/secrets/grafana_push_key}",
    }
    assert GrafanaSettings().push_key_secret.lower() == "grafana_push_key"


def test_file_and_api_say_the_same() -> None:
    (group,) = yaml.safe_load(alerting.files()["rules.yaml"])["groups"]
    assert group["rules"] == [alerting.rule_body(rule) for rule in RULES]
    (tree,) = yaml.safe_load(alerting.files()["policies.yaml"])["policies"]
    assert tree["routes"] == [alerting.route()] and tree["receiver"] == alerting.CONTACT_POINT


def test_labels_are_those_that_the_profile_reads() -> None:
    assert (alerting.DEVICE_LABEL, alerting.PART_LABEL) == (profile.DEVICE_LABEL, profile.PART_LABEL)
    assert alerting.HEARTBEAT == profile.HEARTBEAT
    assert {rule.severity for rule in RULES} - {"warning", "none"} <= profile.CRITICAL


def test_the_heartbeat_is_heard_more_often_than_the_monitor_may_be_silent() -> None:
    beat = alerting.route()["routes"][0]
    assert beat["object_matchers"] == [["anju_device", "=", "heartbeat"]]
    assert (beat["repeat_interval"], beat["group_interval"]) == ("10m", "5m")
    assert KINDS["monitor"].supervision_s >= 3 * (10 + 5) * 60


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.uid)
def test_every_rule_has_words_for_people_and_fits_into_grafana(rule: AlertRule) -> None:
    assert rule.uid.startswith("anju-") and len(rule.uid) <= 40 and len(alerting.rule_body(rule)["title"]) <= 190
    for text in (rule.title, rule.summary):
        assert re.search(r"[\u4e00-\u9fff]", text.zh) and not re.search(r"[\u4e00-\u9fff]", text.en)
    assert rule.for_s % alerting.EVERY_S == 0 and "$" not in rule.query


def test_the_disk_alert_comes_long_after_anjus_own() -> None:
    (own,) = (bound.at for bound in bounds("gateway-disk-low", "disk_free") if bound.side == "low")
    assert BY_UID["anju-disk-low"].value == own / 2


# -- what the queries answer -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influx"))
    server.start()
    server.create()
    yield server
    server.stop()


@pytest.fixture
def empty(influx: Influxd) -> Influxd:
    influx.drop()
    influx.create()
    return influx


def fires(server: Influxd, rule: AlertRule) -> dict[str, bool]:
    """Value of the rule's tag (empty where it has none) → whether it would fire, as Grafana reduces and compares."""
    found = {}
    for series in server.query(rule.query):
        values = [row[1] for row in series["values"] if row[1] is not None]
        if values:
            low = rule.compare == "lt"
            found[series.get("tags", {}).get(rule.each, "")] = (
                values[-1] < rule.value if low else values[-1] > rule.value
            )
    return found or {"": rule.no_data == "Alerting"}


def point(server: Influxd, line: str, ago_s: int = 0) -> None:
    """A point of so long ago, by the server's own clock."""
    (system,) = (one for one in server.query("SHOW DIAGNOSTICS") if one["name"] == "system")
    now = system["values"][0][system["columns"].index("currentTime")]
    at_ns = round((datetime.fromisoformat(now).timestamp() - ago_s) * 1e9)
    server.write(f"{line} {at_ns}")


def test_telemetry_that_comes_is_quiet_and_telemetry_that_stopped_is_told(empty: Influxd) -> None:
    rule = BY_UID["anju-telemetry-stopped"]
    assert fires(empty, rule) == {"": True}, "nothing at all"
    point(empty, "gateway,device=gw-1 disk_free=40", ago_s=700)
    assert fires(empty, rule) == {"": True}
    point(empty, "gateway,device=gw-1 disk_free=40", ago_s=30)
    assert fires(empty, rule) == {"": False}


def test_a_gateway_that_is_gone_is_told_by_its_name(empty: Influxd) -> None:
    rule = BY_UID["anju-gateway-gone"]
    assert fires(empty, rule) == {"": False}
    point(empty, "gateway,device=gw-1 disk_free=40")
    point(empty, "gateway,device=gw-2 disk_free=40", ago_s=4000)
    found = fires(empty, rule)
    assert found["gw-2"] and found.keys() == {"gw-1", "gw-2"} and not found["gw-1"]


@pytest.mark.parametrize(
    ("uid", "field", "well", "ill"),
    [
        ("anju-store-behind", "store_lag", 5, 700),
        ("anju-decisions-behind", "journal_oldest", 2, 400),
        ("anju-disk-low", "disk_free", 30, 2),
    ],
)
def test_a_gateways_own_figures_are_compared(empty: Influxd, uid: str, field: str, well: float, ill: float) -> None:
    assert field in KINDS["gateway"].metrics
    point(empty, f"gateway,device=gw-1 {field}={well}", ago_s=20)
    point(empty, f"gateway,device=gw-2 {field}={ill}", ago_s=20)
    assert fires(empty, BY_UID[uid]) == {"gw-1": False, "gw-2": True}


def test_a_share_of_silent_devices_is_told(empty: Influxd) -> None:
    rule = BY_UID["anju-fleet-silent"]
    point(empty, "fleet,kind=smoke devices=100,silent=1", ago_s=60)
    point(empty, "fleet,kind=sos_button devices=50,silent=2", ago_s=60)
    assert fires(empty, rule) == {"": False}
    point(empty, "fleet,kind=contact devices=200,silent=150", ago_s=60)
    assert fires(empty, rule) == {"": True}
