"""Ill devices at a real gateway: nothing they said is lost, nobody is told twice, what is wrong leaves a trace."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.observation import Lane, Observation
from firmware_sim.faults import Fault
from gateway.journal.view import JournalView
from tests.support.eventually import eventually
from tests.support.gateway import RunningGateway
from tests.support.homes import FAR_LINE, community
from tests.support.outside import OutsideWorld
from tests.support.running_fleet import RunningFleet

HOMES = 4
QUICK_S = 5.0
"""So long may a healthy button wait for its lamp beside an ill device."""


@pytest.fixture
def world() -> Iterator[OutsideWorld]:
    with OutsideWorld() as world:
        yield world


@pytest.fixture
def gateway(tmp_path: Path, world: OutsideWorld) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path, world, community=community(HOMES, rungs=FAR_LINE)) as gateway:
        yield gateway


def press(fleet: RunningFleet, device: str, within_s: float = QUICK_S) -> str:
    """A healthy press: its lamp turns green, and one case is open. Returns the case's id."""
    fleet.act(device, "press")
    eventually(lambda: fleet.state(device)["lamp"] == "green", within_s, f"green lamp of {device}")
    (case,) = [case for case in fleet.gateway.cases() if case["device"] == device]
    return str(case["id"])


def told(world: OutsideWorld, case_id: str) -> Counter[str]:
    return Counter(message.who for message in world.messages() if message.key.startswith(f"{case_id}:"))


def told_once(world: OutsideWorld, case_id: str, home: int) -> None:
    expected = Counter({"desk": 1, "grid": 1, f"daughter-{home}": 1})
    eventually(lambda: told(world, case_id) >= expected, 10, "everybody is told")
    assert told(world, case_id) == expected
    assert world.repeated_keys() == []


def journal(gateway: RunningGateway, fate: str, lane: str = "urgent") -> int:
    return int(gateway.metric("anju_journal_entries_total", fate=fate, lane=lane) or 0)


def presses(gateway: RunningGateway, device: str) -> list[Observation]:
    """On the gateway's disk."""
    entries = JournalView(gateway.data_dir / "journal").read(Lane.URGENT, 0, 10_000)
    found = (entry.observation for entry in entries if entry.observation.device == device)
    return [one for one in found if one.event in ("press", "long_press")]


def online(gateway: RunningGateway, device: str) -> bool:
    answer = gateway.api.get(f"/api/v1/devices/{device}").json()
    return bool(answer["state"]["online"])


def close(gateway: RunningGateway, case_id: str) -> None:
    for action, more in (("acknowledge", {}), ("resolve", {"reason": "test"}), ("close", {})):
        gateway.act(case_id, action, **more)


def test_a_device_that_starts_every_second_shuts_out_nobody(gateway: RunningGateway, world: OutsideWorld) -> None:
    storm = Fault(what="brown_out", seconds=1.0, kinds=("kiosk", "camera", "smoke"))
    with RunningFleet(gateway, faults=[storm]) as fleet:
        fleet.wait_connected("kiosk-1", "camera-1", *(f"smoke-{n}" for n in range(1, HOMES + 1)))
        eventually(lambda: fleet.tally("brown_out") > 20, 20, "a storm")
        told_once(world, press(fleet, "sos-1"), 1)
        before = fleet.tally("brown_out")
        eventually(lambda: fleet.tally("brown_out") > before + 20, 20, "the storm goes on")
        assert len(gateway.cases()) == 1, "coming and going is nobody's case before it is silence"
    assert journal(gateway, "reused_id") == journal(gateway, "reused_id", "routine") == 0
    eventually(lambda: not online(gateway, "kiosk-1"), 10, "the gateway knows that it is gone")


