"""The broker as `anju init` sets it up, run by a real Mosquitto: who gets in, and who may say and hear what."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import ssl
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.clock import SystemClock
from gateway.doctor import findings
from gateway.init import certificates
from gateway.init.deployment import MQTT_SECRETS
from gateway.settings import BrokerSettings, Settings
from tests.support.eventually import PATIENCE, eventually
from tests.support.stack import Stack, StackBroker, compose, open_directory, running_broker

NOT_AUTHORISED = 0x87
BAD_CREDENTIALS = 0x86
OWN = "anju/v1/luyuan"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with open_directory() as directory:
        made = Stack(directory)
        made.init()
        yield made


@pytest.fixture(scope="module")
def broker(stack: Stack) -> Iterator[StackBroker]:
    with running_broker(stack) as running:
        yield running


class Client:
    """One MQTT 5 client over TLS that trusts the deployment's authority alone."""

    def __init__(self, broker: StackBroker, username: str | None, password: str | None) -> None:
        self.heard: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self.connected: list[ReasonCode] = []
        self.acknowledged: dict[int, ReasonCode] = {}
        self.subscribed: list[int] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, reconnect_on_failure=False)
        if username is not None:
            self._client.username_pw_set(username, password)
        self._client.tls_set(ca_certs=str(broker.stack.directory / "ca.crt"))
        self._client.on_connect = lambda _c, _u, _f, reason, _p: self.connected.append(reason)
        self._client.on_message = lambda _c, _u, message: self.heard.put((message.topic, bytes(message.payload)))
        self._client.on_publish = lambda _c, _u, mid, reason, _p: self.acknowledged.update({mid: reason})
        self._client.on_subscribe = lambda _c, _u, mid, _r, _p: self.subscribed.append(mid)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        eventually(lambda: self.connected, 5, "an answer to CONNECT")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def reason(self) -> int:
        return int(self.connected[0].value)

    def publish(self, topic: str, payload: str = "{}") -> int:
        """Publish with QoS 1; the broker's reason."""
        mid = self._client.publish(topic, payload, qos=1).mid
        eventually(lambda: mid in self.acknowledged, 5, f"PUBACK of {topic}")
        return int(self.acknowledged[mid].value)

    def subscribe(self, *topics: str) -> None:
        _, mid = self._client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in topics])
        eventually(lambda: mid in self.subscribed, 5, f"SUBACK of {topics}")

    def next(self) -> tuple[str, bytes]:
        return self.heard.get(timeout=10 * PATIENCE)


def service(broker: StackBroker, user: str) -> Client:
    return Client(broker, user, broker.stack.read(f"gateway/secrets/{MQTT_SECRETS[user]}"))


def device(broker: StackBroker, name: str) -> Client:
    return Client(broker, name, broker.stack.password(name))


def test_its_certificate_is_good_for_whoever_holds_the_authority(broker: StackBroker) -> None:
    trusting = ssl.create_default_context(cafile=str(broker.stack.directory / "ca.crt"))
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("mosquitto", "localhost", "127.0.0.1"):
        with (
            socket.create_connection((broker.host, broker.port)) as plain,
            trusting.wrap_socket(plain, server_hostname=name) as secure,
        ):
            assert secure.version() in ("TLSv1.2", "TLSv1.3")
    with socket.create_connection((broker.host, broker.port)) as plain, pytest.raises(ssl.SSLCertVerificationError):
        trusting.wrap_socket(plain, server_hostname="somewhere.else")
    with socket.create_connection((broker.host, broker.port)) as plain, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")


def test_nobody_gets_in_by_an_old_protocol_or_without_tls(broker: StackBroker) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(str(broker.stack.directory / "ca.crt"))
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection((broker.host, broker.port)) as plain, pytest.raises(ssl.SSLError, match="VERSION"):
        old.wrap_socket(plain, server_hostname="localhost")
    with socket.create_connection((broker.host, broker.port)) as plain:
        plain.settimeout(10)
        plain.sendall(b"\x10\x11\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x04test")
        with contextlib.suppress(ConnectionResetError):
            assert not plain.recv(4).startswith(b"\x20"), "a CONNACK without TLS"


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("gateway", "wrong"),
        ("sos-guo", "wrong"),
        ("sos-guo", ""),
        ("nobody", "x"),
        (None, None),
        ("devices", "devices"),
    ],
)
def test_wrong_passwords_and_strangers_are_turned_away(
    broker: StackBroker, username: str | None, password: str | None
) -> None:
    with Client(broker, username, password) as client:
        assert client.reason in (NOT_AUTHORISED, BAD_CREDENTIALS)


def test_no_device_gets_in_with_the_password_of_another(broker: StackBroker) -> None:
    with Client(broker, "sos-guo", broker.stack.password("sos-sun")) as client:
        assert client.reason in (NOT_AUTHORISED, BAD_CREDENTIALS)


def test_a_device_speaks_as_itself_alone(broker: StackBroker) -> None:
    with service(broker, "gateway") as gateway, device(broker, "sos-guo") as button:
        gateway.subscribe("anju/#")
        for channel in ("event", "telemetry", "status"):
            assert button.publish(f"{OWN}/sos-guo/{channel}") == 0
            assert gateway.next() == (f"{OWN}/sos-guo/{channel}", b"{}")
        for forbidden in (
            f"{OWN}/sos-sun/event",
            f"{OWN}/sos-guo/command",
            f"{OWN}/sos-sun/command",
            "anju/v1/elsewhere/sos-guo/event",
            f"{OWN}/sos-guo/event/more",
            f"{OWN}/sos-guo/alarm",
            "zigbee2mqtt/door",
            "homeassistant/x/config",
        ):
            assert button.publish(forbidden) == NOT_AUTHORISED, forbidden
        assert button.publish(f"{OWN}/sos-guo/event", "last") == 0
        assert gateway.next() == (f"{OWN}/sos-guo/event", b"last")  # and nothing of what was forbidden before it


