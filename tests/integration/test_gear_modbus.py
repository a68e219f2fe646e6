"""Simulated Modbus slaves on one real pty: good and bad cables, every wiring fault, and commands."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from devices.gear.memory import Memory, observe
from devices.gear.messages import GearDevice
from devices.native import PROTOCOL_VERSION, Command
from devices.profiles.modbus.bus import ModbusBus
from firmware_sim.gear.base import GearPart, Port
from firmware_sim.gear.modbus import SimModbus
from firmware_sim.gear.modbus_models import EnergyMeter
from firmware_sim.pty_cable import PtyCable
from gateway.clock import SystemClock
from gateway.settings import SerialLine
from gateway.transports.modbus_line import ModbusLine
from gateway.transports.serial_health import CommandOutcome, LineState
from tests.support.eventually import PATIENCE, eventually_async
from tests.support.gear import Book
from tests.support.lines import LINKS, Taken, now_ms


def device(id: str, kind: str, address: str, map: str, every_s: str = "1") -> GearDevice:
    slave, _, part = address.partition("#")
    return GearDevice(id=id, kind=kind, address=slave, part=part, options={"map": map, "every_s": every_s})


ALL = (
    device("single", "meter", "1", "sdm120"),
    device("triple", "meter", "2", "sdm630"),
    device("water", "meter", "3", "ultrad"),
    device("air", "environment", "4", "xy-md02"),
    device("road", "traffic_counter", "5", "ld120"),
    device("valve", "valve", "6#1", "waveshare-relay-d"),
    device("lamp", "plug", "6#2", "waveshare-relay-d"),
    device("pump", "plug", "7#1", "waveshare-relay"),
)
AIR, VALVE, LAMP = ALL[3], ALL[5], ALL[6]


@dataclass
class Rig:
    cable: PtyCable
    line: ModbusLine
    sim: SimModbus
    taken: Taken

    def value(self, device: GearDevice, key: str) -> float | None:
        with self.taken.lock:
            found = (said for said in reversed(self.taken.said) if said.device == device and key in said.metrics)
            return next((said.metrics[key] for said in found), None)

    def presence(self, device: GearDevice) -> bool | None:
        with self.taken.lock:
            found = (said for said in reversed(self.taken.said) if said.device == device and said.presence is not None)
            return next((said.presence for said in found), None)

    def trouble(self, slave: int, **what: object) -> None:
        name = next(name for name, part in self.sim.parts.items() if int(part.address) == slave)
        self.sim.act(name, "trouble", what)


@asynccontextmanager
async def rig(
    directory: Path,
    devices: Sequence[GearDevice] = ALL,
    *,
    timeout_ms: str = "200",
    parts: tuple[GearPart, ...] = (),
    **link: Any,
) -> AsyncIterator[Rig]:
    with PtyCable(directory) as cable:
        taken, book = Taken(), Book(devices)
        bus = ModbusBus({"baud": "9600", "timeout_ms": timeout_ms})
        line = ModbusLine(
            SerialLine(name="rs485", port=str(cable.gateway_path)), bus, taken, lambda: book, SystemClock()
        )
        sim = SimModbus(Port(str(cable.concentrator_path)), parts, seed=1, clock=now_ms, **link)
        running = asyncio.create_task(sim.run())
        await eventually_async(partial(sim.counts.__getitem__, "opened"))
        line.start()
        try:
            yield Rig(cable, line, sim, taken)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await asyncio.to_thread(line.stop)


def same(bus: Rig, device: GearDevice, key: str, wanted: float, within: float) -> bool:
    value = bus.value(device, key)
    return value is not None and abs(value - wanted) <= within


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS.keys())
async def test_eight_devices_of_seven_slaves_over_any_cable(tmp_path: Path, link: dict[str, Any]) -> None:
    async with rig(tmp_path, **link) as bus:
        bus.sim.act("1", "set", {"power": 1234.5})
        bus.sim.act("4", "set", {"temperature": -12.3})
        await eventually_async(lambda: same(bus, ALL[0], "power", 1234.5, 0.1), 30)
        await eventually_async(lambda: same(bus, AIR, "temperature", -12.3, 0.01), 30)
        for one, key in zip(
            ALL, ("energy", "voltage", "volume", "humidity", "flow", "open", "powered", "powered"), strict=True
        ):
            await eventually_async(lambda one=one, key=key: bus.value(one, key) is not None, 30, f"{one.id}: {key}")
        water = bus.sim.slaves[3]
        assert abs((bus.value(ALL[2], "volume") or 0) - float(str(water.look()["volume"]))) < 0.1
        assert bus.line.health().state is LineState.UP
        # What a bad cable spoils is refused by its checksum: every value ever said is one that was measured.
        volts = {round(slave.volts, 3) for slave in bus.sim.slaves.values() if isinstance(slave, EnergyMeter)}
        assert {round(value, 3) for value in bus.taken.values("voltage")} <= volts


async def test_an_adapter_that_hears_itself(tmp_path: Path) -> None:
    async with rig(tmp_path, echo=True) as bus:
        await eventually_async(lambda: bus.value(AIR, "temperature") is not None)
        await eventually_async(lambda: bus.line.health().echoes)
        order = bus.line.order(LAMP, Command(v=PROTOCOL_VERSION, id="c", command="switch_on"), now_ms())
        assert (await bus.line.send(order, 5)).outcome is CommandOutcome.HANDED_OVER
        await eventually_async(lambda: bus.value(LAMP, "powered") == 1)
        bus.trouble(6, silent=True)
        order = bus.line.order(LAMP, Command(v=PROTOCOL_VERSION, id="d", command="switch_off"), now_ms())
        report = await bus.line.send(order, 5)
        assert report.outcome is CommandOutcome.NO_ANSWER, "the echo of the write is not its answer"


async def test_a_silent_slave_is_said_to_be_gone_and_the_others_keep_their_pace(tmp_path: Path) -> None:
    async with rig(tmp_path) as bus:
        await eventually_async(lambda: bus.presence(AIR) is True)
        bus.trouble(1, silent=True)
        await eventually_async(lambda: bus.presence(ALL[0]) is False, 20)
        health = bus.line.health()
        assert health.slaves[1].offline and not health.slaves[4].offline
        assert health.state is LineState.UP
        before = [query[0] for query in bus.sim.asked].count(4)
        await eventually_async(lambda: [query[0] for query in bus.sim.asked].count(4) - before >= 4, 5, "their pace")
        bus.trouble(1)
        await eventually_async(lambda: bus.presence(ALL[0]) is True, 70)


@pytest.mark.parametrize(
    ("trouble", "counted"),
    [({"bad_crc": True}, "damaged"), ({"wrong_id": True}, "strange"), ({"slow_s": 0.9}, "silent")],
    ids=["wrong checksum", "another slave answers", "too slow"],
)
async def test_what_is_no_good_answer_is_not_taken(tmp_path: Path, trouble: dict[str, object], counted: str) -> None:
    async with rig(tmp_path, (AIR,)) as bus:
        await eventually_async(lambda: bus.presence(AIR) is True)
        bus.trouble(4, **trouble)
        await eventually_async(lambda: bus.line.health().frames_bad.get(counted, 0) >= 3, 20)
        said = len(bus.taken.said)
        await eventually_async(lambda: bus.presence(AIR) is False, 20)
        assert all(not one.metrics for one in bus.taken.said[said:])
        await eventually_async(lambda: bus.line.health().state is LineState.SILENT, 10)
        bus.trouble(4)
        await eventually_async(lambda: bus.presence(AIR) is True, 70)


ONE_BY_ONE = """\
model: an energy meter whose registers are asked for one by one
zh: 电能表
source: as sdm120, without its gaps
setting: 9600 8N1
kinds:
  meter:
    read:
      - {metric: voltage, function: 4, address: 0x0000, type: f32, unit: V}
      - {metric: power, function: 4, address: 0x000C, type: f32, unit: W}
      - {metric: frequency, function: 4, address: 0x0046, type: f32, unit: Hz}
