"""What `anju grafana` would do, worked out without a Grafana: comparing, the tree of policies, whom to let in."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.alerting import CONTACT_POINT, DATA_SOURCE, RULES, rule_body
from dashboards.alerting import route as own_branch
from gateway.grafana.boards import URL_VARIABLE, private_uids, read_boards, wanted_dashboard
from gateway.grafana.compare import differences, seconds
from gateway.grafana.model import ADMIN, EDIT, VIEW, Action, Found, Grant, Part, WantedFolder
from gateway.grafana.plan import granted, plan
from gateway.grafana.policy import own_route, with_route, without_route
from gateway.grafana.wanted import DOCTORS, FOLDER_UIDS, Site, StoreAccess, data_source, mark_of, wanted

INFLUX = StoreAccess(url="http://influx:8086", bucket="anju", major=2, token="read-only-token")
SITE = Site(
    public_url="https://anju.example",
    day="-480m",
    store=INFLUX,
    push_url="https://anju.example/push/grafana",
    push_key="k" * 32,
)


# -- comparing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted_value", "found", "lines"),
    [
        ({"a": 1}, {"a": 1, "added": 2}, []),
        ({"a": {"b": "x"}}, {"a": {"b": "y"}}, ["a.b: y → x"]),
        ({"list": [1, 2]}, {"list": [1]}, ["list: [1] → [1, 2]"]),
        ({"list": [{"a": 1}]}, {"list": [{"a": 2, "b": 3}]}, ["list[0].a: 2 → 1"]),
        ({"for": "300s"}, {"for": "5m"}, []),
        ({"for": "300s"}, {"for": "6m"}, ["for: 6m → 300s"]),
        ({"repeat_interval": "1h"}, {"repeat_interval": "60m"}, []),
        ({"title": "300s"}, {"title": "5m"}, ["title: 5m → 300s"]),
        ({"off": False, "empty": "", "none": []}, {}, []),
        ({"on": True}, {}, ["on: – → True"]),
    ],
)
def test_only_what_is_wanted_is_compared(wanted_value: Any, found: Any, lines: list[str]) -> None:
    assert differences(wanted_value, found) == lines


@pytest.mark.parametrize(("text", "length"), [("90s", 90), ("1h30m", 5400), ("1d", 86_400), ("x", None), ("5", None)])
def test_spans_as_grafana_writes_them(text: str, length: float | None) -> None:
    assert seconds(text) == length


# -- the shared tree of notification policies --------------------------------------------------------------------------

_routes = st.recursive(
    st.fixed_dictionaries(
        {
            "receiver": st.sampled_from(["mail", "oncall", CONTACT_POINT]),
            "object_matchers": st.lists(
                st.tuples(st.sampled_from(["team", "severity"]), st.just("="), st.sampled_from("ab")).map(list),
                max_size=2,
            ),
        }
    ),
    lambda inner: st.fixed_dictionaries({"receiver": st.just("mail"), "routes": st.lists(inner, max_size=2)}),
    max_leaves=5,
)


@given(st.lists(_routes, max_size=4), st.none() | st.integers(0, 4))
def test_the_branch_goes_in_and_out_and_all_others_stay_in_their_order(others: list[Any], at: int | None) -> None:
    tree: dict[str, Any] = {"receiver": "mail", "group_by": ["alertname"], "routes": copy.deepcopy(others)}
    if at is not None:  # an older branch of ours stands somewhere
        tree["routes"].insert(at, {**own_branch(), "repeat_interval": "4h"})
    before = copy.deepcopy(tree)
    changed = with_route(tree, own_branch())
    assert tree == before, "it is not changed in place"
    assert own_route(changed) == own_branch()
    assert without_route(changed) == {**before, "routes": others}
    assert changed["routes"].index(own_branch()) == (0 if at is None else min(at, len(others)))
    assert with_route(changed, own_branch()) == changed


def test_a_policy_of_somebody_else_that_leads_to_our_contact_point_is_not_ours() -> None:
    theirs = {"receiver": CONTACT_POINT, "object_matchers": [["team", "=", "it"]]}
    tree = {"receiver": "mail", "routes": [theirs]}
    assert own_route(tree) is None
    assert with_route(tree, own_branch())["routes"] == [own_branch(), theirs]


# -- whom a folder lets in ---------------------------------------------------------------------------------------------

CARE = WantedFolder("anju-zh-care", "care", (Grant(VIEW, team=DOCTORS), Grant(ADMIN, account=True)), strict=True)
OPEN = WantedFolder("anju-zh", "open", (Grant(VIEW, role="Viewer"), Grant(VIEW, team="desk")))


def test_a_folder_with_health_data_lets_nobody_else_in() -> None:
    before = frozenset({Grant(EDIT, role="Editor"), Grant(VIEW, role="Viewer"), Grant(VIEW, user="li.wei")})
    assert granted(CARE, before, Found()) == frozenset(CARE.grants)


def test_whom_somebody_has_let_in_by_name_stays_elsewhere() -> None:
    before = frozenset({Grant(EDIT, role="Editor"), Grant(EDIT, team="desk"), Grant(VIEW, user="li.wei")})
    assert granted(OPEN, before, Found()) == {*OPEN.grants, Grant(VIEW, user="li.wei")}


def test_a_token_that_sees_no_teams_lets_in_only_those_who_are_in() -> None:
    closed = Found(closed={Part.TEAMS: "403", Part.ACCOUNT: "403"})
    assert granted(CARE, frozenset({Grant(VIEW, team=DOCTORS)}), closed) == {Grant(VIEW, team=DOCTORS)}


# -- what is wanted ----------------------------------------------------------------------------------------------------


def test_every_board_of_the_package_is_wanted_in_its_folder_with_the_sites_own_values() -> None:
    boards = read_boards()
    whole = wanted(SITE, boards, private_uids())
    assert {one.uid for one in whole.dashboards} == {board["uid"] for found in boards.values() for board in found}
    assert {one.folder for one in whole.dashboards if one.uid in private_uids()} == {"anju-zh-care", "anju-en-care"}
    assert {one.folder for one in whole.dashboards if one.uid not in private_uids()} == {"anju-zh", "anju-en"}
    assert set(FOLDER_UIDS) == {folder.uid for folder in whole.folders}
    for one in whole.dashboards:
        constants = {each["name"]: each["query"] for each in one.model["templating"]["list"]}
        assert constants[URL_VARIABLE] == SITE.public_url and constants["anju_day"] == "-480m"
        assert one.uid.startswith("anju-") and "anju" in one.model["tags"], "by these it is known as Anju's"


def test_health_data_is_behind_closed_doors_before_it_is_there() -> None:
    steps = plan(wanted(SITE, read_boards(), private_uids()), Found(policies={"receiver": "mail"}))
    order = [(step.part, step.key) for step in steps]
    for uid in ("anju-zh-care", "anju-en-care"):
        boards = [at for at, step in enumerate(steps) if step.part is Part.DASHBOARDS and step.body.folder == uid]
        assert order.index((Part.FOLDERS, uid)) < order.index((Part.PERMISSIONS, uid)) < min(boards)
    assert order.index((Part.CONTACT_POINT, "anju")) < order.index((Part.POLICY, "anju"))
    folder = next(one for one in wanted(SITE, {"zh": [], "en": []}, frozenset()).folders if one.uid == "anju-zh-care")
    assert {grant.who for grant in folder.grants} == {DOCTORS, "anju-gateway"}


def test_the_same_two_give_the_same_steps() -> None:
    whole = wanted(SITE, read_boards(), private_uids())
    assert plan(whole, Found()) == plan(whole, Found())


def test_another_value_is_another_edition_and_the_committed_boards_are_not_changed() -> None:
    board = read_boards()["zh"][0]
    before = json.dumps(board)
    one = wanted_dashboard(board, "f", url="https://a", day="0m", data_source=DATA_SOURCE)
    other = wanted_dashboard(board, "f", url="https://b", day="0m", data_source=DATA_SOURCE)
    assert one.mark != other.mark and json.dumps(board) == before
    moved = wanted_dashboard(board, "f", url="https://a", day="0m", data_source="elsewhere")
    assert DATA_SOURCE not in json.dumps(moved.model)


@pytest.mark.parametrize(
    ("major", "token", "expected"),
    [
        (1, "reader:a password", {"user": "reader", "secureJsonData": {"password": "a password"}}),
        (2, "t0ken", {"secureJsonData": {"httpHeaderValue1": "Token t0ken"}}),
        (3, "apiv3_t0ken", {"secureJsonData": {"httpHeaderValue1": "Bearer apiv3_t0ken"}}),
        (1, "", {}),
    ],
)
def test_the_data_source_speaks_influxql_to_every_version(major: int, token: str, expected: dict[str, Any]) -> None:
    body = data_source(StoreAccess(url="http://i:8086", bucket="b", major=major, token=token))
    assert body["jsonData"]["version"] == "InfluxQL" and body["jsonData"]["dbName"] == "b"
    assert {key: body[key] for key in ("user", "secureJsonData") if key in body} == expected
    assert (body["jsonData"].get("httpHeaderName1") == "Authorization") == (major > 1)


def test_a_secret_is_told_from_another_and_not_given_away() -> None:
    assert mark_of("one") != mark_of("other") and mark_of("one") == mark_of("one")
    assert len(mark_of("one")) == 8 and mark_of("") == ""


def test_why_alerts_are_not_connected_is_said_and_nothing_of_them_is_touched() -> None:
    site = Site(public_url="https://a", day="0m", store=INFLUX, no_alerts="no bridge")
    whole = wanted(site, {"zh": [], "en": []}, frozenset())
    there = Found(rules={"anju-old": {"uid": "anju-old", "title": "old", "folderUID": "anju-alerts"}})
    steps = [step for step in plan(whole, there) if step.part in (Part.CONTACT_POINT, Part.POLICY, Part.RULES)]
    assert [(step.action, step.details) for step in steps] == [(Action.LEAVE, ("no bridge",))]


def test_a_rule_that_is_paused_in_grafana_stays_paused() -> None:
    site_rules = wanted(SITE, {"zh": [], "en": []}, frozenset()).rules
    there = {str(rule["uid"]): {**rule, "isPaused": True, "for": "1s"} for rule in site_rules}
    steps = plan(wanted(SITE, {"zh": [], "en": []}, frozenset()), Found(rules=there))
    rules = [step for step in steps if step.part is Part.RULES]
    assert {step.action for step in rules} == {Action.CHANGE}
    assert all(step.body["isPaused"] for step in rules)
    assert len(rules) == len(RULES) == len({rule_body(rule)["title"] for rule in RULES})
