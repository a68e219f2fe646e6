"""One sort of message of a declared profile: from bytes on a topic to what the devices in it say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from devices.gear.kindmap import KindMap
from devices.gear.messages import AddressBook, Announced, CommandAnswer, GearDevice, Incoming, Reading, Said
from devices.gear.pattern import Pattern, Template
from devices.gear.remembered import Remembered
from devices.kind import PRESSES
from devices.kinds import KINDS
from devices.observation import Refusal

MAX_REPORTS = 200
"""So many reports are taken from one message."""
_MAX_ADDRESS = 200
_MAX_PART = 60
_MAX_IDENTITY = 100
_MAX_WORDS = 100
_MAX_COMMAND = 200
_LATEST_MS = 2.0**53
PAYLOAD = "payload"
"""What a payload without a name of its own is called in expressions."""

UNKNOWN = "unknown"
"""A field that no message has: ``when(condition, value, unknown)``."""

Fields = dict[str, object]
Condition = Callable[[Mapping[str, object]], bool | None]
Value = Callable[[Mapping[str, object]], float | str | bool | None]


@dataclass(frozen=True, slots=True)
class Stranger:
    """How gear that is not registered is described."""

    kinds: tuple[tuple[str, Condition], ...]
    words: Mapping[str, Template]
    """``name``, ``vendor``, ``model``, ``firmware``."""

    def announced(self, address: str, fields: Fields, *, heard: bool) -> Announced:
        """What a message says of gear that is not registered; ``heard``: it spoke itself."""
        kind = next((key for key, holds in self.kinds if holds(fields)), None)
        words = {key: (template.fill(fields) or "")[:_MAX_WORDS] for key, template in self.words.items()}
        return Announced(address=address, kind=kind, heard=heard, **words)


@dataclass(frozen=True, slots=True)
class Copying:
    """One transmission comes several times; the copies are known by their content within a time."""

    within_ms: float
    apart_from: frozenset[str]


@dataclass(frozen=True, slots=True)
class Answering:
    """How a message answers a command that it names."""

    id: Template
    ok: Condition
    error: Template

    def answers(self, fields: Fields) -> tuple[CommandAnswer, ...]:
        """The answer a message holds; none where it names no command."""
        name = self.id.fill(fields)
        if not name or len(name) > _MAX_COMMAND:
            return ()
        ok = self.ok(fields) is True
        return (CommandAnswer(id=name, ok=ok, error="" if ok else (self.error.fill(fields) or "refused")[:_MAX_WORDS]),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One compiled entry. Without state: it belongs to all bridges of its profile."""

    format: str
    when: Condition | None
    ignore: bool
    describes: bool
    called: Template | None
    """What the payload is called; None for an object, whose keys are the fields."""
    fields: tuple[str, ...]
    each: tuple[str, ...]
    parts: tuple[Pattern, ...]
    address: tuple[Template, ...]
    part: Template | None
    time: Value | None
    identity: Template | None
    copying: Copying | None
    counter: Value | None
    presence: Condition | None
    answering: Answering | None
    maps: Mapping[str, KindMap]
    stranger: Stranger
    default_part: str

    def named(self, document: object, levels: Mapping[str, object]) -> Fields:
        """The fields of a decoded payload."""
        if self.called is not None:
            return {self.called.fill(levels) or PAYLOAD: document}
        return document if isinstance(document, dict) else {PAYLOAD: document}

    def read(
        self, payload: Fields, outside: Fields, incoming: Incoming, book: AddressBook, remembered: Remembered
    ) -> Reading:
        """What the message says. ``outside``: what is known apart from the payload (levels of the topic).

        Raises Refusal where the message does not hold what the entry promises.
        """
        if self.fields:
            below = _dig(payload, self.fields)
            if not isinstance(below, dict):
                raise _not_there(self.fields, "an object")
            payload = {**payload, **below}
        out = _Out(incoming, book, remembered)
        for number, report in enumerate(self._reports(payload, outside)):
            if number == MAX_REPORTS:
                out.faults.append(
                    Refusal(
                        "oversize",
                        field=".".join(self.each),
                        expected=f"at most {MAX_REPORTS} reports in a message",
                        hint="the first ones were taken; send the others in a message of their own",
                    )
                )
                break
            try:
                self._report(report, out)
            except Refusal as fault:
                out.faults.append(fault)
        return Reading(said=tuple(out.said), announced=tuple(out.announced.values()), faults=tuple(out.faults))

    def _reports(self, payload: Fields, outside: Fields) -> Iterator[Fields]:
        if not self.each:
            yield {**payload, **outside}
            return
        several = _dig(payload, self.each)
        if isinstance(several, dict):
            for key, item in several.items():
                yield {**payload, **_fields_of(item), "key": key, **outside}
        elif isinstance(several, list):
            for item in several:
                yield {**payload, **_fields_of(item), **outside}
        else:
            raise _not_there(self.each, "a list or an object")

    def _report(self, fields: Fields, out: _Out) -> None:
        address, devices = self._whose(fields, out.book)
        if self.describes:
            out.announce(self.stranger.announced(address, fields, heard=False))
            return
        part: str | None = None
        if self.part is not None:
            part = self.part.fill(fields)
            if part is None or len(part) > _MAX_PART:
                raise _unnamed("part", self.part.text)
            part = part or self.default_part
        groups = self._groups(fields) if self.parts else {}
        concerned = [device for device in devices if part is None or self._concerns(device, part)]
        if not concerned:
            known = part is None or self.default_part in ("", part)
            named = address if known and not devices else f"{address}#{part}"
            here = {**fields, **groups.get(self.default_part, {})}
            out.announce(self.stranger.announced(named, here, heard=True))
            return
        observed_at_ms, identity = self._when_and_which(fields, address, part or "", out)
        count = None if self.counter is None else self.counter(fields)
        presence = None if self.presence is None else self.presence(fields)
        answers = () if self.answering is None else self.answering.answers(fields)
        for device in concerned:
            kind_map = self.maps.get(device.kind)
            if kind_map is None:
                out.faults.append(self._not_of_this_profile(device))
                continue
            here = {**fields, **groups.get(device.part or self.default_part, {})} if groups else fields
            said, faults = kind_map.said(
                device, here, observed_at_ms=observed_at_ms, identity=identity, presence=presence
            )
            mine = tuple(one for one in answers if out.remembered.asked(one.id) == device.id)
            if mine:
                said = replace(said, answers=mine)
            if isinstance(count, float) and PRESSES.key in KINDS[device.kind].metrics:
                said = replace(said, metrics={**said.metrics, PRESSES.key: count})
            out.said.append(said)
            out.faults.extend(faults)

    def _concerns(self, device: GearDevice, part: str) -> bool:
        """A device that names no part is the default part; where there is none, it is all of them."""
        return (device.part or self.default_part or part) == part

    def _whose(self, fields: Fields, book: AddressBook) -> tuple[str, tuple[GearDevice, ...]]:
        """The first of the addresses that is registered; else the first that is known."""
        unknown = ""
        for template in self.address:
            address = template.fill(fields)
            if not address or len(address) > _MAX_ADDRESS or "#" in address or not address.isprintable():
                continue
            devices = tuple(book.at(address))
            if devices:
                return address, devices
            unknown = unknown or address
        if not unknown:
            raise _unnamed("address", " or ".join(template.text for template in self.address))
        return unknown, ()

    def _groups(self, fields: Fields) -> dict[str, Fields]:
        """Part → the fields that are its own, by the name without the part's."""
        groups: dict[str, Fields] = {}
        for key, value in fields.items():
            for pattern in self.parts:
                found = pattern.match(key)
                if found is not None:
                    name = found.get("name") or pattern.text.partition("{")[0]
                    groups.setdefault(found["part"] or self.default_part, {})[name] = value
                    break
        return groups

    def _when_and_which(self, fields: Fields, address: str, part: str, out: _Out) -> tuple[int | None, str | None]:
        """The source's own time, and its name of the message."""
        at = None if self.time is None else self.time(fields)
        at_ms = int(at) if isinstance(at, float) and 0 <= at < _LATEST_MS else None
        now_ms = out.incoming.received_at_ms
        if self.copying is not None:
            # What differs between the copies must not make two messages of them: they are told alike.
            content = {key: value for key, value in fields.items() if key not in self.copying.apart_from}
            first = out.remembered.transmission(
                (address, part), content, out.incoming.payload, self.copying.within_ms, at_ms, now_ms
            )
            return first.observed_at_ms, first.identity
        identity = None if self.identity is None else self.identity.fill(fields)
        return at_ms, identity.replace(":", ".")[:_MAX_IDENTITY] if identity else None

    def _not_of_this_profile(self, device: GearDevice) -> Refusal:
        return Refusal(
            "unknown_metric",
            field="kind",
            expected=f"one of {', '.join(self.maps)}",
            hint=f"this profile cannot speak for a {device.kind}; correct the device's kind in the registry",
            device=device.id,
        )


@dataclass(slots=True)
class _Out:
    """What is being gathered from one message."""

    incoming: Incoming
    book: AddressBook
    remembered: Remembered
    said: list[Said] = field(default_factory=list)
    announced: dict[str, Announced] = field(default_factory=dict)
    faults: list[Refusal] = field(default_factory=list)

    def announce(self, stranger: Announced) -> None:
        self.announced.setdefault(stranger.address, stranger)


def _fields_of(item: object) -> Mapping[str, object]:
    return item if isinstance(item, dict) else {"value": item}


def _dig(fields: Mapping[str, object], path: tuple[str, ...]) -> object:
    value: object = fields
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _not_there(path: tuple[str, ...], expected: str) -> Refusal:
    return Refusal(
        "malformed",
        field=".".join(path),
        expected=expected,
        hint="the message is not of this sort; compare it with the profile's page in docs/devices",
    )


def _unnamed(what: str, text: str) -> Refusal:
    return Refusal(
        "malformed",
        field=what,
        expected=f"{text}, of at most {_MAX_PART if what == 'part' else _MAX_ADDRESS} characters, without #",
        hint="the message does not say which device it is from",
    )
