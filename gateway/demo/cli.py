"""The command `anju demo`."""

from __future__ import annotations

import fcntl
import json
import shlex
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import IO, Annotated
from zoneinfo import ZoneInfo

import httpx
import sqlalchemy as sa
import typer
import yaml
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from gateway.api.auth import Role, create_token, find_caller
from gateway.clock import SystemClock
from gateway.demo import gear, past, telephone
from gateway.demo.stage import Stage, StageError
from gateway.demo.town import cut_out
from gateway.demo.view import View
from gateway.registry import store as registry_store
from gateway.registry.load import read_community
from gateway.registry.model import NATIVE, Community
from gateway.registry.pace import faster
from gateway.settings import Settings, write_private
from gateway.state.db import open_database
from gateway.state.tables import tokens
from gateway.terminal import read_settings
from gateway.transports.broker_config import ensure_broker_users
from gateway.transports.broker_ports import free_port

EXAMPLE = Path("examples/tuanjiehu/community.yaml")
SERIAL_SHARE = 0.2
STORIES = (
    "heart-attack, stroke, night-fall, mistake, smoke-at-night, gas-leak, burglary, power-cut, firmware-flood, "
    "market-jam, quiet-day"
)
EVERYDAY = "quiet-day"
"""What happens where no story is asked for: a measurement, a door, a plumber."""
STORY_PACE = 6.0
"""How much faster the ladders climb while a story is played: three minutes to 120 become half a minute."""

VISITOR, DESK, CHECKER = "visitor", "值班员", "核查员"
"""Whose tokens the demo makes: yours, and those of the operator in a story and of who checks."""

out = Console(highlight=False)


