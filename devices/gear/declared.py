"""A whole profile from YAML: what its messages are, what their fields mean, how commands are said.

`load_profile` makes the `Profile`; everything in it is checked and compiled then. docs/devices/README.md tells how one
is written, docs/devices/profile.schema.json is its schema for editors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from devices.expression.functions import number
from devices.gear.declared_compile import Compiler, Sort
from devices.gear.declared_entry import UNKNOWN, Entry, Fields
from devices.gear.declared_orders import Orders
from devices.gear.jsontext import MAX_BYTES, json_value, shown
from devices.gear.kindmap import Options, build_maps
from devices.gear.messages import AddressBook, GearDevice, Incoming, Order, Reading
from devices.gear.pattern import Pattern, compile_pattern, needed_filters
from devices.gear.profile import Carrier, Profile
from devices.gear.profile_document import convert
from devices.gear.remembered import Remembered
from devices.gear.yamltext import read
from devices.kinds import KINDS
from devices.native import Command
from devices.observation import Refusal


@dataclass(frozen=True, slots=True)
class Declaration:
    """A compiled profile: what its bridges share."""

    key: str
    carrier: Carrier
    sorts: tuple[Sort, ...]
    orders: Orders
    has_options: bool


def load_profile(text: str, file: str) -> Profile:
    """The profile in ``text``; ``file`` is its name in errors. Raises ProfileError."""
    document = read(text, file)
    written = convert(document)
    options: Options = {"option": written.device_options, "bridge": written.options}
    maps = build_maps(document, ("kinds",), ("any",), options)
    compiler = Compiler(document, written)
    declaration = Declaration(
        written.key, written.carrier, compiler.sorts(maps), compiler.orders(), bool(written.options)
    )
    return Profile(
        key=written.key,
        zh=written.zh,
        en=written.en,
        carrier=written.carrier,
        kinds=tuple(key for key in KINDS if key in maps),
        commands={kind: tuple(commands) for kind, commands in written.commands.items()},
        models=tuple(written.models),
        source=written.source,
        spec_only=written.spec_only,
        base=written.base,
        options=dict(written.options),
        device_options=dict(written.device_options),
        message=lambda base, options: DeclaredGear(declaration, base, options),
    )


@dataclass(slots=True)
class _Door:
    """The patterns of one entry below the bridge's base."""

    patterns: tuple[Pattern, ...]
    entry: Entry


class DeclaredGear:
    """One bridge of a declared profile. What it remembers stands in `devices.gear.remembered`."""

    def __init__(self, declaration: Declaration, base: str, options: Mapping[str, str]) -> None:
        """Raises ValueError."""
        if re.search(r"[+#{}\x00]", base) or base.startswith("/") or base.endswith("/"):
            raise ValueError(f"base: expected the beginning of a topic, without wildcards and outer /, got {base!r}")
        self._declaration = declaration
        self._base = base
        self._bridge: Fields = {"bridge": dict(options)} if declaration.has_options else {}
        self._remembered = Remembered()
        self._doors = [
            _Door(tuple(compile_pattern(topic, base) for topic in sort.topics), sort.entry)
            for sort in declaration.sorts
        ]
        filters = needed_filters(
            pattern.filter for door in self._doors if not door.entry.ignore for pattern in door.patterns
        )
        if "#" in filters:
            raise ValueError("base: this profile would listen to every topic there is; give the bridge a base")
        self._filters = filters if declaration.carrier == "mqtt" else ()

    def filters(self) -> tuple[str, ...]:
        return self._filters

    def receive(self, incoming: Incoming, book: AddressBook) -> Reading:
        """What ``incoming`` says. Raises Refusal where it says nothing that can be used."""
        if len(incoming.payload) > MAX_BYTES:
            raise Refusal(
                "oversize",
                field="payload",
                expected=f"at most {MAX_BYTES} bytes",
                hint=f"got {len(incoming.payload)} bytes; no gear of this profile says so much",
            )
        if not incoming.payload and self._declaration.carrier == "mqtt":
            return Reading()  # the broker was told to forget what it kept on this topic
        decoded: dict[str, object] = {}
        fitting = False
        for door, levels in self._fitting(incoming.source):
            fitting = True
            entry = door.entry
            if entry.format not in decoded:
                decoded[entry.format] = _decode(entry.format, incoming.payload)
            document = decoded[entry.format]
            if isinstance(document, Refusal):
                continue
            outside: Fields = {**levels, **self._bridge, "retained": incoming.retained, UNKNOWN: None}
            fields = entry.named(document, outside)
            if entry.when is not None and not entry.when({**fields, **outside}):
                continue
            if entry.ignore:
                if any(isinstance(each, Refusal) for each in decoded.values()):
                    break  # meant for an entry above, and damaged on the way
                return Reading()
            return entry.read(fields, outside, incoming, book, self._remembered)
        raise self._unfit(incoming, fitting, decoded)

    def order(self, device: GearDevice, command: Command, now_ms: int) -> Order:
        """``command`` in the gear's own words. Raises Refusal where this device cannot do it."""
        order = self._declaration.orders.order(device, command, self._base, self._bridge)
        self._remembered.ask(command.id, device.id)
        return order

    def _fitting(self, source: str) -> Iterator[tuple[_Door, dict[str, str]]]:
        for door in self._doors:
            for pattern in door.patterns:
                levels = pattern.match(source)
                if levels is not None:
                    yield door, levels
                    break

    def _unfit(self, incoming: Incoming, fitting: bool, decoded: Mapping[str, object]) -> Refusal:
        if not fitting:
            known = dict.fromkeys(pattern.text for door in self._doors for pattern in door.patterns)
            return Refusal(
                "wrong_topic",
                field="topic",
                expected=", ".join(known)[:300],
                hint=f"got {incoming.source[:200]!r}; correct the gear's topic, or the base of the bridge",
            )
        broken = next((each for each in decoded.values() if isinstance(each, Refusal)), None)
        if broken is not None:
            return broken
        return Refusal(
            "malformed",
            field="payload",
            expected=f"one of the messages of {self._declaration.key} on this topic",
            hint="none of the profile's entries fits what it holds; compare it with the page in docs/devices",
        )


def _decode(form: str, payload: bytes) -> object:
    """What ``payload`` holds; a Refusal where it is not of this form."""
    try:
        if form == "json":
            return json_value(payload)
        text = payload.decode("utf-8").strip()
    except Refusal as refusal:
        return refusal
    except UnicodeDecodeError as error:
        return Refusal(
            "malformed", field="payload", expected="UTF-8 text", hint=f"{error.reason}; got {shown(payload)}"
        )
    if form == "text":
        return text
    value = number(text)
    if value is None:
        return Refusal("malformed", field="payload", expected="a number", hint=f"got {shown(text)}")
    return value