"""


async def test_a_slave_slower_than_the_time_limit_never_gives_one_answer_for_another(tmp_path: Path) -> None:
    """Its answers come while the next question is under way, and look as if they were to that."""
    meter = device("m", "meter", "1", ONE_BY_ONE)
    part = GearPart(address="1", kind="meter", options={"map": "sdm120"})
    async with rig(tmp_path, (meter,), timeout_ms="300", parts=(part,)) as bus:
        bus.sim.act("1", "set", {"power": 1000.0})
        await eventually_async(lambda: same(bus, meter, "power", 1000, 1))
        for slow_s in (0.28, 0.35, 0.45, 0.55):
            bus.trouble(1, slow_s=slow_s)
            await asyncio.sleep(4)  # long enough for several late answers
        for key, low, high in (("voltage", 200, 260), ("frequency", 49, 51), ("power", 999, 1001)):
            assert all(low < value < high for value in bus.taken.values(key)[1:]), key


async def test_what_a_slave_refuses_is_said_in_the_standards_words(tmp_path: Path) -> None:
    async with rig(tmp_path, (AIR,)) as bus:
        bus.trouble(4, exception=2)
        await eventually_async(lambda: any(reading.faults for _, reading, *_ in bus.taken.readings))
        fault = next(reading.faults[0] for _, reading, *_ in bus.taken.readings if reading.faults)
        assert fault.device == "air" and "illegal data address" in fault.hint
        assert bus.presence(AIR) is True


async def test_a_command_is_confirmed_by_the_end_switch_and_not_by_the_relay(tmp_path: Path) -> None:
    async with rig(tmp_path, (VALVE, LAMP)) as bus:
        await eventually_async(lambda: bus.value(VALVE, "open") == 0)
        memory = Memory()
        order = bus.line.order(VALVE, Command(v=PROTOCOL_VERSION, id="c-1", command="open"), now_ms())
        assert order.confirm is not None
        memory.expect("c-1", order.confirm, now_ms())
        report = await bus.line.send(order, 5)
        assert report.outcome is CommandOutcome.HANDED_OVER
        assert bus.sim.look("6#1")["coils"][0] is True  # type: ignore[index] # a list of eight
        assert bus.value(VALVE, "open") == 0, "the relay has switched, the valve is on its way"
        await eventually_async(lambda: bus.value(VALVE, "open") == 1, 10, "the valve has arrived")
        observed = [
            one
            for said in list(bus.taken.said)
            for one in observe(said, memory, received_at_ms=now_ms(), retained=False, redelivered=False).observations
        ]
        (result,) = [one for one in observed if one.event == "command_result"]
        assert result.data == {"id": "c-1", "ok": True} and result.device == "valve"


async def test_a_valve_that_is_stuck_is_not_confirmed(tmp_path: Path) -> None:
    async with rig(tmp_path, (VALVE,)) as bus:
        await eventually_async(lambda: bus.value(VALVE, "open") == 0)
        bus.sim.act("6#1", "stuck")
        order = bus.line.order(VALVE, Command(v=PROTOCOL_VERSION, id="c-1", command="open"), now_ms())
        assert (await bus.line.send(order, 5)).outcome is CommandOutcome.HANDED_OVER
        asked = len(bus.sim.asked)
        await eventually_async(lambda: len(bus.sim.asked) > asked + 5, 10, "it is watched closely")
        assert bus.value(VALVE, "open") == 0


@pytest.mark.parametrize(
    ("exception", "outcome"),
    [
        (1, CommandOutcome.MALFORMED),
        (2, CommandOutcome.MALFORMED),
        (3, CommandOutcome.MALFORMED),
        (4, CommandOutcome.BUSY),
        (5, CommandOutcome.HANDED_OVER),
        (6, CommandOutcome.BUSY),
    ],
)
async def test_how_a_write_is_refused(tmp_path: Path, exception: int, outcome: CommandOutcome) -> None:
    async with rig(tmp_path, (LAMP,)) as bus:
        bus.trouble(6, exception=exception)
        order = bus.line.order(LAMP, Command(v=PROTOCOL_VERSION, id="c", command="switch_on"), now_ms())
        await eventually_async(lambda: bus.line.health().state is not LineState.DOWN)
        assert (await bus.line.send(order, 5)).outcome is outcome


async def test_a_write_without_an_answer_and_a_write_on_a_lost_line(tmp_path: Path) -> None:
    async with rig(tmp_path, (LAMP,)) as bus:
        await eventually_async(lambda: bus.presence(LAMP) is True)
        bus.trouble(6, silent=True)
        order = bus.line.order(LAMP, Command(v=PROTOCOL_VERSION, id="c", command="switch_on"), now_ms())
        report = await bus.line.send(order, 5)
        assert report.outcome is CommandOutcome.NO_ANSWER
        assert len([query for query in bus.sim.asked if query[1] == 5]) == 3, "three tries"
        bus.cable.unplug()
        await eventually_async(lambda: bus.line.health().state is LineState.DOWN)
        await eventually_async(lambda: bus.presence(LAMP) is False)
        report = await bus.line.send(order, 5)
        assert report.outcome is CommandOutcome.LINE_DOWN and "/ " in report.detail


async def test_a_write_nobody_waits_for_any_more_is_not_made(tmp_path: Path) -> None:
    async with rig(tmp_path, (LAMP,)) as bus:
        await eventually_async(lambda: bus.presence(LAMP) is True)
        order = bus.line.order(LAMP, Command(v=PROTOCOL_VERSION, id="c", command="switch_on"), now_ms())
        assert (await bus.line.send(order, 0)).outcome is CommandOutcome.NO_ANSWER
        asked = len(bus.sim.asked)
        await eventually_async(lambda: len(bus.sim.asked) > asked + 2)
        assert not [query for query in bus.sim.asked if query[1] == 5]


async def test_unplugged_and_plugged_in_again(tmp_path: Path) -> None:
    async with rig(tmp_path, (AIR,)) as bus:
        await eventually_async(lambda: bus.presence(AIR) is True)
        bus.cable.unplug()
        await eventually_async(lambda: bus.presence(AIR) is False)
        bus.cable.plug()
        await eventually_async(lambda: bus.presence(AIR) is True, 15)
        assert bus.line.health().opened == 2


async def test_somebody_who_talks_without_being_asked(tmp_path: Path) -> None:
    async with rig(tmp_path, (AIR,)) as bus:
        await eventually_async(lambda: bus.presence(AIR) is True)
        stop = asyncio.Event()

        async def babble() -> None:
            while not stop.is_set():
                bus.cable.inject("gateway", b"\x55" * 3)
                await asyncio.sleep(0.001)

        babbling = asyncio.create_task(babble())
        # How often the line is silent for the length of a gap, and the slave can be asked all the same, is up to the
        # scheduler; that somebody talks is seen, and nothing of it is taken for an answer.
        await eventually_async(lambda: bus.line.health().frames_bad.get("stray_bytes", 0) > 100, 30)
        stop.set()
        await babbling
        await eventually_async(lambda: bus.presence(AIR) is True, 30)


async def test_a_line_with_nobody_registered_asks_nobody(tmp_path: Path) -> None:
    async with rig(tmp_path, ()) as bus:
        await eventually_async(lambda: "没有登记设备" in bus.line.health().reason)
        assert bus.sim.asked == []


async def test_it_stops_at_once_in_the_middle_of_a_question(tmp_path: Path) -> None:
    async with rig(tmp_path, (AIR,), timeout_ms="10000") as bus:
        bus.trouble(4, silent=True)
        await eventually_async(lambda: bus.sim.asked)
        async with asyncio.timeout(2 * PATIENCE):
            await asyncio.to_thread(bus.line.stop)
        assert bus.line.health().reason == "已停止 / stopped"
