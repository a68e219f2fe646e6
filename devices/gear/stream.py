"""What profiles of gear on serial lines share: options, the device behind a line, faults with measure, text lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from devices.gear.messages import AddressBook, Announced, GearDevice
from devices.observation import Refusal

FAULT_EVERY_MS = 60_000
"""A bad contact makes thousands of damaged frames a minute. One of them, with their number, tells it all."""
MAX_FAULT_REASONS = 64


def number_option(options: Mapping[str, str], key: str, default: float, *, low: float, high: float) -> float:
    """Option ``key`` as a number. Raises ValueError that names it."""
    text = options.get(key)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{key}: expected a number from {low:g} to {high:g}, got {text!r}") from None
    if not low <= value <= high:
        raise ValueError(f"{key}: expected {low:g} to {high:g}, got {text}")
    return value


def choice_option(options: Mapping[str, str], key: str, choices: Sequence[str]) -> str:
    """Option ``key``, one of ``choices``, of which the first is the default. Raises ValueError that names it."""
    value = options.get(key, choices[0])
    if value not in choices:
        raise ValueError(f"{key}: expected one of {', '.join(choices)}, got {value!r}")
    return value


class Behind:
    """The one device behind a line that has no addresses: whichever is registered there.

    Nobody registered: it is announced, once at each opening of the port.
    """

    def __init__(self, kind: str, *, vendor: str, model: str) -> None:
        self._kind, self._vendor, self._model = kind, vendor, model
        self._announced = False

    def opened(self) -> None:
        self._announced = False

    def device(self, book: AddressBook) -> GearDevice | None:
        """The device; of several, which is a mistake in the registry, the first by id."""
        return min(book.all(), key=lambda device: device.id, default=None)

    def stranger(self) -> tuple[Announced, ...]:
        """It speaks, and nobody is registered."""
        if self._announced:
            return ()
        self._announced = True
        return (Announced(address="1", kind=self._kind, vendor=self._vendor, model=self._model, heard=True),)


class Faults:
    """What is wrong with what comes in: the first of a reason at once, then one a minute with their number."""

    def __init__(self, *, every_ms: int = FAULT_EVERY_MS) -> None:
        self._every_ms = every_ms
        self._waiting: dict[str, tuple[Refusal, int]] = {}
        self._told_ms: dict[str, int] = {}

    def note(self, fault: Refusal) -> None:
        """Take a fault in. Its reason and field are what it is known by."""
        name = f"{fault.reason} {fault.field}"
        if name in self._waiting or len(self._waiting) < MAX_FAULT_REASONS:
            _, count = self._waiting.get(name, (fault, 0))
            self._waiting[name] = (fault, count + 1)

    def due(self, now_ms: int) -> tuple[Refusal, ...]:
        """What is to be told now."""
        told = []
        for name, (fault, count) in list(self._waiting.items()):
            if name in self._told_ms and now_ms - self._told_ms[name] < self._every_ms:
                continue
            del self._waiting[name]
            if len(self._told_ms) >= MAX_FAULT_REASONS:
                self._told_ms.pop(min(self._told_ms, key=self._told_ms.__getitem__))
            self._told_ms[name] = now_ms
            if count > 1:
                fault.hint = f"{fault.hint} ({count} times since it was last told)"
            told.append(fault)
        return tuple(told)


class TextLines:
    """Cuts a stream into lines at CR or LF. Holds at most ``limit`` bytes; a longer line is passed over whole."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._skipping = False

    def clear(self) -> None:
        """Forget a line that has begun: the port was opened again."""
        self._buffer.clear()
        self._skipping = False

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        """The lines that ``data`` completes, without their ends and without empty ones; and how many were too long."""
        lines: list[bytes] = []
        too_long = 0
        for number, piece in enumerate(data.replace(b"\r", b"\n").split(b"\n")):
            if number:  # there was an end before this piece
                if self._buffer:
                    lines.append(bytes(self._buffer))
                self.clear()
            if self._skipping:
                continue
            if len(self._buffer) + len(piece) > self._limit:
                self._buffer.clear()
                self._skipping = True
                too_long += 1
                continue
            self._buffer += piece
        return lines, too_long
