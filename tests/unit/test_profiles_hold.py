"""Every profile, against anything: no bytes make it raise what it must not, loop, or hold ever more.

What comes in is made of the payloads on the profile's page, bent out of shape, and of noise.
"""

from __future__ import annotations

import gc
import json
import random
import re
import sys
import types
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.gear.memory import Memory, observe
from devices.gear.messages import GearDevice, Incoming, Reading
from devices.gear.profile import MessageGear, Profile, StreamGear
from devices.kinds import KINDS
from devices.native import Command
from devices.observation import Refusal
from devices.profiles import PROFILES
from tests.support.gear import START_MS, Book
from tests.support.pages import PAGES, tries

MESSAGES = {key: profile for key, profile in PROFILES.items() if profile.message is not None}
STREAMS = {key: profile for key, profile in PROFILES.items() if profile.stream is not None}
MANY = 6000
"""More senders, and more things, than any profile remembers."""
HELD_BYTES = 32 * 2**20
LINE_HELD_BYTES = 4 * 2**20
FEW = settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)


def said(key: str) -> list[tuple[str, bytes]]:
    """The messages on the profile's page."""
    page = PAGES / f"{key}.md"
    return [(one.words.get("topic", ""), one.payload) for one in tries(page)] if page.exists() else []


def book(profile: Profile) -> Book:
    """Somebody of every kind at every address on the page, under more than one part."""
    page = PAGES / f"{profile.key}.md"
    addresses = {"1", "bridge"} | {one.words.get("address", "1") for one in (tries(page) if page.exists() else ())}
    for _, payload in said(profile.key):
        addresses |= set(re.findall(r"[\w-]{4,32}", payload.decode("utf-8", "replace"))[:40])
    for topic, _ in said(profile.key):
        addresses |= set(topic.split("/"))
    return Book(
        GearDevice(id=f"{kind}-{number}-{part}", kind=kind, address=address.partition("#")[0], part=part)
        for number, address in enumerate(sorted(addresses - {""}))
        for kind in profile.kinds
        for part in ("", "1")
    )


def topics(gear: MessageGear, key: str) -> st.SearchStrategy[str]:
    """Topics that it listens to, those of its page, and others."""
    level = st.sampled_from(["1", "bridge", "state", "events", "a b", "ü", "x" * 300]) | st.text(
        st.characters(blacklist_characters="/+#\x00", blacklist_categories=["Cs"]), min_size=1, max_size=6
    )
    filters = gear.filters()
    listened = [
        st.tuples(*(level if one in ("+", "#") else st.just(one) for one in text.split("/"))).map("/".join)
        for text in filters
    ]
    return st.one_of(*listened, st.sampled_from([topic for topic, _ in said(key)] or [""]), st.text(max_size=20))


def bent(payload: bytes) -> st.SearchStrategy[bytes]:
    """A payload with some bytes changed, left out, or doubled."""

    def bend(changes: list[tuple[int, int, bytes]]) -> bytes:
        for at, length, instead in changes:
            at %= len(payload) + 1
            out = payload[:at] + instead + payload[at + length :]
            return out
        return payload

    change = st.tuples(st.integers(0, 10_000), st.integers(0, 4), st.binary(max_size=4))
    return st.lists(change, max_size=1).map(bend)


def payloads(key: str) -> st.SearchStrategy[bytes]:
    noise = st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode())
    return st.one_of(noise, *(bent(payload) for _, payload in said(key)))


def read(gear: MessageGear, incoming: Incoming, devices: Book) -> Reading:
    """What the gear makes of it; nothing but a Refusal may come out of it."""
    try:
        return gear.receive(incoming, devices)
    except Refusal as refusal:
        assert refusal.reason and refusal.field and refusal.expected and refusal.hint
        return Reading()


def check(reading: Reading) -> None:
    """What a profile says can go on: memory takes it, the registry can name it, and it is bounded."""
    assert len(reading.said) + len(reading.announced) + len(reading.faults) < 5000
    for one in reading.announced:
        assert 0 < len(one.address) <= 1000 and one.kind in (None, *KINDS)
    for fault in reading.faults:
        assert isinstance(fault, Refusal) and fault.expected and fault.hint
    for one_said in reading.said:
        made = observe(one_said, Memory(), received_at_ms=START_MS, retained=False, redelivered=False)
        assert all(":" not in (one_said.identity or "") and len(one.message_id) < 400 for one in made.observations)


@pytest.mark.parametrize("key", sorted(MESSAGES))
def test_no_message_makes_a_profile_raise_anything_but_a_refusal(key: str) -> None:
    profile = MESSAGES[key]
    assert profile.message is not None
    make, devices = profile.message, book(profile)

    @FEW
    @given(st.data())
    def hold(data: st.DataObject) -> None:
        gear = make(profile.base or "base", {})
        where, what = topics(gear, key), payloads(key)
        for at in range(data.draw(st.integers(1, 6))):
            incoming = Incoming(
                source=data.draw(where),
                payload=data.draw(what),
                received_at_ms=START_MS + at,
                retained=data.draw(st.booleans()),
                content_type=data.draw(st.sampled_from(["", "application/json", "application/xml", "multipart/x"])),
            )
            check(read(gear, incoming, devices))

    hold()