def test_two_devices_with_one_client_id_put_each_other_out_and_a_press_of_either_arrives(
    gateway: RunningGateway, world: OutsideWorld
) -> None:
    with RunningFleet(gateway, faults=[Fault(what="duplicate_client", devices=("sos-1",))]) as fleet:
        fleet.wait_connected("sos-1")
        eventually(lambda: fleet.fleet.by_kind["sos_button"].connects > HOMES + 6, 20, "they put each other out")
        fleet.act("sos-1", "press")
        first = gateway.wait_for_case("sos-1", 20)["id"]
        told_once(world, first, 1)
        close(gateway, first)
        fleet.act_twin(0, "press")
        eventually(lambda: len(gateway.cases()) == 2, 20, "a case of the other one's press")
        told_once(world, gateway.wait_for_case("sos-1")["id"], 1)
        told_once(world, press(fleet, "sos-2"), 2)


def test_two_devices_with_one_id_are_both_heard(gateway: RunningGateway, world: OutsideWorld) -> None:
    with RunningFleet(gateway, faults=[Fault(what="duplicate_id", devices=("sos-1",))]) as fleet:
        fleet.wait_connected()
        case = press(fleet, "sos-1")
        fleet.act_twin(0, "long_press")
        eventually(lambda: len(presses(gateway, "sos-1")) == 2, 10, "both presses are on the disk")
        told_once(world, case, 1)
        assert len(gateway.cases()) == 1, "one resident, one case"


def test_replayed_presses_open_no_second_case(gateway: RunningGateway, world: OutsideWorld) -> None:
    with RunningFleet(gateway, faults=[Fault(what="replay", seconds=4.0)]) as fleet:
        fleet.wait_connected()
        case = press(fleet, "sos-1")
        told_once(world, case, 1)
        close(gateway, case)
        eventually(lambda: fleet.state("sos-1")["lamp"] == "off", 5, "over")
        eventually(lambda: journal(gateway, "duplicate") >= 1, 15, "the press comes again, and is known")
        fleet.wait_heard()
        assert [one["id"] for one in gateway.cases()] == [case]
        told_once(world, press(fleet, "sos-2"), 2)


def test_numbers_that_come_again_with_other_content_are_all_kept(gateway: RunningGateway, world: OutsideWorld) -> None:
    with RunningFleet(gateway, faults=[Fault(what="lost_flash", seconds=3.0, devices=("sos-1",))]) as fleet:
        fleet.wait_connected("sos-1")
        for number in range(1, 7):
            device = fleet.fleet.devices["sos-1"]
            starts = device.starts
            fleet.act("sos-1", "press")
            eventually(lambda n=number: len(presses(gateway, "sos-1")) >= n, 10, "the press is on the disk")
            eventually(lambda s=starts: fleet.fleet.devices["sos-1"].starts > s, 10, "it starts again")
        assert len({one.observed_at_ms for one in presses(gateway, "sos-1")}) == 6, (
            "none was taken for a repeat of another"
        )
        ids = {one.message_id.partition("~")[0] for one in presses(gateway, "sos-1")}
        assert len(ids) < 6, "although they bear the same numbers"
        assert journal(gateway, "reused_id") + journal(gateway, "reused_id", "routine") > 0
        (case,) = gateway.cases()
        assert world.repeated_keys() == []
        assert told(world, case["id"])["daughter-1"] <= 6
        told_once(world, press(fleet, "sos-2"), 2)


def test_a_clock_that_is_years_wrong_delays_no_press_and_dates_nothing(
    gateway: RunningGateway, world: OutsideWorld
) -> None:
    years = 3 * 365.25 * 86_400
    behind = Fault(what="clock_skew", seconds=-years, devices=("sos-1",))
    ahead = Fault(what="clock_skew", seconds=years, devices=("sos-2",))
    with RunningFleet(gateway, faults=[behind, ahead]) as fleet:
        fleet.wait_connected()
        cases = [press(fleet, "sos-1")]
        fleet.act("sos-2", "press")
        cases.append(gateway.wait_for_case("sos-2")["id"])
        for home, case_id in enumerate(cases, start=1):
            told_once(world, case_id, home)
            case = gateway.case(case_id)["case"]
            assert abs(case["times"]["triggered"] - case["times"]["received"]) < 60_000, "a wrong clock dates nothing"
            assert case["late_ms"] == 0

        def lamp() -> list[str | None]:
            rows = gateway.case(cases[1])["outbox"]
            return [attempt["detail"] for row in rows if row["purpose"] == "indicate" for attempt in row["tries"]]

        eventually(lambda: any("expired" in (detail or "") for detail in lamp()), 10, f"a clock ahead: {lamp()}")


