"""ChirpStack v4, a LoRaWAN network server, by its MQTT integration in JSON.

``application/<application>/device/<DevEUI>/event/<event>``: ``up`` carries what a node said, ``status`` its battery,
``join`` its start; ``ack`` and ``log`` tell what became of a command. What the node's bytes mean is told by a codec
(`devices.profiles.lorawan`), by a decoder at the server (``object``), or by both: neither can hide what the other saw.

Format: https://www.chirpstack.io/docs/chirpstack/integrations/events.html and the server's integration.proto.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from devices.expression.functions import millis
from devices.gear.jsontext import json_table, shown, table, word
from devices.gear.late import Late
from devices.gear.messages import (
    AddressBook,
    Announced,
    CommandAnswer,
    GearDevice,
    Incoming,
    Order,
    Publication,
    Reading,
    Said,
    Scalar,
)
from devices.gear.ownmap import OPTIONS, laid_over, named_map, own_map
from devices.gear.profile import Profile
from devices.native import Command, credible_time
from devices.observation import Refusal
from devices.profiles.lorawan import CODECS, MAPS, server
from devices.profiles.lorawan.codec import Codec, Decoded, Fields

MAX_COMMANDS = 1024
"""Commands whose fate is waited for."""
_EUI_DIGITS = 16
_NAMESPACE = uuid.UUID("6b3c1a52-64a1-4f0e-8f6c-3a8f5d0c9d41")
"""Of the queue items that carry our commands: the same command is the same item, which the server queues once."""
_SILENT = ("txack", "location", "integration")


class ChirpStack:
    """One server, or one of its applications."""

    def __init__(self, base: str, options: Mapping[str, str]) -> None:
        """``base``: ``application/+`` or one application's topic. Raises ValueError that names an option."""
        self._base = base.rstrip("/")
        self._depth = self._base.count("/") + 1
        self._applications: dict[str, str] = {}
        """Device → the topic of its application, as heard."""
        self._late = Late()
        self._commands: OrderedDict[str, str] = OrderedDict()
        """Queue item → our command."""

    def filters(self) -> tuple[str, ...]:
        return (f"{self._base}/device/+/event/+",)

    def receive(self, incoming: Incoming, book: AddressBook) -> Reading:
        levels = incoming.source.split("/")
        if len(levels) != self._depth + 4 or levels[-4] != "device" or levels[-2] != "event":
            raise Refusal(
                "wrong_topic",
                field="topic",
                expected=f"{self._base}/device/<DevEUI>/event/<event>",
                hint=f"got {shown(incoming.source)}; leave event_topic in chirpstack.toml as it is",
            )
        eui, event = levels[-3], levels[-1]
        message = json_table(incoming.payload)
        devices = _registered(book, eui)
        if event == "log":
            return self._log(message, devices, eui)
        if event in _SILENT:
            return Reading()
        if event not in ("up", "join", "status", "ack"):
            raise Refusal(
                "wrong_topic",
                field="topic",
                expected="an event up, join, status, ack, txack, log, location or integration",
                hint=f"got {shown(event)}; this version of ChirpStack says more than Anju knows",
            )
        if not devices:
            return Reading(announced=(_stranger(message, eui, heard=event == "up"),))
        for device in devices:
            self._applications[device.id] = "/".join(levels[: self._depth])
        if event == "ack":
            return self._ack(message, devices)
        if event == "up":
            return self._up(message, devices)
        frame = server.frame(message, event)
        metrics = server.battery(message) if event == "status" else {}
        data: dict[str, Scalar] = {"joined": True} if event == "join" else {}
        return Reading(said=tuple(frame.said(device, metrics, data) for device in devices))

    def order(self, device: GearDevice, command: Command, now_ms: int) -> Order:
        codec = CODECS.get(device.options.get("codec", "").lower())
        downlinks = codec.downlinks if codec is not None else {}
        downlink = downlinks.get((device.part, command.command)) or downlinks.get(("", command.command))
        if downlink is None:
            known = sorted({name for _, name in downlinks})
            parts = sorted({part for part, _ in downlinks if part})
            raise Refusal(
                "unknown_command",
                field="command",
                expected=", ".join(known) or "no command",
                hint=f"{command.command}: codec {device.options.get('codec') or '(none)'} cannot do it"
                + (f"; the address must end in #{' or #'.join(parts)}" if parts and device.part not in parts else ""),
                device=device.id,
            )
        application = self._applications.get(device.id, self._base if "+" not in self._base else "")
        if not application:
            raise Refusal(
                "unknown_command",
                field="command",
                expected="a device that was heard since the start, or a bridge whose base names its application",
                hint=f"set the base of the bridge to application/<id>, or wait for {device.id} to report",
                device=device.id,
            )
        item = str(uuid.uuid5(_NAMESPACE, f"{device.id}:{command.id}"))
        self._commands[item] = command.id
        self._commands.move_to_end(item)
        if len(self._commands) > MAX_COMMANDS:
            self._commands.popitem(last=False)
        body: dict[str, object] = {
            "id": item,
            "devEui": device.address.lower(),
            "confirmed": True,
            "fPort": downlink.port,
            "data": base64.b64encode(downlink.data).decode("ascii"),
        }
        if command.expires is not None:
            body["expiresAt"] = _written(command.expires)
        topic = f"{application}/device/{device.address.lower()}/command/down"
        publication = Publication(topic=topic, payload=json.dumps(body).encode())
        return Order(publications=(publication,), confirm=downlink.confirm)

    # --- what a node said -----------------------------------------------------------------------------------------

    def _up(self, message: Mapping[str, object], devices: Sequence[GearDevice]) -> Reading:
        frame = server.frame(message)
        data, problem = server.payload(message)
        said: list[Said] = []
        faults: list[Refusal] = []
        for device in devices:
            try:
                self._node(device, frame, message, data, problem, said, faults)
            except Refusal as refusal:
                refusal.device = device.id
                faults.append(refusal)
                said.append(frame.said(device))
        return Reading(said=tuple(said), faults=tuple(faults))

    def _node(
        self,
        device: GearDevice,
        frame: server.Frame,
        message: Mapping[str, object],
        data: bytes,
        problem: str,
        said: list[Said],
        faults: list[Refusal],
    ) -> None:
        """What one device said in an uplink, after what it had kept from before. Raises Refusal."""
        own, codec = own_map(device), _codec(device)
        served = table(message.get("object"))
        decoded = Decoded()
        if codec is not None and data:
            decoded = codec.decode(frame.port, data)
        elif data and not served:
            problem = "the server decoded nothing; give the device the option codec, or its profile a decoder"
        problems = [problem] if problem else []
        for text in problems + decoded.problems:
            faults.append(_unread(device, codec, data, text))
        maps = MAPS[codec.maps][device.kind] if codec is not None else named_map(device.kind)
        for nth, kept in enumerate(decoded.history):
            entry = self._kept(frame, maps.said(device, _parted(kept, device.part))[0], kept, nth)
            if entry is not None:
                said.append(entry)
        fields = _parted({**served, **decoded.fields}, device.part)
        found, unusable = maps.said(device, fields)
        faults.extend(unusable)
        if own is not None:
            extra, unusable = own.said(device, fields)
            faults.extend(unusable)
            found = laid_over(found, extra)
        said.append(self._late.live(frame.said(device, found.metrics, found.data, found.events), frame.at_ms))

    def _kept(self, frame: server.Frame, found: Said, kept: Fields, nth: int) -> Said | None:
        """What a node had kept while nobody heard it; None where nothing of it is left to say."""
        at_ms, suspect = frame.at_ms, True
        if (kept_ms := millis(kept.get("timestamp"))) is not None:
            at_ms, suspect = credible_time(int(kept_ms), frame.at_ms or int(kept_ms))
        told = self._late.record(found, None if suspect else at_ms, delivered=kept.get("delivered") is True)
        if told is None:
            return None
        identity = f"{frame.identity}-{nth}" if frame.identity is not None else None
        return replace(told, identity=identity, observed_at_ms=at_ms)

    # --- what became of a command ---------------------------------------------------------------------------------

    def _ack(self, message: Mapping[str, object], devices: Sequence[GearDevice]) -> Reading:
        """The node has it, which is not yet that it did it: only a failure is an answer."""
        if message.get("acknowledged") is True:
            return Reading(said=tuple(server.frame(message, "ack").said(device) for device in devices))
        return self._failed(word(message.get("queueItemId")), "the node did not acknowledge it", devices)

    def _failed(self, item: str, why: str, devices: Sequence[GearDevice]) -> Reading:
        """``item`` was queued for one of ``devices``, whose name is part of it."""
        command = self._commands.pop(item, None)
        for device in devices:
            if command is not None and str(uuid.uuid5(_NAMESPACE, f"{device.id}:{command}")) == item:
                return Reading(said=(Said(device=device, answers=(CommandAnswer(id=command, ok=False, error=why),)),))
        return Reading()

    def _log(self, message: Mapping[str, object], devices: Sequence[GearDevice], eui: str) -> Reading:
        """A line of the server's log on this node: what went wrong is kept, with what to do where it is known."""
        level, code = word(message.get("level")), word(message.get("code"))
        if level not in ("WARNING", "ERROR") or code in _HARMLESS:
            return Reading()
        text = word(message.get("description"), 300)
        item = word(table(message.get("context")).get("queue_item_id"))
        failed = self._failed(item, f"{code}: {text}", devices)
        if failed.said:
            return failed
        fault = Refusal(
            "gear_error",
            field=code or "log",
            expected="no warning of the server",
            hint=f"{text or 'no description'}" + (f"; {advice}" if (advice := _ADVICE.get(code)) else ""),
            device=devices[0].id if devices else eui,
        )
        return Reading(faults=(fault,))


