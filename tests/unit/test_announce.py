"""What Anju announces of its own devices: discovery messages, state messages, and what is announced to nobody."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jinja2 import Environment

from devices.gear.messages import Incoming
from devices.kinds import KINDS
from devices.observation import Lane, Observation
from devices.profiles.homeassistant import HOMEASSISTANT
from devices.profiles.homeassistant.announcing import Announcing, announcing
from gateway.announce.entities import COMMANDED, HEALTH_KINDS, entities
from gateway.announce.outgoing import STATE_EVERY_S, Outgoing, Say, SayState
from gateway.announce.wording import DeviceState, announced, configs, event_payload, is_moment, obeyed_commands
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import load_community
from tests.support.gear import START_MS, Book
from tests.support.homes import community, write_community

ALL = Announcing("homeassistant", frozenset(), frozenset())


@pytest.fixture
def directory(tmp_path: Any) -> CommunityDirectory:
    document = community(2)
    document["devices"] += [
        {"id": "valve.1", "kind": "valve", "place": "door-1", "name": {"zh": "燃气阀", "en": "gas valve"}},
        {"id": "valve_1", "kind": "valve", "place": "door-2"},
        {"id": "plug-1", "kind": "plug", "place": "door-1"},
        {"id": "radar-1", "kind": "presence", "place": "door-1", "resident": "r-1"},
        {"id": "radar-x", "kind": "presence", "place": "door-1"},
        {"id": "old-1", "kind": "smoke", "place": "door-1", "status": "retired"},
    ]
    return CommunityDirectory(load_community(write_community(tmp_path / "community.yaml", document)))


def described(directory: CommunityDirectory, wanted: Announcing = ALL, **firmware: str) -> dict[str, dict[str, Any]]:
    return {topic: json.loads(payload) for topic, payload in configs(directory, wanted, firmware).items()}


def observation(
    device: str, kind: str, event: str | None = None, *, at_ms: int = START_MS, **metrics: float
) -> Observation:
    return Observation(
        message_id=f"{device}:1:{at_ms}",
        device=device,
        kind=kind,
        lane=Lane.URGENT if event else Lane.ROUTINE,
        observed_at_ms=at_ms,
        received_at_ms=at_ms,
        metrics=metrics,
        event=event,
    )


def render(template: str, payload: bytes) -> str:
    """As Home Assistant renders a value template."""
    return Environment(autoescape=False).from_string(template).render(value_json=json.loads(payload))


# --- options --------------------------------------------------------------------------------------------------------


def test_nothing_is_announced_unless_it_is_asked_for() -> None:
    assert announcing("homeassistant", {}) is None
    assert announcing("homeassistant", {"announce": "false"}) is None
    assert announcing("homeassistant", {"announce": "true", "health": "r-1, r-2", "commands": "valve plug-1"}) == (
        Announcing("homeassistant", frozenset({"r-1", "r-2"}), frozenset({"valve", "plug-1"}))
    )
    found = announcing("homeassistant", {"announce": "true", "prefix": "ha2"})
    assert found is not None and found.prefix == "ha2"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"announce": "yes"}, "announce"),
        ({"announce": "true", "prefix": "home/#"}, "prefix"),
        ({"announce": "true", "prefix": "anju"}, "prefix"),
        ({"health": "r-1"}, "health"),
    ],
)
def test_options_that_cannot_be_name_themselves_when_the_bridge_starts(options: dict[str, str], named: str) -> None:
    assert HOMEASSISTANT.message is not None
    with pytest.raises(ValueError, match=named):
        HOMEASSISTANT.message("homeassistant", options)


# --- who is announced -----------------------------------------------------------------------------------------------


def test_health_is_announced_of_those_alone_whom_the_configuration_names(directory: CommunityDirectory) -> None:
    everybody = announced(directory, ALL)
    assert not {device.kind for device in everybody.values()} & set(HEALTH_KINDS)
    assert "smoke-1" in everybody and "old-1" not in everybody
    named = announced(directory, Announcing("homeassistant", frozenset({"r-1"}), frozenset()))
    assert named.keys() - everybody.keys() == {"vitals-1", "radar-1"}, "not r-2's, and not the radar of nobody"
    topics = " ".join(described(directory))
    assert "vitals" not in topics and "radar" not in topics


def test_commands_are_offered_for_those_alone_that_are_named(directory: CommunityDirectory) -> None:
    closed = described(directory)
    assert not [topic for topic, config in closed.items() if "command_topic" in config]
    some = Announcing("homeassistant", frozenset(), frozenset({"valve.1", "plug"}))
    told = {topic: config for topic, config in described(directory, some).items() if "command_topic" in config}
    assert {config["command_topic"] for config in told.values()} == {
        "anju/set/yuan/valve.1",
        "anju/set/yuan/plug-1",
    }
    devices = announced(directory, some)
    assert obeyed_commands(devices["valve.1"], some, directory) == ("open", "close")
    assert obeyed_commands(devices["valve_1"], some, directory) == ()


# --- discovery messages -----------------------------------------------------------------------------------------------


def test_topics_are_in_the_letters_of_discovery_and_no_two_devices_share_one(directory: CommunityDirectory) -> None:
    found = described(directory)
    assert "homeassistant/binary_sensor/anju-yuan/smoke-1-alarm/config" in found
    assert "homeassistant/binary_sensor/anju-yuan/valve_2e1-open/config" in found
    assert "homeassistant/binary_sensor/anju-yuan/valve_5f1-open/config" in found
    assert len({config["unique_id"] for config in found.values()}) == len(found)


def test_a_smoke_detector_as_a_home_assistant_reads_it(directory: CommunityDirectory) -> None:
    config = described(directory, **{"smoke-1": "1.4.2"})["homeassistant/binary_sensor/anju-yuan/smoke-1-alarm/config"]
    assert config["device_class"] == "smoke"
    assert (config["payload_on"], config["payload_off"]) == ("1", "0")
    assert config["state_topic"] == "anju/state/yuan/smoke-1"
    assert config["availability_mode"] == "all" and config["availability"][0] == {"topic": "anju/state/yuan"}
    assert config["expire_after"] == 2 * KINDS["smoke"].supervision_s
    assert config["device"]["identifiers"] == ["anju-yuan-smoke-1"]
    assert config["device"]["sw_version"] == "1.4.2"
    assert config["origin"]["name"] == "Anju"


def test_a_sensor_has_its_unit_and_class(directory: CommunityDirectory) -> None:
    config = described(directory)["homeassistant/sensor/anju-yuan/smoke-1-battery/config"]
    assert (config["device_class"], config["unit_of_measurement"], config["state_class"]) == (
        "battery",
        "%",
        "measurement",
    )
    assert config["entity_category"] == "diagnostic"


def test_a_key_is_an_event_with_its_moments(directory: CommunityDirectory) -> None:
    config = described(directory)["homeassistant/event/anju-yuan/sos-1-event/config"]
    assert {"press", "long_press", "cancel", "fall"} >= set(config["event_types"]) and "cancel" in config["event_types"]
    assert config["state_topic"] == "anju/state/yuan/sos-1/event" and config["device_class"] == "button"


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("commanded", [False, True])
def test_every_kind_can_be_announced_and_every_template_yields_its_values(kind: str, commanded: bool) -> None:
    known = KINDS[kind]
    state = DeviceState()
    state.take(observation("x", kind, **{key: 1.0 for key in known.metrics if known.metrics[key].low <= 1}))
    full, empty = state.payload(kind), DeviceState().payload(kind)
    seen = set()
    for entity in entities(kind, commanded):
        assert entity.key not in seen or entity.component in ("valve", "switch", "siren")
        seen.add(entity.key)
        for name in ("value_template", "state_value_template"):
            if name in entity.fields and entity.key in state.metrics:
                assert render(str(entity.fields[name]), full) in ("1", "open")
                assert render(str(entity.fields[name]), empty) == "None"
    assert not commanded or kind not in COMMANDED or "command" not in seen


# --- state messages -------------------------------------------------------------------------------------------------


def test_a_state_has_what_was_measured_and_what_happened_last() -> None:
    state = DeviceState()
    state.take(observation("door", "contact", battery=87.0, temperature=21.3))
    state.take(observation("door", "contact", "opened", at_ms=START_MS + 1000, open=1.0))
    assert json.loads(state.payload("contact")) == {
        "online": True,
        "at": "2026-09-21T14:13:21.000Z",
        "event": "opened",
        "event_at": "2026-09-21T14:13:21.000Z",
        "metrics": {"battery": 87, "open": 1, "temperature": 21.3},
    }
    assert b'"open":1,' in state.payload("contact"), "not 1.0: it is compared as a text"
    state.take(observation("door", "contact", "offline", at_ms=START_MS + 2000))
    assert json.loads(state.payload("contact"))["online"] is False
    assert json.loads(state.payload("contact"))["event"] == "opened"


def test_what_comes_late_changes_nothing_of_how_it_is_now() -> None:
    state = DeviceState()
    state.take(observation("leak", "leak", at_ms=START_MS, alarm=0.0))
    state.take(observation("leak", "leak", "leak", at_ms=START_MS - 3_600_000, alarm=1.0))
    assert json.loads(state.payload("leak"))["metrics"] == {"alarm": 0}
    state.take(observation("leak", "leak", "command_result", at_ms=START_MS + 5))
    assert json.loads(state.payload("leak"))["event"] == "leak"


def test_a_press_is_a_moment_and_an_opened_door_is_a_state() -> None:
    press = observation("sos", "sos_button", "cancel", battery=80.0)
    assert is_moment(press)
    assert json.loads(event_payload(press))["event_type"] == "cancel"
    assert not is_moment(observation("door", "contact", "opened"))
    assert not is_moment(observation("sos", "sos_button", "online"))
    assert not is_moment(observation("sos", "sos_button"))


# --- the pile ---------------------------------------------------------------------------------------------------------


def test_what_happened_goes_first_and_routine_waits_its_time() -> None:
    out = Outgoing()
    out.state("a", urgent=False)
    out.keep("config", b"x")
    out.state("b", urgent=True)
    out.happened("event", b"e")
    assert out.next(0) == Say("event", b"e", False)
    assert out.next(0) == SayState("b")
    assert out.next(0) == Say("config", b"x", True)
    assert out.next(0) == SayState("a")
    out.state("a", urgent=False)
    assert out.next(1) is None and out.due_in_s(1) == STATE_EVERY_S - 1
    out.state("a", urgent=True)
    assert out.next(1) == SayState("a"), "what is urgent does not wait"
    assert out.next(1) is None and out.due_in_s(1) is None
    out.state("a", urgent=False)
    out.forget("a")
    assert out.next(100) is None


# --- no echo --------------------------------------------------------------------------------------------------------


def test_our_own_announcements_are_no_foreign_gear(directory: CommunityDirectory) -> None:
    assert HOMEASSISTANT.message is not None
    inbound = HOMEASSISTANT.message("homeassistant", {})
    everything = Announcing("homeassistant", frozenset({"r-1", "r-2"}), frozenset(COMMANDED))
    for topic, payload in configs(directory, everything, {}).items():
        reading = inbound.receive(Incoming(source=topic, payload=payload, received_at_ms=START_MS), Book([]))
        assert not (reading.said or reading.announced or reading.faults or reading.listen), topic
