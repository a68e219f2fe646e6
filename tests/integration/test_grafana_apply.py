"""`anju grafana` against a stand-in that holds every request to Grafana's published description of its API."""

from __future__ import annotations

import copy
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.clock import SystemClock
from gateway.gear.keys import is_key_of
from gateway.grafana.client import Grafana, GrafanaError
from gateway.grafana.model import Action, Found, Part, Step, Wanted
from gateway.grafana.plan import plan, removal
from gateway.grafana.wanted import DOCTORS, FOLDER_UIDS, TEAMS, Site, StoreAccess, wanted
from gateway.registry import store as registry
from gateway.registry.load import load_community
from gateway.state.db import open_database, reading
from tests.support.grafana.stand_in import ADMIN_LOGIN, ADMIN_TOKEN, StandIn
from tests.support.grafana.state import REDACTED
from tests.support.homes import community, write_community
from tests.support.stores import Influxd

SITE = Site(
    public_url="https://anju.example",
    day="-480m",
    store=StoreAccess(url="http://influx:8086", bucket="anju", major=2, token="read-only"),
    push_url="https://anju.example/push/grafana",
    push_key="k" * 32,
)


def board(uid: str, title: str = "板 board") -> dict[str, Any]:
    return {"uid": uid, "title": title, "tags": ["anju"], "panels": [], "templating": {"list": []}}


BOARDS = {"zh": [board("anju-wall-zh"), board("anju-care-zh")], "en": [board("anju-wall-en")]}
WHOLE = wanted(SITE, BOARDS, frozenset({"anju-care-zh"}))


@pytest.fixture
def grafana() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in
        assert stand_in.violations == [], "requests and answers are as Grafana's description says"


def look(stand_in: StandIn, want: Wanted = WHOLE, credential: str = ADMIN_TOKEN) -> tuple[Grafana, Found, list[Step]]:
    client = Grafana(stand_in.url, credential)
    found = client.read(want, FOLDER_UIDS)
    return client, found, plan(want, found)


def bring(stand_in: StandIn, want: Wanted = WHOLE, credential: str = ADMIN_TOKEN) -> list[Step]:
    """Look, and do; returns what was changed."""
    client, found, steps = look(stand_in, want, credential)
    for step in steps:
        client.take(step, found)
    return [step for step in steps if step.changes]


def changes(stand_in: StandIn, want: Wanted = WHOLE, credential: str = ADMIN_TOKEN) -> list[tuple[Action, str]]:
    return [(step.action, step.key) for step in look(stand_in, want, credential)[2] if step.changes]


def strangers(stand_in: StandIn) -> None:
    """What somebody else has in the same Grafana."""
    state = stand_in.state
    state.folders["ops"] = {"id": 901, "uid": "ops", "title": "Ops", "version": 3}
    state.permissions["ops"] = [{"role": "Viewer", "permission": 1}]
    state.dashboards["anju-like"] = kept(board("anju-like", "not in our folders"), "ops")
    state.dashboards["theirs"] = kept(board("theirs"), "ops")
    state.teams[902] = {
        "id": 902, "uid": "t902", "orgId": 1, "name": "IT", "memberCount": 3, "isProvisioned": False,
    }  # fmt: skip
    state.points["mail"] = {"uid": "mail", "name": "mail", "type": "email", "settings": {"addresses": "it@x"}}
    state.policies = {
        "receiver": "mail",
        "group_by": ["alertname"],
        "routes": [{"receiver": "mail", "object_matchers": [["team", "=", "it"]], "routes": []}],
    }
    state.rules["theirs"] = {
        "uid": "theirs", "title": "theirs", "folderUID": "ops", "ruleGroup": "g", "condition": "A", "data": [],
        "for": "5m", "noDataState": "OK", "execErrState": "OK", "orgID": 1, "provenance": "",
    }  # fmt: skip


def kept(model: dict[str, Any], folder: str, *, message: str = "", provisioned: bool = False) -> dict[str, Any]:
    versions = [{"version": 1, "message": message, "createdBy": "li.wei", "uid": model["uid"]}]
    return {"id": 950, "folder": folder, "model": model, "versions": versions, "provisioned": provisioned}


