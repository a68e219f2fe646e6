"""Who and where, at an instant, as the case machine asks it; people with the ways to reach them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from gateway.alarms import Frozen
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


class Directory(Protocol):
    """Who and where, at an instant: an immutable view of the registry that the machine asks. No I/O."""

    def resolve(self, recipient: Recipient, *, place: str | None, resident: str | None, at_ms: int) -> Sequence[Target]:
        """The people a recipient stands for now; empty when nobody is on duty or known."""
        ...

    def place_path(self, place: str | None, language: str) -> str:
        """The address in words, from the largest place down to the door; an empty string for None."""
        ...

    def device_name(self, device: str | None, language: str) -> str: ...

    def resident_name(self, resident: str | None) -> str: ...

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
    def line_mode(self) -> Literal["drill"]:
        """How the emergency line is configured. ``drill`` never reaches the public network."""
        ...
