"""The transport at the broker: topics, lanes, reconnecting, commands. Real brokers, real connections."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.journal.entry import Done, Outcome
from gateway.settings import BrokerSettings
from gateway.transports.broker_config import GATEWAY_USER, GEAR_USER
from gateway.transports.broker_found import BrokerKind
from gateway.transports.mqtt import Delivery, MqttTransport, PublishOutcome
from gateway.transports.mqtt_connection import Address
from gateway.transports.mqtt_lane import MqttLane
from tests.support.broker import mosquitto
from tests.support.eventually import PATIENCE, eventually, eventually_async
from tests.support.mqtt import COMMUNITY, MOSQUITTO, NATS, Offered, Offers, Site, connected, hold

pytestmark = pytest.mark.broker
both = pytest.mark.parametrize("kind", [MOSQUITTO, NATS])
BASE = f"anju/v1/{COMMUNITY}"


@pytest.mark.parametrize(("kind", "version"), [(MOSQUITTO, 4), (MOSQUITTO, 5), (NATS, 4)])
def test_each_channel_comes_once_on_its_lane(tmp_path: Path, kind: BrokerKind, version: int) -> None:
    with Site(tmp_path, kind) as site:
        offers = Offers()
        gateway = site.gateway(offers)
        device = site.device(version=version)
        for channel in ("event", "telemetry", "status"):
            device.say_acknowledged(channel, channel)
        eventually(lambda: gateway.health.routine.acks == 2 and gateway.health.urgent.acks == 1)
        assert sorted(offers.payloads) == ["event", "status", "telemetry"]
        assert gateway.health.urgent.protocol == ("5" if kind is MOSQUITTO else "3.1.1")
        assert gateway.health.urgent.last_message_ms is not None


def test_retained_state_is_marked_and_comes_with_the_first_subscription_only(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        site.device().say("status", "online", retain=True)
        first = Offers()
        gateway = site.gateway(first)
        eventually(lambda: [(m.payload, m.retained) for m in first.all] == [(b"online", True)])
        gateway.stop()
        again = Offers()
        site.gateway(again)
        site.device("t-1").say("telemetry", "72")
        eventually(lambda: again.payloads == ["72"])


@both
def test_wrong_topics_are_handed_in_once(tmp_path: Path, kind: BrokerKind) -> None:
    """What the access list of the managed broker lets through: a level too few or too many; NATS also a wrong name."""
    wrong = [BASE, f"{BASE}/sos-1", f"{BASE}/sos-1/event/now", f"{BASE}/a/b/c/event"]
    if kind is NATS:
        wrong.append(f"{BASE}/sos-1/alarm")
    with Site(tmp_path, kind) as site:
        offers = Offers(lambda _: Outcome.QUARANTINED)
        gateway = site.gateway(offers)
        device = site.device()
        for topic in wrong:
            device.publish(topic, "x")
        eventually(lambda: gateway.health.routine.acks == len(wrong))
        assert sorted(offers.topics()) == sorted(wrong)


def test_foreign_broker_all_wrong_topics_but_no_copies_of_events_and_commands(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker, Site(tmp_path / "unused") as site:
        offers = Offers()
        settings = BrokerSettings(managed=False, port=broker.port, username=None)
        gateway = MqttTransport(settings, None, COMMUNITY, offers, SystemClock())
        gateway.start()
        site.broker.port, port = broker.port, site.broker.port  # devices of this site, but on the foreign broker
        device = site.device()
        eventually(lambda: connected(gateway))
        device.listen(f"{BASE}/sos-1/command")
        topics = [f"{BASE}/sos-1/{level}" for level in ("event", "telemetry", "command", "alarm")] + [f"{BASE}//event"]
        for topic in topics:
            device.publish(topic, "x")
        eventually(lambda: len(device.received) == 1, 10, "the command")
        eventually(lambda: gateway.health.routine.acks == 3 and gateway.health.urgent.acks >= 1)
        assert sorted(set(offers.topics())) == sorted(topic for topic in topics if not topic.endswith("command"))
        site.broker.port = port
        gateway.stop()


def test_oversize_reaches_the_intake_whole_and_an_attack_does_not(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        offers = Offers(lambda _: Outcome.QUARANTINED)
        site.gateway(offers)
        device = site.device()
        device.say_acknowledged("telemetry", b"x" * 100_000)
        eventually(lambda: [len(message.payload) for message in offers.all] == [100_000])
        device.say("telemetry", b"x" * 2_000_000)
        eventually(lambda: device.disconnected, 10, "the broker ends such a connection, visibly")


@both
def test_routine_flood_does_not_hold_up_urgent(tmp_path: Path, kind: BrokerKind) -> None:
    with Site(tmp_path, kind, receive_maximum=50) as site:
        offers = Offers(lambda message: Outcome.STORED if message.topic.endswith("event") else None)
        gateway = site.gateway(offers)
        flood = site.device("t-1")
        for number in range(2000):
            flood.say("telemetry", str(number))
        eventually(lambda: gateway.health.routine.unanswered == 50, 10, "routine is stuck")
        device = site.device()
        for number in range(20):
            device.say("event", f"press {number}")
        eventually(lambda: gateway.health.urgent.acks == 20, 2, "urgent is not")
        assert gateway.health.routine.unanswered == 50
        assert not gateway.reading or gateway.health.routine.oldest_unanswered_s < 1


@both
def test_backlog_stays_within_the_bound(tmp_path: Path, kind: BrokerKind) -> None:
    """Mosquitto 2.0.11 sends more than the receive maximum when it has a backlog, and 3.1.1 knows no such bound."""
    with Site(tmp_path, kind, receive_maximum=5) as site:
        site.gateway(Offers()).stop()  # makes the session
        device = site.device()
        for number in range(200):
            device.say("event", str(number))
        eventually(lambda: len(device.acknowledged) == 200)

        waiting: list[Offered] = []
        most = 0

        def keep(message: Offered) -> None:
            nonlocal most
            waiting.append(message)
            most = max(most, len(waiting))

        gateway = site.gateway(Offers(keep), wait=False)
        seen: set[bytes] = set()
        while len(seen) < 200:
            eventually(lambda: waiting, 10)
            assert gateway.health.urgent.unanswered <= 5
            message = waiting.pop(0)
            seen.add(message.payload)
            message.done(Outcome.STORED)
        assert most <= 5
        eventually(lambda: gateway.health.urgent.acks >= 200)


@both
def test_broker_restart_is_survived_and_shown(tmp_path: Path, kind: BrokerKind) -> None:
    with Site(tmp_path, kind) as site:
        offers = Offers()
        gateway = site.gateway(offers)
        up_since = gateway.health.urgent.since_ms
        site.broker.stop()
        eventually(lambda: not gateway.health.urgent.connected and not gateway.health.routine.connected)
        down = gateway.health.urgent
        assert down.why and down.since_ms >= up_since
        assert not gateway.reading
        site.broker.start()
        eventually(lambda: connected(gateway), 15, "reconnected")
        assert gateway.health.urgent.reconnects == 1
        site.device().say_acknowledged("event", "press")
        eventually(lambda: offers.payloads == ["press"])


@both
def test_takeover_is_named_and_not_fought(tmp_path: Path, kind: BrokerKind, caplog: pytest.LogCaptureFixture) -> None:
    """Neither of these brokers says why it cuts a connection off (Mosquitto from 2.0.12 on does)."""
    with Site(tmp_path, kind) as site:
        offers = Offers()
        gateway = site.gateway(offers)
        other = site.device(f"anju-{COMMUNITY}-urgent", user="gateway")  # comes back whenever it is thrown out
        eventually(lambda: gateway.health.urgent.takeovers == 1)
        assert "another client" in gateway.health.urgent.why
        assert "second gateway" in caplog.text
        assert gateway.health.routine.connected
        thrown_out = len(other.disconnected)
        other.listen("anju/v1/probe")
        assert len(other.disconnected) == thrown_out, "the other is left in peace for now"
        other.stop()
        eventually(lambda: gateway.health.urgent.connected, 10, "back when the other has gone")
        site.device().say_acknowledged("event", "press")
        eventually(lambda: "press" in offers.payloads)


@both
def test_whoever_has_a_password_cannot_put_the_gateway_out(tmp_path: Path, kind: BrokerKind) -> None:
    with Site(tmp_path, kind) as site:
        offers = Offers()
        gateway = site.gateway(offers, key="nobody-guesses-this")
        site.device(f"anju-{COMMUNITY}-urgent")
        site.device(f"anju-{COMMUNITY}-routine")
        site.device().say_acknowledged("event", "press")
        eventually(lambda: "press" in offers.payloads)
        assert connected(gateway)
        assert (gateway.health.urgent.reconnects, gateway.health.urgent.takeovers) == (0, 0)
        shown = f"{gateway.health}"
        assert f"anju-{COMMUNITY}-urgent" in shown
        assert "nobody-guesses-this" not in shown


def test_takeover_that_the_broker_names(tmp_path: Path) -> None:
    """A broker that follows MQTT 5: DISCONNECT with reason 0x8E, here played by a few lines on a socket."""

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1024)  # CONNECT
            connection.sendall(b"\x20\x03\x00\x00\x00")
            packet = connection.recv(1024)  # SUBSCRIBE; its message id follows a length of one byte
            connection.sendall(b"\x90\x04" + packet[2:4] + b"\x00\x01" + b"\xe0\x02\x8e\x00")
            connection.recv(1024)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, args=(listener,), daemon=True)
        serving.start()
        address = Address(
            host="127.0.0.1",
            port=listener.getsockname()[1],
            username=None,
            password=None,
            client_id="anju-yuan-urgent",
            tls_ca=None,
            receive_maximum=10,
        )
        lane = MqttLane("urgent", address, lambda _: (f"{BASE}/+/event",), Offers(), SystemClock())
        lane.start()
        eventually(lambda: lane.health.takeovers == 1)
        assert lane.health.why == "another client connected as 'anju-yuan-urgent'"
        lane.stop(0)
        serving.join(5 * PATIENCE)


def test_wrong_password_and_no_broker_are_told_apart(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        wrong = MqttTransport(BrokerSettings(port=site.broker.port), "wrong", COMMUNITY, Offers(), SystemClock())
        wrong.start()
        eventually(lambda: "Not authorized" in wrong.health.urgent.why or "password" in wrong.health.urgent.why)
        wrong.stop(0)
        site.broker.stop()
        nobody = MqttTransport(BrokerSettings(port=site.broker.port), "any", COMMUNITY, Offers(), SystemClock())
        nobody.start()
        eventually(lambda: "refused" in nobody.health.urgent.why)
        nobody.stop(0)


def lane(
    site: Site,
    offer: Callable[[Delivery, Done], None],
    more: Callable[[], tuple[str, ...]],
    user: str,
    ignore: Callable[[str], bool] = lambda _topic: False,
) -> MqttLane:
    """A lane that listens to ``house/#`` and to ``more``."""
    address = Address(
        host="127.0.0.1",
        port=site.broker.port,
        username=user,
        password=site.users[user],
        client_id="lane",
        tls_ca=None,
        receive_maximum=10,
    )
    return MqttLane("house", address, lambda _version: ("house/#",), offer, SystemClock(), more=more, ignore=ignore)