_HARMLESS = ("UPLINK_F_CNT_RETRANSMISSION",)
"""The node said the same again, because it heard no answer; the server passed it on the first time."""
_ADVICE: Mapping[str, str] = {
    "UPLINK_CODEC": "correct the decoder in the device profile, or remove it and use the option codec",
    "UPLINK_F_CNT_RESET": "the node was restarted without a join, or somebody plays back its messages; have it join",
    "UPLINK_MIC": "the keys differ: enter those of the label, or somebody sends under this node's address",
    "OTAA": "check DevEUI, JoinEUI and AppKey",
}


def _parted(fields: Mapping[str, object], part: str) -> Mapping[str, object]:
    """The fields, in which those of this part (``valve_1`` of part 1) have their plain names (``valve``), too."""
    if not part:
        return fields
    ending = f"_{part}"
    return {**fields, **{key.removesuffix(ending): value for key, value in fields.items() if key.endswith(ending)}}


def _codec(device: GearDevice) -> Codec | None:
    """The codec of a device. Raises Refusal."""
    name = device.options.get("codec", "")
    if not name:
        return None
    codec = CODECS.get(name.lower())
    if codec is None or device.kind not in MAPS[codec.maps]:
        kinds = "" if codec is None else f"; {codec.model} can be {', '.join(codec.kinds)}"
        raise Refusal(
            "malformed",
            field="options: codec",
            expected=f"one of {', '.join(CODECS)}" if codec is None else f"a kind that {name} knows",
            hint=f"got {name!r} for a {device.kind}{kinds}; correct it in the registry",
            device=device.id,
        )
    return codec