def theirs(stand_in: StandIn) -> Any:
    """All that is not Anju's, to be the same afterwards."""
    state = stand_in.state
    policies = copy.deepcopy(state.policies)
    policies["routes"] = [one for one in policies.get("routes") or [] if one["receiver"] != "anju"]
    own = {one.uid for one in WHOLE.dashboards}
    return (
        policies,
        {uid: one for uid, one in state.folders.items() if uid not in FOLDER_UIDS},
        {uid: one for uid, one in state.permissions.items() if uid not in FOLDER_UIDS},
        {uid: one for uid, one in state.dashboards.items() if one["folder"] not in FOLDER_UIDS and uid not in own},
        {number: one for number, one in state.teams.items() if one["name"] not in TEAMS},
        {uid: one for uid, one in state.points.items() if uid != "anju"},
        {uid: one for uid, one in state.rules.items() if not uid.startswith("anju-")},
        {uid: one for uid, one in state.data_sources.items() if uid != "anju-influx"},
    )


def test_everything_is_there_after_the_first_time_and_nothing_changes_the_second(grafana: StandIn) -> None:
    strangers(grafana)
    before = copy.deepcopy(theirs(grafana))
    assert {step.action for step in bring(grafana)} == {Action.CREATE}
    state = grafana.state
    assert state.data_sources["anju-influx"]["jsonData"]["dbName"] == "anju"
    assert state.secrets["anju-influx"] == {"httpHeaderValue1": "Token read-only"}
    assert state.dashboards["anju-care-zh"]["folder"] == "anju-zh-care"
    (doctors,) = (number for number, team in state.teams.items() if team["name"] == DOCTORS)
    (account,) = state.accounts
    rows = {(row.get("teamId"), row.get("userId"), row["permission"]) for row in state.permissions["anju-zh-care"]}
    assert rows == {(doctors, None, 1), (None, account, 4)}, "doctors, and the gateway; no basic role, no administrator"
    assert state.points["anju"]["settings"]["authorization_credentials"] == SITE.push_key
    assert [route["receiver"] for route in state.policies["routes"]] == ["anju", "mail"]
    assert len(state.rules) == 8 and state.rules["anju-telemetry-stopped"]["folderUID"] == "anju-alerts"
    assert theirs(grafana) == before

    written = len(grafana.writes)
    assert changes(grafana) == []
    assert bring(grafana) == [] and len(grafana.writes) == written


def test_people_may_go_on_editing_the_policies_in_grafana(grafana: StandIn) -> None:
    bring(grafana)
    assert "provenance" not in grafana.state.policies, "a tree with a provenance cannot be edited there"
    grafana.state.policies["provenance"] = "api"  # somebody's Terraform looks after it
    del grafana.state.policies["routes"][0]
    bring(grafana)
    assert grafana.state.policies["provenance"] == "api"


def test_after_a_failure_half_way_it_goes_on_and_at_every_step(grafana: StandIn) -> None:
    total = len(look(grafana)[2])
    for stop in range(0, total, 5):
        with StandIn() as broken:
            broken.fail_at = stop
            with pytest.raises(GrafanaError, match="500"):
                bring(broken)
            broken.fail_at = None
            bring(broken)
            assert changes(broken) == [] and broken.violations == []


def test_what_somebody_changed_is_said_by_name_and_brought_back(grafana: StandIn) -> None:
    bring(grafana)
    state = grafana.state
    wall = state.dashboards["anju-wall-zh"]
    wall["versions"].append({"version": 2, "message": "bigger", "createdBy": "li.wei", "uid": "anju-wall-zh"})
    state.dashboards["anju-wall-en"]["folder"] = "anju-zh"
    state.rules["anju-disk-low"]["for"] = "1h"
    state.points["anju"]["settings"]["url"] = "http://elsewhere"
    state.folders["anju-en"]["title"] = "English"
    state.permissions["anju-zh-care"].append({"role": "Viewer", "permission": 1})
    state.permissions["anju-zh"].append({"userId": 77, "userLogin": "li.wei", "permission": 1})
    _, _, steps = look(grafana)
    said = {(step.part, step.key): step.details for step in steps if step.changes}
    assert said == {
        (Part.DASHBOARDS, "anju-wall-zh"): ("changed in Grafana by li.wei: will be replaced",),
        (Part.DASHBOARDS, "anju-wall-en"): ("folder: anju-zh → anju-en",),
        (Part.RULES, "anju-disk-low"): ("for: 1h → 300s",),
        (Part.CONTACT_POINT, "anju"): (f"settings.url: http://elsewhere → {SITE.push_url}",),
        (Part.FOLDERS, "anju-en"): ("title: English → Anju",),
        (Part.PERMISSIONS, "anju-zh-care"): ("- Viewer: view",),
    }
    bring(grafana)
    assert changes(grafana) == []
    assert any(row.get("userId") == 77 for row in state.permissions["anju-zh"]), "who was let in by name stays in"