def test_a_device_hears_its_own_commands_alone(broker: StackBroker) -> None:
    with service(broker, "gateway") as gateway, device(broker, "sos-guo") as button, device(broker, "sos-sun") as other:
        button.subscribe("#", f"{OWN}/+/command", f"{OWN}/sos-sun/command", "$SYS/#")
        assert other.publish(f"{OWN}/sos-sun/event") == 0
        assert gateway.publish(f"{OWN}/sos-sun/command", "another's") in (0, 0x10)
        assert gateway.publish(f"{OWN}/sos-guo/command", "mine") == 0
        assert button.next() == (f"{OWN}/sos-guo/command", b"mine")
        heard = {button.next() for _ in range(button.heard.qsize())}
        assert heard <= {(f"{OWN}/sos-guo/command", b"mine")}  # once more for the second subscription that fits


def test_gear_and_a_home_assistant_stay_out_of_what_devices_say(broker: StackBroker) -> None:
    with service(broker, "gear") as gear, service(broker, "home") as home:
        assert gear.publish("zigbee2mqtt/door") in (0, 0x10)
        assert gear.publish(f"{OWN}/sos-guo/event") == NOT_AUTHORISED
        assert gear.publish(f"{OWN}/gear/event") == NOT_AUTHORISED
        assert home.publish("homeassistant/status") in (0, 0x10)
        assert home.publish(f"{OWN}/home/event") == NOT_AUTHORISED


def test_the_health_check_of_the_container_sees_a_living_broker(broker: StackBroker) -> None:
    check = cast("dict[str, Any]", compose()["services"]["mosquitto"]["healthcheck"])["test"]
    assert check[0] == "CMD"
    command = [str(word).replace("$$", "$") for word in check[1:]]
    user = broker.config.stat().st_uid
    run = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "XDG_CONFIG_HOME": str(broker.config)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        user=user if os.geteuid() == 0 else None,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith(" seconds\n")
    with Client(broker, "health", broker.stack.read("mosquitto/health-password")) as health:
        assert health.publish(f"{OWN}/health/event") == NOT_AUTHORISED
        assert health.publish(f"{OWN}/sos-guo/event") == NOT_AUTHORISED


def test_new_devices_withdrawn_ones_and_a_renewed_certificate_without_a_restart() -> None:
    with open_directory() as directory:
        stack = Stack(directory)
        stack.init(devices=["sos-late"])
        with running_broker(stack) as broker:
            before = served(broker)
            with device(broker, "sos-guo") as stays:
                assert stays.reason == 0
                late = stack.password("sos-late")
                table = [row for row in stack.read("devices.csv").splitlines() if not row.startswith("sos-late,")]
                (directory / "devices.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
                stack.init(devices=["sos-new"], names=["gateway.example.cn"])
                assert stack.runs[-1].renewed_because == "it does not have gateway.example.cn"
                broker.read_again()
                eventually(lambda: served(broker) != before, 10, "the new certificate")
                with device(broker, "sos-new") as new:
                    assert new.reason == 0
                with Client(broker, "sos-late", late) as withdrawn:
                    assert withdrawn.reason in (NOT_AUTHORISED, BAD_CREDENTIALS)
                assert stays.publish(f"{OWN}/sos-guo/event") in (0, 0x10), "who was there stays there"
            assert "gateway.example.cn" in certificates.names_of(served(broker))


def served(broker: StackBroker) -> str:
    """The certificate that the broker shows, PEM."""
    trusting = ssl.create_default_context(cafile=str(broker.stack.directory / "ca.crt"))
    with (
        socket.create_connection((broker.host, broker.port)) as plain,
        trusting.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
    assert shown is not None
    return ssl.DER_cert_to_PEM_cert(shown)


def test_the_doctor_looks_at_the_certificate(broker: StackBroker, tmp_path: Path) -> None:
    def said(authority: Path) -> tuple[str, str]:
        where = BrokerSettings(managed=False, host=broker.host, port=broker.port, tls_ca=authority, username=None)
        settings = Settings(data_dir=tmp_path, broker=where)
        (found,) = (one for one in findings(settings) if one.what == "broker's certificate")
        return found.level, found.said

    level, words = said(broker.stack.directory / "ca.crt")
    assert (level, words.startswith("good until 20")) == ("ok", True), words
    stranger = tmp_path / "ca.crt"
    stranger.write_text(certificates.new_authority(SystemClock().now_ms()).certificate, encoding="utf-8")
    level, words = said(stranger)
    assert (level, "`anju init` renews it" in words) == ("error", True), words


def test_the_doctor_warns_before_every_device_falls_silent(tmp_path: Path) -> None:
    with open_directory() as directory:
        stack = Stack(directory)
        stack.init(now_ms=SystemClock().now_ms() - int((certificates.SERVER_LIFE.days - 59) * 86_400_000))
        with running_broker(stack) as broker:
            where = BrokerSettings(
                managed=False, host=broker.host, port=broker.port, tls_ca=directory / "ca.crt", username=None
            )
            found = findings(Settings(data_dir=tmp_path, broker=where))
            assert [one.level for one in found if one.what == "broker's certificate"] == ["warning"]
