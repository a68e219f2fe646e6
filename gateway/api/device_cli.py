"""`anju devices command` and `anju devices key`: have a device obey; the key of gear that pushes over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import sqlalchemy as sa
import typer

from gateway.api.remote import TokenOption, UrlOption, ask
from gateway.clock import SystemClock
from gateway.gear.keys import create_key, revoke_key, use_key
from gateway.gear.push import pushing
from gateway.registry import store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.model import NATIVE
from gateway.state.db import writing
from gateway.terminal import DataDirOption, SettingsOption, fail, open_state, read_settings


def command(
    device: Annotated[str, typer.Argument(help="The device's id.")],
    name: Annotated[str, typer.Argument(metavar="COMMAND", help="Such as close, open, sound.")],
    arg: Annotated[list[str] | None, typer.Option("--arg", "-a", help="name=value; may be repeated.")] = None,
    url: UrlOption = "http://127.0.0.1:8120",
    token: TokenOption = "",
) -> None:
    """下指令 · Have DEVICE of a running gateway do something, and wait for its answer.

    Example: `anju devices command valve-0001 close`
    """
    args = dict(_pair(text) for text in arg or [])
    said = ask(
        "POST", f"/api/v1/devices/{quote(device, safe='')}/commands", url, token, {"command": name, "args": args}
    )
    tries = "; ".join(str(one.get("detail") or "") for one in said.get("tries", []))
    status = str(said.get("status"))
    if status == "delivered":
        typer.echo(f"{device}: {name} 设备已确认 done · {tries}")
        return
    fail(f"{device}: {name} 未确认 not confirmed ({status})", tries or "look at `/api/v1/outbox`, or try again")


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise typer.BadParameter(f"expected name=value, got {text!r}", param_hint="--arg")
    return name, value


def key(
    sender: Annotated[str, typer.Argument(help="Id of the device that pushes, or of the bridge of its recorder.")],
    revoke: Annotated[bool, typer.Option("--revoke", help="Make the key worthless instead.")] = False,
    key_file: Annotated[
        Path | None, typer.Option(help="Use the key in this file, which SENDER has as well, and print nothing.")
    ] = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """推送密钥 · Make the key with which SENDER pushes over HTTP, and print it, this once.

    A key made before is worth nothing from then on.
    """
    engine = open_state(read_settings(settings, data_dir))
    now_ms = SystemClock().now_ms()
    if revoke:
        with writing(engine) as connection:
            if not revoke_key(connection, sender, now_ms):
                fail(f"{sender} 没有有效密钥 has no valid key", "nothing was changed")
        typer.echo(f"{sender}: 密钥已作废 the key is worthless now")
        return
    community = store.load(engine)
    directory = CommunityDirectory(community) if community is not None else None
    if directory is None or (directory.device(sender) is None and sender not in directory.bridges):
        fail(f"没有设备或网桥 {sender} there is no device or bridge {sender!r}", "add it to the community first")
    device = directory.device(sender)
    native = device is not None and device.profile == NATIVE
    if not native and pushing(directory, sender) is None:
        fail(
            f"{sender} 不经 HTTP 推送 does not push over HTTP",
            "native devices do, and gear with a profile of carrier http: by its bridge's id where it names a bridge",
        )
    if key_file is not None:
        _use(engine, sender, key_file, now_ms)
        return
    with writing(engine) as connection:
        made = create_key(connection, sender, now_ms)
    typer.echo(made)
    typer.echo(f"POST http://<gateway>:8120/push/{sender}{'/event' if native else ''}?key={made}", err=True)


def _use(engine: sa.Engine, sender: str, file: Path, now_ms: int) -> None:
    """The key in a file; running it again changes nothing."""
    try:
        with writing(engine) as connection:
            changed = use_key(connection, sender, file.read_text(encoding="utf-8").strip(), now_ms)
    except (OSError, ValueError) as error:
        fail(f"{file} 无法使用 cannot be used", error)
    typer.echo(f"{sender}: " + ("密钥已启用 the key is in use" if changed else "密钥不变 the key is as it was"))
