"""Who and where, at an instant, as the case machine asks it; people with the ways to reach them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from gateway.alarms import Frozen
from gateway.cases.limits import WorkCalendar
from gateway.cases.policy import Recipient


class Address(Frozen):
    """One way to reach somebody: a channel of the registry, and the address within it."""

    channel: str
    to: str


class Target(Frozen):
    """A person as resolved from a recipient, with the ways to reach them in their order of preference."""

    person: str
    name: str
    language: Literal["zh", "en"] = "zh"
    addresses: tuple[Address, ...] = ()
    at_once: int = 1
    """For life safety so many of them at once."""
    discreet: bool = False
    """Told that help is needed, and not what was measured: a neighbour."""


class Quiet(Frozen):
    """Somebody's quiet hours, as they are now."""

    until_ms: int
    channels: tuple[str, ...] = ()
    """What may be used meanwhile."""


class Directory(Protocol):
    """Who and where, at an instant: an immutable view of the registry that the machine asks. No I/O."""

    def resolve(self, recipient: Recipient, *, place: str | None, resident: str | None, at_ms: int) -> Sequence[Target]:
        """The people a recipient stands for now; empty when nobody is on duty or known."""
        ...

    def quiet(self, person: str, at_ms: int) -> Quiet | None:
        """The quiet hours the person has now; None where there are none."""
        ...

    def cancels(self, resident: str | None, code: str) -> Literal["cancel", "duress"] | None:
        """What a code means that was given for taking an alarm back; None for a wrong one."""
        ...

    def obeying(self, kinds: Sequence[str], command: str, *, place: str | None, resident: str | None) -> Sequence[str]:
        """The devices of ``kinds`` (all where none is given) that do this for a place or a resident: those there, else
        the nearest that stand at a larger place."""
        ...

    def knows(self, section: Literal["place", "resident", "device"], id_: str) -> bool:
        """Whether it is in the registry, and has not been removed."""
        ...

    def place_path(self, place: str | None, language: str) -> str:
        """The address in words, from the largest place down to the door; an empty string for None."""
        ...

    def device_name(self, device: str | None, language: str) -> str:
        """What people call the device in this language (``zh``, ``en``); empty for None."""
        ...

    def resident_name(self, resident: str | None) -> str:
        """The resident's name; empty for None."""
        ...

    def numbers(self, resident: str | None) -> tuple[str, str]:
        """The resident's telephone and the control room's; empty strings where they are not known."""
        ...

    def obeys(self, device: str, command: str) -> bool:
        """Whether a device of this kind knows a command."""
        ...

    def emergency_card(
        self, *, case_number: str, complaint: str, place: str | None, resident: str | None, source: str, at_ms: int
    ) -> dict[str, object]:
        """The EmergencyCard's registry part: who, where, history, key, meeting point (see docs/emergency-card.md).

        ``at_ms`` is now, for the patient's age."""
        ...

    @property
    def calendar(self) -> WorkCalendar:
        """When the community's offices work, in its time zone."""
        ...

    @property
    def line_mode(self) -> Literal["drill", "live"]:
        """How the emergency line is configured. ``drill`` never reaches the public network."""
        ...

    def line_enabled(self, at_ms: int) -> bool:
        """Whether a machine may call it: the site has it switched on, with an agreement on record that runs."""
        ...

    @property
    def drill_line(self) -> bool:
        """Whether drills have a line to call, which reaches a simulated centre only."""
        ...

    @property
    def line_paths(self) -> int:
        """How many ways to the line the site has."""
        ...
