"""Devices on real MQTT: one persistent connection speaks for any number of them, as a radio bridge does.

Devices keep what has no PUBACK and send it again after a reconnect; they obey commands and say so.
"""

from __future__ import annotations

import itertools
import threading
import time
from types import TracebackType
from typing import Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from devices.native import PROTOCOL_VERSION, Command, Message, command_topic, decode_command, encode, topic
from devices.observation import Channel
from tests.support.eventually import eventually
from tests.support.homes import COMMUNITY


class Radio:
    """``say`` as any device; what was acknowledged and which commands came stands in lists."""

    def __init__(self, port: int, password: str = "", *, user: str = "devices", name: str = "radio") -> None:
        self.commands: list[tuple[str, Command]] = []
        self.obedient = True
        """Whether devices answer commands."""
        self.connects = 0
        self._names: dict[int, str] = {}
        self._acknowledged: list[int] = []
        self._said: dict[str, tuple[str, bytes]] = {}
        self._last_ms = 0
        self._lock = threading.Lock()
        self._seq = itertools.count(1)
        self._client = client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        client.reconnect_delay_set(1, 1)
        client.max_inflight_messages_set(200)
        client.username_pw_set(user, password)
        client.on_connect = self._up
        client.on_publish = self._published
        client.on_message = self._obey
        client.connect("127.0.0.1", port, 30)
        client.loop_start()
        eventually(lambda: self.connects, 10, "radio connected")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def connected(self) -> bool:
        return self._client.is_connected()

    @property
    def acknowledged(self) -> list[str]:
        """Message ids whose PUBACK came, in order."""
        return [self._names[mid] for mid in list(self._acknowledged) if mid in self._names]

    def say(
        self,
        device: str,
        event: str | None = None,
        *,
        channel: Channel | None = None,
        data: dict[str, str | bool | float] | None = None,
        **metrics: float,
    ) -> str:
        """Publish a message of ``device`` with the time of day; returns its id, which turns up in ``acknowledged``."""
        if channel is None:
            channel = Channel.TELEMETRY if event is None else Channel.EVENT
        with self._lock:
            self._last_ms = max(time.time_ns() // 1_000_000, self._last_ms + 1)
            t = self._last_ms
        message = Message(
            v=PROTOCOL_VERSION, boot=1, seq=next(self._seq), t=t, event=event, metrics=metrics, data=data or {}
        )
        name = f"{device}:1:{message.seq}"
        self.publish(topic(COMMUNITY, device, channel), encode(message, "json"), name)
        return name

    def publish(self, to: str, payload: bytes, name: str) -> None:
        """Publish anything under a name of the test's own."""
        self._said[name] = (to, payload)
        # Without a lock: the PUBACK may be there before publish returns, and its callback holds paho's own.
        self._names[self._client.publish(to, payload, qos=1).mid] = name

    def say_again(self, name: str) -> None:
        """The same message once more, as a device does that has heard nothing from the gateway itself."""
        self.publish(*self._said[name], name)

    def say_and_wait(self, device: str, event: str) -> str:
        """Say it and wait for the broker's PUBACK."""
        name = self.say(device, event)
        eventually(lambda: name in self.acknowledged, 10, f"PUBACK of {name}")
        return name

    def lamps(self, device: str) -> list[str]:
        """What the lamp of a device was told, in order, repeats of one command once."""
        seen: dict[str, str] = {}
        for to, command in list(self.commands):
            if to == device:
                seen.setdefault(command.id, command.args.get("lamp", ""))
        return list(seen.values())

    def _up(self, *_: object) -> None:
        self._client.subscribe(command_topic(COMMUNITY, "+"), 1)
        self.connects += 1

    def _published(self, _client: object, _data: object, mid: int, *_: object) -> None:
        self._acknowledged.append(mid)

    def _obey(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        device = message.topic.split("/")[3]
        command = decode_command(bytes(message.payload), "json")
        self.commands.append((device, command))
        if self.obedient:
            self.say(device, "command_result", data={"id": command.id, "ok": True})