def demo(
    scenario: Annotated[str | None, typer.Option(help=f"A story: {STORIES}; or a YAML file.")] = None,
    devices: Annotated[int, typer.Option(min=40, max=2000, help="About how many devices.")] = 300,
    community: Annotated[Path, typer.Option(help="The community it is cut out of.")] = EXAMPLE,
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("anju-data"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the console; 0: any that is free.")] = 8120,
    pace: Annotated[
        float | None, typer.Option(min=1, help="How much faster the ladders climb. Default: 6 with a scenario, else 1.")
    ] = None,
    rate: Annotated[float, typer.Option(min=0.01, help="How much faster telemetry comes.")] = 5.0,
    with_past: Annotated[
        bool,
        typer.Option(
            "--past/--no-past",
            help="The first start makes up a week before: a day of telemetry, some thirty closed cases.",
        ),
    ] = True,
) -> None:
    """演示 · A gateway with a simulated community: real broker, real serial line, simulated people and 120 centre.

    Nothing leaves this machine. Ctrl-C ends it; the next start finds everything as it was.
    """
    try:
        _play(scenario, devices, community, data_dir, port, pace or (STORY_PACE if scenario else 1.0), rate, with_past)
    except StageError as error:
        out.print(f"[bold red]演示中断 the demo stopped:[/] {escape(str(error))}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        pass
    out.print("已结束，数据保存在 ended; everything is kept in", str(data_dir))


def _play(
    scenario: str | None,
    devices: int,
    source: Path,
    data_dir: Path,
    port: int,
    pace: float,
    rate: float,
    with_past: bool,
) -> None:
    port = _console_port(port)
    data_dir = data_dir.absolute()
    settings = read_settings(None, data_dir)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StageError(f"{data_dir} cannot be written: {error}") from None
    lock = _alone(data_dir)
    with out.status("准备社区 preparing the community …"):
        slow = telephone.with_telephones(_town(source, devices))
        town = faster(slow, pace)
        file = data_dir / "community.yaml"
        document = town.model_dump(mode="json", exclude_defaults=True)
        file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        ensure_broker_users(settings.secrets)
    native = any(device.profile == NATIVE for device in town.devices)
    if with_past and native and past.wanted(settings):
        _live_through(settings, slow, file)
    with out.status("准备社区 preparing the community …"):
        engine = open_database(settings.database)
        changes = registry_store.apply(engine, town, "demo", SystemClock().now_ms())
        console_token, people_token = _tokens(engine, settings)
        push_keys = gear.push_keys(engine, town, settings.secrets)
        engine.dispose()
    size = f"{len(town.devices)} devices, {len(town.residents)} residents"
    out.print(f"社区 community: {size} ({changes.summary or 'as it was'})")
    with lock, Stage(data_dir / "logs") as stage:
        world_port = data_dir / "world.port"
        world_port.unlink(missing_ok=True)
        stage.start(
            "world",
            [
                "world",
                *("--port-file", str(world_port)),
                *("--inbox-file", str(data_dir / "inbox.jsonl")),
                *("--modem", str(telephone.modem(data_dir))),
            ],
        )
        stage.wait_until("the outside world", lambda: world_port.exists() and world_port.read_text().strip() != "")
        outside = {f"{who}_HOST": "127.0.0.1" for who in ("MESSENGER", "CENTRE")}
        outside |= {f"{who}_PORT": world_port.read_text().strip() for who in ("MESSENGER", "CENTRE")}
        broker_port = _broker_port(settings)
        cable = data_dir / "cable"
        field_bus = [{"name": "fieldbus", "port": str(cable / "gateway.tty")}]
        url = f"http://127.0.0.1:{port}"
        stage.start(
            "gateway",
            ["serve", "--data-dir", str(data_dir)],
            {
                "ANJU_API__PORT": str(port),
                "ANJU_BROKER__PORT": str(broker_port),
                "ANJU_SERIAL": json.dumps([*(field_bus if native else ()), *gear.lines(town, data_dir)]),
                "ANJU_MODEMS": json.dumps(telephone.settings(data_dir)),
                **outside,
            },
        )
        with out.status("启动网关 starting the gateway …"):
            stage.wait_until("the gateway", lambda: _ready(url))
        if town.bridges:
            stage.start("gear", gear.command(file, data_dir, settings.secrets, broker_port, url, push_keys))
        if not native:
            _watch(stage, town, settings, broker_port, url, console_token)
            return
        fleet = [
            "fleet",
            *("--community", str(file)),
            *("--broker", f"127.0.0.1:{broker_port}"),
            *("--username", "devices"),
            *("--password-file", str(settings.secrets.directory / "MQTT_DEVICE_PASSWORD")),
            *("--cable", str(cable)),
            *("--serial-share", str(SERIAL_SHARE)),
            *("--rate", str(rate)),
            *("--api", url),
            *("--token-file", str(people_token)),
        ]
        fleet += ["--scenario", scenario or EVERYDAY]
        stage.start("fleet", fleet)
        _watch(stage, town, settings, broker_port, url, console_token)


def _live_through(settings: Settings, town: Community, file: Path) -> None:
    """The week before, with a bar that shows how far it is."""
    with Progress(TextColumn("{task.description}"), BarColumn(), console=out, transient=True) as progress:
        bar = progress.add_task("过去一周 the week before", total=1.0)
        until_ms = SystemClock().now_ms()
        cases = past.live_through(settings, town, file, until_ms, lambda done: progress.update(bar, completed=done))
    out.print(f"过去一周（仿真）the week before, made up: {cases} cases, all closed; --no-past leaves it out")


def _watch(stage: Stage, town: Community, settings: Settings, broker_port: int, url: str, console_token: str) -> None:
    """Show what happens, until somebody ends it."""
    headline = (
        f"[bold]安居 Anju[/] {town.community.name.zh} {town.community.name.en}  "
        f"控制台 console [link={url}/#token={console_token}]{url}/#token={console_token}[/link]"
    )
    headline += f"\n[dim]{escape(_try_it(town, settings, broker_port))}[/]"
    if not out.is_terminal:
        out.print(headline, soft_wrap=True)
    view = View(url, console_token, out, headline, ZoneInfo(town.community.timezone))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: view.stop())
    view.run(stage.check)
    out.print("正在结束 ending …")


def _town(source: Path, devices: int) -> Community:
    if not source.exists():
        raise StageError(f"{source} is not there: run it in the directory of the repository, or give --community FILE")
    read = read_community(source)
    if read.community is None:
        problems = "\n".join(str(problem) for problem in read.errors[:10])
        raise StageError(f"{source} has errors; see `anju config check {source}`\n{problems}")
    return cut_out(read.community, devices)


def _tokens(engine: sa.Engine, settings: Settings) -> tuple[str, Path]:
    """The console's token, and the file with those of the people of a story.

    They are those of the last demo with this directory, so that yesterday's link opens today; new ones where these are
    lost or were revoked.
    """
    files = {VISITOR: "demo-visitor-token", DESK: "demo-desk-token", CHECKER: "demo-checker-token"}
    roles: dict[str, Role] = {VISITOR: "admin", DESK: "operator", CHECKER: "operator"}
    for name, file in files.items():
        path = settings.secrets.directory / file
        kept = path.read_text(encoding="utf-8").strip() if path.exists() else ""
        caller = find_caller(engine, kept) if kept else None
        if caller is not None and (caller.name, caller.role) == (name, roles[name]):
            continue
        with engine.begin() as connection:
            connection.execute(sa.delete(tokens).where(tokens.c.name == name))
            write_private(path, create_token(connection, name, roles[name], SystemClock().now_ms()))
    known = {
        name: (settings.secrets.directory / file).read_text(encoding="utf-8").strip() for name, file in files.items()
    }
    people = settings.secrets.directory / "demo-people-tokens"
    write_private(people, f"{known[DESK]}\n{known[CHECKER]}")
    return known[VISITOR], people


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _try_it(town: Community, settings: Settings, broker_port: int) -> str:
    """A command to type in another terminal, in this directory: nothing in it that is so anyway."""
    native = (device for device in town.devices if device.profile == NATIVE)
    button = next((device.id for device in native if device.kind == "sos_button"), None)
    if button is None:
        return ""
    words = [_executable(), "send", button, "press"]
    if broker_port != settings.broker.port:
        words += ["--broker", f"127.0.0.1:{broker_port}"]
    if settings.data_dir != Settings().data_dir.absolute():
        words += ["--data-dir", str(_near(settings.data_dir))]
    return f"试一试 try: {shlex.join(words)}"


def _executable() -> str:
    """How this command is called from here: `anju` itself need not be on the PATH."""
    called = Path(sys.argv[0])
    if called.name != "anju":  # python -m gateway
        called = Path(sys.executable).parent / "anju"
    found = shutil.which("anju")
    return "anju" if found and Path(found).resolve() == called.resolve() else str(_near(called.absolute()))


def _near(path: Path) -> Path:
    """The path from the current directory where it lies below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _alone(data_dir: Path) -> IO[bytes]:
    """The lock of this demo's directory, held until it is closed. Raises StageError when another demo has it."""
    lock = (data_dir / "demo.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StageError(f"another demo runs with {data_dir}; end it, or take another --data-dir") from None
    return lock


def _port_of(wanted: int) -> int:
    if wanted == 0:
        return free_port("127.0.0.1")
    with socket.create_server(("127.0.0.1", wanted)) as server:
        port: int = server.getsockname()[1]
        return port


def _console_port(wanted: int) -> int:
    try:
        return _port_of(wanted)
    except OSError as error:
        raise StageError(
            f"port {wanted} cannot be used ({error.strerror}); choose another: `make run PORT=8130`, or --port 8130"
        ) from None


def _broker_port(settings: Settings) -> int:
    """The usual port, so that other tools find the broker; any other where it is taken."""
    try:
        return _port_of(settings.broker.port)
    except OSError:
        return free_port("127.0.0.1")
