"""Sparkplug B edge nodes: births that name what follows, data by exception, sequence numbers, deaths.

``spBv1.0/<group>/<type>/<node>[/<device>]``. A birth says every metric with its name, type and alias; what follows may
say aliases alone. Every message of a node has the next number of a byte: where one is missing, and where a node speaks
whose birth nobody heard, it is asked for its births again. A death is the broker's word for a node that vanished; it
carries the number of the session it belongs to, so that a death of an earlier session harms nobody.

Format: Eclipse Sparkplug 3.0.0 (https://sparkplug.eclipse.org/specification/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from devices.gear.jsontext import shown
from devices.gear.late import Late
from devices.gear.messages import (
    AddressBook,
    Announced,
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
from devices.profiles.sparkplug_node import BD_SEQ, Node, session_of
from devices.profiles.sparkplug_orders import CONFIRMS, OPTION, setting
from devices.profiles.sparkplug_payload import BOOLEAN, Metric, Payload, decode, encode_command

REBIRTH_EVERY_MS = 60_000
"""A node is asked for its births at most so often."""
MAX_NAMED = 200_000
"""Metrics that all nodes together may have named."""
REBIRTH = "Node Control/Rebirth"
_LEVELS: Mapping[str, int] = {"NBIRTH": 4, "DBIRTH": 5, "NDEATH": 4, "DDEATH": 5, "NDATA": 4, "DDATA": 5}
"""Type of message → levels of its topic; births first."""
_OWN = (BD_SEQ, "Node Control/", "Device Control/", "Properties/", "Node Info/")
"""Metrics of a node's own affairs."""
_ABOUT: Mapping[str, str] = {
    "properties/hardware make": "vendor",
    "properties/hardware model": "model",
    "properties/fw": "firmware",
    "properties/firmware version": "firmware",
}


@dataclass(frozen=True, slots=True)
class _Message:
    """One message, and whom it is about."""

    type: str
    node: str
    """Group and node: the node's address."""
    device: str
    payload: Payload
    incoming: Incoming

    @property
    def address(self) -> str:
        return f"{self.node}/{self.device}" if self.device else self.node

    @property
    def is_birth(self) -> bool:
        return self.type.endswith("BIRTH")

    def identity_of(self, nth: int) -> str | None:
        """Time and number (no other message of a node has both), and the place within the message."""
        at_ms = self.payload.timestamp_ms
        if at_ms is None:
            return None
        return f"{self.type.lower()}-{at_ms}-{self.payload.seq}" + (f"-{nth}" if nth else "")