def test_what_the_first_message_of_a_session_makes_known_is_listened_to(tmp_path: Path) -> None:
    """It comes before the broker's answer to the subscription."""
    with Site(tmp_path) as site:
        offers, heard_of = Offers(), list[str]()
        away = lane(site, offers, tuple, GATEWAY_USER)
        away.start()
        eventually(lambda: away.connection is not None)
        away.stop(0)
        device = site.device(user=GATEWAY_USER)
        device.publish("house/description", "listen to garden")

        def offer(delivery: Delivery, done: Done) -> None:
            offers(delivery, done)
            if not heard_of:
                heard_of.append("garden/#")
                back.listen(("garden/#",))

        back = lane(site, offer, lambda: tuple(heard_of), GATEWAY_USER)
        back.start()
        try:
            eventually(lambda: back.connection is not None and offers.payloads == ["listen to garden"])

            def smoke_is_heard() -> bool:
                device.publish("garden/shed", "smoke")  # the subscription may still be on its way
                return "smoke" in offers.payloads

            eventually(smoke_is_heard)
        finally:
            back.stop(0)


def test_a_fault_of_ours_in_a_callback_costs_a_connection_and_no_message(tmp_path: Path) -> None:
    """paho's network thread dies of what a callback raises: the lane must not stay connected and deaf."""
    with Site(tmp_path) as site:
        offers, faults = Offers(), iter((ZeroDivisionError("a bug"),))

        def ignore(_topic: str) -> bool:
            for fault in faults:
                raise fault
            return False

        listening = lane(site, offers, tuple, GATEWAY_USER, ignore=ignore)
        listening.start()
        try:
            eventually(lambda: listening.connection is not None)
            site.device(user=GATEWAY_USER).publish("house/kitchen", "smoke")
            eventually(lambda: offers.payloads == ["smoke"])
            assert "a bug" in listening.health.why
        finally:
            listening.stop(0)


