"""One Zigbee2MQTT: its topics, what it describes, and what its devices say.

``BASE/NAME`` carries everything a device knows, with every message, cached or new; ``BASE/NAME/availability`` whether
it is there; ``BASE/NAME/action`` the press that ``BASE/NAME`` has said already. A name may hold slashes.
Format: https://www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html
"""

from __future__ import annotations

import re
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from devices.expression.functions import millis
from devices.gear.jsontext import items, json_table, json_value, shown, table, word
from devices.gear.messages import (
    AddressBook,
    Announced,
    CommandAnswer,
    GearDevice,
    Incoming,
    Order,
    Reading,
    Said,
    Scalar,
)
from devices.gear.ownmap import laid_over, own_map
from devices.native import Command
from devices.observation import Refusal
from devices.profiles.zigbee2mqtt.actions import action_of, pressed
from devices.profiles.zigbee2mqtt.described import MAX_DEVICES, Described, Directory, described
from devices.profiles.zigbee2mqtt.fields import fields_of
from devices.profiles.zigbee2mqtt.guess import guess_kind
from devices.profiles.zigbee2mqtt.maps import MAPS
from devices.profiles.zigbee2mqtt.orders import order

BRIDGE = "bridge"
"""The address of Zigbee2MQTT itself, as a `concentrator`."""
STARTING_MS = 60_000
"""So long after its start a bridge may be publishing its cache."""
FRESH_MS = 5_000
"""A ``last_seen`` not older than this is of a message that came now."""
MAX_ORDERS = 256
ORDER_KEPT_MS = 60_000
_AVAILABILITY: Mapping[str, bool] = {"online": True, "offline": False}
_TO_DEVICES = re.compile(r"(?:^|/)(?:set|get)(?:/|$)")
_FAILED = re.compile(r"Publish 'set' '[^']*' to '(?P<name>[^\n]+?)' failed: '?(?P<error>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Pending:
    """A command that was sent."""

    device: str
    name: str
    """What its bridge calls the device."""
    confirm: Mapping[str, float]
    until_ms: int


class Zigbee2Mqtt:
    """One bridge."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._known = Directory()
        self._groups: frozenset[str] = frozenset()
        self._sends_cache = True
        self._came_ms: int | None = None
        """When it said that it is there, until it has said more."""
        self._starting_ms: int | None = None
        self._first: dict[str, int] = {}
        """Device → its first message since the bridge's start."""
        self._orders: OrderedDict[str, _Pending] = OrderedDict()
        """Command → what a failure in the log would be the answer to."""

    def filters(self) -> tuple[str, ...]:
        about = ("state", "info", "devices", "groups", "event", "logging", "health")
        return (*(f"{self._base}/{BRIDGE}/{topic}" for topic in about), f"{self._base}/#")

    def receive(self, incoming: Incoming, book: AddressBook) -> Reading:
        if not incoming.source.startswith(f"{self._base}/"):
            raise Refusal(
                "wrong_topic", field="topic", expected=f"{self._base}/…", hint=f"got {shown(incoming.source)}"
            )
        name = incoming.source[len(self._base) + 1 :]
        if name.startswith(f"{BRIDGE}/"):
            return self._bridge(name[len(BRIDGE) + 1 :], incoming, book)
        if self._registered(name, book) or self._known.find(name) is not None:
            return self._report(name, incoming, book)
        parent, _, last = name.rpartition("/")
        if last == "availability" and parent:
            return self._availability(parent, incoming, book)
        if name in self._groups or _TO_DEVICES.search(name) or not incoming.payload:
            return Reading()
        if parent and (self._registered(parent, book) or self._known.find(parent) is not None):
            return self._attribute(parent, last, incoming, book)
        return self._stranger(name, incoming)

    def order(self, device: GearDevice, command: Command, now_ms: int) -> Order:
        about = self._known.find(device.address)
        name = about.name if about is not None else device.address
        made = order(self._base, name, device, about, command)
        self._orders[command.id] = _Pending(device.id, name, made.confirm or {}, now_ms + ORDER_KEPT_MS)
        if len(self._orders) > MAX_ORDERS:
            self._orders.popitem(last=False)
        return made

    # --- the bridge itself ----------------------------------------------------------------------------------------

    def _bridge(self, topic: str, incoming: Incoming, book: AddressBook) -> Reading:
        match topic:
            case "state":
                return self._state(incoming, book)
            case "info":
                return self._info(incoming, book)
            case "devices":
                return self._devices(incoming, book)
            case "groups":
                groups = items(json_value(incoming.payload))
                self._groups = frozenset(word(table(one).get("friendly_name"), 256) for one in groups[:MAX_DEVICES])
                return Reading()
            case "event":
                return self._event(incoming, book)
            case "logging":
                return self._logging(incoming, book)
            case "health":
                return self._health(incoming, book)
        return Reading()

    def _state(self, incoming: Incoming, book: AddressBook) -> Reading:
        there = _there(incoming.payload)
        if there and not incoming.retained:
            self._came_ms = incoming.received_at_ms
        return Reading(said=tuple(Said(device=one, presence=there) for one in book.at(BRIDGE)))

    def _info(self, incoming: Incoming, book: AddressBook) -> Reading:
        info = json_table(incoming.payload)
        advanced = table(table(info.get("config")).get("advanced"))
        self._sends_cache = (
            advanced.get("cache_state") is not False and advanced.get("cache_state_send_on_startup") is not False
        )
        now_ms = incoming.received_at_ms
        if not incoming.retained and self._came_ms is not None:
            # Said at a start, and before the cache; a bridge that only lost its connection does not say it.
            if now_ms - self._came_ms <= STARTING_MS:
                self._starting_ms, self._first = now_ms, {}
            self._came_ms = None
        data: dict[str, Scalar] = {"model": "Zigbee2MQTT"}
        if version := word(info.get("version")):
            data["firmware"] = version
        joining = info.get("permit_join")
        metrics = {"joining": float(joining)} if isinstance(joining, bool) else {}
        return Reading(said=tuple(Said(device=one, metrics=metrics, data=data) for one in book.at(BRIDGE)))

    def _health(self, incoming: Incoming, book: AddressBook) -> Reading:
        """Every ten minutes, and all that a bridge says by itself: with it, it is heard; without it, silent."""
        if incoming.retained:
            return Reading()
        process = table(json_table(incoming.payload).get("process"))
        up_s = process.get("uptime_sec")
        metrics = {} if isinstance(up_s, bool) or not isinstance(up_s, int | float) else {"uptime": float(up_s)}
        return Reading(said=tuple(Said(device=one, metrics=metrics) for one in book.at(BRIDGE)))

    def _devices(self, incoming: Incoming, book: AddressBook) -> Reading:
        listed = json_value(incoming.payload)
        if not isinstance(listed, list):
            raise Refusal("malformed", field="payload", expected="a list of devices", hint=f"got {shown(listed)}")
        found = self._known.describe(listed)
        strangers = tuple(_announced(one) for one in found if not self._registered(one.ieee, book))
        metrics = {"devices": float(len(found))}
        faults: tuple[Refusal, ...] = ()
        if len(listed) > MAX_DEVICES:
            hint = f"got {len(listed)}; divide the network, the rest is not known"
            faults = (Refusal("oversize", field="payload", expected=f"at most {MAX_DEVICES} devices", hint=hint),)
        said = tuple(Said(device=one, metrics=metrics) for one in book.at(BRIDGE))
        return Reading(said=said, announced=strangers, faults=faults)

    def _event(self, incoming: Incoming, book: AddressBook) -> Reading:
        message = json_table(incoming.payload)
        what, about = word(message.get("type")), table(message.get("data"))
        ieee = word(about.get("ieee_address"))
        events = {"device_joined": ("device_joined",), "device_leave": ("device_left",)}.get(what, ())
        data: dict[str, Scalar] = {"address": ieee, "name": word(about.get("friendly_name"))}
        said = tuple(Said(device=one, events=events, data=data) for one in book.at(BRIDGE) if events)
        one = described(about)
        arrived = what == "device_joined" or about.get("status") == "successful"
        if one is None or not arrived or self._registered(ieee, book):
            return Reading(said=said)
        return Reading(said=said, announced=(_announced(one),))

    def _logging(self, incoming: Incoming, book: AddressBook) -> Reading:
        """The only answer to a command that failed is a line in the bridge's log."""
        message = json_table(incoming.payload)
        failed = _FAILED.search(word(message.get("message"), 1000)) if message.get("level") == "error" else None
        if failed is None or incoming.retained:
            return Reading()
        devices = {one.id: one for one in book.all()}
        for command_id, sent in reversed(self._orders.items()):
            if sent.name == failed["name"] and sent.until_ms >= incoming.received_at_ms and sent.device in devices:
                del self._orders[command_id]
                answer = CommandAnswer(id=command_id, ok=False, error=failed["error"].rstrip("'")[:200])
                return Reading(said=(Said(device=devices[sent.device], answers=(answer,)),))
        return Reading()

    # --- devices --------------------------------------------------------------------------------------------------

    def _registered(self, name: str, book: AddressBook) -> Sequence[GearDevice]:
        return [device for address in self._known.addresses(name) for device in book.at(address)]

    def _availability(self, name: str, incoming: Incoming, book: AddressBook) -> Reading:
        devices = self._registered(name, book)
        if not devices or not incoming.payload:  # empty: the device got another name
            return Reading()
        there, about = _there(incoming.payload), self._known.find(name)
        data: dict[str, Scalar] = {}
        if about is not None:
            found = {"firmware": about.firmware, "model": f"{about.vendor} {about.model}".strip()}
            data = {key: value for key, value in found.items() if value}
        return Reading(said=tuple(Said(device=device, presence=there, data=data) for device in devices))

    def _report(self, name: str, incoming: Incoming, book: AddressBook) -> Reading:
        if not incoming.payload:  # what the broker kept was taken back
            return Reading()
        payload = json_table(incoming.payload)
        seen_ms = _instant(payload.get("last_seen"))
        kept = self._is_cached(name, payload, seen_ms, incoming)
        return self._reading(name, payload, book, seen_ms, kept)

    def _attribute(self, name: str, attribute: str, incoming: Incoming, book: AddressBook) -> Reading:
        """``BASE/NAME/action``, and every attribute where the bridge is set to ``output: attribute``."""
        try:
            value = json_value(incoming.payload)
        except Refusal:
            value = incoming.payload[:256].decode("utf-8", "replace")  # a bare word: ON, emergency
        return self._reading(name, {attribute: value}, book, None, kept=False)

    def _reading(
        self, name: str, payload: Mapping[str, object], book: AddressBook, seen_ms: int | None, kept: bool
    ) -> Reading:
        about = self._known.find(name)
        devices = self._registered(name, book)
        if not devices:
            return Reading(announced=(_announced(about, heard=True),)) if about is not None else Reading()
        said: list[Said] = []
        faults: list[Refusal] = []
        for device in devices:
            one, refused = _said(device, about, payload, seen_ms)
            said.append(replace(one, kept=kept))
            faults += refused
            self._confirmed(one)
        return Reading(said=tuple(said), faults=tuple(faults))

    def _confirmed(self, said: Said) -> None:
        """What has been done can fail no more."""
        for command_id, sent in list(self._orders.items()):
            done = bool(sent.confirm) and all(said.metrics.get(key) == value for key, value in sent.confirm.items())
            if sent.device == said.device.id and done:
                del self._orders[command_id]

    def _stranger(self, name: str, incoming: Incoming) -> Reading:
        payload = json_value(incoming.payload)
        if not isinstance(payload, dict):
            return Reading()
        return Reading(announced=(Announced(address=name, name=name, heard=True),))

    def _is_cached(self, name: str, payload: Mapping[str, object], seen_ms: int | None, incoming: Incoming) -> bool:
        """Whether this is the cache that a bridge publishes at its start: the first message of a device since then.

        An action is never cached, and a device seen just now has spoken itself.
        """
        started, now_ms = self._starting_ms, incoming.received_at_ms
        if started is None or not self._sends_cache or not started <= now_ms <= started + STARTING_MS:
            return False
        if action_of(payload.get("action"), "") or (seen_ms is not None and seen_ms >= now_ms - FRESH_MS):
            return False
        message = zlib.crc32(incoming.payload)
        if name not in self._first and len(self._first) < 2 * MAX_DEVICES:
            self._first[name] = message
        return self._first.get(name) == message


def _said(
    device: GearDevice, about: Described | None, payload: Mapping[str, object], seen_ms: int | None
) -> tuple[Said, list[Refusal]]:
    kind_map = MAPS.get(device.kind)
    if kind_map is None:  # a concentrator is the bridge itself
        return Said(device=device), []
    fields, refused = fields_of(payload, about, device.part)
    action = action_of(payload.get("action"), device.part)
    if action:
        fields["action"] = action
    said, faults = kind_map.said(device, fields, observed_at_ms=seen_ms)
    found = [*refused, *faults, *_unfit(device, fields)]
    if device.kind == "sos_button":
        said = replace(said, events=tuple(dict.fromkeys((*pressed(about, action), *said.events))))
    try:
        own = own_map(device)
    except Refusal as fault:
        found.append(fault)
    else:
        if own is not None:
            extra, faults = own.said(device, fields)
            said, found = laid_over(said, extra), [*found, *faults]
    for refusal in found:
        refusal.device = device.id
    return said, found


def _unfit(device: GearDevice, fields: Mapping[str, object]) -> Iterator[Refusal]:
    """A gas meter is no gas alarm."""
    if device.kind == "gas" and ("gas_volume" in fields or "gas_number" in fields):
        yield Refusal(
            "malformed",
            field="gas",
            expected="true or false, or a share of the lower explosive limit",
            hint=f"got {fields.get('gas_volume', fields.get('gas_number'))}, a number; register a gas meter as a meter",
        )


def _there(payload: bytes) -> bool:
    """``online``, or ``{"state": "online"}``. Raises Refusal."""
    state: object = payload[:64].decode("utf-8", "replace").strip()
    if payload.lstrip().startswith(b"{"):
        state = json_table(payload).get("state")
    there = _AVAILABILITY.get(state) if isinstance(state, str) else None
    if there is None:
        raise Refusal("malformed", field="state", expected="online or offline", hint=f"got {shown(state)}")
    return there


def _instant(value: object) -> int | None:
    found = millis(value)
    return None if found is None else int(found)


def _announced(one: Described, *, heard: bool = False) -> Announced:
    return Announced(
        address=one.ieee,
        kind=guess_kind(one.exposes),
        name=one.about or one.name if one.name == one.ieee else f"{one.name} ({one.about})".removesuffix(" ()"),
        vendor=one.vendor,
        model=one.model,
        firmware=one.firmware,
        heard=heard,
    )
