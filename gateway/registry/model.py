"""The community as data: places, people, residents, devices, rules, ladders, rosters, channels.

No code knows a level's name: a place says what it is called and what it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from devices.kinds import KINDS
from gateway.alarms import Frozen
from gateway.cases.model import Address, Ladder
from gateway.rules.document import RuleDocument

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""Ids travel in MQTT topics, so no ``/ + # $`` and no white space."""


class Text(Frozen):
    """Wording in the community's languages, Chinese first."""

    zh: str
    en: str

    def in_language(self, language: str) -> str:
        return self.en if language == "en" else self.zh


def _text(value: object) -> object:
    if isinstance(value, str):
        return {"zh": value, "en": value}
    if not isinstance(value, Mapping | Text):
        raise PydanticCustomError("wording", "expected text, or a mapping with zh and en")
    return value


Wording = Annotated[Text, BeforeValidator(_text, json_schema_input_type=str | Text)]
"""``{zh: …, en: …}``, or one string that serves for both."""


class Position(Frozen):
    """Coordinates with their datum, which is never guessed."""

    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)
    datum: Literal["WGS-84", "GCJ-02"]


class Place(Frozen):
    """A node of the place tree, from the largest to the door or the pole."""

    id: Id
    level: str
    """The community's own word for it: district, courtyard, building, unit, door, pole …"""
    name: Wording
    parent: Id | None = None
    in_address: bool = True
    """False for a level that organises work and stands on no letter box (a grid)."""
    position: Position | None = None
    access: str = ""
    """门禁/钥匙: how one gets in."""
    meet_at: str = ""
    """接车地点: where the ambulance is met."""


class Person(Frozen):
    """Somebody who can be told: family, grid staff, guard, operator."""

    id: Id
    name: str
    phone: str = ""
    language: Literal["zh", "en"] = "zh"
    contacts: tuple[Address, ...] = ()
    """Ways to reach them, in their order of preference."""


class Relative(Frozen):
    """One of the people a resident wants told."""

    person: Id
    relation: str


class Resident(Frozen):
    """Somebody whom devices serve, with what the 120 dispatcher asks for."""

    id: Id
    name: str
    home: Id
    sex: Literal["male", "female", "unknown"] = "unknown"
    birth_year: int | None = Field(default=None, ge=1890, le=2100)
    phone: str = ""
    conditions: tuple[str, ...] = ()
    """既往史"""
    allergies: tuple[str, ...] = ()
    """过敏史"""
    doctor: Id | None = None
    family: tuple[Relative, ...] = ()
    """In the order they are to be told."""


class Device(Frozen):
    """A registered device: what is not registered is not listened to."""

    id: Id
    kind: str
    profile: Literal["native"] = "native"
    name: Wording | None = None
    place: Id
    resident: Id | None = None
    supervision_s: int | None = Field(default=None, ge=10, le=604_800)
    """The longest healthy silence; the kind's own where not given."""

    @field_validator("kind")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in KINDS:
            raise ValueError(f"unknown kind; known kinds: {', '.join(sorted(KINDS))}")
        return value


class Duty(Frozen):
    """Who holds a role for a place and everything below it. The nearest duty up the tree wins."""

    role: str
    place: Id
    people: tuple[Id, ...] = Field(min_length=1)


class Roster(Frozen):
    """A list of duties under one name."""

    id: Id
    duties: tuple[Duty, ...] = Field(min_length=1)


class AppriseChannel(Frozen):
    """Any of Apprise's messengers. ``url`` is a template: ``{to}`` is the address, ``${NAME}`` a secret; both are
    percent-encoded, so host and port are two names."""

    id: Id
    type: Literal["apprise"]
    url: str


class WebhookChannel(Frozen):
    """A signed HTTP POST (HMAC-SHA256 over timestamp and body)."""

    id: Id
    type: Literal["webhook"]
    url: str
    secret: str
    """Name of the secret in the environment or the secrets directory, never the secret itself."""


Channel = Annotated[AppriseChannel | WebhookChannel, Field(discriminator="type")]


class EmergencyLine(Frozen):
    """The 120 line. Only ``drill`` exists in this version: nothing here can reach the public network."""

    mode: Literal["drill"] = "drill"
    url: str
    """Base of the simulated 120 centre: ``http://${CENTRE_HOST}:${CENTRE_PORT}``; the driver adds ``/calls``."""
    secret: str | None = None
    """Name of the secret that holds the centre's token, where it wants one."""


class CommunityInfo(Frozen):
    """The community itself; its id is part of every MQTT topic."""

    id: Id
    name: Wording
    timezone: str = "Asia/Shanghai"
    call_back: str = ""
    """The control room's telephone, given to the 120 dispatcher."""

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("expected an IANA time zone such as Asia/Shanghai") from None
        return value


class Community(Frozen):
    """Everything a community's YAML says, after validation of each part. References are checked by `check`."""

    anju: Literal[1]
    community: CommunityInfo
    emergency_line: EmergencyLine | None = None
    places: tuple[Place, ...] = ()
    people: tuple[Person, ...] = ()
    residents: tuple[Resident, ...] = ()
    devices: tuple[Device, ...] = ()
    rules: tuple[RuleDocument, ...] = ()
    ladders: tuple[Ladder, ...] = ()
    rosters: tuple[Roster, ...] = ()
    channels: tuple[Channel, ...] = ()
