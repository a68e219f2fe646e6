"""The field bus over real ptys: the gateway's transport at one end, the simulated concentrator at the other."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import termios
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from devices.native import PROTOCOL_VERSION, Command
from devices.observation import Channel
from devices.serial_codec import encode
from devices.serial_frames import Data
from firmware_sim.concentrator import Concentrator
from firmware_sim.pty_cable import PtyCable
from firmware_sim.tty import LineFaults
from gateway.clock import SystemClock
from gateway.journal.entry import Outcome
from gateway.settings import SerialLine
from gateway.transports.serial import SerialTransport
from gateway.transports.serial_health import CommandOutcome, LineState
from tests.support.eventually import PATIENCE, eventually, eventually_async
from tests.support.field_bus import FakeIntake, press, reading, serial_line

LAMP = Command(v=PROTOCOL_VERSION, id="case-1/lamp", command="indicate", args={"lamp": "green"})


async def test_a_press_is_acknowledged_within_50_ms_of_wire_and_thread(tmp_path: Path) -> None:
    async with serial_line(tmp_path) as line:
        await eventually_async(lambda: line.transport.health().state is LineState.UP)
        took = []
        for seq in range(20):
            begun = time.monotonic()
            (pressed,) = line.press(seq)
            await eventually_async(partial(line.acked.__contains__, pressed))
            took.append(time.monotonic() - begun)
        assert sorted(took)[10] < 0.05 * PATIENCE, f"median {sorted(took)[10]:.3f} s"
        health = line.transport.health()
        assert (health.boot, health.devices, health.firmware) == (7, 1, "anju-sim-concentrator/1")
        assert health.outcomes == {"stored": 20}
        assert not health.frames_bad


async def test_the_lamp_stays_amber_until_the_disk_has_answered(tmp_path: Path) -> None:
    async with serial_line(tmp_path) as line:
        line.intake.holding = True
        pressed = line.press(1)
        await eventually_async(lambda: line.intake.held)
        # The concentrator asks again and again; the message is still offered once, and not acknowledged.
        await eventually_async(lambda: line.transport.health().resends >= 1)
        assert line.intake.offers == pressed
        assert line.acked == []
        assert line.transport.health().waiting == 1
        line.intake.release()
        await eventually_async(lambda: line.acked == pressed)


async def test_what_the_journal_refuses_is_refused_to_the_device_and_taken_later(tmp_path: Path) -> None:
    async with serial_line(tmp_path) as line:
        line.intake.refusing = True
        pressed = line.press(1)
        await eventually_async(lambda: line.concentrator.link.counts["nak_refused"] >= 2)
        assert line.acked == []
        assert line.transport.health().link["nak_refused"] >= 2
        line.intake.refusing = False
        await eventually_async(lambda: line.acked == pressed)


async def test_a_fault_of_the_intake_does_not_end_the_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeIntake):
        broken = True

        def __call__(self, *args: object) -> None:
            if self.broken:
                raise ZeroDivisionError("a bug")
            super().__call__(*args)  # type: ignore[arg-type] # only passes on what it was given

    async with serial_line(tmp_path, intake=Broken) as line:
        pressed = line.press(1)
        await eventually_async(lambda: line.concentrator.link.counts["nak_refused"])
        assert "a bug" in caplog.text
        Broken.broken = False
        await eventually_async(lambda: line.acked == pressed)


async def test_unplugged_and_plugged_in_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="gateway.transports.port")
    async with serial_line(tmp_path) as line:
        first = line.press(1)
        await eventually_async(lambda: line.acked == first)
        line.cable.unplug()
        await eventually_async(lambda: line.transport.health().state is LineState.DOWN)
        second = line.press(2, 3)
        await eventually_async(lambda: "找不到串口" in line.transport.health().reason)
        since = line.transport.health().since_ms
        line.cable.plug()
        await eventually_async(lambda: line.acked == first + second)
        health = line.transport.health()
        assert (health.state, health.opened, health.reason) == (LineState.UP, 2, "")
        assert health.since_ms >= since
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warnings) == len(set(warnings)) == 2, "gone, and not there: one warning each"


async def test_an_adapter_that_is_pulled_while_it_is_being_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pyserial hands the error of the terminal on as it is, and that is no OSError."""
    failures = [termios.error(errno.EIO, "Input/output error")]
    flush = termios.tcflush

    def pulled(fd: int, which: int) -> None:
        if failures and threading.current_thread().name == "serial-bus":
            raise failures.pop()
        flush(fd, which)

    async with serial_line(tmp_path, start=False) as line:
        pressed = line.press(1)
        monkeypatch.setattr("serial.serialposix.termios.tcflush", pulled)
        line.transport.start()
        await eventually_async(lambda: line.acked == pressed)
        assert failures == []


