"""What breaks in the house itself: the gateway is restarted, its broker dies, its disk is full."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
from pathlib import Path

import psutil

from tests.support.eventually import PATIENCE, eventually
from tests.support.gateway import RunningGateway
from tests.support.homes import FAR_LINE, RUNGS, community
from tests.support.outside import FieldBus, OutsideWorld


def test_a_restart_in_the_middle_of_a_ladder_goes_on_and_tells_nobody_twice(tmp_path: Path) -> None:
    rungs = (RUNGS[0], {**RUNGS[1], "after_s": int(4 * PATIENCE)}, FAR_LINE[2])
    with (
        OutsideWorld() as world,
        RunningGateway(tmp_path, world, community=community(1, rungs=rungs)) as gateway,
        gateway.radio() as radio,
    ):
        radio.say("sos-1", "press")
        case_id = gateway.wait_for_case("sos-1")["id"]
        eventually(lambda: world.messages("desk") and world.messages("grid"), 5, "the first rung")
        gateway.stop()
        assert not world.messages("daughter-1")
        gateway.start()
        eventually(lambda: world.messages("daughter-1"), 10, "the second rung after the restart")
        gateway.wait_for_line(case_id, "told")
        assert sorted(message.who for message in world.messages()) == ["daughter-1", "desk", "grid"]
        assert gateway.timeline(case_id).count("rung") == 2
        eventually(lambda: radio.connected, 10, "the radio is back")
        gateway.act(case_id, "acknowledge")
        eventually(lambda: "blue" in radio.lamps("sos-1"), 10, "a lamp after the restart")


def test_presses_while_the_broker_is_dead_arrive(tmp_path: Path) -> None:
    with (
        OutsideWorld() as world,
        RunningGateway(tmp_path, world, community=community(3, rungs=FAR_LINE)) as gateway,
        gateway.radio() as radio,
    ):
        radio.say_and_wait("sos-1", "press")
        gateway.wait_for_case("sos-1")
        (broker,) = [one for one in psutil.Process(gateway.pid).children() if "mosquitto" in one.name()]
        broker.kill()
        eventually(lambda: not radio.connected, 5, "the radio noticed")
        radio.say("sos-2", "press")
        radio.say("sos-3", "press")
        assert gateway.readyz()[0] in (200, 503)
        gateway.wait_for_case("sos-2", 15)
        gateway.wait_for_case("sos-3")
        gateway.wait_ready()
        assert len(gateway.cases()) == 3
        assert world.repeated_keys() == []


def test_a_full_disk_acknowledges_nothing_says_so_and_loses_nothing(tmp_path: Path) -> None:
    with (
        OutsideWorld() as world,
        FieldBus(tmp_path / "bus") as bus,
        RunningGateway(tmp_path, world, community=community(3, rungs=FAR_LINE), bus=bus) as gateway,
        gateway.radio() as radio,
    ):
        bus.say("sos-1", "press")
        gateway.wait_for_case("sos-1")
        eventually(lambda: gateway.case(gateway.cases()[0]["id"])["case"]["times"].get("notified"), 5, "settled")
        before = list(bus.acknowledged)

        _, hard = resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (1, hard))  # no file takes a byte more
        by_wire = bus.say("sos-2", "press")
        radio.say("sos-3", "press")
        eventually(lambda: "journal" in gateway.readyz()[1], 10, "not ready")
        assert gateway.readyz()[0] == 503
        eventually(lambda: gateway.parts()["journal"]["state"] == "failed", 10, "the journal has failed")
        eventually(lambda: "urgent" in gateway.parts()["journal"]["en"], 10, "also for what is urgent")
        assert by_wire not in bus.acknowledged and len(bus.acknowledged) == len(before)
        assert len(gateway.cases()) == 1

        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (hard, hard))
        gateway.wait_for_case("sos-2", 15)
        gateway.wait_for_case("sos-3", 15)
        eventually(lambda: by_wire in bus.acknowledged, 5, "acknowledged once it is on the disk")
        gateway.wait_ready()
        assert len(gateway.cases()) == 3
        assert world.repeated_keys() == []


def test_a_damaged_telemetry_store_keeps_no_alarm_waiting(tmp_path: Path) -> None:
    with OutsideWorld() as world:
        gateway = RunningGateway(tmp_path, world, community=community(1, rungs=FAR_LINE))
        file = gateway.data_dir / "telemetry.db"
        file.write_bytes(b"no database any more " * 1000)
        with gateway, gateway.radio() as radio:
            radio.say("sos-1", "press")
            gateway.wait_for_case("sos-1")
            assert gateway.readyz()[0] == 200
            said = eventually(lambda: _degraded(gateway, "store"), 15, "the store is said to be damaged")
            assert "not a database" in said and "move" in said
            # Somebody moves the file away: what was heard meanwhile is there, and nothing was started anew.
            file.rename(tmp_path / "for-repair.db")
            eventually(lambda: gateway.parts()["store"]["state"] == "ok", 30, "the store is back")
            eventually(lambda: gateway.parts()["chronicle"]["state"] == "ok", 30, "and so is the chronicle")
        with contextlib.closing(sqlite3.connect(file)) as run:
            assert run.execute("SELECT device FROM event WHERE event = 'press'").fetchall() == [("sos-1",)]
            assert run.execute("SELECT count(*) FROM point_series WHERE measurement = 'case'").fetchone() == (1,)


def _degraded(gateway: RunningGateway, part: str) -> str:
    found = gateway.parts()[part]
    return str(found["en"]) if found["state"] != "ok" else ""