def _unread(device: GearDevice, codec: Codec | None, data: bytes, problem: str) -> Refusal:
    return Refusal(
        "malformed",
        field="data",
        expected=f"the payload of a {codec.model}" if codec is not None else "a decoded object",
        hint=f"{problem}; got {data.hex()[:80] or 'nothing'}; check the option codec, or update the gateway",
        device=device.id,
    )


def _registered(book: AddressBook, eui: str) -> Sequence[GearDevice]:
    """By the DevEUI as the server writes it, or as it stands on the label."""
    return book.at(eui.lower()) or book.at(eui.upper())


def _stranger(message: Mapping[str, object], eui: str, *, heard: bool) -> Announced:
    info = table(message.get("deviceInfo"))
    profile = word(info.get("deviceProfileName"))
    names = f"{profile} {word(info.get('deviceName'))}".lower()
    codec = max((one for one in CODECS.values() if one.key in names), key=lambda one: len(one.key), default=None)
    return Announced(
        address=eui.lower()[:_EUI_DIGITS],
        kind=codec.kinds[0] if codec is not None else None,
        name=word(info.get("deviceName")),
        vendor=codec.model.split()[0] if codec is not None else "",
        model=codec.model.split()[-1] if codec is not None else profile,
        heard=heard,
    )


def _written(at_ms: int) -> str:
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return "9999-12-31T23:59:59Z"


CHIRPSTACK = Profile(
    key="chirpstack",
    zh="ChirpStack v4（LoRaWAN）",
    en="ChirpStack v4 (LoRaWAN)",
    carrier="mqtt",
    kinds=tuple(sorted({kind for codec in CODECS.values() for kind in codec.kinds} | {"co", "heat"})),
    commands={"valve": ("open", "close"), "plug": ("switch_on", "switch_off")},
    models=tuple(codec.model for codec in CODECS.values()),
    source="https://www.chirpstack.io/docs/chirpstack/integrations/events.html",
    spec_only=True,
    base="application/+",
    device_options={
        "codec": "which table reads the node's bytes: its model, or cayenne (docs/devices/chirpstack.md lists them)",
        **OPTIONS,
    },
    message=ChirpStack,
)
