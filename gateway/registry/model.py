"""The community as data: places, people, residents, devices, rules, ladders, rosters, channels.

No code knows a level's name: a place says what it is called and what it belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from devices.kinds import KINDS
from devices.profiles import PROFILES
from gateway.alarms import Frozen
from gateway.cases.directory import Address
from gateway.cases.handover import Outsider
from gateway.cases.limits import Office
from gateway.cases.policy import Ladder
from gateway.cases.work import WorkType
from gateway.registry.channels import Channel
from gateway.registry.drills import SelfTest
from gateway.registry.facts import Attributes, Moment, PersonalLimit, other_than
from gateway.registry.line import EmergencyLine
from gateway.registry.organisation import Evaluation, Organisation
from gateway.registry.roster import Date, Role, Roster
from gateway.registry.values import TOPIC_LEVEL, Id, Position, Wording
from gateway.rules.document import RuleDocument
from gateway.workdays import Hours


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
    attributes: Attributes = {}
    """What rules may know of it, as ``place.<name>``: of everything inside it too, where that has none of this name."""

    @field_validator("attributes")
    @classmethod
    def _of_its_own(cls, value: Attributes) -> Attributes:
        other_than(value, cls.model_fields)
        return value


class QuietHours(Frozen):
    """When somebody does not want to be disturbed by what can wait. What concerns a life, or is urgent, does not."""

    hours: Hours
    """Local time of day: ``22:00-07:00``, several with commas."""
    channels: tuple[Id, ...] = ()
    """Channels that make no noise and may be used meanwhile; without one of them what can wait waits."""


class Person(Frozen):
    """Somebody who can be told: family, grid staff, guard, operator."""

    id: Id
    name: str
    phone: str = ""
    language: Literal["zh", "en"] = "zh"
    contacts: tuple[Address, ...] = ()
    """Ways to reach them, in their order of preference."""
    at_once: int = Field(default=1, ge=1, le=5)
    """For life safety so many of the contacts at once; the others after them."""
    quiet: QuietHours | None = None
    left: Date | None = None
    """The last day on which they work here: afterwards they are on duty no more, whatever a roster says."""


class Relative(Frozen):
    """One of the people a resident wants told."""

    person: Id
    relation: str
    consent: Moment | None = None
    """The day the resident agreed, on paper, that this relative sees on their own page how they are
    (docs/answers.md). Without it the relative is told in an emergency, and sees nothing else."""


_CODE = r"^([0-9]{4,12})?$"


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
    neighbours: tuple[Id, ...] = ()
    """People next door whom the resident allows to be told that help is needed, and where; not what was measured."""
    cancel_code: str = Field(default="", pattern=_CODE)
    """With it the resident takes an alarm back where no device proves that it is them."""
    duress_code: str = Field(default="", pattern=_CODE)
    """It looks as if it took the alarm back, and help comes silently."""
    attributes: Attributes = {}
    """What rules may know of the resident, as ``resident.<name>``."""
    limits: tuple[PersonalLimit, ...] = ()
    """The resident's own limits, in place of those that rules have for everybody."""

    @field_validator("attributes")
    @classmethod
    def _of_its_own(cls, value: Attributes) -> Attributes:
        other_than(value, cls.model_fields)
        return value

    @model_validator(mode="after")
    def _codes_differ(self) -> Self:
        if self.duress_code and self.duress_code == self.cancel_code:
            raise ValueError("duress_code: must differ from cancel_code")
        return self


NATIVE = "native"


_ADDRESS = r"^[^\x00-\x1f\x7f]{1,200}$"


class Bridge(Frozen):
    """The way in of off-the-shelf gear: one Zigbee2MQTT, one Frigate, one serial line of a foreign protocol."""

    id: Id
    """Of a serial gear: the name of its line in the settings."""
    profile: str
    """Which format it speaks: `anju devices profiles` lists them."""
    base: str = Field(default="", max_length=200)
    """The topic (or its beginning) where it is not the profile's usual one."""
    options: dict[str, str] = {}
    """What the profile's page in docs/devices lists."""

    @field_validator("profile")
    @classmethod
    def _known(cls, value: str) -> str:
        return _known_profile(value)

    @model_validator(mode="after")
    def _options_known(self) -> Self:
        profile = PROFILES[self.profile]
        _known_options("options", self.options, profile.options)
        if profile.message is not None:
            profile.message(self.base or profile.base, self.options)  # says what is wrong with a value
        if profile.stream is not None:
            profile.stream(self.options)
        return self


def _known_profile(value: str) -> str:
    if value not in PROFILES:
        raise ValueError(f"unknown profile; known profiles: {', '.join(sorted(PROFILES))}")
    return value


def _known_options(key: str, given: Mapping[str, str], known: Mapping[str, str]) -> None:
    for name in given:
        if name not in known:
            raise ValueError(f"{key}: unknown option {name!r}; known: {', '.join(sorted(known)) or 'none'}")


