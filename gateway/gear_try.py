"""`anju devices try` and `anju devices profiles`: what a payload of off-the-shelf gear becomes, and why not.

The same profile and the same memory as in the running gateway, on a table: nothing is written, nobody is called.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from devices.gear.declared import load_profile
from devices.gear.memory import Memory, observe
from devices.gear.messages import Announced, GearDevice, Incoming, Reading, Said
from devices.gear.profile import Profile, StreamGear
from devices.gear.profile_error import ProfileError
from devices.kinds import KINDS
from devices.observation import Observation, Refusal
from devices.profiles import PROFILES
from devices.profiles.modbus.bus import ModbusBus
from gateway.clock import SystemClock
from gateway.modbus_try import answered
from gateway.terminal import fail

LINE_S = 120
"""A line is listened to for so long after its last byte: averages become due."""
PIECE_BYTES = 32

WHY = {
    "same_press": "同一次按下已经说过 the same press was told already",
    "retained_moment": "代理保留的旧消息：按下早已过去 kept by the broker: the press is over",
    "data_left_out": "附带内容过多，部分未取 too much beside the measurements, some left out",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What is to be tried. ``address`` as in the registry, with ``#part``; empty: the one in the payload."""

    profile: Profile
    payload: bytes
    topic: str = ""
    kind: str = ""
    address: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    bridge_options: Mapping[str, str] = field(default_factory=dict)
    retained: bool = False
    over_s: float | None = None
    """How long the bytes of a line took to come; None: as fast as the line is."""


@dataclass(slots=True)
class Tried:
    """What became of it."""

    device: GearDevice | None = None
    """Who was taken to be registered."""
    observations: list[Observation] = field(default_factory=list)
    strangers: list[Announced] = field(default_factory=list)
    faults: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    understood: bool = False
    """The profile found nothing wrong with it."""

    @property
    def good(self) -> bool:
        """Whether nothing was refused."""
        return self.understood and not self.faults

    def lines(self) -> list[str]:
        """One line for each observation, stranger, fault and note; what `docs/devices` shows."""
        return [
            *(observation_line(one) for one in self.observations),
            *(stranger_line(one) for one in self.strangers),
            *(f"fault={one.reason} field={one.field}" for one in self.faults),
            *(f"note={one}" for one in self.notes),
        ]


class _Book:
    def __init__(self, *devices: GearDevice) -> None:
        self._devices = devices

    def at(self, address: str) -> Sequence[GearDevice]:
        return [one for one in self._devices if one.address == address]

    def all(self) -> Iterable[GearDevice]:
        return self._devices


def attempt(what: Attempt, now_ms: int) -> Tried:
    """Try it. Raises ValueError for options the profile cannot use."""
    tried = Tried()
    unregistered = _read(what, _Book(), now_ms, tried)
    for reading in unregistered:
        tried.strangers += [one for one in reading.announced if one not in tried.strangers]
    device = _device(what, tried.strangers)
    if device is None:
        return tried
    tried.device = device
    tried.faults.clear()
    tried.understood = False
    memory = Memory()
    for reading in _read(what, _Book(device), now_ms, tried):
        tried.faults += reading.faults
        for said in reading.said:
            _observe(said, memory, what.retained, now_ms, tried)
    here = (device.address, _address(device))
    tried.strangers = [one for one in tried.strangers if not (one.heard and one.address in here)]
    return tried


def _device(what: Attempt, strangers: Sequence[Announced]) -> GearDevice | None:
    """The device that the payload is taken to be from; None where nobody said which."""
    given, _, given_part = what.address.partition("#")
    heard = (one for one in strangers if one.heard)
    found = next((one for one in heard if not given or one.address.partition("#")[0] == given), None)
    address, _, part = (what.address or (found.address if found is not None else "")).partition("#")
    kind = what.kind or (found.kind if found is not None and found.kind is not None else "")
    if what.profile.carrier in ("serial", "modbus") and not address:
        address = "1"
    if not kind and len(what.profile.kinds) == 1:
        (kind,) = what.profile.kinds
    if not address or not kind:
        return None
    return GearDevice(id="try", kind=kind, address=address, part=given_part or part, options=what.options)


def _address(device: GearDevice) -> str:
    return f"{device.address}#{device.part}" if device.part else device.address


def _read(what: Attempt, book: _Book, now_ms: int, tried: Tried) -> list[Reading]:
    """What a fresh object of the profile makes of it; a refusal goes to ``tried``."""
    profile = what.profile
    try:
        if profile.message is not None:
            gear = profile.message(what.base or profile.base, what.bridge_options)
            incoming = Incoming(source=what.topic, payload=what.payload, received_at_ms=now_ms, retained=what.retained)
            readings = [gear.receive(incoming, book)]
        elif profile.stream is not None:
            readings = _listen(profile.stream(what.bridge_options), what, book, now_ms)
        else:
            readings = answered(ModbusBus(what.bridge_options), what.payload, book)
    except Refusal as refusal:
        tried.faults.append(refusal)
        return []
    tried.understood = True
    return readings


