"""`anju devices try` and `anju devices profiles`, through the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from devices.profiles import PROFILES
from gateway.cli import app

RELAY = "shellies/plug-7/relay/0"


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, ["devices", *arguments], input=stdin)


def said(*arguments: str, stdin: bytes = b"") -> list[str]:
    result = run("try", *arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def test_the_message_says_which_device_and_what_it_most_probably_is() -> None:
    assert said("shelly-gen1", "--topic", RELAY, stdin=b"on\n") == [
        "设备 device: plug plug-7",
        "event=switched_on lane=routine faulty=0 powered=1",
    ]


def test_kind_address_options_and_base_as_in_the_registry() -> None:
    lines = said(
        "shelly-gen1", "--kind", "contact", "--address", "door#2", "--option", "reverse=yes", "--base", "house",
        "--topic", "house/door/input/2", stdin=b"1",
    )  # fmt: skip
    assert lines == ["设备 device: contact door#2", "event=opened lane=urgent open=1"]


def test_another_address_than_that_of_the_message_is_told_as_a_stranger() -> None:
    lines = said("shelly-gen1", "--address", "other", "--kind", "plug", "--topic", RELAY, stdin=b"on")
    assert lines[:2] == ["设备 device: plug other", 'offer=plug address=plug-7 vendor="Shelly"']
    assert "not registered" in lines[2]


def test_what_the_broker_had_kept_is_no_press() -> None:
    topic = "shellies/button/input_event/0"
    press = b'{"event": "S", "event_cnt": 1}'
    assert said("shelly-gen1", "--topic", topic, stdin=press)[1] == "event=press lane=urgent presses=1"
    lines = said("shelly-gen1", "--topic", topic, "--retained", stdin=press)
    assert lines[1] == "lane=routine presses=1" and "the press is over" in lines[-1]


def test_what_goes_with_an_observation_and_a_clock_that_nobody_believes() -> None:
    payload = b'{"_type": "transition", "lat": 31.2, "lon": 121.4, "event": "enter", "desc": "yard", "tst": 1000000000}'
    lines = said("owntracks", "--topic", "owntracks/wang/phone/event", stdin=payload)
    assert lines[1:3] == ["lane=routine latitude=31.2 longitude=121.4", '  附带 with region="yard" transition="enter"']
    assert "its clock is not believed" in lines[3]


def test_why_not_is_told_with_exit_code_1() -> None:
    result = run("try", "shelly-gen1", "--topic", RELAY + "/power", stdin=b"much")
    assert result.exit_code == 1
    assert result.output.splitlines() == ["✗ payload: malformed", "  应为 expected a number", "  got 'much'"]


def test_a_measurement_that_cannot_be_is_a_fault_beside_what_can() -> None:
    payload = b'{"ENERGY": {"Power": 123456, "Voltage": 230}}'
    result = run("try", "tasmota", "--topic", "tele/a/SENSOR", stdin=payload)
    assert result.exit_code == 1
    assert "lane=routine voltage=230" in result.output
    assert "✗ metrics.power: out_of_range" in result.output and "expected 0 to 5000 W" in result.output


def test_what_concerns_nobody() -> None:
    assert "it concerns no device" in said("rtl-433", "--topic", "rtl_433/pi/events", stdin=b'{"frames": 3}')[0]
    lines = said("tasmota", "--kind", "plug", "--address", "a", "--topic", "tele/a/STATE", stdin=b"{}")
    assert "it says nothing new" in lines[1]


def test_gear_that_only_describes_itself() -> None:
    payload = b'{"id": "shellyplug-s-1", "model": "SHPLG-S", "fw_ver": "1.14.0"}'
    lines = said("shelly-gen1", "--topic", "shellies/announce", stdin=payload)
    assert lines[0] == 'offer=plug address=shellyplug-s-1 vendor="Shelly" model="SHPLG-S" firmware="1.14.0"'
    assert "described by its bridge" in lines[1]


def test_bytes_of_a_line() -> None:
    frame = "01 E0 84 93 92 BC E3 FF FF "  # 60 /min, 99 %
    result = run("try", "contec-cms50", "--hex", "--over", "10", stdin=(frame * 600).encode())
    assert result.exit_code == 0, result.output
    assert "pulse=60" in result.output and "spo2=99" in result.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("try", "shely"), "there is no profile shely"),
        (("try", "shelly", "--kind", "doorbell"), "there is no kind doorbell"),
        (("try", "shelly"), "the topic is missing"),
        (("try", "shelly", "--topic", "a/online", "--option", "reverse"), "expected name=value"),
        (("try", "shelly", "--topic", "a/online", "--base", "+"), "base: expected the beginning of a topic"),
        (("try", "contec-cms50", "--hex"), "the input is not hexadecimal"),
        (("try", "contec-cms50", "--bridge-option", "variant=third"), "variant: expected one of"),
    ],
)
def test_wrong_usage_has_exit_code_2_and_says_what_is_right(arguments: tuple[str, ...], told: str) -> None:
    result = run(*arguments, stdin=b"xyz")
    assert result.exit_code == 2
    assert told in " ".join(result.output.split())


def test_a_profile_that_is_being_written_is_tried_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    text = (
        "key: mine\nzh: 我的\nen: mine\ncarrier: mqtt\nmodels: [mine]\nsource: me\n"
        "messages: [{topic: 'mine/{address}'}]\nkinds: {leak: {metrics: {alarm: wet}}}\n"
    )
    file.write_text(text, encoding="utf-8")
    assert said(str(file), "--topic", "mine/bath", stdin=b'{"wet": true}')[1] == "event=leak lane=urgent alarm=1"
    file.write_text(text.replace("alarm: wet", "alarm: wet ="), encoding="utf-8")
    result = run("try", str(file), "--topic", "mine/bath", stdin=b"{}")
    assert result.exit_code == 2 and "mine.yaml:8: kinds.leak.metrics.alarm" in " ".join(result.output.split())
    assert run("try", str(tmp_path / "none.yaml"), stdin=b"{}").exit_code == 2


def test_profiles_are_listed_with_all_that_chooses_one() -> None:
    output = run("profiles").output
    for profile in PROFILES.values():
        assert f"{profile.key}  {profile.zh} · {profile.en}" in output
        assert f"  种类 kinds: {', '.join(profile.kinds)}" in output
    assert "mqtt, base shellies; docs/devices/shelly-gen1.md" in output
    assert "ESPHome nodes（仅据文档 from documents alone）" in output
    assert "serial, 115200 baud" in output
