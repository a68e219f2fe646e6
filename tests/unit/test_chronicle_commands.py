"""Commands to devices as points: what they were told in words, whether it was done, and where."""

from __future__ import annotations

import pytest

from devices.measurements import HAPPENINGS
from devices.telemetry import faults
from gateway.cases.effects import DEVICE_CHANNEL, Purpose, Send
from gateway.chronicle.commands import command_point
from gateway.chronicle.ground import Ground, ground_of
from gateway.chronicle.messages import Said
from tests.support.control_town import town

START = 1_790_000_000_000


@pytest.fixture(scope="module")
def ground() -> Ground:
    return ground_of(town())


def told(device: str, result: str, command: str, args: dict[str, str] | None = None, *, drill: bool = False) -> Said:
    data: dict[str, object] = {"command": command, **({"args": args} if args is not None else {})}
    send = Send(key=f"k-{device}", channel=DEVICE_CHANNEL, to=device, purpose=Purpose.ACTION, data=data, drill=drill)
    body = send.model_dump_json()
    return Said(send.key, DEVICE_CHANNEL, result, True, drill, START, START + 6400, 2, "2026-000007", body)


def test_a_valve_that_shut_says_where_and_how_soon(ground: Ground) -> None:
    point = command_point(told("valve-1", "delivered", "close"), ground)
    assert point.measurement == "command" and point.at_ns // 1_000_000 == START
    assert point.tags == {
        "community": "tuanjie", "grid": "g-1", "building": "b-11",
        "kind": "valve", "command": "close", "result": "delivered", "drill": "0",
    }  # fmt: skip
    assert (point.fields["done"], point.fields["took_s"], point.fields["attempts"]) == (1.0, 6.4, 2.0)
    assert (point.fields["says_zh"], point.fields["says_en"]) == ("关阀", "shut the valve")
    assert (point.fields["device"], point.fields["place"], point.fields["case"]) == ("valve-1", "home-1", "2026-000007")
    assert faults(HAPPENINGS["command"], point.tags, point.fields) == []


def test_what_was_refused_is_not_done_and_what_was_taken_back_is_neither(ground: Ground) -> None:
    assert command_point(told("valve-1", "failed", "close"), ground).fields["done"] == 0
    assert "done" not in command_point(told("valve-1", "withdrawn", "close"), ground).fields


def test_a_sign_says_what_it_shows(ground: Ground) -> None:
    args = {"level": "severe", "pictogram": "detour", "brightness": "auto"}
    fields = command_point(told("sign-2", "delivered", "show", args), ground).fields
    assert (fields["says_zh"], fields["says_en"]) == ("显示：严重拥堵、绕行", "show: severe congestion, detour")
    assert command_point(told("sign-2", "delivered", "clear"), ground).fields["says_zh"] == "清屏"


def test_a_drill_and_a_device_that_is_gone_are_told_apart(ground: Ground) -> None:
    assert command_point(told("valve-1", "delivered", "close", drill=True), ground).tags["drill"] == "1"
    gone = command_point(told("valve-99", "failed", "close"), ground)
    assert gone.tags["kind"] == "" and gone.fields["says_zh"] == "close" and gone.fields["name_zh"] == "valve-99"
