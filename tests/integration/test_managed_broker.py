"""The broker as a child of the gateway: found, configured, watched, ended with it. Real processes."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gateway.settings import Secrets
from gateway.transports import broker_ports
from gateway.transports.broker import BrokerError, ManagedBroker
from gateway.transports.broker_config import ensure_broker_users, write_mosquitto
from gateway.transports.broker_found import BrokerKind, FoundBroker, find_broker
from gateway.transports.mqtt_probe import probe
from tests.support.broker import Mosquitto, answers, free_port
from tests.support.eventually import eventually
from tests.support.mqtt import COMMUNITY, MOSQUITTO, NATS, Offers, Site, connected, find

pytestmark = pytest.mark.broker
both = pytest.mark.parametrize("kind", [MOSQUITTO, NATS])
USERS = {"gateway": "g", "devices": "d"}


def test_mosquitto_is_preferred() -> None:
    found = find_broker()
    assert found is not None
    assert found.kind is MOSQUITTO
    assert found.version.startswith("2.")


def test_without_any_broker_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.transports.broker_found.shutil.which", lambda *_args, **_options: None)
    with pytest.raises(BrokerError, match=r"apt install mosquitto.*anju\[broker\].*broker\.managed: false"):
        ManagedBroker(tmp_path, "127.0.0.1", 0, USERS).start()


def test_passwords_are_made_once_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets(tmp_path / "secrets")
    users = ensure_broker_users(secrets)
    assert users == ensure_broker_users(secrets)
    assert len(set(users.values())) == 4
    for name in ("MQTT_PASSWORD", "MQTT_DEVICE_PASSWORD", "MQTT_GEAR_PASSWORD", "MQTT_HOME_PASSWORD"):
        assert stat.S_IMODE((tmp_path / "secrets" / name).stat().st_mode) == 0o600
    monkeypatch.setenv("MQTT_DEVICE_PASSWORD", "from the environment")
    assert ensure_broker_users(secrets)["devices"] == "from the environment"


@both
def test_only_known_users_get_in(tmp_path: Path, kind: BrokerKind) -> None:
    with Site(tmp_path, kind) as site:
        port = site.broker.port
        assert str(port) in site.broker.description
        assert probe("127.0.0.1", port, "devices", site.users["devices"]) is None
        assert probe("127.0.0.1", port, "devices", "wrong") is not None
        assert probe("127.0.0.1", port, "somebody", "") is not None
        for secret in (tmp_path / "broker").glob("*.conf"):
            assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_more_devices_get_in_than_a_login_shell_may_have_files_open(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections: list[socket.socket] = []
    # Files of the broker's own, and one per device: 200 are not enough for 250.
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        with Site(tmp_path, MOSQUITTO) as site:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for number in range(250):
                connection = socket.create_connection(("127.0.0.1", site.broker.port), timeout=5)
                connections.append(connection)
                name, user, word = (text.encode() for text in (f"sos-{number}", "devices", site.users["devices"]))
                body = b"\x00\x04MQTT\x04\xc2\x00\x00" + b"".join(
                    len(part).to_bytes(2, "big") + part for part in (name, user, word)
                )
                connection.sendall(b"\x10" + bytes((len(body),)) + body)
                assert connection.recv(4) == b"\x20\x02\x00\x00", f"device {number} was not let in"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for connection in connections:
            connection.close()


@both
def test_gear_may_do_everything_but_what_is_ours(tmp_path: Path, kind: BrokerKind) -> None:
    with Site(tmp_path, kind) as site:
        offers = Offers()
        site.gateway(offers)
        bridge = site.device("zigbee2mqtt", user="gear")
        listener = site.device("frigate", user="gear")
        listener.listen("zigbee2mqtt/#")
        listener.listen("anju/#")
        bridge.publish("zigbee2mqtt/kitchen", '{"smoke": true}')
        eventually(lambda: listener.received == [("zigbee2mqtt/kitchen", b'{"smoke": true}')])
        bridge.publish(f"anju/v1/{COMMUNITY}/sos-1/event", "a press that nobody made")
        device = site.device("sos-1")
        device.say_acknowledged("event", "a real press")
        eventually(lambda: "a real press" in offers.payloads)
        assert offers.payloads == ["a real press"]
        assert all(topic.startswith("zigbee2mqtt/") for topic, _ in listener.received)


@both
def test_a_home_assistant_sees_what_is_announced_and_not_what_devices_say(tmp_path: Path, kind: BrokerKind) -> None:
    with Site(tmp_path, kind) as site:
        offers = Offers()
        site.gateway(offers)
        home = site.device("assistant", user="home")
        home.listen("anju/#")
        home.listen("homeassistant/#")
        gateway = site.device("announcer", user="gateway")
        gateway.publish(f"anju/state/{COMMUNITY}/smoke-1", "{}")
        gateway.publish("homeassistant/sensor/x/y/config", "{}")
        home.publish(f"anju/v1/{COMMUNITY}/sos-1/event", "a press that nobody made")
        site.device("sos-1").say_acknowledged("event", "a real press")
        eventually(lambda: "a real press" in offers.payloads and len(home.received) == 2)
        assert offers.payloads == ["a real press"]
        assert {topic for topic, _ in home.received} == {
            f"anju/state/{COMMUNITY}/smoke-1",
            "homeassistant/sensor/x/y/config",
        }


@both
def test_devices_may_not_speak_for_gear(tmp_path: Path, kind: BrokerKind) -> None:
    with Site(tmp_path, kind) as site:
        listener = site.device("frigate", user="gear")
        listener.listen("zigbee2mqtt/#")
        site.device("sos-1").publish("zigbee2mqtt/kitchen", '{"smoke": true}')
        site.device("bridge", user="gear").publish("zigbee2mqtt/hall", "{}")
        eventually(lambda: ("zigbee2mqtt/hall", b"{}") in listener.received)
        assert [topic for topic, _ in listener.received] == ["zigbee2mqtt/hall"]


def test_what_gear_says_with_qos_0_is_kept_while_the_gateway_is_away(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        away = site.device("listener", user="gear", clean=False)
        away.listen("zigbee2mqtt/#")
        away.stop()
        bridge = site.device("zigbee2mqtt", user="gear")
        bridge.publish("zigbee2mqtt/kitchen", '{"smoke": true}', qos=0)
        bridge.publish("done", "", qos=1)
        eventually(lambda: bridge.acknowledged)
        back = site.device("listener", user="gear", clean=False)
        eventually(lambda: ("zigbee2mqtt/kitchen", b'{"smoke": true}') in back.received)


def test_long_passwords(tmp_path: Path) -> None:
    users = {"gateway": "长" * 50, "devices": "d" * 200, "gear": "g"}
    broker = ManagedBroker(tmp_path, "127.0.0.1", 0, users, found=find(MOSQUITTO))
    broker.start()
    assert probe("127.0.0.1", broker.port, "devices", users["devices"]) is None
    broker.stop()


def test_configuration_bounds_and_access(tmp_path: Path) -> None:
    arguments = write_mosquitto(tmp_path, host="127.0.0.1", port=1884, users=USERS, receive_maximum=7)
    text = Path(arguments[1]).read_text(encoding="utf-8")
    for line in ("listener 1884 127.0.0.1", "allow_anonymous false", "max_inflight_messages 7", "persistence true"):
        assert line in text.splitlines()
    assert "g:" not in (tmp_path / "passwords").read_text(encoding="utf-8").replace("gateway:$7$", "")
    assert "topic write anju/v1/+/+/command" not in (tmp_path / "access").read_text(encoding="utf-8")


def test_port_of_somebody_else(tmp_path: Path) -> None:
    other = Mosquitto(tmp_path / "other")
    other.start()
    with pytest.raises(BrokerError, match=rf"port {other.port}.*taken by .*mosquitto.*broker\.port"):
        ManagedBroker(tmp_path / "ours", "127.0.0.1", other.port, USERS).start()
    other.stop()


@contextlib.contextmanager
def taken_port() -> Iterator[int]:
    """Nobody else can listen on it, and nobody answers there."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        yield other.getsockname()[1]