class SparkplugB:
    """All groups, or one."""

    def __init__(self, base: str, options: Mapping[str, str]) -> None:
        """``base``: ``spBv1.0/+``, or the topic of one group. It has no options."""
        self._base = base.rstrip("/")
        self._namespace = self._base.partition("/")[0]
        self._nodes: dict[str, Node] = {}
        """By address; only nodes with a registered device."""
        self._late = Late()

    def filters(self) -> tuple[str, ...]:
        return tuple(f"{self._base}/{kind}/{'+' if levels == 4 else '+/+'}" for kind, levels in _LEVELS.items())

    def receive(self, incoming: Incoming, book: AddressBook) -> Reading:
        levels = incoming.source.split("/")
        kind = levels[2] if len(levels) > 3 else ""
        if len(levels) != _LEVELS.get(kind) or not all(levels):
            raise Refusal(
                "wrong_topic",
                field="topic",
                expected=f"{self._namespace}/<group>/{'|'.join(_LEVELS)}/<node>[/<device>]",
                hint=f"got {shown(incoming.source)}",
            )
        if incoming.retained:
            return Reading()  # never to be retained: what a broker had kept is of a session that is long over
        node = f"{levels[1]}/{levels[3]}"
        message = _Message(kind, node, levels[4] if len(levels) == 5 else "", decode(incoming.payload), incoming)
        if not self._concerns(message, book):
            return _of_a_stranger(message)
        return self._hear(self._nodes.setdefault(node, Node()), message, book)

    def order(self, device: GearDevice, command: Command, now_ms: int) -> Order:
        group, _, rest = device.address.partition("/")
        node_id, _, name = rest.partition("/")
        node = self._nodes.get(f"{group}/{node_id}", Node())
        what = setting(device, command, lambda metric: node.type_of(name, metric))
        try:
            payload = encode_command(what.metric, what.value, what.datatype, now_ms)
        except ValueError as error:
            raise Refusal(
                "malformed",
                field=f"options: {OPTION}",
                expected="a value of the metric's type",
                hint=f"{error}; correct it in the registry",
                device=device.id,
            ) from None
        kind, below = ("DCMD", f"/{name}") if name else ("NCMD", "")
        topic = f"{self._namespace}/{group}/{kind}/{node_id}{below}"
        reported = {_plain(one) for one in node.names(name)}
        reported |= {line.partition(":")[0].strip() for line in device.options.get("metrics", "").splitlines()}
        confirm = {what.state: what.shows} if what.state in reported else None
        return Order(publications=(Publication(topic=topic, payload=payload),), confirm=confirm)

    def _concerns(self, message: _Message, book: AddressBook) -> bool:
        """Whether the node, or a device of it, is registered."""
        if message.node in self._nodes or book.at(message.address):
            return True
        below = f"{message.node}/"
        return any(one.address == message.node or one.address.startswith(below) for one in book.all())

    # --- births, numbers, deaths ------------------------------------------------------------------------------------

    def _hear(self, node: Node, message: _Message, book: AddressBook) -> Reading:
        if message.type == "NDEATH":
            return self._death(node, message, book)
        missing = node.count(
            message.payload.seq, is_birth=message.type == "NBIRTH", redelivered=message.incoming.redelivered
        )
        registered = book.at(message.address)
        if message.is_birth and (registered or not message.device):
            self._birth(node, message)
        if not registered:
            publish = self._ask(node, message) if missing else ()
            return replace(_of_a_stranger(message), publish=publish)
        metrics, nameless = node.named(message.device, message.payload.metrics)
        publish = self._ask(node, message) if missing or nameless else ()
        if message.type == "DDEATH":
            return Reading(said=tuple(Said(device=one, presence=False) for one in registered), publish=publish)
        faults = [_nameless(registered[0], nameless)] if nameless else []
        said: list[Said] = []
        for device in registered:
            try:
                said += self._device(device, message, metrics, faults)
            except Refusal as refusal:  # an option that cannot be read
                faults.append(refusal)
                said.append(Said(device=device, presence=True))
        return Reading(said=tuple(said), faults=tuple(faults), publish=publish)

    def _birth(self, node: Node, message: _Message) -> None:
        if sum(one.size for one in self._nodes.values()) + len(message.payload.metrics) > MAX_NAMED:
            raise Refusal(
                "oversize",
                field="metrics",
                expected=f"at most {MAX_NAMED} metrics of all nodes of a bridge",
                hint="divide them among several bridges, or let the nodes publish fewer metrics",
            )
        node.birth(message.device, message.payload)

    def _ask(self, node: Node, message: _Message) -> tuple[Publication, ...]:
        """The request for the births of a node; nothing where it was made not long ago."""
        now_ms = message.incoming.received_at_ms
        if node.asked_ms is not None and 0 <= now_ms - node.asked_ms < REBIRTH_EVERY_MS:
            return ()
        node.asked_ms = now_ms
        group, _, node_id = message.node.partition("/")
        payload = encode_command(REBIRTH, True, BOOLEAN, now_ms)
        return (Publication(topic=f"{self._namespace}/{group}/NCMD/{node_id}", payload=payload),)

    def _death(self, node: Node, message: _Message, book: AddressBook) -> Reading:
        """The node and all its devices are gone, if it is the session that was born last."""
        session = session_of(message.payload)
        if node.bd_seq is not None and session is not None and session != node.bd_seq:
            return Reading()
        node.born = False
        below = f"{message.node}/"
        gone = [one for one in book.all() if one.address == message.node or one.address.startswith(below)]
        return Reading(said=tuple(Said(device=one, presence=False) for one in gone))

    # --- what is measured -------------------------------------------------------------------------------------------

    def _device(
        self, device: GearDevice, message: _Message, metrics: Sequence[Metric], faults: list[Refusal]
    ) -> list[Said]:
        """What one device says: what it had kept, by its times, then how it is. Raises Refusal."""
        said: list[Said] = []
        kept = sorted((one for one in metrics if one.is_historical), key=lambda one: one.timestamp_ms or 0)
        for group in _in_turn(kept, by_time=True):
            found = _meant(device, group, faults)
            then_ms = group[0].timestamp_ms or 0
            suspect = credible_time(then_ms, message.incoming.received_at_ms)[1]
            told = self._late.record(found, None if suspect else then_ms)
            if told is not None:
                said.append(replace(told, identity=message.identity_of(len(said))))
        now = [metric for metric in metrics if not metric.is_historical]
        for group in _in_turn(now, by_time=False) or [[]]:
            found = _meant(device, group, faults)
            if message.is_birth:
                # It repeats how everything is: what is on is on, but no press is in it.
                found = replace(found, events=(), data={**found.data, **_about(now)})
            times = [metric.timestamp_ms for metric in group if metric.timestamp_ms is not None]
            at_ms = max(times, default=message.payload.timestamp_ms)
            identity = message.identity_of(len(said))
            found = replace(found, presence=True, observed_at_ms=at_ms, identity=identity)
            said.append(self._late.live(found, at_ms if group else None))
        return said


