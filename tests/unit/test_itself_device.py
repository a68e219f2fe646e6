"""The device that is this gateway: built in where the community has none, and what `anju doctor` says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway import doctor
from gateway.cases.policy import Recipient
from gateway.registry import store as registry_store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import load_community
from gateway.registry.model import Community
from gateway.rules.library import library
from gateway.settings import Settings
from gateway.state.db import open_database
from tests.support.homes import community, write_community

ITSELF = "anju-gateway"
OWN_RULES = [rule for rule in sorted(library()) if rule.startswith("gateway-")]


def loaded(directory: Path, **changes: Any) -> Community:
    document = community(1) | {"rules": [{"use": rule} for rule in OWN_RULES]} | changes
    return load_community(write_community(directory / "community.yaml", document))


def test_it_is_there_without_being_written_down(tmp_path: Path) -> None:
    directory = CommunityDirectory(loaded(tmp_path), ITSELF)
    box = directory.itself
    assert box is not None and box == directory.device(ITSELF) == directory.built_in
    assert (box.kind, box.place, directory.device_name(ITSELF, "zh")) == ("gateway", "yuan", "本网关")
    assert directory.device_name(ITSELF, "en") == "this gateway"
    assert ITSELF in directory.devices and box in directory.listed
    assert directory.supervision_s(ITSELF) == 180
    assert box not in directory.community.devices, "the registry is what people wrote"


def test_its_alarms_find_the_people_of_the_place(tmp_path: Path) -> None:
    directory = CommunityDirectory(loaded(tmp_path), ITSELF)
    assert directory.itself is not None
    told = directory.resolve(Recipient(role="maintenance"), place=directory.itself.place, resident=None, at_ms=0)
    assert [target.person for target in told] == ["desk"]


def test_of_several_roots_it_stands_for_all(tmp_path: Path) -> None:
    document = community(1)
    places = [*document["places"], {"id": "other", "level": "院", "name": "另一院"}]
    document["community"]["id"] = "both"
    directory = CommunityDirectory(loaded(tmp_path, places=places, community=document["community"]), ITSELF)
    assert directory.itself is not None and directory.itself.place == "both"
    assert directory.on_duty("maintenance", directory.itself.place, 0) == ("desk",)


def test_nobody_speaks_for_it_from_outside(tmp_path: Path) -> None:
    directory = CommunityDirectory(loaded(tmp_path), ITSELF)
    assert directory.native(ITSELF) is None
    assert directory.commands(ITSELF) == ()


def test_rules_see_it_at_its_place(tmp_path: Path) -> None:
    ruled = CommunityDirectory(loaded(tmp_path), ITSELF).ruled(ITSELF)
    assert ruled is not None
    assert (ruled.kind, ruled.place, ruled.facts["place.id"]) == ("gateway", "yuan", "yuan")


def test_a_registered_one_is_taken_instead(tmp_path: Path) -> None:
    devices = [
        *community(1)["devices"],
        {"id": "box-1", "kind": "gateway", "place": "b-1", "name": "弱电间网关"},
        {"id": "box-2", "kind": "gateway", "place": "b-1"},
    ]
    directory = CommunityDirectory(loaded(tmp_path, devices=devices), "box-1")
    assert directory.itself is not None and directory.itself.place == "b-1"
    assert directory.built_in is None and directory.device(ITSELF) is None
    assert list(directory.listed) == list(directory.community.devices)


@pytest.mark.parametrize("changes", [{"kind": "modem"}, {"status": "retired"}])
def test_one_that_cannot_be_it_is_not_taken(tmp_path: Path, changes: dict[str, str]) -> None:
    devices = [*community(1)["devices"], {"id": "box-1", "kind": "gateway", "place": "b-1"} | changes]
    assert CommunityDirectory(loaded(tmp_path, devices=devices), "box-1").itself is None


def test_commands_that_only_read_the_registry_have_no_gateway_of_their_own(tmp_path: Path) -> None:
    directory = CommunityDirectory(loaded(tmp_path))
    assert directory.itself is None and directory.device(ITSELF) is None


# --- doctor


def found(data: Path, **settings: Any) -> dict[str, tuple[str, str]]:
    made = Settings.model_validate({"data_dir": data, "api": {"port": 0}, "broker": {"port": 0}} | settings)
    return {finding.what: (finding.level, finding.said) for finding in doctor.findings(made)}


def applied(data: Path, **changes: Any) -> Path:
    engine = open_database(f"sqlite:///{data / 'state.db'}")
    registry_store.apply(engine, loaded(data, **changes), "test", 1)
    engine.dispose()
    return data


def test_doctor_says_that_nobody_outside_watches_and_what_to_do(tmp_path: Path) -> None:
    level, said = found(tmp_path)["heartbeat"]
    assert level == "warning" and "dead_man.url" in said


def test_doctor_names_the_secrets_of_the_heartbeat_and_not_its_path(tmp_path: Path) -> None:
    looked = found(tmp_path, dead_man={"url": "https://hc.test/${DEAD_MAN_ID}", "secret": "DEAD_MAN_KEY"})
    assert looked["heartbeat"] == ("ok", "every 60 s to hc.test")
    assert looked["secret DEAD_MAN_ID"][0] == looked["secret DEAD_MAN_KEY"][0] == "error"


def test_doctor_finds_a_gateway_of_whose_trouble_nobody_hears(tmp_path: Path) -> None:
    applied(tmp_path, rules=[{"use": "gateway-fault"}, {"use": "sos-pressed"}])
    level, said = found(tmp_path)["this gateway"]
    assert level == "warning" and "gateway-line-down" in said and "gateway-fault" not in said
    assert found(tmp_path, gateway_device="sos-1")["this gateway"][0] == "error"


def test_doctor_is_content_with_the_rules_of_the_library(tmp_path: Path) -> None:
    assert found(applied(tmp_path))["this gateway"][0] == "ok"
