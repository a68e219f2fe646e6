"""Every kind, simulated, at a real gateway: all it can say arrives, is understood and is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.kinds import KINDS
from devices.observation import Lane, Observation
from gateway.journal.view import JournalView
from tests.support.eventually import eventually
from tests.support.gateway import RunningGateway
from tests.support.homes import FAR_LINE
from tests.support.outside import OutsideWorld
from tests.support.quarter import quarter
from tests.support.running_fleet import RunningFleet

EVENTS = {(kind.key, event) for kind in KINDS.values() for event in kind.events}
ACTED = {(kind, event) for kind, event in EVENTS if event not in ("online", "offline", "command_result")}
STATES = {(kind.key, state) for kind in KINDS.values() for state in kind.states}
COMMANDS = [(kind.key, command) for kind in KINDS.values() for command in kind.commands.values()]


def observed(gateway: RunningGateway, lane: Lane) -> list[Observation]:
    return [entry.observation for entry in JournalView(gateway.data_dir / "journal").read(lane, 0, 100_000)]


def reported(gateway: RunningGateway) -> set[tuple[str, str]]:
    """Kinds with what telemetry told of them."""
    return {(one.kind, key) for one in observed(gateway, Lane.ROUTINE) if one.event is None for key in one.metrics}


@pytest.mark.slow
def test_all_that_the_catalogue_knows_is_said_and_kept(tmp_path: Path) -> None:
    with (
        OutsideWorld() as world,
        RunningGateway(tmp_path, world, community=quarter(1, rungs=FAR_LINE)) as gateway,
    ):
        with RunningFleet(gateway, rate=240.0) as fleet:
            fleet.wait_connected()
            first = {device.kind_key: id_ for id_, device in fleet.fleet.devices.items()}
            assert set(first) == set(KINDS)
            for kind, event in 2 * sorted(ACTED):  # what ends a state only once it has begun
                fleet.act(first[kind], event)
            for kind, command in COMMANDS:
                args = {name: values[0] for name, values in command.args.items()}
                answer = gateway.api.post(
                    f"/api/v1/devices/{first[kind]}/commands", json={"command": command.key, "args": args}
                )
                assert answer.json()["status"] == "delivered", (kind, command.key, answer.text)
            eventually(lambda: reported(gateway) >= STATES, 40, "all states are reported")
            fleet.act("kiosk-1", "drop")  # its last will is the one thing that it does not say itself
            eventually(lambda: any(one.event == "offline" for one in observed(gateway, Lane.ROUTINE)), 10, "a will")
            fleet.wait_heard()
        urgent, routine = observed(gateway, Lane.URGENT), observed(gateway, Lane.ROUTINE)
        said = {(one.kind, one.event) for one in (*urgent, *routine) if one.event is not None}
        assert ACTED - said == set()
        assert {("valve", "command_result"), ("sign", "command_result"), ("siren", "command_result")} <= said
        assert gateway.metric("anju_quarantined_total") is None, gateway.command("journal", "quarantine")
        assert world.repeated_keys() == []
