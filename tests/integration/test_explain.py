"""Explanations of a running gateway: by the API, on the console, at the command line; of an alarm, and of none."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.support.console import guarded_yard, logged_in, make_token
from tests.support.gateway import RunningGateway
from tests.support.outside import OutsideWorld
from tests.support.radio import Radio

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    directory = tmp_path_factory.mktemp("explain")
    with OutsideWorld() as world, RunningGateway(directory, world, community=guarded_yard(2)) as running:
        yield running


@pytest.fixture(scope="module")
def radio(gateway: RunningGateway) -> Iterator[Radio]:
    with gateway.radio() as radio:
        yield radio


@pytest.fixture(scope="module")
def pressed(gateway: RunningGateway, radio: Radio) -> str:
    """The id of a case that a press opened."""
    radio.say("sos-1", "press")
    case_id: str = gateway.wait_for_case("sos-1")["id"]
    return case_id


def ask(gateway: RunningGateway, path: str, **query: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {gateway.token}"}
    return httpx.get(f"{gateway.url}/api/v1{path}", params=query, headers=headers, timeout=15, trust_env=False)


def test_a_case_is_explained_by_what_was_said_and_which_rule_decided(gateway: RunningGateway, pressed: str) -> None:
    (found,) = ask(gateway, f"/cases/{pressed}/explanation").json()
    assert found["case_id"] == pressed and found["story"]["raised"]
    assert found["decided"]["explanation"].endswith("(press)")
    (step,) = found["story"]["steps"]
    assert (step["device"], step["event"], step["moves"][0]["move"]) == ("sos-1", "press", "raised")
    alarm = ask(gateway, "/alarms", case_id=pressed).json()[0]
    assert ask(gateway, f"/alarms/{alarm['id']}/explanation").json() == found


def test_why_there_was_none(gateway: RunningGateway, radio: Radio) -> None:
    found = ask(gateway, "/explanations", rule="sos-pressed", subject="sos-2").json()
    assert not found["story"]["raised"] and found["story"]["subject"].startswith("resident:")
    (why,) = found["story"]["why"]
    assert why[1] == "nothing was said that concerns it (press, long_press)"
    assert found["journal_begins_ms"] is not None
    resident = found["story"]["subject"]
    by_id = ask(gateway, "/explanations", rule="sos-pressed", subject=resident.removeprefix("resident:")).json()
    assert by_id["story"]["subject"] == resident


@pytest.mark.parametrize(
    ("path", "query", "status", "said"),
    [
        ("/explanations", {"rule": "nothing", "subject": "sos-1"}, 404, "there is no rule 'nothing'"),
        (
            "/explanations",
            {"rule": "sos-pressed", "subject": "place:nowhere"},
            404,
            "nothing is registered for place:nowhere",
        ),
        ("/explanations", {"rule": "sos-pressed"}, 422, "subject"),
        ("/explanations", {"rule": "device-silent", "subject": "resident:r-1"}, 404, "ask about one of device:"),
        ("/alarms/999999/explanation", {}, 404, "there is no alarm 999999"),
        ("/cases/none/explanation", {}, 404, "there is no case none"),
    ],
)
def test_what_is_not_there_is_said(
    gateway: RunningGateway, pressed: str, path: str, query: dict[str, str], status: int, said: str
) -> None:
    answer = ask(gateway, path, **query)
    assert answer.status_code == status and said in answer.json()["en"]


def test_the_console_shows_it(gateway: RunningGateway, pressed: str) -> None:
    with logged_in(gateway, gateway.token) as desk:
        case = desk.get(f"/cases/{pressed}").text
        assert f'href="/cases/{pressed}/why"' in case
        why = desk.get(f"/cases/{pressed}/why").text
        assert "报警成立" in why and "sos-1" in why
        form = desk.get("/why").text
        assert 'name="rule"' in form
        none = desk.get("/why", params={"rule": "sos-pressed", "subject": "sos-2", "hours": "24"}).text
        assert "没有报警" in none
        wrong = desk.get("/why", params={"rule": "sos-pressed", "subject": "sos-2", "at": "yesterday"}).text
        assert "expected a time such as" in wrong


def test_the_command_line_tells_it_beside_the_running_gateway(gateway: RunningGateway, pressed: str) -> None:
    told = gateway.command("explain", pressed)
    assert "报警成立 raised" in told and "sos-1 press" in told
    machine = json.loads(gateway.command("explain", "--rule", "sos-pressed", "--subject", "sos-2", "--json"))
    assert machine[0]["story"]["raised"] is False


def test_a_change_of_the_rules_meanwhile_is_said(gateway: RunningGateway, pressed: str) -> None:
    before = ask(gateway, "/explanations", rule="sos-pressed", subject="sos-2").json()
    assert not any("were changed" in one[1] for one in before["around"])
    headers = {"Authorization": f"Bearer {make_token(gateway, 'chief', 'admin')}"}
    off = httpx.post(f"{gateway.url}/api/v1/rules/bin-full/shadow", headers=headers, timeout=15, trust_env=False)
    assert off.status_code == 200, off.text
    after = ask(gateway, "/explanations", rule="sos-pressed", subject="sos-2").json()
    assert any("were changed 1 times meanwhile" in one[1] for one in after["around"])
