"""People with telephones: who takes a call and what they press, who does not, who answers by SMS.

``phone.expect_voice("紧急呼救").press("1")``, ``phone.expect_sms("Case").replies("1 4711")``. A telephone with
`habit` (of the demo) takes what comes; any other must have been told what to expect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Literal, Protocol, Self

if TYPE_CHECKING:
    from firmware_sim.telephony.network import Network

ANSWERS_AFTER_S = 3.0
THINKS_S = 1.5
"""From the end of what was said until a key is pressed."""


class Cause(Enum):
    """Why a call ended: the final code a modem shows, and the network's own number and words (Q.850)."""

    HUNG_UP = ("NO CARRIER", 16, "Normal call clearing")
    BUSY = ("BUSY", 17, "User busy")
    NO_ANSWER = ("NO ANSWER", 19, "User alerting no answer")
    REJECTED = ("NO CARRIER", 21, "Call rejected")
    UNASSIGNED = ("NO CARRIER", 1, "Unassigned (unallocated) number")
    OFF = ("NO CARRIER", 27, "Destination out of order")
    NO_NETWORK = ("NO CARRIER", 38, "Network out of order")
    BROKEN = ("NO CARRIER", 41, "Temporary failure")


class Leg(Protocol):
    """The caller's end of a call."""

    @property
    def caller(self) -> str:
        """Whose number is shown."""
        ...

    phone: Phone | None

    def alerting(self) -> None:
        """It rings at the other side."""
        ...

    def answered(self) -> None:
        """The other side took it."""
        ...

    def key(self, key: str) -> None:
        """A key was pressed at the other side."""
        ...

    def end(self, cause: Cause) -> None:
        """The call is over; nothing where it was already."""
        ...


Mode = Literal["answers", "no_answer", "busy", "rejects", "off", "voicemail"]


@dataclass(slots=True)
class Voice:
    """A call that is expected, and what is done with it. Each setting returns the expectation itself."""

    text: str
    mode: Mode = "answers"
    keys: tuple[tuple[str, float | None], ...] = ()
    """Key, and seconds after answering; None: when the words have been said once."""
    hangs_up_s: float | None = None
    answers_s: float = ANSWERS_AFTER_S
    came: bool = False
    heard: str = ""
    done: bool = False

    def press(self, key: str, *, at: float | None = None) -> Self:
        """Presses ``key`` once the words were said, or ``at`` seconds after answering."""
        self.keys = (*self.keys, (key, at))
        return self

    def hang_up(self, *, at: float) -> Self:
        """Hangs up ``at`` seconds after answering."""
        self.hangs_up_s = at
        return self

    def no_answer(self) -> Self:
        """Lets it ring."""
        self.mode = "no_answer"
        return self

    def busy(self) -> Self:
        """Is in a call."""
        self.mode = "busy"
        return self

    def rejects(self) -> Self:
        """Turns the call down."""
        self.mode = "rejects"
        return self

    def off(self) -> Self:
        """Is switched off."""
        self.mode = "off"
        return self

    def voicemail(self) -> Self:
        """A machine takes it after 15 s, listens for a minute, and presses nothing."""
        self.mode, self.answers_s, self.hangs_up_s = "voicemail", 15.0, 75.0
        return self


@dataclass(slots=True)
class Sms:
    """An SMS that is expected."""

    text: str
    answers: tuple[tuple[str, float], ...] = ()
    came: str | None = None

    def replies(self, text: str, *, after: float = 2.0) -> Self:
        """Answers with ``text``, ``after`` seconds of the network's time."""
        self.answers = (*self.answers, (text, after))
        return self


