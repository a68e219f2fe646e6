"""`anju send`: say something as a device, over the real broker; for technicians and first tries."""

from __future__ import annotations

import json
import math
import secrets
import threading
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import paho.mqtt.client as paho
import typer
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from devices.kinds import KINDS
from devices.native import Message, decode, encode, topic
from devices.observation import Channel, Refusal
from gateway.clock import SystemClock
from gateway.registry import store
from gateway.registry.model import NATIVE, Community, Device
from gateway.terminal import DataDirOption, SettingsOption, fail, open_state, read_settings

WITHIN_S = 10.0


def send(
    device: Annotated[str, typer.Argument(help="The device's id.")],
    event: Annotated[str | None, typer.Argument(help="An event such as press; none for telemetry.")] = None,
    metric: Annotated[list[str] | None, typer.Option("--metric", "-m", help="name=value; may be repeated.")] = None,
    broker: Annotated[str | None, typer.Option(help="host:port; default: that of the settings.")] = None,
    username: Annotated[str, typer.Option(help="MQTT user of the devices.")] = "devices",
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """代设备发送 · Publish one message as DEVICE and wait until the broker has it.

    Examples: `anju send sos-0001 press` · `anju send vitals-0001 -m spo2=88 -m pulse=120`
    """
    loaded = read_settings(settings, data_dir)
    host, port = _address(broker) if broker is not None else (loaded.broker.host, loaded.broker.port)
    metrics = dict(_metric(text) for text in metric or [])
    if event is None and not metrics:
        raise typer.BadParameter("say an event or at least one --metric")
    community = store.load(open_state(loaded))
    if community is None:
        fail("没有社区 no community has been applied here", "`anju apply FILE` first")
    now_ms = SystemClock().now_ms()
    message = Message(v=1, boot=secrets.randbits(32), seq=1, t=now_ms, event=event, metrics=metrics)
    channel = Channel.TELEMETRY if event is None else Channel.EVENT
    payload = encode(message, "json")
    known = _registered(community, device)
    _check(known, channel, payload, now_ms)
    try:
        password = loaded.secrets.get("MQTT_DEVICE_PASSWORD")
    except KeyError as error:
        fail("缺少密码 a password is missing", f"{error.args[0]}; the gateway's first start makes it")
    where = topic(community.community.id, known.address or known.id, channel)
    failed = _publish(host, port, loaded.broker.tls_ca, username, password, where, payload)
    if failed:
        fail("未送达 not sent", failed)
    said = json.dumps({"event": event, "metrics": metrics}, ensure_ascii=False)
    typer.echo(f"{where}: {said} 消息服务器已确认 acknowledged by the broker")


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise typer.BadParameter(f"expected host:port such as 127.0.0.1:1883, got {text!r}", param_hint="--broker")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _metric(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not name or not math.isfinite(number):
        raise typer.BadParameter(f"expected name=number, got {text!r}", param_hint="--metric")
    return name, number


def _registered(community: Community, device: str) -> Device:
    known = {one.id: one for one in community.devices}
    if device not in known:
        near = get_close_matches(device, known, 3)
        fail(
            f"名册中没有设备 there is no device {device!r} in the registry",
            f"did you mean {', '.join(near)}?" if near else "`anju devices list` shows all",
        )
    found = known[device]
    if found.profile != NATIVE:
        fail(
            f"{device} 不使用原生协议 does not speak the native protocol, but {found.profile}",
            f"`anju devices try {found.profile} < payload` shows what a payload of it becomes",
        )
    if found.status == "retired":
        fail(f"{device} 已停用 is retired: nobody would listen", "`anju devices list` shows the active ones")
    return found


def _check(device: Device, channel: Channel, payload: bytes, now_ms: int) -> None:
    """Refuse here, with a reason, what the gateway would put into quarantine."""
    try:
        faults = decode(device, channel, payload, received_at_ms=now_ms, encoding="json").faults
    except Refusal as refusal:
        faults = (refusal,)
    if faults:
        kind = KINDS[device.kind]
        knows = f"{kind.key} knows the events {', '.join(kind.events)}; the metrics {', '.join(kind.metrics) or 'none'}"
        fail("网关不会接受 the gateway would not take this", f"{'; '.join(str(fault) for fault in faults)}\n{knows}")


def _publish(
    host: str, port: int, tls_ca: Path | None, username: str, password: str, where: str, payload: bytes
) -> str | None:
    """Publish with QoS 1; what went wrong in words, or None."""
    broker = f"{host}:{port}"
    outcome: list[str] = []
    done = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"anju-send-{secrets.token_hex(4)}")
    client.username_pw_set(username, password)
    if tls_ca is not None:
        client.tls_set(str(tls_ca))

    def connected(
        client: paho.Client, _data: object, _flags: paho.ConnectFlags, code: ReasonCode, _props: Properties | None
    ) -> None:
        if code.is_failure:
            outcome.append(f"the broker refuses: {code}")
            done.set()
        else:
            client.publish(where, payload, qos=1)

    def published(_client: paho.Client, _data: object, _mid: int, code: ReasonCode, _props: Properties | None) -> None:
        if code.is_failure:
            outcome.append(f"the broker refuses the message: {code}")
        done.set()

    client.on_connect = connected
    client.on_publish = published
    try:
        client.connect(host, port)
    except OSError as error:
        return f"no broker at {broker}: {error}; is the gateway running, and is --broker right?"
    client.loop_start()
    try:
        if not done.wait(WITHIN_S):
            return f"the broker at {broker} did not acknowledge within {WITHIN_S:g} s"
    finally:
        client.disconnect()
        client.loop_stop()
    return outcome[0] if outcome else None
