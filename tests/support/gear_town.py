"""Every simulated piece of foreign gear at once, against a whole gateway: its registry entries, its lines, its keys."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from devices.profiles import PROFILES
from firmware_sim.community import load_community
from firmware_sim.fleet import system_ms
from firmware_sim.gear import SIMULATED_GEAR
from firmware_sim.gear.base import Receiver
from firmware_sim.gear.town import GearTown, Ways
from firmware_sim.mqtt_device import Broker
from firmware_sim.pty_cable import PtyCable
from gateway.settings import Secrets
from gateway.transports.broker_config import GEAR_USER, ensure_broker_users
from tests.support.gateway import RunningGateway
from tests.support.homes import community
from tests.support.outside import LoopThread
from tests.support.ports import free_port


def on_a_line(profile: str) -> bool:
    return PROFILES[profile].carrier in ("serial", "modbus")


def gear_community(profiles: Iterable[str], **homes: Any) -> dict[str, Any]:
    """A home, and a bridge of each of ``profiles`` (its id is the profile's key) with the devices of its example.

    Device ids are ``<profile>-<n>``, in the example's order; each stands at a place of its own, ``at-<device>``.
    """
    document = community(1, **homes)
    document["bridges"] = []
    for profile in profiles:
        bridge: dict[str, Any] = {"id": profile, "profile": profile, "options": {}}
        document["bridges"].append(bridge)
        for number, part in enumerate(SIMULATED_GEAR[profile].example(), 1):
            name = f"{profile}-{number}"
            document["places"].append({"id": f"at-{name}", "level": "户", "name": f"{name}处", "parent": "b-1"})
            entry: dict[str, Any] = {"id": name, "kind": part.kind, "profile": profile, "bridge": profile}
            entry |= {"address": part.name, "place": f"at-{name}"}
            of_the_device = PROFILES[profile].device_options
            entry["options"] = {key: value for key, value in part.options.items() if key in of_the_device}
            of_the_bridge = PROFILES[profile].options
            bridge["options"] |= {key: value for key, value in part.options.items() if key in of_the_bridge}
            document["devices"].append(entry)
    return document


class Cables:
    """A serial line for each profile that needs one."""

    def __init__(self, directory: Path, profiles: Iterable[str]) -> None:
        self._stack = contextlib.ExitStack()
        self.settings: list[dict[str, str]] = []
        """As the gateway's settings name them."""
        self.far_ends: dict[str, str] = {}
        for profile in profiles:
            if on_a_line(profile):
                place = directory / f"line-{profile}"
                place.mkdir(parents=True)
                cable = self._stack.enter_context(PtyCable(place))
                self.settings.append({"name": profile, "port": str(cable.gateway_path)})
                self.far_ends[profile] = str(cable.concentrator_path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def ports_to_call_in() -> dict[str, str]:
    """Settings of a gateway that alarm units of other makers call in at."""
    return {
        f"ANJU_{door}__{key}": value
        for door in ("DC09", "SCAIP")
        for key, value in (("HOST", "127.0.0.1"), ("PORT", str(free_port())))
    }


def _calls_in(gateway: RunningGateway, door: str) -> Receiver | None:
    port = gateway.env.get(f"ANJU_{door}__PORT")
    return None if port is None else Receiver("127.0.0.1", int(port))


class RunningGear:
    """The gear of a running gateway, alive on an event loop of its own."""

    def __init__(self, gateway: RunningGateway, cables: Cables | None = None, *, seed: int = 7) -> None:
        town = load_community(gateway.community_file)
        password = ensure_broker_users(Secrets(gateway.data_dir / "secrets"))[GEAR_USER]
        keys = {
            bridge.id: gateway.command("devices", "key", bridge.id).strip()
            for bridge in town.bridges
            if PROFILES[bridge.profile].carrier == "http"
        }
        self._loop = LoopThread("gear")
        ways = Ways(
            broker=Broker("127.0.0.1", gateway.broker_port, GEAR_USER, password),
            ports=cables.far_ends if cables is not None else {},
            receiver=_calls_in(gateway, "DC09"),
            scaip=_calls_in(gateway, "SCAIP"),
            push_url=gateway.url,
            push_keys=keys,
        )

        async def begin() -> tuple[GearTown, asyncio.Task[None]]:
            made = GearTown(town, ways, seed=seed, clock=system_ms)
            return made, asyncio.create_task(made.run())

        self.town, self._life = self._loop.call(begin())
        assert not self.town.left_out, self.town.left_out

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async def end() -> None:
            self._life.cancel()
            await asyncio.wait({self._life})

        self._loop.call(end())
        self._loop.close()

    def act(self, device: str, action: str, **args: object) -> None:
        """Do something to a device, by its id in the registry."""

        async def do() -> None:
            self.town.act(device, action, args)

        assert not self._life.done(), self._life
        self._loop.call(do())

    def bridge(self, bridge: str, action: str, **args: object) -> None:
        """Do something to the bridge itself."""

        async def do() -> None:
            self.town.gear[bridge].act("", action, args)

        self._loop.call(do())

    def actions(self, device: str) -> list[str]:
        return self.town.actions(device)
