"""`anju fleet` and `anju world`: simulated devices, and the simulated world around the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import signal
import ssl
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from firmware_sim import live
from firmware_sim.community import SimulatedCommunity, choose, load_community
from firmware_sim.control import control_app
from firmware_sim.faults import load_faults
from firmware_sim.fleet import Fleet, behind_serial
from firmware_sim.limits import make_room
from firmware_sim.maker import make
from firmware_sim.mqtt_device import Broker
from firmware_sim.past import past
from firmware_sim.people import People
from firmware_sim.play import Player, StoryError
from firmware_sim.pty_cable import PtyCable
from firmware_sim.scenario import Scenario, Script, load_scenario, shipped
from firmware_sim.world.app import World
from firmware_sim.world.server import HOST, serving
from firmware_sim.world.telephones import Telephones
from firmware_sim.yamlfile import FileError, read_text

fleet_app = typer.Typer(help="模拟设备 · simulated devices of a community, over real MQTT and serial lines")
world_app = typer.Typer(help="模拟外界 · a simulated 120 centre and everybody's messengers")

EXAMPLE = Path("examples/tuanjiehu/community.yaml")
CONNECTS_PER_S = 100
"""Slower than any machine that was seen; a story waits for no longer than this would take."""
CONNECT_AT_LEAST_S = 30.0


@dataclass(frozen=True, slots=True)
class _Doors:
    """What a running fleet shows and lets in."""

    figures: bool | None
    """None: a table in a terminal, nothing elsewhere."""
    control: str | None
    port_file: Path | None
    story: tuple[Scenario, Script] | None
    exit_after: bool
    api: str | None
    token_file: Path | None


@fleet_app.callback(invoke_without_command=True)
def fleet(
    context: typer.Context,
    community: Annotated[Path | None, typer.Option(help="the community's YAML")] = None,
    broker: Annotated[str | None, typer.Option(help="MQTT broker, host:port")] = None,
    username: Annotated[str | None, typer.Option(help="MQTT user; {device} stands for the device's id")] = None,
    password_file: Annotated[Path | None, typer.Option(help="file with the MQTT password")] = None,
    passwords: Annotated[
        Path | None, typer.Option(help="each device's own password: devices.csv, as `anju init` makes it")
    ] = None,
    broker_ca: Annotated[Path | None, typer.Option(help="CA certificates of a broker that speaks TLS")] = None,
    serial: Annotated[str | None, typer.Option(help="tty of a concentrator, for the devices chosen below")] = None,
    cable: Annotated[
        Path | None,
        typer.Option(help="lay a cable: the gateway's end is <this directory>/gateway.tty; no adapter needed"),
    ] = None,
    serial_share: Annotated[float, typer.Option(min=0, max=1, help="share of the home devices on it")] = 0.0,
    serial_device: Annotated[list[str] | None, typer.Option(help="a device on it, by id; may be repeated")] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="only so many, of every kind; always the same")] = None,
    rate: Annotated[float, typer.Option(min=0.001, max=100_000, help="speed factor of telemetry")] = 1.0,
    seed: Annotated[int, typer.Option(help="the same seed, the same life")] = 1,
    faults: Annotated[str | None, typer.Option(help="YAML file, or inline: '[{what: loss, probability: 0.1}]'")] = None,
    scenario: Annotated[str | None, typer.Option(help=f"a story: YAML file, or {', '.join(shipped())}")] = None,
    exit_after: Annotated[bool, typer.Option("--exit-after-scenario", help="end when the story ends")] = False,
    api: Annotated[str | None, typer.Option(help="the gateway's URL, for the people in the story")] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="file with an operator's token; on a second line that of who checks")
    ] = None,
    control: Annotated[str | None, typer.Option(help="HTTP control on this loopback port or Unix socket")] = None,
    control_port_file: Annotated[
        Path | None, typer.Option(help="write the control port here (with --control 0)")
    ] = None,
    figures: Annotated[
        bool | None, typer.Option(help="live: a table in a terminal, else one JSON line a second; default: the table")
    ] = None,
) -> None:
    """Run simulated devices until Ctrl-C; thousands of them if need be. `anju fleet make` makes up a community."""
    if context.invoked_subcommand is not None:
        return
    try:
        town = _town(community, devices)
        make_room(len(town.devices))
        on_serial = {*behind_serial(town, serial_share), *(serial_device or ())}
        endpoint = None if broker is None else broker_at(broker, username, password_file, passwords, broker_ca)
        story = None if scenario is None else load_scenario(scenario)
        trouble = () if faults is None else load_faults(faults)

        async def run(tty: str | None) -> int:
            living = Fleet(
                town,
                broker=endpoint,
                seed=seed,
                rate=rate,
                faults=trouble,
                serial_port=tty,
                serial_devices=on_serial,
            )
            doors = _Doors(figures, control, control_port_file, story, exit_after, api, token_file)
            return await _live(living, doors)

        if cable is None:
            code = until_signal(run(serial))
        else:
            cable.mkdir(parents=True, exist_ok=True)
            with PtyCable(cable) as laid:
                code = until_signal(run(str(laid.concentrator_path)))
    except (FileError, ValueError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(code)


@fleet_app.command("make")
def make_community(
    devices: Annotated[int, typer.Option(min=40, max=100_000, help="exactly so many devices")],
    seed: Annotated[int, typer.Option(help="the same seed, the same community")] = 1,
    like: Annotated[Path, typer.Option(help="a community whose rules, ladders and channels it gets")] = EXAMPLE,
) -> None:
    """造一个社区 · Make up a community: homes of old people, streets, and who looks after them. Prints its YAML.

    anju fleet make --devices 10000 > large.yaml; anju apply large.yaml; anju fleet --community large.yaml …
    """
    try:
        typer.echo(make(devices, seed, like), nl=False)
    except FileError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


@fleet_app.command("past")
def tell_past(
    community: Annotated[Path, typer.Option(help="the community's YAML")],
    until: Annotated[int, typer.Option(help="up to when, in ms since 1970 UTC")],
    seed: Annotated[int, typer.Option(help="the same seed, the same past")] = 1,
) -> None:
    """过去一周 · What the devices said in the week before, one JSON line each, in the order of time: of the last day
    everything, of the days before what happened. `anju demo` begins with it."""
    try:
        town = load_community(community)
    except FileError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    for told in past(town, until, seed=seed):
        sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")


@world_app.callback(invoke_without_command=True)
def world(
    port: Annotated[int, typer.Option(min=0, max=65535, help="loopback port; 0 takes a free one")] = 0,
    port_file: Annotated[Path | None, typer.Option(help="write the port here once it is open")] = None,
    inbox_file: Annotated[Path | None, typer.Option(help="append each message received, one JSON line each")] = None,
    token_file: Annotated[Path | None, typer.Option(help="file with the token that the 120 centre asks for")] = None,
    modem: Annotated[Path | None, typer.Option(help="path of a simulated 4G modem, with people at telephones")] = None,
) -> None:
    """Run a simulated 120 centre and messenger endpoints until Ctrl-C."""
    try:
        token = None if token_file is None else read_text(token_file).strip()

        async def run() -> int:
            telephones = Telephones(modem) if modem is not None else None
            outside = World(centre_token=token, inbox_file=inbox_file, telephones=telephones)
            async with contextlib.AsyncExitStack() as stack:
                if telephones is not None:
                    await stack.enter_async_context(telephones.running())
                bound = await stack.enter_async_context(serving(outside.app, port=port, port_file=port_file))
                typer.echo(f"http://{HOST}:{bound}: POST /calls (120, 演练 drill), POST /inbox/<who>")
                await asyncio.Event().wait()
            return 0

        code = until_signal(run())
    except (FileError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(code)


async def _live(fleet: Fleet, doors: _Doors) -> int:
    """Fleet, control door, figures and story together; the exit code."""
    code = 0
    async with contextlib.AsyncExitStack() as stack:
        people = None
        if doors.api is not None:
            if doors.token_file is None:
                raise FileError("--api needs --token-file FILE with an operator's token")
            token, _, checker = read_text(doors.token_file).strip().partition("\n")
            people = await stack.enter_async_context(People(doors.api, token.strip(), checker=checker.strip()))
        table = doors.figures is not False and sys.stdout.isatty()
        told: list[str] = []
        tell = told.append if table else partial(_say, as_json=bool(doors.figures))
        player = None
        if doors.story is not None:
            player = Player(*doors.story, fleet, people=people, tell=tell)
        if doors.control is not None:
            is_port = doors.control.isdigit()
            served = serving(
                control_app(fleet),
                port=int(doors.control) if is_port else 0,
                path=None if is_port else Path(doors.control),
                port_file=doors.port_file,
            )
            await stack.enter_async_context(served)
        life = asyncio.create_task(fleet.run(), name="fleet")
        tasks = [life]
        if table:
            tasks.append(asyncio.create_task(live.show(fleet, Console(), told), name="figures"))
        elif doors.figures:
            tasks.append(asyncio.create_task(live.write(fleet, typer.echo), name="figures"))
        try:
            if player is not None:
                code = await _story(player, fleet, life, tell)
            if player is None or not doors.exit_after:
                await life
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return code


async def _story(player: Player, fleet: Fleet, life: asyncio.Task[None], tell: Callable[[str], None]) -> int:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(CONNECT_AT_LEAST_S, len(fleet.devices) / CONNECTS_PER_S)):
            while not life.done() and not fleet.all_connected:  # noqa: ASYNC110 - hundreds of links, asked rarely
                await asyncio.sleep(0.05)
    try:
        await player.play()
    except StoryError as error:
        tell(str(error))
        return 1
    tell("the story is over, all as written")
    return 0


def _town(file: Path | None, devices: int | None) -> SimulatedCommunity:
    """The native devices of a community, or so many of them. Raises FileError."""
    if file is None:
        raise FileError("--community FILE: which devices there are; `anju fleet make` makes one up")
    town = load_community(file)
    if devices is not None and devices > len(town.native):
        raise FileError(
            f"--devices {devices}: {file} has {len(town.native)} devices of our own protocol; "
            f"`anju fleet make --devices {devices} > large.yaml` makes up a larger community"
        )
    return replace(town, devices=choose(town.native, devices))


def _say(line: str, *, as_json: bool) -> None:
    typer.echo(json.dumps({"scenario": line}, ensure_ascii=False) if as_json else line)


def broker_at(
    text: str,
    username: str | None,
    password_file: Path | None,
    passwords: Path | None = None,
    broker_ca: Path | None = None,
) -> Broker:
    """Where devices connect, as the command line says it. Raises ValueError, FileError, OSError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"--broker: expected host:port, got {text!r}")
    password = None if password_file is None else read_text(password_file).strip()
    own = None if passwords is None else _passwords(passwords)
    tls = None if broker_ca is None else ssl.create_default_context(cafile=broker_ca)
    return Broker(host.strip("[]"), int(port), username, password, own, tls)


def _passwords(file: Path) -> dict[str, str]:
    """Password by device. Raises FileError."""
    rows = csv.DictReader(io.StringIO(read_text(file)))
    if not {"device", "password"} <= set(rows.fieldnames or ()):
        raise FileError(f"{file}: expected the columns device and password, found {', '.join(rows.fieldnames or ())}")
    return {row["device"]: row["password"] for row in rows}


def until_signal(work: Coroutine[Any, Any, int]) -> int:
    """Run ``work``; Ctrl-C and SIGTERM end it cleanly with code 0."""

    async def run() -> int:
        task = asyncio.create_task(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return 0

    return asyncio.run(run())
