"""`anju gear`: the off-the-shelf gear of a community, simulated byte for byte over the real transports."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from firmware_sim.cli import broker_at, until_signal
from firmware_sim.community import SimulatedCommunity, load_community
from firmware_sim.fleet import system_ms
from firmware_sim.gear import SIMULATED_GEAR
from firmware_sim.gear.base import Receiver
from firmware_sim.gear.serial import SerialGear
from firmware_sim.gear.town import GearTown, Ways
from firmware_sim.pty_cable import PtyCable
from firmware_sim.yamlfile import FileError, read_text

gear_app = typer.Typer(help="模拟杂牌设备 · simulated off-the-shelf gear: Zigbee2MQTT, Frigate, Modbus lines …")

FIGURES_EVERY_S = 5.0


@gear_app.callback(invoke_without_command=True)
def gear(
    community: Annotated[Path, typer.Option(help="the community's YAML, with its bridges")],
    broker: Annotated[str | None, typer.Option(help="MQTT broker, host:port")] = None,
    username: Annotated[str, typer.Option(help="MQTT user of gear")] = "gear",
    password_file: Annotated[Path | None, typer.Option(help="file with its password")] = None,
    lines: Annotated[
        Path | None,
        typer.Option(help="lay a cable for each serial bridge; the gateway's end is <this>/<bridge>/gateway.tty"),
    ] = None,
    dc09: Annotated[str | None, typer.Option(help="where alarm units call in by SIA DC-09, host:port")] = None,
    scaip: Annotated[str | None, typer.Option(help="where alarm units report by SCAIP, host:port")] = None,
    push: Annotated[str | None, typer.Option(help="the gateway's URL, for gear that pushes over HTTP")] = None,
    push_keys: Annotated[Path | None, typer.Option(help="JSON file: sender → key (`anju devices key`)")] = None,
    seed: Annotated[int, typer.Option(help="the same seed, the same life")] = 1,
    figures: Annotated[bool, typer.Option(help="every few seconds one JSON line with the state of all gear")] = False,
) -> None:
    """Run the gear until Ctrl-C. What has no way to the gateway is named, and left out."""
    try:
        town = load_community(community)
        endpoint = None if broker is None else broker_at(broker, username, password_file)
        keys = {} if push_keys is None else _keys(push_keys)
        with contextlib.ExitStack() as stack:
            far_ends = {} if lines is None else _lay(lines, town, stack)
            ways = Ways(
                broker=endpoint,
                ports=far_ends,
                receiver=None if dc09 is None else _receiver("--dc09", dc09),
                scaip=None if scaip is None else _receiver("--scaip", scaip),
                push_url=push,
                push_keys=keys,
            )
            code = until_signal(_live(town, ways, seed, figures))
    except (FileError, ValueError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(code)


def _lay(directory: Path, town: SimulatedCommunity, stack: contextlib.ExitStack) -> dict[str, str]:
    """A cable for every serial bridge; where its far end is."""
    ends = {}
    for bridge in town.bridges:
        simulated = SIMULATED_GEAR.get(bridge.profile)
        if simulated is not None and issubclass(simulated, SerialGear):
            place = directory / bridge.id
            place.mkdir(parents=True, exist_ok=True)
            ends[bridge.id] = str(stack.enter_context(PtyCable(place)).concentrator_path)
    return ends


def _receiver(option: str, text: str) -> Receiver:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{option}: expected host:port, got {text!r}")
    return Receiver(host, int(port))


def _keys(path: Path) -> Mapping[str, str]:
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found.values()):
        raise FileError(f"{path}: expected a JSON object, sender → key")
    return found


async def _live(town: SimulatedCommunity, ways: Ways, seed: int, figures: bool) -> int:
    gear = GearTown(town, ways, seed=seed, clock=system_ms)
    for name, why in gear.left_out.items():
        typer.echo(f"{name} 未模拟 is left out: {why}", err=True)
    if not gear.gear:
        typer.echo(
            "没有可模拟的设备 there is no gear to simulate: the community names no bridges with devices", err=True
        )
        return 2
    typer.echo(f"{len(gear.names)} 台设备 devices, {len(gear.gear)} 个网桥 bridges: {', '.join(sorted(gear.gear))}")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gear.run(), name="gear")
        while figures:
            typer.echo(json.dumps({name: one.state() for name, one in gear.gear.items()}, ensure_ascii=False))
            await asyncio.sleep(FIGURES_EVERY_S)
    return 0
