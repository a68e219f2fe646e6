"""`anju devices maintenance|test|care`: a device is being worked on."""

from __future__ import annotations

import re
from typing import Annotated

import typer
from rich.markup import escape

from gateway.registry import care as cares
from gateway.registry.opened import DeviceArgument, WhyOption, actor, listing, opened, out
from gateway.state.db import reading, writing
from gateway.terminal import DataDirOption, SettingsOption, fail

ForOption = Annotated[str, typer.Option("--for", help="How long: 30m, 1h, 1h30m.")]
_SPAN = re.compile(r"(?:(\d{1,3})h)?(?:(\d{1,4})m(?:in)?)?")


def add_to(app: typer.Typer) -> None:
    """Hang these commands into ``anju devices``."""
    app.command("maintenance")(maintenance)
    app.command("test")(test)
    app.command("care")(care)


def seconds_of(text: str) -> int:
    """``1h30m`` in seconds. Raises ValueError."""
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or not any(found.groups()):
        raise ValueError(f"expected a time such as 30m, 1h or 1h30m, got {text!r}")
    return int(found[1] or 0) * 3600 + int(found[2] or 0) * 60


def maintenance(
    device: DeviceArgument,
    why: WhyOption,
    for_: ForOption = "1h",
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """维护 · A device is opened, unplugged, given a battery: its faults, silence and tampering are told to nobody.

    At most 24 h. What it says of people and of fire is told as ever. What still holds at the end is told then.
    """
    _begin(device, "maintenance", for_, why, settings, data_dir)


def test(
    device: DeviceArgument,
    why: WhyOption,
    for_: ForOption = "30m",
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """测试 · A walk test: what a device says is written down as a test, and told to nobody.

    At most 2 h, and it ends by itself: a press after that is a real one. Smoke that is still there at the end is told.
    """
    _begin(device, "test", for_, why, settings, data_dir)


def _begin(
    device: str, mode: cares.Mode, for_: str, why: str, settings: SettingsOption, data_dir: DataDirOption
) -> None:
    with opened(settings, data_dir) as registry:
        if registry.device(device).status == "retired":
            fail(f"{device} 已停用 is retired", "nobody listens to it")
        try:
            seconds = seconds_of(for_)
            with writing(registry.engine) as connection:
                begun = cares.begin(
                    connection, device, mode, seconds=seconds, actor=actor(), reason=why, now_ms=registry.now_ms
                )
        except ValueError as error:
            fail("未执行 not done", error, 2)
        word = "维护中 maintenance" if mode == "maintenance" else "测试中 test"
        out.print(f"[yellow]●[/] {device}: {word}, 至 until {registry.instant(begun.until_ms)}")
        behind_s = -(begun.clock_offset_ms or 0) / 1000
        if behind_s > 10:
            out.print(
                f"提醒 warning: 设备时钟慢 {behind_s:.0f} 秒，开头这段时间内的按键按真实报警处理 "
                f"the device's clock is {behind_s:.0f} s behind: what it says in the first {behind_s:.0f} s is told",
                style="yellow",
                soft_wrap=True,
            )


def care(
    end: Annotated[str | None, typer.Option("--end", metavar="ID", help="The work on this device is done.")] = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """正在维护或测试的设备 · The devices that are being worked on; with --end, one that is done before its time."""
    with opened(settings, data_dir) as registry:
        if end is not None:
            with writing(registry.engine) as connection:
                ended = cares.end(connection, end, actor=actor(), now_ms=registry.now_ms)
            if ended is None:
                fail(f"{end} 不在维护或测试中 is not being worked on", "see: anju devices care")
            out.print(f"[green]✓[/] {end}: 已结束 ended ({ended.mode})")
            return
        with reading(registry.engine) as connection:
            running = cares.running(connection, registry.now_ms)
        table = listing("设备 id", "方式 mode", "结束 until", "谁 who", "原因 why")
        for device, one in sorted(running.items()):
            row = (device, one.mode, registry.instant(one.until_ms), one.actor, one.reason)
            table.add_row(*(escape(cell) for cell in row))
        out.print(table if running else "没有 none is being worked on")