def test_a_forbidden_topic_that_was_made_known_does_not_cut_off_the_others(tmp_path: Path) -> None:
    with Site(tmp_path, NATS) as site:
        offers = Offers()
        bridge = lane(site, offers, lambda: (f"{BASE}/#", "garden/#"), GEAR_USER)
        bridge.start()
        try:
            eventually(lambda: bridge.connection is not None, 10, "connected")
            site.device(user=GEAR_USER).publish("house/kitchen", "smoke")
            eventually(lambda: offers.payloads == ["smoke"])
            assert bridge.health.reconnects == 0
        finally:
            bridge.stop(0)


@both
def test_devices_cannot_command_or_overhear(tmp_path: Path, kind: BrokerKind) -> None:
    with Site(tmp_path, kind) as site:
        gateway = site.gateway(Offers())
        victim = site.device("siren-1")
        victim.listen(f"{BASE}/siren-1/command")
        thief = site.device("thief", version=5 if kind is MOSQUITTO else 4)
        thief.listen(f"{BASE}/#")
        mid = thief.publish(f"{BASE}/siren-1/command", "on")
        reason = eventually(lambda: thief.acknowledged.get(mid))
        if kind is MOSQUITTO:
            assert reason == "Not authorized"
        victim.say_acknowledged("event", "press")
        eventually(lambda: gateway.health.urgent.acks == 1)
        assert victim.received == []
        assert thief.received == []


