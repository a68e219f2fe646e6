"""The registry as decisions see it: one revision, with its people, ladders and rules."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from devices.native import DeviceRef
from gateway.cases.policy import Ladder
from gateway.clock import Clock
from gateway.registry import overrides
from gateway.registry import store as registry_store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.model import NATIVE
from gateway.rules.engine import Engine
from gateway.rules.errors import RuleError
from gateway.rules.forms import DeviceInfo
from gateway.rules.index import usable
from gateway.state import tables as t
from gateway.state.db import reading

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class View:
    """One revision of the registry, and the rules engine that works by it."""

    revision: int
    directory: CommunityDirectory
    ladders: dict[str, Ladder]
    rules: Engine

    @property
    def timezone(self) -> str:
        """The community's, as an IANA name."""
        return self.directory.community.community.timezone


class Views:
    """Builds views from the state database. Raises what reading it raises."""

    def __init__(self, engine: sa.Engine, clock: Clock, itself: str | None = None) -> None:
        """``itself``: the device that is this gateway."""
        self._engine = engine
        self._clock = clock
        self._itself = itself
        self._directory: CommunityDirectory | None = None
        self.refused: list[RuleError] = []
        """What is wrong with rules that were left out at the start."""

    @property
    def directory(self) -> CommunityDirectory | None:
        """Of the view built last; None before a community was applied."""
        return self._directory

    def device(self, device: str) -> DeviceInfo | None:
        """A registered device as rules see it."""
        return self._directory.ruled(device) if self._directory is not None else None

    def native(self, hardware: str) -> DeviceRef | None:
        """The registered device that speaks under this id in native topics."""
        return self._directory.native(hardware) if self._directory is not None else None

    def is_gear(self, device: str) -> bool:
        """Whether a device comes in by a bridge, and not by the native protocol."""
        return self._directory is not None and self._directory.bridge_of(device) not in (None, NATIVE)

    def revision(self) -> int:
        """The newest one in the database; 0 before the first."""
        return registry_store.revision(self._engine)

    def load(self, before: View | None = None) -> View | None:
        """The view by the registry and the rules' states as they are committed; None before a community was applied.

        ``before``: the view of this process until now; without it, the gateway only begins to listen.
        """
        states = self._states()
        return self._build(None, states, None if before is None else before.rules)

    def follow(self, view: View) -> View | None:
        """The newest revision, with the memory of ``view``'s rules."""
        return self._build(view.rules, {})

    def _build(
        self, rules: Engine | None, states: dict[tuple[str, str], str], before: Engine | None = None
    ) -> View | None:
        revision = self.revision()
        community = registry_store.load(self._engine)
        if community is None:
            return None
        now_ms = self._clock.now_ms()
        with reading(self._engine) as connection:
            made = overrides.load(connection, now_ms - overrides.KEPT_MS)
        self._directory = CommunityDirectory(community, self._itself, made)
        if rules is None:
            zone = ZoneInfo(community.community.timezone)
            # At a start there is no engine before this one to go on with: the other rules still rule.
            good, self.refused = usable(community.rules)
            for error in self.refused:
                log.error("a rule cannot be used, and is left out: %s", error)
            rules = Engine(good, self.device, states, zone)
            rules.watch(self._directory.devices, now_ms)
            if before is None:
                rules.started(now_ms)
            else:
                rules.goes_on(before, now_ms)
        else:
            rules.replace(community.rules, now_ms, self._directory.devices)
            self.refused = []
        ladders = {ladder.id: ladder for ladder in community.ladders}
        return View(revision, self._directory, ladders, rules)

    def _states(self) -> dict[tuple[str, str], str]:
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(t.rule_states)).all()
        return {(row.rule, row.subject): row.body for row in rows}