async def test_an_adapter_missing_at_the_start_is_a_fault_only_after_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="gateway.transports.port")
    monkeypatch.setattr("gateway.transports.port.PLUGGED_IN_WITHIN_S", 0.6)
    line = SerialLine(name="a", port=str(tmp_path / "none"))
    transport = SerialTransport(line, lambda *_: None, SystemClock())
    transport.start()

    def levels() -> list[str]:
        return [record.levelname for record in caplog.records if "找不到串口" in record.getMessage()]

    try:
        await eventually_async(lambda: len(levels()) == 2)
    finally:
        transport.stop()
    assert levels() == ["INFO", "WARNING"]
    assert caplog.records[-1].levelname == "INFO", "a stop is no fault"


async def test_an_answer_of_the_disk_from_before_the_unplugging_is_not_sent_after_it(tmp_path: Path) -> None:
    async with serial_line(tmp_path) as line:
        line.intake.holding = True
        pressed = line.press(1)
        await eventually_async(lambda: line.intake.held)
        line.cable.unplug()
        await eventually_async(lambda: line.transport.health().state is LineState.DOWN)
        line.cable.plug()
        await eventually_async(lambda: len(line.intake.held) == 2)  # offered anew on the new opening
        (_, old_done), line.intake.held = line.intake.held[0], line.intake.held[1:]
        old_done(Outcome.STORED)
        await eventually_async(lambda: line.transport.health().link.get("late_outcomes") == 1)
        assert line.acked == []
        line.intake.release()
        await eventually_async(lambda: line.acked == pressed)


@pytest.mark.parametrize(
    "faults",
    [
        LineFaults(loss=0.2),
        LineFaults(corrupt=0.1),
        LineFaults(duplicate=0.5),
        LineFaults(garbage=0.5, half=0.1),
        LineFaults(delay_s=0.05),
    ],
    ids=["lossy", "corrupt", "duplicated", "garbage and halves", "delayed"],
)
async def test_every_press_arrives_over_a_bad_line(tmp_path: Path, faults: LineFaults) -> None:
    async with serial_line(tmp_path, faults=faults) as line:
        wanted = [pressed for n in range(1, 9) for pressed in line.press(*range(2), device=f"sos-{n}")]
        await eventually_async(lambda: line.concentrator.unacked == 0, within_s=30)
        assert sorted(line.acked) == sorted(wanted)
        for n in range(1, 9):
            of_device = [seen for seen in line.intake.stored if seen.startswith(f"sos-{n}:")]
            assert of_device == [f"sos-{n}:1:{seq}" for seq in range(2)], "order per device"


