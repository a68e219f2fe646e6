"""From the key of a social alarm unit to a telephone on which somebody presses 1: SCAIP in, a SIP trunk out."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.fleet import system_ms
from firmware_sim.gear.base import GearPart, Receiver
from firmware_sim.gear.scaip import SimScaip
from tests.support.eventually import eventually_async
from tests.support.gateway import RunningGateway
from tests.support.homes import FAR_LINE, community
from tests.support.outside import OutsideWorld
from tests.support.ports import HOST, free_port
from tests.support.sip_peer import telephone, voiced_s

pytestmark = [pytest.mark.slow]

UNIT = "+861065001001"


def town() -> dict[str, Any]:
    """The control room is called, and nothing else reaches it."""
    document = copy.deepcopy(community(1, rungs=FAR_LINE))
    document["bridges"] = [{"id": "care-units", "profile": "scaip"}]
    document["devices"] += [
        {"id": "unit", "kind": "concentrator", "profile": "scaip", "address": UNIT, "place": "door-1"},
        {"id": "pendant", "kind": "sos_button", "profile": "scaip", "address": f"{UNIT}#d1", "place": "door-1"}
        | {"via": "unit", "resident": "r-1"},
    ]
    document["channels"].append({"id": "voice", "type": "voice", "by": ["modem", "sip"]})
    desk = next(person for person in document["people"] if person["id"] == "desk")
    desk["contacts"] = [{"channel": "voice", "to": "+86 138-0013-8000"}]
    return document


@contextlib.asynccontextmanager
async def living(sim: SimScaip) -> AsyncIterator[SimScaip]:
    task = asyncio.create_task(sim.run())
    try:
        yield sim
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_pendant_a_call_and_a_key(tmp_path: Path) -> None:
    listen = free_port()
    parts = (GearPart(address=UNIT, kind="concentrator"), GearPart(address=UNIT, kind="sos_button", part="d1"))
    async with telephone(tmp_path / "phone") as phone:
        trunk = {"name": "trunk", "proxy": f"{HOST}:{phone.port}", "user": "anju", "register_s": 0, "bind": HOST}
        settings = {
            "ANJU_SCAIP__HOST": HOST,
            "ANJU_SCAIP__PORT": str(listen),
            "ANJU_SIP": json.dumps([trunk | {"calls": 1}]),
        }
        with contextlib.ExitStack() as stack:
            world = await asyncio.to_thread(stack.enter_context, OutsideWorld())
            gateway = RunningGateway(tmp_path, world, community=town(), settings=settings)
            await asyncio.to_thread(stack.enter_context, gateway)

            def part(name: str) -> dict[str, Any]:
                parts: list[dict[str, Any]] = gateway.api.get("/api/v1/health").json()
                return next(one for one in parts if one["name"] == name)

            for name in ("sip-trunk", "bridge-care-units"):
                await eventually_async(lambda name=name: part(name)["state"] == "ok", 30, f"{name} is up")
            async with living(SimScaip(Receiver(HOST, listen), parts, clock=system_ms)) as sim:
                sim.act(f"{UNIT}#d1", "press", {})
                await eventually_async(lambda: sim.units[UNIT].answers == ["0"], 20, "the unit is answered")
                case = await asyncio.to_thread(gateway.wait_for_case, "pendant")
                await phone.in_call()
                await eventually_async(lambda: voiced_s(phone.heard()) > 1, 30, "somebody speaks")
                await phone.press("1")
                taken = await asyncio.to_thread(gateway.wait_for_line, case["id"], "acknowledged", 20)
                assert (taken["actor"], taken["data"]["via"]) == ("person:desk", "voice")
                await eventually_async(lambda: phone.saw("CALL_CLOSED"), what="the line is free again")
            for name, labels in (("anju_sip_calls_total", {"end": "answered"}), ("anju_sip_lines", {"state": "up"})):
                await eventually_async(
                    lambda name=name, labels=labels: gateway.metric(name, trunk="trunk", **labels) == 1, what=name
                )