def _in_turn(metrics: Sequence[Metric], *, by_time: bool) -> list[list[Metric]]:
    """The metrics in groups that each have a name once: a payload may hold several values of one metric."""
    groups: list[list[Metric]] = []
    names: set[str] = set()
    for metric in metrics:
        if not groups or metric.name in names or (by_time and metric.timestamp_ms != groups[-1][0].timestamp_ms):
            groups.append([])
            names = set()
        groups[-1].append(metric)
        names.add(metric.name)
    return groups


def _meant(device: GearDevice, metrics: Sequence[Metric], faults: list[Refusal]) -> Said:
    """What metrics mean for a device: by their names, and by its options. Raises Refusal for an option."""
    own = own_map(device)
    values: dict[str, object] = {metric.name: metric.value for metric in metrics}
    plain = {_plain(name): value for name, value in values.items()}
    found, unusable = named_map(device.kind).said(device, {**plain, **values})
    if own is None:
        faults.extend(unusable)
        return found
    extra, wrong = own.said(device, values)
    # A field that is called like a metric and is none, is explained by the options where they speak of it.
    faults.extend(fault for fault in unusable if fault.field.removeprefix("metrics.") not in extra.metrics)
    faults.extend(wrong)
    return laid_over(found, extra)


def _plain(name: str) -> str:
    """``Battery Voltage`` → ``battery_voltage``."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _about(metrics: Sequence[Metric]) -> dict[str, Scalar]:
    """Maker, model and firmware, as births have them."""
    found = {_ABOUT.get(metric.name.lower(), ""): metric.value for metric in metrics}
    return {key: value for key, value in found.items() if key and isinstance(value, str)}


def _of_a_stranger(message: _Message) -> Reading:
    """What is told of a device that nobody registered; of a node nothing, if all it has is its own affairs."""
    described = message.payload.metrics
    own = bool(described) and all(metric.name.startswith(_OWN) for metric in described)
    if message.type.endswith("DEATH") or (own and not message.device):
        return Reading()
    about = _about(described)
    announced = Announced(
        address=message.address,
        name=message.device or message.node.partition("/")[2],
        vendor=str(about.get("vendor", ""))[:64],
        model=str(about.get("model", ""))[:64],
        firmware=str(about.get("firmware", ""))[:64],
        heard=not message.is_birth,
    )
    return Reading(announced=(announced,))


def _nameless(device: GearDevice, aliases: Sequence[int]) -> Refusal:
    listed = ", ".join("neither name nor alias" if alias < 0 else f"{alias}" for alias in aliases[:5])
    return Refusal(
        "unknown_metric",
        field="alias",
        expected="an alias that the birth has named",
        hint=f"got {listed}; the node was asked for its births, and says all values again with them",
        device=device.id,
    )


SPARKPLUG_B = Profile(
    key="sparkplug-b",
    zh="Sparkplug B 边缘节点",
    en="Sparkplug B edge nodes",
    carrier="mqtt",
    kinds=(
        "contact",
        "motion",
        "smoke",
        "heat",
        "gas",
        "co",
        "leak",
        "glass_break",
        "valve",
        "plug",
        "environment",
        "meter",
        "waste_bin",
        "traffic_counter",
        "sos_button",
        "service_button",
    ),
    commands={kind: tuple(commands) for kind, commands in CONFIRMS.items()},
    models=(
        "Ignition with MQTT Transmission",
        "Opto 22 groov EPIC and RIO",
        "Cirrus Link MQTT Engine and Edge nodes",
        "Siemens and Phoenix PLCs with a Sparkplug driver",
        "Eclipse Tahu clients",
    ),
    source="https://sparkplug.eclipse.org/specification/version/3.0/documents/sparkplug-specification-3.0.0.pdf",
    spec_only=True,
    base="spBv1.0/+",
    device_options={
        **OPTIONS,
        OPTION: "lines of `command: metric = value`, for valve and plug, such as `close: Valve/Open = false`",
    },
    message=SparkplugB,
)
