"""Work that people report: at a kiosk, by telephone, by the number of a pole, by the hotline, on an inspection."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from gateway.alarms import Frozen, Position


class Source(StrEnum):
    """How a case came in."""

    ALARM = "alarm"
    KIOSK = "kiosk"
    PHONE = "phone"
    POLE = "pole"
    HOTLINE = "hotline"  # 12345, 12319
    INSPECTION = "inspection"
    SERVICE = "service"  # a request for a life service


class Reporter(Frozen):
    """Who reported it, as far as they said."""

    name: str = Field(default="", max_length=100)
    phone: str = Field(default="", max_length=40)
    channel: str = Field(default="", max_length=100)
    """By which way in particular: ``12345``, ``kiosk-3``, a messenger's name."""


class Report(Frozen):
    """What somebody reports. ``key`` makes it idempotent: what is posted twice opens one case."""

    key: str = Field(min_length=1, max_length=200)
    actor: str
    """Who enters it, as the timeline will say: ``operator:hotline``, ``device:kiosk-3``, ``person:wang``."""
    source: Source = Source.PHONE
    work: str = Field(max_length=64)
    """The type of work: an id of the community's table."""
    text: str = Field(min_length=1, max_length=4000)
    """In the reporter's words."""
    place: str | None = Field(default=None, max_length=64)
    pole: str = Field(default="", max_length=64)
    """The number on the pole next to it."""
    position: Position | None = None
    resident: str | None = Field(default=None, max_length=64)
    reporter: Reporter | None = None
    happened_at_ms: int | None = None
    """When it was seen; now, where nobody said."""


class Link(Frozen):
    """Another case that this one belongs together with."""

    kind: Literal["merged_into", "merged_from", "split_from", "split_into", "follows", "followed_by"]
    case: str
    number: str


class Suspension(Frozen):
    """The case waits (挂账): its clock stands until then."""

    since_ms: int
    until_ms: int
    reason: str
    actor: str


class TimeAsked(Frozen):
    """Somebody asks for more time (延期)."""

    by: str
    until_ms: int
    reason: str
    at_ms: int


class CallBack(Frozen):
    """Somebody asked after the closing whether it is really done (回访)."""

    at_ms: int
    actor: str
    done: bool
    way: str = ""
    who: str = ""
    """Who was asked."""
    words: str = ""


class Rating(Frozen):
    """How satisfied somebody is (评价): 1 not at all … 5 very."""

    at_ms: int
    actor: str
    score: int = Field(ge=1, le=5)
    by: str = ""
    """Whose word it is: ``residents``, or the id of an organisation; see `gateway.registry.evaluating`."""
    way: str = ""
    who: str = ""
    words: str = ""
