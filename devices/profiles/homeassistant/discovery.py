"""A discovery message: which device it describes, which of its parts, and how that part says and hears things.

``PREFIX/COMPONENT/[NODE/]OBJECT/config``, retained; empty: forget it. ``PREFIX/device/[NODE/]ID/config`` describes a
whole device with its components. Keys may be abbreviated, and ``~`` stands for a base topic.
Format: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from devices.gear.jsontext import items, number, shown, table, word
from devices.observation import Refusal
from devices.profiles.homeassistant.template import Template, TemplateError

COMPONENTS = ("binary_sensor", "sensor", "switch", "valve", "siren", "event", "device_automation")
"""What says something that Anju knows a word for. Others (lights, climate, covers …) are passed over."""
MAX_TOPIC = 512
MAX_LEVELS = 100
"""Of a topic. Mosquitto takes 200, EMQX 128."""
MAX_AVAILABILITY = 8
MAX_COMPONENTS = 200
"""Of one device."""
_OURS = "anju/"

ABBREVIATIONS: Mapping[str, str] = {
    "atype": "automation_type",
    "av_tones": "available_tones",
    "avty": "availability",
    "avty_mode": "availability_mode",
    "avty_t": "availability_topic",
    "avty_tpl": "availability_template",
    "cmd_t": "command_topic",
    "cmd_tpl": "command_template",
    "cmd_off_tpl": "command_off_template",
    "cmps": "components",
    "dev": "device",
    "dev_cla": "device_class",
    "evt_typ": "event_types",
    "exp_aft": "expire_after",
    "obj_id": "object_id",
    "off_dly": "off_delay",
    "opt": "optimistic",
    "p": "platform",
    "pl": "payload",
    "pl_avail": "payload_available",
    "pl_not_avail": "payload_not_available",
    "pl_cls": "payload_close",
    "pl_off": "payload_off",
    "pl_on": "payload_on",
    "pl_open": "payload_open",
    "pos_clsd": "position_closed",
    "pos_open": "position_open",
    "ret": "retain",
    "stat_clsd": "state_closed",
    "stat_closing": "state_closing",
    "stat_off": "state_off",
    "stat_on": "state_on",
    "stat_open": "state_open",
    "stat_opening": "state_opening",
    "stat_t": "state_topic",
    "stat_val_tpl": "state_value_template",
    "stype": "subtype",
    "t": "topic",
    "uniq_id": "unique_id",
    "unit_of_meas": "unit_of_measurement",
    "val_tpl": "value_template",
}
"""Those of the keys that are read."""
_DEVICE_ABBREVIATIONS: Mapping[str, str] = {
    "cns": "connections",
    "ids": "identifiers",
    "mdl": "model",
    "mf": "manufacturer",
    "sw": "sw_version",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The device that a part belongs to, as it describes itself."""

    address: str
    name: str = ""
    vendor: str = ""
    model: str = ""
    firmware: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """One topic that says whether a part is there."""

    topic: str
    there: str
    gone: str
    template: Template | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One part of a device."""

    key: str
    """The discovery topic, and its key in it: what is forgotten together."""
    component: str
    object: str
    owner: Owner
    device_class: str = ""
    unit: str = ""
    topic: str = ""
    """Where it says its state; empty where it says none."""
    template: Template | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    """``payload_on``, ``state_open`` …: as given, or as they are where nothing is given."""
    command_topic: str = ""
    command_template: Template | None = None
    command_off_template: Template | None = None
    retain: bool = False
    optimistic: bool = False
    positional: bool = False
    """A valve that reports where it stands, from ``closed_at`` to ``open_at``."""
    closed_at: float = 0.0
    open_at: float = 100.0
    momentary: bool = False
    """It says ON alone, and whoever listens ends it after a delay (``off_delay``)."""
    expires_s: float | None = None
    availability: tuple[Availability, ...] = ()
    availability_mode: str = "latest"


def parse(key: str, component: str, object_id: str, config: Mapping[str, object]) -> tuple[list[Entity], list[Refusal]]:
    """The parts in one message, and why others of them cannot be used.

    Components that are passed over are neither, and no more are the parts that Anju itself announces.
    """
    config = _spelled(config, ABBREVIATIONS)
    owner = _owner(config, object_id)
    entities: list[Entity] = []
    faults: list[Refusal] = []
    for place, sort, name, own in _parts(key, component, object_id, config):
        try:
            entity = _entity(place, sort, name, own, owner)
        except Refusal as refusal:
            refusal.field = f"{name}.{refusal.field}"
            faults.append(refusal)
        else:
            if entity is not None:
                entities.append(entity)
    return entities, faults


def _parts(
    key: str, component: str, object_id: str, config: Mapping[str, object]
) -> Iterator[tuple[str, str, str, Mapping[str, object]]]:
    """Key, component, object and configuration of each part."""
    if component != "device":
        yield key, component, object_id, config
        return
    shared = {name: value for name, value in config.items() if name != "components"}
    for name, part in list(table(config.get("components")).items())[:MAX_COMPONENTS]:
        own = {**shared, **_spelled(table(part), ABBREVIATIONS)}
        yield f"{key}#{name}", word(own.get("platform")), name[:MAX_TOPIC], own


def _entity(key: str, component: str, object_id: str, config: Mapping[str, object], owner: Owner) -> Entity | None:
    """Raises Refusal."""
    if component not in COMPONENTS:
        return None
    base = word(config.get("~"), MAX_TOPIC)
    topic_key = "topic" if component == "device_automation" else "state_topic"
    topic = _topic(config, topic_key, base)
    command_topic = _topic(config, "command_topic", base)
    if any(one.startswith(_OURS) for one in (topic, command_topic)):  # what Anju itself announces
        return None
    return Entity(
        key=key,
        component=component,
        object=object_id,
        owner=owner,
        device_class=word(config.get("device_class")),
        unit=word(config.get("unit_of_measurement"), 32),
        topic=topic,
        template=_template(config, "state_value_template" if component == "siren" else "value_template"),
        words=_words(component, config),
        command_topic=command_topic,
        command_template=_template(config, "command_template"),
        command_off_template=_template(config, "command_off_template"),
        retain=config.get("retain") is True,
        optimistic=config.get("optimistic") is True,
        positional=config.get("reports_position") is True,
        closed_at=_amount(config, "position_closed", 0.0),
        open_at=_amount(config, "position_open", 100.0),
        momentary=number(config.get("off_delay")) is not None,
        expires_s=_seconds(config.get("expire_after")),
        availability=_availability(config, base),
        availability_mode=word(config.get("availability_mode")) or "latest",
    )


def _spelled(config: Mapping[str, object], abbreviations: Mapping[str, str]) -> dict[str, object]:
    return {abbreviations.get(key, key): value for key, value in config.items()}


def _owner(config: Mapping[str, object], object_id: str) -> Owner:
    device = _spelled(table(config.get("device")), _DEVICE_ABBREVIATIONS)
    given = device.get("identifiers")
    names = [given] if isinstance(given, str) else items(given)
    for connection in items(device.get("connections")):
        names = [*names, *items(connection)[1:2]]
    address = next((name for name in names if isinstance(name, str) and name), object_id)
    return Owner(
        address=address[:200],
        name=word(device.get("name")) or word(config.get("name")),
        vendor=word(device.get("manufacturer")),
        model=word(device.get("model")),
        firmware=word(device.get("sw_version")),
    )


def _topic(config: Mapping[str, object], key: str, base: str) -> str:
    """A topic with its ``~`` put in. Raises Refusal for one that is none, or many."""
    given = config.get(key)
    if given is None:
        return ""
    topic = given if isinstance(given, str) else ""
    if base and topic.startswith("~"):
        topic = base + topic[1:]
    elif base and topic.endswith("~"):
        topic = topic[:-1] + base
    if not _is_topic(topic):
        raise Refusal(
            "wrong_topic",
            field=key,
            expected=f"one topic, without wildcards and control characters, of at most {MAX_LEVELS} levels",
            hint=f"got {shown(given)}; correct it",
        )
    return topic


def _is_topic(text: str) -> bool:
    """Whether brokers take this for one topic. Mosquitto ends the connection of a client that names another."""
    if not 0 < len(text) <= MAX_TOPIC or text.startswith("$") or text.count("/") >= MAX_LEVELS:
        return False
    return not any(sign in "+#" or _is_no_letter(ord(sign)) for sign in text)


def _is_no_letter(code: int) -> bool:
    """What MQTT advises against: control characters, and code points that are none (MQTT 5, 1.5.4)."""
    return code < 0x20 or 0x7F <= code < 0xA0 or 0xFDD0 <= code < 0xFDF0 or code & 0xFFFE == 0xFFFE


def _template(config: Mapping[str, object], key: str) -> Template | None:
    given = config.get(key)
    if given is None or given == "":
        return None
    try:
        return Template(given if isinstance(given, str) else f"{given}")
    except TemplateError as error:
        raise Refusal(
            "malformed",
            field=key,
            expected="a template of the part of Jinja that docs/devices/homeassistant.md lists",
            hint=f"{error}; got {shown(given)}; write a simpler one at the device",
        ) from None


_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "binary_sensor": {"payload_on": "ON", "payload_off": "OFF"},
    "switch": {"payload_on": "ON", "payload_off": "OFF"},
    "siren": {"payload_on": "ON", "payload_off": "OFF"},
    "valve": {
        "payload_open": "OPEN",
        "payload_close": "CLOSE",
        "state_open": "open",
        "state_closed": "closed",
        "state_opening": "opening",
        "state_closing": "closing",
    },
    "device_automation": {"payload": "", "type": "", "subtype": ""},
}


def _words(component: str, config: Mapping[str, object]) -> dict[str, str]:
    found = {key: _word(config.get(key), otherwise) for key, otherwise in _DEFAULTS.get(component, {}).items()}
    if component in ("switch", "siren"):
        found["state_on"] = _word(config.get("state_on"), found["payload_on"])
        found["state_off"] = _word(config.get("state_off"), found["payload_off"])
    return found


def _word(value: object, otherwise: str) -> str:
    """A payload as it is written; true and false are words, too."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value}"[:MAX_TOPIC] if isinstance(value, str | int | float) else otherwise


def _availability(config: Mapping[str, object], base: str) -> tuple[Availability, ...]:
    given = config.get("availability")
    listed = [table(one) for one in (items(given)[:MAX_AVAILABILITY] or [given]) if table(one)]
    if config.get("availability_topic") is not None:
        words = {key: config[key] for key in ("payload_available", "payload_not_available") if key in config}
        template = config.get("availability_template")
        listed.append({**words, "topic": config["availability_topic"], "value_template": template})
    found: list[Availability] = []
    for each in listed:
        one = _spelled(each, ABBREVIATIONS)
        topic = _topic(one, "topic", base)
        if topic and not topic.startswith(_OURS):
            found.append(
                Availability(
                    topic=topic,
                    there=_word(one.get("payload_available"), "online"),
                    gone=_word(one.get("payload_not_available"), "offline"),
                    template=_template(one, "value_template"),
                )
            )
    return tuple(found)


def _seconds(value: object) -> float | None:
    seconds = number(value)
    return seconds if seconds is not None and seconds > 0 else None


def _amount(config: Mapping[str, object], key: str, otherwise: float) -> float:
    value = number(config.get(key))
    return otherwise if value is None else value