@dataclass(slots=True)
class Phone:
    """One telephone."""

    name: str
    number: str
    network: Network
    voices: list[Voice] = field(default_factory=list)
    messages: list[Sms] = field(default_factory=list)
    habit: Callable[[], Voice] | None = None
    """What is done with calls that nobody expects; with it every SMS is taken as well."""
    off: bool = False
    inbox: list[tuple[str, str]] = field(default_factory=list)
    """Sender and text of every SMS that came."""
    calls: list[str] = field(default_factory=list)
    """What was heard in each call that was taken."""
    _current: Voice | None = None
    _leg: Leg | None = None

    # what is expected

    def expect_voice(self, text: str = "") -> Voice:
        """The next call, in which ``text`` is to be heard."""
        voice = Voice(text)
        self.voices.append(voice)
        return voice

    def expect_sms(self, text: str = "") -> Sms:
        """The next SMS, which is to hold ``text``."""
        sms = Sms(text)
        self.messages.append(sms)
        return sms

    def missing(self) -> list[str]:
        """What was expected and has not come, or not as expected."""
        found = [f"a call to {self.name} with {one.text!r}" for one in self.voices if not one.came]
        found += [
            f"{one.text!r} in a call to {self.name}, who heard {one.heard!r}"
            for one in self.voices
            if one.came and one.mode in ("answers", "voicemail") and one.text not in one.heard
        ]
        return found + [f"an SMS to {self.name} with {one.text!r}" for one in self.messages if one.came is None]

    def writes(self, to: str, text: str) -> None:
        """Sends an SMS of their own accord."""
        self.network.send(self.number, to, text)

    # calls

    def ring(self, leg: Leg) -> None:
        """A call comes in."""
        from firmware_sim.telephony.network import RINGS_FOR_S

        voice = next((one for one in self.voices if not one.came), None)
        if voice is None and self.habit is not None:
            voice = self.habit()
        if voice is None:
            self.network.surprise(f"a call from {leg.caller} to {self.name}")
            voice = Voice("", mode="no_answer")
        voice.came = True
        if self._leg is not None or voice.mode == "busy":
            leg.end(Cause.BUSY)
        elif voice.mode == "off" or self.off:
            leg.end(Cause.OFF)
        else:
            self._current, self._leg = voice, leg
            leg.alerting()
            if voice.mode == "rejects":
                self.network.later(2.0, lambda: self._end(leg, Cause.REJECTED))
            elif voice.mode == "no_answer":
                self.network.later(RINGS_FOR_S, lambda: self._end(leg, Cause.NO_ANSWER))
            else:
                self.network.later(voice.answers_s, lambda: self._answer(leg, voice))

    def _answer(self, leg: Leg, voice: Voice) -> None:
        if self._leg is not leg:
            return
        self.network.note(f"{self.name} answers")
        leg.answered()
        for key, at in voice.keys:
            if at is not None:
                self.network.later(at, lambda key=key: self._press(leg, key))  # type: ignore[misc]
        if voice.hangs_up_s is not None:
            self.network.later(voice.hangs_up_s, lambda: self._end(leg, Cause.HUNG_UP))

    def hears(self, leg: Leg, text: str) -> None:
        """The other side has said ``text``."""
        voice = self._current
        if self._leg is not leg or voice is None:
            return
        voice.heard += text
        if voice.text in voice.heard and not voice.done:
            voice.done = True
            for key, at in voice.keys:
                if at is None:
                    self.network.later(THINKS_S, lambda key=key: self._press(leg, key))  # type: ignore[misc]

    def _press(self, leg: Leg, key: str) -> None:
        if self._leg is leg:
            self.network.note(f"{self.name} presses {key}")
            leg.key(key)

    def _end(self, leg: Leg, cause: Cause) -> None:
        if self._leg is leg:
            leg.end(cause)

    def ended(self, leg: Leg) -> None:
        """The call is over, whoever ended it."""
        if self._leg is leg and self._current is not None:
            self.network.note(f"the call to {self.name} is over; heard: {self._current.heard}")
            self.calls.append(self._current.heard)
            self._current = self._leg = None

    # SMS

    def take_sms(self, sender: str, text: str) -> None:
        """An SMS comes in; nothing reaches a telephone that is off."""
        if self.off:
            return
        self.inbox.append((sender, text))
        self.network.note(f"{self.name} reads: {text}")
        found = next((one for one in self.messages if one.came is None and one.text in text), None)
        if found is None:
            if self.habit is None:
                self.network.surprise(f"an SMS from {sender} to {self.name}: {text}")
            return
        found.came = text
        for answer, after in found.answers:
            self.network.later(after, lambda answer=answer: self.writes(sender, answer))  # type: ignore[misc]
