"""The public emergency lines (120, 119, 110) of a community: how they are called, and what must be on record before."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from gateway.alarms import Frozen
from gateway.cases.policy import Number

DECLARATIONS = (
    "本社区已与当地急救中心书面约定，本系统可以真实拨打其急救电话。",
    "This community has agreed in writing with its emergency centre that this system may really dial its number.",
)
"""One of these, word for word, stands in the configuration of a community whose gateway may dial."""


class LiveDialling(Frozen):
    """What is on record of the agreement with the emergency centre, and how its number is dialled."""

    declaration: str
    """Word for word one of `DECLARATIONS`: nobody switches this on by a slip of one word."""
    centre: str = Field(min_length=1, max_length=200)
    """With whom it was agreed."""
    agreed_on: date
    valid_until: date
    """From the day after, nothing here dials any more: agreements are renewed."""
    approved_by: str = Field(min_length=1, max_length=100)
    """Who answers for it in the community."""
    automatic: bool = False
    """Whether the machine may dial when nobody has answered. Without it only people dial, by a button."""
    by: tuple[Literal["modem", "sip"], ...] = Field(default=("modem", "sip"), min_length=1)
    """The ways to place the call, in their order. A cell call reaches the local centre; a trunk elsewhere may not."""
    numbers: dict[Number, str] = {}
    """What is really dialled for a line where that is not its own number: ``{"120": "010120"}``."""

    @field_validator("declaration")
    @classmethod
    def _word_for_word(cls, value: str) -> str:
        if value.strip() not in DECLARATIONS:
            raise ValueError(f"expected one of these sentences, word for word: {' / '.join(DECLARATIONS)}")
        return value.strip()

    @field_validator("numbers")
    @classmethod
    def _diallable(cls, value: dict[Number, str]) -> dict[Number, str]:
        for line, number in value.items():
            if not number.isascii() or not number.isdigit() or not 3 <= len(number) <= 15:
                raise ValueError(f"{line}: expected 3 to 15 digits, as they are dialled from here")
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.valid_until < self.agreed_on:
            raise ValueError("valid_until: lies before agreed_on")
        return self

    def dialled(self, line: str) -> str:
        """What is dialled for a line."""
        return next((number for name, number in self.numbers.items() if name == line), line)


class EmergencyLine(Frozen):
    """The emergency lines. ``drill`` (the default) can reach nothing but a simulated centre. ``live`` dials, and needs
    ``live:`` with the agreement, and ``live_dialling: true`` in the settings of the box that dials."""

    mode: Literal["drill", "live"] = "drill"
    url: str = ""
    """Base of the simulated 120 centre: ``http://${CENTRE_HOST}:${CENTRE_PORT}``; the driver adds ``/calls``. With
    ``live``: where the calls of drills go, if anywhere."""
    backup_url: str = ""
    """The other way to the simulated centre, for when the first has failed; empty where there is none."""
    secret: str | None = None
    """Name of the secret that holds the simulated centre's token, where it wants one."""
    live: LiveDialling | None = None

    @model_validator(mode="after")
    def _in_so_many_words(self) -> Self:
        if self.mode == "drill" and self.live is not None:
            raise ValueError("mode: drill beside live: say mode: live, or leave the section live out")
        if self.mode == "live" and self.live is None:
            raise ValueError("mode: live needs the section live, with the agreement with the emergency centre")
        if self.mode == "drill" and not self.url:
            raise ValueError("url: the simulated 120 centre, as http://${CENTRE_HOST}:${CENTRE_PORT}")
        return self