@both
@pytest.mark.parametrize("lost", [1, 2, 4])
def test_port_that_another_program_takes_first(
    tmp_path: Path, kind: BrokerKind, lost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the choice of a free port and the broker's start there is time for others. NATS needs two ports."""
    with taken_port() as taken:
        choices = itertools.chain([taken] * lost, iter(free_port, None))
        monkeypatch.setattr("gateway.transports.broker.free_port", lambda host: next(choices))
        broker = ManagedBroker(tmp_path, "127.0.0.1", 0, USERS, found=find(kind))
        broker.start()
        assert broker.port != taken
        assert probe("127.0.0.1", broker.port, "devices", USERS["devices"]) is None
        assert broker.health.restarts == 0
        port = broker.port
        broker.stop()
        broker.start()
        assert broker.port == port, "once chosen, it stays"
        broker.stop()


def test_a_chosen_port_is_none_that_the_system_gives_away(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = {broker_ports.free_port("127.0.0.1") for _ in range(20)}
    assert len(ports) > 1 and all(10_000 <= port < 15_000 for port in ports)
    with taken_port() as taken:
        monkeypatch.setattr(broker_ports, "_OURS", [taken] * 50)
        assert broker_ports.free_port("127.0.0.1") != taken, "all of them are in use"


@both
def test_no_port_to_be_had(tmp_path: Path, kind: BrokerKind, monkeypatch: pytest.MonkeyPatch) -> None:
    with taken_port() as taken:
        monkeypatch.setattr("gateway.transports.broker.free_port", lambda host: taken)
        with pytest.raises(BrokerError, match=r"(?i)did not start.*address already in use"):
            ManagedBroker(tmp_path, "127.0.0.1", 0, USERS, found=find(kind)).start()


def test_address_that_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"cannot listen on 192\.0\.2\.1:1884 \(broker\.host, broker\.port\)"):
        ManagedBroker(tmp_path, "192.0.2.1", 1884, USERS).start()


def test_broker_that_does_not_start_says_what_it_said(tmp_path: Path) -> None:
    script = tmp_path / "broken"
    script.write_text("#!/bin/sh\necho Error: no such luck\nexit 3\n", encoding="utf-8")
    script.chmod(0o755)
    broken = FoundBroker(MOSQUITTO, script, "0")
    with pytest.raises(BrokerError, match=r"exit code 3.*no such luck"):
        ManagedBroker(tmp_path, "127.0.0.1", 0, USERS, found=broken).start()


@both
def test_started_again_when_it_dies(tmp_path: Path, kind: BrokerKind, caplog: pytest.LogCaptureFixture) -> None:
    with Site(tmp_path, kind) as site:
        first = site.broker.health.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        eventually(lambda: site.broker.health.restarts == 1 and site.broker.health.running)
        assert site.broker.health.pid != first
        assert "SIGKILL" in site.broker.health.why
        assert "starting it again" in caplog.text


def test_a_fault_of_ours_beside_it_does_not_leave_us_without_a_broker(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        faults = iter((ZeroDivisionError("a bug"),))

        def reading() -> bool:
            for fault in faults:
                raise fault
            return True

        site.broker.reading = reading
        eventually(lambda: site.broker.health.restarts == 1 and site.broker.health.running)
        assert "a bug" in site.broker.health.why


def test_what_it_kept_is_damaged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Site(tmp_path, MOSQUITTO) as site:
        site.gateway(Offers()).stop()
        site.device().say_acknowledged("event", "press")
        pid = site.broker.health.pid
        assert pid is not None
        kept = tmp_path / "broker" / "mosquitto.db"
        eventually(lambda: kept.exists() and kept.stat().st_size > 100)
        os.kill(pid, signal.SIGSTOP)  # so that it does not save in between
        kept.write_bytes(kept.read_bytes()[:-20])  # as a power cut leaves it
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: site.broker.health.running and site.broker.health.pid not in (None, pid), 10)
        assert kept.with_suffix(".damaged").exists(), "nothing is thrown away"
        assert "devices that heard no answer say it again" in caplog.text
        offers = Offers()
        site.gateway(offers)
        site.device().say_acknowledged("event", "press")
        eventually(lambda: offers.all)


@both
def test_clean_stop_keeps_the_queue_and_leaves_nothing_behind(tmp_path: Path, kind: BrokerKind) -> None:
    with Site(tmp_path, kind) as site:
        site.gateway(Offers()).stop()
        site.device().say_acknowledged("event", "press")
        pid, port = site.broker.health.pid, site.broker.port
        assert pid is not None
        site.broker.stop()
        assert not psutil.pid_exists(pid)
        assert not answers(port)
        assert not (tmp_path / "broker" / "broker.pid").exists()
        site.broker.start()
        offers = Offers()
        site.gateway(offers)
        eventually(lambda: offers.payloads == ["press"])


@both
def test_saved_while_nobody_reads(tmp_path: Path, kind: BrokerKind) -> None:
    """The gateway is away, a press comes, and then the broker is killed: the press must have been saved by then."""
    with Site(tmp_path, kind) as site:
        site.gateway(Offers()).stop()
        site.device().say_acknowledged("event", "the press")
        if kind is MOSQUITTO:
            database = tmp_path / "broker" / "mosquitto.db"
            eventually(lambda: database.exists() and b"the press" in database.read_bytes(), 5)
        pid = site.broker.health.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: site.broker.health.restarts == 1 and site.broker.health.running)
        offers = Offers()
        gateway = site.gateway(offers)
        eventually(lambda: offers.payloads == ["the press"])
        assert connected(gateway)


