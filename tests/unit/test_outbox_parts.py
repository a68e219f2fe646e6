"""The outbox's pure parts and the building of channels: the card, the signature, what transports' words mean."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.native import Command
from gateway.cases.effects import LINE_CHANNEL
from gateway.outbox.card import FIELDS, card_for_line
from gateway.outbox.channels.build import build_channels
from gateway.outbox.channels.device_command import OUTCOMES
from gateway.outbox.channels.emergency_line import DrillLine
from gateway.outbox.channels.exchange import header_text
from gateway.outbox.channels.signed_post import signature
from gateway.registry.model import Community
from gateway.settings import Secrets
from gateway.transports.mqtt_connection import PublishOutcome
from gateway.transports.serial_health import CommandOutcome

BASE = {
    "case_number": "AJ-2026-7",
    "complaint": "一键呼救",
    "source": "床头按钮",
    "call_back": "010-65980000",
    "patient": {
        "name": "王秀英",
        "sex": "female",
        "age": 82,
        "birth_year": 1943,
        "conditions": ["冠心病"],
        "allergies": [],
        "doctor": None,
    },
    "conscious": "unknown",
    "breathing": "unknown",
    "address": {"zh": "3 号楼 2 单元 501", "en": "Building 3, unit 2, door 501"},
    "position": {"lat": 39.93, "lon": 116.46, "datum": "WGS-84", "of": "3 号楼"},
    "access": "",
    "meet_at": "东门",
    "phones": [{"relation": "女儿", "name": "李梅", "phone": "13800000000"}],
}
VITALS = [{"metric": "spo2", "value": 84, "unit": "%", "at_ms": 1}]


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return Secrets(tmp_path)


def test_a_card_is_complete_and_says_what_is_not_known() -> None:
    card = card_for_line(BASE, VITALS, drill=True)
    assert card["unknown"] == ["conscious", "breathing", "patient.allergies", "access"]
    assert card["vitals"] == VITALS
    assert card["text"].removeprefix("【演练】").split("；") == [
        "现场地址：3 号楼 2 单元 501",
        "主诉：一键呼救",
        "患者姓名：王秀英",
        "性别：女",
        "年龄：82",
        "意识：未知",
        "呼吸：未知",
        "联系电话：010-65980000",
        "家属电话：女儿 李梅 13800000000",
        "既往史：冠心病",
        "过敏史：未知",
        "最近体征：spo2 84 %",
        "门禁/钥匙：未知",
        "接车地点：东门",
        "呼救来源：床头按钮",
    ]
    assert card["address"] == {"zh": "【演练】3 号楼 2 单元 501", "en": "【演练】Building 3, unit 2, door 501"}
    assert card["patient"]["name"] == "【演练】王秀英"
    assert card["phones"] == BASE["phones"], "a number stays a number"
    assert BASE["complaint"] == "一键呼救", "what was handed in is left as it was"


def test_without_a_drill_nothing_is_marked() -> None:
    card = card_for_line(BASE, drill=False)
    assert "演练" not in str(card)
    assert card["drill"] is False


def test_applying_it_twice_changes_nothing() -> None:
    once = card_for_line(BASE, VITALS, drill=True)
    assert card_for_line(once, drill=True) == once


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ).flatmap(
        lambda value: st.dictionaries(
            st.sampled_from([path.partition(".")[0] for path, _ in FIELDS]), st.just(value), max_size=16
        )
    )
)
def test_no_card_is_too_empty_or_too_odd_to_be_sent(base: dict[str, object]) -> None:
    card = card_for_line(base, drill=True)
    assert card["drill"] is True
    assert card["text"].startswith("【演练】")
    assert card_for_line(card, drill=True) == card


def test_the_signature_is_what_openssl_makes_of_it() -> None:
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", "Jefe", "-hex"], input=b"1.{}", capture_output=True, check=True
    )
    assert signature("Jefe", "1", b"{}") == "sha256=" + done.stdout.decode().rpartition(" ")[2].strip()


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_any_key_fits_into_a_header_and_comes_out_again(key: str) -> None:
    text = header_text(key)
    assert text.isascii()
    assert text.isprintable()
    assert unquote(text) == key


def test_every_word_of_the_transports_has_a_meaning() -> None:
    of_gear = {"done"}  # sent to what can obey and cannot answer
    assert {outcome.value for outcome in (*PublishOutcome, *CommandOutcome)} | of_gear == set(OUTCOMES)


@pytest.mark.parametrize("url", ["tel:120", "sip:120@carrier.example", "120", "file:///dev/ttyUSB2"])
def test_the_drill_line_has_no_way_to_a_telephone(secrets: Secrets, url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        DrillLine(url, None, secrets)


@dataclass
class Said:
    outcome: str
    detail: str = ""


def test_a_community_s_channels_are_built(secrets: Secrets) -> None:
    async def publish(device: str, command: Command, expiry_s: int) -> Said:
        return Said("accepted")

    community = Community.model_validate(
        {
            "anju": 1,
            "community": {"id": "t", "name": "团结湖"},
            "emergency_line": {"url": "http://127.0.0.1:1"},
            "channels": [
                {"id": "wecom", "type": "apprise", "url": "wecombot://${MESSENGER_KEY}"},
                {"id": "hook", "type": "webhook", "url": "http://127.0.0.1:1/", "secret": "HOOK_SECRET"},
            ],
        }
    )
    built = build_channels(community, secrets, publish)
    assert {name: type(channel).__name__ for name, channel in built.items()} == {
        "wecom": "AppriseMessenger",
        "hook": "Webhook",
        "device": "DeviceCommandChannel",
        "emergency_line": "DrillLine",
    }
    taken = community.model_copy(update={"channels": (community.channels[0].model_copy(update={"id": "device"}),)})
    with pytest.raises(ValueError, match="device"):
        build_channels(taken, secrets, publish)
    without = community.model_copy(update={"emergency_line": None})
    assert LINE_CHANNEL not in build_channels(without, secrets, publish)