@both
async def test_command_arrives(tmp_path: Path, kind: BrokerKind) -> None:
    with Site(tmp_path, kind) as site:
        offers = Offers()
        gateway = site.gateway(offers)
        device = site.device()
        assert device.listen(f"{BASE}/sos-1/command")
        result = await gateway.publish_command("sos-1", b"lamp", 60)
        assert result.outcome is PublishOutcome.ACCEPTED
        await eventually_async(lambda: device.received == [(f"{BASE}/sos-1/command", b"lamp")])
        device.say_acknowledged("event", "result")
        await eventually_async(lambda: offers.payloads == ["result"], what="the command itself is not handed in")


async def test_command_nobody_listens_to(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        gateway = site.gateway(Offers())
        assert (await gateway.publish_command("sos-1", b"x", 60)).outcome is PublishOutcome.NOBODY_LISTENING
        assert (await gateway.publish_command("a/+", b"x", 60)).outcome is PublishOutcome.REFUSED


async def test_command_expires_at_the_broker(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        gateway = site.gateway(Offers())
        device = site.device(clean=False)
        device.listen(f"{BASE}/sos-1/command")
        device.stop()
        assert (await gateway.publish_command("sos-1", b"old", 1)).outcome is PublishOutcome.ACCEPTED
        assert (await gateway.publish_command("sos-1", b"valid", 600)).outcome is PublishOutcome.ACCEPTED
        asleep = SystemClock().now_ms()
        await eventually_async(lambda: SystemClock().now_ms() - asleep > 2100)
        device = site.device(clean=False)
        await eventually_async(lambda: [payload for _, payload in device.received] == [b"valid"])


async def test_command_without_broker_and_without_answer(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        gateway = site.gateway(Offers())
        pid = site.broker.health.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            result = await gateway.publish_command("sos-1", b"x", 60, timeout_s=0.3)
            assert result.outcome is PublishOutcome.UNKNOWN
        finally:
            os.kill(pid, signal.SIGCONT)
        site.broker.stop()
        await eventually_async(lambda: not gateway.health.urgent.connected)
        result = await gateway.publish_command("sos-1", b"x", 60)
        assert result.outcome is PublishOutcome.NOT_SENT
        assert "no connection" in result.detail


async def test_command_is_unknown_when_the_connection_breaks_before_the_answer(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        gateway = site.gateway(Offers(hold))
        pid = site.broker.health.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        waiting = asyncio.create_task(gateway.publish_command("sos-1", b"x", 60, timeout_s=20))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        result = await waiting
        assert result.outcome is PublishOutcome.UNKNOWN
        assert "broke" in result.detail
