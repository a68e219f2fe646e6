"""The command `anju init`."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from gateway.clock import SystemClock
from gateway.init import deployment
from gateway.init.deployment import BOX_USERS, CONTAINER_OWNERS, Kind, Made
from gateway.init.keeper import Fate, Keeper, Owner
from gateway.registry.load import read_community
from gateway.registry.model import Community
from gateway.terminal import fail

out = Console(highlight=False)
_WORDS = {
    Fate.MADE: ("green", "新建 made"),
    Fate.KEPT: ("dim", "保留 kept"),
    Fate.RENEWED: ("yellow", "更新 renewed"),
}


def init(
    directory: Annotated[Path, typer.Argument(help="Where it is all kept.")] = Path("anju-stack"),
    kind: Annotated[Kind, typer.Option("--for", help="docker-compose.yml, or a box with systemd.")] = Kind.CONTAINERS,
    community: Annotated[
        Path | None, typer.Option(help="The community's main YAML: each of its devices gets a password.")
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(help="Id of a device that is in no file; may be repeated.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(envvar="ANJU_NAMES", help="Name or address by which devices reach this box; may be repeated."),
    ] = None,
    keep_owner: Annotated[
        bool, typer.Option("--keep-owner", help="All files stay yours: for containers that run as you.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Make nothing: exit code 1 when the certificate is due for renewal.")
    ] = False,
) -> None:
    """初始化部署 · Make passwords, certificates and configuration for a deployment; nothing that is there is lost.

    Run it again at any time: after a change of the community (new devices get passwords), after an upgrade, and to
    renew the broker's certificate. Passwords and tokens are kept. `docs/deploy.md` has the whole way.
    """
    now_ms = SystemClock().now_ms()
    owners = None if keep_owner or check else _owners(kind)
    keeper = Keeper(directory, owners)
    try:
        if check:
            _check(keeper, kind, now_ms)
            return
        town = _community(community)
        names = [*(name or []), *([socket.gethostname()] if kind is Kind.BOX else [])]
        made = deployment.make(keeper, kind, now_ms, community=town, devices=device or [], names=names)
    except (OSError, ValueError) as error:
        fail("无法完成 cannot be done", error)
    _show(keeper)
    _next(keeper, kind, made, named=bool(name), town=town)


def _owners(kind: Kind) -> dict[str, Owner]:
    """Whose each room becomes; exits with 1 where it cannot be given away."""
    if os.geteuid() != 0:
        fail(
            "需要 root 权限 root is needed",
            "each service may read its own files only, so they must belong to its user. Run `sudo anju init` or, "
            "without Python on the host, `docker compose run --rm init`; --keep-owner leaves all files yours",
        )
    if kind is Kind.CONTAINERS:
        return dict(CONTAINER_OWNERS)
    owners = {}
    for room, user in BOX_USERS.items():
        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            out.print(f"[yellow]提醒[/] 没有用户 there is no user {user}: {room}/ 归 root 所有 stays root's")
            continue
        owners[room] = Owner(entry.pw_uid, entry.pw_gid)
    return owners


def _community(file: Path | None) -> Community | None:
    if file is None:
        return None
    reading = read_community(file)
    if reading.community is None:
        first = reading.errors[0] if reading.errors else "it cannot be read"
        raise ValueError(f"{file}: {first}; `anju config check {file}` names every error")
    return reading.community


def _check(keeper: Keeper, kind: Kind, now_ms: int) -> None:
    why = deployment.due(keeper, kind, now_ms)
    if why is not None:
        fail("需要重新运行 run `anju init` again", why)
    out.print("[green]✓[/] 证书无需更新 the certificate need not be renewed")


def _show(keeper: Keeper) -> None:
    for path, fate in keeper.fates.items():
        style, words = _WORDS[fate]
        out.print(f"[{style}]{words:10}[/] ", end="")
        out.print(str(keeper.root / path), markup=False, soft_wrap=True)


def _next(keeper: Keeper, kind: Kind, made: Made, *, named: bool, town: Community | None) -> None:
    """What there is now, and what is to be done."""
    root = keeper.root
    withdrawn = f", {made.withdrawn} 台已收回 withdrawn" if made.withdrawn else ""
    said = [
        "",
        f"{made.devices} 台设备有密码 devices have a password ({escape(str(root / 'devices.csv'))}){withdrawn}",
        f"证书 certificate: {', '.join(made.names)}; 有效至 valid until {made.certificate_ends:%Y-%m-%d}",
    ]
    if town is None:
        said.append("[yellow]提醒[/] 未指定社区，名单不变 no --community: the list of devices stays as it was")
    if not named:
        said.append("[yellow]提醒[/] 设备用其他名称或地址连接时 where devices use another name: --name 192.168.1.20")
    if made.renewed_because is not None:
        said.append(f"[yellow]证书已更新[/] the certificate was renewed: {made.renewed_because}")
    if deployment.changed(keeper):
        hangup = "docker compose kill -s HUP mosquitto" if kind is Kind.CONTAINERS else "systemctl reload mosquitto"
        said.append(f"[bold]让消息服务器重新读取[/] the broker must read its files again: {hangup}")
    steps = _CONTAINER_STEPS if kind is Kind.CONTAINERS else _BOX_STEPS
    for line in [*said, "", "[bold]下一步 next[/]", *(step.format(root=escape(str(root))) for step in steps)]:
        out.print(line, soft_wrap=True)


_CONTAINER_STEPS = (
    "  1. docker compose up -d            启动 start; --profile fleet: 模拟设备 simulated devices",
    "  2. docker compose logs gateway     管理员令牌只显示一次 the administrator's token, shown once",
    "  3. http://localhost:3000           大屏 the wall: admin, {root}/grafana/admin-password",
    "     http://localhost:8120           值班台 the desk",
    "  4. {root}/ca.crt 发给每台设备 give it to every device, with its row of devices.csv",
    "  5. 备份 {root} back it up: docs/deploy.md",
)
_BOX_STEPS = (
    "  1. systemctl restart mosquitto     消息服务器 the broker",
    "  2. systemctl enable --now anju     网关 the gateway, once its community is applied: docs/deploy.md",
    "  3. {root}/ca.crt 发给每台设备 give it to every device, with its row of devices.csv",
    "  4. 备份 {root} back it up",
)