class Device(Frozen):
    """A registered device: what is not registered is not listened to."""

    id: Id
    """Its name for people and for ever: of the thing at this place, whichever hardware does the work."""
    kind: str
    profile: str = NATIVE
    """How its bytes are understood: ``native``, or one of `anju devices profiles`."""
    bridge: Id | None = None
    """The bridge it comes in by; not needed where its profile has only one, or is native."""
    address: str | None = Field(default=None, pattern=_ADDRESS)
    """What the hardware calls itself: a friendly name, an IEEE or EUI address, a slave number; ``address#part`` where
    several devices share one. Of native gear the id in its topics, where that is not ``id`` (after a replacement)."""
    options: dict[str, str] = {}
    """What its profile must know of it: see the profile's page in docs/devices."""
    serial: str = Field(default="", max_length=100)
    """The maker's serial number, as on its label or in its QR code."""
    status: Literal["active", "retired"] = "active"
    """``retired``: no longer listened to and not supervised; kept for the history of its place."""
    name: Wording | None = None
    place: Id
    resident: Id | None = None
    supervision_s: int | None = Field(default=None, ge=10, le=604_800)
    """The longest healthy silence; the kind's own where not given."""
    via: Id | None = None
    """The device that carries it, and is silent with it: its concentrator, modem or gateway."""
    attributes: Attributes = {}
    """What rules may know of it, as ``device.<name>``."""

    @property
    def hardware(self) -> str:
        """What does the work, as far as one can tell from outside: behind another address stands another thing."""
        return f"{self.profile}/{self.bridge or ''}/{self.address or self.id}"

    @field_validator("kind")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in KINDS:
            raise ValueError(f"unknown kind; known kinds: {', '.join(sorted(KINDS))}")
        return value

    @field_validator("profile")
    @classmethod
    def _known_profile(cls, value: str) -> str:
        return value if value == NATIVE else _known_profile(value)

    @field_validator("attributes")
    @classmethod
    def _of_its_own(cls, value: Attributes) -> Attributes:
        other_than(value, (*cls.model_fields, "hardware"))
        return value

    @model_validator(mode="after")
    def _fits_its_profile(self) -> Self:
        if self.profile == NATIVE:
            if self.bridge is not None:
                raise ValueError("bridge: a native device comes in by no bridge; leave it out")
            if self.address is not None and re.fullmatch(TOPIC_LEVEL, self.address) is None:
                raise ValueError("address: of a native device 1 to 64 of A-Z a-z 0-9 _ . -, as in its topics")
            _known_options("options", self.options, {})
            return self
        profile = PROFILES[self.profile]
        if self.kind not in profile.kinds:
            raise ValueError(f"kind: profile {self.profile} knows {', '.join(profile.kinds)}, not {self.kind}")
        _known_options("options", self.options, profile.device_options)
        return self


def way_in(device: Device, bridges: Iterable[Bridge]) -> tuple[str, str]:
    """By which bridge a device comes in, and its address there. Native: ``native``; HTTP without a bridge: itself."""
    address = device.address or device.id
    if device.profile == NATIVE:
        return NATIVE, address
    if device.bridge is not None:
        return device.bridge, address
    fitting = (bridge.id for bridge in bridges if bridge.profile == device.profile)
    return next(fitting, device.id), address


class Levels(Frozen):
    """Which levels of the place tree telemetry and dashboards are grouped by."""

    grid: str | None = None
    """The level of a grid 网格, such as ``三级网格``. Without it: of every place the nearest that is in no address
    (``in_address: false``), else the one just inside the largest place."""
    building: str | None = None
    """The level of a building 楼 or courtyard 院落. Without it: the largest place inside the grid."""


class CommunityInfo(Frozen):
    """The community itself; its id is part of every MQTT topic."""

    id: Id
    name: Wording
    timezone: str = "Asia/Shanghai"
    call_back: str = ""
    """The control room's telephone, given to the 120 dispatcher."""
    office: Office = Office()
    """When offices work: limits in working hours and days count by it."""
    levels: Levels = Levels()
    """What is a grid and what a building, for telemetry and dashboards."""

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
    bridges: tuple[Bridge, ...] = ()
    devices: tuple[Device, ...] = ()
    rules: tuple[RuleDocument, ...] = ()
    ladders: tuple[Ladder, ...] = ()
    roles: tuple[Role, ...] = ()
    work: tuple[WorkType, ...] = ()
    rosters: tuple[Roster, ...] = ()
    organisations: tuple[Organisation, ...] = ()
    evaluation: tuple[Evaluation, ...] = ()
    channels: tuple[Channel, ...] = ()
    hand_over: tuple[Outsider, ...] = ()
    drills: tuple[SelfTest, ...] = ()
