"""What Anju wants to be there in Grafana, what is there, and the steps between. Plain records, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = dict[str, Any]

OWN = "anju-"
"""Uids of what Anju makes begin so; nothing else is ever changed or deleted."""
TAG = "anju"
SERVICE_ACCOUNT = "anju-gateway"
VIEW, EDIT, ADMIN = 1, 2, 4
"""Grafana's folder permissions."""
PERMISSION_NAMES: Mapping[int, str] = {VIEW: "view", EDIT: "edit", ADMIN: "admin"}


class Part(StrEnum):
    """A part of Grafana that is looked after as a whole, and may be closed to a token as a whole."""

    DATA_SOURCE = "data source"
    TEAMS = "team"
    ACCOUNT = "service account"
    FOLDERS = "folder"
    PERMISSIONS = "folder permissions"
    DASHBOARDS = "dashboard"
    CONTACT_POINT = "contact point"
    POLICY = "notification policy"
    RULES = "alert rule"


PART_ZH: Mapping[Part, str] = {
    Part.DATA_SOURCE: "数据源",
    Part.TEAMS: "团队",
    Part.ACCOUNT: "服务账号",
    Part.FOLDERS: "文件夹",
    Part.PERMISSIONS: "文件夹权限",
    Part.DASHBOARDS: "面板",
    Part.CONTACT_POINT: "联络点",
    Part.POLICY: "通知策略",
    Part.RULES: "告警规则",
}


class Action(StrEnum):
    """What is to be done with one thing."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    KEEP = "keep"
    """It is as it should be."""
    LEAVE = "leave"
    """It is not touched, for the reason given."""


CHANGES = (Action.CREATE, Action.CHANGE, Action.DELETE)


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may do what in a folder: a team by name, a basic role, a user, or the service account of the gateway."""

    permission: int
    team: str = ""
    role: str = ""
    user: str = ""
    account: bool = False

    @property
    def who(self) -> str:
        """The team, role or user it is for."""
        return self.team or self.role or self.user or SERVICE_ACCOUNT


@dataclass(frozen=True, slots=True)
class WantedFolder:
    """A folder as it is to be."""

    uid: str
    title: str
    grants: tuple[Grant, ...]
    strict: bool = False
    """Nobody else may be let in. Else teams and users that somebody has added in Grafana stay."""


@dataclass(frozen=True, slots=True)
class WantedDashboard:
    """A dashboard as it is to be."""

    uid: str
    folder: str
    model: Json
    mark: str
    """Tells one content from another; it stands in the message of the version that holds it."""

    @property
    def title(self) -> str:
        """As people see it; the uid where the model has none."""
        return str(self.model.get("title", self.uid))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything that is to be there. A part that is empty is looked after all the same: what is retired goes."""

    folders: tuple[WantedFolder, ...] = ()
    dashboards: tuple[WantedDashboard, ...] = ()
    teams: tuple[str, ...] = ()
    account: bool = False
    data_source: Json | None = None
    """As Grafana's API takes it, with what is secret in ``secureJsonData``."""
    contact_point: Json | None = None
    route: Json | None = None
    rules: tuple[Json, ...] = ()
    no_alerts: str = ""
    """Why alerts are not to be connected; then what is there of them is left alone."""


@dataclass(frozen=True, slots=True)
class FoundDashboard:
    """A dashboard as it is in Grafana."""

    uid: str
    title: str
    folder: str
    message: str
    """Of its newest version."""
    by: str = ""
    provisioned: bool = False


@dataclass(frozen=True, slots=True)
class FoundFolder:
    """A folder as it is in Grafana."""

    uid: str
    title: str
    version: int
    grants: frozenset[Grant] | None
    """None where the token may not see them."""
    strangers: int = 0
    """Dashboards in it that are not Anju's."""


@dataclass(slots=True)
class Found:
    """What is there of Anju's, and what stands beside it."""

    data_source: Json | None = None
    teams: dict[str, int] = field(default_factory=dict)
    """Name → id."""
    account: int | None = None
    """Id of the gateway's service account."""
    folders: dict[str, FoundFolder] = field(default_factory=dict)
    dashboards: dict[str, FoundDashboard] = field(default_factory=dict)
    contact_point: Json | None = None
    policies: Json | None = None
    rules: dict[str, Json] = field(default_factory=dict)
    closed: dict[Part, str] = field(default_factory=dict)
    """Parts that this token may not look at, with Grafana's words."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing, and what is to be done with it."""

    action: Action
    part: Part
    key: str
    title: str
    details: tuple[str, ...] = ()
    """What differs, or why it is left alone."""
    body: Any = None

    @property
    def changes(self) -> bool:
        """Whether it changes anything in Grafana."""
        return self.action in CHANGES