def _listen(gear: StreamGear, what: Attempt, book: _Book, now_ms: int) -> list[Reading]:
    """The bytes at the speed of the line (or within ``over_s``), then silence, by a clock that is moved by hand."""
    setting = what.profile.serial
    whole_ms = len(what.payload) * 10_000 / (setting.baud if setting is not None else 9600)
    if what.over_s is not None:
        whole_ms = what.over_s * 1000
    readings: list[Reading] = []
    steady_ms, end_ms = 0, int(whole_ms)
    gear.opened(0)
    readings.append(gear.due(0, now_ms, book)[1])  # as the line does before the first byte: it asks who must be asked

    def pass_time(until_ms: int) -> None:
        nonlocal steady_ms
        while (due_ms := max(gear.next_due_ms(steady_ms), steady_ms + 1)) <= until_ms:
            steady_ms = due_ms
            readings.append(gear.due(steady_ms, now_ms + steady_ms, book)[1])
        steady_ms = max(steady_ms, until_ms)

    for at in range(0, len(what.payload), PIECE_BYTES):
        pass_time(int(whole_ms * at / len(what.payload)))
        piece = what.payload[at : at + PIECE_BYTES]
        readings.append(gear.feed(piece, steady_ms, now_ms + steady_ms, book))
    pass_time(end_ms + LINE_S * 1000)
    return readings


def _observe(said: Said, memory: Memory, retained: bool, now_ms: int, tried: Tried) -> None:
    made = observe(said, memory, received_at_ms=now_ms, retained=retained, redelivered=False)
    known = {one.message_id for one in tried.observations}
    tried.observations += [one for one in made.observations if one.message_id not in known]
    tried.faults += made.faults
    tried.notes += made.notes


# --- as text ----------------------------------------------------------------------------------------------------------


def observation_line(one: Observation) -> str:
    """``event=smoke lane=urgent alarm=1 battery=90``: the event, its lane, and the metrics by their keys."""
    words = [] if one.event is None else [f"event={one.event}"]
    words.append(f"lane={one.lane.value}")
    words += [f"{key}={_number(value)}" for key, value in sorted(one.metrics.items())]
    return " ".join(words)


def beside_line(one: Observation) -> str:
    """What goes with the measurements: ``label="kitchen" waveform=pleth (1200 samples)``; empty where nothing does."""
    words = []
    for key, item in sorted(one.data.items()):
        said = json.dumps(item, ensure_ascii=False) if isinstance(item, str | bool) else _number(item)
        words.append(f"{key}={said}")
    if one.waveform is not None:
        words.append(f"waveform={one.waveform.name} ({len(one.waveform.samples)} samples)")
    return " ".join(words)


def stranger_line(one: Announced) -> str:
    """``offer=contact address=door#2 vendor=Shelly``: how a stranger would be offered for adoption."""
    words = [f"offer={one.kind or '?'}", f"address={one.address}"]
    for key in ("name", "vendor", "model", "firmware"):
        value = getattr(one, key)
        if value:
            words.append(f"{key}={json.dumps(value, ensure_ascii=False)}")
    return " ".join(words)


def _number(value: float) -> str:
    return f"{value:.8g}"


# --- commands ---------------------------------------------------------------------------------------------------------

Pairs = list[str]