def test_a_new_key_and_a_new_token_are_noticed_though_grafana_gives_none_back(grafana: StandIn) -> None:
    bring(grafana)
    point = Grafana(grafana.url, ADMIN_TOKEN)._api.alertingprovisioning.get_contactpoints()[0]
    assert point["settings"]["authorization_credentials"] == REDACTED
    other = Site(
        public_url=SITE.public_url,
        day=SITE.day,
        store=StoreAccess(url="http://influx:8086", bucket="anju", major=2, token="another"),
        push_url=SITE.push_url,
        push_key="n" * 32,
    )
    want = wanted(other, BOARDS, frozenset({"anju-care-zh"}))
    assert changes(grafana, want) == [(Action.CHANGE, "anju-influx"), (Action.CHANGE, "anju")]
    bring(grafana, want)
    assert grafana.state.points["anju"]["settings"]["authorization_credentials"] == "n" * 32
    assert grafana.state.secrets["anju-influx"] == {"httpHeaderValue1": "Token another"}
    assert changes(grafana, want) == []


def test_what_anju_has_no_longer_is_shown_and_goes_and_nobody_elses(grafana: StandIn) -> None:
    strangers(grafana)
    bring(grafana)
    grafana.state.dashboards["anju-old-zh"] = kept(board("anju-old-zh"), "anju-zh", message="anju 0123456789abcdef")
    grafana.state.dashboards["mine"] = kept(board("mine"), "anju-zh")
    grafana.state.rules["anju-old"] = {**grafana.state.rules["anju-disk-low"], "uid": "anju-old", "title": "old"}
    before = copy.deepcopy(theirs(grafana))
    gone = {(Action.DELETE, "anju-old-zh"), (Action.DELETE, "anju-old")}
    assert set(changes(grafana)) == gone
    bring(grafana)
    assert changes(grafana) == [] and theirs(grafana) == before
    assert "mine" in grafana.state.dashboards and "anju-like" in grafana.state.dashboards


def test_what_a_file_provisions_is_left_to_the_file(grafana: StandIn) -> None:
    bring(grafana)
    state = grafana.state
    state.data_sources["anju-influx"] |= {"readOnly": True, "url": "http://by-file"}
    state.dashboards["anju-wall-zh"] |= {"provisioned": True}
    state.dashboards["anju-wall-zh"]["versions"][-1]["message"] = ""
    state.rules["anju-disk-low"] |= {"provenance": "file", "for": "1h"}
    state.points["anju"] |= {"provenance": "file"}
    _, _, steps = look(grafana)
    left = {step.key for step in steps if step.action is Action.LEAVE}
    assert left == {"anju-influx", "anju-wall-zh", "anju-disk-low", "anju"}
    assert changes(grafana) == []


def test_the_service_account_does_what_it_may_and_says_what_it_may_not(grafana: StandIn) -> None:
    bring(grafana)
    (account,) = grafana.state.accounts.values()
    assert account["role"] == "None"
    token = Grafana(grafana.url, ADMIN_LOGIN).make_token(account["id"], "gateway", 3600)
    newer = wanted(SITE, {**BOARDS, "zh": [board("anju-wall-zh", "新 new"), board("anju-care-zh")]}, {"anju-care-zh"})
    _, found, steps = look(grafana, newer, token)
    assert set(found.closed) == {
        Part.DATA_SOURCE, Part.TEAMS, Part.ACCOUNT, Part.CONTACT_POINT, Part.POLICY, Part.RULES,
    }  # fmt: skip
    assert [(step.action, step.key) for step in steps if step.changes] == [(Action.CHANGE, "anju-wall-zh")]
    assert all("not allowed" in step.details[0] for step in steps if step.action is Action.LEAVE)
    bring(grafana, newer, token)
    assert changes(grafana, newer) == [], "an administrator finds nothing to do either"
    with pytest.raises(GrafanaError, match="does not know this token"):
        Grafana(grafana.url, "glsa_nobody").read(newer, FOLDER_UIDS)


def test_a_contact_point_of_the_same_name_that_is_not_ours_stops_it(grafana: StandIn) -> None:
    grafana.state.points["x"] = {"uid": "x", "name": "anju", "type": "email", "settings": {"addresses": "a@b"}}
    with pytest.raises(GrafanaError, match="rename it in Grafana"):
        look(grafana)