def test_a_babbling_idiot_does_not_hold_up_a_press(gateway: RunningGateway, world: OutsideWorld) -> None:
    with RunningFleet(gateway, faults=[Fault(what="babble", seconds=0.004, devices=("vitals-1",))]) as fleet:
        fleet.wait_connected()
        eventually(lambda: fleet.tally("babble") > 500, 20, "it babbles")
        told_once(world, press(fleet, "sos-2"), 2)
        before = journal(gateway, "accepted", "routine")
        eventually(lambda: journal(gateway, "accepted", "routine") > before + 300, 20, "all of it is taken")
        assert gateway.readyz()[0] == 200
        assert journal(gateway, "dropped_unread", "routine") == 0


def test_a_button_that_cries_without_end_is_one_case_and_holds_up_nobody(
    gateway: RunningGateway, world: OutsideWorld
) -> None:
    cry = Fault(what="babble", seconds=0.01, devices=("sos-1",), channels=("event",))  # type: ignore[arg-type]  # as YAML
    with RunningFleet(gateway, faults=[cry]) as fleet:
        fleet.wait_connected()
        crying = gateway.wait_for_case("sos-1", 20)["id"]
        eventually(lambda: fleet.tally("babble") > 400, 20, "it cries")
        told_once(world, press(fleet, "sos-2", 10), 2)
        eventually(lambda: fleet.tally("babble") > 1000, 30, "and cries")
        assert len(gateway.cases()) == 2
        assert max(told(world, crying).values()) <= 4, "people are not told of each of a thousand presses"
        assert journal(gateway, "dropped_unread") == 0


def test_what_a_drifting_sensor_cannot_have_measured_is_in_quarantine_with_its_name(
    gateway: RunningGateway, world: OutsideWorld
) -> None:
    drift = Fault(what="drift", seconds=1.0, devices=("vitals-3",))
    with RunningFleet(gateway, faults=[drift], rate=60.0) as fleet:
        fleet.wait_connected()
        eventually(
            lambda: (gateway.metric("anju_quarantined_total", reason="out_of_range") or 0) > 3, 30, "refused values"
        )
        shown = re.sub(r"\s", "", gateway.command("journal", "quarantine"))
        assert "vitals-3" in shown and "out_of_range" in shown and "metrics." in shown
        told_once(world, press(fleet, "sos-2"), 2)


def test_a_dying_battery_restarts_and_goes_silent_and_its_press_before_arrives(
    gateway: RunningGateway, world: OutsideWorld
) -> None:
    dying = Fault(what="battery_sag", seconds=8.0, devices=("sos-1",))
    with RunningFleet(gateway, faults=[dying], rate=300.0) as fleet:
        fleet.wait_connected("sos-1")
        fleet.act("sos-1", "press")
        told_once(world, gateway.wait_for_case("sos-1", 20)["id"], 1)
        eventually(lambda: fleet.tally("battery_sag") > 2, 30, "it restarts as it sends")
        eventually(lambda: not fleet.state("sos-1")["powered"], 60, "it is dead")
        eventually(lambda: not online(gateway, "sos-1"), 15, "the gateway knows that it is gone")
        assert [case["type"] for case in gateway.cases() if case["device"] == "sos-1"][-1] == "personal_emergency"
        assert sum(case["type"] == "personal_emergency" for case in gateway.cases()) == 1
