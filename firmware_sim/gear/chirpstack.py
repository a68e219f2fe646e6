"""A simulated ChirpStack server with its LoRaWAN nodes: uplinks, joins, battery reports, downlinks, their answers.

Written after the server's integration.proto in its JSON form, and the payload tables of the nodes' makers.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from firmware_sim.device import Action, ActionError, Args, number
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.lorawan_nodes import MODELS, Node, kept, obey
from firmware_sim.gear.mqtt import MqttGear, Say

APPLICATION = "17c82e96-be03-4f38-aef3-f83d48582d97"
REPORT_EVERY_MS = 1_200_000
STATUS_EVERY = 12
"""Reports between two answers to the server's question for the battery."""
_GATEWAYS = ("0016c001f153a14c", "0016c001f153a14d")


class SimChirpStack(MqttGear):
    """The server. Device actions: those of the node's model (`firmware_sim.gear.lorawan_nodes.MODELS`), ``report``,
    ``duplicate`` (the last uplink again), ``join``, ``status`` (level), ``low_battery``, ``shade`` (what happens is
    kept by the node), ``light`` (the network is back: it tells), ``mute`` (it obeys no more), ``garble``. Of the server
    itself (``""``): ``drop``, ``log`` (code, level)."""

    profile = "chirpstack"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        """Raises ValueError for a part whose option ``codec`` names a model that is not simulated."""
        super().__init__(link, parts, base=base or f"application/{APPLICATION}", seed=seed, clock=clock)
        self.nodes: dict[str, Node] = {}
        for part in self.parts.values():
            model = part.options.get("codec", "").lower()
            if model not in MODELS:
                raise ValueError(f"{part.name}: codec {model!r} is not simulated; there are {', '.join(MODELS)}")
            self.nodes.setdefault(part.address, Node(part.address, model, battery=self.rng.randint(60, 100)))
        self.listens = (f"{self.base}/device/+/command/down",)
        self._count = dict.fromkeys(self.nodes, 0)
        self._due_ms = {eui: clock() + self.rng.randrange(REPORT_EVERY_MS) for eui in self.nodes}
        self._last: dict[str, dict[str, Any]] = {}
        self._shade: dict[str, list[bytes]] = {}
        self._mute: set[str] = set()

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        def node(eui: str, kind: str, codec: str, part: str = "") -> GearPart:
            return GearPart(address=f"24e124{eui}", kind=kind, part=part, options={"codec": codec})

        return (
            node("535b316056", "sos_button", "WS101"),
            node("126a148401", "contact", "WS301"),
            node("126a148402", "contact", "EM300-MCS"),
            node("136b325841", "leak", "EM300-SLD"),
            node("538b222010", "motion", "WS202"),
            node("713c149912", "waste_bin", "EM400-TLD"),
            node("710b471170", "environment", "AM107"),
            node("600d082333", "traffic_counter", "VS121"),
            node("798e215001", "presence", "VS373"),
            node("454d093001", "gas", "GS101"),
            node("454d093001", "valve", "GS101", "valve"),
            node("460c101010", "valve", "UC511", "1"),
            node("756e020202", "plug", "WS523"),
            GearPart(address="a84041f1d1856a01", kind="contact", options={"codec": "LDS02"}),
            GearPart(address="a84041f1d1856a02", kind="leak", options={"codec": "LWL02"}),
            GearPart(address="70b3d57ed0051234", kind="environment", options={"codec": "cayenne"}),
        )

    # --- the server --------------------------------------------------------------------------------------------------

    def will(self) -> Say:
        return Say(f"{self.base}/no-will", b"")  # the server has none: what it does not say, nobody says for it

    def connected(self, now_ms: int) -> None:
        """It says nothing: nodes speak when they have something to say."""

    def next_due_ms(self, now_ms: int) -> int | None:
        return min(self._due_ms.values(), default=None)

    def tick(self, now_ms: int) -> None:
        for eui, due_ms in self._due_ms.items():
            if due_ms <= now_ms:
                self._due_ms[eui] = now_ms + round(REPORT_EVERY_MS * self.rng.uniform(0.97, 1.03))
                self._up(eui, now_ms)
                if self._count[eui] % STATUS_EVERY == 0:
                    self._status(eui, now_ms, self.nodes[eui].battery)

    def heard(self, topic: str, payload: bytes, now_ms: int) -> None:
        eui = topic.split("/")[-3]
        item = json.loads(payload)
        node = self.nodes.get(eui)
        if node is None:
            return
        reached = eui not in self._mute
        if item.get("confirmed"):
            queued = {"queueItemId": item.get("id", ""), "acknowledged": reached, "fCntDown": 3}
            self._event(eui, "ack", now_ms, queued)
        if reached and obey(node, item["fPort"], base64.b64decode(item["data"])):
            self._up(eui, now_ms)

    # --- the nodes ---------------------------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        if not device:
            return {
                "drop": lambda now_ms, args: self.drop(),
                "log": self._log,
            }
        eui = device.partition("#")[0]
        node = self.nodes[eui]
        model = MODELS[node.model]
        table: dict[str, Action] = {
            "report": lambda now_ms, args: self._up(eui, now_ms),
            "duplicate": lambda now_ms, args: self._again(eui),
            "join": lambda now_ms, args: self._join(eui, now_ms),
            "status": lambda now_ms, args: self._status(eui, now_ms, number(args, "level", node.battery)),
            "low_battery": lambda now_ms, args: self._low(eui, now_ms),
            "shade": lambda now_ms, args: self._shade.update({eui: []}),
            "light": lambda now_ms, args: self._light(eui, now_ms),
            "mute": lambda now_ms, args: self._mute.add(eui),
            "garble": lambda now_ms, args: self._up(eui, now_ms, b"\x77\x00\xff"),
        }
        part = device.partition("#")[2]
        for name, (what, value) in model.switches.items():
            table[name.removesuffix(f"_{part}") if part else name] = self._switch(eui, name, what, value)
        for name in model.moments:
            table[name] = self._moment(eui, name)
        return table

    def look(self, device: str) -> Mapping[str, object]:
        node = self.nodes[device.partition("#")[0]]
        return {"model": node.model, "battery": node.battery, "on": dict(node.on), "uplinks": self._count[node.eui]}

    def _switch(self, eui: str, name: str, what: str, value: bool) -> Action:
        def do(now_ms: int, args: Args) -> None:
            self.nodes[eui].on[what] = value
            self._moment(eui, name)(now_ms, args)

        return do

    def _moment(self, eui: str, name: str) -> Action:
        def do(now_ms: int, args: Args) -> None:
            node = self.nodes[eui]
            if eui in self._shade:
                self._shade[eui].append(kept(node, now_ms))
                return
            node.moment = name
            self._up(eui, now_ms)
            node.moment = ""

        return do

    def _light(self, eui: str, now_ms: int) -> None:
        records = self._shade.pop(eui, None)
        if records is None:
            raise ActionError(f"{eui}: stands in the light; do shade first")
        self._up(eui, now_ms, b"".join(records[-20:]) + MODELS[self.nodes[eui].model].payload(self.nodes[eui], now_ms))

    def _join(self, eui: str, now_ms: int) -> None:
        self._event(eui, "join", now_ms, {"devAddr": "00189440"})

    def _low(self, eui: str, now_ms: int) -> None:
        self.nodes[eui].battery = 7
        self._status(eui, now_ms, 7)

    # --- what it publishes -------------------------------------------------------------------------------------------

    def _up(self, eui: str, now_ms: int, data: bytes | None = None) -> None:
        node = self.nodes[eui]
        if eui in self._shade:
            return
        if data is None:
            data = MODELS[node.model].payload(node, now_ms)
        self._count[eui] += 1
        body = {
            "devAddr": "00189440",
            "adr": True,
            "dr": 3,
            "fCnt": self._count[eui],
            "fPort": MODELS[node.model].port,
            "confirmed": False,
            "data": base64.b64encode(data).decode("ascii"),
            "rxInfo": [self._received(gateway) for gateway in _GATEWAYS[: self.rng.randint(1, 2)]],
            "txInfo": {
                "frequency": 868_100_000,
                "modulation": {"lora": {"bandwidth": 125_000, "spreadingFactor": 9, "codeRate": "CR_4_5"}},
            },
            "regionConfigId": "eu868",
        }
        self._last[eui] = self._event(eui, "up", now_ms, body)

    def _received(self, gateway: str) -> dict[str, Any]:
        said: dict[str, Any] = {
            "gatewayId": gateway,
            "uplinkId": self.rng.getrandbits(32),
            "rssi": -self.rng.randint(40, 118),
            "snr": round(self.rng.uniform(-7, 11) * 4) / 4,
            "location": {},
            "context": "E3OWOQ==",
        }
        if said["snr"] == 0:
            del said["snr"]  # as the server writes its numbers: zeros are left out here
        return said

    def _again(self, eui: str) -> None:
        if eui not in self._last:
            raise ActionError(f"{eui}: has said nothing yet; do report first")
        self._publish(eui, "up", self._last[eui])

    def _status(self, eui: str, now_ms: int, level: float) -> None:
        self._event(
            eui,
            "status",
            now_ms,
            {"margin": 7, "externalPowerSource": False, "batteryLevelUnavailable": False, "batteryLevel": float(level)},
        )

    def _log(self, now_ms: int, args: Args) -> None:
        eui = next(iter(self.nodes))
        line = {
            "level": str(args.get("level", "ERROR")),
            "code": str(args.get("code", "UPLINK_CODEC")),
            "description": "simulated",
            "context": {},
        }
        self._event(eui, "log", now_ms, line, named=False)

    def _event(
        self, eui: str, event: str, now_ms: int, body: Mapping[str, Any], *, named: bool = True
    ) -> dict[str, Any]:
        model = self.nodes[eui].model
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="microseconds"),
            "deviceInfo": {
                "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
                "tenantName": "ChirpStack",
                "applicationId": APPLICATION,
                "applicationName": "community",
                "deviceProfileId": "14855bf7-d10d-4aee-b618-ebfcb64dc7ad",
                "deviceProfileName": f"{MODELS[model].maker} {model.upper()}",
                "deviceName": f"{model}-{eui[-4:]}",
                "devEui": eui,
                "deviceClassEnabled": "CLASS_C" if model in ("gs101", "uc511", "ws523") else "CLASS_A",
                "tags": {},
            },
            **body,
        }
        if named:
            said = {"deduplicationId": str(uuid.UUID(int=self.rng.getrandbits(128), version=4)), **said}
        self._publish(eui, event, said)
        return said

    def _publish(self, eui: str, event: str, said: Mapping[str, Any]) -> None:
        self.say(f"{self.base}/device/{eui}/event/{event}", json.dumps(said))