async def test_noise_on_the_wire_is_counted_and_survived(tmp_path: Path) -> None:
    async with serial_line(tmp_path) as line:
        first = line.press(1)
        await eventually_async(lambda: line.acked == first)
        line.cable.inject("gateway", os.urandom(3000).replace(b"\x00", b"\x01") + b"\x00")
        frame = encode(Data(boot=7, seq=900, channel=Channel.EVENT, device="sos-1", payload=b"\x80"))
        line.cable.inject("gateway", frame[: len(frame) // 2])
        second = line.press(2)
        await eventually_async(lambda: line.acked == first + second)
        assert sum(line.transport.health().frames_bad.values()) >= 2


async def test_a_wrong_baud_rate_is_said_and_the_right_one_works(tmp_path: Path) -> None:
    async with serial_line(tmp_path, gateway_baud=9600) as line:
        for number in range(10):
            line.press(number, device=f"sos-{number}")
        await eventually_async(lambda: "波特率" in line.transport.health().reason)
        assert line.intake.offers == []
        right = SerialTransport(SerialLine(name="bus", port=str(line.cable.gateway_path)), line.intake, SystemClock())
        line.transport.stop()
        right.start()
        try:
            await eventually_async(lambda: line.concentrator.unacked == 0, within_s=20)
        finally:
            right.stop()
        assert len(line.acked) == 10


async def test_commands_go_down_and_answers_come_back(tmp_path: Path) -> None:
    async with serial_line(tmp_path, faults=LineFaults(loss=0.2)) as line:
        assert not line.transport.knows("sos-1")
        report = await line.transport.send_command("sos-1", LAMP, 1)
        assert report.outcome in (CommandOutcome.UNKNOWN_DEVICE, CommandOutcome.LINE_DOWN)
        pressed = line.press(1)
        await eventually_async(lambda: line.acked == pressed)
        assert line.transport.knows("sos-1")
        report = await line.transport.send_command("sos-1", LAMP, 20)
        assert report.outcome is CommandOutcome.HANDED_OVER
        assert line.commands[0] == ("sos-1", LAMP)
        line.concentrator.devices.clear()
        report = await line.transport.send_command("sos-1", LAMP, 20)
        assert report.outcome is CommandOutcome.UNKNOWN_DEVICE
        long = Command(v=PROTOCOL_VERSION, id="x", command="indicate", args={str(n): "x" * 1000 for n in range(16)})
        report = await line.transport.send_command("sos-1", long, 1)
        assert report.outcome is CommandOutcome.MALFORMED
        assert "oversize" in report.detail


async def test_a_command_without_an_answer_and_a_command_on_a_lost_line(tmp_path: Path) -> None:
    async with serial_line(tmp_path) as line:
        pressed = line.press(1)
        await eventually_async(lambda: line.acked == pressed)
        line.concentrator.faults = LineFaults(loss=1.0)
        report = await line.transport.send_command("sos-1", LAMP, 0.2)
        assert report.outcome is CommandOutcome.NO_ANSWER
        line.cable.unplug()
        await eventually_async(lambda: line.transport.health().state is LineState.DOWN)
        report = await line.transport.send_command("sos-1", LAMP, 5)
        assert report.outcome is CommandOutcome.LINE_DOWN
        assert line.commands == []


async def test_a_concentrator_loses_power_in_the_middle_of_a_frame(tmp_path: Path) -> None:
    async with serial_line(tmp_path) as line:
        first = line.press(1)
        await eventually_async(lambda: line.acked == first)
        second = line.press(2, 3)
        line.concentrator.send("sos-1", Channel.TELEMETRY, reading(4))
        line.concentrator.reboot(8, mid_frame=True)
        third = line.press(5)
        await eventually_async(lambda: line.acked == first + second + third)
        await eventually_async(lambda: line.transport.health().boot == 8)
        health = line.transport.health()
        assert sum(health.frames_bad.values()) == 1
        assert health.link["reboots"] == 1


async def test_a_concentrator_ends_when_it_is_cancelled_whatever_it_does(tmp_path: Path) -> None:
    with PtyCable(tmp_path) as cable:
        for number in range(40):
            concentrator = Concentrator(
                str(cable.concentrator_path), boot=7, seed=1, on_ack=lambda *_: None, on_command=lambda *_: None
            )
            running = asyncio.create_task(concentrator.run())
            await eventually_async(partial(concentrator.counts.__getitem__, "opened"))
            concentrator.send("sos-1", Channel.EVENT, press(1))
            for _ in range(number % 4):
                await asyncio.sleep(0)
            running.cancel()
            await asyncio.wait([running], timeout=5 * PATIENCE)
            assert running.cancelled()


def test_a_missing_port_is_said_and_is_no_crash(tmp_path: Path) -> None:
    transport = SerialTransport(SerialLine(name="bus", port=str(tmp_path / "none")), FakeIntake(), SystemClock())
    transport.start()
    eventually(lambda: "no such port" in transport.health().reason)
    assert transport.health().state is LineState.DOWN
    transport.stop()
    assert "stopped" in transport.health().reason


def test_a_file_that_is_no_tty_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a tty")
    transport = SerialTransport(SerialLine(name="bus", port=str(tmp_path / "file")), FakeIntake(), SystemClock())
    transport.start()
    eventually(lambda: "not a usable serial port" in transport.health().reason)
    transport.stop()


async def test_a_port_in_use_by_another_program_is_said(tmp_path: Path) -> None:
    async with serial_line(tmp_path, start=False) as line:
        other = os.open(line.cable.gateway_path, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        line.transport.start()
        await eventually_async(lambda: "in use" in line.transport.health().reason)
        os.close(other)
        pressed = line.press(1)
        await eventually_async(lambda: line.acked == pressed)
