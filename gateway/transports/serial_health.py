"""What a person, or the outbox, is told about a serial line: its state, its counts, how a command went."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.clock import Millis


class LineState(StrEnum):
    """How far a serial line works."""

    DOWN = "down"
    """The port cannot be opened, or is gone."""
    SILENT = "silent"
    """The port is open, and nobody is heard."""
    UP = "up"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortHealth:
    """What there is to know about any line now. Counts are since the start of the process."""

    line: str
    port: str
    state: LineState
    since_ms: Millis
    reason: str
    """Why it is not ``up``, and what to do, Chinese first; empty where it is."""
    opened: int
    """How often the port was opened: more than once means it was pulled, or lost."""
    last_heard_ms: Millis | None
    devices: int
    """Devices that were heard on this line."""
    frames_ok: Mapping[str, int]
    """By type."""
    frames_bad: Mapping[str, int]
    """By fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineHealth(PortHealth):
    """A field-bus line; the faults of its frames are those of `devices.serial_frames.Fault`."""

    boot: int | None
    """Boot id of the concentrator, once heard."""
    firmware: str
    depth: int | None
    """How many messages the concentrator can keep."""
    link: Mapping[str, int]
    """``acks nak_… resends reboots stray``: see `GatewayLink`; ``late_outcomes`` of an earlier opening."""
    resends: int
    """Messages that came again, because the ACK was late or lost."""
    outcomes: Mapping[str, int]
    """What the journal said of the messages."""
    waiting: int
    """Messages on their way to the disk now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaveHealth:
    """One slave of a Modbus line. Counts are since the line was started."""

    answers: int
    failures: Mapping[str, int]
    """By `devices.profiles.modbus.query.Failure`."""
    exceptions: Mapping[int, int]
    """By the standard's code."""
    offline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusHealth(PortHealth):
    """A Modbus line. ``frames_bad`` counts also ``stray_bytes``: what came without having been asked for."""

    echoes: bool
    """The adapter hears itself."""
    slaves: Mapping[int, SlaveHealth]


class CommandOutcome(StrEnum):
    """What became of a command on a line, as far as the line can tell."""

    HANDED_OVER = "handed_over"
    """The device has it. What it did follows as its event ``command_result``."""
    UNKNOWN_DEVICE = "unknown_device"
    BUSY = "busy"
    MALFORMED = "malformed"
    NO_ANSWER = "no_answer"
    """It may have arrived: no answer within the time."""
    LINE_DOWN = "line_down"
    """It was not sent."""


@dataclass(frozen=True, slots=True)
class CommandReport:
    """How one command went."""

    outcome: CommandOutcome
    detail: str


NOTHING_YET = "串口已打开，尚未收到集中器数据 / port open, nothing heard from the concentrator yet"
SILENT = "集中器无应答，请检查集中器电源和接线 / the concentrator is silent; check its power and the wiring"
WRONG_BAUD = (
    "只收到乱码，请检查波特率、接线和集中器型号 / only damaged frames; check the baud rate, wiring and the concentrator"
)
GEAR_NOTHING_YET = "串口已打开，尚未收到设备数据 / port open, nothing heard from the device yet"
GEAR_SILENT = "设备无数据，请检查设备电源和接线 / the device is silent; check its power and the wiring"
GEAR_WRONG_BAUD = (
    "只收到乱码，请检查波特率、接线和设备型号 / only damaged frames; check the baud rate, wiring and model"
)
MODBUS_NOBODY = "总线上没有登记设备 / no device is registered on this line"
MODBUS_SILENT = (
    "总线上无设备应答，请检查供电、A/B 接线、终端电阻和波特率 / "
    "nobody on the line answers; check power, A and B, the terminating resistors and the baud rate"
)
GONE = "适配器已拔出或断开，插回后自动恢复 / the adapter is gone; it is used again once it is plugged in"
FAULT = "网关程序错误，正在重试，详见日志 / a fault in the gateway itself, see the log; trying again"
STOPPED = "已停止 / stopped"


def why_not_open(error: Exception, port: str, baud: int) -> str:
    """Why ``port`` could not be opened and what to do about it, Chinese first."""
    code = getattr(error, "errno", None)
    text = str(error)
    if code in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        return (
            f"找不到串口 {port}，请插上适配器或改正配置 serial.port / "
            f"no such port {port}; plug it in or correct serial.port"
        )
    if code in (errno.EACCES, errno.EPERM):
        return (
            f"无权打开串口 {port}，请把运行用户加入 dialout 组 / "
            f"no permission for {port}; add the service's user to the group dialout"
        )
    if code in (errno.EAGAIN, errno.EBUSY):
        return f"串口 {port} 被其他程序占用 / {port} is in use by another program; end that program"
    if isinstance(error, ValueError):
        return f"串口 {port} 不支持波特率 {baud} / {port} does not support {baud} baud: {text}; correct serial.baud"
    if code == errno.EIO:
        return GONE
    return f"{port} 不是可用的串口 / {port} is not a usable serial port: {text}; correct serial.port"