def test_remove_takes_away_what_apply_made_and_nothing_else(grafana: StandIn) -> None:
    strangers(grafana)
    before = copy.deepcopy(grafana.state)
    bring(grafana)
    grafana.state.dashboards["mine"] = kept(board("mine"), "anju-en")
    client, found, _ = look(grafana, Wanted())
    for step in removal(found, also=FOLDER_UIDS):
        client.take(step, found)
    state = grafana.state
    assert set(state.folders) == {"ops", "anju-en"}, "a folder with a dashboard of somebody else stays"
    assert set(state.dashboards) == {"theirs", "anju-like", "mine"}
    assert (state.points, state.policies, state.rules) == (before.points, before.policies, before.rules)
    assert state.data_sources == {} and state.accounts == {}
    assert {team["name"] for team in state.teams.values()} >= {"IT", *TEAMS}, "people may be in teams"


# -- whatever is there -------------------------------------------------------------------------------------------------


@st.composite
def disturbances(draw: st.DrawFn) -> list[tuple[str, str, int]]:
    """What has become of a Grafana meanwhile: (part, which, what)."""
    part = st.sampled_from(["dashboards", "folders", "rules", "points", "permissions", "data", "policies", "teams"])
    return draw(st.lists(st.tuples(part, st.sampled_from("abc"), st.integers(0, 3)), max_size=8))


def disturb(stand_in: StandIn, part: str, which: str, what: int) -> None:
    state = stand_in.state
    at = "abc".index(which)

    def pick(table: dict[Any, Any]) -> Any:
        own = sorted(key for key in table if str(key).startswith("anju"))
        return own[at % len(own)] if own else None

    match part:
        case "dashboards" if (uid := pick(state.dashboards)) is not None:
            if what == 0:
                del state.dashboards[uid]
            elif what == 1:
                state.dashboards[uid]["versions"].append({"version": 9, "message": "x", "createdBy": "z", "uid": uid})
            else:
                state.dashboards[uid]["folder"] = "anju-alerts" if what == 2 else ""
        case "folders" if (uid := pick(state.folders)) is not None:
            if what == 0 and not any(rule["folderUID"] == uid for rule in state.rules.values()):
                del state.folders[uid], state.permissions[uid]
                state.dashboards = {key: one for key, one in state.dashboards.items() if one["folder"] != uid}
            else:
                state.folders[uid] |= {"title": f"t{what}", "version": what + 5}
        case "rules" if (uid := pick(state.rules)) is not None:
            if what == 0:
                del state.rules[uid]
            else:
                state.rules[uid] |= {"for": f"{what}h", "labels": {"a": "b"}, "isPaused": what == 1}
        case "points" if "anju" in state.points and what:
            state.points["anju"]["settings"] |= {"url": "http://x", "headers": {}}
        case "permissions" if (uid := pick(state.permissions)) is not None:
            rows = state.permissions[uid]
            state.permissions[uid] = rows[1:] if what < 2 else [*rows, {"role": "Viewer", "permission": what % 3 + 1}]
        case "data" if "anju-influx" in state.data_sources:
            if what == 0:
                state.rules = {uid: one for uid, one in state.rules.items() if not uid.startswith("anju-")}
                del state.data_sources["anju-influx"]
            else:
                state.data_sources["anju-influx"] |= {"url": f"http://{what}", "jsonData": {}}
        case "policies":
            routes = [one for one in state.policies.get("routes") or [] if what or one["receiver"] != "anju"]
            state.policies["routes"] = [{**one, "group_wait": "9s"} if what == 2 else one for one in routes]
        case "teams" if state.teams and what == 3:
            number = sorted(state.teams)[at % len(state.teams)]
            state.permissions = {
                uid: [row for row in rows if row.get("teamId") != number] for uid, rows in state.permissions.items()
            }
            del state.teams[number]


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.booleans(), disturbances())
def test_whatever_is_there_one_time_is_enough(begun: bool, events: list[tuple[str, str, int]]) -> None:
    with StandIn() as stand_in:
        strangers(stand_in)
        if begun:
            bring(stand_in)
        for event in events:
            disturb(stand_in, *event)
        before = copy.deepcopy(theirs(stand_in))
        bring(stand_in)
        assert changes(stand_in) == []
        assert theirs(stand_in) == before
        assert stand_in.violations == []


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influx"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """State databases of a community with and without a bridge for alerts, to be copied: reading one takes a while."""
    made = {}
    for bridge in (True, False):
        document = community(1)
        if bridge:
            document["bridges"] = [{"id": "grafana", "profile": "grafana"}]
            document["devices"].append(
                {"id": "grafana", "kind": "monitor", "profile": "grafana", "address": "bridge", "place": "door-1"}
            )
        directory = tmp_path_factory.mktemp("community")
        engine = open_database(f"sqlite:///{directory / 'state.db'}")
        path = write_community(directory / "community.yaml", document)
        registry.apply(engine, load_community(path), "test", SystemClock().now_ms())
        engine.dispose()
        made[bridge] = directory / "state.db"
    return made


class Box:
    """A gateway's directory, and the command on it."""

    def __init__(self, directory: Path, influx: Influxd, stand_in: StandIn, database: Path) -> None:
        self.directory = directory
        shutil.copy(database, directory / "state.db")
        self.engine = open_database(f"sqlite:///{directory / 'state.db'}")
        self.env = {
            "ANJU_STORE__KIND": "influxdb",
            "ANJU_STORE__URL": influx.url,
            "ANJU_STORE__TOKEN_SECRET": "",
            "ANJU_GRAFANA__URL": stand_in.url,
            "ANJU_API__PUBLIC_URL": "https://anju.example",
            "COLUMNS": "200",
        }

    def run(self, *words: str, **env: str) -> Result:
        command = ["grafana", *words, "--data-dir", str(self.directory)]
        return CliRunner().invoke(app, command, env={**self.env, **env})

    def secret(self, name: str) -> str:
        return (self.directory / "secrets" / name).read_text(encoding="utf-8").strip()