def varied(payload: bytes, chance: random.Random) -> bytes:
    """Every number another one, of as many digits."""
    return re.sub(rb"[0-9]", lambda _: b"%d" % chance.randint(1, 9), payload)


def messages(key: str, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Messages of ever other senders about ever other things."""
    pairs = said(key) or [("", b"{}")]
    while True:
        for topic, payload in pairs:
            yield varied(topic.encode(), chance).decode(), varied(payload, chance)


def held(root: object) -> int:
    """Bytes of everything that ``root`` refers to, apart from code and what is shared by all."""
    seen: set[int] = set()
    waiting, total = [root], 0
    skipped = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.CodeType)
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, skipped):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        waiting += gc.get_referents(one)
    return total


@pytest.mark.parametrize("key", sorted(MESSAGES))
def test_a_profile_holds_no_more_however_many_speak(key: str) -> None:
    profile = MESSAGES[key]
    assert profile.message is not None
    gear, devices = profile.message(profile.base or "base", {}), book(profile)
    coming = messages(key, random.Random(key))
    fresh = held(gear)
    grown = []
    for _ in range(2):
        for at in range(MANY):
            topic, payload = next(coming)
            read(gear, Incoming(source=topic, payload=payload, received_at_ms=START_MS + at * 10), devices)
        grown.append(held(gear) - fresh)
    assert grown[1] < HELD_BYTES
    assert grown[1] <= max(grown[0] * 1.5, 64 * 1024), "it grows with what comes in"


@pytest.mark.parametrize("key", sorted(MESSAGES))
def test_no_command_makes_a_profile_raise_anything_but_a_refusal(key: str) -> None:
    profile = MESSAGES[key]
    assert profile.message is not None
    gear = profile.message(profile.base or "base", {})
    for kind in KINDS.values():
        for command in ("", "reboot", *kind.commands):
            known = kind.commands[command].args if command in kind.commands else {}
            choices: list[dict[str, str]] = [{}, {"x": "y"}, {name: values[-1] for name, values in known.items()}]
            for args, part in zip(choices, ("", "1", "a/+/#"), strict=True):
                device = GearDevice(id="d", kind=kind.key, address='a"b', part=part)
                try:
                    order = gear.order(device, Command(v=1, id="c-1", command=command, args=args), START_MS)
                except Refusal as refusal:
                    assert refusal.expected and refusal.hint
                else:
                    assert command in profile.commands[kind.key], "it obeys what it does not promise"
                    assert all(not set("+#\x00") & set(one.topic) for one in order.publications)


@pytest.mark.parametrize("key", sorted(MESSAGES))
def test_what_a_profile_promises_it_can(key: str) -> None:
    profile = MESSAGES[key]
    assert set(profile.kinds) <= set(KINDS)
    for kind, commands in profile.commands.items():
        assert kind in profile.kinds and set(commands) <= set(KINDS[kind].commands)


# --- lines ------------------------------------------------------------------------------------------------------------


def drive(gear: StreamGear, pieces: list[bytes], devices: Book, step_ms: int) -> None:
    """Bytes in pieces, with the calls that become due between them; what is due moves on."""
    steady_ms = 0
    gear.opened(steady_ms)
    for piece in pieces:
        steady_ms += step_ms
        check(gear.feed(piece, steady_ms, START_MS + steady_ms, devices))
        for _ in range(200):
            due_ms = gear.next_due_ms(steady_ms)
            if due_ms > steady_ms:
                break
            written, reading = gear.due(steady_ms, START_MS + steady_ms, devices)
            assert isinstance(written, bytes)
            check(reading)
        else:
            raise AssertionError("something is due for ever")
    assert gear.good >= 0 and gear.bad >= 0 and gear.silent_after_ms > 0


def cut(payload: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(payload[at : at + size])
        at += size
    return [*pieces, payload[at:]]


@pytest.mark.parametrize("key", sorted(STREAMS))
def test_no_bytes_on_a_line_make_a_profile_raise(key: str) -> None:
    profile = STREAMS[key]
    assert profile.stream is not None
    make, devices = profile.stream, book(profile)

    @FEW
    @given(payloads(key), st.lists(st.integers(0, 40), max_size=12), st.sampled_from([1, 50, 5000]))
    def hold(payload: bytes, sizes: list[int], step_ms: int) -> None:
        drive(make({}), cut(payload * 3, sizes), devices, step_ms)

    hold()


@pytest.mark.parametrize("key", sorted(STREAMS))
@pytest.mark.parametrize("noise", ["random", "zeros", "ones", "page"])
def test_a_line_holds_no_more_however_long_it_babbles(key: str, noise: str) -> None:
    profile = STREAMS[key]
    assert profile.stream is not None
    gear, devices = profile.stream({}), book(profile)
    chance = random.Random(key)
    page = b"".join(payload for _, payload in said(key)) or b"?"
    piece: Callable[[], bytes] = {
        "random": lambda: chance.randbytes(512),
        "zeros": lambda: bytes(512),
        "ones": lambda: b"\xff" * 512,
        "page": lambda: varied(page, chance)[:512],
    }[noise]
    fresh = held(gear)
    drive(gear, [piece() for _ in range(1000)], devices, 20)
    assert held(gear) - fresh < LINE_HELD_BYTES
