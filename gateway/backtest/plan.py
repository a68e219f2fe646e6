"""What a back-test works with: the rules to be tried, those in force beside them, and who and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from gateway.backtest.model import Note, RuleRef
from gateway.backtest.sources.history import History, Within
from gateway.registry.directory import CommunityDirectory
from gateway.rules.document import EventRule, RuleDocument, ThresholdRule
from gateway.rules.library import library_rules

TIMEZONE = "Asia/Shanghai"
"""Where there is no community."""
CASE_LASTS_S = 3600
WARM_UP_S = 86_400
OUTAGE_LEAST_S = 600
OUTAGE_DEVICES = 3
"""Of fewer devices nobody can tell whether they, or the gateway, were silent."""

Origin = Literal["given", "registry", "library"]


@dataclass
class Plan:
    """Everything that one back-test needs."""

    rules: Sequence[RuleDocument]
    history: History
    within: Within
    directory: CommunityDirectory | None = None
    """None: alarms are about devices, as nobody knows where they are and whom they serve."""
    current: Sequence[tuple[RuleDocument, Origin]] = ()
    """To compare with."""
    devices: frozenset[str] | None = None
    """Only these; None for all."""
    cases_last_ms: int = CASE_LASTS_S * 1000
    outage_ms: int | None = None
    outage_by_heard: bool = False
    """``outage_ms`` goes by those who are heard: a table holds a few devices, not all that the registry knows."""
    fail_on: Sequence[str] = ()
    alarms_shown: int = 1000
    notes: list[Note] = field(default_factory=list)

    @property
    def zone(self) -> ZoneInfo:
        """The community's time zone."""
        return zone_of(self.directory)

    @property
    def kinds(self) -> frozenset[str] | None:
        """The kinds that need to be looked at; None for all: what nobody says is told from what everybody says."""
        every = [*self.rules, *(rule for rule, _ in self.current)]
        if any(not isinstance(rule, EventRule | ThresholdRule) for rule in every):
            return None
        return frozenset(kind for rule in every for kind in rule.kinds)


def zone_of(directory: CommunityDirectory | None) -> ZoneInfo:
    """The community's time zone."""
    return ZoneInfo(TIMEZONE if directory is None else directory.community.community.timezone)


def tried(rules: Sequence[RuleDocument]) -> list[RuleDocument]:
    """The rules as they are tried: switched on, whatever they say themselves."""
    return [rule.model_copy(update={"enabled": True}) for rule in rules]


def in_force(rules: Sequence[RuleDocument], directory: CommunityDirectory | None) -> list[tuple[RuleDocument, Origin]]:
    """What ``rules`` would stand beside: the registry's rules of the same id or alarm type, else the library's."""
    ids, types = {rule.id for rule in rules}, {rule.raises.type for rule in rules}

    def beside(rule: RuleDocument) -> bool:
        return rule.enabled and (rule.id in ids or (rule.raises.type in types and not rule.shadow))

    if directory is not None:
        return [(rule, "registry") for rule in directory.community.rules if beside(rule)]
    return [(rule, "library") for rule in library_rules().values() if beside(rule)]


def rule_ref(rule: RuleDocument, origin: Origin) -> RuleRef:
    """A rule as it is named in a result."""
    return RuleRef(
        id=rule.id,
        version=rule.version,
        zh=rule.zh,
        en=rule.en,
        type=rule.raises.type,
        severity=rule.raises.severity,
        origin=origin,
    )


def usual_outage_ms(directory: CommunityDirectory | None, devices: frozenset[str] | None) -> int | None:
    """Nobody heard for so long: the gateway did not run. Twice the shortest supervision interval, 10 minutes at least.

    None for a handful of devices, which may well be silent together.
    """
    if directory is None:
        return None
    known = [device for device in directory.devices if devices is None or device in devices]
    if len(known) < OUTAGE_DEVICES:
        return None
    return 1000 * max(OUTAGE_LEAST_S, 2 * min(directory.supervision_s(device) for device in known))