def test_the_command_shows_asks_applies_and_keeps_a_token_of_its_own(
    tmp_path: Path, influx: Influxd, grafana: StandIn, databases: dict[bool, Path]
) -> None:
    box = Box(tmp_path, influx, grafana, databases[True])
    admin = {"GRAFANA_ADMIN_TOKEN": ADMIN_LOGIN}
    seen = box.run("diff", **admin)
    assert seen.exit_code == 1 and "+ anju-influx" in seen.output and grafana.writes == []
    assert not (tmp_path / "secrets").exists(), "diff changes nothing here either"
    assert box.run("apply", "--dry-run", **admin).exit_code == 0 and grafana.writes == []
    asked = box.run("apply", **admin)
    assert asked.exit_code == 1 and "--yes" in asked.output and grafana.writes == []

    done = box.run("apply", "--yes", **admin)
    assert done.exit_code == 0, done.output
    key, token = box.secret("GRAFANA_PUSH_KEY"), box.secret("GRAFANA_TOKEN")
    assert key not in done.output and token not in done.output and ADMIN_LOGIN not in done.output
    assert stat.S_IMODE((tmp_path / "secrets" / "GRAFANA_TOKEN").stat().st_mode) == 0o600
    assert grafana.state.points["anju"]["settings"] == {
        "url": "https://anju.example/push/grafana",
        "httpMethod": "POST",
        "authorization_scheme": "Bearer",
        "authorization_credentials": key,
        "headers": grafana.state.points["anju"]["settings"]["headers"],
    }
    with reading(box.engine) as connection:
        assert is_key_of(connection, "grafana", key)
    assert grafana.state.data_sources["anju-influx"]["url"] == influx.url

    again = box.run("diff")
    assert again.exit_code == 0, f"by the service account: {again.output}"
    assert "left alone" in again.output and len(grafana.state.accounts) == 1
    gone = box.run("remove", "--yes", **admin)
    assert gone.exit_code == 0 and grafana.state.folders == {}, gone.output


def test_the_wall_is_as_fast_as_this_grafana_lets_it(
    tmp_path: Path, influx: Influxd, grafana: StandIn, databases: dict[bool, Path]
) -> None:
    box = Box(tmp_path, influx, grafana, databases[True])
    slow = box.run("apply", "--yes", GRAFANA_ADMIN_TOKEN=ADMIN_TOKEN)
    assert slow.exit_code == 0 and "no faster than 5s" in slow.output
    assert grafana.state.dashboards["anju-wall-zh"]["model"]["refresh"] == "5s"
    grafana.state.min_refresh = "1s"
    fast = box.run("apply", "--yes", GRAFANA_ADMIN_TOKEN=ADMIN_TOKEN)
    assert fast.exit_code == 0 and "no faster than" not in fast.output
    assert grafana.state.dashboards["anju-wall-zh"]["model"]["refresh"] == "1s"


