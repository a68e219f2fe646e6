"""The gateway watches itself, and somebody outside watches that it lives: a real one, whose disk fills up."""

from __future__ import annotations

import json
import resource
from pathlib import Path

from devices.observation import Lane
from gateway.journal.view import JournalView
from tests.support.dead_man import WatcherOutside
from tests.support.eventually import eventually
from tests.support.gateway import RunningGateway
from tests.support.homes import FAR_LINE, community
from tests.support.outside import OutsideWorld

ITSELF = "anju-gateway"


def test_a_gateway_is_a_device_of_its_own_and_its_full_disk_stops_the_heartbeat(tmp_path: Path) -> None:
    with (
        OutsideWorld() as world,
        WatcherOutside() as outside,
        RunningGateway(
            tmp_path,
            world,
            community=community(1, rungs=FAR_LINE),
            settings={
                "ANJU_DEAD_MAN__URL": outside.url + "/${DEAD_MAN_ID}",
                "ANJU_DEAD_MAN__EVERY_S": "10",
                "ANJU_DEAD_MAN__SECRET": "DEAD_MAN_KEY",
                "DEAD_MAN_ID": "5f3c",
                "DEAD_MAN_KEY": "k",
            },
        ) as gateway,
    ):
        # It is there from the start, says what it measures, and is neither silent nor a stranger.
        eventually(lambda: gateway.device(ITSELF)["state"], 15, "the gateway has said something of itself")
        found = gateway.device(ITSELF)
        assert (found["kind"], found["place"], found["silent"]) == ("gateway", "yuan", False)
        eventually(lambda: "disk_free" in gateway.latest(ITSELF), 15, "its figures are in the telemetry")
        assert {"load", "memory_free", "journal_backlog", "store_lag", "outbox_overdue"} <= gateway.latest(
            ITSELF
        ).keys()
        assert ITSELF in [device["id"] for device in gateway.devices(kind="gateway")]
        assert gateway.metric("anju_messages_total", transport="itself", outcome="stored")

        # Its heart is heard outside.
        eventually(lambda: outside.beats, 40, "the first heartbeat")
        beat = outside.beats[0]
        assert beat.path == "/5f3c" and beat.signed_by("k")
        assert beat.document["community"] == "yuan" and beat.document["gateway"] == ITSELF
        assert beat.document["state"] in ("ok", "degraded")
        eventually(lambda: gateway.parts()["dead-man"]["state"] == "ok", 10, "its heart is said to beat")
        assert "heartbeat" not in gateway.ready()

        # No file takes a byte more.
        _, hard = resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (1, hard))
        eventually(lambda: "journal" in gateway.ready().get("heartbeat", ""), 30, "the heartbeat is withheld")
        assert gateway.metric("anju_heartbeat_withheld", part="journal") == 1
        eventually(lambda: gateway.parts()["dead-man"]["state"] == "failed", 10, "and it is said")
        withheld = len(outside.beats)

        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (hard, hard))
        eventually(lambda: len(outside.beats) > withheld, 30, "it goes on by itself")
        eventually(lambda: gateway.metric("anju_heartbeat_withheld", part="journal") is None, 10, "nothing is withheld")
        assert not gateway.cases(), "nothing of this is anybody's alarm yet"
    said = [entry.observation for entry in JournalView(gateway.data_dir / "journal").read(Lane.ROUTINE, 0, 1000)]
    assert any(one.device == ITSELF and one.metrics.get("line_down") == 0 for one in said), json.dumps(
        [one.metrics for one in said if one.device == ITSELF]
    )


def test_a_disk_with_no_room_for_routine_is_an_alarm_inside_and_silence_outside(tmp_path: Path) -> None:
    with (
        OutsideWorld() as world,
        WatcherOutside() as outside,
        RunningGateway(
            tmp_path,
            world,
            community=community(1, rungs=FAR_LINE),
            settings={
                "ANJU_JOURNAL__RESERVE_MB": str(10**9),
                "ANJU_DEAD_MAN__URL": outside.url,
                "ANJU_DEAD_MAN__EVERY_S": "10",
            },
        ) as gateway,
    ):
        case = gateway.wait_for_case(ITSELF, 40)
        assert case["place"] == "yuan"
        alarms = [alarm["rule"] for alarm in gateway.case(case["id"])["alarms"]]
        assert alarms == ["gateway-fault"]
        eventually(lambda: world.messages("desk"), 15, "somebody is told")
        eventually(lambda: "journal" in gateway.ready().get("heartbeat", ""), 40, "and somebody outside hears nothing")
        assert outside.beats == []
        found = gateway.device(ITSELF)
        assert not found["silent"] and found["state"]["online"], "it says that it lives where only urgent has room"