@both
def test_killed_gateway_leaves_no_broker(tmp_path: Path, kind: BrokerKind) -> None:
    script = textwrap.dedent(
        f"""
        import pathlib, sys, threading
        from gateway.transports.broker import ManagedBroker
        from gateway.transports.broker_found import BrokerKind, FoundBroker
        found = FoundBroker(BrokerKind({kind.value!r}), pathlib.Path({str(find(kind).executable)!r}), "")
        broker = ManagedBroker(pathlib.Path(sys.argv[1]), "127.0.0.1", int(sys.argv[2]), {USERS!r}, found=found)
        broker.start()
        print(broker.health.pid, flush=True)
        threading.Event().wait()
        """
    )
    port = free_port()
    gateway = subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(port)], stdout=subprocess.PIPE)
    assert gateway.stdout is not None
    child = int(gateway.stdout.readline())
    assert answers(port)
    gateway.kill()
    gateway.wait()
    eventually(lambda: not answers(port), 10, "the broker ended with it")
    eventually(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
    again = ManagedBroker(tmp_path, "127.0.0.1", port, USERS, found=find(kind))
    again.start()
    again.stop()


def test_orphan_is_ended_and_its_port_taken_over(tmp_path: Path) -> None:
    """Where the system cannot end a child with its parent, the next start does."""
    orphan = Mosquitto(tmp_path / "broker")
    orphan.start()
    assert orphan.process is not None
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    record = {
        "pid": orphan.process.pid,
        "started": psutil.Process(orphan.process.pid).create_time(),
        "owner": dead.pid,
        "owner_started": 1.0,
    }
    (tmp_path / "broker" / "broker.pid").write_text(json.dumps(record), encoding="utf-8")
    broker = ManagedBroker(tmp_path, "127.0.0.1", orphan.port, USERS, found=find(MOSQUITTO))
    broker.start()
    assert orphan.process.poll() is not None
    assert broker.health.running
    broker.stop()


@pytest.mark.parametrize("record", ["", "{}", "[]", '{"pid": "x"}', '{"pid": 1, "started": 0, "owner": 1}'])
def test_pid_file_that_says_nothing_useful(tmp_path: Path, record: str) -> None:
    (tmp_path / "broker").mkdir()
    (tmp_path / "broker" / "broker.pid").write_text(record, encoding="utf-8")
    broker = ManagedBroker(tmp_path, "127.0.0.1", 0, USERS, found=find(MOSQUITTO))
    broker.start()
    broker.stop()


def test_second_gateway_on_the_same_data(tmp_path: Path) -> None:
    with Site(tmp_path), pytest.raises(BrokerError, match=r"another gateway \(process \d+\).*data_dir"):
        ManagedBroker(tmp_path, "127.0.0.1", 0, USERS).start()