def test_without_a_bridge_for_alerts_the_rest_is_done_and_it_is_said(
    tmp_path: Path, influx: Influxd, grafana: StandIn, databases: dict[bool, Path]
) -> None:
    box = Box(tmp_path, influx, grafana, databases[False])
    done = box.run("apply", "--yes", GRAFANA_ADMIN_TOKEN=ADMIN_TOKEN)
    assert done.exit_code == 0, done.output
    assert "profile: grafana" in done.output and grafana.state.points == {} and grafana.state.rules == {}
    assert len(grafana.state.dashboards) > 10


def test_a_failure_half_way_says_where_and_the_next_time_goes_on(
    tmp_path: Path, influx: Influxd, grafana: StandIn, databases: dict[bool, Path]
) -> None:
    box = Box(tmp_path, influx, grafana, databases[True])
    grafana.fail_at = 5
    broken = box.run("apply", "--yes", GRAFANA_ADMIN_TOKEN=ADMIN_TOKEN)
    assert broken.exit_code == 1 and "stopped after 5 of" in broken.output and "database is locked" in broken.output
    grafana.fail_at = None
    assert box.run("apply", "--yes", GRAFANA_ADMIN_TOKEN=ADMIN_TOKEN).exit_code == 0
    assert box.run("diff", GRAFANA_ADMIN_TOKEN=ADMIN_TOKEN).exit_code == 0


@pytest.mark.parametrize(
    ("env", "words", "said"),
    [
        ({}, (), "GRAFANA_TOKEN"),
        ({"GRAFANA_ADMIN_TOKEN": "glsa_wrong"}, (), "does not know this token"),
        ({"GRAFANA_ADMIN_TOKEN": ADMIN_TOKEN, "ANJU_STORE__KIND": "embedded"}, (), "embedded store"),
        ({"GRAFANA_ADMIN_TOKEN": ADMIN_TOKEN, "ANJU_STORE__URL": "http://127.0.0.1:9"}, (), "no answer"),
        ({"GRAFANA_ADMIN_TOKEN": ADMIN_TOKEN}, ("--url", "http://127.0.0.1:9"), "no answer from http://127.0.0.1:9"),
        ({"GRAFANA_ADMIN_TOKEN": ADMIN_TOKEN}, ("--url", "grafana"), "no address of Grafana"),
        ({"GRAFANA_ADMIN_TOKEN": ADMIN_TOKEN, "ANJU_GRAFANA__URL": ""}, (), "grafana.url in the settings"),
        ({}, ("--token-secret", "NOWHERE"), "secret NOWHERE is missing"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    tmp_path: Path,
    influx: Influxd,
    grafana: StandIn,
    databases: dict[bool, Path],
    env: dict[str, str],
    words: tuple[str, ...],
    said: str,
) -> None:
    result = Box(tmp_path, influx, grafana, databases[True]).run("diff", *words, **env)
    assert result.exit_code in (1, 2) and said in result.output, result.output
    assert grafana.writes == []


def test_an_old_grafana_is_refused(
    tmp_path: Path, influx: Influxd, grafana: StandIn, databases: dict[bool, Path]
) -> None:
    grafana.state.version = "11.6.0"
    result = Box(tmp_path, influx, grafana, databases[True]).run("diff", GRAFANA_ADMIN_TOKEN=ADMIN_TOKEN)
    assert result.exit_code == 1 and "needs Grafana 12" in result.output.replace("need ", "needs ")


def test_without_grafana_client_the_command_that_installs_it_is_said(
    tmp_path: Path,
    influx: Influxd,
    grafana: StandIn,
    databases: dict[bool, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "grafana_client.api", None)
    result = Box(tmp_path, influx, grafana, databases[True]).run("diff", GRAFANA_ADMIN_TOKEN=ADMIN_TOKEN)
    assert result.exit_code == 1 and "pip install --no-binary urllib3-future 'anju[grafana]'" in result.output


def test_urllib3_is_still_everybodys_own() -> None:
    """grafana-client's transport may not stand in the place of what carries telemetry and messages."""
    import urllib3
    import urllib3_future

    assert int(urllib3.__version__.split(".")[-1]) < 900 <= int(urllib3_future.__version__.split(".")[-1])
