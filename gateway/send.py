"""`anju send`: say something as a device, over the real broker; for technicians and first tries."""

from __future__ import annotations

import json
import secrets
import threading
from pathlib import Path
from typing import Annotated

import paho.mqtt.client as paho
import typer
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from devices.native import Message, encode, topic
from devices.observation import Channel
from gateway.clock import SystemClock
from gateway.settings import load_settings
from gateway.state.db import open_database

WITHIN_S = 10.0


def send(
    device: Annotated[str, typer.Argument(help="The device's id.")],
    event: Annotated[str | None, typer.Argument(help="An event such as press; none for telemetry.")] = None,
    metric: Annotated[list[str] | None, typer.Option("--metric", "-m", help="name=value; may be repeated.")] = None,
    broker: Annotated[str, typer.Option(help="host:port")] = "127.0.0.1:1883",
    username: Annotated[str, typer.Option(help="MQTT user of the devices.")] = "devices",
    settings: Annotated[Path | None, typer.Option(help="Settings of this gateway (YAML).")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Data directory, before that of the settings.")] = None,
) -> None:
    """代设备发送 · Publish one message as DEVICE and wait until the broker has it.

    Examples: `anju send sos-0001 press` · `anju send vitals-0001 -m spo2=88 -m pulse=120`
    """
    from gateway.registry import store

    loaded = load_settings(settings)
    if data_dir is not None:
        loaded = loaded.model_copy(update={"data_dir": data_dir})
    community = store.load(open_database(loaded.database))
    if community is None:
        raise typer.BadParameter("no community has been applied here", param_hint="--data-dir")
    metrics: dict[str, float] = {}
    for text in metric or []:
        name, _, value = text.partition("=")
        try:
            metrics[name] = float(value)
        except ValueError:
            raise typer.BadParameter(f"expected name=number, got {text!r}", param_hint="--metric") from None
    if event is None and not metrics:
        raise typer.BadParameter("say an event or at least one --metric")
    message = Message(v=1, boot=secrets.randbits(32), seq=1, t=SystemClock().now_ms(), event=event, metrics=metrics)
    channel = Channel.TELEMETRY if event is None else Channel.EVENT
    where = topic(community.community.id, device, channel)
    failed = _publish(broker, username, loaded.secrets.get("MQTT_DEVICE_PASSWORD"), where, encode(message, "json"))
    if failed:
        typer.echo(failed, err=True)
        raise typer.Exit(1)
    typer.echo(f"{where}: {json.dumps({'event': event, 'metrics': metrics})} 代理已确认 acknowledged by the broker")


def _publish(broker: str, username: str, password: str, where: str, payload: bytes) -> str | None:
    """Publish with QoS 1; what went wrong in words, or None."""
    host, _, port = broker.rpartition(":")
    outcome: list[str] = []
    done = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"anju-send-{secrets.token_hex(4)}")
    client.username_pw_set(username, password)

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
        client.connect(host or "127.0.0.1", int(port))
    except (OSError, ValueError) as error:
        return f"no broker at {broker}: {error}; is the gateway running, and is --broker right?"
    client.loop_start()
    try:
        if not done.wait(WITHIN_S):
            return f"the broker at {broker} did not acknowledge within {WITHIN_S:g} s"
    finally:
        client.disconnect()
        client.loop_stop()
    return outcome[0] if outcome else None
