"""The types of work a community does: who handles it, how bad it is, and how long each stage may take. Pure data."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from gateway.alarms import ALARM_TYPES, Frozen, Severity
from gateway.cases.limits import Limits
from gateway.cases.policy import Ladder, Recipient, Rung

HANDLER_LEASE_S = 86_400
BACKUP_AFTER_S = 1800


class WorkType(Frozen):
    """One row of the table. Snapshotted into a case when it opens, as its ladder is."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)
    enabled: bool = True
    department: str = ""
    """Who answers for it, in the community's words: 市容环卫."""
    role: str = ""
    """The roster role that handles it; needed where neither an organisation nor a ladder is named."""
    organisation: str = ""
    """The organisation that handles it in place of a role: a contractor, a social organisation."""
    backup: str = ""
    """The role that is told when nobody has taken it after half an hour."""
    supervisor: str = "supervisor"
    """The role that is told when a limit is over, and that is asked for more time."""
    ladder: str | None = None
    """A ladder of the community; without it the role is told, then the backup."""
    severity: Severity = Severity.SERVICE
    limits: Limits = Limits()
    must_verify: bool = False
    """It can only be closed after somebody else than who handled it has checked it (核查)."""
    alarms: tuple[str, ...] = ()
    """Alarm types whose cases are work of this type: its limits hold for them too."""
    reportable: bool = True
    """Whether people can choose it for a report."""

    @field_validator("alarms")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for alarm in value:
            if alarm not in ALARM_TYPES:
                raise ValueError(f"unknown alarm type {alarm!r}; known: {', '.join(ALARM_TYPES)}")
        return value

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.role and self.organisation:
            raise ValueError("give role or organisation (who handles it), not both")
        if not self.role and not self.organisation and self.ladder is None:
            raise ValueError("give role or organisation (who handles it), or ladder (who is told in which order)")
        return self

    @property
    def own_ladder(self) -> Ladder:
        """Who is told of a report where the type names no ladder of the community."""
        handler = Recipient(organisation=self.organisation) if self.organisation else Recipient(role=self.role)
        rungs = [Rung(id="handler", after_s=0, notify=(handler,))]
        if self.backup and self.backup != self.role:
            rungs.append(Rung(id="backup", after_s=BACKUP_AFTER_S, notify=(Recipient(role=self.backup),)))
        return Ladder(id=f"work-{self.id}", lease_s=HANDLER_LEASE_S, on_the_way_s=HANDLER_LEASE_S, rungs=tuple(rungs))