def try_profile(
    profile: Annotated[str, typer.Argument(help="A profile, or the YAML file of one.", show_default=False)],
    kind: Annotated[str, typer.Option(help="Kind of the device; by itself the one it would be offered as.")] = "",
    address: Annotated[str, typer.Option(help="Its address, with #part; by itself the one in the message.")] = "",
    topic: Annotated[str, typer.Option(help="The topic (HTTP: the path) on which the payload came.")] = "",
    retained: Annotated[bool, typer.Option("--retained", help="The broker had kept it.")] = False,
    base: Annotated[str, typer.Option(help="Base of the bridge, where it is not the profile's.")] = "",
    option: Annotated[Pairs | None, typer.Option(help="Option of the device, name=value; may be repeated.")] = None,
    bridge_option: Annotated[Pairs | None, typer.Option(help="Option of the bridge, name=value.")] = None,
    hexadecimal: Annotated[bool, typer.Option("--hex", help="The input is hexadecimal, blanks allowed.")] = False,
    over_s: Annotated[
        float | None, typer.Option("--over", min=0, help="Seconds that the bytes of a line took.")
    ] = None,
) -> None:
    """试一条报文 · Show what a payload becomes, and why not: `anju devices try shelly --topic … < payload`.

    Nothing is written and nobody is called. Exit codes: 0 understood, 1 something is wrong with it, 2 wrong usage.
    """
    found = _profile(profile)
    if kind and kind not in KINDS:
        fail(f"没有这种设备 there is no kind {kind}", f"kinds of {profile}: {', '.join(found.kinds)}", 2)
    raw = sys.stdin.buffer.read()
    payload = _from_hex(raw) if hexadecimal else _without_newline(raw, found)
    if found.carrier == "mqtt" and not topic:
        fail("缺少主题 the topic is missing", f"give --topic; {profile} listens to {_filters(found, base)}", 2)
    what = Attempt(
        profile=found,
        payload=payload,
        topic=topic,
        kind=kind,
        address=address,
        options=_pairs(option, "--option"),
        base=base,
        bridge_options=_pairs(bridge_option, "--bridge-option"),
        retained=retained,
        over_s=over_s,
    )
    try:
        tried = attempt(what, SystemClock().now_ms())
    except ValueError as error:
        fail("无法试用 it cannot be tried", error, 2)
    for line in _report(tried):
        typer.echo(line)
    raise typer.Exit(0 if tried.good else 1)


def _report(tried: Tried) -> Iterable[str]:
    """The result for people: the lines, each with what it means."""
    device = tried.device
    if device is not None:
        yield f"设备 device: {device.kind} {_address(device)}"
    for observation in tried.observations:
        yield observation_line(observation)
        beside = beside_line(observation)
        if beside:
            yield f"  附带 with {beside}"
        if observation.clock_suspect:
            yield "  时间不可信，按收到时间记 its clock is not believed; the time of receipt counts"
    for stranger in tried.strangers:
        yield stranger_line(stranger)
        heard = stranger.heard
        yield (
            "  未登记：报文进隔离区，设备等待接纳 not registered: it is kept in quarantine, the device can be adopted"
            if heard
            else "  网桥介绍的设备，可以接纳 described by its bridge; it can be adopted"
        )
    for fault in tried.faults:
        yield f"✗ {fault.field}: {fault.reason}"
        yield f"  应为 expected {fault.expected}"
        yield f"  {fault.hint}"
    for note in dict.fromkeys(tried.notes):
        yield f"  {WHY.get(note, note)}"
    if tried.understood and not (tried.observations or tried.strangers or tried.faults or tried.notes):
        yield (
            "它没有说任何新情况 it says nothing new"
            if device is not None
            else "它与任何设备无关 it concerns no device; give --address and --kind if it should"
        )


def list_profiles() -> None:
    """列出协议 · List the profiles of off-the-shelf gear: carrier, kinds, models and the topic they listen below."""
    for profile in sorted(PROFILES.values(), key=lambda one: one.key):
        documents = "（仅据文档 from documents alone）" if profile.spec_only else ""
        typer.echo(f"{profile.key}  {profile.zh} · {profile.en}{documents}")
        base = f", base {profile.base}" if profile.base else ""
        speed = f", {profile.serial.baud} baud" if profile.serial is not None else ""
        typer.echo(f"  {profile.carrier}{base}{speed}; docs/devices/{profile.key}.md")
        typer.echo(f"  种类 kinds: {', '.join(profile.kinds)}")
        typer.echo(f"  型号 models: {'; '.join(profile.models)}")


def _profile(key: str) -> Profile:
    if key.endswith((".yaml", ".yml")):
        return _from_file(Path(key))
    if key not in PROFILES:
        fail(f"没有这个协议 there is no profile {key}", f"known: {', '.join(sorted(PROFILES))}", 2)
    return PROFILES[key]


def _from_file(path: Path) -> Profile:
    """A profile that is being written."""
    try:
        return load_profile(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError, ProfileError) as error:
        fail("协议文件有误 the profile cannot be used", error, 2)


def _filters(profile: Profile, base: str) -> str:
    assert profile.message is not None
    try:
        return ", ".join(profile.message(base or profile.base, {}).filters())
    except ValueError:
        return profile.base


def _pairs(given: Pairs | None, where: str) -> dict[str, str]:
    pairs = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        if not equals:
            fail(f"选项有误 {where} {text}", "expected name=value", 2)
        pairs[key] = value
    return pairs


def _from_hex(raw: bytes) -> bytes:
    try:
        return bytes.fromhex(raw.decode("ascii"))
    except ValueError:
        fail("不是十六进制 the input is not hexadecimal", "expected pairs of 0-9 a-f, blanks between them", 2)


def _without_newline(raw: bytes, profile: Profile) -> bytes:
    """What an editor or ``echo`` put at the end is no part of a message; on a line it may be."""
    return raw.removesuffix(b"\n") if profile.message is not None else raw
