"""From an alarm unit that calls in to an alarm receiving centre that is told: a whole gateway, sockets, a crash."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pysiaalarm import SIAAccount, SIAClient
from pysiaalarm.event import SIAEvent

from firmware_sim.fleet import system_ms
from firmware_sim.gear.base import GearPart, Receiver
from firmware_sim.gear.dc09 import SimDc09
from tests.support.eventually import eventually
from tests.support.gateway import RunningGateway
from tests.support.homes import community
from tests.support.outside import OutsideWorld
from tests.support.ports import free_port

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(400)]

KEY = "A1B2C3D4E5F60718"


def town(arc_port: int) -> dict[str, Any]:
    document = copy.deepcopy(community(2))
    place = document["devices"][0]["place"]
    document["bridges"] = [{"id": "alarm-units", "profile": "dc09"}]
    document["devices"] += [
        {"id": "unit", "kind": "concentrator", "profile": "dc09", "address": "1002", "place": place,
         "options": {"key": "UNIT_KEY"}},
        {"id": "pendant", "kind": "sos_button", "profile": "dc09", "address": "1002#7", "place": place, "via": "unit",
         "resident": document["residents"][0]["id"]},
    ]  # fmt: skip
    document["channels"].append(
        {"id": "arc", "type": "dc09", "account": "ABCD", "poll_s": 1, "secret": "ARC_KEY",
         "receivers": [{"host": "127.0.0.1", "port": arc_port}]}
    )  # fmt: skip
    document["hand_over"] = [
        {"id": "arc", "channel": "arc", "mode": "live", "zones": {"pendant": {"zone": 7}}, "severities": ["emergency"]}
    ]
    return document


class Centre:
    """An alarm receiving centre by a public library."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.alarms: list[SIAEvent] = []
        self.client: SIAClient | None = None

    def hear(self, event: SIAEvent) -> None:
        if event.event_type is not None:
            self.alarms.append(event)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        client = SIAClient("127.0.0.1", self.port, [SIAAccount("ABCD", KEY)], self.hear)
        client.start()
        try:
            yield
        finally:
            client.stop()

    @property
    def said(self) -> list[str]:
        """What it was told, each message once: a repeat has the number of the first."""
        return list({one.sequence: f"{one.event_qualifier}{one.event_type} {one.ri}" for one in self.alarms}.values())


@contextlib.contextmanager
def living(sim: SimDc09) -> Iterator[asyncio.AbstractEventLoop]:
    """The units live in a loop of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    task = asyncio.run_coroutine_threadsafe(sim.run(), loop)
    try:
        yield loop
    finally:
        task.cancel()
        loop.call_soon_threadsafe(loop.call_later, 0.5, loop.stop)
        thread.join(timeout=10)


def test_from_a_unit_that_calls_in_to_a_centre_that_is_told_over_a_crash(tmp_path: Path) -> None:
    centre, listen = Centre(free_port()), free_port()
    settings = {"ANJU_DC09__HOST": "127.0.0.1", "ANJU_DC09__PORT": str(listen), "UNIT_KEY": KEY, "ARC_KEY": KEY}
    parts = (
        GearPart(address="1002", kind="concentrator"),
        GearPart(address="1002", kind="sos_button", part="7"),
    )
    sim = SimDc09(Receiver("127.0.0.1", listen), parts, clock=system_ms)
    sim.units["1002"].key = KEY.encode()
    with (
        OutsideWorld() as world,
        RunningGateway(tmp_path, world, community=town(centre.port), settings=settings) as gateway,
        living(sim) as loop,
    ):

        def path() -> str:
            parts: list[dict[str, Any]] = gateway.api.get("/api/v1/health").json()
            return next(one["state"] for one in parts if one["name"] == "path-arc")

        eventually(lambda: path() == "failed", 30, "nobody is at the centre")
        loop.call_soon_threadsafe(sim.act, "1002#7", "press")
        case = gateway.wait_for_case("pendant")
        eventually(lambda: sim.units["1002"].answers[-1:] == ["ACK"], 20, "the unit is acknowledged")
        with centre.open():
            eventually(lambda: path() == "ok", 30, "the centre answers")
            eventually(lambda: centre.said == ["1101 007"], 90, f"the centre is told: {centre.said}")
        gateway.kill()
        gateway.start()
        with centre.open():
            answer = gateway.api.post(f"/api/v1/cases/{case['id']}/cancel", json={"reason": "误按"})
            assert answer.status_code == 200, answer.text
            end = {"1406 007", "3101 007"}
            eventually(lambda: set(centre.said[-2:]) == end, 90, f"the centre hears of the end: {centre.said}")
        assert centre.said[0] == "1101 007" and centre.said.count("1101 007") == 1
        assert set(centre.said[1:-2]) <= {"6101 007"}, "the line was called meanwhile: it is still there"
        feed = gateway.api.get("/api/v1/cap.atom")
        assert feed.status_code == httpx.codes.OK and case["id"] in feed.text
