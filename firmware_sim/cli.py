"""`anju fleet` and `anju world`: simulated devices, and the simulated world around the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from firmware_sim.community import choose, load_community
from firmware_sim.control import control_app
from firmware_sim.faults import load_faults
from firmware_sim.fleet import Fleet, behind_serial
from firmware_sim.mqtt_device import Broker
from firmware_sim.people import People
from firmware_sim.play import Player, StoryError
from firmware_sim.pty_cable import PtyCable
from firmware_sim.scenario import Scenario, Script, load_scenario, shipped
from firmware_sim.world.app import World
from firmware_sim.world.server import HOST, serving
from firmware_sim.yamlfile import FileError, read_text

fleet_app = typer.Typer(help="模拟设备 · simulated devices of a community, over real MQTT and serial lines")
world_app = typer.Typer(help="模拟外界 · a simulated 120 centre and everybody's messengers")

CONNECT_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class _Doors:
    """What a running fleet shows and lets in."""

    figures: bool
    control: str | None
    port_file: Path | None
    story: tuple[Scenario, Script] | None
    exit_after: bool
    api: str | None
    token_file: Path | None


@fleet_app.callback(invoke_without_command=True)
def fleet(
    community: Annotated[Path, typer.Option(help="the community's YAML")],
    broker: Annotated[str | None, typer.Option(help="MQTT broker, host:port")] = None,
    username: Annotated[str | None, typer.Option(help="MQTT user; {device} stands for the device's id")] = None,
    password_file: Annotated[Path | None, typer.Option(help="file with the MQTT password")] = None,
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
    token_file: Annotated[Path | None, typer.Option(help="file with an operator's token")] = None,
    control: Annotated[str | None, typer.Option(help="HTTP control on this loopback port or Unix socket")] = None,
    control_port_file: Annotated[
        Path | None, typer.Option(help="write the control port here (with --control 0)")
    ] = None,
    figures: Annotated[bool, typer.Option(help="one JSON line a second")] = False,
) -> None:
    """Run simulated devices until Ctrl-C."""
    try:
        town = load_community(community)
        town = replace(town, devices=choose(town.devices, devices))
        on_serial = {*behind_serial(town, serial_share), *(serial_device or ())}
        endpoint = None if broker is None else broker_at(broker, username, password_file)
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


@world_app.callback(invoke_without_command=True)
def world(
    port: Annotated[int, typer.Option(min=0, max=65535, help="loopback port; 0 takes a free one")] = 0,
    port_file: Annotated[Path | None, typer.Option(help="write the port here once it is open")] = None,
    inbox_file: Annotated[Path | None, typer.Option(help="append each message received, one JSON line each")] = None,
    token_file: Annotated[Path | None, typer.Option(help="file with the token that the 120 centre asks for")] = None,
) -> None:
    """Run a simulated 120 centre and messenger endpoints until Ctrl-C."""
    try:
        token = None if token_file is None else read_text(token_file).strip()

        async def run() -> int:
            outside = World(centre_token=token, inbox_file=inbox_file)
            async with serving(outside.app, port=port, port_file=port_file) as bound:
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
            people = await stack.enter_async_context(People(doors.api, read_text(doors.token_file).strip()))
        player = None
        if doors.story is not None:
            player = Player(*doors.story, fleet, people=people, tell=lambda line: _say(line, doors.figures))
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
        if doors.figures:
            tasks.append(asyncio.create_task(_figures(fleet), name="figures"))
        try:
            if player is not None:
                code = await _story(player, fleet, life, doors.figures)
            if player is None or not doors.exit_after:
                await life
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return code


async def _story(player: Player, fleet: Fleet, life: asyncio.Task[None], as_json: bool) -> int:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CONNECT_WITHIN_S):
            while not life.done() and not fleet.all_connected:  # noqa: ASYNC110 - hundreds of links, asked rarely
                await asyncio.sleep(0.05)
    try:
        await player.play()
    except StoryError as error:
        _say(str(error), as_json)
        return 1
    _say("the story is over, all as written", as_json)
    return 0


async def _figures(fleet: Fleet) -> None:
    while True:
        typer.echo(json.dumps(dict(fleet.totals())))
        await asyncio.sleep(1)


def _say(line: str, as_json: bool) -> None:
    typer.echo(json.dumps({"scenario": line}, ensure_ascii=False) if as_json else line)


def broker_at(text: str, username: str | None, password_file: Path | None) -> Broker:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"--broker: expected host:port, got {text!r}")
    password = None if password_file is None else read_text(password_file).strip()
    return Broker(host.strip("[]"), int(port), username, password)


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
