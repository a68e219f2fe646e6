"""The simulated telephone network: numbers, calls, SMS with their centre. Its time may run faster than the clock.

Nothing goes anywhere else. What happens that nobody expects is kept in `unexpected`; `check` fails on it.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from firmware_sim.telephony.pdu import Submitted, joined
from firmware_sim.telephony.phone import Cause, Leg, Phone

RINGS_AFTER_S = 1.5
RINGS_FOR_S = 40.0
"""The network gives up what nobody takes."""
DELIVERS_AFTER_S = 0.8

Reports = Literal["prompt", "late", "never", "failed", "busy"]


class Subscriber(Protocol):
    """A modem with its SIM, as the network sees it."""

    number: str

    def take_sms(self, sender: str, text: str) -> bool:
        """False where it has no room, or is not there: the centre keeps the SMS."""
        ...

    def take_report(self, reference: int, to: str, sent_ms: int, status: int) -> None:
        """What became of the SMS ``reference``; ``status`` as in 3GPP TS 23.040, 9.2.3.15."""
        ...


@dataclass(slots=True)
class Network:
    """One network. Its methods belong to the event loop."""

    speed: float = 1.0
    """Seconds of the network to one of the clock."""
    reports: Reports = "prompt"
    report_delay_s: float = 120.0
    """Of ``late``."""
    up: bool = True
    stranger: Callable[[str], Phone] | None = None
    """Whose telephone a number is that nobody was given; without it nobody has it."""
    phones: dict[str, Phone] = field(default_factory=dict)
    modems: dict[str, Subscriber] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)
    """Everything, in words, for people who look for what went wrong."""
    _kept: list[tuple[str, str, str]] = field(default_factory=list)
    _parts: dict[tuple[str, str, int, int], dict[int, bytes]] = field(default_factory=dict)
    _references: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # people and time

    def phone(self, name: str, number: str | None = None) -> Phone:
        """Somebody's telephone; made with its number the first time."""
        for phone in self.phones.values():
            if phone.name == name:
                return phone
        if number is None:
            raise KeyError(f"nobody called {name!r} has a telephone yet: give a number")
        phone = Phone(name=name, number=number, network=self)
        self.phones[bare(number)] = phone
        return phone

    def later(self, seconds: float, work: Callable[[], None]) -> asyncio.TimerHandle:
        """After so many seconds of the network's time."""
        return asyncio.get_running_loop().call_later(seconds / self.speed, work)

    def note(self, what: str) -> None:
        """Keep in words that something happened."""
        self.happened.append(what)

    def surprise(self, what: str) -> None:
        """Something that nobody expected."""
        self.unexpected.append(what)
        self.note(f"UNEXPECTED {what}")

    def check(self) -> None:
        """Fails on calls and SMS that nobody expected, and on expected ones that did not come."""
        missing = self.missing()
        assert not self.unexpected and not missing, "\n".join(
            [
                *(f"nobody expected: {what}" for what in self.unexpected),
                *(f"did not come: {what}" for what in missing),
                "what happened:",
                *(f"  {what}" for what in self.happened),
            ]
        )

    def missing(self) -> list[str]:
        """The calls and SMS that are expected and have not come."""
        return [missing for phone in self.phones.values() for missing in phone.missing()]

    # calls

    def dial(self, leg: Leg, number: str) -> None:
        """Somebody calls ``number``; the leg hears how it goes."""
        self.note(f"{leg.caller} calls {number}")
        phone = self._of(number)
        if not self.up:
            self.later(0.5, lambda: leg.end(Cause.NO_NETWORK))
        elif phone is None:
            self.surprise(f"a call from {leg.caller} to {number}, a number that nobody has")
            self.later(1.0, lambda: leg.end(Cause.UNASSIGNED))
        else:
            leg.phone = phone
            self.later(RINGS_AFTER_S, lambda: phone.ring(leg))

    def _of(self, number: str) -> Phone | None:
        found = self.phones.get(bare(number))
        if found is None and self.stranger is not None:
            found = self.phones[bare(number)] = self.stranger(number)
        return found

    # SMS

    def submit(self, modem: Subscriber, sms: Submitted, reference: int) -> None:
        """An SMS for the centre, or a part of one. Delivered when it is whole, reported as the network is set."""
        sent_ms = now_ms()
        text = self._whole(modem.number, sms)
        phone = self._of(sms.to)
        fails = phone is None or phone.off
        if text is not None:
            if phone is None:
                self.surprise(f"an SMS from {modem.number} to {sms.to}, a number that nobody has: {text}")
            else:
                self.later(DELIVERS_AFTER_S, lambda: phone.take_sms(modem.number, text))
        if not sms.wants_report or self.reports == "never":
            return
        status = {"failed": 0x46, "busy": 0x21}.get(self.reports, 0x46 if fails else 0x00)
        delay = self.report_delay_s if self.reports == "late" else DELIVERS_AFTER_S + 0.2
        self.later(delay, lambda: modem.take_report(reference, sms.to, sent_ms, status))

    def _whole(self, sender: str, sms: Submitted) -> str | None:
        if sms.part is None:
            return sms.text
        reference, total, number = sms.part
        parts = self._parts.setdefault((sender, sms.to, reference, total), {})
        parts[number] = sms.data
        if len(parts) < total:
            return None
        del self._parts[sender, sms.to, reference, total]
        return joined([parts[one] for one in sorted(parts)])

    def send(self, sender: str, to: str, text: str) -> None:
        """Somebody writes to a modem, or to somebody else. What does not get through is kept, and tried again."""
        self.note(f"{sender} writes to {to}: {text}")
        modem = next((one for number, one in self.modems.items() if same(number, to)), None)
        if modem is None:
            phone = self.phones.get(bare(to))
            if phone is None:
                self.surprise(f"an SMS from {sender} to {to}, a number that nobody has: {text}")
            else:
                phone.take_sms(sender, text)
        elif not self.up or not modem.take_sms(sender, text):
            self._kept.append((sender, to, text))

    def retry_kept(self) -> None:
        """A modem is back, or has room: the centre tries what it kept."""
        kept, self._kept = self._kept, []
        for sender, to, text in kept:
            self.send(sender, to, text)

    @property
    def kept(self) -> int:
        """How many SMS wait at the centre for a modem."""
        return len(self._kept)

    def next_reference(self) -> int:
        """The number of the next SMS, 0 to 255, as the centre counts."""
        return next(self._references) % 256


def bare(number: str) -> str:
    """A number without the country's code, as the network compares them."""
    digits = "".join(character for character in number if character.isdigit())
    return digits[2:] if digits.startswith("86") and len(digits) > 11 else digits


def same(one: str, other: str) -> bool:
    """Whether both are the same telephone, with or without the country's code."""
    return bare(one) == bare(other)


def now_ms() -> int:
    """The wall clock, for the stamps of SMS."""
    return time.time_ns() // 1_000_000
